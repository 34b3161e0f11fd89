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
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* Chunks grow with their word: 16 bytes for the many that occur once or twice. A chunk's last four
 * bytes are the next one's offset. */
#define CHUNK_LEAST 16
#define CHUNK_MOST  2048
#define LINK_BYTES  sizeof(uint32_t)
#define ARENA_MOST  ((size_t)UINT32_MAX - CHUNK_MOST)

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

struct postings_build {
    char *folder;
    size_t budget;
    uint32_t page_count;
    uint32_t *lengths[2]; /* by field */
    size_t length_capacity;
    struct search_info info;

    struct byte_buffer keys, arena;
    struct gathering *gatherings;
    uint32_t count;
    size_t capacity;
    struct slot *slots;
    size_t slot_count;

    struct run_file *runs;
    size_t run_count;
    struct stemmer *stemmer;
    struct page_words page;
    struct words words; /* scratch: large */
};

int postings_build_create(struct postings_build **out, const char *folder, size_t budget,
                          struct fault *why)
{
    struct postings_build *b = *out = calloc(1, sizeof *b);
    if (b) {
        b->folder = strdup(folder);
        b->budget = budget ? budget : POSTINGS_BUDGET_BYTES;
        if (b->budget > ARENA_MOST / 2)
            b->budget = ARENA_MOST / 2;
        b->slot_count = (size_t)1 << 16;
        b->slots = calloc(b->slot_count, sizeof *b->slots);
        b->page.slot_count = 1024;
        b->page.slots = calloc(b->page.slot_count, sizeof *b->page.slots);
    }
    if (b && b->folder && b->slots && b->page.slots)
        return 0;
    postings_build_destroy(out);
    return fault_set(why, ENOMEM, "out of memory for gathering words");
}

void postings_build_destroy(struct postings_build **build)
{
    struct postings_build *b = *build;
    if (!b)
        return;
    for (size_t i = 0; i < b->run_count; i++)
        close(b->runs[i].fd);
    free(b->runs);
    free(b->folder);
    stemmer_destroy(&b->stemmer);
    free(b->lengths[FIELD_BODY]);
    free(b->lengths[FIELD_NAME]);
    free(b->keys.data);
    free(b->arena.data);
    free(b->gatherings);
    free(b->slots);
    free(b->page.keys.data);
    free(b->page.words);
    free(b->page.slots);
    free(b->page.tokens);
    free(b->page.positions);
    free(b->page.codes.data);
    free(b);
    *build = NULL;
}

int postings_build_stem(struct postings_build *b, const char *language, struct fault *why)
{
    MUST(b->page_count == 0);
    int rc = stemmer_create(&b->stemmer, language, why);
    if (!rc)
        snprintf(b->info.stemmer, sizeof b->info.stemmer, "%s", language);
    return rc;
}

/* --- Gathering ------------------------------------------------------------------------------ */

static int grow_slots(struct postings_build *b)
{
    const size_t grown = 2 * b->slot_count, mask = grown - 1;
    struct slot *slots = calloc(grown, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < b->slot_count; i++) {
        size_t at = b->slots[i].hash & mask;
        if (!b->slots[i].number)
            continue;
        while (slots[at].number)
            at = (at + 1) & mask;
        slots[at] = b->slots[i];
    }
    free(b->slots);
    b->slots = slots;
    b->slot_count = grown;
    return 0;
}

