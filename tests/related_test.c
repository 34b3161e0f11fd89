/* SPDX-License-Identifier: MIT
 *
 * related_push() against dense power iteration on random graphs, and the bounds its header gives.
 */
#include "tests/fixture_index.h"
#include "worker/related.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 400

static void build(struct graph_built *built, uint64_t seed, uint32_t n, uint32_t arc_count)
{
    struct arc_list arcs = {0};

    fixture_random_arcs(&arcs, &seed, n, arc_count);
    assert_int_equal(graph_build(built, n, &arcs, NULL), 0);
}

/* x = (1-d) v + d (P'x + D v), iterated until it stands still. */
static void dense(const struct graph_view *graph, const uint32_t *seeds, uint32_t seed_count,
                  double damping, double *x)
{
    uint32_t n = graph->vertex_count;
    double *next = fixture_alloc(n, sizeof *next);

    memset(x, 0, n * sizeof *x);
    for (unsigned round = 0; round < 2000; round++) {
        double dangling = 0;

        memset(next, 0, n * sizeof *next);
        for (uint32_t v = 0; v < n; v++) {
            uint64_t degree = graph_out_degree(graph, v);

            if (degree == 0)
                dangling += x[v];
            for (uint64_t e = graph->out_offsets[v]; e < graph->out_offsets[v + 1]; e++)
                next[graph->out_targets[e]] += damping * x[v] / (double)degree;
        }
        for (uint32_t i = 0; i < seed_count; i++)
            next[seeds[i]] += (1 - damping + damping * dangling) / seed_count;
        memcpy(x, next, n * sizeof *x);
    }
    free(next);
}

static double score_of(const struct related *related, uint32_t vertex)
{
    const struct related_score *entry = vertex_map_find(&related->scores, vertex);

    return entry ? entry->score : 0;
}

static void check_bounds(const struct graph_view *graph, const struct related *related,
                         const double *exact, double damping, double epsilon)
{
    double l1 = 0, links = 0, total = 0;

    for (uint32_t v = 0; v < graph->vertex_count; v++) {
        double score = score_of(related, v);
        assert_true(score <= exact[v] + 1e-12);
        l1 += fabs(exact[v] - score);
        total += score;
    }
    for (uint32_t i = 0; i < related->scores.count; i++) {
        const struct related_score *entry = vertex_map_at(&related->scores, i);
        uint64_t degree = graph_out_degree(graph, entry->vertex);
        links += (double)(degree ? degree : 1);
    }
    assert_true(fabs(l1 - related->missing) < 1e-11);
    assert_true(fabs(total + related->missing - 1) < 1e-11);
    assert_true(related->missing <= damping * epsilon * links + 1e-15);
}

static void test_related_error_is_what_it_says(void **state)
{
    static const double dampings[] = {0.1, 0.5, 0.85, 0.95}, epsilons[] = {1, 1e-2, 1e-4, 1e-9};
    double *exact = fixture_alloc(N, sizeof *exact);

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        struct graph_built built;
        uint32_t seeds[] = {round, 17 * round + 5, N - 1}; /* the last one is dangling */

        build(&built, round + 1, N, 300 + round * 1500);
        assert_int_equal(graph_out_degree(&built.view, N - 1), 0);
        for (unsigned d = 0; d < 4; d++) {
            for (uint32_t seed_count = 1; seed_count <= 3; seed_count += 2) {
                const uint32_t *from = seed_count == 1 ? &seeds[round % 3] : seeds;
                dense(&built.view, from, seed_count, dampings[d], exact);
                for (unsigned e = 0; e < 4; e++) {
                    struct patience patience = {0};
                    struct related related;
                    assert_int_equal(related_push(&related, &built.view, from, seed_count,
                                                  dampings[d], epsilons[e], &patience),
                                     0);
                    check_bounds(&built.view, &related, exact, dampings[d], epsilons[e]);
                    related_fini(&related);
                }
            }
        }
        graph_built_fini(&built);
    }
    free(exact);
}

