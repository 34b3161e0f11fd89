/* SPDX-License-Identifier: MIT
 *
 * The query methods over a small index made by hand; their parameters, errors and deadlines.
 */
#include "tests/fixture_index.h"
#include "tests/fixture_query.h"

#include <math.h>

/* --- A small index by hand ------------------------------------------------------------------- */

enum { ETIENNE, ETIENNE_PLAIN, NEW_YORK, NEWS, LONELY, CITY, PAGES };

static const struct fixture_page small_pages[PAGES] = {
    [ETIENNE] = {"Étienne", "<page><revision><text>E</text></revision></page>", 11, 0.10},
    [ETIENNE_PLAIN] = {"ETIENNE", "<page><revision><text>e</text></revision></page>", 12, 0.20},
    [NEW_YORK] = {"New York", "<page><title/></page>", 13, 0.15},
    [NEWS] = {"News", "<page><revision><text>n</text></revision></page>", 14, 0.15},
    [LONELY] = {"Lonely", "<page></page>", 15, 0.05},
    [CITY] = {"City", "<page><revision><text>c</text></revision></page>", 9, 0.35},
};

static const struct fixture_redirect small_redirects[] = {
    {"Newspaper", NEWS}, {"NYC", NEW_YORK}, {"New Amsterdam", NEW_YORK}, {"Nouvelle", CITY}};

static const struct arc small_arcs[] = {{ETIENNE, CITY},  {ETIENNE, NEWS},    {NEWS, NEW_YORK},
                                        {NEW_YORK, CITY}, {CITY, NEW_YORK},   {CITY, NEWS},
                                        {CITY, ETIENNE},  {LONELY, NEW_YORK}, {NEWS, CITY}};

struct world {
    struct fixture index;
    struct query_engine *engine;
};

static void world_engine(struct world *world)
{
    struct fault why;

    assert_int_equal(query_engine_create(&world->engine, &world->index.view, FIXTURE_GENERATION,
                                         world->index.fd, &why),
                     0);
}

