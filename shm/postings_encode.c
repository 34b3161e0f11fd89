/* SPDX-License-Identifier: MIT
 *
 * From gathered occurrences to the bytes of a list and its entry among the words.
 */
#include "shm/postings_build_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int byte_buffer_reserve(struct byte_buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->bytes)
        return 0;
    size_t grown = buffer->capacity < 4096 ? 4096 : buffer->capacity;
    while (grown - buffer->bytes < more)
        grown += grown / 2;
    unsigned char *data = realloc(buffer->data, grown);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = grown;
    return 0;
}

/* Occurrences of all parts in turn. */
struct occurrences {
    const struct gathered_word *part, *end;
    const unsigned char *at, *stop;
    uint32_t page, position;
};

static bool next_occurrence(struct occurrences *o, bool *first)
{
    while (o->at == o->stop) {
        if (o->part == o->end)
            return false;
        o->at = o->part->data;
        o->stop = o->at + o->part->bytes;
        o->page = 0;
        o->part++;
    }
    const uint64_t code = varint_get(&o->at);
    *first = code & 1;
    o->position = (uint32_t)(code >> 1) + (*first ? 0 : o->position);
    if (*first)
        o->page += (uint32_t)varint_get(&o->at);
    return true;
}

static int add_position(struct encoder *e, uint32_t difference)
{
    if (e->position_count == e->position_capacity) {
        const size_t grown = e->position_capacity ? 2 * e->position_capacity : 4096;
        uint32_t *positions = reallocarray(e->positions, grown, sizeof *positions);
        if (!positions)
            return -ENOMEM;
        e->positions = positions;
        e->position_capacity = grown;
    }
    e->positions[e->position_count++] = difference;
    return 0;
}

static int put_positions(struct encoder *e)
{
    struct byte_buffer *out = &e->built->positions;
    const size_t packs = (e->position_count + PACKED_COUNT - 1) / PACKED_COUNT;
    if (byte_buffer_reserve(out, packs * PACKED_MAX_BYTES))
        return -ENOMEM;
    for (size_t pack = 0; pack < packs; pack++) {
        const size_t left = e->position_count - pack * PACKED_COUNT;
        out->bytes +=
            packed_put(e->positions + pack * PACKED_COUNT,
                       left < PACKED_COUNT ? (unsigned)left : PACKED_COUNT, out->data + out->bytes);
    }
    e->position_count = 0;
    return 0;
}

/* Where a list's tables begin in the section; positions move when it grows. */
struct list {
    uint32_t block_count, block;
    size_t tables, blocks; /* offsets in the section */
    size_t positions;
    uint32_t before; /* last page of the block before */
    double impact;   /* the greatest so far, and its bound */
    uint16_t bound;
    uint32_t tf_most;
    bool once; /* no tf is above 1 */
    enum search_field field;
};

static uint16_t block_bound(const struct encoder *e, struct list *list)
{
    const struct field_norm *norm = &e->norms[list->field];
    double most = 0;
    uint32_t tf = 1, length = 0;
    for (unsigned i = 0; i < e->count; i++) {
        const uint32_t here = e->lengths[list->field][e->docs[i]];
        const double impact = search_impact(norm, e->tfs[i], here);
        list->tf_most = e->tfs[i] > list->tf_most ? e->tfs[i] : list->tf_most;
        if (impact > most) {
            most = impact;
            tf = e->tfs[i];
            length = here;
        }
    }
    const uint16_t bound = bound_put(norm, tf, length);
    if (most > list->impact) {
        list->impact = most;
        list->bound = bound;
    }
    return bound;
}

static int put_block(struct encoder *e, struct list *list)
{
    struct byte_buffer *out = &e->built->postings;
    if (byte_buffer_reserve(out, (size_t)2 * PACKED_MAX_BYTES))
        return -ENOMEM;
    const uint32_t last = e->docs[e->count - 1];
    if (list->block_count > 1) {
        const uint16_t bound = block_bound(e, list);
        const uint64_t offset = out->bytes - list->blocks;
        const uint64_t position_at = e->built->positions.bytes - list->positions;
        if (offset > UINT32_MAX || position_at > UINT32_MAX)
            return -EFBIG;
        const uint32_t entries[3] = {last, (uint32_t)offset, (uint32_t)position_at};
        for (unsigned table = 0; table < 3; table++)
            memcpy(out->data + list->tables + 4 * ((size_t)table * list->block_count + list->block),
                   &entries[table], 4);
        memcpy(out->data + list->tables + (size_t)12 * list->block_count + (size_t)2 * list->block,
               &bound, 2);
    }
    uint32_t before = list->before;
    for (unsigned i = 0; i < e->count; i++) {
        const uint32_t page = e->docs[i];
        e->docs[i] = page - before - 1;
        e->tfs[i]--;
        before = page;
    }
    out->bytes += packed_put(e->docs, e->count, out->data + out->bytes);
    if (!list->once)
        out->bytes += packed_put(e->tfs, e->count, out->data + out->bytes);
    list->before = last;
    list->block++;
    e->count = 0;
    return put_positions(e);
}

