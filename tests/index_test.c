/* SPDX-License-Identifier: MIT
 *
 * A whole small index: bound and verified, and not bound where sections are missing or their sizes
 * and numbers cannot be.
 */
#include "tests/fixture_parts.h"

static void test_index_binds_and_verifies(void **state)
{
    (void)state;
    static const struct {
        uint32_t pages, redirects;
        bool has_text;
    } shapes[] = {{PAGES, REDIRECTS, true},
                  {PAGES, REDIRECTS, false},
                  {1, 0, false},
                  {1, 0, true},
                  {1, 5, false},
                  {2, 0, true},
                  {64, 0, false},
                  {65, 64, true}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct fixture f;
        struct index_view view;
        struct fault why = {""};
        make(&f, shapes[i].pages, shapes[i].redirects, shapes[i].has_text);
        struct image_header *image = image_of(&f, NULL);
        if (index_bind(&view, image, "index.flk", &why) != 0)
            fail_msg("%s", why.text);
        assert_int_equal(view.titles.count, shapes[i].pages + shapes[i].redirects);
        assert_int_equal(view.graph.edge_count, f.graph.view.edge_count);
        assert_memory_equal(view.rank.order, f.order, shapes[i].pages * sizeof(uint32_t));
        assert_int_equal(view.rank.vertex_count, shapes[i].pages);
        assert_int_equal(view.block_count, shapes[i].has_text ? BLOCKS : 0);
        assert_int_equal(view.text_bytes, shapes[i].has_text ? BLOCKS * 100 : 0);
        if (shapes[i].has_text)
            assert_int_equal(view.text_offset, image_find(image, SECTION_TEXT)->offset);
        must_verify(&view);
        free(image);
        unmake(&f);
    }
}

static void test_index_binds_ranks_of_a_second_image(void **state)
{
    (void)state;
    struct fixture f;
    struct index_view view;
    struct fault why = {""};
    make(&f, PAGES, REDIRECTS, true);
    struct image_header *base = image_of(&f, is_base_kind);
    struct image_header *ranks = image_of(&f, is_rank_kind);
    assert_int_equal(index_bind(&view, base, "index.flk", &why), 0);
    assert_null(view.rank.scores);
    assert_null(view.rank_image);
    must_verify(&view);
    assert_int_equal(index_bind_rank(&view, ranks, "ranks", &why), 0);
    assert_memory_equal(view.rank.scores, f.scores, sizeof f.scores);
    must_verify(&view);
    free(ranks);

    /* Of another index: refused, and the view keeps what it has. */
    struct fixture other;
    make(&other, PAGES - 1, REDIRECTS + 1, true);
    ranks = image_of(&other, is_rank_kind);
    const struct rank_view before = view.rank;
    assert_int_equal(index_bind_rank(&view, ranks, "ranks", &why), -EINVAL);
    assert_non_null(strstr(why.text, "ranks: section scores"));
    assert_memory_equal(&before, &view.rank, sizeof before);
    free(ranks);
    ranks = image_of(&f, is_base_kind);
    assert_int_equal(index_bind_rank(&view, ranks, "ranks", &why), -EINVAL);
    assert_non_null(strstr(why.text, "section rank-info is missing"));
    free(ranks);
    free(base);
    unmake(&f);
    unmake(&other);
}

static uint32_t left_out;

static bool is_not_left_out(uint32_t kind)
{
    return kind != left_out;
}

static void test_index_bind_refuses_missing_sections(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, PAGES, REDIRECTS, true);
    for (left_out = 1; left_out < SECTION_SEARCH_INFO; left_out++) { /* search is optional */
        struct index_view view;
        struct fault why = {""};
        char expected[64];
        struct image_header *image = image_of(&f, is_not_left_out);
        assert_int_equal(index_bind(&view, image, "index.flk", &why), -EINVAL);
        snprintf(expected, sizeof expected, "index.flk: section %s is missing",
                 section_name(left_out));
        assert_string_equal(why.text, expected);
        free(image);
    }
    unmake(&f);
}

static void test_index_bind_refuses_wrong_sizes(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, PAGES, REDIRECTS, true);
    for (size_t i = 0; i < f.part_count; i++) {
        struct index_view view;
        struct fault why = {""};
        const uint32_t kind = f.parts[i].kind;
        /* The sizes of these follow from nothing but their contents. */
        if (kind == SECTION_TITLE_BYTES || kind == SECTION_FOLD_BYTES || kind == SECTION_TEXT ||
            kind == SECTION_TEXT_BLOCKS)
            continue;
        f.parts[i].bytes -= section_element_bytes(kind);
        struct image_header *image = image_of(&f, NULL);
        f.parts[i].bytes += section_element_bytes(kind);
        assert_int_equal(index_bind(&view, image, "index.flk", &why), -EINVAL);
        char expected[64];
        snprintf(expected, sizeof expected, "index.flk: section %s has", section_name(kind));
        assert_non_null(strstr(why.text, expected));
        free(image);
    }
    unmake(&f);
}

static void expect_meta_refused(struct fixture *f, const char *word)
{
    struct index_view view;
    struct fault why = {""};
    struct image_header *image = image_of(f, NULL);
    assert_int_equal(index_bind(&view, image, "index.flk", &why), -EINVAL);
    if (!strstr(why.text, word))
        fail_msg("\"%s\" should say \"%s\"", why.text, word);
    free(image);
}

static void test_index_bind_refuses_impossible_numbers(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, PAGES, REDIRECTS, true);
    f.meta.page_count = 0;
    expect_meta_refused(&f, "no pages");
    f.meta.page_count = TITLES + 1;
    expect_meta_refused(&f, "423 titles for 424 pages");
    f.meta.page_count = UINT32_MAX;
    expect_meta_refused(&f, "2^31");
    f.meta.page_count = PAGES;
    f.meta.edge_count = UINT64_MAX / 4 + 2; /* times four is 4 */
    expect_meta_refused(&f, "out-targets");
    f.meta.edge_count = UINT64_MAX;
    expect_meta_refused(&f, "out-targets");
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_binds_and_verifies),
        cmocka_unit_test(test_index_binds_ranks_of_a_second_image),
        cmocka_unit_test(test_index_bind_refuses_missing_sections),
        cmocka_unit_test(test_index_bind_refuses_wrong_sizes),
        cmocka_unit_test(test_index_bind_refuses_impossible_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
