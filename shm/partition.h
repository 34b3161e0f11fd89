/* SPDX-License-Identifier: MIT
 *
 * Dividing the vertices among workers.
 */
#ifndef FORKLORE_SHM_PARTITION_H
#define FORKLORE_SHM_PARTITION_H

#include "shm/graph.h"

/* Slices begin at multiples of this, so that sums taken per block of vertices do not depend on
 * where a slice ends, and slices of floats or doubles begin on cache lines. */
#define PARTITION_BLOCK 64

/* Cuts 0..n into `parts` contiguous slices of about equal in-edges plus vertices; slice p is
 * [bounds[p], bounds[p+1]). Some may be empty. */
void partition_by_in_edges(const struct graph_view *graph, unsigned parts, uint32_t *bounds);

#endif
