/* SPDX-License-Identifier: MIT
 *
 * A ring whose other side writes what it likes, whenever it likes. The input is a program of steps
 * of the producer, of the readers, and of somebody who changes cursors, headers and bytes. Whatever
 * those are, addresses and lengths stay within the ring; and as long as nobody changed anything,
 * every reader gets what was sent.
 */
#include "tests/fuzz/fuzz.h"

#include "ipc/ring.h"

#define CAPACITY    RING_CAPACITY_MIN
#define READERS_MAX 3
#define TAIL_AT     64 /* ring.c has the byte diagram */
#define HEADS_AT    128

struct run {
    struct fuzz_in in;
    unsigned char *memory, *data;
    struct ring *ring;
    unsigned readers;
    struct ring_writer writer;
    struct ring_reader reader[READERS_MAX];
    bool hostile; /* something was changed */
    uint32_t staged, published, received[READERS_MAX];
    unsigned sum;
};

static void must_be_inside(const struct run *run, const void *payload, size_t bytes)
{
    const unsigned char *at = payload;
    MUST(at >= run->data && bytes <= CAPACITY && at + bytes <= run->data + CAPACITY);
}

/* The first four bytes of a record count the records. */
static void produce(struct run *run)
{
    size_t bytes = sizeof run->staged + fuzz_uint(&run->in, 2) % (CAPACITY / 2);
    void *payload;
    switch (ring_reserve(&run->writer, bytes, &payload)) {
    case RING_OK:
        must_be_inside(run, payload, bytes);
        memset(payload, 0x5a, bytes);
        memcpy(payload, &run->staged, sizeof run->staged);
        ring_stage(&run->writer, bytes - fuzz_uint(&run->in, 1) % (bytes - sizeof run->staged + 1));
        run->staged++;
        break;
    case RING_FULL:
        break;
    case RING_TOO_BIG:
        MUST(bytes > ring_max_payload(run->ring));
        break;
    case RING_EMPTY:
    case RING_CORRUPT:
        MUST(run->hostile);
    }
}

static void consume(struct run *run, unsigned i)
{
    const void *payload;
    size_t bytes;
    uint32_t number;
    bool pending = ring_pending(&run->reader[i]);
    switch (ring_read(&run->reader[i], &payload, &bytes)) {
    case RING_OK:
        must_be_inside(run, payload, bytes);
        for (size_t at = 0; at < bytes; at++)
            run->sum += ((const unsigned char *)payload)[at];
        if (!run->hostile) {
            MUST(pending && bytes >= sizeof number);
            memcpy(&number, payload, sizeof number);
            MUST(number == run->received[i] && number < run->published);
        }
        run->received[i]++;
        break;
    case RING_EMPTY:
        MUST(run->hostile || (!pending && run->received[i] == run->published));
        break;
    case RING_CORRUPT:
    case RING_FULL:
    case RING_TOO_BIG:
        MUST(run->hostile);
    }
}

/* A cursor becomes something else, often something near. */
static void change_cursor(struct run *run, size_t at)
{
    uint64_t position;
    run->hostile = true;
    memcpy(&position, run->memory + at, sizeof position);
    if (fuzz_uint(&run->in, 1) % 2)
        position += (uint64_t)(int64_t)(int16_t)fuzz_uint(&run->in, 2) * RING_LINE / 4;
    else
        position = fuzz_uint(&run->in, 8);
    memcpy(run->memory + at, &position, sizeof position);
}

/* The header that reader i looks at next: bytes, kind, position. */
static void change_header(struct run *run, unsigned i)
{
    static const uint32_t kinds[] = {0x52454344, 0x50414444, 0};
    size_t at = run->reader[i].next % CAPACITY / RING_LINE * RING_LINE;
    uint64_t choice = fuzz_uint(&run->in, 1), value = fuzz_uint(&run->in, 4);
    uint64_t position = run->reader[i].next + (choice & 4 ? value : 0);
    uint32_t word = (uint32_t)value;
    run->hostile = true;
    if (choice & 1)
        memcpy(run->data + at, &word, sizeof word);
    if (choice & 2)
        memcpy(run->data + at + 4, &kinds[choice / 8 % 3], sizeof kinds[0]);
    if (choice & 4)
        memcpy(run->data + at + 8, &position, sizeof position);
}

static void change_bytes(struct run *run)
{
    size_t at = fuzz_uint(&run->in, 2) % CAPACITY, length = fuzz_uint(&run->in, 1) % 24;
    run->hostile = true;
    const uint8_t *bytes = fuzz_bytes(&run->in, &length);
    memcpy(run->data + at, bytes, length < CAPACITY - at ? length : CAPACITY - at);
}

static void step(struct run *run)
{
    unsigned op = (unsigned)fuzz_uint(&run->in, 1), i = op / 16 % run->readers;
    switch (op % 16) {
    case 0:
    case 1:
    case 2:
        produce(run);
        break;
    case 3:
        ring_publish(&run->writer);
        run->published = run->staged;
        break;
    case 4:
    case 5:
    case 6:
        consume(run, i);
        break;
    case 7:
        ring_release(&run->reader[i]);
        break;
    case 8: /* a successor of the producer: what was not published is gone */
        ring_writer_attach(&run->writer, run->ring);
        run->staged = run->published;
        break;
    case 9: /* of a reader: it is given again what was not released */
        ring_release(&run->reader[i]);
        ring_reader_attach(&run->reader[i], run->ring, i);
        break;
    case 10:
        if (run->hostile)
            (void)ring_broken_invariant(run->ring);
        else
            MUST(!ring_broken_invariant(run->ring));
        break;
    case 11:
        change_cursor(run, TAIL_AT);
        break;
    case 12:
        change_cursor(run, HEADS_AT + i * sizeof(uint64_t) * 8);
        break;
    case 13:
    case 14:
        change_header(run, i);
        break;
    default:
        change_bytes(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run = {.in = {data, data + size}};
    run.readers = 1 + (unsigned)fuzz_uint(&run.in, 1) % READERS_MAX;
    /* From zero on, or through the wrap-around. */
    uint64_t start = (uint64_t)(int64_t)(int8_t)fuzz_uint(&run.in, 1) * RING_LINE;
    size_t bytes = ring_bytes(CAPACITY, run.readers);
    MUST(posix_memalign((void **)&run.memory, RING_LINE, bytes) == 0);
    memset(run.memory, 0, bytes);
    run.data = run.memory + bytes - CAPACITY;
    run.ring = ring_format(run.memory, CAPACITY, run.readers, start);
    ring_writer_attach(&run.writer, run.ring);
    for (unsigned i = 0; i < run.readers; i++)
        ring_reader_attach(&run.reader[i], run.ring, i);
    while (fuzz_left(&run.in) > 0)
        step(&run);
    free(run.memory);
    return 0;
}
