/* SPDX-License-Identifier: MIT
 *
 * Rows side by side: half a chunk with ordinary loads, a chunk and a long row with them or with
 * vector gathers. REAL, NAME(x) and TARGET are set, for gathers also VECTOR of WIDTH elements,
 * GATHER, ADD and STORE. See multiply.c.
 */

INLINE uint64_t NAME(four)(const uint16_t *ids)
{
    uint64_t four;
    memcpy(&four, ids, sizeof four);
    return four;
}

#define LOAD(op)                                                                                   \
    do {                                                                                           \
        const uint64_t low = NAME(four)(ids), high = NAME(four)(ids + 4);                          \
        s0 op x[low & 0xffff];                                                                     \
        s1 op x[low >> 16 & 0xffff];                                                               \
        s2 op x[low >> 32 & 0xffff];                                                               \
        s3 op x[low >> 48];                                                                        \
        s4 op x[high & 0xffff];                                                                    \
        s5 op x[high >> 16 & 0xffff];                                                              \
        s6 op x[high >> 32 & 0xffff];                                                              \
        s7 op x[high >> 48];                                                                       \
    } while (0)

/* Eight rows of a chunk whose lanes are `lanes` apart. */
INLINE TARGET void NAME(half)(const uint16_t *rows, uint32_t lanes, uint32_t k, const REAL *x,
                              REAL *sums)
{
    const uint16_t *ids = rows + lanes;
    REAL s0, s1, s2, s3, s4, s5, s6, s7;
    LOAD(=);
    for (uint32_t j = 1; j < k; j++) {
        ids += lanes;
        LOAD(+=);
    }
    sums[rows[0]] += s0;
    sums[rows[1]] += s1;
    sums[rows[2]] += s2;
    sums[rows[3]] += s3;
    sums[rows[4]] += s4;
    sums[rows[5]] += s5;
    sums[rows[6]] += s6;
    sums[rows[7]] += s7;
}

#ifndef VECTOR

/* A chunk of SPMV_LANES rows of k links. */
INLINE TARGET void NAME(chunk)(const uint16_t *rows, uint32_t k, const REAL *x, REAL *sums)
{
    NAME(half)(rows, SPMV_LANES, k, x, sums);
    NAME(half)(rows + 8, SPMV_LANES, k, x, sums);
}

/* The sum of `steps` times SPMV_LANES sources. */
INLINE TARGET REAL NAME(row)(const uint16_t *ids, uint32_t steps, const REAL *x)
{
    REAL s0, s1, s2, s3, s4, s5, s6, s7;
    REAL t0, t1, t2, t3, t4, t5, t6, t7;
    const uint16_t *high_ids = ids + 8;
    uint32_t step = steps;
    LOAD(=);
    while (--step > 0) {
        ids += SPMV_LANES;
        LOAD(+=);
    }
    t0 = s0, t1 = s1, t2 = s2, t3 = s3, t4 = s4, t5 = s5, t6 = s6, t7 = s7;
    ids = high_ids;
    step = steps;
    LOAD(=);
    while (--step > 0) {
        ids += SPMV_LANES;
        LOAD(+=);
    }
    t0 += s0, t1 += s1, t2 += s2, t3 += s3, t4 += s4, t5 += s5, t6 += s6, t7 += s7;
    t0 += t4, t1 += t5, t2 += t6, t3 += t7;
    t0 += t2, t1 += t3;
    return t0 + t1;
}

#else

INLINE TARGET void NAME(chunk)(const uint16_t *rows, uint32_t k, const REAL *x, REAL *sums)
{
    for (uint32_t part = 0; part < SPMV_LANES; part += WIDTH, rows += WIDTH) {
        const uint16_t *ids = rows + SPMV_LANES;
        VECTOR sum = GATHER(x, ids);
        for (uint32_t j = 1; j < k; j++) {
            ids += SPMV_LANES;
            sum = ADD(sum, GATHER(x, ids));
        }
        REAL lanes[WIDTH];
        STORE(lanes, sum);
        for (uint32_t lane = 0; lane < WIDTH; lane++)
            sums[rows[lane]] += lanes[lane];
    }
}

INLINE TARGET REAL NAME(row)(const uint16_t *ids, uint32_t steps, const REAL *x)
{
    REAL lanes[SPMV_LANES];
    for (uint32_t part = 0; part < SPMV_LANES; part += WIDTH, ids += WIDTH) {
        VECTOR sum = GATHER(x, ids);
        for (uint32_t step = 1; step < steps; step++)
            sum = ADD(sum, GATHER(x, ids + (size_t)step * SPMV_LANES));
        STORE(lanes + part, sum);
    }
    for (uint32_t half = SPMV_LANES / 2; half > 0; half /= 2)
        for (uint32_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

#undef VECTOR
#undef WIDTH
#undef GATHER
#undef ADD
#undef STORE
#endif
#undef LOAD
