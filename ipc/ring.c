/* SPDX-License-Identifier: MIT
 *
 * The shared-memory ring: layout, producer, readers, checker.
 *
 * struct ring, native endianness (it never leaves the machine or the run)
 *
 *    byte            field            written by              read by, and what protects it
 *      0  magic      u64              ring_format()           never changes while the ring is used;
 *      8  capacity   u64              ring_format()           handles copy these when they attach,
 *     16  readers    u32              ring_format()           which comes after the formatting
 *     20  zero
 *     64  tail       atomic u64       the producer            readers: store -> load of tail
 *    128  head[0]    atomic u64       reader 0                producer: store -> load of head
 *    192  head[1]    atomic u64       reader 1                the same
 *     …
 *    128 + 64 * readers  data, `capacity` bytes
 *           [head, tail)              nobody                  readers whose head is there
 *           [tail, lowest head + capacity)  the producer      nobody
 *
 * A record at position p lies at data[p % capacity]:
 *
 *      0  bytes      u32   of the payload
 *      4  kind       u32   RECORD, or PADDING: no payload, fills up to the end of `data`
 *      8  position   u64   p: what a past lap left behind is not taken for a record
 *     16  not used
 *     64  payload, then up to the next multiple of 64
 *
 * Cursors and positions are multiples of 64, so a padding always has room for its header, and
 * since every capacity divides 2^64 they run through its wrap-around without a seam.
 */
#include "ipc/ring.h"

#include "shm/fault.h"

#include <assert.h>
#include <string.h>

#define RING_MAGIC UINT64_C(0x31676e69726b6c66) /* "flkring1" */

enum { KIND_RECORD = 0x52454344, KIND_PADDING = 0x50414444 };

struct cursor {
    _Alignas(RING_LINE) _Atomic uint64_t position;
};

struct ring {
    uint64_t magic;
    uint64_t capacity;
    uint32_t readers;
    struct cursor tail;
    struct cursor heads[];
};

/* Atomic so that a reader can load each field once and check what it then uses, whatever a broken
 * producer does meanwhile. Relaxed throughout: tail orders them. */
struct record {
    _Atomic uint32_t bytes;
    _Atomic uint32_t kind;
    _Atomic uint64_t position;
    unsigned char unused[RING_HEADER_BYTES - 16];
};

static_assert(sizeof(struct cursor) == RING_LINE, "a cache line for each cursor");
static_assert(offsetof(struct ring, tail) == 64, "byte diagram");
static_assert(offsetof(struct ring, heads) == 128, "byte diagram");
static_assert(sizeof(struct record) == RING_HEADER_BYTES, "byte diagram");
static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4, "plain size");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
              "no hidden locks in shared memory");

static size_t round_up(size_t bytes)
{
    return (bytes + RING_LINE - 1) & ~(size_t)(RING_LINE - 1);
}

static bool is_capacity(uint64_t capacity)
{
    return capacity >= RING_CAPACITY_MIN && capacity <= RING_CAPACITY_MAX &&
           (capacity & (capacity - 1)) == 0;
}

/* A record and the padding before it have to fit into an empty ring wherever its tail stands. The
 * padding is smaller than the record, so half the ring is what always works. */
static size_t max_payload(size_t capacity)
{
    return capacity / 2 - RING_HEADER_BYTES;
}

size_t ring_bytes(size_t capacity, unsigned readers)
{
    if (!is_capacity(capacity) || readers < 1 || readers > RING_READERS_MAX)
        return 0;
    return sizeof(struct ring) + readers * sizeof(struct cursor) + capacity;
}

size_t ring_capacity_for(size_t payload, unsigned count)
{
    if (payload > max_payload(RING_CAPACITY_MAX) || count == 0)
        return 0;
    size_t record = RING_HEADER_BYTES + round_up(payload);
    if (count > RING_CAPACITY_MAX / record)
        return 0;
    size_t needed = count * record + (record - RING_LINE); /* the longest padding */
    for (size_t capacity = RING_CAPACITY_MIN; capacity <= RING_CAPACITY_MAX; capacity *= 2)
        if (capacity >= needed)
            return capacity;
    return 0;
}

