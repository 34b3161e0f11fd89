/* SPDX-License-Identifier: MIT
 *
 * Graphs from files: SNAP-style edge lists ('#' or '%' comments; two integers, or two titles
 * separated by a tab, a line) and Matrix Market coordinate files (pattern, real or integer;
 * general or symmetric). Compressed ones too (bytes.h).
 */
#ifndef FORKLORE_COORDINATOR_DUMP_EDGES_H
#define FORKLORE_COORDINATOR_DUMP_EDGES_H

#include "coordinator/dump/bytes.h"
#include "shm/graph.h"

#include <stdbool.h>

/* A graph as read: vertices numbered densely in ascending order of their integer names (Matrix
 * Market: 1..n, all of them), or by first appearance of their titles. */
struct edge_graph {
    uint32_t vertex_count;
    bool integer_names;
    uint64_t *ids;          /* [n] external integers; NULL with titles */
    char *names;            /* title bytes; NULL with integers */
    uint64_t *name_offsets; /* [n+1] */
    struct arc_list arcs;   /* dense numbers; a symmetric matrix contributes both directions */
    uint64_t comments;
};

/* Errors name file and line: negative, huge (> 2^63-1) or missing numbers, text where a number
 * was, more than 2^31 - 1 vertices, no edge at all, a line over 1 MiB, and Matrix Market's own: bad
 * banner, complex or array format, a matrix that is not square, indices out of range, fewer or more
 * entries than announced. A line with further columns (weights) is accepted, the columns ignored.
 * The first line that is no comment decides: titles if a tab has something else than an integer on
 * either side. Titles are taken as they are, trimmed; empty, over 1,024 bytes or invalid UTF-8 is
 * an error. `progress` may be NULL; called now and then. After an error `graph` is empty. */
int edges_read(struct byte_source *source, struct edge_graph *graph,
               void (*progress)(void *owner, const struct byte_source *source), void *owner,
               struct fault *why);
void edge_graph_fini(struct edge_graph *graph);

#endif
