/* SPDX-License-Identifier: MIT
 *
 * The readable text in passages: all of it, cut between characters, each knowing its first word;
 * snippets made of them, wherever on the page the words stand; short pages, which share passages;
 * and a file that is not what it was.
 */
#include "shm/readable.h"
#include "shm/words.h"
#include "tests/build_fixture.h"
#include "worker/passage_store.h"
#include "worker/snippet.h"

#include <errno.h>

#define LONG_WORDS 60000
#define FEW        5 /* pages of their own kind; then short ones, some without text, and a long one */
#define SHORT      200
#define PAGES      (FEW + SHORT)
#define IN_BETWEEN (FEW + 90) /* a long one */

struct world {
    struct opened index;
    char *texts[PAGES]; /* wikitext, which is readable as it is */
    int fd;
};

static char *make_prose(unsigned words, const char *rare)
{
    char *text = malloc((size_t)words * 12 + 64), *at = text;
    assert_non_null(text);
    for (unsigned i = 0; i < words; i++) {
        if (i % 1000 == 777)
            at += sprintf(at, "%s%u ", rare, i / 1000);
        at += sprintf(at, "word%u%s", i * 7919 % 997, i % 11 == 10 ? ". " : " ");
    }
    at[-1] = '\0';
    return text;
}

static char *repeat(const char *piece, unsigned count)
{
    char *text = malloc(strlen(piece) * count + 1), *at = text;
    assert_non_null(text);
    for (unsigned i = 0; i < count; i++)
        at = stpcpy(at, piece);
    return text;
}

/* Every seventh has no text, and so have the last ones; one fills a passage to the byte. */
static char *make_short(unsigned page)
{
    char text[PASSAGE_LEAST + 1] = "";
    if (page == FEW)
        return strdup("A short page. It ends here, with an anchorite in it.");
    if (page == FEW + 20) {
        memset(text, 'f', PASSAGE_LEAST);
        return strdup(text);
    }
    if (page % 7 && page < PAGES - 3)
        snprintf(text, sizeof text, "Lonely%u is %.*s.", page, (int)(page * 37 % 200),
                 "a page among others that are as short as it is and shares a passage with some of "
                 "them, whatever it is about, whoever wrote it, and however many there may be of "
                 "its kind in a wiki of names and of little else");
    return strdup(text);
}

static int setup(void **state)
{
    struct world *w = *state = calloc(1, sizeof *w);
    struct build_report report;
    FILE *out;
    char *dump;
    size_t length;
    if (!w || make_folder(state))
        return -1;
    *state = w;
    w->texts[0] = make_prose(LONG_WORDS, "needle");
    w->texts[1] = strdup("");
    w->texts[2] = repeat("\u65e5\u672c\u8a9e", 3000);
    w->texts[3] = repeat("x", 100000);
    w->texts[4] = repeat("e\u0301", 5000);
    for (unsigned i = FEW; i < PAGES; i++)
        w->texts[i] = make_short(i);
    free(w->texts[IN_BETWEEN]);
    w->texts[IN_BETWEEN] = make_prose(500, "between");
    out = open_memstream(&dump, &length);
    fputs(HEAD("first-letter"), out);
    for (unsigned i = 0; i < PAGES; i++)
        fprintf(out, "<page><title>Page %u</title><ns>0</ns><id>%u</id>" REVISION("%s") "</page>\n",
                i, 10 + i, w->texts[i]);
    fputs(TAIL, out);
    fclose(out);
    build_dump(&report, dump, &w->index);
    free(dump);
    w->fd = open(in_folder("out.flk"), O_RDONLY);
    return w->fd < 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < PAGES; i++)
        free(w->texts[i]);
    close_index(&w->index);
    close(w->fd);
    free(w);
    return remove_folder(state);
}

static void test_all_of_the_text_is_there(void **state)
{
    const struct world *w = *state;
    const struct passages_view *view = &w->index.view.passages;
    struct passage_store *store;
    assert_true(view->dictionary_bytes > 0);
    assert_int_equal(passage_store_create(&store, &w->index.view, w->fd), 0);
    for (uint32_t page = 0; page < PAGES; page++) {
        const size_t length = strlen(w->texts[page]);
        char *readable = malloc(length + 1);
        size_t at = 0,
               readable_length = length ? readable_text(w->texts[page], length, readable) : 0;
        uint32_t number = 0;
        struct words words;
        struct word word;
        words_init(&words, readable, readable_length);
        bool more = words_next(&words, &word);
        const uint32_t count = passages_of(view, page);
        assert_int_equal(count == 0, readable_length == 0);
        for (uint32_t i = 0; i < count; i++) {
            struct passage_text text;
            for (; more && word.start < at; more = words_next(&words, &word))
                number++;
            const struct passage *passage = &view->passages[view->pages[page].first + i];
            assert_int_equal(passage->word, number);
            assert_int_equal(passage_store_read(store, page, i, 1, &text), 0);
            assert_true(text.ends[0] > 0 && text.ends[0] <= PASSAGE_MOST);
            assert_true(i + 1 == count || text.ends[0] >= PASSAGE_LEAST);
            assert_true(at + text.ends[0] <= readable_length);
            assert_memory_equal(text.bytes, readable + at, text.ends[0]);
            assert_true(((unsigned char)text.bytes[0] & 0xc0) != 0x80);
            at += text.ends[0];
        }
        assert_int_equal(at, readable_length);
        free(readable);
    }
    passage_store_destroy(&store);
}

