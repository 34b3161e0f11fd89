/* SPDX-License-Identifier: MIT
 *
 * The ring from one thread, white box: edges of full and empty, padding, wrap-around of the
 * counters, several readers, new producers and readers after a crash, corrupt shared bytes.
 */
#include "ipc/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Byte offsets from the diagram in ring.c. */
#define READERS_AT    16
#define TAIL_AT       64
#define HEAD_AT(i)    (128 + 64 * (size_t)(i))
#define BYTES_AT      0
#define KIND_AT       4
#define POSITION_AT   8
#define DATA_AT(ring) HEAD_AT(*(const uint32_t *)((const char *)ring + READERS_AT))

static struct ring *make(size_t capacity, unsigned readers, uint64_t start)
{
    size_t bytes = ring_bytes(capacity, readers);
    assert_true(bytes > 0);
    void *memory = aligned_alloc(64, bytes);
    assert_non_null(memory);
    memset(memory, 0xa5, bytes);
    return ring_format(memory, capacity, readers, start);
}

static uint64_t peek64(struct ring *ring, size_t offset)
{
    uint64_t value;
    memcpy(&value, (char *)ring + offset, sizeof value);
    return value;
}

static void poke64(struct ring *ring, size_t offset, uint64_t value)
{
    memcpy((char *)ring + offset, &value, sizeof value);
}

static void poke32(struct ring *ring, size_t offset, uint32_t value)
{
    memcpy((char *)ring + offset, &value, sizeof value);
}

/* Publishes a record whose bytes all are `fill`. */
static enum ring_status put(struct ring_writer *writer, size_t bytes, unsigned char fill)
{
    void *payload;
    enum ring_status status = ring_reserve(writer, bytes, &payload);
    if (status == RING_OK) {
        assert_int_equal((uintptr_t)payload % 64, 0);
        memset(payload, fill, bytes);
        ring_stage(writer, bytes);
        ring_publish(writer);
    }
    return status;
}

static void expect(struct ring_reader *reader, size_t bytes, unsigned char fill)
{
    const void *payload = NULL;
    size_t got = SIZE_MAX;
    assert_int_equal(ring_read(reader, &payload, &got), RING_OK);
    assert_int_equal(got, bytes);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(((const unsigned char *)payload)[i], fill);
}

static void expect_status(struct ring_reader *reader, enum ring_status status)
{
    const void *payload;
    size_t bytes;
    assert_int_equal(ring_read(reader, &payload, &bytes), status);
}

static void test_ring_sizes_out_of_range_are_refused(void **unused)
{
    (void)unused;
    assert_int_equal(ring_bytes(4096, 1), 128 + 64 + 4096);
    assert_int_equal(ring_bytes(1024, 3), 128 + 3 * 64 + 1024);
    assert_int_equal(ring_bytes(512, 1), 0);
    assert_int_equal(ring_bytes(0, 1), 0);
    assert_int_equal(ring_bytes(5000, 1), 0);
    assert_int_equal(ring_bytes((size_t)1 << 33, 1), 0);
    assert_int_equal(ring_bytes(4096, 0), 0);
    assert_int_equal(ring_bytes(4096, RING_READERS_MAX + 1), 0);
    assert_true(ring_bytes(4096, RING_READERS_MAX) > 0);
}

static void test_ring_takes_exactly_its_largest_payload(void **unused)
{
    (void)unused;
    /* Wherever the tail stands in an empty ring. */
    for (uint64_t start = 0; start < 1024; start += 64) {
        struct ring *ring = make(1024, 1, start);
        struct ring_writer writer;
        struct ring_reader reader;
        ring_writer_attach(&writer, ring);
        ring_reader_attach(&reader, ring, 0);
        size_t largest = ring_max_payload(ring);
        assert_int_equal(largest, 1024 / 2 - 64);
        assert_int_equal(put(&writer, largest + 1, 1), RING_TOO_BIG);
        assert_int_equal(put(&writer, SIZE_MAX, 1), RING_TOO_BIG);
        assert_int_equal(put(&writer, largest, 1), RING_OK);
        assert_null(ring_broken_invariant(ring));
        expect(&reader, largest, 1);
        expect_status(&reader, RING_EMPTY);
        free(ring);
    }
}

