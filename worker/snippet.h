/* SPDX-License-Identifier: MIT
 *
 * The part of a text that shows best why it was found: where most different words of the query
 * stand together, from the beginning of a sentence to the end of one where there is room.
 */
#ifndef FORKLORE_WORKER_SNIPPET_H
#define FORKLORE_WORKER_SNIPPET_H

#include "worker/search_query.h"

#define SNIPPET_BYTES     300
#define SNIPPET_MARKS_MAX 32

struct snippet {
    size_t start, length; /* in the text */
    struct {
        uint32_t start, end; /* in the snippet: a word of the query */
    } marks[SNIPPET_MARKS_MAX];
    unsigned mark_count;
};

void snippet_find(const struct search_query *query, const char *text, size_t length,
                  struct snippet *snippet);

#endif
