/* SPDX-License-Identifier: MIT
 *
 * A shortest path of links between two pages.
 */
#ifndef FORKLORE_WORKER_PATH_H
#define FORKLORE_WORKER_PATH_H

#include "shm/graph.h"
#include "worker/patience.h"

struct path {
    uint32_t length;    /* links */
    uint32_t *vertices; /* [length + 1], heap, owned by the caller */
};

/* Finds one of the shortest paths, the same one every time. 0; -ENOENT if there is none of at most
 * max_length links; -ETIME past the deadline; -ENOMEM. */
int path_find(const struct graph_view *graph, uint32_t from, uint32_t to, uint32_t max_length,
              struct patience *patience, struct path *path);

#endif