static void test_ring_capacity_for_keeps_its_promise(void **unused)
{
    (void)unused;
    static const size_t payloads[] = {0, 1, 64, 65, 400, 448, 449, 1000, 4032, 5000};
    for (size_t p = 0; p < sizeof payloads / sizeof payloads[0]; p++) {
        for (unsigned count = 1; count <= 5; count++) {
            size_t capacity = ring_capacity_for(payloads[p], count);
            assert_true(ring_bytes(capacity, 1) > 0);
            for (uint64_t start = 0; start < capacity; start += 64) {
                struct ring *ring = make(capacity, 1, start);
                struct ring_writer writer;
                ring_writer_attach(&writer, ring);
                for (unsigned i = 0; i < count; i++)
                    assert_int_equal(put(&writer, payloads[p], 1), RING_OK);
                free(ring);
            }
            if (capacity == RING_CAPACITY_MIN)
                continue;
            /* Half of it would not do: some start runs into full or too big. */
            bool fits = true;
            for (uint64_t start = 0; start < capacity / 2; start += 64) {
                struct ring *ring = make(capacity / 2, 1, start);
                struct ring_writer writer;
                ring_writer_attach(&writer, ring);
                for (unsigned i = 0; i < count; i++)
                    fits &= put(&writer, payloads[p], 1) == RING_OK;
                free(ring);
            }
            assert_false(fits);
        }
    }
    assert_int_equal(ring_capacity_for((size_t)1 << 32, 1), 0);
    assert_int_equal(ring_capacity_for(SIZE_MAX, 1), 0);
    assert_int_equal(ring_capacity_for((size_t)1 << 30, 1000), 0);
    assert_int_equal(ring_capacity_for(1, 0), 0);
}

static void test_ring_full_and_empty_edges(void **unused)
{
    (void)unused;
    struct ring *ring = make(1024, 1, 0);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    expect_status(&reader, RING_EMPTY);
    assert_false(ring_pending(&reader));
    for (unsigned i = 0; i < 8; i++) /* 128 bytes each, to the last byte */
        assert_int_equal(put(&writer, 64, (unsigned char)i), RING_OK);
    assert_int_equal(put(&writer, 0, 9), RING_FULL);
    assert_null(ring_broken_invariant(ring));
    assert_true(ring_pending(&reader));
    expect(&reader, 64, 0);
    assert_int_equal(put(&writer, 0, 9), RING_FULL); /* read, but not released */
    ring_release(&reader);
    assert_int_equal(put(&writer, 65, 9), RING_FULL); /* a byte more than there is */
    assert_int_equal(put(&writer, 64, 8), RING_OK);
    assert_int_equal(put(&writer, 0, 9), RING_FULL);
    for (unsigned i = 1; i < 9; i++)
        expect(&reader, 64, (unsigned char)i);
    expect_status(&reader, RING_EMPTY);
    assert_false(ring_pending(&reader));
    ring_release(&reader);
    assert_null(ring_broken_invariant(ring));
    free(ring);
}

static void test_ring_padding_fills_the_end(void **unused)
{
    (void)unused;
    struct ring *ring = make(1024, 1, 0);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    assert_int_equal(put(&writer, 448, 1), RING_OK); /* 512 */
    assert_int_equal(put(&writer, 192, 2), RING_OK); /* 768 */
    assert_int_equal(put(&writer, 384, 3), RING_FULL);
    expect(&reader, 448, 1);
    ring_release(&reader);
    /* 256 to the end, 512 at the start: padding, and the record fills the start exactly. */
    assert_int_equal(put(&writer, 449 - 1, 3), RING_OK);
    assert_int_equal(writer.tail, 1024 + 512);
    assert_null(ring_broken_invariant(ring));
    assert_int_equal(put(&writer, 0, 4), RING_FULL);
    expect(&reader, 192, 2);
    expect(&reader, 448, 3);
    expect_status(&reader, RING_EMPTY);
    ring_release(&reader);
    assert_null(ring_broken_invariant(ring));
    free(ring);
}

