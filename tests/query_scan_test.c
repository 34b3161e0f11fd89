/* SPDX-License-Identifier: MIT
 *
 * Finding titles in a larger random index, against looking at every title; and parameters of any
 * kind, which have to get an answer of some kind.
 */
#include "tests/fixture_index.h"
#include "tests/fixture_query.h"

struct world {
    struct fixture index;
    struct query_engine *engine;
};

#define LARGE     700
#define REDIRECTS 300

static char large_titles[LARGE + REDIRECTS][24];

static int setup(void **state)
{
    static const char *const SYLLABLES[] = {"an", "Be", "çi", "dö", "É",
                                            "fa", "ß",  "ng", "Ωm", " "};
    struct world *world = fixture_alloc(1, sizeof *world);
    static struct fixture_page pages[LARGE];
    static struct fixture_redirect redirects[REDIRECTS];
    struct arc_list arcs = {0};
    uint64_t random = 11;

    for (uint32_t i = 0; i < LARGE + REDIRECTS; i++) {
        char raw[64] = "", normal[TITLE_MAX_BYTES];
        unsigned syllables = 1 + fixture_random(&random, 5);
        for (unsigned s = 0; s < syllables; s++)
            strcat(raw, SYLLABLES[fixture_random(&random, 10)]);
        int length = title_normalise(raw, strlen(raw), true, normal);
        bool usable = length > 0 && length < (int)sizeof large_titles[i];
        for (uint32_t k = 0; usable && k < i; k++)
            usable = strlen(large_titles[k]) != (size_t)length ||
                     memcmp(large_titles[k], normal, (size_t)length) != 0;
        if (!usable) {
            i--;
            continue;
        }
        memcpy(large_titles[i], normal, (size_t)length);
        large_titles[i][length] = '\0';
    }
    for (uint32_t v = 0; v < LARGE; v++)
        pages[v] = (struct fixture_page){large_titles[v], NULL, 5000 - v * 3,
                                         fixture_random(&random, 40) / 40.0};
    for (uint32_t r = 0; r < REDIRECTS; r++)
        redirects[r] =
            (struct fixture_redirect){large_titles[LARGE + r], fixture_random(&random, LARGE)};
    fixture_random_arcs(&arcs, &random, LARGE, 6000);
    fixture_init(&world->index, pages, LARGE, redirects, REDIRECTS, &arcs, false);
    struct fault why;
    MUST(query_engine_create(&world->engine, &world->index.view, FIXTURE_GENERATION, -1, &why) ==
         0);
    *state = world;
    return 0;
}

/* Entry a comes before b in prefix results. */
static bool goes_before(const struct index_view *index, uint32_t a, uint32_t b)
{
    uint32_t rank_a = index->rank.positions[titles_vertex(&index->titles, a)];
    uint32_t rank_b = index->rank.positions[titles_vertex(&index->titles, b)];
    bool redirect_a = titles_is_redirect(&index->titles, a);
    bool redirect_b = titles_is_redirect(&index->titles, b);

    if (rank_a != rank_b)
        return rank_a < rank_b;
    return redirect_a != redirect_b ? redirect_b : a < b;
}

static void check_prefix(const struct world *world, const char *prefix, unsigned limit)
{
    const struct titles_view *titles = &world->index.view.titles;
    char fold[TITLE_FOLD_BYTES];
    size_t length = (size_t)title_fold(prefix, strlen(prefix), fold);
    struct answer answer = ask(world->engine, "prefix", "su", prefix, limit);
    uint32_t count = answer_array(&answer.value), matching = 0;
    bool taken[LARGE + REDIRECTS] = {0};

    for (uint32_t e = 0; e < titles->count; e++) {
        struct text_ref text = titles_fold(titles, e);
        taken[e] = text.length < length || memcmp(text.bytes, fold, length) != 0;
        matching += !taken[e];
    }
    assert_int_equal(count, matching < limit ? matching : limit);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t best = TITLE_NONE;
        char title[32], expected[32];

        for (uint32_t e = 0; e < titles->count; e++) {
            if (!taken[e] && (best == TITLE_NONE || goes_before(&world->index.view, e, best)))
                best = e;
        }
        taken[best] = true;
        struct text_ref text = titles_text(titles, best);
        snprintf(expected, sizeof expected, "%.*s", (int)text.length, text.bytes);
        answer_copy(answer.value, "title", title, sizeof title);
        assert_string_equal(title, expected);
        wire_skip(&answer.value);
    }
    answer_fini(&answer);
}

