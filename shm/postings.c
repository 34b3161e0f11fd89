/* SPDX-License-Identifier: MIT
 *
 * Reading postings.
 *
 * A list: with more than one block bound u16, greatest tf u16 and last u32[], offset u32[],
 * positions u32[] and bound u16[], an element a block; then the blocks. A block: the pages as a
 * pack of differences less one, and, unless the word is nowhere twice in a page, their tfs less one
 * as a pack. Positions of a block: all pages' positions in turn, as packs of 128 differences (less
 * one but for a page's first).
 */
#include "shm/postings.h"

#include <string.h>

void search_norms(struct field_norm norms[2], const struct search_info *info, uint32_t page_count)
{
    const double words[2] = {(double)info->body_words, (double)info->name_words};
    for (int field = 0; field < 2; field++) {
        const double average = words[field] > 0 ? words[field] / page_count : 1;
        norms[field] = (struct field_norm){info->k1 * (1 - info->b), info->k1 * info->b / average};
    }
}

void postings_open(struct postings *p, const struct word_entry *entry)
{
    p->pages = entry->pages;
    p->block_count = (entry->pages + POSTINGS_BLOCK - 1) / POSTINGS_BLOCK;
    p->lasts = NULL;
    p->block = UINT32_MAX;
    p->count = p->at = 0;
    p->tf_pack = NULL;
    p->positions_block = p->pack = UINT32_MAX;
    p->positions = entry->positions;
    p->position = entry->position;
    p->once = entry->occurrences == entry->pages;
    p->tf_most = p->once ? 1 : UINT32_MAX;
    if (!entry->postings) {
        p->docs[0] = entry->page;
        p->tfs[0] = (uint32_t)entry->occurrences;
        p->blocks = NULL;
        return;
    }
    if (p->once)
        for (unsigned i = 0; i < POSTINGS_BLOCK; i++)
            p->tfs[i] = 1;
    const unsigned char *at = entry->postings;
    if (p->block_count > 1) {
        p->bound = *(const u16_anywhere *)(const void *)at;
        const uint16_t most = *(const u16_anywhere *)(const void *)(at + 2);
        p->tf_most = most < UINT16_MAX ? most : UINT32_MAX;
        p->lasts = (const u32_anywhere *)(const void *)(at + POSTINGS_HEAD_BYTES);
        p->offsets = p->lasts + p->block_count;
        p->position_ats = p->offsets + p->block_count;
        p->bounds = (const u16_anywhere *)(const void *)(p->position_ats + p->block_count);
        at = (const unsigned char *)(p->bounds + p->block_count);
    }
    p->blocks = at;
}

/* Differences less one to pages, after `before`. */
static void sum_up(uint32_t *values, unsigned count, uint32_t before)
{
    for (unsigned i = 0; i < count; i++) {
        before += values[i] + 1;
        values[i] = before;
    }
}

typedef uint32_t lanes __attribute__((vector_size(16)));
typedef uint32_t lanes_anywhere __attribute__((vector_size(16), aligned(1)));

static void sum_up_block(uint32_t *values, uint32_t before)
{
    const lanes zero = {0}, ramp = {1, 2, 3, 4};
    lanes carry = zero + before;
    for (unsigned i = 0; i < POSTINGS_BLOCK; i += 4) {
        lanes_anywhere *out = (lanes_anywhere *)(void *)(values + i);
        lanes v = *out;
        v += __builtin_shufflevector(zero, v, 0, 4, 5, 6);
        v += __builtin_shufflevector(zero, v, 0, 0, 4, 5);
        v += carry + ramp;
        *out = v;
        carry = __builtin_shufflevector(v, v, 3, 3, 3, 3);
    }
}

bool postings_load(struct postings *p, uint32_t block)
{
    p->at = 0;
    if (block >= p->block_count) {
        p->block = p->block_count;
        p->count = 0;
        return false;
    }
    p->block = block;
    if (!p->blocks) {
        p->count = 1;
        return true;
    }
    p->count =
        block + 1 < p->block_count ? POSTINGS_BLOCK : p->pages - block * (uint32_t)POSTINGS_BLOCK;
    const unsigned char *at = p->blocks + (p->lasts ? p->offsets[block] : 0);
    const uint32_t before = p->lasts && block ? p->lasts[block - 1] : UINT32_MAX;
    const unsigned char *tfs = packed_get(at, p->count, p->docs);
    p->tf_pack = p->once ? NULL : tfs;
    if (p->count == POSTINGS_BLOCK)
        sum_up_block(p->docs, before);
    else
        sum_up(p->docs, p->count, before);
    return true;
}

