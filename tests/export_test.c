/* SPDX-License-Identifier: MIT
 *
 * The `export` query: all rows, once each, in order, whatever the pieces.
 */
#include "tests/fixture_index.h"
#include "tests/fixture_query.h"

#include <time.h>

#define PAGES     3000
#define REDIRECTS 1500
#define TITLES    (PAGES + REDIRECTS)
#define HUB       0 /* links to nearly all */

struct world {
    struct fixture index;
    struct query_engine *engine;
    char titles[TITLES][40];
    uint32_t by_title[TITLES]; /* inputs in byte order; the oracle */
};

static const struct world *sorting;

static int compare_inputs(const void *a, const void *b)
{
    return strcmp(sorting->titles[*(const uint32_t *)a], sorting->titles[*(const uint32_t *)b]);
}

/* Upper and lower case, one-letter titles, titles that begin alike, other scripts. */
static void make_titles(struct world *world)
{
    static const char *const STARTS[] = {"A", "Ab", "aC", "Zz", "É", "éa", "~", "Ω", "東京", "AB"};
    static const char *const MIDDLES[] = {"", "c", "C", "é", "z"};
    uint64_t random = 4;

    for (uint32_t i = 0; i < TITLES; i++) {
        if (i < 10)
            snprintf(world->titles[i], sizeof world->titles[i], "%s", STARTS[i]);
        else
            snprintf(world->titles[i], sizeof world->titles[i], "%s%s%u %u", STARTS[i % 10],
                     MIDDLES[fixture_random(&random, 5)], fixture_random(&random, 1000), i);
        world->by_title[i] = i;
    }
    sorting = world;
    qsort(world->by_title, TITLES, sizeof world->by_title[0], compare_inputs);
}

static int setup(void **state)
{
    struct world *world = fixture_alloc(1, sizeof *world);
    static struct fixture_page pages[PAGES];
    static struct fixture_redirect redirects[REDIRECTS];
    struct arc_list arcs = {0};
    struct fault why;
    uint64_t random = 8;

    make_titles(world);
    for (uint32_t v = 0; v < PAGES; v++)
        pages[v] = (struct fixture_page){world->titles[v], NULL, v, fixture_random(&random, 99)};
    for (uint32_t r = 0; r < REDIRECTS; r++)
        redirects[r] =
            (struct fixture_redirect){world->titles[PAGES + r], fixture_random(&random, PAGES)};
    fixture_random_arcs(&arcs, &random, PAGES, 20000);
    for (uint32_t v = 1; v < PAGES - 5; v++)
        MUST(arc_list_add(&arcs, HUB, v) == 0);
    fixture_init(&world->index, pages, PAGES, redirects, REDIRECTS, &arcs, false);
    MUST(query_engine_create(&world->engine, &world->index.view, FIXTURE_GENERATION, -1, &why) ==
         0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    query_engine_destroy(&world->engine);
    fixture_fini(&world->index);
    free(world);
    return 0;
}

/* Reads one row after the other, asking for the next piece where one ends. */
struct reader {
    struct query_engine *engine;
    const char *what;
    unsigned limit;
    struct answer answer;
    struct wire_in rows;
    uint32_t left;
    int64_t cursor; /* of the next piece */
    bool last;
    unsigned pieces;
};

static bool read_row(struct reader *reader)
{
    while (reader->left == 0) {
        answer_fini(&reader->answer);
        if (reader->last)
            return false;
        reader->answer =
            ask(reader->engine, "export", "siu", reader->what, reader->cursor, reader->limit);
        reader->rows = answer_key(reader->answer.value, "rows");
        reader->left = answer_array(&reader->rows);
        assert_true(reader->left <= reader->limit);
        assert_int_equal(answer_uint(reader->answer.value, "generation"), FIXTURE_GENERATION);
        struct wire_in next = answer_key(reader->answer.value, "next");
        reader->last = wire_type(&next) == WIRE_NIL;
        if (!reader->last)
            assert_true(wire_get_int(&next, &reader->cursor));
        reader->pieces++;
    }
    reader->left--;
    assert_int_equal(answer_array(&reader->rows), 2);
    return true;
}

static void check_scores(const struct world *world, unsigned limit)
{
    const struct index_view *index = &world->index.view;
    struct reader reader = {.engine = world->engine, .what = "scores", .limit = limit};

    for (uint32_t i = 0; i < PAGES; i++) {
        double score;
        assert_true(read_row(&reader));
        assert_true(wire_get_double(&reader.rows, &score));
        assert_true(score == index->rank.scores[index->rank.order[i]]);
        expect_next(&reader.rows, world->titles[index->rank.order[i]]);
    }
    assert_false(read_row(&reader));
    assert_int_equal(reader.pieces, (PAGES + limit - 1) / limit);
}

static void check_titles(const struct world *world, unsigned limit)
{
    const struct titles_view *titles = &world->index.view.titles;
    struct reader reader = {.engine = world->engine, .what = "titles", .limit = limit};

    for (uint32_t i = 0; i < TITLES; i++) {
        uint32_t input = world->by_title[i];
        uint32_t vertex = titles_vertex(titles, world->index.titles.entry_of_input[input]);
        assert_true(read_row(&reader));
        expect_next(&reader.rows, world->titles[input]);
        expect_next(&reader.rows, input < PAGES ? NULL : world->titles[vertex]);
    }
    assert_false(read_row(&reader));
}

static void check_links(const struct world *world, unsigned limit)
{
    const struct graph_view *graph = &world->index.view.graph;
    struct reader reader = {.engine = world->engine, .what = "links", .limit = limit};

    for (uint32_t i = 0; i < TITLES; i++) {
        uint32_t source = world->by_title[i];
        if (source >= PAGES || graph_out_degree(graph, source) == 0)
            continue;
        assert_true(read_row(&reader));
        expect_next(&reader.rows, world->titles[source]);
        assert_int_equal(answer_array(&reader.rows), graph_out_degree(graph, source));
        bool targets[PAGES] = {0};
        for (uint64_t e = graph->out_offsets[source]; e < graph->out_offsets[source + 1]; e++)
            targets[graph->out_targets[e]] = true;
        for (uint32_t k = 0; k < TITLES; k++) {
            uint32_t target = world->by_title[k];
            if (target < PAGES && targets[target])
                expect_next(&reader.rows, world->titles[target]);
        }
    }
    assert_false(read_row(&reader));
}

static void test_export_gives_all_rows_in_order(void **state)
{
    static const unsigned LIMITS[] = {10000, 1000, 77, PAGES, 1};

    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++) {
        check_scores(*state, LIMITS[i]);
        check_titles(*state, LIMITS[i]);
        check_links(*state, LIMITS[i]);
    }
}

