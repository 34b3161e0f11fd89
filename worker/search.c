/* SPDX-License-Identifier: MIT
 *
 * Setting a search up, its results, and what explains them. Going through the pages leaves out
 * whatever cannot get above the worst of the results so far, by the bounds of words and blocks.
 */
#include "worker/search_int.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int search_engine_create(struct search_engine **engine, const struct index_view *index)
{
    struct search_engine *e = *engine = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->index = index;
    e->scores = calloc(SEARCH_WINDOW_MOST, sizeof *e->scores);
    e->found = calloc(SEARCH_WINDOW_MOST / 64, sizeof *e->found);
    if (e->scores && e->found && scratch_create(&e->scratch) == 0)
        return 0;
    search_engine_destroy(engine);
    return -ENOMEM;
}

void search_engine_destroy(struct search_engine **engine)
{
    struct search_engine *e = *engine;
    if (!e)
        return;
    scratch_destroy(&e->scratch);
    free(e->room.lists[0]);
    free(e->room.lists[1]);
    free(e->hits);
    free(e->scores);
    free(e->found);
    free(e);
    *engine = NULL;
}

/* --- Results ------------------------------------------------------------------------------- */

static bool is_better(const struct search_state *run, const struct search_hit *a,
                      const struct search_hit *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    const uint64_t x = run->index->pages[a->page].id, y = run->index->pages[b->page].id;
    return x != y ? x < y : a->page < b->page;
}

static void sink(const struct search_state *run, uint32_t at, uint32_t count)
{
    struct search_hit *heap = run->heap;
    const struct search_hit hit = heap[at];
    for (;;) {
        uint32_t below = 2 * at + 1;
        if (below + 1 < count && is_better(run, &heap[below], &heap[below + 1]))
            below++;
        if (below >= count || is_better(run, &heap[below], &hit))
            break;
        heap[at] = heap[below];
        at = below;
    }
    heap[at] = hit;
}

