/* SPDX-License-Identifier: MIT */
#include "coordinator/job_run.h"

#include "coordinator/processors.h"

#include "shm/mapped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A worker that dies this often without getting ready takes the job with it. */
#define FAILURES_MAX 5
/* So do so many deaths at work, of all its workers, that nobody else has caused. */
#define DEATHS_MAX 2

static void on_message(void *owner, struct crew_worker *worker, const struct msg *msg)
{
    struct job_run *run = owner;
    switch (msg->kind) {
    case MSG_PROGRESS:
        if (run->progress)
            run->progress(run->owner, (uint32_t)msg->iteration, msg->change);
        break;
    case MSG_DONE:
        run->run_ns = msg->run_ns > run->run_ns ? msg->run_ns : run->run_ns;
        run->wait_ns += msg->wait_ns;
        run->exchange_ns += msg->exchange_ns;
        run->exchanged_bytes += msg->exchanged_bytes;
        run->wakeups += msg->wakeups;
        worker->finished = true;
        if (worker->inherit.slot == 0) {
            run->done = true;
            run->iterations = (uint32_t)msg->iteration;
            run->change = msg->change;
        }
        break;
    case MSG_FAILED:
        run->failed = true;
        fault_set(&run->why, EIO, "%.*s", (int)msg->text_length, msg->text);
        crew_retire(run->crew, MSG_CANCEL);
        break;
    default:
        break;
    }
}

/* A successor goes on from what the exchange holds, with the same bits. */
static bool on_died(void *owner, struct crew_worker *worker, const char *how)
{
    struct job_run *run = owner;
    fprintf(stderr, "forklored: job-worker=%u pid=%d event=died how=\"%s\"\n", worker->inherit.slot,
            (int)worker->pid, how);
    /* It may have published and been killed before it rang: its peers would sleep on. */
    for (unsigned w = 0; w < run->order.plan.workers; w++)
        bell_ring(&run->bells[w]);
    /* What it does itself it may do again whenever it comes to the same place. */
    if (!worker->outside && worker->failures == 0)
        run->deaths++;
    if (worker->failures < FAILURES_MAX && run->deaths < DEATHS_MAX)
        return true;
    run->failed = true;
    fault_set(&run->why, EIO, "worker %u cannot be kept alive: %s", worker->inherit.slot, how);
    crew_retire(run->crew, MSG_CANCEL);
    return false;
}

static size_t bells_bytes(unsigned workers)
{
    return workers * sizeof(struct bell_word);
}

/* The segment: bell words, then the exchange. */
static int make_exchange(struct job_run *run, struct crew_host *host, struct fault *why)
{
    const struct exchange_plan *plan = &run->order.plan;
    char label[32];
    snprintf(label, sizeof label, "job%u", host->crews_made);
    int err = seg_create(&run->segs[0], host->owner, label,
                         bells_bytes(plan->workers) + exchange_bytes(plan), why);
    if (err)
        return err;
    madvise(run->segs[0].base, run->segs[0].bytes, MADV_DONTFORK);
    run->seg_count = 1;
    struct bell_word *words = run->segs[0].base;
    for (unsigned w = 0; w < plan->workers && !err; w++)
        err = bell_open(&run->bells[w], &words[w]);
    if (err)
        return fault_errno(why, -err, "cannot make an eventfd");
    run->order.bells = run->bells;
    run->order.exchange = (char *)run->segs[0].base + bells_bytes(plan->workers);
    exchange_format(run->order.exchange, plan);
    return 0;
}

static int compare_seeds(const void *a, const void *b)
{
    uint32_t x = ((const struct job_seed *)a)->vertex, y = ((const struct job_seed *)b)->vertex;
    return (x > y) - (x < y);
}

struct planning {
    struct job_order *order;
    const struct spmv_view *spmv;
};

static void plan_order(void *owner)
{
    const struct planning *planning = owner;
    job_order_plan(planning->order, planning->spmv);
}

/* -ENOMEM, -EIO. */
static int make_order(struct job_run *run, const struct job_run_params *params,
                      const struct index_view *index, const struct rank_arrays *ranks)
{
    const unsigned processors = processors_usable();
    run->order = (struct job_order){
        .damping = params->damping,
        .tolerance = params->tolerance,
        .iterations = params->iterations,
        .plan = {.mode = params->exchange,
                 .workers = params->workers < processors ? params->workers : processors,
                 .element_bytes = params->element_bytes},
        .ranks = *ranks,
    };
    if (!mapped_run(plan_order, &(struct planning){&run->order, &index->spmv}))
        return -EIO;
    if (params->seed_count == 0)
        return 0;
    run->seeds = malloc(params->seed_count * sizeof *run->seeds);
    if (!run->seeds)
        return -ENOMEM;
    memcpy(run->seeds, params->seeds, params->seed_count * sizeof *run->seeds);
    qsort(run->seeds, params->seed_count, sizeof *run->seeds, compare_seeds);
    run->order.seeds = run->seeds;
    run->order.seed_count = params->seed_count;
    return 0;
}

int job_run_start(struct job_run **out, struct crew_host *host, const struct job_run_params *params,
                  const struct index_view *index, uint64_t generation,
                  const struct rank_arrays *ranks, const struct seg *ranks_seg, void *owner,
                  void (*progress)(void *owner, uint32_t iteration, double change),
                  struct fault *why)
{
    struct job_run *run = calloc(1, sizeof *run);
    *out = run;
    if (!run)
        return fault_set(why, ENOMEM, "no memory for a job");
    run->owner = owner;
    run->progress = progress;
    run->segs[0] = (struct seg)SEG_NONE;
    for (unsigned w = 0; w < EXCHANGE_WORKERS_MAX; w++)
        run->bells[w].eventfd = -1;
    int err = 0;
    if (!index->spmv.info)
        err = fault_set(why, EINVAL, "the index has no layout for PageRank: build it again");
    if (!err) {
        err = make_order(run, params, index, ranks);
        if (err == -EIO)
            fault_set(why, EIO, MAPPED_GONE);
        else if (err)
            fault_set(why, ENOMEM, "no memory for %u seeds", params->seed_count);
    }
    if (!err)
        err = make_exchange(run, host, why);
    if (!err) {
        if (ranks_seg)
            run->segs[run->seg_count++] = *ranks_seg;
        struct inherit prototype = {.generation = generation,
                                    .index = index,
                                    .mapped = params->mapped,
                                    .index_fd = -1,
                                    .job = &run->order};
        struct crew_events events = {.owner = run, .message = on_message, .died = on_died};
        err = crew_create(&run->crew, host, params->mode, run->order.plan.workers, &prototype,
                          run->bells, run->segs, run->seg_count, &events, why);
    }
    if (err)
        job_run_destroy(out);
    return err;
}

void job_run_cancel(struct job_run *run)
{
    if (!run->crew->retiring)
        crew_retire(run->crew, MSG_CANCEL);
}

bool job_run_over(const struct job_run *run)
{
    return crew_gone(run->crew);
}

void job_run_destroy(struct job_run **out)
{
    struct job_run *run = *out;
    *out = NULL;
    if (!run)
        return;
    crew_destroy(&run->crew);
    for (unsigned w = 0; w < EXCHANGE_WORKERS_MAX; w++) {
        if (run->bells[w].eventfd >= 0)
            bell_close(&run->bells[w]);
    }
    seg_destroy(&run->segs[0]);
    free(run->seeds);
    free(run);
}
