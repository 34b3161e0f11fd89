/* SPDX-License-Identifier: MIT
 *
 * A byte ring in shared memory: one producer, a fixed number of readers that each see every
 * record. With one reader it is the SPSC ring of requests and replies; with N readers it carries
 * a PageRank worker's partial scores to all workers, written once and read in place.
 *
 * Records are contiguous and start on a cache line; their payload starts RING_HEADER_BYTES later.
 * The producer publishes by one store of `tail`; bytes beyond it are nobody's, so a producer
 * killed at any step leaves nothing to repair. A reader frees space by one store of its own
 * `head`; one killed before that is given the same records again. Counters run free (64 bits,
 * compared by difference). docs/ring.md has the argument.
 *
 * The ring never blocks and makes no system call; sleeping and waking is bell.h.
 */
#ifndef FORKLORE_IPC_RING_H
#define FORKLORE_IPC_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_LINE         64
#define RING_HEADER_BYTES 64 /* payloads are cache-line aligned, so vectors in them can be too */
#define RING_READERS_MAX  64
#define RING_CAPACITY_MIN ((size_t)1 << 10)
#define RING_CAPACITY_MAX ((size_t)1 << 32) /* a record's length has 32 bits */

enum ring_status {
    RING_OK,
    RING_FULL,    /* not now: readers have to release first */
    RING_EMPTY,   /* nothing published beyond what was read */
    RING_TOO_BIG, /* never: larger than ring_max_payload() */
    RING_CORRUPT, /* the shared bytes contradict the protocol; the peer is broken */
};

struct ring; /* shared; layout in ring.c and docs/ring.md */

/* Bytes of shared memory for a ring with room for `capacity` bytes of records (a power of two,
 * RING_CAPACITY_MIN to RING_CAPACITY_MAX). 0 if the arguments are out of range. */
size_t ring_bytes(size_t capacity, unsigned readers);

/* The smallest capacity in which `count` records of `payload` bytes each are always in flight
 * without waiting, wherever they fall. 0 if that is over RING_CAPACITY_MAX. */
size_t ring_capacity_for(size_t payload, unsigned count);

/* Formats cache-line aligned memory of ring_bytes(). `start` is the first position, a multiple of
 * RING_LINE: 0, or something near wrap-around for tests. */
struct ring *ring_format(void *memory, size_t capacity, unsigned readers, uint64_t start);

/* Whether it still is what ring_format() made of it: a peer that is broken may have written there,
 * and whoever attaches believes it. */
bool ring_is_formatted(const struct ring *ring, size_t capacity, unsigned readers);

size_t ring_max_payload(const struct ring *ring);

/* --- Producer: one, with a private handle --------------------------------------------------- */

struct ring_writer {
    struct ring *ring;
    unsigned char *data; /* copies of what never changes: a broken peer cannot move them */
    size_t capacity;
    unsigned readers;
    bool reserving;       /* a reservation is open */
    uint64_t tail;        /* next record, staged ones included */
    uint64_t published;   /* what `tail` in the ring says */
    uint64_t head_cached; /* no reader was behind this when last looked */
    uint64_t reserved;    /* position of the open reservation */
    size_t reserved_bytes;
};

/* Takes over production where the last producer published. */
void ring_writer_attach(struct ring_writer *writer, struct ring *ring);

/* Room for a payload of up to `bytes`: RING_OK and its address, RING_FULL, RING_TOO_BIG, or
 * RING_CORRUPT if a reader's head, or the tail that was taken over, is where it cannot be. At most
 * one reservation is open; reserving again replaces it. After RING_FULL and bell_sleep(), calling
 * it again is the re-check before sleeping; readers then ring the producer's bell after
 * ring_release(). */
enum ring_status ring_reserve(struct ring_writer *writer, size_t bytes, void **payload);

/* Ends the reservation with the `bytes` really used. Readers see it at ring_publish(). */
void ring_stage(struct ring_writer *writer, size_t bytes);

/* One store for everything staged. Ring the readers' bells afterwards (bell.h). */
void ring_publish(struct ring_writer *writer);

/* --- Reader `index`: one each, with a private handle ---------------------------------------- */

struct ring_reader {
    struct ring *ring;
    unsigned char *data; /* copies of what never changes, as above */
    size_t capacity;
    unsigned index;
    uint64_t released; /* what our `head` in the ring says */
    uint64_t next;     /* next record to read; released <= next <= tail */
    uint64_t tail_cached;
};

/* Starts at the first record that this index has not released. */
void ring_reader_attach(struct ring_reader *reader, struct ring *ring, unsigned index);

/* The next record, in place and valid until released. RING_OK, RING_EMPTY or RING_CORRUPT; the
 * last stays so until the ring is formatted anew. */
enum ring_status ring_read(struct ring_reader *reader, const void **payload, size_t *bytes);

/* Reads again from `position`, a value that reader->next had since the last release. */
void ring_unread_to(struct ring_reader *reader, uint64_t position);

/* Gives back everything read so far; or, from ring_release_to(), everything before `position`,
 * a value that reader->next had. */
void ring_release(struct ring_reader *reader);
void ring_release_to(struct ring_reader *reader, uint64_t position);

/* Whether ring_read() would find something. The load is sequentially consistent: it is the
 * re-check after announcing sleep, see bell.h. */
bool ring_pending(struct ring_reader *reader);

/* Checks the shared words against every invariant of docs/ring.md; the first broken one's name,
 * or NULL. For tests and for the supervisor after a crash: the producer must be quiet meanwhile. */
const char *ring_broken_invariant(const struct ring *ring);

#endif
