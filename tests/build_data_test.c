/* SPDX-License-Identifier: MIT
 *
 * The index builder on real dumps (skipped where ../shared/data, or FORKLORE_DATA, is not there),
 * and its memory: it grows with the index, not with the dump.
 */
#include "tests/build_fixture.h"
#include "tests/under.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <zlib.h>

static const char *data_file(const char *name)
{
    static char path[512];
    const char *data = getenv("FORKLORE_DATA");
    snprintf(path, sizeof(path), "%s/%s", data ? data : "../shared/data", name);
    if (access(path, R_OK) != 0) {
        print_message("SKIP: %s: %s\n", path, strerror(errno));
        skip();
    }
    return path;
}

/* In place; the gold writes some titles with two spaces. */
static void normalise(char *title)
{
    char normal[TITLE_MAX_BYTES];
    int length = title_normalise(title, strlen(title), false, normal);
    assert_true(length > 0 && (size_t)length <= strlen(title));
    memcpy(title, normal, (size_t)length);
    title[length] = '\0';
}

/* Every line of the gold is a link, and there are no others. */
static void compare_links(const struct opened *opened, const char *path)
{
    gzFile gold = gzopen(path, "rb");
    assert_non_null(gold);
    char line[1024];
    uint64_t lines = 0;
    while (gzgets(gold, line, sizeof(line))) {
        char *target = strchr(line, '\t');
        assert_non_null(target);
        *target++ = '\0';
        target[strcspn(target, "\n")] = '\0';
        normalise(line);
        normalise(target);
        if (!has_edge(opened, line, target))
            fail_msg("no link from \"%s\" to \"%s\"", line, target);
        lines++;
    }
    gzclose(gold);
    assert_int_equal(opened->view.graph.edge_count, lines);
}

/* Every element, unpacked, is a page with the title that leads to it. */
static void check_elements(const struct opened *opened)
{
    for (uint32_t v = 0; v < opened->view.meta->page_count; v++) {
        size_t length;
        char *element = element_of(opened, v, &length);
        assert_memory_equal(element, "<page>", 6);
        assert_memory_equal(element + length - 7, "</page>", 7);
        assert_non_null(memmem(element, length, "<title>", 7));
        free(element);
    }
}

static void test_build_data_wikispeedia(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_DUMP, data_file("wikispeedia-pages-articles-multistream.xml.bz2"),
             &opened);
    assert_int_equal(report.pages, 4598);
    assert_int_equal(report.edges, 119769);
    assert_int_equal(report.redirects, 0);
    compare_links(&opened, data_file("wikispeedia.links.tsv.gz"));
    unsigned dangling = 0;
    for (uint32_t v = 0; v < report.pages; v++)
        dangling += graph_out_degree(&opened.view.graph, v) == 0;
    assert_int_equal(dangling, 13);
    close_index(&opened);
}

static void test_build_data_wikispeedia_links_as_a_graph(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_GRAPH, data_file("wikispeedia.links.tsv.gz"), &opened);
    assert_int_equal(report.edges, 119769);
    assert_int_equal(report.duplicate_titles, 0);
    compare_links(&opened, data_file("wikispeedia.links.tsv.gz"));
    close_index(&opened);
}

static void test_build_data_enwiki(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_DUMP, data_file("enwiki-2016-shortened.xml.bz2"), &opened);
    assert_int_equal(report.pages_seen, 206);
    assert_int_equal(report.redirects_seen, 100);
    assert_int_equal(report.pages, 106);
    /* The hundredth is one of namespace 4. */
    assert_int_equal(report.redirects + report.redirects_dropped, 99);
    assert_int_equal(report.duplicate_titles, 0);
    assert_int_not_equal(vertex_of(&opened, "Anarchism"), UINT32_MAX);
    check_elements(&opened);
    close_index(&opened);
}

static void test_build_data_utf16(void **state)
{
    (void)state;
    struct build_report report;
    struct opened opened;
    build_ok(&report, BUILD_DUMP, data_file("bgwiki-utf16-shortened.xml.bz2"), &opened);
    assert_true(report.pages > 0);
    assert_true(report.links[LINK_PAGE] > 0);
    check_elements(&opened);
    for (uint32_t v = 0; v < report.pages; v++)
        assert_true(opened.view.pages[v].dump_bytes > opened.view.pages[v].element_bytes);
    close_index(&opened);
}

/* --- Memory -------------------------------------------------------------------------------- */

enum { MEMORY_PAGES = 1500 };

/* The same titles and links whatever the text: only `filler` bytes a page make it larger. */
static void write_wiki(const char *path, unsigned filler)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    char *noise = malloc(filler);
    unsigned random = 1;
    for (unsigned i = 0; i < filler; i++)
        noise[i] = (char)('a' + (int)((random = random * 1103515245 + 12345) >> 16) % 26);
    fputs(HEAD("first-letter"), out);
    for (unsigned v = 0; v < MEMORY_PAGES; v++) {
        fprintf(out, "<page><title>P%u</title><ns>0</ns><id>%u</id><revision><text>", v, v + 1);
        for (unsigned link = 1; link <= 20; link++)
            fprintf(out, "[[P%u]] [[Red %u]]", (v * 31 + link * 7) % MEMORY_PAGES, v * link);
        fwrite(noise, 1, filler, out);
        fputs("</text></revision></page>\n", out);
    }
    fputs(TAIL, out);
    assert_int_equal(fclose(out), 0);
    free(noise);
}

/* Peak memory of a process that does nothing but this build. */
static uint64_t peak_of_build(const char *input, const char *output)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct build_options options = options_for(BUILD_DUMP, input, output);
        struct build_report report;
        _exit(build_index(&options, &report, NULL) ? 1 : 0);
    }
    int status;
    struct rusage usage;
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

static void test_build_memory_does_not_grow_with_the_dump(void **state)
{
    (void)state;
    if (under_address_sanitizer() || under_thread_sanitizer() || under_valgrind()) {
        print_message("SKIP: the checker's memory is not ours to bound\n");
        skip();
    }
    static const unsigned fillers[] = {8000, 32000};
    uint64_t peak[2], dump_bytes[2];
    for (unsigned i = 0; i < 2; i++) {
        struct stat dump;
        const char *input = in_folder("memory.xml");
        write_wiki(input, fillers[i]);
        assert_int_equal(stat(input, &dump), 0);
        dump_bytes[i] = (uint64_t)dump.st_size;
        peak[i] = peak_of_build(input, in_folder("memory.flk"));
    }
    print_message("dumps of %llu and %llu MiB: peak memory %llu and %llu KiB\n",
                  (unsigned long long)dump_bytes[0] >> 20, (unsigned long long)dump_bytes[1] >> 20,
                  (unsigned long long)peak[0] >> 10, (unsigned long long)peak[1] >> 10);
    assert_true(dump_bytes[1] - dump_bytes[0] > 32 << 20);
    assert_true(peak[1] < peak[0] + (3 << 20));
    assert_true(peak[1] < 32 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        /* First: a child's peak is never below what its parent held when it forked. */
        TEST(test_build_memory_does_not_grow_with_the_dump),
        TEST(test_build_data_wikispeedia),
        TEST(test_build_data_wikispeedia_links_as_a_graph),
        TEST(test_build_data_enwiki),
        TEST(test_build_data_utf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