static void test_ring_counters_wrap_around(void **unused)
{
    (void)unused;
    static const uint64_t starts[] = {0,
                                      UINT64_MAX - 63,
                                      UINT64_MAX - 1023,
                                      (UINT64_C(1) << 32) - 64,
                                      (UINT64_C(1) << 32) - 4096 - 64,
                                      (UINT64_C(1) << 63) - 64};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        struct ring *ring = make(1024, 2, starts[s]);
        struct ring_writer writer;
        struct ring_reader readers[2];
        ring_writer_attach(&writer, ring);
        ring_reader_attach(&readers[0], ring, 0);
        ring_reader_attach(&readers[1], ring, 1);
        unsigned written = 0, read[2] = {0, 0};
        while (read[1] < 200) {
            while (written < 200 &&
                   put(&writer, written * 37 % 300, (unsigned char)written) == RING_OK)
                written++;
            assert_null(ring_broken_invariant(ring));
            for (unsigned r = 0; r < 2; r++) {
                for (unsigned i = 0; i < 1 + 2 * r && read[r] < written; i++, read[r]++)
                    expect(&readers[r], read[r] * 37 % 300, (unsigned char)read[r]);
                ring_release(&readers[r]);
            }
            if (read[0] == 200)
                break;
        }
        assert_int_equal(written, 200);
        free(ring);
    }
}

static void test_ring_waits_for_its_slowest_reader(void **unused)
{
    (void)unused;
    struct ring *ring = make(1024, 3, 0);
    struct ring_writer writer;
    struct ring_reader readers[3];
    ring_writer_attach(&writer, ring);
    for (unsigned r = 0; r < 3; r++)
        ring_reader_attach(&readers[r], ring, r);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(put(&writer, 192, (unsigned char)i), RING_OK);
    for (unsigned r = 0; r < 2; r++) {
        for (unsigned i = 0; i < 4; i++)
            expect(&readers[r], 192, (unsigned char)i);
        ring_release(&readers[r]);
    }
    assert_int_equal(put(&writer, 192, 4), RING_FULL);
    expect(&readers[2], 192, 0);
    assert_int_equal(put(&writer, 192, 4), RING_FULL);
    ring_release(&readers[2]);
    assert_int_equal(put(&writer, 192, 4), RING_OK);
    assert_int_equal(put(&writer, 192, 5), RING_FULL);
    for (unsigned r = 0; r < 2; r++)
        expect(&readers[r], 192, 4);
    for (unsigned i = 1; i < 5; i++)
        expect(&readers[2], 192, (unsigned char)i);
    free(ring);
}

static void test_ring_stages_many_and_publishes_once(void **unused)
{
    (void)unused;
    struct ring *ring = make(4096, 1, 4096 - 192);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    for (unsigned i = 0; i < 5; i++) {
        void *payload;
        assert_int_equal(ring_reserve(&writer, 1000, &payload), RING_OK); /* replaced */
        assert_int_equal(ring_reserve(&writer, 200, &payload), RING_OK);
        memset(payload, (int)i, 10 + i);
        ring_stage(&writer, 10 + i); /* less than reserved */
        assert_false(ring_pending(&reader));
    }
    expect_status(&reader, RING_EMPTY);
    ring_publish(&writer);
    assert_null(ring_broken_invariant(ring));
    for (unsigned i = 0; i < 5; i++)
        expect(&reader, 10 + i, (unsigned char)i);
    expect_status(&reader, RING_EMPTY);
    free(ring);
}

static void test_ring_gives_unreleased_records_again(void **unused)
{
    (void)unused;
    struct ring *ring = make(1024, 1, UINT64_MAX - 255);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(put(&writer, 100, (unsigned char)i), RING_OK);
    expect(&reader, 100, 0);
    uint64_t after_first = reader.next;
    expect(&reader, 100, 1);
    expect(&reader, 100, 2);
    ring_release_to(&reader, after_first);

    ring_reader_attach(&reader, ring, 0); /* the one before is dead */
    for (unsigned i = 1; i < 4; i++)
        expect(&reader, 100, (unsigned char)i);
    ring_release(&reader);
    ring_reader_attach(&reader, ring, 0);
    expect_status(&reader, RING_EMPTY);
    free(ring);
}