static int new_chunk(struct postings_build *b, struct gathering *g)
{
    struct byte_buffer *arena = &b->arena;
    const uint32_t bytes = g->chunk_bytes < CHUNK_MOST ? 2 * g->chunk_bytes : CHUNK_MOST;
    if (byte_buffer_reserve(arena, bytes) || arena->bytes > ARENA_MOST)
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

static const char *key_of(const struct postings_build *b, const struct gathering *g)
{
    return g->key_length <= KEY_HERE ? g->key.here : (const char *)b->keys.data + g->key.at;
}

static int put_codes(struct postings_build *b, struct gathering *g, const unsigned char *codes,
                     size_t left)
{
    while (left > 0) {
        if (g->at == g->stop) {
            const int rc = new_chunk(b, g);
            if (rc)
                return rc;
        }
        const size_t room = g->stop - g->at, used = left < room ? left : room;
        memcpy(b->arena.data + g->at, codes, used);
        g->at += (uint32_t)used;
        codes += used;
        left -= used;
    }
    return 0;
}

static int add_gathering(struct postings_build *b, struct slot *slot, uint32_t hash,
                         const char *key, uint32_t length)
{
    if (b->count == b->capacity) {
        const size_t grown = b->capacity ? 2 * b->capacity : 4096;
        struct gathering *gatherings = reallocarray(b->gatherings, grown, sizeof *gatherings);
        if (!gatherings)
            return -ENOMEM;
        b->gatherings = gatherings;
        b->capacity = grown;
    }
    struct gathering *g = &b->gatherings[b->count];
    *g = (struct gathering){
        .key_length = length, .head = UINT32_MAX, .chunk_bytes = CHUNK_LEAST / 2};
    if (length <= KEY_HERE) {
        memcpy(g->key.here, key, length);
    } else {
        if (byte_buffer_reserve(&b->keys, length) || b->keys.bytes > UINT32_MAX - WORD_KEY_BYTES)
            return -ENOMEM;
        g->key.at = (uint32_t)b->keys.bytes;
        memcpy(b->keys.data + b->keys.bytes, key, length);
        b->keys.bytes += length;
    }
    b->count++;
    *slot = (struct slot){hash, b->count};
    return new_chunk(b, g);
}

/* The word's gathering, made if there is none. -ENOMEM. */
static int find_gathering(struct postings_build *b, const struct page_word *word,
                          struct gathering **found)
{
    const char *key = (const char *)b->page.keys.data + word->key;
    const uint32_t hash = word->hash;
    const size_t mask = b->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        const struct slot slot = b->slots[at];
        if (!slot.number) {
            int rc = 2 * (size_t)b->count < b->slot_count ? 0 : grow_slots(b);
            if (!rc && mask != b->slot_count - 1)
                return find_gathering(b, word, found);
            if (!rc)
                rc = add_gathering(b, &b->slots[at], hash, key, word->key_length);
            *found = &b->gatherings[b->count - 1];
            return rc;
        }
        if (slot.hash != hash)
            continue;
        struct gathering *g = &b->gatherings[slot.number - 1];
        if (g->key_length == word->key_length && memcmp(key_of(b, g), key, g->key_length) == 0) {
            *found = g;
            return 0;
        }
    }
}

/* Positions of one word in this page, in the form of postings_build_int.h. */
static int put_positions(struct postings_build *b, struct gathering *g, const uint32_t *positions,
                         uint32_t count)
{
    struct byte_buffer *codes = &b->page.codes;
    if (byte_buffer_reserve(codes, ((size_t)count + 1) * 5))
        return -ENOMEM;
    unsigned char *out = codes->data;
    out += varint_put(out, (uint64_t)positions[0] << 1 | 1);
    out += varint_put(out, b->page_count - g->page);
    for (uint32_t i = 1; i < count; i++)
        out += varint_put(out, (uint64_t)(positions[i] - positions[i - 1]) << 1);
    g->page = b->page_count;
    g->pages++;
    g->occurrences += count;
    return put_codes(b, g, codes->data, (size_t)(out - codes->data));
}

#define AHEAD 8 /* words whose memory is asked for before it is needed */

static void prefetch_gathering(struct postings_build *b, struct page_word *word)
{
    const struct slot slot = b->slots[word->hash & (b->slot_count - 1)];
    word->number = slot.number;
    if (slot.number)
        __builtin_prefetch(&b->gatherings[slot.number - 1], 1);
}

static void prefetch_chunk(const struct postings_build *b, const struct page_word *word)
{
    if (word->number)
        __builtin_prefetch(b->arena.data + b->gatherings[word->number - 1].at, 1);
}

