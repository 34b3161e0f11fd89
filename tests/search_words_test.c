/* SPDX-License-Identifier: MIT
 *
 * What surrounds a search: snippets, suggestions of better words, and stems.
 */
#include "shm/postings_build.h"
#include "worker/search.h"
#include "worker/snippet.h"
#include "worker/suggest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 3

struct wiki {
    struct page pages[PAGES];
    struct index_meta meta;
    struct postings_built built;
    struct index_view view;
};

/* Pages of one name with these texts; `language` of their stems, or NULL. */
static void wiki_init(struct wiki *w, const char *name, const char *const texts[PAGES],
                      const char *language)
{
    struct postings_build *build;
    struct fault why;
    *w = (struct wiki){.meta.page_count = PAGES};
    assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
    if (language)
        assert_int_equal(postings_build_stem(build, language, &why), 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(
            postings_build_add(build, name, strlen(name), texts[i], strlen(texts[i]), NULL, &why),
            0);
    assert_int_equal(postings_build_finish(build, &w->built, &why), 0);
    postings_build_destroy(&build);
    w->view = (struct index_view){.meta = &w->meta, .pages = w->pages};
    w->view.search = postings_built_view(&w->built);
}

static void expect_snippet(const char *asked, const char *text, const char *part, unsigned marks)
{
    struct search_query query;
    struct snippet snippet;
    struct fault why;
    assert_int_equal(search_query_parse(&query, asked, strlen(asked), NULL, &why), 0);
    snippet_find(&query, NULL, text, strlen(text), 0, strlen(text), 0, &snippet);
    assert_true(snippet.start + snippet.length <= strlen(text));
    assert_true(snippet.length <= SNIPPET_BYTES);
    assert_int_equal(snippet.mark_count, marks);
    char shown[SNIPPET_BYTES + 1] = "";
    memcpy(shown, text + snippet.start, snippet.length);
    if (!strstr(shown, part))
        fail_msg("\"%s\" without \"%s\"", shown, part);
    search_query_fini(&query);
}

static void test_snippets(void **state)
{
    (void)state;
    char text[4000] = "";
    for (int i = 0; i < 60; i++)
        strcat(text, "Nothing is here to be seen. ");
    strcat(text, "One fish swims. Two fish eat bread! Then more.");
    for (int i = 0; i < 20; i++)
        strcat(text, " Nothing is here to be seen.");
    expect_snippet("bread fish", text, "One fish swims. Two fish eat bread!", 3);
    expect_snippet("brea*", text, "bread", 1);
    expect_snippet("absent", text, "Nothing is here", 0);
    expect_snippet("a", "", "", 0);
    expect_snippet("b", "a b", "a b", 1);
    memset(text, 'x', 3000);
    text[3000] = '\0';
    expect_snippet("y", text, "xxx", 0);
    for (int i = 0; i < 2 * SNIPPET_MARKS_MAX; i++)
        memcpy(text + 2 * i, "a ", 3);
    expect_snippet("a", text, "a", SNIPPET_MARKS_MAX);
    text[2 * SNIPPET_MARKS_MAX] = '\0';
    expect_snippet("a", text, "a", SNIPPET_MARKS_MAX);
    text[2 * SNIPPET_MARKS_MAX - 2] = '\0';
    expect_snippet("a", text, "a", SNIPPET_MARKS_MAX - 1);
    /* A square of five katakana is four words in one place. */
    expect_snippet("\xe3\x8d\x87", "one \xe3\x8d\x87 two", "\xe3\x8d\x87", 1);
}

static void expect_suggestion(const struct wiki *w, const char *word, const char *expected)
{
    char out[WORD_MAX_BYTES + 1] = "";
    struct patience patience = {0};
    const int length =
        suggest_word(&w->view, (struct text_ref){word, (uint32_t)strlen(word)}, out, &patience);
    assert_true(length >= 0);
    out[length] = '\0';
    assert_string_equal(out, expected);
}

static void test_suggestions(void **state)
{
    (void)state;
    struct wiki w;
    static const char *const texts[] = {
        ("turing machine halting stra\xc3\x9f"
         "e"),
        "turing tuning machines computer",
        "computers turing \xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0 machine"};
    wiki_init(&w, "x", texts, NULL);
    expect_suggestion(&w, "turnig", "turing");
    expect_suggestion(&w, "truing", "turing");
    expect_suggestion(&w, "machin", "machine");
    expect_suggestion(&w, "mchines", "machines");
    expect_suggestion(&w, "conputerz", "computer");
    expect_suggestion(&w, "\xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb0\xd0\xb0",
                      "\xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0");
    expect_suggestion(&w, "zzzzzzz", "");
    expect_suggestion(&w, "t", "");
    postings_built_fini(&w.built);
}

static uint64_t count_hits(struct search_engine *engine, struct stemmer *stemmer, const char *text)
{
    struct search_query query;
    struct search_result result;
    struct fault why;
    struct patience patience = {0};
    const struct search_options options = {.count = 10, .bm25 = true, .exhaustive = true};
    assert_int_equal(search_query_parse(&query, text, strlen(text), stemmer, &why), 0);
    assert_int_equal(search_run(engine, &query, &options, &patience, &result), 0);
    search_query_fini(&query);
    return result.matched;
}

static void test_stems(void **state)
{
    (void)state;
    static const char *const texts[] = {"He CONNECTED them. \u65e5\u672c\u8a9e 1960s",
                                        "a connection, connecting", "Disconnect!"};
    struct search_engine *engine;
    struct stemmer *stemmer;
    struct fault why;
    struct wiki w;
    assert_int_equal(stemmer_create(&stemmer, "klingon", &why), -EINVAL);
    assert_non_null(strstr(why.text, "klingon"));
    assert_non_null(strstr(why.text, "english"));
    assert_int_equal(stemmer_create(&stemmer, "a name too long to be recorded", &why), -EINVAL);
    assert_int_equal(stemmer_create(&stemmer, "", &why), 0);
    assert_null(stemmer);
    wiki_init(&w, "Connections", texts, "english");
    assert_string_equal(w.built.info.stemmer, "english");
    assert_int_equal(stemmer_create(&stemmer, w.view.search.info->stemmer, &why), 0);
    assert_int_equal(search_engine_create(&engine, &w.view), 0);
    assert_int_equal(count_hits(engine, stemmer, "connects"), 2);
    assert_int_equal(count_hits(engine, stemmer, "\"connections connect\""), 1);
    assert_int_equal(count_hits(engine, stemmer, "disconnecting"), 1);
    assert_int_equal(count_hits(engine, stemmer, "+connect -connections"), 0);
    assert_int_equal(count_hits(engine, stemmer, "intitle:connected"), 3);
    /* What begins so is sought among the stems, as it is. */
    assert_int_equal(count_hits(engine, stemmer, "connecti*"), 0);
    assert_int_equal(count_hits(engine, stemmer, "connec*"), 2);
    assert_int_equal(count_hits(engine, stemmer, "\u672c\u8a9e"), 1);
    assert_int_equal(count_hits(engine, NULL, "connected"), 0);

    struct search_query query;
    struct snippet snippet;
    assert_int_equal(search_query_parse(&query, "connects", 8, stemmer, &why), 0);
    snippet_find(&query, stemmer, texts[1], strlen(texts[1]), 0, strlen(texts[1]), 0, &snippet);
    assert_int_equal(snippet.mark_count, 2);
    assert_int_equal(snippet.marks[1].end - snippet.marks[1].start, strlen("connecting"));
    search_query_fini(&query);
    stemmer_destroy(&stemmer);
    search_engine_destroy(&engine);
    postings_built_fini(&w.built);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snippets),
        cmocka_unit_test(test_stems),
        cmocka_unit_test(test_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
