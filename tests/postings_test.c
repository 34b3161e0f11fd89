/* SPDX-License-Identifier: MIT */
#include "shm/postings_build.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t random_below(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 32) * below >> 32);
}

static void test_packs_give_back_what_was_put(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int round = 0; round < 4000; round++) {
        const unsigned count = round % 3 ? 128 : 1 + random_below(&random, 128);
        const unsigned width = random_below(&random, 33);
        uint32_t values[128], back[PACKED_COUNT];
        for (unsigned i = 0; i < count; i++) {
            values[i] = width ? random_below(&random, UINT32_MAX) >> (32 - width) : 0;
            if (random_below(&random, 20) == 0)
                values[i] = random_below(&random, UINT32_MAX) >> random_below(&random, 32);
        }
        unsigned char *packed = malloc(PACKED_MAX_BYTES + PACKED_SLACK);
        assert_non_null(packed);
        const size_t bytes = packed_put(values, count, packed);
        assert_true(bytes <= PACKED_MAX_BYTES);
        /* Exactly as much memory as is promised. */
        unsigned char *exact = malloc(bytes + PACKED_SLACK);
        assert_non_null(exact);
        memcpy(exact, packed, bytes);
        assert_ptr_equal(packed_get(exact, count, back), exact + bytes);
        assert_int_equal(packed_bytes(exact, count), bytes);
        assert_memory_equal(back, values, count * sizeof *values);
        free(packed);
        free(exact);
    }
}

#define PAGES 700
#define WORDS 60

struct corpus {
    char *texts[PAGES];
    uint8_t words[PAGES][400]; /* 0 ends */
};

/* Word w is in every (w + 1)th page or so, some often. */
static void make_corpus(struct corpus *corpus)
{
    uint64_t random = 3;
    for (uint32_t page = 0; page < PAGES; page++) {
        char text[4096] = "";
        unsigned count = 0;
        for (unsigned w = 1; w < WORDS; w++) {
            if (random_below(&random, w) > 0)
                continue;
            const unsigned times = 1 + (random_below(&random, 8) ? 0 : random_below(&random, 20));
            for (unsigned i = 0; i < times && count < 390; i++)
                corpus->words[page][count++] = (uint8_t)w;
        }
        for (unsigned i = count; i > 1; i--) {
            const unsigned j = random_below(&random, i);
            const uint8_t other = corpus->words[page][j];
            corpus->words[page][j] = corpus->words[page][i - 1];
            corpus->words[page][i - 1] = other;
        }
        for (unsigned i = 0; i < count; i++)
            sprintf(text + strlen(text), "%sw%u", i ? " " : "", corpus->words[page][i]);
        corpus->texts[page] = strdup(text);
    }
}

static void build(const struct corpus *corpus, size_t budget, struct postings_built *built)
{
    struct postings_build *build;
    struct fault why;
    assert_int_equal(postings_build_create(&build, "/tmp", budget, &why), 0);
    for (uint32_t page = 0; page < PAGES; page++) {
        char name[32];
        snprintf(name, sizeof name, "Page %" PRIu32 " w1", page);
        assert_int_equal(postings_build_add(build, name, strlen(name), corpus->texts[page],
                                            strlen(corpus->texts[page]), NULL, &why),
                         0);
    }
    assert_int_equal(postings_build_finish(build, built, &why), 0);
    postings_build_destroy(&build);
}

