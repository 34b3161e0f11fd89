/* SPDX-License-Identifier: MIT
 *
 * Forklore's ring and bell beside what else carries 64 bytes from one party to another: round
 * trips one at a time, and messages one way as fast as they go. Parties are processes or threads,
 * on a core each, on the same one, or wherever the scheduler puts them.
 *
 *   messages ROUNDS ONE_WAY      prints a JSON array, one element per combination
 *
 *   ring        ring.h and bell.h as the daemon uses them: spins for a while, then sleeps
 *   eventfd     the same without spinning: every wait is one on the eventfd
 *   futex       the same ring, waiting in a futex
 *   pipe, socketpair
 */
#include "ipc/bell.h"
#include "ipc/ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 64
#define RING_CAPACITY ((size_t)1 << 16)

enum kind { KIND_RING, KIND_EVENTFD, KIND_FUTEX, KIND_PIPE, KIND_SOCKETPAIR, KIND_COUNT };
static const char *const kind_names[] = {"ring", "eventfd", "futex", "pipe", "socketpair"};

enum placement { PLACE_APART, PLACE_SAME, PLACE_FREE, PLACE_COUNT };
static const char *const placement_names[] = {"a core each", "same core", "free"};

struct direction { /* in shared memory */
    struct bell_word word;
    _Alignas(64) _Atomic uint32_t futex_word; /* 1: the receiver is about to sleep */
    _Alignas(64) struct ring *ring;
};

struct channel { /* one direction; private but for what it points to */
    enum kind kind;
    struct direction *shared;
    struct bell bell;
    int in, out; /* pipe, socketpair */
    struct ring_writer writer;
    struct ring_reader reader;
    struct spinner spinner;
    uint64_t wakeups;
};

static struct {
    enum kind kind;
    enum placement placement;
    unsigned rounds, one_way;
    struct channel there, back;
} test;

