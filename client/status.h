/* SPDX-License-Identifier: MIT
 *
 * The daemon's status as people read it; for `status` and the live view.
 */
#ifndef FORKLORE_CLIENT_STATUS_H
#define FORKLORE_CLIENT_STATUS_H

#include "client/answer.h"

#include <stdio.h>

void status_print(FILE *out, struct answer *answer, struct wire_in status);

#endif
