/* SPDX-License-Identifier: MIT
 *
 * A whole small index: bound, verified, and damaged in every section.
 */
#include "shm/index.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES     300
#define REDIRECTS 123
#define TITLES    (PAGES + REDIRECTS)
#define BLOCKS    7
#define PER_BLOCK ((PAGES + BLOCKS - 1) / BLOCKS)
#define PARTS_MAX 32

/* The parts of an index, from which images with and without some of them are made. */
struct fixture {
    struct index_meta meta;
    struct page pages[PAGES];
    struct text_block blocks[BLOCKS];
    struct titles_built titles;
    struct graph_built graph;
    struct spmv_built spmv;
    struct rank_info info;
    double scores[PAGES];
    uint32_t order[PAGES], positions[PAGES], title_ranks[TITLES];
    uint32_t *minima;
    char text[BLOCKS * 100];
    struct image_part parts[PARTS_MAX];
    size_t part_count;
};

static void add_part(struct fixture *f, enum section_kind kind, const void *data, uint64_t bytes)
{
    f->parts[f->part_count++] =
        (struct image_part){.kind = kind, .data = data, .fd = -1, .bytes = bytes};
}

static void make_titles(struct fixture *f, uint32_t pages, uint32_t redirects)
{
    static char names[TITLES][TITLE_MAX_BYTES];
    struct title_input inputs[TITLES];
    struct fault why;
    for (uint32_t i = 0; i < pages + redirects; i++) {
        char raw[32];
        switch (i % 4) {
        case 0:
            snprintf(raw, sizeof raw, "Page %u", i);
            break;
        case 1:
            snprintf(raw, sizeof raw, "\u00c9tude %u", i);
            break;
        case 2:
            snprintf(raw, sizeof raw, "e%utude", i);
            break;
        default:
            snprintf(raw, sizeof raw, "%u", i);
        }
        const int n = title_normalise(raw, strlen(raw), f->meta.first_letter, names[i]);
        inputs[i] = (struct title_input){names[i], (uint32_t)n,
                                         i < pages ? i : (i * 7 % pages) | TITLE_IS_REDIRECT};
    }
    assert_int_equal(
        titles_build(&f->titles, inputs, pages + redirects, f->meta.first_letter, &why), 0);
    for (uint32_t v = 0; v < pages; v++)
        f->pages[v].title = f->titles.entry_of_input[v];
}

static void make_graph(struct fixture *f, uint32_t pages)
{
    struct arc_list arcs = {0};
    struct fault why;
    for (uint32_t i = 0; i < 8 * pages; i++)
        arc_list_add(&arcs, i * 31 % pages, i * i % (i % pages + 1));
    assert_int_equal(graph_build(&f->graph, pages, &arcs, &why), 0);
    f->meta.edge_count = f->graph.view.edge_count;
}

static void make_ranks(struct fixture *f, uint32_t pages)
{
    struct fault why;
    double sum = 0;
    for (uint32_t v = 0; v < pages; v++)
        sum += f->scores[v] = 1.0 + v % 17;
    for (uint32_t v = 0; v < pages; v++)
        f->scores[v] /= sum;
    f->info = (struct rank_info){.damping = 0.85, .precision = 8, .iterations = 9};
    f->minima = malloc(rank_minima_count(f->titles.view.count) * sizeof *f->minima);
    const struct rank_arrays arrays = {.info = &f->info,
                                       .scores = f->scores,
                                       .order = f->order,
                                       .positions = f->positions,
                                       .title_ranks = f->title_ranks,
                                       .minima = f->minima};
    assert_int_equal(rank_build(&arrays, f->pages, pages, &f->titles.view, &why), 0);
}

