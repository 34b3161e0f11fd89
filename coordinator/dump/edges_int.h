/* SPDX-License-Identifier: MIT
 *
 * What edges.c and matrix_market.c share.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_EDGES_INT_H
#define FORKLORE_COORDINATOR_DUMP_EDGES_INT_H

#include "coordinator/dump/edges.h"
#include "coordinator/dump/lines.h"

/* Whether a file's first line is a Matrix Market banner. */
bool matrix_market_banner(struct line line);

/* Reads the rest of a Matrix Market file, whose banner was the line just returned. On an error
 * what is in `graph` is the caller's to free. */
int matrix_market_read(struct line_reader *reader, struct line banner, struct edge_graph *graph,
                       struct fault *why);

/* -ENOMEM and -E2BIG of collecting arcs and vertices, in words. */
int edges_collect_fault(const struct line_reader *reader, struct fault *why, int err);

#endif
