/* SPDX-License-Identifier: MIT
 *
 * PageRank against a dense oracle, and its promise: the same bits whatever the workers, the
 * carrier and the deaths in between.
 */
#include "worker/pagerank.h"

#include "tests/fixture_index.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- A graph -------------------------------------------------------------------------------- */

struct graph {
    uint32_t n;
    struct fixture fixture;
    struct spmv_built *spmv;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static struct graph graph_of(uint32_t n, struct arc_list *arcs)
{
    struct graph graph = {.n = n};
    struct fixture_page *pages = calloc(n, sizeof *pages);
    char(*titles)[16] = calloc(n, sizeof *titles);
    for (uint32_t v = 0; v < n; v++) {
        snprintf(titles[v], sizeof titles[v], "P%06u", v);
        pages[v] = (struct fixture_page){.title = titles[v], .id = v + 1, .score = 1.0 / n};
    }
    fixture_init(&graph.fixture, pages, n, NULL, 0, arcs, false);
    free(titles);
    free(pages);
    struct fault why;
    graph.spmv = malloc(sizeof *graph.spmv);
    assert_int_equal(spmv_build(graph.spmv, &graph.fixture.view.graph, 2, &why), 0);
    graph.fixture.view.spmv = graph.spmv->view;
    return graph;
}

/* About 6 links out of a page, many of them to the first few; one page in ten has none. */
static struct graph make_graph(uint32_t n, uint64_t seed)
{
    struct arc_list arcs = {0};
    for (uint32_t v = 0; v < n; v++) {
        if (next_random(&seed) % 10 == 0)
            continue;
        for (uint64_t k = next_random(&seed) % 12; k-- > 0;) {
            uint64_t range = next_random(&seed) % 3 ? n : 1 + n / 20;
            arc_list_add(&arcs, v, (uint32_t)(next_random(&seed) % range));
        }
    }
    return graph_of(n, &arcs);
}

/* About 16 links between random vertices, each both ways: no skew. */
static struct graph make_even_graph(uint32_t n, uint64_t seed)
{
    struct arc_list arcs = {0};
    for (uint64_t k = (uint64_t)n * 8; k-- > 0;) {
        const uint32_t a = (uint32_t)(next_random(&seed) % n);
        const uint32_t b = (uint32_t)(next_random(&seed) % n);
        arc_list_add(&arcs, a, b);
        arc_list_add(&arcs, b, a);
    }
    return graph_of(n, &arcs);
}

/* Each vertex of [first, end) with the `reach` next ones, both ways, around. */
static void add_circle(struct arc_list *arcs, uint32_t first, uint32_t end, uint32_t reach)
{
    for (uint32_t v = first; v < end; v++)
        for (uint32_t step = 1; step <= reach; step++) {
            const uint32_t other = first + (v - first + step) % (end - first);
            arc_list_add(arcs, v, other);
            arc_list_add(arcs, other, v);
        }
}

static void graph_fini(struct graph *graph)
{
    spmv_built_fini(graph->spmv);
    free(graph->spmv);
    fixture_fini(&graph->fixture);
}

/* Enough sources for several phases. */
#define MANY 100000

/* --- The oracle ------------------------------------------------------------------------------ */

static void oracle(const struct graph_view *g, double damping, const double *teleport, double *x)
{
    uint32_t n = g->vertex_count;
    double *y = malloc(n * sizeof *y);
    memcpy(x, teleport, n * sizeof *x);
    for (int i = 0; i < 2000; i++) {
        double dangling = 0, change = 0;
        for (uint32_t v = 0; v < n; v++)
            dangling += graph_out_degree(g, v) ? 0 : x[v];
        for (uint32_t v = 0; v < n; v++)
            y[v] = (1 - damping + damping * dangling) * teleport[v];
        for (uint32_t v = 0; v < n; v++) {
            for (uint64_t e = g->out_offsets[v]; e < g->out_offsets[v + 1]; e++)
                y[g->out_targets[e]] += damping * x[v] / (double)graph_out_degree(g, v);
        }
        for (uint32_t v = 0; v < n; v++)
            change += fabs(y[v] - x[v]);
        memcpy(x, y, n * sizeof *x);
        if (change < 1e-16)
            break;
    }
    free(y);
}

/* --- A crew of threads ----------------------------------------------------------------------- */

struct run {
    const struct index_view *index;
    struct job_order order;
    struct bell_word words[16];
    struct bell bells[16];
    struct rank_info info;
    double *scores;
    uint32_t *order_of, *positions, *title_ranks, *minima;
    uint64_t death_seed; /* 0: nobody dies */
    struct pagerank_result result;
};

struct member {
    struct run *run;
    unsigned slot;
    uint64_t random;
    int outcome;
    pthread_t thread;
};

static int wait_or_die(void *owner, struct exchange *exchange)
{
    struct member *member = owner;
    int ready;
    while (!(ready = exchange_ready(exchange)))
        sched_yield();
    if (member->run->death_seed && next_random(&member->random) % 3 == 0)
        return -ECANCELED;
    return ready;
}

static void no_progress(void *owner, uint32_t iteration, double change)
{
    (void)owner;
    (void)iteration;
    (void)change;
}

/* A worker and, when it dies, its successors. */
static void *member_main(void *argument)
{
    struct member *member = argument;
    struct pulse pulse = {0};
    struct pagerank_host host = {member, &pulse, wait_or_die, no_progress};
    struct pagerank_result result;
    struct fault why;
    do
        member->outcome = pagerank_run(member->run->index, &member->run->order, member->slot, &host,
                                       &result, &why);
    while (member->outcome == -ECANCELED);
    if (member->slot == 0)
        member->run->result = result;
    return NULL;
}

static void run_init(struct run *run, const struct graph *graph, enum exchange_mode mode,
                     unsigned workers, uint32_t element_bytes, double tolerance)
{
    uint32_t n = graph->n, t = graph->fixture.view.titles.count;
    memset(run, 0, sizeof *run);
    run->index = &graph->fixture.view;
    run->scores = calloc(n, sizeof(double));
    run->order_of = calloc(n, sizeof(uint32_t));
    run->positions = calloc(n, sizeof(uint32_t));
    run->title_ranks = calloc(t, sizeof(uint32_t));
    run->minima = calloc(rank_minima_count(t), sizeof(uint32_t));
    run->order = (struct job_order){
        .damping = 0.85,
        .tolerance = tolerance,
        .iterations = 500,
        .plan = {.mode = mode, .workers = workers, .element_bytes = element_bytes},
        .bells = run->bells,
        .ranks = {&run->info, run->scores, run->order_of, run->positions, run->title_ranks,
                  run->minima},
    };
    job_order_plan(&run->order, &run->index->spmv);
    run->order.exchange = aligned_alloc(64, (exchange_bytes(&run->order.plan) + 63) / 64 * 64);
    memset(run->order.exchange, 0, exchange_bytes(&run->order.plan));
    exchange_format(run->order.exchange, &run->order.plan);
    for (unsigned w = 0; w < workers; w++)
        assert_int_equal(bell_open(&run->bells[w], &run->words[w]), 0);
}

static void run_go(struct run *run)
{
    struct member members[16];
    unsigned workers = run->order.plan.workers;
    for (unsigned w = 0; w < workers; w++) {
        members[w] = (struct member){.run = run, .slot = w, .random = run->death_seed + w};
        assert_int_equal(pthread_create(&members[w].thread, NULL, member_main, &members[w]), 0);
    }
    for (unsigned w = 0; w < workers; w++) {
        pthread_join(members[w].thread, NULL);
        assert_int_equal(members[w].outcome, 0);
    }
}

static void run_fini(struct run *run)
{
    for (unsigned w = 0; w < run->order.plan.workers; w++)
        bell_close(&run->bells[w]);
    free(run->order.exchange);
    free(run->scores);
    free(run->order_of);
    free(run->positions);
    free(run->title_ranks);
    free(run->minima);
}

static double distance(const double *a, const double *b, uint32_t n)
{
    double sum = 0;
    for (uint32_t v = 0; v < n; v++)
        sum += fabs(a[v] - b[v]);
    return sum;
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void test_pagerank_equals_dense_oracle(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 2000; n = n * 3 + 1) {
        struct graph graph = make_graph(n, n);
        double *teleport = malloc(n * sizeof(double)), *wanted = malloc(n * sizeof(double));
        for (uint32_t v = 0; v < n; v++)
            teleport[v] = 1.0 / n;
        oracle(&graph.fixture.view.graph, 0.85, teleport, wanted);
        for (uint32_t bytes = 4; bytes <= 8; bytes += 4) {
            struct run run;
            run_init(&run, &graph, EXCHANGE_RING, 2, bytes, bytes == 4 ? 1e-6 : 1e-14);
            run_go(&run);
            assert_true(distance(run.scores, wanted, n) <= (bytes == 4 ? 1e-5 : 1e-12));
            assert_true(run.result.converged);
            assert_int_equal(run.info.precision, bytes);
            double sum = 0;
            for (uint32_t v = 0; v < n; v++)
                sum += run.scores[v];
            assert_true(fabs(sum - 1) < 1e-12);
            for (uint32_t r = 1; r < n; r++)
                assert_true(run.scores[run.order_of[r - 1]] >= run.scores[run.order_of[r]]);
            run_fini(&run);
        }
        free(teleport);
        free(wanted);
        graph_fini(&graph);
    }
}

/* All combinations of workers and carriers, in one precision, on one graph. */
static void expect_same_bits(const struct graph *graph, uint32_t bytes, double tolerance)
{
    static const unsigned workers[] = {1, 2, 3, 7, 16};
    double *first = NULL;
    uint32_t iterations = 0;
    for (int mode = EXCHANGE_RING; mode <= EXCHANGE_SHARED; mode++) {
        for (size_t w = 0; w < sizeof workers / sizeof workers[0]; w++) {
            struct run run;
            run_init(&run, graph, (enum exchange_mode)mode, workers[w], bytes, tolerance);
            if (tolerance == 0)
                run.order.iterations = 7;
            run_go(&run);
            if (!first) {
                first = malloc(graph->n * sizeof *first);
                memcpy(first, run.scores, graph->n * sizeof *first);
                iterations = run.result.iterations;
            }
            assert_memory_equal(first, run.scores, graph->n * sizeof *first);
            assert_int_equal(iterations, run.result.iterations);
            run_fini(&run);
        }
    }
    free(first);
}

static void test_pagerank_bits_do_not_depend_on_workers_or_carrier(void **state)
{
    (void)state;
    struct graph small = make_graph(3000, 42), large = make_graph(MANY, 43);
    struct graph even = make_even_graph(MANY, 44);
    assert_int_equal(small.spmv->info.phase_count, 1);
    assert_true(large.spmv->info.phase_count > 7);
    for (uint32_t bytes = 4; bytes <= 8; bytes += 4) {
        expect_same_bits(&small, bytes, bytes == 4 ? 1e-6 : 1e-14);
        expect_same_bits(&large, bytes, 1e-6);
        expect_same_bits(&large, bytes, 0);
        expect_same_bits(&even, bytes, 1e-6);
    }
    graph_fini(&small);
    graph_fini(&large);
    graph_fini(&even);
}

static void expect_bits_to_survive(const struct graph *graph, double tolerance, uint64_t seeds)
{
    struct run quiet;
    run_init(&quiet, graph, EXCHANGE_RING, 1, 8, tolerance);
    run_go(&quiet);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        for (int mode = EXCHANGE_RING; mode <= EXCHANGE_SHARED; mode++) {
            struct run run;
            run_init(&run, graph, (enum exchange_mode)mode, 3, 8, tolerance);
            run.death_seed = seed * 1000;
            run_go(&run);
            assert_memory_equal(quiet.scores, run.scores, graph->n * sizeof(double));
            assert_int_equal(quiet.result.iterations, run.result.iterations);
            run_fini(&run);
        }
    }
    run_fini(&quiet);
}

