/* SPDX-License-Identifier: MIT
 *
 * Links of wikitext: what counts, what it is, and that the time is linear whatever the page holds.
 */
#include "coordinator/dump/wikitext.h"
#include "shm/titles.h"
#include "tests/under.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct dump_namespace english[] = {
    {-2, (char[]){"Media"}},   {-1, (char[]){"Special"}},       {0, (char[]){""}},
    {1, (char[]){"Talk"}},     {2, (char[]){"User"}},           {4, (char[]){"Wikipedia"}},
    {6, (char[]){"File"}},     {10, (char[]){"Template"}},      {14, (char[]){"Category"}},
    {100, (char[]){"Portal"}}, {5, (char[]){"Wikipedia talk"}},
};
static struct dump_namespace bulgarian[] = {
    {0, (char[]){""}},
    {6, (char[]){"Файл"}},
    {14, (char[]){"Категория"}},
    {15, (char[]){"Категория беседа"}},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct link_rules *rules_of(struct dump_namespace *namespaces, size_t count, bool first)
{
    const struct dump_site site = {
        .first_letter = first, .namespaces = namespaces, .namespace_count = count};
    struct link_rules *rules;
    struct fault why;

    assert_int_equal(link_rules_create(&rules, &site, &why), 0);
    return rules;
}

struct result {
    char text[4096];
    size_t length;
    int stop_after; /* links; 0: never */
    int links;
};

static int on_link(void *owner, enum link_kind kind, const char *title, size_t length)
{
    static const char letters[LINK_KIND_COUNT] = "PNWSI";
    struct result *result = owner;

    result->length += (size_t)snprintf(
        result->text + result->length, sizeof(result->text) - result->length, "%s%c:%.*s",
        result->length ? "|" : "", letters[kind], (int)(length < 200 ? length : 200), title);
    return ++result->links == result->stop_after ? -77 : 0;
}

static void expect_with(const struct link_rules *rules, const char *text, const char *links)
{
    struct result result = {.links = 0};
    size_t length = strlen(text);
    char *exact = malloc(length + 1); /* so that reading past the end is seen by a sanitizer */

    assert_non_null(exact);
    memcpy(exact, text, length);
    char *end = realloc(exact, length ? length : 1);
    assert_non_null(end);
    assert_int_equal(wikitext_links(rules, end, length, on_link, &result), 0);
    if (strcmp(result.text, links) != 0)
        fail_msg("\"%s\"\n  gives \"%s\"\n  not   \"%s\"", text, result.text, links);
    free(end);
}

struct example {
    const char *text, *links; /* P: page, N: namespace, W: other wiki, S: section, I: invalid */
};

static void expect_all(const struct example *examples, size_t count)
{
    struct link_rules *rules = rules_of(english, COUNT(english), true);

    for (size_t i = 0; i < count; i++)
        expect_with(rules, examples[i].text, examples[i].links);
    link_rules_destroy(&rules);
    assert_null(rules);
}
#define EXPECT(...)                                                                                \
    do {                                                                                           \
        static const struct example examples[] = {__VA_ARGS__};                                    \
        expect_all(examples, COUNT(examples));                                                     \
    } while (0)

static void test_wikitext_finds_links(void **state)
{
    (void)state;
    EXPECT({"", ""}, {"plain text", ""}, {"[[Stone]]", "P:Stone"}, {"a [[Stone|b]] c", "P:Stone"},
           {"[[Stone#Top|b]]", "P:Stone"}, {"[[:Stone]]", "P:Stone"}, {"[[#Top]]", "S:#Top"},
           {"[[ stone_ _wall ]]", "P:Stone wall"}, {"[[A]][[B]]s [[C]]", "P:A|P:B|P:C"},
           {"[[a|b\n\nc]]", "P:A"}, {"[[A|b|c]]", "P:A"}, {"[[A|]]", "P:A"}, {"[[A]]]", "P:A"},
           {"[[A|[b]]]", "P:A"}, {"{|\n|[[A]]||[[B|b]]\n|}", "P:A|P:B"},
           {"{{t|x=[[A]]|[[B|{{u}}]]}}", "P:A|P:B"}, {"<ref name=\"x\">[[A]]</ref>", "P:A"},
           {"<gallery>\nFile:x.jpg|[[A]]\n</gallery>", "P:A"}, {"'''[[A|'''b]]''", "P:A"},
           {"[http://x [[A]]]", "P:A"},
           {"\xd0\x9c [[\xd0\xbc\xd0\xb8\xd1\x80]]", "P:\xd0\x9c\xd0\xb8\xd1\x80"});
}

static void test_wikitext_leaves_out_what_is_no_link(void **state)
{
    (void)state;
    EXPECT({"[", ""}, {"[[", ""}, {"]]", ""}, {"[[A", ""}, {"[[A]", "I:A"}, {"[[A|b", ""},
           {"[[A|b]", ""}, {"[A]", ""}, {"[[A\nB]]", ""}, {"[[A\n|b]]", ""}, {"[[[A]]]", "I:"},
           {"[[[[A]]]]", "I:|P:A"}, {"[ [A]]", ""},
           /* A link cannot hold a link: the inner one counts. */
           {"[[A|b [[C]] d]]", "P:C"}, {"[[A|b [[C|d]] e]] [[F]]", "P:C|P:F"},
           {"[[A [[B]]", "I:A |P:B"}, {"[[A|b\n[[C|d]]", "P:C"});
}

static void test_wikitext_file_captions_hold_links(void **state)
{
    (void)state;
    EXPECT({"[[File:x.jpg|thumb|a [[A]] b [[B|c]] d]] [[C]]", "N:File:x.jpg|P:A|P:B|P:C"},
           {"[[Image:x.jpg|[[A]]]]", "N:Image:x.jpg|P:A"},
           {"[[File:x.jpg|a [[File:y.jpg|b [[A]]]] [[B]]]]", "N:File:x.jpg|N:File:y.jpg|P:A|P:B"},
           {"[[:File:x.jpg|see]] [[A]]", "N:File:x.jpg|P:A"}, {"[[:File:x.jpg|see [[A]]]]", "P:A"});
}

static void test_wikitext_skips_opaque_text(void **state)
{
    (void)state;
    EXPECT({"<!-- [[A]] -->[[B]]", "P:B"}, {"<nowiki>[[A]]</nowiki>[[B]]", "P:B"},
           {"<pre class=\"x\">\n[[A]]</pre>[[B]]", "P:B"}, {"<math>[[A]]</math >[[B]]", "P:B"},
           {"<SOURCE lang=c>a[[1]]</Source>[[B]]", "P:B"},
           {"<syntaxhighlight>[[A]]</syntaxhighlight\n>[[B]]", "P:B"}, {"<nowiki/>[[A]]", "P:A"},
           {"<nowiki />[[A]]<pre >[[B]]</pre>", "P:A"}, {"<nowiki><!--</nowiki>[[A]]-->", "P:A"},
           {"<!--<nowiki>-->[[A]]</nowiki>", "P:A"}, {"<prefix>[[A]]</prefix>", "P:A"},
           {"<pre>[[A]]</prefix></pre>[[B]]", "P:B"}, {"<nowiki>[[A]]</pre></nowiki>[[B]]", "P:B"},
           {"< nowiki>[[A]]", "P:A"}, {"[[A|<nowiki>]]</nowiki>b]]", "P:A"},
           {"[[A|<!-- ]] [[B]] -->]]", "P:A"}, {"[[A<!-- ]] -->]]", "P:A"},
           {"[[A<!-- | -->b|c]]", "P:Ab"}, {"[[<!-- x -->A<!-- y --><!-- z -->#s]]", "P:A"},
           {"[[A<!-- x\ny -->]]", "P:A"}, {"<poem>[[A]]</poem>", "P:A"}, {"<", ""}, {"<!", ""},
           {"<!--", ""}, {"<!---->[[A]]", "P:A"}, {"<!-->[[A]]-->[[B]]", "P:B"});
}

static void test_wikitext_unclosed_text(void **state)
{
    (void)state;
    EXPECT({"[[A]]<!-- [[B]]", "P:A"}, {"<nowiki>[[A]]", "P:A"},
           {"<pre>[[A]]<pre>[[B]]", "P:A|P:B"}, {"<math [[A]]", "P:A"},
           {"<pre>[[A]]<nowiki>[[B]]</nowiki>[[C]]", "P:A|P:C"},
           {"<source>[[A]]</source>[[B]]<source>[[C]]", "P:B|P:C"}, {"<nowiki", ""}, {"<pre>", ""},
           {"<pre></pre", ""}, {"[[A<!-- ]]", ""});
}

static void test_wikitext_decodes_targets(void **state)
{
    (void)state;
    EXPECT(
        {"[[A&amp;B]]", "P:A&B"}, {"[[A&nbsp;B]]", "P:A B"}, {"[[A&#39;s]]", "P:A's"},
        {"[[A&#x27;s]]", "P:A's"}, {"[[A&#X27;s]]", "P:A's"}, {"[[caf&eacute;]]", "P:Caf\xc3\xa9"},
        {"[[A&ndash;B&mdash;C&hellip;]]", "P:A\xe2\x80\x93"
                                          "B\xe2\x80\x94"
                                          "C\xe2\x80\xa6"},
        {"[[x&thetasym;&AElig;]]", "P:X\xcf\x91\xc3\x86"},
        {"[[A&#128512;]]", "P:A\xf0\x9f\x98\x80"}, {"[[AT&T]]", "P:AT&T"},
        {"[[A&unknown;B]]", "P:A&unknown;B"}, {"[[A&;B]]", "P:A&;B"}, {"[[A&amp]]", "P:A&amp"},
        {"[[A&#;]]", "P:A&"}, {"[[A%20B]]", "P:A B"}, {"[[%C3%A9t%c3%a9]]", "P:\xc3\x89t\xc3\xa9"},
        {"[[100%]]", "P:100%"}, {"[[50%x]]", "P:50%x"}, {"[[A%23B]]", "P:A"},
        {"[[A&#35;B]]", "P:A"}, {"[[&amp;amp;]]", "P:&amp;"}, {"[[%26amp;]]", "P:&"});
}

static void test_wikitext_invalid_targets(void **state)
{
    (void)state;
    EXPECT({"[[]]", "I:"}, {"[[|x]]", "I:"}, {"[[ _ ]]", "I: _ "}, {"[[:]]", "I::"},
           {"[[::A]]", "I:::A"}, {"[[A{B}]]", "I:A"}, {"[[A<b>C</b>]]", "I:A"}, {"[[A>B]]", "I:A"},
           {"[[{{t}}|x]]", "I:"}, {"[[A&lt;B]]", "I:A&lt;B"}, {"[[A%7CB]]", "I:A%7CB"},
           {"[[A%0AB]]", "I:A%0AB"}, {"[[A&#0;]]", "I:A&#0;"}, {"[[A&#xD800;]]", "I:A&#xD800;"},
           {"[[A&#x99999999999;]]", "I:A&#x99999999999;"}, {"[[A%FF]]", "I:A%FF"},
           {"[[A\xff]]", "I:A\xff"}, {"[[\xe2\x82]]", "I:\xe2\x82"},
           {"[[http://example.org x]]", "I:http://example.org x"},
           {"[[//example.org]]", "I://example.org"});
}

static void test_wikitext_namespaces(void **state)
{
    (void)state;
    EXPECT({"[[Category:X]]", "N:Category:X"}, {"[[:category : X]]", "N:Category : X"},
           {"[[CATEGORY:X|y]]", "N:CATEGORY:X"}, {"[[User_talk:X]]", "N:User talk:X"},
           {"[[Project:X]]", "N:Project:X"}, {"[[WP:X]]", "N:WP:X"}, {"[[Portal:X]]", "N:Portal:X"},
           {"[[media:x.ogg]]", "N:Media:x.ogg"}, {"[[Draft:X]]", "P:Draft:X"},
           {"[[Module:X]]", "P:Module:X"}, {"[[Categories:X]]", "P:Categories:X"});
}

static void test_wikitext_local_namespaces(void **state)
{
    struct link_rules *rules = rules_of(bulgarian, COUNT(bulgarian), true);

    (void)state;
    expect_with(rules, "[[Категория:Х]] [[категория:Х]] [[КАТЕГОРИЯ_БЕСЕДА:Х]]",
                "N:Категория:Х|N:Категория:Х|N:КАТЕГОРИЯ БЕСЕДА:Х");
    expect_with(rules, "[[файл:x.jpg|[[мир]]]] [[File:x.jpg|[[Мир]]]]",
                "N:Файл:x.jpg|P:Мир|N:File:x.jpg|P:Мир");
    expect_with(rules, "[[Category:X]] [[WP:X]] [[Жанр:X]]", "N:Category:X|P:WP:X|P:Жанр:X");
    link_rules_destroy(&rules);
}

static void test_wikitext_other_wikis(void **state)
{
    (void)state;
    EXPECT({"[[fr:Pierre]]", "W:Fr:Pierre"}, {"[[:DE:Stein]]", "W:DE:Stein"},
           {"[[zh-min-nan:X]]", "W:Zh-min-nan:X"}, {"[[wikt:stone|stone]]", "W:Wikt:stone"},
           {"[[doi:10.1/x]]", "W:Doi:10.1/x"}, {"[[s : X]]", "W:S : X"},
           {"[[2001: A Space Odyssey]]", "P:2001: A Space Odyssey"},
           {"[[Star Wars: Episode IV]]", "P:Star Wars: Episode IV"},
           {"[[Ratio 1:2]]", "P:Ratio 1:2"}, {"[[A:]]", "P:A:"}, {"[[Re:Zero]]", "P:Re:Zero"});
}

static void test_wikitext_case_sensitive_sites(void **state)
{
    struct link_rules *rules = rules_of(english, COUNT(english), false);

    (void)state;
    expect_with(rules, "[[stone]] [[Stone]] [[category:x]] [[FR:x]]",
                "P:stone|P:Stone|N:category:x|W:FR:x");
    link_rules_destroy(&rules);
}

static void test_wikitext_long_targets(void **state)
{
    struct link_rules *rules = rules_of(english, COUNT(english), true);
    static const struct {
        size_t length;
        char kind;
    } cases[] = {{1024, 'P'}, {1025, 'I'}, {4095, 'I'}, {4096, 'I'}, {4097, 'I'}, {100000, 'I'}};
    char *text = malloc(200000);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int joined = 0; joined < 2; joined++) {
            struct result result = {.links = 0};
            size_t at = (size_t)sprintf(text, "[[");
            memset(text + at, 'X', cases[i].length);
            at += cases[i].length;
            at += (size_t)sprintf(text + at, "%s]] [[B]]", joined ? "<!-- c -->" : "");
            assert_int_equal(wikitext_links(rules, text, at, on_link, &result), 0);
            assert_int_equal(result.links, 2);
            assert_int_equal(result.text[0], cases[i].kind);
        }
    /* A long section does not count. */
    struct result result = {.links = 0};
    size_t at = (size_t)sprintf(text, "[[A#");
    memset(text + at, 'X', 2000);
    at += 2000;
    at += (size_t)sprintf(text + at, "]]");
    assert_int_equal(wikitext_links(rules, text, at, on_link, &result), 0);
    assert_string_equal(result.text, "P:A");
    free(text);
    link_rules_destroy(&rules);
}

