/* SPDX-License-Identifier: MIT
 *
 * The order of pages by score, and the best titles of a range.
 *
 * rank_top() never scans the range. It keeps a heap of disjoint pieces of it, each with the key
 * of its best entry: runs inside a block of RANK_BLOCK entries, whose best entry was found by
 * scanning, and spans of whole blocks, whose best key the sparse table knows. The best piece is
 * taken out, its best entry given out, and what is left of it put back.
 */
#include "shm/rank.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Range minima -------------------------------------------------------------------------- */

static uint32_t block_count(uint32_t title_count)
{
    return (uint32_t)(((uint64_t)title_count + RANK_BLOCK - 1) / RANK_BLOCK);
}

static unsigned floor_log2(uint32_t x)
{
    return 31 - (unsigned)__builtin_clz(x);
}

uint64_t rank_minima_count(uint32_t title_count)
{
    const uint32_t blocks = block_count(title_count);
    return blocks ? (uint64_t)blocks * (floor_log2(blocks) + 1) : 0;
}

static inline uint32_t smaller(uint32_t x, uint32_t y)
{
    return x < y ? x : y;
}

static uint32_t run_minimum(const uint32_t *ranks, const uint32_t *targets, uint32_t count)
{
    /* No early exit, no index: this becomes a vector loop. */
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++)
        best = smaller(best, rank_key(ranks[i], targets[i]));
    return best;
}

void rank_fill_minima(uint32_t *minima, const uint32_t *ranks, const struct titles_view *titles)
{
    const uint32_t *targets = titles->targets;
    const uint32_t title_count = titles->count;
    const uint32_t blocks = block_count(title_count);
    for (uint32_t b = 0; b < blocks; b++) {
        const uint32_t first = b * RANK_BLOCK;
        minima[b] =
            run_minimum(ranks + first, targets + first, smaller(RANK_BLOCK, title_count - first));
    }
    for (uint32_t half = 1; half <= blocks / 2; half *= 2) {
        const uint32_t *row = minima;
        minima += blocks;
        for (uint32_t b = 0; b < blocks; b++)
            minima[b] = b + half < blocks ? smaller(row[b], row[b + half]) : row[b];
    }
}

/* --- Order by score ------------------------------------------------------------------------ */

#define DIGIT_BITS 8
#define DIGITS     (64 / DIGIT_BITS)
#define BUCKETS    (1u << DIGIT_BITS)

struct radix {
    uint64_t *keys, *spare_keys;
    uint32_t *values, *spare_values;
};

/* Stable, ascending by key; digits that all keys share cost nothing. Leaves the values in
 * r->values, which may have traded places with the spare ones. */
static void radix_sort(struct radix *r, uint32_t count)
{
    uint32_t(*counts)[BUCKETS] = (uint32_t[DIGITS][BUCKETS]){0};
    for (uint32_t i = 0; i < count; i++)
        for (unsigned d = 0; d < DIGITS; d++)
            counts[d][r->keys[i] >> (d * DIGIT_BITS) & (BUCKETS - 1)]++;
    for (unsigned d = 0; d < DIGITS; d++) {
        const unsigned shift = d * DIGIT_BITS;
        uint32_t *next = counts[d];
        if (count == 0 || next[r->keys[0] >> shift & (BUCKETS - 1)] == count)
            continue;
        uint32_t start = 0;
        for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
            const uint32_t length = next[bucket];
            next[bucket] = start;
            start += length;
        }
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t at = next[r->keys[i] >> shift & (BUCKETS - 1)]++;
            r->spare_keys[at] = r->keys[i];
            r->spare_values[at] = r->values[i];
        }
        *r = (struct radix){r->spare_keys, r->keys, r->spare_values, r->values};
    }
}

/* Ascending in the integers where the score descends. */
static uint64_t descending_key(double score)
{
    const double value = score + 0.0; /* -0 is 0 */
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? bits : ~(bits | UINT64_C(1) << 63);
}

static int order_pages(const struct rank_arrays *arrays, const struct page *pages, uint32_t n,
                       struct fault *why)
{
    uint64_t *keys = malloc(((size_t)n + 1) * 2 * sizeof *keys);
    if (!keys)
        return fault_set(why, ENOMEM, "no memory for ordering %u pages by score", n);
    struct radix r = {keys, keys + n, arrays->order, arrays->positions};
    bool ascending = true;
    for (uint32_t v = 0; v < n; v++) {
        r.values[v] = v;
        r.keys[v] = pages[v].id;
        ascending = ascending && (v == 0 || pages[v - 1].id < pages[v].id);
    }
    /* The sort is stable: ties go by what the vertices were in order of before. */
    if (!ascending)
        radix_sort(&r, n);
    for (uint32_t i = 0; i < n; i++)
        r.keys[i] = descending_key(arrays->scores[r.values[i]]);
    radix_sort(&r, n);
    if (r.values != arrays->order)
        memcpy(arrays->order, r.values, (size_t)n * sizeof *arrays->order);
    for (uint32_t i = 0; i < n; i++)
        arrays->positions[arrays->order[i]] = i;
    free(keys);
    return 0;
}

