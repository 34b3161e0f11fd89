/* SPDX-License-Identifier: MIT
 *
 * Gathering words: a hash table of keys, and per key its occurrences in chained chunks of one
 * arena, which is also what the budget counts.
 *
 * A large wiki's table is far larger than any cache, so words are first brought together page by
 * page in a small one (postings_page.c), and then, those of a long page or of many short ones,
 * looked up side by side: each word waits for memory once a page, and while it does the next ones
 * are under way.
 */
#include "shm/postings_build_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Chunks grow with their word: 16 bytes for the many that occur once or twice. A chunk's last four
 * bytes are the next one's offset. */
#define CHUNK_LEAST 16
#define CHUNK_MOST  2048
#define LINK_BYTES  sizeof(uint32_t)

static_assert(GATHERER_BYTES_MAX + CHUNK_MOST == UINT32_MAX, "offsets of 4 bytes");

#define KEY_HERE 32

#define HUGE_BYTES ((size_t)4 << 20) /* allocations from here on ask for huge pages */

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

struct gatherer {
    struct byte_buffer keys, arena;
    struct gathering *gatherings;
    uint32_t count;
    size_t capacity;
    struct slot *slots;
    size_t slot_count;
    struct page_words page;
    struct byte_buffer codes; /* scratch, of one word */
    struct words words;       /* scratch: large */
};

/* Memory that is read and written all over: fewer page faults, and fewer misses of the TLB. */
static void in_huge_pages(void *memory, size_t bytes)
{
    const uintptr_t page = 4096, start = ((uintptr_t)memory + page - 1) & ~(page - 1),
                    end = ((uintptr_t)memory + bytes) & ~(page - 1);
    if (bytes >= HUGE_BYTES)
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
}

int gatherer_create(struct gatherer **out)
{
    struct gatherer *t = *out = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->slot_count = (size_t)1 << 16;
    t->slots = calloc(t->slot_count, sizeof *t->slots);
    if (t->slots && page_words_init(&t->page) == 0)
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
    page_words_fini(&t->page);
    free(t->codes.data);
    free(t);
    *gatherer = NULL;
}

size_t gatherer_bytes(const struct gatherer *t)
{
    return t->arena.bytes + t->keys.bytes + t->count * sizeof *t->gatherings + t->page.keys.bytes +
           t->page.count * sizeof *t->page.words;
}

bool gatherer_is_empty(const struct gatherer *t)
{
    return t->count == 0 && t->page.count == 0;
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
    in_huge_pages(slots, grown * sizeof *slots);
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
    if (bytes > arena->capacity - arena->bytes) {
        if (byte_buffer_reserve(arena, bytes))
            return -ENOMEM;
        in_huge_pages(arena->data, arena->capacity);
    }
    if (arena->bytes > GATHERER_BYTES_MAX)
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
        in_huge_pages(gatherings, grown * sizeof *gatherings);
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
        if (g->key_length == word->key_length && same_bytes(key_of(t, g), key, g->key_length)) {
            *found = g;
            return 0;
        }
    }
}

/* Positions of a word in its page, in the form of postings_build_int.h. */
static int put_positions(struct gatherer *t, struct gathering *g, uint32_t page,
                         const uint32_t *positions, uint32_t count)
{
    const uint64_t head[2] = {(uint64_t)positions[0] << 1 | 1, page - g->page};
    g->page = page;
    g->pages++;
    g->occurrences += count;
    if (count == 1 && head[0] < VARINT_BYTES_END && head[1] < VARINT_BYTES_END) {
        /* Most words. They go from a register to where they stay. */
        unsigned first, second;
        const uint64_t low = varint_bytes((uint32_t)head[0], &first),
                       codes = low | (uint64_t)varint_bytes((uint32_t)head[1], &second)
                                         << 8 * first;
        if (g->stop - g->at < sizeof codes)
            return put_codes(t, g, (const unsigned char *)&codes, first + second);
        memcpy(t->arena.data + g->at, &codes, sizeof codes);
        g->at += first + second;
        return 0;
    }
    struct byte_buffer *codes = &t->codes;
    if (byte_buffer_reserve(codes, ((size_t)count + 2) * 5))
        return -ENOMEM;
    unsigned char *out = codes->data;
    out += varint_put(out, head[0]);
    out += varint_put(out, head[1]);
    for (uint32_t i = 1; i < count; i++)
        out += varint_put(out, (uint64_t)(positions[i] - positions[i - 1]) << 1);
    return put_codes(t, g, codes->data, (size_t)(out - codes->data));
}

#define AHEAD   12   /* words whose memory is asked for before it is needed */
#define WAITING 1024 /* words of as many pages as these take are added together */

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

/* Adds the words of all pages that wait to the table. */
static int add_page_words(struct gatherer *t)
{
    struct page_words *page = &t->page;
    const uint32_t count = page->count;
    for (uint32_t i = 0; i < count && i < 3 * AHEAD; i++)
        __builtin_prefetch(&t->slots[page->words[i].hash & (t->slot_count - 1)]);
    for (uint32_t i = 0; i < count && i < 2 * AHEAD; i++)
        prefetch_gathering(t, &page->words[i]);
    for (uint32_t i = 0; i < count && i < AHEAD; i++)
        prefetch_chunk(t, &page->words[i]);
    uint32_t start = 0;
    int rc = 0;
    for (uint32_t i = 0; !rc && i < count; i++) {
        const struct page_word *word = &page->words[i];
        struct gathering *g;
        if (i + 3 * AHEAD < count)
            __builtin_prefetch(&t->slots[page->words[i + 3 * AHEAD].hash & (t->slot_count - 1)]);
        if (i + 2 * AHEAD < count)
            prefetch_gathering(t, &page->words[i + 2 * AHEAD]);
        if (i + AHEAD < count)
            prefetch_chunk(t, &page->words[i + AHEAD]);
        rc = find_gathering(t, word, &g);
        if (!rc)
            rc = put_positions(t, g, word->page, page->positions + start, word->end - start);
        start = word->end;
    }
    page_words_clear(page);
    return rc;
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
            rc = page_words_add(&t->page, key, word.length + 1);
        } else {
            rc = page_words_add(&t->page, word.bytes, word.length);
        }
        (*count)++;
    }
    for (; place < places->count; place++)
        places->words[place] = *count;
    if (!rc)
        rc = page_words_end(&t->page, page);
    if (!rc && t->page.count >= WAITING)
        rc = add_page_words(t);
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
    if (add_page_words(t))
        return fault_set(why, ENOMEM, "out of memory for gathering words");
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
