/* SPDX-License-Identifier: MIT
 *
 * Readable text of wikitext: what stays and what goes, broken markup, time linear in hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/readable.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct example {
    const char *wikitext, *text;
};

/* Exact capacity on the heap, so that sanitizers see a byte too many. */
static void assert_reads(const char *wikitext, const char *expected)
{
    size_t length = strlen(wikitext);
    char *in = malloc(length + !length), *out = malloc(length + !length);
    assert_true(in && out);
    memcpy(in, wikitext, length);
    size_t n = readable_text(in, length, out);
    if (n != strlen(expected) || memcmp(out, expected, n) != 0)
        fail_msg("\"%s\" became \"%.*s\", not \"%s\"", wikitext, (int)n, out, expected);
    free(in);
    free(out);
}

static void assert_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_reads(examples[i].wikitext, examples[i].text);
}
#define ASSERT_EXAMPLES(examples) assert_examples(examples, sizeof(examples) / sizeof *(examples))

/* --- What stays and what goes ------------------------------------------------------------- */

static void test_readable_keeps_link_texts(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"", ""},
        {"plain text", "plain text"},
        {"a [[b]] c", "a b c"},
        {"[[b]]s", "bs"},
        {"[[b|text]]s", "texts"},
        {"[[b#Section|text]]", "text"},
        {"[[b#Section]]", "b#Section"},
        {"[[:Category:X]]", "Category:X"},
        {"[[b|]]", "b"},
        {"[[b|two | bars]]", "two | bars"},
        {"[[b|''x'' and '''y''']]", "x and y"},
        {"[[A&amp;B]]", "A&B"},
        {"[[\xC3\x89tienne|\xCE\xB1]]", "\xCE\xB1"},
        {"[[b<!-- [[c]] -->|d]]", "d"},
        {"[[[b]]]", "[b]"},
        {"[[b|over\nlines]]", "over\nlines"},
        {"[[de:Hund]][[zh-min-nan:X]]", ""},
        {"[[:de:Hund]]", "de:Hund"},
        {"[http://x.org label [[b|c]] d] e", "label c d e"},
        {"[https://x.org]", ""},
        {"[//x.org a]b", "ab"},
        {"[mailto:a@b.c mail]", "mail"},
        {"http://x.org stays", "http://x.org stays"},
        {"[[a|[http://x y]]] z", "y z"},
        {"f[1] and [see]", "f[1] and [see]"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_drops_files_and_categories(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"[[File:a.jpg|thumb|a [[link]] and [[b|c]] in it]]text", "text"},
        {"[[image:a.jpg]]", ""},
        {"[[ Category : X|key]]", ""},
        {"a\n[[Category:X]]\n[[Category:Y]]\nb", "a\nb"},
        {"[[Datei:a.jpg|x [http://y z]]]b", "b"},
        {"[[\xD0\xA4\xD0\xB0\xD0\xB9\xD0\xBB:a.jpg]]b", "b"},
        {"[[Filed:x]]", "Filed:x"},
        {"[[:File:a.jpg]]", "File:a.jpg"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_drops_templates(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a{{b}}c", "ac"},
        {"a{{b|{{c|{{d}}}}}}e", "ae"},
        {"a{{{1|{{x}}}}}b", "ab"},
        {"{{b|[[c}}d]]", "d]]"},
        {"{{a|<nowiki>}}</nowiki>}}b", "b"},
        {"{{a|<!-- }} -->}}b", "b"},
        {"{{a|<ref>}}</ref>}}b", "b"},
        {"{{Infobox\n| a = b\n}}\nText", "Text"},
        {"a\n{{x}}\nb", "a\nb"},
        {"a {b} c", "a {b} c"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_drops_elements(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a<!-- b -->c", "ac"},
        {"a<ref>b</ref>c", "ac"},
        {"a<ref name=\"x\" />b<ref name=x/>c", "abc"},
        {"a<REF\nname=x>b</ref >c", "ac"},
        {"a<references>b</references>c", "ac"},
        {"a<math>x^2</math>b", "ab"},
        {"a<gallery>\nFile:x.jpg|[[b]]\n</gallery>c", "ac"},
        {"a<timeline>b</timeline>c", "ac"},
        {"a <nowiki>[[b]] '''c''' {{d}} &lt;</nowiki> e", "a [[b]] '''c''' {{d}} < e"},
        {"a<nowiki />b", "ab"},
        {"<pre>\n* x = [[y]]\n  z\n</pre>\nw", "* x = [[y]]\n  z\nw"},
        {"<syntaxhighlight lang=\"c\">if (a < b && c[[0]])</syntaxhighlight>",
         "if (a < b && c[[0]])"},
        {"<source lang=c># define</source>", "# define"},
        {"<b>a</b> <SPAN style=\"x\">b</span>", "a b"},
        {"a<br>b<br />c", "a\nb\nc"},
        {"a<div>b</div>c", "a\nb\nc"},
        {"<table><tr><td>a</td><td>b</td></tr></table>", "a\tb"},
        {"a < b, c > d, List<String>", "a < b, c > d, List<String>"},
        {"a <b and c", "a <b and c"},
        {"<>", "<>"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_drops_marks(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"''a'' '''b''' '''''c'''''", "a b c"},
        {"it's l'''amour''''", "it's lamour'"},
        {"''''a", "'a"},
        {"''''''a", "'a"},
        {"__TOC__a__NOEDITSECTION__", "a"},
        {"a__b__ __X", "a__b__ __X"},
        {"a\n----\nb", "a\nb"},
        {"a -- b", "a -- b"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_decodes_entities(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"&amp;&lt;&gt;&quot;&#39;&#x41;&#X42;", "&<>\"'AB"},
        {"a&nbsp;b", "a\xC2\xA0"
                     "b"},
        {"&eacute;&ndash;&euro;&thetasym;", "\xC3\xA9\xE2\x80\x93\xE2\x82\xAC\xCF\x91"},
        {"&#128512;", "\xF0\x9F\x98\x80"},
        {"&amp;lt;", "&lt;"},
        {"&lt;b&gt;", "<b>"},
        {"&unknown; &amp &; &#; &#x; &#xD800; &#0; &#1114112; &#99999999999999999999;",
         "&unknown; &amp &; &#; &#x; &#xD800; &#0; &#1114112; &#99999999999999999999;"},
        {"R&D", "R&D"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_keeps_headings_and_lists(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"== A ==", "A"},
        {"===B=== <!-- c -->\nd", "B\nd"},
        {"== ''C'' [[d]] ==\n", "C d"},
        {"= is a sign", "= is a sign"},
        {"a = b =", "a = b ="},
        {"===", "==="},
        {"=== A ==", "= A"},
        {"* a\n** b\n# c\n: d\n; e : f\n*\n", "a\nb\nc\nd\ne : f"},
        {" indented", "indented"},
        {"#REDIRECT [[X]]", "REDIRECT X"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_keeps_table_texts(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{| class=\"wikitable\"\n|+ style=x | Caption\n! A !! scope=col | B\n|-\n| 1 || 2\n"
         "|- style=\"y\"\n| align=right | 3\n| [[a|b]] || c!!d\n|}\nafter",
         "Caption\nA\tB\n1\t2\n3\nb\tc!!d\nafter"},
        {":{|\n| a\n|}", "a"},
        {"{|\n| x\n{|\n| y\n|}\n| z\n|}\n| no cell", "x\ny\nz\n| no cell"},
        {"{|\n|[[a|b]]|c\n|}", "b|c"},
        {"{|\n|{{x}}|c\n|}", "c"},
        {"| a || b", "| a || b"},
        {"! a !! b", "! a !! b"},
        {"{|\n| unclosed || cell", "unclosed\tcell"},
        {"|}", "|}"},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_collapses_blank_lines(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"\n\n\na\n\n\n\nb  \nc\n\n", "a\n\nb\nc"},
        {"a\r\n\r\n\r\nb", "a\n\nb"},
        {"{{x}}\n\na\n\n{{y}}\n\n{{z}}\n\nb", "a\n\nb"},
        {" \n\t\n", ""},
    };
    ASSERT_EXAMPLES(examples);
}

static void test_readable_leaves_broken_markup(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"{{a [[b]] c", "{{a b c"},
        {"a {{b {{c}} d", "a {{b  d"},
        {"a}} b", "a}} b"},
        {"[[a b", "[[a b"},
        {"[[a [[b]] c", "[[a b c"},
        {"a]] b", "a]] b"},
        {"[[a\nb]] c", "[[a\nb]] c"},
        {"[[File:a.jpg|b", "[[File:a.jpg|b"},
        {"[[]] [[|a]]", "[[]] [[|a]]"},
        {"[http://x a\nb] c", "[http://x a\nb] c"},
        {"a <!-- b [[c]]", "a"},
        {"a <ref>b [[c]]", "a b c"},
        {"a</ref> b <math> c", "a b  c"},
        {"a <nowiki>''b''", "a b"},
        {"<ref", "<ref"},
        {"<", "<"},
        {"&", "&"},
        {"[", "["},
        {"[[", "[["},
        {"{{", "{{"},
        {"{|", ""},
        {"}}}}}}", "}}}}}}"},
    };
    ASSERT_EXAMPLES(examples);
}

/* --- Any input ---------------------------------------------------------------------------- */

static uint64_t random_state = 42;

static uint32_t draw(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)((random_state >> 33) % n);
}

static bool is_utf8(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i++];
        int more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : -1;
        for (; more > 0; more--)
            if (i == length || ((unsigned char)text[i++] & 0xc0) != 0x80)
                return false;
        if (more < 0)
            return false;
    }
    return true;
}

static const char *const pieces[] = {
    "{{",
    "}}",
    "[[",
    "]]",
    "[",
    "]",
    "{",
    "}",
    "|",
    "||",
    "{|",
    "|}",
    "|-",
    "!",
    "!!",
    "\n",
    "\n",
    "<ref>",
    "</ref>",
    "<nowiki>",
    "</nowiki>",
    "<!--",
    "-->",
    "<b>",
    "<br>",
    "<",
    ">",
    "'''",
    "''",
    "=",
    "==",
    "*",
    " ",
    "a",
    "bc",
    ":",
    "File:",
    "http://x ",
    "&amp;",
    "&",
    "__TOC__",
    "\xC3\xA9",
    "\xE5\xB1\xB1",
    "\xF0\x9F\x98\x80",
    "<pre>",
    "</pre>",
    "<ref/>",
    "-----",
    "de:",
    "\r\n",
};

static void test_readable_survives_any_mixture(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[512];
        size_t length = 0;
        uint32_t count = draw(40);
        for (uint32_t i = 0; i < count; i++) {
            const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
            length += (size_t)(stpcpy(text + length, piece) - (text + length));
        }
        char *out = malloc(length + !length);
        assert_non_null(out);
        size_t n = readable_text(text, length, out);
        assert_true(n <= length);
        if (!is_utf8(out, n))
            fail_msg("invalid UTF-8 from \"%.*s\"", (int)length, text);
        free(out);
    }
}

static void test_readable_survives_random_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 5000; round++) {
        size_t length = draw(300);
        char *text = malloc(length + !length), *out = malloc(length + !length);
        assert_true(text && out);
        for (size_t i = 0; i < length; i++)
            text[i] = draw(3) ? (char)draw(256) : "[]{}|<>&'=!-\n"[draw(13)];
        assert_true(readable_text(text, length, out) <= length);
        free(text);
        free(out);
    }
}

