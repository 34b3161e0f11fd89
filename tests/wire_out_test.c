/* SPDX-License-Identifier: MIT
 *
 * MessagePack: the writer's buffers, and what is written before its length is known.
 */
#include "ipc/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_wire_fixed_buffer_fails_without_overrun(void **unused)
{
    (void)unused;
    char memory[8];
    memset(memory, 'x', sizeof memory);
    struct wire_out out;
    wire_out_fixed(&out, memory, 7);
    wire_cstr(&out, "sixsix"); /* 7 bytes: exactly full */
    assert_false(out.failed);
    assert_int_equal(out.bytes, 7);
    wire_nil(&out);
    assert_true(out.failed);
    assert_int_equal(memory[7], 'x');
    wire_out_clear(&out);
    assert_false(out.failed);
    wire_cstr(&out, "sevensv");
    assert_true(out.failed);
    wire_nil(&out); /* would fit, but what came before is missing */
    assert_true(out.failed);
    assert_int_equal(memory[7], 'x');
    wire_array_close(&out, 0, 1);
    wire_out_fini(&out);
}

static void test_wire_growing_buffer_keeps_what_it_has(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    for (uint64_t i = 0; i < 10000; i++)
        wire_uint(&out, i);
    struct wire_in in = wire_in(out.data, out.bytes);
    for (uint64_t i = 0, value; i < 10000; i++) {
        assert_true(wire_get_uint(&in, &value));
        assert_true(value == i);
    }
    char *memory = out.data;
    wire_out_clear(&out);
    wire_nil(&out);
    assert_ptr_equal(out.data, memory);
    assert_int_equal(out.bytes, 1);
    wire_out_fini(&out);
}

static void test_wire_aligned_bin_is_aligned_wherever_it_starts(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, 64, 255, 256, 65535, 65536};
    char *memory = aligned_alloc(64, 1 << 17);
    assert_non_null(memory);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t offset = 0; offset < 130; offset++) {
            struct wire_out out;
            wire_out_fixed(&out, memory + offset, (1 << 17) - offset);
            wire_array(&out, 3);
            unsigned char *slice = wire_bin_aligned(&out, sizes[i]);
            assert_non_null(slice);
            assert_int_equal((uintptr_t)slice % 64, 0);
            memset(slice, 0x5a, sizes[i]);
            wire_uint(&out, 42);
            assert_false(out.failed);

            struct wire_in in = wire_in(out.data, out.bytes);
            uint32_t count;
            const void *filler, *data;
            size_t bytes;
            uint64_t value;
            assert_true(wire_get_array(&in, &count) && count == 3);
            assert_true(wire_get_bin(&in, &filler, &bytes) && bytes < 64);
            assert_true(wire_get_bin(&in, &data, &bytes));
            assert_int_equal(bytes, sizes[i]);
            assert_ptr_equal(data, slice);
            assert_true(wire_get_uint(&in, &value) && value == 42);
        }
    }
    struct wire_out out;
    wire_out_fixed(&out, memory, 200);
    assert_null(wire_bin_aligned(&out, 200));
    assert_true(out.failed);
    free(memory);
}

static void test_wire_array_of_a_count_known_later(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    wire_array(&out, 1);
    size_t mark = wire_array_open(&out);
    for (unsigned i = 0; i < 300; i++)
        wire_uint(&out, i);
    wire_array_close(&out, mark, 300);
    struct wire_in in = wire_in(out.data, out.bytes);
    uint32_t count;
    assert_true(wire_get_array(&in, &count) && count == 1);
    assert_true(wire_get_array(&in, &count));
    assert_int_equal(count, 300);
    in = wire_in(out.data, out.bytes);
    assert_true(wire_skip(&in) && in.at == in.end);
    wire_out_fini(&out);
}

static void test_wire_borrowed_buffer_moves_when_outgrown(void **unused)
{
    (void)unused;
    char memory[16];
    struct wire_out out;
    wire_out_borrow(&out, memory, sizeof memory);
    size_t mark = wire_bin_open(&out);
    wire_key(&out, "ten bytes!"); /* 16 with the head of the bin and its own */
    assert_true(out.borrowed && !out.failed && out.data == memory && out.bytes == sizeof memory);
    wire_key(&out, "");
    assert_true(!out.borrowed && !out.failed && out.data != memory);
    wire_bin_close(&out, mark);
    assert_int_equal(out.bytes, 17);
    assert_memory_equal(out.data, "\xc6\0\0\0\x0c\xaaten bytes!\xa0", 17);
    wire_out_fini(&out);
}

static void test_wire_key_is_a_string_of_any_length(void **unused)
{
    (void)unused;
    static const char text[] = "0123456789012345678901234567890123456789";
    for (size_t length = 0; length < sizeof text; length++) {
        char key[sizeof text], exact[sizeof text + 2];
        struct wire_out by_key, by_str;
        memcpy(key, text, length);
        key[length] = '\0';
        wire_out_init(&by_str);
        wire_str(&by_str, key, length);
        wire_out_fixed(&by_key, exact, by_str.bytes);
        wire_key(&by_key, key);
        assert_false(by_key.failed);
        assert_int_equal(by_key.bytes, by_str.bytes);
        assert_memory_equal(by_key.data, by_str.data, by_str.bytes);
        wire_out_fixed(&by_key, exact, by_str.bytes - 1);
        wire_key(&by_key, key);
        assert_true(by_key.failed);
        wire_out_fini(&by_str);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_fixed_buffer_fails_without_overrun),
        cmocka_unit_test(test_wire_growing_buffer_keeps_what_it_has),
        cmocka_unit_test(test_wire_aligned_bin_is_aligned_wherever_it_starts),
        cmocka_unit_test(test_wire_array_of_a_count_known_later),
        cmocka_unit_test(test_wire_borrowed_buffer_moves_when_outgrown),
        cmocka_unit_test(test_wire_key_is_a_string_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
