/* SPDX-License-Identifier: MIT
 *
 * The ring under load: threads (for ThreadSanitizer) and forked processes that map it elsewhere,
 * small rings near full and near empty, and producers and readers killed at random moments.
 * Whoever waits too long fails the test.
 */
#include "ipc/ring.h"
#include "shm/fault.h"
#include "tests/under.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOW       (under_thread_sanitizer() || under_valgrind())
#define RECORDS    (SLOW ? 100000u : 300000u)
#define KILLS      (SLOW ? 20u : 60u)
#define WATCHDOG_S 120

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Length and bytes of record number `sequence` follow from the number, so a torn, lost, doubled
 * or stale record shows. */
static size_t length_of(uint64_t sequence, size_t largest)
{
    uint64_t mixed = sequence * UINT64_C(0x9e3779b97f4a7c15);
    return 8 + (mixed >> 40) % (largest - 7);
}

static void fill(unsigned char *payload, size_t length, uint64_t sequence)
{
    memset(payload, (int)(sequence * 7 & 0xff), length);
    memcpy(payload, &sequence, sizeof sequence);
}

static bool is_intact(const unsigned char *payload, size_t length, uint64_t sequence,
                      size_t largest)
{
    uint64_t stamped;
    if (length != length_of(sequence, largest))
        return false;
    memcpy(&stamped, payload, sizeof stamped);
    unsigned char expected = (unsigned char)(sequence * 7);
    for (size_t i = sizeof stamped; i < length; i++)
        if (payload[i] != expected)
            return false;
    return stamped == sequence;
}

/* Waits a little on a peer; false when it took too long. */
static bool patience(double *since)
{
    double now = now_s();
    if (*since == 0)
        *since = now;
    sched_yield();
    return now - *since < WATCHDOG_S;
}

/* --- Many small records ---------------------------------------------------------------------- */

struct run {
    struct ring *ring;
    unsigned index; /* of a reader */
    unsigned records;
    unsigned batch; /* records that a reader holds before it releases, or a producer stages */
    size_t largest;
    const char *failure;
};

static void *produce(void *arg)
{
    struct run *run = arg;
    struct ring_writer writer;
    ring_writer_attach(&writer, run->ring);
    unsigned staged = 0;
    for (uint64_t sequence = 0; sequence < run->records;) {
        size_t length = length_of(sequence, run->largest);
        void *payload;
        enum ring_status status = ring_reserve(&writer, length, &payload);
        double since = 0;
        while (status == RING_FULL) {
            ring_publish(&writer);
            staged = 0;
            if (!patience(&since)) {
                run->failure = "no reader makes room";
                return run;
            }
            status = ring_reserve(&writer, length, &payload);
        }
        if (status != RING_OK) {
            run->failure = "the producer saw a corrupt ring";
            return run;
        }
        fill(payload, length, sequence++);
        ring_stage(&writer, length);
        if (++staged >= run->batch) {
            ring_publish(&writer);
            staged = 0;
        }
    }
    ring_publish(&writer);
    return NULL;
}

static void *consume(void *arg)
{
    struct run *run = arg;
    struct ring_reader reader;
    ring_reader_attach(&reader, run->ring, run->index);
    unsigned held = 0;
    double since = 0;
    for (uint64_t sequence = 0; sequence < run->records;) {
        const void *payload;
        size_t length;
        enum ring_status status = ring_read(&reader, &payload, &length);
        if (status == RING_EMPTY) {
            ring_release(&reader);
            held = 0;
            if (!patience(&since)) {
                run->failure = "nothing arrives";
                return run;
            }
            continue;
        }
        since = 0;
        if (status != RING_OK || !is_intact(payload, length, sequence, run->largest)) {
            run->failure = status == RING_OK ? "a record is not the one expected" : "corrupt";
            return run;
        }
        sequence++;
        if (++held >= run->batch) {
            ring_release(&reader);
            held = 0;
        }
    }
    ring_release(&reader);
    return NULL;
}

