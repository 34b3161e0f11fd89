/* SPDX-License-Identifier: MIT */
#include "worker/search_cursor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Scratch memory ------------------------------------------------------------------------ */

#define SCRATCH_CHUNK_BYTES ((size_t)256 << 10)

struct scratch_chunk {
    struct scratch_chunk *next;
    size_t used, capacity;
    max_align_t data[];
};

struct search_scratch {
    struct scratch_chunk *first; /* of SCRATCH_CHUNK_BYTES, always there */
};

static struct scratch_chunk *new_chunk(size_t bytes)
{
    struct scratch_chunk *chunk = malloc(sizeof *chunk + bytes);
    if (chunk)
        *chunk = (struct scratch_chunk){.capacity = bytes};
    return chunk;
}

int scratch_create(struct search_scratch **scratch)
{
    *scratch = calloc(1, sizeof **scratch);
    if (!*scratch)
        return -ENOMEM;
    (*scratch)->first = new_chunk(SCRATCH_CHUNK_BYTES);
    if ((*scratch)->first)
        return 0;
    free(*scratch);
    *scratch = NULL;
    return -ENOMEM;
}

void scratch_reset(struct search_scratch *scratch)
{
    struct scratch_chunk *first = scratch->first;
    while (first->next) {
        struct scratch_chunk *chunk = first->next;
        first->next = chunk->next;
        free(chunk);
    }
    first->used = 0;
}

void scratch_destroy(struct search_scratch **scratch)
{
    if (!*scratch)
        return;
    scratch_reset(*scratch);
    free((*scratch)->first);
    free(*scratch);
    *scratch = NULL;
}

void *scratch_alloc(struct search_scratch *scratch, size_t bytes)
{
    struct scratch_chunk *first = scratch->first, *chunk = first->next ? first->next : first;
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (chunk->capacity - chunk->used < bytes) {
        chunk = new_chunk(bytes > SCRATCH_CHUNK_BYTES ? bytes : SCRATCH_CHUNK_BYTES);
        if (!chunk)
            return NULL;
        chunk->next = first->next;
        first->next = chunk;
    }
    void *memory = (char *)chunk->data + chunk->used;
    chunk->used += bytes;
    return memory;
}

/* --- Making cursors ------------------------------------------------------------------------ */

static double idf_of(const struct search_view *search, uint64_t pages)
{
    return log(1 + ((double)search->page_count - (double)pages + 0.5) / ((double)pages + 0.5));
}

static double field_weight(const struct cursor_maker *maker, enum search_field field)
{
    return field == FIELD_NAME && !maker->options->bm25 ? maker->options->title_weight : 1;
}

static size_t field_key(enum search_field field, struct text_ref word, char key[WORD_KEY_BYTES])
{
    const size_t prefix = field == FIELD_NAME;
    if (prefix)
        key[0] = WORD_NAME_FIELD;
    memcpy(key + prefix, word.bytes, word.length);
    return prefix + word.length;
}

static int make_term(const struct cursor_maker *maker, struct text_ref word,
                     enum search_field field, struct cursor *c)
{
    char key[WORD_KEY_BYTES];
    struct word_entry entry;
    c->kind = CURSOR_NONE;
    c->page = POSTINGS_END;
    if (!word_list_find(&maker->search->words, key, field_key(field, word, key), &entry))
        return 0;
    c->term = scratch_alloc(maker->scratch, sizeof *c->term);
    if (!c->term)
        return -ENOMEM;
    c->kind = CURSOR_TERM;
    c->norm = &maker->search->norms[field];
    c->cost = entry.pages;
    c->idf = idf_of(maker->search, entry.pages);
    c->term->scored_block = UINT32_MAX;
    postings_open(&c->term->postings, &entry);
    c->page = postings_seek(&c->term->postings, 0);
    return 0;
}

