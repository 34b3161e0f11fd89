/* SPDX-License-Identifier: MIT
 *
 * Everything in pieces. A piece ends after `limit` rows or EXPORT_BYTES, whichever is first, and
 * says where the next one begins: a position in the export's order, and for links, in the upper
 * half, how many of that source's targets have been given already. A row of links is cut only
 * where it would take the piece beyond EXPORT_ROW_BYTES, since going on with it sorts it again.
 */
#include "worker/query_int.h"

#include <stdlib.h>

#define EXPORT_ROWS_MAX  10000
#define EXPORT_BYTES     (512u << 10)
#define EXPORT_ROW_BYTES (4u << 20)
#define CURSOR_GIVEN     (UINT64_C(1) << 32) /* a target already given, in cursors */

enum export_kind { EXPORT_SCORES, EXPORT_LINKS, EXPORT_TITLES };
static const char *const KINDS[] = {"scores", "links", "titles", NULL};

struct piece {
    struct query *query;
    uint64_t limit, rows;
    uint32_t position; /* next one */
    uint32_t given;    /* targets of the source there */
    uint32_t count;    /* of positions */
};

static bool has_bytes(const struct piece *piece, size_t bytes)
{
    const struct query *query = piece->query;

    return query->out->failed || query->out->bytes - query->out_start >= bytes;
}

static bool piece_full(const struct piece *piece)
{
    return piece->rows == piece->limit || has_bytes(piece, EXPORT_BYTES);
}

static bool export_scores(struct piece *piece)
{
    const struct rank_view *rank = &piece->query->index->rank;
    struct wire_out *out = piece->query->out;

    for (; piece->position < piece->count && !piece_full(piece); piece->position++) {
        uint32_t vertex = rank->order[piece->position];

        wire_array(out, 2);
        wire_double(out, rank->scores[vertex]);
        query_text(out, query_page_title(piece->query, vertex));
        piece->rows++;
    }
    return true;
}

static bool export_titles(struct piece *piece)
{
    const struct titles_view *titles = &piece->query->index->titles;
    struct title_order *order = piece->query->engine->order;
    struct wire_out *out = piece->query->out;

    for (; piece->position < piece->count && !piece_full(piece); piece->position++) {
        uint32_t entry = title_order_at(order, piece->position);

        if (query_late(piece->query, 1))
            return false;
        wire_array(out, 2);
        query_text(out, titles_text(titles, entry));
        if (titles_is_redirect(titles, entry))
            query_text(out, query_page_title(piece->query, titles_vertex(titles, entry)));
        else
            wire_nil(out);
        piece->rows++;
    }
    return true;
}

static int compare_titles(const void *a, const void *b)
{
    return text_compare(*(const struct text_ref *)a, *(const struct text_ref *)b);
}

/* One row of the source's targets, from piece->given on. */
static bool export_source(struct piece *piece, uint32_t vertex)
{
    const struct query *query = piece->query;
    const struct graph_view *graph = &query->index->graph;
    uint32_t degree = (uint32_t)graph_out_degree(graph, vertex);
    struct text_ref *targets = malloc(degree * sizeof *targets);

    if (!targets)
        return query_fail(piece->query, RPC_INTERNAL, "export: out of memory");
    for (uint32_t i = 0; i < degree; i++)
        targets[i] = query_page_title(query, graph->out_targets[graph->out_offsets[vertex] + i]);
    qsort(targets, degree, sizeof *targets, compare_titles);

    uint32_t first = piece->given;
    wire_array(query->out, 2);
    query_text(query->out, query_page_title(query, vertex));
    size_t mark = wire_array_open(query->out);
    do
        query_text(query->out, targets[piece->given++]);
    while (piece->given < degree && !has_bytes(piece, EXPORT_ROW_BYTES));
    wire_array_close(query->out, mark, piece->given - first);
    free(targets);

    piece->rows++;
    if (piece->given == degree) {
        piece->given = 0;
        piece->position++;
    }
    return true;
}

static bool export_links(struct piece *piece)
{
    const struct index_view *index = piece->query->index;
    struct title_order *order = piece->query->engine->order;

    while (piece->position < piece->count && !piece_full(piece)) {
        uint32_t entry = title_order_at(order, piece->position);
        uint32_t vertex = titles_vertex(&index->titles, entry);
        uint64_t degree = graph_out_degree(&index->graph, vertex);

        if (query_late(piece->query, 1 + degree))
            return false;
        if (titles_is_redirect(&index->titles, entry) || piece->given >= degree) {
            piece->given = 0;
            piece->position++;
        } else if (!export_source(piece, vertex)) {
            return false;
        }
    }
    return true;
}

static bool export_rows(struct piece *piece, enum export_kind kind)
{
    struct query_engine *engine = piece->query->engine;

    if (kind == EXPORT_SCORES)
        return export_scores(piece);
    if (!engine->order && title_order_create(&engine->order, &engine->index->titles) < 0)
        return query_fail(piece->query, RPC_INTERNAL, "export: out of memory");
    return kind == EXPORT_LINKS ? export_links(piece) : export_titles(piece);
}

void query_export(struct query *query)
{
    struct piece piece = {.query = query, .limit = 1000};
    const struct index_meta *meta = query->index->meta;
    uint64_t cursor = 0;
    unsigned kind;

    if (!query_param_choice(query, 0, KINDS, &kind) ||
        !query_param_uint(query, 1, 0, UINT64_MAX, &cursor) ||
        !query_param_uint(query, 2, 1, EXPORT_ROWS_MAX, &piece.limit))
        return;
    piece.position = (uint32_t)cursor;
    piece.given = (uint32_t)(cursor / CURSOR_GIVEN);
    piece.count = kind == EXPORT_SCORES ? meta->page_count : meta->title_count;

    struct wire_out *out = query_answer(query);
    wire_map(out, 3);
    wire_key(out, "rows");
    size_t mark = wire_array_open(out);
    if (!export_rows(&piece, kind))
        return;
    wire_array_close(out, mark, (uint32_t)piece.rows);
    wire_key(out, "next");
    if (piece.position < piece.count)
        wire_uint(out, piece.given * CURSOR_GIVEN + piece.position);
    else
        wire_nil(out);
    wire_key_uint(out, "generation", query->engine->generation);
}
