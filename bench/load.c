/* SPDX-License-Identifier: MIT
 *
 * A load generator for one server on a unix socket: N connections on one thread and one io_uring,
 * P requests in flight on each. The same code speaks to forklored (MessagePack-RPC), to Redis
 * (RESP: GET) and to an echo server, with the same keys in the same random order, so that rates
 * can be compared; or to forklored with the requests that a file holds. Every answer is compared,
 * byte for byte, with what was got (or set) before.
 *
 * Closed loop: a connection sends P requests at once and the next P when all are answered, as
 * redis-benchmark does. Open loop (-r): requests are due at a fixed rate whatever the server does,
 * and a latency counts from when its request was due.
 */
#include "bench/load.h"
#include "ipc/loop.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PIPELINE_MAX 1024
#define NS_PER_S     UINT64_C(1000000000)

struct slot {
    const struct key *key;
    uint64_t since_ns;
};

struct connection {
    struct load *load;
    int fd;
    struct loop_op recv_op, send_op;
    char *out; /* filled while nothing is being sent */
    size_t out_bytes, out_capacity;
    char *in; /* an answer of which only the beginning is there */
    size_t in_bytes, in_capacity;
    struct slot slots[PIPELINE_MAX];
    unsigned free_slots[PIPELINE_MAX], free_count;
    unsigned queue[PIPELINE_MAX], queue_first; /* slots in the order of sending */
    bool dirty;
};

/* Logarithmic with 64 steps to each doubling: below 1.6 % off. */
struct histogram {
    uint64_t counts[64 * 64];
    uint64_t total, most;
};

struct load {
    struct keys keys;
    unsigned connection_count, pipeline;
    double seconds, warm_up_seconds, rate;
    struct loop *loop;
    struct connection *connections;
    uint64_t random;
    struct histogram latencies;
    uint64_t answers, answer_bytes;
    bool counting;
    struct loop_op tick_op;
    uint64_t due_ns, period_ns;
    unsigned next_connection;
};

/* --- Latencies ------------------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 64)
        return (unsigned)ns;
    unsigned shift = 57 - (unsigned)__builtin_clzll(ns); /* leaves 64 to 127 */
    return (shift + 1) * 64 + (unsigned)((ns >> shift) - 64);
}

static double bucket_us(unsigned bucket)
{
    if (bucket < 64)
        return bucket / 1e3;
    unsigned shift = bucket / 64 - 1;
    return (double)((UINT64_C(64) + bucket % 64) << shift) / 1e3;
}

static void count(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    if (ns > histogram->most)
        histogram->most = ns;
}

static double percentile(const struct histogram *histogram, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)histogram->total * share);
    for (unsigned b = 0; b < sizeof histogram->counts / sizeof histogram->counts[0]; b++) {
        seen += histogram->counts[b];
        if (seen > wanted)
            return bucket_us(b);
    }
    return (double)histogram->most / 1e3;
}

/* --- Requests -------------------------------------------------------------------------------- */

static const struct key *random_key(struct load *load)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return &load->keys.all[(load->random >> 32) * load->keys.count >> 32];
}

static uint32_t get_msgid(const char *frame)
{
    uint32_t msgid = 0;
    for (unsigned i = 0; i < 4; i++)
        msgid = msgid << 8 | (unsigned char)frame[MSGID_AT + i];
    return msgid;
}

static void add_request(struct connection *connection, uint64_t since_ns)
{
    struct load *load = connection->load;
    unsigned in_flight = load->pipeline - connection->free_count;
    unsigned id = connection->free_slots[--connection->free_count];
    struct slot *slot = &connection->slots[id];
    *slot = (struct slot){random_key(load), since_ns};
    const struct text *request = &slot->key->request;
    if (connection->out_bytes + request->length > connection->out_capacity) {
        connection->out_capacity = 2 * (connection->out_bytes + request->length);
        connection->out = must(realloc(connection->out, connection->out_capacity));
    }
    char *frame = connection->out + connection->out_bytes;
    memcpy(frame, request->bytes, request->length);
    if (load->keys.protocol == RPC)
        put_msgid(frame, MSGID_BASE | id);
    else
        connection->queue[(connection->queue_first + in_flight) % PIPELINE_MAX] = id;
    connection->out_bytes += request->length;
    connection->dirty = true;
}

static void fill(struct connection *connection, uint64_t now_ns)
{
    while (connection->free_count > 0)
        add_request(connection, now_ns);
}

