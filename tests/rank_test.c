/* SPDX-License-Identifier: MIT
 *
 * Ranks: the order of pages against qsort(), and the best of a range against scanning it all.
 */
#include "shm/rank.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 2463534242u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % limit);
}

/* An index as far as ranks care: every page has its own title, further titles are redirects. */
struct world {
    uint32_t n, title_count;
    struct page *pages;
    uint32_t *targets;
    struct titles_view titles;
    struct rank_arrays arrays;
    struct rank_view rank;
};

static void make_world(struct world *w, uint32_t n, uint32_t title_count, uint32_t score_kinds,
                       bool ids_ascend)
{
    *w = (struct world){.n = n, .title_count = title_count};
    w->pages = calloc(n, sizeof *w->pages);
    w->targets = calloc(title_count, sizeof *w->targets);
    w->arrays = (struct rank_arrays){
        .scores = calloc(n, sizeof(double)),
        .order = calloc(n, sizeof(uint32_t)),
        .positions = calloc(n, sizeof(uint32_t)),
        .title_ranks = calloc(title_count, sizeof(uint32_t)),
        .minima = calloc(rank_minima_count(title_count), sizeof(uint32_t)),
    };
    for (uint32_t v = 0; v < n; v++) {
        w->pages[v].id = ids_ascend ? v * 3 + 1 : random_below(n) * UINT64_C(0x100000001);
        w->arrays.scores[v] = random_below(score_kinds) / (double)score_kinds / n;
    }
    for (uint32_t e = 0; e < title_count; e++)
        w->targets[e] = e < n ? e : random_below(random_below(n) + 1) | TITLE_IS_REDIRECT;
    for (uint32_t e = title_count; e > 1; e--) {
        const uint32_t other = random_below(e), target = w->targets[e - 1];
        w->targets[e - 1] = w->targets[other];
        w->targets[other] = target;
    }
    w->titles = (struct titles_view){.count = title_count, .targets = w->targets};
    w->rank = (struct rank_view){
        .scores = w->arrays.scores,
        .order = w->arrays.order,
        .positions = w->arrays.positions,
        .title_ranks = w->arrays.title_ranks,
        .minima = w->arrays.minima,
        .vertex_count = n,
        .title_count = title_count,
    };
    struct fault why;
    assert_int_equal(rank_build(&w->arrays, w->pages, n, &w->titles, &why), 0);
}

static void free_world(struct world *w)
{
    free(w->pages);
    free(w->targets);
    free(w->arrays.scores);
    free(w->arrays.order);
    free(w->arrays.positions);
    free(w->arrays.title_ranks);
    free(w->arrays.minima);
}

static const struct world *sorted_world;

static int compare_vertices(const void *a, const void *b)
{
    const uint32_t u = *(const uint32_t *)a, v = *(const uint32_t *)b;
    const double *scores = sorted_world->arrays.scores;
    const struct page *pages = sorted_world->pages;
    if (scores[u] != scores[v])
        return scores[u] > scores[v] ? -1 : 1;
    if (pages[u].id != pages[v].id)
        return pages[u].id < pages[v].id ? -1 : 1;
    return u < v ? -1 : u > v;
}

static int compare_entries(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct world *w = sorted_world;
    const uint32_t u = w->targets[x] & ~TITLE_IS_REDIRECT, v = w->targets[y] & ~TITLE_IS_REDIRECT;
    const int order = compare_vertices(&u, &v);
    if (order)
        return order;
    const bool x_redirect = w->targets[x] >> 31, y_redirect = w->targets[y] >> 31;
    if (x_redirect != y_redirect)
        return x_redirect ? 1 : -1;
    return x < y ? -1 : x > y;
}

static void check_order(const struct world *w)
{
    uint32_t *expected = malloc(w->n * sizeof *expected);
    for (uint32_t v = 0; v < w->n; v++)
        expected[v] = v;
    sorted_world = w;
    qsort(expected, w->n, sizeof *expected, compare_vertices);
    assert_memory_equal(expected, w->arrays.order, w->n * sizeof *expected);
    for (uint32_t i = 0; i < w->n; i++)
        assert_int_equal(w->arrays.positions[expected[i]], i);
    for (uint32_t e = 0; e < w->title_count; e++)
        assert_int_equal(w->arrays.title_ranks[e],
                         w->arrays.positions[w->targets[e] & ~TITLE_IS_REDIRECT]);
    free(expected);
}

