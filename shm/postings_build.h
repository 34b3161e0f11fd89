/* SPDX-License-Identifier: MIT
 *
 * Builds the sections of full-text search. Pages come in vertex order; their words are gathered in
 * memory up to a budget, then written to a nameless temporary file as a sorted run; at the end the
 * runs are merged. What grows with the wiki beyond that is the finished sections.
 */
#ifndef FORKLORE_SHM_POSTINGS_BUILD_H
#define FORKLORE_SHM_POSTINGS_BUILD_H

#include "shm/fault.h"
#include "shm/postings.h"
#include "shm/stem.h"

#define POSTINGS_BUDGET_BYTES ((size_t)256 << 20)

struct postings_build;

/* `folder` is where temporary files go. budget_bytes 0: POSTINGS_BUDGET_BYTES. */
int postings_build_create(struct postings_build **build, const char *folder, size_t budget_bytes,
                          struct fault *why);
/* Stems words from here on (shm/stem.h), and records it: before the first page. */
int postings_build_stem(struct postings_build *build, const char *language, struct fault *why);
void postings_build_destroy(struct postings_build **build);

/* Places in a body, ascending, of which each is told how many words begin before it. */
struct word_places {
    const uint32_t *at;
    uint32_t *words;
    uint32_t count;
};

/* The next vertex: its title and its readable text; `places` may be NULL. */
int postings_build_add(struct postings_build *build, const char *name, size_t name_length,
                       const char *body, size_t body_length, const struct word_places *places,
                       struct fault *why);

struct byte_buffer {
    unsigned char *data;
    size_t bytes, capacity;
};

/* Heap arrays in the form of the sections. Zero-initialise. */
struct postings_built {
    struct search_info info;
    uint32_t page_count;
    struct field_lengths lengths[2]; /* by field; their data is on the heap */
    struct word_block *blocks;
    uint64_t block_count;
    struct byte_buffer word_bytes, postings, positions;
};

/* Merges and encodes; `build` can only be destroyed afterwards. */
int postings_build_finish(struct postings_build *build, struct postings_built *built,
                          struct fault *why);
void postings_built_fini(struct postings_built *built);

/* The view that a reader of the finished sections would have. */
struct search_view postings_built_view(const struct postings_built *built);

#endif