static void make(struct fixture *f, uint32_t pages, uint32_t redirects, bool has_text)
{
    memset(f, 0, sizeof *f);
    f->meta = (struct index_meta){.page_count = pages,
                                  .title_count = pages + redirects,
                                  .first_letter = has_text,
                                  .has_text = has_text,
                                  .site = "A wiki"};
    make_titles(f, pages, redirects);
    for (uint32_t v = 0; v < pages; v++) {
        f->pages[v].id = 1000 - v / 2;
        f->pages[v].block = has_text ? v / PER_BLOCK : PAGE_NO_TEXT;
        f->pages[v].block_offset = has_text ? v % PER_BLOCK * 10 : 0;
        f->pages[v].element_bytes = has_text ? 10 : 0;
    }
    for (uint32_t b = 0; b < BLOCKS; b++)
        f->blocks[b] = (struct text_block){b * 100, 100, PER_BLOCK * 10};
    make_graph(f, pages);
    make_ranks(f, pages);

    const struct titles_view *t = &f->titles.view;
    const struct graph_view *g = &f->graph.view;
    const uint64_t n = pages, titles = t->count, m = g->edge_count;
    add_part(f, SECTION_META, &f->meta, sizeof f->meta);
    add_part(f, SECTION_PAGES, f->pages, n * sizeof *f->pages);
    add_part(f, SECTION_TITLE_OFFSETS, t->offsets, (titles + 1) * 4);
    add_part(f, SECTION_TITLE_BYTES, t->bytes, f->titles.title_bytes);
    add_part(f, SECTION_FOLD_OFFSETS, t->fold_offsets, (titles + 1) * 4);
    add_part(f, SECTION_FOLD_BYTES, t->fold_bytes, f->titles.fold_bytes);
    add_part(f, SECTION_TITLE_TARGETS, t->targets, titles * 4);
    add_part(f, SECTION_TITLE_HASH, t->slots, ((uint64_t)t->slot_mask + 1) * 8);
    add_part(f, SECTION_OUT_OFFSETS, g->out_offsets, (n + 1) * 8);
    add_part(f, SECTION_OUT_TARGETS, g->out_targets, m * 4);
    add_part(f, SECTION_IN_OFFSETS, g->in_offsets, (n + 1) * 8);
    add_part(f, SECTION_IN_SOURCES, g->in_sources, m * 4);
    struct fault why;
    assert_int_equal(spmv_build(&f->spmv, g, 2, &why), 0);
    const struct spmv_view *s = &f->spmv.view;
    const uint64_t tiles = (uint64_t)s->info->block_count * s->info->segment_count + 1;
    add_part(f, SECTION_SPMV_INFO, s->info, sizeof *s->info);
    add_part(f, SECTION_SPMV_POSITIONS, s->positions, n * 4);
    add_part(f, SECTION_SPMV_DEGREES, s->degrees, s->info->source_count * UINT64_C(4));
    add_part(f, SECTION_SPMV_START, s->start, n * 4);
    add_part(f, SECTION_SPMV_BLOCKS, s->blocks, (s->info->block_count + UINT64_C(1)) * 16);
    add_part(f, SECTION_SPMV_TILES, s->tiles, tiles * 8);
    add_part(f, SECTION_SPMV_WORDS, s->words, s->info->word_count * 2);
    add_part(f, SECTION_RANK_INFO, &f->info, sizeof f->info);
    add_part(f, SECTION_SCORES, f->scores, n * 8);
    add_part(f, SECTION_RANK_ORDER, f->order, n * 4);
    add_part(f, SECTION_RANK_POSITIONS, f->positions, n * 4);
    add_part(f, SECTION_TITLE_RANKS, f->title_ranks, titles * 4);
    add_part(f, SECTION_TITLE_MINIMA, f->minima, rank_minima_count((uint32_t)titles) * 4);
    if (has_text) {
        add_part(f, SECTION_TEXT_BLOCKS, f->blocks, sizeof f->blocks);
        add_part(f, SECTION_TEXT, f->text, sizeof f->text);
    }
}

static void unmake(struct fixture *f)
{
    titles_built_fini(&f->titles);
    graph_built_fini(&f->graph);
    spmv_built_fini(&f->spmv);
    free(f->minima);
}

static struct image_header *make_image(const struct image_part *parts, size_t count)
{
    struct image_header header;
    struct fault why;
    assert_int_equal(image_plan(&header, parts, count, &why), 0);
    char *image = aligned_alloc(LAYOUT_ALIGN, header.hot_bytes);
    memset(image, 0, header.hot_bytes);
    memcpy(image, &header, sizeof header);
    for (size_t i = 0; i < count; i++) {
        const struct section *section = image_find(&header, (enum section_kind)parts[i].kind);
        if (section->home == HOT && section->bytes)
            memcpy(image + section->offset, parts[i].data, section->bytes);
    }
    struct image_header *made = (void *)image;
    assert_int_equal(image_check_header(made, header.total_bytes, "index.flk", &why), 0);
    return made;
}

static bool is_rank_kind(uint32_t kind)
{
    return kind >= SECTION_RANK_INFO && kind <= SECTION_TITLE_MINIMA;
}

/* The image of the parts of which `keep` approves. */
static struct image_header *image_of(const struct fixture *f, bool (*keep)(uint32_t kind))
{
    struct image_part parts[PARTS_MAX] = {0};
    size_t count = 0;
    for (size_t i = 0; i < f->part_count; i++)
        if (!keep || keep(f->parts[i].kind))
            parts[count++] = f->parts[i];
    return make_image(parts, count);
}

static bool is_base_kind(uint32_t kind)
{
    return !is_rank_kind(kind);
}

static void must_verify(const struct index_view *view)
{
    struct fault why = {""};
    if (index_verify(view, "index.flk", &why) != 0)
        fail_msg("%s", why.text);
}

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
        cmocka_unit_test(test_index_binds_and_verifies),
        cmocka_unit_test(test_index_binds_ranks_of_a_second_image),
        cmocka_unit_test(test_index_bind_refuses_missing_sections),
        cmocka_unit_test(test_index_bind_refuses_wrong_sizes),
        cmocka_unit_test(test_index_bind_refuses_impossible_numbers),
        cmocka_unit_test(test_index_verify_finds_damage_in_every_section),
        cmocka_unit_test(test_index_verify_wants_no_text_where_there_is_none),
        cmocka_unit_test(test_index_verify_survives_random_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
