/* SPDX-License-Identifier: MIT
 *
 * Job maps as people read them; for the job commands and the live view.
 */
#ifndef FORKLORE_CLIENT_JOB_H
#define FORKLORE_CLIENT_JOB_H

#include "client/answer.h"

#include <stdio.h>

/* A table of jobs, newest last, at most the `most` newest. */
void job_table(FILE *out, struct answer *answer, struct items jobs, uint32_t most, unsigned indent);
/* "[#####     ] iteration 12, change 3.2e-05, 1.20 s". */
void job_progress(FILE *out, struct answer *answer, struct wire_in job);

#endif
