/* SPDX-License-Identifier: MIT */
#include "coordinator/dump/vertex_names.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define FIRST_SLOTS    1024
#define FIRST_CAPACITY 512

/* --- Arrays and slots that grow ----------------------------------------------------------- */

/* Room for one more element of `size` bytes; grows by half. */
static int reserve_one(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return 0;
    size_t grown = *capacity ? (size_t)*capacity + *capacity / 2 : FIRST_CAPACITY;
    if (grown > VERTICES_MAX)
        grown = VERTICES_MAX;
    void *moved = realloc(*array, (grown + 1) * size);
    if (!moved)
        return -ENOMEM;
    *array = moved;
    *capacity = (uint32_t)grown;
    return 0;
}

static uint64_t id_hash(uint64_t id)
{
    id *= UINT64_C(0x9e3779b97f4a7c15);
    return id ^ id >> 32;
}

static void slots_put(uint32_t *slots, uint32_t mask, uint64_t hash, uint32_t number)
{
    uint32_t at = (uint32_t)hash & mask;
    while (slots[at])
        at = (at + 1) & mask;
    slots[at] = number + 1;
}

typedef uint64_t hash_of_fn(const void *table, uint32_t number);

/* Keeps the table at most half full; rehashes what it holds. */
static int slots_reserve(uint32_t **slots, uint32_t *mask, uint32_t count, hash_of_fn *hash_of,
                         const void *table)
{
    uint64_t size = *slots ? (uint64_t)*mask + 1 : 0;
    if (2 * ((uint64_t)count + 1) <= size)
        return 0;
    size = size ? 2 * size : FIRST_SLOTS;
    uint32_t *grown = calloc(size, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    *mask = (uint32_t)(size - 1);
    for (uint32_t i = 0; i < count; i++)
        slots_put(grown, *mask, hash_of(table, i), i);
    free(*slots);
    *slots = grown;
    return 0;
}

/* --- Titles ------------------------------------------------------------------------------- */

static uint64_t title_hash_of(const void *table, uint32_t number)
{
    const struct vertex_titles *titles = table;
    return XXH3_64bits(titles->bytes + titles->offsets[number],
                       titles->offsets[number + 1] - titles->offsets[number]);
}

static int title_append(struct vertex_titles *titles, const char *title, size_t length)
{
    void *offsets = titles->offsets;
    if (reserve_one(&offsets, titles->count, &titles->capacity, sizeof *titles->offsets))
        return -ENOMEM;
    titles->offsets = offsets;
    if (titles->count == 0)
        titles->offsets[0] = 0;
    uint64_t end = titles->offsets[titles->count];
    if (end + length > titles->byte_capacity) {
        uint64_t grown = (end + length) * 3 / 2 + FIRST_CAPACITY;
        char *moved = realloc(titles->bytes, grown);
        if (!moved)
            return -ENOMEM;
        titles->bytes = moved;
        titles->byte_capacity = grown;
    }
    memcpy(titles->bytes + end, title, length);
    titles->offsets[++titles->count] = end + length;
    return 0;
}

int vertex_titles_number(struct vertex_titles *titles, const char *title, size_t length,
                         uint32_t *number)
{
    if (slots_reserve(&titles->slots, &titles->slot_mask, titles->count, title_hash_of, titles))
        return -ENOMEM;
    uint64_t hash = XXH3_64bits(title, length);
    for (uint32_t at = (uint32_t)hash & titles->slot_mask; titles->slots[at];
         at = (at + 1) & titles->slot_mask) {
        uint32_t i = titles->slots[at] - 1;
        uint64_t begin = titles->offsets[i];
        if (titles->offsets[i + 1] - begin == length &&
            !memcmp(titles->bytes + begin, title, length)) {
            *number = i;
            return 0;
        }
    }
    if (titles->count == VERTICES_MAX)
        return -E2BIG;
    if (title_append(titles, title, length))
        return -ENOMEM;
    *number = titles->count - 1;
    slots_put(titles->slots, titles->slot_mask, hash, *number);
    return 0;
}

void vertex_titles_fini(struct vertex_titles *titles)
{
    free(titles->bytes);
    free(titles->offsets);
    free(titles->slots);
    *titles = (struct vertex_titles){0};
}

/* --- Integers ----------------------------------------------------------------------------- */

static uint64_t id_hash_of(const void *table, uint32_t number)
{
    return id_hash(((const struct vertex_ids *)table)->ids[number]);
}

/* The slot that holds the id, or the free one where it belongs. */
static uint32_t id_slot(const struct vertex_ids *vertices, uint64_t id)
{
    uint32_t at = (uint32_t)id_hash(id) & vertices->slot_mask;
    while (vertices->slots[at] && vertices->ids[vertices->slots[at] - 1] != id)
        at = (at + 1) & vertices->slot_mask;
    return at;
}

static int id_intern(struct vertex_ids *vertices, uint64_t id, uint32_t *number)
{
    if (slots_reserve(&vertices->slots, &vertices->slot_mask, vertices->count, id_hash_of,
                      vertices))
        return -ENOMEM;
    uint32_t at = id_slot(vertices, id);
    if (!vertices->slots[at]) {
        if (vertices->count == VERTICES_MAX)
            return -E2BIG;
        void *ids = vertices->ids;
        if (reserve_one(&ids, vertices->count, &vertices->capacity, sizeof *vertices->ids))
            return -ENOMEM;
        vertices->ids = ids;
        vertices->ids[vertices->count++] = id;
        vertices->slots[at] = vertices->count;
    }
    *number = vertices->slots[at] - 1;
    return 0;
}

/* Arcs of chunk c. */
static uint64_t chunk_arcs(const struct arc_list *arcs, size_t c)
{
    uint64_t before = c * ARC_CHUNK;
    return arcs->count - before < ARC_CHUNK ? arcs->count - before : ARC_CHUNK;
}

static int intern_all(struct vertex_ids *vertices)
{
    const struct arc_list *arcs = &vertices->arcs;
    for (size_t c = 0; c * ARC_CHUNK < arcs->count; c++) {
        for (uint64_t i = 0; i < chunk_arcs(arcs, c); i++) {
            struct arc *arc = &arcs->chunks[c][i];
            int err = id_intern(vertices, arc->source, &arc->source);
            if (!err)
                err = id_intern(vertices, arc->target, &arc->target);
            if (err)
                return err;
        }
    }
    vertices->interned = true;
    return 0;
}

int vertex_ids_add(struct vertex_ids *vertices, uint64_t source, uint64_t target)
{
    uint64_t larger = source > target ? source : target;
    if (larger > vertices->max_id)
        vertices->max_id = larger;
    if (!vertices->interned) {
        if (larger <= UINT32_MAX)
            return arc_list_add(&vertices->arcs, (uint32_t)source, (uint32_t)target);
        int err = intern_all(vertices);
        if (err)
            return err;
    }
    uint32_t from, to;
    int err = id_intern(vertices, source, &from);
    if (!err)
        err = id_intern(vertices, target, &to);
    return err ? err : arc_list_add(&vertices->arcs, from, to);
}

/* A set of ids as a bitmap, with the number of ids before each word. */
struct id_bitmap {
    uint64_t *words;
    uint32_t *before;
};

static uint32_t bitmap_number(const struct id_bitmap *set, uint32_t id)
{
    uint64_t below = set->words[id / 64] & ((UINT64_C(1) << id % 64) - 1);
    return set->before[id / 64] + (uint32_t)__builtin_popcountll(below);
}

static void bitmap_fill(struct id_bitmap *set, const struct arc_list *arcs)
{
    for (size_t c = 0; c * ARC_CHUNK < arcs->count; c++) {
        for (uint64_t i = 0; i < chunk_arcs(arcs, c); i++) {
            struct arc arc = arcs->chunks[c][i];
            set->words[arc.source / 64] |= UINT64_C(1) << arc.source % 64;
            set->words[arc.target / 64] |= UINT64_C(1) << arc.target % 64;
        }
    }
}

static void bitmap_renumber(const struct id_bitmap *set, struct arc_list *arcs)
{
    for (size_t c = 0; c * ARC_CHUNK < arcs->count; c++) {
        for (uint64_t i = 0; i < chunk_arcs(arcs, c); i++) {
            struct arc *arc = &arcs->chunks[c][i];
            arc->source = bitmap_number(set, arc->source);
            arc->target = bitmap_number(set, arc->target);
        }
    }
}

static uint64_t *bitmap_ids(const struct id_bitmap *set, uint64_t word_count, uint64_t count)
{
    uint64_t *ids = malloc((count ? count : 1) * sizeof *ids);
    uint64_t n = 0;
    for (uint64_t w = 0; ids && w < word_count; w++)
        for (uint64_t bits = set->words[w]; bits; bits &= bits - 1)
            ids[n++] = w * 64 + (uint64_t)__builtin_ctzll(bits);
    return ids;
}

static int finish_with_bitmap(struct vertex_ids *vertices, uint64_t **ids, uint32_t *count)
{
    uint64_t word_count = vertices->max_id / 64 + 1;
    struct id_bitmap set = {.words = calloc(word_count, sizeof *set.words),
                            .before = malloc(word_count * sizeof *set.before)};
    int err = set.words && set.before ? 0 : -ENOMEM;
    uint64_t total = 0;
    if (!err) {
        bitmap_fill(&set, &vertices->arcs);
        for (uint64_t w = 0; w < word_count; w++) {
            set.before[w] = (uint32_t)total;
            total += (uint64_t)__builtin_popcountll(set.words[w]);
        }
        if (total > VERTICES_MAX)
            err = -E2BIG;
    }
    if (!err && !(*ids = bitmap_ids(&set, word_count, total)))
        err = -ENOMEM;
    if (!err) {
        bitmap_renumber(&set, &vertices->arcs);
        *count = (uint32_t)total;
    }
    free(set.words);
    free(set.before);
    return err;
}

/* Least significant byte first; bytes in which no two ids differ cost nothing. */
static int radix_sort(uint64_t **ids, uint32_t count)
{
    uint64_t all_or = 0, all_and = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        all_or |= (*ids)[i];
        all_and &= (*ids)[i];
    }
    uint64_t *from = *ids, *to = malloc(((size_t)count + 1) * sizeof *to);
    if (!to)
        return -ENOMEM;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (((all_or ^ all_and) >> shift & 0xff) == 0)
            continue;
        uint32_t starts[256] = {0};
        for (uint32_t i = 0; i < count; i++)
            starts[from[i] >> shift & 0xff]++;
        uint32_t sum = 0;
        for (unsigned b = 0; b < 256; b++) {
            uint32_t size = starts[b];
            starts[b] = sum;
            sum += size;
        }
        for (uint32_t i = 0; i < count; i++)
            to[starts[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *swapped = from;
        from = to;
        to = swapped;
    }
    free(to);
    *ids = from;
    return 0;
}

static int finish_with_sort(struct vertex_ids *vertices, uint64_t **ids, uint32_t *count)
{
    size_t n = vertices->count;
    uint64_t *sorted = malloc((n + 1) * sizeof *sorted);
    uint32_t *number = malloc((n + 1) * sizeof *number);
    int err = sorted && number ? 0 : -ENOMEM;
    if (!err) {
        memcpy(sorted, vertices->ids, n * sizeof *sorted);
        err = radix_sort(&sorted, vertices->count);
    }
    if (err) {
        free(sorted);
        free(number);
        return err;
    }
    for (uint32_t i = 0; i < vertices->count; i++)
        number[vertices->slots[id_slot(vertices, sorted[i])] - 1] = i;
    for (size_t c = 0; c * ARC_CHUNK < vertices->arcs.count; c++) {
        for (uint64_t i = 0; i < chunk_arcs(&vertices->arcs, c); i++) {
            struct arc *arc = &vertices->arcs.chunks[c][i];
            arc->source = number[arc->source];
            arc->target = number[arc->target];
        }
    }
    free(number);
    *ids = sorted;
    *count = vertices->count;
    return 0;
}

int vertex_ids_finish(struct vertex_ids *vertices, uint64_t **ids, uint32_t *count)
{
    if (!vertices->interned) {
        uint64_t bitmap_bytes = vertices->max_id / 64 * (sizeof(uint64_t) + sizeof(uint32_t));
        if (bitmap_bytes <= vertices->arcs.count * sizeof(struct arc) + 4096)
            return finish_with_bitmap(vertices, ids, count);
        int err = intern_all(vertices);
        if (err)
            return err;
    }
    return finish_with_sort(vertices, ids, count);
}

void vertex_ids_fini(struct vertex_ids *vertices)
{
    arc_list_fini(&vertices->arcs);
    free(vertices->ids);
    free(vertices->slots);
    *vertices = (struct vertex_ids){0};
}
