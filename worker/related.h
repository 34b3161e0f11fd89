/* SPDX-License-Identifier: MIT
 *
 * Approximate personalised PageRank by local push, after Andersen, Chung and Lang (FOCS 2006),
 * carried over to directed graphs with forklore's rule for dangling pages.
 */
#ifndef FORKLORE_WORKER_RELATED_H
#define FORKLORE_WORKER_RELATED_H

#include "shm/graph.h"
#include "worker/patience.h"
#include "worker/vertex_map.h"

struct related_score {
    uint32_t vertex;
    uint32_t queued; /* this and what follows the score: related.c's */
    double score;
    double residual;
    double threshold; /* of the residual; kept here to spare a look at the graph for each link */
};

struct related {
    struct vertex_map scores; /* of struct related_score; a vertex that is absent scores 0 */
    double missing;
};

/* Scores x = (1-d) v + d (P'x + D v) with v uniform over the `seed_count` distinct seeds.
 *
 * No score is too high, and together they are too low by exactly `missing` (but for rounding):
 * the L1 error. A vertex passes its residual on while that is more than epsilon for each of its
 * links, so missing <= d * epsilon * (sum over the vertices in `scores` of max(1, out-degree)),
 * and at most 1 / ((1-d) epsilon) links are followed, however large the graph.
 *
 * 0, -ETIME past the deadline, -ENOMEM. related_fini() in every case. */
int related_push(struct related *related, const struct graph_view *graph, const uint32_t *seeds,
                 uint32_t seed_count, double damping, double epsilon, struct patience *patience);
void related_fini(struct related *related);

#endif
