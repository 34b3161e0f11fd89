/* SPDX-License-Identifier: MIT
 *
 * See text_writer.h. Elements are gathered until a block is full, compressed in one call each, and
 * written with a running checksum, so that the finished text is not read again for it.
 */
#include "coordinator/build/text_writer.h"

#include "coordinator/build/array.h"
#include "coordinator/build/nameless.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

struct text_pack {
    ZSTD_CCtx *zstd;
    XXH64_state_t *checksum;
    char *raw;
    size_t raw_bytes, raw_capacity;
    char *packed;
    size_t packed_capacity;
    char *folder; /* for messages */
};

static void pack_destroy(struct text_pack **pack)
{
    if (!*pack)
        return;
    ZSTD_freeCCtx((*pack)->zstd);
    XXH64_freeState((*pack)->checksum);
    free((*pack)->raw);
    free((*pack)->packed);
    free((*pack)->folder);
    free(*pack);
    *pack = NULL;
}

int text_writer_init(struct text_writer *writer, const char *output, int level, struct fault *why)
{
    *writer = (struct text_writer)TEXT_WRITER_NONE;
    if (level == 0)
        level = TEXT_DEFAULT_LEVEL;
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
        return fault_set(why, EINVAL, "zstd level %d: not one of %d to %d", level, ZSTD_minCLevel(),
                         ZSTD_maxCLevel());
    struct text_pack *pack = writer->pack = calloc(1, sizeof(*pack));
    if (!pack || !(pack->folder = folder_of(output)) || !(pack->zstd = ZSTD_createCCtx()) ||
        !(pack->checksum = XXH64_createState())) {
        text_writer_fini(writer);
        return fault_set(why, ENOMEM, "out of memory for compressing text");
    }
    ZSTD_CCtx_setParameter(pack->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(pack->zstd, ZSTD_c_checksumFlag, 1);
    XXH64_reset(pack->checksum, 0);
    writer->fd = nameless_open(pack->folder, why);
    if (writer->fd < 0) {
        int rc = writer->fd;
        text_writer_fini(writer);
        return rc;
    }
    return 0;
}

static int write_block(struct text_writer *writer, const char *raw, size_t raw_bytes,
                       struct fault *why)
{
    struct text_pack *pack = writer->pack;
    size_t bound = ZSTD_compressBound(raw_bytes);
    char *packed = array_reserve(pack->packed, &pack->packed_capacity, bound, 1);
    struct text_block *blocks = array_reserve(writer->blocks, &writer->block_capacity,
                                              writer->block_count + 1, sizeof(*blocks));
    if (packed)
        pack->packed = packed;
    if (blocks)
        writer->blocks = blocks;
    if (!packed || !blocks)
        return fault_set(why, ENOMEM, "out of memory for a text block of %zu bytes", raw_bytes);
    if (writer->block_count == PAGE_NO_TEXT)
        return fault_set(why, EFBIG, "more text blocks than an index can number");

    size_t stored = ZSTD_compress2(pack->zstd, packed, bound, raw, raw_bytes);
    if (ZSTD_isError(stored))
        return fault_set(why, ENOMEM, "compressing a text block of %zu bytes: %s", raw_bytes,
                         ZSTD_getErrorName(stored));
    int rc = write_all(writer->fd, packed, stored);
    if (rc)
        return fault_errno(why, -rc, "%s: writing article text", pack->folder);
    XXH64_update(pack->checksum, packed, stored);
    blocks[writer->block_count++] = (struct text_block){.offset = writer->stored_bytes,
                                                        .stored_bytes = (uint32_t)stored,
                                                        .raw_bytes = (uint32_t)raw_bytes};
    writer->stored_bytes += stored;
    return 0;
}

int text_writer_add(struct text_writer *writer, const char *element, size_t length, uint32_t *block,
                    uint32_t *block_offset, struct fault *why)
{
    struct text_pack *pack = writer->pack;
    MUST(length < (size_t)2 << 30);
    *block = (uint32_t)writer->block_count;
    *block_offset = (uint32_t)pack->raw_bytes;
    if (pack->raw_bytes == 0 && length >= TEXT_BLOCK_BYTES)
        return write_block(writer, element, length, why); /* a block of its own, not copied */

    char *raw = array_reserve(pack->raw, &pack->raw_capacity, pack->raw_bytes + length, 1);
    if (!raw)
        return fault_set(why, ENOMEM, "out of memory for a page of %zu bytes", length);
    pack->raw = raw;
    memcpy(raw + pack->raw_bytes, element, length);
    pack->raw_bytes += length;
    if (pack->raw_bytes < TEXT_BLOCK_BYTES)
        return 0;
    int rc = write_block(writer, raw, pack->raw_bytes, why);
    pack->raw_bytes = 0;
    return rc;
}

int text_writer_finish(struct text_writer *writer, struct fault *why)
{
    struct text_pack *pack = writer->pack;
    int rc = pack->raw_bytes ? write_block(writer, pack->raw, pack->raw_bytes, why) : 0;
    writer->xxh64 = XXH64_digest(pack->checksum);
    pack_destroy(&writer->pack);
    return rc;
}

void text_writer_fini(struct text_writer *writer)
{
    pack_destroy(&writer->pack);
    free(writer->blocks);
    if (writer->fd >= 0)
        close(writer->fd);
    *writer = (struct text_writer)TEXT_WRITER_NONE;
}
