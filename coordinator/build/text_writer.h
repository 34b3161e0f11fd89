/* SPDX-License-Identifier: MIT
 *
 * Packs <page> elements into zstd blocks and keeps them in a nameless file beside the output
 * until the index is written: whatever happens, nothing is left behind.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_TEXT_WRITER_H
#define FORKLORE_COORDINATOR_BUILD_TEXT_WRITER_H

#include "shm/fault.h"
#include "shm/layout.h"

/* A block is closed once it holds this much; a page is never split. */
#define TEXT_BLOCK_BYTES ((size_t)64 << 10)

/* Of levels 1 to 3 the fastest both ways. Level 3 makes article text 5 % smaller, and a build from
 * bzip2 a tenth slower. */
#define TEXT_DEFAULT_LEVEL 1

struct text_pack; /* what is needed only while text still comes */

struct text_writer {
    int fd; /* the blocks, one after the other from offset 0; -1 once closed */
    struct text_block *blocks;
    size_t block_count, block_capacity;
    uint64_t stored_bytes;
    uint64_t xxh64; /* of the file's bytes; set by text_writer_finish() */
    struct text_pack *pack;
};

#define TEXT_WRITER_NONE                                                                           \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Makes the file in the folder of `output`, so that a folder that is missing, read-only or full is
 * known before hours of reading. `level` 0: TEXT_DEFAULT_LEVEL. */
int text_writer_init(struct text_writer *writer, const char *output, int level, struct fault *why);

/* Adds one element of less than 2 GiB and says where it will be found. */
int text_writer_add(struct text_writer *writer, const char *element, size_t length, uint32_t *block,
                    uint32_t *block_offset, struct fault *why);

/* Writes what is still open, and gives back the buffers. */
int text_writer_finish(struct text_writer *writer, struct fault *why);

/* Safe on TEXT_WRITER_NONE, after a failure, and twice. */
void text_writer_fini(struct text_writer *writer);

#endif
