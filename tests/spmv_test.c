/* SPDX-License-Identifier: MIT
 *
 * The kernel layout against the links it was made from: every link once, whatever the shape of the
 * graph, the same layout from any number of threads, and the same bits from every way to multiply.
 */
#include "shm/spmv.h"
#include "worker/multiply.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

struct sample {
    struct graph_built graph;
    struct spmv_built spmv;
};

static void build_sample(struct sample *sample, uint32_t n, struct arc_list *arcs)
{
    struct fault why;
    assert_int_equal(graph_build(&sample->graph, n, arcs, &why), 0);
    assert_int_equal(spmv_build(&sample->spmv, &sample->graph.view, 3, &why), 0);
}

static void free_sample(struct sample *sample)
{
    spmv_built_fini(&sample->spmv);
    graph_built_fini(&sample->graph);
}

/* `links` links, a share of `skew` tenths of them to and from the first few vertices. The last
 * tenth of the vertices has no links out, the one before none in. */
static void random_sample(struct sample *sample, uint32_t n, uint64_t links, unsigned skew)
{
    struct arc_list arcs = {0};
    uint64_t seed = n + links;
    const uint32_t few = n / 50 + 1, sources = n - n / 10, targets = n - n / 10;
    for (uint64_t i = 0; i < links; i++) {
        uint32_t source =
            (uint32_t)(next_random(&seed) % (next_random(&seed) % 10 < skew ? few : sources));
        uint32_t target =
            (uint32_t)(next_random(&seed) % (next_random(&seed) % 10 < skew ? few : targets));
        if (target >= n - n / 5)
            target += n / 10;
        assert_int_equal(arc_list_add(&arcs, source, target < n ? target : n - 1), 0);
    }
    build_sample(sample, n, &arcs);
}

/* --- Multiplying ------------------------------------------------------------------------------ */

#define MULTIPLY_ALL(SOURCE, REAL, member)                                                         \
    static void multiply_all_##member(const struct spmv_view *spmv, const struct multiply *with,   \
                                      const SOURCE *x, REAL *sums)                                 \
    {                                                                                              \
        const struct spmv_info *info = spmv->info;                                                 \
        for (uint32_t phase = 0; phase < info->phase_count; phase++) {                             \
            const uint32_t first = spmv_phase_block(spmv, phase);                                  \
            const uint32_t end = spmv_phase_block(spmv, phase + 1);                                \
            for (uint32_t s = 0; s < info->segment_count; s++)                                     \
                for (uint32_t b = first; b < end; b++) {                                           \
                    const uint64_t tile = spmv_tile(info, first, end, s, b);                       \
                    if (spmv->tiles[tile] < spmv->tiles[tile + 1])                                 \
                        with->member(spmv->words + spmv->tiles[tile],                              \
                                     x + spmv_segment_start(info, s), sums + spmv->blocks[b].row); \
                }                                                                                  \
        }                                                                                          \
    }
MULTIPLY_ALL(float, float, single)
MULTIPLY_ALL(double, double, twice)
MULTIPLY_ALL(uint16_t, uint32_t, whole)

static void check_product(const struct sample *sample)
{
    const struct graph_view *graph = &sample->graph.view;
    const struct spmv_view *spmv = &sample->spmv.view;
    const uint32_t n = graph->vertex_count;
    const uint32_t *at = spmv->positions;
    double *x = calloc(n, sizeof *x), *sums = calloc(n, sizeof *sums);
    double *first = calloc(n, sizeof *first);
    float *x4 = calloc(n, sizeof *x4), *sums4 = calloc(n, sizeof *sums4);
    float *first4 = calloc(n, sizeof *first4);
    uint16_t *x2 = calloc(n, sizeof *x2);
    uint32_t *sums2 = calloc(n, sizeof *sums2);
    /* A whole number below 2^20 each, and different ones: sums of doubles are exact. */
    for (uint32_t v = 0; v < n; v++)
        x[at[v]] = v * UINT64_C(2654435761) % 1048573;
    for (uint32_t i = 0; i < n; i++) {
        x4[i] = (float)x[i] / 3;
        x2[i] = (uint16_t)x[i];
    }
    for (const struct multiply *const *with = multiply_all(); *with; with++) {
        memset(sums, 0, n * sizeof *sums);
        memset(sums4, 0, n * sizeof *sums4);
        memset(sums2, 0, n * sizeof *sums2);
        multiply_all_twice(spmv, *with, x, sums);
        multiply_all_single(spmv, *with, x4, sums4);
        multiply_all_whole(spmv, *with, x2, sums2);
        for (uint32_t v = 0; v < n; v++) {
            double wanted = 0;
            uint32_t wanted2 = 0;
            for (uint64_t i = graph->in_offsets[v]; i < graph->in_offsets[v + 1]; i++) {
                wanted += x[at[graph->in_sources[i]]];
                wanted2 += x2[at[graph->in_sources[i]]];
            }
            assert_int_equal(sums2[at[v]], wanted2);
            assert_true(sums[at[v]] == wanted);
            assert_true(fabs((double)sums4[at[v]] - wanted / 3) <= 1e-5 * wanted);
        }
        if (with == multiply_all()) {
            memcpy(first, sums, n * sizeof *sums);
            memcpy(first4, sums4, n * sizeof *sums4);
        }
        assert_memory_equal(sums, first, n * sizeof *sums);
        assert_memory_equal(sums4, first4, n * sizeof *sums4);
    }
    free(x);
    free(sums);
    free(first);
    free(x4);
    free(sums4);
    free(first4);
    free(x2);
    free(sums2);
}

