/* SPDX-License-Identifier: MIT
 *
 * Reading passages (shm/passages.h) from the index file. The file may have been cut, replaced or
 * damaged since the index was loaded; that is an error, not a crash.
 */
#ifndef FORKLORE_WORKER_PASSAGE_STORE_H
#define FORKLORE_WORKER_PASSAGE_STORE_H

#include "shm/index.h"

/* Passages kept decompressed for the next snippet: PASSAGE_MOST bytes each, in every worker. */
#define PASSAGES_CACHED 128
/* As many as one snippet can need. */
#define PASSAGES_AT_ONCE 3

struct passage_store;

/* Borrows the index, which has passages, and the file descriptor (-1: there is none). -ENOMEM. */
int passage_store_create(struct passage_store **store, const struct index_view *index, int fd);
void passage_store_destroy(struct passage_store **store);

struct passage_text {
    char bytes[PASSAGES_AT_ONCE * PASSAGE_MOST];
    size_t ends[PASSAGES_AT_ONCE]; /* of each passage in `bytes`: of what of it is the page's */
};

/* Passages [first, first + count) of the page, one after the other. -EIO, -EBADMSG, -ENOMEM. */
int passage_store_read(struct passage_store *store, uint32_t page, uint32_t first, uint32_t count,
                       struct passage_text *text);

#endif
