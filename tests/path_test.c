/* SPDX-License-Identifier: MIT
 *
 * path_find() against plain breadth-first search, all pairs of random graphs.
 */
#include "tests/fixture_index.h"
#include "worker/path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FAR UINT32_MAX

/* Distances from `from`; the oracle. */
static void distances(const struct graph_view *graph, uint32_t from, uint32_t *distance)
{
    uint32_t *queue = fixture_alloc(graph->vertex_count, sizeof *queue);
    uint32_t head = 0, tail = 0;

    memset(distance, 0xff, graph->vertex_count * sizeof *distance);
    distance[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        uint32_t v = queue[head++];
        for (uint64_t e = graph->out_offsets[v]; e < graph->out_offsets[v + 1]; e++) {
            uint32_t target = graph->out_targets[e];
            if (distance[target] == FAR) {
                distance[target] = distance[v] + 1;
                queue[tail++] = target;
            }
        }
    }
    free(queue);
}

static bool has_arc(const struct graph_view *graph, uint32_t source, uint32_t target)
{
    for (uint64_t e = graph->out_offsets[source]; e < graph->out_offsets[source + 1]; e++) {
        if (graph->out_targets[e] == target)
            return true;
    }
    return false;
}

static void check_path(const struct graph_view *graph, uint32_t from, uint32_t to,
                       const struct path *path)
{
    assert_int_equal(path->vertices[0], from);
    assert_int_equal(path->vertices[path->length], to);
    for (uint32_t i = 0; i < path->length; i++)
        assert_true(has_arc(graph, path->vertices[i], path->vertices[i + 1]));
}

static void check_all_pairs(const struct graph_view *graph)
{
    uint32_t n = graph->vertex_count;
    uint32_t *distance = fixture_alloc(n, sizeof *distance);

    for (uint32_t from = 0; from < n; from++) {
        distances(graph, from, distance);
        for (uint32_t to = 0; to < n; to++) {
            struct patience patience = {0};
            struct path path;
            int result = path_find(graph, from, to, n, &patience, &path);

            if (distance[to] == FAR) {
                assert_int_equal(result, -ENOENT);
                continue;
            }
            assert_int_equal(result, 0);
            assert_int_equal(path.length, distance[to]);
            check_path(graph, from, to, &path);
            free(path.vertices);

            assert_int_equal(path_find(graph, from, to, distance[to], &patience, &path), 0);
            free(path.vertices);
            if (distance[to] > 0)
                assert_int_equal(path_find(graph, from, to, distance[to] - 1, &patience, &path),
                                 -ENOENT);
        }
    }
    free(distance);
}

static void test_path_is_shortest_for_all_pairs(void **state)
{
    static const struct {
        uint32_t n, arcs;
    } shapes[] = {{1, 0}, {2, 1}, {10, 12}, {60, 70}, {120, 180}, {120, 1200}, {200, 300}};

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct arc_list arcs = {0};
        struct graph_built built;
        uint64_t seed = i + 1;

        fixture_random_arcs(&arcs, &seed, shapes[i].n, shapes[i].arcs);
        assert_int_equal(graph_build(&built, shapes[i].n, &arcs, NULL), 0);
        check_all_pairs(&built.view);
        graph_built_fini(&built);
    }
}

static void test_path_follows_a_long_chain_one_way(void **state)
{
    enum { N = 120 };
    struct arc_list arcs = {0};
    struct graph_built built;
    struct patience patience = {0};
    struct path path;

    (void)state;
    for (uint32_t v = 0; v + 1 < N; v++)
        assert_int_equal(arc_list_add(&arcs, v, v + 1), 0);
    assert_int_equal(graph_build(&built, N, &arcs, NULL), 0);
    assert_int_equal(path_find(&built.view, 0, N - 1, N, &patience, &path), 0);
    assert_int_equal(path.length, N - 1);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(path.vertices[i], i);
    assert_true(patience.work < N); /* no link is looked at twice */
    free(path.vertices);
    assert_int_equal(path_find(&built.view, N - 1, 0, N, &patience, &path), -ENOENT);
    graph_built_fini(&built);
}

static void test_path_is_the_same_every_time(void **state)
{
    struct arc_list arcs = {0};
    struct graph_built built;
    uint64_t seed = 5;

    (void)state;
    fixture_random_arcs(&arcs, &seed, 100, 900);
    assert_int_equal(graph_build(&built, 100, &arcs, NULL), 0);
    for (uint32_t to = 0; to < 100; to++) {
        struct patience patience = {0};
        struct path first, second;

        if (path_find(&built.view, 3, to, 100, &patience, &first) < 0)
            continue;
        assert_int_equal(path_find(&built.view, 3, to, 100, &patience, &second), 0);
        assert_int_equal(first.length, second.length);
        assert_memory_equal(first.vertices, second.vertices,
                            (first.length + 1) * sizeof *first.vertices);
        free(first.vertices);
        free(second.vertices);
    }
    graph_built_fini(&built);
}

/* Two stars that do not touch: whichever side is searched, there is much to look at. */
static void test_path_gives_up_at_the_deadline(void **state)
{
    enum { HALF = 20000 };
    struct arc_list arcs = {0};
    struct graph_built built;
    struct patience patience = {.deadline_ns = 1};
    struct path path;

    (void)state;
    for (uint32_t i = 1; i < HALF; i++) {
        assert_int_equal(arc_list_add(&arcs, 0, i), 0);
        assert_int_equal(arc_list_add(&arcs, HALF + i, HALF), 0);
    }
    assert_int_equal(graph_build(&built, 2 * HALF, &arcs, NULL), 0);
    assert_int_equal(path_find(&built.view, 0, HALF, 10, &patience, &path), -ETIME);
    patience.deadline_ns = UINT64_MAX;
    assert_int_equal(path_find(&built.view, 0, HALF, 10, &patience, &path), -ENOENT);
    graph_built_fini(&built);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_is_shortest_for_all_pairs),
        cmocka_unit_test(test_path_follows_a_long_chain_one_way),
        cmocka_unit_test(test_path_is_the_same_every_time),
        cmocka_unit_test(test_path_gives_up_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
