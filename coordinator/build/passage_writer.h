/* SPDX-License-Identifier: MIT
 *
 * Writes passages (shm/passages.h) to a nameless file while pages come. The first ones wait in
 * memory until there are enough to make the dictionary of.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_PASSAGE_WRITER_H
#define FORKLORE_COORDINATOR_BUILD_PASSAGE_WRITER_H

#include "shm/passages.h"
#include "shm/postings_build.h"

struct passage_pack; /* what is needed only while text still comes */

struct passage_writer {
    int fd; /* -1: closed */
    struct passage_page *pages;
    uint32_t page_count;
    size_t page_capacity;
    struct passage *passages; /* [count], and the end */
    uint64_t count;
    size_t passage_capacity;
    char *dictionary;
    size_t dictionary_bytes;
    uint64_t stored_bytes, xxh64; /* of the file */
    struct passage_pack *pack;
};

int passage_writer_init(struct passage_writer *writer, const char *folder, struct fault *why);

/* The next page's text, cut at places->at (passages_cut()), with the words before each. */
int passage_writer_add(struct passage_writer *writer, const char *text, uint32_t length,
                       const struct word_places *places, struct fault *why);

/* Ends the file; pages[page_count] and passages[count] are the end. */
int passage_writer_finish(struct passage_writer *writer, struct fault *why);

/* Safe on {.fd = -1}, after a failure, and twice. */
void passage_writer_fini(struct passage_writer *writer);

#endif