static void test_ring_forgets_what_a_dead_producer_left(void **unused)
{
    (void)unused;
    /* The tail near the end, so that what is left behind includes a padding. */
    struct ring *ring = make(1024, 1, 1024 - 128);
    struct ring_writer dead;
    struct ring_reader reader;
    ring_writer_attach(&dead, ring);
    ring_reader_attach(&reader, ring, 0);
    assert_int_equal(put(&dead, 10, 1), RING_OK);
    void *payload;
    for (unsigned step = 0; step < 3; step++) {
        assert_int_equal(ring_reserve(&dead, 30, &payload), RING_OK); /* reserved */
        if (step > 0)
            memset(payload, 0xee, 17); /* half copied */
        if (step > 1) {
            ring_stage(&dead, 30); /* staged, not published */
            assert_int_equal(ring_reserve(&dead, 200, &payload), RING_OK);
            ring_stage(&dead, 200);
        }
        assert_null(ring_broken_invariant(ring));
        assert_int_equal(peek64(ring, TAIL_AT), dead.published);
        struct ring_writer heir;
        ring_writer_attach(&heir, ring);
        assert_int_equal(put(&heir, 150, (unsigned char)(2 + step)), RING_OK);
        assert_null(ring_broken_invariant(ring));
        if (step == 0)
            expect(&reader, 10, 1);
        expect(&reader, 150, (unsigned char)(2 + step));
        expect_status(&reader, RING_EMPTY);
        ring_release(&reader);
        dead = heir;
    }
    free(ring);
}

/* One record at position 0 and one at 128, then `offset` (in the record at 128, or the tail) is
 * overwritten. */
static void expect_corrupt(size_t offset, bool in_record, bool wide, uint64_t value,
                           const char *invariant)
{
    struct ring *ring = make(1024, 1, 0);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    assert_int_equal(put(&writer, 64, 1), RING_OK);
    assert_int_equal(put(&writer, 64, 2), RING_OK);
    size_t at = in_record ? DATA_AT(ring) + 128 + offset : offset;
    if (wide)
        poke64(ring, at, value);
    else
        poke32(ring, at, (uint32_t)value);
    assert_string_equal(ring_broken_invariant(ring), invariant);
    if (in_record)
        expect(&reader, 64, 1);
    expect_status(&reader, RING_CORRUPT);
    expect_status(&reader, RING_CORRUPT); /* and stays so */
    free(ring);
}

static void test_ring_reader_refuses_corrupt_bytes(void **unused)
{
    (void)unused;
    expect_corrupt(BYTES_AT, true, false, 65, "records end at tail");
    expect_corrupt(BYTES_AT, true, false, 1024, "a record does not wrap");
    expect_corrupt(BYTES_AT, true, false, UINT32_MAX, "a record does not wrap");
    expect_corrupt(KIND_AT, true, false, 0, "a record is a record or padding");
    expect_corrupt(KIND_AT, true, false, 0x50414444, "padding ends with the data area");
    expect_corrupt(POSITION_AT, true, true, 0, "a record carries its own position");
    expect_corrupt(POSITION_AT, true, true, 128 + 1024, "a record carries its own position");
    expect_corrupt(TAIL_AT, false, true, 1024 + 64, "tail - head <= capacity");
    expect_corrupt(TAIL_AT, false, true, 100, "tail is a multiple of the line");
    expect_corrupt(TAIL_AT, false, true, (uint64_t)0 - 64, "tail - head <= capacity");
}

static void test_ring_reader_refuses_a_tail_that_goes_back(void **unused)
{
    (void)unused;
    struct ring *ring = make(1024, 1, 0);
    struct ring_writer writer;
    struct ring_reader reader;
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    assert_int_equal(put(&writer, 64, 1), RING_OK);
    assert_int_equal(put(&writer, 64, 2), RING_OK);
    expect(&reader, 64, 1);
    expect(&reader, 64, 2);
    poke64(ring, TAIL_AT, 128);
    expect_status(&reader, RING_CORRUPT);
    free(ring);
}

static void test_ring_producer_refuses_corrupt_heads(void **unused)
{
    (void)unused;
    static const uint64_t heads[] = {64 + 1, 4096, (uint64_t)0 - 64, 0};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct ring *ring = make(1024, 2, 512);
        struct ring_writer writer;
        ring_writer_attach(&writer, ring);
        assert_int_equal(put(&writer, 64, 1), RING_OK);
        poke64(ring, HEAD_AT(1), heads[i]);
        assert_int_equal(put(&writer, 448, 1), RING_OK); /* by what it knew */
        assert_int_equal(put(&writer, 448, 1), RING_CORRUPT);
        if (heads[i] % 64 != 0)
            assert_string_equal(ring_broken_invariant(ring), "head is a multiple of the line");
        else
            assert_string_equal(ring_broken_invariant(ring), "tail - head <= capacity");
        free(ring);
    }
}

