/* SPDX-License-Identifier: MIT */
#include "worker/passage_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

struct cached_passage {
    uint64_t number; /* passage + 1; 0: none */
    size_t length;
    char bytes[PASSAGE_MOST];
};

struct passage_store {
    const struct passages_view *passages;
    int fd;
    ZSTD_DCtx *zstd;
    ZSTD_DDict *dictionary; /* NULL: none */
    struct cached_passage cache[PASSAGES_CACHED];
    char stored[PASSAGES_AT_ONCE * ZSTD_COMPRESSBOUND(PASSAGE_MOST)];
};

int passage_store_create(struct passage_store **store, const struct index_view *index, int fd)
{
    const struct passages_view *passages = &index->passages;
    struct passage_store *s = *store = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->passages = passages;
    s->fd = fd;
    s->zstd = ZSTD_createDCtx();
    if (passages->dictionary_bytes)
        s->dictionary = ZSTD_createDDict(passages->dictionary, passages->dictionary_bytes);
    if (s->zstd && (s->dictionary || !passages->dictionary_bytes) &&
        !ZSTD_isError(ZSTD_DCtx_refDDict(s->zstd, s->dictionary)))
        return 0;
    passage_store_destroy(store);
    return -ENOMEM;
}

void passage_store_destroy(struct passage_store **store)
{
    if (!*store)
        return;
    ZSTD_freeDCtx((*store)->zstd);
    ZSTD_freeDDict((*store)->dictionary);
    free(*store);
    *store = NULL;
}

static int read_stored(struct passage_store *s, struct passage_range range)
{
    if (s->fd < 0 || range.at > s->passages->bytes || range.bytes > s->passages->bytes - range.at)
        return -EIO;
    if (range.bytes > sizeof s->stored)
        return -EBADMSG;
    for (size_t done = 0; done < range.bytes;) {
        const ssize_t n = pread(s->fd, s->stored + done, range.bytes - done,
                                (off_t)(s->passages->at + range.at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -EIO;
        done += (size_t)n;
    }
    return 0;
}

int passage_store_read(struct passage_store *s, uint32_t page, uint32_t first, uint32_t count,
                       struct passage_text *text)
{
    const uint64_t number = (uint64_t)s->passages->pages[page].first + first;
    const struct passage_range all = passages_range(s->passages, page, first, count);
    size_t used = 0;
    bool fetched = false;
    MUST(count <= PASSAGES_AT_ONCE);
    for (uint32_t i = 0; i < count; i++) {
        struct cached_passage *slot = &s->cache[(number + i) % PASSAGES_CACHED];
        if (slot->number != number + i + 1) {
            const int rc = fetched ? 0 : read_stored(s, all);
            if (rc)
                return rc;
            fetched = true;
            const struct passage_range one = passages_range(s->passages, page, first + i, 1);
            const size_t n = ZSTD_decompressDCtx(s->zstd, slot->bytes, sizeof slot->bytes,
                                                 s->stored + (one.at - all.at), (size_t)one.bytes);
            slot->number = 0;
            if (ZSTD_isError(n))
                return -EBADMSG;
            slot->number = number + i + 1;
            slot->length = n;
        }
        const struct passage_part part = passages_part(s->passages, page, first + i, slot->length);
        if (part.start > part.end || part.end > slot->length)
            return -EBADMSG;
        memcpy(text->bytes + used, slot->bytes + part.start, part.end - part.start);
        used += part.end - part.start;
        text->ends[i] = used;
    }
    return 0;
}
