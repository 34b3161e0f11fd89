/* SPDX-License-Identifier: MIT
 *
 * Gathering words: a hash table of keys, and per key its occurrences in chained chunks of one
 * arena, which is also what the budget counts.
 *
 * A large wiki's table is far larger than any cache, so a page's words are first brought together
 * in a small one, and then looked up side by side: each word waits for memory once a page, and
 * while it does the next ones are under way.
 */
#include "shm/postings_build_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Chunks grow with their word: 16 bytes for the many that occur once or twice. A chunk's last four
 * bytes are the next one's offset. */
#define CHUNK_LEAST 16
#define CHUNK_MOST  2048
#define LINK_BYTES  sizeof(uint32_t)

static_assert(GATHERER_BYTES_MAX + CHUNK_MOST == UINT32_MAX, "offsets of 4 bytes");

#define KEY_HERE 32

/* As large as a cache line. */
struct gathering {
    uint32_t head, at, stop; /* arena: first chunk, where to write, end of the chunk's data */
    uint32_t chunk_bytes;
    uint32_t page; /* the last one */
    uint32_t pages;
    uint32_t occurrences;
    uint32_t key_length;
    union {
        char here[KEY_HERE];
        uint32_t at; /* of a longer one, in the keys */
    } key;
};
static_assert(sizeof(struct gathering) == 64, "a cache line");

struct slot {
    uint32_t hash;
    uint32_t number; /* gathering + 1; 0: free */
};

/* A word of the page being added. */
struct page_word {
    uint32_t hash;
    uint32_t key, key_length; /* in page.keys */
    uint32_t count;           /* then where its positions end */
    uint32_t number;          /* of its gathering, presumably */
};

/* Words of one field of one page. */
struct page_words {
    struct byte_buffer keys;
    struct page_word *words;
    uint32_t count;
    size_t capacity;
    uint32_t *slots; /* word + 1; all 0 between pages */
    size_t slot_count;
    uint32_t *tokens;    /* the word at each position */
    uint32_t *positions; /* by word */
    size_t token_capacity;
    struct byte_buffer codes; /* of one word */
};

struct gatherer {
    struct byte_buffer keys, arena;
    struct gathering *gatherings;
    uint32_t count;
    size_t capacity;
    struct slot *slots;
    size_t slot_count;
    uint32_t page_number;
    struct page_words page;
    struct words words; /* scratch: large */
};

int gatherer_create(struct gatherer **out)
{
    struct gatherer *t = *out = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->slot_count = (size_t)1 << 16;
    t->slots = calloc(t->slot_count, sizeof *t->slots);
    t->page.slot_count = 1024;
    t->page.slots = calloc(t->page.slot_count, sizeof *t->page.slots);
    if (t->slots && t->page.slots)
        return 0;
    gatherer_destroy(out);
    return -ENOMEM;
}

void gatherer_destroy(struct gatherer **gatherer)
{
    struct gatherer *t = *gatherer;
    if (!t)
        return;
    free(t->keys.data);
    free(t->arena.data);
    free(t->gatherings);
    free(t->slots);
    free(t->page.keys.data);
    free(t->page.words);
    free(t->page.slots);
    free(t->page.tokens);
    free(t->page.positions);
    free(t->page.codes.data);
    free(t);
    *gatherer = NULL;
}

size_t gatherer_bytes(const struct gatherer *t)
{
    return t->arena.bytes + t->keys.bytes + t->count * sizeof *t->gatherings;
}

uint32_t gatherer_count(const struct gatherer *t)
{
    return t->count;
}

void gatherer_clear(struct gatherer *t)
{
    t->count = 0;
    t->keys.bytes = t->arena.bytes = 0;
    memset(t->slots, 0, t->slot_count * sizeof *t->slots);
}

/* --- The table ------------------------------------------------------------------------------- */