struct ring *ring_format(void *memory, size_t capacity, unsigned readers, uint64_t start)
{
    MUST(ring_bytes(capacity, readers) > 0);
    MUST((uintptr_t)memory % RING_LINE == 0 && start % RING_LINE == 0);
    struct ring *ring = memory;
    ring->magic = RING_MAGIC;
    ring->capacity = capacity;
    ring->readers = readers;
    /* Relaxed: whoever hands the ring to others (fork, thread start) orders it before their use. */
    atomic_store_explicit(&ring->tail.position, start, memory_order_relaxed);
    for (unsigned i = 0; i < readers; i++)
        atomic_store_explicit(&ring->heads[i].position, start, memory_order_relaxed);
    return ring;
}

bool ring_is_formatted(const struct ring *ring, size_t capacity, unsigned readers)
{
    return ring->magic == RING_MAGIC && ring->capacity == capacity && ring->readers == readers;
}

size_t ring_max_payload(const struct ring *ring)
{
    return max_payload(ring->capacity);
}

static unsigned char *data_of(struct ring *ring)
{
    return (unsigned char *)&ring->heads[ring->readers];
}

static struct record *record_at(unsigned char *data, size_t capacity, uint64_t position)
{
    return (struct record *)(void *)(data + (position & (capacity - 1)));
}

/* From `position` to the end of the data area. */
static size_t room_at(size_t capacity, uint64_t position)
{
    return capacity - (position & (capacity - 1));
}

/* --- Producer -------------------------------------------------------------------------------- */

void ring_writer_attach(struct ring_writer *writer, struct ring *ring)
{
    /* Acquire, pairs with ring_publish() of the producer before us. */
    uint64_t tail = atomic_load_explicit(&ring->tail.position, memory_order_acquire);
    *writer = (struct ring_writer){
        .ring = ring,
        .data = data_of(ring),
        .capacity = ring->capacity,
        .readers = ring->readers,
        .tail = tail,
        .published = tail,
        .head_cached = tail - ring->capacity, /* as if full: the first reservation looks */
    };
}

/* Finds the slowest reader; false if a head is outside of what its reader can have seen, or the
 * tail that our predecessor left is none. */
static bool look_at_heads(struct ring_writer *writer)
{
    if (writer->published % RING_LINE != 0)
        return false;
    uint64_t span = writer->published - writer->head_cached, most_behind = 0;
    for (unsigned i = 0; i < writer->readers; i++) {
        /* Pairs with the store in ring_release_to(): the reader's last look at the bytes it gives
         * back happens before our next write to them. seq_cst for the re-check of a producer that
         * announced sleep (bell.h): it sees this head, or the reader sees it asleep. */
        uint64_t head =
            atomic_load_explicit(&writer->ring->heads[i].position, memory_order_seq_cst);
        uint64_t behind = writer->published - head;
        if (behind > span || head % RING_LINE != 0)
            return false;
        if (behind > most_behind)
            most_behind = behind;
    }
    writer->head_cached = writer->published - most_behind;
    return true;
}

enum ring_status ring_reserve(struct ring_writer *writer, size_t bytes, void **payload)
{
    writer->reserving = false;
    if (bytes > max_payload(writer->capacity))
        return RING_TOO_BIG;
    size_t needed = RING_HEADER_BYTES + round_up(bytes);
    size_t room = room_at(writer->capacity, writer->tail);
    size_t padding = needed > room ? room : 0;
    if (writer->tail + padding + needed - writer->head_cached > writer->capacity) {
        if (!look_at_heads(writer))
            return RING_CORRUPT;
        if (writer->tail + padding + needed - writer->head_cached > writer->capacity)
            return RING_FULL;
    }
    writer->reserving = true;
    writer->reserved = writer->tail + padding;
    writer->reserved_bytes = bytes;
    *payload = (unsigned char *)record_at(writer->data, writer->capacity, writer->reserved) +
               RING_HEADER_BYTES;
    return RING_OK;
}

