/* SPDX-License-Identifier: MIT
 *
 * The sections of full-text search in an index: finding them, and the check that believes none of
 * their bytes.
 */
#include "shm/index.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { INFO, LENGTHS, WORD_BLOCKS = LENGTHS + 2, WORD_BYTES, POSTINGS, POSITIONS, KINDS };

/* Bytes of an element, by those of the section; 4 where no width fits. */
static uint32_t length_width(uint64_t bytes, uint64_t pages)
{
    return bytes == pages ? 1 : bytes == 2 * pages ? 2 : 4;
}

static int bind_passages(struct index_view *view, const char *name, struct fault *why)
{
    static const enum section_kind kinds[] = {SECTION_PASSAGE_PAGES, SECTION_PASSAGES,
                                              SECTION_PASSAGE_DICTIONARY, SECTION_PASSAGE_BYTES};
    const struct section *sections[sizeof kinds / sizeof *kinds];
    const uint64_t n = view->meta->page_count;
    uint64_t bytes;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sections[i] = image_find(view->image, kinds[i]);
        if (!sections[i])
            return fault_set(why, EINVAL, "%s: section %s is missing", name,
                             section_name(kinds[i]));
    }
    if (sections[0]->bytes != (n + 1) * sizeof(struct passage_page) ||
        sections[1]->bytes % sizeof(struct passage) || sections[1]->bytes == 0)
        return fault_set(why, EINVAL,
                         "%s: sections %s and %s have %" PRIu64 " and %" PRIu64
                         " bytes, which %" PRIu64 " pages cannot have",
                         name, section_name(kinds[0]), section_name(kinds[1]), sections[0]->bytes,
                         sections[1]->bytes, n);
    view->passages = (struct passages_view){
        .pages = image_section(view->image, kinds[0], &bytes),
        .passages = image_section(view->image, kinds[1], &bytes),
        .count = sections[1]->bytes / sizeof(struct passage) - 1,
        .dictionary = image_section(view->image, kinds[2], &bytes),
        .dictionary_bytes = sections[2]->bytes,
        .at = sections[3]->offset,
        .bytes = sections[3]->bytes,
    };
    return 0;
}

int index_bind_search(struct index_view *view, const char *name, struct fault *why)
{
    static const enum section_kind kinds[KINDS] = {
        SECTION_SEARCH_INFO, SECTION_BODY_LENGTHS, SECTION_NAME_LENGTHS, SECTION_WORD_BLOCKS,
        SECTION_WORD_BYTES,  SECTION_POSTINGS,     SECTION_POSITIONS,
    };
    const void *data[KINDS];
    uint64_t bytes[KINDS];
    const uint64_t n = view->meta->page_count;

    if (!image_find(view->image, SECTION_SEARCH_INFO))
        return 0;
    for (int i = 0; i < KINDS; i++) {
        if (!image_find(view->image, kinds[i]))
            return fault_set(why, EINVAL, "%s: section %s is missing", name,
                             section_name(kinds[i]));
        data[i] = image_section(view->image, kinds[i], &bytes[i]);
    }
    const struct search_info *info = data[INFO];
    const uint64_t due[KINDS] = {
        [INFO] = sizeof *info,
        [LENGTHS] = n * length_width(bytes[LENGTHS], n),
        [LENGTHS + 1] = n * length_width(bytes[LENGTHS + 1], n),
        [WORD_BLOCKS] = (info->words + (uint64_t)WORDS_PER_BLOCK - 1) / WORDS_PER_BLOCK *
                        sizeof(struct word_block),
    };
    for (int i = 0; i < KINDS; i++) {
        const bool exact = i < WORD_BYTES;
        if (exact ? bytes[i] != due[i] : bytes[i] < PACKED_SLACK)
            return fault_set(
                why, EINVAL, "%s: section %s has %" PRIu64 " bytes, but %" PRIu64 " %s due", name,
                section_name(kinds[i]), bytes[i], exact ? due[i] : (uint64_t)PACKED_SLACK,
                exact ? "are" : "at least are");
    }
    if (!(info->k1 >= 0 && info->k1 < 1e6) || !(info->b >= 0 && info->b <= 1) ||
        info->ids_ascend > 1 || !memchr(info->stemmer, 0, sizeof info->stemmer))
        return fault_set(why, EINVAL, "%s: section %s: no search has k1 %g, b %g", name,
                         section_name(SECTION_SEARCH_INFO), info->k1, info->b);
    view->search = (struct search_view){
        .info = info,
        .lengths = {{data[LENGTHS], length_width(bytes[LENGTHS], n)},
                    {data[LENGTHS + 1], length_width(bytes[LENGTHS + 1], n)}},
        .words = {data[WORD_BLOCKS], bytes[WORD_BLOCKS] / sizeof(struct word_block),
                  data[WORD_BYTES], info->words, data[POSTINGS], data[POSITIONS]},
        .page_count = view->meta->page_count,
    };
    search_norms(view->search.norms, info, view->meta->page_count);
    return bind_passages(view, name, why);
}