/* Adds what `page` has gathered to the table. */
static int add_page_words(struct postings_build *b, uint32_t token_count)
{
    struct page_words *page = &b->page;
    const uint32_t count = page->count;
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t here = page->words[i].count;
        page->words[i].count = end;
        end += here;
        if (i < 3 * AHEAD)
            __builtin_prefetch(&b->slots[page->words[i].hash & (b->slot_count - 1)]);
    }
    for (uint32_t i = 0; i < token_count; i++)
        page->positions[page->words[page->tokens[i]].count++] = i;
    for (uint32_t i = 0; i < count && i < 2 * AHEAD; i++)
        prefetch_gathering(b, &page->words[i]);
    for (uint32_t i = 0; i < count && i < AHEAD; i++)
        prefetch_chunk(b, &page->words[i]);
    uint32_t start = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gathering *g;
        if (i + 3 * AHEAD < count)
            __builtin_prefetch(&b->slots[page->words[i + 3 * AHEAD].hash & (b->slot_count - 1)]);
        if (i + 2 * AHEAD < count)
            prefetch_gathering(b, &page->words[i + 2 * AHEAD]);
        if (i + AHEAD < count)
            prefetch_chunk(b, &page->words[i + AHEAD]);
        int rc = find_gathering(b, &page->words[i], &g);
        if (!rc)
            rc = put_positions(b, g, page->positions + start, page->words[i].count - start);
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

static int add_text(struct postings_build *b, enum search_field field, const char *text,
                    size_t length, const struct word_places *places, uint32_t *count)
{
    static const struct word_places nowhere;
    uint32_t place = 0;
    char key[WORD_KEY_BYTES] = {WORD_NAME_FIELD};
    struct word word;
    int rc = 0;
    *count = 0;
    if (!places)
        places = &nowhere;
    words_init(&b->words, text, length);
    while (!rc && words_next(&b->words, &word)) {
        for (; place < places->count && word.start >= places->at[place]; place++)
            places->words[place] = *count;
        rc = stem_word(b->stemmer, &word);
        if (rc)
            break;
        if (field == FIELD_NAME) {
            memcpy(key + 1, word.bytes, word.length);
            rc = add_token(&b->page, key, word.length + 1, (*count)++);
        } else {
            rc = add_token(&b->page, word.bytes, word.length, (*count)++);
        }
    }
    for (; place < places->count; place++)
        places->words[place] = *count;
    if (!rc)
        rc = add_page_words(b, *count);
    clear_page(&b->page);
    return rc;
}

/* --- Runs ----------------------------------------------------------------------------------- */

struct sort_key {
    uint64_t head; /* the key's first bytes, as word_key() has them */
    uint32_t number;
};

