/* SPDX-License-Identifier: MIT
 *
 * Requests on their way: which worker gets which, what waits, what a death gives back. The workers
 * are rings that the test reads; the session is a struct whose output it looks at.
 */
#include "coordinator/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKERS    2
#define RING_BYTES ((size_t)1 << 18)
#define QUEUE_MAX  512
#define ROW        16 /* dispatch.c: WORKER_BATCH */
#define FULL       64 /* dispatch.c: WORKER_LOAD_MAX */
#define WAKE       32 /* dispatch.c: WAKE_LOAD */
#define SESSION_ID 5
#define OTHER_ID   6

struct world {
    struct loop *loop;
    struct session_host sessions;
    struct session session, other, *slots[2];
    struct crew_host host;
    struct crew *crew;
    struct bell_word words[WORKERS];
    struct pulse pulses[WORKERS];
    void *memory[WORKERS];
    struct ring_reader readers[WORKERS];
    struct dispatch dispatch;
};

static void set_up(struct world *world, unsigned queue_max)
{
    struct fault why;
    memset(world, 0, sizeof *world);
    assert_int_equal(loop_create(&world->loop, 8, 0, 0, &why), 0);
    world->slots[SESSION_ID % 2] = &world->session;
    world->slots[OTHER_ID % 2] = &world->other;
    world->sessions = (struct session_host){
        .loop = world->loop, .slots = world->slots, .slot_count = 2, .count = 2};
    world->session = (struct session){.id = SESSION_ID, .host = &world->sessions};
    world->other = (struct session){.id = OTHER_ID, .host = &world->sessions};
    world->crew = calloc(1, sizeof *world->crew);
    assert_non_null(world->crew);
    world->crew->host = &world->host;
    world->crew->worker_count = WORKERS;
    world->host.crews = world->crew;
    for (unsigned w = 0; w < WORKERS; w++) {
        struct crew_worker *worker = &world->crew->workers[w];
        world->memory[w] = aligned_alloc(64, ring_bytes(RING_BYTES, 1));
        assert_non_null(world->memory[w]);
        struct ring *ring = ring_format(world->memory[w], RING_BYTES, 1, 0);
        ring_writer_attach(&worker->requests_out, ring);
        ring_reader_attach(&world->readers[w], ring, 0);
        worker->crew = world->crew;
        worker->state = WORKER_READY;
        worker->inherit.bell = (struct bell){&world->words[w], -1};
        worker->inherit.pulse = &world->pulses[w];
        pulse_unwant(&world->pulses[w], PULSE_NO_TICKET);
    }
    assert_int_equal(dispatch_init(&world->dispatch, world->loop, &world->sessions,
                                   UINT64_C(60000000000), queue_max, &why),
                     0);
    world->dispatch.crew = world->crew;
}

static void tear_down(struct world *world)
{
    dispatch_fini(&world->dispatch);
    loop_destroy(&world->loop);
    wire_out_fini(&world->session.out[0]);
    wire_out_fini(&world->session.out[1]);
    wire_out_fini(&world->other.out[0]);
    wire_out_fini(&world->other.out[1]);
    for (unsigned w = 0; w < WORKERS; w++)
        free(world->memory[w]);
    free(world->crew);
}

static void make_frame(struct wire_out *frame, uint64_t msgid, const char *method,
                       size_t title_bytes)
{
    char *title = malloc(title_bytes);
    assert_non_null(title);
    memset(title, 'a' + (int)(msgid % 26), title_bytes);
    wire_out_init(frame);
    rpc_request(frame, msgid, method);
    wire_array(frame, 1);
    wire_str(frame, title, title_bytes);
    free(title);
}

static void ask_of(struct world *world, struct session *session, uint64_t msgid, const char *method,
                   size_t title_bytes)
{
    struct wire_out frame;
    struct rpc_request request;
    make_frame(&frame, msgid, method, title_bytes);
    assert_int_equal(rpc_parse_request(frame.data, frame.bytes, &request), RPC_OK);
    session->in_flight++;
    dispatch_request(&world->dispatch, session, &request, frame.data, frame.bytes);
    wire_out_fini(&frame);
}

