/* SPDX-License-Identifier: MIT
 *
 * The index builder on small hand-written dumps and graphs: what becomes a page, a title and a
 * link, and what is dropped and counted.
 */
#include "tests/build_fixture.h"

/* --- Pages and their text ------------------------------------------------------------------ */

static void test_build_keeps_elements_byte_for_byte(void **state)
{
    (void)state;
    static const char dump[] =
        HEAD("first-letter") PAGE("Äpfel &amp; Birnen", 4, "Obst &lt;b&gt;\t")
            NS_PAGE(0, "Empty", 12, REVISION("")) "\n" PAGE("Last", 99, "\xe6\xbc\xa2 &#x6f22;\n")
                TAIL;
    struct build_report report;
    struct opened opened;
    build_dump(&report, dump, &opened);
    assert_int_equal(report.pages, 3);
    assert_int_equal(report.dump_bytes, sizeof(dump) - 1);
    assert_int_equal(opened.view.meta->source_bytes, sizeof(dump) - 1);

    const char *at = dump;
    static const uint64_t ids[] = {4, 12, 99};
    for (uint32_t v = 0; v < 3; v++) {
        const struct page *page = &opened.view.pages[v];
        const char *begin = strstr(at, "<page>"), *end = strstr(begin, "</page>") + 7;
        assert_int_equal(page->id, ids[v]);
        assert_int_equal(page->dump_offset, begin - dump);
        assert_int_equal(page->dump_bytes, end - begin);
        size_t length;
        char *element = element_of(&opened, v, &length);
        assert_int_equal(length, end - begin);
        assert_memory_equal(element, begin, length);
        free(element);
        at = end;
    }
    assert_int_equal(vertex_of(&opened, "Äpfel & Birnen"), 0);
    close_index(&opened);
}

/* A block is closed by the page that fills it, and a page is never split. */
static void test_build_packs_pages_into_blocks(void **state)
{
    (void)state;
    enum { PAGES = 60, SMALL = 5000, LARGE = 200000, LARGE_PAGE = 30 };
    char *dump;
    size_t length;
    FILE *out = open_memstream(&dump, &length);
    fputs(HEAD("first-letter"), out);
    unsigned random = 1;
    for (unsigned i = 0; i < PAGES; i++) {
        fprintf(out, "<page><title>P%u</title><ns>0</ns><id>%u</id><revision><text>", i, i + 1);
        for (unsigned byte = 0; byte < (i == LARGE_PAGE ? LARGE : SMALL); byte++)
            fputc('a' + (int)((random = random * 1103515245 + 12345) >> 16) % 26, out);
        fputs("</text></revision></page>", out);
    }
    fputs(TAIL, out);
    fclose(out);

    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_DUMP, write_bytes("dump.xml", dump, length), &opened);
    assert_int_equal(opened.view.meta->page_count, PAGES);
    /* 13 small pages fill a block; the large one ends the block that it falls into. */
    assert_int_equal(opened.view.block_count, 6);
    for (uint64_t b = 0; b + 1 < opened.view.block_count; b++)
        assert_true(opened.view.text_blocks[b].raw_bytes >= 64 << 10);
    for (uint32_t v = 0; v < PAGES; v++) {
        size_t bytes;
        char *element = element_of(&opened, v, &bytes);
        assert_memory_equal(element, dump + opened.view.pages[v].dump_offset, bytes);
        assert_memory_equal(element + bytes - 7, "</page>", 7);
        free(element);
    }
    close_index(&opened);
    free(dump);
}

static void test_build_takes_only_the_main_namespace(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report,
               HEAD("first-letter") PAGE("One", 1, "[[Two]] [[Talk:One]] [[Category:Ones]]")
                   NS_PAGE(1, "Talk:One", 2, REVISION("[[One]] [[Two]]")) PAGE("Two", 3, "")
                       NS_PAGE(14, "Category:Ones", 4, "<redirect title=\"One\" />") TAIL,
               &opened);
    assert_int_equal(report.pages_seen, 4);
    assert_int_equal(report.pages, 2);
    assert_int_equal(report.redirects, 0);
    assert_int_equal(opened.view.meta->title_count, 2);
    assert_int_equal(vertex_of(&opened, "Talk:One"), UINT32_MAX);
    assert_int_equal(report.edges, 1);
    assert_int_equal(report.links[LINK_PAGE], 1);
    assert_int_equal(report.links[LINK_NAMESPACE], 2);
    close_index(&opened);
}