static void test_pagerank_bits_survive_deaths(void **state)
{
    (void)state;
    struct graph small = make_graph(1500, 7), large = make_graph(MANY, 7);
    struct graph even = make_even_graph(MANY, 7);
    expect_bits_to_survive(&small, 1e-14, 10);
    expect_bits_to_survive(&large, 1e-9, 2);
    expect_bits_to_survive(&even, 1e-9, 4);
    graph_fini(&small);
    graph_fini(&large);
    graph_fini(&even);
}

static void test_pagerank_in_phases_equals_oracle(void **state)
{
    (void)state;
    struct graph graph = make_graph(MANY, 5);
    double *teleport = malloc(MANY * sizeof(double)), *wanted = malloc(MANY * sizeof(double));
    struct job_seed seeds[] = {{5, 0.25}, {70007, 0.75}};
    for (uint32_t seed_count = 0; seed_count <= 2; seed_count += 2) {
        for (uint32_t v = 0; v < MANY; v++)
            teleport[v] = seed_count ? 0 : 1.0 / MANY;
        for (uint32_t s = 0; s < seed_count; s++)
            teleport[seeds[s].vertex] = seeds[s].weight;
        oracle(&graph.fixture.view.graph, 0.85, teleport, wanted);
        for (uint32_t bytes = 4; bytes <= 8; bytes += 4) {
            struct run run;
            run_init(&run, &graph, EXCHANGE_RING, 2, bytes, bytes == 4 ? 1e-6 : 1e-13);
            run.order.seeds = seeds;
            run.order.seed_count = seed_count;
            run_go(&run);
            assert_true(run.result.converged);
            assert_true(distance(run.scores, wanted, MANY) <= (bytes == 4 ? 2e-6 : 1e-12));
            run_fini(&run);
        }
    }
    free(teleport);
    free(wanted);
    graph_fini(&graph);
}

