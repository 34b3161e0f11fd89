/* SPDX-License-Identifier: MIT
 *
 * The graph builder against a plain matrix of who links to whom.
 */
#include "shm/graph.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % limit);
}

static void add(struct arc_list *list, uint32_t source, uint32_t target)
{
    assert_int_equal(arc_list_add(list, source, target), 0);
}

static void expect_rows(uint32_t n, const bool *linked, bool inward, const uint64_t *offsets,
                        const uint32_t *ids)
{
    uint64_t at = 0;
    for (uint32_t v = 0; v < n; v++) {
        assert_int_equal(offsets[v], at);
        for (uint32_t u = 0; u < n; u++)
            if (inward ? linked[u * n + v] : linked[v * n + u])
                assert_int_equal(ids[at++], u);
    }
    assert_int_equal(offsets[n], at);
}

static void check_random_graph(uint32_t n, uint32_t arc_count)
{
    bool *linked = calloc((size_t)n * n, sizeof *linked);
    struct arc_list list = {0};
    uint64_t self_links = 0, edges = 0;
    for (uint32_t i = 0; i < arc_count; i++) {
        /* A few popular targets, as in a wiki. */
        const uint32_t s = random_below(n), t = random_below(random_below(n) + 1);
        add(&list, s, t);
        self_links += s == t;
        edges += s != t && !linked[s * n + t];
        linked[s * n + t] = s != t;
    }
    struct graph_built built;
    struct fault why;
    assert_int_equal(graph_build(&built, n, &list, &why), 0);
    assert_int_equal(list.count, 0);
    assert_null(list.chunks);
    assert_int_equal(built.self_links, self_links);
    assert_int_equal(built.view.edge_count, edges);
    assert_int_equal(built.view.vertex_count, n);
    expect_rows(n, linked, false, built.view.out_offsets, built.view.out_targets);
    expect_rows(n, linked, true, built.view.in_offsets, built.view.in_sources);
    for (uint32_t v = 0; v < n; v++) {
        uint64_t out = 0, in = 0;
        for (uint32_t u = 0; u < n; u++) {
            out += linked[v * n + u];
            in += linked[u * n + v];
        }
        assert_int_equal(graph_out_degree(&built.view, v), out);
        assert_int_equal(graph_in_degree(&built.view, v), in);
    }
    graph_built_fini(&built);
    free(linked);
}

static void test_graph_build_equals_the_matrix(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 40; n++)
        for (uint32_t arcs = 0; arcs <= 3 * n; arcs += n / 2 + 1)
            check_random_graph(n, arcs);
    check_random_graph(300, 50000);
    check_random_graph(500, 700);
}

static void test_graph_build_across_chunks(void **state)
{
    (void)state;
    /* Every arc twice, in chunks far apart, and one arc more than the chunks hold. */
    const uint32_t n = 2048;
    struct arc_list list = {0};
    for (uint64_t i = 0; i < ARC_CHUNK; i++)
        add(&list, (uint32_t)(i % n), (uint32_t)((i % n + 1 + i / n) % n));
    for (uint64_t i = 0; i <= ARC_CHUNK; i++)
        add(&list, (uint32_t)(i % n), (uint32_t)((i % n + 1 + i / n % (ARC_CHUNK / n)) % n));
    assert_int_equal(list.chunk_count, 3);
    struct graph_built built;
    struct fault why;
    assert_int_equal(graph_build(&built, n, &list, &why), 0);
    assert_int_equal(built.view.edge_count, ARC_CHUNK);
    for (uint32_t v = 0; v < n; v++)
        assert_int_equal(graph_out_degree(&built.view, v), ARC_CHUNK / n);
    graph_built_fini(&built);
}

static void test_graph_build_of_no_links(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 3; n++) {
        struct arc_list list = {0};
        struct graph_built built;
        struct fault why;
        if (n)
            add(&list, 0, 0);
        assert_int_equal(graph_build(&built, n, &list, &why), 0);
        assert_int_equal(built.view.edge_count, 0);
        assert_int_equal(built.self_links, n ? 1 : 0);
        assert_non_null(built.view.out_targets);
        assert_non_null(built.view.in_sources);
        assert_int_equal(built.view.in_offsets[n], 0);
        graph_built_fini(&built);
    }
}

static void test_graph_build_refuses_unknown_vertices(void **state)
{
    (void)state;
    const struct arc wrong[] = {{5, 1}, {1, 5}, {UINT32_MAX, 0}, {7, 7}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct arc_list list = {0};
        struct graph_built built;
        struct fault why;
        char expected[64];
        add(&list, 0, 1);
        add(&list, wrong[i].source, wrong[i].target);
        assert_int_equal(graph_build(&built, 5, &list, &why), -EINVAL);
        snprintf(expected, sizeof expected, "link %u -> %u", wrong[i].source, wrong[i].target);
        assert_non_null(strstr(why.text, expected));
        assert_non_null(strstr(why.text, "5 vertices"));
        assert_null(list.chunks);
        assert_null(built.view.out_offsets);
        graph_built_fini(&built);
    }
}

static void test_graph_arc_list_fini_of_an_empty_list(void **state)
{
    (void)state;
    struct arc_list list = {0};
    arc_list_fini(&list);
    add(&list, 1, 2);
    arc_list_fini(&list);
    arc_list_fini(&list);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_build_equals_the_matrix),
        cmocka_unit_test(test_graph_build_across_chunks),
        cmocka_unit_test(test_graph_build_of_no_links),
        cmocka_unit_test(test_graph_build_refuses_unknown_vertices),
        cmocka_unit_test(test_graph_arc_list_fini_of_an_empty_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
