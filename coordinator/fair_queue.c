/* SPDX-License-Identifier: MIT */
#include "coordinator/fair_queue.h"

#include <errno.h>
#include <stdlib.h>

int fair_queue_init(struct fair_queue *queue, uint32_t flow_count, uint32_t quantum)
{
    *queue = (struct fair_queue){.flows = calloc((size_t)flow_count + 1, sizeof *queue->flows),
                                 .flow_count = flow_count,
                                 .turn = flow_count,
                                 .quantum = quantum};
    return queue->flows ? 0 : -ENOMEM;
}

void fair_queue_fini(struct fair_queue *queue)
{
    free(queue->flows);
    queue->flows = NULL;
}

static void enter_ring(struct fair_queue *queue, uint32_t number)
{
    struct fair_flow *flow = &queue->flows[number];
    if (queue->turn == queue->flow_count) {
        flow->previous = flow->next = queue->turn = number;
        return;
    }
    /* Just behind whose turn it is: the last to have one. */
    struct fair_flow *now = &queue->flows[queue->turn];
    flow->next = queue->turn;
    flow->previous = now->previous;
    queue->flows[flow->previous].next = number;
    now->previous = number;
}

static void leave_ring(struct fair_queue *queue, uint32_t number)
{
    struct fair_flow *flow = &queue->flows[number];
    queue->flows[flow->previous].next = flow->next;
    queue->flows[flow->next].previous = flow->previous;
    if (queue->turn != number)
        return;
    queue->turn = flow->next == number ? queue->flow_count : flow->next;
    queue->spent = 0;
}

void fair_queue_put(struct fair_queue *queue, struct fair_node *node, uint32_t number,
                    uint32_t cost)
{
    struct fair_flow *flow = &queue->flows[number];
    *node = (struct fair_node){.previous = flow->last, .flow = number, .cost = cost};
    if (flow->last) {
        flow->last->next = node;
    } else {
        flow->first = node;
        enter_ring(queue, number);
    }
    flow->last = node;
}

void fair_queue_put_first(struct fair_queue *queue, struct fair_node *node)
{
    struct fair_flow *flow = &queue->flows[queue->flow_count];
    *node = (struct fair_node){.next = flow->first, .flow = queue->flow_count};
    *(flow->first ? &flow->first->previous : &flow->last) = node;
    flow->first = node;
}

struct fair_node *fair_queue_first(const struct fair_queue *queue)
{
    const struct fair_flow *before = &queue->flows[queue->flow_count];
    return before->first ? before->first : queue->flows[queue->turn].first;
}

void fair_queue_remove(struct fair_queue *queue, struct fair_node *node)
{
    struct fair_flow *flow = &queue->flows[node->flow];
    *(node->previous ? &node->previous->next : &flow->first) = node->next;
    *(node->next ? &node->next->previous : &flow->last) = node->previous;
    if (node->flow == queue->flow_count)
        return;
    if (!flow->first) {
        leave_ring(queue, node->flow);
    } else if (queue->turn == node->flow && !node->previous) {
        queue->spent += node->cost;
        if (queue->spent >= queue->quantum) {
            queue->turn = flow->next;
            queue->spent = 0;
        }
    }
}