/* Relaxed: ring_publish() orders these stores before the tail that shows them. */
static void write_header(struct ring_writer *writer, uint64_t position, size_t bytes, unsigned kind)
{
    struct record *record = record_at(writer->data, writer->capacity, position);
    atomic_store_explicit(&record->bytes, (uint32_t)bytes, memory_order_relaxed);
    atomic_store_explicit(&record->kind, kind, memory_order_relaxed);
    atomic_store_explicit(&record->position, position, memory_order_relaxed);
}

void ring_stage(struct ring_writer *writer, size_t bytes)
{
    MUST(writer->reserving && bytes <= writer->reserved_bytes);
    if (writer->reserved != writer->tail)
        write_header(writer, writer->tail,
                     room_at(writer->capacity, writer->tail) - RING_HEADER_BYTES, KIND_PADDING);
    write_header(writer, writer->reserved, bytes, KIND_RECORD);
    writer->tail = writer->reserved + RING_HEADER_BYTES + round_up(bytes);
    writer->reserving = false;
}

void ring_publish(struct ring_writer *writer)
{
    writer->published = writer->tail;
    /* Publishes all bytes before tail. Pairs with the acquire load in ring_read(), and, because of
     * sleepers, with the seq_cst one in ring_pending(): the load of the sleeper's bell that
     * follows in bell_ring() must not move before this store. */
    atomic_store_explicit(&writer->ring->tail.position, writer->tail, memory_order_seq_cst);
}

/* --- Reader ---------------------------------------------------------------------------------- */

void ring_reader_attach(struct ring_reader *reader, struct ring *ring, unsigned index)
{
    MUST(index < ring->readers);
    /* Acquire, pairs with ring_release() of the reader before us. */
    uint64_t head = atomic_load_explicit(&ring->heads[index].position, memory_order_acquire);
    *reader = (struct ring_reader){
        .ring = ring,
        .data = data_of(ring),
        .capacity = ring->capacity,
        .index = index,
        .released = head,
        .next = head,
        .tail_cached = head,
    };
}

enum ring_status ring_read(struct ring_reader *reader, const void **payload, size_t *bytes)
{
    for (;;) {
        if (reader->next == reader->tail_cached) {
            /* Pairs with the store in ring_publish(): the record is complete. */
            uint64_t tail =
                atomic_load_explicit(&reader->ring->tail.position, memory_order_acquire);
            if (tail - reader->released > reader->capacity ||
                tail - reader->released < reader->next - reader->released ||
                (tail | reader->next) % RING_LINE != 0)
                return RING_CORRUPT;
            if (tail == reader->next)
                return RING_EMPTY;
            reader->tail_cached = tail;
        }
        size_t room = room_at(reader->capacity, reader->next);
        uint64_t published = reader->tail_cached - reader->next;
        struct record *record = record_at(reader->data, reader->capacity, reader->next);
        /* Relaxed, see struct record. */
        uint32_t length = atomic_load_explicit(&record->bytes, memory_order_relaxed);
        uint32_t kind = atomic_load_explicit(&record->kind, memory_order_relaxed);
        uint64_t position = atomic_load_explicit(&record->position, memory_order_relaxed);
        uint64_t whole = RING_HEADER_BYTES + (uint64_t)round_up(length);
        if (position != reader->next || whole > room || whole > published)
            return RING_CORRUPT;
        if (kind == KIND_RECORD) {
            reader->next += whole;
            *payload = (unsigned char *)record + RING_HEADER_BYTES;
            *bytes = length;
            return RING_OK;
        }
        if (kind != KIND_PADDING || whole != room)
            return RING_CORRUPT;
        reader->next += whole;
    }
}

void ring_unread_to(struct ring_reader *reader, uint64_t position)
{
    MUST(position - reader->released <= reader->next - reader->released);
    reader->next = position;
}

