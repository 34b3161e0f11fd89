/* SPDX-License-Identifier: MIT
 *
 * MediaWiki exports: what is read from good ones.
 */
#include "tests/fixture_mediawiki.h"

#include <iconv.h>

/* --- Good dumps ---------------------------------------------------------------------------- */

static void test_mediawiki_reads_fields(void **state)
{
    static const char xml[] =
        HEAD "  <page kind='x'>\n<title> A &lt;b&gt; &#233;</title>\n<ns> -1 </ns><id>12</id>"
             "<restrictions>edit</restrictions><revision><id>99</id><contributor><id>98</id>"
             "</contributor><text bytes='3' xml:space='preserve'>a &amp;\n\n&quot;b&quot; "
             "<![CDATA[<c>]]></text><sha1>x</sha1></revision></page>\n<page><title>B</title>"
             "<ns>1</ns><id>18446744</id></page>" TAIL;

    (void)state;
    struct collection all = read_text(xml);
    assert_int_equal(all.count, 2);
    assert_string_equal(all.site_name, "Test & Co");
    assert_string_equal(all.database, "testwiki");
    assert_true(all.first_letter);
    assert_int_equal(all.namespace_count, 3);
    assert_string_equal(all.pages[0].title, "A <b> \xc3\xa9");
    assert_string_equal(all.pages[0].text, "a &\n\n\"b\" <c>");
    assert_int_equal(all.pages[0].id, 12);
    assert_int_equal(all.pages[0].ns, -1);
    assert_null(all.pages[0].redirect);
    assert_string_equal(all.pages[1].text, "");
    assert_int_equal(all.pages[1].ns, 1);
    assert_int_equal(all.pages[1].id, 18446744);
    assert_string_equal(all.pages[1].element,
                        "<page><title>B</title><ns>1</ns><id>18446744</id></page>");
    forget(&all);
}

static void test_mediawiki_takes_the_last_revision(void **state)
{
    (void)state;
    struct collection all = read_text(HEAD PAGE("A", REVISION("old") REVISION("new")) PAGE(
        "B", REVISION("old") "<revision><id>1</id>"
                             "<text deleted='deleted' />"
                             "</revision>") PAGE("C", REVISION("old") "<revision/>") TAIL);
    assert_int_equal(all.count, 3);
    assert_string_equal(all.pages[0].text, "new");
    assert_string_equal(all.pages[1].text, "");
    assert_string_equal(all.pages[2].text, "");
    forget(&all);
}

static void test_mediawiki_ignores_what_it_does_not_know(void **state)
{
    /* Slots of 0.11 bring further texts; uploads and discussions bring titles and ids. */
    (void)state;
    struct collection all = read_text(HEAD "<!-- <page> --><logitem><id>1</id></logitem>" PAGE(
        "A", "<revision><content><text>slot</text></content><text>main</text>"
             "<content><text>slot</text></content></revision><upload><title>no</title>"
             "<id>3</id><text>no</text></upload>") TAIL);
    assert_int_equal(all.count, 1);
    assert_string_equal(all.pages[0].title, "A");
    assert_string_equal(all.pages[0].text, "main");
    assert_int_equal(all.pages[0].id, 7);
    forget(&all);
}

static void test_mediawiki_reads_redirects(void **state)
{
    (void)state;
    struct collection all =
        read_text(HEAD PAGE("A", "<redirect title=\"C&amp;D\" />" REVISION("#REDIRECT [[X]]"))
                      PAGE("B", "<redirect />" REVISION("#WEITERLEITUNG [[:Other page#Top|x]]"))
                          PAGE("C", REVISION("#REDIRECT [[X]]")) PAGE("D", "<redirect />") TAIL);
    assert_int_equal(all.count, 4);
    assert_string_equal(all.pages[0].redirect, "C&D");
    assert_string_equal(all.pages[1].redirect, "Other page");
    assert_null(all.pages[2].redirect); /* a modern dump would say so */
    assert_null(all.pages[3].redirect);
    forget(&all);
}

static void test_mediawiki_reads_old_exports(void **state)
{
    /* 0.3: no <ns>, no <redirect>. */
    (void)state;
    struct collection all = read_text(
        HEAD "<page><title>Diskussion:A</title><id>1</id></page><page><title>2001: A</title>"
             "<id>2</id></page><page><title>R</title><id>3</id>" REVISION(
                 "#redirect [[A b]]") "</page><page><title>Special:X</title></page>" TAIL);
    assert_int_equal(all.count, 4);
    assert_int_equal(all.pages[0].ns, 1);
    assert_int_equal(all.pages[1].ns, 0);
    assert_int_equal(all.pages[2].ns, 0);
    assert_string_equal(all.pages[2].redirect, "A b");
    assert_int_equal(all.pages[3].ns, -1);
    assert_int_equal(all.pages[3].id, 0);
    forget(&all);
}

