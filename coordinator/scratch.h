/* SPDX-License-Identifier: MIT
 *
 * A temporary folder for what --dump, --edges and --demo build. One per process; it goes with the
 * process, also by SIGTERM, SIGINT or SIGHUP before the daemon has taken these over.
 */
#ifndef FORKLORE_COORDINATOR_SCRATCH_H
#define FORKLORE_COORDINATOR_SCRATCH_H

#include "shm/fault.h"

#define SCRATCH_INDEX "index.flk"
#define SCRATCH_DUMP  "demo.xml"

/* Makes it, in $TMPDIR or /var/tmp. */
int scratch_make(struct fault *why);
/* The path of SCRATCH_INDEX or SCRATCH_DUMP in it. */
const char *scratch_path(const char *name);
/* Removes it and what is in it; no-op if there is none. */
void scratch_remove(void);

#endif
