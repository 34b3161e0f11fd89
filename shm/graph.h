/* SPDX-License-Identifier: MIT
 *
 * The link graph in both directions: CSR (links out of a vertex) and CSC (links into it), 32-bit
 * vertices, 64-bit offsets, rows sorted ascending, no duplicates, no self-links.
 */
#ifndef FORKLORE_SHM_GRAPH_H
#define FORKLORE_SHM_GRAPH_H

#include "shm/fault.h"

#include <stddef.h>
#include <stdint.h>

struct graph_view {
    uint32_t vertex_count;       /* n */
    uint64_t edge_count;         /* m */
    const uint64_t *out_offsets; /* [n+1] */
    const uint32_t *out_targets; /* [m] */
    const uint64_t *in_offsets;  /* [n+1] */
    const uint32_t *in_sources;  /* [m] */
};

static inline uint64_t graph_out_degree(const struct graph_view *g, uint32_t v)
{
    return g->out_offsets[v + 1] - g->out_offsets[v];
}

static inline uint64_t graph_in_degree(const struct graph_view *g, uint32_t v)
{
    return g->in_offsets[v + 1] - g->in_offsets[v];
}

/* Arcs in any order, with duplicates and self-links, collected in chunks so that growth never
 * copies. Zero-initialise. */
struct arc {
    uint32_t source, target;
};
struct arc_list {
    struct arc **chunks;
    size_t chunk_count, chunk_capacity;
    uint64_t count;
};
#define ARC_CHUNK (UINT64_C(1) << 20)
int arc_list_add(struct arc_list *list, uint32_t source, uint32_t target); /* 0 or -ENOMEM */
void arc_list_fini(struct arc_list *list);

struct graph_built {
    struct graph_view view; /* heap arrays, owned */
    uint64_t self_links;    /* dropped */
};

/* Counting sort by source, sort and deduplication of rows, transposition. Frees the list's chunks
 * as it goes (the list is empty afterwards, whatever is returned). -EINVAL with a message if an
 * arc names a vertex >= n, -ENOMEM. */
int graph_build(struct graph_built *built, uint32_t vertex_count, struct arc_list *arcs,
                struct fault *why);
void graph_built_fini(struct graph_built *built);

#endif
