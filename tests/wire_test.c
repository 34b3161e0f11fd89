/* SPDX-License-Identifier: MIT
 *
 * MessagePack: what the writer writes, msgpack-c's own unpacker reads, and the reader agrees with
 * both; cut-off and hostile bytes are refused by reader and scanner alike.
 */
#include "ipc/wire.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- A random message, written and remembered by its seed ------------------------------------ */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Integers of every width. */
static uint64_t random_bits(uint64_t *state)
{
    unsigned shift = (unsigned)(next_random(state) % 64);
    return next_random(state) >> shift;
}

static void write_random(struct wire_out *out, uint64_t *state, unsigned depth)
{
    static const char text[70000];
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    unsigned kind = (unsigned)(next_random(state) % (depth < 5 ? 9 : 7));
    size_t length = lengths[next_random(state) % (depth < 2 ? 8 : 4)];
    switch (kind) {
    case 0:
        wire_nil(out);
        break;
    case 1:
        wire_bool(out, next_random(state) % 2);
        break;
    case 2:
        wire_uint(out, random_bits(state));
        break;
    case 3:
        wire_int(out, -(int64_t)(random_bits(state) >> 1) - 1);
        break;
    case 4:
        wire_double(out, ldexp((double)next_random(state), (int)(next_random(state) % 200) - 100));
        break;
    case 5:
        wire_str(out, text, length);
        break;
    case 6:
        wire_bin(out, text, length);
        break;
    default: {
        uint32_t count = (uint32_t)(next_random(state) % 20);
        if (kind == 7)
            wire_array(out, count);
        else
            wire_map(out, count);
        for (uint32_t i = 0; i < (kind == 7 ? count : 2 * count); i++)
            write_random(out, state, depth + 1);
    }
    }
}