/* With c->weight. A list of one block has no stored bound: its pages' scores give it. */
static void find_bound(const struct search_view *search, struct cursor *c)
{
    struct postings *p = &c->term->postings;
    if (p->lasts) {
        c->bound = c->weight * bound_get(c->norm, p->bound);
        return;
    }
    cursor_score_block(search, c);
    c->bound = 0;
    p->tf_most = 1;
    for (unsigned i = 0; i < p->count; i++) {
        c->bound = c->term->scores[i] > c->bound ? c->term->scores[i] : c->bound;
        p->tf_most = p->tfs[i] > p->tf_most ? p->tfs[i] : p->tf_most;
    }
}

static int by_cost(const void *a, const void *b)
{
    const struct cursor *x = a, *y = b;
    return x->cost != y->cost ? (x->cost > y->cost) - (x->cost < y->cost)
                              : (x->offset > y->offset) - (x->offset < y->offset);
}

static uint32_t seek_phrase(struct cursor *c, uint32_t page);

static int make_phrase(const struct cursor_maker *maker, enum search_field field, struct cursor *c)
{
    const uint32_t count = c->leaf->count;
    bool missing = false;
    c->kind = CURSOR_NONE;
    c->page = POSTINGS_END;
    c->patience = maker->patience;
    c->parts = scratch_alloc(maker->scratch, count * sizeof *c->parts);
    if (!c->parts)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct cursor *part = &c->parts[i];
        *part = (struct cursor){.field = field, .offset = i};
        int rc = make_term(maker, search_query_word(maker->query, c->leaf->first + i), field, part);
        if (rc)
            return rc;
        missing |= part->kind == CURSOR_NONE;
        c->idf += part->idf;
    }
    c->weight = c->idf * c->leaf->boost * field_weight(maker, field);
    if (missing)
        return 0;
    c->bound = INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        /* Each word scored as if it were the phrase: never less than that. */
        c->parts[i].weight = c->weight;
        find_bound(maker->search, &c->parts[i]);
        c->bound = c->parts[i].bound < c->bound ? c->parts[i].bound : c->bound;
    }
    qsort(c->parts, count, sizeof *c->parts, by_cost);
    c->part_count = count;
    c->kind = CURSOR_PHRASE;
    c->norm = c->parts[0].norm;
    c->cost = c->parts[0].cost;
    c->page = seek_phrase(c, 0);
    return 0;
}

/* Sets the bits of all pages of all words that begin so. */
static int add_prefix(const struct cursor_maker *maker, struct text_ref word,
                      enum search_field field, struct cursor *c)
{
    char key[WORD_KEY_BYTES];
    const size_t length = field_key(field, word, key);
    struct word_cursor *words = scratch_alloc(maker->scratch, sizeof *words);
    struct postings *p = scratch_alloc(maker->scratch, sizeof *p);
    if (!words || !p)
        return -ENOMEM;
    word_list_seek(words, &maker->search->words, key, length);
    while (word_list_next(words) && words->length >= length &&
           memcmp(words->key, key, length) == 0) {
        if (patience_over(maker->patience, 1 + words->entry.pages / 16))
            return -ETIME;
        postings_open(p, &words->entry);
        for (uint32_t block = 0; postings_load(p, block); block++)
            for (unsigned i = 0; i < p->count; i++)
                c->set[p->docs[i] / 64] |= UINT64_C(1) << p->docs[i] % 64;
    }
    return 0;
}

static uint32_t seek_set(const struct cursor *c, uint32_t page)
{
    const uint32_t n = c->part_count;
    if (page >= n)
        return POSTINGS_END;
    uint32_t at = page / 64;
    uint64_t bits = c->set[at] & UINT64_MAX << page % 64;
    while (!bits) {
        if (++at >= (n + 63) / 64)
            return POSTINGS_END;
        bits = c->set[at];
    }
    return at * 64 + (uint32_t)__builtin_ctzll(bits);
}