int rank_build(const struct rank_arrays *arrays, const struct page *pages, uint32_t vertex_count,
               const struct titles_view *titles, struct fault *why)
{
    int rc = order_pages(arrays, pages, vertex_count, why);
    if (rc)
        return rc;
    for (uint32_t entry = 0; entry < titles->count; entry++)
        arrays->title_ranks[entry] = arrays->positions[titles_vertex(titles, entry)];
    rank_fill_minima(arrays->minima, arrays->title_ranks, titles);
    return 0;
}

/* --- The best of a range ------------------------------------------------------------------- */

/* A piece of the range with the key of its best entry. Of a run the entry itself is known; a
 * span's is somewhere in it, and its first entry stands for it in comparisons. */
struct piece {
    uint64_t order; /* key << 32 | entry */
    uint32_t first, end;
    bool is_span;
};

/* Each round takes one piece, and puts back two (a run) or three (a span, whose third is the run
 * that comes out next). */
#define HEAP_MAX (3 * RANK_TOP_MAX + 3)

struct heap {
    const struct rank_view *rank;
    const struct titles_view *titles;
    uint32_t blocks;
    unsigned count;
    struct piece pieces[HEAP_MAX];
};

static void heap_push(struct heap *h, const struct piece *piece)
{
    MUST(h->count < HEAP_MAX);
    unsigned i = h->count++;
    for (; i && piece->order < h->pieces[(i - 1) / 2].order; i = (i - 1) / 2)
        h->pieces[i] = h->pieces[(i - 1) / 2];
    h->pieces[i] = *piece;
}

static struct piece heap_pop(struct heap *h)
{
    const struct piece top = h->pieces[0];
    const struct piece last = h->pieces[--h->count];
    unsigned i = 0, child;
    while ((child = 2 * i + 1) < h->count) {
        child += child + 1 < h->count && h->pieces[child + 1].order < h->pieces[child].order;
        if (last.order <= h->pieces[child].order)
            break;
        h->pieces[i] = h->pieces[child];
        i = child;
    }
    h->pieces[i] = last;
    return top;
}

/* [first, end) lies in one block. */
static void push_run(struct heap *h, uint32_t first, uint32_t end)
{
    if (first >= end)
        return;
    const uint32_t *ranks = h->rank->title_ranks, *targets = h->titles->targets;
    const uint32_t key = run_minimum(ranks + first, targets + first, end - first);
    uint32_t entry = first;
    while (entry + 1 < end && rank_key(ranks[entry], targets[entry]) != key)
        entry++;
    heap_push(h, &(struct piece){(uint64_t)key << 32 | entry, first, end, false});
}

static const uint32_t *minima_row(const struct heap *h, unsigned row)
{
    return h->rank->minima + (uint64_t)row * h->blocks;
}

/* Blocks [first, end). */
static void push_span(struct heap *h, uint32_t first, uint32_t end)
{
    if (first >= end)
        return;
    const unsigned row = floor_log2(end - first);
    const uint32_t *minima = minima_row(h, row);
    const uint32_t key = smaller(minima[first], minima[end - (1u << row)]);
    const uint32_t entry = first * RANK_BLOCK;
    heap_push(h, &(struct piece){(uint64_t)key << 32 | entry, first, end, true});
}

/* The first block of the span that holds its best key. */
static uint32_t locate(const struct heap *h, const struct piece *span)
{
    const uint32_t key = (uint32_t)(span->order >> 32);
    unsigned row = floor_log2(span->end - span->first);
    uint32_t block = span->first;
    if (minima_row(h, row)[block] != key)
        block = span->end - (1u << row);
    while (row--)
        if (minima_row(h, row)[block] != key)
            block += 1u << row;
    return block;
}

static void split_span(struct heap *h, const struct piece *span)
{
    const uint32_t block = locate(h, span);
    const uint32_t first = block * RANK_BLOCK;
    push_span(h, span->first, block);
    push_span(h, block + 1, span->end);
    push_run(h, first, smaller(first + RANK_BLOCK, h->titles->count));
}

unsigned rank_top(const struct rank_view *rank, const struct titles_view *titles,
                  struct title_range range, unsigned k, uint32_t *entries)
{
    struct heap h;
    h.rank = rank;
    h.titles = titles;
    h.blocks = block_count(titles->count);
    h.count = 0;
    if (k > RANK_TOP_MAX)
        k = RANK_TOP_MAX;
    if (k == 0 || range.first >= range.end)
        return 0;

    const uint32_t first_block = (range.first + RANK_BLOCK - 1) / RANK_BLOCK;
    const uint32_t end_block = range.end / RANK_BLOCK;
    if (first_block > end_block) {
        push_run(&h, range.first, range.end);
    } else {
        push_run(&h, range.first, first_block * RANK_BLOCK);
        push_span(&h, first_block, end_block);
        push_run(&h, end_block * RANK_BLOCK, range.end);
    }

    unsigned found = 0;
    while (found < k && h.count) {
        const struct piece piece = heap_pop(&h);
        if (piece.is_span) {
            split_span(&h, &piece);
            continue;
        }
        const uint32_t entry = (uint32_t)piece.order;
        entries[found++] = entry;
        push_run(&h, piece.first, entry);
        push_run(&h, entry + 1, piece.end);
    }
    return found;
}
