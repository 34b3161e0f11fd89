/* SPDX-License-Identifier: MIT
 *
 * The worker loop, run as a thread, against a coordinator that is this test: when an answer shows,
 * the request ring has room again.
 */
#include "ipc/loop.h"
#include "ipc/msg.h"
#include "ipc/rpc.h"
#include "tests/fixture_index.h"
#include "worker/worker.h"

#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#define REQUEST_CAPACITY 1024
#define REPLY_CAPACITY   ((size_t)1 << 16)
#define PAGES            100 /* all of them make an answer of more than 4 KiB, and less than 8 */
#define ROUNDS           20
#define WATCHDOG_NS      UINT64_C(60000000000)

struct bench {
    struct fixture fixture;
    struct bell_word words[3];
    struct inherit inherit;
    struct pulse pulse;
    pthread_t thread;
    struct ring_writer requests;
    struct ring_reader replies;
};

/* Takes the library's place: the worker looks for completions, and sleeps in between. Valgrind runs
 * one thread at a time, and does not know that io_uring_enter() blocks: while the worker waited in
 * there, nobody would get to wake it. */
int io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    static const struct timespec pause = {.tv_nsec = 100000};
    int err;
    while ((err = io_uring_submit_and_get_events(ring)) >= 0 && io_uring_cq_ready(ring) < count)
        nanosleep(&pause, NULL);
    return err;
}

static void *run_worker(void *argument)
{
    worker_main(argument);
    return NULL;
}

static void open_fixture(struct fixture *fixture)
{
    static char titles[PAGES][16];
    static struct fixture_page pages[PAGES];
    struct arc_list arcs = {0};
    for (unsigned i = 0; i < PAGES; i++) {
        snprintf(titles[i], sizeof titles[i], "Page %u", i);
        pages[i] = (struct fixture_page){titles[i], NULL, i + 1, 1.0 / PAGES};
    }
    assert_int_equal(arc_list_add(&arcs, 0, 1), 0);
    fixture_init(fixture, pages, PAGES, NULL, 0, &arcs, false);
}

static struct ring *make_ring(size_t capacity)
{
    return ring_format(aligned_alloc(RING_LINE, ring_bytes(capacity, 1)), capacity, 1, 0);
}

/* Takes replies until there are `count` of this kind. */
static void await(struct bench *bench, enum msg_kind kind, unsigned count)
{
    uint64_t since = loop_now_ns();
    while (count > 0) {
        struct msg msg;
        const void *data;
        size_t bytes;
        enum ring_status status = ring_read(&bench->replies, &data, &bytes);
        if (status == RING_EMPTY) {
            if (loop_now_ns() - since > WATCHDOG_NS)
                fail_msg("%u messages are missing", count);
            sched_yield();
            continue;
        }
        assert_int_equal(status, RING_OK);
        assert_true(msg_read(data, bytes, &msg));
        count -= msg.kind == kind && !msg.more;
        ring_release(&bench->replies);
    }
}

static struct bench *start(void)
{
    struct fault why;
    struct loop *probe;
    if (loop_create(&probe, 8, 0, 0, &why)) {
        print_message("SKIP: %s\n", why.text);
        skip();
    }
    loop_destroy(&probe);
    struct bench *bench = aligned_alloc(64, (sizeof *bench + 63) / 64 * 64);
    assert_non_null(bench);
    memset(bench, 0, sizeof *bench);
    open_fixture(&bench->fixture);
    struct inherit *inherit = &bench->inherit;
    *inherit = (struct inherit){.generation = 1,
                                .index = &bench->fixture.view,
                                .index_fd = -1,
                                .requests = make_ring(REQUEST_CAPACITY),
                                .pulse = &bench->pulse,
                                .replies = make_ring(REPLY_CAPACITY)};
    assert_int_equal(bell_open(&inherit->bell, &bench->words[0]), 0);
    inherit->room = (struct bell){&bench->words[1], inherit->bell.eventfd};
    inherit->coordinator = (struct bell){&bench->words[2], eventfd(0, EFD_CLOEXEC)}; /* blocks */
    assert_true(inherit->coordinator.eventfd >= 0);
    ring_writer_attach(&bench->requests, inherit->requests);
    ring_reader_attach(&bench->replies, inherit->replies, 0);
    assert_int_equal(pthread_create(&bench->thread, NULL, run_worker, inherit), 0);
    await(bench, MSG_READY, 1);
    return bench;
}