static void check_word(const struct search_view *view, const struct corpus *corpus, unsigned w)
{
    static struct postings p;
    struct word_entry entry;
    char key[16];
    uint32_t pages = 0, expected_pages = 0;
    const int length = snprintf(key, sizeof key, "w%u", w);
    for (uint32_t page = 0; page < PAGES; page++)
        expected_pages += strchr((const char *)corpus->words[page], (int)w) != NULL;
    assert_int_equal(word_list_find(&view->words, key, (size_t)length, &entry), expected_pages > 0);
    if (!expected_pages)
        return;
    assert_int_equal(entry.pages, expected_pages);
    postings_open(&p, &entry);
    for (uint32_t page = postings_next(&p); page != POSTINGS_END; page = postings_next(&p)) {
        uint32_t positions[400], tf = 0;
        const uint8_t *words = corpus->words[page];
        assert_true(postings_tf(&p) < 400);
        postings_positions(&p, positions);
        for (uint32_t i = 0; words[i]; i++)
            if (words[i] == w)
                assert_int_equal(positions[tf++], i);
        assert_int_equal(postings_tf(&p), tf);
        assert_true(tf > 0);
        assert_true(
            search_impact(&view->norms[FIELD_BODY], tf, search_length(view, FIELD_BODY, page)) <=
            postings_bound(&p, &view->norms[FIELD_BODY], p.block));
        pages++;
    }
    assert_int_equal(pages, expected_pages);

    /* Seeking finds what walking finds, from any step to any other. */
    uint64_t random = w;
    for (int round = 0; round < 50; round++) {
        postings_open(&p, &entry);
        uint32_t at = 0;
        for (;;) {
            at += random_below(&random, 1 + random_below(&random, 200));
            uint32_t due = at;
            while (due < PAGES && !strchr((const char *)corpus->words[due], (int)w))
                due++;
            const uint32_t found = postings_seek(&p, at);
            assert_int_equal(found, due < PAGES ? due : POSTINGS_END);
            if (found == POSTINGS_END)
                break;
            assert_int_equal(postings_page(&p), found);
            at = found;
        }
    }
}

static void test_lists_hold_what_the_pages_hold(void **state)
{
    (void)state;
    static struct corpus corpus;
    make_corpus(&corpus);
    struct postings_built whole, in_runs;
    build(&corpus, 0, &whole);
    build(&corpus, 20000, &in_runs);
    const struct search_view view = postings_built_view(&whole);
    for (unsigned w = 1; w < WORDS + 2; w++)
        check_word(&view, &corpus, w);

    /* Runs change nothing. */
    assert_int_equal(in_runs.postings.bytes, whole.postings.bytes);
    assert_memory_equal(in_runs.postings.data, whole.postings.data, whole.postings.bytes);
    assert_memory_equal(in_runs.positions.data, whole.positions.data, whole.positions.bytes);
    assert_memory_equal(in_runs.word_bytes.data, whole.word_bytes.data, whole.word_bytes.bytes);
    assert_memory_equal(&in_runs.info, &whole.info, sizeof whole.info);

    /* All words in order, and each found by its key; what is not there is not found. */
    struct word_cursor cursor;
    uint32_t count = 0;
    char before[WORD_KEY_BYTES + 1] = "";
    word_list_seek(&cursor, &view.words, "", 0);
    while (word_list_next(&cursor)) {
        struct word_entry entry;
        char key[WORD_KEY_BYTES + 2] = "";
        memcpy(key, cursor.key, cursor.length);
        assert_true(strcmp(before, key) < 0);
        strcpy(before, key);
        assert_true(word_list_find(&view.words, key, cursor.length, &entry));
        assert_int_equal(entry.pages, cursor.entry.pages);
        key[cursor.length] = '!';
        assert_false(word_list_find(&view.words, key, cursor.length + (size_t)1, &entry));
        count++;
    }
    assert_int_equal(count, whole.info.words);
    struct word_entry entry;
    assert_false(word_list_find(&view.words, "zzz", 3, &entry));
    assert_true(word_list_find(&view.words, "\x01page", 5, &entry));
    assert_int_equal(entry.pages, PAGES);
    word_list_seek(&cursor, &view.words, "w5", 2);
    assert_true(word_list_next(&cursor));
    assert_memory_equal(cursor.key, "w5", 2);

    postings_built_fini(&whole);
    postings_built_fini(&in_runs);
    for (uint32_t page = 0; page < PAGES; page++)
        free(corpus.texts[page]);
}