/* Walks our cursor beside msgpack-c's object tree. */
static void expect_same(struct wire_in *in, const msgpack_object *object)
{
    bool flag;
    uint64_t natural;
    int64_t integer;
    double real;
    const char *text;
    const void *data;
    size_t bytes;
    uint32_t count;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        assert_int_equal(wire_type(in), WIRE_NIL);
        assert_true(wire_skip(in));
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        assert_int_equal(wire_type(in), WIRE_BOOL);
        assert_true(wire_get_bool(in, &flag));
        assert_int_equal(flag, object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: {
        assert_int_equal(wire_type(in), WIRE_INT);
        struct wire_in copy = *in;
        assert_int_equal(wire_get_int(&copy, &integer), object->via.u64 <= INT64_MAX);
        assert_true(wire_get_uint(in, &natural));
        assert_true(natural == object->via.u64);
        break;
    }
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        assert_false(wire_get_uint(in, &natural));
        assert_true(wire_get_int(in, &integer));
        assert_true(integer == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT64:
        assert_int_equal(wire_type(in), WIRE_FLOAT);
        assert_true(wire_get_double(in, &real));
        assert_true(real == object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        assert_int_equal(wire_type(in), WIRE_STR);
        assert_true(wire_get_str(in, &text, &bytes));
        assert_int_equal(bytes, object->via.str.size);
        assert_memory_equal(text, object->via.str.ptr, bytes);
        break;
    case MSGPACK_OBJECT_BIN:
        assert_int_equal(wire_type(in), WIRE_BIN);
        assert_true(wire_get_bin(in, &data, &bytes));
        assert_int_equal(bytes, object->via.bin.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        assert_int_equal(wire_type(in), WIRE_ARRAY);
        assert_true(wire_get_array(in, &count));
        assert_int_equal(count, object->via.array.size);
        for (uint32_t i = 0; i < count; i++)
            expect_same(in, &object->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        assert_int_equal(wire_type(in), WIRE_MAP);
        assert_true(wire_get_map(in, &count));
        assert_int_equal(count, object->via.map.size);
        for (uint32_t i = 0; i < count; i++) {
            expect_same(in, &object->via.map.ptr[i].key);
            expect_same(in, &object->via.map.ptr[i].val);
        }
        break;
    default:
        fail_msg("msgpack-c found a type that was never written");
    }
}

static void test_wire_agrees_with_msgpack_c_on_random_messages(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
        wire_out_clear(&out);
        write_random(&out, &state, 0);
        assert_false(out.failed);

        msgpack_unpacked oracle;
        msgpack_unpacked_init(&oracle);
        size_t used = 0;
        assert_int_equal(msgpack_unpack_next(&oracle, out.data, out.bytes, &used),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(used, out.bytes);
        struct wire_in in = wire_in(out.data, out.bytes);
        expect_same(&in, &oracle.data);
        assert_ptr_equal(in.at, in.end);
        msgpack_unpacked_destroy(&oracle);

        struct wire_in whole = wire_in(out.data, out.bytes);
        assert_true(wire_skip(&whole));
        assert_ptr_equal(whole.at, whole.end);
        struct wire_scan scan = {0};
        assert_int_equal(wire_scan(&scan, out.data, out.bytes, out.bytes), out.bytes);
    }
    wire_out_fini(&out);
}

/* Copies to the end of a heap block, so that the address sanitizer sees a read beyond. */
static uint8_t *tight(const void *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    return copy;
}

static void test_wire_refuses_a_message_cut_at_any_byte(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d);
        wire_out_clear(&out);
        wire_array(&out, 2);
        write_random(&out, &state, 3);
        wire_double(&out, 0.5);
        for (size_t cut = 0; cut < out.bytes; cut++) {
            uint8_t *part = tight(out.data, cut);
            struct wire_in in = wire_in(part, cut);
            assert_false(wire_skip(&in));
            assert_ptr_equal(in.at, part);
            struct wire_scan scan = {0};
            assert_int_equal(wire_scan(&scan, part, cut, out.bytes), 0);
            free(part);
        }
    }
    wire_out_fini(&out);
}

static void test_wire_scan_resumes_byte_by_byte(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t state = seed * UINT64_C(0xd1342543de82ef95);
        wire_out_clear(&out);
        write_random(&out, &state, 1);
        size_t first = out.bytes;
        wire_cstr(&out, "the next value of the stream");
        struct wire_scan scan = {0};
        for (size_t bytes = 0; bytes < first; bytes++)
            assert_int_equal(wire_scan(&scan, out.data, bytes, 1 << 20), 0);
        assert_int_equal(wire_scan(&scan, out.data, first, 1 << 20), first);
        assert_int_equal(wire_scan(&scan, out.data, out.bytes, 1 << 20), first);
    }
    wire_out_fini(&out);
}

static void test_wire_survives_random_bytes(void **unused)
{
    (void)unused;
    uint64_t state = 88172645463325252u;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[48];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(next_random(&state) >> 32);
        size_t length = next_random(&state) % sizeof bytes;
        uint8_t *copy = tight(bytes, length);
        struct wire_in in = wire_in(copy, length), skip = in, before = in;
        bool whole = wire_skip(&skip);
        struct wire_scan scan = {0};
        int64_t scanned = wire_scan(&scan, copy, length, length);
        assert_int_equal(whole, scanned > 0);
        if (whole)
            assert_int_equal(skip.at - copy, scanned);
        else
            assert_ptr_equal(skip.at, copy);

        bool flag;
        uint64_t natural;
        int64_t integer;
        double real;
        const char *text;
        const void *data;
        size_t n;
        uint32_t count;
        unsigned taken = wire_get_bool(&in, &flag) + wire_get_uint(&in, &natural) +
                         wire_get_int(&in, &integer) + wire_get_double(&in, &real) +
                         wire_get_str(&in, &text, &n) + wire_get_bin(&in, &data, &n) +
                         wire_get_array(&in, &count) + wire_get_map(&in, &count);
        assert_true(in.at <= in.end);
        if (taken == 0)
            assert_ptr_equal(in.at, before.at);
        free(copy);
    }
}

struct hostile {
    const char *bytes;
    size_t length;
    int64_t result; /* of wire_scan() with a limit of 1,000 */
};

