/* SPDX-License-Identifier: MIT
 *
 * Numbers as people read them, for progress and reports.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_HUMAN_H
#define FORKLORE_COORDINATOR_BUILD_HUMAN_H

#include <stdint.h>

struct human {
    char text[32];
};

/* 119769 -> "119,769" */
struct human human_count(uint64_t value);

/* 28387603 -> "27.1 MiB", 812 -> "812 B" */
struct human human_bytes(uint64_t bytes);

/* 75 -> "1:15", 3725 -> "1:02:05" */
struct human human_time(double seconds);

#endif