/* --- The layout itself ------------------------------------------------------------------------ */

static void check_layout(const struct sample *sample)
{
    const struct graph_view *graph = &sample->graph.view;
    const struct spmv_view *spmv = &sample->spmv.view;
    const struct spmv_info *info = spmv->info;
    const uint32_t n = graph->vertex_count;
    bool *taken = calloc(n, sizeof *taken);
    double sum = 0;
    for (uint32_t v = 0; v < n; v++) {
        const uint32_t at = spmv->positions[v];
        assert_true(at < n && !taken[at]);
        taken[at] = true;
        assert_int_equal(at<info->source_count, graph_out_degree(graph, v)> 0);
        if (at < info->source_count)
            assert_int_equal(spmv->degrees[at], graph_out_degree(graph, v));
        sum += (double)spmv->start[at];
    }
    free(taken);
    assert_true(fabs(sum - 1) < 1e-5);
    for (uint32_t i = 1; i < info->source_count; i++)
        assert_true(spmv->degrees[i] <= spmv->degrees[i - 1]);
    assert_int_equal(spmv->blocks[0].row, 0);
    assert_int_equal(spmv->blocks[info->block_count].row, n);
    for (uint32_t b = 0; b < info->block_count; b++) {
        assert_in_range(spmv->blocks[b + 1].row - spmv->blocks[b].row, 1, SPMV_BLOCK_ROWS);
        assert_true(spmv->blocks[b + 1].cost > spmv->blocks[b].cost);
    }
    assert_in_range(info->phase_count, 1, SPMV_PHASES_MAX);
    for (uint32_t p = 0; p < info->phase_count; p++)
        assert_int_equal(spmv->blocks[spmv_phase_block(spmv, p)].row, spmv_phase_row(info, p));
}

static void check(struct sample *sample)
{
    check_layout(sample);
    check_product(sample);
    free_sample(sample);
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void test_spmv_small_graphs(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 40; n++)
        for (uint64_t links = 0; links <= 200; links += 50) {
            struct sample sample;
            random_sample(&sample, n, links, links % 100 ? 5 : 0);
            check(&sample);
        }
}

static void test_spmv_sizes_around_segments_and_blocks(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4095,  4096,  4097,   8191,   8192,   8193,  9102,
                                     16384, 73727, 100000, 163840, 163841, 400000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned skew = 0; skew <= 7; skew += 7) {
            struct sample sample;
            random_sample(&sample, sizes[i], sizes[i] * UINT64_C(4), skew);
            check(&sample);
        }
}

/* Rows of every length up to some steps, and one that has all of a segment. */
static void test_spmv_rows_of_every_length(void **state)
{
    (void)state;
    const uint32_t n = 9000;
    struct arc_list arcs = {0};
    for (uint32_t v = 0; v < n; v++) {
        assert_int_equal(arc_list_add(&arcs, v, 0), 0);
        for (uint32_t k = 0; k < v % 150; k++)
            assert_int_equal(arc_list_add(&arcs, (v + 1 + k * 59) % n, v), 0);
    }
    struct sample sample;
    build_sample(&sample, n, &arcs);
    check(&sample);
}

