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

/* Coarse contributions: see pagerank.h. */
#define COARSE_HEADROOM     2 /* an iteration's greatest contribution to that of the one before */
#define COARSE_MARGIN       1000   /* the last change to the noise, at least */
#define COARSE_FIRST_CHANGE 0.1    /* before there is a change */
#define COARSE_TOLERATED    0.0625 /* noise to the tolerance, in a result */

/* The greatest number: all of a row's links together stay within 32 bits. */
static uint32_t coarse_limit(const struct spmv_info *info)
{
    const uint32_t each = info->links_in_most ? INT32_MAX / info->links_in_most : UINT16_MAX;
    return each < UINT16_MAX ? each : UINT16_MAX;
}

/* The L1 error that rounding to a unit brings into an iteration: that of a link has deviation
 * unit / sqrt(6); in a row of k links they add up to sqrt(k) of that, about normal, whose mean
 * magnitude is sqrt(2 / pi) of its deviation; and the rows' sqrt(k) are at most sqrt(n m). */
static double coarse_noise(const struct index_view *index, const struct job_order *order,
                           double unit)
{
    const double n = index->graph.vertex_count, m = (double)index->graph.edge_count;
    return order->damping * unit * 0.3257 * sqrt(n * m);
}

/* For contributions of `most` at most: 0 if that is too coarse where one iteration changes the
 * scores by `change`. */
static double coarse_unit(const struct index_view *index, const struct job_order *order,
                          double most, double change)
{
    const double unit = most / coarse_limit(index->spmv.info);
    return order->accelerate && COARSE_MARGIN * coarse_noise(index, order, unit) < change ? unit
                                                                                          : 0;
}

/* What a contribution of the start vector is at most. */
static double start_most(const struct spmv_view *spmv, const struct job_order *order)
{
    const struct spmv_info *info = spmv->info;
    if (order->seed_count || info->source_count == 0)
        return INFINITY;
    return (1 - order->damping) / info->vertex_count / spmv->degrees[info->source_count - 1] +
           order->damping * info->start_peak;
}

#define INLINE           static inline __attribute__((always_inline))
#define CONTRIBUTE_LANES 8

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
