/* SPDX-License-Identifier: MIT
 *
 * SIGKILL between any two instructions of a producer, a reader and a sleeper, found by tracing one
 * of them step by step: wherever memory or the eventfd has changed, a fresh one is killed there for
 * good. What is left is then repaired as the coordinator does it, and a successor goes on.
 */
#include "ipc/bell.h"
#include "ipc/ring.h"
#include "shm/fault.h"
#include "tests/under.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CAPACITY  1024
#define STEPS_MAX 200000
#define START     ((uint64_t)0 - 640) /* with a record of padding before the wrap-around */

struct shared {
    struct bell_word words[2]; /* of the reader, of the producer */
    _Alignas(64) unsigned char requests[2048];
    _Alignas(64) unsigned char answers[2048];
};

static struct shared *shared;
static struct bell reader_bell;

static struct ring *requests(void)
{
    return (struct ring *)(void *)shared->requests;
}

static struct ring *answers(void)
{
    return (struct ring *)(void *)shared->answers;
}

/* --- Records: `number` says length and content ----------------------------------------------- */

static size_t length_of(unsigned number)
{
    return 100 + 150 * (number % 3);
}

static void stage(struct ring_writer *writer, unsigned number)
{
    void *payload;
    MUST(ring_reserve(writer, length_of(number), &payload) == RING_OK);
    memset(payload, (int)number + 1, length_of(number));
    ring_stage(writer, length_of(number));
}

/* The number of the next record, which has to be whole; -1 if there is none. */
static int take(struct ring_reader *reader)
{
    const void *payload;
    size_t length;
    enum ring_status status = ring_read(reader, &payload, &length);
    if (status == RING_EMPTY)
        return -1;
    assert_int_equal(status, RING_OK);
    const unsigned char *bytes = payload;
    unsigned number = bytes[0] - 1u;
    assert_int_equal(length, length_of(number));
    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], number + 1);
    return (int)number;
}

static bool is_rung(void)
{
    struct pollfd event = {.fd = reader_bell.eventfd, .events = POLLIN};
    return poll(&event, 1, 0) == 1;
}

static void silence(void)
{
    uint64_t count;
    while (read(reader_bell.eventfd, &count, sizeof count) > 0)
        ;
}

/* --- Tracing --------------------------------------------------------------------------------- */

struct victim {
    const char *name;
    void (*prepare)(void);
    void (*act)(void);           /* in a process of its own */
    void (*check)(bool is_over); /* after its death */
};

/* Stopped before its first step. */
static pid_t start(const struct victim *victim)
{
    int status;
    memset(shared, 0, sizeof *shared);
    silence();
    victim->prepare();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        victim->act();
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status)) {
        print_message("SKIP: nobody may be traced here\n");
        skip();
    }
    return pid;
}

/* One instruction; false at the end. */
static bool step(pid_t pid)
{
    int status;
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));
    return WSTOPSIG(status) == SIGTRAP;
}

static void end(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFSIGNALED(status));
}

static void kill_after(const struct victim *victim, unsigned steps, bool is_over)
{
    pid_t pid = start(victim);
    for (unsigned i = 0; i < steps; i++) {
        if (!step(pid) && !is_over)
            fail_msg("%s: ended after %u steps", victim->name, i);
    }
    end(pid);
    victim->check(is_over);
}

/* Before anything, after every change, and at the end. */
static void kill_everywhere(const struct victim *victim)
{
    if (under_valgrind() || under_thread_sanitizer()) {
        print_message("SKIP: steps are the tool's own here\n");
        skip();
    }
    /* Once without a death: which also resolves what the dynamic linker has to, so that every
     * victim takes the same steps. */
    memset(shared, 0, sizeof *shared);
    silence();
    victim->prepare();
    victim->act();
    victim->check(true);
    static unsigned changes[1000];
    unsigned count = 1, steps = 0;
    struct shared *before = aligned_alloc(64, sizeof *before);
    assert_non_null(before);
    pid_t pid = start(victim);
    memcpy(before, shared, sizeof *before);
    bool was_rung = is_rung();
    while (step(pid)) {
        assert_true(++steps < STEPS_MAX);
        if (memcmp(before, shared, sizeof *before) == 0 && was_rung == is_rung())
            continue;
        memcpy(before, shared, sizeof *before);
        was_rung = is_rung();
        assert_true(count < sizeof changes / sizeof changes[0]);
        changes[count++] = steps;
    }
    end(pid);
    victim->check(true);
    free(before);
    for (unsigned i = 0; i < count; i++)
        kill_after(victim, changes[i], false);
    print_message("%s: %u instructions, killed after %u of them\n", victim->name, steps, count);
    assert_true(count > 3);
}

/* --- A producer: two records, padding between them, one publication, a sleeping reader -------- */

static void sleep_reader(void)
{
    ring_format(shared->requests, CAPACITY, 1, START);
    bell_sleep(&reader_bell);
}

static void produce(void)
{
    struct ring_writer writer;
    ring_writer_attach(&writer, requests());
    stage(&writer, 2);
    stage(&writer, 0);
    ring_publish(&writer);
    bell_ring(&reader_bell);
}

