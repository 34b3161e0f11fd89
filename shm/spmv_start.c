/* SPDX-License-Identifier: MIT
 *
 * Weakly connected parts by union and find. Nearly all of a graph is one part: two links of each
 * vertex show which, and after that only the others' links need looking at (the idea of Afforest,
 * Sutton, Ben-Nun and Barak 2018).
 *
 * Why parts: without dangling vertices the scores of a part sum to its share of the vertices, and
 * an iteration of whatever kind corrects a wrong sum by the damping factor only.
 */
#include "shm/spmv_start.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_LINKS 2
#define SAMPLES     1024

struct part {
    uint64_t links; /* into its vertices */
    uint32_t parent, vertices;
};

static uint32_t find(struct part *parts, uint32_t v)
{
    while (parts[v].parent != v) {
        parts[v].parent = parts[parts[v].parent].parent;
        v = parts[v].parent;
    }
    return v;
}

static void unite(struct part *parts, uint32_t a, uint32_t b)
{
    a = find(parts, a);
    b = find(parts, b);
    if (a < b)
        parts[b].parent = a;
    else
        parts[a].parent = b;
}

static void unite_row(struct part *parts, uint32_t v, const uint64_t *offsets,
                      const uint32_t *others, uint64_t most)
{
    uint64_t end = offsets[v + 1];
    if (end - offsets[v] > most)
        end = offsets[v] + most;
    for (uint64_t i = offsets[v]; i < end; i++)
        unite(parts, v, others[i]);
}

/* The root that most of some vertices have. */
static uint32_t largest_part(struct part *parts, uint32_t n)
{
    uint32_t best = find(parts, 0);
    uint32_t votes = 0;
    /* A majority vote needs no counters: Boyer and Moore. Without a majority any part will do. */
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const uint32_t root = find(parts, (uint32_t)((uint64_t)i * n / SAMPLES));
        if (votes == 0)
            best = root;
        votes += root == best ? 1 : (uint32_t)-1;
    }
    return best;
}

int spmv_fill_start(float *start, const struct graph_view *graph, const uint32_t *positions)
{
    const uint32_t n = graph->vertex_count;
    struct part *parts = calloc(n, sizeof *parts);
    if (!parts)
        return -ENOMEM;
    for (uint32_t v = 0; v < n; v++)
        parts[v].parent = v;
    for (uint32_t v = 0; v < n; v++) {
        unite_row(parts, v, graph->out_offsets, graph->out_targets, FIRST_LINKS);
        unite_row(parts, v, graph->in_offsets, graph->in_sources, FIRST_LINKS);
    }
    const uint32_t largest = largest_part(parts, n);
    for (uint32_t v = 0; v < n; v++) {
        if (find(parts, v) == find(parts, largest))
            continue;
        unite_row(parts, v, graph->out_offsets, graph->out_targets, UINT64_MAX);
        unite_row(parts, v, graph->in_offsets, graph->in_sources, UINT64_MAX);
    }
    for (uint32_t v = 0; v < n; v++) {
        struct part *part = &parts[find(parts, v)];
        part->vertices++;
        part->links += graph_in_degree(graph, v);
    }
    for (uint32_t v = 0; v < n; v++) {
        const struct part *part = &parts[find(parts, v)];
        const double share = (double)part->vertices / n;
        start[positions[v]] =
            part->links ? (float)(share * (double)graph_in_degree(graph, v) / (double)part->links)
                        : (float)(share / part->vertices);
    }
    free(parts);
    return 0;
}
