/* SPDX-License-Identifier: MIT
 *
 * The part of a page that shows best why it was found: where most different words of the query
 * stand together, from the beginning of a sentence to the end of one where there is room. The
 * words' positions say where that is, so that only the passages around it are read.
 */
#ifndef FORKLORE_WORKER_SNIPPET_H
#define FORKLORE_WORKER_SNIPPET_H

#include "worker/passage_store.h"
#include "worker/search_query.h"

#define SNIPPET_BYTES     300
#define SNIPPET_MARKS_MAX 32

struct snippet {
    size_t start, length; /* in the text */
    struct {
        uint32_t start, end; /* in the snippet: words of the query, in order, without overlap */
    } marks[SNIPPET_MARKS_MAX];
    unsigned mark_count;
};

/* Of a text, of which [from, to) is looked at for words and the rest for where sentences begin; of
 * equally good places the one nearest to `expected` is taken. */
void snippet_find(const struct search_query *query, struct stemmer *stemmer, const char *text,
                  size_t length, size_t from, size_t to, size_t expected, struct snippet *snippet);

struct snippet_maker; /* for all pages that one query finds */

int snippet_maker_create(struct snippet_maker **maker, const struct index_view *index,
                         struct passage_store *store, struct stemmer *stemmer,
                         const struct search_query *query);
void snippet_maker_destroy(struct snippet_maker **maker);

/* *text is where the snippet is, until the next one. -EIO, -EBADMSG, -ENOMEM. */
int snippet_make(struct snippet_maker *maker, uint32_t page, const char **text,
                 struct snippet *snippet);

#endif