static int grow_slots(struct gatherer *t)
{
    const size_t grown = 2 * t->slot_count, mask = grown - 1;
    struct slot *slots = calloc(grown, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->slot_count; i++) {
        size_t at = t->slots[i].hash & mask;
        if (!t->slots[i].number)
            continue;
        while (slots[at].number)
            at = (at + 1) & mask;
        slots[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->slot_count = grown;
    return 0;
}

static int new_chunk(struct gatherer *t, struct gathering *g)
{
    struct byte_buffer *arena = &t->arena;
    const uint32_t bytes = g->chunk_bytes < CHUNK_MOST ? 2 * g->chunk_bytes : CHUNK_MOST;
    if (byte_buffer_reserve(arena, bytes) || arena->bytes > GATHERER_BYTES_MAX)
        return -ENOMEM;
    const uint32_t offset = (uint32_t)arena->bytes;
    arena->bytes += bytes;
    if (g->head == UINT32_MAX)
        g->head = offset;
    else
        memcpy(arena->data + g->stop, &offset, sizeof offset);
    g->chunk_bytes = bytes;
    g->at = offset;
    g->stop = offset + bytes - (uint32_t)LINK_BYTES;
    return 0;
}

static const char *key_of(const struct gatherer *t, const struct gathering *g)
{
    return g->key_length <= KEY_HERE ? g->key.here : (const char *)t->keys.data + g->key.at;
}

static int put_codes(struct gatherer *t, struct gathering *g, const unsigned char *codes,
                     size_t left)
{
    while (left > 0) {
        if (g->at == g->stop) {
            const int rc = new_chunk(t, g);
            if (rc)
                return rc;
        }
        const size_t room = g->stop - g->at, used = left < room ? left : room;
        memcpy(t->arena.data + g->at, codes, used);
        g->at += (uint32_t)used;
        codes += used;
        left -= used;
    }
    return 0;
}

static int add_gathering(struct gatherer *t, struct slot *slot, uint32_t hash, const char *key,
                         uint32_t length)
{
    if (t->count == t->capacity) {
        const size_t grown = t->capacity ? 2 * t->capacity : 4096;
        struct gathering *gatherings = reallocarray(t->gatherings, grown, sizeof *gatherings);
        if (!gatherings)
            return -ENOMEM;
        t->gatherings = gatherings;
        t->capacity = grown;
    }
    struct gathering *g = &t->gatherings[t->count];
    *g = (struct gathering){
        .key_length = length, .head = UINT32_MAX, .chunk_bytes = CHUNK_LEAST / 2};
    if (length <= KEY_HERE) {
        memcpy(g->key.here, key, length);
    } else {
        if (byte_buffer_reserve(&t->keys, length) || t->keys.bytes > UINT32_MAX - WORD_KEY_BYTES)
            return -ENOMEM;
        g->key.at = (uint32_t)t->keys.bytes;
        memcpy(t->keys.data + t->keys.bytes, key, length);
        t->keys.bytes += length;
    }
    t->count++;
    *slot = (struct slot){hash, t->count};
    return new_chunk(t, g);
}

/* The word's gathering, made if there is none. -ENOMEM. */
static int find_gathering(struct gatherer *t, const struct page_word *word,
                          struct gathering **found)
{
    const char *key = (const char *)t->page.keys.data + word->key;
    const uint32_t hash = word->hash;
    const size_t mask = t->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        const struct slot slot = t->slots[at];
        if (!slot.number) {
            int rc = 2 * (size_t)t->count < t->slot_count ? 0 : grow_slots(t);
            if (!rc && mask != t->slot_count - 1)
                return find_gathering(t, word, found);
            if (!rc)
                rc = add_gathering(t, &t->slots[at], hash, key, word->key_length);
            *found = &t->gatherings[t->count - 1];
            return rc;
        }
        if (slot.hash != hash)
            continue;
        struct gathering *g = &t->gatherings[slot.number - 1];
        if (g->key_length == word->key_length && memcmp(key_of(t, g), key, g->key_length) == 0) {
            *found = g;
            return 0;
        }
    }
}

/* Positions of one word in this page, in the form of postings_build_int.h. */
static int put_positions(struct gatherer *t, struct gathering *g, const uint32_t *positions,
                         uint32_t count)
{
    struct byte_buffer *codes = &t->page.codes;
    if (byte_buffer_reserve(codes, ((size_t)count + 1) * 5))
        return -ENOMEM;
    unsigned char *out = codes->data;
    out += varint_put(out, (uint64_t)positions[0] << 1 | 1);
    out += varint_put(out, t->page_number - g->page);
    for (uint32_t i = 1; i < count; i++)
        out += varint_put(out, (uint64_t)(positions[i] - positions[i - 1]) << 1);
    g->page = t->page_number;
    g->pages++;
    g->occurrences += count;
    return put_codes(t, g, codes->data, (size_t)(out - codes->data));
}

#define AHEAD 8 /* words whose memory is asked for before it is needed */

static void prefetch_gathering(struct gatherer *t, struct page_word *word)
{
    const struct slot slot = t->slots[word->hash & (t->slot_count - 1)];
    word->number = slot.number;
    if (slot.number)
        __builtin_prefetch(&t->gatherings[slot.number - 1], 1);
}

static void prefetch_chunk(const struct gatherer *t, const struct page_word *word)
{
    if (word->number)
        __builtin_prefetch(t->arena.data + t->gatherings[word->number - 1].at, 1);
}

/* Adds what `page` has gathered to the table. */
static int add_page_words(struct gatherer *t, uint32_t token_count)
{
    struct page_words *page = &t->page;
    const uint32_t count = page->count;
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t here = page->words[i].count;
        page->words[i].count = end;
        end += here;
        if (i < 3 * AHEAD)
            __builtin_prefetch(&t->slots[page->words[i].hash & (t->slot_count - 1)]);
    }
    for (uint32_t i = 0; i < token_count; i++)
        page->positions[page->words[page->tokens[i]].count++] = i;
    for (uint32_t i = 0; i < count && i < 2 * AHEAD; i++)
        prefetch_gathering(t, &page->words[i]);
    for (uint32_t i = 0; i < count && i < AHEAD; i++)
        prefetch_chunk(t, &page->words[i]);
    uint32_t start = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gathering *g;
        if (i + 3 * AHEAD < count)
            __builtin_prefetch(&t->slots[page->words[i + 3 * AHEAD].hash & (t->slot_count - 1)]);
        if (i + 2 * AHEAD < count)
            prefetch_gathering(t, &page->words[i + 2 * AHEAD]);
        if (i + AHEAD < count)
            prefetch_chunk(t, &page->words[i + AHEAD]);
        int rc = find_gathering(t, &page->words[i], &g);
        if (!rc)
            rc = put_positions(t, g, page->positions + start, page->words[i].count - start);
        if (rc)
            return rc;
        start = page->words[i].count;
    }
    return 0;
}