void search_offer(struct search_state *run, uint32_t page, double score)
{
    const struct search_hit hit = {score, page};
    const uint32_t most = run->options->count;
    struct search_hit *heap = run->heap;
    if (run->heap_count < most) {
        uint32_t at = run->heap_count++;
        for (; at > 0 && is_better(run, &heap[(at - 1) / 2], &hit); at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
        heap[at] = hit;
    } else if (most > 0 && is_better(run, &hit, &heap[0])) {
        heap[0] = hit;
        sink(run, 0, most);
    }
    if (run->heap_count < most || run->options->exhaustive)
        return;
    if (most == 0)
        run->floor = INFINITY;
    else /* with ids that do not ascend, a later page may win a tie */
        run->floor =
            run->search->info->ids_ascend ? heap[0].score : nextafter(heap[0].score, -INFINITY);
}

static void sort_hits(struct search_state *run)
{
    for (uint32_t count = run->heap_count; count > 1;) {
        const struct search_hit worst = run->heap[0];
        run->heap[0] = run->heap[--count];
        sink(run, 0, count);
        run->heap[count] = worst;
    }
}

double search_pagerank_share(const struct search_state *run, uint32_t page)
{
    if (run->pagerank_scale <= 0)
        return 0;
    const double position = run->index->rank.positions[page];
    return run->options->pagerank_weight * (1 - log1p(position) * run->pagerank_scale);
}

int search_excluded(struct search_state *run, uint32_t page)
{
    for (uint32_t i = 0; i < run->not_count; i++) {
        struct cursor *c = &run->nots[i];
        const int rc = cursor_seek(c, page) == page ? cursor_confirm(&run->maker, c) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

/* --- Bounds ---------------------------------------------------------------------------------- */

void search_rest_bounds(double *rest, const struct cursor *cursors, uint32_t count, double last)
{
    double all = last;
    for (uint32_t i = 0; i < count; i++)
        all += cursors[i].bound;
    rest[count] = last > 0 ? last + all * BOUND_SLACK : 0;
    for (uint32_t i = count; i-- > 0;)
        rest[i] = last <= 0 && i + 1 == count ? cursors[i].bound
                                              : rest[i + 1] + cursors[i].bound + all * BOUND_SLACK;
}

#define WORTH_LENGTHS 1024 /* pages to go through, for which making the tables pays */

static int bound_lengths(struct search_state *run, struct cursor *cursors, uint32_t count,
                         uint64_t cost)
{
    const struct field_lengths *lengths = &run->search->lengths[FIELD_BODY];
    int rc = 0;
    if (lengths->width > 1 || cost < WORTH_LENGTHS)
        return 0;
    run->short_lengths = lengths->data;
    for (uint32_t i = 0; !rc && i < count; i++)
        rc = cursor_bound_lengths(&run->maker, &cursors[i]);
    return rc;
}

/* --- Setting up ------------------------------------------------------------------------------ */

/* Words before other kinds, rare before frequent. */
static int by_kind_and_cost(const void *a, const void *b)
{
    const struct cursor *x = a, *y = b;
    if ((x->kind == CURSOR_TERM) != (y->kind == CURSOR_TERM))
        return x->kind == CURSOR_TERM ? -1 : 1;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->leaf > y->leaf) - (x->leaf < y->leaf);
}

static int by_bound(const void *a, const void *b)
{
    const struct cursor *x = a, *y = b;
    if (x->bound != y->bound)
        return x->bound > y->bound ? -1 : 1;
    if (x->leaf != y->leaf)
        return x->leaf < y->leaf ? -1 : 1;
    return (x->field > y->field) - (x->field < y->field);
}

static int make_cursors(struct search_state *run, const struct search_query *query)
{
    const size_t most = 2 * (size_t)query->leaf_count;
    struct search_scratch *scratch = run->maker.scratch;
    run->musts = scratch_alloc(scratch, most * sizeof *run->musts);
    run->nots = scratch_alloc(scratch, most * sizeof *run->nots);
    run->shoulds = scratch_alloc(scratch, most * sizeof *run->shoulds);
    run->rest = scratch_alloc(scratch, (3 * most + 4) * sizeof *run->rest);
    if (!run->musts || !run->nots || !run->shoulds || !run->rest)
        return -ENOMEM;
    for (uint32_t i = 0; i < query->leaf_count; i++) {
        const struct search_leaf *leaf = &query->leaves[i];
        const bool body = !leaf->in_title && (run->options->bm25 || leaf->kind == LEAF_PREFIX);
        const bool name = leaf->in_title;
        struct cursor made[2];
        unsigned count = 1;
        int rc;
        if (body || name) {
            rc = cursor_make(&run->maker, leaf, name ? FIELD_NAME : FIELD_BODY, &made[0]);
        } else if (leaf->occur == OCCUR_SHOULD) {
            count = 2;
            rc = cursor_make(&run->maker, leaf, FIELD_BODY, &made[0]);
            if (!rc)
                rc = cursor_make(&run->maker, leaf, FIELD_NAME, &made[1]);
        } else {
            rc = cursor_make_either(&run->maker, leaf, &made[0]);
        }
        if (rc)
            return rc;
        for (unsigned j = 0; j < count; j++) {
            if (leaf->occur == OCCUR_MUST)
                run->musts[run->must_count++] = made[j];
            else if (made[j].kind == CURSOR_NONE)
                continue;
            else if (leaf->occur == OCCUR_NOT)
                run->nots[run->not_count++] = made[j];
            else
                run->shoulds[run->should_count++] = made[j];
        }
    }
    return 0;
}

static int run_all(struct search_state *run, struct search_result *result)
{
    /* One part alone has to match anyway. */
    if (run->must_count == 0 && run->should_count == 1) {
        run->musts[run->must_count++] = run->shoulds[0];
        run->should_count = 0;
    }
    qsort(run->shoulds, run->should_count, sizeof *run->shoulds, by_bound);
    qsort(run->musts, run->must_count, sizeof *run->musts, by_kind_and_cost);
    int rc = 0;
    if (run->must_count) {
        double *should_rest = run->rest + run->must_count + 1;
        search_rest_bounds(should_rest, run->shoulds, run->should_count,
                           search_pagerank_bound(run));
        search_rest_bounds(run->rest, run->musts, run->must_count, should_rest[0]);
        bool possible = true;
        for (uint32_t i = 0; i < run->must_count; i++)
            possible &= run->musts[i].page != POSTINGS_END;
        if (possible)
            rc = bound_lengths(run, run->musts, run->must_count, run->musts[0].cost);
        if (possible && !rc)
            rc = search_run_must(run);
    } else {
        uint64_t cost = 0;
        for (uint32_t i = 0; i < run->should_count; i++)
            cost += run->shoulds[i].cost;
        search_rest_bounds(run->rest, run->shoulds, run->should_count, search_pagerank_bound(run));
        rc = bound_lengths(run, run->shoulds, run->should_count, cost);
        if (!rc)
            rc = search_run_should(run);
    }
    result->matched_all = run->options->exhaustive || run->heap_count < run->options->count;
    if (!result->matched_all && run->not_count == 0) {
        /* A page that has one of the optional words matches. */
        for (uint32_t i = 0; !run->must_count && i < run->should_count; i++)
            if (run->shoulds[i].kind == CURSOR_TERM && run->shoulds[i].cost > run->matched)
                run->matched = run->shoulds[i].cost;
        if (run->must_count == 1 && run->musts[0].kind == CURSOR_TERM) {
            run->matched = run->musts[0].cost;
            result->matched_all = true;
        }
    }
    return rc;
}

static struct search_state begin(struct search_engine *engine, const struct search_query *query,
                                 const struct search_options *options, struct patience *patience)
{
    const struct index_view *index = engine->index;
    struct search_state run = {
        .engine = engine,
        .index = index,
        .search = &index->search,
        .options = options,
        .patience = patience,
        .maker = {&index->search, options, engine->scratch, &engine->room, patience, query},
        .heap = engine->hits,
        .floor = -INFINITY,
    };
    if (!options->bm25 && index->rank.positions && options->pagerank_weight > 0)
        run.pagerank_scale = 1 / log1p(index->meta->page_count);
    scratch_reset(engine->scratch);
    return run;
}

int search_run(struct search_engine *engine, const struct search_query *query,
               const struct search_options *options, struct patience *patience,
               struct search_result *result)
{
    *result = (struct search_result){0};
    if (options->count > engine->hit_capacity) {
        struct search_hit *hits = reallocarray(engine->hits, options->count, sizeof *hits);
        if (!hits)
            return -ENOMEM;
        engine->hits = hits;
        engine->hit_capacity = options->count;
    }
    struct search_state run = begin(engine, query, options, patience);
    int rc = make_cursors(&run, query);
    if (!rc)
        rc = run_all(&run, result);
    if (!rc && patience_expired(patience)) /* a phrase may have ended early */
        rc = -ETIME;
    if (rc) {
        memset(engine->scores, 0, SEARCH_WINDOW_MOST * sizeof *engine->scores);
        memset(engine->found, 0, SEARCH_WINDOW_MOST / 8);
        return rc;
    }
    sort_hits(&run);
    result->hits = run.heap;
    result->count = run.heap_count;
    result->matched = run.matched;
    return 0;
}

/* --- Explaining ------------------------------------------------------------------------------ */

static int explain_leaf(struct search_state *run, const struct search_leaf *leaf,
                        enum search_field field, uint32_t page, struct search_share *share)
{
    struct cursor c;
    int rc = cursor_make(&run->maker, leaf, field, &c);
    if (rc)
        return rc;
    *share = (struct search_share){.leaf = leaf,
                                   .field = field,
                                   .pages = c.cost,
                                   .length = search_length(run->search, field, page),
                                   .idf = c.idf,
                                   .weight = c.weight};
    rc = cursor_seek(&c, page) == page ? cursor_confirm(&run->maker, &c) : 0;
    if (rc <= 0)
        return rc;
    share->tf = c.kind == CURSOR_TERM     ? postings_tf(&c.term->postings)
                : c.kind == CURSOR_PHRASE ? c.tf
                                          : 1;
    share->score = cursor_score(run->search, &c);
    return 0;
}

int search_explain(struct search_engine *engine, const struct search_query *query,
                   const struct search_options *options, uint32_t page,
                   void (*share)(void *owner, const struct search_share *share), void *owner,
                   double *pagerank, struct patience *patience)
{
    struct search_state run = begin(engine, query, options, patience);
    *pagerank = search_pagerank_share(&run, page);
    for (uint32_t i = 0; i < query->leaf_count; i++) {
        const struct search_leaf *leaf = &query->leaves[i];
        for (int field = FIELD_BODY; field <= FIELD_NAME; field++) {
            struct search_share found;
            const bool asked = leaf->in_title        ? field == FIELD_NAME
                               : field == FIELD_BODY ? true
                                                     : !options->bm25 && leaf->kind != LEAF_PREFIX;
            if (!asked)
                continue;
            const int rc = explain_leaf(&run, leaf, (enum search_field)field, page, &found);
            if (rc)
                return rc;
            share(owner, &found);
        }
    }
    return patience_expired(patience) ? -ETIME : 0; /* likewise */
}

bool search_knows(const struct index_view *index, struct text_ref word)
{
    char key[WORD_KEY_BYTES] = {WORD_NAME_FIELD};
    struct word_entry entry;
    memcpy(key + 1, word.bytes, word.length);
    return word_list_find(&index->search.words, word.bytes, word.length, &entry) ||
           word_list_find(&index->search.words, key, word.length + (size_t)1, &entry);
}
