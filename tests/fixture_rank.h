/* SPDX-License-Identifier: MIT
 *
 * In place of PageRank where an index is built for a test: the more links in, the better.
 */
#ifndef FORKLORE_TESTS_FIXTURE_RANK_H
#define FORKLORE_TESTS_FIXTURE_RANK_H

#include "shm/index.h"

/* A build's `rank` (coordinator/build/build.h). */
static inline int rank_by_links_in(void *owner, const struct index_view *index,
                                   const struct rank_arrays *ranks, struct fault *why)
{
    (void)owner;
    const struct graph_view *graph = &index->graph;
    double all = (double)graph->edge_count + graph->vertex_count;
    for (uint32_t v = 0; v < graph->vertex_count; v++)
        ranks->scores[v] = (double)(graph_in_degree(graph, v) + 1) / all;
    *ranks->info = (struct rank_info){.damping = 0.85, .iterations = 1, .precision = 8};
    return rank_build(ranks, index->pages, graph->vertex_count, &index->titles, why);
}

#endif
