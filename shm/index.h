/* SPDX-License-Identifier: MIT
 *
 * An index as its readers see it: typed views over the sections of an image, of which the rank
 * sections may come from a second image (a newer score vector over the same pages).
 */
#ifndef FORKLORE_SHM_INDEX_H
#define FORKLORE_SHM_INDEX_H

#include "shm/graph.h"
#include "shm/image.h"
#include "shm/passages.h"
#include "shm/postings.h"
#include "shm/rank.h"
#include "shm/spmv.h"
#include "shm/titles.h"

struct index_view {
    const struct image_header *image;      /* borrowed, as all that follows */
    const struct image_header *rank_image; /* where the rank sections are; NULL: nowhere yet */
    const struct index_meta *meta;
    const struct page *pages;             /* [n] */
    const struct text_block *text_blocks; /* [block_count] */
    uint64_t block_count;
    uint64_t text_offset; /* of the TEXT section in the index file */
    uint64_t text_bytes;
    struct titles_view titles;
    struct graph_view graph;
    struct spmv_view spmv; /* zero in an index that was written without */
    struct rank_view rank;
    struct search_view search;     /* search.info is NULL in an index without full-text search */
    struct passages_view passages; /* with it */
};

/* Binds a view to a checked image (image_check_header). Sections that are missing or whose sizes
 * contradict each other are refused; only the rank sections may be absent (all of them: view->rank
 * stays zero until index_bind_rank()), the text sections of an index without text, and those of
 * full-text search (all of them). Does not
 * read the sections' contents, meta excepted; index_verify() does. */
int index_bind(struct index_view *view, const struct image_header *image, const char *name,
               struct fault *why);

/* Replaces the view's rank sections by those of `ranks`, an image of rank sections only. */
int index_bind_rank(struct index_view *view, const struct image_header *ranks, const char *name,
                    struct fault *why);

/* Reads everything: offsets ascending and in bounds, titles valid UTF-8, normalised, sorted and
 * found by their hash, targets and links in bounds, rows sorted, CSC the transpose of CSR, pages
 * and blocks consistent, scores finite, non-negative and summing to one, order a permutation.
 * Stops at the first fault and says the section, element and offset. Absent
 * ranks are skipped. Checksums are for whoever loads the image. */
int index_verify(const struct index_view *view, const char *name, struct fault *why);

/* The part of index_verify() that reads the sections of full-text search (index_search.c). */
int index_verify_search(const struct index_view *view, const char *name, struct fault *why);
/* The part of index_bind() that finds them. */
int index_bind_search(struct index_view *view, const char *name, struct fault *why);

/* The title entry that people mean by `title`: exactly it in normal form; else (*exact false) the
 * best ranked of those that differ in case and diacritics only. -ENOENT, -EILSEQ, -ENAMETOOLONG. */
int index_find_title(const struct index_view *view, const char *title, size_t length,
                     uint32_t *entry, bool *exact);

#endif