static void ask(struct world *world, uint64_t msgid, const char *method, size_t title_bytes)
{
    ask_of(world, &world->session, msgid, method, title_bytes);
}

static void pump(struct world *world)
{
    dispatch_pump(&world->dispatch);
    crew_host_flush(&world->host);
}

/* The next request at worker w: its ticket; fails if there is none, or not this one. */
static uint64_t expect_request(struct world *world, unsigned w, uint64_t msgid, const char *method,
                               size_t title_bytes)
{
    const void *data;
    size_t bytes;
    struct msg msg;
    struct wire_out frame;
    assert_int_equal(ring_read(&world->readers[w], &data, &bytes), RING_OK);
    assert_true(msg_read(data, bytes, &msg));
    make_frame(&frame, msgid, method, title_bytes);
    assert_int_equal(msg.frame_bytes, frame.bytes);
    assert_memory_equal(msg.frame, frame.data, frame.bytes);
    wire_out_fini(&frame);
    return msg.ticket;
}

static void expect_nothing(struct world *world, unsigned w)
{
    const void *data;
    size_t bytes;
    assert_int_equal(ring_read(&world->readers[w], &data, &bytes), RING_EMPTY);
}

static void answer(struct world *world, unsigned w, uint64_t ticket, const char *bytes, bool more)
{
    struct msg msg = {.kind = MSG_ANSWER,
                      .ticket = ticket,
                      .more = more,
                      .frame = bytes,
                      .frame_bytes = strlen(bytes)};
    dispatch_answer(&world->dispatch, &world->crew->workers[w], &msg);
}

/* --- Which worker ---------------------------------------------------------------------------- */

static void test_dispatch_gives_short_requests_in_rows(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    for (unsigned i = 0; i < 2 * ROW + 3; i++)
        ask(&world, i, "lookup", 5);
    pump(&world);
    for (unsigned i = 0; i < ROW; i++) {
        expect_request(&world, 0, i, "lookup", 5);
        expect_request(&world, 1, ROW + i, "lookup", 5);
    }
    for (unsigned i = 0; i < 3; i++)
        expect_request(&world, 0, 2 * ROW + i, "lookup", 5);
    expect_nothing(&world, 1);
    /* The next goes to the one with less to do. */
    ask(&world, 99, "rank", 5);
    pump(&world);
    expect_nothing(&world, 0);
    expect_request(&world, 1, 99, "rank", 5);
    tear_down(&world);
}

static void test_dispatch_lets_sleepers_sleep(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    struct bell *bell = &world.crew->workers[1].inherit.bell;
    assert_int_equal(bell_open(bell, &world.words[1]), 0);
    bell_sleep(bell);
    /* As many as take no longer than waking it, however they come. */
    for (unsigned i = 0; i <= WAKE; i++) {
        ask(&world, i, "lookup", 5);
        pump(&world);
        expect_request(&world, 0, i, "lookup", 5);
        assert_true(bell_asleep(bell));
    }
    ask(&world, WAKE + 1, "lookup", 5);
    pump(&world);
    expect_request(&world, 1, WAKE + 1, "lookup", 5);
    assert_false(bell_asleep(bell));
    /* A long one is worth it. */
    bell_sleep(bell);
    world.crew->workers[1].load = 0;
    ask(&world, 98, "page", 5);
    ask(&world, 99, "page", 5);
    pump(&world);
    expect_request(&world, 1, 98, "page", 5);
    expect_request(&world, 0, 99, "page", 5);
    bell_close(bell);
    tear_down(&world);
}

static void test_dispatch_keeps_what_would_only_queue_at_a_worker(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    for (unsigned i = 0; i < 2 * FULL + 10; i++)
        ask(&world, i, "lookup", 5);
    pump(&world);
    for (unsigned w = 0; w < WORKERS; w++)
        assert_int_equal(world.crew->workers[w].in_flight, FULL);
    assert_int_equal(world.dispatch.waiting_count, 10);
    uint64_t ticket = expect_request(&world, 1, ROW, "lookup", 5);
    answer(&world, 1, ticket, "x", false);
    pump(&world);
    assert_int_equal(world.dispatch.waiting_count, 9);
    assert_int_equal(world.crew->workers[1].in_flight, FULL);
    tear_down(&world);
}

