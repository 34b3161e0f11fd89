/* SPDX-License-Identifier: MIT
 *
 * What postings_build.c is made of: gathering words (postings_page.c, postings_gather.c), runs of
 * them (postings_run.c) and encoding lists (postings_encode.c).
 *
 * Gathered occurrences of a word are a byte string: per occurrence varint(2 * distance from the
 * position before, in the same page; the position itself for a page's first | 1 if first), and
 * after a first one varint(vertex - vertex before, of the same run).
 */
#ifndef FORKLORE_SHM_POSTINGS_BUILD_INT_H
#define FORKLORE_SHM_POSTINGS_BUILD_INT_H

#include "shm/postings_build.h"

#include <stdbool.h>
#include <string.h>

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

/* --- Words of single pages (postings_page.c) -------------------------------------------------- */

struct key_ends {
    uint64_t first, last;
};

struct page_word {
    struct key_ends ends;
    uint32_t hash;
    uint32_t key, key_length; /* in page_words.keys */
    uint32_t page;
    uint32_t end;    /* of its positions, which begin where the word before has its end */
    uint32_t number; /* of its gathering, presumably */
};

/* Words of a page that is being read, behind those of pages that have been. */
struct page_words {
    struct byte_buffer keys;
    struct page_word *words;
    uint32_t count, first; /* the first one of the page that is being read */
    size_t capacity;
    uint32_t *slots; /* word + 1, of that page; all 0 between pages */
    size_t slot_count;
    uint32_t *tokens; /* the word at each position, of that page; its `end` counts them */
    uint32_t token_count;
    size_t token_capacity;
    uint32_t *positions; /* by word */
    size_t position_count, position_capacity;
};

int page_words_init(struct page_words *page); /* of zeros; -ENOMEM */
void page_words_fini(struct page_words *page);
/* The next word, of 1 to WORD_KEY_BYTES. -ENOMEM. */
int page_words_add(struct page_words *page, const char *key, uint32_t length);
/* The end of the page, or of one of its fields. -ENOMEM. */
int page_words_end(struct page_words *page, uint32_t number);
void page_words_clear(struct page_words *page); /* between pages */

/* memcmp() as it is for words: short, and no call. */
static inline bool same_bytes(const char *a, const char *b, uint32_t length)
{
    uint64_t first[2], last[2];
    uint32_t start[2], end[2];
    if (length > 16)
        return memcmp(a, b, length) == 0;
    if (length >= 8) {
        memcpy(&first[0], a, 8);
        memcpy(&first[1], b, 8);
        memcpy(&last[0], a + length - 8, 8);
        memcpy(&last[1], b + length - 8, 8);
        return first[0] == first[1] && last[0] == last[1];
    }
    if (length >= 4) {
        memcpy(&start[0], a, 4);
        memcpy(&start[1], b, 4);
        memcpy(&end[0], a + length - 4, 4);
        memcpy(&end[1], b + length - 4, 4);
        return start[0] == start[1] && end[0] == end[1];
    }
    return a[0] == b[0] && a[length / 2] == b[length / 2] && a[length - 1] == b[length - 1];
}

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
bool gatherer_is_empty(const struct gatherer *gatherer);
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
