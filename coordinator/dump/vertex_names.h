/* SPDX-License-Identifier: MIT
 *
 * From external names of vertices to numbers 0, 1, 2, …: titles by first appearance, integers in
 * ascending order. Private to this folder.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_VERTEX_NAMES_H
#define FORKLORE_COORDINATOR_DUMP_VERTEX_NAMES_H

#include "shm/graph.h"

#include <stdbool.h>

#define VERTICES_MAX ((UINT32_C(1) << 31) - 1)

/* Titles in one byte array. Zero-initialise. */
struct vertex_titles {
    char *bytes;
    uint64_t *offsets; /* [count + 1] */
    uint64_t byte_capacity;
    uint32_t count, capacity;
    uint32_t *slots; /* number + 1 of the title, 0: free */
    uint32_t slot_mask;
};
/* The title's number, new or not. -ENOMEM, or -E2BIG past VERTICES_MAX. */
int vertex_titles_number(struct vertex_titles *titles, const char *title, size_t length,
                         uint32_t *number);
void vertex_titles_fini(struct vertex_titles *titles);

/* Arcs between integers as they come in. As long as all are below 2^32 (SNAP's are), an arc is
 * stored as it is, without a look-up; the first larger one turns all of them into numbers by first
 * appearance. Zero-initialise. */
struct vertex_ids {
    struct arc_list arcs;
    uint64_t max_id;
    bool interned;
    uint64_t *ids; /* [count] by first appearance, once interned */
    uint32_t count, capacity;
    uint32_t *slots;
    uint32_t slot_mask;
};
int vertex_ids_add(struct vertex_ids *vertices, uint64_t source, uint64_t target);
/* Renumbers the arcs in place, ascending by id, and hands over the sorted ids. A bitmap does it if
 * that takes no more memory than the arcs do, else hashing and a radix sort. */
int vertex_ids_finish(struct vertex_ids *vertices, uint64_t **ids, uint32_t *count);
void vertex_ids_fini(struct vertex_ids *vertices);

#endif
