/* SPDX-License-Identifier: MIT
 *
 * Edge lists and Matrix Market files: what is read from them, checked against a naive numbering,
 * and the message of every error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/dump/edges.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char file_name[] = "/tmp/forklore-edges-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(file_name);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file_name);
}

static void write_file(const char *bytes, size_t length)
{
    FILE *file = fopen(file_name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static unsigned progress_calls;

static void count_progress(void *owner, const struct byte_source *source)
{
    assert_ptr_equal(owner, &progress_calls);
    assert_non_null(source);
    progress_calls++;
}

static int read_path(const char *path, struct edge_graph *graph, struct fault *why)
{
    struct byte_source *source;
    assert_int_equal(bytes_open(&source, path, why), 0);
    int err = edges_read(source, graph, count_progress, &progress_calls, why);
    bytes_close(&source);
    return err;
}

static void read_string(const char *content, struct edge_graph *graph)
{
    struct fault why = {""};
    write_file(content, strlen(content));
    if (read_path(file_name, graph, &why))
        fail_msg("\"%.60s\": %s", content, why.text);
}

static struct arc arc_at(const struct edge_graph *graph, uint64_t i)
{
    assert_true(i < graph->arcs.count);
    return graph->arcs.chunks[i / ARC_CHUNK][i % ARC_CHUNK];
}

static void assert_arc(const struct edge_graph *graph, uint64_t i, uint32_t source, uint32_t target)
{
    struct arc arc = arc_at(graph, i);
    assert_int_equal(arc.source, source);
    assert_int_equal(arc.target, target);
}

static void assert_name(const struct edge_graph *graph, uint32_t v, const char *name)
{
    assert_true(v < graph->vertex_count);
    uint64_t begin = graph->name_offsets[v];
    assert_int_equal(graph->name_offsets[v + 1] - begin, strlen(name));
    assert_memory_equal(graph->names + begin, name, strlen(name));
}

/* --- What is read ------------------------------------------------------------------------- */

static void test_edges_numbers_integers_in_ascending_order(void **state)
{
    (void)state;
    struct edge_graph graph;
    read_string("# SNAP\n% other\n30\t10\n\n10 20 0.5 more\r\n  20   30  \n30 30", &graph);
    assert_true(graph.integer_names);
    assert_null(graph.names);
    assert_int_equal(graph.vertex_count, 3);
    assert_int_equal(graph.ids[0], 10);
    assert_int_equal(graph.ids[1], 20);
    assert_int_equal(graph.ids[2], 30);
    assert_int_equal(graph.arcs.count, 4);
    assert_arc(&graph, 0, 2, 0);
    assert_arc(&graph, 1, 0, 1);
    assert_arc(&graph, 2, 1, 2);
    assert_arc(&graph, 3, 2, 2);
    assert_int_equal(graph.comments, 2);
    edge_graph_fini(&graph);
    assert_null(graph.ids);
}

static void test_edges_numbers_titles_by_appearance(void **state)
{
    (void)state;
    struct edge_graph graph;
    read_string("\xEF\xBB\xBF# titles\n2 Pallas\t1 Ceres\n 1 Ceres \t\xC3\x89tienne\tweight\n"
                "\xC3\x89tienne\t2 Pallas\n1984\t1 Ceres\n",
                &graph);
    assert_false(graph.integer_names);
    assert_null(graph.ids);
    assert_int_equal(graph.vertex_count, 4);
    assert_name(&graph, 0, "2 Pallas");
    assert_name(&graph, 1, "1 Ceres");
    assert_name(&graph, 2, "\xC3\x89tienne");
    assert_name(&graph, 3, "1984");
    assert_arc(&graph, 0, 0, 1);
    assert_arc(&graph, 1, 1, 2);
    assert_arc(&graph, 2, 2, 0);
    assert_arc(&graph, 3, 3, 1);
    assert_int_equal(graph.comments, 1);
    edge_graph_fini(&graph);
}

