/* SPDX-License-Identifier: MIT
 *
 * Synthetic input, the same bytes for the same seed everywhere: a wiki dump (MediaWiki XML), and
 * graphs of the GAP benchmark suite as edge lists.
 */
#ifndef FORKLORE_COORDINATOR_GENERATE_GENERATE_H
#define FORKLORE_COORDINATOR_GENERATE_GENERATE_H

#include "shm/fault.h"

#include <stdint.h>
#include <stdio.h>

struct wiki_recipe {
    uint32_t pages;            /* articles, at least 2 */
    uint32_t redirect_percent; /* of pages, in addition */
    uint32_t words_per_page;   /* mean; Zipf-distributed words from a made-up vocabulary */
    uint32_t links_per_page;   /* mean; targets by preferential attachment */
    uint64_t seed;
};
#define WIKI_RECIPE_DEFAULT                                                                        \
    {                                                                                              \
        .pages = 20000, .redirect_percent = 10, .words_per_page = 200, .links_per_page = 12,       \
        .seed = 1                                                                                  \
    }

/* Writes the dump to `out`. Some pages have no links out; some links are red, piped, to sections,
 * to redirects, in comments or templates, as in real wikis. -EIO with errno's text. */
int generate_wiki(const struct wiki_recipe *recipe, FILE *out, struct fault *why);

/* Kronecker as in Graph500 (A, B, C = .57, .19, .19, vertices permuted) or uniform, 2^scale
 * vertices, edge_factor * 2^scale undirected edges; each written in both directions as
 * "source target" lines after a comment that says how it was made. */
enum graph_family { GRAPH_KRONECKER, GRAPH_UNIFORM };
struct graph_recipe {
    enum graph_family family;
    unsigned scale;       /* 1..28 */
    unsigned edge_factor; /* GAP: 16 */
    uint64_t seed;
};
int generate_graph(const struct graph_recipe *recipe, FILE *out, struct fault *why);

#endif
