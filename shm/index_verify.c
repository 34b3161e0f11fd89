/* SPDX-License-Identifier: MIT
 *
 * The deep check of an index: reads every element of every section and believes none. Each check
 * relies only on what the ones before it have established, so that a damaged offset is reported
 * and not followed.
 */
#include "shm/index.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Scores computed in single precision drift by some 1e-6. */
#define SCORE_SUM_TOLERANCE 1e-4

struct checker {
    const struct index_view *view;
    const char *name;
    struct fault *why;
};

/* "NAME: section KIND, element I (offset O): ..." */
__attribute__((format(printf, 4, 5))) static int bad(const struct checker *c,
                                                     enum section_kind kind, uint64_t element,
                                                     const char *format, ...)
{
    const struct section *s = image_find(c->view->image, kind);
    if (kind >= SECTION_RANK_INFO && kind <= SECTION_TITLE_MINIMA)
        s = image_find(c->view->rank_image, kind);
    char text[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fault_set(c->why, EINVAL, "%s: section %s, element %" PRIu64 " (offset %" PRIu64 "): %s",
                     c->name, section_name(kind), element,
                     s->offset + element * section_element_bytes(kind), text);
}

static uint64_t section_bytes(const struct checker *c, enum section_kind kind)
{
    const struct section *s = image_find(c->view->image, kind);
    return s ? s->bytes : 0;
}

static int check_meta(const struct checker *c)
{
    const struct index_meta *meta = c->view->meta;
    if (meta->first_letter > 1 || meta->has_text > 1)
        return bad(c, SECTION_META, 0,
                   "first_letter %" PRIu32 " and has_text %" PRIu32 " should be 0 or 1",
                   meta->first_letter, meta->has_text);
    if (!memchr(meta->site, 0, sizeof meta->site) ||
        !memchr(meta->database, 0, sizeof meta->database) ||
        !memchr(meta->source, 0, sizeof meta->source))
        return bad(c, SECTION_META, 0, "a name has no end");
    return 0;
}

/* --- Titles -------------------------------------------------------------------------------- */

static int check_text_offsets(const struct checker *c, enum section_kind kind,
                              enum section_kind bytes_kind, const uint32_t *offsets,
                              uint32_t longest)
{
    const uint32_t count = c->view->titles.count;
    if (offsets[0] != 0)
        return bad(c, kind, 0, "%" PRIu32 ", but the first offset is 0", offsets[0]);
    for (uint32_t i = 1; i <= count; i++)
        if (offsets[i] < offsets[i - 1] || offsets[i] - offsets[i - 1] > longest)
            return bad(c, kind, i,
                       "%" PRIu32 " after %" PRIu32 " is no string of at most %" PRIu32 " bytes",
                       offsets[i], offsets[i - 1], longest);
    if (offsets[count] != section_bytes(c, bytes_kind))
        return bad(c, kind, count, "%" PRIu32 ", but section %s has %" PRIu64 " bytes",
                   offsets[count], section_name(bytes_kind), section_bytes(c, bytes_kind));
    return 0;
}

static int compare_refs(struct text_ref x, struct text_ref y)
{
    const int order = memcmp(x.bytes, y.bytes, x.length < y.length ? x.length : y.length);
    return order ? order : (x.length > y.length) - (x.length < y.length);
}

static int check_title_text(const struct checker *c, uint32_t entry)
{
    const struct titles_view *titles = &c->view->titles;
    const struct text_ref text = titles_text(titles, entry), fold = titles_fold(titles, entry);
    char normal[TITLE_MAX_BYTES], folded[TITLE_FOLD_BYTES];

    int n = title_normalise(text.bytes, text.length, c->view->meta->first_letter, normal);
    if (n == -EILSEQ)
        return bad(c, SECTION_TITLE_BYTES, titles->offsets[entry],
                   "title %" PRIu32 " is not valid UTF-8", entry);
    if (n <= 0)
        return bad(c, SECTION_TITLE_BYTES, titles->offsets[entry],
                   "title %" PRIu32 " (%.*s) has no normal form", entry,
                   text.length < 80 ? (int)text.length : 80, text.bytes);
    n = title_fold(normal, (size_t)n, folded);
    if (n < 0 || (uint32_t)n != fold.length || memcmp(folded, fold.bytes, fold.length) != 0)
        return bad(c, SECTION_FOLD_BYTES, titles->fold_offsets[entry],
                   "not the folded form of title %" PRIu32 " (%.*s) in section title-bytes", entry,
                   text.length < 80 ? (int)text.length : 80, text.bytes);
    if (entry == 0)
        return 0;
    int order = compare_refs(titles_fold(titles, entry - 1), fold);
    if (order == 0)
        order = compare_refs(titles_text(titles, entry - 1), text);
    if (order >= 0)
        return bad(c, SECTION_TITLE_BYTES, titles->offsets[entry],
                   "title %" PRIu32 " (%.*s) is not after the one before it", entry,
                   text.length < 80 ? (int)text.length : 80, text.bytes);
    return 0;
}

/* A page and its title name each other. Where they do not, the message names the side that nobody
 * else confirms. */
static int check_page_title(const struct checker *c, uint32_t v)
{
    const struct index_view *view = c->view;
    const uint32_t entry = view->pages[v].title;
    if (entry >= view->titles.count)
        return bad(c, SECTION_PAGES, v, "title %" PRIu32 " of %" PRIu32, entry, view->titles.count);
    if (view->titles.targets[entry] == v)
        return 0;
    const uint32_t other = titles_vertex(&view->titles, entry);
    const bool taken =
        other != v && other < view->meta->page_count &&
        (titles_is_redirect(&view->titles, entry) || view->pages[other].title == entry);
    if (taken)
        return bad(c, SECTION_PAGES, v,
                   "title %" PRIu32 " is page %" PRIu32 "'s in section title-targets", entry,
                   other);
    return bad(c, SECTION_TITLE_TARGETS, entry,
               "page %" PRIu32 "%s, but it is the own title of page %" PRIu32 " in section pages",
               other, titles_is_redirect(&view->titles, entry) ? " by redirect" : "", v);
}

static int check_targets(const struct checker *c)
{
    const struct index_view *view = c->view;
    int rc = 0;
    for (uint32_t v = 0; v < view->meta->page_count && !rc; v++)
        rc = check_page_title(c, v);
    for (uint32_t entry = 0; entry < view->titles.count && !rc; entry++) {
        const uint32_t v = titles_vertex(&view->titles, entry);
        if (v >= view->meta->page_count)
            rc = bad(c, SECTION_TITLE_TARGETS, entry, "page %" PRIu32 " of %" PRIu32, v,
                     view->meta->page_count);
        else if (!titles_is_redirect(&view->titles, entry) && view->pages[v].title != entry)
            rc = bad(c, SECTION_TITLE_TARGETS, entry,
                     "a second title of page %" PRIu32 " that is no redirect", v);
    }
    return rc;
}

static int check_slots(const struct checker *c)
{
    const struct titles_view *titles = &c->view->titles;
    uint32_t used = 0;
    for (uint64_t i = 0; i <= titles->slot_mask; i++) {
        const struct title_slot slot = titles->slots[i];
        if (slot.entry == 0)
            continue;
        if (slot.entry > titles->count)
            return bad(c, SECTION_TITLE_HASH, i, "title %" PRIu32 " of %" PRIu32, slot.entry - 1,
                       titles->count);
        const struct text_ref text = titles_text(titles, slot.entry - 1);
        char normal[TITLE_MAX_BYTES];
        const int n = title_normalise(text.bytes, text.length, titles->first_letter, normal);
        if (n < 0 || slot.tag != title_hash(normal, (size_t)n) >> 32)
            return bad(c, SECTION_TITLE_HASH, i,
                       "not the hash of title %" PRIu32 " (%.*s) in section title-bytes",
                       slot.entry - 1, text.length < 80 ? (int)text.length : 80, text.bytes);
        used++;
    }
    if (used != titles->count)
        return bad(c, SECTION_TITLE_HASH, 0, "%" PRIu32 " slots are used for %" PRIu32 " titles",
                   used, titles->count);
    for (uint32_t entry = 0; entry < titles->count; entry++) {
        const struct text_ref text = titles_text(titles, entry);
        char normal[TITLE_MAX_BYTES];
        const int n = title_normalise(text.bytes, text.length, titles->first_letter, normal);
        if (n < 0 || titles_find(titles, normal, (size_t)n) != entry)
            return bad(c, SECTION_TITLE_HASH, 0, "title %" PRIu32 " (%.*s) is not found", entry,
                       text.length < 80 ? (int)text.length : 80, text.bytes);
    }
    return 0;
}

static int check_titles(const struct checker *c)
{
    const struct titles_view *titles = &c->view->titles;
    int rc = check_text_offsets(c, SECTION_TITLE_OFFSETS, SECTION_TITLE_BYTES, titles->offsets,
                                TITLE_MAX_BYTES);
    if (!rc)
        rc = check_text_offsets(c, SECTION_FOLD_OFFSETS, SECTION_FOLD_BYTES, titles->fold_offsets,
                                TITLE_FOLD_BYTES);
    for (uint32_t entry = 0; entry < titles->count && !rc; entry++)
        rc = check_title_text(c, entry);
    if (!rc)
        rc = check_targets(c);
    return rc ? rc : check_slots(c);
}

/* --- Pages and their text ------------------------------------------------------------------ */

static int check_blocks(const struct checker *c)
{
    const struct index_view *view = c->view;
    uint64_t end = 0;
    for (uint64_t i = 0; i < view->block_count; i++) {
        const struct text_block *block = &view->text_blocks[i];
        if (block->offset < end || block->offset > view->text_bytes ||
            block->stored_bytes > view->text_bytes - block->offset)
            return bad(c, SECTION_TEXT_BLOCKS, i,
                       "%" PRIu32 " bytes from %" PRIu64 " are not between the block before, which "
                       "ends at %" PRIu64 ", and the end of the text at %" PRIu64,
                       block->stored_bytes, block->offset, end, view->text_bytes);
        if (block->stored_bytes == 0 || block->raw_bytes == 0)
            return bad(c, SECTION_TEXT_BLOCKS, i, "empty block");
        end = block->offset + block->stored_bytes;
    }
    return 0;
}

static int check_pages(const struct checker *c)
{
    const struct index_view *view = c->view;
    for (uint32_t v = 0; v < view->meta->page_count; v++) {
        const struct page *page = &view->pages[v];
        if (!view->meta->has_text) {
            if (page->block != PAGE_NO_TEXT)
                return bad(c, SECTION_PAGES, v,
                           "text in block %" PRIu32 " of an index without text", page->block);
            continue;
        }
        if (page->block >= view->block_count)
            return bad(c, SECTION_PAGES, v, "text in block %" PRIu32 " of %" PRIu64, page->block,
                       view->block_count);
        const uint32_t raw_bytes = view->text_blocks[page->block].raw_bytes;
        if (page->block_offset > raw_bytes || page->element_bytes > raw_bytes - page->block_offset)
            return bad(c, SECTION_PAGES, v,
                       "%" PRIu32 " bytes from %" PRIu32 " reach past the end of block %" PRIu32
                       " at %" PRIu32 " (section text-blocks)",
                       page->element_bytes, page->block_offset, page->block, raw_bytes);
    }
    return 0;
}

/* --- Links --------------------------------------------------------------------------------- */

static int check_rows(const struct checker *c, enum section_kind offsets_kind,
                      const uint64_t *offsets, enum section_kind ids_kind, const uint32_t *ids)
{
    const uint32_t n = c->view->graph.vertex_count;
    const uint64_t m = c->view->graph.edge_count;
    if (offsets[0] != 0)
        return bad(c, offsets_kind, 0, "%" PRIu64 ", but the first offset is 0", offsets[0]);
    for (uint32_t v = 0; v < n; v++)
        if (offsets[v + 1] < offsets[v] || offsets[v + 1] > m)
            return bad(c, offsets_kind, (uint64_t)v + 1,
                       "%" PRIu64 " is not between %" PRIu64 " and the %" PRIu64 " links",
                       offsets[v + 1], offsets[v], m);
    if (offsets[n] != m)
        return bad(c, offsets_kind, n, "%" PRIu64 ", but there are %" PRIu64 " links", offsets[n],
                   m);
    for (uint32_t v = 0; v < n; v++)
        for (uint64_t i = offsets[v]; i < offsets[v + 1]; i++) {
            if (ids[i] >= n)
                return bad(c, ids_kind, i, "page %" PRIu32 " of %" PRIu32, ids[i], n);
            if (ids[i] == v)
                return bad(c, ids_kind, i, "page %" PRIu32 " links to itself", v);
            if (i > offsets[v] && ids[i] <= ids[i - 1])
                return bad(c, ids_kind, i,
                           "%" PRIu32 " after %" PRIu32 " in the row of page %" PRIu32
                           ", which section %s delimits",
                           ids[i], ids[i - 1], v, section_name(offsets_kind));
        }
    return 0;
}

static int check_graph(const struct checker *c)
{
    const struct graph_view *g = &c->view->graph;
    int rc =
        check_rows(c, SECTION_OUT_OFFSETS, g->out_offsets, SECTION_OUT_TARGETS, g->out_targets);
    if (!rc)
        rc = check_rows(c, SECTION_IN_OFFSETS, g->in_offsets, SECTION_IN_SOURCES, g->in_sources);
    if (rc)
        return rc;

    /* Walking the links out by source meets every row of links in from its start to its end. */
    uint64_t *next = malloc((size_t)g->vertex_count * sizeof *next);
    if (!next)
        return fault_set(c->why, ENOMEM, "%s: no memory for checking %" PRIu32 " pages", c->name,
                         g->vertex_count);
    memcpy(next, g->in_offsets, (size_t)g->vertex_count * sizeof *next);
    for (uint32_t v = 0; v < g->vertex_count && !rc; v++)
        for (uint64_t i = g->out_offsets[v]; i < g->out_offsets[v + 1] && !rc; i++) {
            const uint32_t t = g->out_targets[i];
            if (next[t] == g->in_offsets[t + 1] || g->in_sources[next[t]] != v)
                rc = bad(c, SECTION_IN_SOURCES, next[t],
                         "the link %" PRIu32 " -> %" PRIu32 " of section out-targets, element "
                         "%" PRIu64 ", is not the next one in (sections out-offsets, in-offsets)",
                         v, t, i);
            next[t]++;
        }
    free(next);
    return rc;
}

/* Only once the links are known to be sound. */
static int check_spmv(const struct checker *c)
{
    struct fault inner;
    const int rc = spmv_verify(&c->view->spmv, &c->view->graph, &inner);
    return rc ? fault_set(c->why, -rc, "%s: %s", c->name, inner.text) : 0;
}

/* --- Ranks --------------------------------------------------------------------------------- */

static int check_scores(const struct checker *c)
{
    const struct rank_view *rank = &c->view->rank;
    const struct rank_info *info = rank->info;
    if (!(info->damping >= 0 && info->damping <= 1) || !(info->tolerance >= 0) ||
        !(info->change >= 0) || (info->precision != 4 && info->precision != 8) ||
        info->converged > 1)
        return bad(c, SECTION_RANK_INFO, 0,
                   "no PageRank has damping %g, tolerance %g, change %g, precision %" PRIu32
                   ", converged %" PRIu32,
                   info->damping, info->tolerance, info->change, info->precision, info->converged);
    double sum = 0;
    for (uint32_t v = 0; v < rank->vertex_count; v++) {
        if (!isfinite(rank->scores[v]) || rank->scores[v] < 0)
            return bad(c, SECTION_SCORES, v, "%g is no score", rank->scores[v]);
        sum += rank->scores[v];
    }
    if (fabs(sum - 1) > SCORE_SUM_TOLERANCE)
        return bad(c, SECTION_SCORES, 0, "the scores sum to %.9g, not to 1", sum);
    return 0;
}

static int check_order(const struct checker *c)
{
    const struct rank_view *rank = &c->view->rank;
    const struct page *pages = c->view->pages;
    for (uint32_t i = 0; i < rank->vertex_count; i++) {
        const uint32_t v = rank->order[i];
        if (v >= rank->vertex_count)
            return bad(c, SECTION_RANK_ORDER, i, "page %" PRIu32 " of %" PRIu32, v,
                       rank->vertex_count);
        if (rank->positions[v] != i)
            return bad(c, SECTION_RANK_POSITIONS, v,
                       "%" PRIu32 ", but section rank-order has the page at %" PRIu32,
                       rank->positions[v], i);
        if (i == 0)
            continue;
        const uint32_t u = rank->order[i - 1];
        const double score = rank->scores[v], before = rank->scores[u];
        const uint64_t id = pages[v].id, id_before = pages[u].id;
        const bool is_tie_in_order = id_before < id || (id_before == id && u < v);
        if (score > before || (score == before && !is_tie_in_order))
            return bad(c, SECTION_RANK_ORDER, i,
                       "page %" PRIu32 " (score %.17g, id %" PRIu64 ") after page %" PRIu32
                       " (score %.17g, id %" PRIu64 ")",
                       v, score, id, u, before, id_before);
    }
    return 0;
}

static int check_title_ranks(const struct checker *c)
{
    const struct rank_view *rank = &c->view->rank;
    const struct titles_view *titles = &c->view->titles;
    for (uint32_t entry = 0; entry < titles->count; entry++) {
        const uint32_t position = rank->positions[titles_vertex(titles, entry)];
        if (rank->title_ranks[entry] != position)
            return bad(c, SECTION_TITLE_RANKS, entry, "%" PRIu32 ", but its page is at %" PRIu32,
                       rank->title_ranks[entry], position);
    }
    const uint64_t minima_count = rank_minima_count(titles->count);
    uint32_t *minima = malloc(minima_count * sizeof *minima);
    if (!minima)
        return fault_set(c->why, ENOMEM, "%s: no memory for checking %" PRIu32 " titles", c->name,
                         titles->count);
    rank_fill_minima(minima, rank->title_ranks, titles);
    int rc = 0;
    for (uint64_t i = 0; i < minima_count && !rc; i++)
        if (minima[i] != rank->minima[i])
            rc = bad(c, SECTION_TITLE_MINIMA, i, "%" PRIu32 " should be %" PRIu32, rank->minima[i],
                     minima[i]);
    free(minima);
    return rc;
}

int index_verify(const struct index_view *view, const char *name, struct fault *why)
{
    const struct checker c = {view, name, why};
    int rc = check_meta(&c);
    if (!rc)
        rc = check_titles(&c);
    if (!rc)
        rc = check_blocks(&c);
    if (!rc)
        rc = check_pages(&c);
    if (!rc)
        rc = check_graph(&c);
    if (!rc && view->spmv.info)
        rc = check_spmv(&c);
    if (!rc && view->search.info)
        rc = index_verify_search(view, name, why);
    if (rc || !view->rank_image)
        return rc;
    rc = check_scores(&c);
    if (!rc)
        rc = check_order(&c);
    if (!rc)
        rc = check_title_ranks(&c);
    return rc;
}
