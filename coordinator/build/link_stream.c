/* SPDX-License-Identifier: MIT
 *
 * See link_stream.h.
 */
#include "coordinator/build/link_stream.h"

#include "coordinator/build/array.h"
#include "shm/fault.h"

#include <errno.h>

#define CHUNK_WORDS ((uint64_t)1 << 18)

int link_stream_put(struct link_stream *stream, uint32_t word)
{
    uint64_t at = stream->written % CHUNK_WORDS;
    if (at == 0) {
        uint32_t **chunks = array_reserve(stream->chunks, &stream->chunk_capacity,
                                          stream->chunk_count + 1, sizeof(*chunks));
        if (!chunks)
            return -ENOMEM;
        stream->chunks = chunks;
        uint32_t *chunk = malloc(CHUNK_WORDS * sizeof(*chunk));
        if (!chunk)
            return -ENOMEM;
        chunks[stream->chunk_count++] = chunk;
    }
    stream->chunks[stream->chunk_count - 1][at] = word;
    stream->written++;
    return 0;
}

uint32_t link_stream_take(struct link_stream *stream)
{
    MUST(stream->read < stream->written);
    uint32_t **chunk = &stream->chunks[stream->read / CHUNK_WORDS];
    uint32_t word = (*chunk)[stream->read % CHUNK_WORDS];
    if (++stream->read % CHUNK_WORDS == 0) {
        free(*chunk);
        *chunk = NULL;
    }
    return word;
}

void link_stream_fini(struct link_stream *stream)
{
    for (size_t i = 0; i < stream->chunk_count; i++)
        free(stream->chunks[i]);
    free(stream->chunks);
    *stream = (struct link_stream){0};
}