/* What worker 0 of 2 publishes of a graph, as a share of what it would be without coarse rounds. */
static double bytes_to_all(const struct run *run)
{
    const struct exchange_plan *plan = &run->order.plan;
    uint64_t rows = 0;
    for (uint32_t phase = 0; phase < plan->phases; phase++)
        rows += plan->bounds[phase][1] - plan->bounds[phase][0];
    return (double)run->result.exchanged_bytes /
           (double)(rows * plan->element_bytes * (run->result.iterations + 1));
}

/* Without skew the first iterations' contributions are coarse; the scores are none the worse. */
static void test_pagerank_coarse_contributions_cost_no_accuracy(void **state)
{
    (void)state;
    struct graph graph = make_even_graph(MANY, 3);
    double *teleport = malloc(MANY * sizeof(double)), *wanted = malloc(MANY * sizeof(double));
    for (uint32_t v = 0; v < MANY; v++)
        teleport[v] = 1.0 / MANY;
    oracle(&graph.fixture.view.graph, 0.85, teleport, wanted);
    for (uint32_t bytes = 4; bytes <= 8; bytes += 4) {
        struct run run;
        run_init(&run, &graph, EXCHANGE_SHARED, 2, bytes, bytes == 4 ? 1e-5 : 1e-13);
        run_go(&run);
        assert_true(run.result.converged);
        assert_int_equal(run.result.iterations, bytes == 4 ? 5 : 16); /* as without them */
        assert_true(distance(run.scores, wanted, MANY) <= (bytes == 4 ? 1e-6 : 1e-13));
        /* Three iterations of 2 bytes instead of 4 or 8. */
        const double saved = bytes == 4 ? 1.5 : 2.25;
        assert_true(fabs(bytes_to_all(&run) - 1 + saved / (run.result.iterations + 1)) < 1e-6);
        run_fini(&run);
    }
    free(teleport);
    free(wanted);
    graph_fini(&graph);
}

