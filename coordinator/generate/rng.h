/* SPDX-License-Identifier: MIT
 *
 * Random numbers for the generators: xoshiro256** of Blackman and Vigna, seeded by splitmix64, both
 * in the public domain. Integers only, so that a seed gives the same bytes on every machine.
 */
#ifndef FORKLORE_COORDINATOR_GENERATE_RNG_H
#define FORKLORE_COORDINATOR_GENERATE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

static inline uint64_t splitmix64_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void rng_init(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix64_next(&seed);
}

static inline uint64_t rng_rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rng_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotate(s[3], 45);
    return result;
}

/* Uniform in [0, n), n > 0. The bias of n / 2^32 does not matter to what is generated. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
    return (uint32_t)(((rng_next(rng) >> 32) * n) >> 32);
}

#endif
