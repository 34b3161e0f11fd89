/* SPDX-License-Identifier: MIT
 *
 * Byte sources: plain, gzip and bzip2, whole and damaged. Files are memory files.
 */
#include "coordinator/dump/bytes.h"

#include <bzlib.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define DATA_BYTES ((size_t)3 << 20)

struct blob {
    char *bytes;
    size_t length;
};

/* Words in a fixed random order: compresses, but not to nothing. */
static char *make_data(size_t length)
{
    static const char *const words[] = {"stone ", "river ", "the ", "of\n", "lantern ", "a "};
    char *data = malloc(length + 16);
    uint32_t state = 7;

    assert_non_null(data);
    for (size_t at = 0; at < length;) {
        state = state * 1664525 + 1013904223;
        const char *word = words[(state >> 24) % 6];
        memcpy(data + at, word, strlen(word));
        at += strlen(word);
    }
    return data;
}

static struct blob pack_bzip2(const char *data, size_t length)
{
    unsigned packed = (unsigned)(length + length / 100 + 600);
    struct blob blob = {.bytes = malloc(packed)};

    assert_non_null(blob.bytes);
    assert_int_equal(BZ2_bzBuffToBuffCompress(blob.bytes, &packed, (char *)(uintptr_t)data,
                                              (unsigned)length, 1, 0, 0),
                     BZ_OK);
    blob.length = packed;
    return blob;
}

static struct blob pack_gzip(const char *data, size_t length)
{
    z_stream stream = {0};
    struct blob blob = {.bytes = malloc(length + length / 100 + 600)};

    assert_non_null(blob.bytes);
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (unsigned)length;
    stream.next_out = (unsigned char *)blob.bytes;
    stream.avail_out = (unsigned)(length + length / 100 + 600);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    blob.length = stream.total_out;
    deflateEnd(&stream);
    return blob;
}

typedef struct blob pack_fn(const char *data, size_t length);

static struct blob join(struct blob a, struct blob b)
{
    a.bytes = realloc(a.bytes, a.length + b.length + 1);
    assert_non_null(a.bytes);
    memcpy(a.bytes + a.length, b.bytes, b.length);
    a.length += b.length;
    free(b.bytes);
    return a;
}

static struct blob text_blob(const char *bytes, size_t length)
{
    struct blob blob = {.bytes = malloc(length + 1), .length = length};

    assert_non_null(blob.bytes);
    memcpy(blob.bytes, bytes, length);
    return blob;
}

/* Opens the bytes as a file of their own. */
static int open_blob(struct byte_source **source, const char *bytes, size_t length,
                     struct fault *why)
{
    char path[64];
    int fd = memfd_create("bytes_test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int err = bytes_open(source, path, why);
    close(fd);
    return err;
}

/* Reads everything in pieces of `step`; returns the last result, and what came before it. */
static ssize_t read_all(struct byte_source *source, size_t step, struct blob *out,
                        struct fault *why)
{
    ssize_t got;

    size_t capacity = 2 * step;
    *out = (struct blob){.bytes = malloc(capacity)};
    assert_non_null(out->bytes);
    while ((got = bytes_read(source, out->bytes + out->length, step, why)) > 0) {
        assert_true((size_t)got <= step);
        out->length += (size_t)got;
        if (capacity - out->length < step) {
            capacity *= 2;
            out->bytes = realloc(out->bytes, capacity);
            assert_non_null(out->bytes);
        }
    }
    return got;
}

static void expect_content(struct blob packed, const char *data, size_t length, size_t step)
{
    struct byte_source *source;
    struct fault why;
    struct blob out;

    assert_int_equal(open_blob(&source, packed.bytes, packed.length, &why), 0);
    assert_int_equal(bytes_total(source), packed.length);
    assert_int_equal(read_all(source, step, &out, &why), 0);
    assert_int_equal(out.length, length);
    assert_memory_equal(out.bytes, data, length);
    assert_int_equal(bytes_consumed(source), packed.length);
    assert_int_equal(bytes_read(source, out.bytes, step, &why), 0);
    free(out.bytes);
    bytes_close(&source);
    assert_null(source);
}

/* Reads until the error, which has to come, and again. */
static size_t expect_error(struct blob packed, int err, const char *message)
{
    struct byte_source *source;
    struct fault why, again;
    struct blob out;

    assert_int_equal(open_blob(&source, packed.bytes, packed.length, &why), 0);
    assert_int_equal(read_all(source, 1000, &out, &why), -err);
    if (!strstr(why.text, message) || !strstr(why.text, "/proc/self/fd/"))
        fail_msg("\"%s\" does not say \"%s\" and the file", why.text, message);
    assert_int_equal(bytes_read(source, out.bytes, 1000, &again), -err);
    assert_string_equal(why.text, again.text);
    size_t length = out.length;
    free(out.bytes);
    bytes_close(&source);
    return length;
}

static void test_bytes_reads_every_format(void **state)
{
    static const size_t steps[] = {1000, 4096, (size_t)256 << 10, (size_t)16 << 20};
    char *data = make_data(DATA_BYTES);
    struct blob plain = text_blob(data, DATA_BYTES), bzip2 = pack_bzip2(data, DATA_BYTES),
                gzip = pack_gzip(data, DATA_BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        expect_content(plain, data, DATA_BYTES, steps[i]);
        expect_content(bzip2, data, DATA_BYTES, steps[i]);
        expect_content(gzip, data, DATA_BYTES, steps[i]);
    }
    free(plain.bytes);
    free(bzip2.bytes);
    free(gzip.bytes);
    free(data);
}

static void test_bytes_reads_in_single_bytes(void **state)
{
    static const char text[] = "abc";
    pack_fn *const packs[] = {text_blob, pack_bzip2, pack_gzip};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct blob packed = packs[i](text, 3);
        expect_content(packed, text, 3, 1);
        free(packed.bytes);
    }
}

