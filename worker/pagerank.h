/* SPDX-License-Identifier: MIT
 *
 * PageRank by power iteration, one slice of the vertices per worker:
 *
 *     x' = (1-d) v + d (P^T x + D v),   D = sum of x over dangling vertices
 *
 * (Page, Brin, Motwani, Winograd 1999; dangling mass goes where the teleport goes, as in
 * networkx.) Every vertex's sum is taken over its in-links in ascending order, and sums over
 * vertices are taken per block of PARTITION_BLOCK and added exactly (exchange.h), so the scores
 * have the same bits for any number of workers and either carrier.
 */
#ifndef FORKLORE_WORKER_PAGERANK_H
#define FORKLORE_WORKER_PAGERANK_H

#include "worker/worker.h"

struct pagerank_result {
    uint32_t iterations;
    double change;
    bool converged;
    uint64_t wait_ns; /* spent waiting for other workers */
    uint64_t exchanged_bytes;
    uint64_t wakeups;
};

/* What the computation needs from the worker around it. */
struct pagerank_host {
    void *owner;
    /* Waits until exchange_ready() is not 0 and returns it; -ECANCELED to stop. */
    int (*wait)(void *owner, struct exchange *exchange);
    /* Called by worker 0 after each iteration. */
    void (*progress)(void *owner, uint32_t iteration, double change);
};

/* Takes part as `slot` until convergence. Worker 0 also fills order->ranks. 0, -ECANCELED,
 * -ENOMEM or -EBADMSG. */
int pagerank_run(const struct index_view *index, const struct job_order *order, unsigned slot,
                 const struct pagerank_host *host, struct pagerank_result *result,
                 struct fault *why);

#endif
