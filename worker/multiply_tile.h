/* SPDX-License-Identifier: MIT
 *
 * A tile from its first word to its last. REAL, NAME(x) and TARGET are set, and given back; see
 * multiply.c.
 */
#include "worker/multiply_rows.h"

/* All rows with k links; a copy with k as a constant for each of the small ones. */
INLINE TARGET const uint16_t *NAME(group)(const uint16_t *at, uint32_t rows, uint32_t k,
                                          const REAL *x, REAL *sums)
{
    for (; rows >= SPMV_LANES; rows -= SPMV_LANES, at += (k + 1) * SPMV_LANES)
        NAME(chunk)(at, k, x, sums);
    uint32_t lane = 0;
    if (rows >= 8) {
        NAME(half)(at, rows, k, x, sums);
        lane = 8;
    }
    for (; lane < rows; lane++) {
        REAL sum = x[at[rows + lane]];
        for (uint32_t j = 2; j <= k; j++)
            sum += x[at[j * rows + lane]];
        sums[at[lane]] += sum;
    }
    return at + (k + 1) * rows;
}

TARGET static void NAME(multiply)(const uint16_t *tile, const REAL *x, REAL *sums)
{
    const uint32_t groups = tile[0], long_groups = tile[1];
    const uint16_t *group = tile + 2, *at = group + 2 * ((size_t)groups + long_groups);
    for (uint32_t g = 0; g < groups; g++, group += 2) {
        switch (group[0]) {
        case 1:
            at = NAME(group)(at, group[1], 1, x, sums);
            break;
        case 2:
            at = NAME(group)(at, group[1], 2, x, sums);
            break;
        case 3:
            at = NAME(group)(at, group[1], 3, x, sums);
            break;
        case 4:
            at = NAME(group)(at, group[1], 4, x, sums);
            break;
        default:
            at = NAME(group)(at, group[1], group[0], x, sums);
        }
    }
    for (uint32_t g = 0; g < long_groups; g++, group += 2) {
        const uint32_t steps = group[0], words = 1 + steps * SPMV_LANES;
        for (uint32_t rows = group[1]; rows > 0; rows--, at += words)
            sums[at[0]] += NAME(row)(at + 1, steps, x);
    }
}

#undef REAL
#undef NAME
#undef TARGET
