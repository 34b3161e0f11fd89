/* SPDX-License-Identifier: MIT */
#include "coordinator/build/passage_writer.h"

#include "coordinator/build/array.h"
#include "coordinator/build/nameless.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zdict.h>
#include <zstd.h>

/* Level 1 with a dictionary makes passages of 1 KiB half as long as they were. Level 3 and a
 * dictionary twice as large take a twentieth off that, and twice the time. */
#define LEVEL            1
#define DICTIONARY_BYTES ((size_t)16 << 10)
#define SAMPLE_BYTES     ((size_t)512 << 10)
#define SAMPLES_LEAST    64 /* fewer passages than this are written without a dictionary */
#define OUT_BYTES        ((size_t)256 << 10)

struct passage_pack {
    ZSTD_CCtx *zstd;
    ZSTD_CDict *dictionary;
    XXH64_state_t *checksum;
    char *folder; /* for messages */
    bool trained;
    char *out;
    size_t out_bytes;

    /* Short pages that are to share a passage, the next one. */
    char shared[PASSAGE_LEAST];
    size_t shared_bytes;

    /* Passages that wait for the dictionary: their text, and where each ends in it. */
    char *raw;
    size_t raw_bytes, raw_capacity;
    size_t *ends;
    size_t end_capacity;
};

static void pack_destroy(struct passage_pack **pack)
{
    struct passage_pack *p = *pack;
    if (!p)
        return;
    ZSTD_freeCCtx(p->zstd);
    ZSTD_freeCDict(p->dictionary);
    XXH64_freeState(p->checksum);
    free(p->folder);
    free(p->out);
    free(p->raw);
    free(p->ends);
    free(p);
    *pack = NULL;
}

static int no_memory(const struct passage_writer *w, struct fault *why)
{
    return fault_set(why, ENOMEM, "out of memory for the passages of %" PRIu32 " pages",
                     w->page_count + 1);
}

int passage_writer_init(struct passage_writer *w, const char *folder, struct fault *why)
{
    *w = (struct passage_writer){.fd = -1};
    struct passage_pack *p = w->pack = calloc(1, sizeof *p);
    if (!p || !(p->folder = strdup(folder)) || !(p->zstd = ZSTD_createCCtx()) ||
        !(p->checksum = XXH64_createState()) ||
        !(p->out = malloc(OUT_BYTES + ZSTD_COMPRESSBOUND(PASSAGE_MOST)))) {
        passage_writer_fini(w);
        return no_memory(w, why);
    }
    XXH64_reset(p->checksum, 0);
    /* A frame says nothing that is known anyway; its checksum is what notices damage. */
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_contentSizeFlag, 0);
    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_dictIDFlag, 0);
    w->fd = nameless_open(folder, why);
    if (w->fd >= 0)
        return 0;
    const int rc = w->fd;
    passage_writer_fini(w);
    return rc;
}

/* --- Writing ------------------------------------------------------------------------------- */

static int flush(struct passage_writer *w, struct fault *why)
{
    struct passage_pack *p = w->pack;
    const int rc = write_all(w->fd, p->out, p->out_bytes);
    if (rc)
        return fault_errno(why, -rc, "%s: writing passages", p->folder);
    XXH64_update(p->checksum, p->out, p->out_bytes);
    p->out_bytes = 0;
    return 0;
}

/* Compresses passage `number`; its page, or the first one that shares it, begins at page_at. */
static int put(struct passage_writer *w, uint64_t page_at, uint64_t number, const char *raw,
               size_t bytes, struct fault *why)
{
    struct passage_pack *p = w->pack;
    const size_t stored = ZSTD_compress2(p->zstd, p->out + p->out_bytes,
                                         ZSTD_COMPRESSBOUND(PASSAGE_MOST), raw, bytes);
    if (ZSTD_isError(stored))
        return fault_set(why, ENOMEM, "compressing a passage: %s", ZSTD_getErrorName(stored));
    w->passages[number].at = (uint32_t)w->stored_bytes;
    w->stored_bytes += stored;
    p->out_bytes += stored;
    if (w->stored_bytes - page_at > UINT32_MAX)
        return fault_set(why, EFBIG, "a page of more than 4 GiB of text");
    return p->out_bytes < OUT_BYTES ? 0 : flush(w, why);
}

/* --- The dictionary ------------------------------------------------------------------------ */

static int train(struct passage_writer *w, struct fault *why)
{
    struct passage_pack *p = w->pack;
    size_t *sizes = malloc((w->count + 1) * sizeof *sizes);
    w->dictionary = malloc(DICTIONARY_BYTES);
    if (!sizes || !w->dictionary) {
        free(sizes);
        return no_memory(w, why);
    }
    unsigned samples = 0;
    for (; samples < w->count && (samples == 0 || p->ends[samples - 1] < SAMPLE_BYTES); samples++)
        sizes[samples] = p->ends[samples] - (samples ? p->ends[samples - 1] : 0);
    size_t bytes = 0;
    if (samples >= SAMPLES_LEAST)
        bytes = ZDICT_trainFromBuffer(w->dictionary, DICTIONARY_BYTES, p->raw, sizes, samples);
    free(sizes);
    /* Text of which no dictionary can be made is written without. */
    w->dictionary_bytes = ZDICT_isError(bytes) ? 0 : bytes;
    p->trained = true;
    if (w->dictionary_bytes == 0)
        return 0;
    p->dictionary = ZSTD_createCDict(w->dictionary, w->dictionary_bytes, LEVEL);
    if (!p->dictionary || ZSTD_isError(ZSTD_CCtx_refCDict(p->zstd, p->dictionary)))
        return no_memory(w, why);
    return 0;
}

