/* SPDX-License-Identifier: MIT
 *
 * Each vertex has a score and a residual: mass that has arrived and not been passed on. Pushing a
 * vertex turns the share 1-d of its residual into score and spreads the rest over its links. What
 * the scores lack is at all times what the residuals would still become.
 */
#include "worker/related.h"

#include <errno.h>
#include <stdlib.h>

/* First in, first out, of entry numbers; an entry is in it at most once. */
struct queue {
    uint32_t *items;
    uint32_t mask, head, tail; /* free-running */
};

static int queue_grow(struct queue *queue)
{
    uint32_t size = queue->items ? queue->mask + 1 : 0;
    uint32_t larger = size ? size * 2 : 256;
    uint32_t *items = larger ? malloc(larger * sizeof *items) : NULL;

    if (!items)
        return -ENOMEM;
    for (uint32_t i = 0; i < size; i++)
        items[i] = queue->items[(queue->head + i) & queue->mask];
    free(queue->items);
    *queue = (struct queue){.items = items, .mask = larger - 1, .tail = size};
    return 0;
}

static int queue_put(struct queue *queue, uint32_t item)
{
    if (!queue->items || queue->tail - queue->head > queue->mask) {
        if (queue_grow(queue) < 0)
            return -ENOMEM;
    }
    queue->items[queue->tail++ & queue->mask] = item;
    return 0;
}

struct push {
    struct related *related;
    const struct graph_view *graph;
    const uint32_t *seeds;
    uint32_t seed_count;
    double damping, epsilon;
    struct queue queue;
    double dangling; /* mass on its way back to the seeds */
};

static int receive(struct push *push, uint32_t vertex, double mass)
{
    struct vertex_map *scores = &push->related->scores;
    struct related_score *entry = vertex_map_put(scores, vertex);

    if (!entry)
        return -ENOMEM;
    if (entry->threshold == 0) {
        uint64_t degree = graph_out_degree(push->graph, vertex);
        entry->threshold = push->epsilon * (double)(degree ? degree : 1);
    }
    entry->residual += mass;
    if (entry->queued || entry->residual <= entry->threshold)
        return 0;
    entry->queued = 1;
    return queue_put(&push->queue, vertex_map_index(scores, entry));
}

static int push_one(struct push *push, uint32_t index)
{
    const struct graph_view *graph = push->graph;
    struct related_score *entry = vertex_map_at(&push->related->scores, index);
    uint32_t vertex = entry->vertex;
    uint64_t degree = graph_out_degree(graph, vertex);
    double mass = push->damping * entry->residual;

    entry->score += (1 - push->damping) * entry->residual;
    entry->residual = 0;
    entry->queued = 0;
    if (degree == 0)
        push->dangling += mass;
    for (uint64_t e = graph->out_offsets[vertex]; e < graph->out_offsets[vertex + 1]; e++) {
        if (receive(push, graph->out_targets[e], mass / (double)degree) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Mass of the start, and of dangling vertices. The latter is collected until the queue is empty,
 * so that a dangling vertex costs one step and not one for every seed. */
static int spread_to_seeds(struct push *push, double mass)
{
    for (uint32_t i = 0; i < push->seed_count; i++) {
        if (receive(push, push->seeds[i], mass / push->seed_count) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int push_all(struct push *push, struct patience *patience)
{
    struct queue *queue = &push->queue;

    if (spread_to_seeds(push, 1) < 0)
        return -ENOMEM;
    while (queue->head != queue->tail) {
        uint32_t index = queue->items[queue->head++ & queue->mask];
        const struct related_score *entry = vertex_map_at(&push->related->scores, index);

        if (patience_over(patience, 1 + graph_out_degree(push->graph, entry->vertex)))
            return -ETIME;
        if (push_one(push, index) < 0)
            return -ENOMEM;
        if (queue->head == queue->tail) {
            double dangling = push->dangling;

            push->dangling = 0;
            if (spread_to_seeds(push, dangling) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

/* What waits at a vertex is worth at least its own share 1-d there, which costs nothing to add. */
static void settle(struct related *related, double damping)
{
    for (uint32_t i = 0; i < related->scores.count; i++) {
        struct related_score *entry = vertex_map_at(&related->scores, i);

        entry->score += (1 - damping) * entry->residual;
        related->missing += damping * entry->residual;
    }
}

int related_push(struct related *related, const struct graph_view *graph, const uint32_t *seeds,
                 uint32_t seed_count, double damping, double epsilon, struct patience *patience)
{
    struct push push = {
        .related = related,
        .graph = graph,
        .seeds = seeds,
        .seed_count = seed_count,
        .damping = damping,
        .epsilon = epsilon,
    };

    related->missing = 0;
    vertex_map_init(&related->scores, sizeof(struct related_score));

    int result = push_all(&push, patience);
    free(push.queue.items);
    if (result == 0)
        settle(related, damping);
    return result;
}

void related_fini(struct related *related)
{
    vertex_map_fini(&related->scores);
}