/* qsort_r has no portable form; sorting happens in one thread. */
static int compare_keys(const void *a, const void *b, void *owner)
{
    const struct postings_build *build = owner;
    const struct sort_key *i = a, *j = b;
    if (i->head != j->head)
        return i->head < j->head ? -1 : 1;
    const struct gathering *x = &build->gatherings[i->number], *y = &build->gatherings[j->number];
    const uint32_t least = x->key_length < y->key_length ? x->key_length : y->key_length;
    const int order = memcmp(key_of(build, x), key_of(build, y), least);
    return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static struct sort_key *sorted(struct postings_build *b)
{
    struct sort_key *order = malloc((b->count + (size_t)1) * sizeof *order);
    for (uint32_t i = 0; order && i < b->count; i++)
        order[i] = (struct sort_key){
            word_key(key_of(b, &b->gatherings[i]), b->gatherings[i].key_length), i};
    if (order)
        qsort_r(order, b->count, sizeof *order, compare_keys, b);
    return order;
}

/* The word with its chunks put together in `data`. */
static int collect(const struct postings_build *b, const struct gathering *g,
                   struct byte_buffer *data, struct gathered_word *word)
{
    uint32_t at = g->head, bytes = CHUNK_LEAST;
    data->bytes = 0;
    for (;;) {
        const uint32_t stop = at + bytes - (uint32_t)LINK_BYTES;
        const bool last = stop == g->stop;
        const uint32_t used = (last ? g->at : stop) - at;
        if (byte_buffer_reserve(data, used))
            return -ENOMEM;
        memcpy(data->data + data->bytes, b->arena.data + at, used);
        data->bytes += used;
        if (last)
            break;
        memcpy(&at, b->arena.data + stop, sizeof at);
        bytes = bytes < CHUNK_MOST ? 2 * bytes : CHUNK_MOST;
    }
    *word = (struct gathered_word){key_of(b, g),   g->key_length, g->pages,
                                   g->occurrences, data->data,    data->bytes};
    return 0;
}

static int flush(struct postings_build *b, struct fault *why)
{
    struct run_file *runs = reallocarray(b->runs, b->run_count + 1, sizeof *runs);
    struct sort_key *order = sorted(b);
    struct byte_buffer data = {0}, out = {0};
    int rc = runs && order ? 0 : fault_set(why, ENOMEM, "out of memory for sorting words");
    if (runs)
        b->runs = runs;
    if (!rc)
        rc = run_create(&b->runs[b->run_count], b->folder, why);
    if (!rc)
        b->run_count++;
    for (uint32_t i = 0; !rc && i < b->count; i++) {
        struct gathered_word word;
        if (collect(b, &b->gatherings[order[i].number], &data, &word))
            rc = fault_set(why, ENOMEM, "out of memory for a run of words");
        else
            rc = run_put(&b->runs[b->run_count - 1], &out, &word, why);
    }
    if (!rc)
        rc = run_flush(&b->runs[b->run_count - 1], &out, why);
    free(order);
    free(data.data);
    free(out.data);
    b->count = 0;
    b->keys.bytes = b->arena.bytes = 0;
    memset(b->slots, 0, b->slot_count * sizeof *b->slots);
    return rc;
}

static int reserve_lengths(struct postings_build *b)
{
    if (b->page_count < b->length_capacity)
        return 0;
    const size_t grown = b->length_capacity ? 2 * b->length_capacity : 4096;
    for (int field = 0; field < 2; field++) {
        uint32_t *lengths = reallocarray(b->lengths[field], grown, sizeof *lengths);
        if (!lengths)
            return -ENOMEM;
        b->lengths[field] = lengths;
    }
    b->length_capacity = grown;
    return 0;
}

int postings_build_add(struct postings_build *b, const char *name, size_t name_length,
                       const char *body, size_t body_length, const struct word_places *places,
                       struct fault *why)
{
    uint32_t body_words = 0, name_words = 0;
    int rc = reserve_lengths(b);
    if (!rc)
        rc = add_text(b, FIELD_NAME, name, name_length, NULL, &name_words);
    if (!rc)
        rc = add_text(b, FIELD_BODY, body, body_length, places, &body_words);
    if (rc)
        return fault_set(why, ENOMEM, "out of memory for the words of %" PRIu32 " pages",
                         b->page_count + 1);
    b->lengths[FIELD_BODY][b->page_count] = body_words;
    b->lengths[FIELD_NAME][b->page_count] = name_words;
    b->info.body_words += body_words;
    b->info.name_words += name_words;
    b->page_count++;
    const size_t used = b->arena.bytes + b->keys.bytes + b->count * sizeof *b->gatherings;
    return used < b->budget ? 0 : flush(b, why);
}

/* --- The end -------------------------------------------------------------------------------- */

static int encode_gathered(struct postings_build *b, struct encoder *encoder, struct fault *why)
{
    struct sort_key *order = sorted(b);
    struct byte_buffer data = {0};
    int rc = order ? 0 : fault_set(why, ENOMEM, "out of memory for sorting words");
    for (uint32_t i = 0; !rc && i < b->count; i++) {
        struct gathered_word word;
        if (collect(b, &b->gatherings[order[i].number], &data, &word))
            rc = fault_set(why, ENOMEM, "out of memory for the postings of a word");
        else
            rc = encode_word(encoder, &word, 1, why);
    }
    free(order);
    free(data.data);
    return rc;
}

static int compare_words(const struct gathered_word *a, const struct gathered_word *b)
{
    const int order = memcmp(a->key, b->key, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Runs are few: the smallest of their next words is found by looking at all. */
static int merge(struct postings_build *b, struct run_reader *readers, struct gathered_word *parts,
                 struct encoder *encoder, struct fault *why)
{
    for (size_t i = 0; i < b->run_count; i++) {
        readers[i].file = &b->runs[i];
        int rc = run_next(&readers[i], why);
        if (rc)
            return rc;
    }
    for (;;) {
        const struct gathered_word *least = NULL;
        size_t count = 0;
        for (size_t i = 0; i < b->run_count; i++)
            if (!readers[i].done && (!least || compare_words(&readers[i].word, least) < 0))
                least = &readers[i].word;
        if (!least)
            return 0;
        const struct gathered_word chosen = *least;
        bool *const taken = (bool *)(parts + b->run_count);
        for (size_t i = 0; i < b->run_count; i++) {
            taken[i] = !readers[i].done && compare_words(&readers[i].word, &chosen) == 0;
            if (taken[i])
                parts[count++] = readers[i].word;
        }
        int rc = encode_word(encoder, parts, count, why);
        for (size_t i = 0; !rc && i < b->run_count; i++)
            if (taken[i])
                rc = run_next(&readers[i], why);
        if (rc)
            return rc;
    }
}

static int merge_runs(struct postings_build *b, struct encoder *encoder, struct fault *why)
{
    int rc = b->count ? flush(b, why) : 0;
    if (rc)
        return rc;
    struct run_reader *readers = calloc(b->run_count, sizeof *readers);
    struct gathered_word *parts = calloc(b->run_count, sizeof *parts + sizeof(bool));
    rc = readers && parts ? merge(b, readers, parts, encoder, why)
                          : fault_set(why, ENOMEM, "out of memory for merging words");
    for (size_t i = 0; readers && i < b->run_count; i++)
        free(readers[i].buffer.data);
    free(readers);
    free(parts);
    return rc;
}

/* Readers may look a little past the last pack. */
static int pad(struct byte_buffer *buffer)
{
    if (byte_buffer_reserve(buffer, PACKED_SLACK))
        return -ENOMEM;
    memset(buffer->data + buffer->bytes, 0, PACKED_SLACK);
    buffer->bytes += PACKED_SLACK;
    return 0;
}

/* In place: no element moves to where a later one still is. */
static struct field_lengths narrow(uint32_t *lengths, uint32_t count)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < count; i++)
        longest = lengths[i] > longest ? lengths[i] : longest;
    const struct field_lengths narrowed = {lengths, longest <= UINT8_MAX    ? 1
                                                    : longest <= UINT16_MAX ? 2
                                                                            : 4};
    for (uint32_t i = 0; i < count; i++)
        memmove((char *)lengths + (size_t)i * narrowed.width, &lengths[i], narrowed.width);
    return narrowed;
}

int postings_build_finish(struct postings_build *b, struct postings_built *built, struct fault *why)
{
    *built = (struct postings_built){.info = b->info, .page_count = b->page_count};
    built->info.k1 = SEARCH_K1;
    built->info.b = SEARCH_B;
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return fault_set(why, ENOMEM, "out of memory for encoding postings");
    encoder->built = built;
    encoder->lengths[FIELD_BODY] = b->lengths[FIELD_BODY];
    encoder->lengths[FIELD_NAME] = b->lengths[FIELD_NAME];
    search_norms(encoder->norms, &built->info, built->page_count);
    int rc = b->run_count ? merge_runs(b, encoder, why) : encode_gathered(b, encoder, why);
    if (!rc && (pad(&built->word_bytes) || pad(&built->postings) || pad(&built->positions)))
        rc = fault_set(why, ENOMEM, "out of memory for postings");
    encoder_fini(encoder);
    free(encoder);
    for (int field = 0; field < 2; field++) {
        built->lengths[field] = narrow(b->lengths[field], b->page_count);
        b->lengths[field] = NULL;
    }
    return rc;
}

void postings_built_fini(struct postings_built *built)
{
    free((void *)(uintptr_t)built->lengths[FIELD_BODY].data);
    free((void *)(uintptr_t)built->lengths[FIELD_NAME].data);
    free(built->blocks);
    free(built->word_bytes.data);
    free(built->postings.data);
    free(built->positions.data);
    *built = (struct postings_built){0};
}

struct search_view postings_built_view(const struct postings_built *built)
{
    struct search_view view = {
        .info = &built->info,
        .lengths = {built->lengths[FIELD_BODY], built->lengths[FIELD_NAME]},
        .words = {built->blocks, built->block_count, built->word_bytes.data, built->info.words,
                  built->postings.data, built->positions.data},
        .page_count = built->page_count,
    };
    search_norms(view.norms, &built->info, built->page_count);
    return view;
}
