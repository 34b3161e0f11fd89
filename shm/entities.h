/* SPDX-License-Identifier: MIT
 *
 * HTML character references as they stand in wikitext: the named ones of HTML 4, decimal and
 * hexadecimal ones.
 */
#ifndef FORKLORE_SHM_ENTITIES_H
#define FORKLORE_SHM_ENTITIES_H

#include <stddef.h>

#define ENTITY_UTF8_MAX 4

/* If `text` starts with a character reference ("&amp;", "&#38;", "&#x26;"), writes the character as
 * UTF-8, its length to *utf8_length, and returns how many bytes of `text` the reference takes,
 * always more than *utf8_length. Returns 0 if it does not, or if there is no such character (0,
 * surrogates, past U+10FFFF, control characters but tab and line feed). */
size_t entity_decode(const char *text, size_t length, char utf8[static ENTITY_UTF8_MAX],
                     size_t *utf8_length);

#endif