static void test_wikitext_stops_when_told(void **state)
{
    struct link_rules *rules = rules_of(english, COUNT(english), true);
    static const char text[] = "[[A]] [[B|b]] [[Category:C]] [[D{]] [[E]]";

    (void)state;
    for (int stop = 1; stop <= 5; stop++) {
        struct result result = {.stop_after = stop};
        assert_int_equal(wikitext_links(rules, text, strlen(text), on_link, &result), -77);
        assert_int_equal(result.links, stop);
    }
    link_rules_destroy(&rules);
}

/* Any bytes: no crash, no read past the end, and the same when cut anywhere. */
static void test_wikitext_survives_noise(void **state)
{
    static const char *const pieces[] = {
        "[[",   "]]",    "|",  "<!--", "-->", "<nowiki>", "</nowiki>", "<pre", ">",
        "/>",   "&amp;", "&#", "%4",   "#",   ":",        "File:",     "a",    "\n",
        "\xc3", "\xa9",  "{",  "]",    "[",   "<",        "</math"};
    struct link_rules *rules = rules_of(english, COUNT(english), true);
    uint32_t random = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct result result = {.links = 0};
        char text[400];
        size_t length = 0;
        for (int i = 0; i < 40; i++) {
            random = random * 1664525 + 1013904223;
            const char *piece = pieces[(random >> 16) % COUNT(pieces)];
            memcpy(text + length, piece, strlen(piece));
            length += strlen(piece);
        }
        char *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, text, length);
        assert_int_equal(wikitext_links(rules, exact, length, on_link, &result), 0);
        free(exact);
    }
    link_rules_destroy(&rules);
}

