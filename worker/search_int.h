/* SPDX-License-Identifier: MIT
 *
 * Between search.c, which sets a search up and keeps its results, and its two ways of going through
 * the pages: search_must.c and search_should.c.
 */
#ifndef FORKLORE_WORKER_SEARCH_INT_H
#define FORKLORE_WORKER_SEARCH_INT_H

#include "worker/search_cursor.h"

/* A score is the sum of what cursors give, in their order, and of what PageRank does. Rounding
 * keeps order: the same sum of bounds is never below it, and where all are reached it is equal, so
 * that pages that tie with the worst result can be left out. Where bounds are summed up in another
 * order, this share of all bounds together is more than rounding can make of it. */
#define BOUND_SLACK 1e-13

#define SEARCH_WINDOW_MOST 16384 /* pages */

struct search_engine {
    const struct index_view *index;
    struct search_scratch *scratch;
    struct position_room room;
    struct search_hit *hits;
    uint32_t hit_capacity;
    double *scores;  /* [SEARCH_WINDOW_MOST] all zero between windows */
    uint64_t *found; /* [SEARCH_WINDOW_MOST / 64] likewise */
};

struct search_state {
    struct search_engine *engine;
    const struct index_view *index;
    const struct search_view *search;
    const struct search_options *options;
    struct patience *patience;
    struct cursor_maker maker;
    struct cursor *musts, *shoulds, *nots;
    uint32_t must_count, should_count, not_count;
    double *rest; /* see search_rest_bounds() */
    double pagerank_scale;
    const uint8_t *short_lengths; /* of bodies, where cursors have by_length; else NULL */
    const double *rest_by_length; /* what all shoulds but the first can add; NULL: not made */

    struct search_hit *heap; /* the worst on top */
    uint32_t heap_count;
    double floor; /* what a page has to exceed */
    uint64_t matched;
};

/* Among the results if it is better than the worst of them. */
void search_offer(struct search_state *run, uint32_t page, double score);

/* 1: excluded, 0: not, or -ENOMEM. */
int search_excluded(struct search_state *run, uint32_t page);

double search_pagerank_share(const struct search_state *run, uint32_t page);
static inline double search_pagerank_bound(const struct search_state *run)
{
    return run->pagerank_scale > 0 ? run->options->pagerank_weight : 0;
}

/* rest[i]: what cursors i and later, and `last`, can add. Never too little by rounding, but nothing
 * at all where nothing is left, and one cursor alone exactly, so that ties are seen as such. */
void search_rest_bounds(double *rest, const struct cursor *cursors, uint32_t count, double last);

/* What cursors `from` and later can add to `sum` on a page, in order; with short_lengths. */
static inline double search_add_bounds(const struct search_state *run, double sum,
                                       const struct cursor *cursors, uint32_t from, uint32_t count,
                                       uint32_t page)
{
    const uint32_t length = run->short_lengths[page];
    for (uint32_t i = from; i < count; i++)
        sum += cursors[i].by_length ? cursors[i].by_length[length] : cursors[i].bound;
    return sum;
}

/* All pages that match, by the required parts, which are in order of what they cost and are all at
 * a page; or, without such, by the optional ones, in order of their bounds. 0, -ETIME, -ENOMEM. */
int search_run_must(struct search_state *run);
int search_run_should(struct search_state *run);

#endif