static void test_related_small_epsilon_finds_the_exact_top(void **state)
{
    double exact[N];

    (void)state;
    for (uint64_t round = 0; round < 5; round++) {
        struct graph_built built;
        struct patience patience = {0};
        struct related related;
        uint32_t seed = (uint32_t)round * 11, agreeing = 0;
        bool taken_exact[N] = {0}, taken_pushed[N] = {0};

        build(&built, 100 + round, N, 2500);
        dense(&built.view, &seed, 1, 0.85, exact);
        assert_int_equal(related_push(&related, &built.view, &seed, 1, 0.85, 1e-6, &patience), 0);
        for (unsigned k = 0; k < 20; k++) {
            uint32_t best = 0, best_pushed = 0;
            for (uint32_t v = 0; v < N; v++) {
                if (!taken_exact[v] && (taken_exact[best] || exact[v] > exact[best]))
                    best = v;
                if (!taken_pushed[v] && (taken_pushed[best_pushed] ||
                                         score_of(&related, v) > score_of(&related, best_pushed)))
                    best_pushed = v;
            }
            taken_exact[best] = taken_pushed[best_pushed] = true;
        }
        for (uint32_t v = 0; v < N; v++)
            agreeing += taken_exact[v] && taken_pushed[v];
        assert_true(agreeing >= 19);
        related_fini(&related);
        graph_built_fini(&built);
    }
}

/* What is touched near a seed stays the same when the graph grows elsewhere. */
static void test_related_cost_does_not_grow_with_the_graph(void **state)
{
    uint32_t touched[2];

    (void)state;
    for (unsigned size = 0; size < 2; size++) {
        struct arc_list arcs = {0};
        struct graph_built built;
        struct patience patience = {0};
        struct related related;
        uint32_t n = size ? 200000 : 2000, seed = 0;

        for (uint32_t v = 0; v + 1 < n; v++) {
            assert_int_equal(arc_list_add(&arcs, v, v + 1), 0);
            assert_int_equal(arc_list_add(&arcs, v, v / 2), 0);
        }
        assert_int_equal(graph_build(&built, n, &arcs, NULL), 0);
        assert_int_equal(related_push(&related, &built.view, &seed, 1, 0.85, 1e-6, &patience), 0);
        touched[size] = related.scores.count;
        related_fini(&related);
        graph_built_fini(&built);
    }
    assert_int_equal(touched[0], touched[1]);
    assert_true(touched[0] < 1000);
}

static void test_related_gives_up_at_the_deadline(void **state)
{
    struct graph_built built;
    struct patience patience = {.deadline_ns = 1};
    struct related related;
    uint32_t seed = 0;

    (void)state;
    build(&built, 9, N, 4000);
    assert_int_equal(related_push(&related, &built.view, &seed, 1, 0.99, 1e-12, &patience), -ETIME);
    related_fini(&related);
    graph_built_fini(&built);
}

static void test_vertex_map_keeps_what_was_put(void **state)
{
    struct entry {
        uint32_t vertex, value;
    };
    enum { COUNT = 20000, RANGE = 30000 };
    struct vertex_map map;
    uint32_t *expected = fixture_alloc(RANGE, sizeof *expected), *order;
    uint32_t distinct = 0;
    uint64_t random = 3;

    (void)state;
    order = fixture_alloc(COUNT, sizeof *order);
    vertex_map_init(&map, sizeof(struct entry));
    assert_null(vertex_map_find(&map, 0));
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t slot = fixture_random(&random, RANGE);
        uint32_t vertex = slot * 65536 + (slot & 7); /* equal low bits: hard on a weak hash */
        struct entry *entry = vertex_map_put(&map, vertex);

        assert_non_null(entry);
        assert_int_equal(entry->vertex, vertex);
        assert_int_equal(entry->value, expected[slot]);
        if (!expected[slot])
            order[distinct++] = vertex;
        entry->value = expected[slot] = i + 1;
    }
    assert_int_equal(map.count, distinct);
    for (uint32_t i = 0; i < distinct; i++) {
        const struct entry *entry = vertex_map_at(&map, i);
        assert_int_equal(entry->vertex, order[i]);
        assert_int_equal(vertex_map_index(&map, entry), i);
        assert_ptr_equal(vertex_map_find(&map, order[i]), entry);
        assert_int_equal(entry->value, expected[order[i] / 65536]);
    }
    assert_null(vertex_map_find(&map, 9));
    vertex_map_fini(&map);
    free(expected);
    free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_related_error_is_what_it_says),
        cmocka_unit_test(test_related_small_epsilon_finds_the_exact_top),
        cmocka_unit_test(test_related_cost_does_not_grow_with_the_graph),
        cmocka_unit_test(test_related_gives_up_at_the_deadline),
        cmocka_unit_test(test_vertex_map_keeps_what_was_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
