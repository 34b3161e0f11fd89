/* SPDX-License-Identifier: MIT
 *
 * The query language: words, "phrases", word*, each after an optional + or - and an optional
 * intitle:. Words are folded and stemmed as the index's are (shm/words.h, shm/stem.h); word* is not
 * stemmed, and finds the stems that begin so.
 */
#ifndef FORKLORE_WORKER_SEARCH_QUERY_H
#define FORKLORE_WORKER_SEARCH_QUERY_H

#include "shm/fault.h"
#include "shm/stem.h"
#include "shm/titles.h"

#define SEARCH_WORDS_MAX 1024

enum search_occur { OCCUR_SHOULD, OCCUR_MUST, OCCUR_NOT };
enum search_leaf_kind { LEAF_WORD, LEAF_PHRASE, LEAF_PREFIX };

struct search_word {
    uint32_t at, length; /* in the pool */
    size_t start, end;   /* in the query */
};

/* What one part of the query asks for: words [first, first + count). */
struct search_leaf {
    enum search_occur occur;
    enum search_leaf_kind kind;
    bool in_title; /* intitle: */
    uint32_t first, count;
    double boost; /* how often the same part was given */
};

struct search_query {
    struct search_leaf *leaves;
    uint32_t leaf_count;
    struct search_word *words;
    uint32_t word_count;
    char *pool;
    size_t pool_bytes, pool_capacity;
};

/* `stemmer` is the index's. -EINVAL with a sentence for a query that asks for nothing or too much,
 * -ENOMEM. */
int search_query_parse(struct search_query *query, const char *text, size_t length,
                       struct stemmer *stemmer, struct fault *why);
void search_query_fini(struct search_query *query);

static inline struct text_ref search_query_word(const struct search_query *query, uint32_t number)
{
    const struct search_word *word = &query->words[number];
    return (struct text_ref){query->pool + word->at, word->length};
}

#endif