void postings_load_tfs(struct postings *p)
{
    packed_get(p->tf_pack, p->count, p->tfs);
    for (unsigned i = 0; i < POSTINGS_BLOCK; i++)
        p->tfs[i]++;
    p->tf_pack = NULL;
}

uint32_t postings_block_of(const struct postings *p, uint32_t from, uint32_t page)
{
    if (!p->lasts)
        return from; /* one block, whose end only reading it tells */
    uint32_t low = from, step = 1;
    if (low >= p->block_count || p->lasts[low] >= page)
        return low;
    while (low + step < p->block_count && p->lasts[low + step] < page) {
        low += step;
        step *= 2;
    }
    uint32_t high = low + step < p->block_count ? low + step : p->block_count;
    for (low++; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        if (p->lasts[middle] < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t postings_seek(struct postings *p, uint32_t page)
{
    if (p->block == p->block_count)
        return POSTINGS_END;
    if (p->block == UINT32_MAX || p->docs[p->count - 1] < page) {
        const uint32_t from = p->block == UINT32_MAX ? 0 : p->block + 1;
        if (!postings_load(p, postings_block_of(p, from, page)))
            return POSTINGS_END;
    }
    /* Near by first; then by halves, without branches. */
    const uint32_t *docs = p->docs;
    uint32_t at = p->at;
    for (unsigned i = 0; i < 4; i++, at++) {
        if (at == p->count)
            break;
        if (docs[at] >= page) {
            p->at = at;
            return docs[at];
        }
    }
    const uint32_t *base = docs + at;
    for (uint32_t left = p->count - at; left > 0;) {
        const uint32_t half = (left + 1) / 2;
        base = base[half - 1] < page ? base + half : base;
        left -= half;
    }
    at = (uint32_t)(base - docs);
    if (at == p->count) {
        postings_load(p, p->block_count);
        return POSTINGS_END;
    }
    p->at = at;
    return docs[at];
}

uint32_t postings_next(struct postings *p)
{
    if (p->block < p->block_count && ++p->at < p->count)
        return p->docs[p->at];
    if (p->block == p->block_count)
        return POSTINGS_END;
    return postings_load(p, p->block + 1) ? p->docs[0] : POSTINGS_END;
}

/* --- Positions ----------------------------------------------------------------------------- */

static void load_starts(struct postings *p)
{
    if (p->tf_pack)
        postings_load_tfs(p);
    uint32_t sum = 0;
    for (unsigned i = 0; i < p->count; i++) {
        p->starts[i] = sum;
        sum += p->tfs[i];
    }
    p->starts[p->count] = sum;
    p->positions_block = p->block;
    p->pack = UINT32_MAX;
}

/* Packs on the way are skipped by their sizes. */
static void load_pack(struct postings *p, uint32_t pack)
{
    const uint32_t total = p->starts[p->count], first = pack * (uint32_t)PACKED_COUNT;
    const uint32_t count = total - first < PACKED_COUNT ? total - first : PACKED_COUNT;
    if (pack < p->pack) { /* also when none is loaded */
        p->pack_at = p->positions + (p->lasts ? p->position_ats[p->block] : 0);
        p->pack = 0;
    }
    for (; p->pack < pack; p->pack++)
        p->pack_at += packed_bytes(p->pack_at, PACKED_COUNT);
    packed_get(p->pack_at, count, p->pack_values);
}

void postings_positions(struct postings *p, uint32_t *positions)
{
    if (!p->positions) {
        positions[0] = p->position;
        return;
    }
    if (p->positions_block != p->block)
        load_starts(p);
    uint32_t start = p->starts[p->at], before = UINT32_MAX;
    const uint32_t end = p->starts[p->at + 1];
    while (start < end) {
        const uint32_t pack = start / PACKED_COUNT;
        if (pack != p->pack)
            load_pack(p, pack);
        const uint32_t stop =
            end < (pack + 1) * PACKED_COUNT ? end : (pack + 1) * (uint32_t)PACKED_COUNT;
        for (; start < stop; start++) {
            before += p->pack_values[start % PACKED_COUNT] + 1;
            *positions++ = before;
        }
    }
}