static int make_set(const struct cursor_maker *maker, struct cursor *c)
{
    const struct search_leaf *leaf = c->leaf;
    const struct text_ref word = search_query_word(maker->query, leaf->first);
    const uint32_t n = maker->search->page_count;
    const size_t bytes = (n / 64 + (size_t)1) * sizeof *c->set;
    int rc = 0;
    c->kind = CURSOR_SET;
    c->part_count = n;
    c->set = scratch_alloc(maker->scratch, bytes);
    if (!c->set)
        return -ENOMEM;
    memset(c->set, 0, bytes);
    if (!leaf->in_title)
        rc = add_prefix(maker, word, FIELD_BODY, c);
    if (!rc && (leaf->in_title || !maker->options->bm25))
        rc = add_prefix(maker, word, FIELD_NAME, c);
    for (size_t i = 0; i < bytes / sizeof *c->set; i++)
        c->cost += (uint64_t)__builtin_popcountll(c->set[i]);
    c->idf = 1;
    c->page = seek_set(c, 0);
    return rc;
}

int cursor_make(const struct cursor_maker *maker, const struct search_leaf *leaf,
                enum search_field field, struct cursor *c)
{
    int rc;
    *c = (struct cursor){.field = field, .leaf = leaf};
    if (leaf->kind == LEAF_PREFIX) {
        rc = make_set(maker, c);
        c->bound = c->weight = leaf->boost;
    } else if (leaf->kind == LEAF_PHRASE) {
        rc = make_phrase(maker, field, c);
    } else {
        rc = make_term(maker, search_query_word(maker->query, leaf->first), field, c);
        c->weight = c->idf * leaf->boost * field_weight(maker, field);
        if (c->kind == CURSOR_TERM)
            find_bound(maker->search, c);
    }
    return rc;
}

int cursor_make_either(const struct cursor_maker *maker, const struct search_leaf *leaf,
                       struct cursor *c)
{
    struct cursor *parts = scratch_alloc(maker->scratch, 2 * sizeof *parts);
    if (!parts)
        return -ENOMEM;
    int rc = cursor_make(maker, leaf, FIELD_BODY, &parts[0]);
    if (!rc)
        rc = cursor_make(maker, leaf, FIELD_NAME, &parts[1]);
    *c = (struct cursor){
        .kind = CURSOR_EITHER,
        .leaf = leaf,
        .parts = parts,
        .part_count = 2,
        .cost = parts[0].cost + parts[1].cost,
        .bound = parts[0].bound + parts[1].bound,
        .page = parts[0].page < parts[1].page ? parts[0].page : parts[1].page,
    };
    if (parts[0].kind == CURSOR_NONE || parts[1].kind == CURSOR_NONE)
        *c = parts[parts[0].kind == CURSOR_NONE];
    return rc;
}

/* --- Moving -------------------------------------------------------------------------------- */

/* All words' next common page. */
static uint32_t seek_phrase(struct cursor *c, uint32_t page)
{
    for (;;) {
        page = cursor_seek(&c->parts[0], page);
        if (page == POSTINGS_END || patience_over(c->patience, 2))
            return POSTINGS_END;
        uint32_t i = 1, there = page;
        for (; i < c->part_count && there == page; i++)
            there = cursor_seek(&c->parts[i], page);
        if (there == page)
            return page;
        page = there;
    }
}

uint32_t cursor_seek(struct cursor *c, uint32_t page)
{
    if (c->page >= page)
        return c->page;
    switch (c->kind) {
    case CURSOR_TERM:
        c->page = postings_seek(&c->term->postings, page);
        break;
    case CURSOR_PHRASE:
        c->page = seek_phrase(c, page);
        break;
    case CURSOR_SET:
        c->page = seek_set(c, page);
        break;
    case CURSOR_EITHER: {
        const uint32_t body = cursor_seek(&c->parts[0], page);
        const uint32_t name = cursor_seek(&c->parts[1], page);
        c->page = body < name ? body : name;
        break;
    }
    case CURSOR_NONE:
        break;
    }
    return c->page;
}

/* --- Phrases ------------------------------------------------------------------------------- */

static int reserve(struct position_room *room, size_t count)
{
    if (count <= room->capacity)
        return 0;
    const size_t grown = count < 1024 ? 1024 : 2 * count;
    for (int i = 0; i < 2; i++) {
        uint32_t *list = reallocarray(room->lists[i], grown, sizeof *list);
        if (!list)
            return -ENOMEM;
        room->lists[i] = list;
    }
    room->capacity = grown;
    return 0;
}

