/* SPDX-License-Identifier: MIT
 *
 * From pages to sections: words are gathered (postings_gather.c) until the budget is used, then
 * written as a sorted run (postings_run.c); at the end the runs are merged, or what was gathered is
 * taken as it is, and encoded (postings_encode.c).
 */
#include "shm/postings_build_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct postings_build {
    char *folder;
    size_t budget;
    uint32_t page_count;
    uint32_t *lengths[2]; /* by field */
    size_t length_capacity;
    struct search_info info;

    struct gatherer *gatherer;
    struct run_file *runs;
    size_t run_count;
    struct stemmer *stemmer;
};

int postings_build_create(struct postings_build **out, const char *folder, size_t budget,
                          struct fault *why)
{
    struct postings_build *b = *out = calloc(1, sizeof *b);
    if (b) {
        b->folder = strdup(folder);
        b->budget = budget ? budget : POSTINGS_BUDGET_BYTES;
        if (b->budget > GATHERER_BYTES_MAX / 2)
            b->budget = GATHERER_BYTES_MAX / 2;
    }
    if (b && b->folder && gatherer_create(&b->gatherer) == 0)
        return 0;
    postings_build_destroy(out);
    return fault_set(why, ENOMEM, "out of memory for gathering words");
}

void postings_build_destroy(struct postings_build **build)
{
    struct postings_build *b = *build;
    if (!b)
        return;
    for (size_t i = 0; i < b->run_count; i++)
        close(b->runs[i].fd);
    free(b->runs);
    free(b->folder);
    stemmer_destroy(&b->stemmer);
    gatherer_destroy(&b->gatherer);
    free(b->lengths[FIELD_BODY]);
    free(b->lengths[FIELD_NAME]);
    free(b);
    *build = NULL;
}

int postings_build_stem(struct postings_build *b, const char *language, struct fault *why)
{
    MUST(b->page_count == 0);
    int rc = stemmer_create(&b->stemmer, language, why);
    if (!rc)
        snprintf(b->info.stemmer, sizeof b->info.stemmer, "%s", language);
    return rc;
}

/* --- Pages ----------------------------------------------------------------------------------- */

struct run_out {
    struct run_file *run;
    struct byte_buffer buffer;
};

static int put_in_run(void *owner, const struct gathered_word *word, struct fault *why)
{
    struct run_out *out = owner;
    return run_put(out->run, &out->buffer, word, why);
}

static int flush(struct postings_build *b, struct fault *why)
{
    struct run_file *runs = reallocarray(b->runs, b->run_count + 1, sizeof *runs);
    if (!runs)
        return fault_set(why, ENOMEM, "out of memory for a run of words");
    b->runs = runs;
    struct run_out out = {.run = &runs[b->run_count]};
    int rc = run_create(out.run, b->folder, why);
    if (rc)
        return rc;
    b->run_count++;
    rc = gathered_each(b->gatherer, put_in_run, &out, why);
    if (!rc)
        rc = run_flush(out.run, &out.buffer, why);
    free(out.buffer.data);
    gatherer_clear(b->gatherer);
    return rc;
}

static int reserve_lengths(struct postings_build *b)
{
    if (b->page_count < b->length_capacity)
        return 0;
    const size_t grown = b->length_capacity ? 2 * b->length_capacity : 4096;
    for (int field = 0; field < 2; field++) {
        uint32_t *lengths = reallocarray(b->lengths[field], grown, sizeof *lengths);
        if (!lengths)
            return -ENOMEM;
        b->lengths[field] = lengths;
    }
    b->length_capacity = grown;
    return 0;
}

int postings_build_add(struct postings_build *b, const char *name, size_t name_length,
                       const char *body, size_t body_length, const struct word_places *places,
                       struct fault *why)
{
    uint32_t body_words = 0, name_words = 0;
    int rc = reserve_lengths(b);
    if (!rc)
        rc = gather_text(b->gatherer, b->stemmer, b->page_count, FIELD_NAME, name, name_length,
                         NULL, &name_words);
    if (!rc)
        rc = gather_text(b->gatherer, b->stemmer, b->page_count, FIELD_BODY, body, body_length,
                         places, &body_words);
    if (rc)
        return fault_set(why, ENOMEM, "out of memory for the words of %" PRIu32 " pages",
                         b->page_count + 1);
    b->lengths[FIELD_BODY][b->page_count] = body_words;
    b->lengths[FIELD_NAME][b->page_count] = name_words;
    b->info.body_words += body_words;
    b->info.name_words += name_words;
    b->page_count++;
    return gatherer_bytes(b->gatherer) < b->budget ? 0 : flush(b, why);
}

/* --- The end -------------------------------------------------------------------------------- */

static int encode_gathered(void *owner, const struct gathered_word *word, struct fault *why)
{
    struct encoder *encoder = owner;
    return encode_word(encoder, word, 1, why);
}

