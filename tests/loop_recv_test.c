/* SPDX-License-Identifier: MIT
 *
 * Receiving through the event loop, multishot and single shot: end, cancelling, pausing, and more
 * sockets than buffers.
 */
#include "ipc/loop.h"
#include "tests/fixture_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static void test_loop_receives_until_the_end(void **unused)
{
    (void)unused;
    for (int single = 0; single < 2; single++) {
        struct loop *loop = make_loop();
        int ends[2];
        make_pair(ends);
        struct seen seen = {0};
        struct loop_op op = {.fn = note, .owner = &seen, .single_shot = single};
        loop_recv(loop, &op, ends[0]);
        send_pattern(ends[1], 0, 10);
        run_until(loop, &seen, 1);
        assert_int_equal(seen.last, 10);
        assert_true(seen.busy_at_last);
        send_pattern(ends[1], 10, 100000); /* more than all buffers hold together */
        while (seen.bytes < 100010)
            assert_true(loop_run(loop, true) >= 0);
        close(ends[1]);
        run_until(loop, &seen, seen.calls + 1);
        assert_int_equal(seen.last, 0);
        assert_false(seen.busy_at_last);
        assert_false(seen.disordered);
        close(ends[0]);
        loop_destroy(&loop);
    }
}

static void test_loop_cancelled_recv_ends_with_ecanceled(void **unused)
{
    (void)unused;
    for (int single = 0; single < 2; single++) {
        struct loop *loop = make_loop();
        int ends[2];
        make_pair(ends);
        struct seen seen = {0};
        struct loop_op op = {.fn = note, .owner = &seen, .single_shot = single};
        loop_recv(loop, &op, ends[0]);
        assert_true(loop_run(loop, false) >= 0);
        send_pattern(ends[1], 0, 10); /* may be faster than the cancellation, or not */
        loop_cancel(loop, &op);
        while (loop_busy(&op))
            assert_true(loop_run(loop, true) >= 0);
        assert_int_equal(seen.last, -ECANCELED);
        assert_false(seen.busy_at_last);
        unsigned calls = seen.calls;
        run_quiet(loop);
        assert_int_equal(seen.calls, calls);
        close(ends[0]);
        close(ends[1]);
        loop_destroy(&loop);
    }
}

static void test_loop_paused_recv_leaves_bytes_in_the_kernel(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    int ends[2];
    make_pair(ends);
    struct seen seen = {0};
    struct loop_op op = {.fn = note, .owner = &seen};
    loop_recv(loop, &op, ends[0]);
    run_quiet(loop);
    loop_recv_pause(loop, &op);
    run_quiet(loop);
    assert_false(loop_busy(&op)); /* let go, without a callback */
    send_pattern(ends[1], 0, 5000);
    run_quiet(loop);
    assert_int_equal(seen.calls, 0);
    loop_recv_resume(loop, &op);
    while (seen.bytes < 5000)
        assert_true(loop_run(loop, true) >= 0);

    /* Resumed before the kernel has let go, and paused again. */
    loop_recv_pause(loop, &op);
    loop_recv_resume(loop, &op);
    loop_recv_pause(loop, &op);
    loop_recv_resume(loop, &op);
    send_pattern(ends[1], 5000, 100);
    while (seen.bytes < 5100)
        assert_true(loop_run(loop, true) >= 0);
    assert_false(seen.disordered);

    /* Cancelled while paused. */
    loop_recv_pause(loop, &op);
    loop_cancel(loop, &op);
    run_until(loop, &seen, seen.calls + 1);
    assert_int_equal(seen.last, -ECANCELED);
    assert_false(loop_busy(&op));
    loop_recv_resume(loop, &op); /* nothing to resume */
    assert_false(loop_busy(&op));
    close(ends[0]);
    close(ends[1]);
    loop_destroy(&loop);
}

static void test_loop_pausing_neither_loses_nor_reorders(void **unused)
{
    (void)unused;
    enum { TOTAL = 4 << 20 };
    struct loop *loop = make_loop();
    for (int single = 0; single < 2; single++) {
        int ends[2];
        make_pair(ends);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            loop_forget(&loop);
            close(ends[0]);
            alarm(120);
            send_pattern(ends[1], 0, TOTAL);
            _exit(0);
        }
        close(ends[1]);
        struct seen seen = {.pause_every = 3};
        struct loop_op op = {.fn = note, .owner = &seen, .single_shot = single};
        loop_recv(loop, &op, ends[0]);
        unsigned resumed = 0;
        while (seen.calls == 0 || seen.last > 0) {
            assert_true(loop_run(loop, false) >= 0);
            if (op.paused) { /* sometimes at once, sometimes after the kernel let go */
                if (resumed % 2)
                    loop_run(loop, false);
                loop_recv_resume(loop, &op);
                resumed++;
            }
        }
        assert_int_equal(seen.last, 0);
        assert_int_equal(seen.bytes, TOTAL);
        assert_false(seen.disordered);
        assert_true(resumed > 10);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        close(ends[0]);
    }
    loop_destroy(&loop);
}

static void test_loop_shares_few_buffers_among_many_sockets(void **unused)
{
    (void)unused;
    enum { SOCKETS = 24 }; /* for 8 buffers: some run into ENOBUFS */
    struct loop *loop = make_loop();
    int ends[SOCKETS][2];
    struct seen seen[SOCKETS];
    struct loop_op ops[SOCKETS];
    memset(seen, 0, sizeof seen);
    memset(ops, 0, sizeof ops);
    for (unsigned i = 0; i < SOCKETS; i++) {
        make_pair(ends[i]);
        ops[i].fn = note;
        ops[i].owner = &seen[i];
        loop_recv(loop, &ops[i], ends[i][0]);
        send_pattern(ends[i][1], 0, 50000);
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        while (seen[i].bytes < 50000)
            assert_true(loop_run(loop, true) >= 0);
        assert_false(seen[i].disordered);
        assert_true(loop_busy(&ops[i]));
        loop_cancel(loop, &ops[i]);
    }
    run_quiet(loop);
    for (unsigned i = 0; i < SOCKETS; i++) {
        assert_false(loop_busy(&ops[i]));
        close(ends[i][0]);
        close(ends[i][1]);
    }
    loop_destroy(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_receives_until_the_end),
        cmocka_unit_test(test_loop_cancelled_recv_ends_with_ecanceled),
        cmocka_unit_test(test_loop_paused_recv_leaves_bytes_in_the_kernel),
        cmocka_unit_test(test_loop_pausing_neither_loses_nor_reorders),
        cmocka_unit_test(test_loop_shares_few_buffers_among_many_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