/* Regular parts: the start vector is the result, all that an iteration can do is to spoil it. */
static void test_pagerank_coarse_contributions_keep_what_is_right(void **state)
{
    (void)state;
    struct arc_list arcs = {0};
    add_circle(&arcs, 0, 20000, 11);
    add_circle(&arcs, 20000, MANY, 4);
    struct graph graph = graph_of(MANY, &arcs);
    struct run run;
    run_init(&run, &graph, EXCHANGE_SHARED, 2, 8, 2e-5);
    run_go(&run);
    assert_true(bytes_to_all(&run) < 0.9); /* there were coarse ones */
    /* The noise is a tenth of this tolerance: too much, the last iteration must have none. Rounding
     * to the nearest would leave 3e-5. */
    assert_true(run.result.converged);
    assert_int_equal(run.result.iterations, 3);
    for (uint32_t v = 0; v < MANY; v++)
        assert_true(fabs(run.scores[v] * MANY - 1) < 1e-5);
    run_fini(&run);
    graph_fini(&graph);
}

/* More links into one page than 16-bit numbers that 32 bits can hold. */
static void test_pagerank_coarse_contributions_do_not_overflow(void **state)
{
    (void)state;
    struct arc_list arcs = {0};
    add_circle(&arcs, 1, MANY, 1);
    for (uint32_t v = 1; v < MANY; v++)
        arc_list_add(&arcs, v, 0); /* which has no links out */
    struct graph graph = graph_of(MANY, &arcs);
    struct run run;
    run_init(&run, &graph, EXCHANGE_SHARED, 2, 8, 1e-3);
    run_go(&run);
    assert_true(bytes_to_all(&run) < 0.9);
    assert_int_equal(run.result.iterations, 3); /* 178 with numbers that overflow */
    assert_true(fabs(run.scores[0] - 17.0 / 77) < 1e-5);
    run_fini(&run);
    graph_fini(&graph);
}

