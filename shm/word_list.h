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

#define WORDS_PER_BLOCK 64
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
    /* What one page alone has stands in the list: the page, and the position of one occurrence. */
    uint32_t page, position;
    const unsigned char *postings;  /* NULL: one page */
    const unsigned char *positions; /* NULL: one occurrence */
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
/* Past all further words that begin with the first `bytes` of the last one's key. */
void word_list_pass(struct word_cursor *cursor, uint32_t bytes);

/* Bytes that an entry's key shares with the one before, and further ones. Both below 16 take one
 * byte, else there is a zero in front. At least `more` is not 0. */
#define WORD_LENGTHS_MAX 3
static inline const unsigned char *word_lengths_get(const unsigned char *at, uint32_t *shared,
                                                    uint32_t *more)
{
    const bool brief = *at & 15;
    *shared = brief ? *at >> 4 : at[1];
    *more = brief ? *at & 15 : at[2] + UINT32_C(1);
    return at + (brief ? 1 : 3);
}

static inline unsigned char *word_lengths_put(unsigned char *at, uint32_t shared, uint32_t more)
{
    if (shared < 16 && more < 16) {
        *at++ = (unsigned char)(shared << 4 | more);
    } else {
        *at++ = 0;
        *at++ = (unsigned char)shared;
        *at++ = (unsigned char)(more - 1);
    }
    return at;
}

/* What blocks are searched by. */
uint64_t word_key(const char *key, size_t length);

#endif