static int compare_words(const struct gathered_word *a, const struct gathered_word *b)
{
    const int order = memcmp(a->key, b->key, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Runs are few: the smallest of their next words is found by looking at all. */
static int merge(struct postings_build *b, struct run_reader *readers, struct gathered_word *parts,
                 struct encoder *encoder, struct fault *why)
{
    for (size_t i = 0; i < b->run_count; i++) {
        readers[i].file = &b->runs[i];
        int rc = run_next(&readers[i], why);
        if (rc)
            return rc;
    }
    for (;;) {
        const struct gathered_word *least = NULL;
        size_t count = 0;
        for (size_t i = 0; i < b->run_count; i++)
            if (!readers[i].done && (!least || compare_words(&readers[i].word, least) < 0))
                least = &readers[i].word;
        if (!least)
            return 0;
        const struct gathered_word chosen = *least;
        bool *const taken = (bool *)(parts + b->run_count);
        for (size_t i = 0; i < b->run_count; i++) {
            taken[i] = !readers[i].done && compare_words(&readers[i].word, &chosen) == 0;
            if (taken[i])
                parts[count++] = readers[i].word;
        }
        int rc = encode_word(encoder, parts, count, why);
        for (size_t i = 0; !rc && i < b->run_count; i++)
            if (taken[i])
                rc = run_next(&readers[i], why);
        if (rc)
            return rc;
    }
}

static int merge_runs(struct postings_build *b, struct encoder *encoder, struct fault *why)
{
    int rc = gatherer_is_empty(b->gatherer) ? 0 : flush(b, why);
    if (rc)
        return rc;
    struct run_reader *readers = calloc(b->run_count, sizeof *readers);
    struct gathered_word *parts = calloc(b->run_count, sizeof *parts + sizeof(bool));
    rc = readers && parts ? merge(b, readers, parts, encoder, why)
                          : fault_set(why, ENOMEM, "out of memory for merging words");
    for (size_t i = 0; readers && i < b->run_count; i++)
        free(readers[i].buffer.data);
    free(readers);
    free(parts);
    return rc;
}

/* Readers may look a little past the last pack. */
static int pad(struct byte_buffer *buffer)
{
    if (byte_buffer_reserve(buffer, PACKED_SLACK))
        return -ENOMEM;
    memset(buffer->data + buffer->bytes, 0, PACKED_SLACK);
    buffer->bytes += PACKED_SLACK;
    return 0;
}

/* In place: no element moves to where a later one still is. */
static struct field_lengths narrow(uint32_t *lengths, uint32_t count)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < count; i++)
        longest = lengths[i] > longest ? lengths[i] : longest;
    const struct field_lengths narrowed = {lengths, longest <= UINT8_MAX    ? 1
                                                    : longest <= UINT16_MAX ? 2
                                                                            : 4};
    for (uint32_t i = 0; i < count; i++)
        memmove((char *)lengths + (size_t)i * narrowed.width, &lengths[i], narrowed.width);
    return narrowed;
}

int postings_build_finish(struct postings_build *b, struct postings_built *built, struct fault *why)
{
    *built = (struct postings_built){.info = b->info, .page_count = b->page_count};
    built->info.k1 = SEARCH_K1;
    built->info.b = SEARCH_B;
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return fault_set(why, ENOMEM, "out of memory for encoding postings");
    encoder->built = built;
    encoder->lengths[FIELD_BODY] = b->lengths[FIELD_BODY];
    encoder->lengths[FIELD_NAME] = b->lengths[FIELD_NAME];
    search_norms(encoder->norms, &built->info, built->page_count);
    int rc = b->run_count ? merge_runs(b, encoder, why)
                          : gathered_each(b->gatherer, encode_gathered, encoder, why);
    if (!rc && (pad(&built->word_bytes) || pad(&built->postings) || pad(&built->positions)))
        rc = fault_set(why, ENOMEM, "out of memory for postings");
    encoder_fini(encoder);
    free(encoder);
    for (int field = 0; field < 2; field++) {
        built->lengths[field] = narrow(b->lengths[field], b->page_count);
        b->lengths[field] = NULL;
    }
    return rc;
}

void postings_built_fini(struct postings_built *built)
{
    free((void *)(uintptr_t)built->lengths[FIELD_BODY].data);
    free((void *)(uintptr_t)built->lengths[FIELD_NAME].data);
    free(built->blocks);
    free(built->word_bytes.data);
    free(built->postings.data);
    free(built->positions.data);
    *built = (struct postings_built){0};
}

struct search_view postings_built_view(const struct postings_built *built)
{
    struct search_view view = {
        .info = &built->info,
        .lengths = {built->lengths[FIELD_BODY], built->lengths[FIELD_NAME]},
        .words = {built->blocks, built->block_count, built->word_bytes.data, built->info.words,
                  built->postings.data, built->positions.data},
        .page_count = built->page_count,
    };
    search_norms(view.norms, &built->info, built->page_count);
    return view;
}
