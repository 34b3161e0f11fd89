/* SPDX-License-Identifier: MIT
 *
 * A whole small index, damaged in every section: index_verify() finds it.
 */
#include "tests/fixture_parts.h"

struct damage_case {
    struct image_header *image;
    struct index_view view;
};

static void expect_found(const struct damage_case *c, enum section_kind kind, const char *what)
{
    struct fault why = {"(nothing)"};
    char expected[64];
    snprintf(expected, sizeof expected, "index.flk: section %s, element ", section_name(kind));
    if (index_verify(&c->view, "index.flk", &why) != -EINVAL || !strstr(why.text, expected) ||
        !strstr(why.text, "(offset "))
        fail_msg("%s: \"%s\" should say \"%s\"", what, why.text, expected);
    assert_int_equal(index_verify(&c->view, "index.flk", NULL), -EINVAL);
}

/* Damages a section with `change` on a pointer `p` to its elements, expects index_verify() to name
 * the section, and repairs it. */
#define DAMAGE(c, kind, type, change)                                                              \
    do {                                                                                           \
        uint64_t bytes_;                                                                           \
        type *p = (type *)(uintptr_t)image_section((c)->image, kind, &bytes_);                     \
        void *saved_ = malloc(bytes_);                                                             \
        memcpy(saved_, p, bytes_);                                                                 \
        change;                                                                                    \
        expect_found(c, kind, #change);                                                            \
        memcpy(p, saved_, bytes_);                                                                 \
        free(saved_);                                                                              \
    } while (0)

static void damage_titles(struct damage_case *c)
{
    const struct titles_view *t = &c->view.titles;
    DAMAGE(c, SECTION_TITLE_OFFSETS, uint32_t, p[0] = 1);
    DAMAGE(c, SECTION_TITLE_OFFSETS, uint32_t, p[9] = UINT32_MAX);
    DAMAGE(c, SECTION_TITLE_OFFSETS, uint32_t, p[9] = p[8] - 1);
    DAMAGE(c, SECTION_TITLE_OFFSETS, uint32_t, p[TITLES]--);
    DAMAGE(c, SECTION_TITLE_OFFSETS, uint32_t, p[TITLES]++);
    DAMAGE(c, SECTION_FOLD_OFFSETS, uint32_t, p[9] = UINT32_MAX);
    DAMAGE(c, SECTION_FOLD_OFFSETS, uint32_t, p[TITLES]++);
    DAMAGE(c, SECTION_TITLE_BYTES, char, p[t->offsets[5]] = '\xff');
    DAMAGE(c, SECTION_FOLD_BYTES, char, p[t->fold_offsets[5]] ^= 1);
    DAMAGE(c, SECTION_TITLE_TARGETS, uint32_t, p[0] = PAGES);
    DAMAGE(c, SECTION_TITLE_TARGETS, uint32_t, p[0] = PAGES | TITLE_IS_REDIRECT);
    DAMAGE(c, SECTION_TITLE_TARGETS, uint32_t, p[c->view.pages[0].title] = 1);
    DAMAGE(c, SECTION_TITLE_TARGETS, uint32_t, p[c->view.pages[0].title] |= TITLE_IS_REDIRECT);
    uint32_t redirect = 0;
    while (!titles_is_redirect(t, redirect))
        redirect++;
    DAMAGE(c, SECTION_TITLE_TARGETS, uint32_t, p[redirect] &= ~TITLE_IS_REDIRECT);
    DAMAGE(c, SECTION_TITLE_TARGETS, uint32_t, p[redirect] |= PAGES);

    uint32_t used = 0, spare = 0;
    for (uint32_t i = 0; i <= t->slot_mask; i++)
        *(t->slots[i].entry ? &used : &spare) = i;
    DAMAGE(c, SECTION_TITLE_HASH, struct title_slot, p[used].tag ^= 1);
    DAMAGE(c, SECTION_TITLE_HASH, struct title_slot, p[used].entry ^= 1);
    DAMAGE(c, SECTION_TITLE_HASH, struct title_slot, p[used].entry = TITLES + 1);
    DAMAGE(c, SECTION_TITLE_HASH, struct title_slot, p[used].entry = 0);
    DAMAGE(c, SECTION_TITLE_HASH, struct title_slot, p[spare] = p[used]);
    /* Moved away from where its hash looks, with a free slot between. */
    DAMAGE(c, SECTION_TITLE_HASH, struct title_slot, (p[spare] = p[used], p[used].entry = 0));
}

static void damage_pages(struct damage_case *c)
{
    DAMAGE(c, SECTION_META, struct index_meta, p->first_letter = 2);
    DAMAGE(c, SECTION_META, struct index_meta, p->has_text = 2);
    DAMAGE(c, SECTION_META, struct index_meta, memset(p->site, 'x', sizeof p->site));
    DAMAGE(c, SECTION_META, struct index_meta, memset(p->source, 'x', sizeof p->source));
    DAMAGE(c, SECTION_PAGES, struct page, p[7].title = TITLES);
    DAMAGE(c, SECTION_PAGES, struct page, p[7].title = p[8].title);
    DAMAGE(c, SECTION_PAGES, struct page, p[7].block = BLOCKS);
    DAMAGE(c, SECTION_PAGES, struct page, p[7].block = PAGE_NO_TEXT);
    DAMAGE(c, SECTION_PAGES, struct page, p[7].block_offset = UINT32_MAX);
    DAMAGE(c, SECTION_PAGES, struct page, p[7].element_bytes = UINT32_MAX);
    DAMAGE(c, SECTION_TEXT_BLOCKS, struct text_block, p[3].offset += 1);
    DAMAGE(c, SECTION_TEXT_BLOCKS, struct text_block, p[3].offset -= 1);
    DAMAGE(c, SECTION_TEXT_BLOCKS, struct text_block, p[3].offset = UINT64_MAX);
    DAMAGE(c, SECTION_TEXT_BLOCKS, struct text_block, p[6].stored_bytes++);
    DAMAGE(c, SECTION_TEXT_BLOCKS, struct text_block, p[3].raw_bytes = 0);
}

static void damage_graph(struct damage_case *c)
{
    const struct graph_view *g = &c->view.graph;
    uint32_t row = 0; /* with two links or more, both ways */
    while (graph_out_degree(g, row) < 2 || graph_in_degree(g, row) < 2)
        row++;
    DAMAGE(c, SECTION_OUT_OFFSETS, uint64_t, p[0] = 1);
    DAMAGE(c, SECTION_OUT_OFFSETS, uint64_t, p[50] = UINT64_MAX);
    DAMAGE(c, SECTION_OUT_OFFSETS, uint64_t, p[PAGES]--);
    DAMAGE(c, SECTION_OUT_TARGETS, uint32_t, p[0] = PAGES);
    DAMAGE(c, SECTION_OUT_TARGETS, uint32_t, p[g->out_offsets[row]] = row);
    DAMAGE(c, SECTION_OUT_TARGETS, uint32_t, p[g->out_offsets[row] + 1] = p[g->out_offsets[row]]);
    DAMAGE(c, SECTION_IN_OFFSETS, uint64_t, p[0] = 1);
    DAMAGE(c, SECTION_IN_OFFSETS, uint64_t, p[50] = p[49] - 1);
    DAMAGE(c, SECTION_IN_OFFSETS, uint64_t, p[PAGES]++);
    DAMAGE(c, SECTION_IN_SOURCES, uint32_t, p[0] = UINT32_MAX);
    DAMAGE(c, SECTION_IN_SOURCES, uint32_t, p[g->in_offsets[row]] = row);
    DAMAGE(c, SECTION_IN_SOURCES, uint32_t, p[g->in_offsets[row] + 1] = p[g->in_offsets[row]]);
}

/* A link that one direction has and the other has not, every row still sorted. */
static void damage_transposition(struct damage_case *c)
{
    const struct graph_view *g = &c->view.graph;
    for (uint32_t v = 0; v < g->vertex_count; v++) {
        if (!graph_in_degree(g, v))
            continue;
        const uint64_t last = g->in_offsets[v + 1] - 1;
        const uint32_t other = g->in_sources[last] + 1;
        if (other >= g->vertex_count || other == v)
            continue;
        DAMAGE(c, SECTION_IN_SOURCES, uint32_t, p[last] = other);
        return;
    }
    fail_msg("no link to damage");
}

static void damage_ranks(struct damage_case *c)
{
    const struct rank_view *rank = &c->view.rank;
    DAMAGE(c, SECTION_RANK_INFO, struct rank_info, p->damping = 1.5);
    DAMAGE(c, SECTION_RANK_INFO, struct rank_info, p->damping = (double)NAN);
    DAMAGE(c, SECTION_RANK_INFO, struct rank_info, p->tolerance = -1);
    DAMAGE(c, SECTION_RANK_INFO, struct rank_info, p->precision = 5);
    DAMAGE(c, SECTION_RANK_INFO, struct rank_info, p->converged = 2);
    DAMAGE(c, SECTION_SCORES, double, p[3] = (double)NAN);
    DAMAGE(c, SECTION_SCORES, double, p[3] = (double)INFINITY);
    DAMAGE(c, SECTION_SCORES, double, p[3] = -p[3]);
    DAMAGE(c, SECTION_SCORES, double, p[rank->order[0]] += 0.01);
    DAMAGE(c, SECTION_RANK_ORDER, uint32_t, p[3] = PAGES);
    DAMAGE(c, SECTION_RANK_POSITIONS, uint32_t, p[3]++);
    DAMAGE(c, SECTION_TITLE_RANKS, uint32_t, p[TITLES - 1]++);
    DAMAGE(c, SECTION_TITLE_MINIMA, uint32_t, p[0]++);
    DAMAGE(c, SECTION_TITLE_MINIMA, uint32_t, p[rank_minima_count(TITLES) - 1] = 0);
}

/* Order and positions that agree with each other but not with the scores, or the ids of ties. */
static void damage_order(struct damage_case *c)
{
    uint64_t bytes;
    uint32_t *positions =
        (uint32_t *)(uintptr_t)image_section(c->image, SECTION_RANK_POSITIONS, &bytes);
    for (uint32_t i = 0; i + 1 < PAGES; i++) {
        const uint32_t u = c->view.rank.order[i], v = c->view.rank.order[i + 1];
        positions[u] = i + 1;
        positions[v] = i;
        DAMAGE(c, SECTION_RANK_ORDER, uint32_t, (p[i] = v, p[i + 1] = u));
        positions[u] = i;
        positions[v] = i + 1;
    }
}

static void test_index_verify_finds_damage_in_every_section(void **state)
{
    (void)state;
    struct fixture f;
    struct damage_case c;
    struct fault why;
    make(&f, PAGES, REDIRECTS, true);
    c.image = image_of(&f, NULL);
    assert_int_equal(index_bind(&c.view, c.image, "index.flk", &why), 0);
    damage_titles(&c);
    damage_pages(&c);
    damage_graph(&c);
    damage_transposition(&c);
    damage_ranks(&c);
    damage_order(&c);
    must_verify(&c.view); /* everything has been repaired */
    free(c.image);
    unmake(&f);
}

static void test_index_verify_wants_no_text_where_there_is_none(void **state)
{
    (void)state;
    struct fixture f;
    struct damage_case c;
    struct fault why;
    make(&f, PAGES, REDIRECTS, false);
    c.image = image_of(&f, NULL);
    assert_int_equal(index_bind(&c.view, c.image, "index.flk", &why), 0);
    DAMAGE(&c, SECTION_PAGES, struct page, p[0].block = 0);
    free(c.image);
    unmake(&f);
}

/* Whatever single bits flip, verify must come to an end and read nothing outside: the sanitizers
 * watch. Flips that change no meaning (ids, sizes of the dump) may pass. */
static void test_index_verify_survives_random_flips(void **state)
{
    (void)state;
    struct fixture f;
    struct index_view view;
    struct fault why;
    make(&f, PAGES, REDIRECTS, true);
    struct image_header *image = image_of(&f, NULL);
    assert_int_equal(index_bind(&view, image, "index.flk", &why), 0);
    const struct section *meta = image_find(image, SECTION_META);
    const uint64_t first = meta->offset + LAYOUT_ALIGN; /* sizes were checked when bound */
    uint64_t random = 1;
    unsigned found = 0;
    for (int i = 0; i < 2000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        unsigned char *byte =
            (unsigned char *)image + first + (random >> 16) % (image->hot_bytes - first);
        const unsigned char bit = (unsigned char)(1 << (random >> 60 & 7));
        *byte ^= bit;
        found += index_verify(&view, "index.flk", &why) != 0;
        *byte ^= bit;
    }
    assert_true(found > 1000);
    must_verify(&view);
    free(image);
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_verify_finds_damage_in_every_section),
        cmocka_unit_test(test_index_verify_wants_no_text_where_there_is_none),
        cmocka_unit_test(test_index_verify_survives_random_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
