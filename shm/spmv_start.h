/* SPDX-License-Identifier: MIT
 *
 * The start vector's weights, part of spmv_build().
 */
#ifndef FORKLORE_SHM_SPMV_START_H
#define FORKLORE_SHM_SPMV_START_H

#include "shm/graph.h"

/* Fills start[positions[v]] as spmv.h says. 0 or -ENOMEM. */
int spmv_fill_start(float *start, const struct graph_view *graph, const uint32_t *positions);

#endif
