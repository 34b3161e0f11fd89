/* SPDX-License-Identifier: MIT
 *
 * From the positions of a query's words in a page to the passages that a snippet is cut from. Each
 * occurrence of a word, those of the rarest words first, is an anchor, and counts by how many other
 * words stand near it, and how near.
 */
#include "worker/snippet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOUGHT_MAX   16 /* words of the query, the rarest ones */
#define OPEN_MAX     4  /* words that a word* stands for, the most frequent ones */
#define OPEN_SEEN    64 /* of so many */
#define ANCHORS_MAX  64
#define POSITIONS    256 /* room for so many at first */
#define NEAR_WORDS   24
#define MARGIN_BYTES 160 /* how far off a guess of where in its passage a word is may be */
#define BEFORE_BYTES 120 /* what a snippet may show before the first word */

struct sought {
    struct word_entry entry;
    uint32_t part; /* leaves and words of the query are numbered: words of one word* are one */
    const uint32_t *positions;
    uint32_t count; /* in the page */
};

struct snippet_maker {
    const struct index_view *index;
    struct passage_store *store;
    struct stemmer *stemmer;
    const struct search_query *query;
    struct sought sought[SOUGHT_MAX];
    uint32_t sought_count;
    uint32_t *positions;
    size_t position_capacity;
    struct postings postings;
    struct passage_text text;
};

/* --- What to look for ---------------------------------------------------------------------- */

/* Keeps the words with the fewest pages. */
static void seek_word(struct snippet_maker *m, const struct word_entry *entry, uint32_t part)
{
    uint32_t at = m->sought_count;
    while (at > 0 && m->sought[at - 1].entry.pages > entry->pages)
        at--;
    if (at == SOUGHT_MAX)
        return;
    m->sought_count += m->sought_count < SOUGHT_MAX;
    memmove(&m->sought[at + 1], &m->sought[at],
            (m->sought_count - at - (size_t)1) * sizeof *m->sought);
    m->sought[at] = (struct sought){.entry = *entry, .part = part};
}

static void seek_open(struct snippet_maker *m, struct text_ref word, uint32_t part)
{
    struct word_entry most[OPEN_MAX];
    struct word_cursor words;
    uint32_t count = 0;
    word_list_seek(&words, &m->index->search.words, word.bytes, word.length);
    for (unsigned seen = 0; seen < OPEN_SEEN && word_list_next(&words); seen++) {
        if (words.length < word.length || memcmp(words.key, word.bytes, word.length) != 0)
            break;
        uint32_t at = count < OPEN_MAX ? count++ : OPEN_MAX;
        for (; at > 0 && most[at - 1].pages < words.entry.pages; at--)
            if (at < OPEN_MAX)
                most[at] = most[at - 1];
        if (at < OPEN_MAX)
            most[at] = words.entry;
    }
    for (uint32_t i = 0; i < count; i++)
        seek_word(m, &most[i], part);
}

int snippet_maker_create(struct snippet_maker **maker, const struct index_view *index,
                         struct passage_store *store, struct stemmer *stemmer,
                         const struct search_query *query)
{
    struct snippet_maker *m = *maker = malloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    m->index = index;
    m->store = store;
    m->stemmer = stemmer;
    m->query = query;
    m->sought_count = 0;
    m->positions = malloc(POSITIONS * sizeof *m->positions);
    m->position_capacity = POSITIONS;
    if (!m->positions) {
        snippet_maker_destroy(maker);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < query->leaf_count; i++) {
        const struct search_leaf *leaf = &query->leaves[i];
        if (leaf->occur == OCCUR_NOT || leaf->in_title)
            continue;
        for (uint32_t j = 0; j < leaf->count; j++) {
            const struct text_ref word = search_query_word(query, leaf->first + j);
            struct word_entry entry;
            if (leaf->kind == LEAF_PREFIX)
                seek_open(m, word, leaf->first);
            else if (word_list_find(&index->search.words, word.bytes, word.length, &entry))
                seek_word(m, &entry, leaf->first + j);
        }
    }
    return 0;
}

void snippet_maker_destroy(struct snippet_maker **maker)
{
    if (!*maker)
        return;
    free((*maker)->positions);
    free(*maker);
    *maker = NULL;
}

/* --- Where they stand ---------------------------------------------------------------------- */

static int find_positions(struct snippet_maker *m, uint32_t page)
{
    struct postings *p = &m->postings;
    size_t ends[SOUGHT_MAX], used = 0;
    for (uint32_t i = 0; i < m->sought_count; i++) {
        struct sought *s = &m->sought[i];
        postings_open(p, &s->entry);
        s->count = postings_seek(p, page) == page ? postings_tf(p) : 0;
        if (used + s->count > m->position_capacity) {
            const size_t grown = 2 * (used + s->count);
            uint32_t *positions = reallocarray(m->positions, grown, sizeof *positions);
            if (!positions)
                return -ENOMEM;
            m->positions = positions;
            m->position_capacity = grown;
        }
        if (s->count)
            postings_positions(p, m->positions + used);
        ends[i] = used += s->count;
    }
    for (uint32_t i = 0; i < m->sought_count; i++)
        m->sought[i].positions = m->positions + (ends[i] - m->sought[i].count);
    /* The rarest in this page first: its places are the first anchors. */
    for (uint32_t i = 1; i < m->sought_count; i++) {
        const struct sought s = m->sought[i];
        uint32_t at = i;
        for (; at > 0 && m->sought[at - 1].count > s.count; at--)
            m->sought[at] = m->sought[at - 1];
        m->sought[at] = s;
    }
    return 0;
}