static void test_bytes_joins_streams(void **state)
{
    pack_fn *const packs[] = {pack_bzip2, pack_gzip};
    char *data = make_data(50000);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct blob packed = packs[i](data, 100);
        size_t at = 100;
        /* An empty stream in the middle is a stream like others. */
        packed = join(packed, packs[i]("", 0));
        for (size_t length = 1; at < 50000; at += length, length *= 3) {
            if (length > 50000 - at)
                length = 50000 - at;
            packed = join(packed, packs[i](data + at, length));
        }
        expect_content(packed, data, 50000, 4096);
        /* Zero bytes at the end are padding. */
        static const char zeros[2000];
        packed = join(packed, text_blob(zeros, sizeof(zeros)));
        expect_content(packed, data, 50000, 4096);
        free(packed.bytes);
    }
    free(data);
}

static void test_bytes_of_empty_streams_are_none(void **state)
{
    (void)state;
    struct blob bzip2 = pack_bzip2("", 0), gzip = pack_gzip("", 0);
    expect_content(bzip2, "", 0, 100);
    expect_content(gzip, "", 0, 100);
    free(bzip2.bytes);
    free(gzip.bytes);
}

static void test_bytes_cut_off_anywhere(void **state)
{
    pack_fn *const packs[] = {pack_bzip2, pack_gzip};
    char *data = make_data(300);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct blob first = packs[i](data, 100), second = packs[i](data + 100, 200);
        size_t boundary = first.length;
        struct blob packed = join(first, second);
        for (size_t length = 4; length < packed.length; length++) {
            struct blob cut = {.bytes = packed.bytes, .length = length};
            if (length == boundary) {
                expect_content(cut, data, 100, 50);
                continue;
            }
            size_t before = expect_error(cut, EBADMSG, "cut off");
            assert_true(length < boundary ? before <= 100 : before >= 100);
        }
        free(packed.bytes);
    }
    free(data);
}

static void test_bytes_checks_checksums(void **state)
{
    char *data = make_data(5000);
    struct blob bzip2 = pack_bzip2(data, 5000), gzip = pack_gzip(data, 5000);

    (void)state;
    bzip2.bytes[12] ^= 1; /* checksum of the first block */
    expect_error(bzip2, EBADMSG, "damaged bzip2 data");
    gzip.bytes[gzip.length - 6] ^= 1; /* checksum of the member */
    expect_error(gzip, EBADMSG, "damaged gzip data");
    free(bzip2.bytes);
    free(gzip.bytes);
    free(data);
}

static void test_bytes_survives_any_flipped_byte(void **state)
{
    pack_fn *const packs[] = {pack_bzip2, pack_gzip};
    char *data = make_data(300);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct blob packed = packs[i](data, 300);
        /* Not the magic, which would make it another format; gzip has header fields, and bzip2
         * padding bits at the end, that nothing guards. */
        for (size_t at = 4; at < packed.length - 1; at++) {
            struct byte_source *source;
            struct fault why;
            struct blob out;
            packed.bytes[at] ^= 0x55;
            assert_int_equal(open_blob(&source, packed.bytes, packed.length, &why), 0);
            ssize_t result = read_all(source, 300, &out, &why);
            if (i == 0 || at >= 10)
                assert_int_equal(result, -EBADMSG);
            free(out.bytes);
            bytes_close(&source);
            packed.bytes[at] ^= 0x55;
        }
        free(packed.bytes);
    }
    free(data);
}

