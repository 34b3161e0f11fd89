/* SPDX-License-Identifier: MIT
 *
 * Finding pages by title: lookup, prefix, and random, which answers as lookup does.
 */
#include "worker/query_int.h"

#include <errno.h>
#include <string.h>

struct text_ref query_page_title(const struct query *query, uint32_t vertex)
{
    return titles_text(&query->index->titles, query->index->pages[vertex].title);
}

bool query_find_title(struct query *query, struct text_ref title, struct found_title *found)
{
    int err =
        index_find_title(query->index, title.bytes, title.length, &found->entry, &found->exact);

    if (err == -EILSEQ)
        return query_fail(query, RPC_BAD_PARAMS, "%s: a title is not valid UTF-8",
                          query->method->name);
    if (err == -ENAMETOOLONG)
        return query_fail(query, RPC_NOT_FOUND, "no title is longer than %d bytes",
                          TITLE_MAX_BYTES);
    if (err) {
        struct text_ref shown = CLIP(title);
        return query_fail(query, RPC_NOT_FOUND, "no page has the title \"%.*s\"",
                          TEXT_FORMAT(shown));
    }
    found->vertex = titles_vertex(&query->index->titles, found->entry);
    return true;
}

bool query_param_title(struct query *query, unsigned position, struct found_title *found)
{
    struct text_ref title;

    return query_param_text(query, position, &title) && query_find_title(query, title, found);
}

void query_redirect(const struct query *query, const struct found_title *found)
{
    const struct titles_view *titles = &query->index->titles;

    if (titles_is_redirect(titles, found->entry))
        query_text(query->out, titles_text(titles, found->entry));
    else
        wire_nil(query->out);
}

static void answer_page(struct query *query, const struct found_title *found)
{
    const struct index_view *index = query->index;
    /* All that is far apart in memory first, so that the processor waits for it once. */
    const struct page page = index->pages[found->vertex];
    const uint32_t position = index->rank.positions[found->vertex];
    const double score = index->rank.scores[found->vertex];
    const uint64_t links = graph_out_degree(&index->graph, found->vertex);
    const uint64_t backlinks = graph_in_degree(&index->graph, found->vertex);
    struct wire_out *out = query_answer(query);

    wire_map(out, 9);
    wire_key(out, "title");
    query_text(out, titles_text(&index->titles, page.title));
    wire_key_uint(out, "id", page.id);
    wire_key(out, "redirect_from");
    query_redirect(query, found);
    wire_key_bool(out, "exact", found->exact);
    wire_key_uint(out, "rank", UINT64_C(1) + position);
    wire_key_double(out, "score", score);
    wire_key_uint(out, "links", links);
    wire_key_uint(out, "backlinks", backlinks);
    wire_key_uint(out, "bytes", page.block == PAGE_NO_TEXT ? 0 : page.element_bytes);
}

void query_lookup(struct query *query)
{
    struct found_title found;

    if (query_param_title(query, 0, &found))
        answer_page(query, &found);
}

/* splitmix64: every seed is as good as any other. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void query_random(struct query *query)
{
    const struct index_view *index = query->index;
    uint64_t seed = random_next(&query->engine->random_state);

    if (!query_param_uint(query, 0, 0, UINT64_MAX, &seed))
        return;
    if (index->meta->page_count == 0) {
        query_error(query, RPC_NOT_FOUND, "the index has no pages");
        return;
    }
    uint32_t vertex = (uint32_t)((random_next(&seed) >> 32) * index->meta->page_count >> 32);

    answer_page(query, &(struct found_title){index->pages[vertex].title, vertex, true});
}

/* The prefix as title_normalise() and title_fold() would leave it at the front of a title. A space
 * at its end counts ("New " is not "News"), so it is brought to its form with a letter behind it,
 * which is then taken off. Returns the length; -EILSEQ; -ENAMETOOLONG: longer than any title. */
static int fold_prefix(struct text_ref prefix, char fold[static TITLE_FOLD_BYTES])
{
    char with_letter[TITLE_FOLD_BYTES + 1];
    char normal[TITLE_MAX_BYTES];

    if (prefix.length > TITLE_FOLD_BYTES)
        return -ENAMETOOLONG;
    memcpy(with_letter, prefix.bytes, prefix.length);
    with_letter[prefix.length] = 'x';

    int length = title_normalise(with_letter, prefix.length + (size_t)1, false, normal);
    return length <= 1 ? (length < 0 ? length : 0) : title_fold(normal, (size_t)length - 1, fold);
}

void query_prefix(struct query *query)
{
    const struct index_view *index = query->index;
    uint32_t entries[RANK_TOP_MAX];
    char fold[TITLE_FOLD_BYTES];
    struct text_ref prefix;
    uint64_t limit = 10;
    unsigned count = 0;

    if (!query_param_text(query, 0, &prefix) ||
        !query_param_uint(query, 1, 1, RANK_TOP_MAX, &limit))
        return;

    int length = fold_prefix(prefix, fold);
    if (length == -EILSEQ) {
        query_error(query, RPC_BAD_PARAMS, "prefix: \"prefix\" is not valid UTF-8");
        return;
    }
    if (length >= 0) {
        struct title_range range = titles_range(&index->titles, fold, (size_t)length, false);
        count = rank_top(&index->rank, &index->titles, range, (unsigned)limit, entries);
    }

    struct wire_out *out = query_answer(query);
    wire_array(out, count);
    for (unsigned i = 0; i < count; i++) {
        uint32_t vertex = titles_vertex(&index->titles, entries[i]);

        wire_map(out, 4);
        wire_key(out, "title");
        query_text(out, titles_text(&index->titles, entries[i]));
        wire_key(out, "target");
        if (titles_is_redirect(&index->titles, entries[i]))
            query_text(out, query_page_title(query, vertex));
        else
            wire_nil(out);
        wire_key_uint(out, "rank", UINT64_C(1) + index->rank.positions[vertex]);
        wire_key_double(out, "score", index->rank.scores[vertex]);
    }
}