static void test_pagerank_personalised(void **state)
{
    (void)state;
    struct graph graph = make_graph(500, 3);
    uint32_t n = graph.n;
    struct job_seed seeds[] = {{5, 0.25}, {77, 0.75}};
    double *teleport = calloc(n, sizeof(double)), *wanted = malloc(n * sizeof(double));
    teleport[5] = 0.25;
    teleport[77] = 0.75;
    oracle(&graph.fixture.view.graph, 0.5, teleport, wanted);
    struct run run;
    run_init(&run, &graph, EXCHANGE_SHARED, 3, 8, 1e-14);
    run.order.damping = 0.5;
    run.order.seeds = seeds;
    run.order.seed_count = 2;
    run_go(&run);
    assert_true(distance(run.scores, wanted, n) <= 1e-12);
    assert_int_equal(run.info.seed_count, 2);
    run_fini(&run);
    free(teleport);
    free(wanted);
    graph_fini(&graph);
}

/* Three steps from the uniform vector, by hand. */
static void test_pagerank_without_tolerance_is_the_power_iteration(void **state)
{
    (void)state;
    struct graph graph = make_graph(MANY, 11);
    const struct graph_view *g = &graph.fixture.view.graph;
    double *x = malloc(MANY * sizeof *x), *y = malloc(MANY * sizeof *y);
    for (uint32_t v = 0; v < MANY; v++)
        x[v] = 1.0 / MANY;
    for (int i = 0; i < 3; i++) {
        double dangling = 0;
        for (uint32_t v = 0; v < MANY; v++)
            dangling += graph_out_degree(g, v) ? 0 : x[v];
        for (uint32_t v = 0; v < MANY; v++) {
            y[v] = (0.15 + 0.85 * dangling) / MANY;
            for (uint64_t e = g->in_offsets[v]; e < g->in_offsets[v + 1]; e++)
                y[v] += 0.85 * x[g->in_sources[e]] / (double)graph_out_degree(g, g->in_sources[e]);
        }
        memcpy(x, y, MANY * sizeof *x);
    }
    struct run run;
    run_init(&run, &graph, EXCHANGE_RING, 2, 8, 0);
    run.order.iterations = 3;
    run_go(&run);
    assert_int_equal(run.result.iterations, 3);
    assert_true(distance(run.scores, x, MANY) <= 1e-13);
    run_fini(&run);
    free(x);
    free(y);
    graph_fini(&graph);
}

