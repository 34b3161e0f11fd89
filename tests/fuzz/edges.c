/* SPDX-License-Identifier: MIT
 *
 * An edge list or Matrix Market file of any bytes, to the graph built of it.
 */
#include "tests/fuzz/fuzz.h"

#include "coordinator/dump/edges.h"

/* What a few bytes can announce takes gigabytes to hold. */
#define VERTICES_MAX (UINT32_C(1) << 20)

static void check(const struct edge_graph *graph)
{
    for (uint32_t v = 0; v < graph->vertex_count; v++) {
        if (graph->integer_names)
            MUST(v == 0 || graph->ids[v] > graph->ids[v - 1]);
        else
            MUST(graph->name_offsets[v + 1] > graph->name_offsets[v] &&
                 fuzz_is_utf8(graph->names + graph->name_offsets[v],
                              graph->name_offsets[v + 1] - graph->name_offsets[v]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault why = {""};
    struct byte_source *source;
    if (bytes_open(&source, fuzz_file(data, size), &why))
        return 0;
    struct edge_graph graph;
    int err = edges_read(source, &graph, NULL, NULL, &why);
    bytes_close(&source);
    MUST(err <= 0 && (err == 0 || why.text[0]));
    if (err == 0 && graph.vertex_count <= VERTICES_MAX) {
        struct graph_built built;
        check(&graph);
        err = graph_build(&built, graph.vertex_count, &graph.arcs, &why);
        MUST(err == 0 || err == -ENOMEM); /* -EINVAL: an arc to a vertex that there is not */
        if (err == 0)
            graph_built_fini(&built);
    }
    edge_graph_fini(&graph);
    return 0;
}