static void test_spmv_does_not_depend_on_threads(void **state)
{
    (void)state;
    struct sample sample;
    struct fault why;
    random_sample(&sample, 50000, 300000, 5);
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        struct spmv_built again;
        assert_int_equal(spmv_build(&again, &sample.graph.view, threads, &why), 0);
        const struct spmv_info *info = &again.info;
        assert_memory_equal(info, &sample.spmv.info, sizeof *info);
        assert_memory_equal(again.view.words, sample.spmv.view.words,
                            info->word_count * sizeof(uint16_t));
        assert_memory_equal(again.view.blocks, sample.spmv.view.blocks,
                            (info->block_count + 1) * sizeof(struct spmv_block));
        spmv_built_fini(&again);
    }
    assert_int_equal(spmv_verify(&sample.spmv.view, &sample.graph.view, &why), 0);
    free_sample(&sample);
}

static void test_spmv_start_is_fair_to_parts(void **state)
{
    (void)state;
    /* A pair, a triangle, a vertex alone, and a star of 10. */
    static const uint32_t arcs_of[][2] = {{0, 1}, {1, 0}, {2, 3}, {3, 4}, {4, 2}};
    struct arc_list arcs = {0};
    for (size_t i = 0; i < sizeof arcs_of / sizeof *arcs_of; i++)
        assert_int_equal(arc_list_add(&arcs, arcs_of[i][0], arcs_of[i][1]), 0);
    for (uint32_t leaf = 7; leaf < 16; leaf++)
        assert_int_equal(arc_list_add(&arcs, leaf, 6), 0);
    struct sample sample;
    build_sample(&sample, 16, &arcs);
    const float *start = sample.spmv.view.start;
    const uint32_t *at = sample.spmv.view.positions;
    for (uint32_t v = 0; v <= 5; v++)
        assert_true(fabsf(start[at[v]] - 1.0F / 16) < 1e-6F);
    assert_true(fabsf(start[at[6]] - 10.0F / 16) < 1e-6F);
    assert_true(start[at[7]] == 0);
    free_sample(&sample);
}

static void test_spmv_partition_covers_and_balances(void **state)
{
    (void)state;
    struct sample sample;
    random_sample(&sample, 300000, 3000000, 0);
    const struct spmv_view *spmv = &sample.spmv.view;
    const uint32_t phases = spmv->info->phase_count;
    assert_true(phases > 4);
    for (unsigned parts = 1; parts <= 64; parts++)
        for (uint32_t phase = 0; phase <= phases; phase++) {
            uint32_t bounds[65];
            const uint32_t first = phase == phases ? 0 : phase;
            const uint32_t count = phase == phases ? phases : 1;
            spmv_partition(spmv, first, count, parts, bounds);
            assert_int_equal(bounds[0], spmv_phase_row(spmv->info, first));
            assert_int_equal(bounds[parts], spmv_phase_row(spmv->info, first + count));
            for (unsigned p = 0; p < parts; p++) {
                assert_true(bounds[p] <= bounds[p + 1]);
                assert_int_equal(spmv->blocks[spmv_block_at(spmv, bounds[p])].row, bounds[p]);
            }
            if (parts == 2 && phase == phases) {
                const uint64_t all = spmv->blocks[spmv->info->block_count].cost;
                const uint64_t half = spmv->blocks[spmv_block_at(spmv, bounds[1])].cost;
                assert_true(fabs((double)half / (double)all - 0.5) < 0.005);
            }
        }
    free_sample(&sample);
}

static void test_spmv_verify_finds_damage(void **state)
{
    (void)state;
    struct sample sample;
    struct fault why;
    random_sample(&sample, 3000, 20000, 3);
    const struct spmv_view *spmv = &sample.spmv.view;
    uint16_t *words = (uint16_t *)(uintptr_t)spmv->words;
    words[1000] ^= 1;
    assert_int_equal(spmv_verify(spmv, &sample.graph.view, &why), -EINVAL);
    assert_non_null(strstr(why.text, "spmv-words, element 1000"));
    words[1000] ^= 1;
    uint32_t *degrees = (uint32_t *)(uintptr_t)spmv->degrees;
    degrees[7]++;
    assert_int_equal(spmv_verify(spmv, &sample.graph.view, &why), -EINVAL);
    assert_non_null(strstr(why.text, "spmv-degrees, element 7"));
    free_sample(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spmv_small_graphs),
        cmocka_unit_test(test_spmv_sizes_around_segments_and_blocks),
        cmocka_unit_test(test_spmv_rows_of_every_length),
        cmocka_unit_test(test_spmv_does_not_depend_on_threads),
        cmocka_unit_test(test_spmv_start_is_fair_to_parts),
        cmocka_unit_test(test_spmv_partition_covers_and_balances),
        cmocka_unit_test(test_spmv_verify_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