static void test_wire_scan_refuses_hostile_claims(void **unused)
{
    (void)unused;
    static const struct hostile cases[] = {
        {"\xc1", 1, -EBADMSG},
        {"\x92\x01\xc1", 3, -EBADMSG},
        {"\xdd\xff\xff\xff\xff", 5, -EMSGSIZE},     /* array of 4 G values */
        {"\xdf\xff\xff\xff\xff", 5, -EMSGSIZE},     /* map of 8 G values */
        {"\xdb\xff\xff\xff\xff", 5, -EMSGSIZE},     /* string of 4 GiB */
        {"\xc6\xff\xff\xff\xff", 5, -EMSGSIZE},     /* bin */
        {"\xc9\xff\xff\xff\xff\x01", 6, -EMSGSIZE}, /* ext */
        {"\xda\x03\xe6", 3, -EMSGSIZE},             /* 998 and a head of 3 are over 1,000 */
        {"\xda\x03\xe5", 3, 0},                     /* 997 are not */
        {"\xdc\x03\xe6", 3, -EMSGSIZE},             /* 998 values of a byte at least */
        {"\xdc\x03\xe5", 3, 0},
        {"\xdc\x01\xf0\xdc\x01\xf0", 6, 0},         /* 495 and 496 to come: just possible */
        {"\xdc\x01\xf4\xdc\x01\xf4", 6, -EMSGSIZE}, /* 500 in the first of 500 */
        {"", 0, 0},
        {"\xd9", 1, 0},
        {"\xc7\x02\x05", 3, 0},
        {"\xc7\x02\x05\x01\x02", 5, 5},
        {"\xd4\x05\x01", 3, 3},
        {"\x80", 1, 1},
        {"\x81\x01\x90", 3, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *copy = tight(cases[i].bytes, cases[i].length);
        struct wire_scan scan = {0};
        assert_int_equal(wire_scan(&scan, copy, cases[i].length, 1000), cases[i].result);
        free(copy);
    }
}

static void test_wire_scan_holds_a_stream_to_the_limit(void **unused)
{
    (void)unused;
    /* Exactly at the limit is fine; a byte less is refused before the rest arrives. */
    static const uint8_t message[] = {0x93, 0xa2, 'h', 'i', 0xcd, 1, 2, 0xc0};
    struct wire_scan scan = {0};
    assert_int_equal(wire_scan(&scan, message, sizeof message, sizeof message), sizeof message);
    scan = (struct wire_scan){0};
    assert_int_equal(wire_scan(&scan, message, 6, 7), 0);
    assert_int_equal(wire_scan(&scan, message, 7, 7), -EMSGSIZE);
    scan = (struct wire_scan){0};
    assert_int_equal(wire_scan(&scan, message, 1, 3), -EMSGSIZE);
    /* A head cut short by the limit itself. */
    scan = (struct wire_scan){0};
    assert_int_equal(wire_scan(&scan, "\xcd", 1, 1), -EMSGSIZE);

    /* What is beyond the limit has no say, be it there already or not: 0xc1 is nothing. */
    scan = (struct wire_scan){0};
    assert_int_equal(wire_scan(&scan, "\x81\xd0\xff\xc1", 4, 3), -EMSGSIZE);
    scan = (struct wire_scan){0};
    assert_int_equal(wire_scan(&scan, "\x81\xd0\xff\xc1", 3, 3), -EMSGSIZE);
}

static void test_wire_nesting_is_bounded(void **unused)
{
    (void)unused;
    uint8_t nested[WIRE_DEPTH_MAX + 2];
    for (unsigned depth = 1; depth <= WIRE_DEPTH_MAX + 1; depth++) {
        memset(nested, 0x91, depth);
        nested[depth] = 0xc0;
        struct wire_scan scan = {0};
        int64_t scanned = wire_scan(&scan, nested, depth + 1, 1000);
        struct wire_in in = wire_in(nested, depth + 1);
        assert_int_equal(scanned, depth <= WIRE_DEPTH_MAX ? (int)depth + 1 : -EBADMSG);
        assert_int_equal(wire_skip(&in), depth <= WIRE_DEPTH_MAX);
    }
    /* Wide is not deep. */
    struct wire_out out;
    wire_out_init(&out);
    wire_array(&out, 1000);
    for (unsigned i = 0; i < 1000; i++)
        wire_array(&out, 0);
    struct wire_in in = wire_in(out.data, out.bytes);
    assert_true(wire_skip(&in));
    wire_out_fini(&out);
}

static void test_wire_integers_at_their_edges(void **unused)
{
    (void)unused;
    static const int64_t edges[] = {0,          1,         -1,       127,   128,       -32,
                                    -33,        -128,      -129,     255,   256,       32767,
                                    -32768,     -32769,    65535,    65536, INT32_MAX, INT32_MIN,
                                    UINT32_MAX, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        char memory[16];
        struct wire_out out;
        wire_out_fixed(&out, memory, sizeof memory);
        wire_int(&out, edges[i]);
        struct wire_in in = wire_in(memory, out.bytes), copy = in;
        int64_t value;
        double real;
        uint64_t natural;
        assert_true(wire_get_int(&in, &value));
        assert_true(value == edges[i]);
        in = copy;
        assert_true(wire_get_double(&in, &real));
        assert_true(real == (double)edges[i]);
        in = copy;
        assert_int_equal(wire_get_uint(&in, &natural), edges[i] >= 0);
    }
    /* Positive values in signed formats, which the packer never writes. */
    struct wire_in in = wire_in("\xd3\x00\x00\x00\x00\x00\x00\x00\x07\xd0\x7f", 11);
    uint64_t natural;
    assert_true(wire_get_uint(&in, &natural) && natural == 7);
    assert_true(wire_get_uint(&in, &natural) && natural == 127);
    in = wire_in("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    int64_t value;
    assert_false(wire_get_int(&in, &value));
    assert_true(wire_get_uint(&in, &natural) && natural == UINT64_MAX);
    in = wire_in("\xca\x3f\xc0\x00\x00", 5); /* a float32 */
    double real;
    assert_true(wire_get_double(&in, &real) && real == 1.5);
}

static void test_wire_leaves_the_cursor_on_another_type(void **unused)
{
    (void)unused;
    struct wire_in in = wire_in("\xa1x", 2);
    const uint8_t *start = in.at;
    int64_t integer;
    double real;
    const void *data;
    size_t bytes;
    uint32_t count;
    assert_false(wire_get_int(&in, &integer));
    assert_false(wire_get_double(&in, &real));
    assert_false(wire_get_bin(&in, &data, &bytes));
    assert_false(wire_get_array(&in, &count));
    assert_ptr_equal(in.at, start);
    /* Counts that the message is too short for: nobody allocates for those. */
    in = wire_in("\xdd\x00\x00\x00\x03\x01\x02", 7);
    assert_false(wire_get_array(&in, &count));
    in = wire_in("\x82\x01\x02\x03", 4);
    assert_false(wire_get_map(&in, &count));
    in = wire_in("\xc1", 1);
    assert_int_equal(wire_type(&in), WIRE_END);
}

/* Skipping has a short way for what is not nested much; it has to agree with the scanner. */
static void test_wire_skip_agrees_with_the_scanner(void **unused)
{
    (void)unused;
    uint8_t bytes[48];
    for (unsigned depth = 0; depth <= 2 * WIRE_DEPTH_MAX; depth++) {
        for (unsigned last = 0; last < 3; last++) {
            static const uint8_t inner[] = {0x90, 0x80, 0x07};
            memset(bytes, 0x91, depth);
            bytes[depth] = inner[last];
            struct wire_in in = wire_in(bytes, depth + 1);
            struct wire_scan scan = {0};
            bool whole = wire_scan(&scan, bytes, depth + 1, sizeof bytes) > 0;
            assert_int_equal(wire_skip(&in), whole);
            assert_true(in.at == (whole ? in.end : bytes));
        }
    }
    srand(20261121);
    for (unsigned round = 0; round < 200000; round++) {
        static const uint8_t common[] = {0x90, 0x91, 0x92, 0x81, 0x80,
                                         0xdc, 0xde, 0x00, 0xa1, 0xc0};
        size_t length = 1 + (size_t)rand() % sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = rand() % 4 ? common[(size_t)rand() % sizeof common] : (uint8_t)rand();
        struct wire_in in = wire_in(bytes, length);
        struct wire_scan scan = {0};
        int64_t whole = wire_scan(&scan, bytes, length, SIZE_MAX);
        assert_int_equal(wire_skip(&in), whole > 0);
        assert_true(in.at == bytes + (whole > 0 ? whole : 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_agrees_with_msgpack_c_on_random_messages),
        cmocka_unit_test(test_wire_refuses_a_message_cut_at_any_byte),
        cmocka_unit_test(test_wire_scan_resumes_byte_by_byte),
        cmocka_unit_test(test_wire_survives_random_bytes),
        cmocka_unit_test(test_wire_scan_refuses_hostile_claims),
        cmocka_unit_test(test_wire_scan_holds_a_stream_to_the_limit),
        cmocka_unit_test(test_wire_nesting_is_bounded),
        cmocka_unit_test(test_wire_integers_at_their_edges),
        cmocka_unit_test(test_wire_leaves_the_cursor_on_another_type),
        cmocka_unit_test(test_wire_skip_agrees_with_the_scanner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