/* --- Words of a page ------------------------------------------------------------------------- */

static int reserve_tokens(struct page_words *page, uint32_t count)
{
    if (count < page->token_capacity)
        return 0;
    const size_t grown = page->token_capacity ? 2 * page->token_capacity : 4096;
    uint32_t *tokens = reallocarray(page->tokens, grown, sizeof *tokens);
    if (tokens)
        page->tokens = tokens;
    uint32_t *positions = reallocarray(page->positions, grown, sizeof *positions);
    if (positions)
        page->positions = positions;
    if (!tokens || !positions)
        return -ENOMEM;
    page->token_capacity = grown;
    return 0;
}

static int grow_page_slots(struct page_words *page)
{
    const size_t grown = 2 * page->slot_count, mask = grown - 1;
    uint32_t *slots = calloc(grown, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < page->count; i++) {
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

static int new_page_word(struct page_words *page, uint32_t hash, const char *key, uint32_t length)
{
    if (page->count == page->capacity) {
        const size_t grown = page->capacity ? 2 * page->capacity : 1024;
        struct page_word *words = reallocarray(page->words, grown, sizeof *words);
        if (!words)
            return -ENOMEM;
        page->words = words;
        page->capacity = grown;
    }
    if (byte_buffer_reserve(&page->keys, length))
        return -ENOMEM;
    page->words[page->count++] =
        (struct page_word){.hash = hash, .key = (uint32_t)page->keys.bytes, .key_length = length};
    memcpy(page->keys.data + page->keys.bytes, key, length);
    page->keys.bytes += length;
    return 0;
}

static int add_token(struct page_words *page, const char *key, uint32_t length, uint32_t position)
{
    const uint32_t hash = (uint32_t)XXH3_64bits(key, length);
    const size_t mask = page->slot_count - 1;
    size_t at = hash & mask;
    uint32_t number;
    for (; (number = page->slots[at]); at = (at + 1) & mask) {
        const struct page_word *word = &page->words[number - 1];
        if (word->hash == hash && word->key_length == length &&
            memcmp(page->keys.data + word->key, key, length) == 0)
            break;
    }
    int rc = reserve_tokens(page, position);
    if (!rc && !number) {
        rc = new_page_word(page, hash, key, length);
        number = page->count;
        page->slots[at] = number;
        if (!rc && 2 * (size_t)number > page->slot_count)
            rc = grow_page_slots(page);
    }
    if (rc)
        return rc;
    page->words[number - 1].count++;
    page->tokens[position] = number - 1;
    return 0;
}

static void clear_page(struct page_words *page)
{
    /* Slots are far more than words only after a page far longer than this one. */
    if (page->count > page->slot_count / 32)
        memset(page->slots, 0, page->slot_count * sizeof *page->slots);
    else
        for (uint32_t i = 0; i < page->count; i++)
            for (size_t at = page->words[i].hash & (page->slot_count - 1); page->slots[at];
                 at = (at + 1) & (page->slot_count - 1))
                page->slots[at] = 0;
    page->count = 0;
    page->keys.bytes = 0;
}

int gather_text(struct gatherer *t, struct stemmer *stemmer, uint32_t page, enum search_field field,
                const char *text, size_t length, const struct word_places *places, uint32_t *count)
{
    static const struct word_places nowhere;
    uint32_t place = 0;
    char key[WORD_KEY_BYTES] = {WORD_NAME_FIELD};
    struct word word;
    int rc = 0;
    *count = 0;
    t->page_number = page;
    if (!places)
        places = &nowhere;
    words_init(&t->words, text, length);
    while (!rc && words_next(&t->words, &word)) {
        for (; place < places->count && word.start >= places->at[place]; place++)
            places->words[place] = *count;
        rc = stem_word(stemmer, &word);
        if (rc)
            break;
        if (field == FIELD_NAME) {
            memcpy(key + 1, word.bytes, word.length);
            rc = add_token(&t->page, key, word.length + 1, (*count)++);
        } else {
            rc = add_token(&t->page, word.bytes, word.length, (*count)++);
        }
    }
    for (; place < places->count; place++)
        places->words[place] = *count;
    if (!rc)
        rc = add_page_words(t, *count);
    clear_page(&t->page);
    return rc;
}

/* --- In order -------------------------------------------------------------------------------- */

struct sort_key {
    uint64_t head; /* the key's first bytes, as word_key() has them */
    uint32_t number;
};

/* qsort_r has no portable form; sorting happens in one thread. */
static int compare_keys(const void *a, const void *b, void *owner)
{
    const struct gatherer *gatherer = owner;
    const struct sort_key *i = a, *j = b;
    if (i->head != j->head)
        return i->head < j->head ? -1 : 1;
    const struct gathering *x = &gatherer->gatherings[i->number],
                           *y = &gatherer->gatherings[j->number];
    const uint32_t least = x->key_length < y->key_length ? x->key_length : y->key_length;
    const int order = memcmp(key_of(gatherer, x), key_of(gatherer, y), least);
    return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static struct sort_key *sorted(struct gatherer *t)
{
    struct sort_key *order = malloc((t->count + (size_t)1) * sizeof *order);
    for (uint32_t i = 0; order && i < t->count; i++)
        order[i] = (struct sort_key){
            word_key(key_of(t, &t->gatherings[i]), t->gatherings[i].key_length), i};
    if (order)
        qsort_r(order, t->count, sizeof *order, compare_keys, t);
    return order;
}

/* The word with its chunks put together in `data`. */
static int collect(const struct gatherer *t, const struct gathering *g, struct byte_buffer *data,
                   struct gathered_word *word)
{
    uint32_t at = g->head, bytes = CHUNK_LEAST;
    data->bytes = 0;
    for (;;) {
        const uint32_t stop = at + bytes - (uint32_t)LINK_BYTES;
        const bool last = stop == g->stop;
        const uint32_t used = (last ? g->at : stop) - at;
        if (byte_buffer_reserve(data, used))
            return -ENOMEM;
        memcpy(data->data + data->bytes, t->arena.data + at, used);
        data->bytes += used;
        if (last)
            break;
        memcpy(&at, t->arena.data + stop, sizeof at);
        bytes = bytes < CHUNK_MOST ? 2 * bytes : CHUNK_MOST;
    }
    *word = (struct gathered_word){key_of(t, g),   g->key_length, g->pages,
                                   g->occurrences, data->data,    data->bytes};
    return 0;
}

int gathered_each(struct gatherer *t, gathered_fn *take, void *owner, struct fault *why)
{
    struct sort_key *order = sorted(t);
    struct byte_buffer data = {0};
    int rc = order ? 0 : fault_set(why, ENOMEM, "out of memory for sorting words");
    for (uint32_t i = 0; !rc && i < t->count; i++) {
        struct gathered_word word;
        if (collect(t, &t->gatherings[order[i].number], &data, &word))
            rc = fault_set(why, ENOMEM, "out of memory for the occurrences of a word");
        else
            rc = take(owner, &word, why);
    }
    free(order);
    free(data.data);
    return rc;
}
