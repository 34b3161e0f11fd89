/* SPDX-License-Identifier: MIT
 *
 * Article text, read through the `page` query: byte for byte, and errors in words when the index
 * file is not what it was.
 */
#include "shm/readable.h"
#include "tests/fixture_index.h"
#include "tests/fixture_query.h"
#include "worker/article.h"

#include <errno.h>
#include <fcntl.h>

enum { PLAIN, TWICE, EMPTY, BARE, ODD, BROKEN, PAIR_A, PAIR_B, BIG_A, BIG_B, LAST, PAGES };

#define BIG_TEXT_BYTES  350000 /* two of them are more than the cache takes */
#define PAIR_TEXT_BYTES 150000

struct world {
    struct fixture index;
    struct query_engine *engine;
    char *made[PAGES];
};

/* Letters that zstd cannot make much of. */
static char *make_element(size_t text_bytes, uint64_t seed)
{
    static const char BEGIN[] = "<page><revision><text>", END[] = "</text></revision></page>";
    char *element = fixture_alloc(text_bytes + sizeof BEGIN + sizeof END, 1);

    strcpy(element, BEGIN);
    for (size_t i = 0; i < text_bytes; i++)
        element[sizeof BEGIN - 1 + i] = (char)('a' + fixture_random(&seed, 26));
    strcat(element, END);
    return element;
}

static const char PLAIN_ELEMENT[] =
    "<page>\n    <title>Plain</title>\n    <id>1</id>\n"
    "    <revision>\n      <id>7</id>\n      <comment>not this text</comment>\n"
    "      <text xml:space=\"preserve\" bytes=\"99\">'''A''' &amp;amp; &lt;ref&gt;x&lt;/ref&gt;\n"
    "\t[[Link|&quot;caf\u00e9&quot;]] &#233;&#x1F600;<![CDATA[<b>&amp;</b>]]>\n\n</text>\n"
    "      <sha1>abc</sha1>\n    </revision>\n  </page>";
static const char PLAIN_WIKITEXT[] =
    "'''A''' &amp; <ref>x</ref>\n\t[[Link|\"caf\u00e9\"]] \u00e9\U0001F600<b>&amp;</b>\n\n";