static void test_dispatch_gives_a_worker_one_long_request_at_a_time(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    ask(&world, 1, "lookup", 5);
    ask(&world, 2, "path", 5);
    ask(&world, 3, "lookup", 5);
    pump(&world);
    uint64_t path = expect_request(&world, 0, 2, "path", 5);
    expect_request(&world, 1, 1, "lookup", 5);
    expect_request(&world, 1, 3, "lookup", 5);
    for (unsigned i = 4; i < 7; i++)
        ask(&world, i, "path", 5);
    pump(&world);
    expect_nothing(&world, 0);
    expect_request(&world, 1, 4, "path", 5);
    expect_nothing(&world, 1);
    assert_int_equal(world.dispatch.waiting_count, 2);
    answer(&world, 0, path, "x", false);
    pump(&world);
    expect_request(&world, 0, 5, "path", 5);
    assert_int_equal(world.dispatch.waiting_count, 1);
    tear_down(&world);
}

/* Where another worker has room; else beside a long one, whatever long ones wait before it. */
static void test_dispatch_lets_short_requests_pass_long_ones(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    ask(&world, 0, "path", 5);
    for (unsigned i = 1; i <= FULL; i++)
        ask(&world, i, "lookup", 5);
    pump(&world);
    expect_request(&world, 0, 0, "path", 5);
    expect_nothing(&world, 0);
    for (unsigned i = 1; i <= FULL; i++)
        expect_request(&world, 1, i, "lookup", 5);
    ask(&world, 99, "path", 5);
    ask(&world, 100, "path", 5);
    ask(&world, 101, "lookup", 5);
    pump(&world);
    expect_request(&world, 1, 99, "path", 5);
    expect_request(&world, 0, 101, "lookup", 5);
    assert_int_equal(world.dispatch.waiting_count, 1);
    tear_down(&world);
}

/* What a worker died of runs with nothing beside it, and is not kept waiting for that for ever. */
static void test_dispatch_gives_a_suspect_a_worker_to_itself(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    world.crew->workers[1].state = WORKER_STARTING;
    ask(&world, 1, "lookup", 5);
    pump(&world);
    expect_request(&world, 0, 1, "lookup", 5);
    dispatch_worker_died(&world.dispatch, &world.crew->workers[0]);
    pump(&world);
    uint64_t suspect = expect_request(&world, 0, 1, "lookup", 5);
    ask(&world, 2, "lookup", 5);
    ask(&world, 3, "path", 5);
    pump(&world);
    expect_nothing(&world, 0);
    answer(&world, 0, suspect, "x", false);
    pump(&world);
    expect_request(&world, 0, 3, "path", 5);
    expect_request(&world, 0, 2, "lookup", 5);

    dispatch_worker_died(&world.dispatch, &world.crew->workers[0]);
    pump(&world);
    suspect = expect_request(&world, 0, 2, "lookup", 5); /* the older one */
    expect_nothing(&world, 0);
    answer(&world, 0, suspect, "x", false);
    ask(&world, 4, "lookup", 5);
    pump(&world);
    suspect = expect_request(&world, 0, 3, "path", 5);
    expect_nothing(&world, 0);
    answer(&world, 0, suspect, "x", false);
    pump(&world);
    expect_request(&world, 0, 4, "lookup", 5);
    tear_down(&world);
}

static void ask_limited(struct world *world, uint64_t msgid, const char *method, bool named,
                        uint64_t limit)
{
    struct wire_out frame;
    struct rpc_request request;
    wire_out_init(&frame);
    rpc_request(&frame, msgid, method);
    if (named) {
        wire_map(&frame, 1);
        wire_key(&frame, "limit");
    } else {
        wire_array(&frame, strcmp(method, "top") == 0 ? 1 : 2);
        if (strcmp(method, "top") != 0)
            wire_key(&frame, "title");
    }
    wire_uint(&frame, limit);
    assert_int_equal(rpc_parse_request(frame.data, frame.bytes, &request), RPC_OK);
    world->session.in_flight++;
    dispatch_request(&world->dispatch, &world->session, &request, frame.data, frame.bytes);
    wire_out_fini(&frame);
}