/* Where the phrase begins, if `part` is one of its words: positions less the word's offset. */
static uint32_t starts(struct cursor *part, uint32_t *list)
{
    const uint32_t tf = postings_tf(&part->term->postings);
    postings_positions(&part->term->postings, list);
    uint32_t used = 0;
    for (uint32_t i = 0; i < tf; i++) {
        const uint32_t position = list[i];
        list[used] = position - part->offset;
        used += position >= part->offset;
    }
    return used;
}

static uint32_t intersect(uint32_t *a, uint32_t a_count, const uint32_t *b, uint32_t b_count)
{
    uint32_t used = 0, i = 0, j = 0;
    while (i < a_count && j < b_count) {
        const uint32_t x = a[i], y = b[j];
        a[used] = x;
        used += x == y;
        i += x <= y;
        j += y <= x;
    }
    return used;
}

static int count_phrase(struct position_room *room, struct cursor *c)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < c->part_count; i++) {
        const uint32_t tf = postings_tf(&c->parts[i].term->postings);
        most = tf > most ? tf : most;
    }
    if (reserve(room, most))
        return -ENOMEM;
    c->tf = starts(&c->parts[0], room->lists[0]);
    for (uint32_t i = 1; i < c->part_count && c->tf > 0; i++) {
        const uint32_t count = starts(&c->parts[i], room->lists[1]);
        c->tf = intersect(room->lists[0], c->tf, room->lists[1], count);
    }
    return 0;
}

int cursor_confirm(const struct cursor_maker *maker, struct cursor *c)
{
    if (c->kind == CURSOR_PHRASE) {
        const int rc = count_phrase(maker->room, c);
        return rc ? rc : c->tf > 0;
    }
    if (c->kind != CURSOR_EITHER)
        return 1;
    int any = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct cursor *part = &c->parts[i];
        const int rc = part->page == c->page ? cursor_confirm(maker, part) : 0;
        if (rc < 0)
            return rc;
        any |= rc;
    }
    return any;
}

/* --- Scores -------------------------------------------------------------------------------- */

static double score_tf(const struct search_view *search, const struct cursor *c, uint32_t tf)
{
    return c->weight *
           search_impact(&search->norms[c->field], tf, search_length(search, c->field, c->page));
}

double cursor_score(const struct search_view *search, struct cursor *c)
{
    switch (c->kind) {
    case CURSOR_TERM:
        return score_tf(search, c, postings_tf(&c->term->postings));
    case CURSOR_PHRASE:
        return c->tf ? score_tf(search, c, c->tf) : 0;
    case CURSOR_SET:
        return c->weight;
    case CURSOR_EITHER: {
        double sum = 0;
        for (uint32_t i = 0; i < 2; i++)
            if (c->parts[i].page == c->page)
                sum += cursor_score(search, &c->parts[i]);
        return sum;
    }
    case CURSOR_NONE:
        break;
    }
    return 0;
}

double cursor_score_bound(const struct search_view *search, struct cursor *c)
{
    if (c->kind == CURSOR_EITHER) {
        double sum = 0;
        for (uint32_t i = 0; i < 2; i++)
            if (c->parts[i].page == c->page)
                sum += cursor_score_bound(search, &c->parts[i]);
        return sum;
    }
    if (c->kind != CURSOR_PHRASE)
        return cursor_score(search, c);
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < c->part_count; i++) {
        const uint32_t tf = postings_tf(&c->parts[i].term->postings);
        least = tf < least ? tf : least;
    }
    return score_tf(search, c, least);
}

int cursor_bound_lengths(const struct cursor_maker *maker, struct cursor *c)
{
    uint32_t most = UINT32_MAX;
    if (c->kind == CURSOR_TERM)
        most = c->term->postings.tf_most;
    for (uint32_t i = 0; c->kind == CURSOR_PHRASE && i < c->part_count; i++)
        if (c->parts[i].term->postings.tf_most < most)
            most = c->parts[i].term->postings.tf_most;
    if (c->field != FIELD_BODY || most == UINT32_MAX)
        return 0;
    double *by_length = scratch_alloc(maker->scratch, SHORT_LENGTHS * sizeof *by_length);
    if (!by_length)
        return -ENOMEM;
    for (uint32_t length = 0; length < SHORT_LENGTHS; length++)
        by_length[length] = c->weight * search_impact(c->norm, most, length);
    c->by_length = by_length;
    return 0;
}