/* Makes the dictionary of what waits, and writes that. */
static int begin(struct passage_writer *w, struct fault *why)
{
    struct passage_pack *p = w->pack;
    uint64_t page_at = 0;
    uint32_t page = 0;
    int rc = train(w, why);
    for (uint64_t i = 0; !rc && i < w->count; i++) {
        const size_t start = i ? p->ends[i - 1] : 0;
        for (; page < w->page_count && w->pages[page].first == i; page++)
            w->pages[page].at = page_at = w->stored_bytes;
        rc = put(w, page_at, i, p->raw + start, p->ends[i] - start, why);
    }
    for (; page < w->page_count; page++)
        w->pages[page].at = w->stored_bytes;
    free(p->raw);
    free(p->ends);
    p->raw = NULL;
    p->ends = NULL;
    return rc;
}

/* --- Passages ------------------------------------------------------------------------------ */

static int keep(struct passage_writer *w, const char *text, size_t bytes, struct fault *why)
{
    struct passage_pack *p = w->pack;
    char *raw = array_reserve(p->raw, &p->raw_capacity, p->raw_bytes + bytes, 1);
    if (raw)
        p->raw = raw;
    size_t *ends = array_reserve(p->ends, &p->end_capacity, w->count, sizeof *ends);
    if (ends)
        p->ends = ends;
    if (!raw || !ends)
        return no_memory(w, why);
    memcpy(raw + p->raw_bytes, text, bytes);
    p->raw_bytes += bytes;
    ends[w->count - 1] = p->raw_bytes;
    return 0;
}

/* The next passage, which `word` words of its page precede. */
static int add_passage(struct passage_writer *w, uint64_t page_at, uint32_t word, const char *text,
                       size_t bytes, struct fault *why)
{
    struct passage *passages =
        array_reserve(w->passages, &w->passage_capacity, w->count + 2, sizeof *passages);
    if (!passages)
        return no_memory(w, why);
    if (w->count == UINT32_MAX)
        return fault_set(why, EFBIG, "more passages than an index can number");
    w->passages = passages;
    passages[w->count++] = (struct passage){.word = word};
    return w->pack->trained ? put(w, page_at, w->count - 1, text, bytes, why)
                            : keep(w, text, bytes, why);
}

/* Ends the passage that short pages share, if there is one. */
static int end_shared(struct passage_writer *w, struct fault *why)
{
    struct passage_pack *p = w->pack;
    const size_t bytes = p->shared_bytes;
    if (bytes == 0)
        return 0;
    const int rc = add_passage(w, w->stored_bytes, 0, p->shared, bytes, why);
    /* Pages without text that came last have nothing of it. */
    for (uint32_t page = w->page_count; page > 0 && w->pages[page - 1].start == bytes; page--)
        w->pages[page - 1] =
            (struct passage_page){.at = w->stored_bytes, .first = (uint32_t)w->count};
    p->shared_bytes = 0;
    return rc;
}

/* --- Pages --------------------------------------------------------------------------------- */

static int add_page(struct passage_writer *w, struct fault *why)
{
    struct passage_page *pages =
        array_reserve(w->pages, &w->page_capacity, (size_t)w->page_count + 1, sizeof *pages);
    if (!pages)
        return no_memory(w, why);
    w->pages = pages;
    pages[w->page_count] = (struct passage_page){.at = w->stored_bytes,
                                                 .first = (uint32_t)w->count,
                                                 .start = (uint32_t)w->pack->shared_bytes};
    return 0;
}

int passage_writer_add(struct passage_writer *w, const char *text, uint32_t length,
                       const struct word_places *places, struct fault *why)
{
    struct passage_pack *p = w->pack;
    int rc = 0;
    if (length > PASSAGE_LEAST - p->shared_bytes)
        rc = end_shared(w, why);
    if (!rc)
        rc = add_page(w, why);
    if (!rc && length <= PASSAGE_LEAST) {
        memcpy(p->shared + p->shared_bytes, text, length);
        p->shared_bytes += length;
    } else {
        for (uint32_t i = 0; !rc && i < places->count; i++) {
            const uint32_t end = i + 1 < places->count ? places->at[i + 1] : length;
            rc = add_passage(w, w->pages[w->page_count].at, places->words[i], text + places->at[i],
                             end - places->at[i], why);
        }
    }
    w->page_count++;
    if (!rc && !p->trained && p->raw_bytes >= SAMPLE_BYTES)
        rc = begin(w, why);
    return rc;
}

int passage_writer_finish(struct passage_writer *w, struct fault *why)
{
    int rc = end_shared(w, why);
    if (!rc && !w->pack->trained)
        rc = begin(w, why);
    struct passage *passages =
        array_reserve(w->passages, &w->passage_capacity, w->count + 1, sizeof *passages);
    if (!rc && !passages)
        rc = no_memory(w, why);
    if (passages) {
        w->passages = passages;
        passages[w->count] = (struct passage){.at = (uint32_t)w->stored_bytes};
    }
    if (!rc)
        rc = add_page(w, why);
    if (!rc)
        rc = flush(w, why);
    w->xxh64 = XXH64_digest(w->pack->checksum);
    pack_destroy(&w->pack);
    return rc;
}

void passage_writer_fini(struct passage_writer *w)
{
    pack_destroy(&w->pack);
    free(w->pages);
    free(w->passages);
    free(w->dictionary);
    if (w->fd >= 0)
        close(w->fd);
    *w = (struct passage_writer){.fd = -1};
}