static void check_producer(bool is_over)
{
    struct ring_reader reader;
    struct ring_writer writer;
    assert_null(ring_broken_invariant(requests()));
    ring_reader_attach(&reader, requests(), 0);
    bool published = ring_pending(&reader);
    assert_true(published || !is_over);
    /* The coordinator's repair: now the reader is awake, or on its way. */
    bell_ring(&reader_bell);
    assert_true(is_rung());
    bell_awake(&reader_bell);
    if (published) {
        assert_int_equal(take(&reader), 2);
        assert_int_equal(take(&reader), 0);
    }
    assert_int_equal(take(&reader), -1);
    ring_release(&reader);
    /* A successor goes on where that one had published. */
    ring_writer_attach(&writer, requests());
    stage(&writer, 1);
    ring_publish(&writer);
    assert_int_equal(take(&reader), 1);
    assert_int_equal(take(&reader), -1);
    ring_release(&reader);
    assert_null(ring_broken_invariant(requests()));
}

static void test_ring_kill_producer(void **unused)
{
    (void)unused;
    kill_everywhere(&(struct victim){"producer", sleep_reader, produce, check_producer});
}

/* --- A reader that answers, and then releases ------------------------------------------------- */

static void fill_requests(void)
{
    struct ring_writer writer;
    ring_format(shared->requests, CAPACITY, 1, START);
    ring_format(shared->answers, CAPACITY, 1, START + 320);
    ring_writer_attach(&writer, requests());
    stage(&writer, 1);
    stage(&writer, 0);
    ring_publish(&writer);
    bell_sleep(&reader_bell); /* here: of whoever reads the answers */
}

static void answer_one(struct ring_reader *reader, struct ring_writer *writer)
{
    const void *payload;
    size_t length;
    MUST(ring_read(reader, &payload, &length) == RING_OK);
    stage(writer, *(const unsigned char *)payload - 1u);
    ring_publish(writer);
    bell_ring(&reader_bell);
    ring_release(reader);
}

static void answer(void)
{
    struct ring_reader reader;
    struct ring_writer writer;
    ring_reader_attach(&reader, requests(), 0);
    ring_writer_attach(&writer, answers());
    answer_one(&reader, &writer);
    answer_one(&reader, &writer);
}

/* Each request is answered by the two of them: once, or, if one was killed in between, twice. */
static void check_reader(bool is_over)
{
    static const int order[] = {1, 0};
    struct ring_reader reader, spy;
    struct ring_writer writer;
    assert_null(ring_broken_invariant(requests()));
    assert_null(ring_broken_invariant(answers()));
    ring_reader_attach(&reader, answers(), 0);
    unsigned answered = 0, left = 0;
    while (ring_pending(&reader))
        assert_int_equal(take(&reader), order[answered++]);
    ring_reader_attach(&spy, requests(), 0);
    while (take(&spy) >= 0)
        left++;
    assert_true(left == 2 - answered || left == 3 - answered);
    assert_true(!is_over || (answered == 2 && left == 0));
    /* The coordinator looks into the ring of the dead, bell or not; a successor does the rest. */
    bell_ring(&reader_bell);
    assert_true(is_rung());
    ring_reader_attach(&spy, requests(), 0);
    ring_writer_attach(&writer, answers());
    for (unsigned i = 0; i < left; i++)
        answer_one(&spy, &writer);
    for (unsigned i = 0; i < left; i++)
        assert_int_equal(take(&reader), order[2 - left + i]);
    assert_int_equal(take(&reader), -1);
    ring_release(&reader);
    assert_null(ring_broken_invariant(requests()));
    assert_null(ring_broken_invariant(answers()));
}

static void test_ring_kill_reader(void **unused)
{
    (void)unused;
    kill_everywhere(&(struct victim){"reader", fill_requests, answer, check_reader});
}

/* --- A sleeper that finds something in its re-check ------------------------------------------- */

static void fall_asleep_and_wake(void)
{
    struct ring_reader reader;
    ring_reader_attach(&reader, requests(), 0);
    for (unsigned i = 0; i < 3; i++) {
        bell_sleep(&reader_bell);
        if (ring_pending(&reader))
            bell_awake(&reader_bell);
    }
}

static void check_sleeper(bool is_over)
{
    struct ring_reader reader;
    struct ring_writer writer;
    (void)is_over;
    /* A successor sleeps; whatever the word was, the next publication reaches it. */
    bell_awake(&reader_bell);
    silence();
    ring_reader_attach(&reader, requests(), 0);
    while (take(&reader) >= 0)
        ;
    ring_release(&reader);
    bell_sleep(&reader_bell);
    assert_false(ring_pending(&reader));
    ring_writer_attach(&writer, requests());
    stage(&writer, 0);
    ring_publish(&writer);
    assert_true(bell_ring(&reader_bell));
    assert_true(is_rung());
    bell_awake(&reader_bell);
    assert_false(bell_ring(&reader_bell));
    assert_int_equal(take(&reader), 0);
}

static void test_ring_kill_sleeper(void **unused)
{
    (void)unused;
    kill_everywhere(
        &(struct victim){"sleeper", fill_requests, fall_asleep_and_wake, check_sleeper});
}

static int open_shared(void **unused)
{
    (void)unused;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED || bell_open(&reader_bell, &shared->words[0]);
}

static int close_shared(void **unused)
{
    (void)unused;
    bell_close(&reader_bell);
    return munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_kill_producer),
        cmocka_unit_test(test_ring_kill_reader),
        cmocka_unit_test(test_ring_kill_sleeper),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
