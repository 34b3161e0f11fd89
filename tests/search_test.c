/* SPDX-License-Identifier: MIT
 *
 * Searching small wikis at random: against scores added up word by word from the texts, with
 * pruning and without.
 */
#include "shm/postings_build.h"
#include "worker/search.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST 60

struct wiki {
    uint32_t count;
    uint8_t (*body)[LONGEST]; /* word numbers from 1 on, 0 ends */
    uint8_t (*name)[LONGEST];
    uint32_t *positions;
    struct page *pages;
    struct index_meta meta;
    struct postings_built built;
    struct index_view view;
    struct search_engine *engine;
    unsigned vocabulary;
    unsigned having[2][256]; /* pages that have the word, by field */
    double total[2];
};

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 32) * n >> 32);
}

/* Low numbers are frequent. Words are named so that prefixes join several: w1, w10, w11 ... */
static unsigned any_word(unsigned vocabulary)
{
    return 1 + below(1 + below(1 + below(vocabulary)));
}

static void *room(size_t count, size_t bytes)
{
    void *memory = calloc(count + 1, bytes);
    assert_non_null(memory);
    return memory;
}

static void write_words(const uint8_t *words, char *text)
{
    *text = '\0';
    for (unsigned i = 0; words[i]; i++)
        text += sprintf(text, "%sw%u", i ? " " : "", words[i]);
}

static void wiki_init(struct wiki *w, uint32_t count, unsigned vocabulary, unsigned longest,
                      bool ids_ascend)
{
    struct postings_build *build;
    struct fault why;
    *w = (struct wiki){.count = count, .vocabulary = vocabulary};
    w->body = room(count, LONGEST);
    w->name = room(count, LONGEST);
    w->pages = room(count, sizeof *w->pages);
    w->positions = room(count, sizeof *w->positions);
    assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
    for (uint32_t v = 0; v < count; v++) {
        char body[LONGEST * 6], name[LONGEST * 6];
        const unsigned words = below(longest), name_words = 1 + below(4);
        for (unsigned i = 0; i < words; i++)
            w->body[v][i] = (uint8_t)any_word(vocabulary);
        for (unsigned i = 0; i < name_words; i++)
            w->name[v][i] = (uint8_t)any_word(vocabulary);
        write_words(w->body[v], body);
        write_words(w->name[v], name);
        assert_int_equal(
            postings_build_add(build, name, strlen(name), body, strlen(body), NULL, &why), 0);
        for (unsigned word = 1; word < 256; word++) {
            w->having[0][word] += strchr((const char *)w->body[v], (int)word) != NULL;
            w->having[1][word] += strchr((const char *)w->name[v], (int)word) != NULL;
        }
        w->total[0] += words;
        w->total[1] += name_words;
        w->pages[v].id = ids_ascend ? 10 + 3 * (uint64_t)v : 10 + (v * UINT64_C(7919)) % 10007;
        w->positions[v] = (v * 31 + 7) % count;
    }
    assert_int_equal(postings_build_finish(build, &w->built, &why), 0);
    postings_build_destroy(&build);
    w->built.info.ids_ascend = ids_ascend;
    w->meta.page_count = count;
    w->view = (struct index_view){.meta = &w->meta, .pages = w->pages};
    w->view.rank.positions = w->positions;
    w->view.search = postings_built_view(&w->built);
    assert_int_equal(search_engine_create(&w->engine, &w->view), 0);
}

static void wiki_fini(struct wiki *w)
{
    search_engine_destroy(&w->engine);
    postings_built_fini(&w->built);
    free(w->body);
    free(w->name);
    free(w->pages);
    free(w->positions);
}

/* --- By hand ---------------------------------------------------------------------------------- */

static unsigned count_of(const uint8_t *words)
{
    return (unsigned)strlen((const char *)words);
}

/* How often the words follow each other. */
static unsigned frequency(const uint8_t *text, const uint8_t *words, unsigned count)
{
    unsigned found = 0;
    const unsigned length = count_of(text);
    for (unsigned i = 0; i + count <= length; i++)
        found += memcmp(text + i, words, count) == 0;
    return found;
}

