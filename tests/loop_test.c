/* SPDX-License-Identifier: MIT
 *
 * The event loop on real sockets, files, eventfds, timers and processes: what repeats, what comes
 * once, cancelling, freeing an operation in its callback, a forked child beside it. Receiving has
 * a test program of its own, loop_recv_test.c.
 */
#include "ipc/bell.h"
#include "ipc/loop.h"
#include "tests/fixture_loop.h"
#include "tests/under.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_loop_timer_comes_once_and_in_time(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    struct seen late = {0}, early = {0}, past = {0};
    struct loop_op late_op = {.fn = note, .owner = &late};
    struct loop_op early_op = {.fn = note, .owner = &early};
    struct loop_op past_op = {.fn = note, .owner = &past};
    uint64_t now = loop_now_ns();
    loop_timer(loop, &late_op, now + 30 * MS);
    loop_timer(loop, &early_op, now + 10 * MS);
    loop_timer(loop, &past_op, now - 10 * MS);
    assert_true(loop_busy(&late_op));
    /* A busy machine may come late, but nothing comes before its time. */
    run_until(loop, &past, 1);
    assert_true(early.calls == 0 || loop_now_ns() >= now + 10 * MS);
    run_until(loop, &early, 1);
    assert_true(loop_now_ns() >= now + 10 * MS);
    assert_true(late.calls == 0 || loop_now_ns() >= now + 30 * MS);
    run_until(loop, &late, 1);
    assert_true(loop_now_ns() >= now + 30 * MS);
    assert_int_equal(late.last, 0);
    assert_false(late.busy_at_last);
    run_quiet(loop);
    assert_int_equal(early.calls, 1);

    loop_timer(loop, &late_op, loop_now_ns() + 10000 * MS);
    loop_cancel(loop, &late_op);
    loop_cancel(loop, &late_op); /* twice is once */
    run_until(loop, &late, 2);
    assert_int_equal(late.last, -ECANCELED);
    assert_false(loop_busy(&late_op));
    loop_cancel(loop, &late_op); /* nothing to cancel */
    run_quiet(loop);
    assert_int_equal(late.calls, 2);
    loop_destroy(&loop);
    assert_null(loop);
}

static void test_loop_accepts_until_cancelled(void **unused)
{
    (void)unused;
    for (int single = 0; single < 2; single++) {
        struct loop *loop = make_loop();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "/tmp/forklore-loop-test-%d",
                 (int)getpid());
        unlink(address.sun_path);
        int listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(listener, 8), 0);

        struct seen seen = {0};
        struct loop_op op = {.fn = note, .owner = &seen, .single_shot = single};
        loop_accept(loop, &op, listener);
        for (unsigned i = 1; i <= 3; i++) {
            int client = socket(AF_UNIX, SOCK_STREAM, 0);
            assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
            run_until(loop, &seen, i);
            assert_true(seen.last >= 0);
            assert_true(loop_busy(&op));
            assert_true(fcntl(seen.last, F_GETFD) & FD_CLOEXEC);
            assert_int_equal(write(client, "x", 1), 1);
            char byte;
            assert_int_equal(read(seen.last, &byte, 1), 1);
            close(client);
        }
        loop_cancel(loop, &op);
        run_until(loop, &seen, 4);
        assert_int_equal(seen.last, -ECANCELED);
        assert_false(seen.busy_at_last);
        for (unsigned i = 0; i < seen.fd_count; i++)
            close(seen.fds[i]);
        close(listener);
        unlink(address.sun_path);
        loop_destroy(&loop);
    }
}

static void test_loop_reports_an_accept_that_cannot_work(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    int ends[2];
    make_pair(ends);
    struct seen seen = {0};
    struct loop_op op = {.fn = note, .owner = &seen};
    loop_accept(loop, &op, ends[0]); /* not listening: EINVAL, with and without multishot */
    run_until(loop, &seen, 1);
    assert_int_equal(seen.last, -EINVAL);
    assert_false(seen.busy_at_last);
    assert_true(op.single_shot);
    close(ends[0]);
    close(ends[1]);
    loop_destroy(&loop);
}

static void test_loop_sends_all_of_it(void **unused)
{
    (void)unused;
    enum { TOTAL = 3 << 20 };
    static unsigned char data[TOTAL];
    struct loop *loop = make_loop();
    int ends[2];
    make_pair(ends);
    for (size_t i = 0; i < TOTAL; i++)
        data[i] = pattern(i);
    struct seen sent = {0}, received = {0};
    struct loop_op send_op = {.fn = note, .owner = &sent};
    struct loop_op recv_op = {.fn = note, .owner = &received};
    loop_send(loop, &send_op, ends[0], data, sizeof data);
    loop_recv(loop, &recv_op, ends[1]);
    while (received.bytes < TOTAL)
        assert_true(loop_run(loop, true) >= 0);
    run_until(loop, &sent, 1);
    assert_int_equal(sent.last, TOTAL);
    assert_false(received.disordered);

    loop_cancel(loop, &recv_op);
    run_quiet(loop);
    shutdown(ends[0], SHUT_WR);
    loop_send(loop, &send_op, ends[0], data, 10); /* EPIPE, and no SIGPIPE */
    run_until(loop, &sent, 2);
    assert_int_equal(sent.last, -EPIPE);
    close(ends[0]);
    close(ends[1]);
    loop_destroy(&loop);
}