static int small_setup(void **state)
{
    struct world *world = fixture_alloc(1, sizeof *world);
    struct arc_list arcs = {0};

    for (size_t i = 0; i < sizeof small_arcs / sizeof small_arcs[0]; i++)
        MUST(arc_list_add(&arcs, small_arcs[i].source, small_arcs[i].target) == 0);
    fixture_init(&world->index, small_pages, PAGES, small_redirects,
                 sizeof small_redirects / sizeof small_redirects[0], &arcs, true);
    world_engine(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    query_engine_destroy(&world->engine);
    query_engine_destroy(&world->engine);
    fixture_fini(&world->index);
    free(world);
    return 0;
}

static void expect_page(struct query_engine *engine, const char *title, const char *own,
                        const char *redirect_from, bool exact)
{
    struct answer answer = ask(engine, "lookup", "s", title);

    expect_text(answer.value, "title", own);
    expect_text(answer.value, "redirect_from", redirect_from);
    assert_int_equal(answer_bool(answer.value, "exact"), exact);
    answer_fini(&answer);
}

static void test_query_lookup_finds_titles_as_people_type_them(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;

    expect_page(engine, "City", "City", NULL, true);
    expect_page(engine, "city", "City", NULL, true); /* first letter */
    expect_page(engine, "_New__York ", "New York", NULL, true);
    expect_page(engine, "E\u0301tienne", "Étienne", NULL, true); /* NFC */
    expect_page(engine, "NYC", "New York", "NYC", true);
    expect_page(engine, "nyc", "New York", "NYC", false);
    expect_page(engine, "nEW yÔrk", "New York", NULL, false);
    expect_page(engine, "Etienne", "ETIENNE", NULL, false); /* the best ranked one */
    expect_page(engine, "étienne", "Étienne", NULL, true);
}

static void test_query_lookup_tells_all_about_a_page(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    struct answer answer = ask(engine, "lookup", "{s", "title", "News");

    assert_int_equal(answer_uint(answer.value, "id"), 14);
    assert_int_equal(answer_uint(answer.value, "rank"), 4); /* a tie with id 13 */
    assert_true(answer_double(answer.value, "score") == 0.15);
    assert_int_equal(answer_uint(answer.value, "links"), 2);
    assert_int_equal(answer_uint(answer.value, "backlinks"), 2);
    assert_int_equal(answer_uint(answer.value, "bytes"), strlen(small_pages[NEWS].element));
    answer_fini(&answer);
    answer = ask(engine, "lookup", "b", "News"); /* a bin is as good as a str */
    expect_text(answer.value, "title", "News");
    answer_fini(&answer);
}

static void test_query_titles_that_are_none(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    char longer[10001];

    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    refuse(engine, "not_found", "no page has the title \"nowhere\"", "lookup", "s", "nowhere");
    refuse(engine, "not_found", "\"\"", "lookup", "s", "");
    refuse(engine, "not_found", "\" _ \"", "lookup", "s", " _ ");
    refuse(engine, "not_found", "longer than 1024", "lookup", "s", longer);
    refuse(engine, "bad_params", "not valid UTF-8", "lookup", "s", "a\xff");
    longer[601] = '\0';
    for (unsigned i = 0; i < 300; i++)
        memcpy(longer + 1 + 2 * i, "é", 2);
    refuse(engine, "not_found", "éé\"", "lookup", "s", longer); /* cut at a character */
    static const char *const METHODS[] = {"page", "links", "backlinks", "rank", "related"};
    for (unsigned i = 0; i < 5; i++)
        refuse(engine, "not_found", "\"Nowhere\"", METHODS[i], "s", "Nowhere");
    refuse(engine, "not_found", "\"Nowhere\"", "path", "ss", "Nowhere", "City");
    refuse(engine, "not_found", "\"Nowhere\"", "path", "ss", "City", "Nowhere");
}

static void test_query_prefix_is_ranked_and_keeps_its_last_space(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    struct answer answer = ask(engine, "prefix", "s", "new");
    struct wire_in in = answer.value;

    /* Equal scores: smaller page ids first, a page before its redirects. */
    static const char *const EXPECTED[][2] = {
        {"New York", NULL}, {"New Amsterdam", "New York"}, {"News", NULL}, {"Newspaper", "News"}};
    assert_int_equal(answer_array(&in), 4);
    for (unsigned i = 0; i < 4; i++) {
        expect_text(in, "title", EXPECTED[i][0]);
        expect_text(in, "target", EXPECTED[i][1]);
        assert_int_equal(answer_uint(in, "rank"), i < 2 ? 3 : 4);
        assert_true(answer_double(in, "score") == 0.15);
        wire_skip(&in);
    }
    answer_fini(&answer);

    static const struct {
        const char *prefix;
        uint32_t count;
    } COUNTS[] = {{"new ", 2},    {"New_", 2}, {"  new\u00a0", 2}, {"NEWS", 2}, {"etie", 2},
                  {"Étienne", 2}, {"", 10},    {" ", 10},          {"zz", 0},   {"news ", 0}};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        answer = ask(engine, "prefix", "s", COUNTS[i].prefix);
        assert_int_equal(answer_array(&answer.value), COUNTS[i].count);
        answer_fini(&answer);
    }
    char longer[5000];
    memset(longer, 'n', sizeof longer - 1);
    for (size_t length = 1022; length < sizeof longer; length += length < 1027 ? 1 : 3972) {
        longer[length] = '\0';
        answer = ask(engine, "prefix", "s", longer);
        assert_int_equal(answer_array(&answer.value), 0);
        answer_fini(&answer);
        longer[length] = 'n';
    }
    refuse(engine, "bad_params", "\"prefix\" is not valid UTF-8", "prefix", "s", "\xc3");
}

