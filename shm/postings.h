/* SPDX-License-Identifier: MIT
 *
 * Postings: for each word the pages that have it, in ascending vertices, how often, and at which
 * positions; in blocks of 128 pages with what is needed to skip them (docs/layout.md).
 *
 * Scores are BM25's without the (k1 + 1) factor. A page's part of a word's score, impact, is
 * tf / (tf + slope * length + base), below 1; a block has a bound of its pages' impacts.
 */
#ifndef FORKLORE_SHM_POSTINGS_H
#define FORKLORE_SHM_POSTINGS_H

#include "shm/packed.h"
#include "shm/word_list.h"

#define POSTINGS_BLOCK PACKED_COUNT
#define POSTINGS_END   UINT32_MAX

/* Of a list with several blocks: what is in front of its tables, and of a block in the tables. */
#define POSTINGS_HEAD_BYTES  4
#define POSTINGS_TABLE_BYTES 14

#define SEARCH_K1 1.2
#define SEARCH_B  0.75

enum search_field { FIELD_BODY, FIELD_NAME };

struct field_norm {
    double base, slope; /* k1 (1 - b), k1 b / average length */
};

/* A field's words by page, in as few bytes each as the longest one needs. */
struct field_lengths {
    const void *data; /* [page_count] */
    uint32_t width;   /* 1, 2 or 4 */
};

/* Everything a search needs, borrowed from the index. info is NULL in an index without search. */
struct search_view {
    const struct search_info *info;
    struct field_lengths lengths[2]; /* by field */
    struct word_list words;
    struct field_norm norms[2]; /* by field */
    uint32_t page_count;
};

void search_norms(struct field_norm norms[2], const struct search_info *info, uint32_t page_count);

static inline uint32_t search_length(const struct search_view *view, enum search_field field,
                                     uint32_t page)
{
    const struct field_lengths *lengths = &view->lengths[field];
    return lengths->width == 1   ? ((const uint8_t *)lengths->data)[page]
           : lengths->width == 2 ? ((const uint16_t *)lengths->data)[page]
                                 : ((const uint32_t *)lengths->data)[page];
}

static inline double search_impact(const struct field_norm *norm, uint32_t tf, uint32_t length)
{
    return tf / (tf + (norm->base + norm->slope * length));
}

/* A bound of impacts in 16 bits: the tf (less one, 3 bits) and the length (12 bits) of the page
 * with the greatest, so that it is exactly reached and pages that only come up to it can be left
 * out; with the highest bit, where they do not fit, the impact rounded up. */
#define BOUND_ROUNDED   0x8000
#define BOUND_LENGTHS   4096
#define BOUND_TF_MAX    8
#define BOUND_FRACTIONS 32768

static inline uint16_t bound_put(const struct field_norm *norm, uint32_t tf, uint32_t length)
{
    if (tf <= BOUND_TF_MAX && length < BOUND_LENGTHS)
        return (uint16_t)((tf - 1) * BOUND_LENGTHS + length);
    const uint32_t fractions = (uint32_t)(search_impact(norm, tf, length) * BOUND_FRACTIONS);
    return (uint16_t)(BOUND_ROUNDED |
                      (fractions < BOUND_FRACTIONS ? fractions : BOUND_FRACTIONS - 1));
}

static inline double bound_get(const struct field_norm *norm, uint16_t bound)
{
    return bound & BOUND_ROUNDED
               ? ((bound & (BOUND_ROUNDED - 1)) + 1) / (double)BOUND_FRACTIONS
               : search_impact(norm, 1 + bound / (uint32_t)BOUND_LENGTHS, bound % BOUND_LENGTHS);
}

typedef uint32_t u32_anywhere __attribute__((aligned(1)));
typedef uint16_t u16_anywhere __attribute__((aligned(1)));

/* One word's list being read. */
struct postings {
    uint32_t pages; /* df */
    uint32_t block_count;
    const u32_anywhere *lasts;        /* [block_count] last page of each block; NULL: one block */
    const u32_anywhere *offsets;      /* [block_count] of each block from `blocks` */
    const u32_anywhere *position_ats; /* [block_count] */
    const u16_anywhere *bounds;       /* [block_count] */
    const unsigned char *blocks;      /* NULL: one page alone */
    const unsigned char *positions;   /* NULL: one occurrence alone */
    uint16_t bound;                   /* of all blocks, with `lasts` */
    uint32_t tf_most;                 /* no tf is above it */
    uint32_t position;                /* of one occurrence alone */
    bool once;                        /* all tfs are 1 */

    uint32_t block;               /* the one that is decoded; block_count at the end */
    uint32_t count, at;           /* its pages, and the current one */
    const unsigned char *tf_pack; /* NULL: tfs are decoded */

    /* Positions of the current block. */
    uint32_t positions_block;     /* whose prefix sums these are; UINT32_MAX: none */
    uint32_t pack;                /* decoded in pack_values; UINT32_MAX: none */
    const unsigned char *pack_at; /* its bytes */

    uint32_t docs[POSTINGS_BLOCK];
    uint32_t tfs[POSTINGS_BLOCK];
    uint32_t starts[POSTINGS_BLOCK + 1]; /* tfs summed up: where each page's positions begin */
    uint32_t pack_values[POSTINGS_BLOCK];
};

/* Stands before the first page afterwards, with no block decoded. */
void postings_open(struct postings *postings, const struct word_entry *entry);

/* Decodes a block and stands on its first page; false past the last block. */
bool postings_load(struct postings *postings, uint32_t block);

/* The first block from `from` on that ends at or after `page`; block_count if none does. */
uint32_t postings_block_of(const struct postings *postings, uint32_t from, uint32_t page);

static inline uint32_t postings_last(const struct postings *postings, uint32_t block)
{
    return postings->lasts ? postings->lasts[block] : POSTINGS_END - 1;
}

/* 1 in a list of one block: its bound is not stored. */
static inline double postings_bound(const struct postings *postings, const struct field_norm *norm,
                                    uint32_t block)
{
    return postings->lasts ? bound_get(norm, postings->bounds[block]) : 1;
}

/* The current page, or POSTINGS_END. */
static inline uint32_t postings_page(const struct postings *postings)
{
    return postings->block < postings->block_count ? postings->docs[postings->at] : POSTINGS_END;
}

/* Goes to the first page that is not below `page`, which is not below the current one. */
uint32_t postings_seek(struct postings *postings, uint32_t page);
uint32_t postings_next(struct postings *postings);

void postings_load_tfs(struct postings *postings);
static inline uint32_t postings_tf(struct postings *postings)
{
    if (postings->tf_pack)
        postings_load_tfs(postings);
    return postings->tfs[postings->at];
}

/* The current page's positions, tf of them, ascending. */
void postings_positions(struct postings *postings, uint32_t *positions);

#endif
