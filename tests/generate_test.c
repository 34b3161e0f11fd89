/* SPDX-License-Identifier: MIT
 *
 * The generators: the same bytes for the same seed, well-formed XML with the pages asked for, and
 * degrees distributed as they should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/generate/generate.h"

#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

static char *make_wiki(const struct wiki_recipe *recipe, size_t *length)
{
    char *bytes = NULL;
    struct fault why = {""};
    FILE *out = open_memstream(&bytes, length);
    assert_non_null(out);
    if (generate_wiki(recipe, out, &why))
        fail_msg("%s", why.text);
    assert_int_equal(fclose(out), 0);
    return bytes;
}

static char *make_graph(const struct graph_recipe *recipe, size_t *length)
{
    char *bytes = NULL;
    struct fault why = {""};
    FILE *out = open_memstream(&bytes, length);
    assert_non_null(out);
    if (generate_graph(recipe, out, &why))
        fail_msg("%s", why.text);
    assert_int_equal(fclose(out), 0);
    return bytes;
}

/* --- A wiki as read back ------------------------------------------------------------------ */

#define TITLE_BYTES 256

struct page {
    char title[TITLE_BYTES];
    int ns;
    bool redirect;
    char target[TITLE_BYTES]; /* of a redirect */
    unsigned links;           /* [[…]] but categories */
};

struct reader {
    struct page *pages;
    size_t count, capacity;
    char *buffer; /* of the element being read */
    size_t used, size;
    unsigned long last_id;
    bool in_revision;
    size_t words;
    char **targets; /* of links without section and bar */
    size_t target_count, target_capacity;
};

static void on_start(void *owner, const char *name, const char **attributes)
{
    struct reader *reader = owner;
    reader->used = 0;
    if (!strcmp(name, "page")) {
        if (reader->count == reader->capacity) {
            reader->capacity = reader->capacity * 2 + 64;
            reader->pages = realloc(reader->pages, reader->capacity * sizeof *reader->pages);
            assert_non_null(reader->pages);
        }
        reader->pages[reader->count++] = (struct page){.ns = -99};
        reader->in_revision = false;
    } else if (!strcmp(name, "redirect")) {
        struct page *page = &reader->pages[reader->count - 1];
        assert_string_equal(attributes[0], "title");
        page->redirect = true;
        snprintf(page->target, sizeof page->target, "%s", attributes[1]);
    } else if (!strcmp(name, "revision")) {
        reader->in_revision = true;
    }
}

static void on_text(void *owner, const char *bytes, int length)
{
    struct reader *reader = owner;
    if (reader->used + (size_t)length >= reader->size) {
        reader->size = 2 * (reader->used + (size_t)length) + 64;
        reader->buffer = realloc(reader->buffer, reader->size);
        assert_non_null(reader->buffer);
    }
    memcpy(reader->buffer + reader->used, bytes, (size_t)length);
    reader->used += (size_t)length;
}

static void add_target(struct reader *reader, const char *target, size_t length)
{
    if (reader->target_count == reader->target_capacity) {
        reader->target_capacity = reader->target_capacity * 2 + 1024;
        reader->targets =
            realloc(reader->targets, reader->target_capacity * sizeof *reader->targets);
        assert_non_null(reader->targets);
    }
    reader->targets[reader->target_count++] = strndup(target, length);
}

static void count_links(struct reader *reader, struct page *page, const char *text)
{
    for (const char *at = strstr(text, "[["); at; at = strstr(at + 2, "[[")) {
        if (!strncmp(at, "[[Category:", 11))
            continue;
        page->links++;
        add_target(reader, at + 2, strcspn(at + 2, "]|#"));
    }
    for (const char *at = text; *at; at++)
        reader->words += *at == ' ';
}

static void on_end(void *owner, const char *name)
{
    struct reader *reader = owner;
    struct page *page = reader->count ? &reader->pages[reader->count - 1] : NULL;
    const char *text = "";
    if (reader->buffer) {
        reader->buffer[reader->used] = '\0';
        text = reader->buffer;
    }
    if (page && !strcmp(name, "title")) {
        snprintf(page->title, sizeof page->title, "%s", text);
    } else if (page && !strcmp(name, "ns")) {
        page->ns = atoi(text);
    } else if (page && !strcmp(name, "id") && !reader->in_revision) {
        unsigned long id = strtoul(text, NULL, 10);
        assert_true(id > reader->last_id);
        reader->last_id = id;
    } else if (page && !strcmp(name, "text") && page->ns == 0 && !page->redirect) {
        count_links(reader, page, text);
    }
    reader->used = 0;
}