static double field_score(const struct wiki *w, const uint8_t (*texts)[LONGEST], uint32_t page,
                          const uint8_t *words, unsigned count, bool *matches)
{
    const int field = texts != (const uint8_t(*)[LONGEST])w->body;
    const double total = w->total[field];
    double idf = 0;
    const unsigned tf = frequency(texts[page], words, count);
    for (unsigned i = 0; i < count; i++) {
        const unsigned pages = w->having[field][words[i]];
        idf += log(1 + (w->count - pages + 0.5) / (pages + 0.5));
    }
    *matches |= tf > 0;
    return idf * tf / (tf + 1.2 * (0.25 + 0.75 * count_of(texts[page]) / (total / w->count)));
}

static bool starts_so(unsigned word, unsigned prefix)
{
    char a[8], b[8];
    sprintf(a, "w%u", word);
    sprintf(b, "w%u", prefix);
    return strncmp(a, b, strlen(b)) == 0;
}

struct part {
    char sign;
    bool in_title, open;
    unsigned count;
    uint8_t words[4];
};

static double part_score(const struct wiki *w, const struct part *part, uint32_t page,
                         const struct search_options *options, bool *matches)
{
    const uint8_t(*body)[LONGEST] = (const uint8_t(*)[LONGEST])w->body;
    const uint8_t(*name)[LONGEST] = (const uint8_t(*)[LONGEST])w->name;
    const bool in_body = !part->in_title, in_name = part->in_title || !options->bm25;
    double score = 0;
    *matches = false;
    if (part->open) {
        for (unsigned i = 0; in_body && i < count_of(body[page]); i++)
            *matches |= starts_so(body[page][i], part->words[0]);
        for (unsigned i = 0; in_name && i < count_of(name[page]); i++)
            *matches |= starts_so(name[page][i], part->words[0]);
        return *matches ? 1 : 0;
    }
    if (in_body)
        score += field_score(w, body, page, part->words, part->count, matches);
    if (in_name)
        score += (options->bm25 ? 1 : options->title_weight) *
                 field_score(w, name, page, part->words, part->count, matches);
    return score;
}

static bool page_score(const struct wiki *w, const struct part *parts, unsigned count,
                       uint32_t page, const struct search_options *options, double *score)
{
    bool any = false, musts = false;
    *score = 0;
    for (unsigned i = 0; i < count; i++) {
        bool matches;
        const double share = part_score(w, &parts[i], page, options, &matches);
        if (matches ? parts[i].sign == '-' : parts[i].sign == '+')
            return false;
        musts |= parts[i].sign == '+';
        if (parts[i].sign != '-') {
            any |= matches;
            *score += share;
        }
    }
    if (!options->bm25)
        *score += options->pagerank_weight * (1 - log1p(w->positions[page]) / log1p(w->count));
    return any || musts;
}

static void make_query(const struct wiki *w, struct part *parts, unsigned *count, char *text)
{
    *count = 1 + below(4);
    bool asks = false;
    for (unsigned i = 0; i < *count; i++) {
        struct part *part = &parts[i];
        *part = (struct part){.sign = "+-    "[below(6)], .in_title = below(8) == 0};
        part->open = below(8) == 0;
        part->count = part->open || below(3) ? 1 : 2 + below(2);
        for (unsigned j = 0; j < part->count; j++)
            part->words[j] = (uint8_t)any_word(w->vocabulary + 2);
        if (i + 1 == *count && !asks)
            part->sign = ' ';
        asks |= part->sign != '-';
        text += sprintf(text, "%c%s%s", part->sign, part->in_title ? "intitle:" : "",
                        part->count > 1 ? "\"" : "");
        for (unsigned j = 0; j < part->count; j++)
            text += sprintf(text, "%sw%u", j ? " " : "", part->words[j]);
        text += sprintf(text, "%s%s ", part->count > 1 ? "\"" : "", part->open ? "*" : "");
    }
}

