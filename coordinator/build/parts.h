/* SPDX-License-Identifier: MIT
 *
 * What the readers of dumps and of graphs hand to the rest of the builder.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_PARTS_H
#define FORKLORE_COORDINATOR_BUILD_PARTS_H

#include "coordinator/build/passage_writer.h"
#include "coordinator/build/text_writer.h"
#include "coordinator/build/word_thread.h"
#include "shm/index.h"

struct build_parts {
    struct index_meta meta;
    struct page *pages; /* [meta.page_count] */
    struct text_writer text;
    struct titles_built titles;
    struct arc_list arcs; /* consumed by graph_build() */
    struct graph_built graph;
    struct spmv_built spmv;
    struct word_thread *words; /* NULL: no full-text search */
    struct postings_built search;
    struct passage_writer passages; /* with `words` */
};

/* Copies a C string into one of the meta's fields, cut at a character if it is too long. */
void meta_string(char *field, size_t capacity, const char *string);

#endif