static void test_several_at_once(void **state)
{
    const struct world *w = *state;
    struct passage_store *store;
    struct passage_text one, three;
    assert_int_equal(passage_store_create(&store, &w->index.view, w->fd), 0);
    for (int round = 0; round < 2; round++) { /* from the file, then as kept */
        size_t at = 0;
        assert_int_equal(passage_store_read(store, 0, 17, 3, &three), 0);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(passage_store_read(store, 0, 17 + i, 1, &one), 0);
            assert_memory_equal(three.bytes + at, one.bytes, one.ends[0]);
            at += one.ends[0];
            assert_int_equal(three.ends[i], at);
        }
    }
    passage_store_destroy(&store);
}

/* The snippet of a page for a query has `part` in it, and marks just these words. */
static void expect_snippet(const struct world *w, struct passage_store *store, const char *asked,
                           uint32_t page, const char *part, const char *first_mark)
{
    struct search_query query;
    struct snippet_maker *maker;
    struct snippet snippet;
    struct fault why;
    const char *text;
    assert_int_equal(search_query_parse(&query, asked, strlen(asked), NULL, &why), 0);
    assert_int_equal(snippet_maker_create(&maker, &w->index.view, store, NULL, &query), 0);
    assert_int_equal(snippet_make(maker, page, &text, &snippet), 0);
    char *shown = strndup(text + snippet.start, snippet.length);
    if (!strstr(shown, part))
        fail_msg("%s: \"%s\" without \"%s\"", asked, shown, part);
    assert_int_equal(snippet.mark_count > 0, first_mark != NULL);
    if (first_mark)
        assert_memory_equal(shown + snippet.marks[0].start, first_mark, strlen(first_mark));
    assert_true(snippet.length <= SNIPPET_BYTES);
    free(shown);
    snippet_maker_destroy(&maker);
    search_query_fini(&query);
}

static void test_snippets_are_cut_where_the_words_stand(void **state)
{
    const struct world *w = *state;
    struct passage_store *store;
    assert_int_equal(passage_store_create(&store, &w->index.view, w->fd), 0);
    for (unsigned i = 0; i < LONG_WORDS / 1000; i++) {
        char word[32], two[64], open[64];
        snprintf(word, sizeof word, "needle%u", i);
        snprintf(two, sizeof two, "word1 absent %s", word);
        snprintf(open, sizeof open, "intitle:page %s*", word);
        expect_snippet(w, store, word, 0, word, word);
        expect_snippet(w, store, two, 0, word, "");
        expect_snippet(w, store, open, 0, word, word);
    }
    /* Where two words stand together counts for more than where one does. */
    expect_snippet(w, store, "\"anchorite in it\"", FEW, "with an anchorite in it", "It");
    expect_snippet(w, store, "anchorite short", FEW, "A short page", "short");
    /* Nothing found in the text: its beginning. */
    expect_snippet(w, store, "intitle:page", FEW, "A short page", "page");
    expect_snippet(w, store, "intitle:page", 1, "", NULL);
    expect_snippet(w, store, "\u672c\u8a9e", 2, "\u672c\u8a9e", "\u672c\u8a9e");
    expect_snippet(w, store, "y", 3, "xxx", NULL);
    expect_snippet(w, store, "y", 4, "e\u0301", NULL);
    passage_store_destroy(&store);
}

static void test_short_pages_share_passages(void **state)
{
    const struct world *w = *state;
    const struct passages_view *view = &w->index.view.passages;
    struct passage_store *store;
    const uint32_t first = view->pages[FEW].first, short_ones = view->pages[PAGES].first - first;
    size_t bytes = 0;
    for (uint32_t page = FEW; page < PAGES; page++)
        bytes += strlen(w->texts[page]);
    assert_true(short_ones < 2 * bytes / PASSAGE_LEAST);
    assert_int_equal(passage_store_create(&store, &w->index.view, w->fd), 0);
    for (uint32_t page = FEW + 1; page < PAGES; page++) {
        char word[32];
        snprintf(word, sizeof word, "lonely%u", page);
        if (page == IN_BETWEEN || strncmp(w->texts[page], "Lonely", 6) != 0)
            continue;
        assert_int_equal(passages_of(view, page), 1);
        expect_snippet(w, store, word, page, w->texts[page], "Lonely");
    }
    passage_store_destroy(&store);

    /* A passage that has become shorter than its pages' parts of it. */
    struct index_view view_cut = w->index.view;
    struct passage_page pages[PAGES + 1];
    struct passage_text text;
    memcpy(pages, view->pages, sizeof pages);
    pages[FEW + 1].start = PASSAGE_MOST;
    view_cut.passages.pages = pages;
    assert_int_equal(passage_store_create(&store, &view_cut, w->fd), 0);
    assert_int_equal(passage_store_read(store, FEW, 0, 1, &text), -EBADMSG);
    passage_store_destroy(&store);
}

