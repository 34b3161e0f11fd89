/* SPDX-License-Identifier: MIT
 *
 * Scores for an index that is being built: the daemon's own jobs, on threads, because the arrays
 * are still private memory.
 */
#include "coordinator/oneshot.h"

#include "coordinator/job_run.h"
#include "coordinator/processors.h"

#include <errno.h>

#define LOOP_ENTRIES 16
/* Tighter than a job's default: these scores are what people see until they submit one. */
#define TOLERANCE      1e-10
#define ITERATIONS_MAX 200

static void on_bell(struct loop_op *op, int result)
{
    (void)op;
    (void)result;
}

static int run_until_over(struct job_run *run, struct crew_host *host)
{
    struct loop_op bell_op = {.fn = on_bell};
    loop_eventfd(host->loop, &bell_op, host->bell.eventfd);
    int err = 0;
    while (err >= 0 && !job_run_over(run)) {
        crew_host_flush(host);
        if (crew_host_take_replies(host))
            continue;
        bell_sleep(&host->bell);
        err = crew_host_pending(host) || job_run_over(run) ? 0 : loop_run(host->loop, true);
        bell_awake(&host->bell);
        err = err == -EINTR ? 0 : err;
    }
    loop_cancel(host->loop, &bell_op);
    while (loop_busy(&bell_op) && loop_run(host->loop, true) >= 0)
        ;
    return err < 0 ? err : 0;
}

static int rank_with(struct crew_host *host, const struct index_view *index,
                     const struct rank_arrays *ranks, struct fault *why)
{
    struct job_run *run;
    struct job_run_params params = {
        .damping = 0.85,
        .tolerance = TOLERANCE,
        .iterations = ITERATIONS_MAX,
        .element_bytes = sizeof(double),
        .exchange = EXCHANGE_RING,
        .workers = processors_usable(),
        .mode = WORKERS_THREADS,
    };
    int err = job_run_start(&run, host, &params, index, 0, ranks, NULL, NULL, NULL, why);
    if (err)
        return err;
    err = run_until_over(run, host);
    if (err)
        fault_errno(why, -err, "io_uring");
    else if (run->failed)
        err = fault_set(why, EIO, "ranking: %s", run->why.text);
    job_run_destroy(&run);
    return err;
}

int oneshot_rank(void *owner, const struct index_view *index, const struct rank_arrays *ranks,
                 struct fault *why)
{
    (void)owner;
    struct seg_owner segs;
    struct loop *loop;
    struct crew_host host;
    int err = seg_owner_init(&segs, why);
    if (err)
        return err;
    err = loop_create(&loop, LOOP_ENTRIES, 0, 0, why);
    if (!err) {
        err = crew_host_init(&host, loop, &segs, 64, why);
        if (!err) {
            err = rank_with(&host, index, ranks, why);
            crew_host_fini(&host);
        }
        loop_destroy(&loop);
    }
    seg_owner_fini(&segs);
    return err;
}
