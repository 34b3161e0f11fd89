/* SPDX-License-Identifier: MIT
 *
 * Pages close to given ones: the best of related_push()'s scores, without the given pages.
 */
#include "worker/query_int.h"

#include "worker/related.h"

#include <errno.h>
#include <stdlib.h>

#define SEEDS_MAX   100
#define RELATED_MAX 1000

struct best {
    const struct page *pages;
    uint32_t count, limit;
    const struct related_score *items[RELATED_MAX]; /* a heap, the worst on top */
};

/* Higher scores first, then smaller page ids, then smaller vertices. */
static bool is_better(const struct best *best, const struct related_score *a,
                      const struct related_score *b)
{
    uint64_t id_a = best->pages[a->vertex].id, id_b = best->pages[b->vertex].id;

    if (a->score != b->score)
        return a->score > b->score;
    return id_a != id_b ? id_a < id_b : a->vertex < b->vertex;
}

/* Lets items[at] sink until both below it are better. */
static void best_sink(struct best *best, uint32_t at)
{
    const struct related_score *item = best->items[at];

    for (;;) {
        uint32_t below = 2 * at + 1;

        if (below + 1 < best->count && is_better(best, best->items[below], best->items[below + 1]))
            below++;
        if (below >= best->count || is_better(best, best->items[below], item))
            break;
        best->items[at] = best->items[below];
        at = below;
    }
    best->items[at] = item;
}

static void best_offer(struct best *best, const struct related_score *item)
{
    if (best->count < best->limit) {
        best->items[best->count++] = item;
        if (best->count == best->limit) {
            for (uint32_t at = best->count / 2; at-- > 0;)
                best_sink(best, at);
        }
    } else if (is_better(best, item, best->items[0])) {
        best->items[0] = item;
        best_sink(best, 0);
    }
}

/* Best first: the worst of those left goes to the end, again and again. */
static void best_sort(struct best *best)
{
    uint32_t count = best->count;

    if (count < best->limit) {
        for (uint32_t at = count / 2; at-- > 0;)
            best_sink(best, at);
    }
    while (best->count > 1) {
        const struct related_score *worst = best->items[0];

        best->items[0] = best->items[--best->count];
        best_sink(best, 0);
        best->items[best->count] = worst;
    }
    best->count = count;
}

static bool is_seed(const uint32_t *seeds, uint32_t seed_count, uint32_t vertex)
{
    for (uint32_t i = 0; i < seed_count; i++) {
        if (seeds[i] == vertex)
            return true;
    }
    return false;
}

/* Two names of one page are one seed. */
static bool read_seeds(struct query *query, uint32_t *seeds, uint32_t *count)
{
    struct wire_in items;
    uint32_t titles;

    *count = 0;
    if (!query_param_texts(query, 0, SEEDS_MAX, &items, &titles))
        return false;
    for (uint32_t i = 0; i < titles; i++) {
        struct text_ref title;
        struct found_title found;
        size_t length;

        wire_get_text(&items, &title.bytes, &length);
        title.length = (uint32_t)length;
        if (!query_find_title(query, title, &found))
            return false;
        if (!is_seed(seeds, *count, found.vertex))
            seeds[(*count)++] = found.vertex;
    }
    return true;
}

static void answer_best(struct query *query, const struct related *related, const uint32_t *seeds,
                        uint32_t seed_count, uint32_t limit)
{
    struct best best = {.pages = query->index->pages, .limit = limit};

    MUST(limit > 0);
    for (uint32_t i = 0; i < related->scores.count; i++) {
        const struct related_score *entry = vertex_map_at(&related->scores, i);

        if (!is_seed(seeds, seed_count, entry->vertex))
            best_offer(&best, entry);
    }
    best_sort(&best);

    struct wire_out *out = query_answer(query);
    wire_array(out, best.count);
    for (uint32_t i = 0; i < best.count; i++) {
        uint32_t vertex = best.items[i]->vertex;

        wire_map(out, 3);
        wire_key(out, "title");
        query_text(out, query_page_title(query, vertex));
        wire_key_double(out, "score", best.items[i]->score);
        wire_key_uint(out, "rank", UINT64_C(1) + query->index->rank.positions[vertex]);
    }
}

void query_related(struct query *query)
{
    uint32_t seeds[SEEDS_MAX], seed_count;
    uint64_t limit = 10;
    double damping = 0.85, epsilon = 1e-6;
    struct related related;

    if (!query_param_uint(query, 1, 1, RELATED_MAX, &limit) ||
        !query_param_double(query, 2, 0, 1, &damping) ||
        !query_param_double(query, 3, 1e-12, 1, &epsilon))
        return;
    if (damping <= 0 || damping >= 1) {
        query_error(query, RPC_BAD_PARAMS,
                    "related: \"damping\" has to be a number between 0 and 1, without these two");
        return;
    }
    if (!read_seeds(query, seeds, &seed_count))
        return;

    int result = related_push(&related, &query->index->graph, seeds, seed_count, damping, epsilon,
                              &query->patience);
    if (result < 0)
        query_error_errno(query, result);
    else
        answer_best(query, &related, seeds, seed_count, (uint32_t)limit);
    related_fini(&related);
}