#define LETTERS   12
#define ALL_WORDS (LETTERS * LETTERS * LETTERS)

/* From every word, past those that begin like it, by one, two or three letters. */
static void test_words_that_begin_alike_are_passed_over(void **state)
{
    (void)state;
    static char text[4 * ALL_WORDS];
    struct postings_build *building;
    struct postings_built built;
    struct fault why;
    for (unsigned w = 0; w < ALL_WORDS; w++) {
        text[4 * w] = (char)('a' + w / LETTERS / LETTERS);
        text[4 * w + 1] = (char)('a' + w / LETTERS % LETTERS);
        text[4 * w + 2] = (char)('a' + w % LETTERS);
        text[4 * w + 3] = ' ';
    }
    assert_int_equal(postings_build_create(&building, "/tmp", 0, &why), 0);
    assert_int_equal(postings_build_add(building, "x", 1, text, sizeof text, NULL, &why), 0);
    assert_int_equal(postings_build_finish(building, &built, &why), 0);
    postings_build_destroy(&building);
    const struct search_view view = postings_built_view(&built);
    const unsigned alike[] = {ALL_WORDS, LETTERS * LETTERS, LETTERS, 1};
    for (unsigned w = 0; w < ALL_WORDS; w++)
        for (uint32_t letters = 0; letters <= 3; letters++) {
            struct word_cursor cursor;
            const unsigned next = (w / alike[letters] + 1) * alike[letters];
            word_list_seek(&cursor, &view.words, text + (size_t)4 * w, 3);
            assert_true(word_list_next(&cursor));
            assert_memory_equal(cursor.key, text + (size_t)4 * w, 3);
            word_list_pass(&cursor, letters);
            assert_int_equal(word_list_next(&cursor), next < ALL_WORDS);
            if (next < ALL_WORDS)
                assert_memory_equal(cursor.key, text + (size_t)4 * next, 3);
            if (next + 1 < ALL_WORDS) { /* and it goes on from there */
                assert_true(word_list_next(&cursor));
                assert_memory_equal(cursor.key, text + (size_t)4 * (next + 1), 3);
            }
        }
    postings_built_fini(&built);
}

/* What stands among the words, without a list; and the longest key there is. */
static void test_words_of_one_page(void **state)
{
    (void)state;
    static struct postings p;
    struct postings_build *build;
    struct postings_built built;
    struct word_entry entry;
    struct fault why;
    char name[WORD_MAX_BYTES];
    memset(name, 'a', sizeof name);
    assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
    assert_int_equal(postings_build_add(build, "n", 1, "x y", 3, NULL, &why), 0);
    assert_int_equal(
        postings_build_add(build, name, sizeof name, "twice x once y twice", 20, NULL, &why), 0);
    assert_int_equal(postings_build_finish(build, &built, &why), 0);
    postings_build_destroy(&build);
    const struct search_view view = postings_built_view(&built);
    assert_int_equal(built.postings.bytes, 2 + PACKED_SLACK); /* of x and y */

    assert_true(word_list_find(&view.words, "once", 4, &entry));
    postings_open(&p, &entry);
    uint32_t positions[2];
    assert_int_equal(postings_next(&p), 1);
    assert_int_equal(postings_tf(&p), 1);
    postings_positions(&p, positions);
    assert_int_equal(positions[0], 2);
    assert_int_equal(postings_next(&p), POSTINGS_END);

    assert_true(word_list_find(&view.words, "twice", 5, &entry));
    postings_open(&p, &entry);
    assert_int_equal(postings_seek(&p, 1), 1);
    assert_int_equal(postings_tf(&p), 2);
    for (int again = 0; again < 2; again++) {
        postings_positions(&p, positions);
        assert_int_equal(positions[0], 0);
        assert_int_equal(positions[1], 4);
    }
    assert_int_equal(postings_seek(&p, 2), POSTINGS_END);

    char key[WORD_KEY_BYTES] = "\x01";
    memcpy(key + 1, name, sizeof name);
    assert_true(word_list_find(&view.words, key, sizeof key, &entry));
    assert_int_equal(entry.page, 1);
    struct word_cursor cursor;
    word_list_seek(&cursor, &view.words, "", 0);
    assert_true(word_list_next(&cursor));
    assert_int_equal(cursor.length, WORD_KEY_BYTES);
    assert_true(word_list_next(&cursor));
    assert_memory_equal(cursor.key, "\x01n", 2);
    postings_built_fini(&built);
}

