/* SPDX-License-Identifier: MIT
 *
 * PageRank jobs: a table, a queue, and one running at a time on a crew of its own, so that queries
 * never wait behind an iteration.
 */
#ifndef FORKLORE_COORDINATOR_JOBS_H
#define FORKLORE_COORDINATOR_JOBS_H

#include "coordinator/crew.h"
#include "coordinator/generation.h"
#include "coordinator/session.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };

#define JOB_SEEDS_MAX   1000
#define JOB_WATCHES_MAX 64

struct job_params {
    double damping, tolerance;
    uint32_t iterations;
    uint32_t element_bytes; /* 4: single precision, 8: double */
    enum exchange_mode exchange;
    unsigned workers;
    bool publish;
    char **seeds; /* titles, owned by the job */
    uint32_t seed_count;
};

struct job_hold; /* what a running job holds */

struct job {
    uint64_t id;
    enum job_state state;
    struct job_params params;
    unsigned at_work; /* workers started */
    uint32_t iteration;
    double change;
    uint64_t published;             /* generation; 0: none */
    double started_unix_s, seconds; /* seconds: once it has ended */
    /* Once it is done: the iterations alone, all workers' waiting for each other, and what they
     * sent. */
    double run_s, wait_s;
    uint64_t exchanged_bytes, wakeups;
    uint64_t started_ns;
    char *error;
    struct wire_out top;                /* array of {rank, title, score}; empty until done */
    uint64_t watchers[JOB_WATCHES_MAX]; /* session ids */
    unsigned watcher_count;
    struct job_hold *hold;
    struct job *next; /* younger */
};

struct jobs {
    struct crew_host *host;
    struct session_host *sessions;
    enum worker_mode mode;
    struct job *first; /* oldest */
    uint64_t last_id;
    void *owner;
    /* The newest generation, from which a job starts; the one that answers queries, which may be
     * older for a moment (both borrowed); and the number for
     * the next one. */
    struct generation *(*current)(void *owner);
    struct generation *(*serving)(void *owner);
    uint64_t (*next_generation)(void *owner);
    /* A finished job's scores become a generation; takes both references over. */
    int (*publish)(void *owner, uint64_t number, struct base *base, struct ranks *ranks,
                   struct fault *why);
};

void jobs_init(struct jobs *jobs, struct crew_host *host, struct session_host *sessions,
               enum worker_mode mode);
void jobs_fini(struct jobs *jobs);

/* Queues a job and takes over params->seeds; or -ENOENT for a seed that is no title, -EAGAIN if
 * too many wait. */
int jobs_submit(struct jobs *jobs, struct job_params *params, struct job **job, struct fault *why);
struct job *jobs_find(struct jobs *jobs, uint64_t id);
void jobs_cancel(struct jobs *jobs, struct job *job);
void jobs_cancel_all(struct jobs *jobs);
/* False if too many connections watch it. */
bool jobs_can_watch(struct jobs *jobs, struct job *job);
/* After the request is answered: notifications follow until the job has ended. */
void jobs_watch(struct jobs *jobs, struct job *job, uint64_t session_id);
/* Each turn, outside of callbacks: ends what has ended, starts what can start. */
void jobs_turn(struct jobs *jobs);
/* Whether a crew of jobs exists. */
bool jobs_running(const struct jobs *jobs);
void jobs_count(const struct jobs *jobs, unsigned *running, unsigned *queued, unsigned *finished);

/* The job map of docs/protocol.md. */
void job_write(const struct job *job, bool with_top, struct wire_out *out);

void job_params_fini(struct job_params *params);

#endif
