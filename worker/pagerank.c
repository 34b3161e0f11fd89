/* SPDX-License-Identifier: MIT */
#include "worker/pagerank.h"

#include "ipc/loop.h"
#include "shm/partition.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#define REAL    float
#define NAME(x) x##_single
#include "worker/pagerank_kernel.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) x##_double
#include "worker/pagerank_kernel.h"
#undef REAL
#undef NAME

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

int pagerank_run(const struct index_view *index, const struct job_order *order, unsigned slot,
                 const struct pagerank_host *host, struct pagerank_result *result,
                 struct fault *why)
{
    *result = (struct pagerank_result){0};
    struct exchange exchange;
    int err = exchange_attach(&exchange, order->exchange, &order->plan, slot, order->bells, why);
    if (err)
        return err;
    if (order->plan.element_bytes == sizeof(float))
        err = run_single(index, order, &exchange, host, result);
    else
        err = run_double(index, order, &exchange, host, result);
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
