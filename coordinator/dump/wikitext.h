/* SPDX-License-Identifier: MIT
 *
 * Links of a page's wikitext, in one pass, linear whatever the nesting, no allocation per link.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_WIKITEXT_H
#define FORKLORE_COORDINATOR_DUMP_WIKITEXT_H

#include "coordinator/dump/mediawiki.h"

/* What a [[target]] turned out to be. */
enum link_kind {
    LINK_PAGE,      /* namespace 0: `title` is normalised, without section */
    LINK_NAMESPACE, /* File, Category, Template …, local name, canonical English name or alias */
    LINK_INTERWIKI, /* a language or wiki prefix */
    LINK_SECTION,   /* [[#Section]] of the same page */
    LINK_INVALID,   /* empty, too long, or with characters no title may have */
    LINK_KIND_COUNT
};

/* Namespaces and interwiki prefixes of one dump, prepared for matching. */
struct link_rules;
int link_rules_create(struct link_rules **rules, const struct dump_site *site, struct fault *why);
void link_rules_destroy(struct link_rules **rules);

/* `title` is borrowed for the call: normalised, with its prefix if it has one; the target as it
 * stands, for sections and invalid links. */
typedef int link_fn(void *owner, enum link_kind kind, const char *title, size_t length);

/* Calls `fn` for every link in order (targets after HTML-entity decoding; outside
 * comments, nowiki, pre, math, syntaxhighlight/source; links inside file captions count).
 * Stops and returns what `fn` returned if nonzero. Text need not be valid UTF-8: links with invalid
 * bytes are LINK_INVALID. */
int wikitext_links(const struct link_rules *rules, const char *text, size_t length, link_fn *fn,
                   void *owner);

#endif