static void read_wiki(struct reader *reader, const char *xml, size_t length)
{
    XML_Parser parser = XML_ParserCreate(NULL);
    assert_non_null(parser);
    XML_SetUserData(parser, reader);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    if (XML_Parse(parser, xml, (int)length, 1) != XML_STATUS_OK)
        fail_msg("line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(parser),
                 XML_ErrorString(XML_GetErrorCode(parser)));
    XML_ParserFree(parser);
}

static void reader_fini(struct reader *reader)
{
    for (size_t i = 0; i < reader->target_count; i++)
        free(reader->targets[i]);
    free(reader->targets);
    free(reader->pages);
    free(reader->buffer);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Namespace-0 titles, sorted; the caller frees the array. */
static char **sorted_titles(struct reader *reader, size_t *count)
{
    char **titles = malloc((reader->count + 1) * sizeof *titles);
    assert_non_null(titles);
    *count = 0;
    for (size_t i = 0; i < reader->count; i++)
        if (reader->pages[i].ns == 0)
            titles[(*count)++] = reader->pages[i].title;
    qsort(titles, *count, sizeof *titles, compare_strings);
    return titles;
}

static size_t longest_repeat(char **sorted, size_t count)
{
    size_t best = 0, run = 0;
    for (size_t i = 0; i < count; i++) {
        run = i > 0 && !strcmp(sorted[i], sorted[i - 1]) ? run + 1 : 1;
        best = run > best ? run : best;
    }
    return best;
}

/* --- Wikis -------------------------------------------------------------------------------- */

static const struct wiki_recipe small = {
    .pages = 2000, .redirect_percent = 10, .words_per_page = 100, .links_per_page = 12, .seed = 7};

static void test_generate_wiki_has_the_pages_asked_for(void **state)
{
    (void)state;
    size_t length;
    char *xml = make_wiki(&small, &length);
    struct reader reader = {0};
    read_wiki(&reader, xml, length);
    size_t articles = 0, redirects = 0, others = 0, chains = 0;
    for (size_t i = 0; i < reader.count; i++) {
        const struct page *page = &reader.pages[i];
        assert_true(page->ns >= 0 && page->title[0] && !strchr(page->title, '_'));
        articles += page->ns == 0 && !page->redirect;
        redirects += page->ns == 0 && page->redirect;
        others += page->ns != 0;
    }
    assert_int_equal(articles, 2000);
    assert_int_equal(redirects, 200);
    assert_true(others > 50 && others < 500);

    size_t count;
    char **titles = sorted_titles(&reader, &count);
    assert_int_equal(longest_repeat(titles, count), 1);
    for (size_t i = 0; i < reader.count; i++) {
        const struct page *page = &reader.pages[i];
        const char *target = page->target;
        if (!page->redirect)
            continue;
        assert_non_null(bsearch(&target, titles, count, sizeof *titles, compare_strings));
        for (size_t k = 0; k < reader.count; k++)
            chains += reader.pages[k].redirect && !strcmp(reader.pages[k].title, target);
    }
    assert_int_equal(chains, 3); /* one into a redirect, two into each other */
    free(titles);
    reader_fini(&reader);
    free(xml);
}

static void test_generate_wiki_has_all_sorts_of_titles_and_markup(void **state)
{
    (void)state;
    size_t length;
    char *xml = make_wiki(&small, &length);
    static const char *const expected[] = {
        "<sitename>",
        "<case>first-letter</case>",
        "<namespace key=\"14\"",
        "&quot;",
        " &amp; ",
        "</title>\n    <ns>1</ns>",
        "#REDIRECT [[",
        "#History]]",
        "{{Infobox ",
        "&lt;!-- see [[",
        "&lt;nowiki&gt;[[",
        "{| class=",
        "[[Category:",
        "&lt;ref&gt;",
        "== References ==",
        "\n* ",
        "&lt;math&gt;",
        "&amp;ndash;",
        "[https://",
        "'''",
        "\xCE",
        "\xD0",
        "\xE5",
        "\xC5",
        " (song)</title>",
        "{{convert|",
        "<title>Category:",
        "<title>Template:",
        "</mediawiki>\n",
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!memmem(xml, length, expected[i], strlen(expected[i])))
            fail_msg("no \"%s\" in it", expected[i]);
    free(xml);
}

static void test_generate_wiki_links_by_preferential_attachment(void **state)
{
    (void)state;
    size_t length, count, dead_ends = 0, links = 0, missing = 0;
    char *xml = make_wiki(&small, &length);
    struct reader reader = {0};
    read_wiki(&reader, xml, length);
    for (size_t i = 0; i < reader.count; i++) {
        links += reader.pages[i].links;
        dead_ends +=
            reader.pages[i].ns == 0 && !reader.pages[i].redirect && reader.pages[i].links == 0;
    }
    /* Means within a quarter of what was asked for; words include those of the markup. */
    assert_in_range(links, 2000 * 9, 2000 * 15);
    assert_in_range(reader.words, 2000 * 75, 2000 * 170);
    assert_in_range(dead_ends, 40, 250);

    char **titles = sorted_titles(&reader, &count);
    for (size_t i = 0; i < reader.target_count; i++)
        missing += !bsearch(&reader.targets[i], titles, count, sizeof *titles, compare_strings);
    assert_in_range(missing, links / 50, links / 8); /* red, or with underscores */
    qsort(reader.targets, reader.target_count, sizeof *reader.targets, compare_strings);
    /* Uniform targets would give the first some 30 links. */
    assert_in_range(longest_repeat(reader.targets, reader.target_count), 100, links / 5);
    free(titles);
    reader_fini(&reader);
    free(xml);
}

static void test_generate_wiki_takes_extreme_recipes(void **state)
{
    (void)state;
    static const struct wiki_recipe recipes[] = {
        {.pages = 2},
        {.pages = 2, .redirect_percent = 100, .words_per_page = 1, .links_per_page = 300},
        {.pages = 5, .redirect_percent = 100, .links_per_page = 1, .seed = UINT64_MAX},
        {.pages = 100, .redirect_percent = 1, .words_per_page = 3000},
    };
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        size_t length, articles = 0, redirects = 0;
        char *xml = make_wiki(&recipes[i], &length);
        struct reader reader = {0};
        read_wiki(&reader, xml, length);
        for (size_t p = 0; p < reader.count; p++) {
            articles += reader.pages[p].ns == 0 && !reader.pages[p].redirect;
            redirects += reader.pages[p].redirect;
        }
        assert_int_equal(articles, recipes[i].pages);
        assert_int_equal(redirects, recipes[i].pages * recipes[i].redirect_percent / 100);
        reader_fini(&reader);
        free(xml);
    }
}

