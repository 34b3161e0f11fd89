/* SPDX-License-Identifier: MIT
 *
 * Deadlines inside long loops, and pauses in which something short may be done: looked at once per
 * so much work, not per step.
 */
#ifndef FORKLORE_WORKER_PATIENCE_H
#define FORKLORE_WORKER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define PATIENCE_WORK 1024 /* memory accesses at random between two looks: below 0.1 ms */

struct patience {
    uint64_t deadline_ns; /* CLOCK_MONOTONIC, 0: none */
    uint64_t work;
    bool (*pause)(void *owner); /* called at every look, true to give up; or NULL */
    void *owner;
};

static inline bool patience_expired_on(const struct patience *patience, clockid_t clock)
{
    struct timespec now;

    if (patience->deadline_ns == 0)
        return false;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec >=
           patience->deadline_ns;
}

static inline bool patience_expired(const struct patience *patience)
{
    return patience_expired_on(patience, CLOCK_MONOTONIC);
}

/* Before the work begins, a few milliseconds late and much cheaper: short queries look no more. */
static inline bool patience_expired_early(const struct patience *patience)
{
    return patience_expired_on(patience, CLOCK_MONOTONIC_COARSE);
}

/* Accounts for `work` more; true once the deadline is found to have passed, or the pause says that
 * nobody waits any more, which is a deadline long ago. */
static inline bool patience_over(struct patience *patience, uint64_t work)
{
    patience->work += work;
    if (patience->work < PATIENCE_WORK)
        return false;
    patience->work = 0;
    if (patience->pause && patience->pause(patience->owner))
        patience->deadline_ns = 1;
    return patience_expired(patience);
}

#endif