static void expect_titles(struct answer *answer, uint64_t total, const char *const *titles)
{
    struct wire_in in = answer_key(answer->value, "titles");
    uint32_t count = answer_array(&in);

    assert_int_equal(answer_uint(answer->value, "total"), total);
    for (uint32_t i = 0; i < count; i++)
        expect_next(&in, titles[i]);
    assert_null(titles[count]);
    answer_fini(answer);
}

static void test_query_links_in_both_directions_and_in_pieces(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    static const char *const FROM_CITY[] = {"Étienne", "New York", "News", NULL};
    static const char *const MIDDLE[] = {"New York", NULL}, *const NONE[] = {NULL};
    static const char *const TO_YORK[] = {"News", "Lonely", "City", NULL};
    struct answer answer = ask(engine, "links", "s", "Nouvelle");

    expect_text(answer.value, "title", "City");
    expect_titles(&answer, 3, FROM_CITY);
    answer = ask(engine, "links", "suu", "City", 1u, 1u);
    expect_titles(&answer, 3, MIDDLE);
    answer = ask(engine, "links", "{su", "title", "City", "offset", 2u);
    expect_titles(&answer, 3, FROM_CITY + 2);
    answer = ask(engine, "links", "{su", "title", "City", "limit", 0u);
    expect_titles(&answer, 3, NONE);
    answer = ask(engine, "links", "{si", "title", "City", "offset", INT64_MAX);
    expect_titles(&answer, 3, NONE);
    answer = ask(engine, "links", "s", "ETIENNE");
    expect_titles(&answer, 0, NONE);
    answer = ask(engine, "backlinks", "s", "NYC");
    expect_titles(&answer, 3, TO_YORK);
    answer = ask(engine, "backlinks", "snu", "New York", 2u);
    expect_titles(&answer, 3, TO_YORK + 2);
}

static void test_query_rank_and_top(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    static const char *const ORDER[] = {"City", "ETIENNE", "New York", "News", "Étienne", "Lonely"};
    struct answer answer = ask(engine, "rank", "s", "Newspaper");

    expect_text(answer.value, "title", "News");
    assert_int_equal(answer_uint(answer.value, "rank"), 4);
    assert_int_equal(answer_uint(answer.value, "of"), PAGES);
    assert_int_equal(answer_uint(answer.value, "generation"), FIXTURE_GENERATION);
    assert_true(answer_double(answer.value, "score") == 0.15);
    answer_fini(&answer);
    for (unsigned offset = 0; offset < 8; offset++) {
        answer = ask(engine, "top", "uu", 4u, offset);
        uint32_t count = answer_array(&answer.value);
        assert_int_equal(count, offset > PAGES ? 0 : offset > 2 ? PAGES - offset : 4);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(answer_uint(answer.value, "rank"), offset + i + 1);
            expect_text(answer.value, "title", ORDER[offset + i]);
            if (offset + i == 0) {
                assert_int_equal(answer_uint(answer.value, "id"), 9);
                assert_true(answer_double(answer.value, "score") == 0.35);
            }
            wire_skip(&answer.value);
        }
        answer_fini(&answer);
    }
    answer = ask(engine, "top", "");
    assert_int_equal(answer_array(&answer.value), PAGES);
    answer_fini(&answer);
}

static void test_query_random_repeats_only_with_a_seed(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    unsigned seen[PAGES] = {0};
    struct answer answer;

    for (unsigned i = 0; i < 600; i++) {
        answer = ask(engine, "random", i % 2 ? "" : "n");
        expect_text(answer.value, "redirect_from", NULL);
        assert_true(answer_bool(answer.value, "exact"));
        for (unsigned v = 0; v < PAGES; v++)
            seen[v] += answer_uint(answer.value, "id") == small_pages[v].id;
        answer_fini(&answer);
    }
    for (unsigned v = 0; v < PAGES; v++)
        assert_in_range(seen[v], 40, 200);
    for (unsigned seed = 0; seed < 20; seed++) {
        answer = ask(engine, "random", "u", seed);
        struct answer again = ask(engine, "random", "{u", "seed", seed);
        assert_int_equal(answer_uint(answer.value, "id"), answer_uint(again.value, "id"));
        answer_fini(&answer);
        answer_fini(&again);
    }
}