static void stress_threads(size_t capacity, unsigned readers, unsigned writer_batch,
                           unsigned reader_batch, size_t largest)
{
    struct ring *ring = ring_format(aligned_alloc(64, ring_bytes(capacity, readers)), capacity,
                                    readers, (uint64_t)0 - 64 * 1000); /* the counters wrap soon */
    struct run producer = {
        .ring = ring, .records = RECORDS / readers, .batch = writer_batch, .largest = largest};
    struct run consumers[3];
    pthread_t threads[4];
    assert_int_equal(pthread_create(&threads[3], NULL, produce, &producer), 0);
    for (unsigned i = 0; i < readers; i++) {
        consumers[i] = producer;
        consumers[i].index = i;
        consumers[i].batch = reader_batch + i;
        assert_int_equal(pthread_create(&threads[i], NULL, consume, &consumers[i]), 0);
    }
    for (unsigned i = 0; i < readers; i++)
        pthread_join(threads[i], NULL);
    pthread_join(threads[3], NULL);
    for (unsigned i = 0; i < readers; i++)
        if (consumers[i].failure)
            fail_msg("reader %u: %s", i, consumers[i].failure);
    if (producer.failure)
        fail_msg("producer: %s", producer.failure);
    assert_null(ring_broken_invariant(ring));
    free(ring);
}

static void test_ring_stress_threads_one_reader(void **unused)
{
    (void)unused;
    stress_threads(1024, 1, 1, 1, 200);
    stress_threads(4096, 1, 1, 1, 64); /* near empty: each record published alone */
}

static void test_ring_stress_threads_near_full(void **unused)
{
    (void)unused;
    stress_threads(1024, 1, 1000, 3, 448); /* publishes only when full; largest records */
    stress_threads(2048, 3, 7, 2, 300);
}

static void test_ring_stress_threads_three_readers(void **unused)
{
    (void)unused;
    stress_threads(1024, 3, 1, 1, 200);
    stress_threads(4096, 3, 3, 5, 120);
}

/* --- Processes, each with a mapping of its own ----------------------------------------------- */

/* What the processes share, in a memory file that each maps for itself. */
struct shared {
    _Alignas(64) unsigned char rings[2][8192];
};

static struct shared *map_shared(int fd)
{
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(memory != MAP_FAILED);
    return memory;
}

static int make_shared(void)
{
    int fd = memfd_create("ring_stress", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(struct shared)), 0);
    return fd;
}

/* 0, or the child's failure. A child that hangs is killed by its alarm. */
static int wait_child(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        MUST(errno == EINTR);
    return status;
}

static void stress_processes(unsigned readers)
{
    int fd = make_shared();
    struct shared *ours = map_shared(fd);
    ring_format(ours->rings[0], 2048, readers, (uint64_t)0 - 64 * 1000);
    pid_t children[3];
    for (unsigned i = 0; i < readers; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            alarm(WATCHDOG_S);
            struct shared *theirs = map_shared(fd); /* beside the inherited one: elsewhere */
            struct run run = {.ring = (struct ring *)theirs->rings[0],
                              .index = i,
                              .records = RECORDS / 4,
                              .batch = 1 + i,
                              .largest = 200};
            void *failed = consume(&run);
            if (failed)
                fprintf(stderr, "reader process %u: %s\n", i, run.failure);
            _exit(failed != NULL || theirs == ours);
        }
    }
    struct run run = {
        .ring = (struct ring *)ours->rings[0], .records = RECORDS / 4, .batch = 2, .largest = 200};
    assert_null(produce(&run));
    for (unsigned i = 0; i < readers; i++)
        assert_int_equal(wait_child(children[i]), 0);
    assert_null(ring_broken_invariant(run.ring));
    munmap(ours, sizeof *ours);
    close(fd);
}

static void test_ring_stress_processes(void **unused)
{
    (void)unused;
    stress_processes(1);
    stress_processes(3);
}

/* --- Producers and readers that are killed --------------------------------------------------- */

/* Takes over where the last producer published. How far that was, the records say; the reader
 * leaves the number of the last it saw in `seen`, and the ring has the rest. */
static uint64_t next_sequence(struct ring *ring, uint64_t seen)
{
    struct ring_reader spy;
    ring_reader_attach(&spy, ring, 0); /* never releases */
    const void *payload;
    size_t length;
    uint64_t next = seen;
    while (ring_read(&spy, &payload, &length) == RING_OK) {
        uint64_t sequence;
        memcpy(&sequence, payload, sizeof sequence);
        next = sequence + 1;
    }
    return next;
}

