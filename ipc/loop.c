/* SPDX-License-Identifier: MIT
 *
 * The event loop over io_uring. Completions find their operation by its address in user_data; a
 * cancellation's own completion carries 0 and is dropped. Submissions are processed in order, so a
 * cancellation can only meet what was armed before it, even if the address is used again.
 */
#include "ipc/loop.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_GROUP      0
#define TRANSFER_MAX      ((size_t)1 << 30) /* results are ints */
#define SUBMIT_ATTEMPTS   1000
#define NS_PER_S          UINT64_C(1000000000)
#define COMPLETIONS_RATIO 4 /* multishots complete more often than they are submitted */

struct loop {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring; /* at the start of the mapping; then the buffers */
    char *buffers;
    size_t mapping_bytes;
    unsigned recv_buffers, recv_bytes;
    struct loop_stats stats;
};

/* --- Setup ----------------------------------------------------------------------------------- */

/* Best first. Older kernels refuse flags they do not know. */
static const unsigned setup_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, /* 6.1 */
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,                               /* 5.19 */
    0,
};

static int setup_ring(struct loop *loop, unsigned entries, unsigned more_flags)
{
    int err = -EINVAL;
    for (size_t i = 0; err == -EINVAL && i < sizeof setup_flags / sizeof setup_flags[0]; i++) {
        unsigned completions = COMPLETIONS_RATIO * entries;
        if (completions < 2 * loop->recv_buffers)
            completions = 2 * loop->recv_buffers;
        struct io_uring_params params = {
            .flags = setup_flags[i] | more_flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = completions,
        };
        err = io_uring_queue_init_params(entries, &loop->ring, &params);
    }
    return err;
}

static int explain_setup(int err, struct fault *why)
{
    switch (err) {
    case -EPERM:
    case -EACCES:
        return fault_set(why, -err,
                         "io_uring is not permitted here: sysctl kernel.io_uring_disabled, or a "
                         "seccomp filter such as a container's default profile, forbids it");
    case -ENOSYS:
        return fault_set(why, -err, "this kernel has no io_uring; Linux 5.19 or newer is needed");
    case -ENOMEM:
        return fault_set(why, -err,
                         "no memory for io_uring: raise the limit on locked memory (ulimit -l)");
    default:
        return fault_errno(why, -err, "cannot set up io_uring");
    }
}

static void give_buffer(struct loop *loop, unsigned id)
{
    io_uring_buf_ring_add(loop->buffer_ring, loop->buffers + (size_t)id * loop->recv_bytes,
                          loop->recv_bytes, (unsigned short)id,
                          io_uring_buf_ring_mask(loop->recv_buffers), 0);
    io_uring_buf_ring_advance(loop->buffer_ring, 1);
}

static int setup_buffers(struct loop *loop, struct fault *why)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t ring_bytes = (loop->recv_buffers * sizeof(struct io_uring_buf) + page - 1) & ~(page - 1);
    size_t bytes = ring_bytes + (size_t)loop->recv_buffers * loop->recv_bytes;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return fault_errno(why, errno, "no memory for %u receive buffers", loop->recv_buffers);
    madvise(memory, bytes, MADV_DONTFORK); /* pinned by the kernel, so fork() would copy them */
    loop->buffer_ring = (struct io_uring_buf_ring *)(void *)memory;
    loop->buffers = memory + ring_bytes;
    loop->mapping_bytes = bytes;

    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)memory,
        .ring_entries = loop->recv_buffers,
        .bgid = BUFFER_GROUP,
    };
    int err = io_uring_register_buf_ring(&loop->ring, &registration, 0);
    if (err == -EINVAL)
        return fault_set(why, EINVAL,
                         "io_uring has no buffer rings here; Linux 5.19 or newer is needed");
    if (err)
        return fault_errno(why, -err, "cannot register receive buffers with io_uring");
    io_uring_buf_ring_init(loop->buffer_ring);
    for (unsigned id = 0; id < loop->recv_buffers; id++)
        give_buffer(loop, id);
    return 0;
}