static void test_pagerank_exact_number_of_iterations(void **state)
{
    (void)state;
    struct graph graph = make_graph(200, 9);
    for (uint32_t iterations = 1; iterations <= 300; iterations += 299) {
        struct run run;
        run_init(&run, &graph, EXCHANGE_RING, 2, 8, 0);
        run.order.iterations = iterations;
        run_go(&run);
        assert_int_equal(run.result.iterations, iterations);
        assert_false(run.result.converged);
        run_fini(&run);
    }
    graph_fini(&graph);
}

static void test_pagerank_broken_partial_is_refused(void **state)
{
    (void)state;
    struct graph graph = make_graph(100, 1);
    struct run run;
    run_init(&run, &graph, EXCHANGE_RING, 1, 8, 0);
    struct exchange exchange;
    struct fault why;
    assert_int_equal(
        exchange_attach(&exchange, run.order.exchange, &run.order.plan, 0, run.bells, &why), 0);
    double *slice = exchange_open(&exchange, 0);
    memset(slice, 0, graph.n * sizeof *slice);
    ((unsigned char *)exchange.record)[1] ^= 0xff; /* the message's kind */
    exchange_publish(&exchange, (struct exchange_shares){0});
    assert_int_equal(exchange_ready(&exchange), -EBADMSG);
    run_fini(&run);
    graph_fini(&graph);
}

/* Two workers that do not agree on what a round's elements are; and that one is as long as it has
 * to be, whatever the elements were last time. */
static void test_exchange_units_are_a_rounds_own(void **state)
{
    (void)state;
    struct graph graph = make_graph(100, 1);
    for (int mode = EXCHANGE_RING; mode <= EXCHANGE_SHARED; mode++) {
        static const double units[] = {0.5, 0.25, 0, 1e-9, 0};
        struct run run;
        struct exchange slots[2];
        struct fault why;
        run_init(&run, &graph, (enum exchange_mode)mode, 2, 8, 0);
        const struct exchange_plan *plan = &run.order.plan;
        for (unsigned w = 0; w < 2; w++)
            assert_int_equal(
                exchange_attach(&slots[w], run.order.exchange, plan, w, run.bells, &why), 0);
        for (unsigned round = 0; round <= 5; round++) {
            for (unsigned w = 0; w < 2; w++) {
                const double unit = round == 5 ? w : units[round];
                const uint32_t first = plan->bounds[0][w], end = plan->bounds[0][w + 1];
                const uint32_t count = (end < plan->sources ? end : plan->sources) - first;
                void *slice = exchange_open(&slots[w], unit);
                memset(slice, (int)(7 * round + w), count * (unit > 0 ? 2 : sizeof(double)));
                exchange_publish(&slots[w], (struct exchange_shares){.peak = w + round * 2.0,
                                                                     .coarsest = 9.0 - w - round});
            }
            for (unsigned w = 0; w < 2; w++) {
                assert_int_equal(exchange_ready(&slots[w]), round == 5 ? -EBADMSG : 1);
                if (round == 5)
                    continue;
                assert_true(exchange_unit(&slots[w], 0) == units[round]);
                assert_true(exchange_total(&slots[w]).peak == 1 + round * 2.0);
                assert_true(exchange_total(&slots[w]).coarsest == 9.0 - round);
                const unsigned char *slice = exchange_slice(&slots[w], 1, 0);
                assert_int_equal(slice[0], 7 * round + 1);
                slice = exchange_slice(&slots[w], 0, 0);
                const size_t bytes = units[round] > 0 ? 2 : sizeof(double);
                for (size_t i = 0; i < plan->bounds[0][1] * bytes; i++)
                    assert_int_equal(slice[i], 7 * round);
            }
        }
        run_fini(&run);
    }
    graph_fini(&graph);
}