/* Pieces may be asked for in any order, from any engine. */
static void test_export_goes_on_anywhere(void **state)
{
    const struct world *world = *state;

    for (uint32_t position = TITLES - 1; position > 400; position -= 397) {
        struct answer answer = ask(world->engine, "export", "suu", "titles", position, 1u);
        struct wire_in rows = answer_key(answer.value, "rows");
        assert_int_equal(answer_array(&rows), 1);
        assert_int_equal(answer_array(&rows), 2);
        expect_next(&rows, world->titles[world->by_title[position]]);
        answer_fini(&answer);
    }
    static const char *const KINDS[] = {"scores", "links", "titles"};
    for (unsigned i = 0; i < 3; i++) {
        static const int64_t BEYOND[] = {TITLES, UINT32_MAX, INT64_MAX};
        for (unsigned k = 0; k < 3; k++) {
            struct answer answer = ask(world->engine, "export", "si", KINDS[i], BEYOND[k]);
            struct wire_in rows = answer_key(answer.value, "rows");
            assert_int_equal(answer_array(&rows), 0);
            expect_text(answer.value, "next", NULL);
            answer_fini(&answer);
        }
    }
    struct answer answer = ask(world->engine, "export", "");
    struct wire_in rows = answer_key(answer.value, "rows");
    assert_int_equal(answer_array(&rows), 1000); /* of scores */
    answer_fini(&answer);
}

/* A page with very many links to very long titles: its row comes in several. */
static void test_export_cuts_a_row_that_is_too_long(void **state)
{
    enum { N = 12000, LENGTH = 1000 };
    struct fixture_page *pages = fixture_alloc(N, sizeof *pages);
    char *titles = fixture_alloc(N, LENGTH + 1);
    struct arc_list arcs = {0};
    struct fixture index;
    struct query_engine *engine;
    struct fault why;

    (void)state;
    memset(titles, 'T', N * (LENGTH + 1));
    for (uint32_t v = 0; v < N; v++) {
        char *title = titles + v * (LENGTH + 1);
        snprintf(title + LENGTH - 8, 9, "%08u", N - v);
        pages[v] = (struct fixture_page){title, NULL, v, 0};
        if (v > 0)
            MUST(arc_list_add(&arcs, 0, v) == 0);
    }
    MUST(arc_list_add(&arcs, N - 1, 0) == 0);
    fixture_init(&index, pages, N, NULL, 0, &arcs, false);
    MUST(query_engine_create(&engine, &index.view, FIXTURE_GENERATION, -1, &why) == 0);

    struct reader reader = {.engine = engine, .what = "links", .limit = 1000};
    uint32_t expected = N - 1, rows = 0;
    assert_true(read_row(&reader));
    expect_next(&reader.rows, pages[N - 1].title); /* first in byte order */
    assert_int_equal(answer_array(&reader.rows), 1);
    expect_next(&reader.rows, pages[0].title);
    while (read_row(&reader)) {
        expect_next(&reader.rows, pages[0].title);
        assert_true(reader.answer.out.bytes < (5u << 20));
        for (uint32_t left = answer_array(&reader.rows); left > 0; left--)
            expect_next(&reader.rows, pages[expected--].title);
        rows++;
    }
    assert_int_equal(expected, 0);
    assert_int_equal(rows, 3);
    query_engine_destroy(&engine);
    fixture_fini(&index);
    free(titles);
    free(pages);
}

/* However early or late the deadline strikes, the answer is one whole frame: the result, or an
 * error with nothing left of what had been written. */
static void test_export_is_all_or_an_error_at_any_deadline(void **state)
{
    const struct world *world = *state;
    bool done = false;

    for (uint64_t allowed_ns = 1000; !done; allowed_ns += allowed_ns / 4) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t deadline_ns =
            (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec + allowed_ns;
        struct answer answer =
            ask_until(world->engine, deadline_ns, "export", "snu", "links", 10000u);
        done = !answer.is_error;
        if (!done) {
            assert_string_equal(answer.code, "deadline");
            assert_true(answer.out.bytes < 200);
        }
        answer_fini(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_export_gives_all_rows_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_export_goes_on_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_export_is_all_or_an_error_at_any_deadline, setup,
                                        teardown),
        cmocka_unit_test(test_export_cuts_a_row_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
