/* SPDX-License-Identifier: MIT
 *
 * What postings_build.c is made of: gathering words (postings_gather.c), runs of them
 * (postings_run.c) and encoding lists (postings_encode.c).
 *
 * Gathered occurrences of a word are a byte string: per occurrence varint(2 * distance from the
 * position before, in the same page; the position itself for a page's first | 1 if first), and
 * after a first one varint(vertex - vertex before, of the same run).
 */
#ifndef FORKLORE_SHM_POSTINGS_BUILD_INT_H
#define FORKLORE_SHM_POSTINGS_BUILD_INT_H

#include "shm/postings_build.h"

/* Room for `more` further bytes; -ENOMEM. */
int byte_buffer_reserve(struct byte_buffer *buffer, size_t more);

/* One word of one run, or of all merged: borrowed. */
struct gathered_word {
    const char *key;
    uint32_t length;
    uint32_t pages;
    uint64_t occurrences;
    const unsigned char *data;
    size_t bytes;
};

/* --- Gathering (postings_gather.c) ----------------------------------------------------------- */

#define GATHERER_BYTES_MAX ((size_t)UINT32_MAX - 2048) /* what it can hold */

struct gatherer; /* words of pages and where they occur */

int gatherer_create(struct gatherer **gatherer); /* -ENOMEM */
void gatherer_destroy(struct gatherer **gatherer);
/* The words of one field of a page, pages in ascending order; `stemmer` and `places` may be NULL.
 * *count: how many. -ENOMEM. */
int gather_text(struct gatherer *gatherer, struct stemmer *stemmer, uint32_t page,
                enum search_field field, const char *text, size_t length,
                const struct word_places *places, uint32_t *count);
size_t gatherer_bytes(const struct gatherer *gatherer);
uint32_t gatherer_count(const struct gatherer *gatherer); /* of different words */
/* Calls take() with each word, in ascending order of keys; what is not 0 ends it. */
typedef int gathered_fn(void *owner, const struct gathered_word *word, struct fault *why);
int gathered_each(struct gatherer *gatherer, gathered_fn *take, void *owner, struct fault *why);
void gatherer_clear(struct gatherer *gatherer); /* keeps memory for the next run */

/* --- Runs (postings_run.c) ------------------------------------------------------------------- */

struct run_writer; /* buffered, to one temporary file */

struct run_file {
    int fd;
    uint64_t bytes;
};

int run_create(struct run_file *run, const char *folder, struct fault *why);
int run_put(struct run_file *run, struct byte_buffer *buffer, const struct gathered_word *word,
            struct fault *why);
int run_flush(struct run_file *run, struct byte_buffer *buffer, struct fault *why);

struct run_reader {
    const struct run_file *file;
    struct byte_buffer buffer; /* what is read of the file and not yet given */
    size_t at;
    uint64_t read_at;
    bool done;
    struct gathered_word word;
};

/* The next word, or reader->done. */
int run_next(struct run_reader *reader, struct fault *why);

/* --- Encoding (postings_encode.c) ------------------------------------------------------------ */

struct encoder {
    struct postings_built *built;
    const uint32_t *lengths[2]; /* by field */
    struct field_norm norms[2];
    size_t block_capacity;
    uint32_t key_length;
    char key[WORD_KEY_BYTES]; /* of the word before */

    /* The block being filled. */
    uint32_t docs[POSTINGS_BLOCK], tfs[POSTINGS_BLOCK];
    unsigned count;
    uint32_t *positions; /* differences */
    size_t position_count, position_capacity;
};

/* Appends a word, in ascending order of keys; `parts` are its occurrences run by run. */
int encode_word(struct encoder *encoder, const struct gathered_word *parts, size_t part_count,
                struct fault *why);
void encoder_fini(struct encoder *encoder);

#endif