/* --- Linear time -------------------------------------------------------------------------- */

static double best_seconds(const char *text, size_t length, char *out)
{
    double best = 1e9;
    for (int trial = 0; trial < 3; trial++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        readable_text(text, length, out);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double seconds =
            (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void test_readable_takes_linear_time(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "{{",       "}}",         "{{{",         "[[",         "]]",         "[[a|",   "[[File:x|",
        "{|\n",     "|}\n",       "<",           "<ref>",      "<ref ",      "</ref>", "<nowiki>",
        "<!--",     "[http://x ", "&",           "&#",         "'",          "_",      "__A",
        "=",        "==\n",       "|",           "{|\n| a ||", "{|\n! a !!", "-",      "*",
        " ",        "\n",         "a{{b}}[[c]]", "[[a]]",      "{{[[",       "<b ",    "[[File:[[",
        "[[a{{b}}", "<pre><ref>", "[",           "]",          "[[de:",      "{{a}}}", "[//x [[a|",
    };
    const size_t half = (size_t)128 << 10;
    char *text = malloc(2 * half), *out = malloc(2 * half);
    assert_true(text && out);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        size_t period = strlen(hostile[i]);
        for (size_t at = 0; at < 2 * half; at++)
            text[at] = hostile[i][at % period];
        double once, twice;
        int attempts = 5; /* the machine may be busy with something else */
        do {
            once = best_seconds(text, half, out);
            twice = best_seconds(text, 2 * half, out);
        } while (twice > 3.5 * once && --attempts > 0);
        if (attempts == 0)
            fail_msg("\"%s\": %.6f s for %zu bytes, %.6f s for twice as many", hostile[i], once,
                     half, twice);
    }
    free(text);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readable_keeps_link_texts),
        cmocka_unit_test(test_readable_drops_files_and_categories),
        cmocka_unit_test(test_readable_drops_templates),
        cmocka_unit_test(test_readable_drops_elements),
        cmocka_unit_test(test_readable_drops_marks),
        cmocka_unit_test(test_readable_decodes_entities),
        cmocka_unit_test(test_readable_keeps_headings_and_lists),
        cmocka_unit_test(test_readable_keeps_table_texts),
        cmocka_unit_test(test_readable_collapses_blank_lines),
        cmocka_unit_test(test_readable_leaves_broken_markup),
        cmocka_unit_test(test_readable_survives_any_mixture),
        cmocka_unit_test(test_readable_survives_random_bytes),
        cmocka_unit_test(test_readable_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
