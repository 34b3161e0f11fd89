/* SPDX-License-Identifier: MIT */
#include "shm/packed.h"

#include <string.h>

typedef uint32_t lanes __attribute__((vector_size(16)));
typedef uint32_t lanes_anywhere __attribute__((vector_size(16), aligned(1)));

/* Both unroll the loop in full; only the spelling differs. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define LANES 4
#define ROWS  (PACKED_COUNT / LANES)

#define EXCEPTIONS_FOLLOW 0x80

static unsigned pack_width(unsigned char head)
{
    const unsigned width = head & (EXCEPTIONS_FOLLOW - 1);
    return width <= 32 ? width : 32;
}

static uint32_t low_bits(unsigned width)
{
    return width == 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1;
}

/* --- Writing ------------------------------------------------------------------------------- */

static unsigned bits(uint32_t value)
{
    return value ? 32 - (unsigned)__builtin_clz(value) : 0;
}

static size_t value_bytes(unsigned width, unsigned count)
{
    return (width * (size_t)count + 7) / 8;
}

/* The width that makes the pack smallest. An exception has room for 8 bits more. */
static unsigned best_width(const uint32_t *values, unsigned count)
{
    unsigned histogram[33] = {0}, best = 32;
    size_t best_bytes = SIZE_MAX;
    for (unsigned i = 0; i < count; i++)
        histogram[bits(values[i])]++;
    unsigned most = 32;
    while (most > 0 && !histogram[most])
        most--;
    unsigned exceptions = 0;
    for (unsigned width = most + 1; width-- > (most > 8 ? most - 8 : 0);) {
        const size_t bytes = value_bytes(width, count) + 2 * (size_t)exceptions + (exceptions > 0);
        exceptions += histogram[width];
        if (bytes < best_bytes) {
            best_bytes = bytes;
            best = width;
        }
    }
    return best;
}

static void put_lanes(const uint32_t *values, unsigned width, unsigned char *out)
{
    uint32_t words[4 * 32 + 4] = {0};
    for (unsigned i = 0; i < PACKED_COUNT; i++) {
        const unsigned bit = i / LANES * width, lane = i % LANES;
        const uint64_t value = (uint64_t)(values[i] & low_bits(width)) << bit % 32;
        words[bit / 32 * LANES + lane] |= (uint32_t)value;
        words[(bit / 32 + 1) * LANES + lane] |= (uint32_t)(value >> 32);
    }
    memcpy(out, words, (size_t)width * 16);
}

static void put_row(const uint32_t *values, unsigned count, unsigned width, unsigned char *out)
{
    memset(out, 0, value_bytes(width, count));
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = (uint64_t)(values[i] & low_bits(width)) << i * width % 8;
        for (size_t at = (size_t)i * width / 8; value; value >>= 8)
            out[at++] |= (unsigned char)value;
    }
}

size_t packed_put(const uint32_t *values, unsigned count, unsigned char *out)
{
    const unsigned width = best_width(values, count);
    unsigned exceptions = 0;
    for (unsigned i = 0; width < 32 && i < count; i++)
        exceptions += values[i] >> width != 0;
    size_t used = 0;
    out[used++] = (unsigned char)(width | (exceptions ? EXCEPTIONS_FOLLOW : 0));
    if (exceptions)
        out[used++] = (unsigned char)exceptions;
    if (count == PACKED_COUNT)
        put_lanes(values, width, out + used);
    else
        put_row(values, count, width, out + used);
    used += value_bytes(width, count);
    for (unsigned i = 0; exceptions && i < count; i++) {
        const uint32_t high = values[i] >> width;
        if (!high)
            continue;
        out[used++] = (unsigned char)i;
        out[used++] = (unsigned char)high;
    }
    return used;
}

/* --- Reading ------------------------------------------------------------------------------- */

/* With a constant width the loop unrolls into loads, shifts and masks without a branch. */
__attribute__((always_inline)) static inline void get_lanes(const unsigned char *in, unsigned width,
                                                            uint32_t *values)
{
    const lanes_anywhere *words = (const lanes_anywhere *)(const void *)in;
    lanes_anywhere *out = (lanes_anywhere *)(void *)values;
    const lanes mask = (lanes){0} + low_bits(width);
    if (width == 0) {
        memset(values, 0, PACKED_COUNT * sizeof *values);
        return;
    }
    UNROLL
    for (unsigned row = 0; row < ROWS; row++) {
        const unsigned bit = row * width, shift = bit % 32;
        lanes value = words[bit / 32] >> shift;
        if (shift + width > 32)
            value |= words[bit / 32 + 1] << (32 - shift);
        out[row] = value & mask;
    }
}

static void get_row(const unsigned char *in, unsigned count, unsigned width, uint32_t *values)
{
    const uint64_t mask = low_bits(width);
    size_t bit = 0;
    for (unsigned i = 0; i < count; i++, bit += width) {
        uint64_t word;
        memcpy(&word, in + bit / 8, sizeof word);
        values[i] = (uint32_t)(word >> bit % 8 & mask);
    }
}

static void get_width(const unsigned char *in, unsigned width, uint32_t *values)
{
    switch (width) {
#define W(n)                                                                                       \
    case n:                                                                                        \
        get_lanes(in, n, values);                                                                  \
        return;
#define W8(n) W(n) W(n + 1) W(n + 2) W(n + 3) W(n + 4) W(n + 5) W(n + 6) W(n + 7)
        W8(0) W8(8) W8(16) W8(24) default : get_lanes(in, 32, values);
#undef W8
#undef W
    }
}

const unsigned char *packed_get(const unsigned char *in, unsigned count,
                                uint32_t values[static PACKED_COUNT])
{
    const unsigned width = pack_width(*in);
    unsigned exceptions = *in++ & EXCEPTIONS_FOLLOW ? *in++ : 0;
    if (count == PACKED_COUNT)
        get_width(in, width, values);
    else
        get_row(in, count, width, values);
    in += value_bytes(width, count);
    for (; exceptions > 0; exceptions--) {
        const unsigned index = *in++ % PACKED_COUNT;
        values[index] |= (uint32_t)*in++ << width % 32;
    }
    return in;
}