static void check_query(const struct wiki *w, struct search_options options)
{
    struct part parts[4];
    unsigned count;
    char text[256];
    struct search_query query;
    struct search_result result;
    struct patience patience = {0};
    struct fault why;
    make_query(w, parts, &count, text);
    assert_int_equal(search_query_parse(&query, text, strlen(text), NULL, &why), 0);

    options.exhaustive = true;
    options.count = w->count;
    assert_int_equal(search_run(w->engine, &query, &options, &patience, &result), 0);
    uint32_t matched = 0;
    double *scores = room(w->count, sizeof *scores);
    bool *seen = room(w->count, sizeof *seen);
    for (uint32_t v = 0; v < w->count; v++)
        matched += seen[v] = page_score(w, parts, count, v, &options, &scores[v]);
    if (result.matched != matched || result.count != matched || !result.matched_all)
        fail_msg("%s: %" PRIu64 " pages instead of %" PRIu32, text, result.matched, matched);
    struct search_hit *all = room(matched, sizeof *all);
    for (uint32_t i = 0; i < matched; i++) {
        all[i] = result.hits[i];
        const uint32_t page = all[i].page;
        if (!seen[page] || fabs(scores[page] - all[i].score) > 1e-9)
            fail_msg("%s: page %" PRIu32 " has %.12f instead of %.12f", text, page, all[i].score,
                     scores[page]);
        seen[page] = false;
        if (i)
            assert_true(all[i - 1].score > all[i].score ||
                        (all[i - 1].score == all[i].score &&
                         w->pages[all[i - 1].page].id < w->pages[page].id));
    }
    options.exhaustive = false;
    for (options.count = 1; options.count < 200; options.count *= 3) {
        const uint32_t due = options.count < matched ? options.count : matched;
        assert_int_equal(search_run(w->engine, &query, &options, &patience, &result), 0);
        assert_int_equal(result.count, due);
        assert_true(result.matched <= matched &&
                    (!result.matched_all || result.matched == matched));
        for (uint32_t i = 0; i < due; i++)
            if (result.hits[i].page != all[i].page || result.hits[i].score != all[i].score)
                fail_msg("%s: pruning puts page %" PRIu32 " in place %" PRIu32, text,
                         result.hits[i].page, i);
    }
    search_query_fini(&query);
    free(scores);
    free(seen);
    free(all);
}

static void check_wiki(uint32_t count, unsigned vocabulary, unsigned longest, bool ids_ascend,
                       int queries)
{
    static const struct search_options options[] = {
        {.bm25 = true},
        {.title_weight = 2, .pagerank_weight = 2},
        {.title_weight = 0.5, .pagerank_weight = 0},
        {.title_weight = 0, .pagerank_weight = 30},
    };
    struct wiki w;
    wiki_init(&w, count, vocabulary, longest, ids_ascend);
    for (int i = 0; i < queries; i++)
        check_query(&w, options[i % 4]);
    wiki_fini(&w);
}

static void test_search_finds_what_adding_up_finds(void **state)
{
    (void)state;
    random_state = 5;
    check_wiki(1, 3, 5, true, 40);
    check_wiki(40, 12, 30, true, 300);
    check_wiki(40, 12, 30, false, 300);
    check_wiki(300, 40, LONGEST, true, 120);
    check_wiki(1500, 200, 12, true, 40);
    check_wiki(1500, 30, 4, false, 40); /* many ties */
    check_wiki(6000, 9, 7, true, 60);   /* long lists of short pages */
}

/* --- The query language ----------------------------------------------------------------------- */

static void refused(const char *text, const char *part)
{
    struct search_query query;
    struct fault why = {""};
    assert_int_equal(search_query_parse(&query, text, strlen(text), NULL, &why), -EINVAL);
    if (!strstr(why.text, part))
        fail_msg("%s: %s", text, why.text);
}

static void test_queries_that_ask_for_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const empty[] = {"",     " ",  "+",        "-",  "*",
                                        "\"\"", "\"", "intitle:", "+*", "?!"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        refused(empty[i], "no words");
    refused("-a", "only excludes");
    refused("-a -\"b c\"", "only excludes");
    char *many = room(3000, 2);
    for (int i = 0; i < 1025; i++)
        memcpy(many + (size_t)2 * (unsigned)i, "a ", 3);
    refused(many, "more than 1024 words");
    many[2 * 1024] = '\0';
    struct search_query query;
    struct fault why;
    assert_int_equal(search_query_parse(&query, many, strlen(many), NULL, &why), 0);
    assert_int_equal(query.leaf_count, 1);
    assert_true(query.leaves[0].boost == 1024);
    search_query_fini(&query);
    free(many);
}

