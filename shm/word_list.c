/* SPDX-License-Identifier: MIT
 *
 * An entry of a block: how many bytes it shares with the word before and how many follow, these
 * bytes, 2 * (pages - 1) + 1 if it occurs more often than in as many pages, and then how much more,
 * less one. Then, for a word of one page, that page and the position or the bytes of its positions;
 * else the bytes of its postings and of its positions. All numbers are varints.
 */
#include "shm/word_list.h"

#include "shm/packed.h"

#include <string.h>

uint64_t word_key(const char *key, size_t length)
{
    unsigned char head[8] = {0};
    uint64_t value;
    memcpy(head, key, length < sizeof head ? length : sizeof head);
    memcpy(&value, head, sizeof value);
    return __builtin_bswap64(value);
}

static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* Compares a block's first word, which shares nothing and so stands there in full. */
static int compare_first(const struct word_list *list, uint64_t block, const char *key,
                         size_t length)
{
    uint32_t shared, more;
    const unsigned char *at =
        word_lengths_get(list->bytes + list->blocks[block].bytes_at, &shared, &more);
    return compare((const char *)at, more, key, length);
}

static bool begins(const struct word_list *list, uint64_t block, const char *head, uint32_t bytes)
{
    uint32_t shared, more;
    const unsigned char *at =
        word_lengths_get(list->bytes + list->blocks[block].bytes_at, &shared, &more);
    return more >= bytes && memcmp(at, head, bytes) == 0;
}

