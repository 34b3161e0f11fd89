/* SPDX-License-Identifier: MIT
 *
 * From an edge list or a matrix to the parts of an index: vertices become pages without text.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_GRAPH_INPUT_H
#define FORKLORE_COORDINATOR_BUILD_GRAPH_INPUT_H

#include "coordinator/build/build.h"
#include "coordinator/build/parts.h"
#include "coordinator/dump/edges.h"

/* Gives every vertex its title (its integer in decimal, or its name,
 * since that is what a reader's question will be brought into) and its page record, and moves the
 * arcs to parts->arcs. Names with the same normal form are one vertex; those that fell away are
 * counted as duplicate titles. `input` is for messages. */
int graph_titles(struct edge_graph *graph, struct build_parts *parts, struct build_report *report,
                 const char *input, struct fault *why);

#endif
