/* SPDX-License-Identifier: MIT
 *
 * MediaWiki exports: what is said of bad ones.
 */
#include "tests/fixture_mediawiki.h"

static void test_mediawiki_says_cut_off(void **state)
{
    static const char xml[] =
        HEAD PAGE("\xc3\x84hre", REVISION("text \xe2\x82\xac &lt; <![CDATA[x]]>")) "\n" TAIL;
    size_t whole = strlen(xml) - 1; /* without the line end */

    (void)state;
    for (size_t length = strlen("<mediawiki version=\"0.10\">"); length < whole; length++)
        expect_error(xml, length, EBADMSG, "cut off");
    for (size_t length = 1; length < strlen("<mediawiki version=\"0.10\""); length++)
        expect_error(xml, length, EINVAL, "ends before any XML element");
    struct collection all = read_good(xml, whole);
    forget(&all);
    expect_text_error(HEAD "\n\n<page><title>A</title>\n<revision>", EBADMSG,
                      "cut off inside the page begun in line 4");
    expect_text_error(HEAD PAGE("A", ""), EBADMSG, "</mediawiki> is missing");
}

static void test_mediawiki_passes_on_a_cut_off_file(void **state)
{
    /* The first bytes of a bzip2 file: what the byte source says comes through. */
    (void)state;
    expect_error("BZh91AY&SY", 10, EBADMSG, "the file is cut off");
}

static void test_mediawiki_names_what_is_no_export(void **state)
{
    (void)state;
    expect_text_error("<html><page/></html>", EINVAL, "root element is <html>");
    expect_text_error("just words\n", EINVAL, "not even XML");
    expect_text_error("{\"json\": 1}", EINVAL, "not even XML");
    expect_text_error("   \n", EINVAL, "not a MediaWiki export");
    expect_text_error("<?xml version='1.0'?><feed xmlns='x'/>", EINVAL, "<feed>");
}

static void test_mediawiki_needs_a_page(void **state)
{
    (void)state;
    expect_text_error(HEAD TAIL, ENODATA, "without a single page");
    expect_text_error("<mediawiki/>", ENODATA, "without a single page");
}

static void test_mediawiki_needs_titles(void **state)
{
    (void)state;
    expect_text_error(HEAD "<page><id>1</id></page>" TAIL, EBADMSG, "line 2");
    expect_text_error(HEAD "<page><title> \n</title></page>" TAIL, EBADMSG, "has no title");
    expect_text_error(HEAD "<page/>" TAIL, EBADMSG, "has no title");
}

static void test_mediawiki_refuses_control_characters_in_titles(void **state)
{
    (void)state;
    expect_text_error(HEAD PAGE("A\nB", "") TAIL, EBADMSG, "control character (0x0a)");
    expect_text_error(HEAD PAGE("A&#9;B", "") TAIL, EBADMSG, "control character (0x09)");
    expect_text_error(HEAD PAGE("A\x7f", "") TAIL, EBADMSG, "control character (0x7f)");
}

static void test_mediawiki_limits_titles(void **state)
{
    char xml[20000], title[10001];
    static const size_t lengths[] = {1025, 10000};

    (void)state;
    memset(title, 'x', 10000);
    title[10000] = '\0';
    for (size_t i = 0; i < 2; i++) {
        sprintf(xml, HEAD "<page><title>%.*s</title></page>" TAIL, (int)lengths[i], title);
        expect_text_error(xml, EBADMSG, "title is longer than 1024 bytes");
        sprintf(xml, HEAD "<page><title>R</title><redirect title='%.*s'/></page>" TAIL,
                (int)lengths[i], title);
        expect_text_error(xml, EBADMSG, "redirect's title is longer");
    }
    sprintf(xml, HEAD "<page><title>%.*s</title></page>" TAIL, 1024, title);
    struct collection all = read_text(xml);
    assert_int_equal(strlen(all.pages[0].title), 1024);
    forget(&all);
}

static void test_mediawiki_names_invalid_utf8(void **state)
{
    static const char *const bad[] = {"\xff",     "\x80",         "\xc3(",           "\xe2\x82(",
                                      "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"};
    char xml[2048], place[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int before = sprintf(xml, HEAD "\n<page><title>A");
        snprintf(place, sizeof(place), "line 3, byte %d: invalid UTF-8", before);
        sprintf(xml + before, "%s</title></page>" TAIL, bad[i]);
        expect_text_error(xml, EBADMSG, place);
        sprintf(xml, HEAD PAGE("A", REVISION("good %s bad")) TAIL, bad[i]);
        expect_text_error(xml, EBADMSG, "invalid UTF-8");
    }
}

