/* SPDX-License-Identifier: MIT
 *
 * Readable text of wikitext: what a person reads, for `page --format text` and for indexing.
 */
#ifndef FORKLORE_SHM_READABLE_H
#define FORKLORE_SHM_READABLE_H

#include <stddef.h>

/* Writes the readable text to `out` (capacity at least `length`: the result is never longer than
 * the input) and returns its length. Link texts, headings, list and table text stay; templates,
 * table markup, references, comments, file and category links, HTML tags, bold and italic marks
 * go; HTML entities are decoded. Runs of blank lines collapse to one. Linear time whatever the
 * nesting and however broken; input need not be valid UTF-8 and what is valid stays valid. */
size_t readable_text(const char *wikitext, size_t length, char *out);

#endif
