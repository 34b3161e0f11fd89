/* SPDX-License-Identifier: MIT
 *
 * Builds an index file from a dump or a graph: reads, resolves titles and links, packs the text,
 * has the pages ranked, writes one file atomically, and reports what it did.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_BUILD_H
#define FORKLORE_COORDINATOR_BUILD_BUILD_H

#include "coordinator/dump/wikitext.h"
#include "shm/index.h"

#include <stdbool.h>
#include <stdio.h>

enum build_kind { BUILD_DUMP, BUILD_GRAPH };

struct build_options {
    enum build_kind kind;
    const char *input;
    const char *output;
    bool quiet;       /* no progress on stderr */
    int zstd_level;   /* of the article text; 0: the default, 1 */
    bool no_search;   /* leave out full-text search */
    const char *stem; /* language whose words are stemmed; NULL: none */
    /* Fills `ranks` (arrays of the right sizes) for the finished index: PageRank by the daemon's
     * own job machinery, handed in so that building does not depend on it. */
    int (*rank)(void *owner, const struct index_view *index, const struct rank_arrays *ranks,
                struct fault *why);
    void *rank_owner;
};

struct build_report {
    uint64_t dump_bytes, input_bytes;
    uint64_t pages_seen;             /* all namespaces */
    uint64_t redirects_seen;         /* of them */
    uint64_t pages;                  /* vertices */
    uint64_t redirects;              /* titles that lead to a page */
    uint64_t redirects_dropped;      /* to missing pages, or in a loop */
    uint64_t duplicate_titles;       /* later pages of a title that was there already: dropped */
    uint64_t links[LINK_KIND_COUNT]; /* occurrences in the text, by kind */
    uint64_t edges;
    uint64_t links_missing; /* LINK_PAGE occurrences whose target is no page */
    uint64_t links_self;
    uint64_t links_repeated;
    struct section sections[SECTION_KIND_COUNT];
    unsigned section_count;
    double read_s, graph_s, titles_s, layout_s, search_s, rank_s, write_s, total_s;
    uint64_t peak_rss_bytes;
    uint64_t file_bytes;
};

int build_index(const struct build_options *options, struct build_report *report,
                struct fault *why);
void build_report_print(const struct build_report *report, FILE *out, bool json);

#endif
