/* SPDX-License-Identifier: MIT
 *
 * Reads a MediaWiki XML export through expat, page by page, in constant memory.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_MEDIAWIKI_H
#define FORKLORE_COORDINATOR_DUMP_MEDIAWIKI_H

#include "coordinator/dump/bytes.h"

#include <stdbool.h>

struct dump_namespace {
    int key;
    char *name; /* as in <siteinfo>; "" for the main one */
};

struct dump_site {
    char *name, *database;
    bool first_letter; /* <case>first-letter</case>; also where there is no <case> */
    struct dump_namespace *namespaces;
    size_t namespace_count; /* MediaWiki's standard ones where the dump lists none */
};

/* One <page>, borrowed for the callback. Strings are UTF-8 with entities decoded. */
struct dump_page {
    uint64_t id;
    int ns;
    const char *title;
    size_t title_length;
    const char *redirect; /* title attribute of <redirect/>, or NULL; in exports that lack it
                           * (before 0.6), the target in the text */
    size_t redirect_length;
    const char *text; /* of the last <revision>'s <text> */
    size_t text_length;
    const char *element; /* "<page>…</page>" as it stands in the dump; transcoded to UTF-8 if the
                          * dump is in another encoding */
    size_t element_length;
    uint64_t dump_offset; /* of the element in the decompressed dump's own bytes */
    uint64_t dump_bytes;
};

struct dump_handler {
    void *owner;
    /* Once, before the first page. Borrowed for as long as mediawiki_read() runs. */
    int (*site)(void *owner, const struct dump_site *site, struct fault *why);
    /* Each page of every namespace. Nonzero (-errno, *why set) ends the reading. */
    int (*page)(void *owner, const struct dump_page *page, struct fault *why);
};

struct dump_totals {
    uint64_t pages;      /* of all namespaces */
    uint64_t dump_bytes; /* decompressed */
};

/* Reads to the end. Errors name the file, and line and byte offset of the XML: not well-formed,
 * cut off, not a MediaWiki export (root element), a page without title, a title over
 * 1,024 bytes or a page over 256 MiB (limits against damaged input), a DOCTYPE, no page at all. */
int mediawiki_read(struct byte_source *source, const struct dump_handler *handler,
                   struct dump_totals *totals, struct fault *why);

#endif
