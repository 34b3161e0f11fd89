/* SPDX-License-Identifier: MIT */
#include "worker/multiply.h"

#include "shm/spmv.h"

#include <stddef.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* --- Any processor --------------------------------------------------------------------------- */

#define SOURCE  float
#define REAL    float
#define NAME(x) x##_single_plain
#define TARGET
#include "worker/multiply_tile.inc"

#define SOURCE  double
#define REAL    double
#define NAME(x) x##_double_plain
#define TARGET
#include "worker/multiply_tile.inc"

/* The only way for whole numbers: a gather would read 32 bits for 16. */
#define SOURCE  uint16_t
#define REAL    uint32_t
#define NAME(x) x##_whole
#define TARGET
#include "worker/multiply_tile.inc"

static const struct multiply plain = {"plain", multiply_single_plain, multiply_double_plain,
                                      multiply_whole};

/* --- x86 with vector gathers ----------------------------------------------------------------- */

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define VECTOR __m256
#define WIDTH  8
#define GATHER(base, ids)                                                                          \
    _mm256_i32gather_ps(base, _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(ids))), 4)
#define ADD     _mm256_add_ps
#define STORE   _mm256_storeu_ps
#define SOURCE  float
#define REAL    float
#define NAME(x) x##_single_avx2
#include "worker/multiply_tile.inc"

#define TARGET __attribute__((target("avx2")))
#define VECTOR __m256d
#define WIDTH  4
#define GATHER(base, ids)                                                                          \
    _mm256_i32gather_pd(base, _mm_cvtepu16_epi32(_mm_loadl_epi64((const void *)(ids))), 8)
#define ADD     _mm256_add_pd
#define STORE   _mm256_storeu_pd
#define SOURCE  double
#define REAL    double
#define NAME(x) x##_double_avx2
#include "worker/multiply_tile.inc"

#define TARGET __attribute__((target("avx512f")))
#define VECTOR __m512
#define WIDTH  16
#define GATHER(base, ids)                                                                          \
    _mm512_i32gather_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(ids))), base, 4)
#define ADD     _mm512_add_ps
#define STORE   _mm512_storeu_ps
#define SOURCE  float
#define REAL    float
#define NAME(x) x##_single_avx512
#include "worker/multiply_tile.inc"

#define TARGET __attribute__((target("avx512f")))
#define VECTOR __m512d
#define WIDTH  8
#define GATHER(base, ids)                                                                          \
    _mm512_i32gather_pd(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(ids))), base, 8)
#define ADD     _mm512_add_pd
#define STORE   _mm512_storeu_pd
#define SOURCE  double
#define REAL    double
#define NAME(x) x##_double_avx512
#include "worker/multiply_tile.inc"

static const struct multiply avx2 = {"avx2", multiply_single_avx2, multiply_double_avx2,
                                     multiply_whole};
static const struct multiply avx512 = {"avx512", multiply_single_avx512, multiply_double_avx512,
                                       multiply_whole};
#endif

const struct multiply *const *multiply_all(void)
{
    static const struct multiply *all[4];
    unsigned count = 0;
    all[count++] = &plain;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        all[count++] = &avx2;
    if (__builtin_cpu_supports("avx512f"))
        all[count++] = &avx512;
#endif
    return all;
}

const struct multiply *multiply_choose(void)
{
#if defined(__x86_64__)
    /* AMD's gathers are slower than as many loads; Intel's narrow ones are no faster. */
    if (__builtin_cpu_is("intel") && __builtin_cpu_supports("avx512f"))
        return &avx512;
#endif
    return &plain;
}