/* --- Linear time --------------------------------------------------------------------------- */

static int count_link(void *owner, enum link_kind kind, const char *title, size_t length)
{
    uint64_t *counts = owner;

    (void)title;
    (void)length;
    counts[kind]++;
    return 0;
}

static double best_seconds(const struct link_rules *rules, const char *text, size_t length)
{
    double best = 1e9;

    for (int i = 0; i < 5; i++) {
        uint64_t counts[LINK_KIND_COUNT] = {0};
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        wikitext_links(rules, text, length, count_link, counts);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        double seconds =
            (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        if (seconds < best)
            best = seconds;
    }
    return best;
}

static char *repeat(const char *piece, size_t count, size_t *length)
{
    size_t width = strlen(piece);
    char *text = malloc(width * count + 1);

    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * width, piece, width);
    *length = width * count;
    return text;
}

/* Twice the text takes about twice as long; four times as long would be quadratic. */
static void test_wikitext_time_is_linear(void **state)
{
    static const char *const hostile[] = {
        "[[",
        "[[A|",
        "[[A",
        "]]",
        "[",
        "]",
        "<",
        "<!--",
        "<nowiki>",
        "<pre ",
        "<math",
        "<nowiki>x<pre>y",
        "<nowiki></nowik",
        "[[A<!--",
        "[[<!---->",
        "[[File:x|",
        "[[A|<",
        "[[A|]",
        "[[A|b<pre",
        "</nowiki ",
        "<source></source x",
        "[[&amp;&#",
        "<!-->",
        "[[A|b]] <!-- c --> <nowiki>[[d]]</nowiki> ",
        "<syntaxhighlight>]] ",
    };
    struct link_rules *rules;

    (void)state;
    if (under_thread_sanitizer() || under_address_sanitizer()) {
        print_message("SKIP: a sanitizer's memchr() goes on to the end, so nothing is linear\n");
        skip();
    }
    rules = rules_of(english, COUNT(english), true);
    for (size_t i = 0; i < COUNT(hostile); i++) {
        size_t once, twice, count = 200000 / strlen(hostile[i]);
        char *text = repeat(hostile[i], 2 * count, &twice);
        once = twice / 2;
        /* A machine that is busy with other things may need another look. */
        double ratio = 10;
        for (int look = 0; look < 4 && ratio > 3.5; look++)
            ratio = best_seconds(rules, text, twice) /
                    (best_seconds(rules, text, once) + 1e-5 /* too short to be measured */);
        if (ratio > 3.5)
            fail_msg("\"%s\" repeated: twice the text takes %.1f times as long", hostile[i], ratio);
        free(text);
    }
    link_rules_destroy(&rules);
}

