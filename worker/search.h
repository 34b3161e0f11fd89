/* SPDX-License-Identifier: MIT
 *
 * Full-text search: the best pages for a query, exactly those that scoring every page would give
 * and in the same order, without scoring every page.
 *
 * A page's score is the sum over the query's words and phrases that it has of weight * impact:
 * BM25 (shm/postings.h), where weight is the idf, of a phrase the sum of its words', times how
 * often the query has it. SEARCH_DEFAULT also looks at titles: a word in the title adds
 * title_weight times its BM25 among titles, and every page pagerank_weight * (1 - ln(1 + r) /
 * ln(1 + n)), where r from 0 on is its position by PageRank among n pages. word* adds 1. All
 * arithmetic is in double, always in the same order, so that equal pages have equal scores; ties
 * go by page id.
 */
#ifndef FORKLORE_WORKER_SEARCH_H
#define FORKLORE_WORKER_SEARCH_H

#include "shm/index.h"
#include "worker/patience.h"
#include "worker/search_query.h"

#define SEARCH_TITLE_WEIGHT    2.0
#define SEARCH_PAGERANK_WEIGHT 2.0

struct search_options {
    uint32_t count;  /* how many pages, from the best */
    bool bm25;       /* the body's BM25 alone */
    bool exhaustive; /* score every page: the same pages, and the exact number of hits */
    double title_weight, pagerank_weight;
};

struct search_hit {
    double score;
    uint32_t page;
};

struct search_result {
    struct search_hit *hits; /* best first; owned by the engine until the next search */
    uint32_t count;
    uint64_t matched; /* pages that match; a lower bound unless matched_all */
    bool matched_all;
};

struct search_engine;

int search_engine_create(struct search_engine **engine, const struct index_view *index);
void search_engine_destroy(struct search_engine **engine);

/* 0, -ETIME, -ENOMEM. */
int search_run(struct search_engine *engine, const struct search_query *query,
               const struct search_options *options, struct patience *patience,
               struct search_result *result);

/* One part's share of a page's score. */
struct search_share {
    const struct search_leaf *leaf;
    enum search_field field;
    uint64_t pages; /* that have it: df; of a phrase, of its rarest word */
    uint32_t tf, length;
    double idf, weight, score;
};

/* What search_run() adds up for this page: calls `share` for every part and field, whether the
 * page has it or not; *pagerank is the last summand. */
int search_explain(struct search_engine *engine, const struct search_query *query,
                   const struct search_options *options, uint32_t page,
                   void (*share)(void *owner, const struct search_share *share), void *owner,
                   double *pagerank, struct patience *patience);

/* Whether any page has the word, in body or title. */
bool search_knows(const struct index_view *index, struct text_ref word);

#endif
