/* SPDX-License-Identifier: MIT
 *
 * Passages: the readable text of every page in small pieces that can be decompressed one by one,
 * so that a snippet costs a piece or two instead of the article. A passage is a zstd frame, made
 * with the section's dictionary, in a cold section; what is hot is where it is and which of the
 * page's words it begins with, which leads from a word's position to the passage. Short pages that
 * follow each other share a passage: of a wiki of names, a frame for each page would be most of
 * what its search costs to build.
 */
#ifndef FORKLORE_SHM_PASSAGES_H
#define FORKLORE_SHM_PASSAGES_H

#include "shm/fault.h"
#include "shm/layout.h"

/* A passage ends at the first space after PASSAGE_LEAST, and where there is none, between two
 * characters before PASSAGE_MOST. Pages share one while they have no more than PASSAGE_LEAST
 * together. */
#define PASSAGE_LEAST ((size_t)1 << 10)
#define PASSAGE_MOST  ((size_t)2 << 10)

struct passages_view {
    const struct passage_page *pages; /* [page_count + 1] */
    const struct passage *passages;   /* [count + 1] */
    uint64_t count;
    const void *dictionary;
    uint64_t dictionary_bytes; /* 0: none */
    uint64_t at;               /* of section passage-bytes in the index file */
    uint64_t bytes;            /* of it */
};

/* Where the text's passages begin, the first one at 0; how many there are. `starts` has room for
 * length / PASSAGE_LEAST + 1. An empty text has none. */
uint32_t passages_cut(const char *text, uint32_t length, uint32_t *starts);

static inline uint32_t passages_of(const struct passages_view *view, uint32_t page)
{
    const struct passage_page *p = &view->pages[page];
    return p[1].first > p->first ? p[1].first - p->first : p[1].start > p->start;
}

/* What of a passage, numbered within its page and `length` bytes long, is the page's. The file may
 * have been changed since it was checked: nothing holds of these two but what the caller sees. */
struct passage_part {
    size_t start, end;
};
static inline struct passage_part passages_part(const struct passages_view *view, uint32_t page,
                                                uint32_t passage, size_t length)
{
    const struct passage_page *p = &view->pages[page];
    return (struct passage_part){passage ? 0 : p->start,
                                 p[1].first > p->first ? length : p[1].start};
}

/* The page's passage, counted from its first, that holds the word; the page has one. */
uint32_t passages_find(const struct passages_view *view, uint32_t page, uint32_t word);

/* Where passages [first, first + count) of a page are in section passage-bytes. */
struct passage_range {
    uint64_t at, bytes;
};
struct passage_range passages_range(const struct passages_view *view, uint32_t page, uint32_t first,
                                    uint32_t count);

/* The part of index_verify() that reads these sections; a passage that is out of order, overlaps
 * or is empty is a fault. Frames are for whoever decompresses them. */
int passages_verify(const struct passages_view *view, uint32_t page_count, const char *name,
                    struct fault *why);

#endif