static void on_send(struct loop_op *op, int result)
{
    struct connection *connection = op->owner;
    if (result != (int)connection->out_bytes)
        die("sent %d of %zu bytes", result, connection->out_bytes);
    connection->out_bytes = 0;
}

static void flush(struct load *load)
{
    for (unsigned c = 0; c < load->connection_count; c++) {
        struct connection *connection = &load->connections[c];
        if (!connection->dirty)
            continue;
        connection->dirty = false;
        loop_send(load->loop, &connection->send_op, connection->fd, connection->out,
                  connection->out_bytes);
    }
}

/* --- Answers --------------------------------------------------------------------------------- */

/* The slot that the answer at `data` is for; its first bytes are there. */
static unsigned answered_slot(const struct connection *connection, const char *data)
{
    if (connection->load->keys.protocol != RPC)
        return connection->queue[connection->queue_first];
    uint32_t id = get_msgid(data) - MSGID_BASE;
    if (memcmp(data, "\x94\x01\xce", 3) != 0 || id >= connection->load->pipeline)
        die("an answer has a head that nobody asked for");
    return id;
}

/* Takes whole answers; returns their bytes. */
static size_t take_answers(struct connection *connection, const char *data, size_t bytes,
                           uint64_t now_ns)
{
    struct load *load = connection->load;
    size_t at = 0;
    while (bytes - at >= MSGID_AT + 4) {
        if (connection->free_count == load->pipeline)
            die("an answer that nobody asked for");
        unsigned id = answered_slot(connection, data + at);
        struct slot *slot = &connection->slots[id];
        if (!slot->since_ns)
            die("a request is answered twice");
        const size_t length = key_answer_bytes(slot->key, data + at, bytes - at);
        if (bytes - at < length)
            break;
        if (!key_is_answer(slot->key, load->keys.protocol, data + at))
            die("a wrong answer to \"%.*s\"", (int)slot->key->request.length,
                slot->key->request.bytes);
        at += length;
        if (load->counting) {
            count(&load->latencies, now_ns > slot->since_ns ? now_ns - slot->since_ns : 0);
            load->answers++;
            load->answer_bytes += length;
        }
        slot->since_ns = 0;
        connection->queue_first = (connection->queue_first + 1) % PIPELINE_MAX;
        connection->free_slots[connection->free_count++] = id;
    }
    return at;
}

static void keep(struct connection *connection, const char *data, size_t bytes)
{
    if (connection->in_bytes + bytes > connection->in_capacity) {
        connection->in_capacity = 2 * (connection->in_bytes + bytes);
        connection->in = must(realloc(connection->in, connection->in_capacity));
    }
    memcpy(connection->in + connection->in_bytes, data, bytes);
    connection->in_bytes += bytes;
}

static void on_recv(struct loop_op *op, int result)
{
    struct connection *connection = op->owner;
    struct load *load = connection->load;
    if (result <= 0)
        die("the server closed a connection: %s", result ? strerror(-result) : "end of stream");
    uint64_t now_ns = loop_now_ns();
    if (connection->in_bytes == 0) {
        size_t taken = take_answers(connection, op->data, (size_t)result, now_ns);
        keep(connection, op->data + taken, (size_t)result - taken);
    } else {
        keep(connection, op->data, (size_t)result);
        size_t taken = take_answers(connection, connection->in, connection->in_bytes, now_ns);
        connection->in_bytes -= taken;
        memmove(connection->in, connection->in + taken, connection->in_bytes);
    }
    if (load->rate == 0 && connection->free_count == load->pipeline)
        fill(connection, now_ns);
}

/* --- Open loop ------------------------------------------------------------------------------- */

static struct connection *with_room(struct load *load)
{
    for (unsigned i = 0; i < load->connection_count; i++) {
        struct connection *connection =
            &load->connections[load->next_connection++ % load->connection_count];
        if (connection->free_count > 0 && !loop_busy(&connection->send_op))
            return connection;
    }
    return NULL;
}

static void send_due(struct load *load)
{
    struct connection *connection;
    uint64_t now_ns = loop_now_ns();
    while (load->due_ns <= now_ns && (connection = with_room(load))) {
        add_request(connection, load->due_ns);
        load->due_ns += load->period_ns;
    }
    if (!loop_busy(&load->tick_op) && load->due_ns > now_ns)
        loop_timer(load->loop, &load->tick_op, load->due_ns);
}

static void on_tick(struct loop_op *op, int result)
{
    (void)op;
    (void)result; /* send_due() looks at the clock */
}

/* --- Running --------------------------------------------------------------------------------- */

