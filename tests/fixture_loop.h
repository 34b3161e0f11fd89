/* SPDX-License-Identifier: MIT
 *
 * For tests of the event loop: a small loop, an operation's callback that keeps account, bytes
 * whose order can be checked.
 */
#ifndef FORKLORE_TESTS_FIXTURE_LOOP_H
#define FORKLORE_TESTS_FIXTURE_LOOP_H

#include "ipc/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static inline struct loop *make_loop(void)
{
    struct loop *loop;
    struct fault why;
    int err = loop_create(&loop, 32, 8, 4096, &why);
    if (err) {
        print_message("SKIP: %s\n", why.text);
        skip();
    }
    return loop;
}

/* What the callbacks of one operation have seen. */
struct seen {
    unsigned calls;
    int last;
    int fds[8];
    unsigned fd_count;
    size_t bytes;
    bool disordered; /* the bytes received are not 0, 1, 2, … */
    bool busy_at_last;
    unsigned pause_every;
};

static inline unsigned char pattern(size_t position)
{
    return (unsigned char)(position * 31 + position / 251);
}

static inline void note(struct loop_op *op, int result)
{
    struct seen *seen = op->owner;
    seen->calls++;
    seen->last = result;
    seen->busy_at_last = loop_busy(op);
    if (op->kind == LOOP_ACCEPT && result >= 0 && seen->fd_count < 8)
        seen->fds[seen->fd_count++] = result;
    if (op->kind == LOOP_RECV)
        for (int i = 0; i < result; i++)
            seen->disordered |= (unsigned char)op->data[i] != pattern(seen->bytes++);
    if (seen->pause_every > 0 && result > 0 && seen->calls % seen->pause_every == 0)
        loop_recv_pause(op->loop, op);
}

/* Turns the loop until the operation has called back `calls` times, at most two minutes. */
static inline void run_until(struct loop *loop, const struct seen *seen, unsigned calls)
{
    struct loop_op watchdog = {.fn = note, .owner = &(struct seen){0}};
    const struct seen *late = watchdog.owner;
    loop_timer(loop, &watchdog, loop_now_ns() + 120000 * MS);
    while (seen->calls < calls && late->calls == 0)
        assert_true(loop_run(loop, true) >= 0);
    if (late->calls > 0)
        fail_msg("%u callbacks instead of %u", seen->calls, calls);
    loop_cancel(loop, &watchdog);
    while (loop_busy(&watchdog))
        assert_true(loop_run(loop, true) >= 0);
}

/* Turns the loop until nothing has happened for some milliseconds. */
static inline void run_quiet(struct loop *loop)
{
    struct seen tick = {0};
    struct loop_op timer = {.fn = note, .owner = &tick};
    loop_timer(loop, &timer, loop_now_ns() + 20 * MS);
    while (loop_busy(&timer))
        assert_true(loop_run(loop, true) >= 0);
}

static inline void make_pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static inline void send_pattern(int fd, size_t from, size_t bytes)
{
    unsigned char chunk[4096];
    while (bytes > 0) {
        size_t n = bytes < sizeof chunk ? bytes : sizeof chunk;
        for (size_t i = 0; i < n; i++)
            chunk[i] = pattern(from + i);
        assert_int_equal(write(fd, chunk, n), n);
        from += n;
        bytes -= n;
    }
}

#endif
