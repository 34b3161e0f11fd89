/* SPDX-License-Identifier: MIT
 *
 * Sleeping and waking around rings: ping-pong where both sides fall asleep every time, one side
 * that falls asleep just while the other publishes, a producer that sleeps until there is room.
 * Everyone waits with a watchdog: a lost wake-up fails the test, it does not hang.
 */
#include "ipc/bell.h"
#include "ipc/ring.h"
#include "shm/fault.h"
#include "tests/under.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOW       (under_thread_sanitizer() || under_valgrind())
#define ROUNDS     (SLOW ? 3000u : 20000u)
#define WINDOWS    (4 * ROUNDS)
#define WATCHDOG_S 120

struct shared {
    struct bell_word words[2];
    _Alignas(64) unsigned char rings[2][8192];
};

/* All zero, and the same memory in forked processes. */
static struct shared *make_shared(void)
{
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

/* --- Ping-pong, always asleep ---------------------------------------------------------------- */

struct player {
    struct ring *in, *out;
    struct bell own, peer;
    bool starts;
    unsigned slept, rang;
    const char *failure;
};

/* Announces sleep, re-checks, sleeps: never looks first, so that both sides always meet in the
 * window that a lost wake-up needs. */
static bool sleep_until_pending(struct player *player, struct ring_reader *reader)
{
    while (true) {
        bell_sleep(&player->own);
        if (ring_pending(reader)) {
            bell_awake(&player->own);
            return true;
        }
        struct pollfd event = {.fd = player->own.eventfd, .events = POLLIN};
        if (poll(&event, 1, WATCHDOG_S * 1000) <= 0) {
            player->failure = "a wake-up was lost";
            return false;
        }
        player->slept++;
        uint64_t count;
        if (read(player->own.eventfd, &count, sizeof count) < 0 && errno != EAGAIN)
            player->failure = "cannot read the eventfd";
        bell_awake(&player->own);
    }
}

static void *play(void *arg)
{
    struct player *player = arg;
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, player->out);
    ring_reader_attach(&reader, player->in, 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned half = 0; half < 2; half++) {
            if ((half == 0) == player->starts) {
                void *payload;
                if (ring_reserve(&writer, sizeof round, &payload) != RING_OK) {
                    player->failure = "no room for one record";
                    return player;
                }
                memcpy(payload, &round, sizeof round);
                ring_stage(&writer, sizeof round);
                ring_publish(&writer);
                player->rang += bell_ring(&player->peer);
            } else {
                const void *payload;
                size_t length;
                if (!sleep_until_pending(player, &reader))
                    return player;
                if (ring_read(&reader, &payload, &length) != RING_OK ||
                    memcmp(payload, &round, sizeof round) != 0) {
                    player->failure = "not this round's record";
                    return player;
                }
                ring_release(&reader);
            }
        }
    }
    return NULL;
}

static void deal(struct player players[2], struct shared *shared)
{
    struct bell bells[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bell_open(&bells[i], &shared->words[i]), 0);
        ring_format(shared->rings[i], 1024, 1, 0);
    }
    for (unsigned i = 0; i < 2; i++)
        players[i] = (struct player){.in = (struct ring *)shared->rings[i],
                                     .out = (struct ring *)shared->rings[1 - i],
                                     .own = bells[i],
                                     .peer = bells[1 - i],
                                     .starts = i == 0};
}

static void test_ring_wake_none_is_lost_between_threads(void **unused)
{
    (void)unused;
    struct shared *shared = make_shared();
    struct player players[2];
    deal(players, shared);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, play, &players[1]), 0);
    play(&players[0]);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < 2; i++) {
        if (players[i].failure)
            fail_msg("player %u: %s", i, players[i].failure);
        assert_true(players[i].slept > 0);
        bell_close(&players[i].own);
    }
    munmap(shared, sizeof *shared);
}

static void test_ring_wake_none_is_lost_between_processes(void **unused)
{
    (void)unused;
    struct shared *shared = make_shared();
    struct player players[2];
    deal(players, shared);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(2 * WATCHDOG_S);
        _exit(play(&players[1]) != NULL);
    }
    assert_null(play(&players[0]));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < 2; i++)
        bell_close(&players[i].own);
    munmap(shared, sizeof *shared);
}

/* --- The window itself ----------------------------------------------------------------------- */

