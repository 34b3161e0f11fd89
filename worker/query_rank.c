/* SPDX-License-Identifier: MIT
 *
 * PageRank's results: a page's rank, and the best pages.
 */
#include "worker/query_int.h"

#define TOP_MAX 10000

void query_rank(struct query *query)
{
    const struct rank_view *rank = &query->index->rank;
    struct found_title found;

    if (!query_param_title(query, 0, &found))
        return;

    struct wire_out *out = query_answer(query);
    wire_map(out, 5);
    wire_key(out, "title");
    query_text(out, query_page_title(query, found.vertex));
    wire_key_uint(out, "rank", UINT64_C(1) + rank->positions[found.vertex]);
    wire_key_double(out, "score", rank->scores[found.vertex]);
    wire_key_uint(out, "of", query->index->meta->page_count);
    wire_key_uint(out, "generation", query->engine->generation);
}

void query_top(struct query *query)
{
    const struct index_view *index = query->index;
    uint64_t limit = 10, offset = 0;

    if (!query_param_uint(query, 0, 0, TOP_MAX, &limit) ||
        !query_param_uint(query, 1, 0, UINT64_MAX, &offset))
        return;

    uint32_t first = offset < index->meta->page_count ? (uint32_t)offset : index->meta->page_count;
    uint32_t left = index->meta->page_count - first;
    uint32_t count = limit < left ? (uint32_t)limit : left;

    struct wire_out *out = query_answer(query);
    wire_array(out, count);
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t vertex = index->rank.order[i];

        wire_map(out, 4);
        wire_key_uint(out, "rank", UINT64_C(1) + i);
        wire_key(out, "title");
        query_text(out, query_page_title(query, vertex));
        wire_key_double(out, "score", index->rank.scores[vertex]);
        wire_key_uint(out, "id", index->pages[vertex].id);
    }
}