/* The last block whose first word is not above the key; 0 if there is none. */
static uint64_t find_block(const struct word_list *list, const char *key, size_t length)
{
    const struct word_block *base = list->blocks;
    const uint64_t head = word_key(key, length);
    /* After the loop `base` is the last block whose first eight bytes are not above the key's. */
    for (uint64_t left = list->block_count; left > 1;) {
        const uint64_t half = left / 2;
        base = base[half].key <= head ? base + half : base;
        left -= half;
    }
    uint64_t high = (uint64_t)(base - list->blocks);
    if (base->key != head)
        return high;
    /* Of those that begin like the key, by their whole words. */
    uint64_t low = 0;
    while (low < high) {
        const uint64_t middle = low + (high - low + 1) / 2;
        if (compare_first(list, middle, key, length) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static const unsigned char *read_entry(const struct word_list *list, const unsigned char *at,
                                       struct word_entry *entry, uint64_t *postings_at,
                                       uint64_t *positions_at)
{
    const uint64_t code = varint_get(&at), pages = (code >> 1) + 1;
    const uint64_t more = code & 1 ? varint_get(&at) + 1 : 0;
    const uint64_t first = varint_get(&at), second = varint_get(&at);
    *entry = (struct word_entry){.pages = (uint32_t)pages, .occurrences = pages + more};
    if (pages == 1) {
        entry->page = (uint32_t)first;
    } else {
        entry->postings = list->postings + *postings_at;
        entry->postings_bytes = first;
        *postings_at += first;
    }
    if (entry->occurrences == 1) {
        entry->position = (uint32_t)second;
    } else {
        entry->positions = list->positions + *positions_at;
        entry->positions_bytes = second;
        *positions_at += second;
    }
    return at;
}

bool word_list_find(const struct word_list *list, const char *key, size_t length,
                    struct word_entry *entry)
{
    if (list->block_count == 0)
        return false;
    const uint64_t number = find_block(list, key, length);
    const struct word_block *block = &list->blocks[number];
    const unsigned char *at = list->bytes + block->bytes_at;
    uint64_t postings_at = block->postings_at, positions_at = block->positions_at;
    const uint64_t left = list->count - number * WORDS_PER_BLOCK;
    size_t match = 0; /* bytes that the word before has in common with the key */
    for (unsigned i = 0; i < WORDS_PER_BLOCK && i < left; i++) {
        uint32_t shared, more;
        const unsigned char *suffix = word_lengths_get(at, &shared, &more);
        at = suffix + more;
        /* The word before was below the key: so is one that shares more with it than the key. */
        if (shared < match)
            return false;
        if (shared == match) {
            uint32_t same = 0;
            while (same < more && match + same < length &&
                   suffix[same] == (unsigned char)key[match + same])
                same++;
            match += same;
            if (match == length && same == more) {
                read_entry(list, at, entry, &postings_at, &positions_at);
                return true;
            }
            if (match == length || (same < more && suffix[same] > (unsigned char)key[match]))
                return false;
        }
        at = read_entry(list, at, entry, &postings_at, &positions_at);
    }
    return false;
}

/* The entry that word_list_next() would give: its bytes that differ from the key before. */
static const unsigned char *peek(struct word_cursor *cursor, uint32_t *shared, uint32_t *more)
{
    if (cursor->next % WORDS_PER_BLOCK == 0) {
        const struct word_block *block = &cursor->list->blocks[cursor->next / WORDS_PER_BLOCK];
        cursor->at = cursor->list->bytes + block->bytes_at;
        cursor->postings_at = block->postings_at;
        cursor->positions_at = block->positions_at;
    }
    return word_lengths_get(cursor->at, shared, more);
}

static void take(struct word_cursor *cursor, const unsigned char *suffix, uint32_t shared,
                 uint32_t more)
{
    memcpy(cursor->key + shared, suffix, more);
    cursor->length = shared + more;
    cursor->at = read_entry(cursor->list, suffix + more, &cursor->entry, &cursor->postings_at,
                            &cursor->positions_at);
    cursor->next++;
}

/* Compares key[0..shared) and the suffix with another key. */
static int compare_parts(const char *key, uint32_t shared, const unsigned char *suffix,
                         uint32_t more, const char *other, size_t length)
{
    const size_t both = shared < length ? shared : length;
    const int order = memcmp(key, other, both);
    return order ? order : compare((const char *)suffix, more, other + both, length - both);
}

void word_list_seek(struct word_cursor *cursor, const struct word_list *list, const char *key,
                    size_t length)
{
    *cursor = (struct word_cursor){.list = list};
    if (list->block_count == 0)
        return;
    cursor->next = (uint32_t)(find_block(list, key, length) * WORDS_PER_BLOCK);
    while (cursor->next < list->count) {
        uint32_t shared, more;
        const unsigned char *suffix = peek(cursor, &shared, &more);
        if (compare_parts(cursor->key, shared, suffix, more, key, length) >= 0)
            return;
        take(cursor, suffix, shared, more);
    }
}

/* The last of the blocks from `block` on, which begins so, whose first word does, too. */
static uint64_t last_block_like(const struct word_list *list, uint64_t block, const char *head,
                                uint32_t bytes)
{
    uint64_t step = 1, end;
    while (block + step < list->block_count && begins(list, block + step, head, bytes)) {
        block += step;
        step *= 2;
    }
    end = block + step < list->block_count ? block + step : list->block_count;
    while (end - block > 1) {
        const uint64_t middle = block + (end - block) / 2;
        if (begins(list, middle, head, bytes))
            block = middle;
        else
            end = middle;
    }
    return block;
}

void word_list_pass(struct word_cursor *cursor, uint32_t bytes)
{
    const struct word_list *list = cursor->list;
    while (cursor->next < list->count) {
        uint32_t shared, more;
        const uint64_t block = cursor->next / WORDS_PER_BLOCK;
        const bool first = cursor->next % WORDS_PER_BLOCK == 0;
        if (first && begins(list, block, cursor->key, bytes))
            cursor->next =
                (uint32_t)(last_block_like(list, block, cursor->key, bytes) * WORDS_PER_BLOCK);
        else if (first)
            return;
        const unsigned char *suffix = peek(cursor, &shared, &more);
        if (!first && shared < bytes)
            return;
        take(cursor, suffix, shared, more);
    }
}

bool word_list_next(struct word_cursor *cursor)
{
    if (cursor->next >= cursor->list->count)
        return false;
    uint32_t shared, more;
    const unsigned char *suffix = peek(cursor, &shared, &more);
    take(cursor, suffix, shared, more);
    return true;
}
