/* SPDX-License-Identifier: MIT
 *
 * Turns between flows, against a model that keeps every flow as a list and a list of whose turn it
 * is.
 */
#include "coordinator/fair_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLOWS   5
#define NODES   40
#define QUANTUM 4

static void expect(struct fair_queue *queue, const struct fair_node *node)
{
    struct fair_node *first = fair_queue_first(queue);
    assert_ptr_equal(first, node);
    fair_queue_remove(queue, first);
}

static void test_flows_take_turns(void **unused)
{
    (void)unused;
    struct fair_queue queue;
    struct fair_node a[4], b[2], c[1], urgent[2];
    assert_int_equal(fair_queue_init(&queue, FLOWS, 1), 0);
    assert_null(fair_queue_first(&queue));
    for (unsigned i = 0; i < 4; i++)
        fair_queue_put(&queue, &a[i], 3, 1);
    for (unsigned i = 0; i < 2; i++)
        fair_queue_put(&queue, &b[i], 0, 1);
    expect(&queue, &a[0]);
    fair_queue_put(&queue, &c[0], 1, 1);
    expect(&queue, &b[0]);
    fair_queue_put_first(&queue, &urgent[0]);
    fair_queue_put_first(&queue, &urgent[1]);
    expect(&queue, &urgent[1]);
    expect(&queue, &urgent[0]);
    expect(&queue, &a[1]);
    expect(&queue, &c[0]);
    expect(&queue, &b[1]);
    expect(&queue, &a[2]);
    expect(&queue, &a[3]);
    assert_null(fair_queue_first(&queue));
    fair_queue_fini(&queue);
}

/* --- Any order of puts and removals ---------------------------------------------------------- */

struct model {
    unsigned lists[FLOWS][NODES], lengths[FLOWS];
    unsigned ring[FLOWS], ring_length; /* ring[0]: whose turn it is */
    unsigned spent;
};

static void model_put(struct model *model, unsigned flow, unsigned node)
{
    if (model->lengths[flow] == 0)
        model->ring[model->ring_length++] = flow;
    model->lists[flow][model->lengths[flow]++] = node;
}

static void model_remove(struct model *model, unsigned flow, unsigned node, unsigned cost)
{
    unsigned *list = model->lists[flow], at = 0, in_ring = 0;
    while (list[at] != node)
        at++;
    memmove(list + at, list + at + 1, (--model->lengths[flow] - at) * sizeof *list);
    while (model->ring[in_ring] != flow)
        in_ring++;
    bool ends = model->lengths[flow] == 0;
    if (in_ring == 0 && at == 0 && !ends)
        ends = (model->spent += cost) >= QUANTUM;
    if (!ends)
        return;
    if (in_ring == 0)
        model->spent = 0;
    model->ring_length--;
    memmove(model->ring + in_ring, model->ring + in_ring + 1,
            (model->ring_length - in_ring) * sizeof *model->ring);
    if (model->lengths[flow] > 0)
        model->ring[model->ring_length++] = flow;
}

static void test_any_order(void **unused)
{
    (void)unused;
    struct fair_queue queue;
    struct model model = {.ring_length = 0};
    struct fair_node nodes[NODES];
    bool queued[NODES] = {false};
    assert_int_equal(fair_queue_init(&queue, FLOWS, QUANTUM), 0);
    srand(1);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned node = (unsigned)rand() % NODES, flow = (unsigned)rand() % FLOWS;
        if (!queued[node]) {
            fair_queue_put(&queue, &nodes[node], flow, 1 + node % 6);
            model_put(&model, flow, node);
        } else {
            flow = nodes[node].flow;
            if (rand() % 2 && model.ring_length > 0) {
                flow = model.ring[0];
                node = model.lists[flow][0];
            }
            fair_queue_remove(&queue, &nodes[node]);
            model_remove(&model, flow, node, 1 + node % 6);
        }
        queued[node] = !queued[node];
        const struct fair_node *first =
            model.ring_length > 0 ? &nodes[model.lists[model.ring[0]][0]] : NULL;
        assert_ptr_equal(fair_queue_first(&queue), first);
    }
    fair_queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows_take_turns),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
