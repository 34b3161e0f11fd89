/* SPDX-License-Identifier: MIT
 *
 * What forklored does without serving: build, generate, verify, info. Each takes the command line
 * from its own name on and returns an exit status.
 */
#ifndef FORKLORE_COORDINATOR_ONESHOT_H
#define FORKLORE_COORDINATOR_ONESHOT_H

#include "coordinator/build/build.h"
#include "coordinator/options.h"

int oneshot_build(int argc, char **argv);
int oneshot_generate(int argc, char **argv);
int oneshot_verify(int argc, char **argv);
int oneshot_info(int argc, char **argv);

/* Builds what --dump, --edges or --demo ask for into scratch.h's index file. 0, or an exit status
 * after telling why. */
int oneshot_build_source(const struct serve_options *options);

/* For build_options.rank: PageRank by a crew of threads, with the daemon's defaults. */
int oneshot_rank(void *owner, const struct index_view *index, const struct rank_arrays *ranks,
                 struct fault *why);

#endif