static int setup(void **state)
{
    struct world *world = fixture_alloc(1, sizeof *world);
    struct fixture_page pages[PAGES] = {
        [PLAIN] = {"Plain", PLAIN_ELEMENT, 1, 0},
        [TWICE] = {"Twice",
                   "<page><revision><text>old and much longer</text></revision>"
                   "<revision><text>new</text></revision><upload><text>no</text></upload></page>",
                   2, 0},
        [EMPTY] = {"Empty",
                   "<page><revision><text>old</text></revision>"
                   "<revision><text deleted=\"deleted\" /></revision></page>",
                   3, 0},
        [BARE] = {"Bare", "<page><text>not a revision's</text></page>", 4, 0},
        [ODD] = {"Odd",
                 "<page><revision><contributor><text>no</text></contributor>"
                 "<text>y<b>no</b>es</text></revision></page>",
                 5, 0},
        [BROKEN] = {"Broken", "<page>\n<revision><text>&nbsp;</text></revision></page>", 6, 0},
        [LAST] = {"Last", "<page><revision><text>l</text></revision></page>", 11, 0},
    };
    static const char *const NAMES[] = {"Pair A", "Pair B", "Big A", "Big B"};
    static const struct fixture_redirect REDIRECT = {"Ordinary", PLAIN};
    struct arc_list arcs = {0};
    struct fault why;

    for (uint32_t v = PAIR_A; v <= BIG_B; v++) {
        world->made[v] = make_element(v < BIG_A ? PAIR_TEXT_BYTES : BIG_TEXT_BYTES, v);
        pages[v] = (struct fixture_page){NAMES[v - PAIR_A], world->made[v], v + 1, 0};
    }
    fixture_init(&world->index, pages, PAGES, &REDIRECT, 1, &arcs, true);
    MUST(query_engine_create(&world->engine, &world->index.view, 1, world->index.fd, &why) == 0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    query_engine_destroy(&world->engine);
    fixture_fini(&world->index);
    for (uint32_t v = 0; v < PAGES; v++)
        free(world->made[v]);
    free(world);
    return 0;
}

static void expect_page(struct world *world, const char *title, const char *format,
                        const char *expected)
{
    struct answer answer = ask(world->engine, "page", "ss", title, format);

    expect_text(answer.value, "format", format);
    expect_text(answer.value, "text", expected);
    answer_fini(&answer);
}

static void test_article_is_given_byte_for_byte(void **state)
{
    struct world *world = *state;

    expect_page(world, "Plain", "xml", PLAIN_ELEMENT);
    expect_page(world, "Plain", "wikitext", PLAIN_WIKITEXT);
    expect_page(world, "Pair B", "xml", world->made[PAIR_B]);
    expect_page(world, "Big B", "xml", world->made[BIG_B]);
    expect_page(world, "Last", "wikitext", "l");
}

static void test_article_default_is_readable_text(void **state)
{
    struct world *world = *state;
    char readable[sizeof PLAIN_WIKITEXT];
    size_t length = readable_text(PLAIN_WIKITEXT, strlen(PLAIN_WIKITEXT), readable);
    struct answer answer = ask(world->engine, "page", "{s", "title", "ordinary");

    readable[length] = '\0';
    expect_text(answer.value, "title", "Plain");
    expect_text(answer.value, "redirect_from", "Ordinary");
    expect_text(answer.value, "format", "text");
    expect_text(answer.value, "text", readable);
    assert_int_equal(answer_uint(answer.value, "id"), 1);
    answer_fini(&answer);
    answer = ask(world->engine, "page", "s", "Plain");
    expect_text(answer.value, "redirect_from", NULL);
    answer_fini(&answer);
}

static void test_article_wikitext_is_the_last_revisions(void **state)
{
    struct world *world = *state;

    expect_page(world, "Twice", "wikitext", "new");
    expect_page(world, "Empty", "wikitext", "");
    expect_page(world, "Empty", "text", "");
    expect_page(world, "Bare", "wikitext", "");
    expect_page(world, "Odd", "wikitext", "yes");
}

static void test_article_broken_xml_says_the_line(void **state)
{
    struct world *world = *state;

    refuse(world->engine, "internal", "line 2: undefined entity", "page", "ss", "Broken",
           "wikitext");
    expect_page(world, "Broken", "xml", "<page>\n<revision><text>&nbsp;</text></revision></page>");
}

/* Entities of the element's own making cannot write more than the element is long. */
static void test_article_entities_cannot_multiply(void **state)
{
    static char bomb[] = "<!DOCTYPE page [<!ENTITY a \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\">]>"
                         "<page><revision><text>&a;&a;&a;&a;&a;&a;&a;&a;</text></revision></page>";
    struct article element = {bomb, sizeof bomb - 1}, wikitext;
    struct fault why;

    (void)state;
    assert_int_equal(article_wikitext(&element, &wikitext, &why), -EBADMSG);
    assert_non_null(strstr(why.text, "a page element is broken"));
}

/* What was read stays readable without the file, but only as much as the cache is to hold. */
static void test_article_cache_is_bounded(void **state)
{
    struct world *world = *state;

    expect_page(world, "Pair A", "xml", world->made[PAIR_A]);
    expect_page(world, "Big A", "xml", world->made[BIG_A]);
    assert_int_equal(ftruncate(world->index.fd, 0), 0);
    expect_page(world, "Pair B", "xml", world->made[PAIR_B]); /* the same block */
    refuse(world->engine, "internal", "cut short", "page", "s", "Big A");
    refuse(world->engine, "internal", "cut short", "page", "s", "Plain");
}

static void test_article_cache_drops_the_least_recently_used(void **state)
{
    enum { BLOCKS = 9, TEXT = 30000 }; /* 60 KB a block: eight fit */
    struct fixture_page pages[2 * BLOCKS];
    char titles[2 * BLOCKS][8], *elements[2 * BLOCKS];
    struct arc_list arcs = {0};
    struct fixture index;
    struct article_store *store;
    struct article element;
    struct fault why;

    (void)state;
    for (uint32_t v = 0; v < 2 * BLOCKS; v++) {
        snprintf(titles[v], sizeof titles[v], "P%u", v);
        elements[v] = make_element(TEXT, v);
        pages[v] = (struct fixture_page){titles[v], elements[v], v, 0};
    }
    fixture_init(&index, pages, 2 * BLOCKS, NULL, 0, &arcs, true);
    assert_int_equal(article_store_create(&store, &index.view, index.fd, &why), 0);
    for (uint32_t i = 0; i < 2 * BLOCKS; i++) {
        uint32_t v = i == 2 * BLOCKS - 2 ? 0 : i; /* the oldest once more, before the last block */
        assert_int_equal(article_element(store, v, &element, &why), 0);
        assert_int_equal(element.length, strlen(elements[v]));
        assert_memory_equal(element.bytes, elements[v], element.length);
        free(element.bytes);
    }
    assert_int_equal(ftruncate(index.fd, 0), 0);
    for (uint32_t block = 0; block < BLOCKS; block++) {
        int result = article_element(store, 2 * block, &element, &why);
        assert_int_equal(result, block == 1 ? -EIO : 0);
        if (result == 0)
            free(element.bytes);
    }
    article_store_destroy(&store);
    article_store_destroy(&store);
    fixture_fini(&index);
    for (uint32_t v = 0; v < 2 * BLOCKS; v++)
        free(elements[v]);
}

static void test_article_file_cut_short_and_restored(void **state)
{
    struct world *world = *state;
    const struct text_block *block = &world->index.blocks[world->index.pages[LAST].block];
    off_t end = (off_t)(FIXTURE_TEXT_OFFSET + block->offset + block->stored_bytes);
    char last;

    assert_int_equal(pread(world->index.fd, &last, 1, end - 1), 1);
    assert_int_equal(ftruncate(world->index.fd, end - 1), 0);
    refuse(world->engine, "internal", "inside text block 5: it was cut short", "page", "s", "Last");
    expect_page(world, "Plain", "xml", PLAIN_ELEMENT);
    assert_int_equal(pwrite(world->index.fd, &last, 1, end - 1), 1);
    expect_page(world, "Last", "wikitext", "l");
}

/* A flipped bit is an error, or one of the few that a zstd frame does not use. */
static void test_article_damage_is_noticed(void **state)
{
    struct world *world = *state;
    const struct text_block *block = &world->index.blocks[world->index.pages[LAST].block];
    uint32_t bits = 8 * block->stored_bytes, noticed = 0;

    for (uint32_t i = 0; i < bits; i++) {
        off_t at = (off_t)(FIXTURE_TEXT_OFFSET + block->offset + i / 8);
        struct article_store *store;
        struct article element;
        struct fault why;
        char was, is;

        assert_int_equal(pread(world->index.fd, &was, 1, at), 1);
        is = (char)(was ^ 1 << i % 8);
        assert_int_equal(pwrite(world->index.fd, &is, 1, at), 1);
        assert_int_equal(article_store_create(&store, &world->index.view, world->index.fd, &why),
                         0);
        int result = article_element(store, LAST, &element, &why);
        if (result == 0) {
            assert_int_equal(element.length, world->index.pages[LAST].element_bytes);
            assert_memory_equal(element.bytes, "<page><revision><text>l</text>", 30);
            free(element.bytes);
        } else {
            assert_int_equal(result, -EBADMSG);
            assert_non_null(strstr(why.text, "index file: text block 5"));
            noticed++;
        }
        article_store_destroy(&store);
        assert_int_equal(pwrite(world->index.fd, &was, 1, at), 1);
    }
    assert_true(noticed > bits - 10);
    expect_page(world, "Last", "wikitext", "l");
}

static void test_article_tables_that_contradict_the_file(void **state)
{
    struct world *world = *state;
    struct page *page = &world->index.pages[LAST], page_was = *page;
    struct text_block *block = &world->index.blocks[page->block], block_was = *block;

    page->block = (uint32_t)world->index.view.block_count;
    refuse(world->engine, "internal", "is in text block 6 of 6", "page", "s", "Last");
    *page = page_was;
    page->element_bytes++;
    refuse(world->engine, "internal", "outside of its text block", "page", "s", "Last");
    *page = page_was;
    page->block_offset = UINT32_MAX;
    refuse(world->engine, "internal", "outside of its text block", "page", "s", "Last");
    *page = page_was;
    block->stored_bytes++;
    refuse(world->engine, "internal", "outside of the text section", "page", "s", "Last");
    *block = block_was;
    block->offset = UINT64_MAX;
    refuse(world->engine, "internal", "outside of the text section", "page", "s", "Last");
    *block = block_was;
    block->raw_bytes++;
    refuse(world->engine, "internal", "instead of", "page", "s", "Last");
    *block = block_was;
    expect_page(world, "Last", "wikitext", "l");
}

static void test_article_without_a_readable_file(void **state)
{
    struct world *world = *state;
    int files[] = {-1, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    static const char *const MESSAGES[] = {"not open", "cannot read text block 5"};

    for (unsigned i = 0; i < 2; i++) {
        struct query_engine *engine;
        struct fault why;
        assert_int_equal(query_engine_create(&engine, &world->index.view, 1, files[i], &why), 0);
        refuse(engine, "internal", MESSAGES[i], "page", "s", "Last");
        query_engine_destroy(&engine);
    }
    close(files[1]);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_article_is_given_byte_for_byte),
        TEST(test_article_default_is_readable_text),
        TEST(test_article_wikitext_is_the_last_revisions),
        TEST(test_article_broken_xml_says_the_line),
        cmocka_unit_test(test_article_entities_cannot_multiply),
        TEST(test_article_cache_is_bounded),
        cmocka_unit_test(test_article_cache_drops_the_least_recently_used),
        TEST(test_article_file_cut_short_and_restored),
        TEST(test_article_damage_is_noticed),
        TEST(test_article_tables_that_contradict_the_file),
        TEST(test_article_without_a_readable_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