static void die(const char *what)
{
    fprintf(stderr, "messages: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void place(unsigned party)
{
    cpu_set_t set;
    if (test.placement == PLACE_FREE)
        return;
    CPU_ZERO(&set);
    CPU_SET(test.placement == PLACE_APART ? party : 0, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("sched_setaffinity");
}

static void channel_open(struct channel *c, enum kind kind)
{
    *c = (struct channel){
        .kind = kind, .in = -1, .out = -1, .spinner = {.limit_ns = SPIN_BRIEFLY_NS}};
    size_t bytes = sizeof *c->shared + 64 + ring_bytes(RING_CAPACITY, 1);
    c->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c->shared == MAP_FAILED)
        die("mmap");
    void *at = (char *)c->shared + ((sizeof *c->shared + 63) & ~(size_t)63);
    c->shared->ring = ring_format(at, RING_CAPACITY, 1, 0);
    ring_writer_attach(&c->writer, c->shared->ring);
    ring_reader_attach(&c->reader, c->shared->ring, 0);
    if (bell_open(&c->bell, &c->shared->word) < 0)
        die("eventfd");
    int ends[2];
    if (kind == KIND_PIPE && pipe(ends) == 0)
        c->in = ends[0], c->out = ends[1];
    if (kind == KIND_SOCKETPAIR && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0)
        c->in = ends[0], c->out = ends[1];
    if ((kind == KIND_PIPE || kind == KIND_SOCKETPAIR) && c->in < 0)
        die("pipe");
}

static void channel_close(struct channel *c)
{
    bell_close(&c->bell);
    munmap(c->shared, sizeof *c->shared + 64 + ring_bytes(RING_CAPACITY, 1));
    if (c->in >= 0) {
        close(c->in);
        close(c->out);
    }
}

static void send_bytes(struct channel *c, const void *message)
{
    if (c->kind >= KIND_PIPE) {
        if (write(c->out, message, MESSAGE_BYTES) != MESSAGE_BYTES)
            die("write");
        return;
    }
    void *payload;
    while (ring_reserve(&c->writer, MESSAGE_BYTES, &payload) != RING_OK)
        sched_yield(); /* full: the receiver is awake and busy */
    memcpy(payload, message, MESSAGE_BYTES);
    ring_stage(&c->writer, MESSAGE_BYTES);
    ring_publish(&c->writer);
    if (c->kind == KIND_FUTEX) {
        /* seq_cst: the ring's tail before the word, as in bell.h. */
        if (atomic_load(&c->shared->futex_word) && atomic_exchange(&c->shared->futex_word, 0)) {
            c->wakeups++;
            syscall(SYS_futex, &c->shared->futex_word, FUTEX_WAKE, 1, NULL, NULL, 0);
        }
    } else if (bell_ring(&c->bell)) {
        c->wakeups++;
    }
}

static void wait_for_bell(struct channel *c)
{
    bell_sleep(&c->bell);
    if (!ring_pending(&c->reader)) {
        struct pollfd fd = {.fd = c->bell.eventfd, .events = POLLIN};
        uint64_t count;
        if (poll(&fd, 1, -1) < 0 || (read(fd.fd, &count, sizeof count) < 0 && errno != EAGAIN))
            die("poll");
    }
    bell_awake(&c->bell);
}

static void wait_for_futex(struct channel *c)
{
    atomic_store(&c->shared->futex_word, 1);
    if (!ring_pending(&c->reader))
        syscall(SYS_futex, &c->shared->futex_word, FUTEX_WAIT, 1, NULL, NULL, 0);
    atomic_store(&c->shared->futex_word, 0);
}

static void receive_bytes(struct channel *c, void *message)
{
    if (c->kind >= KIND_PIPE) {
        for (size_t have = 0; have < MESSAGE_BYTES;) {
            ssize_t got = read(c->in, (char *)message + have, MESSAGE_BYTES - have);
            if (got <= 0)
                die("read");
            have += (size_t)got;
        }
        return;
    }
    const void *payload;
    size_t bytes;
    enum ring_status status;
    while ((status = ring_read(&c->reader, &payload, &bytes)) == RING_EMPTY) {
        if (c->kind == KIND_FUTEX)
            wait_for_futex(c);
        else if (c->kind == KIND_EVENTFD || !spinner_again(&c->spinner))
            wait_for_bell(c);
    }
    if (status != RING_OK || bytes != MESSAGE_BYTES)
        die("the ring is broken");
    spinner_reset(&c->spinner);
    memcpy(message, payload, bytes);
    ring_release(&c->reader);
}

static void *answerer(void *unused)
{
    (void)unused;
    char message[MESSAGE_BYTES];
    place(1);
    for (unsigned i = 0; i < test.rounds; i++) {
        receive_bytes(&test.there, message);
        send_bytes(&test.back, message);
    }
    for (unsigned i = 0; i < test.one_way; i++)
        receive_bytes(&test.there, message);
    send_bytes(&test.back, message);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void ask(const char *mode, bool first)
{
    float *took = calloc(test.rounds, sizeof *took);
    char message[MESSAGE_BYTES] = {0};
    for (unsigned i = 0; i < test.rounds; i++) {
        double before = now_us();
        memcpy(message, &i, sizeof i);
        send_bytes(&test.there, message);
        receive_bytes(&test.back, message);
        took[i] = (float)(now_us() - before);
        if (memcmp(message, &i, sizeof i) != 0)
            die("the wrong message came back");
    }
    uint64_t wakeups = test.there.wakeups;
    double before = now_us();
    for (unsigned i = 0; i < test.one_way; i++)
        send_bytes(&test.there, message);
    receive_bytes(&test.back, message);
    double seconds = 1e-6 * (now_us() - before);
    unsigned skip = test.rounds / 10; /* a warm-up */
    unsigned count = test.rounds - skip;
    qsort(took + skip, count, sizeof *took, by_size);
    printf("%s{\"channel\": \"%s\", \"placement\": \"%s\", \"parties\": \"%s\", "
           "\"round_trip_us\": %.3f, \"p99_us\": %.3f, \"messages_per_s\": %.0f, ",
           first ? "" : ", ", kind_names[test.kind], placement_names[test.placement], mode,
           (double)took[skip + count / 2], (double)took[skip + count * 99 / 100],
           test.one_way / seconds);
    if (test.kind <= KIND_FUTEX) /* the others make a system call for every message */
        printf("\"wakeups_per_round\": %.3f, \"wakeups_one_way\": %.5f}",
               (double)wakeups / test.rounds,
               (double)(test.there.wakeups - wakeups) / test.one_way);
    else
        printf("\"wakeups_per_round\": null, \"wakeups_one_way\": null}");
    fflush(stdout);
    free(took);
}

static void *asker(void *first)
{
    place(0);
    ask("threads", *(const bool *)first);
    return NULL;
}

static void run(bool processes, bool first)
{
    channel_open(&test.there, test.kind);
    channel_open(&test.back, test.kind);
    if (processes) {
        pid_t child = fork();
        if (child == 0) {
            answerer(NULL);
            _exit(0);
        }
        cpu_set_t old;
        sched_getaffinity(0, sizeof old, &old);
        place(0);
        ask("processes", first);
        sched_setaffinity(0, sizeof old, &old);
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            die("the other process");
    } else {
        pthread_t threads[2];
        if (pthread_create(&threads[0], NULL, answerer, NULL) ||
            pthread_create(&threads[1], NULL, asker, &first))
            die("pthread_create");
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
    }
    channel_close(&test.there);
    channel_close(&test.back);
}

int main(int argc, char **argv)
{
    if (argc != 3 || (test.rounds = (unsigned)strtoul(argv[1], NULL, 10)) < 100) {
        fprintf(stderr, "usage: messages ROUNDS ONE_WAY\n");
        return 2;
    }
    test.one_way = (unsigned)strtoul(argv[2], NULL, 10);
    bool first = true, one_core = sysconf(_SC_NPROCESSORS_ONLN) < 2;
    fputs("[", stdout);
    fflush(stdout); /* before fork: a child must not print it again */
    for (test.placement = 0; test.placement < PLACE_COUNT; test.placement++)
        for (test.kind = 0; test.kind < KIND_COUNT && !(one_core && test.placement == PLACE_APART);
             test.kind++)
            for (int processes = 1; processes >= 0; processes--) {
                run(processes, first);
                first = false;
            }
    puts("]");
    return 0;
}
