/* SPDX-License-Identifier: MIT
 *
 * What depends on scores: the scores themselves, the order of pages by them, and the range minima
 * that answer "the best k titles of this range". Rebuilt as a whole for every new score vector.
 *
 * Position 0 is the highest score; ties go by page id, then vertex. A title entry's rank is its
 * page's position, smaller is better; among entries of the same page the page's own title comes
 * before redirects.
 */
#ifndef FORKLORE_SHM_RANK_H
#define FORKLORE_SHM_RANK_H

#include "shm/fault.h"
#include "shm/layout.h"
#include "shm/titles.h"

struct rank_view {
    const struct rank_info *info;
    const double *scores;        /* [n] sum 1 */
    const uint32_t *order;       /* [n] vertices, best first */
    const uint32_t *positions;   /* [n] inverse of order */
    const uint32_t *title_ranks; /* [T] position of each entry's page */
    const uint32_t *minima; /* sparse table over blocks of RANK_BLOCK entries: row r holds, for each
                             * block b, the smallest rank_key() of blocks b .. b + 2^r - 1, or of
                             * b .. last where there are fewer */
    uint32_t vertex_count, title_count;
};

#define RANK_BLOCK 64

/* What entries are ordered by, smaller first, before their own number: the page's position, and
 * its own title before redirects. Positions are below 2^31, so it fits. */
static inline uint32_t rank_key(uint32_t title_rank, uint32_t title_target)
{
    return title_rank << 1 | title_target >> 31;
}

/* Elements of the minima table for T entries. */
uint64_t rank_minima_count(uint32_t title_count);

/* Fills the table from the entries' ranks. Part of rank_build(); index_verify() compares. */
void rank_fill_minima(uint32_t *minima, const uint32_t *title_ranks,
                      const struct titles_view *titles);

/* Where a builder writes; arrays of the sizes above, owned by the caller. */
struct rank_arrays {
    struct rank_info *info;
    double *scores;
    uint32_t *order, *positions, *title_ranks, *minima;
};

/* Fills order, positions, title_ranks and minima from arrays->scores (already set). `pages` gives
 * the ids for ties. Needs 16 bytes of scratch per vertex; -ENOMEM. */
int rank_build(const struct rank_arrays *arrays, const struct page *pages, uint32_t vertex_count,
               const struct titles_view *titles, struct fault *why);

/* The best `k` distinct entries of [range), best first: by title_ranks, then own title before
 * redirect, then entry. Writes to `entries`, returns how many. O(k log k + k RANK_BLOCK) whatever
 * the range's size. k <= RANK_TOP_MAX. */
#define RANK_TOP_MAX 1000
unsigned rank_top(const struct rank_view *rank, const struct titles_view *titles,
                  struct title_range range, unsigned k, uint32_t *entries);

#endif