static void test_query_path_names_the_pages(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    static const char *const EXPECTED[] = {"Lonely", "New York", "City", "Étienne"};
    struct answer answer = ask(engine, "path", "ss", "Lonely", "étienne");
    struct wire_in in = answer_key(answer.value, "titles");

    assert_int_equal(answer_uint(answer.value, "length"), 3);
    assert_int_equal(answer_array(&in), 4);
    for (unsigned i = 0; i < 4; i++)
        expect_next(&in, EXPECTED[i]);
    answer_fini(&answer);
    answer = ask(engine, "path", "ssu", "NYC", "New Amsterdam", 0u);
    assert_int_equal(answer_uint(answer.value, "length"), 0);
    answer_fini(&answer);
    refuse(engine, "not_found", "no path of at most 1000 links from \"City\" to \"Lonely\"", "path",
           "ss", "City", "Lonely");
    refuse(engine, "not_found", "no path of at most 2 links", "path", "{ssu", "from", "Lonely",
           "to", "Étienne", "max_length", 2u);
}

static void test_query_related_leaves_out_what_was_given(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    static const char *const TWO[] = {"City", "Newspaper", "News", NULL};
    struct answer answer = ask(engine, "related", "s", "City");
    struct wire_in in = answer.value;
    double last = 1;

    assert_int_equal(answer_array(&in), 3); /* Lonely and ETIENNE cannot be reached */
    expect_text(in, "title", "New York");
    assert_int_equal(answer_uint(in, "rank"), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(answer_double(in, "score") <= last);
        last = answer_double(in, "score");
        wire_skip(&in);
    }
    answer_fini(&answer);
    answer = ask(engine, "related", "a", TWO);
    in = answer.value;
    assert_int_equal(answer_array(&in), 2);
    expect_text(in, "title", "New York");
    answer_fini(&answer);
    answer = ask(engine, "related", "audd", TWO, 1u, 0.5, 1e-3);
    assert_int_equal(answer_array(&answer.value), 1);
    answer_fini(&answer);
    answer = ask(engine, "related", "{au", "titles", TWO, "epsilon", 1u);
    answer_fini(&answer);
}

/* Equal scores go by page id, also where more tie than fit. */
static void test_query_related_ties_go_by_page_id(void **state)
{
    enum { LEAVES = 50 };
    struct fixture_page pages[LEAVES + 1];
    char titles[LEAVES + 1][8];
    struct arc_list arcs = {0};
    struct world world;

    (void)state;
    for (uint32_t v = 0; v <= LEAVES; v++) {
        snprintf(titles[v], sizeof titles[v], "P%u", v);
        pages[v] = (struct fixture_page){titles[v], NULL, 1000 + v * 37 % 101, 0};
        if (v > 0)
            MUST(arc_list_add(&arcs, 0, v) == 0);
    }
    fixture_init(&world.index, pages, LEAVES + 1, NULL, 0, &arcs, false);
    world_engine(&world);
    for (unsigned limit = 1; limit <= 60; limit += limit < 8 ? 1 : 13) {
        struct answer answer = ask(world.engine, "related", "su", "P0", limit);
        uint32_t count = answer_array(&answer.value);
        uint64_t last_id = 0;

        assert_int_equal(count, limit < LEAVES ? limit : LEAVES);
        for (uint32_t i = 0; i < count; i++) {
            char title[8];
            answer_copy(answer.value, "title", title, sizeof title);
            uint64_t id = pages[atoi(title + 1)].id;
            uint32_t smaller = 0;
            for (uint32_t v = 1; v <= LEAVES; v++)
                smaller += pages[v].id < id;
            assert_int_equal(smaller, i);
            assert_true(id > last_id);
            last_id = id;
            wire_skip(&answer.value);
        }
        answer_fini(&answer);
    }
    refuse(world.engine, "not_available", "graph", "page", "s", "P1");
    struct answer answer = ask(world.engine, "lookup", "s", "P1");
    assert_int_equal(answer_uint(answer.value, "bytes"), 0);
    answer_fini(&answer);
    query_engine_destroy(&world.engine);
    fixture_fini(&world.index);
}