static void test_bytes_refuses_what_follows_the_last_stream(void **state)
{
    pack_fn *const packs[] = {pack_bzip2, pack_gzip};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct blob packed = join(packs[i]("hello", 5), text_blob("garbage!!", 9));
        assert_int_equal(expect_error(packed, EBADMSG, "garbage at the end"), 5);
        free(packed.bytes);
    }
}

static void expect_refusal(const char *bytes, size_t length, int err, const char *message)
{
    struct byte_source *source;
    struct fault why;

    assert_int_equal(open_blob(&source, bytes, length, &why), -err);
    assert_null(source);
    assert_non_null(strstr(why.text, message));
}

static void test_bytes_refuses_at_opening(void **state)
{
    struct byte_source *source;
    struct fault why;

    (void)state;
    expect_refusal("", 0, ENODATA, "is empty");
    expect_refusal("7z\xbc\xaf\x27\x1c....", 10, ENOTSUP, "7-Zip");
    expect_refusal("\xfd"
                   "7zXZ\0...",
                   9, ENOTSUP, "xz file");
    expect_refusal("\x28\xb5\x2f\xfd....", 8, ENOTSUP, "zstd");
    assert_int_equal(bytes_open(&source, "/nonexistent/dump.xml", &why), -ENOENT);
    assert_string_equal(why.text, "/nonexistent/dump.xml: cannot open: No such file or directory");
    assert_null(source);
    assert_int_equal(bytes_open(&source, "/proc", &why), -EISDIR);
    assert_string_equal(why.text, "/proc: is a directory, not a file");
    assert_null(source);
    bytes_close(&source);
}

static void test_bytes_knows_short_files_as_plain(void **state)
{
    static const char *const texts[] = {"B", "BZ", "BZh", "BZh0xxxxxx", "\x1f", "<"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct blob plain = text_blob(texts[i], strlen(texts[i]));
        expect_content(plain, texts[i], strlen(texts[i]), 10);
        free(plain.bytes);
    }
}

static void test_bytes_reads_a_pipe(void **state)
{
    char *data = make_data(20000), path[64];
    struct blob packed = pack_bzip2(data, 20000), out;
    struct byte_source *source;
    struct fault why;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], packed.bytes, packed.length), (ssize_t)packed.length);
    close(ends[1]);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    assert_int_equal(bytes_open(&source, path, &why), 0);
    close(ends[0]);
    assert_int_equal(bytes_total(source), 0);
    assert_string_equal(bytes_name(source), path);
    assert_int_equal(read_all(source, 777, &out, &why), 0);
    assert_int_equal(out.length, 20000);
    assert_memory_equal(out.bytes, data, 20000);
    assert_int_equal(bytes_consumed(source), packed.length);
    bytes_close(&source);
    free(out.bytes);
    free(packed.bytes);
    free(data);
}

static void test_bytes_consumed_grows_while_reading(void **state)
{
    char *data = make_data(DATA_BYTES), *buffer = malloc(100000);
    struct blob packed = pack_bzip2(data, DATA_BYTES);
    struct byte_source *source;
    struct fault why;
    uint64_t last = 0, steps = 0;

    (void)state;
    assert_non_null(buffer);
    assert_int_equal(open_blob(&source, packed.bytes, packed.length, &why), 0);
    while (bytes_read(source, buffer, 100000, &why) > 0) {
        assert_true(bytes_consumed(source) >= last);
        steps += bytes_consumed(source) > last;
        last = bytes_consumed(source);
    }
    assert_true(steps > 5);
    assert_int_equal(last, packed.length);
    bytes_close(&source);
    free(packed.bytes);
    free(buffer);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_reads_every_format),
        cmocka_unit_test(test_bytes_reads_in_single_bytes),
        cmocka_unit_test(test_bytes_joins_streams),
        cmocka_unit_test(test_bytes_of_empty_streams_are_none),
        cmocka_unit_test(test_bytes_cut_off_anywhere),
        cmocka_unit_test(test_bytes_checks_checksums),
        cmocka_unit_test(test_bytes_survives_any_flipped_byte),
        cmocka_unit_test(test_bytes_refuses_what_follows_the_last_stream),
        cmocka_unit_test(test_bytes_refuses_at_opening),
        cmocka_unit_test(test_bytes_knows_short_files_as_plain),
        cmocka_unit_test(test_bytes_reads_a_pipe),
        cmocka_unit_test(test_bytes_consumed_grows_while_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
