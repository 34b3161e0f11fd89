/* SPDX-License-Identifier: MIT
 *
 * Between readable_marks.c, which finds out what of a wikitext is no text, and readable.c, which
 * writes the rest.
 */
#ifndef FORKLORE_SHM_READABLE_INT_H
#define FORKLORE_SHM_READABLE_INT_H

#include <stdbool.h>
#include <stddef.h>

/* One mark for each byte of the wikitext. */
enum mark {
    MARK_TEXT,
    MARK_HIDDEN, /* comments, templates, references … with their delimiters */
    MARK_RAW,    /* nowiki, pre …: text in which markup means nothing */
    MARK_LINK,   /* the first of the two brackets of a [[ that is closed */
    MARK_BRACE   /* only while marking: a { of a template that is closed */
};

/* Fills marks[length]; a fixed number of passes, no memory of its own. */
void readable_mark(const char *text, size_t length, char *marks);

/* The tag's name behind "<" or "</", lower-cased and NUL-terminated; its length, or 0 if no name
 * that fits stands there. */
#define TAG_NAME_BYTES 24
size_t readable_tag_name(const char *text, size_t length, char name[static TAG_NAME_BYTES]);

#endif