/* --- Parameters --------------------------------------------------------------------------------
 */

static void test_query_bad_params_name_the_parameter(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    static const char *const TITLED[] = {"lookup", "page", "links", "backlinks", "rank"};
    static const char *const NOBODY[] = {NULL};
    static const char *many[102];

    for (unsigned i = 0; i < 5; i++) {
        refuse(engine, "bad_params", "\"title\" is missing", TITLED[i], "");
        refuse(engine, "bad_params", "\"title\" is missing", TITLED[i], "n");
        refuse(engine, "bad_params", "\"title\" is missing", TITLED[i], "{");
        refuse(engine, "bad_params", "\"title\" has to be a string", TITLED[i], "u", 3u);
        refuse(engine, "bad_params", "no parameter name", TITLED[i], "{ss", "title", "City", "name",
               "City");
    }
    refuse(engine, "bad_params", "lookup has no parameter", "lookup", "ss", "City", "City");
    refuse(engine, "bad_params", "\"prefix\" is missing", "prefix", "{u", "limit", 3u);
    refuse(engine, "bad_params", "\"limit\" has to be an integer from 1 to 1000", "prefix", "su",
           "n", 0u);
    refuse(engine, "bad_params", "\"limit\"", "prefix", "su", "n", 1001u);
    refuse(engine, "bad_params", "\"limit\"", "prefix", "ss", "n", "10");
    refuse(engine, "bad_params", "\"limit\"", "prefix", "sd", "n", 10.5);
    refuse(engine, "bad_params", "\"format\" has to be \"text\", \"wikitext\" or \"xml\"", "page",
           "ss", "City", "html");
    refuse(engine, "bad_params", "\"format\"", "page", "su", "City", 1u);
    refuse(engine, "bad_params", "\"limit\"", "links", "su", "City", 10001u);
    refuse(engine, "bad_params", "\"offset\" has to be an integer of at least 0", "links", "sni",
           "City", INT64_C(-1));
    refuse(engine, "bad_params", "\"limit\"", "backlinks", "si", "City", INT64_C(-1));
    refuse(engine, "bad_params", "\"limit\"", "top", "u", 10001u);
    refuse(engine, "bad_params", "\"offset\"", "top", "us", 1u, "x");
    refuse(engine, "bad_params", "\"seed\"", "random", "s", "x");
    refuse(engine, "bad_params", "\"seed\"", "random", "i", INT64_C(-5));
    refuse(engine, "bad_params", "\"titles\" is missing", "related", "");
    refuse(engine, "bad_params", "\"titles\" has to be a string or an array", "related", "u", 1u);
    refuse(engine, "bad_params", "\"titles\"", "related", "a", NOBODY);
    for (unsigned i = 0; i < 101; i++)
        many[i] = "City";
    refuse(engine, "bad_params", "1 to 100 strings", "related", "a", many);
    many[100] = NULL;
    struct answer answer = ask(engine, "related", "a", many);
    answer_fini(&answer);
    refuse(engine, "bad_params", "\"limit\"", "related", "su", "City", 0u);
    refuse(engine, "bad_params", "\"damping\"", "related", "snd", "City", 1.0);
    refuse(engine, "bad_params", "\"damping\"", "related", "snu", "City", 0u);
    refuse(engine, "bad_params", "\"damping\"", "related", "snd", "City", (double)NAN);
    refuse(engine, "bad_params", "\"damping\"", "related", "sns", "City", "0.85");
    refuse(engine, "bad_params", "\"epsilon\"", "related", "snnd", "City", 1e-13);
    refuse(engine, "bad_params", "\"epsilon\"", "related", "snnd", "City", 1.5);
    refuse(engine, "bad_params", "\"from\" is missing", "path", "{s", "to", "City");
    refuse(engine, "bad_params", "\"to\" is missing", "path", "s", "City");
    refuse(engine, "bad_params", "\"to\" has to be a string", "path", "st", "City");
    refuse(engine, "bad_params", "\"max_length\"", "path", "ssu", "City", "City", 1001u);
    refuse(engine, "bad_params", "\"what\" has to be \"scores\", \"links\" or \"titles\"", "export",
           "s", "pages");
    refuse(engine, "bad_params", "\"cursor\"", "export", "si", "links", INT64_C(-1));
    refuse(engine, "bad_params", "\"limit\"", "export", "snu", "links", 0u);
    refuse(engine, "bad_params", "\"limit\"", "export", "snu", "links", 10001u);
    refuse(engine, "unknown_method", "", "status", "");
}