static void test_build_describes_its_source(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report, HEAD("first-letter") PAGE("One", 1, "") TAIL, &opened);
    const struct index_meta *meta = opened.view.meta;
    assert_string_equal(meta->site, "Test wiki");
    assert_string_equal(meta->database, "testwiki");
    assert_string_equal(meta->source, "dump.xml");
    assert_int_equal(meta->first_letter, 1);
    assert_int_equal(meta->has_text, 1);
    assert_true(meta->built_unix_s > 1700000000);
    close_index(&opened);
}

/* 40 letters of two bytes do not fit 63 bytes: cut between letters, not within one. */
static void test_build_cuts_a_long_site_name_at_a_character(void **state)
{
    (void)state;
#define TEN "ÄÄÄÄÄÄÄÄÄÄ"
    struct build_report report;
    struct opened opened;
    build_dump(&report,
               "<mediawiki><siteinfo><sitename>" TEN TEN TEN TEN
               "</sitename></siteinfo>" PAGE("One", 1, "") TAIL,
               &opened);
    assert_int_equal(strlen(opened.view.meta->site), 62);
    assert_memory_equal(opened.view.meta->site, TEN TEN TEN "Ä", 62);
    close_index(&opened);
#undef TEN
}

/* --- Titles and redirects ------------------------------------------------------------------ */

static void test_build_follows_redirects_to_their_end(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report,
               HEAD("first-letter") REDIRECT("First", 1, "Second") REDIRECT("Second", 2, "third")
                   REDIRECT("Third", 3, "Goal#Its section") PAGE("Other", 5, "[[First]]")
                       PAGE("Goal", 4, "") REDIRECT("Late", 6, "First") TAIL,
               &opened);
    assert_int_equal(report.pages, 2);
    assert_int_equal(report.redirects, 4);
    assert_int_equal(report.redirects_dropped, 0);
    static const char *const names[] = {"First", "Second", "Third", "Late"};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vertex_of(&opened, names[i]), vertex_of(&opened, "Goal"));
        assert_true(is_redirect(&opened, names[i]));
    }
    assert_false(is_redirect(&opened, "Goal"));
    assert_true(has_edge(&opened, "Other", "Goal"));
    close_index(&opened);
}

static void test_build_drops_redirects_that_lead_nowhere(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report,
               HEAD("first-letter") REDIRECT("Loop a", 1, "Loop b") REDIRECT("Loop b", 2, "Loop c")
                   REDIRECT("Loop c", 3, "Loop a") REDIRECT("Into loop", 4, "Loop b")
                       REDIRECT("Self", 5, "self") REDIRECT("Missing", 6, "No such page")
                           REDIRECT("To missing", 7, "Missing") REDIRECT("Nothing", 8, "#Section")
                               REDIRECT("Good", 9, "Page") REDIRECT("Abroad", 11, "Category:Ones")
                                   PAGE("Page", 10, "[[Loop a]] [[Self]] [[Missing]] [[Good]]")
                                       TAIL,
               &opened);
    assert_int_equal(report.redirects, 1);
    assert_int_equal(report.redirects_dropped, 9);
    assert_int_equal(opened.view.meta->title_count, 2);
    assert_int_equal(vertex_of(&opened, "Loop a"), UINT32_MAX);
    assert_int_equal(vertex_of(&opened, "Into loop"), UINT32_MAX);
    assert_int_equal(vertex_of(&opened, "Good"), 0);
    assert_int_equal(report.links_missing, 3);
    assert_int_equal(report.links_self, 1); /* through Good */
    assert_int_equal(report.edges, 0);
    close_index(&opened);
}

static void test_build_settles_a_long_redirect_chain(void **state)
{
    (void)state;
    enum { CHAIN = 50000 };
    char *dump;
    size_t length;
    FILE *out = open_memstream(&dump, &length);
    fputs(HEAD("first-letter"), out);
    for (unsigned i = 0; i < CHAIN; i++)
        fprintf(out,
                "<page><title>R%u</title><ns>0</ns><id>%u</id><redirect title=\"R%u\"/></page>\n",
                i, i + 1, i + 1);
    fprintf(out, "<page><title>R%u</title><ns>0</ns><id>1</id></page>" TAIL, CHAIN);
    fclose(out);
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_DUMP, write_bytes("dump.xml", dump, length), &opened);
    assert_int_equal(report.redirects, CHAIN);
    assert_int_equal(vertex_of(&opened, "R0"), 0);
    close_index(&opened);
    free(dump);
}

static void test_build_keeps_the_first_of_equal_titles(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report,
               HEAD("first-letter") PAGE("Same name", 1, "[[Other]]")
                   PAGE("same_name", 2, "[[Other]] [[Third]]") REDIRECT("Same  name", 3, "Other")
                       PAGE("Other", 4, "") REDIRECT("Third", 5, "Other") PAGE("Third", 6, "") TAIL,
               &opened);
    assert_int_equal(report.pages_seen, 6);
    assert_int_equal(report.pages, 2);
    assert_int_equal(report.duplicate_titles, 3);
    assert_int_equal(report.redirects, 1);
    assert_int_equal(opened.view.pages[vertex_of(&opened, "Same name")].id, 1);
    assert_int_equal(opened.view.pages[vertex_of(&opened, "Third")].id, 4);
    assert_int_equal(report.links[LINK_PAGE], 1); /* those of dropped pages do not count */
    close_index(&opened);
}

