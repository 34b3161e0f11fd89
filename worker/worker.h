/* SPDX-License-Identifier: MIT
 *
 * A worker: one entry function, run by a forked process or by a thread, and the one struct that
 * says what crosses over to it. A worker maps the index read-only, reads its request ring, writes
 * its reply ring, and knows nothing of sockets, clients or other jobs.
 */
#ifndef FORKLORE_WORKER_WORKER_H
#define FORKLORE_WORKER_WORKER_H

#include "ipc/bell.h"
#include "ipc/exchange.h"
#include "ipc/pulse.h"
#include "ipc/ring.h"
#include "shm/index.h"
#include "worker/sandbox.h"

struct job_seed {
    uint32_t vertex;
    double weight; /* of all seeds: sum 1 */
};

/* A PageRank computation, for all workers of its crew. */
struct job_order {
    double damping, tolerance;
    uint32_t iterations;          /* at most; exactly if tolerance is 0 */
    const struct job_seed *seeds; /* ascending vertices; NULL: uniform teleport */
    uint32_t seed_count;
    bool accelerate;           /* by phases and a start vector: if there is a tolerance */
    struct exchange_plan plan; /* element_bytes is the precision */
    void *exchange;            /* memory formatted for the plan */
    const struct bell *bells;  /* [plan.workers] the crew's */
    struct rank_arrays ranks;  /* writable; worker 0 leaves the result there */
};

/* Fills in what of the order follows from the rest of it and the layout: phases and bounds. */
void job_order_plan(struct job_order *order, const struct spmv_view *spmv);

struct inherit {
    unsigned slot;
    uint64_t generation;
    const struct index_view *index;
    bool mapped;           /* the index is a map of its file */
    int index_fd;          /* of the index file, for the text; -1 without */
    struct ring *requests; /* reader 0 */
    struct ring *replies;
    struct bell bell; /* this worker's: rung for requests */
    struct bell room; /* the same eventfd: rung for room in `replies` while it waits for that */
    struct bell coordinator;
    struct pulse *pulse;
    const struct job_order *job; /* NULL: answers queries */
    unsigned sandbox;            /* layers to enter (sandbox.h); none for a thread */
};

/* Serves until retired or cancelled, or the job is done. Returns an exit status: 0, or 1 after
 * an error that was reported as FAILED or on stderr. */
int worker_main(const struct inherit *inherit);

#endif