/* --- Graphs ------------------------------------------------------------------------------- */

/* Degrees from the text; checks that every edge is followed by its reverse. */
static uint32_t *count_degrees(const char *text, unsigned scale, size_t *edges)
{
    uint32_t n = UINT32_C(1) << scale, *degrees = calloc(n, sizeof *degrees);
    unsigned long before[2] = {0, 0};
    assert_non_null(degrees);
    assert_int_equal(text[0], '#');
    *edges = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        if (*line == '#')
            continue;
        char *end;
        unsigned long source = strtoul(line, &end, 10);
        assert_int_equal(*end, ' ');
        unsigned long target = strtoul(end + 1, &end, 10);
        assert_int_equal(*end, '\n');
        assert_true(source < n && target < n);
        if (*edges % 2 == 1)
            assert_true(source == before[1] && target == before[0]);
        before[0] = source;
        before[1] = target;
        degrees[source]++;
        ++*edges;
    }
    return degrees;
}

static void test_generate_graph_kronecker_is_skewed_and_uniform_is_not(void **state)
{
    (void)state;
    for (int family = GRAPH_KRONECKER; family <= GRAPH_UNIFORM; family++) {
        struct graph_recipe recipe = {
            .family = (enum graph_family)family, .scale = 13, .edge_factor = 16, .seed = 3};
        size_t length, edges, alone = 0;
        char *text = make_graph(&recipe, &length);
        uint32_t *degrees = count_degrees(text, 13, &edges), max = 0, hub = 0;
        assert_int_equal(edges, 2 * 16 << 13);
        for (uint32_t v = 0; v < UINT32_C(1) << 13; v++) {
            alone += degrees[v] == 0;
            if (degrees[v] > max)
                max = degrees[hub = v];
        }
        if (family == GRAPH_KRONECKER) {
            assert_in_range(max, 7000, 7800); /* 2^18 * (A + B)^13 = 7,397 */
            assert_in_range(alone, (1 << 13) / 10, (1 << 13) / 2);
            assert_int_not_equal(hub, 0); /* the hub's number is permuted */
        } else {
            assert_in_range(max, 48, 80); /* 32 + 6 sigma */
            assert_int_equal(alone, 0);
        }
        free(degrees);
        free(text);
    }
}

static void test_generate_graph_takes_the_smallest_scale(void **state)
{
    (void)state;
    for (int family = GRAPH_KRONECKER; family <= GRAPH_UNIFORM; family++) {
        struct graph_recipe recipe = {
            .family = (enum graph_family)family, .scale = 1, .edge_factor = 100, .seed = 0};
        size_t length, edges;
        char *text = make_graph(&recipe, &length);
        uint32_t *degrees = count_degrees(text, 1, &edges);
        assert_int_equal(edges, 400);
        assert_true(degrees[0] > 0 && degrees[1] > 0);
        free(degrees);
        free(text);
    }
}