static void test_loop_reads_files_at_offsets(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    char path[] = "/tmp/forklore-loop-test-XXXXXX", data[16] = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    struct seen seen = {0};
    struct loop_op op = {.fn = note, .owner = &seen};
    loop_read(loop, &op, fd, data, 4, 3);
    run_until(loop, &seen, 1);
    assert_int_equal(seen.last, 4);
    assert_string_equal(data, "3456");
    loop_read(loop, &op, fd, data, 16, 8);
    run_until(loop, &seen, 2);
    assert_int_equal(seen.last, 2); /* short at the end of the file */
    close(fd);
    loop_read(loop, &op, fd, data, 1, 0);
    run_until(loop, &seen, 3);
    assert_int_equal(seen.last, -EBADF);
    loop_destroy(&loop);
}

static void test_loop_eventfd_wakes_every_time(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    struct bell_word word = {0};
    struct bell bell;
    assert_int_equal(bell_open(&bell, &word), 0);
    struct seen seen = {0};
    struct loop_op op = {.fn = note, .owner = &seen};
    loop_eventfd(loop, &op, bell.eventfd);
    run_quiet(loop);
    assert_int_equal(seen.calls, 0);
    assert_false(bell_ring(&bell)); /* awake: nothing to do */
    for (unsigned i = 1; i <= 5; i++) {
        bell_sleep(&bell);
        assert_true(bell_ring(&bell));
        assert_false(bell_ring(&bell)); /* the first has woken it */
        run_until(loop, &seen, i);
        assert_int_equal(seen.last, 1);
        assert_true(seen.busy_at_last);
        bell_awake(&bell);
        run_quiet(loop);
        assert_int_equal(seen.calls, i);
    }
    /* Written to before it was armed. */
    loop_cancel(loop, &op);
    run_until(loop, &seen, 6);
    assert_int_equal(seen.last, -ECANCELED);
    bell_sleep(&bell);
    bell_ring(&bell);
    loop_eventfd(loop, &op, bell.eventfd);
    run_until(loop, &seen, 7);
    assert_int_equal(seen.last, 1);
    loop_destroy(&loop);
    bell_close(&bell);
}

static void test_loop_sees_a_child_die(void **unused)
{
    (void)unused;
    if (under_valgrind()) {
        print_message("SKIP: valgrind 3.19 has no pidfd_open()\n");
        skip();
    }
    struct loop *loop = make_loop();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        loop_forget(&loop);
        pause();
        _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    assert_true(pidfd >= 0);
    struct seen seen = {0};
    struct loop_op op = {.fn = note, .owner = &seen};
    loop_poll_in(loop, &op, pidfd);
    run_quiet(loop);
    assert_int_equal(seen.calls, 0);
    kill(child, SIGKILL);
    run_until(loop, &seen, 1);
    assert_true(seen.last > 0);
    assert_false(seen.busy_at_last);
    assert_int_equal(waitpid(child, NULL, WNOHANG), child);
    close(pidfd);
    loop_destroy(&loop);
}

