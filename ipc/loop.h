/* SPDX-License-Identifier: MIT
 *
 * The event loop: one io_uring per process (or worker thread) for everything it waits on. An
 * operation is a caller-owned `struct loop_op`; its callback runs from loop_run() on completion.
 * A loop belongs to the thread that created it. Nothing else of forklore includes liburing.
 *
 * When a callback is the last one of its operation, loop_busy() is false in it already: the
 * callback may arm the operation again or free it.
 */
#ifndef FORKLORE_IPC_LOOP_H
#define FORKLORE_IPC_LOOP_H

#include "shm/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct loop;
struct loop_op;

/* `result` is the kernel's: >= 0, or -errno (-ECANCELED after loop_cancel()). */
typedef void loop_fn(struct loop_op *op, int result);

enum loop_kind {
    LOOP_NONE,
    LOOP_ACCEPT,
    LOOP_RECV,
    LOOP_SEND,
    LOOP_READ,
    LOOP_POLL,
    LOOP_EVENTFD,
    LOOP_TIMER
};

/* Zero-initialise, set fn and owner; keep until not loop_busy(). */
struct loop_op {
    loop_fn *fn;
    void *owner;

    /* loop.c's: */
    struct loop *loop;
    enum loop_kind kind;
    int fd;
    bool armed;       /* the kernel has it, or will at the next submission */
    bool single_shot; /* accept and recv one by one; set where the kernel lacks the multishot */
    bool cancelling;
    bool paused;
    const char *data; /* LOOP_RECV: what arrived, valid during the callback */
    int64_t timespec[2];
};

static inline bool loop_busy(const struct loop_op *op)
{
    return op->armed;
}

/* Sets up the ring (`entries` submissions) with, if recv_buffers > 0, that many provided buffers
 * (a power of two, at most 32768) of recv_bytes each for loop_recv(). The mapping is not inherited
 * by fork. A refusal (old kernel, seccomp, kernel.io_uring_disabled) is explained in *why. */
int loop_create(struct loop **loop, unsigned entries, unsigned recv_buffers, unsigned recv_bytes,
                struct fault *why);

/* A loop that can wait for eventfds and do nothing else: the kernel refuses any other operation,
 * whoever writes it into the ring. For workers, whose sandbox io_uring would lead around. */
int loop_create_waiting(struct loop **loop, unsigned entries, struct fault *why);

/* Operations that are still busy get no callback any more. The kernel drops those on sockets,
 * eventfds and timers; a loop_read() or loop_send() should be over, or its memory stay. */
void loop_destroy(struct loop **loop);

/* In a forked child: closes the inherited descriptor and forgets the parent's loop without
 * touching what the kernel has of it. */
void loop_forget(struct loop **loop);

/* Each arms `op`, which must not be busy. Submission happens in loop_run(); a full queue is
 * submitted at once.
 *
 * The repeating ones call back until a result < 0, for recv also 0 at the end of the stream, which
 * is the last one; after loop_cancel() that is -ECANCELED unless one of these was faster.
 * Accept's result is a blocking, close-on-exec descriptor; recv's a number of bytes at op->data;
 * eventfd's is 1, for one write or several. Nothing reads the eventfd, so one that was written to
 * before it was armed calls back at once. */
void loop_accept(struct loop *loop, struct loop_op *op, int listen_fd);
void loop_recv(struct loop *loop, struct loop_op *op, int fd);
void loop_eventfd(struct loop *loop, struct loop_op *op, int fd);

/* The others call back once. A send waits until all is sent, but stops short after 1 GiB or where
 * the connection ends. Reads want a blocking descriptor; offset UINT64_MAX is the file's own. Poll
 * is for what becomes readable (pidfd, signalfd). A timer's deadline is CLOCK_MONOTONIC and its
 * result 0. */
void loop_send(struct loop *loop, struct loop_op *op, int fd, const void *data, size_t bytes);
/* Sends from `count` places what the socket takes at once: the result, short perhaps or -EAGAIN,
 * is there by the end of the next loop_run(), and the kernel reads none of it after that. `parts`
 * and `message` stay until then. */
void loop_send_now(struct loop *loop, struct loop_op *op, int fd, struct iovec *parts,
                   unsigned count, struct msghdr *message);
void loop_read(struct loop *loop, struct loop_op *op, int fd, void *data, size_t bytes,
               uint64_t offset);
void loop_poll_in(struct loop *loop, struct loop_op *op, int fd);
void loop_timer(struct loop *loop, struct loop_op *op, uint64_t deadline_ns);

/* Asks for the end of a busy operation; its callback comes with -ECANCELED, or with the result
 * that was faster. No-op if not busy. */
void loop_cancel(struct loop *loop, struct loop_op *op);

/* recv flow control: bytes wait in the kernel until resumed. What the kernel had handed over by
 * then is still delivered, in order: a few callbacks more may come, also for end and errors. A
 * paused operation stops being busy, without a callback, once the kernel has let go of it; its
 * owner may then resume it or drop it. */
void loop_recv_pause(struct loop *loop, struct loop_op *op);
void loop_recv_resume(struct loop *loop, struct loop_op *op);

/* One turn: submit what is queued, wait for a completion if `wait`, run callbacks of all that are
 * there. One io_uring_enter at most, none if nothing is to be submitted and not `wait` and the
 * completion queue could be read from memory. Returns completions handled, or -errno. */
int loop_run(struct loop *loop, bool wait);

uint64_t loop_now_ns(void); /* CLOCK_MONOTONIC */

/* Counters since creation, for status and benchmarks. */
struct loop_stats {
    uint64_t enters, completions;
};
struct loop_stats loop_stats(const struct loop *loop);

#endif
