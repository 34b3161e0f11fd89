/* SPDX-License-Identifier: MIT
 *
 * Small integers in few bits, up to 128 at a time: a width that fits most of them, and the rest as
 * exceptions.
 *
 *   width u8 (0 to 32; bit 7: there are exceptions) | then how many u8 | values |
 *   per exception: index u8, the value's bits from `width` on u8
 *
 * 128 values are laid out in four lanes of 32 bits (value i in lane i mod 4), which any machine
 * with 128-bit vectors unpacks without shuffling; fewer stand one after the other, bit by bit.
 */
#ifndef FORKLORE_SHM_PACKED_H
#define FORKLORE_SHM_PACKED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACKED_COUNT     128
#define PACKED_MAX_BYTES (2 + 4 * PACKED_COUNT)
#define PACKED_SLACK     16 /* readable bytes needed after the last pack */

/* Writes at most PACKED_MAX_BYTES; returns how many. */
size_t packed_put(const uint32_t *values, unsigned count, unsigned char *out);

/* Reads a pack of `count` values; returns its end. Never reads more than PACKED_SLACK bytes past
 * a well-formed pack, and never writes past values[PACKED_COUNT - 1] whatever the bytes. */
const unsigned char *packed_get(const unsigned char *in, unsigned count,
                                uint32_t values[static PACKED_COUNT]);

/* Bytes of a pack, by its first two. */
static inline size_t packed_bytes(const unsigned char *in, unsigned count)
{
    const size_t values = ((*in & 0x7f) * (size_t)count + 7) / 8;
    return *in & 0x80 ? 2 + values + 2 * (size_t)in[1] : 1 + values;
}

/* The bytes of a varint below 2^28, low ones first, and how many: lengths vary too much for a
 * branch to foresee. */
static inline uint32_t varint_bytes(uint32_t value, unsigned *count)
{
    const unsigned more = (31 - (unsigned)__builtin_clz(value | 1)) / 7;
    const uint32_t sevens =
        (value & 0x7f) | (value & 0x3f80) << 1 | (value & 0x1fc000) << 2 | (value & 0xfe00000) << 3;
    *count = more + 1;
    return sevens | (UINT32_C(0x808080) & ((UINT32_C(1) << 8 * more) - 1));
}
#define VARINT_BYTES_END (UINT64_C(1) << 28)

/* May write four bytes where it uses fewer. */
static inline size_t varint_put(unsigned char *out, uint64_t value)
{
    size_t used = 0;
    if (value < VARINT_BYTES_END) {
        unsigned count;
        const uint32_t bytes = varint_bytes((uint32_t)value, &count);
        memcpy(out, &bytes, sizeof bytes);
        return count;
    }
    for (; value >= 0x80; value >>= 7)
        out[used++] = (unsigned char)(value | 0x80);
    out[used++] = (unsigned char)value;
    return used;
}

static inline uint64_t varint_get(const unsigned char **at)
{
    const unsigned char *in = *at;
    uint64_t value = *in & 0x7f;
    for (unsigned shift = 7; *in++ & 0x80 && shift < 64; shift += 7)
        value |= (uint64_t)(*in & 0x7f) << shift;
    *at = in;
    return value;
}

#endif