static void test_mediawiki_needs_no_siteinfo(void **state)
{
    (void)state;
    struct collection all = read_text(
        "<mediawiki><page><title>Talk:A</title></page><siteinfo><case>case-sensitive</case>"
        "</siteinfo></mediawiki>");
    assert_int_equal(all.sites, 1);
    assert_true(all.first_letter);
    assert_string_equal(all.site_name, "");
    assert_int_equal(all.namespace_count, 18);
    assert_int_equal(all.pages[0].ns, 1);
    forget(&all);

    all = read_text("<mediawiki><siteinfo><case>case-sensitive</case></siteinfo>"
                    "<page><title>A</title></page></mediawiki>");
    assert_false(all.first_letter);
    forget(&all);
}

static void test_mediawiki_finds_elements_behind_a_bom(void **state)
{
    (void)state;
    struct collection all = read_text("\xef\xbb\xbf<?xml version='1.0'?>" HEAD PAGE("A", "") TAIL);
    assert_int_equal(all.count, 1);
    forget(&all);
}

/* The chunks that are read end at every byte of a page's first tags, and inside big pages. */
static void test_mediawiki_elements_span_chunks(void **state)
{
    const size_t chunk = (size_t)256 << 10;
    char *xml = malloc(8 * chunk), *filling = malloc(4 * chunk);

    (void)state;
    assert_non_null(xml);
    assert_non_null(filling);
    memset(filling, 'x', 4 * chunk);
    for (size_t before = 0; before < 40; before++) {
        int length = sprintf(xml, "%s<!--", HEAD);
        size_t pad = chunk - (size_t)length - 3 - before;
        length +=
            sprintf(xml + length, "%.*s-->" PAGE("First", REVISION("one")), (int)pad, filling);
        length +=
            sprintf(xml + length, PAGE("Second", REVISION("%.*s")) "\n", (int)(3 * chunk), filling);
        length += sprintf(xml + length, PAGE("Third", "") TAIL);
        struct collection all = read_good(xml, (size_t)length);
        assert_int_equal(all.count, 3);
        assert_string_equal(all.pages[0].text, "one");
        assert_int_equal(all.pages[1].text_length, 3 * chunk);
        assert_string_equal(all.pages[2].title, "Third");
        forget(&all);
    }
    free(filling);
    free(xml);
}

static void test_mediawiki_reads_past_a_long_comment(void **state)
{
    const size_t comment = (size_t)3 << 20;
    char *xml = malloc(comment + 10000), *at = xml;

    (void)state;
    assert_non_null(xml);
    at += sprintf(at, HEAD PAGE("Before", "") "<page><title>A</title><!--");
    memset(at, '.', comment);
    at += comment;
    at += sprintf(at, "--></page>" PAGE("After", "") TAIL);
    struct collection all = read_good(xml, (size_t)(at - xml));
    assert_int_equal(all.count, 3);
    assert_true(all.pages[1].element_length > comment);
    assert_string_equal(all.pages[2].title, "After");
    forget(&all);
    free(xml);
}

static void test_mediawiki_memory_shrinks_after_a_giant_page(void **state)
{
    const size_t giant = (size_t)40 << 20, small = (size_t)8 << 20;
    char *xml = malloc(giant + small + 4096), *at = xml;
    struct collection all = {.stop_at = -1, .lean = true};

    (void)state;
    assert_non_null(xml);
    at += sprintf(at, HEAD "<page><title>Giant</title><revision><text>");
    memset(at, 'g', giant);
    at += giant;
    at += sprintf(at, "</text></revision></page>");
    size_t pages = 1;
    for (; at < xml + giant + small; pages++)
        at += sprintf(at, PAGE("Small", REVISION("text text text")) "\n");
    at += sprintf(at, TAIL);
    assert_int_equal(read_bytes(&all, xml, (size_t)(at - xml)), 0);
    assert_int_equal(all.count, pages);
    /* Zero where a sanitizer has replaced the allocator. */
    assert_true(all.heap_after_last < giant + small + ((size_t)8 << 20));
    free(xml);
}

/* --- Encodings ----------------------------------------------------------------------------- */

static char *convert(const char *to, const char *text, size_t *length)
{
    size_t left = strlen(text), room = 4 * left + 16;
    char *out = malloc(room), *in = (char *)(uintptr_t)text, *at = out;
    iconv_t converter = iconv_open(to, "UTF-8");

    assert_non_null(out);
    assert_true(converter != (iconv_t)-1);
    assert_true(iconv(converter, &in, &left, &at, &room) != (size_t)-1);
    iconv_close(converter);
    *length = (size_t)(at - out);
    return out;
}

static void expect_encoding(const char *encoding, const char *mark, size_t mark_length,
                            const char *text, const char *page_text)
{
    struct collection all = {.stop_at = -1};
    size_t length, before_length, element_length;
    char *xml = convert(encoding, text, &length);
    const char *page = strstr(text, "<page>"), *end = strstr(text, "</page>") + 7;
    char *element = strndup(page, (size_t)(end - page)),
         *before = strndup(text, (size_t)(page - text));
    char *raw_before = convert(encoding, before, &before_length),
         *raw_element = convert(encoding, element, &element_length);
    char *file = malloc(length + mark_length);

    assert_non_null(file);
    memcpy(file, mark, mark_length);
    memcpy(file + mark_length, xml, length);
    if (read_bytes(&all, file, length + mark_length) != 0)
        fail_msg("%s: %s", encoding, all.why.text);
    assert_int_equal(all.count, 1);
    assert_string_equal(all.pages[0].text, page_text);
    assert_string_equal(all.pages[0].element, element);
    assert_int_equal(all.pages[0].dump_offset, mark_length + before_length);
    assert_int_equal(all.pages[0].dump_bytes, element_length);
    assert_int_equal(all.totals.dump_bytes, mark_length + length);
    forget(&all);
    free(file);
    free(raw_element);
    free(raw_before);
    free(before);
    free(element);
    free(xml);
}

