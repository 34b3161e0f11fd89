/* SPDX-License-Identifier: MIT
 *
 * Passages: the readable text of every page in small pieces that can be decompressed one by one,
 * so that a snippet costs a piece or two instead of the article. A passage is a zstd frame, made
 * with the section's dictionary, in a cold section; what is hot is where it is and which of the
 * page's words it begins with, which leads from a word's position to the passage.
 */
#ifndef FORKLORE_SHM_PASSAGES_H
#define FORKLORE_SHM_PASSAGES_H

#include "shm/fault.h"
#include "shm/layout.h"

/* A passage ends at the first space after PASSAGE_LEAST, and where there is none, between two
 * characters before PASSAGE_MOST. */
#define PASSAGE_LEAST ((size_t)1 << 10)
#define PASSAGE_MOST  ((size_t)2 << 10)

struct passages_view {
    const struct passage_page *pages; /* [page_count + 1] */
    const struct passage *passages;   /* [count] */
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
    return view->pages[page + 1].first - view->pages[page].first;
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
