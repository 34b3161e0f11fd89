/* SPDX-License-Identifier: MIT
 *
 * The words of single pages, each with its positions in the page. A page has few different words,
 * so its table stays in the cache; what it held is kept, page after page, for the large table.
 */
#include "shm/postings_build_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SLOTS_LEAST 1024

int page_words_init(struct page_words *page)
{
    page->slot_count = SLOTS_LEAST;
    page->slots = calloc(page->slot_count, sizeof *page->slots);
    return page->slots ? 0 : -ENOMEM;
}

void page_words_fini(struct page_words *page)
{
    free(page->keys.data);
    free(page->words);
    free(page->slots);
    free(page->tokens);
    free(page->positions);
}

void page_words_clear(struct page_words *page)
{
    page->count = page->first = 0;
    page->keys.bytes = 0;
    page->position_count = 0;
}

/* --- Keys ------------------------------------------------------------------------------------ */

/* All bytes of a key of up to 16, or the first and the last eight of a longer one. */
static struct key_ends ends_of(const char *key, uint32_t length)
{
    struct key_ends ends = {0, 0};
    if (length >= 8) {
        memcpy(&ends.first, key, 8);
        memcpy(&ends.last, key + length - 8, 8);
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, key, 4);
        memcpy(&last, key + length - 4, 4);
        ends = (struct key_ends){first, last};
    } else {
        ends.first = (uint64_t)(unsigned char)key[0] << 16 |
                     (uint64_t)(unsigned char)key[length / 2] << 8 | (unsigned char)key[length - 1];
    }
    return ends;
}

/* The two halves of a product, as in Wang Yi's wyhash. A factor is never 0: no UTF-8 has the bytes
 * that would make it so. */
static uint32_t hash_of(struct key_ends ends, const char *key, uint32_t length)
{
    if (length > 16)
        return (uint32_t)XXH3_64bits(key, length);
    const unsigned __int128 product =
        (unsigned __int128)(ends.first ^ UINT64_C(0xfd2b1f7a94c6e08b)) *
        (ends.last ^ length ^ UINT64_C(0xfe95c3d1705a8e6d));
    return (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

/* --- The page being read --------------------------------------------------------------------- */

static int reserve_tokens(struct page_words *page)
{
    const size_t grown = page->token_capacity ? 2 * page->token_capacity : 4096;
    uint32_t *tokens = reallocarray(page->tokens, grown, sizeof *tokens);
    if (!tokens)
        return -ENOMEM;
    page->tokens = tokens;
    page->token_capacity = grown;
    return 0;
}

static int grow_slots(struct page_words *page)
{
    const size_t grown = 2 * page->slot_count, mask = grown - 1;
    uint32_t *slots = calloc(grown, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = page->first; i < page->count; i++) {
        size_t at = page->words[i].hash & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = i + 1;
    }
    free(page->slots);
    page->slots = slots;
    page->slot_count = grown;
    return 0;
}

static int new_word(struct page_words *page, uint32_t hash, struct key_ends ends, const char *key,
                    uint32_t length)
{
    if (page->count == page->capacity) {
        const size_t grown = page->capacity ? 2 * page->capacity : 2048;
        struct page_word *words = reallocarray(page->words, grown, sizeof *words);
        if (!words)
            return -ENOMEM;
        page->words = words;
        page->capacity = grown;
    }
    if (page->keys.bytes > UINT32_MAX - WORD_KEY_BYTES || byte_buffer_reserve(&page->keys, length))
        return -ENOMEM;
    page->words[page->count++] = (struct page_word){
        .ends = ends, .hash = hash, .key = (uint32_t)page->keys.bytes, .key_length = length};
    memcpy(page->keys.data + page->keys.bytes, key, length);
    page->keys.bytes += length;
    return 0;
}

int page_words_add(struct page_words *page, const char *key, uint32_t length)
{
    const struct key_ends ends = ends_of(key, length);
    const uint32_t hash = hash_of(ends, key, length);
    const size_t mask = page->slot_count - 1;
    size_t at = hash & mask;
    uint32_t number;
    for (; (number = page->slots[at]); at = (at + 1) & mask) {
        const struct page_word *word = &page->words[number - 1];
        if (word->ends.first == ends.first && word->ends.last == ends.last &&
            word->key_length == length &&
            (length <= 16 || memcmp(page->keys.data + word->key, key, length) == 0))
            break;
    }
    if (page->token_count == page->token_capacity && reserve_tokens(page))
        return -ENOMEM;
    if (!number) {
        if (new_word(page, hash, ends, key, length))
            return -ENOMEM;
        number = page->count;
        page->slots[at] = number;
        if (2 * (size_t)(number - page->first) > page->slot_count && grow_slots(page))
            return -ENOMEM;
    }
    page->words[number - 1].end++;
    page->tokens[page->token_count++] = number - 1;
    return 0;
}

static void clear_slots(struct page_words *page)
{
    const uint32_t words = page->count - page->first;
    /* Slots are far more than words only after a page far longer than this one. */
    if (words > page->slot_count / 32)
        memset(page->slots, 0, page->slot_count * sizeof *page->slots);
    else
        for (uint32_t i = page->first; i < page->count; i++)
            for (size_t at = page->words[i].hash & (page->slot_count - 1); page->slots[at];
                 at = (at + 1) & (page->slot_count - 1))
                page->slots[at] = 0;
}

int page_words_end(struct page_words *page, uint32_t number)
{
    const size_t due = page->position_count + page->token_count;
    if (due > UINT32_MAX)
        return -ENOMEM;
    if (due > page->position_capacity) {
        size_t grown = page->position_capacity ? page->position_capacity : 8192;
        while (grown < due)
            grown *= 2;
        uint32_t *positions = reallocarray(page->positions, grown, sizeof *positions);
        if (!positions)
            return -ENOMEM;
        page->positions = positions;
        page->position_capacity = grown;
    }
    uint32_t end = (uint32_t)page->position_count;
    for (uint32_t i = page->first; i < page->count; i++) {
        const uint32_t here = page->words[i].end;
        page->words[i].page = number;
        page->words[i].end = end;
        end += here;
    }
    for (uint32_t i = 0; i < page->token_count; i++)
        page->positions[page->words[page->tokens[i]].end++] = i;
    clear_slots(page);
    page->first = page->count;
    page->position_count = due;
    page->token_count = 0;
    return 0;
}
