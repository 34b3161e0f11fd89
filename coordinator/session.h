/* SPDX-License-Identifier: MIT
 *
 * Client connections: the listening socket, frames in, bytes out, limits. What a request means is
 * the business of control.c and dispatch.c, which refer to a session by its id, because it may
 * have gone by the time its answer is there.
 */
#ifndef FORKLORE_COORDINATOR_SESSION_H
#define FORKLORE_COORDINATOR_SESSION_H

#include "ipc/loop.h"
#include "ipc/rpc.h"

#include <sys/types.h>

struct session_limits {
    unsigned connections;
    unsigned in_flight; /* requests per connection */
    size_t frame_bytes;
    mode_t socket_mode;
};

#define SESSION_PARTS_MAX 32

struct session {
    uint64_t id;
    struct session_host *host;
    int fd;
    struct loop_op recv_op, send_op;
    char *in; /* received, not yet taken apart */
    size_t in_bytes, in_capacity;
    struct wire_scan scan;                 /* of the frame that begins in `in` */
    struct wire_out out[2];                /* one collects while the other is being sent */
    unsigned sending;                      /* index into out */
    size_t sent;                           /* of out[sending] */
    struct iovec parts[SESSION_PARTS_MAX]; /* answers that are sent from where they are */
    unsigned part_count;
    size_t part_bytes;
    bool sending_parts; /* out[sending] is empty, or has become their copy */
    struct msghdr message;
    unsigned in_flight;
    bool paused; /* too many answers wait: not read from */
    bool ended;  /* the peer will send no more: close when answered */
    bool broken; /* the peer broke the protocol: read no more, close when answered */
    bool failed; /* the connection is gone */
    bool dirty;  /* in the host's list of sessions with something to send */
    struct session *next_dirty;
};

struct session_host {
    struct loop *loop;
    struct session_limits limits;
    void *owner;
    /* A request; `frame` is the whole frame, borrowed for the call. Answer now or later with
     * session_result() and the like. */
    void (*request)(void *owner, struct session *session, const struct rpc_request *request,
                    const void *frame, size_t bytes);
    /* A notification. */
    void (*notified)(void *owner, struct session *session, const struct rpc_request *request);
    /* A session goes that has requests in flight; nobody is told at the end of all (NULL). */
    void (*gone)(void *owner, struct session *session);

    char *path, *lock_path;
    int listen_fd, lock_fd; /* lock_fd < 0: the socket is adopted */
    struct loop_op accept_op, pause_op;
    int short_of; /* why accepting failed last, -errno; 0: it did not */
    struct session **slots;
    unsigned slot_count; /* a power of two, limits.connections at least */
    unsigned count;
    uint64_t serial; /* sessions ever */
    struct session *dirty;
    unsigned holding; /* sessions with parts */
};

/* Whether a daemon could listen at `path` now: 0, or why not. For a start that has much to do
 * before it would find out. */
int session_host_check(const char *path, struct fault *why);

/* Binds and listens at `path`: a socket left by a dead daemon is replaced, a living one's is not
 * touched (-EADDRINUSE). Accepting begins with session_host_accept(). */
int session_host_init(struct session_host *host, struct loop *loop, const char *path,
                      const struct session_limits *limits, struct fault *why);
/* Takes over a socket that listens already and belongs to somebody else: its permissions are its
 * own, and it outlives us. */
int session_host_adopt(struct session_host *host, struct loop *loop, int listen_fd,
                       const struct session_limits *limits, struct fault *why);
void session_host_accept(struct session_host *host);
/* No more connections; the path is free for the next daemon. */
void session_host_stop(struct session_host *host);
/* Closes what is left. */
void session_host_fini(struct session_host *host);

/* NULL if it has gone. */
struct session *session_find(struct session_host *host, uint64_t id);

/* Sends a whole frame that answers a request of this session. */
void session_answer(struct session *session, const void *frame, size_t bytes);
/* The same from where it is: the frame stays until session_host_holds_frames() is false, or
 * session_host_copy_frames() has been called. */
void session_answer_in_place(struct session *session, const void *frame, size_t bytes);
bool session_host_holds_frames(const struct session_host *host);
void session_host_copy_frames(struct session_host *host);
void session_error(struct session *session, uint64_t msgid, enum rpc_error error,
                   const char *message);
/* Sends a whole frame that answers nothing. */
void session_notify(struct session *session, const void *frame, size_t bytes);

/* At the end of a turn: one send for all that a session got to say. Frees closed sessions. */
void session_host_flush(struct session_host *host);
/* True once every session has been answered and sent everything. */
bool session_host_drained(const struct session_host *host);

#endif