#define CASE_DUMP(rule)                                                                            \
    HEAD(rule)                                                                                     \
    PAGE("iPod", 1, "[[Émile]]") PAGE("IPod", 2, "[[émile]]") PAGE("Émile", 3, "[[iPod]]") TAIL

static void test_build_obeys_the_case_rule(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report, CASE_DUMP("first-letter"), &opened);
    assert_int_equal(report.pages, 2);
    assert_int_equal(report.duplicate_titles, 1);
    assert_int_equal(vertex_of(&opened, "iPod"), UINT32_MAX);
    assert_int_equal(report.edges, 2);
    close_index(&opened);

    build_dump(&report, CASE_DUMP("case-sensitive"), &opened);
    assert_int_equal(opened.view.meta->first_letter, 0);
    assert_int_equal(report.pages, 3);
    assert_int_not_equal(vertex_of(&opened, "iPod"), vertex_of(&opened, "IPod"));
    assert_int_equal(report.edges, 2);
    assert_int_equal(report.links_missing, 1); /* [[émile]] */
    assert_true(has_edge(&opened, "Émile", "iPod"));
    assert_false(has_edge(&opened, "Émile", "IPod"));
    close_index(&opened);
}

/* --- Links --------------------------------------------------------------------------------- */

static void test_build_counts_every_link_it_drops(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(
        &report,
        HEAD("first-letter")
            PAGE("A", 1,
                 "[[B]] [[b|text]] [[B#part]] [[C]] [[A]] [[A]] [[Red]] [[Red]] [[Green]] [[To A]]"
                 " [[To B]] [[To B]] [[File:X.png|thumb]] [[#Here]] [[&lt;&gt;]] [[fr:B]]")
                PAGE("B", 2, "&lt;nowiki&gt;[[A]]&lt;/nowiki&gt; &lt;!-- [[C]] --&gt;")
                    PAGE("C", 3, "[[A]]") REDIRECT("To A", 4, "A") REDIRECT("To B", 5, "B") TAIL,
        &opened);
    assert_int_equal(report.edges, 3);
    assert_true(has_edge(&opened, "A", "B"));
    assert_true(has_edge(&opened, "A", "C"));
    assert_true(has_edge(&opened, "C", "A"));
    assert_int_equal(report.links[LINK_PAGE], 13);
    assert_int_equal(report.links_repeated, 4); /* b, B#part, To B twice */
    assert_int_equal(report.links_self, 3);
    assert_int_equal(report.links_missing, 3);
    assert_int_equal(report.links[LINK_NAMESPACE], 1);
    assert_int_equal(report.links[LINK_SECTION], 1);
    assert_int_equal(report.links[LINK_INVALID], 1);
    assert_int_equal(report.links[LINK_INTERWIKI], 1);
    close_index(&opened);
}

/* More links than a chunk of the link stream holds, each target twice, half of them there. */
static void test_build_takes_very_many_links_on_one_page(void **state)
{
    (void)state;
    enum { TARGETS = 150000, PAGES = 1000 };
    char *dump;
    size_t length;
    FILE *out = open_memstream(&dump, &length);
    fputs(HEAD("first-letter") "<page><title>Hub</title><ns>0</ns><id>1</id><revision><text>", out);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < TARGETS; i++)
            fprintf(out, "[[T%u]]", i);
    fputs("</text></revision></page>", out);
    for (unsigned i = 0; i < PAGES; i++)
        fprintf(out, "<page><title>T%u</title><ns>0</ns><id>%u</id></page>", i, i + 2);
    fputs(TAIL, out);
    fclose(out);
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_DUMP, write_bytes("dump.xml", dump, length), &opened);
    assert_int_equal(report.edges, PAGES);
    assert_int_equal(report.links_repeated, PAGES);
    assert_int_equal(report.links_missing, 2 * (TARGETS - PAGES));
    close_index(&opened);
    free(dump);
}

/* --- Graphs -------------------------------------------------------------------------------- */