/* A page with so many words that their positions are in many packs, read forwards and backwards;
 * and lengths of every width. */
static void test_long_pages(void **state)
{
    (void)state;
    static const uint32_t words[] = {200, 60000, 70000};
    for (unsigned width = 0; width < 3; width++) {
        static struct postings p;
        struct postings_build *build;
        struct postings_built built;
        struct word_entry entry;
        struct fault why;
        const uint32_t count = words[width];
        char *text = malloc(2 * (size_t)count + 1);
        uint32_t *positions = malloc(count * sizeof *positions);
        assert_true(text && positions);
        for (uint32_t i = 0; i < count; i++)
            memcpy(text + (size_t)2 * i, i % 3 ? "a " : "b ", 2);
        assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
        assert_int_equal(postings_build_add(build, "n", 1, "a", 1, NULL, &why), 0);
        assert_int_equal(postings_build_add(build, "m", 1, text, 2 * (size_t)count, NULL, &why), 0);
        assert_int_equal(postings_build_finish(build, &built, &why), 0);
        postings_build_destroy(&build);
        const struct search_view view = postings_built_view(&built);
        assert_int_equal(view.lengths[FIELD_BODY].width, 1 << width);
        assert_int_equal(search_length(&view, FIELD_BODY, 0), 1);
        assert_int_equal(search_length(&view, FIELD_BODY, 1), count);
        assert_int_equal(search_length(&view, FIELD_NAME, 1), 1);
        assert_true(word_list_find(&view.words, "a", 1, &entry));
        postings_open(&p, &entry);
        assert_int_equal(postings_seek(&p, 1), 1);
        for (int again = 0; again < 2; again++) {
            postings_positions(&p, positions);
            for (uint32_t i = 0; i < postings_tf(&p); i++)
                assert_int_equal(positions[i], 3 * (i / 2) + 1 + i % 2);
        }
        postings_built_fini(&built);
        free(text);
        free(positions);
    }
}

static void test_an_index_of_no_words(void **state)
{
    (void)state;
    struct postings_build *build;
    struct postings_built built;
    struct word_entry entry;
    struct fault why;
    assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
    assert_int_equal(postings_build_add(build, "", 0, "...", 3, NULL, &why), 0);
    assert_int_equal(postings_build_finish(build, &built, &why), 0);
    const struct search_view view = postings_built_view(&built);
    assert_int_equal(built.info.words, 0);
    assert_false(word_list_find(&view.words, "a", 1, &entry));
    postings_build_destroy(&build);
    postings_built_fini(&built);
}

static void test_a_folder_that_is_missing(void **state)
{
    (void)state;
    struct postings_build *build;
    struct fault why = {""};
    assert_int_equal(postings_build_create(&build, "/nonexistent", 1, &why), 0);
    assert_true(postings_build_add(build, "a", 1, "b", 1, NULL, &why) < 0);
    assert_non_null(strstr(why.text, "/nonexistent"));
    postings_build_destroy(&build);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packs_give_back_what_was_put),
        cmocka_unit_test(test_lists_hold_what_the_pages_hold),
        cmocka_unit_test(test_words_that_begin_alike_are_passed_over),
        cmocka_unit_test(test_words_of_one_page),
        cmocka_unit_test(test_long_pages),
        cmocka_unit_test(test_an_index_of_no_words),
        cmocka_unit_test(test_a_folder_that_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