static void test_dispatch_goes_by_the_limit_where_there_is_one(void **unused)
{
    (void)unused;
    static const char *const methods[] = {"prefix", "top", "links", "backlinks"};
    for (unsigned m = 0; m < 4; m++) {
        for (unsigned named = 0; named < 2; named++) {
            struct world world;
            set_up(&world, QUEUE_MAX);
            world.crew->workers[1].state = WORKER_STARTING;
            ask_limited(&world, 1, methods[m], named, 20);
            ask_limited(&world, 2, methods[m], named, 1000);
            pump(&world);
            assert_int_equal(world.crew->workers[0].load, 6);
            assert_int_equal(world.crew->workers[0].long_requests, 1);
            tear_down(&world);
        }
    }
}

/* --- Tickets --------------------------------------------------------------------------------- */

static void test_dispatch_gives_a_dead_workers_requests_to_another(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    world.crew->workers[1].state = WORKER_STARTING;
    ask(&world, 1, "lookup", 5);
    ask(&world, 2, "lookup", 5000); /* kept on the heap */
    ask(&world, 3, "lookup", 0);
    pump(&world);
    uint64_t first = expect_request(&world, 0, 1, "lookup", 5);
    static const char first_answer[] = "first";
    answer(&world, 0, first, first_answer, false);
    /* Half of the second answer: of no use, since nobody knows what the rest would have been. */
    answer(&world, 0, expect_request(&world, 0, 2, "lookup", 5000), "half", true);
    dispatch_worker_died(&world.dispatch, &world.crew->workers[0]);
    world.crew->workers[0].state = WORKER_STARTING;
    world.crew->workers[1].state = WORKER_READY;
    assert_int_equal(world.crew->workers[0].in_flight, 0);
    assert_int_equal(world.crew->workers[0].load, 0);
    pump(&world);
    uint64_t second = expect_request(&world, 1, 2, "lookup", 5000);
    expect_nothing(&world, 1);
    answer(&world, 1, second, "sec", true);
    answer(&world, 1, second, "ond", false);
    pump(&world);
    uint64_t third = expect_request(&world, 1, 3, "lookup", 0);
    answer(&world, 1, third, "third", false);
    /* The first is sent from where it is, and so are the others where nothing waits before them. */
    assert_true(session_host_holds_frames(&world.sessions));
    assert_int_equal(world.session.part_count, 1);
    assert_ptr_equal(world.session.parts[0].iov_base, first_answer);
    session_host_copy_frames(&world.sessions);
    assert_false(session_host_holds_frames(&world.sessions));
    const struct wire_out *first_out = &world.session.out[0], *rest = &world.session.out[1];
    assert_int_equal(first_out->bytes, strlen("first"));
    assert_memory_equal(first_out->data, "first", first_out->bytes);
    assert_int_equal(rest->bytes, strlen("secondthird"));
    assert_memory_equal(rest->data, "secondthird", rest->bytes);
    assert_false(dispatch_busy(&world.dispatch));
    tear_down(&world);
}

/* The third of five kills whoever takes it; the answers before it die with the worker, unpublished.
 * It alone is given up, whether the workers told what they were at or not. */
static unsigned deaths_of_a_deadly_request(bool told, bool outside)
{
    struct world world;
    unsigned deaths = 0;
    set_up(&world, QUEUE_MAX);
    world.crew->workers[1].state = WORKER_STARTING;
    for (unsigned i = 0; i < 5; i++)
        ask(&world, i, "lookup", 5);
    struct crew_worker *worker = &world.crew->workers[0];
    worker->outside = outside;
    while (dispatch_busy(&world.dispatch)) {
        uint64_t tickets[5];
        unsigned count = 0;
        bool deadly = false;
        const void *data;
        size_t bytes;
        struct msg msg;
        struct rpc_request request;
        pump(&world);
        while (ring_read(&world.readers[0], &data, &bytes) == RING_OK) {
            assert_true(count < 5 && msg_read(data, bytes, &msg));
            assert_int_equal(rpc_parse_request(msg.frame, msg.frame_bytes, &request), RPC_OK);
            tickets[count++] = msg.ticket;
            if (request.msgid == 2) {
                deadly = true;
                worker->died_at = told ? msg.ticket : PULSE_NO_TICKET;
            }
        }
        assert_true(count > 0);
        for (unsigned i = 0; !deadly && i < count; i++)
            answer(&world, 0, tickets[i], "x", false);
        if (deadly) {
            dispatch_worker_died(&world.dispatch, worker);
            deaths++;
        }
    }
    assert_int_equal(world.dispatch.answered, 4);
    assert_int_equal(world.dispatch.failed, 1);
    tear_down(&world);
    return deaths;
}

