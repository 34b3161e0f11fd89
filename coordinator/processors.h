/* SPDX-License-Identifier: MIT
 *
 * How many processors this process may use.
 */
#ifndef FORKLORE_COORDINATOR_PROCESSORS_H
#define FORKLORE_COORDINATOR_PROCESSORS_H

/* Those it may run on (its affinity, which cpusets narrow), 1 to EXCHANGE_WORKERS_MAX. */
unsigned processors_usable(void);

#endif
