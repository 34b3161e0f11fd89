/* SPDX-License-Identifier: MIT
 *
 * Messages between coordinator and workers: MessagePack arrays [kind, ...], one per ring record.
 *
 *   to a worker    REQUEST [1, ticket, deadline_ns, frame bin]   a client's RPC request, verbatim
 *                  RETIRE  [2]                                    answer what you have, then leave
 *                  CANCEL  [3]                                    stop the job and leave
 *   from a worker  READY   [4, pid, sandbox]                      serving, and what confines it
 *                  ANSWER  [5, ticket, more, frame bin]           RPC response; pieces while `more`
 *                  PROGRESS[6, iteration, change]
 *                  DONE    [7, iterations, change, converged, run_ns, wait_ns,
 *                           exchange_ns, bytes, wakeups]
 *                  FAILED  [8, text]
 *   among workers  PARTIAL [9, round, first, count, unit, filler, bin, change hi lo,
 *                           dangling hi lo, mass hi lo, peak, coarsest]
 */
#ifndef FORKLORE_IPC_MSG_H
#define FORKLORE_IPC_MSG_H

#include "ipc/wire.h"

enum msg_kind {
    MSG_REQUEST = 1,
    MSG_RETIRE,
    MSG_CANCEL,
    MSG_READY,
    MSG_ANSWER,
    MSG_PROGRESS,
    MSG_DONE,
    MSG_FAILED,
    MSG_PARTIAL,
};

/* One message taken apart; only the fields of its kind are set. Bytes point into the ring. */
struct msg {
    enum msg_kind kind;
    uint64_t ticket;
    uint64_t deadline_ns;
    const void *frame;
    size_t frame_bytes;
    bool more;
    uint64_t pid;
    uint64_t sandbox; /* bits of enum sandbox (worker/sandbox.h) */
    uint64_t iteration;
    double change;
    bool converged;
    uint64_t run_ns, wait_ns, exchange_ns, exchanged_bytes, wakeups;
    const char *text;
    size_t text_length;
};

/* False if it is none of the messages above (PARTIAL is exchange.c's own). */
bool msg_read(const void *data, size_t bytes, struct msg *msg);
void msg_write(struct wire_out *out, const struct msg *msg);

/* An ANSWER in one piece whose frame is written where it stands: append it in between. */
size_t msg_answer_open(struct wire_out *out, uint64_t ticket);
void msg_answer_close(struct wire_out *out, size_t mark);

/* Bytes of a REQUEST or ANSWER beyond its frame, at most. */
#define MSG_OVERHEAD 64

#endif
