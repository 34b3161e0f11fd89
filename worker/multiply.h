/* SPDX-License-Identifier: MIT
 *
 * Adds one tile's links (spmv.h): sums[row] += the contributions of its sources. The innermost loop
 * of PageRank, in several ways of which the processor takes the best. All give the same bits: a
 * row's sources are added one after the other, from the first on; those of whole steps in
 * SPMV_LANES sums, which are then added in halves. Whole numbers give the same in any order.
 */
#ifndef FORKLORE_WORKER_MULTIPLY_H
#define FORKLORE_WORKER_MULTIPLY_H

#include <stdint.h>

struct multiply {
    const char *name;
    void (*single)(const uint16_t *tile, const float *contributions, float *sums);
    void (*twice)(const uint16_t *tile, const double *contributions, double *sums);
    void (*whole)(const uint16_t *tile, const uint16_t *contributions, uint32_t *sums);
};

/* The one for this processor. */
const struct multiply *multiply_choose(void);
/* All that this processor can run, best last, NULL at the end: for tests and benchmarks. */
const struct multiply *const *multiply_all(void);

#endif
