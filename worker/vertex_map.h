/* SPDX-License-Identifier: MIT
 *
 * A hash map from vertices to small structs, for queries that touch few vertices of a large
 * graph. Entries lie in one array in the order in which they were put, so a breadth-first frontier
 * is a range of it, and whoever walks it gets the same order every time.
 */
#ifndef FORKLORE_WORKER_VERTEX_MAP_H
#define FORKLORE_WORKER_VERTEX_MAP_H

#include <stddef.h>
#include <stdint.h>

struct vertex_map {
    uint32_t count;
    /* vertex_map.c's: */
    uint32_t capacity; /* of entries */
    uint32_t entry_bytes;
    unsigned slot_bits;
    uint32_t *slots; /* entry number + 1; 0: free */
    unsigned char *entries;
};

/* An entry's first member is its `uint32_t vertex`; the alignment is that of malloc(). Nothing is
 * allocated before the first put. */
void vertex_map_init(struct vertex_map *map, size_t entry_bytes);
void vertex_map_fini(struct vertex_map *map);

/* The vertex's entry, or NULL. */
void *vertex_map_find(const struct vertex_map *map, uint32_t vertex);

/* The vertex's entry, made with zero bytes after `vertex` if there was none (then map->count has
 * grown by one); NULL without memory. Earlier entries' addresses are void afterwards. */
void *vertex_map_put(struct vertex_map *map, uint32_t vertex);

/* Entry number `index` < count. */
static inline void *vertex_map_at(const struct vertex_map *map, uint32_t index)
{
    return map->entries + (size_t)index * map->entry_bytes;
}

/* The number of an entry. */
static inline uint32_t vertex_map_index(const struct vertex_map *map, const void *entry)
{
    return (uint32_t)((size_t)((const unsigned char *)entry - map->entries) / map->entry_bytes);
}

#endif