static void test_ring_stress_producers_killed_at_any_moment(void **unused)
{
    (void)unused;
    int fd = make_shared();
    struct shared *ours = map_shared(fd);
    struct ring *ring = ring_format(ours->rings[0], 1024, 1, 0);
    struct ring_reader reader;
    ring_reader_attach(&reader, ring, 0);
    uint64_t expected = 0, random = 99;
    for (unsigned kill_number = 0; kill_number < KILLS; kill_number++) {
        uint64_t first = next_sequence(ring, expected);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(WATCHDOG_S);
            struct shared *theirs = map_shared(fd);
            struct ring_writer writer;
            ring_writer_attach(&writer, (struct ring *)theirs->rings[0]);
            for (uint64_t sequence = first;; sequence++) {
                void *payload;
                size_t length = length_of(sequence, 300);
                while (ring_reserve(&writer, length, &payload) != RING_OK)
                    sched_yield();
                fill(payload, length, sequence);
                ring_stage(&writer, length);
                ring_publish(&writer);
            }
        }
        random = random * UINT64_C(6364136223846793005) + 1;
        double until = now_s() + (double)(random >> 40) / (double)(1 << 24) * 0.004;
        bool killed = false;
        uint64_t before = expected;
        for (double since = now_s();;) {
            const void *payload;
            size_t length;
            enum ring_status status = ring_read(&reader, &payload, &length);
            if (status == RING_OK) {
                assert_true(is_intact(payload, length, expected, 300));
                expected++;
                ring_release(&reader);
            } else {
                assert_int_equal(status, RING_EMPTY);
                if (killed)
                    break;
                sched_yield();
            }
            assert_true(now_s() - since < WATCHDOG_S);
            if (!killed && now_s() > until && expected > before) {
                kill(child, SIGKILL);
                wait_child(child);
                killed = true;
                assert_null(ring_broken_invariant(ring));
                if (kill_number % 2)
                    break; /* leaves records to the next round */
            }
        }
    }
    munmap(ours, sizeof *ours);
    close(fd);
}

static void test_ring_stress_readers_killed_at_any_moment(void **unused)
{
    (void)unused;
    int fd = make_shared();
    struct shared *ours = map_shared(fd);
    struct ring *ring = ring_format(ours->rings[0], 1024, 1, 0);
    /* The reader answers on the other ring, and then releases: what it answered twice after being
     * killed in between is seen here as the same number again, never as a gap. */
    struct ring *answers = ring_format(ours->rings[1], 1024, 1, 0);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, answers, 0);
    uint64_t sent = 0, answered = 0, random = 77;
    for (unsigned kill_number = 0; kill_number < KILLS; kill_number++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(WATCHDOG_S);
            struct shared *theirs = map_shared(fd);
            struct ring_reader in;
            struct ring_writer out;
            ring_reader_attach(&in, (struct ring *)theirs->rings[0], 0);
            ring_writer_attach(&out, (struct ring *)theirs->rings[1]);
            for (;;) {
                const void *payload;
                void *answer;
                size_t length;
                if (ring_read(&in, &payload, &length) != RING_OK) {
                    sched_yield();
                    continue;
                }
                while (ring_reserve(&out, length, &answer) != RING_OK)
                    sched_yield();
                memcpy(answer, payload, length);
                ring_stage(&out, length);
                ring_publish(&out);
                ring_release(&in);
            }
        }
        random = random * UINT64_C(6364136223846793005) + 1;
        double until = now_s() + (double)(random >> 40) / (double)(1 << 24) * 0.004;
        uint64_t before = answered;
        bool first = true; /* after a death the last answer may come again */
        for (double since = now_s(); now_s() < until || answered == before;) {
            void *room;
            if (ring_reserve(&writer, length_of(sent, 200), &room) == RING_OK) {
                fill(room, length_of(sent, 200), sent);
                ring_stage(&writer, length_of(sent, 200));
                ring_publish(&writer);
                sent++;
            }
            const void *payload;
            size_t length;
            if (ring_read(&reader, &payload, &length) == RING_OK) {
                uint64_t number;
                memcpy(&number, payload, sizeof number);
                if (first && answered > 0 && number == answered - 1)
                    assert_true(is_intact(payload, length, number, 200));
                else
                    assert_true(is_intact(payload, length, answered++, 200));
                first = false;
                ring_release(&reader);
            } else {
                sched_yield();
            }
            assert_true(now_s() - since < WATCHDOG_S);
        }
        kill(child, SIGKILL);
        wait_child(child);
        const void *payload;
        size_t length;
        while (ring_read(&reader, &payload, &length) == RING_OK) {
            assert_true(is_intact(payload, length, answered++, 200));
            ring_release(&reader);
        }
        assert_null(ring_broken_invariant(ring));
        assert_null(ring_broken_invariant(answers));
    }
    munmap(ours, sizeof *ours);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_stress_threads_one_reader),
        cmocka_unit_test(test_ring_stress_threads_near_full),
        cmocka_unit_test(test_ring_stress_threads_three_readers),
        cmocka_unit_test(test_ring_stress_processes),
        cmocka_unit_test(test_ring_stress_producers_killed_at_any_moment),
        cmocka_unit_test(test_ring_stress_readers_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
