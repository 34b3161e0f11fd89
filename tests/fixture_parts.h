/* SPDX-License-Identifier: MIT
 *
 * A whole small index as parts, of which images are made, all of them or some.
 */
#ifndef FORKLORE_TESTS_FIXTURE_PARTS_H
#define FORKLORE_TESTS_FIXTURE_PARTS_H

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

static inline void add_part(struct fixture *f, enum section_kind kind, const void *data,
                            uint64_t bytes)
{
    f->parts[f->part_count++] =
        (struct image_part){.kind = kind, .data = data, .fd = -1, .bytes = bytes};
}

static inline void make_titles(struct fixture *f, uint32_t pages, uint32_t redirects)
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

static inline void make_graph(struct fixture *f, uint32_t pages)
{
    struct arc_list arcs = {0};
    struct fault why;
    for (uint32_t i = 0; i < 8 * pages; i++)
        arc_list_add(&arcs, i * 31 % pages, i * i % (i % pages + 1));
    assert_int_equal(graph_build(&f->graph, pages, &arcs, &why), 0);
    f->meta.edge_count = f->graph.view.edge_count;
}

static inline void make_ranks(struct fixture *f, uint32_t pages)
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

static inline void make(struct fixture *f, uint32_t pages, uint32_t redirects, bool has_text)
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

static inline void unmake(struct fixture *f)
{
    titles_built_fini(&f->titles);
    graph_built_fini(&f->graph);
    spmv_built_fini(&f->spmv);
    free(f->minima);
}

static inline struct image_header *make_image(const struct image_part *parts, size_t count)
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

static inline bool is_rank_kind(uint32_t kind)
{
    return kind >= SECTION_RANK_INFO && kind <= SECTION_TITLE_MINIMA;
}

/* The image of the parts of which `keep` approves. */
static inline struct image_header *image_of(const struct fixture *f, bool (*keep)(uint32_t kind))
{
    struct image_part parts[PARTS_MAX] = {0};
    size_t count = 0;
    for (size_t i = 0; i < f->part_count; i++)
        if (!keep || keep(f->parts[i].kind))
            parts[count++] = f->parts[i];
    return make_image(parts, count);
}

static inline bool is_base_kind(uint32_t kind)
{
    return !is_rank_kind(kind);
}

static inline void must_verify(const struct index_view *view)
{
    struct fault why = {""};
    if (index_verify(view, "index.flk", &why) != 0)
        fail_msg("%s", why.text);
}

#endif
