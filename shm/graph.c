/* SPDX-License-Identifier: MIT
 *
 * Building the link graph without sorting a row: arcs are scattered by source, those rows by
 * target, and these by source again. A scatter that walks its input in ascending order of one end
 * fills the other end's rows in ascending order, so duplicates come to lie side by side. Three
 * linear passes whatever the shape of the graph, the first one nearly sequential since readers
 * deliver arcs page by page.
 */
#include "shm/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int arc_list_add(struct arc_list *list, uint32_t source, uint32_t target)
{
    const uint64_t at = list->count % ARC_CHUNK;
    if (at == 0) {
        if (list->chunk_count == list->chunk_capacity) {
            const size_t capacity = list->chunk_capacity ? 2 * list->chunk_capacity : 16;
            struct arc **chunks = realloc(list->chunks, capacity * sizeof(struct arc *));
            if (!chunks)
                return -ENOMEM;
            list->chunks = chunks;
            list->chunk_capacity = capacity;
        }
        struct arc *chunk = malloc(ARC_CHUNK * sizeof *chunk);
        if (!chunk)
            return -ENOMEM;
        list->chunks[list->chunk_count++] = chunk;
    }
    list->chunks[list->chunk_count - 1][at] = (struct arc){source, target};
    list->count++;
    return 0;
}

void arc_list_fini(struct arc_list *list)
{
    for (size_t i = 0; i < list->chunk_count; i++)
        free(list->chunks[i]);
    free(list->chunks);
    *list = (struct arc_list){0};
}

/* Rows of one direction: offsets[n + 1] and ids[offsets[n]]. */
struct rows {
    uint64_t *offsets;
    uint32_t *ids;
};

static uint64_t chunk_arcs(const struct arc_list *arcs, size_t chunk)
{
    const uint64_t before = chunk * ARC_CHUNK;
    return arcs->count - before < ARC_CHUNK ? arcs->count - before : ARC_CHUNK;
}

static int allocate_offsets(struct rows *rows, uint32_t n, struct fault *why)
{
    rows->offsets = calloc((size_t)n + 1, sizeof *rows->offsets);
    return rows->offsets ? 0 : fault_set(why, ENOMEM, "no memory for a graph of %u vertices", n);
}

static int allocate_ids(struct rows *rows, uint64_t m, struct fault *why)
{
    rows->ids = calloc(m ? m : 1, sizeof *rows->ids);
    return rows->ids ? 0
                     : fault_set(why, ENOMEM, "no memory for a graph of %llu links",
                                 (unsigned long long)m);
}

static void free_rows(struct rows *rows)
{
    free(rows->offsets);
    free(rows->ids);
}

/* With the length of row v in offsets[v + 1], puts the start of row v there: what a scatter then
 * counts up to the row's end, which is where the next one starts. */
static void lengths_to_starts(uint64_t *offsets, uint32_t n)
{
    uint64_t start = 0;
    for (uint32_t v = 0; v < n; v++) {
        const uint64_t length = offsets[v + 1];
        offsets[v + 1] = start;
        start += length;
    }
}

/* Rows by source, of targets in any order and with duplicates. Empties the list. */
static int gather_arcs(struct rows *rows, uint32_t n, struct arc_list *arcs, uint64_t *self_links,
                       struct fault *why)
{
    int rc = allocate_offsets(rows, n, why);
    if (rc)
        return rc;
    for (size_t c = 0; c < arcs->chunk_count; c++)
        for (uint64_t i = 0; i < chunk_arcs(arcs, c); i++) {
            const struct arc arc = arcs->chunks[c][i];
            if (arc.source >= n || arc.target >= n)
                return fault_set(why, EINVAL, "link %u -> %u: there are only %u vertices",
                                 arc.source, arc.target, n);
            *self_links += arc.source == arc.target;
            rows->offsets[arc.source + 1] += arc.source != arc.target;
        }
    rc = allocate_ids(rows, arcs->count - *self_links, why);
    if (rc)
        return rc;
    lengths_to_starts(rows->offsets, n);
    for (size_t c = 0; c < arcs->chunk_count; c++) {
        for (uint64_t i = 0; i < chunk_arcs(arcs, c); i++) {
            const struct arc arc = arcs->chunks[c][i];
            if (arc.source != arc.target)
                rows->ids[rows->offsets[arc.source + 1]++] = arc.target;
        }
        free(arcs->chunks[c]);
        arcs->chunks[c] = NULL;
    }
    return 0;
}

/* `to` has zeroed offsets and room for all of `from`. Its rows come out ascending. */
static void transpose(struct rows *to, const struct rows *from, uint32_t n)
{
    for (uint64_t i = 0; i < from->offsets[n]; i++)
        to->offsets[from->ids[i] + 1]++;
    lengths_to_starts(to->offsets, n);
    for (uint32_t v = 0; v < n; v++)
        for (uint64_t i = from->offsets[v]; i < from->offsets[v + 1]; i++)
            to->ids[to->offsets[from->ids[i] + 1]++] = v;
}

/* Drops repeated ids of ascending rows in place. */
static void drop_duplicates(struct rows *rows, uint32_t n)
{
    uint64_t kept = 0, start = 0;
    for (uint32_t v = 0; v < n; v++) {
        const uint64_t end = rows->offsets[v + 1];
        const uint64_t row = kept;
        for (uint64_t i = start; i < end; i++)
            if (kept == row || rows->ids[kept - 1] != rows->ids[i])
                rows->ids[kept++] = rows->ids[i];
        start = end;
        rows->offsets[v + 1] = kept;
    }
}

static void shrink(struct rows *rows, uint64_t m)
{
    uint32_t *ids = realloc(rows->ids, m ? m * sizeof *ids : 1);
    if (ids)
        rows->ids = ids;
}

int graph_build(struct graph_built *built, uint32_t vertex_count, struct arc_list *arcs,
                struct fault *why)
{
    const uint32_t n = vertex_count;
    struct rows in = {0}, out = {0};
    *built = (struct graph_built){0};

    int rc = gather_arcs(&out, n, arcs, &built->self_links, why);
    arc_list_fini(arcs);
    if (!rc)
        rc = allocate_offsets(&in, n, why);
    if (!rc)
        rc = allocate_ids(&in, out.offsets[n], why);
    if (rc) {
        free_rows(&out);
        free_rows(&in);
        *built = (struct graph_built){0};
        return rc;
    }
    transpose(&in, &out, n);
    drop_duplicates(&in, n);
    const uint64_t m = in.offsets[n];
    shrink(&in, m);
    shrink(&out, m);
    memset(out.offsets, 0, ((size_t)n + 1) * sizeof *out.offsets);
    transpose(&out, &in, n);

    built->view = (struct graph_view){
        .vertex_count = n,
        .edge_count = m,
        .out_offsets = out.offsets,
        .out_targets = out.ids,
        .in_offsets = in.offsets,
        .in_sources = in.ids,
    };
    return 0;
}

void graph_built_fini(struct graph_built *built)
{
    /* The view's arrays are const for its readers; here they are ours. */
    free((void *)(uintptr_t)built->view.out_offsets);
    free((void *)(uintptr_t)built->view.out_targets);
    free((void *)(uintptr_t)built->view.in_offsets);
    free((void *)(uintptr_t)built->view.in_sources);
    *built = (struct graph_built){0};
}
