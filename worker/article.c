/* SPDX-License-Identifier: MIT */
#include "worker/article.h"

#include "shm/readable.h"

#include <errno.h>
#include <expat.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define CACHE_SLOTS 16

struct cached_block {
    char *raw; /* NULL: free slot */
    uint64_t bytes;
    uint64_t used; /* the store's clock at the last use */
    uint32_t block;
};

struct article_store {
    const struct index_view *index;
    int fd;
    ZSTD_DCtx *zstd; /* made with the first block: a worker that serves no text needs none */
    uint64_t clock;
    uint64_t cached_bytes;
    struct cached_block cache[CACHE_SLOTS];
};

int article_store_create(struct article_store **store, const struct index_view *index, int index_fd,
                         struct fault *why)
{
    *store = calloc(1, sizeof **store);
    if (!*store)
        return fault_set(why, ENOMEM, "no memory for reading articles");
    (*store)->index = index;
    (*store)->fd = index_fd;
    return 0;
}

static void drop(struct article_store *store, struct cached_block *cached)
{
    store->cached_bytes -= cached->bytes;
    free(cached->raw);
    *cached = (struct cached_block){0};
}

void article_store_destroy(struct article_store **store)
{
    if (!*store)
        return;
    for (unsigned i = 0; i < CACHE_SLOTS; i++)
        drop(*store, &(*store)->cache[i]);
    ZSTD_freeDCtx((*store)->zstd);
    free(*store);
    *store = NULL;
}

static const char *cache_find(struct article_store *store, uint32_t block)
{
    for (unsigned i = 0; i < CACHE_SLOTS; i++) {
        struct cached_block *cached = &store->cache[i];

        if (cached->raw && cached->block == block) {
            cached->used = ++store->clock;
            return cached->raw;
        }
    }
    return NULL;
}

/* A free slot comes before all used ones, which come by age. */
static struct cached_block *cache_oldest(struct article_store *store)
{
    struct cached_block *oldest = &store->cache[0];

    for (unsigned i = 1; i < CACHE_SLOTS; i++) {
        if (store->cache[i].used < oldest->used)
            oldest = &store->cache[i];
    }
    return oldest;
}

static struct cached_block *cache_least_used(struct article_store *store)
{
    struct cached_block *least = NULL;

    for (unsigned i = 0; i < CACHE_SLOTS; i++) {
        struct cached_block *cached = &store->cache[i];

        if (cached->raw && (!least || cached->used < least->used))
            least = cached;
    }
    return least;
}

/* Takes the block over, or frees it if it is too large to keep. */
static void cache_keep(struct article_store *store, uint32_t block, char *raw, uint64_t bytes)
{
    if (bytes > ARTICLE_CACHE_BYTES) {
        free(raw);
        return;
    }
    while (store->cached_bytes + bytes > ARTICLE_CACHE_BYTES)
        drop(store, cache_least_used(store));

    struct cached_block *slot = cache_oldest(store);
    if (slot->raw)
        drop(store, slot);
    *slot = (struct cached_block){raw, bytes, ++store->clock, block};
    store->cached_bytes += bytes;
}

static int read_stored(const struct article_store *store, uint32_t number, char *stored,
                       struct fault *why)
{
    const struct text_block *block = &store->index->text_blocks[number];
    uint64_t offset = store->index->text_offset + block->offset;
    size_t done = 0;

    while (done < block->stored_bytes) {
        ssize_t n =
            pread(store->fd, stored + done, block->stored_bytes - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_errno(why, EIO, "index file: cannot read text block %u at offset %" PRIu64,
                               number, offset);
        if (n == 0)
            return fault_set(why, EIO,
                             "index file: ends at offset %" PRIu64
                             ", inside text block %u: it was cut "
                             "short after it was loaded",
                             offset + done, number);
        done += (size_t)n;
    }
    return 0;
}

static int decompress(struct article_store *store, uint32_t number, const char *stored, char *raw,
                      struct fault *why)
{
    const struct text_block *block = &store->index->text_blocks[number];

    if (!store->zstd)
        store->zstd = ZSTD_createDCtx();
    if (!store->zstd)
        return fault_set(why, ENOMEM, "no memory for decompressing text block %u", number);

