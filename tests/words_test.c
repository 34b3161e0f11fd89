/* SPDX-License-Identifier: MIT */
#include "shm/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The words with a '|' after each. */
static void expect_bytes(const char *text, size_t length, const char *expected)
{
    static struct words words;
    struct word word;
    char found[4096];
    size_t used = 0, before = 0;
    words_init(&words, text, length);
    while (words_next(&words, &word)) {
        assert_true(word.length > 0 && word.length <= WORD_MAX_BYTES);
        assert_true(word.start < word.end && word.end <= length && word.start >= before);
        before = word.start;
        assert_true(used + word.length + 1 < sizeof found);
        memcpy(found + used, word.bytes, word.length);
        used += word.length;
        found[used++] = '|';
    }
    found[used] = '\0';
    assert_string_equal(found, expected);
}

static void expect(const char *text, const char *expected)
{
    expect_bytes(text, strlen(text), expected);
}

static void test_words_are_runs_of_letters_marks_and_digits(void **state)
{
    (void)state;
    expect("", "");
    expect(" -_.!", "");
    expect("Don't stop_me: 1,000!", "don|t|stop|me|1|000|");
    expect("a", "a|");
    expect_bytes("a\0b", 3, "a|b|");
    expect("x\xe2\x80\x94y", "x|y|"); /* an em dash */
    expect("zero\xe2\x80\x8bwidth", "zero|width|");
}

static void test_words_are_folded_after_nfkc(void **state)
{
    (void)state;
    expect("Stra\xc3\x9f"
           "e \xef\xac\x81n \xc3\x80\xc3\x89",
           "strasse|fin|\xc3\xa0\xc3\xa9|");
    expect("e\xcc\x81 \xc2\xbd m\xc2\xb2", "\xc3\xa9|1|2|m2|");
    expect("\xd0\x9c\xd0\x9e\xd0\xa1\xd0\x9a\xd0\x92\xd0\x90",
           "\xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0|");
    expect("CAF\xc3\x89s and CAFE\xcc\x81S", "caf\xc3\xa9s|and|caf\xc3\xa9s|");
    expect("\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87",
           "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87|");
}

static void test_cjk_runs_are_pairs(void **state)
{
    (void)state;
    expect("x\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9ey \xe6\x9d\xb1",
           "x|\xe6\x97\xa5\xe6\x9c\xac|\xe6\x9c\xac\xe8\xaa\x9e|y|\xe6\x9d\xb1|");
    expect("\xed\x95\x9c\xea\xb5\xad", "\xed\x95\x9c\xea\xb5\xad|");
    expect("\xef\xbe\x8a\xef\xbe\x9f\xef\xbe\x9d", "\xe3\x83\x91\xe3\x83\xb3|"); /* halfwidth */
    expect("\xe6\x9d\xb1\xe3\x80\x82\xe4\xba\xac", "\xe6\x9d\xb1|\xe4\xba\xac|");
    expect("1\xe5\xb9\xb4"
           "2",
           "1|\xe5\xb9\xb4|2|");
}

static void test_one_character_may_be_many_words(void **state)
{
    (void)state;
    expect("\xe3\x8d\x87", /* a square of five katakana */
           "\xe3\x83\x9e\xe3\x83\xb3|\xe3\x83\xb3\xe3\x82\xb7|"
           "\xe3\x82\xb7\xe3\x83\xa7|\xe3\x83\xa7\xe3\x83\xb3|");
    expect("\xef\xb7\xba", /* a ligature of four Arabic words */
           "\xd8\xb5\xd9\x84\xd9\x89|\xd8\xa7\xd9\x84\xd9\x84\xd9\x87|"
           "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87|\xd9\x88\xd8\xb3\xd9\x84\xd9\x85|");
}

static void test_bytes_that_are_no_utf8_separate(void **state)
{
    (void)state;
    expect("a\xff"
           "b",
           "a|b|");
    expect("a\xc3", "a|");
    expect("\xed\xa0\x80x", "x|"); /* a surrogate */
    expect("\xf0\x9d\x94\xb8", "a|");
    expect("caf\xc3\xa9\xff\xc3\xa9", "caf\xc3\xa9|\xc3\xa9|");
}

static void test_places_of_words(void **state)
{
    (void)state;
    static struct words words;
    struct word word;
    const char *text = "An \xc3\x89t\xc3\xa9, \xe6\x97\xa5\xe6\x9c\xac.";
    words_init(&words, text, strlen(text));
    assert_true(words_next(&words, &word));
    assert_int_equal(word.start, 0);
    assert_int_equal(word.end, 2);
    assert_true(words_next(&words, &word));
    assert_int_equal(word.start, 3);
    assert_int_equal(word.end, 8);
    assert_true(words_next(&words, &word));
    assert_int_equal(word.start, 10);
    assert_int_equal(word.end, 16);
    assert_false(words_next(&words, &word));
    assert_false(words_next(&words, &word));
}

static size_t count_words(const char *text, size_t length, uint32_t *longest)
{
    static struct words words;
    struct word word;
    size_t count = 0;
    *longest = 0;
    words_init(&words, text, length);
    for (; words_next(&words, &word); count++)
        *longest = word.length > *longest ? word.length : *longest;
    return count;
}

static char *repeat(const char *unit, size_t length)
{
    char *text = malloc(length);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = unit[i % strlen(unit)];
    return text;
}

/* Megabytes without a space: one cut word, in linear time. */
static void test_long_words_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        size_t words;
        uint32_t longest;
    } cases[] = {
        {"a", 1, 254},
        {"\xc3\xa9", 1, 254},
        {"e\xcc\x81", 1, 254},
        {"a\xcc\x81\xcc\xa3\xcc\x88", 1, 254},
    };
    const size_t length = (size_t)3 << 20;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeat(cases[i].unit, length / strlen(cases[i].unit) * strlen(cases[i].unit));
        uint32_t longest;
        const struct timespec none = {0};
        struct timespec start = none, end = none;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        assert_int_equal(
            count_words(text, length / strlen(cases[i].unit) * strlen(cases[i].unit), &longest),
            cases[i].words);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        assert_true(longest <= cases[i].longest && longest > 250);
        assert_true(end.tv_sec - start.tv_sec < 20);
        free(text);
    }
}

static void test_marks_by_the_thousand(void **state)
{
    (void)state;
    const size_t length = (size_t)1 << 20;
    char *text = repeat("\xcc\x81", length);
    uint32_t longest;
    text[0] = 'a';
    text[1] = 'b';
    assert_int_equal(count_words(text, length, &longest), 1);
    assert_true(longest > 250);
    free(text);
}

/* Whatever the bytes, words are in order and their sum is the same from any allocation. */
static void test_random_bytes(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 3000; round++) {
        char *text = malloc(64);
        assert_non_null(text);
        for (int i = 0; i < 64; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const unsigned pick = (unsigned)(random >> 33);
            text[i] = (char)(pick % 3 == 0   ? pick >> 8
                             : pick % 3 == 1 ? 0xcc + (pick >> 8) % 0x20
                                             : 0x80 + (pick >> 8) % 0x40);
        }
        uint32_t longest;
        count_words(text, 64, &longest);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_runs_of_letters_marks_and_digits),
        cmocka_unit_test(test_words_are_folded_after_nfkc),
        cmocka_unit_test(test_cjk_runs_are_pairs),
        cmocka_unit_test(test_one_character_may_be_many_words),
        cmocka_unit_test(test_bytes_that_are_no_utf8_separate),
        cmocka_unit_test(test_places_of_words),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_marks_by_the_thousand),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
