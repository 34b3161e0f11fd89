/* SPDX-License-Identifier: MIT
 *
 * One PageRank computation by a crew: its segment (bells and exchange), its order, its workers.
 * Used by the daemon's jobs and by the builder, which has no daemon.
 */
#ifndef FORKLORE_COORDINATOR_JOB_RUN_H
#define FORKLORE_COORDINATOR_JOB_RUN_H

#include "coordinator/crew.h"

struct job_run_params {
    double damping, tolerance;
    uint32_t iterations;
    uint32_t element_bytes;
    enum exchange_mode exchange;
    unsigned workers; /* at most: no more than there are processors, for they would take turns */
    enum worker_mode mode;
    bool mapped;                  /* the index is a map of its file */
    const struct job_seed *seeds; /* copied */
    uint32_t seed_count;
};

struct job_run {
    struct crew *crew;
    struct seg segs[2]; /* the exchange; the ranks' segment, borrowed, if there is one */
    unsigned seg_count;
    struct bell bells[EXCHANGE_WORKERS_MAX];
    struct job_seed *seeds;
    struct job_order order;
    void *owner;
    void (*progress)(void *owner, uint32_t iteration, double change);
    unsigned deaths;   /* at work, by the workers' own doing */
    bool done, failed; /* worker 0 has left the scores; or gave up */
    struct fault why;
    /* Of all workers, once they are done: */
    uint32_t iterations;
    double change;
    uint64_t run_ns;                                         /* the longest */
    uint64_t wait_ns, exchange_ns, exchanged_bytes, wakeups; /* sums */
};

/* Starts a crew that fills `ranks`. `ranks_seg` is the writable segment they are in, for forked
 * workers; NULL if they are private memory (threads only). `index` is the generation's view. */
int job_run_start(struct job_run **run, struct crew_host *host, const struct job_run_params *params,
                  const struct index_view *index, uint64_t generation,
                  const struct rank_arrays *ranks, const struct seg *ranks_seg, void *owner,
                  void (*progress)(void *owner, uint32_t iteration, double change),
                  struct fault *why);

/* Stops between two iterations. */
void job_run_cancel(struct job_run *run);
/* True once all workers have left: read the results, then destroy. */
bool job_run_over(const struct job_run *run);
void job_run_destroy(struct job_run **run);

#endif
