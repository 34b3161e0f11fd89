/* SPDX-License-Identifier: MIT
 *
 * Wikitext of the synthetic wiki's articles: sentences of made-up words, links, and the markup that
 * real articles have.
 */
#ifndef FORKLORE_COORDINATOR_GENERATE_ARTICLE_H
#define FORKLORE_COORDINATOR_GENERATE_ARTICLE_H

#include "coordinator/generate/generate.h"
#include "coordinator/generate/names.h"

#define KIND_COUNT 12 /* of articles: town, river, …; each has a category */

struct article_maker {
    const struct wiki_recipe *recipe;
    const struct names *titles; /* articles, then redirects */
    const struct vocabulary *vocabulary;
    struct rng rng;
    uint32_t *urn; /* targets of earlier links: drawing from it is preferential attachment */
    uint32_t urn_count, urn_capacity;
};

const char *article_kind(unsigned kind);     /* "town" */
const char *article_category(unsigned kind); /* "Towns" */

/* Replaces `out` by the text of article number `page`. */
void article_write(struct article_maker *maker, uint32_t page, struct text *out);

#endif
