/* SPDX-License-Identifier: MIT
 *
 * See graph_input.h.
 */
#include "coordinator/build/graph_input.h"

#include "coordinator/build/names.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int out_of_memory(const struct edge_graph *graph, struct fault *why)
{
    return fault_set(why, ENOMEM, "out of memory for the titles of %" PRIu32 " vertices",
                     graph->vertex_count);
}

static unsigned decimal_digits(uint64_t value)
{
    unsigned digits = 1;
    for (; value >= 10; value /= 10)
        digits++;
    return digits;
}

/* Titles of integer names, in one allocation that the caller frees after titles_build(). */
static char *number_titles(const struct edge_graph *graph, struct title_input *inputs)
{
    uint64_t bytes = 1; /* snprintf()'s last NUL */
    for (uint32_t v = 0; v < graph->vertex_count; v++)
        bytes += decimal_digits(graph->ids[v]);
    char *text = malloc(bytes);
    for (uint64_t v = 0, at = 0; text && v < graph->vertex_count; v++) {
        int length = snprintf(text + at, bytes - at, "%" PRIu64, graph->ids[v]);
        inputs[v] = (struct title_input){text + at, (uint32_t)length, (uint32_t)v};
        at += (uint64_t)length;
    }
    return text;
}

/* Names with the same normal form are one vertex: vertex_of[v] is the one that v has become, and
 * the first of them gives it its title. */
static int merge_names(const struct edge_graph *graph, struct names *names, uint32_t *vertex_of,
                       struct title_input *inputs, const char *input, struct fault *why)
{
    for (uint64_t v = 0; v < graph->vertex_count; v++) {
        const char *name = graph->names + graph->name_offsets[v];
        size_t length = graph->name_offsets[v + 1] - graph->name_offsets[v];
        char title[TITLE_MAX_BYTES];
        int normal = title_normalise(name, length, false, title);
        if (normal <= 0)
            return fault_set(why, EBADMSG, "%s: the title \"%.*s\" is %s", input,
                             (int)(length < 60 ? length : 60), name,
                             normal == 0               ? "empty"
                             : normal == -ENAMETOOLONG ? "too long"
                                                       : "not valid UTF-8");
        /* Dense by first appearance, as vertices are. */
        uint32_t before = names->count;
        if (names_intern(names, title, (size_t)normal, &vertex_of[v]))
            return out_of_memory(graph, why);
        if (names->count > before)
            inputs[before] = (struct title_input){name, (uint32_t)length, before};
    }
    return 0;
}

static void renumber_arcs(struct arc_list *arcs, const uint32_t *vertex_of)
{
    for (uint64_t i = 0; i < arcs->count; i++) {
        struct arc *arc = &arcs->chunks[i / ARC_CHUNK][i % ARC_CHUNK];
        *arc = (struct arc){vertex_of[arc->source], vertex_of[arc->target]};
    }
}

static int name_titles(struct edge_graph *graph, struct names *names, struct title_input *inputs,
                       const char *input, struct fault *why)
{
    uint32_t *vertex_of = malloc((size_t)graph->vertex_count * sizeof(*vertex_of));
    if (!vertex_of)
        return out_of_memory(graph, why);
    int rc = merge_names(graph, names, vertex_of, inputs, input, why);
    if (!rc && names->count < graph->vertex_count)
        renumber_arcs(&graph->arcs, vertex_of);
    free(vertex_of);
    return rc;
}

static int make_pages(const struct edge_graph *graph, struct build_parts *parts, struct fault *why)
{
    uint32_t count = parts->titles.view.count;
    parts->pages = calloc(count, sizeof(*parts->pages));
    if (!parts->pages)
        return out_of_memory(graph, why);
    for (uint32_t v = 0; v < count; v++)
        parts->pages[v] = (struct page){.id = graph->integer_names ? graph->ids[v] : v,
                                        .title = parts->titles.entry_of_input[v],
                                        .block = PAGE_NO_TEXT};
    return 0;
}

int graph_titles(struct edge_graph *graph, struct build_parts *parts, struct build_report *report,
                 const char *input, struct fault *why)
{
    struct title_input *inputs = malloc((size_t)graph->vertex_count * sizeof(*inputs));
    if (!inputs)
        return out_of_memory(graph, why);
    struct names names = {0};
    char *numbers = NULL;
    uint32_t count = graph->vertex_count;
    int rc = 0;
    if (graph->integer_names) {
        numbers = number_titles(graph, inputs);
        if (!numbers)
            rc = out_of_memory(graph, why);
    } else {
        rc = name_titles(graph, &names, inputs, input, why);
        count = names.count;
        names_drop_lookup(&names);
    }
    if (!rc)
        rc = titles_build(&parts->titles, inputs, count, false, why);
    names_fini(&names);
    free(numbers);
    free(inputs);
    if (!rc)
        rc = make_pages(graph, parts, why);
    if (rc)
        return rc;

    report->pages_seen = graph->vertex_count;
    report->pages = count;
    report->duplicate_titles = graph->vertex_count - count;
    report->links[LINK_PAGE] = graph->arcs.count;
    parts->meta.page_count = count;
    parts->meta.title_count = count;
    parts->arcs = graph->arcs;
    graph->arcs = (struct arc_list){0};
    return 0;
}
