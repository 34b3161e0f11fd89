/* SPDX-License-Identifier: MIT
 *
 * Searching with required parts: the rarest leads, the others are sought. */
#include "worker/search_int.h"

#include <errno.h>

/* All of a page that the required parts agree on. `sum` is what its words add up to. */
static int take_must(struct search_state *run, uint32_t page, double sum, uint32_t words)
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
    const int out = search_excluded(run, page);
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
    sum += search_pagerank_share(run, page);
    if (sum > run->floor)
        search_offer(run, page, sum);
    return 0;
}

/* What optional parts and PageRank can add to `sum`, in order. */
static double add_optional(const struct search_state *run, double sum)
{
    for (uint32_t i = 0; i < run->should_count; i++)
        sum += run->shoulds[i].bound;
    return sum + search_pagerank_bound(run);
}

/* Whether no page from `first` to `last` can get above the floor. */
static bool is_hopeless(const struct search_state *run, uint32_t first, uint32_t last)
{
    double bound = 0;
    for (uint32_t i = 0; i < run->must_count; i++)
        bound += cursor_bound_in(&run->musts[i], first, last);
    return add_optional(run, bound) <= run->floor;
}

static bool is_all_hopeless(const struct search_state *run)
{
    double bound = 0;
    for (uint32_t i = 0; i < run->must_count; i++)
        bound += run->musts[i].bound;
    return add_optional(run, bound) <= run->floor;
}

/* The first block from that of `word` on in which a page may get above the floor. */
static uint32_t hopeful_block(const struct search_state *run, const struct postings *p,
                              uint32_t page)
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
static uint32_t hopeful_page(const struct search_state *run, const struct cursor *word)
{
    const struct postings *p = &word->term->postings;
    const double *scores = word->term->scores;
    const double floor = run->floor, rest = run->rest[1];
    uint32_t at = p->at;
    for (; at < p->count; at++) {
        if (scores[at] + rest <= floor)
            continue;
        if (!run->short_lengths ||
            add_optional(run, search_add_bounds(run, scores[at], run->musts, 1, run->must_count,
                                                p->docs[at])) > floor)
            break;
    }
    return at;
}

int search_run_must(struct search_state *run)
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
                    add_optional(run, search_add_bounds(run, sum, run->musts, i + 1,
                                                        run->must_count, page)) <= run->floor)
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