static void test_edges_takes_the_largest_number(void **state)
{
    (void)state;
    struct edge_graph graph;
    read_string("1 9223372036854775807\n4294967296 4294967295\n0 1\n", &graph);
    assert_int_equal(graph.vertex_count, 5);
    const uint64_t expected[] = {0, 1, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX};
    assert_memory_equal(graph.ids, expected, sizeof expected);
    assert_arc(&graph, 0, 1, 4);
    assert_arc(&graph, 1, 3, 2);
    assert_arc(&graph, 2, 0, 1);
    edge_graph_fini(&graph);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Random edges of `n` lines with ids below 2^bits against sorting and searching. */
static void check_numbering(unsigned bits, size_t n)
{
    uint64_t random = 7 + bits, *ids = malloc(2 * n * sizeof *ids);
    uint64_t *sorted = malloc(2 * n * sizeof *sorted);
    FILE *file = fopen(file_name, "w");
    assert_true(ids && sorted && file);
    for (size_t i = 0; i < 2 * n; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        ids[i] = sorted[i] = (random ^ random >> 29) & ((UINT64_C(1) << bits) - 1);
        fprintf(file, "%" PRIu64 "%c", ids[i], i % 2 ? '\n' : '\t');
    }
    assert_int_equal(fclose(file), 0);
    qsort(sorted, 2 * n, sizeof *sorted, compare_u64);
    size_t unique = 0;
    for (size_t i = 0; i < 2 * n; i++)
        if (unique == 0 || sorted[unique - 1] != sorted[i])
            sorted[unique++] = sorted[i];

    struct edge_graph graph;
    struct fault why = {""};
    assert_int_equal(read_path(file_name, &graph, &why), 0);
    assert_int_equal(graph.vertex_count, unique);
    assert_memory_equal(graph.ids, sorted, unique * sizeof *sorted);
    assert_int_equal(graph.arcs.count, n);
    for (size_t i = 0; i < n; i++) {
        struct arc arc = arc_at(&graph, i);
        assert_int_equal(graph.ids[arc.source], ids[2 * i]);
        assert_int_equal(graph.ids[arc.target], ids[2 * i + 1]);
    }
    edge_graph_fini(&graph);
    free(ids);
    free(sorted);
}

static void test_edges_numbers_dense_sparse_and_wide_ids(void **state)
{
    (void)state;
    check_numbering(1, 3);
    check_numbering(12, 20000);
    check_numbering(31, 20000);
    check_numbering(32, 5000);
    check_numbering(33, 20000);
    check_numbering(63, 20000);
    check_numbering(15, ARC_CHUNK + 3);
}

static void test_edges_reads_matrix_market(void **state)
{
    (void)state;
    struct edge_graph graph;
    read_string("%%MatrixMarket matrix coordinate real general\n% note\n\n5 5 3\n1 2 0.5\n"
                "3 3 -1e9\n5 1 2\n",
                &graph);
    assert_true(graph.integer_names);
    assert_int_equal(graph.vertex_count, 5);
    for (uint32_t v = 0; v < 5; v++)
        assert_int_equal(graph.ids[v], v + 1);
    assert_int_equal(graph.arcs.count, 3);
    assert_arc(&graph, 0, 0, 1);
    assert_arc(&graph, 1, 2, 2);
    assert_arc(&graph, 2, 4, 0);
    assert_int_equal(graph.comments, 2);
    edge_graph_fini(&graph);
}

static void test_edges_doubles_a_symmetric_matrix(void **state)
{
    (void)state;
    struct edge_graph graph;
    read_string("%%matrixmarket MATRIX coordinate Pattern SYMMETRIC\n3 3 2\n2 1\n3 3\n", &graph);
    assert_int_equal(graph.arcs.count, 3);
    assert_arc(&graph, 0, 1, 0);
    assert_arc(&graph, 1, 0, 1);
    assert_arc(&graph, 2, 2, 2);
    edge_graph_fini(&graph);
}

static void test_edges_reads_gzip_with_progress(void **state)
{
    (void)state;
    gzFile file = gzopen(file_name, "wb");
    assert_non_null(file);
    for (unsigned i = 0; i < 200000; i++)
        gzprintf(file, "%u %u\n", i, i + 1);
    assert_int_equal(gzclose(file), Z_OK);
    struct edge_graph graph;
    struct fault why = {""};
    progress_calls = 0;
    assert_int_equal(read_path(file_name, &graph, &why), 0);
    assert_int_equal(graph.vertex_count, 200001);
    assert_int_equal(graph.arcs.count, 200000);
    assert_true(progress_calls >= 2);
    edge_graph_fini(&graph);
}

static void test_edges_takes_lines_across_buffers(void **state)
{
    (void)state;
    /* Comments of the longest line's length and a little less; then lines cut by the buffer. */
    for (size_t shift = 0; shift < 8; shift++) {
        size_t comment = ((size_t)1 << 20) - shift, used = comment;
        char *content = malloc(comment + 32);
        assert_non_null(content);
        memset(content, '#', comment);
        used += (size_t)sprintf(content + used, "\n17 18\n19 17");
        write_file(content, used);
        free(content);
        struct edge_graph graph;
        struct fault why = {""};
        assert_int_equal(read_path(file_name, &graph, &why), 0);
        assert_int_equal(graph.vertex_count, 3);
        assert_arc(&graph, 1, 2, 0);
        edge_graph_fini(&graph);
    }
}

static void test_edges_reads_the_gold_links(void **state)
{
    (void)state;
    const char *folder = getenv("FORKLORE_DATA");
    char path[512];
    snprintf(path, sizeof path, "%s/wikispeedia.links.tsv.gz", folder ? folder : "../shared/data");
    if (access(path, R_OK)) {
        print_message("SKIP: no %s\n", path);
        skip();
    }
    struct edge_graph graph;
    struct fault why = {""};
    assert_int_equal(read_path(path, &graph, &why), 0);
    assert_false(graph.integer_names);
    assert_int_equal(graph.arcs.count, 119769);
    /* Sorted by source: sources come first with their own number in ascending order. */
    assert_name(&graph, arc_at(&graph, 0).source, "1 Ceres");
    assert_true(graph.vertex_count <= 4598 && graph.vertex_count > 4500);
    edge_graph_fini(&graph);
}

/* --- Errors ------------------------------------------------------------------------------- */

static void assert_error(const char *content, size_t length, const char *message)
{
    struct edge_graph graph;
    struct fault why = {""};
    char expected[sizeof why.text];
    write_file(content, length);
    snprintf(expected, sizeof expected, "%s: %s", file_name, message);
    int err = read_path(file_name, &graph, &why);
    assert_int_equal(err, -EINVAL);
    assert_string_equal(why.text, expected);
    assert_null(graph.ids);
    assert_int_equal(graph.arcs.count, 0);
}

static void test_edges_explains_broken_lists(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1 2\n3 -4\n", "line 2: negative number: \"-4\""},
        {"-3 4\n", "line 1: negative number: \"-3\""},
        {"-3\t4\n", "line 1: negative number: \"-3\""},
        {"# x\n\n1 2\n1 9223372036854775808\n",
         "line 4: number over 2^63 - 1: \"9223372036854775808\""},
        {"99999999999999999999999 1\n",
         "line 1: number over 2^63 - 1: \"99999999999999999999999\""},
        {"1 2\n7\n", "line 2: a number is missing"},
        {"7 \n", "line 1: a number is missing"},
        {"1 2\n3 abc\n", "line 2: text where a number was expected: \"abc\""},
        {"1 2\n3 4abc\n", "line 2: text where a number was expected: \"4abc\""},
        {"1 2\n3\tabc\n", "line 2: text where a number was expected: \"abc\""},
        {"1,2\n", "line 1: text where a number was expected: \"1,2\""},
        {"1.5 2\n", "line 1: text where a number was expected: \"1.5\""},
        {"1 -\n", "line 1: text where a number was expected: \"-\""},
        {"1 \x01\xff\n", "line 1: text where a number was expected: \"??\""},
        {"alpha beta\n", "line 1: text where a number was expected: \"alpha\""},
        {"# only\n\n% comments\n", "no edge in it"},
        {"a\tb\nc\n", "line 2: the tab between two titles is missing"},
        {"a\tb\n\tc\n", "line 2: an empty title"},
        {"a\tb\nc\t \n", "line 2: an empty title"},
        {"a\t\n", "line 1: text where a number was expected: \"a\""},
        {"a\tb\nc\td\xff\n", "line 2: a title that is not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_error(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static void test_edges_limits_titles_and_lines(void **state)
{
    (void)state;
    struct edge_graph graph;
    static char line[3 << 20];
    memset(line, 'x', sizeof line);
    memcpy(line + 1024, "\tb", 3);
    read_string(line, &graph);
    assert_int_equal(graph.name_offsets[1], 1024);
    edge_graph_fini(&graph);
    memcpy(line + 1024, "x\tb", 3);
    assert_error(line, 1027, "line 1: a title of 1025 bytes, more than 1024");
    memcpy(line, "1 2\n", 4);
    assert_error(line, sizeof line, "line 2: longer than 1048576 bytes");
}

static void test_edges_explains_broken_matrices(void **state)
{
    (void)state;
#define MM "%%MatrixMarket matrix coordinate "
    static const char *const cases[][2] = {
        {"%%MatrixMarketing matrix coordinate real general\n1 1 1\n1 1\n",
         "line 1: bad banner: \"%%MatrixMarket matrix coordinate …\" was expected"},
        {"%%MatrixMarket vector coordinate real general\n",
         "line 1: bad banner: \"%%MatrixMarket matrix coordinate …\" was expected"},
        {"%%MatrixMarket matrix\n", "line 1: bad banner: the format is not \"coordinate\""},
        {"%%MatrixMarket matrix array real general\n2 2\n1\n",
         "line 1: array format: only coordinate matrices are graphs"},
        {MM "complex general\n2 2 1\n1 1 0 0\n", "line 1: complex entries are not supported"},
        {MM "quaternion general\n", "line 1: bad banner: entries are not pattern, real or integer"},
        {MM "real hermitian\n", "line 1: bad banner: the matrix is not general or symmetric"},
        {MM "real\n", "line 1: bad banner: the matrix is not general or symmetric"},
        {MM "real general\n% x\n", "line 2: the file ends before the size of the matrix"},
        {MM "real general\n3 3\n", "line 2: a number is missing"},
        {MM "real general\n3 4 1\n1 1 1\n",
         "line 2: 3 rows and 4 columns: the matrix of a graph is square"},
        {MM "real general\n3 3 0\n", "line 2: no edge in it: a matrix without entries"},
        {MM "real general\n3 3 2\n1 1 1\n4 1 1\n", "line 4: index 4 is not between 1 and 3"},
        {MM "real general\n3 3 2\n1 0 1\n", "line 3: index 0 is not between 1 and 3"},
        {MM "real general\n3 3 2\n1 -1 1\n", "line 3: negative number: \"-1\""},
        {MM "real general\n3 3 2\n1 x 1\n", "line 3: text where a number was expected: \"x\""},
        {MM "real general\n3 3 2\n1\n", "line 3: a number is missing"},
        {MM "real general\n3 3 2\n1 1 1\n", "line 3: the file ends after 1 of 2 entries"},
        {MM "real general\n3 3 1\n1 1 1\n1 2 1\n", "line 4: more entries than the 1 announced"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_error(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    struct edge_graph graph;
    struct fault why = {""};
    const char *large = MM "real general\n2147483648 2147483648 1\n1 1 1\n";
    write_file(large, strlen(large));
    assert_int_equal(read_path(file_name, &graph, &why), -E2BIG);
    assert_non_null(strstr(why.text, ": line 2: more than 2^31 - 1 vertices"));
}

static void test_edges_passes_on_damaged_gzip(void **state)
{
    (void)state;
    gzFile file = gzopen(file_name, "wb");
    assert_non_null(file);
    for (unsigned i = 0; i < 5000; i++)
        gzprintf(file, "%u %u\n", i, i * 7919 % 5000);
    assert_int_equal(gzclose(file), Z_OK);
    assert_int_equal(truncate(file_name, 9000), 0);
    struct edge_graph graph;
    struct fault why = {""};
    assert_int_equal(read_path(file_name, &graph, &why), -EBADMSG);
    assert_non_null(strstr(why.text, file_name));
    assert_null(graph.ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges_numbers_integers_in_ascending_order),
        cmocka_unit_test(test_edges_numbers_titles_by_appearance),
        cmocka_unit_test(test_edges_takes_the_largest_number),
        cmocka_unit_test(test_edges_numbers_dense_sparse_and_wide_ids),
        cmocka_unit_test(test_edges_reads_matrix_market),
        cmocka_unit_test(test_edges_doubles_a_symmetric_matrix),
        cmocka_unit_test(test_edges_reads_gzip_with_progress),
        cmocka_unit_test(test_edges_takes_lines_across_buffers),
        cmocka_unit_test(test_edges_reads_the_gold_links),
        cmocka_unit_test(test_edges_explains_broken_lists),
        cmocka_unit_test(test_edges_limits_titles_and_lines),
        cmocka_unit_test(test_edges_explains_broken_matrices),
        cmocka_unit_test(test_edges_passes_on_damaged_gzip),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