    size_t n = ZSTD_decompressDCtx(store->zstd, raw, block->raw_bytes, stored, block->stored_bytes);
    if (ZSTD_isError(n))
        return fault_set(why, EBADMSG, "index file: text block %u is damaged: %s", number,
                         ZSTD_getErrorName(n));
    if (n != block->raw_bytes)
        return fault_set(why, EBADMSG, "index file: text block %u holds %zu bytes instead of %u",
                         number, n, block->raw_bytes);
    return 0;
}

static int load_block(struct article_store *store, uint32_t number, char **raw, struct fault *why)
{
    const struct index_view *index = store->index;
    const struct text_block *block = &index->text_blocks[number];

    if (store->fd < 0)
        return fault_set(why, EIO, "the index file is not open, so there is no text");
    if (block->offset > index->text_bytes ||
        block->stored_bytes > index->text_bytes - block->offset)
        return fault_set(why, EBADMSG, "index file: text block %u lies outside of the text section",
                         number);

    char *stored = malloc(block->stored_bytes + (size_t)1);
    *raw = malloc(block->raw_bytes + (size_t)1);
    int result = stored && *raw ? 0
                                : fault_set(why, ENOMEM, "no memory for text block %u (%u bytes)",
                                            number, block->raw_bytes);
    if (result == 0)
        result = read_stored(store, number, stored, why);
    if (result == 0)
        result = decompress(store, number, stored, *raw, why);
    free(stored);
    if (result < 0) {
        free(*raw);
        *raw = NULL;
    }
    return result;
}

static int copy(const char *bytes, size_t length, struct article *article, struct fault *why)
{
    article->bytes = malloc(length + 1);
    if (!article->bytes)
        return fault_set(why, ENOMEM, "no memory for an article of %zu bytes", length);
    memcpy(article->bytes, bytes, length);
    article->length = length;
    return 0;
}

int article_element(struct article_store *store, uint32_t vertex, struct article *element,
                    struct fault *why)
{
    const struct index_view *index = store->index;
    const struct page *page = &index->pages[vertex];

    if (page->block == PAGE_NO_TEXT)
        return fault_set(why, ENODATA, "this page has no text");
    if (page->block >= index->block_count)
        return fault_set(why, EBADMSG, "index file: page %u is in text block %u of %" PRIu64,
                         vertex, page->block, index->block_count);

    uint32_t raw_bytes = index->text_blocks[page->block].raw_bytes;
    if (page->block_offset > raw_bytes || page->element_bytes > raw_bytes - page->block_offset)
        return fault_set(why, EBADMSG, "index file: page %u lies outside of its text block %u",
                         vertex, page->block);

    const char *cached = cache_find(store, page->block);
    if (cached)
        return copy(cached + page->block_offset, page->element_bytes, element, why);

    char *raw = NULL;
    int result = load_block(store, page->block, &raw, why);
    if (!raw)
        return result;
    result = copy(raw + page->block_offset, page->element_bytes, element, why);
    cache_keep(store, page->block, raw, raw_bytes);
    return result;
}

/* --- Wikitext of an element ----------------------------------------------------------------- */

struct extraction {
    XML_Parser parser;
    unsigned depth;
    bool in_revision, in_text;
    char *text;
    size_t length, capacity;
};

static void XMLCALL on_start(void *owner, const XML_Char *name, const XML_Char **attributes)
{
    struct extraction *x = owner;

    (void)attributes;
    x->depth++;
    if (x->depth == 2) {
        x->in_revision = strcmp(name, "revision") == 0;
        if (x->in_revision)
            x->length = 0; /* the last one counts */
    } else if (x->depth == 3) {
        x->in_text = x->in_revision && strcmp(name, "text") == 0;
    }
}

static void XMLCALL on_end(void *owner, const XML_Char *name)
{
    struct extraction *x = owner;

    (void)name;
    if (x->depth == 3)
        x->in_text = false;
    x->depth--;
}

static void XMLCALL on_text(void *owner, const XML_Char *bytes, int length)
{
    struct extraction *x = owner;

    if (!x->in_text || x->depth != 3)
        return;
    /* Text is never longer than its XML; only entities of an element's own making could be. */
    if ((size_t)length > x->capacity - x->length) {
        XML_StopParser(x->parser, XML_FALSE);
        return;
    }
    memcpy(x->text + x->length, bytes, (size_t)length);
    x->length += (size_t)length;
}

int article_wikitext(const struct article *element, struct article *wikitext, struct fault *why)
{
    struct extraction x = {.capacity = element->length};

    if (element->length > INT_MAX)
        return fault_set(why, EBADMSG, "a page element of %zu bytes is too long", element->length);
    x.parser = XML_ParserCreate("UTF-8");
    x.text = malloc(element->length + 1);
    if (!x.parser || !x.text) {
        if (x.parser)
            XML_ParserFree(x.parser);
        free(x.text);
        return fault_set(why, ENOMEM, "no memory for an article of %zu bytes", element->length);
    }
    XML_SetUserData(x.parser, &x);
    XML_SetElementHandler(x.parser, on_start, on_end);
    XML_SetCharacterDataHandler(x.parser, on_text);

    int result = 0;
    if (XML_Parse(x.parser, element->bytes, (int)element->length, 1) != XML_STATUS_OK)
        result = fault_set(why, EBADMSG, "index file: a page element is broken in line %lu: %s",
                           (unsigned long)XML_GetCurrentLineNumber(x.parser),
                           XML_ErrorString(XML_GetErrorCode(x.parser)));
    XML_ParserFree(x.parser);
    if (result < 0) {
        free(x.text);
        return result;
    }
    *wikitext = (struct article){x.text, x.length};
    return 0;
}

int article_readable(const struct article *wikitext, struct article *readable, struct fault *why)
{
    readable->bytes = malloc(wikitext->length + 1);
    if (!readable->bytes)
        return fault_set(why, ENOMEM, "no memory for an article of %zu bytes", wikitext->length);
    readable->length = readable_text(wikitext->bytes, wikitext->length, readable->bytes);
    return 0;
}
