/* SPDX-License-Identifier: MIT
 *
 * Matrix Market coordinate files: a banner, comments, "rows columns entries", and an entry a line,
 * "row column [value]", numbered from 1. An entry is an arc from its row to its column.
 */
#include "coordinator/dump/edges_int.h"
#include "coordinator/dump/vertex_names.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define BANNER "%%MatrixMarket"

struct shape {
    uint64_t rows, columns, entries;
    bool symmetric;
};

bool matrix_market_banner(struct line line)
{
    size_t length = sizeof BANNER - 1;
    return (size_t)(line.end - line.begin) >= length && !strncasecmp(line.begin, BANNER, length);
}

static struct line take_word(struct line *line)
{
    while (line->begin < line->end && line_is_blank(*line->begin))
        line->begin++;
    struct line word = {line->begin, line->begin};
    while (word.end < line->end && !line_is_blank(*word.end))
        word.end++;
    line->begin = word.end;
    return word;
}

static bool word_is(struct line word, const char *expected)
{
    size_t length = strlen(expected);
    return (size_t)(word.end - word.begin) == length && !strncasecmp(word.begin, expected, length);
}

static int read_banner(const struct line_reader *reader, struct line banner, struct shape *shape,
                       struct fault *why)
{
    struct line first = take_word(&banner), object = take_word(&banner);
    struct line format = take_word(&banner), field = take_word(&banner);
    struct line symmetry = take_word(&banner);
    if (!word_is(first, BANNER) || !word_is(object, "matrix"))
        return lines_fault(reader, why, EINVAL,
                           "bad banner: \"%s matrix coordinate …\" was expected", BANNER);
    if (word_is(format, "array"))
        return lines_fault(reader, why, EINVAL,
                           "array format: only coordinate matrices are graphs");
    if (!word_is(format, "coordinate"))
        return lines_fault(reader, why, EINVAL, "bad banner: the format is not \"coordinate\"");
    if (word_is(field, "complex"))
        return lines_fault(reader, why, EINVAL, "complex entries are not supported");
    if (!word_is(field, "pattern") && !word_is(field, "real") && !word_is(field, "integer"))
        return lines_fault(reader, why, EINVAL,
                           "bad banner: entries are not pattern, real or integer");
    shape->symmetric = word_is(symmetry, "symmetric");
    if (!shape->symmetric && !word_is(symmetry, "general"))
        return lines_fault(reader, why, EINVAL,
                           "bad banner: the matrix is not general or symmetric");
    return 0;
}

/* The next line that is neither blank nor a comment. */
static int next_data(struct line_reader *reader, struct line *line, uint64_t *comments,
                     struct fault *why)
{
    for (;;) {
        int got = lines_next(reader, line, why);
        if (got <= 0)
            return got;
        struct line trimmed = line_trim(*line);
        if (trimmed.begin == trimmed.end)
            continue;
        if (*trimmed.begin != '%')
            return 1;
        ++*comments;
    }
}

static int read_shape(struct line_reader *reader, struct shape *shape, uint64_t *comments,
                      struct fault *why)
{
    struct line line;
    int got = next_data(reader, &line, comments, why);
    if (got < 0)
        return got;
    if (got == 0)
        return lines_fault(reader, why, EINVAL, "the file ends before the size of the matrix");
    int err = lines_number(reader, &line, &shape->rows, why);
    if (!err)
        err = lines_number(reader, &line, &shape->columns, why);
    if (!err)
        err = lines_number(reader, &line, &shape->entries, why);
    if (err)
        return err;
    if (shape->rows != shape->columns)
        return lines_fault(reader, why, EINVAL,
                           "%llu rows and %llu columns: the matrix of a graph is square",
                           (unsigned long long)shape->rows, (unsigned long long)shape->columns);
    if (shape->rows > VERTICES_MAX)
        return edges_collect_fault(reader, why, -E2BIG);
    if (shape->entries == 0)
        return lines_fault(reader, why, EINVAL, "no edge in it: a matrix without entries");
    return 0;
}

static int read_index(const struct line_reader *reader, struct line *line, uint64_t n,
                      uint64_t *index, struct fault *why)
{
    int err = lines_number(reader, line, index, why);
    if (!err && (*index < 1 || *index > n))
        err = lines_fault(reader, why, EINVAL, "index %llu is not between 1 and %llu",
                          (unsigned long long)*index, (unsigned long long)n);
    return err;
}

static int read_entry(const struct line_reader *reader, struct line line, const struct shape *shape,
                      struct arc_list *arcs, struct fault *why)
{
    uint64_t row, column;
    int err = read_index(reader, &line, shape->rows, &row, why);
    if (!err)
        err = read_index(reader, &line, shape->rows, &column, why);
    if (err)
        return err;
    err = arc_list_add(arcs, (uint32_t)row - 1, (uint32_t)column - 1);
    if (!err && shape->symmetric && row != column)
        err = arc_list_add(arcs, (uint32_t)column - 1, (uint32_t)row - 1);
    return err ? edges_collect_fault(reader, why, err) : 0;
}

int matrix_market_read(struct line_reader *reader, struct line banner, struct edge_graph *graph,
                       struct fault *why)
{
    struct shape shape = {0};
    graph->comments++; /* the banner is one for every other reader */
    int err = read_banner(reader, banner, &shape, why);
    if (!err)
        err = read_shape(reader, &shape, &graph->comments, why);
    if (err)
        return err;
    uint64_t entries = 0;
    struct line line;
    int got;
    while ((got = next_data(reader, &line, &graph->comments, why)) == 1) {
        if (entries == shape.entries)
            return lines_fault(reader, why, EINVAL, "more entries than the %llu announced",
                               (unsigned long long)shape.entries);
        err = read_entry(reader, line, &shape, &graph->arcs, why);
        if (err)
            return err;
        entries++;
    }
    if (got < 0)
        return got;
    if (entries < shape.entries)
        return lines_fault(reader, why, EINVAL, "the file ends after %llu of %llu entries",
                           (unsigned long long)entries, (unsigned long long)shape.entries);
    MUST(shape.rows > 0); /* there is an entry */
    graph->ids = malloc(shape.rows * sizeof *graph->ids);
    if (!graph->ids)
        return edges_collect_fault(reader, why, -ENOMEM);
    for (uint64_t i = 0; i < shape.rows; i++)
        graph->ids[i] = i + 1;
    graph->vertex_count = (uint32_t)shape.rows;
    graph->integer_names = true;
    return 0;
}
