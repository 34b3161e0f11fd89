/* SPDX-License-Identifier: MIT
 *
 * Tables for people: columns as wide as their widest cell.
 */
#include "client/render.h"

#include "shm/fault.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const char *columns, const char *const *headings)
{
    *table = (struct table){.columns = columns, .headings = headings};
}

static void add(struct table *table, const char *bytes, size_t length)
{
    if (table->failed)
        return;
    if (table->bytes + length + 1 > table->capacity) {
        const size_t capacity = 2 * (table->bytes + length + 1) + 1024;
        char *text = realloc(table->text, capacity);
        if (!text) {
            table->failed = true;
            return;
        }
        table->text = text;
        table->capacity = capacity;
    }
    memcpy(table->text + table->bytes, bytes, length);
    table->text[table->bytes + length] = '\0';
    table->bytes += length + 1;
    table->cells++;
}

void table_text(struct table *table, struct text text)
{
    char *rendered = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&rendered, &length);
    if (!out) {
        table->failed = true;
        return;
    }
    render_text(out, text, RENDER_LINE);
    if (fclose(out) != 0)
        table->failed = true;
    else
        add(table, rendered, length);
    free(rendered);
}

void table_cell(struct table *table, const char *format, ...)
{
    char cell[256];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(cell, sizeof cell, format, args);
    va_end(args);
    add(table, cell, n < 0 ? 0 : strlen(cell));
}

static struct text of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static void print_cell(const struct table *table, FILE *out, size_t column, size_t column_count,
                       const char *cell, unsigned width)
{
    const unsigned own = render_width(of(cell));
    const int padding = own < width ? (int)(width - own) : 0;
    if (column > 0)
        fputs("  ", out);
    if (table->columns[column] == 'r')
        fprintf(out, "%*s%s", padding, "", cell);
    else
        fprintf(out, "%s%*s", cell, column + 1 < column_count ? padding : 0, "");
    if (column + 1 == column_count)
        putc('\n', out);
}

enum { COLUMNS_MAX = 16 };

void table_print(struct table *table, FILE *out, unsigned indent)
{
    unsigned width[COLUMNS_MAX] = {0};
    const size_t column_count = strlen(table->columns);
    bool last_is_empty = true;
    MUST(column_count > 0 && column_count <= COLUMNS_MAX);
    for (size_t c = 0; table->headings && c < column_count; c++)
        width[c] = render_width(of(table->headings[c]));
    const char *cell = table->text;
    for (size_t i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
        const size_t c = i % column_count;
        const unsigned own = render_width(of(cell));
        if (own > width[c])
            width[c] = own;
        if (c + 1 == column_count && *cell)
            last_is_empty = false;
    }
    const size_t shown = column_count - last_is_empty;
    if (table->headings) {
        fprintf(out, "%*s%s", (int)indent, "", render_bold(out));
        for (size_t c = 0; c < shown; c++)
            print_cell(table, out, c, shown, table->headings[c], width[c]);
        fputs(render_plain(out), out);
    }
    cell = table->text;
    for (size_t i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
        const size_t c = i % column_count;
        if (c == 0)
            fprintf(out, "%*s", (int)indent, "");
        if (c < shown)
            print_cell(table, out, c, shown, cell, width[c]);
    }
    if (table->failed)
        fputs("(no memory for the rest)\n", out);
    free(table->text);
    table->text = NULL;
}

void render_ranking(FILE *out, struct answer *answer, struct items pages, uint32_t most,
                    unsigned indent)
{
    static const char *const headings[] = {"rank", "score", "title"};
    struct table table;
    table_init(&table, "rrl", headings);
    uint32_t row = 0;
    for (struct wire_in page; row < most && answer_next(&pages, &page); row++) {
        table_cell(&table, "%" PRIu64, answer_uint(answer, page, "rank"));
        table_cell(&table, "%.8f", answer_real(answer, page, "score"));
        table_text(&table, answer_text(answer, page, "title"));
    }
    table_print(&table, out, indent);
}