static void test_query_prefix_like_a_full_scan(void **state)
{
    const struct world *world = *state;

    for (uint32_t i = 0; i < LARGE; i += 7) {
        char prefix[8];
        size_t length = 1 + i % 5;
        snprintf(prefix, sizeof prefix, "%.*s", (int)length, large_titles[i]);
        while (strlen(prefix) > 1 &&
               ((unsigned char)large_titles[i][strlen(prefix)] & 0xc0) == 0x80)
            prefix[strlen(prefix) - 1] = '\0'; /* whole characters */
        if (((unsigned char)prefix[0] & 0x80) && strlen(prefix) == 1)
            continue;
        if (prefix[strlen(prefix) - 1] != ' ')
            check_prefix(world, prefix, 1 + i % 50);
    }
    check_prefix(world, "", 1000);
    check_prefix(world, "b", 1000);
}

/* Every title is found; a respelt one leads to the best ranked of its kind. */
static void test_query_lookup_like_a_full_scan(void **state)
{
    const struct world *world = *state;
    const struct titles_view *titles = &world->index.view.titles;

    for (uint32_t e = 0; e < titles->count; e++) {
        struct text_ref text = titles_text(titles, e), fold = titles_fold(titles, e);
        char title[64];
        uint32_t best = e;

        snprintf(title, sizeof title, "%.*s", (int)text.length, text.bytes);
        struct answer answer = ask(world->engine, "lookup", "s", title);
        assert_int_equal(answer_uint(answer.value, "id"),
                         world->index.pages[titles_vertex(titles, e)].id);
        assert_true(answer_bool(answer.value, "exact"));
        answer_fini(&answer);

        snprintf(title, sizeof title, "%.*s", (int)fold.length, fold.bytes);
        answer = ask(world->engine, "lookup", "s", title);
        for (uint32_t k = 0; k < titles->count; k++) {
            struct text_ref other = titles_fold(titles, k);
            if (other.length == fold.length && memcmp(other.bytes, fold.bytes, fold.length) == 0 &&
                goes_before(&world->index.view, k, best))
                best = k;
        }
        if (!answer_bool(answer.value, "exact"))
            assert_int_equal(answer_uint(answer.value, "id"),
                             world->index.pages[titles_vertex(titles, best)].id);
        answer_fini(&answer);
    }
}

static int teardown(void **state)
{
    struct world *world = *state;

    query_engine_destroy(&world->engine);
    fixture_fini(&world->index);
    free(world);
    return 0;
}

/* --- Any parameters ----------------------------------------------------------------------------
 */

static void write_any(struct wire_out *out, uint64_t *random, unsigned depth)
{
    static const double NUMBERS[] = {0.85, 1e-6, 0, -1, 1e300, 0.5};
    char bytes[8];
    uint32_t count = fixture_random(random, 4);

    switch (fixture_random(random, depth ? 10 : 8)) {
    case 0:
        wire_nil(out);
        break;
    case 1:
        wire_bool(out, count & 1);
        break;
    case 2:
        wire_uint(out, fixture_random(random, 20));
        break;
    case 3:
        wire_int(out, (int64_t)(*random >> fixture_random(random, 64)) * (count & 1 ? 1 : -1));
        break;
    case 4:
        wire_double(out, NUMBERS[fixture_random(random, 6)]);
        break;
    case 5:
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)fixture_random(random, 256);
        wire_bin(out, bytes, fixture_random(random, sizeof bytes + 1));
        break;
    case 6:
    case 7:
        wire_cstr(out, large_titles[fixture_random(random, LARGE + REDIRECTS)]);
        break;
    case 8:
        wire_array(out, count);
        while (count-- > 0)
            write_any(out, random, depth - 1);
        break;
    default:
        wire_map(out, count);
        while (count-- > 0) {
            write_any(out, random, depth - 1);
            write_any(out, random, depth - 1);
        }
    }
}

static void test_query_answers_whatever_the_parameters(void **state)
{
    struct world *world = *state;
    static const char *const METHODS[] = {"lookup",    "prefix",  "page",  "links",
                                          "backlinks", "rank",    "top",   "random",
                                          "path",      "related", "export"};
    struct wire_out frame;
    uint64_t random = 99;
    unsigned results = 0, refusals = 0;

    wire_out_init(&frame);
    for (unsigned i = 0; i < 20000; i++) {
        struct answer answer = {0};
        struct rpc_request request;
        uint32_t count = fixture_random(&random, 5);

        wire_out_clear(&frame);
        rpc_request(&frame, FIXTURE_MSGID, METHODS[i % 11]);
        wire_array(&frame, count);
        while (count-- > 0)
            write_any(&frame, &random, 3);
        assert_int_equal(rpc_parse_request(frame.data, frame.bytes, &request), RPC_OK);
        wire_out_init(&answer.out);
        query_run(world->engine, &request, 0, &answer.out);
        read_answer(&answer);
        results += !answer.is_error;
        refusals += answer.is_error;
        answer_fini(&answer);
    }
    assert_true(results > 1000 && refusals > 1000);
    wire_out_fini(&frame);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_query_prefix_like_a_full_scan),
        TEST(test_query_lookup_like_a_full_scan),
        TEST(test_query_answers_whatever_the_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