static int put_list(struct encoder *e, struct occurrences *o, uint32_t pages, bool once,
                    enum search_field field)
{
    struct byte_buffer *out = &e->built->postings;
    const uint32_t block_count = (pages + POSTINGS_BLOCK - 1) / POSTINGS_BLOCK;
    const size_t start = out->bytes,
                 tables = block_count > 1
                              ? POSTINGS_HEAD_BYTES + (size_t)POSTINGS_TABLE_BYTES * block_count
                              : 0;
    struct list list = {.block_count = block_count,
                        .tables = start + POSTINGS_HEAD_BYTES,
                        .blocks = start + tables,
                        .positions = e->built->positions.bytes,
                        .before = UINT32_MAX,
                        .once = once,
                        .field = field};
    if (byte_buffer_reserve(out, tables))
        return -ENOMEM;
    out->bytes += tables;
    int rc = 0;
    bool first;
    uint32_t before = UINT32_MAX;
    while (!rc && next_occurrence(o, &first)) {
        if (first) {
            if (e->count == POSTINGS_BLOCK)
                rc = put_block(e, &list);
            e->docs[e->count] = o->page;
            e->tfs[e->count++] = 0;
            before = UINT32_MAX;
        }
        e->tfs[e->count - 1]++;
        if (!rc)
            rc = add_position(e, o->position - before - 1);
        before = o->position;
    }
    if (!rc)
        rc = put_block(e, &list);
    if (!rc && tables) {
        const uint16_t head[2] = {list.bound,
                                  list.tf_most < UINT16_MAX ? (uint16_t)list.tf_most : UINT16_MAX};
        static_assert(sizeof head == POSTINGS_HEAD_BYTES, "layout 2.0");
        memcpy(out->data + start, head, sizeof head);
    }
    return rc;
}

/* What one page alone has: its number, and where it has the word. */
static int put_page(struct encoder *e, struct occurrences *o, uint32_t *position)
{
    uint32_t before = UINT32_MAX;
    bool first;
    while (next_occurrence(o, &first)) {
        const int rc = add_position(e, o->position - before - 1);
        if (rc)
            return rc;
        before = o->position;
    }
    *position = e->positions[0];
    if (e->position_count > 1)
        return put_positions(e);
    e->position_count = 0;
    return 0;
}

/* The word's entry up to what depends on its list. */
static int put_key(struct encoder *e, const struct gathered_word *word)
{
    struct postings_built *built = e->built;
    struct byte_buffer *out = &built->word_bytes;
    if (byte_buffer_reserve(out, WORD_LENGTHS_MAX + WORD_KEY_BYTES + 64))
        return -ENOMEM;
    uint32_t shared = 0;
    if (built->info.words % WORDS_PER_BLOCK == 0) {
        if (built->block_count == e->block_capacity) {
            const size_t grown = e->block_capacity ? 2 * e->block_capacity : 1024;
            struct word_block *blocks = reallocarray(built->blocks, grown, sizeof *blocks);
            if (!blocks)
                return -ENOMEM;
            built->blocks = blocks;
            e->block_capacity = grown;
        }
        built->blocks[built->block_count++] =
            (struct word_block){.key = word_key(word->key, word->length),
                                .bytes_at = out->bytes,
                                .postings_at = built->postings.bytes,
                                .positions_at = built->positions.bytes};
    } else {
        while (shared < word->length && shared < e->key_length && shared < 255 &&
               word->key[shared] == e->key[shared])
            shared++;
    }
    const unsigned char *end =
        word_lengths_put(out->data + out->bytes, shared, word->length - shared);
    out->bytes = (size_t)(end - out->data);
    memcpy(out->data + out->bytes, word->key + shared, word->length - shared);
    out->bytes += word->length - shared;
    memcpy(e->key, word->key, word->length);
    e->key_length = word->length;
    return 0;
}

int encode_word(struct encoder *e, const struct gathered_word *parts, size_t part_count,
                struct fault *why)
{
    struct postings_built *built = e->built;
    struct occurrences occurrences = {.part = parts, .end = parts + part_count};
    uint64_t pages = 0, total = 0;
    for (size_t i = 0; i < part_count; i++) {
        pages += parts[i].pages;
        total += parts[i].occurrences;
    }
    MUST(built->info.words < UINT32_MAX && pages <= built->page_count && pages > 0);
    int rc = put_key(e, parts);
    if (rc)
        return fault_set(why, ENOMEM, "out of memory for %" PRIu32 " words", built->info.words);

    struct byte_buffer *out = &built->word_bytes;
    built->info.words++;
    built->info.postings += pages;
    out->bytes += varint_put(out->data + out->bytes, 2 * (pages - 1) + (total > pages));
    if (total > pages)
        out->bytes += varint_put(out->data + out->bytes, total - pages - 1);
    const size_t postings = built->postings.bytes, positions = built->positions.bytes;
    uint32_t position = 0;
    if (pages == 1)
        rc = put_page(e, &occurrences, &position);
    else
        rc = put_list(e, &occurrences, (uint32_t)pages, total == pages,
                      *parts->key == WORD_NAME_FIELD ? FIELD_NAME : FIELD_BODY);
    if (rc)
        return fault_set(why, -rc,
                         rc == -EFBIG ? "a word's postings have more than 4 GiB"
                                      : "out of memory for the postings of %" PRIu32 " words",
                         built->info.words);
    out->bytes += varint_put(out->data + out->bytes,
                             pages == 1 ? occurrences.page : built->postings.bytes - postings);
    out->bytes += varint_put(out->data + out->bytes,
                             total == 1 ? position : built->positions.bytes - positions);
    return 0;
}

void encoder_fini(struct encoder *e)
{
    free(e->positions);
    e->positions = NULL;
}