void ring_release(struct ring_reader *reader)
{
    ring_release_to(reader, reader->next);
}

void ring_release_to(struct ring_reader *reader, uint64_t position)
{
    MUST(position - reader->released <= reader->next - reader->released);
    reader->released = position;
    /* Gives back all bytes before position; pairs with the load in look_at_heads(). seq_cst: the
     * bell of a producer that waits for room is looked at after this store. */
    atomic_store_explicit(&reader->ring->heads[reader->index].position, position,
                          memory_order_seq_cst);
}

bool ring_pending(struct ring_reader *reader)
{
    if (reader->next != reader->tail_cached)
        return true;
    /* Pairs with the store in ring_publish(); seq_cst because a sleeper's announcement comes
     * before: it sees this tail, or the producer sees it asleep. */
    return atomic_load_explicit(&reader->ring->tail.position, memory_order_seq_cst) != reader->next;
}

/* --- Checker --------------------------------------------------------------------------------- */

/* The record or padding at `position`, at most `published` bytes long: its whole size, or 0 and
 * the name of what is wrong with it. */
static size_t check_record(struct ring *ring, uint64_t position, uint64_t published,
                           const char **broken)
{
    struct record *record = record_at(data_of(ring), ring->capacity, position);
    size_t room = room_at(ring->capacity, position);
    /* Relaxed: the acquire load of tail in the caller orders them. */
    uint32_t kind = atomic_load_explicit(&record->kind, memory_order_relaxed);
    size_t whole =
        RING_HEADER_BYTES + round_up(atomic_load_explicit(&record->bytes, memory_order_relaxed));
    *broken = NULL;
    if (atomic_load_explicit(&record->position, memory_order_relaxed) != position)
        *broken = "a record carries its own position";
    else if (kind != KIND_RECORD && kind != KIND_PADDING)
        *broken = "a record is a record or padding";
    else if (whole > room)
        *broken = "a record does not wrap";
    else if (kind == KIND_PADDING && whole != room)
        *broken = "padding ends with the data area";
    else if (whole > published)
        *broken = "records end at tail";
    return *broken ? 0 : whole;
}

const char *ring_broken_invariant(const struct ring *shared)
{
    struct ring *ring = (struct ring *)(uintptr_t)shared; /* it is only read */
    if (ring->magic != RING_MAGIC)
        return "magic";
    if (!is_capacity(ring->capacity))
        return "capacity is a power of two within its limits";
    if (ring->readers < 1 || ring->readers > RING_READERS_MAX)
        return "number of readers within its limits";

    /* Acquire, pairs with ring_publish(). Readers may go on: heads only come closer to tail. */
    uint64_t tail = atomic_load_explicit(&ring->tail.position, memory_order_acquire);
    if (tail % RING_LINE != 0)
        return "tail is a multiple of the line";
    uint64_t behind[RING_READERS_MAX], most_behind = 0;
    for (unsigned i = 0; i < ring->readers; i++) {
        /* Acquire, pairs with ring_release_to(). */
        behind[i] = tail - atomic_load_explicit(&ring->heads[i].position, memory_order_acquire);
        if (behind[i] % RING_LINE != 0)
            return "head is a multiple of the line";
        if (behind[i] > ring->capacity)
            return "tail - head <= capacity";
        if (behind[i] > most_behind)
            most_behind = behind[i];
    }

    bool is_boundary[RING_READERS_MAX] = {false};
    for (uint64_t left = most_behind;;) {
        for (unsigned i = 0; i < ring->readers; i++)
            is_boundary[i] |= behind[i] == left;
        if (left == 0)
            break;
        const char *broken;
        size_t whole = check_record(ring, tail - left, left, &broken);
        if (broken)
            return broken;
        left -= whole;
    }
    for (unsigned i = 0; i < ring->readers; i++)
        if (!is_boundary[i])
            return "head is at a record";
    return NULL;
}
