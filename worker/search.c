/* SPDX-License-Identifier: MIT
 *
 * Running a query. With a required part, its rarest one leads and the others are sought
 * (run_must); without, pages are taken window by window (run_should). Both leave out whatever
 * cannot get above the worst of the results so far, by the bounds of words and blocks.
 */
#include "worker/search.h"

#include "worker/search_cursor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A score is the sum of what cursors give, in their order, and of what PageRank does. Rounding
 * keeps order: the same sum of bounds is never below it, and where all are reached it is equal, so
 * that pages that tie with the worst result can be left out. Where bounds are summed up in another
 * order, this share of all bounds together is more than rounding can make of it. */
#define BOUND_SLACK 1e-13

#define WINDOW_LEAST 512
#define WINDOW_MOST  16384
#define WINDOW_PAGES 256 /* postings that a window should have, about */

struct search_engine {
    const struct index_view *index;
    struct search_scratch *scratch;
    struct position_room room;
    struct search_hit *hits;
    uint32_t hit_capacity;
    double *scores;  /* [WINDOW_MOST] all zero between windows */
    uint64_t *found; /* [WINDOW_MOST / 64] likewise */
};

struct run {
    struct search_engine *engine;
    const struct index_view *index;
    const struct search_view *search;
    const struct search_options *options;
    struct patience *patience;
    struct cursor_maker maker;
    struct cursor *musts, *shoulds, *nots;
    uint32_t must_count, should_count, not_count;
    double *rest; /* see rest_bounds() */
    double pagerank_scale;
    const uint8_t *short_lengths; /* of bodies, where cursors have by_length; else NULL */

    struct search_hit *heap; /* the worst on top */
    uint32_t heap_count;
    double floor; /* what a page has to exceed */
    uint64_t matched;
};