/* False if there is no room. */
static bool send_message(struct bench *bench, const struct msg *msg)
{
    void *record;
    size_t bytes = MSG_OVERHEAD + msg->frame_bytes;
    enum ring_status status = ring_reserve(&bench->requests, bytes, &record);
    if (status != RING_OK) {
        assert_int_equal(status, RING_FULL);
        return false;
    }
    struct wire_out out;
    wire_out_fixed(&out, record, bytes);
    msg_write(&out, msg);
    ring_stage(&bench->requests, out.bytes);
    return true;
}

static void flush(struct bench *bench)
{
    ring_publish(&bench->requests);
    bell_ring(&bench->inherit.bell);
}

/* The worker comes to a stop in the middle of ringing for what it published: one more does not go
 * into that eventfd. */
static void hold_ringer(struct bench *bench)
{
    static const uint64_t full = UINT64_MAX - 1;
    assert_int_equal(write(bench->inherit.coordinator.eventfd, &full, sizeof full), sizeof full);
    bell_sleep(&bench->inherit.coordinator);
}

/* It was asked to ring, so it does, once: now or soon. */
static void let_go(struct bench *bench)
{
    uint64_t count;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(read(bench->inherit.coordinator.eventfd, &count, sizeof count),
                         sizeof count);
    assert_int_equal(count, 1);
}

/* Whether the whole capacity is free, without publishing anything. */
static bool is_all_given_back(const struct bench *bench)
{
    struct ring_writer probe = bench->requests;
    void *record;
    for (unsigned i = 0; i < REQUEST_CAPACITY / RING_HEADER_BYTES; i++) {
        if (ring_reserve(&probe, 0, &record) != RING_OK)
            return false;
        ring_stage(&probe, 0);
    }
    return true;
}

static void stop(struct bench *bench)
{
    bell_awake(&bench->inherit.coordinator);
    assert_true(send_message(bench, &(struct msg){.kind = MSG_RETIRE}));
    flush(bench);
    pthread_join(bench->thread, NULL);
    bell_close(&bench->inherit.bell);
    bell_close(&bench->inherit.coordinator);
    fixture_fini(&bench->fixture);
    free(bench->inherit.requests);
    free(bench->inherit.replies);
    free(bench);
}

/* When the answers show, there is room: of room that is made later the coordinator would not be
 * told, and what waits for it would wait for its deadline. */
static void send_and_check(struct bench *bench, unsigned count, const char *frame, size_t bytes)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        hold_ringer(bench);
        for (unsigned i = 0; i < count; i++)
            assert_true(send_message(bench, &(struct msg){.kind = MSG_REQUEST,
                                                          .ticket = i,
                                                          .frame = frame,
                                                          .frame_bytes = bytes}));
        flush(bench);
        await(bench, MSG_ANSWER, count);
        bool free_again = is_all_given_back(bench);
        let_go(bench);
        if (!free_again)
            fail_msg("round %u: all is answered, and the ring is not empty", round);
    }
}

static void test_worker_room_gives_requests_back_before_their_answers_show(void **unused)
{
    (void)unused;
    struct bench *bench = start();
    char title[200];
    struct wire_out frame;
    memset(title, 'x', sizeof title);
    wire_out_init(&frame);
    rpc_request(&frame, 1, "lookup");
    wire_array(&frame, 1);
    wire_str(&frame, title, sizeof title);
    send_and_check(bench, 2, frame.data, frame.bytes);
    wire_out_fini(&frame);
    stop(bench);
}

/* One that does not fit where short ones are written goes out by itself. */
static void test_worker_room_gives_a_request_back_before_its_long_answer_shows(void **unused)
{
    (void)unused;
    struct bench *bench = start();
    struct wire_out frame;
    wire_out_init(&frame);
    rpc_request(&frame, 1, "top");
    wire_array(&frame, 1);
    wire_uint(&frame, PAGES);
    send_and_check(bench, 1, frame.data, frame.bytes);
    wire_out_fini(&frame);
    stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_room_gives_requests_back_before_their_answers_show),
        cmocka_unit_test(test_worker_room_gives_a_request_back_before_its_long_answer_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
