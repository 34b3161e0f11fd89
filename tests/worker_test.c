/* SPDX-License-Identifier: MIT
 *
 * The worker loop between its two rings: what it answers, and in which order.
 */
#include "tests/fixture_index.h"
#include "tests/fixture_query.h"

#include "ipc/msg.h"
#include "worker/worker.h"

#include <poll.h>
#include <pthread.h>

#define PAGES         3000
#define HUB           1 /* links to all others */
#define REQUEST_BYTES ((size_t)1 << 18)
#define REPLY_BYTES   ((size_t)1 << 20)

struct world {
    struct fixture index;
    struct query_engine *oracle;
    struct inherit inherit;
    struct pulse pulse;
    struct ring_writer requests;
    struct ring_reader replies;
    struct bell_word words[3];
    pthread_t thread;
};

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, (sizeof *world + 63) / 64 * 64);
    static struct fixture_page pages[PAGES];
    static char titles[PAGES][16];
    struct arc_list arcs = {0};
    struct fault why;
    MUST(world);
    memset(world, 0, sizeof *world);
    for (uint32_t v = 0; v < PAGES; v++) {
        snprintf(titles[v], sizeof titles[v], "Page %04u", v);
        pages[v] = (struct fixture_page){titles[v], NULL, v, v};
        if (v != HUB)
            MUST(arc_list_add(&arcs, HUB, v) == 0);
    }
    MUST(arc_list_add(&arcs, 0, HUB) == 0);
    fixture_init(&world->index, pages, PAGES, NULL, 0, &arcs, false);
    MUST(query_engine_create(&world->oracle, &world->index.view, 1, -1, &why) == 0);

    struct inherit *inherit = &world->inherit;
    *inherit = (struct inherit){.generation = 1, .index = &world->index.view, .index_fd = -1};
    inherit->requests =
        ring_format(aligned_alloc(64, ring_bytes(REQUEST_BYTES, 1)), REQUEST_BYTES, 1, 0);
    inherit->replies =
        ring_format(aligned_alloc(64, ring_bytes(REPLY_BYTES, 1)), REPLY_BYTES, 1, 0);
    ring_writer_attach(&world->requests, inherit->requests);
    ring_reader_attach(&world->replies, inherit->replies, 0);
    MUST(bell_open(&inherit->bell, &world->words[0]) == 0);
    inherit->room = (struct bell){&world->words[1], inherit->bell.eventfd};
    inherit->pulse = &world->pulse;
    MUST(bell_open(&inherit->coordinator, &world->words[2]) == 0);
    *state = world;
    return 0;
}

/* Staged: the worker sees it with all others at publication. */
static void send_msg(struct world *world, const struct msg *msg)
{
    void *record;
    struct wire_out out;
    assert_int_equal(ring_reserve(&world->requests, MSG_OVERHEAD + msg->frame_bytes, &record),
                     RING_OK);
    wire_out_fixed(&out, record, MSG_OVERHEAD + msg->frame_bytes);
    msg_write(&out, msg);
    assert_false(out.failed);
    ring_stage(&world->requests, out.bytes);
}

static void make_request(struct wire_out *frame, uint64_t msgid, const char *method,
                         const char *text)
{
    wire_out_init(frame);
    rpc_request(frame, msgid, method);
    wire_array(frame, strcmp(method, "export") == 0 ? 3 : 1);
    wire_cstr(frame, text);
    if (strcmp(method, "export") == 0) {
        wire_uint(frame, 0);
        wire_uint(frame, PAGES);
    }
}

static void ask_query(struct world *world, uint64_t ticket, const char *method, const char *text)
{
    struct wire_out frame;
    make_request(&frame, ticket, method, text);
    send_msg(world, &(struct msg){.kind = MSG_REQUEST,
                                  .ticket = ticket,
                                  .frame = frame.data,
                                  .frame_bytes = frame.bytes});
    wire_out_fini(&frame);
}

static void *run(void *inherit)
{
    return (void *)(intptr_t)worker_main(inherit);
}

static void next_reply(struct world *world, struct msg *msg)
{
    const void *data;
    size_t bytes;
    while (ring_read(&world->replies, &data, &bytes) == RING_EMPTY) {
        bell_sleep(&world->inherit.coordinator);
        uint64_t count;
        if (!ring_pending(&world->replies))
            poll(&(struct pollfd){world->inherit.coordinator.eventfd, POLLIN, 0}, 1, -1);
        ssize_t n = read(world->inherit.coordinator.eventfd, &count, sizeof count);
        (void)n;
        bell_awake(&world->inherit.coordinator);
    }
    assert_true(msg_read(data, bytes, msg));
}