static void test_mediawiki_names_broken_xml(void **state)
{
    (void)state;
    expect_text_error(HEAD "<page><title>A</page>" TAIL, EBADMSG, "mismatched tag");
    expect_text_error(HEAD PAGE("A\x01", "") TAIL, EBADMSG, "not well-formed");
    expect_text_error(HEAD PAGE("A", REVISION("&nbsp;")) TAIL, EBADMSG, "undefined entity");
    expect_text_error(HEAD PAGE("A", "") TAIL "<more/>", EBADMSG, "line 3");
    expect_text_error(HEAD PAGE("A", "") TAIL "<!-- ", EBADMSG, "cut off behind </mediawiki>");
    expect_text_error(HEAD "<page><title>A</title><ns>x</ns></page>" TAIL, EBADMSG,
                      "<ns> is not a number: \"x\"");
    expect_text_error(HEAD "<page><title>A</title><id>-4</id></page>" TAIL, EBADMSG,
                      "<id> is not a number: \"-4\"");
    expect_text_error(HEAD "<page><title>A</title><id></id></page>" TAIL, EBADMSG,
                      "<id> is not a number");
    expect_text_error(HEAD "<page><title>A</title><id>99999999999999999999</id></page>" TAIL,
                      EBADMSG, "<id> is not a number");
    expect_text_error(HEAD "<page><title>A</title><ns>4294967296</ns></page>" TAIL, EBADMSG,
                      "out of range");
    expect_text_error("<mediawiki><siteinfo><namespaces><namespace key='x'/></namespaces>"
                      "</siteinfo></mediawiki>",
                      EBADMSG, "<namespace>");
}

static void test_mediawiki_refuses_entity_bombs(void **state)
{
    (void)state;
    expect_text_error("<!DOCTYPE mediawiki [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>" HEAD PAGE(
                          "A", REVISION("&b;")) TAIL,
                      EBADMSG, "DOCTYPE");
    expect_text_error("<!DOCTYPE mediawiki SYSTEM \"file:///etc/passwd\">" HEAD TAIL, EBADMSG,
                      "DOCTYPE");
}

static void test_mediawiki_limits_depth_and_tokens(void **state)
{
    enum { comment = 20 << 20 };
    static char xml[comment + 10000];
    char *at = xml;

    (void)state;
    at += sprintf(at, HEAD);
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "<a>");
    expect_text_error(xml, EBADMSG, "nested more than");
    at = xml + sprintf(xml, HEAD "<!--");
    memset(at, '.', comment);
    sprintf(at + comment, "-->" PAGE("A", "") TAIL);
    expect_text_error(xml, EBADMSG, "a tag or comment of more than 16 MiB");
}

static void test_mediawiki_stops_when_the_handler_fails(void **state)
{
    static const char xml[] = HEAD PAGE("A", "") PAGE("B", "") PAGE("C", "") TAIL;

    (void)state;
    for (int stop = 0; stop < 3; stop++) {
        struct collection all = {.stop_at = stop};
        assert_int_equal(read_bytes(&all, xml, strlen(xml)), -ECANCELED);
        assert_string_equal(all.why.text, "stopped");
        assert_int_equal(all.count, stop);
        forget(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mediawiki_says_cut_off),
        cmocka_unit_test(test_mediawiki_passes_on_a_cut_off_file),
        cmocka_unit_test(test_mediawiki_names_what_is_no_export),
        cmocka_unit_test(test_mediawiki_needs_a_page),
        cmocka_unit_test(test_mediawiki_needs_titles),
        cmocka_unit_test(test_mediawiki_refuses_control_characters_in_titles),
        cmocka_unit_test(test_mediawiki_limits_titles),
        cmocka_unit_test(test_mediawiki_names_invalid_utf8),
        cmocka_unit_test(test_mediawiki_names_broken_xml),
        cmocka_unit_test(test_mediawiki_refuses_entity_bombs),
        cmocka_unit_test(test_mediawiki_limits_depth_and_tokens),
        cmocka_unit_test(test_mediawiki_stops_when_the_handler_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