/* What a loop of loop_create_waiting() is left with: no registering, and these operations. */
static int restrict_to_waiting(struct io_uring *ring)
{
    struct io_uring_restriction kept[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_POLL_ADD},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL},
    };
    /* liburing has functions for these two, which 2.3 forgot to export. */
    unsigned fd = (unsigned)ring->ring_fd;
    int err =
        io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, kept, sizeof kept / sizeof kept[0]);
    return err < 0 ? err : io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int create(struct loop **loop, unsigned entries, unsigned recv_buffers, unsigned recv_bytes,
                  bool waiting, struct fault *why)
{
    MUST(entries > 0 && recv_buffers <= 32768 && (recv_buffers & (recv_buffers - 1)) == 0);
    struct loop *made = calloc(1, sizeof *made);
    if (!made)
        return fault_set(why, ENOMEM, "no memory for the event loop");
    made->recv_buffers = recv_buffers;
    made->recv_bytes = recv_bytes;
    int err = setup_ring(made, entries, waiting ? IORING_SETUP_R_DISABLED : 0);
    if (err) {
        free(made);
        return explain_setup(err, why);
    }
    io_uring_ring_dontfork(&made->ring); /* advice: a child that keeps off it needs none */
    if (recv_buffers > 0)
        err = setup_buffers(made, why);
    if (!err && waiting) {
        err = restrict_to_waiting(&made->ring);
        if (err)
            err = fault_errno(why, -err, "cannot restrict io_uring");
    }
    if (err) {
        loop_destroy(&made);
        return err;
    }
    *loop = made;
    return 0;
}

int loop_create(struct loop **loop, unsigned entries, unsigned recv_buffers, unsigned recv_bytes,
                struct fault *why)
{
    return create(loop, entries, recv_buffers, recv_bytes, false, why);
}

int loop_create_waiting(struct loop **loop, unsigned entries, struct fault *why)
{
    return create(loop, entries, 0, 0, true, why);
}

void loop_destroy(struct loop **loop)
{
    struct loop *old = *loop;
    if (!old)
        return;
    *loop = NULL;
    io_uring_queue_exit(&old->ring);
    if (old->buffer_ring)
        munmap(old->buffer_ring, old->mapping_bytes);
    free(old);
}

void loop_forget(struct loop **loop)
{
    if (!*loop)
        return;
    close((*loop)->ring.ring_fd);
    free(*loop);
    *loop = NULL;
}

/* --- Submission ------------------------------------------------------------------------------ */

static int submit(struct loop *loop)
{
    loop->stats.enters++;
    return io_uring_submit(&loop->ring);
}

