/* SPDX-License-Identifier: MIT
 *
 * Article text: the zstd blocks of the index file's cold section, read on demand. The file may
 * have been cut, replaced or damaged since the index was loaded; that is an error, not a crash.
 */
#ifndef FORKLORE_WORKER_ARTICLE_H
#define FORKLORE_WORKER_ARTICLE_H

#include "shm/index.h"

/* Decompressed blocks kept for the next reader. Small, because every worker has its own: what the
 * system caches of the file serves all of them. */
#define ARTICLE_CACHE_BYTES (UINT64_C(1) << 19)

struct article_store;

/* Borrows the index and the file descriptor (-1: there is none). -ENOMEM. */
int article_store_create(struct article_store **store, const struct index_view *index, int index_fd,
                         struct fault *why);
void article_store_destroy(struct article_store **store);

/* Heap bytes, owned by the caller; free(bytes). */
struct article {
    char *bytes;
    size_t length;
};

/* The vertex's "<page>...</page>". -ENODATA if the vertex has no text, -EIO, -EBADMSG (damaged),
 * -ENOMEM. */
int article_element(struct article_store *store, uint32_t vertex, struct article *element,
                    struct fault *why);

/* The text of the last revision in an element, entities decoded; empty if that revision has none.
 * -EBADMSG if the element is not well-formed XML. */
int article_wikitext(const struct article *element, struct article *wikitext, struct fault *why);

/* What a person reads of it (shm/readable.h). */
int article_readable(const struct article *wikitext, struct article *readable, struct fault *why);

#endif