#define BOUND_BLOCKS_MAX 32

double cursor_bound_in(const struct cursor *c, uint32_t first, uint32_t last)
{
    double bound = 0;
    switch (c->kind) {
    case CURSOR_TERM: {
        const struct postings *p = &c->term->postings;
        if (c->page > last)
            return 0;
        if (!p->lasts || p->block >= p->block_count)
            return c->bound;
        uint32_t block = postings_block_of(p, p->block, first);
        for (uint32_t seen = 0; block < p->block_count; block++, seen++) {
            const double here = postings_bound(p, c->norm, block);
            if (seen == BOUND_BLOCKS_MAX)
                return c->bound;
            bound = here > bound ? here : bound;
            if (p->lasts[block] >= last)
                break;
        }
        return bound * c->weight;
    }
    case CURSOR_PHRASE:
        bound = c->bound;
        for (uint32_t i = 0; i < c->part_count; i++) {
            const double part = cursor_bound_in(&c->parts[i], first, last);
            bound = part < bound ? part : bound;
        }
        return bound;
    case CURSOR_EITHER:
        return cursor_bound_in(&c->parts[0], first, last) +
               cursor_bound_in(&c->parts[1], first, last);
    default:
        return c->page > last ? 0 : c->bound;
    }
}

/* Lengths by page: of all pages there are more than fit in a near cache, so these are loaded apart
 * from the arithmetic, which then has nothing to wait for. */
static void load_lengths(const struct field_lengths *field, const uint32_t *docs, unsigned count,
                         uint32_t *lengths)
{
    if (field->width == 1)
        for (unsigned i = 0; i < count; i++)
            lengths[i] = ((const uint8_t *)field->data)[docs[i]];
    else if (field->width == 2)
        for (unsigned i = 0; i < count; i++)
            lengths[i] = ((const uint16_t *)field->data)[docs[i]];
    else
        for (unsigned i = 0; i < count; i++)
            lengths[i] = ((const uint32_t *)field->data)[docs[i]];
}

static void score_plain(double *scores, const uint32_t *tfs, const uint32_t *lengths,
                        unsigned count, double weight, struct field_norm norm)
{
    for (unsigned i = 0; i < count; i++)
        scores[i] = weight * search_impact(&norm, tfs[i], lengths[i]);
}

#if defined(__x86_64__)
/* Four at a time, by the same operations: the same bits. */
__attribute__((target("avx2"))) static void score_avx2(double *scores, const uint32_t *tfs,
                                                       const uint32_t *lengths, unsigned count,
                                                       double weight, struct field_norm norm)
{
    typedef double four __attribute__((vector_size(32)));
    typedef double four_anywhere __attribute__((vector_size(32), aligned(8)));
    unsigned i = 0;
    for (; i + 4 <= count; i += 4) {
        const four tf = {tfs[i], tfs[i + 1], tfs[i + 2], tfs[i + 3]};
        const four length = {lengths[i], lengths[i + 1], lengths[i + 2], lengths[i + 3]};
        *(four_anywhere *)&scores[i] = weight * (tf / (tf + (norm.base + norm.slope * length)));
    }
    score_plain(scores + i, tfs + i, lengths + i, count - i, weight, norm);
}
#endif

void cursor_score_block(const struct search_view *search, struct cursor *c)
{
    struct term_state *term = c->term;
    struct postings *p = &term->postings;
    uint32_t lengths[POSTINGS_BLOCK];
    if (term->scored_block == p->block)
        return;
    term->scored_block = p->block;
    if (p->tf_pack)
        postings_load_tfs(p);
    load_lengths(&search->lengths[c->field], p->docs, p->count, lengths);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        score_avx2(term->scores, p->tfs, lengths, p->count, c->weight, search->norms[c->field]);
        return;
    }
#endif
    score_plain(term->scores, p->tfs, lengths, p->count, c->weight, search->norms[c->field]);
}
