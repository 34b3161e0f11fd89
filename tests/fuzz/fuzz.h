/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share. Each target is a program of its own: libFuzzer calls
 * LLVMFuzzerTestOneInput() with bytes, a MUST() that does not hold or a sanitizer's complaint is a
 * finding. An input is either the bytes that forklore reads from outside, or, where those have
 * checksums or a protocol, a little program that changes sound ones.
 */
#ifndef FORKLORE_TESTS_FUZZ_FUZZ_H
#define FORKLORE_TESTS_FUZZ_FUZZ_H

#include "shm/fault.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as numbers; zero once it is used up. */
struct fuzz_in {
    const uint8_t *at, *end;
};

static inline size_t fuzz_left(const struct fuzz_in *in)
{
    return (size_t)(in->end - in->at);
}

static inline uint64_t fuzz_uint(struct fuzz_in *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << (8 * i);
    return value;
}

static inline const uint8_t *fuzz_bytes(struct fuzz_in *in, size_t *length)
{
    const uint8_t *bytes = in->at;
    if (*length > fuzz_left(in))
        *length = fuzz_left(in);
    in->at += *length;
    return bytes;
}

/* These bytes as the file of that (constant) path; one such file at a time. */
static inline const char *fuzz_file(const void *data, size_t size)
{
    static int fd = -1;
    static char path[32];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        MUST(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    MUST(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

/* A copy that ends where its memory does, so that a byte too far is noticed. */
static inline char *fuzz_copy(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    MUST(copy);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* Strictly UTF-8: no surrogates, nothing overlong or over U+10FFFF. */
static inline bool fuzz_is_utf8(const char *text, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end) {
        unsigned bytes = *at < 0x80 ? 1 : *at < 0xc0 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
        if (bytes == 0 || *at > 0xf4 || (size_t)(end - at) < bytes)
            return false;
        uint32_t code = bytes == 1 ? *at : *at & (0xffu >> (bytes + 1));
        for (unsigned i = 1; i < bytes; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (at[i] & 0x3f);
        }
        if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        at += bytes;
    }
    return true;
}

#endif
