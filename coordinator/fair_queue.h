/* SPDX-License-Identifier: MIT
 *
 * A queue that takes turns between flows (deficit round robin without the deficit, after Shreedhar
 * and Varghese 1995): first come first served within a flow, and a quantum of cost from each in
 * turn, so that who asks for much waits for it and nobody else does. Nodes are part of what is
 * queued; nothing is allocated once it is made.
 */
#ifndef FORKLORE_COORDINATOR_FAIR_QUEUE_H
#define FORKLORE_COORDINATOR_FAIR_QUEUE_H

#include <stdint.h>

struct fair_node {
    struct fair_node *previous, *next; /* of its flow */
    uint32_t flow, cost;
};

struct fair_flow {
    struct fair_node *first, *last;
    uint32_t previous, next; /* in the ring of flows that have something */
};

struct fair_queue {
    struct fair_flow *flows; /* the last one is of those who come before all others */
    uint32_t flow_count;     /* without that one */
    uint32_t turn;           /* whose it is; flow_count: there is none */
    uint32_t quantum, spent; /* in a turn: what ends it, and what it has cost by now */
};

/* -ENOMEM. Untouched flows cost no memory. */
int fair_queue_init(struct fair_queue *queue, uint32_t flow_count, uint32_t quantum);
void fair_queue_fini(struct fair_queue *queue);

/* At the end of flow `flow` < flow_count; or before all flows, the last one so put first of all. */
void fair_queue_put(struct fair_queue *queue, struct fair_node *node, uint32_t flow, uint32_t cost);
void fair_queue_put_first(struct fair_queue *queue, struct fair_node *node);

/* Whose turn it is; NULL: nobody waits. */
struct fair_node *fair_queue_first(const struct fair_queue *queue);

/* Takes a node out, the first one or any other. The first one counts for its flow's turn. */
void fair_queue_remove(struct fair_queue *queue, struct fair_node *node);

#endif