/* All sleep; what wakes them is the slice that makes the round complete, not those before it. */
static void test_exchange_wakes_when_a_round_is_complete(void **state)
{
    (void)state;
    struct graph graph = make_graph(100, 1);
    for (int mode = EXCHANGE_RING; mode <= EXCHANGE_SHARED; mode++) {
        struct run run;
        struct exchange slots[3];
        unsigned woken[3] = {0};
        struct fault why;
        run_init(&run, &graph, (enum exchange_mode)mode, 3, 8, 0);
        for (unsigned w = 0; w < 3; w++)
            assert_int_equal(
                exchange_attach(&slots[w], run.order.exchange, &run.order.plan, w, run.bells, &why),
                0);
        for (unsigned round = 0; round < 4; round++) {
            for (unsigned w = 0; w < 3; w++)
                bell_sleep(&run.bells[w]);
            for (unsigned w = 0; w < 3; w++) {
                const unsigned slot = (w + round) % 3; /* another one is last */
                memset(exchange_open(&slots[slot], 0), 0, sizeof(double));
                exchange_publish(&slots[slot], (struct exchange_shares){0});
                woken[slot] += w == 2 ? 2 : 0;
                assert_int_equal(slots[slot].wakeups, woken[slot]);
            }
            for (unsigned w = 0; w < 3; w++) {
                const bool last = w == (2 + round) % 3;
                assert_int_equal(run.words[w].asleep % 2, last);
                bell_awake(&run.bells[w]);
                assert_int_equal(exchange_ready(&slots[w]), 1);
            }
        }
        run_fini(&run);
    }
    graph_fini(&graph);
}

static void test_fixed_sums_are_exact_enough_and_associative(void **state)
{
    (void)state;
    static const double values[] = {1.0, 0.1, 1e-9, 3.3e-20, 0.7, 1e-28};
    size_t count = sizeof values / sizeof values[0];
    fixed_sum forward = 0, backward = 0;
    for (size_t i = 0; i < count; i++) {
        forward += fixed_from_double(values[i]);
        backward += fixed_from_double(values[count - 1 - i]);
        assert_true(fabs(fixed_to_double(fixed_from_double(values[i])) - values[i]) <= 0x1p-99);
    }
    assert_true(forward == backward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pagerank_equals_dense_oracle),
        cmocka_unit_test(test_pagerank_bits_do_not_depend_on_workers_or_carrier),
        cmocka_unit_test(test_pagerank_bits_survive_deaths),
        cmocka_unit_test(test_pagerank_in_phases_equals_oracle),
        cmocka_unit_test(test_pagerank_coarse_contributions_cost_no_accuracy),
        cmocka_unit_test(test_pagerank_coarse_contributions_keep_what_is_right),
        cmocka_unit_test(test_pagerank_coarse_contributions_do_not_overflow),
        cmocka_unit_test(test_pagerank_personalised),
        cmocka_unit_test(test_pagerank_without_tolerance_is_the_power_iteration),
        cmocka_unit_test(test_pagerank_exact_number_of_iterations),
        cmocka_unit_test(test_pagerank_broken_partial_is_refused),
        cmocka_unit_test(test_exchange_units_are_a_rounds_own),
        cmocka_unit_test(test_exchange_wakes_when_a_round_is_complete),
        cmocka_unit_test(test_fixed_sums_are_exact_enough_and_associative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
