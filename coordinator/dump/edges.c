/* SPDX-License-Identifier: MIT
 *
 * Edge lists. The first line that is no comment decides what the vertices are: titles if it has a
 * tab with something else than an integer on either side, integers otherwise.
 */
#include "coordinator/dump/edges.h"

#include "coordinator/dump/edges_int.h"
#include "coordinator/dump/vertex_names.h"
#include "shm/titles.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>

int edges_collect_fault(const struct line_reader *reader, struct fault *why, int err)
{
    if (err == -E2BIG)
        return lines_fault(reader, why, E2BIG, "more than 2^31 - 1 vertices");
    return lines_fault(reader, why, -err, "not enough memory for the graph so far");
}

static bool is_integer(struct line field)
{
    field = line_trim(field);
    if (field.begin < field.end && *field.begin == '-')
        field.begin++;
    if (field.begin == field.end)
        return false;
    for (const char *at = field.begin; at < field.end; at++)
        if (*at < '0' || *at > '9')
            return false;
    return true;
}

/* The bytes up to the next tab; the line goes on behind it. */
static struct line take_tab_field(struct line *line)
{
    const char *tab = memchr(line->begin, '\t', (size_t)(line->end - line->begin));
    struct line field = {line->begin, tab ? tab : line->end};
    line->begin = tab ? tab + 1 : line->end;
    return field;
}

static bool has_titles(struct line line)
{
    line = line_trim(line);
    if (!memchr(line.begin, '\t', (size_t)(line.end - line.begin)))
        return false;
    struct line source = take_tab_field(&line);
    struct line target = take_tab_field(&line);
    return !is_integer(source) || !is_integer(target);
}

/* Whether the line has an edge; a comment is counted. */
static bool has_data(struct line line, uint64_t *comments)
{
    while (line.begin < line.end && line_is_blank(*line.begin))
        line.begin++;
    if (line.begin == line.end)
        return false;
    bool comment = *line.begin == '#' || *line.begin == '%';
    *comments += comment;
    return !comment;
}

/* The next line that is neither blank nor a comment: 1, 0 at the end, or -errno. */
static int next_data(struct line_reader *reader, struct line *line, uint64_t *comments,
                     struct fault *why)
{
    int got;
    do
        got = lines_next(reader, line, why);
    while (got == 1 && !has_data(*line, comments));
    return got;
}

static int read_integers(struct line_reader *reader, struct line line, struct edge_graph *graph,
                         struct fault *why)
{
    struct vertex_ids vertices = {0};
    int got = 1, err = 0;
    while (got == 1 && !err) {
        uint64_t source, target;
        err = lines_number(reader, &line, &source, why);
        if (!err)
            err = lines_number(reader, &line, &target, why);
        if (err)
            break;
        err = vertex_ids_add(&vertices, source, target);
        if (err)
            edges_collect_fault(reader, why, err);
        else
            got = next_data(reader, &line, &graph->comments, why);
    }
    if (!err && got < 0)
        err = got;
    if (!err) {
        err = vertex_ids_finish(&vertices, &graph->ids, &graph->vertex_count);
        if (err)
            edges_collect_fault(reader, why, err);
    }
    if (!err) {
        graph->arcs = vertices.arcs;
        vertices.arcs = (struct arc_list){0};
    }
    vertex_ids_fini(&vertices);
    graph->integer_names = true;
    return err;
}

static bool is_utf8(struct line text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text.begin;
    const utf8proc_uint8_t *end = (const utf8proc_uint8_t *)text.end;
    while (at < end) {
        utf8proc_int32_t code = *at;
        utf8proc_ssize_t n = code < 0x80 ? 1 : utf8proc_iterate(at, end - at, &code);
        if (n < 1)
            return false;
        at += n;
    }
    return true;
}

static int check_title(const struct line_reader *reader, struct line title, struct fault *why)
{
    size_t length = (size_t)(title.end - title.begin);
    if (length == 0)
        return lines_fault(reader, why, EINVAL, "an empty title");
    if (length > TITLE_MAX_BYTES)
        return lines_fault(reader, why, EINVAL, "a title of %zu bytes, more than %d", length,
                           TITLE_MAX_BYTES);
    if (!is_utf8(title))
        return lines_fault(reader, why, EINVAL, "a title that is not valid UTF-8");
    return 0;
}

static int add_titles(const struct line_reader *reader, struct line line,
                      struct vertex_titles *titles, struct arc_list *arcs, struct fault *why)
{
    if (!memchr(line.begin, '\t', (size_t)(line.end - line.begin)))
        return lines_fault(reader, why, EINVAL, "the tab between two titles is missing");
    uint32_t numbers[2];
    for (int i = 0; i < 2; i++) {
        struct line title = line_trim(take_tab_field(&line));
        int err = check_title(reader, title, why);
        if (err)
            return err;
        err = vertex_titles_number(titles, title.begin, (size_t)(title.end - title.begin),
                                   &numbers[i]);
        if (err)
            return edges_collect_fault(reader, why, err);
    }
    int err = arc_list_add(arcs, numbers[0], numbers[1]);
    return err ? edges_collect_fault(reader, why, err) : 0;
}

static int read_titles(struct line_reader *reader, struct line line, struct edge_graph *graph,
                       struct fault *why)
{
    struct vertex_titles titles = {0};
    int got = 1, err = 0;
    while (got == 1 && !err) {
        err = add_titles(reader, line, &titles, &graph->arcs, why);
        if (!err)
            got = next_data(reader, &line, &graph->comments, why);
    }
    if (!err && got < 0)
        err = got;
    if (!err) {
        graph->vertex_count = titles.count;
        graph->names = titles.bytes;
        graph->name_offsets = titles.offsets;
        titles.bytes = NULL;
        titles.offsets = NULL;
    }
    vertex_titles_fini(&titles);
    return err;
}

static int read_lines(struct line_reader *reader, struct edge_graph *graph, struct fault *why)
{
    struct line line;
    int got = lines_next(reader, &line, why);
    if (got == 1 && matrix_market_banner(line))
        return matrix_market_read(reader, line, graph, why);
    if (got == 1 && !has_data(line, &graph->comments))
        got = next_data(reader, &line, &graph->comments, why);
    if (got < 0)
        return got;
    if (got == 0)
        return fault_set(why, EINVAL, "%s: no edge in it", bytes_name(reader->source));
    return has_titles(line) ? read_titles(reader, line, graph, why)
                            : read_integers(reader, line, graph, why);
}

int edges_read(struct byte_source *source, struct edge_graph *graph,
               void (*progress)(void *owner, const struct byte_source *source), void *owner,
               struct fault *why)
{
    *graph = (struct edge_graph){0};
    struct line_reader reader;
    int err = lines_init(&reader, source, progress, owner, why);
    if (err)
        return err;
    err = read_lines(&reader, graph, why);
    lines_fini(&reader);
    if (err)
        edge_graph_fini(graph);
    return err;
}

void edge_graph_fini(struct edge_graph *graph)
{
    free(graph->ids);
    free(graph->names);
    free(graph->name_offsets);
    arc_list_fini(&graph->arcs);
    *graph = (struct edge_graph){0};
}
