/* SPDX-License-Identifier: MIT
 *
 * Links: out of a page, into it, and from one page to another.
 */
#include "worker/query_int.h"

#include "worker/path.h"

#include <errno.h>
#include <stdlib.h>

#define LINKS_MAX       10000
#define PATH_LENGTH_MAX 1000

static void answer_links(struct query *query, const uint64_t *offsets, const uint32_t *neighbours)
{
    struct found_title found;
    uint64_t limit = 100, offset = 0;

    if (!query_param_uint(query, 1, 0, LINKS_MAX, &limit) ||
        !query_param_uint(query, 2, 0, UINT64_MAX, &offset) || !query_param_title(query, 0, &found))
        return;

    uint64_t total = offsets[found.vertex + 1] - offsets[found.vertex];
    uint64_t first = offset < total ? offset : total;
    uint64_t count = limit < total - first ? limit : total - first;
    const uint32_t *row = neighbours + offsets[found.vertex] + first;

    struct wire_out *out = query_answer(query);
    wire_map(out, 3);
    wire_key(out, "title");
    query_text(out, query_page_title(query, found.vertex));
    wire_key_uint(out, "total", total);
    wire_key(out, "titles");
    wire_array(out, (uint32_t)count);
    for (uint64_t i = 0; i < count; i++)
        query_text(out, query_page_title(query, row[i]));
}

void query_links(struct query *query)
{
    answer_links(query, query->index->graph.out_offsets, query->index->graph.out_targets);
}

void query_backlinks(struct query *query)
{
    answer_links(query, query->index->graph.in_offsets, query->index->graph.in_sources);
}

static void no_path(struct query *query, uint32_t from, uint32_t to, uint64_t max_length)
{
    struct text_ref a = CLIP(query_page_title(query, from));
    struct text_ref b = CLIP(query_page_title(query, to));

    query_error(query, RPC_NOT_FOUND, "no path of at most %llu links from \"%.*s\" to \"%.*s\"",
                (unsigned long long)max_length, TEXT_FORMAT(a), TEXT_FORMAT(b));
}

void query_path(struct query *query)
{
    struct found_title from, to;
    uint64_t max_length = PATH_LENGTH_MAX;
    struct path path;

    if (!query_param_uint(query, 2, 0, PATH_LENGTH_MAX, &max_length) ||
        !query_param_title(query, 0, &from) || !query_param_title(query, 1, &to))
        return;

    int result = path_find(&query->index->graph, from.vertex, to.vertex, (uint32_t)max_length,
                           &query->patience, &path);
    if (result == -ENOENT)
        no_path(query, from.vertex, to.vertex, max_length);
    else if (result < 0)
        query_error_errno(query, result);
    if (result < 0)
        return;

    struct wire_out *out = query_answer(query);
    wire_map(out, 2);
    wire_key_uint(out, "length", path.length);
    wire_key(out, "titles");
    wire_array(out, path.length + 1);
    for (uint32_t i = 0; i <= path.length; i++)
        query_text(out, query_page_title(query, path.vertices[i]));
    free(path.vertices);
}
