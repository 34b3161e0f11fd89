/* SPDX-License-Identifier: MIT
 *
 * MediaWiki exports: what is read from good ones, and what is said of bad ones.
 */
#include "coordinator/dump/mediawiki.h"

#include <errno.h>
#include <iconv.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "<mediawiki version=\"0.10\"><siteinfo><sitename>Test &amp; Co</sitename>"                     \
    "<dbname>testwiki</dbname><case>first-letter</case><namespaces>"                               \
    "<namespace key=\"-1\">Special</namespace><namespace key=\"0\" />"                             \
    "<namespace key=\"1\">Diskussion</namespace></namespaces></siteinfo>\n"
#define TAIL                "</mediawiki>\n"
#define PAGE(title, inside) "<page><title>" title "</title><ns>0</ns><id>7</id>" inside "</page>"
#define REVISION(text)      "<revision><id>9</id><text>" text "</text></revision>"

struct seen {
    uint64_t id, dump_offset, dump_bytes;
    int ns;
    char *title, *redirect, *text, *element;
    size_t text_length, element_length;
};

struct collection {
    size_t sites, count;
    struct seen pages[64];
    char site_name[64], database[64];
    bool first_letter;
    size_t namespace_count;
    int stop_at;            /* the page at which the handler fails; -1: none */
    bool lean;              /* count the pages only */
    size_t heap_after_last; /* bytes on the heap during the last page */
    struct dump_totals totals;
    struct fault why;
};

static int on_site(void *owner, const struct dump_site *site, struct fault *why)
{
    struct collection *all = owner;

    (void)why;
    assert_int_equal(all->count, 0);
    all->sites++;
    snprintf(all->site_name, sizeof(all->site_name), "%s", site->name);
    snprintf(all->database, sizeof(all->database), "%s", site->database);
    all->first_letter = site->first_letter;
    all->namespace_count = site->namespace_count;
    return 0;
}

static int on_page(void *owner, const struct dump_page *page, struct fault *why)
{
    struct collection *all = owner;

    assert_int_equal(all->sites, 1);
    assert_true(page->dump_bytes > 0);
    if ((int)all->count == all->stop_at)
        return fault_set(why, ECANCELED, "stopped");
    if (all->lean) {
        all->count++;
        struct mallinfo2 info = mallinfo2();
        all->heap_after_last = info.uordblks + info.hblkhd;
        return 0;
    }
    assert_true(all->count < sizeof(all->pages) / sizeof(all->pages[0]));
    all->pages[all->count++] = (struct seen){
        .id = page->id,
        .ns = page->ns,
        .dump_offset = page->dump_offset,
        .dump_bytes = page->dump_bytes,
        .title = strndup(page->title, page->title_length),
        .redirect = page->redirect ? strndup(page->redirect, page->redirect_length) : NULL,
        .text = strndup(page->text, page->text_length),
        .text_length = page->text_length,
        .element = strndup(page->element, page->element_length),
        .element_length = page->element_length,
    };
    return 0;
}

static void forget(struct collection *all)
{
    for (size_t i = 0; i < all->count && !all->lean; i++) {
        free(all->pages[i].title);
        free(all->pages[i].redirect);
        free(all->pages[i].text);
        free(all->pages[i].element);
    }
}

static int read_path(struct collection *all, const char *path)
{
    const struct dump_handler handler = {.owner = all, .site = on_site, .page = on_page};
    struct byte_source *source;

    int err = bytes_open(&source, path, &all->why);
    if (err == 0)
        err = mediawiki_read(source, &handler, &all->totals, &all->why);
    bytes_close(&source);
    return err;
}

static int read_bytes(struct collection *all, const char *xml, size_t length)
{
    char path[64];
    int fd = memfd_create("mediawiki_test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, xml, length), (ssize_t)length);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int err = read_path(all, path);
    close(fd);
    return err;
}

/* Reads good XML, and checks that every element is where it is said to be. */
static struct collection read_good(const char *xml, size_t length)
{
    struct collection all = {.stop_at = -1};

    int err = read_bytes(&all, xml, length);
    if (err != 0)
        fail_msg("%s", all.why.text);
    assert_int_equal(all.totals.dump_bytes, length);
    assert_int_equal(all.totals.pages, all.count);
    for (size_t i = 0; i < all.count; i++) {
        const struct seen *page = &all.pages[i];
        assert_true(page->dump_offset + page->dump_bytes <= length);
        assert_int_equal(page->dump_bytes, page->element_length);
        assert_memory_equal(page->element, xml + page->dump_offset, page->element_length);
        assert_memory_equal(page->element, "<page", 5);
    }
    return all;
}

static struct collection read_text(const char *xml)
{
    return read_good(xml, strlen(xml));
}

static void expect_error(const char *xml, size_t length, int err, const char *message)
{
    struct collection all = {.stop_at = -1};

    int result = read_bytes(&all, xml, length);
    if (result != -err || !strstr(all.why.text, message))
        fail_msg("%d \"%s\" is not %d \"%s\"", result, result ? all.why.text : "", -err, message);
    assert_memory_equal(all.why.text, "/proc/self/fd/", 14);
    forget(&all);
}

static void expect_text_error(const char *xml, int err, const char *message)
{
    expect_error(xml, strlen(xml), err, message);
}

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

/* --- Bad dumps ----------------------------------------------------------------------------- */

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
    char *xml = malloc(20000), title[10001];
    static const size_t lengths[] = {1025, 10000};

    (void)state;
    assert_non_null(xml);
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
    free(xml);
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
    const size_t comment = (size_t)20 << 20;
    char *xml = malloc(comment + 10000), *at = xml;

    (void)state;
    assert_non_null(xml);
    at += sprintf(at, HEAD);
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "<a>");
    expect_text_error(xml, EBADMSG, "nested more than");
    at = xml + sprintf(xml, HEAD "<!--");
    memset(at, '.', comment);
    sprintf(at + comment, "-->" PAGE("A", "") TAIL);
    expect_text_error(xml, EBADMSG, "a tag or comment of more than 16 MiB");
    free(xml);
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
        cmocka_unit_test(test_mediawiki_reads_the_utf16_extract),
        cmocka_unit_test(test_mediawiki_reads_the_enwiki_extract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
