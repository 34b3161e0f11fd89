/* SPDX-License-Identifier: MIT
 *
 * The index's words: sorted, in front-coded blocks of WORDS_PER_BLOCK, found by a binary search
 * over the blocks' first eight bytes. Each says where its postings are (postings.h).
 *
 * A word's key is the word itself for the body, WORD_NAME_FIELD and the word for the title field.
 */
#ifndef FORKLORE_SHM_WORD_LIST_H
#define FORKLORE_SHM_WORD_LIST_H

#include "shm/layout.h"
#include "shm/words.h"

#include <assert.h>
#include <stdbool.h>

#define WORDS_PER_BLOCK 16
#define WORD_NAME_FIELD '\x01'
#define WORD_KEY_BYTES  (WORD_MAX_BYTES + 1)

static_assert(WORD_KEY_BYTES <= UINT8_MAX, "an entry's lengths take a byte each");

/* Borrowed from the index. */
struct word_list {
    const struct word_block *blocks; /* [block_count] */
    uint64_t block_count;
    const unsigned char *bytes;
    uint32_t count; /* words */
    const unsigned char *postings;
    const unsigned char *positions;
};

struct word_entry {
    uint32_t pages;       /* that have the word: df */
    uint64_t occurrences; /* cf */
    /* A word that occurs once stands in the list as a whole. */
    uint32_t page, position;
    const unsigned char *postings; /* NULL: it occurs once */
    const unsigned char *positions;
    uint64_t postings_bytes, positions_bytes;
};

/* False if there is no such key. */
bool word_list_find(const struct word_list *list, const char *key, size_t length,
                    struct word_entry *entry);

/* Words in order. Zero-initialised by word_list_seek(). */
struct word_cursor {
    const struct word_list *list;
    uint32_t next; /* number of the word that word_list_next() gives */
    const unsigned char *at;
    uint64_t postings_at, positions_at;
    uint32_t length;
    char key[WORD_KEY_BYTES];
    struct word_entry entry;
};

/* Before the first word that is not smaller than the key. */
void word_list_seek(struct word_cursor *cursor, const struct word_list *list, const char *key,
                    size_t length);
/* Fills in key, length and entry; false at the end. */
bool word_list_next(struct word_cursor *cursor);

/* What blocks are searched by. */
uint64_t word_key(const char *key, size_t length);

#endif
