/* SPDX-License-Identifier: MIT
 *
 * The daemon: everything with one owner, and the event loop that drives it.
 */
#ifndef FORKLORE_COORDINATOR_DAEMON_H
#define FORKLORE_COORDINATOR_DAEMON_H

#include "coordinator/dispatch.h"
#include "coordinator/jobs.h"
#include "coordinator/options.h"
#include "coordinator/watch.h"

/* A generation and the crew that answers from it. */
struct service {
    struct daemon *daemon;
    struct generation *generation; /* held */
    struct crew *crew;
    struct service *next;
};

struct daemon {
    const struct serve_options *options;
    struct loop *loop;
    struct seg_owner owner;
    struct crew_host crew_host;
    struct session_host sessions;
    struct dispatch dispatch;
    struct jobs jobs;
    struct watch watch;
    struct spinner spinner;
    uint64_t sleeps;

    struct service *now;     /* answers queries */
    struct service *coming;  /* its workers are starting; then it takes over */
    struct service *leaving; /* list: their workers finish what they have */
    uint64_t last_generation;

    struct loader *loader; /* a load under way */
    char *load_path;
    unsigned loads;                    /* ever begun */
    uint64_t load_session, load_msgid; /* who asked for it, if load_asked */
    uint64_t loaded_generation;        /* that the last load has become */
    bool load_asked;
    bool load_failed; /* at the start: nothing to serve */

    struct loop_op signal_op, drain_op;
    int signal_fd;
    uint64_t started_ns;
    bool draining;     /* no new requests; leave once all are answered */
    bool drained_late; /* ... or now */
};

/* Serves until told to stop. Returns an exit status. A temporary folder (scratch.h) goes as soon as
 * the index file in it is open. */
int daemon_serve(const struct serve_options *options, const char *index_path);

/* Begins to load `path` as the next generation. */
int daemon_load(struct daemon *daemon, const char *path, struct fault *why);

/* Begins to shut down. */
void daemon_drain(struct daemon *daemon);

/* The newest generation: what a job starts from. */
struct generation *daemon_newest(struct daemon *daemon);

/* control.c: a request of a session; queries go to dispatch.c. */
void control_request(void *daemon, struct session *session, const struct rpc_request *request,
                     const void *frame, size_t bytes);
/* A notification: `cancel_request` means something, others are nothing to us. */
void control_notified(void *daemon, struct session *session, const struct rpc_request *request);
void control_gone(void *daemon, struct session *session);

/* status.c: appends the status map. */
void status_write(struct daemon *daemon, struct wire_out *out);

#endif
