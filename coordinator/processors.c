/* SPDX-License-Identifier: MIT */
#include "coordinator/processors.h"

#include "ipc/exchange.h"

#include <sched.h>

unsigned processors_usable(void)
{
    cpu_set_t set;
    /* The only error left is a set too small for the machine's 1,024 or more processors. */
    if (sched_getaffinity(0, sizeof set, &set) < 0 || CPU_COUNT(&set) > EXCHANGE_WORKERS_MAX)
        return EXCHANGE_WORKERS_MAX;
    return (unsigned)CPU_COUNT(&set);
}