/* The next whole answer is to this one, and says what the query says by itself. */
static void expect_answer(struct world *world, uint64_t ticket, const char *method,
                          const char *text)
{
    struct wire_out frame, expected, pieces;
    struct rpc_request request;
    struct msg msg;
    wire_out_init(&expected);
    wire_out_init(&pieces);
    make_request(&frame, ticket, method, text);
    assert_int_equal(rpc_parse_request(frame.data, frame.bytes, &request), RPC_OK);
    query_run(world->oracle, &request, 0, &expected);
    do {
        next_reply(world, &msg);
        assert_int_equal(msg.kind, MSG_ANSWER);
        assert_int_equal(msg.ticket, ticket);
        wire_raw(&pieces, msg.frame, msg.frame_bytes);
    } while (msg.more);
    assert_int_equal(pieces.bytes, expected.bytes);
    assert_memory_equal(pieces.data, expected.data, expected.bytes);
    wire_out_fini(&frame);
    wire_out_fini(&expected);
    wire_out_fini(&pieces);
}

static void start(struct world *world)
{
    struct msg msg;
    send_msg(world, &(struct msg){.kind = MSG_RETIRE});
    ring_publish(&world->requests);
    assert_int_equal(pthread_create(&world->thread, NULL, run, &world->inherit), 0);
    next_reply(world, &msg);
    assert_int_equal(msg.kind, MSG_READY);
}

static void finish(struct world *world)
{
    void *status;
    pthread_join(world->thread, &status);
    assert_null(status);
    assert_false(ring_pending(&world->replies));
    assert_null(ring_broken_invariant(world->inherit.requests));
    assert_null(ring_broken_invariant(world->inherit.replies));
}

/* Everything is in the ring before the worker looks. */
static void test_worker_answers_brief_requests_in_the_pauses_of_long_ones(void **state)
{
    struct world *world = *state;
    ask_query(world, 1, "lookup", "Page 0001");
    ask_query(world, 2, "related", "Page 0001"); /* pauses before it has written anything */
    for (uint64_t i = 3; i < 30; i++)
        ask_query(world, i, "lookup", "Page 0077");
    ask_query(world, 30, "export", "links"); /* in the middle of a short piece of its answer */
    ask_query(world, 31, "prefix", "Page 2");
    ask_query(world, 32, "export", "titles"); /* when that has left the ring */
    ask_query(world, 33, "rank", "Page 0005");
    ask_query(world, 34, "nonsense", "");
    start(world);
    expect_answer(world, 1, "lookup", "Page 0001");
    for (uint64_t i = 3; i < 30; i++)
        expect_answer(world, i, "lookup", "Page 0077");
    expect_answer(world, 2, "related", "Page 0001");
    expect_answer(world, 31, "prefix", "Page 2");
    expect_answer(world, 30, "export", "links");
    expect_answer(world, 33, "rank", "Page 0005");
    expect_answer(world, 32, "export", "titles");
    expect_answer(world, 34, "nonsense", "");
    finish(world);
}

/* One that nobody waits for is given up at its first pause; the next one is not. */
static void test_worker_gives_up_what_nobody_waits_for(void **state)
{
    struct world *world = *state;
    struct msg msg;
    struct wire_out expected;
    pulse_unwant(&world->pulse, 1);
    ask_query(world, 1, "related", "Page 0001");
    ask_query(world, 2, "related", "Page 0001");
    start(world);
    next_reply(world, &msg);
    assert_int_equal(msg.ticket, 1);
    wire_out_init(&expected);
    rpc_error(&expected, 1, RPC_DEADLINE, "related: not done within the time allowed");
    assert_int_equal(msg.frame_bytes, expected.bytes);
    assert_memory_equal(msg.frame, expected.data, expected.bytes);
    wire_out_fini(&expected);
    expect_answer(world, 2, "related", "Page 0001");
    finish(world);
}

static int teardown(void **state)
{
    struct world *world = *state;
    query_engine_destroy(&world->oracle);
    bell_close(&world->inherit.bell);
    bell_close(&world->inherit.coordinator);
    free(world->inherit.requests);
    free(world->inherit.replies);
    fixture_fini(&world->index);
    free(world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_worker_answers_brief_requests_in_the_pauses_of_long_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_worker_gives_up_what_nobody_waits_for, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