static void check_top(const struct world *w, uint32_t first, uint32_t end, unsigned k)
{
    const uint32_t count = end - first;
    uint32_t *expected = malloc((count + 1) * sizeof *expected);
    for (uint32_t i = 0; i < count; i++)
        expected[i] = first + i;
    sorted_world = w;
    qsort(expected, count, sizeof *expected, compare_entries);
    uint32_t found[RANK_TOP_MAX + 1];
    found[k] = 12345;
    const unsigned n = rank_top(&w->rank, &w->titles, (struct title_range){first, end}, k, found);
    assert_int_equal(n, count < k ? count : k);
    assert_memory_equal(found, expected, n * sizeof *found);
    assert_int_equal(found[k], 12345);
    free(expected);
}

static void test_rank_build_orders_pages(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {1, 2, 50, 1000000};
    for (uint32_t n = 1; n < 3000; n = n * 2 + 1)
        for (size_t i = 0; i < 8; i++) {
            struct world w;
            make_world(&w, n, n, kinds[i / 2], i % 2);
            check_order(&w);
            free_world(&w);
        }
}

static void test_rank_build_takes_odd_scores(void **state)
{
    (void)state;
    struct world w;
    struct fault why;
    make_world(&w, 6, 6, 1, true);
    const double scores[6] = {-0.0, 1e-310, 0.0, 1.0, 1e-300, 0.0};
    const uint32_t expected[6] = {3, 4, 1, 0, 2, 5};
    memcpy(w.arrays.scores, scores, sizeof scores);
    assert_int_equal(rank_build(&w.arrays, w.pages, 6, &w.titles, &why), 0);
    assert_memory_equal(w.arrays.order, expected, sizeof expected);
    free_world(&w);
}

static void test_rank_minima_count(void **state)
{
    (void)state;
    assert_int_equal(rank_minima_count(0), 0);
    assert_int_equal(rank_minima_count(1), 1);
    assert_int_equal(rank_minima_count(64), 1);
    assert_int_equal(rank_minima_count(65), 2 * 2);
    assert_int_equal(rank_minima_count(3 * 64), 3 * 2);
    assert_int_equal(rank_minima_count(4 * 64), 4 * 3);
    assert_int_equal(rank_minima_count(UINT32_MAX), (UINT64_C(1) << 26) * 27);
}

static void test_rank_minima_are_the_smallest_keys(void **state)
{
    (void)state;
    struct world w;
    make_world(&w, 300, 64 * 13 + 5, 100, false);
    const uint32_t blocks = 14;
    for (unsigned row = 0; row < 4; row++)
        for (uint32_t b = 0; b < blocks; b++) {
            uint32_t best = UINT32_MAX;
            for (uint32_t e = b * 64; e < (b + (1u << row)) * 64 && e < w.title_count; e++) {
                const uint32_t key = 2 * w.arrays.title_ranks[e] + (w.targets[e] >> 31);
                best = key < best ? key : best;
            }
            assert_int_equal(w.arrays.minima[row * blocks + b], best);
        }
    assert_int_equal(rank_minima_count(w.title_count), 4 * blocks);
    free_world(&w);
}

static void test_rank_top_equals_sorting_the_range(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1},     {1, 2},     {1, 500},    {2, 63},
                                        {40, 64},   {40, 65},   {100, 128},  {5, 700},
                                        {129, 129}, {700, 999}, {2000, 4097}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct world w;
        make_world(&w, sizes[s][0], sizes[s][1], s % 2 ? 5 : 100000, s % 3);
        check_top(&w, 0, w.title_count, 0);
        check_top(&w, 0, 0, 10);
        check_top(&w, w.title_count, w.title_count, 10);
        check_top(&w, 0, w.title_count, RANK_TOP_MAX);
        for (int i = 0; i < 150; i++) {
            const uint32_t first = random_below(w.title_count + 1);
            const uint32_t end = first + random_below(w.title_count - first + 1);
            check_top(&w, first, end, 1);
            check_top(&w, first, end, random_below(40));
        }
        for (uint32_t at = 0; at + 64 <= w.title_count; at += 64) {
            check_top(&w, at, at + 64, 7);
            check_top(&w, 0, at + 64, 7);
            check_top(&w, at, w.title_count, 7);
        }
        free_world(&w);
    }
}

static void test_rank_top_limits_k(void **state)
{
    (void)state;
    struct world w;
    uint32_t found[RANK_TOP_MAX];
    make_world(&w, 3000, 3000, 100, true);
    assert_int_equal(
        rank_top(&w.rank, &w.titles, (struct title_range){0, 3000}, RANK_TOP_MAX + 1, found),
        RANK_TOP_MAX);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_build_orders_pages),
        cmocka_unit_test(test_rank_build_takes_odd_scores),
        cmocka_unit_test(test_rank_minima_count),
        cmocka_unit_test(test_rank_minima_are_the_smallest_keys),
        cmocka_unit_test(test_rank_top_equals_sorting_the_range),
        cmocka_unit_test(test_rank_top_limits_k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
