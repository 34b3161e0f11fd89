/* SPDX-License-Identifier: MIT
 *
 * Gathering words: a hash table of keys, and per key its occurrences in chained chunks of one
 * arena, which is also what the budget counts.
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

struct gathering {
    uint32_t key; /* offset in the keys */
    uint32_t key_length;
    uint32_t head, at, stop; /* arena: first chunk, where to write, end of the chunk's data */
    uint32_t chunk_bytes;
    uint32_t page, position; /* the last ones */
    uint32_t pages;
    uint32_t occurrences;
};

struct slot {
    uint32_t hash;
    uint32_t number; /* gathering + 1; 0: free */
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
    }
    if (b && b->folder && b->slots)
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

static int put_code(struct postings_build *b, struct gathering *g, uint64_t code)
{
    for (;; code >>= 7) {
        if (g->at == g->stop) {
            const int rc = new_chunk(b, g);
            if (rc)
                return rc;
        }
        if (code < 0x80)
            break;
        b->arena.data[g->at++] = (unsigned char)(code | 0x80);
    }
    b->arena.data[g->at++] = (unsigned char)code;
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
    if (byte_buffer_reserve(&b->keys, length) || b->keys.bytes > UINT32_MAX - WORD_KEY_BYTES)
        return -ENOMEM;
    struct gathering *g = &b->gatherings[b->count++];
    *g = (struct gathering){.key = (uint32_t)b->keys.bytes,
                            .key_length = length,
                            .head = UINT32_MAX,
                            .chunk_bytes = CHUNK_LEAST / 2};
    memcpy(b->keys.data + b->keys.bytes, key, length);
    b->keys.bytes += length;
    *slot = (struct slot){hash, b->count};
    return new_chunk(b, g);
}

static int add_word(struct postings_build *b, const char *key, uint32_t length, uint32_t position)
{
    const uint32_t hash = (uint32_t)XXH3_64bits(key, length);
    const size_t mask = b->slot_count - 1;
    size_t at = hash & mask;
    for (;; at = (at + 1) & mask) {
        const struct slot slot = b->slots[at];
        if (!slot.number) {
            int rc = add_gathering(b, &b->slots[at], hash, key, length);
            if (rc)
                return rc;
            break;
        }
        if (slot.hash != hash)
            continue;
        const struct gathering *g = &b->gatherings[slot.number - 1];
        if (g->key_length == length && memcmp(b->keys.data + g->key, key, length) == 0)
            break;
    }
    struct gathering *g = &b->gatherings[b->slots[at].number - 1];
    const bool first = g->pages == 0 || g->page != b->page_count;
    int rc;
    if (first) {
        rc = put_code(b, g, (uint64_t)position << 1 | 1);
        if (!rc)
            rc = put_code(b, g, b->page_count - g->page);
        g->page = b->page_count;
        g->pages++;
    } else {
        rc = put_code(b, g, (uint64_t)(position - g->position) << 1);
    }
    g->position = position;
    g->occurrences++;
    return rc || 2 * (size_t)b->count < b->slot_count ? rc : grow_slots(b);
}

static int add_text(struct postings_build *b, enum search_field field, const char *text,
                    size_t length, const struct word_places *places, uint32_t *count)
{
    const uint32_t place_count = places ? places->count : 0;
    uint32_t place = 0;
    char key[WORD_KEY_BYTES] = {WORD_NAME_FIELD};
    struct word word;
    int rc = 0;
    *count = 0;
    words_init(&b->words, text, length);
    while (!rc && words_next(&b->words, &word)) {
        for (; place < place_count && word.start >= places->at[place]; place++)
            places->words[place] = *count;
        rc = stem_word(b->stemmer, &word);
        if (rc)
            break;
        if (field == FIELD_NAME) {
            memcpy(key + 1, word.bytes, word.length);
            rc = add_word(b, key, word.length + 1, (*count)++);
        } else {
            rc = add_word(b, word.bytes, word.length, (*count)++);
        }
    }
    for (; place < place_count; place++)
        places->words[place] = *count;
    return rc;
}

/* --- Runs ----------------------------------------------------------------------------------- */

/* qsort_r has no portable form; sorting happens in one thread. */
static int compare_keys(const void *a, const void *b, void *owner)
{
    const struct postings_build *build = owner;
    const struct gathering *x = &build->gatherings[*(const uint32_t *)a];
    const struct gathering *y = &build->gatherings[*(const uint32_t *)b];
    const uint32_t least = x->key_length < y->key_length ? x->key_length : y->key_length;
    const int order = memcmp(build->keys.data + x->key, build->keys.data + y->key, least);
    return order ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static uint32_t *sorted(struct postings_build *b)
{
    uint32_t *order = malloc((b->count + (size_t)1) * sizeof *order);
    for (uint32_t i = 0; order && i < b->count; i++)
        order[i] = i;
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
    *word = (struct gathered_word){(const char *)b->keys.data + g->key,
                                   g->key_length,
                                   g->pages,
                                   g->occurrences,
                                   data->data,
                                   data->bytes};
    return 0;
}

static int flush(struct postings_build *b, struct fault *why)
{
    struct run_file *runs = reallocarray(b->runs, b->run_count + 1, sizeof *runs);
    uint32_t *order = sorted(b);
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
        if (collect(b, &b->gatherings[order[i]], &data, &word))
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
    uint32_t *order = sorted(b);
    struct byte_buffer data = {0};
    int rc = order ? 0 : fault_set(why, ENOMEM, "out of memory for sorting words");
    for (uint32_t i = 0; !rc && i < b->count; i++) {
        struct gathered_word word;
        if (collect(b, &b->gatherings[order[i]], &data, &word))
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
