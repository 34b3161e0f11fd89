/* SPDX-License-Identifier: MIT
 *
 * PageRank by power iteration, one slice of the vertices per worker:
 *
 *     x' = (1-d) v + d (P^T x + D v),   D = sum of x over dangling vertices
 *
 * (Page, Brin, Motwani, Winograd 1999; dangling mass goes where the teleport goes, as in
 * networkx.) With a tolerance the iteration is accelerated: it starts from the layout's start
 * vector (spmv.h) and runs in phases, each from the newest scores of all others (block
 * Gauss-Seidel); teleport and dangling mass are shares of the mass that there is, so that the sum
 * is right up to a factor, which is divided out at the end. Without a tolerance it is the plain
 * power iteration from the teleport distribution.
 *
 * An iteration far from the end needs no exact contributions. As long as rounding them adds little
 * to what an iteration changes, they are coarse: 16-bit whole numbers of a unit, which half the
 * cache holds, half the bytes carry and integers add. The unit follows from the greatest
 * contribution of the iteration before, so that a graph whose contributions differ much, or one
 * vertex's seed, keeps exact ones. A result is never made from coarse ones, unless they add less
 * than a sixteenth of the tolerance. (Lower precision while it does no harm: Gruetzmacher, Cojean,
 * Flegar, Anzt, Quintana-Orti 2020, "Acceleration of PageRank with Customized Precision Based on
 * Mantissa Segmentation".)
 *
 * Every row's sum is taken in the layout's order, and sums over rows are taken per block of the
 * layout and added exactly (exchange.h), maxima likewise, so the scores have the same bits for any
 * number of workers, either carrier and any processor.
 */
#ifndef FORKLORE_WORKER_PAGERANK_H
#define FORKLORE_WORKER_PAGERANK_H

#include "worker/worker.h"

struct pagerank_result {
    uint32_t iterations;
    double change;
    bool converged;
    uint64_t join_ns;     /* waiting for the other workers' first slices: for their start, mostly */
    uint64_t run_ns;      /* from the first round to the last, without that */
    uint64_t wait_ns;     /* of it waiting for other workers */
    uint64_t exchange_ns; /* of it publishing slices and taking in those of others */
    uint64_t exchanged_bytes;
    uint64_t wakeups;
};

/* What the computation needs from the worker around it. */
struct pagerank_host {
    void *owner;
    struct pulse *pulse; /* beaten while it computes */
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