/* --- Checking ------------------------------------------------------------------------------ */

struct checker {
    const struct index_view *view;
    const char *name;
    struct fault *why;
    const unsigned char *word_end, *posting_end, *position_end; /* without the slack */
    uint64_t body_words, name_words, postings;
};

__attribute__((format(printf, 3, 4))) static int bad(const struct checker *c,
                                                     enum section_kind kind, const char *format,
                                                     ...)
{
    char text[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fault_set(c->why, EINVAL, "%s: section %s: %s", c->name, section_name(kind), text);
}

static bool varint_ok(const unsigned char **at, const unsigned char *end, uint64_t most,
                      uint64_t *value)
{
    const unsigned char *stop = *at;
    while (stop < end && stop - *at < 9 && *stop & 0x80)
        stop++;
    if (stop >= end || *stop & 0x80)
        return false;
    *value = varint_get(at);
    return *value <= most;
}

/* Whether a pack of `count` values ends at or before `end`; its end. Two bytes past `end` can be
 * read, they are slack. */
static const unsigned char *pack_end(const unsigned char *at, const unsigned char *end,
                                     unsigned count)
{
    if (end - at < 1 || (at[0] & 0x7f) > 32 || (size_t)(end - at) < packed_bytes(at, count))
        return NULL;
    const unsigned char *stop = at + packed_bytes(at, count);
    for (unsigned left = at[0] & 0x80 ? at[1] : 0; left > 0; left--)
        if (stop[-2 * (ptrdiff_t)left] >= count)
            return NULL;
    return stop;
}

struct list_check {
    const char *key;
    uint32_t key_length;
    const struct word_entry *entry;
    enum search_field field;
};

#define KEY(l) (int)((l)->key_length < 60 ? (l)->key_length : 60), (l)->key

/* Positions of the block that `p` has decoded: ascending, below the page's length. */
static int check_positions(const struct checker *c, struct postings *p, const struct list_check *l,
                           const unsigned char **end)
{
    uint64_t sum = 0;
    (void)postings_tf(p);
    for (unsigned i = 0; i < p->count; i++) {
        const uint32_t length = search_length(&c->view->search, l->field, p->docs[i]);
        if (p->tfs[i] == 0 || p->tfs[i] > length)
            return bad(c, SECTION_POSTINGS,
                       "\"%.*s\" occurs %" PRIu32 " times in page %" PRIu32 " of %" PRIu32 " words",
                       KEY(l), p->tfs[i], p->docs[i], length);
        sum += p->tfs[i];
    }
    const unsigned char *base = p->positions + (p->lasts ? p->position_ats[p->block] : 0);
    const unsigned char *limit = l->entry->positions + l->entry->positions_bytes, *at = base;
    uint32_t in_pack = 0, values[PACKED_COUNT];
    for (unsigned i = 0; i < p->count; i++) {
        const uint32_t length = search_length(&c->view->search, l->field, p->docs[i]);
        uint64_t position = UINT64_MAX;
        for (uint32_t j = 0; j < p->tfs[i]; j++, in_pack++) {
            if (in_pack % PACKED_COUNT == 0) {
                const unsigned count = sum < PACKED_COUNT ? (unsigned)sum : PACKED_COUNT;
                const unsigned char *next = pack_end(at, limit, count);
                if (!next)
                    return bad(c, SECTION_POSITIONS, "a pack of \"%.*s\" is broken", KEY(l));
                packed_get(at, count, values);
                at = next;
                sum -= count;
            }
            position += (uint64_t)values[in_pack % PACKED_COUNT] + 1;
        }
        if (position >= length)
            return bad(c, SECTION_POSITIONS,
                       "\"%.*s\" at %" PRIu64 " of page %" PRIu32 ", which has %" PRIu32 " words",
                       KEY(l), position, p->docs[i], length);
    }
    *end = at;
    return 0;
}

static int check_bound(const struct checker *c, const struct postings *p,
                       const struct list_check *l)
{
    const struct search_view *search = &c->view->search;
    const struct field_norm *norm = &search->norms[l->field];
    for (unsigned i = 0; p->lasts && i < p->count; i++) {
        const double impact =
            search_impact(norm, p->tfs[i], search_length(search, l->field, p->docs[i]));
        if (impact > postings_bound(p, norm, p->block) || impact > bound_get(norm, p->bound) ||
            p->tfs[i] > p->tf_most)
            return bad(c, SECTION_POSTINGS,
                       "\"%.*s\": the bound of block %" PRIu32 " is below page %" PRIu32
                       "'s impact %g",
                       KEY(l), p->block, p->docs[i], impact);
    }
    return 0;
}

/* A word of one page, which has no list. */
static int check_page(const struct checker *c, const struct list_check *l)
{
    const struct word_entry *entry = l->entry;
    const uint32_t length = search_length(&c->view->search, l->field, entry->page);
    const unsigned char *end = NULL;
    struct postings p;
    if (entry->occurrences > length)
        return bad(c, SECTION_WORD_BYTES,
                   "\"%.*s\" occurs %" PRIu64 " times in page %" PRIu32 " of %" PRIu32 " words",
                   KEY(l), entry->occurrences, entry->page, length);
    if (!entry->positions)
        return entry->position < length
                   ? 0
                   : bad(c, SECTION_WORD_BYTES,
                         "\"%.*s\" at %" PRIu32 " of page %" PRIu32 ", which has %" PRIu32 " words",
                         KEY(l), entry->position, entry->page, length);
    postings_open(&p, entry);
    postings_load(&p, 0);
    const int rc = check_positions(c, &p, l, &end);
    if (!rc && end != entry->positions + entry->positions_bytes)
        return bad(c, SECTION_POSITIONS, "bytes are left over after those of \"%.*s\"", KEY(l));
    return rc;
}

static int check_list(const struct checker *c, const struct list_check *l)
{
    const struct word_entry *entry = l->entry;
    const uint32_t n = c->view->meta->page_count;
    struct postings p;
    const uint64_t blocks = (entry->pages + (uint64_t)POSTINGS_BLOCK - 1) / POSTINGS_BLOCK;
    if (blocks > 1 && entry->postings_bytes < POSTINGS_HEAD_BYTES + POSTINGS_TABLE_BYTES * blocks)
        return bad(c, SECTION_POSTINGS, "those of \"%.*s\" are cut short", KEY(l));
    postings_open(&p, entry);
    const unsigned char *limit = entry->postings + entry->postings_bytes, *at = p.blocks;
    const unsigned char *positions_at = entry->positions;
    uint64_t total = 0, before = UINT64_MAX;
    for (uint32_t block = 0; block < p.block_count; block++) {
        const unsigned count =
            block + 1 < p.block_count ? POSTINGS_BLOCK : p.pages - block * (uint32_t)POSTINGS_BLOCK;
        if (p.lasts && (p.offsets[block] != at - p.blocks ||
                        p.position_ats[block] != positions_at - entry->positions))
            return bad(c, SECTION_POSTINGS,
                       "block %" PRIu32 " of \"%.*s\" is not where it should be", block, KEY(l));
        const unsigned char *start = at;
        at = pack_end(at, limit, count);
        if (at && !p.once)
            at = pack_end(at, limit, count);
        if (!at)
            return bad(c, SECTION_POSTINGS, "block %" PRIu32 " of \"%.*s\" is broken", block,
                       KEY(l));
        uint32_t values[PACKED_COUNT];
        postings_load(&p, block);
        packed_get(start, count, values);
        for (unsigned i = 0; i < count; i++) {
            before += (uint64_t)values[i] + 1;
            if (before >= n)
                return bad(c, SECTION_POSTINGS, "\"%.*s\" in page %" PRIu64 " of %" PRIu32, KEY(l),
                           before, n);
        }
        if (p.lasts && p.lasts[block] != before)
            return bad(c, SECTION_POSTINGS,
                       "block %" PRIu32 " of \"%.*s\" ends at page %" PRIu64 ", not at %" PRIu32,
                       block, KEY(l), before, p.lasts[block]);
        int rc = check_positions(c, &p, l, &positions_at);
        if (!rc)
            rc = check_bound(c, &p, l);
        if (rc)
            return rc;
        for (unsigned i = 0; i < count; i++)
            total += p.tfs[i];
    }
    if (at != limit || positions_at != entry->positions + entry->positions_bytes ||
        total != entry->occurrences)
        return bad(c, SECTION_POSTINGS,
                   "\"%.*s\": %" PRIu64 " occurrences instead of %" PRIu64 ", or bytes left over",
                   KEY(l), total, entry->occurrences);
    return 0;
}

/* The bytes of one entry, before word_list_next() follows them. */
static int check_entry(const struct checker *c, uint32_t number, const struct word_cursor *before,
                       uint64_t *postings_at, uint64_t *positions_at)
{
    const struct word_list *words = &c->view->search.words;
    const struct word_block *block = &words->blocks[number / WORDS_PER_BLOCK];
    const unsigned char *at = before->at;
    uint32_t previous = before->length;
    if (number % WORDS_PER_BLOCK == 0) {
        const uint64_t due = number ? (uint64_t)(before->at - words->bytes) : 0;
        if (block->bytes_at != due || block->postings_at != *postings_at ||
            block->positions_at != *positions_at)
            return bad(c, SECTION_WORD_BLOCKS, "block %" PRIu32 " is not after the one before",
                       number / WORDS_PER_BLOCK);
        at = words->bytes + due;
        previous = 0;
    }
    uint64_t code, more = 0, first, second;
    uint32_t shared, added;
    const uint64_t n = c->view->meta->page_count;
    /* The three bytes of lengths end in the slack at worst. */
    const unsigned char *suffix = word_lengths_get(at, &shared, &added);
    if (suffix > c->word_end || shared > previous || shared + added > WORD_KEY_BYTES ||
        (uint64_t)(c->word_end - suffix) < added)
        return bad(c, SECTION_WORD_BYTES, "word %" PRIu32 " is broken", number);
    at = suffix + added;
    if (!varint_ok(&at, c->word_end, 2 * n - 1, &code) ||
        (code & 1 && !varint_ok(&at, c->word_end, UINT64_C(1) << 48, &more)) ||
        !varint_ok(&at, c->word_end, UINT64_C(1) << 48, &first) ||
        !varint_ok(&at, c->word_end, UINT64_C(1) << 48, &second))
        return bad(c, SECTION_WORD_BYTES, "the numbers of word %" PRIu32 " are broken", number);
    if (code <= 1 && first >= n)
        return bad(c, SECTION_WORD_BYTES, "word %" PRIu32 " in page %" PRIu64, number, first);
    if (code > 1)
        *postings_at += first;
    if (code > 0)
        *positions_at += second;
    if (*postings_at > (uint64_t)(c->posting_end - words->postings) ||
        *positions_at > (uint64_t)(c->position_end - words->positions))
        return bad(c, SECTION_WORD_BYTES, "the postings of word %" PRIu32 " end past the section",
                   number);
    return 0;
}

static int check_words(struct checker *c)
{
    const struct word_list *words = &c->view->search.words;
    struct word_cursor cursor = {.list = words, .at = words->bytes};
    char last[WORD_KEY_BYTES] = "";
    uint32_t last_length = 0;
    uint64_t postings_at = 0, positions_at = 0;
    for (uint32_t number = 0; number < words->count; number++) {
        int rc = check_entry(c, number, &cursor, &postings_at, &positions_at);
        if (rc)
            return rc;
        word_list_next(&cursor);
        const uint32_t least = last_length < cursor.length ? last_length : cursor.length;
        const int order = memcmp(last, cursor.key, least);
        if (number && (order > 0 || (order == 0 && last_length >= cursor.length)))
            return bad(c, SECTION_WORD_BYTES, "word %" PRIu32 " is not after the one before",
                       number);
        if (number % WORDS_PER_BLOCK == 0 &&
            words->blocks[number / WORDS_PER_BLOCK].key != word_key(cursor.key, cursor.length))
            return bad(c, SECTION_WORD_BLOCKS, "block %" PRIu32 " has not its first word's key",
                       number / WORDS_PER_BLOCK);
        memcpy(last, cursor.key, cursor.length);
        last_length = cursor.length;
        const struct list_check list = {
            .key = cursor.key,
            .key_length = cursor.length,
            .entry = &cursor.entry,
            .field = *cursor.key == WORD_NAME_FIELD ? FIELD_NAME : FIELD_BODY,
        };
        c->postings += cursor.entry.pages;
        rc = cursor.entry.postings ? check_list(c, &list) : check_page(c, &list);
        if (rc)
            return rc;
    }
    return 0;
}

int index_verify_search(const struct index_view *view, const char *name, struct fault *why)
{
    uint64_t bytes;
    struct checker c = {.view = view, .name = name, .why = why};
    const struct search_view *search = &view->search;
    c.word_end = image_section(view->image, SECTION_WORD_BYTES, &bytes);
    c.word_end += bytes - PACKED_SLACK;
    c.posting_end = image_section(view->image, SECTION_POSTINGS, &bytes);
    c.posting_end += bytes - PACKED_SLACK;
    c.position_end = image_section(view->image, SECTION_POSITIONS, &bytes);
    c.position_end += bytes - PACKED_SLACK;
    for (uint32_t v = 0; v < view->meta->page_count; v++) {
        c.body_words += search_length(search, FIELD_BODY, v);
        c.name_words += search_length(search, FIELD_NAME, v);
        if (v && search->info->ids_ascend && view->pages[v].id <= view->pages[v - 1].id)
            return bad(&c, SECTION_SEARCH_INFO, "page ids do not ascend at page %" PRIu32, v);
    }
    if (c.body_words != search->info->body_words)
        return bad(&c, SECTION_BODY_LENGTHS, "%" PRIu64 " words in all, not %" PRIu64, c.body_words,
                   search->info->body_words);
    if (c.name_words != search->info->name_words)
        return bad(&c, SECTION_NAME_LENGTHS, "%" PRIu64 " words in all, not %" PRIu64, c.name_words,
                   search->info->name_words);
    int rc = check_words(&c);
    if (!rc && c.postings != search->info->postings)
        rc = bad(&c, SECTION_SEARCH_INFO, "%" PRIu64 " postings, not %" PRIu64, c.postings,
                 search->info->postings);
    if (!rc)
        rc = passages_verify(&view->passages, view->meta->page_count, name, why);
    return rc;
}