static void test_dispatch_gives_up_only_the_request_that_kills(void **unused)
{
    (void)unused;
    assert_int_equal(deaths_of_a_deadly_request(true, false), 2);
    /* Killed from outside it is tried longer, but not for ever; nor if nobody knows who it was. */
    assert_int_equal(deaths_of_a_deadly_request(true, true), 10);
    unsigned deaths = deaths_of_a_deadly_request(false, false);
    assert_true(deaths >= 10 && deaths < 20);
}

static void test_dispatch_has_a_ticket_for_each_request_it_allows(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, 3);
    uint64_t tickets[3] = {0}, old[3];
    for (unsigned round = 0; round < 5; round++) {
        memcpy(old, tickets, sizeof old);
        ask(&world, 0, "lookup", 5);
        ask_of(&world, &world.other, 1, "lookup", 5);
        uint64_t refused = world.dispatch.failed;
        world.session.in_flight--; /* as if the last one were of a third connection */
        ask(&world, 2, "lookup", 5);
        world.session.in_flight++;
        ask(&world, 9, "lookup", 5);
        assert_int_equal(world.dispatch.failed, refused + 1);
        pump(&world);
        tickets[0] = expect_request(&world, 0, 0, "lookup", 5);
        tickets[2] = expect_request(&world, 0, 2, "lookup", 5);
        tickets[1] = expect_request(&world, 0, 1, "lookup", 5);
        uint64_t answered = world.dispatch.answered;
        for (unsigned i = 0; round > 0 && i < 3; i++)
            answer(&world, 0, old[i], "late", false); /* of requests answered long ago */
        answer(&world, 1, tickets[0], "from another", false);
        answer(&world, 0, 77, "of nothing", false);
        assert_int_equal(world.dispatch.answered, answered);
        for (unsigned i = 3; i-- > 0;)
            answer(&world, 0, tickets[i], "x", false);
        assert_int_equal(world.dispatch.answered, answered + 3);
        assert_int_equal(world.session.in_flight + world.other.in_flight, 0);
    }
    assert_false(dispatch_busy(&world.dispatch));
    tear_down(&world);
}

static void test_dispatch_lets_connections_take_turns(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    for (unsigned i = 0; i < ROW + 10; i++)
        ask(&world, i, "lookup", 5);
    ask_of(&world, &world.other, 100, "lookup", 5);
    pump(&world);
    /* A row from one, then the other's turn, which is over with what it has. */
    for (unsigned i = 0; i < ROW; i++)
        expect_request(&world, 0, i, "lookup", 5);
    expect_request(&world, 1, 100, "lookup", 5);
    tear_down(&world);

    set_up(&world, QUEUE_MAX);
    for (unsigned i = 0; i < 4; i++)
        ask(&world, i, "path", 5);
    ask_of(&world, &world.other, 100, "path", 5);
    pump(&world);
    expect_request(&world, 0, 0, "path", 5);
    expect_request(&world, 1, 100, "path", 5);
    tear_down(&world);
}

static bool is_unwanted(struct world *world, unsigned w, uint64_t ticket)
{
    pulse_take(&world->pulses[w], ticket);
    return pulse_in_vain(&world->pulses[w]);
}