static void test_parts_of_a_query(void **state)
{
    (void)state;
    static const char text[] = "a +\"B c\" -intitle:\"D\" Comput* wi-fi +intitle:x \"open end";
    static const struct {
        enum search_occur occur;
        enum search_leaf_kind kind;
        bool in_title;
        uint32_t count;
        const char *word;
    } expected[] = {
        {OCCUR_SHOULD, LEAF_WORD, false, 1, "a"},
        {OCCUR_MUST, LEAF_PHRASE, false, 2, "b"},
        {OCCUR_NOT, LEAF_WORD, true, 1, "d"},
        {OCCUR_SHOULD, LEAF_PREFIX, false, 1, "comput"},
        {OCCUR_SHOULD, LEAF_PHRASE, false, 2, "wi"},
        {OCCUR_MUST, LEAF_WORD, true, 1, "x"},
        {OCCUR_SHOULD, LEAF_PHRASE, false, 2, "open"},
    };
    struct search_query query;
    struct fault why;
    assert_int_equal(search_query_parse(&query, text, strlen(text), NULL, &why), 0);
    assert_int_equal(query.leaf_count, sizeof expected / sizeof *expected);
    for (uint32_t i = 0; i < query.leaf_count; i++) {
        const struct search_leaf *leaf = &query.leaves[i];
        const struct text_ref word = search_query_word(&query, leaf->first);
        assert_int_equal(leaf->occur, expected[i].occur);
        assert_int_equal(leaf->kind, expected[i].kind);
        assert_int_equal(leaf->in_title, expected[i].in_title);
        assert_int_equal(leaf->count, expected[i].count);
        assert_int_equal(word.length, strlen(expected[i].word));
        assert_memory_equal(word.bytes, expected[i].word, word.length);
    }
    search_query_fini(&query);
}

static void test_a_deadline_ends_a_search(void **state)
{
    (void)state;
    struct wiki w;
    struct search_query query;
    struct search_result result;
    struct fault why;
    random_state = 9;
    wiki_init(&w, 9000, 30, 12, true);
    assert_int_equal(search_query_parse(&query, "+w1 +w2 w3*", 11, NULL, &why), 0);
    struct patience patience = {.deadline_ns = 1};
    const struct search_options options = {.count = 10, .exhaustive = true};
    assert_int_equal(search_run(w.engine, &query, &options, &patience, &result), -ETIME);
    struct patience patient = {0};
    assert_int_equal(search_run(w.engine, &query, &options, &patient, &result), 0);
    search_query_fini(&query);
    wiki_fini(&w);
}

static void ignore_share(void *owner, const struct search_share *share)
{
    (void)owner;
    (void)share;
}

/* Two words that no page has both of: nothing is found for a whole list long. */
static void test_a_deadline_ends_a_phrase(void **state)
{
    (void)state;
    enum { PAGES = 12000 };
    struct postings_build *build;
    struct fault why;
    struct search_query query;
    struct search_result result;
    double pagerank;
    struct wiki w = {.count = PAGES};
    w.meta.page_count = PAGES;
    w.pages = room(PAGES, sizeof *w.pages);
    assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(
            postings_build_add(build, "x", 1, i % 2 ? "left" : "right", 5 - i % 2, NULL, &why), 0);
    assert_int_equal(postings_build_finish(build, &w.built, &why), 0);
    postings_build_destroy(&build);
    w.view = (struct index_view){.meta = &w.meta, .pages = w.pages};
    w.view.search = postings_built_view(&w.built);
    assert_int_equal(search_engine_create(&w.engine, &w.view), 0);
    assert_int_equal(search_query_parse(&query, "\"left right\"", 12, NULL, &why), 0);
    const struct search_options options = {.count = 10, .bm25 = true};
    struct patience late = {.deadline_ns = 1}, patient = {0};
    assert_int_equal(search_run(w.engine, &query, &options, &late, &result), -ETIME);
    assert_int_equal(
        search_explain(w.engine, &query, &options, PAGES - 1, ignore_share, NULL, &pagerank, &late),
        -ETIME);
    assert_int_equal(search_run(w.engine, &query, &options, &patient, &result), 0);
    assert_int_equal(result.matched, 0);
    search_query_fini(&query);
    wiki_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_finds_what_adding_up_finds),
        cmocka_unit_test(test_queries_that_ask_for_nothing_are_refused),
        cmocka_unit_test(test_parts_of_a_query),
        cmocka_unit_test(test_a_deadline_ends_a_search),
        cmocka_unit_test(test_a_deadline_ends_a_phrase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
