/* SPDX-License-Identifier: MIT
 *
 * Searching without required parts, window by window: the parts of which a page must have one to
 * get above the floor add up their scores, the others are asked about the pages found (MaxScore of
 * Turtle and Flood, 1995, with bounds by blocks as in Ding and Suel, 2011). Once that is one word
 * alone, as it soon is beside a frequent one, its postings are looked through where they are.
 */
#include "worker/search_int.h"

#include <errno.h>

#define WINDOW_LEAST 512
#define WINDOW_PAGES 256 /* postings that a window should have, about */

static void add_word(struct search_state *run, struct cursor *c, uint32_t first, uint32_t end)
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

static int add_other(struct search_state *run, struct cursor *c, uint32_t first, uint32_t end)
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

/* A page found by the first cursors, with what they add up to; `from` on have to be asked. Inlined:
 * most pages go no further than its first lines. */
__attribute__((always_inline)) static inline int take_should(struct search_state *run,
                                                             uint32_t page, double sum,
                                                             uint32_t from, const double *rest)
{
    for (uint32_t i = from; i < run->should_count; i++) {
        struct cursor *c = &run->shoulds[i];
        if (sum + rest[i] <= run->floor)
            return 0;
        if (run->short_lengths &&
            search_add_bounds(run, sum, run->shoulds, i, run->should_count, page) +
                    search_pagerank_bound(run) <=
                run->floor)
            return 0;
        const int rc = cursor_seek(c, page) == page ? cursor_confirm(&run->maker, c) : 0;
        if (rc < 0)
            return rc;
        if (rc)
            sum += cursor_score(run->search, c);
    }
    if (run->not_count) {
        const int out = search_excluded(run, page);
        if (out)
            return out < 0 ? out : 0;
    }
    run->matched++;
    sum += search_pagerank_share(run, page);
    if (sum > run->floor)
        search_offer(run, page, sum);
    return 0;
}

/* run->rest_by_length. -ENOMEM. */
static int add_up_lengths(struct search_state *run)
{
    double *sums = scratch_alloc(run->maker.scratch, SHORT_LENGTHS * sizeof *sums);
    if (!sums)
        return -ENOMEM;
    for (uint32_t length = 0; length < SHORT_LENGTHS; length++)
        sums[length] = search_pagerank_bound(run) + run->rest[0] * BOUND_SLACK;
    for (uint32_t i = 1; i < run->should_count; i++) {
        const struct cursor *c = &run->shoulds[i];
        for (uint32_t length = 0; length < SHORT_LENGTHS; length++)
            sums[length] += c->by_length ? c->by_length[length] : c->bound;
    }
    run->rest_by_length = sums;
    return 0;
}

/* Postings [at, stop) of the decoded block of the first word that may get above the floor with the
 * other cursors: their numbers in `chosen`. Without branches, since few of them can be foreseen. */
static unsigned choose(const struct search_state *run, uint32_t at, uint32_t stop, double rest,
                       uint8_t chosen[POSTINGS_BLOCK])
{
    const struct term_state *term = run->shoulds[0].term;
    const uint32_t *docs = term->postings.docs;
    const double *scores = term->scores, floor = run->floor;
    unsigned count = 0;
    if (run->short_lengths) {
        const double *rests = run->rest_by_length;
        for (; at < stop; at++) {
            const double most = rests[run->short_lengths[docs[at]]];
            chosen[count] = (uint8_t)at;
            count += scores[at] + (most < rest ? most : rest) > floor ? 1 : 0;
        }
    } else {
        for (; at < stop; at++) {
            chosen[count] = (uint8_t)at;
            count += scores[at] + rest > floor ? 1 : 0;
        }
    }
    return count;
}

/* The window where a page must have the first word: nothing to add up. */
static int take_first(struct search_state *run, uint32_t end, const double *rest)
{
    struct cursor *c = &run->shoulds[0];
    struct postings *p = &c->term->postings;
    if (run->short_lengths && !run->rest_by_length && add_up_lengths(run))
        return -ENOMEM;
    while (c->page < end) {
        uint8_t chosen[POSTINGS_BLOCK];
        uint32_t stop = p->count;
        cursor_score_block(run->search, c);
        while (p->docs[stop - 1] >= end)
            stop--;
        const unsigned count = choose(run, p->at, stop, rest[1], chosen);
        for (unsigned i = 0; i < count; i++) {
            const uint8_t number = chosen[i];
            const int rc = take_should(run, p->docs[number], c->term->scores[number], 1, rest);
            if (rc)
                return rc;
        }
        p->at = stop - 1;
        c->page = postings_next(p);
    }
    return 0;
}

static int take_window(struct search_state *run, uint32_t first, uint32_t end, uint32_t essential,
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

static uint32_t window_pages(const struct search_state *run, uint32_t essential)
{
    uint64_t cost = 1;
    for (uint32_t i = 0; i < essential; i++)
        cost += run->shoulds[i].cost;
    const uint64_t pages = (uint64_t)WINDOW_PAGES * run->search->page_count / cost;
    return pages < WINDOW_LEAST         ? WINDOW_LEAST
           : pages > SEARCH_WINDOW_MOST ? SEARCH_WINDOW_MOST
                                        : (uint32_t)pages;
}

/* How many of the first cursors a page must have one of to get above the floor. */
static uint32_t count_essential(const struct search_state *run, const double *rest, uint32_t most)
{
    while (most > 0 && rest[most - 1] <= run->floor)
        most--;
    return most;
}

/* Sums of `bounds` in order: whether no page can get above the floor. */
static bool is_too_low(const struct search_state *run, const double *bounds)
{
    double bound = 0;
    for (uint32_t i = 0; i < run->should_count; i++)
        bound += bounds[i];
    return bound + search_pagerank_bound(run) <= run->floor;
}

/* What the blocks allow each cursor between two pages, and what that leaves for `rest`. */
static void local_bounds(const struct search_state *run, uint32_t first, uint32_t last,
                         double *bounds, double *rest)
{
    const uint32_t count = run->should_count;
    for (uint32_t i = 0; i < count; i++)
        bounds[i] = cursor_bound_in(&run->shoulds[i], first, last);
    rest[count] = run->rest[count];
    for (uint32_t i = count; i-- > 0;)
        rest[i] = rest[i + 1] + bounds[i] + (rest[i + 1] > 0 ? run->rest[0] * BOUND_SLACK : 0);
}

int search_run_should(struct search_state *run)
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
        const int rc = local == 1 && run->shoulds[0].kind == CURSOR_TERM
                           ? take_first(run, end, rest)
                           : take_window(run, first, end, local, rest);
        if (rc)
            return rc;
        start = end;
    }
}
