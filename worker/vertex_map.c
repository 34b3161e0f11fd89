/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing over entry numbers; at most half of the slots are taken.
 */
#include "worker/vertex_map.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BITS 7

void vertex_map_init(struct vertex_map *map, size_t entry_bytes)
{
    *map = (struct vertex_map){.entry_bytes = (uint32_t)entry_bytes};
}

void vertex_map_fini(struct vertex_map *map)
{
    free(map->slots);
    free(map->entries);
    vertex_map_init(map, map->entry_bytes);
}

static uint32_t vertex_of(const struct vertex_map *map, uint32_t index)
{
    uint32_t vertex;

    memcpy(&vertex, vertex_map_at(map, index), sizeof vertex);
    return vertex;
}

/* The slot that holds the vertex, or the free one where it belongs. Fibonacci hashing: neighbours
 * in the graph are often neighbours in number, and this spreads them. */
static uint32_t *slot_of(const struct vertex_map *map, uint32_t vertex)
{
    uint32_t mask = (UINT32_C(1) << map->slot_bits) - 1;
    uint32_t at = (vertex * UINT32_C(0x9e3779b1)) >> (32 - map->slot_bits);

    while (map->slots[at] != 0 && vertex_of(map, map->slots[at] - 1) != vertex)
        at = (at + 1) & mask;
    return &map->slots[at];
}

static int grow(struct vertex_map *map)
{
    unsigned bits = map->slot_bits ? map->slot_bits + 1 : FIRST_BITS;

    if (bits > 31)
        return -1;

    uint32_t capacity = UINT32_C(1) << (bits - 1);
    unsigned char *entries = realloc(map->entries, (size_t)capacity * map->entry_bytes);
    if (!entries)
        return -1;
    map->entries = entries;

    uint32_t *slots = calloc(UINT32_C(1) << bits, sizeof *slots);
    if (!slots)
        return -1;
    free(map->slots);
    map->slots = slots;
    map->slot_bits = bits;
    map->capacity = capacity;
    for (uint32_t i = 0; i < map->count; i++)
        *slot_of(map, vertex_of(map, i)) = i + 1;
    return 0;
}

void *vertex_map_find(const struct vertex_map *map, uint32_t vertex)
{
    if (map->count == 0)
        return NULL;

    uint32_t slot = *slot_of(map, vertex);
    return slot ? vertex_map_at(map, slot - 1) : NULL;
}

void *vertex_map_put(struct vertex_map *map, uint32_t vertex)
{
    uint32_t *slot = map->slots ? slot_of(map, vertex) : NULL;

    if (slot && *slot != 0)
        return vertex_map_at(map, *slot - 1);
    if (!slot || map->count == map->capacity) {
        if (grow(map) < 0)
            return NULL;
        slot = slot_of(map, vertex);
    }
    unsigned char *entry = vertex_map_at(map, map->count);
    memset(entry, 0, map->entry_bytes);
    memcpy(entry, &vertex, sizeof vertex);
    *slot = ++map->count;
    return entry;
}
