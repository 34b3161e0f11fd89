/* SPDX-License-Identifier: MIT
 *
 * Between mediawiki.c, which brings a dump's bytes to expat, and mediawiki_elements.c, which knows
 * what the elements mean.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_MEDIAWIKI_INT_H
#define FORKLORE_COORDINATOR_DUMP_MEDIAWIKI_INT_H

#include "coordinator/dump/mediawiki.h"

#include <expat.h>
#include <iconv.h>
#include <inttypes.h>

struct dump_buffer {
    char *bytes;
    size_t length, capacity;
};

/* Where character data goes. */
enum dump_field {
    FIELD_NONE,
    FIELD_SITENAME,
    FIELD_DBNAME,
    FIELD_CASE,
    FIELD_NAMESPACE,
    FIELD_TITLE,
    FIELD_NS,
    FIELD_ID,
    FIELD_TEXT,
};

/* The elements whose children mean something. */
enum dump_place {
    PLACE_DOCUMENT,
    PLACE_ROOT,
    PLACE_SITE,
    PLACE_NAMESPACES,
    PLACE_PAGE,
    PLACE_REVISION
};

struct dump_reader {
    XML_Parser parser;
    struct byte_source *source;
    const struct dump_handler *handler;
    struct fault *why;
    int err;

    struct dump_buffer window;
    uint64_t window_offset; /* of window.bytes[0] in the dump */
    uint64_t parsed;        /* where expat was last known to be */

    bool has_root;
    enum dump_place place;
    unsigned depth, place_depth; /* open elements; up to and with the one of `place` */
    enum dump_field field;
    unsigned field_depth;
    struct dump_buffer small; /* any field but the text */

    struct dump_site site;
    size_t namespace_capacity;
    int namespace_key;
    bool site_told;

    const char *encoding; /* iconv's name, or NULL: the element's bytes are UTF-8 already */
    iconv_t converter;
    struct dump_buffer converted;

    struct dump_page page;
    bool has_title, has_ns, has_redirect;
    uint64_t page_line;
    struct dump_buffer title, redirect, text;
    uint64_t pages;
};

/* Ends the reading with a sentence on what expat is looking at. The first error stays. */
void dump_fail(struct dump_reader *reader, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Buffers. Out of memory is a dump_fail(). */
bool dump_reserve(struct dump_reader *reader, struct dump_buffer *buffer, size_t more);
void dump_append(struct dump_reader *reader, struct dump_buffer *buffer, const char *bytes,
                 size_t length);
void dump_buffer_empty(struct dump_buffer *buffer); /* shrinks one that a giant page left */
void dump_buffer_fini(struct dump_buffer *buffer);

/* Sets expat's handlers for elements and text, and frees what they have collected. */
void dump_elements_init(struct dump_reader *reader);
void dump_elements_fini(struct dump_reader *reader);

/* Whether a <page> is open. */
static inline bool dump_in_page(const struct dump_reader *reader)
{
    return reader->place == PLACE_PAGE || reader->place == PLACE_REVISION;
}

#endif