static struct io_uring_sqe *next_sqe(struct loop *loop)
{
    struct io_uring_sqe *sqe;
    for (unsigned attempt = 0; !(sqe = io_uring_get_sqe(&loop->ring)); attempt++) {
        if (submit(loop) >= 0)
            continue;
        /* The kernel is short of memory for requests. */
        MUST(attempt < SUBMIT_ATTEMPTS);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return sqe;
}

static void begin(struct loop *loop, struct loop_op *op, enum loop_kind kind, int fd)
{
    MUST(!op->armed);
    op->loop = loop;
    op->kind = kind;
    op->fd = fd;
    op->armed = true;
    op->cancelling = false;
    op->paused = false;
}

/* Arms a repeating operation, for the first time or again. */
static void arm(struct loop_op *op)
{
    struct io_uring_sqe *sqe = next_sqe(op->loop);
    if (op->kind == LOOP_EVENTFD) {
        /* Each write to the eventfd is an event, so nobody has to read it. */
        io_uring_prep_poll_multishot(sqe, op->fd, POLLIN);
    } else if (op->kind == LOOP_ACCEPT) {
        if (op->single_shot)
            io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
        else
            io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
    } else {
        if (op->single_shot)
            io_uring_prep_recv(sqe, op->fd, NULL, op->loop->recv_bytes, 0);
        else
            io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
        io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
        sqe->buf_group = BUFFER_GROUP;
    }
    io_uring_sqe_set_data(sqe, op);
    op->armed = true;
}

void loop_accept(struct loop *loop, struct loop_op *op, int listen_fd)
{
    begin(loop, op, LOOP_ACCEPT, listen_fd);
    arm(op);
}

void loop_recv(struct loop *loop, struct loop_op *op, int fd)
{
    MUST(loop->recv_buffers > 0);
    begin(loop, op, LOOP_RECV, fd);
    arm(op);
}

void loop_eventfd(struct loop *loop, struct loop_op *op, int fd)
{
    begin(loop, op, LOOP_EVENTFD, fd);
    arm(op);
}

static size_t transfer(size_t bytes)
{
    return bytes < TRANSFER_MAX ? bytes : TRANSFER_MAX;
}

void loop_send(struct loop *loop, struct loop_op *op, int fd, const void *data, size_t bytes)
{
    begin(loop, op, LOOP_SEND, fd);
    struct io_uring_sqe *sqe = next_sqe(loop);
    io_uring_prep_send(sqe, fd, data, transfer(bytes), MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data(sqe, op);
}

void loop_send_now(struct loop *loop, struct loop_op *op, int fd, struct iovec *parts,
                   unsigned count, struct msghdr *message)
{
    begin(loop, op, LOOP_SEND, fd);
    struct io_uring_sqe *sqe = next_sqe(loop);
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    if (count == 1) {
        io_uring_prep_send(sqe, fd, parts->iov_base, transfer(parts->iov_len), flags);
    } else {
        *message = (struct msghdr){.msg_iov = parts, .msg_iovlen = count};
        io_uring_prep_sendmsg(sqe, fd, message, (unsigned)flags);
    }
    io_uring_sqe_set_data(sqe, op);
}

void loop_read(struct loop *loop, struct loop_op *op, int fd, void *data, size_t bytes,
               uint64_t offset)
{
    begin(loop, op, LOOP_READ, fd);
    struct io_uring_sqe *sqe = next_sqe(loop);
    io_uring_prep_read(sqe, fd, data, (unsigned)transfer(bytes), offset);
    io_uring_sqe_set_data(sqe, op);
}

void loop_poll_in(struct loop *loop, struct loop_op *op, int fd)
{
    begin(loop, op, LOOP_POLL, fd);
    struct io_uring_sqe *sqe = next_sqe(loop);
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    io_uring_sqe_set_data(sqe, op);
}

static_assert(sizeof(struct __kernel_timespec) == sizeof((struct loop_op){0}.timespec),
              "loop.h keeps a timespec without its type");

void loop_timer(struct loop *loop, struct loop_op *op, uint64_t deadline_ns)
{
    begin(loop, op, LOOP_TIMER, -1);
    struct __kernel_timespec deadline = {
        .tv_sec = (int64_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (long long)(deadline_ns % NS_PER_S),
    };
    memcpy(op->timespec, &deadline, sizeof deadline);
    struct io_uring_sqe *sqe = next_sqe(loop);
    io_uring_prep_timeout(sqe, (struct __kernel_timespec *)(void *)op->timespec, 0,
                          IORING_TIMEOUT_ABS);
    io_uring_sqe_set_data(sqe, op);
}

static void submit_cancel(struct loop *loop, struct loop_op *op)
{
    struct io_uring_sqe *sqe = next_sqe(loop);
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
    if (!op->armed || op->cancelling)
        return;
    op->cancelling = true;
    submit_cancel(loop, op);
}

void loop_recv_pause(struct loop *loop, struct loop_op *op)
{
    if (!op->armed || op->cancelling || op->paused)
        return;
    op->paused = true;
    submit_cancel(loop, op);
}

void loop_recv_resume(struct loop *loop, struct loop_op *op)
{
    (void)loop;
    if (!op->paused || op->cancelling)
        return;
    op->paused = false;
    if (!op->armed) /* else complete() arms it when the kernel has let go */
        arm(op);
}

/* --- Completion ------------------------------------------------------------------------------ */

/* The kernel has let go of a repeating operation for a reason that is not its owner's business:
 * no multishot here, out of buffers for a moment, or our own pause. */
static bool is_internal_end(const struct loop_op *op, int result)
{
    if (op->cancelling)
        return false;
    if (op->kind == LOOP_RECV && (result == -ENOBUFS || result == -ECANCELED))
        return true;
    return result == -EINVAL && op->kind != LOOP_EVENTFD && !op->single_shot;
}

/* A repeating operation's completion. After a callback that was the last one, op may be gone. */
static void complete_repeating(struct loop_op *op, int result, bool more)
{
    if (op->kind == LOOP_EVENTFD && result >= 0)
        result = 1;
    if (more) {
        op->fn(op, result);
    } else if (is_internal_end(op, result)) {
        op->single_shot |= result == -EINVAL;
        op->armed = false;
        if (!op->paused)
            arm(op);
    } else if (result < 0 || (op->kind == LOOP_RECV && result == 0)) {
        op->armed = false;
        op->fn(op, op->cancelling && result == -ENOBUFS ? -ECANCELED : result);
    } else if (op->cancelling) {
        op->fn(op, result);
        op->armed = false;
        op->fn(op, -ECANCELED);
    } else {
        /* Single shot, or a multishot that the kernel ended early. Armed before the callback, so
         * that this may pause or cancel it. */
        op->armed = false;
        if (!op->paused)
            arm(op);
        op->fn(op, result);
    }
}

static void complete(struct loop *loop, struct loop_op *op, int result, unsigned flags)
{
    switch (op->kind) {
    case LOOP_ACCEPT:
    case LOOP_EVENTFD:
        complete_repeating(op, result, flags & IORING_CQE_F_MORE);
        break;
    case LOOP_RECV: {
        bool has_buffer = flags & IORING_CQE_F_BUFFER;
        unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
        op->data = has_buffer ? loop->buffers + (size_t)id * loop->recv_bytes : NULL;
        complete_repeating(op, result, flags & IORING_CQE_F_MORE);
        if (has_buffer)
            give_buffer(loop, id);
        break;
    }
    case LOOP_TIMER:
        if (result == -ETIME)
            result = 0;
        /* fall through */
    default:
        op->armed = false;
        op->fn(op, result);
    }
}

/* Whether the kernel holds completions back until we enter it. */
static bool has_work_in_kernel(const struct loop *loop)
{
    return IO_URING_READ_ONCE(*loop->ring.sq.kflags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN);
}

static int enter(struct loop *loop, bool wait)
{
    int err = 0;
    if (wait) {
        loop->stats.enters++;
        err = io_uring_submit_and_wait(&loop->ring, 1);
    } else if (io_uring_sq_ready(&loop->ring) > 0 || has_work_in_kernel(loop)) {
        loop->stats.enters++;
        err = io_uring_submit_and_get_events(&loop->ring);
    }
    /* A signal, or requests that wait for memory or for us to take completions: next turn. */
    return err == -EINTR || err == -EAGAIN || err == -EBUSY ? 0 : err;
}

int loop_run(struct loop *loop, bool wait)
{
    int err = enter(loop, wait && io_uring_cq_ready(&loop->ring) == 0);
    if (err < 0)
        return err;
    /* Only those that are there now: callbacks may cause more without end. */
    unsigned ready = io_uring_cq_ready(&loop->ring);
    for (unsigned i = 0; i < ready; i++) {
        struct io_uring_cqe *cqe;
        if (io_uring_peek_cqe(&loop->ring, &cqe))
            break;
        /* Copied and given back first: the callback may submit, and so cause completions. */
        struct loop_op *op = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        unsigned flags = cqe->flags;
        io_uring_cqe_seen(&loop->ring, cqe);
        loop->stats.completions++;
        if (op)
            complete(loop, op, result, flags);
    }
    return (int)ready;
}

uint64_t loop_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct loop_stats loop_stats(const struct loop *loop)
{
    return loop->stats;
}
