/* SPDX-License-Identifier: MIT
 *
 * The links of all pages between reading and resolving: 4 bytes a link, in chunks that are freed
 * as they are read back.
 *
 * Per page, in page order: the number of its distinct targets, then for each the target's name,
 * with LINK_STREAM_COUNTED set if it occurs more than once, in which case the number of its
 * occurrences follows.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_LINK_STREAM_H
#define FORKLORE_COORDINATOR_BUILD_LINK_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define LINK_STREAM_COUNTED UINT32_C(0x80000000)

/* Zero-initialise. Written to the end, then read once. */
struct link_stream {
    uint32_t **chunks;
    size_t chunk_count, chunk_capacity;
    uint64_t written, read; /* words */
};

int link_stream_put(struct link_stream *stream, uint32_t word); /* 0 or -ENOMEM */
uint32_t link_stream_take(struct link_stream *stream);
void link_stream_fini(struct link_stream *stream);

#endif
