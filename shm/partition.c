/* SPDX-License-Identifier: MIT */
#include "shm/partition.h"

/* What vertices 0..v-1 cost: an in-edge is a gather, a vertex is a row's overhead. */
static uint64_t cost_before(const struct graph_view *graph, uint64_t v)
{
    return graph->in_offsets[v] + v;
}

void partition_by_in_edges(const struct graph_view *graph, unsigned parts, uint32_t *bounds)
{
    uint64_t n = graph->vertex_count;
    uint64_t blocks = (n + PARTITION_BLOCK - 1) / PARTITION_BLOCK;
    uint64_t total = cost_before(graph, n);
    uint64_t low = 0;
    bounds[0] = 0;
    for (unsigned p = 1; p < parts; p++) {
        /* The first block boundary with at least p/parts of the cost before it. */
        uint64_t wanted = total / parts * p + total % parts * p / parts;
        uint64_t high = blocks;
        while (low < high) {
            uint64_t middle = low + (high - low) / 2;
            uint64_t v = middle * PARTITION_BLOCK < n ? middle * PARTITION_BLOCK : n;
            if (cost_before(graph, v) < wanted)
                low = middle + 1;
            else
                high = middle;
        }
        uint64_t v = low * PARTITION_BLOCK;
        bounds[p] = (uint32_t)(v < n ? v : n);
    }
    bounds[parts] = (uint32_t)n;
}
