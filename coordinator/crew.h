/* SPDX-License-Identifier: MIT
 *
 * Crews: N workers on one generation of the index, as forked processes or as threads, each with a
 * channel (request ring, reply ring, bell) in a segment of its own. A crew answers queries or
 * computes one job. Crews start, watch, replace and retire workers; what the messages mean is
 * the business of dispatch.c and jobs.c.
 */
#ifndef FORKLORE_COORDINATOR_CREW_H
#define FORKLORE_COORDINATOR_CREW_H

#include "ipc/loop.h"
#include "ipc/msg.h"
#include "shm/seg.h"
#include "worker/worker.h"

#include <pthread.h>
#include <sys/types.h>

enum worker_mode { WORKERS_PROCESSES, WORKERS_THREADS };

/* What all crews of a daemon share. */
struct crew_host {
    struct loop *loop;
    const struct seg_owner *owner;
    struct bell bell; /* the coordinator's; its word lies in `bell_seg` */
    struct seg bell_seg;
    struct crew *crews;        /* all that exist */
    unsigned crews_made;       /* numbers the segments' labels */
    uint64_t wakeups;          /* of sleeping workers */
    unsigned sandbox;          /* of worker processes: enum sandbox */
    size_t request_ring_bytes; /* capacity, of those that answer queries */
    /* Of whoever uses messages after their call, or NULL: whether it does at the moment, and that
     * it copies them now, because a ring is about to go. */
    bool (*holds)(void *owner);
    void (*let_go)(void *owner);
    void *holder;
};

int crew_host_init(struct crew_host *host, struct loop *loop, const struct seg_owner *owner,
                   size_t request_bytes_max, struct fault *why);
void crew_host_fini(struct crew_host *host);

/* Takes all replies that are there; true if there were any. */
bool crew_host_take_replies(struct crew_host *host);
/* The re-check before the coordinator sleeps. */
bool crew_host_pending(struct crew_host *host);
/* Publishes what crew_send() staged: one bell at most per worker. */
void crew_host_flush(struct crew_host *host);

enum crew_worker_state { WORKER_STARTING, WORKER_READY, WORKER_RETIRING, WORKER_GONE };

struct crew;

struct crew_worker {
    struct crew *crew;
    enum crew_worker_state state;
    pid_t pid; /* of the process; of the daemon for a thread */
    unsigned restarts;
    unsigned failures; /* deaths since it last was ready */
    uint64_t requests; /* sent, since the crew began */
    unsigned sandbox;  /* that it says holds */
    unsigned in_flight;
    unsigned load, long_requests; /* of those in flight: dispatch.c */
    struct inherit inherit;
    struct ring_writer requests_out;
    struct ring_reader replies_in;
    struct seg channel;
    bool staged;   /* requests that are not published yet */
    bool finished; /* set by the owner: it has done its work, and its end is no death */
    bool alive;    /* a process or thread exists */
    /* Of its last death: */
    uint64_t died_at; /* ticket of the request it says it was at, or PULSE_NO_TICKET */
    bool outside;     /* somebody stopped or killed it: no request's fault */
    /* watch.c's, of hangs: */
    uint64_t beats_seen;
    unsigned looks;      /* in a row that saw no new beat */
    char killed_for[64]; /* why we killed it, "": we did not */
    bool was_stopped;    /* ... when we did */
    int exit_fd;         /* pidfd; or the eventfd that a thread writes last */
    pthread_t thread;
    struct loop_op exit_op, restart_op;
};

struct crew_events {
    void *owner;
    /* A message; its bytes are valid during the call, and after it while host->holds(). */
    void (*message)(void *owner, struct crew_worker *worker, const struct msg *msg);
    /* The worker died unasked, or with work in flight. Its replies have been taken; its channel is
     * empty now. It is restarted afterwards unless this returns false or the crew retires. */
    bool (*died)(void *owner, struct crew_worker *worker, const char *how);
};

struct crew {
    struct crew *next; /* of the host's */
    struct crew_host *host;
    struct crew_events events;
    enum worker_mode mode;
    unsigned worker_count;
    bool retiring;
    bool owns_bells;
    size_t request_ring_bytes, reply_ring_bytes; /* capacities */
    struct seg *job_segs; /* writable segments the crew's processes inherit; borrowed */
    unsigned job_seg_count;
    struct crew_worker workers[EXCHANGE_WORKERS_MAX];
};

/* Makes channels and starts all workers. `prototype` is what every worker inherits but for slot
 * and channel; what it points to outlives the crew. For a job, `bells` and the words they point to
 * are made by the caller (they are in the job's segment). */
int crew_create(struct crew **crew, struct crew_host *host, enum worker_mode mode, unsigned workers,
                const struct inherit *prototype, const struct bell *bells, struct seg *job_segs,
                unsigned job_seg_count, const struct crew_events *events, struct fault *why);

/* Kills a worker process that has given no sign of life for so long. */
void crew_kill_hung(struct crew_worker *worker, bool stopped, uint64_t limit_ms);

/* Stages a message for a worker: false if its ring is full. */
bool crew_send(struct crew_worker *worker, const struct msg *msg);

/* Sends `kind` (MSG_RETIRE or MSG_CANCEL) to all. */
void crew_retire(struct crew *crew, enum msg_kind kind);
/* What confines every worker that serves. */
unsigned crew_sandbox(const struct crew *crew);

/* True once every worker has left, having finished or been told to. */
bool crew_gone(const struct crew *crew);

/* When it is gone; or to end it at once, on the way out. Not from a loop callback. */
void crew_destroy(struct crew **crew);

#endif
