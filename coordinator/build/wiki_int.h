/* SPDX-License-Identifier: MIT
 *
 * What wiki_read.c collects and wiki_resolve.c makes an index of.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_WIKI_INT_H
#define FORKLORE_COORDINATOR_BUILD_WIKI_INT_H

#include "coordinator/build/link_stream.h"
#include "coordinator/build/names.h"
#include "coordinator/build/wiki.h"

/* A target of the page being read. */
struct page_link {
    uint32_t name;
    uint32_t count;
};

/* A title that the dump writes in another way than its normal form, which is its name. */
struct shown_title {
    uint32_t name;
    uint32_t shown; /* number in wiki.shown */
};

struct wiki {
    struct build_report *report;
    struct names names; /* normal forms */
    struct names shown;
    struct shown_title *shown_titles;
    size_t shown_count, shown_capacity;
    struct page *pages; /* `title` is the page's name until titles are built */
    uint32_t page_count;
    size_t page_capacity;
    struct link_stream links;

    /* Only while reading. */
    struct byte_source *source;
    struct build_parts *parts;
    struct progress *progress;
    struct link_rules *rules;
    bool first_letter;
    struct page_link *page_links;
    size_t page_link_count, page_link_capacity;
};

#endif
