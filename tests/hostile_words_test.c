/* SPDX-License-Identifier: MIT
 *
 * Text and queries that nobody means: what splits words, cuts passages and snippets and reads
 * queries takes linear time, and gives nothing but valid UTF-8 inside of what it was given.
 */
#include "shm/passages.h"
#include "shm/words.h"
#include "tests/under.h"
#include "worker/snippet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

#include <cmocka.h>

#define PIECE(text)                                                                                \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

/* Repeated until a text is full. */
static const struct {
    const char *bytes;
    size_t length;
} PIECES[] = {
    PIECE("x"),
    PIECE("e\u0301"),
    PIECE("\u0301"),                    /* marks without a letter */
    PIECE("a\u0345\u0301\u0316"),       /* that are to be put in order */
    PIECE("\u202e\u2066a\u2069\u202c"), /* bidirectional controls */
    PIECE("\u200d\u200c"),              /* joiners */
    PIECE("\xed\xa0\x80"),              /* half of a surrogate pair */
    PIECE("\xed\xa0\xbd\xed\xb8\x80"),  /* a whole one */
    PIECE("\0"),
    PIECE("a\0"),
    PIECE("\xff\xfe"),
    PIECE("\xf0\x9f\x98"), /* cut short */
    PIECE("\u65e5"),
    PIECE("\u1100\u1161\u11a8"), /* letters that become a syllable */
    PIECE("\uff8a\uff9f"),
    PIECE("\ufdfa"), /* one character that folds to eighteen */
    PIECE("\U000e0001"),
    PIECE("\""),
    PIECE("+"),
    PIECE("-\""),
    PIECE("\"a "),
    PIECE("a* "),
    PIECE("intitle:"),
    PIECE("+intitle:\"b\" "),
    PIECE("\n"),
    PIECE(". A"),
};
enum { PIECE_COUNT = sizeof PIECES / sizeof *PIECES };

static void fill(char *text, size_t bytes, size_t piece)
{
    for (size_t at = 0; at < bytes; at++)
        text[at] = PIECES[piece].bytes[at % PIECES[piece].length];
}

static void expect_utf8(const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at,
                                                    (utf8proc_ssize_t)(length - at), &c);
        assert_true(n > 0);
        at += (size_t)n;
    }
}

static void split(const char *text, size_t length)
{
    static struct words words;
    struct word word;
    words_init(&words, text, length);
    while (words_next(&words, &word)) {
        assert_true(word.length > 0 && word.length <= WORD_MAX_BYTES);
        assert_true(word.start < word.end && word.end <= length);
        expect_utf8(word.bytes, word.length);
    }
}

static void cut(const char *text, size_t length)
{
    uint32_t *starts = malloc((length / PASSAGE_LEAST + 1) * sizeof *starts);
    assert_non_null(starts);
    const uint32_t count = passages_cut(text, (uint32_t)length, starts);
    assert_int_equal(starts[0], 0);
    for (uint32_t i = 0; i < count; i++) {
        const size_t end = i + 1 < count ? starts[i + 1] : length;
        assert_true(end > starts[i] && end - starts[i] <= PASSAGE_MOST);
    }
    free(starts);
}

static void ask(const char *text, size_t length)
{
    struct search_query query;
    struct fault why;
    const int rc = search_query_parse(&query, text, length, NULL, &why);
    assert_true(rc == 0 || rc == -EINVAL);
    if (rc)
        return;
    for (uint32_t i = 0; i < query.word_count; i++) {
        const struct text_ref word = search_query_word(&query, i);
        expect_utf8(word.bytes, word.length);
    }
    search_query_fini(&query);
}

static void show(const char *text, size_t length)
{
    struct search_query query;
    struct snippet snippet;
    struct fault why;
    assert_int_equal(search_query_parse(&query, "a b* \u65e5", 9, NULL, &why), 0);
    snippet_find(&query, NULL, text, length, 0, length, length / 2, &snippet);
    assert_true(snippet.start <= length && snippet.length <= length - snippet.start);
    for (unsigned i = 0; i < snippet.mark_count; i++)
        assert_true(snippet.marks[i].end <= snippet.length);
    search_query_fini(&query);
}

static double best_seconds(void (*take)(const char *, size_t), const char *text, size_t length)
{
    double best = 1e9;
    for (int trial = 0; trial < 3; trial++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        take(text, length);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        const double seconds =
            (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void expect_linear(const char *name, void (*take)(const char *, size_t))
{
    const size_t half = (size_t)(under_valgrind() ? 8 : 64) << 10;
    char *text = malloc(2 * half);
    assert_non_null(text);
    for (size_t piece = 0; piece < PIECE_COUNT; piece++) {
        double once, twice;
        int attempts = 5; /* the machine may be busy with something else */
        fill(text, 2 * half, piece);
        do {
            once = best_seconds(take, text, half);
            twice = best_seconds(take, text, 2 * half);
        } while (twice > 3.5 * once + 20e-6 && --attempts > 0);
        if (attempts == 0)
            fail_msg("%s, piece %zu: %.6f s for %zu bytes, %.6f s for twice as many", name, piece,
                     once, half, twice);
    }
    free(text);
}

static void test_words(void **state)
{
    (void)state;
    expect_linear("words", split);
}

static void test_passages(void **state)
{
    (void)state;
    expect_linear("passages", cut);
}

static void test_queries(void **state)
{
    (void)state;
    expect_linear("queries", ask);
}

static void test_snippets(void **state)
{
    (void)state;
    expect_linear("snippets", show);
}

/* Each length up to some: what is cut at its end. */
static void test_every_end(void **state)
{
    (void)state;
    char text[64];
    for (size_t piece = 0; piece < PIECE_COUNT; piece++) {
        fill(text, sizeof text, piece);
        for (size_t length = 1; length <= sizeof text; length++) {
            char *exact = malloc(length); /* so that a sanitizer sees a byte too far */
            assert_non_null(exact);
            memcpy(exact, text, length);
            split(exact, length);
            cut(exact, length);
            ask(exact, length);
            show(exact, length);
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),     cmocka_unit_test(test_passages),
        cmocka_unit_test(test_queries),   cmocka_unit_test(test_snippets),
        cmocka_unit_test(test_every_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