static void test_build_takes_an_edge_list_of_numbers(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_GRAPH,
             write_text("edges.txt", "# comment\n10 7\n7 1000000000000\n10 7\n7 7\n"), &opened);
    assert_int_equal(report.pages, 3);
    assert_int_equal(report.edges, 2);
    assert_int_equal(report.links_self, 1);
    assert_int_equal(report.links_repeated, 1);
    const struct index_meta *meta = opened.view.meta;
    assert_int_equal(meta->has_text, 0);
    assert_int_equal(meta->first_letter, 0);
    assert_string_equal(meta->source, "edges.txt");
    assert_int_equal(opened.view.block_count, 0);
    assert_int_equal(opened.view.text_bytes, 0);
    static const uint64_t ids[] = {7, 10, 1000000000000};
    for (uint32_t v = 0; v < 3; v++) {
        assert_int_equal(opened.view.pages[v].id, ids[v]);
        assert_int_equal(opened.view.pages[v].block, PAGE_NO_TEXT);
    }
    assert_true(has_edge(&opened, "10", "7"));
    assert_true(has_edge(&opened, "7", "1000000000000"));
    close_index(&opened);
}

/* Names that a reader could not tell apart are one vertex. */
static void test_build_takes_an_edge_list_of_titles(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_GRAPH,
             write_text("edges.tsv", "red apple\tPear\nPear\tCafe\xcc\x81\nred_apple\tpear\n"
                                     "Caf\xc3\xa9\tred apple\n"),
             &opened);
    assert_int_equal(report.pages, 4);
    assert_int_equal(report.duplicate_titles, 2);
    assert_int_equal(report.edges, 4);
    assert_true(has_edge(&opened, "red apple", "Pear"));
    assert_true(has_edge(&opened, "red apple", "pear"));
    assert_true(has_edge(&opened, "Pear", "Caf\xc3\xa9"));
    assert_true(has_edge(&opened, "Caf\xc3\xa9", "red apple"));
    assert_int_equal(vertex_of(&opened, "Red apple"), UINT32_MAX);
    for (uint32_t v = 0; v < 4; v++)
        assert_int_equal(opened.view.pages[v].id, v);
    close_index(&opened);
}

static void test_build_takes_a_symmetric_matrix(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_GRAPH,
             write_text("graph.mtx", "%%MatrixMarket matrix coordinate pattern symmetric\n"
                                     "4 4 2\n2 1\n3 2\n"),
             &opened);
    assert_int_equal(report.pages, 4);
    assert_int_equal(report.edges, 4);
    assert_true(has_edge(&opened, "1", "2"));
    assert_true(has_edge(&opened, "2", "1"));
    assert_true(has_edge(&opened, "2", "3"));
    assert_int_equal(graph_out_degree(&opened.view.graph, vertex_of(&opened, "4")), 0);
    close_index(&opened);
}

/* --- Report -------------------------------------------------------------------------------- */

static void test_build_report_fits_a_screen_and_parses(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_dump(&report, HEAD("first-letter") PAGE("A", 1, "[[B]] [[C]]") PAGE("B", 2, "") TAIL,
               &opened);
    close_index(&opened);
    assert_true(report.peak_rss_bytes > 1 << 20);
    assert_true(report.total_s >= report.read_s + report.write_s);

    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    build_report_print(&report, out, false);
    fclose(out);
    unsigned lines = 0;
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, lines++)
        assert_true(end - line <= 80);
    assert_true(lines <= 44);
    assert_non_null(strstr(text, "to missing pages                       1\n"));
    free(text);

    out = open_memstream(&text, &length);
    build_report_print(&report, out, true);
    fclose(out);
    int depth = 0;
    for (const char *at = text; *at; at++)
        depth += (*at == '{') - (*at == '}');
    assert_int_equal(depth, 0);
    assert_ptr_equal(strchr(text, '\n'), text + length - 1);
    assert_non_null(strstr(text, "\"links_missing\":1,"));
    assert_non_null(strstr(text, "\"pages\":2,"));
    assert_non_null(strstr(text, "\"meta\":264,"));
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_build_keeps_elements_byte_for_byte),
        TEST(test_build_packs_pages_into_blocks),
        TEST(test_build_takes_only_the_main_namespace),
        TEST(test_build_describes_its_source),
        TEST(test_build_cuts_a_long_site_name_at_a_character),
        TEST(test_build_follows_redirects_to_their_end),
        TEST(test_build_drops_redirects_that_lead_nowhere),
        TEST(test_build_settles_a_long_redirect_chain),
        TEST(test_build_keeps_the_first_of_equal_titles),
        TEST(test_build_obeys_the_case_rule),
        TEST(test_build_counts_every_link_it_drops),
        TEST(test_build_takes_very_many_links_on_one_page),
        TEST(test_build_takes_an_edge_list_of_numbers),
        TEST(test_build_takes_an_edge_list_of_titles),
        TEST(test_build_takes_a_symmetric_matrix),
        TEST(test_build_report_fits_a_screen_and_parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