/* --- Both --------------------------------------------------------------------------------- */

static void test_generate_gives_the_same_bytes_for_a_seed(void **state)
{
    (void)state;
    struct wiki_recipe wiki = {
        .pages = 300, .redirect_percent = 10, .words_per_page = 80, .links_per_page = 6, .seed = 1};
    struct graph_recipe graph = {
        .family = GRAPH_KRONECKER, .scale = 8, .edge_factor = 16, .seed = 1};
    size_t length;
    char *bytes = make_wiki(&wiki, &length);
    assert_int_equal(XXH64(bytes, length, 0), UINT64_C(0xe964015bc6bd2dee));
    free(bytes);
    wiki.seed = 2;
    bytes = make_wiki(&wiki, &length);
    assert_int_not_equal(XXH64(bytes, length, 0), UINT64_C(0xe964015bc6bd2dee));
    free(bytes);

    bytes = make_graph(&graph, &length);
    assert_int_equal(XXH64(bytes, length, 0), UINT64_C(0x7a8cc897ff50bea5));
    free(bytes);
    graph.seed = 2;
    bytes = make_graph(&graph, &length);
    assert_int_not_equal(XXH64(bytes, length, 0), UINT64_C(0x7a8cc897ff50bea5));
    free(bytes);
    graph.family = GRAPH_UNIFORM;
    bytes = make_graph(&graph, &length);
    assert_int_equal(XXH64(bytes, length, 0), UINT64_C(0xe5a60a92bd4fbe86));
    free(bytes);
}

static void test_generate_refuses_bad_recipes(void **state)
{
    (void)state;
    static const struct {
        struct wiki_recipe recipe;
        const char *message;
    } wikis[] = {
        {{.pages = 0}, "0 pages: not between 2 and 1073741824"},
        {{.pages = 1}, "1 pages: not between 2 and 1073741824"},
        {{.pages = UINT32_MAX}, "4294967295 pages: not between 2 and 1073741824"},
        {{.pages = 2, .redirect_percent = 101}, "101 per cent redirects: more than 100"},
        {{.pages = 2, .words_per_page = 1000001}, "1000001 words a page: more than 1000000"},
        {{.pages = 2, .links_per_page = 1000001}, "1000001 links a page: more than 1000000"},
    };
    static const struct {
        struct graph_recipe recipe;
        const char *message;
    } graphs[] = {
        {{.scale = 0, .edge_factor = 1}, "scale 0 is not between 1 and 28"},
        {{.scale = 29, .edge_factor = 1}, "scale 29 is not between 1 and 28"},
        {{.scale = 4, .edge_factor = 0}, "edge factor 0: a graph needs at least one edge"},
        {{.family = (enum graph_family)2, .scale = 4, .edge_factor = 1}, "no such graph family: 2"},
    };
    struct fault why;
    for (size_t i = 0; i < sizeof wikis / sizeof *wikis; i++) {
        assert_int_equal(generate_wiki(&wikis[i].recipe, stdout, &why), -EINVAL);
        assert_string_equal(why.text, wikis[i].message);
    }
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        assert_int_equal(generate_graph(&graphs[i].recipe, stdout, &why), -EINVAL);
        assert_string_equal(why.text, graphs[i].message);
    }
}

static void test_generate_reports_a_full_disk(void **state)
{
    (void)state;
    struct fault why = {""};
    struct graph_recipe graph = {.scale = 4, .edge_factor = 1};
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(generate_wiki(&small, full, &why), -EIO);
    assert_string_equal(why.text, "cannot write the generated wiki: No space left on device");
    fclose(full);
    full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(generate_graph(&graph, full, &why), -EIO);
    assert_string_equal(why.text, "cannot write the generated graph: No space left on device");
    graph.scale = 14; /* more than a buffer */
    assert_int_equal(generate_graph(&graph, full, &why), -EIO);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate_wiki_has_the_pages_asked_for),
        cmocka_unit_test(test_generate_wiki_has_all_sorts_of_titles_and_markup),
        cmocka_unit_test(test_generate_wiki_links_by_preferential_attachment),
        cmocka_unit_test(test_generate_wiki_takes_extreme_recipes),
        cmocka_unit_test(test_generate_graph_kronecker_is_skewed_and_uniform_is_not),
        cmocka_unit_test(test_generate_graph_takes_the_smallest_scale),
        cmocka_unit_test(test_generate_gives_the_same_bytes_for_a_seed),
        cmocka_unit_test(test_generate_refuses_bad_recipes),
        cmocka_unit_test(test_generate_reports_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