/* Found by tests/fuzz/ring.c: padding's header went past the end of the ring. */
static void test_ring_producer_refuses_a_corrupt_tail_of_its_predecessor(void **unused)
{
    (void)unused;
    static const uint64_t tails[] = {1022, 1, 1024 + 64, (uint64_t)0 - 64};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        struct ring *ring = make(1024, 1, 0);
        struct ring_writer writer;
        poke64(ring, TAIL_AT, tails[i]);
        ring_writer_attach(&writer, ring);
        assert_int_equal(put(&writer, 64, 1), RING_CORRUPT);
        free(ring);
    }
}

static void test_ring_checker_wants_heads_at_records(void **unused)
{
    (void)unused;
    struct ring *ring = make(1024, 2, 0);
    struct ring_writer writer;
    ring_writer_attach(&writer, ring);
    assert_int_equal(put(&writer, 200, 1), RING_OK);
    poke64(ring, HEAD_AT(1), 64);
    assert_string_equal(ring_broken_invariant(ring), "head is at a record");
    poke64(ring, HEAD_AT(1), 320);
    assert_null(ring_broken_invariant(ring));
    poke64(ring, 8, 1000);
    assert_string_equal(ring_broken_invariant(ring),
                        "capacity is a power of two within its limits");
    poke64(ring, 0, 1);
    assert_string_equal(ring_broken_invariant(ring), "magic");
    free(ring);
}

static void test_ring_reader_survives_arbitrary_bytes(void **unused)
{
    (void)unused;
    uint64_t state = 1234567;
    for (unsigned round = 0; round < 2000; round++) {
        struct ring *ring = make(1024, 1, 0);
        struct ring_reader reader;
        struct ring_writer writer;
        ring_writer_attach(&writer, ring);
        ring_reader_attach(&reader, ring, 0);
        for (unsigned i = 0; i < 5; i++)
            put(&writer, 100, 1);
        for (unsigned i = 0; i < 3; i++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
            size_t line = (state >> 33) % 17, offset = (state >> 40) % 16;
            size_t at = line == 16 ? TAIL_AT + offset % 8 : DATA_AT(ring) + 64 * line + offset;
            ((unsigned char *)ring)[at] ^= (unsigned char)(1u << (state >> 60) % 8);
        }
        const void *payload;
        size_t bytes;
        unsigned char sum = 0;
        for (unsigned i = 0; i < 20 && ring_read(&reader, &payload, &bytes) == RING_OK; i++)
            for (size_t k = 0; k < bytes; k++) /* the sanitizer watches */
                sum = (unsigned char)(sum + ((const unsigned char *)payload)[k]);
        (void)ring_broken_invariant(ring);
        (void)sum;
        free(ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_sizes_out_of_range_are_refused),
        cmocka_unit_test(test_ring_takes_exactly_its_largest_payload),
        cmocka_unit_test(test_ring_capacity_for_keeps_its_promise),
        cmocka_unit_test(test_ring_full_and_empty_edges),
        cmocka_unit_test(test_ring_padding_fills_the_end),
        cmocka_unit_test(test_ring_counters_wrap_around),
        cmocka_unit_test(test_ring_waits_for_its_slowest_reader),
        cmocka_unit_test(test_ring_stages_many_and_publishes_once),
        cmocka_unit_test(test_ring_gives_unreleased_records_again),
        cmocka_unit_test(test_ring_forgets_what_a_dead_producer_left),
        cmocka_unit_test(test_ring_reader_refuses_corrupt_bytes),
        cmocka_unit_test(test_ring_reader_refuses_a_tail_that_goes_back),
        cmocka_unit_test(test_ring_producer_refuses_corrupt_heads),
        cmocka_unit_test(test_ring_producer_refuses_a_corrupt_tail_of_its_predecessor),
        cmocka_unit_test(test_ring_checker_wants_heads_at_records),
        cmocka_unit_test(test_ring_reader_survives_arbitrary_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