static void test_wikitext_finds_a_million_links(void **state)
{
    struct link_rules *rules = rules_of(english, COUNT(english), true);
    uint64_t counts[LINK_KIND_COUNT] = {0};
    size_t length;
    char *text = repeat("[[Stone wall|stones]], ", 1000000, &length);

    (void)state;
    assert_int_equal(wikitext_links(rules, text, length, count_link, counts), 0);
    assert_int_equal(counts[LINK_PAGE], 1000000);
    free(text);
    link_rules_destroy(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wikitext_finds_links),
        cmocka_unit_test(test_wikitext_leaves_out_what_is_no_link),
        cmocka_unit_test(test_wikitext_file_captions_hold_links),
        cmocka_unit_test(test_wikitext_skips_opaque_text),
        cmocka_unit_test(test_wikitext_unclosed_text),
        cmocka_unit_test(test_wikitext_decodes_targets),
        cmocka_unit_test(test_wikitext_invalid_targets),
        cmocka_unit_test(test_wikitext_namespaces),
        cmocka_unit_test(test_wikitext_local_namespaces),
        cmocka_unit_test(test_wikitext_other_wikis),
        cmocka_unit_test(test_wikitext_case_sensitive_sites),
        cmocka_unit_test(test_wikitext_long_targets),
        cmocka_unit_test(test_wikitext_stops_when_told),
        cmocka_unit_test(test_wikitext_survives_noise),
        cmocka_unit_test(test_wikitext_time_is_linear),
        cmocka_unit_test(test_wikitext_finds_a_million_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