static void connect_all(struct load *load)
{
    load->connections = must(calloc(load->connection_count, sizeof *load->connections));
    for (unsigned c = 0; c < load->connection_count; c++) {
        struct connection *connection = &load->connections[c];
        *connection = (struct connection){.load = load, .fd = dial(load->keys.path)};
        connection->recv_op = (struct loop_op){.fn = on_recv, .owner = connection};
        connection->send_op = (struct loop_op){.fn = on_send, .owner = connection};
        for (unsigned i = 0; i < load->pipeline; i++)
            connection->free_slots[connection->free_count++] = i;
        loop_recv(load->loop, &connection->recv_op, connection->fd);
    }
}

static void run_until(struct load *load, uint64_t end_ns)
{
    while (loop_now_ns() < end_ns) {
        if (load->rate > 0)
            send_due(load);
        flush(load);
        int err = loop_run(load->loop, true);
        if (err < 0 && err != -EINTR)
            die("io_uring: %s", strerror(-err));
    }
}

static void run(struct load *load)
{
    struct fault why;
    if (loop_create(&load->loop, 1024, 256, 16384, &why) < 0)
        die("%s", why.text);
    prctl(PR_SET_TIMERSLACK, 1UL);
    connect_all(load);
    uint64_t start_ns = loop_now_ns();
    load->due_ns = start_ns;
    load->tick_op = (struct loop_op){.fn = on_tick};
    load->period_ns = load->rate > 0 ? (uint64_t)((double)NS_PER_S / load->rate) : 0;
    if (load->rate == 0) {
        for (unsigned c = 0; c < load->connection_count; c++)
            fill(&load->connections[c], start_ns);
    }
    run_until(load, start_ns + (uint64_t)(load->warm_up_seconds * 1e9));
    load->counting = true;
    struct loop_stats before = loop_stats(load->loop);
    uint64_t counted_ns = loop_now_ns();
    run_until(load, counted_ns + (uint64_t)(load->seconds * 1e9));
    double seconds = (double)(loop_now_ns() - counted_ns) / 1e9;
    struct loop_stats after = loop_stats(load->loop);
    if (load->answers == 0)
        die("no answers");
    double answers = (double)load->answers;
    printf("{\"answers\": %llu, \"seconds\": %.3f, \"per_second\": %.0f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, \"answer_bytes\": %.1f, "
           "\"client_enters\": %.4f}\n",
           (unsigned long long)load->answers, seconds, answers / seconds,
           percentile(&load->latencies, 0.5), percentile(&load->latencies, 0.99),
           percentile(&load->latencies, 0.999), (double)load->latencies.most / 1e3,
           (double)load->answer_bytes / answers, (double)(after.enters - before.enters) / answers);
}

static _Noreturn void usage(void)
{
    fputs("usage: load rpc|resp|echo SOCKET TITLES [OPTION]...\n"
          "       load frames SOCKET REQUESTS [OPTION]...     (of MessagePack-RPC)\n"
          "-c CONNECTIONS  -p PIPELINE  -s SECONDS  -w WARM-UP SECONDS  -r REQUESTS PER SECOND\n"
          "-m METHOD (rpc)\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const char *const protocols[] = {"rpc", "resp", "echo"};
    struct load load = {.keys.method = "lookup",
                        .connection_count = 16,
                        .pipeline = 1,
                        .seconds = 1,
                        .warm_up_seconds = 0.2,
                        .random = UINT64_C(0x9e3779b97f4a7c15)};
    int option;
    while ((option = getopt(argc, argv, "c:p:s:w:r:m:")) != -1) {
        switch (option) {
        case 'c':
            load.connection_count = (unsigned)atoi(optarg);
            break;
        case 'p':
            load.pipeline = (unsigned)atoi(optarg);
            break;
        case 's':
            load.seconds = atof(optarg);
            break;
        case 'w':
            load.warm_up_seconds = atof(optarg);
            break;
        case 'r':
            load.rate = atof(optarg);
            break;
        case 'm':
            load.keys.method = optarg;
            break;
        default:
            usage();
        }
    }
    if (argc - optind != 3 || load.connection_count == 0 || load.pipeline == 0 ||
        load.pipeline > PIPELINE_MAX)
        usage();
    load.keys.frames = strcmp(argv[optind], "frames") == 0;
    while (!load.keys.frames && strcmp(argv[optind], protocols[load.keys.protocol]) != 0) {
        if (++load.keys.protocol > ECHO)
            usage();
    }
    load.keys.path = argv[optind + 1];
    keys_make(&load.keys, argv[optind + 2]);
    run(&load);
    return 0;
}