/* Some nanoseconds to a few hundred. */
static void dawdle(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    for (volatile unsigned left = (unsigned)(*random >> 33) % 256; left > 0; left--)
        ;
}

/* Never sleeps, and answers at once or a moment later. */
static void *answer_awake(void *arg)
{
    struct player *player = arg;
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, player->out);
    ring_reader_attach(&reader, player->in, 0);
    uint64_t random = 5;
    for (uint64_t round = 0; round < WINDOWS;) {
        const void *payload;
        void *answer;
        size_t length;
        if (ring_read(&reader, &payload, &length) != RING_OK)
            continue;
        ring_release(&reader);
        if (ring_reserve(&writer, sizeof round, &answer) != RING_OK) {
            player->failure = "no room for one answer";
            return player;
        }
        memcpy(answer, &round, sizeof round);
        ring_stage(&writer, sizeof round);
        dawdle(&random);
        ring_publish(&writer);
        player->rang += bell_ring(&player->peer);
        round++;
    }
    return NULL;
}

/* One side falls asleep while the other publishes, again and again within the nanoseconds that a
 * store may wait in a processor's buffer. With an order weaker than seq_cst in bell_sleep() or
 * ring_publish() this times out, if not in every run: it needs two processors to itself. */
static void test_ring_wake_none_is_lost_while_falling_asleep(void **unused)
{
    (void)unused;
    struct shared *shared = make_shared();
    struct player players[2];
    deal(players, shared);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_awake, &players[1]), 0);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, players[0].out);
    ring_reader_attach(&reader, players[0].in, 0);
    uint64_t random = 3;
    for (uint64_t round = 0; round < WINDOWS; round++) {
        void *question;
        const void *payload;
        size_t length;
        assert_int_equal(ring_reserve(&writer, 1, &question), RING_OK);
        ring_stage(&writer, 1);
        ring_publish(&writer);
        dawdle(&random);
        if (!sleep_until_pending(&players[0], &reader))
            fail_msg("round %u: %s", (unsigned)round, players[0].failure);
        assert_int_equal(ring_read(&reader, &payload, &length), RING_OK);
        assert_memory_equal(payload, &round, sizeof round);
        ring_release(&reader);
    }
    pthread_join(thread, NULL);
    assert_null(players[1].failure);
    for (unsigned i = 0; i < 2; i++)
        bell_close(&players[i].own);
    munmap(shared, sizeof *shared);
}

/* --- A full ring, whose producer sleeps until there is room ---------------------------------- */

static void *produce_asleep(void *arg)
{
    struct player *player = arg;
    struct ring_writer writer;
    ring_writer_attach(&writer, player->out);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        void *payload;
        bell_sleep(&player->own);
        while (ring_reserve(&writer, 400, &payload) == RING_FULL) {
            struct pollfd event = {.fd = player->own.eventfd, .events = POLLIN};
            if (poll(&event, 1, WATCHDOG_S * 1000) <= 0) {
                player->failure = "the wake-up for room was lost";
                return player;
            }
            uint64_t count;
            if (read(player->own.eventfd, &count, sizeof count) > 0)
                player->slept++;
            bell_awake(&player->own);
            bell_sleep(&player->own);
        }
        bell_awake(&player->own);
        ring_stage(&writer, 400);
        ring_publish(&writer);
        bell_ring(&player->peer);
    }
    return NULL;
}

static void test_ring_wake_producer_waiting_for_room(void **unused)
{
    (void)unused;
    struct shared *shared = make_shared();
    struct player players[2];
    deal(players, shared);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce_asleep, &players[1]), 0);
    struct ring_reader reader;
    ring_reader_attach(&reader, players[0].in, 0);
    for (uint64_t round = 0; round < ROUNDS && sleep_until_pending(&players[0], &reader); round++) {
        const void *payload;
        size_t length;
        assert_int_equal(ring_read(&reader, &payload, &length), RING_OK);
        ring_release(&reader);
        bell_ring(&players[0].peer);
    }
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < 2; i++) {
        if (players[i].failure)
            fail_msg("player %u: %s", i, players[i].failure);
        bell_close(&players[i].own);
    }
    munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_wake_none_is_lost_between_threads),
        cmocka_unit_test(test_ring_wake_none_is_lost_between_processes),
        cmocka_unit_test(test_ring_wake_none_is_lost_while_falling_asleep),
        cmocka_unit_test(test_ring_wake_producer_waiting_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