static void test_loop_child_does_not_disturb_it(void **unused)
{
    (void)unused;
    if (under_valgrind()) {
        print_message("SKIP: valgrind 3.19 dies where a forked process maps a ring of its own\n");
        skip();
    }
    struct loop *loop = make_loop();
    int ends[2];
    make_pair(ends);
    struct seen seen = {0}, tick = {0};
    struct loop_op op = {.fn = note, .owner = &seen}, timer = {.fn = note, .owner = &tick};
    loop_recv(loop, &op, ends[0]);
    loop_timer(loop, &timer, loop_now_ns() + 50 * MS);
    assert_true(loop_run(loop, false) >= 0);
    for (unsigned i = 0; i < 3; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) { /* one that forgets and has a loop of its own, one that just ends */
            if (i > 0)
                loop_forget(&loop);
            struct loop *own = NULL;
            struct seen mine = {0};
            struct loop_op own_op = {.fn = note, .owner = &mine};
            if (i == 2 && loop_create(&own, 8, 2, 64, NULL) == 0) {
                loop_timer(own, &own_op, loop_now_ns() + MS);
                while (loop_busy(&own_op))
                    loop_run(own, true);
                loop_destroy(&own);
                _exit(mine.calls == 1 ? 0 : 1);
            }
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    send_pattern(ends[1], 0, 100);
    run_until(loop, &seen, 1);
    assert_int_equal(seen.bytes, 100);
    assert_false(seen.disordered);
    run_until(loop, &tick, 1);
    close(ends[0]);
    close(ends[1]);
    loop_destroy(&loop);
}

static unsigned freed;

static void free_at_last(struct loop_op *op, int result)
{
    if (!loop_busy(op)) {
        freed++;
        memset(op, 0x5a, sizeof *op);
        free(op);
    } else if (result > 0) {
        loop_cancel(op->loop, op);
    }
}

static struct loop_op *make_op(void)
{
    struct loop_op *op = calloc(1, sizeof *op);
    assert_non_null(op);
    op->fn = free_at_last;
    return op;
}

static void test_loop_operations_may_be_freed_in_their_callback(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    int ends[2][2];
    freed = 0;
    for (unsigned i = 0; i < 2; i++)
        make_pair(ends[i]);
    struct loop_op *recv_end = make_op(), *recv_cancelled = make_op(), *single = make_op();
    single->single_shot = true;
    loop_recv(loop, recv_end, ends[0][0]);
    loop_recv(loop, recv_cancelled, ends[1][0]); /* frees itself after its own cancel */
    loop_recv(loop, single, ends[1][1]);
    loop_timer(loop, make_op(), loop_now_ns());
    struct loop_op *cancelled = make_op();
    loop_timer(loop, cancelled, loop_now_ns() + 10000 * MS);
    loop_cancel(loop, cancelled);
    send_pattern(ends[1][1], 0, 10);
    send_pattern(ends[1][0], 0, 10);
    close(ends[0][1]);
    uint64_t deadline = loop_now_ns() + 120000 * MS;
    while (freed < 5 && loop_now_ns() < deadline) {
        assert_true(loop_run(loop, false) >= 0);
        loop_timer(loop, make_op(), 1); /* the allocator may give the same addresses again */
    }
    run_quiet(loop);
    assert_true(freed > 5);
    close(ends[0][0]);
    close(ends[1][0]);
    close(ends[1][1]);
    loop_destroy(&loop);
}

static void test_loop_does_not_sleep_on_completions(void **unused)
{
    (void)unused;
    struct loop *loop = make_loop();
    struct seen seen = {0};
    struct loop_op ops[3];
    for (unsigned i = 0; i < 3; i++) {
        ops[i] = (struct loop_op){.fn = note, .owner = &seen};
        loop_timer(loop, &ops[i], 1);
    }
    alarm(120);
    while (seen.calls < 3)
        assert_true(loop_run(loop, true) >= 0);
    /* Nothing queued, nothing there, no wait: no system call. */
    uint64_t enters = loop_stats(loop).enters;
    assert_int_equal(loop_run(loop, false), 0);
    assert_true(loop_stats(loop).enters == enters);
    assert_int_equal(loop_stats(loop).completions, 3);
    alarm(0);
    loop_destroy(&loop);
}

static void test_loop_takes_more_than_its_queue_holds(void **unused)
{
    (void)unused;
    enum { TIMERS = 1000 };
    static struct loop_op ops[TIMERS];
    struct loop *loop = make_loop(); /* 32 entries */
    struct seen seen = {0};
    for (unsigned i = 0; i < TIMERS; i++) {
        ops[i] = (struct loop_op){.fn = note, .owner = &seen};
        loop_timer(loop, &ops[i], 1);
    }
    run_until(loop, &seen, TIMERS);
    assert_int_equal(seen.calls, TIMERS);
    loop_destroy(&loop);
}

/* Has io_uring_setup() fail with `err` from here on. */
static void forbid_io_uring(int err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
        _exit(77);
}

static void test_loop_explains_why_there_is_no_io_uring(void **unused)
{
    (void)unused;
    static const struct {
        int err;
        const char *words;
    } cases[] = {
        {EPERM, "seccomp"},           {ENOSYS, "has no io_uring"},
        {ENOMEM, "ulimit -l"},        {EMFILE, "Too many open files"},
        {EINVAL, "Invalid argument"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct loop *loop = NULL;
            struct fault why;
            forbid_io_uring(cases[i].err);
            int err = loop_create(&loop, 8, 0, 0, &why);
            bool right = err == -cases[i].err && strstr(why.text, cases[i].words) && !loop;
            if (!right)
                fprintf(stderr, "%d: %s\n", err, err ? why.text : "");
            _exit(!right);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            print_message("SKIP: no seccomp filters here\n");
            skip();
        }
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_timer_comes_once_and_in_time),
        cmocka_unit_test(test_loop_accepts_until_cancelled),
        cmocka_unit_test(test_loop_reports_an_accept_that_cannot_work),
        cmocka_unit_test(test_loop_sends_all_of_it),
        cmocka_unit_test(test_loop_reads_files_at_offsets),
        cmocka_unit_test(test_loop_eventfd_wakes_every_time),
        cmocka_unit_test(test_loop_sees_a_child_die),
        cmocka_unit_test(test_loop_child_does_not_disturb_it),
        cmocka_unit_test(test_loop_operations_may_be_freed_in_their_callback),
        cmocka_unit_test(test_loop_does_not_sleep_on_completions),
        cmocka_unit_test(test_loop_takes_more_than_its_queue_holds),
        cmocka_unit_test(test_loop_explains_why_there_is_no_io_uring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