int search_engine_create(struct search_engine **engine, const struct index_view *index)
{
    struct search_engine *e = *engine = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->index = index;
    e->scores = calloc(WINDOW_MOST, sizeof *e->scores);
    e->found = calloc(WINDOW_MOST / 64, sizeof *e->found);
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

static bool is_better(const struct run *run, const struct search_hit *a, const struct search_hit *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    const uint64_t x = run->index->pages[a->page].id, y = run->index->pages[b->page].id;
    return x != y ? x < y : a->page < b->page;
}

static void sink(const struct run *run, uint32_t at, uint32_t count)
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

static void offer(struct run *run, uint32_t page, double score)
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

static void sort_hits(struct run *run)
{
    for (uint32_t count = run->heap_count; count > 1;) {
        const struct search_hit worst = run->heap[0];
        run->heap[0] = run->heap[--count];
        sink(run, 0, count);
        run->heap[count] = worst;
    }
}

static double pagerank_share(const struct run *run, uint32_t page)
{
    if (run->pagerank_scale <= 0)
        return 0;
    const double position = run->index->rank.positions[page];
    return run->options->pagerank_weight * (1 - log1p(position) * run->pagerank_scale);
}

static double pagerank_bound(const struct run *run)
{
    return run->pagerank_scale > 0 ? run->options->pagerank_weight : 0;
}

/* 1: excluded, 0: not, or -ENOMEM. */
static int excluded(struct run *run, uint32_t page)
{
    for (uint32_t i = 0; i < run->not_count; i++) {
        struct cursor *c = &run->nots[i];
        const int rc = cursor_seek(c, page) == page ? cursor_confirm(&run->maker, c) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

/* --- With required parts -------------------------------------------------------------------- */

/* rest[i]: what cursors i and later, and `last`, can add. Never too little by rounding, but nothing
 * at all where nothing is left, so that ties are seen as such. */
static void rest_bounds(double *rest, const struct cursor *cursors, uint32_t count, double last)
{
    double all = last;
    for (uint32_t i = 0; i < count; i++)
        all += cursors[i].bound;
    rest[count] = last > 0 ? last + all * BOUND_SLACK : 0;
    for (uint32_t i = count; i-- > 0;)
        rest[i] = last <= 0 && i + 1 == count ? cursors[i].bound
                                              : rest[i + 1] + cursors[i].bound + all * BOUND_SLACK;
}

/* What cursors `from` and later can add to `sum` on a page, in order. */
static double add_bounds(const struct run *run, double sum, const struct cursor *cursors,
                         uint32_t from, uint32_t count, uint32_t page)
{
    const uint32_t length = run->short_lengths[page];
    for (uint32_t i = from; i < count; i++)
        sum += cursors[i].by_length ? cursors[i].by_length[length] : cursors[i].bound;
    return sum;
}

#define WORTH_LENGTHS 1024 /* pages to go through, for which making the tables pays */

static int bound_lengths(struct run *run, struct cursor *cursors, uint32_t count, uint64_t cost)
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

/* All of a page that the required parts agree on. `sum` is what its words add up to. */
static int take_must(struct run *run, uint32_t page, double sum, uint32_t words)
{
    const double *should_rest = run->rest + run->must_count + 1;
    for (uint32_t i = words; i < run->must_count; i++) {
        struct cursor *c = &run->musts[i];
        if (run->heap_count == run->options->count &&
            sum + cursor_score_bound(run->search, c) + run->rest[i + 1] <= run->floor)
            return 0;
        const int rc = cursor_confirm(&run->maker, c);
        if (rc <= 0)
            return rc;
        sum += cursor_score(run->search, c);
    }
    if (sum + should_rest[0] <= run->floor)
        return 0;
    const int out = excluded(run, page);
    if (out)
        return out < 0 ? out : 0;
    run->matched++;
    for (uint32_t i = 0; i < run->should_count; i++) {
        struct cursor *c = &run->shoulds[i];
        if (sum + should_rest[i] <= run->floor)
            return 0;
        const int rc = cursor_seek(c, page) == page ? cursor_confirm(&run->maker, c) : 0;
        if (rc < 0)
            return rc;
        if (rc)
            sum += cursor_score(run->search, c);
    }
    sum += pagerank_share(run, page);
    if (sum > run->floor)
        offer(run, page, sum);
    return 0;
}

/* What optional parts and PageRank can add to `sum`, in order. */
static double add_optional(const struct run *run, double sum)
{
    for (uint32_t i = 0; i < run->should_count; i++)
        sum += run->shoulds[i].bound;
    return sum + pagerank_bound(run);
}

/* Whether no page from `first` to `last` can get above the floor. */
static bool is_hopeless(const struct run *run, uint32_t first, uint32_t last)
{
    double bound = 0;
    for (uint32_t i = 0; i < run->must_count; i++)
        bound += cursor_bound_in(&run->musts[i], first, last);
    return add_optional(run, bound) <= run->floor;
}

static bool is_all_hopeless(const struct run *run)
{
    double bound = 0;
    for (uint32_t i = 0; i < run->must_count; i++)
        bound += run->musts[i].bound;
    return add_optional(run, bound) <= run->floor;
}

/* The first block from that of `word` on in which a page may get above the floor. */
static uint32_t hopeful_block(const struct run *run, const struct postings *p, uint32_t page)
{
    uint32_t block = p->block;
    for (; block < p->block_count; block++) {
        if (!is_hopeless(run, page, p->lasts ? p->lasts[block] : p->docs[p->count - 1]))
            break;
        page = postings_last(p, block) + 1;
    }
    return block;
}

/* From the current page of `word`, whose block is scored, the first in the block that may get
 * above the floor by what it scores itself and the others can add; p->count if none. */
static uint32_t hopeful_page(const struct run *run, const struct cursor *word)
{
    const struct postings *p = &word->term->postings;
    const double *scores = word->term->scores;
    const double floor = run->floor, rest = run->rest[1];
    uint32_t at = p->at;
    for (; at < p->count; at++) {
        if (scores[at] + rest <= floor)
            continue;
        if (!run->short_lengths ||
            add_optional(run, add_bounds(run, scores[at], run->musts, 1, run->must_count,
                                         p->docs[at])) > floor)
            break;
    }
    return at;
}

static int run_must(struct run *run)
{
    /* Pages are found by the lead's postings, or by those of its rarest word, and scored by them
     * block by block. */
    struct cursor *lead = &run->musts[0], *word = lead->kind == CURSOR_TERM     ? lead
                                                  : lead->kind == CURSOR_PHRASE ? &lead->parts[0]
                                                                                : NULL;
    uint32_t words = 0, block = UINT32_MAX;
    while (words < run->must_count && run->musts[words].kind == CURSOR_TERM)
        words++;
    for (uint32_t page = lead->page; page != POSTINGS_END;) {
        double sum = 0;
        uint32_t i = 0, there = page;
        if (patience_over(run->patience, 4))
            return -ETIME;
        if (word) {
            struct postings *p = &word->term->postings;
            if (block != p->block && run->floor > 0) {
                if (is_all_hopeless(run))
                    return 0;
                block = hopeful_block(run, p, page);
                if (block != p->block) {
                    postings_load(p, block);
                    page = word->page = postings_page(p);
                    continue;
                }
            }
            cursor_score_block(run->search, word);
            const uint32_t at = hopeful_page(run, word);
            if (at == p->count) {
                p->at = p->count - 1;
                page = word->page = postings_next(p);
                continue;
            }
            p->at = at;
            page = there = word->page = p->docs[at];
            if (word == lead) {
                sum = word->term->scores[at];
                i = 1;
            }
        }
        for (; i < run->must_count; i++) {
            struct cursor *c = &run->musts[i];
            there = cursor_seek(c, page);
            if (there != page)
                break;
            if (i < words) {
                sum += cursor_score(run->search, c);
                if (sum + run->rest[i + 1] <= run->floor)
                    break;
                if (run->short_lengths &&
                    add_optional(run, add_bounds(run, sum, run->musts, i + 1, run->must_count,
                                                 page)) <= run->floor)
                    break;
            }
        }
        if (i == run->must_count) {
            const int rc = take_must(run, page, sum, words);
            if (rc)
                return rc;
        }
        page = there == page ? page + 1 : there;
        page = word ? cursor_seek(word, page) : cursor_seek(lead, page);
    }
    return 0;
}

/* --- Without -------------------------------------------------------------------------------- */

static int by_bound(const void *a, const void *b)
{
    const struct cursor *x = a, *y = b;
    if (x->bound != y->bound)
        return x->bound > y->bound ? -1 : 1;
    if (x->leaf != y->leaf)
        return x->leaf < y->leaf ? -1 : 1;
    return (x->field > y->field) - (x->field < y->field);
}

static void add_word(struct run *run, struct cursor *c, uint32_t first, uint32_t end)
{
    double *scores = run->engine->scores;
    uint64_t *found = run->engine->found;
    struct postings *p = &c->term->postings;
    while (c->page < end) {
        cursor_score_block(run->search, c);
        const uint32_t count = p->count;
        uint32_t at = p->at;
        for (; at < count && p->docs[at] < end; at++) {
            const uint32_t slot = p->docs[at] - first;
            scores[slot] += c->term->scores[at];
            found[slot / 64] |= UINT64_C(1) << slot % 64;
        }
        if (at < count) {
            p->at = at;
            c->page = p->docs[at];
        } else {
            p->at = count - 1;
            c->page = postings_next(p);
        }
    }
}

static int add_other(struct run *run, struct cursor *c, uint32_t first, uint32_t end)
{
    while (c->page < end) {
        const int rc = cursor_confirm(&run->maker, c);
        if (rc < 0)
            return rc;
        if (rc) {
            const uint32_t slot = c->page - first;
            run->engine->scores[slot] += cursor_score(run->search, c);
            run->engine->found[slot / 64] |= UINT64_C(1) << slot % 64;
        }
        if (patience_over(run->patience, 4))
            return -ETIME;
        cursor_seek(c, c->page + 1);
    }
    return 0;
}

/* A page found by the first cursors, with what they add up to; `from` on have to be asked. */
static int take_should(struct run *run, uint32_t page, double sum, uint32_t from,
                       const double *rest)
{
    for (uint32_t i = from; i < run->should_count; i++) {
        struct cursor *c = &run->shoulds[i];
        if (sum + rest[i] <= run->floor)
            return 0;
        if (run->short_lengths &&
            add_bounds(run, sum, run->shoulds, i, run->should_count, page) + pagerank_bound(run) <=
                run->floor)
            return 0;
        const int rc = cursor_seek(c, page) == page ? cursor_confirm(&run->maker, c) : 0;
        if (rc < 0)
            return rc;
        if (rc)
            sum += cursor_score(run->search, c);
    }
    if (run->not_count) {
        const int out = excluded(run, page);
        if (out)
            return out < 0 ? out : 0;
    }
    run->matched++;
    sum += pagerank_share(run, page);
    if (sum > run->floor)
        offer(run, page, sum);
    return 0;
}

static int take_window(struct run *run, uint32_t first, uint32_t end, uint32_t essential,
                       const double *rest)
{
    double *scores = run->engine->scores;
    uint64_t *found = run->engine->found;
    int rc = 0;
    for (uint32_t i = 0; !rc && i < essential; i++) {
        if (run->shoulds[i].kind == CURSOR_TERM)
            add_word(run, &run->shoulds[i], first, end);
        else
            rc = add_other(run, &run->shoulds[i], first, end);
    }
    for (uint32_t word = 0; word < (end - first + 63) / 64; word++) {
        uint64_t bits = found[word];
        found[word] = 0;
        for (; bits; bits &= bits - 1) {
            const uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
            const double sum = scores[slot];
            scores[slot] = 0;
            if (!rc && sum + rest[essential] > run->floor)
                rc = take_should(run, first + slot, sum, essential, rest);
        }
    }
    return rc;
}

static uint32_t window_pages(const struct run *run, uint32_t essential)
{
    uint64_t cost = 1;
    for (uint32_t i = 0; i < essential; i++)
        cost += run->shoulds[i].cost;
    const uint64_t pages = (uint64_t)WINDOW_PAGES * run->search->page_count / cost;
    return pages < WINDOW_LEAST  ? WINDOW_LEAST
           : pages > WINDOW_MOST ? WINDOW_MOST
                                 : (uint32_t)pages;
}

/* How many of the first cursors a page must have one of to get above the floor. */
static uint32_t count_essential(const struct run *run, const double *rest, uint32_t most)
{
    while (most > 0 && rest[most - 1] <= run->floor)
        most--;
    return most;
}

/* Sums of `bounds` in order: whether no page can get above the floor. */
static bool is_too_low(const struct run *run, const double *bounds)
{
    double bound = 0;
    for (uint32_t i = 0; i < run->should_count; i++)
        bound += bounds[i];
    return bound + pagerank_bound(run) <= run->floor;
}

/* What the blocks allow each cursor between two pages, and what that leaves for `rest`. */
static void local_bounds(const struct run *run, uint32_t first, uint32_t last, double *bounds,
                         double *rest)
{
    const uint32_t count = run->should_count;
    for (uint32_t i = 0; i < count; i++)
        bounds[i] = cursor_bound_in(&run->shoulds[i], first, last);
    rest[count] = run->rest[count];
    for (uint32_t i = count; i-- > 0;)
        rest[i] = rest[i + 1] + bounds[i] + (rest[i + 1] > 0 ? run->rest[0] * BOUND_SLACK : 0);
}

static int run_should(struct run *run)
{
    const uint32_t count = run->should_count, pages = run->search->page_count;
    double *here = run->rest + count + 1, *bounds = here + count + 1;
    uint32_t essential = count, start = 0;
    for (;;) {
        essential = count_essential(run, run->rest, essential);
        uint32_t first = POSTINGS_END;
        for (uint32_t i = 0; i < essential; i++)
            first = run->shoulds[i].page < first ? run->shoulds[i].page : first;
        first = first < start ? start : first;
        if (first >= pages)
            return 0;
        if (patience_over(run->patience, 256))
            return -ETIME;
        const uint32_t window = window_pages(run, essential);
        const uint32_t end = window < pages - first ? first + window : pages;

        /* With what the blocks of this window allow, fewer may be essential, or none. */
        uint32_t local = essential;
        const double *rest = run->rest;
        if (run->floor > 0) {
            for (uint32_t i = 0; i < count; i++)
                bounds[i] = run->shoulds[i].bound;
            if (is_too_low(run, bounds))
                return 0;
            local_bounds(run, first, end - 1, bounds, here);
            if (is_too_low(run, bounds)) {
                start = end; /* the next window may be out of the question as well */
                continue;
            }
            local = count_essential(run, here, essential);
            rest = here;
        }
        for (uint32_t i = 0; i < local; i++)
            cursor_seek(&run->shoulds[i], first);
        const int rc = take_window(run, first, end, local, rest);
        if (rc)
            return rc;
        start = end;
    }
}

/* --- Setting up ------------------------------------------------------------------------------ */

static int make_cursors(struct run *run, const struct search_query *query)
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

static int run_all(struct run *run, struct search_result *result)
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
        rest_bounds(should_rest, run->shoulds, run->should_count, pagerank_bound(run));
        rest_bounds(run->rest, run->musts, run->must_count, should_rest[0]);
        bool possible = true;
        for (uint32_t i = 0; i < run->must_count; i++)
            possible &= run->musts[i].page != POSTINGS_END;
        if (possible)
            rc = bound_lengths(run, run->musts, run->must_count, run->musts[0].cost);
        if (possible && !rc)
            rc = run_must(run);
    } else {
        uint64_t cost = 0;
        for (uint32_t i = 0; i < run->should_count; i++)
            cost += run->shoulds[i].cost;
        rest_bounds(run->rest, run->shoulds, run->should_count, pagerank_bound(run));
        rc = bound_lengths(run, run->shoulds, run->should_count, cost);
        if (!rc)
            rc = run_should(run);
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

static struct run begin(struct search_engine *engine, const struct search_query *query,
                        const struct search_options *options, struct patience *patience)
{
    const struct index_view *index = engine->index;
    struct run run = {
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
    struct run run = begin(engine, query, options, patience);
    int rc = make_cursors(&run, query);
    if (!rc)
        rc = run_all(&run, result);
    if (!rc && patience_expired(patience)) /* a phrase may have ended early */
        rc = -ETIME;
    if (rc) {
        memset(engine->scores, 0, WINDOW_MOST * sizeof *engine->scores);
        memset(engine->found, 0, WINDOW_MOST / 8);
        return rc;
    }
    sort_hits(&run);
    result->hits = run.heap;
    result->count = run.heap_count;
    result->matched = run.matched;
    return 0;
}

/* --- Explaining ------------------------------------------------------------------------------ */

static int explain_leaf(struct run *run, const struct search_leaf *leaf, enum search_field field,
                        uint32_t page, struct search_share *share)
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
    struct run run = begin(engine, query, options, patience);
    *pagerank = pagerank_share(&run, page);
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