static void test_dispatch_forgets_who_has_gone(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    ask_of(&world, &world.other, 1, "path", 5);
    ask(&world, 2, "path", 5);
    pump(&world);
    ask_of(&world, &world.other, 3, "path", 5);
    ask_of(&world, &world.other, 4, "lookup", 5);
    ask(&world, 5, "path", 5);
    const uint64_t first = expect_request(&world, 0, 1, "path", 5);
    const uint64_t second = expect_request(&world, 1, 2, "path", 5);
    dispatch_forget(&world.dispatch, &world.other);
    world.slots[OTHER_ID % 2] = NULL;
    assert_int_equal(world.dispatch.in_flight, 3);
    assert_true(is_unwanted(&world, 0, first));
    assert_false(is_unwanted(&world, 1, second));
    answer(&world, 0, first, "late", false);
    pump(&world);
    expect_request(&world, 0, 5, "path", 5);
    expect_nothing(&world, 1);
    assert_int_equal(world.dispatch.in_flight, 2);
    tear_down(&world);
}

static void test_dispatch_cancels(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, QUEUE_MAX);
    for (unsigned msgid = 1; msgid <= 4; msgid++)
        ask(&world, msgid, "path", 5);
    ask_of(&world, &world.other, 3, "path", 5); /* the same number, somebody else's */
    pump(&world);
    const uint64_t first = expect_request(&world, 0, 1, "path", 5);
    expect_request(&world, 1, 3, "path", 5);
    for (int again = 0; again < 2; again++) {
        dispatch_cancel(&world.dispatch, &world.session, 1); /* a worker is at it */
        dispatch_cancel(&world.dispatch, &world.session, 3); /* waits */
        dispatch_cancel(&world.dispatch, &world.session, 7);
    }
    assert_true(is_unwanted(&world, 0, first));
    assert_int_equal(world.session.in_flight, 2);
    assert_int_equal(world.dispatch.in_flight, 4);
    struct wire_out expected;
    wire_out_init(&expected);
    rpc_error(&expected, 1, RPC_CANCELLED, "cancelled by its client");
    rpc_error(&expected, 3, RPC_CANCELLED, "cancelled by its client");
    assert_int_equal(world.session.out[1].bytes, expected.bytes);
    assert_memory_equal(world.session.out[1].data, expected.data, expected.bytes);
    wire_out_fini(&expected);
    answer(&world, 0, first, "late", false);
    pump(&world);
    expect_request(&world, 0, 2, "path", 5);
    assert_int_equal(world.session.in_flight, 2);
    tear_down(&world);
}

static void test_dispatch_keeps_room_for_others(void **unused)
{
    (void)unused;
    struct world world;
    set_up(&world, 9);
    for (unsigned i = 0; i < 20; i++)
        ask(&world, i, "lookup", 5);
    assert_int_equal(world.session.in_flight, 5);
    for (unsigned i = 0; i < 20; i++)
        ask_of(&world, &world.other, i, "lookup", 5);
    assert_int_equal(world.other.in_flight, 2);
    assert_int_equal(world.dispatch.in_flight, 7);
    assert_int_equal(world.dispatch.failed, 15 + 18);
    tear_down(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatch_gives_short_requests_in_rows),
        cmocka_unit_test(test_dispatch_lets_sleepers_sleep),
        cmocka_unit_test(test_dispatch_keeps_what_would_only_queue_at_a_worker),
        cmocka_unit_test(test_dispatch_gives_a_worker_one_long_request_at_a_time),
        cmocka_unit_test(test_dispatch_lets_short_requests_pass_long_ones),
        cmocka_unit_test(test_dispatch_gives_a_suspect_a_worker_to_itself),
        cmocka_unit_test(test_dispatch_goes_by_the_limit_where_there_is_one),
        cmocka_unit_test(test_dispatch_gives_a_dead_workers_requests_to_another),
        cmocka_unit_test(test_dispatch_gives_up_only_the_request_that_kills),
        cmocka_unit_test(test_dispatch_has_a_ticket_for_each_request_it_allows),
        cmocka_unit_test(test_dispatch_lets_connections_take_turns),
        cmocka_unit_test(test_dispatch_forgets_who_has_gone),
        cmocka_unit_test(test_dispatch_cancels),
        cmocka_unit_test(test_dispatch_keeps_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