/* Index of the first position not below `position`. */
static uint32_t position_from(const struct sought *s, uint32_t position)
{
    uint32_t first = 0, end = s->count;
    while (first < end) {
        const uint32_t middle = first + (end - first) / 2;
        if (s->positions[middle] < position)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

struct place {
    uint32_t first, anchor; /* the first word near the anchor, and it */
    uint32_t worth;
};

static struct place judge(const struct snippet_maker *m, uint32_t anchor, uint32_t part)
{
    struct place place = {anchor, anchor, 2 * NEAR_WORDS};
    for (uint32_t i = 0; i < m->sought_count; i++) {
        const struct sought *s = &m->sought[i];
        if (s->count == 0 || s->part == part)
            continue;
        const uint32_t after = position_from(s, anchor);
        uint32_t distance = after < s->count ? s->positions[after] - anchor : UINT32_MAX;
        if (after > 0 && anchor - s->positions[after - 1] <= NEAR_WORDS) {
            const uint32_t before = s->positions[after - 1];
            distance = anchor - before < distance ? anchor - before : distance;
            place.first = before < place.first ? before : place.first;
        }
        if (distance <= NEAR_WORDS)
            place.worth += 2 * NEAR_WORDS - distance;
    }
    return place;
}

/* worth 0: none of the words is in the page's text. */
static struct place best_place(const struct snippet_maker *m)
{
    struct place best = {0};
    uint32_t anchors = 0;
    for (uint32_t i = 0; i < m->sought_count; i++) {
        const struct sought *s = &m->sought[i];
        for (uint32_t j = 0; j < s->count && anchors < ANCHORS_MAX; j++, anchors++) {
            const struct place place = judge(m, s->positions[j], s->part);
            if (place.worth > best.worth) /* of equals the rarest word's first */
                best = place;
        }
    }
    return best;
}

/* --- Cutting ------------------------------------------------------------------------------- */

/* About where in its passage, of `bytes`, a word begins: words are about equally long. */
static size_t guess(const struct snippet_maker *m, uint32_t page, uint32_t passage, uint32_t word,
                    size_t bytes)
{
    const struct passages_view *view = &m->index->passages;
    const struct passage *of_page = view->passages + view->pages[page].first;
    const uint32_t end = passage + 1 < passages_of(view, page)
                             ? of_page[passage + 1].word
                             : search_length(&m->index->search, FIELD_BODY, page);
    const uint32_t first = of_page[passage].word;
    if (word >= end)
        return bytes;
    return (size_t)((uint64_t)bytes * (word - first) / (end - first));
}

/* Between words, at or before `at`. */
static size_t after_space(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] != ' ' && text[at - 1] != '\n')
        at--;
    return at;
}

int snippet_make(struct snippet_maker *m, uint32_t page, const char **text, struct snippet *snippet)
{
    const struct passages_view *view = &m->index->passages;
    const uint32_t passages = passages_of(view, page);
    *text = m->text.bytes;
    *snippet = (struct snippet){0};
    if (passages == 0)
        return 0;
    int rc = find_positions(m, page);
    if (rc)
        return rc;
    const struct place place = best_place(m);
    uint32_t first = passages_find(view, page, place.first);
    const uint32_t last = passages_find(view, page, place.anchor);
    uint32_t count = last - first + 1;
    if (count > PASSAGES_AT_ONCE)
        count = PASSAGES_AT_ONCE;
    /* PASSAGE_LEAST is what a passage is long, about. */
    const bool lead =
        first > 0 && count < PASSAGES_AT_ONCE &&
        guess(m, page, first, place.first, PASSAGE_LEAST) < BEFORE_BYTES + MARGIN_BYTES;
    first -= lead;
    count += lead;
    if (count < PASSAGES_AT_ONCE && first + count < passages &&
        guess(m, page, last, place.anchor, PASSAGE_LEAST) + SNIPPET_BYTES + MARGIN_BYTES >
            PASSAGE_LEAST)
        count++;
    rc = passage_store_read(m->store, page, first, count, &m->text);
    if (rc)
        return rc;

    const size_t length = m->text.ends[count - 1];
    size_t from = 0, to = length, expected = 0;
    if (place.worth) {
        const size_t start = lead ? m->text.ends[0] : 0, end = m->text.ends[lead];
        const size_t first_at = start + guess(m, page, first + lead, place.first, end - start);
        const size_t anchor_end = last - first < count ? m->text.ends[last - first] : length;
        const size_t anchor_start =
            last > first && last - first <= count ? m->text.ends[last - first - 1] : 0;
        const size_t anchor_at =
            anchor_start + guess(m, page, last, place.anchor, anchor_end - anchor_start);
        expected = anchor_at;
        if (first_at > MARGIN_BYTES)
            from = after_space(m->text.bytes, first_at - MARGIN_BYTES);
        /* Half a word could be taken for another one. */
        if (anchor_at + SNIPPET_BYTES + MARGIN_BYTES < length)
            to = after_space(m->text.bytes, anchor_at + SNIPPET_BYTES + MARGIN_BYTES);
        if (to <= anchor_at)
            to = length;
    }
    snippet_find(m->query, m->stemmer, m->text.bytes, length, from, to, expected, snippet);
    return 0;
}