static void test_mediawiki_reads_utf16(void **state)
{
    static const char text[] =
        HEAD PAGE("\xd0\x9c\xd0\xb8\xd1\x80", REVISION("[[\xd0\x9c]] \xf0\x9f\x8c\x8d &amp;")) TAIL;
    static const char declared[] =
        "<?xml version='1.0' encoding='UTF-16'?>" HEAD PAGE("A", REVISION("\xe2\x82\xac")) TAIL;

    (void)state;
    expect_encoding("UTF-16LE", "\xff\xfe", 2, text, "[[\xd0\x9c]] \xf0\x9f\x8c\x8d &");
    expect_encoding("UTF-16BE", "\xfe\xff", 2, text, "[[\xd0\x9c]] \xf0\x9f\x8c\x8d &");
    expect_encoding("UTF-16LE", "\xff\xfe", 2, declared, "\xe2\x82\xac");
    expect_encoding("UTF-16BE", "\xfe\xff", 2, declared, "\xe2\x82\xac");
}

static void test_mediawiki_reads_latin1(void **state)
{
    (void)state;
    expect_encoding("ISO-8859-1", "", 0,
                    "<?xml version='1.0' encoding='iso-8859-1'?>" HEAD PAGE(
                        "A", REVISION("caf\xc3\xa9 \xc2\xbd")) TAIL,
                    "caf\xc3\xa9 \xc2\xbd");
}

static void test_mediawiki_refuses_unknown_encodings(void **state)
{
    (void)state;
    expect_text_error("<?xml version='1.0' encoding='koi8-r'?>" HEAD TAIL, EBADMSG, "encoding");
}

/* --- Real dumps ---------------------------------------------------------------------------- */

static bool data_path(char *path, size_t capacity, const char *name)
{
    const char *folder = getenv("FORKLORE_DATA");

    snprintf(path, capacity, "%s/%s", folder ? folder : "../shared/data", name);
    if (access(path, R_OK) == 0)
        return true;
    print_message("SKIP: %s is not there\n", path);
    return false;
}

static void test_mediawiki_reads_the_utf16_extract(void **state)
{
    struct collection all = {.stop_at = -1};
    char path[4096];

    (void)state;
    if (!data_path(path, sizeof(path), "bgwiki-utf16-shortened.xml.bz2"))
        skip();
    assert_int_equal(read_path(&all, path), 0);
    assert_string_equal(all.database, "bgwiki");
    assert_int_equal(all.count, 3);
    for (size_t i = 0; i < all.count; i++) {
        assert_true(all.pages[i].text_length > 1000);
        assert_memory_equal(all.pages[i].element, "<page>", 6);
        assert_true(all.pages[i].dump_offset % 2 == 0 && all.pages[i].dump_bytes % 2 == 0);
        assert_string_equal(all.pages[i].element + all.pages[i].element_length - 7, "</page>");
    }
    forget(&all);
}

static void test_mediawiki_reads_the_enwiki_extract(void **state)
{
    struct collection all = {.stop_at = -1, .lean = true};
    char path[4096];

    (void)state;
    if (!data_path(path, sizeof(path), "enwiki-2016-shortened.xml.bz2"))
        skip();
    assert_int_equal(read_path(&all, path), 0);
    assert_int_equal(all.count, 206);
    assert_int_equal(all.totals.pages, 206);
    assert_int_equal(all.totals.dump_bytes, 6089746);
    assert_int_equal(all.namespace_count, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mediawiki_reads_fields),
        cmocka_unit_test(test_mediawiki_takes_the_last_revision),
        cmocka_unit_test(test_mediawiki_ignores_what_it_does_not_know),
        cmocka_unit_test(test_mediawiki_reads_redirects),
        cmocka_unit_test(test_mediawiki_reads_old_exports),
        cmocka_unit_test(test_mediawiki_needs_no_siteinfo),
        cmocka_unit_test(test_mediawiki_finds_elements_behind_a_bom),
        cmocka_unit_test(test_mediawiki_elements_span_chunks),
        cmocka_unit_test(test_mediawiki_reads_past_a_long_comment),
        cmocka_unit_test(test_mediawiki_memory_shrinks_after_a_giant_page),
        cmocka_unit_test(test_mediawiki_reads_utf16),
        cmocka_unit_test(test_mediawiki_reads_latin1),
        cmocka_unit_test(test_mediawiki_refuses_unknown_encodings),
        cmocka_unit_test(test_mediawiki_reads_the_utf16_extract),
        cmocka_unit_test(test_mediawiki_reads_the_enwiki_extract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