static void test_a_file_that_is_not_what_it_was(void **state)
{
    const struct world *w = *state;
    struct passage_store *store;
    struct passage_text text;
    const struct passage_range range = passages_range(&w->index.view.passages, 0, 3, 1);
    const size_t at = w->index.view.passages.at + range.at;
    char *bytes = malloc(w->index.bytes);
    assert_non_null(bytes);
    memcpy(bytes, w->index.image, w->index.bytes);
    for (uint64_t i = 0; i < range.bytes; i++) {
        bytes[at + i] ^= 0x10;
        int fd = open(write_bytes("damaged", bytes, w->index.bytes), O_RDONLY);
        bytes[at + i] ^= 0x10;
        assert_int_equal(passage_store_create(&store, &w->index.view, fd), 0);
        assert_int_equal(passage_store_read(store, 0, 3, 1, &text), -EBADMSG);
        assert_int_equal(passage_store_read(store, 0, 4, 1, &text), 0);
        passage_store_destroy(&store);
        close(fd);
        i += range.bytes / 8;
    }
    int fd = open(write_bytes("cut", bytes, at + 10), O_RDONLY);
    assert_int_equal(passage_store_create(&store, &w->index.view, fd), 0);
    assert_int_equal(passage_store_read(store, 0, 2, 1, &text), 0);
    assert_int_equal(passage_store_read(store, 0, 3, 1, &text), -EIO);
    passage_store_destroy(&store);
    close(fd);
    assert_int_equal(passage_store_create(&store, &w->index.view, -1), 0);
    assert_int_equal(passage_store_read(store, 0, 0, 1, &text), -EIO);
    passage_store_destroy(&store);
    free(bytes);
}

static void test_contradictions_are_found(void **state)
{
    const struct world *w = *state;
    const struct passages_view *whole = &w->index.view.passages;
    const uint32_t n = w->index.view.meta->page_count;
    struct passage_page pages[PAGES + 1];
    struct passage *passages = malloc((whole->count + 1) * sizeof *passages);
    uint32_t shares = FEW; /* a page that has not the beginning of its passage, nor the end */
    while (!whole->pages[shares].start || !whole->pages[shares + 1].start)
        shares++;
    struct fault why;
    assert_non_null(passages);
    for (unsigned lie = 0; lie < 14; lie++) {
        struct passages_view view = *whole;
        memcpy(pages, whole->pages, sizeof pages);
        memcpy(passages, whole->passages, (whole->count + 1) * sizeof *passages);
        view.pages = pages;
        view.passages = passages;
        assert_int_equal(passages_verify(&view, n, "x", &why), 0);
        switch (lie) {
        case 0:
            pages[0].at = 1;
            break;
        case 1:
            pages[PAGES].first++;
            break;
        case 2:
            pages[3].first = (uint32_t)whole->count + 1;
            break;
        case 3:
            pages[2].at = pages[3].at + 1;
            break;
        case 4:
            passages[0].word = 1;
            break;
        case 5:
            passages[4].at = passages[3].at;
            break;
        case 6:
            passages[4].word = passages[3].word - 1;
            break;
        case 7:
            view.bytes++;
            break;
        case 8:
            passages[whole->count].at--;
            break;
        case 9:
            pages[shares].at++;
            break;
        case 10:
            pages[shares].start = pages[shares + 1].start + 1;
            break;
        case 11:
            pages[shares].start = PASSAGE_MOST + 1;
            break;
        case 12: /* of a passage of its own */
            pages[1].start = 1;
            break;
        case 13:
            passages[whole->pages[shares].first].word = 1;
            break;
        }
        assert_int_equal(passages_verify(&view, n, "x", &why), -EINVAL);
        assert_non_null(strstr(why.text, "section passage"));
    }
    free(passages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_the_text_is_there),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_snippets_are_cut_where_the_words_stand),
        cmocka_unit_test(test_short_pages_share_passages),
        cmocka_unit_test(test_a_file_that_is_not_what_it_was),
        cmocka_unit_test(test_contradictions_are_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
