/* SPDX-License-Identifier: MIT */
#include "worker/pagerank.h"

#include "ipc/loop.h"
#include "shm/spmv.h"
#include "worker/multiply.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pagerank_seed {
    uint32_t position;
    double weight;
};

/* With enough phases an update goes a little further than it is told (successive over-relaxation):
 * at 1.07 a sixth fewer iterations; Anderson acceleration saves one more in eight, for history
 * vectors and dot products that cost as much. It converges for any links below
 * 2 / (1 + damping). */
#define PHASES_TO_RELAX 8

static double relaxation(double damping)
{
    const double most = 1 + 0.9 * (1 - damping) / (1 + damping);
    return most < 1.07 ? most : 1.07;
}

#define REAL     float
#define NAME(x)  x##_single
#define MULTIPLY single
#include "worker/pagerank_kernel.inc"
#undef REAL
#undef NAME
#undef MULTIPLY

#define REAL     double
#define NAME(x)  x##_double
#define MULTIPLY twice
#include "worker/pagerank_kernel.inc"
#undef REAL
#undef NAME
#undef MULTIPLY

void job_order_plan(struct job_order *order, const struct spmv_view *spmv)
{
    struct exchange_plan *plan = &order->plan;
    order->accelerate = order->tolerance > 0;
    plan->rows = spmv->info->vertex_count;
    plan->sources = spmv->info->source_count;
    plan->phases = order->accelerate ? spmv->info->phase_count : 1;
    const uint32_t each = plan->phases == 1 ? spmv->info->phase_count : 1;
    for (uint32_t phase = 0; phase < plan->phases; phase++)
        spmv_partition(spmv, phase, each, plan->workers, plan->bounds[phase]);
}

static int leave_ranks(const struct index_view *index, const struct job_order *order,
                       const struct pagerank_result *result, struct fault *why)
{
    *order->ranks.info = (struct rank_info){
        .damping = order->damping,
        .tolerance = order->tolerance,
        .change = result->change,
        .iterations = result->iterations,
        .precision = order->plan.element_bytes,
        .seed_count = order->seed_count,
        .converged = result->converged,
        .finished_unix_s = (uint64_t)time(NULL),
    };
    return rank_build(&order->ranks, index->pages, index->graph.vertex_count, &index->titles, why);
}

static int find_seeds(const struct index_view *index, const struct job_order *order,
                      struct pagerank_seed **out)
{
    struct pagerank_seed *seeds = calloc((size_t)order->seed_count + 1, sizeof *seeds);
    *out = seeds;
    if (!seeds)
        return -ENOMEM;
    for (uint32_t s = 0; s < order->seed_count; s++)
        seeds[s] = (struct pagerank_seed){index->spmv.positions[order->seeds[s].vertex],
                                          order->seeds[s].weight};
    return 0;
}

int pagerank_run(const struct index_view *index, const struct job_order *order, unsigned slot,
                 const struct pagerank_host *host, struct pagerank_result *result,
                 struct fault *why)
{
    *result = (struct pagerank_result){0};
    struct exchange exchange;
    int err = exchange_attach(&exchange, order->exchange, &order->plan, slot, order->bells, why);
    if (err)
        return err;
    struct pagerank_seed *seeds;
    err = find_seeds(index, order, &seeds);
    if (!err && order->plan.element_bytes == sizeof(float))
        err = run_single(index, order, &exchange, host, seeds, result);
    else if (!err)
        err = run_double(index, order, &exchange, host, seeds, result);
    free(seeds);
    result->exchanged_bytes = exchange.bytes_sent;
    result->wakeups = exchange.wakeups;
    if (err == -ENOMEM)
        fault_set(why, ENOMEM, "worker %u: no memory for %u vertices", slot,
                  index->graph.vertex_count);
    if (err == -EBADMSG)
        fault_set(why, EBADMSG, "worker %u: a partial score message is broken", slot);
    if (!err && slot == 0)
        err = leave_ranks(index, order, result, why);
    return err;
}
