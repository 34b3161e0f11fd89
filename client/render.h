/* SPDX-License-Identifier: MIT
 *
 * Output: JSON for programs, text and tables for people. Text comes from strangers' wikis by way
 * of a daemon that may be anybody's, so what people see has its control characters shown, not
 * obeyed.
 */
#ifndef FORKLORE_CLIENT_RENDER_H
#define FORKLORE_CLIENT_RENDER_H

#include "client/answer.h"

#include <stdio.h>

/* One value as JSON, without a newline. Doubles in as few digits as give the same double back,
 * NaN and infinities as null; bin as base64, ext as null; what is not UTF-8 becomes U+FFFD. */
void render_json(FILE *out, struct wire_in value);

/* For people. Control and bidirectional override characters as \x1b, \u202e; what is not UTF-8 as
 * U+FFFD. RENDER_LINES leaves newlines and tabs as they are. */
enum render_mode { RENDER_LINE, RENDER_LINES };
void render_text(FILE *out, struct text text, enum render_mode mode);
/* Columns that render_text(RENDER_LINE) takes; at most `most` of them are written by
 * render_clipped(), which returns how many it wrote. */
unsigned render_width(struct text text);
unsigned render_clipped(FILE *out, struct text text, unsigned most);

/* "12.3 MiB", "3.2 s", "2 d 03:04:05". */
#define RENDER_NUMBER 32
const char *render_bytes(char buffer[static RENDER_NUMBER], uint64_t bytes);
const char *render_seconds(char buffer[static RENDER_NUMBER], double seconds);

/* Bold on a terminal that has it and whose user has not set NO_COLOR, else "". */
const char *render_bold(FILE *out);
const char *render_plain(FILE *out);

/* --- Tables (table.c) ------------------------------------------------------------------------ */

/* Cells are collected, then printed in columns as wide as the widest. Column letters: 'l' left,
 * 'r' right. Headings may be NULL. */
struct table {
    const char *columns;
    const char *const *headings;
    char *text; /* cells, already rendered, each with its NUL */
    size_t bytes, capacity;
    size_t cells;
    bool failed;
};

void table_init(struct table *table, const char *columns, const char *const *headings);
void table_text(struct table *table, struct text text);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints, indented, and frees. A last column that is empty throughout is left out. */
void table_print(struct table *table, FILE *out, unsigned indent);

/* Pages with rank, score and title: the first `most` of an array of maps. */
void render_ranking(FILE *out, struct answer *answer, struct items pages, uint32_t most,
                    unsigned indent);

#endif
