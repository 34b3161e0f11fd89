/* SPDX-License-Identifier: MIT
 *
 * An index image in memory (layout.h): checking its header, finding its sections, writing one to
 * a file. Knows bytes and sections, not what they mean; that is index.h.
 */
#ifndef FORKLORE_SHM_IMAGE_H
#define FORKLORE_SHM_IMAGE_H

#include "shm/fault.h"
#include "shm/layout.h"

#include <stdbool.h>

const char *section_name(uint32_t kind);     /* "?" for a kind this version does not know */
size_t section_element_bytes(uint32_t kind); /* 0 for an unknown kind */
enum section_home section_home(uint32_t kind);

/* Checks everything that a header alone can say: magic, endianness, version, header checksum,
 * `file_bytes` against total_bytes, hot_bytes, every table entry (aligned, in bounds, in order,
 * without overlap, a whole number of elements, no known kind twice, hot before cold).
 * `name` is for the message. The caller vouches for LAYOUT_HEADER_BYTES readable bytes. */
int image_check_header(const struct image_header *header, uint64_t file_bytes, const char *name,
                       struct fault *why);

/* The section's table entry, or NULL. */
const struct section *image_find(const struct image_header *header, enum section_kind kind);

/* Where the section's bytes are, given the image's first byte; NULL (and 0 bytes) if absent. */
const void *image_section(const struct image_header *header, enum section_kind kind,
                          uint64_t *bytes);

/* Marks a filled segment as complete: stores the generation, then ready with release order, for who
 * looks at a segment that it has not inherited. Nobody writes the segment afterwards. */
void image_publish(struct image_header *header, uint64_t generation);

/* An image being put together: sections in heap memory that the caller keeps until it is written.
 * The cold TEXT section is a file descriptor to copy from. */
struct image_part {
    uint32_t kind;
    const void *data; /* NULL: take `bytes` bytes from `fd`, offset 0 */
    int fd;
    uint64_t bytes;
    uint64_t xxh64; /* only read for fd parts: computed by whoever wrote them */
};

/* Lays out header and table for the parts (hot ones first, in the order given) with offsets,
 * checksums and sizes; the parts' data are read once for their checksums. */
int image_plan(struct image_header *header, const struct image_part *parts, size_t part_count,
               struct fault *why);

/* Writes `path` atomically: a nameless or temporary file beside it, fsync, rename, fsync of the
 * folder. Killed at any moment, the old file or the new one is whole; an error leaves the old. */
int image_write(const char *path, const struct image_header *header, const struct image_part *parts,
                size_t part_count, struct fault *why);

#endif
