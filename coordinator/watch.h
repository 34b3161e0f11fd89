/* SPDX-License-Identifier: MIT
 *
 * Watches for workers that have stopped getting on: stopped from outside, or in a loop without
 * end. They are killed, and what follows is what follows any death. Looks a few times per limit
 * and only while there is something to watch; counts looks, not time, so that a coordinator that
 * was held up itself does not blame its workers. Threads cannot be killed and are left alone.
 */
#ifndef FORKLORE_COORDINATOR_WATCH_H
#define FORKLORE_COORDINATOR_WATCH_H

#include "coordinator/crew.h"

struct watch {
    struct crew_host *host;
    uint64_t limit_ns;
    struct loop_op timer_op;
};

void watch_init(struct watch *watch, struct crew_host *host, uint64_t limit_ns);
void watch_fini(struct watch *watch);

/* Once a turn: looks from now on if a worker has something to do. */
void watch_turn(struct watch *watch);

#endif
