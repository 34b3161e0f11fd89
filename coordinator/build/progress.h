/* SPDX-License-Identifier: MIT
 *
 * How far a long task is: a bar that redraws itself on a terminal, plain lines every few seconds
 * elsewhere, nothing if quiet. One task at a time, each from progress_begin() to progress_end()
 * or progress_abandon().
 */
#ifndef FORKLORE_COORDINATOR_BUILD_PROGRESS_H
#define FORKLORE_COORDINATOR_BUILD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum progress_unit {
    PROGRESS_COUNT, /* iterations, vertices …: the caller's detail says what */
    PROGRESS_BYTES  /* shown with MB/s */
};

/* What one task needs. `out` and `quiet` are the caller's before the first progress_begin(). */
struct progress {
    FILE *out;
    bool quiet;
    bool terminal;
    bool drawn; /* a line without its end is on the terminal */
    enum progress_unit unit;
    const char *label; /* borrowed */
    uint64_t start_ns, next_ns;
};

void progress_begin(struct progress *progress, const char *label, enum progress_unit unit);

/* Cheap when nothing is due, so it can be called for every page or iteration. `total` 0: not
 * known. The detail ("4,598 pages") follows the bar. */
void progress_step(struct progress *progress, uint64_t done, uint64_t total, const char *detail,
                   ...) __attribute__((format(printf, 4, 5)));

/* One final line with what was done and the seconds it took. */
void progress_end(struct progress *progress, const char *detail, ...)
    __attribute__((format(printf, 2, 3)));

/* Clears the bar, so that an error message stands on a line of its own. */
void progress_abandon(struct progress *progress);

#endif