static void test_query_past_its_deadline_is_not_begun(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;

    static const struct {
        const char *method, *format;
    } CALLS[] = {{"lookup", "s"}, {"path", "ss"}, {"related", "s"}, {"export", ""}};

    for (unsigned i = 0; i < 4; i++) {
        struct answer answer =
            ask_until(engine, 1, CALLS[i].method, CALLS[i].format, "City", "News");
        assert_true(answer.is_error);
        assert_string_equal(answer.code, "deadline");
        assert_non_null(strstr(answer.message, CALLS[i].method));
        answer_fini(&answer);
    }
}

/* A response is whole or failed, never half, and appends to what is there. */
static void test_query_says_when_the_answer_does_not_fit(void **state)
{
    struct query_engine *engine = ((struct world *)*state)->engine;
    struct wire_out frame;
    struct rpc_request request;
    char memory[600];

    wire_out_init(&frame);
    rpc_request(&frame, 1, "export");
    wire_array(&frame, 1);
    wire_cstr(&frame, "links");
    assert_int_equal(rpc_parse_request(frame.data, frame.bytes, &request), RPC_OK);
    unsigned fitting = 0;
    for (size_t size = 0; size < sizeof memory; size++) {
        struct wire_out out;
        memory[size] = 'X';
        wire_out_fixed(&out, memory, size);
        query_run(engine, &request, 0, &out);
        assert_int_equal(memory[size], 'X');
        if (out.failed)
            continue;
        struct wire_in in = wire_in(out.data, out.bytes);
        assert_true(wire_skip(&in));
        assert_ptr_equal(in.at, in.end);
        fitting++;
    }
    assert_in_range(fitting, 1, sizeof memory - 100);
    wire_out_fini(&frame);
}

int main(void)
{
#define SMALL(test) cmocka_unit_test_setup_teardown(test, small_setup, teardown)
    const struct CMUnitTest tests[] = {
        SMALL(test_query_lookup_finds_titles_as_people_type_them),
        SMALL(test_query_lookup_tells_all_about_a_page),
        SMALL(test_query_titles_that_are_none),
        SMALL(test_query_prefix_is_ranked_and_keeps_its_last_space),
        SMALL(test_query_links_in_both_directions_and_in_pieces),
        SMALL(test_query_rank_and_top),
        SMALL(test_query_random_repeats_only_with_a_seed),
        SMALL(test_query_path_names_the_pages),
        SMALL(test_query_related_leaves_out_what_was_given),
        cmocka_unit_test(test_query_related_ties_go_by_page_id),
        SMALL(test_query_bad_params_name_the_parameter),
        SMALL(test_query_past_its_deadline_is_not_begun),
        SMALL(test_query_says_when_the_answer_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
