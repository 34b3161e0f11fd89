/* SPDX-License-Identifier: MIT */
#include "coordinator/watch.h"

#include <string.h>

#define LOOKS 4 /* without a sign of life in between make a hang */
/* A job's worker, or one that starts or leaves, may have a long way from one sign to the next. Not
 * so if it is stopped, which needs no patience. */
#define LONG_WAY 10

void watch_init(struct watch *watch, struct crew_host *host, uint64_t limit_ns)
{
    *watch = (struct watch){.host = host, .limit_ns = limit_ns};
}

void watch_fini(struct watch *watch)
{
    struct loop *loop = watch->host->loop;
    loop_cancel(loop, &watch->timer_op);
    while (loop_busy(&watch->timer_op) && loop_run(loop, true) >= 0)
        ;
}

/* Whether it ought to get on. */
static bool has_duty(const struct crew_worker *worker)
{
    if (!worker->alive || worker->crew->mode != WORKERS_PROCESSES)
        return false;
    if (worker->state != WORKER_READY || worker->in_flight > 0)
        return true;
    return worker->inherit.job && !bell_asleep(&worker->inherit.bell);
}

/* The kernel's word for it: 'T' is stopped, 't' by a debugger. */
static bool is_stopped(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    const char *after_name = fgets(line, sizeof line, in) ? strrchr(line, ')') : NULL;
    fclose(in);
    return after_name && after_name[1] == ' ' && (after_name[2] == 'T' || after_name[2] == 't');
}

static void look_at(struct watch *watch, struct crew_worker *worker)
{
    uint64_t beats = pulse_beats(worker->inherit.pulse);
    if (!has_duty(worker) || worker->beats_seen != beats) {
        worker->beats_seen = beats;
        worker->looks = 0;
        return;
    }
    if (++worker->looks < LOOKS)
        return;
    bool stopped = is_stopped(worker->pid);
    bool long_way = worker->inherit.job || worker->state != WORKER_READY;
    if (!stopped && long_way && worker->looks < LOOKS * LONG_WAY)
        return;
    worker->looks = 0;
    crew_kill_hung(worker, stopped, watch->limit_ns / 1000000);
}

static bool anybody(const struct watch *watch)
{
    for (struct crew *crew = watch->host->crews; crew; crew = crew->next) {
        for (unsigned w = 0; w < crew->worker_count; w++) {
            if (has_duty(&crew->workers[w]))
                return true;
        }
    }
    return false;
}

static void on_timer(struct loop_op *op, int result)
{
    struct watch *watch = op->owner;
    if (result < 0)
        return;
    for (struct crew *crew = watch->host->crews; crew; crew = crew->next) {
        for (unsigned w = 0; w < crew->worker_count; w++)
            look_at(watch, &crew->workers[w]);
    }
}

void watch_turn(struct watch *watch)
{
    if (loop_busy(&watch->timer_op) || !anybody(watch))
        return;
    watch->timer_op = (struct loop_op){.fn = on_timer, .owner = watch};
    loop_timer(watch->host->loop, &watch->timer_op, loop_now_ns() + watch->limit_ns / LOOKS);
}
