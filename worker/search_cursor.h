/* SPDX-License-Identifier: MIT
 *
 * What a search moves through postings with. A cursor stands on a page that may match (of a phrase:
 * one that has all of its words), or is at its end.
 */
#ifndef FORKLORE_WORKER_SEARCH_CURSOR_H
#define FORKLORE_WORKER_SEARCH_CURSOR_H

#include "worker/search.h"

enum cursor_kind {
    CURSOR_NONE,   /* no page */
    CURSOR_TERM,   /* a word in a field */
    CURSOR_PHRASE, /* parts: its words, rarest first */
    CURSOR_SET,    /* word*: pages as bits */
    CURSOR_EITHER, /* parts: the same in body and title */
};

/* A word's postings with the scores of the decoded block. */
struct term_state {
    struct postings postings;
    uint32_t scored_block; /* UINT32_MAX: none */
    double scores[POSTINGS_BLOCK];
};

struct cursor {
    enum cursor_kind kind;
    enum search_field field;
    const struct search_leaf *leaf;
    double idf, weight;
    double bound; /* of its score on any page */
    const struct field_norm *norm;
    const double *by_length; /* NULL, or [SHORT_LENGTHS]: a bound by the page's body length */
    uint64_t cost;           /* pages to go through, about */
    uint32_t page;           /* POSTINGS_END at the end */
    uint32_t tf;             /* of a confirmed phrase */

    struct term_state *term;
    uint32_t offset; /* of a phrase's word */
    struct cursor *parts;
    uint32_t part_count;
    uint64_t *set;
    struct patience *patience; /* of a phrase, which passes over many pages before one has it all */
};

/* Memory of one search, kept for the next one. */
struct search_scratch;
int scratch_create(struct search_scratch **scratch);
void scratch_destroy(struct search_scratch **scratch);
void scratch_reset(struct search_scratch *scratch);
void *scratch_alloc(struct search_scratch *scratch, size_t bytes); /* NULL: no memory */

/* Room for two lists of positions, shared by all phrases. */
struct position_room {
    uint32_t *lists[2];
    size_t capacity;
};

struct cursor_maker {
    const struct search_view *search;
    const struct search_options *options;
    struct search_scratch *scratch;
    struct position_room *room;
    struct patience *patience;
    const struct search_query *query;
};

/* A cursor on the leaf's first page. `field` is ignored by prefixes, which look at both unless
 * the leaf is for titles or the search for the body alone. -ENOMEM, -ETIME. */
int cursor_make(const struct cursor_maker *maker, const struct search_leaf *leaf,
                enum search_field field, struct cursor *cursor);
/* In body or title, as one. */
int cursor_make_either(const struct cursor_maker *maker, const struct search_leaf *leaf,
                       struct cursor *cursor);

/* The first page at or after `page`, which is not before the current one. A phrase is at its end,
 * too, once the deadline has passed: who gets to the end asks patience_expired(). */
uint32_t cursor_seek(struct cursor *cursor, uint32_t page);
/* Whether the current page matches; finds a phrase's tf. -ENOMEM. */
int cursor_confirm(const struct cursor_maker *maker, struct cursor *cursor);
/* Of the current, confirmed page. */
double cursor_score(const struct search_view *search, struct cursor *cursor);
/* A bound of it, without confirming. */
double cursor_score_bound(const struct search_view *search, struct cursor *cursor);
/* A bound on pages first to last, from the current one on. */
double cursor_bound_in(const struct cursor *cursor, uint32_t first, uint32_t last);

/* Where all bodies are short, how long one is says more of its scores than any block does:
 * makes the cursor's by_length, if it has one. -ENOMEM. */
#define SHORT_LENGTHS 256
int cursor_bound_lengths(const struct cursor_maker *maker, struct cursor *cursor);

/* Scores of the decoded block of a word. */
void cursor_score_block(const struct search_view *search, struct cursor *cursor);

#endif
