/* SPDX-License-Identifier: MIT */
#include "coordinator/build/word_thread.h"

#include "coordinator/build/array.h"
#include "coordinator/build/batch_queue.h"
#include "shm/readable.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* In `pages`: then the title and the wikitext. */
struct page_lengths {
    size_t title, text;
};

/* In `texts`: then where each passage begins, how many words begin before it, the readable text,
 * and what makes the record's bytes a multiple of four. */
struct text_lengths {
    uint32_t text, passages;
};

struct word_thread {
    struct batch_queue pages; /* from whoever reads them to `gathering` */
    struct batch_queue texts; /* from there to `packing` */
    pthread_t gathering, packing;
    bool gathering_runs, packing_runs;

    /* Of `gathering`. */
    struct postings_build *build;
    struct postings_built built;
    char *readable; /* of one page */
    size_t readable_capacity;
    uint32_t *starts; /* of its passages, and then their words */
    size_t start_capacity;

    struct passage_writer *passages; /* borrowed, of `packing` */
};

/* --- Passages -------------------------------------------------------------------------------- */

static size_t text_bytes(struct text_lengths lengths)
{
    const size_t bytes =
        sizeof lengths + 2 * sizeof(uint32_t) * (size_t)lengths.passages + lengths.text;
    return (bytes + 3) & ~(size_t)3;
}

static int put_text(struct batch_queue *texts, const char *text, const struct word_places *places,
                    struct text_lengths lengths, struct fault *why)
{
    const size_t bytes = text_bytes(lengths), some = lengths.passages * sizeof(uint32_t);
    char *out = batch_room(texts, bytes);
    if (!out)
        return fault_set(why, ENOMEM, "out of memory for a page of %" PRIu32 " bytes",
                         lengths.text);
    memcpy(out, &lengths, sizeof lengths);
    memcpy(out + sizeof lengths, places->at, some);
    memcpy(out + sizeof lengths + some, places->words, some);
    memcpy(out + sizeof lengths + 2 * some, text, lengths.text);
    return batch_put(texts, bytes, why);
}

static int pack_batch(struct passage_writer *passages, const struct batch *batch, struct fault *why)
{
    int rc = 0;
    for (size_t at = 0; !rc && at < batch->bytes;) {
        struct text_lengths lengths;
        memcpy(&lengths, batch->data + at, sizeof lengths);
        uint32_t *starts = (uint32_t *)(void *)(batch->data + at + sizeof lengths);
        const struct word_places places = {starts, starts + lengths.passages, lengths.passages};
        rc = passage_writer_add(passages, (const char *)(places.words + lengths.passages),
                                lengths.text, &places, why);
        at += text_bytes(lengths);
    }
    return rc;
}

static void *pack(void *owner)
{
    struct word_thread *t = owner;
    struct fault why;
    bool cancelled = false;
    int rc = 0;
    for (const struct batch *batch; !rc && (batch = batch_take(&t->texts, &cancelled));)
        rc = pack_batch(t->passages, batch, &why);
    if (!rc && !cancelled)
        rc = passage_writer_finish(t->passages, &why);
    batch_close(&t->texts, rc, &why);
    return NULL;
}

/* --- Words ----------------------------------------------------------------------------------- */

static int reserve_readable(struct word_thread *t, size_t length)
{
    char *readable = array_reserve(t->readable, &t->readable_capacity, length + 1, 1);
    if (readable)
        t->readable = readable;
    const size_t passages = length / PASSAGE_LEAST + 1;
    uint32_t *starts = array_reserve(t->starts, &t->start_capacity, 2 * passages, sizeof(*starts));
    if (starts)
        t->starts = starts;
    return readable && starts ? 0 : -ENOMEM;
}

static int add_page(struct word_thread *t, struct page_lengths lengths, const char *title,
                    const char *text, struct fault *why)
{
    if (reserve_readable(t, lengths.text))
        return fault_set(why, ENOMEM, "out of memory for a page of %zu bytes", lengths.text);
    const size_t length = lengths.text ? readable_text(text, lengths.text, t->readable) : 0;
    const uint32_t count = passages_cut(t->readable, (uint32_t)length, t->starts);
    const struct word_places places = {t->starts, t->starts + count, count};
    int rc = postings_build_add(t->build, title, lengths.title, t->readable, length, &places, why);
    if (!rc)
        rc = put_text(&t->texts, t->readable, &places,
                      (struct text_lengths){(uint32_t)length, count}, why);
    return rc;
}

static int add_batch(struct word_thread *t, const struct batch *batch, struct fault *why)
{
    int rc = 0;
    for (size_t at = 0; !rc && at < batch->bytes;) {
        struct page_lengths lengths;
        memcpy(&lengths, batch->data + at, sizeof lengths);
        const char *title = batch->data + at + sizeof lengths;
        rc = add_page(t, lengths, title, title + lengths.title, why);
        at += sizeof lengths + lengths.title + lengths.text;
    }
    return rc;
}

static void *gather(void *owner)
{
    struct word_thread *t = owner;
    struct fault why;
    bool cancelled = false;
    int rc = 0;
    for (const struct batch *batch; !rc && (batch = batch_take(&t->pages, &cancelled));)
        rc = add_batch(t, batch, &why);
    if (rc || cancelled) {
        batch_cancel(&t->texts);
    } else {
        batch_end(&t->texts);
        rc = postings_build_finish(t->build, &t->built, &why);
    }
    batch_close(&t->pages, rc, &why);
    return NULL;
}

/* --- Both ------------------------------------------------------------------------------------ */

int word_thread_create(struct word_thread **thread, const char *folder, const char *stem,
                       struct passage_writer *passages, struct fault *why)
{
    struct word_thread *t = *thread = calloc(1, sizeof *t);
    if (!t)
        return fault_set(why, ENOMEM, "out of memory");
    batch_queue_init(&t->pages);
    batch_queue_init(&t->texts);
    t->passages = passages;
    int rc = postings_build_create(&t->build, folder, 0, why);
    if (!rc && stem)
        rc = postings_build_stem(t->build, stem, why);
    if (!rc) {
        int err = pthread_create(&t->gathering, NULL, gather, t);
        t->gathering_runs = !err;
        if (!err) {
            err = pthread_create(&t->packing, NULL, pack, t);
            t->packing_runs = !err;
        }
        if (err)
            rc = fault_errno(why, err, "cannot start a thread for words");
    }
    if (rc)
        word_thread_destroy(thread);
    return rc;
}

static void join(struct word_thread *t)
{
    if (t->gathering_runs)
        pthread_join(t->gathering, NULL);
    if (t->packing_runs)
        pthread_join(t->packing, NULL);
    t->gathering_runs = t->packing_runs = false;
}

void word_thread_destroy(struct word_thread **thread)
{
    struct word_thread *t = *thread;
    if (!t)
        return;
    batch_cancel(&t->pages);
    batch_cancel(&t->texts);
    join(t);
    postings_build_destroy(&t->build);
    postings_built_fini(&t->built);
    batch_queue_fini(&t->pages);
    batch_queue_fini(&t->texts);
    free(t->readable);
    free(t->starts);
    free(t);
    *thread = NULL;
}

int word_thread_add(struct word_thread *t, const char *title, size_t title_length, const char *text,
                    size_t text_length, struct fault *why)
{
    const struct page_lengths lengths = {title_length, text_length};
    const size_t bytes = sizeof lengths + title_length + text_length;
    char *out = batch_room(&t->pages, bytes);
    if (!out)
        return fault_set(why, ENOMEM, "out of memory for a page of %zu bytes", text_length);
    memcpy(out, &lengths, sizeof lengths);
    memcpy(out + sizeof lengths, title, title_length);
    if (text_length)
        memcpy(out + sizeof lengths + title_length, text, text_length);
    return batch_put(&t->pages, bytes, why);
}

void word_thread_end(struct word_thread *t)
{
    batch_end(&t->pages);
}

int word_thread_finish(struct word_thread *t, struct postings_built *built, struct fault *why)
{
    join(t);
    int rc = batch_result(&t->pages, why);
    if (!rc)
        rc = batch_result(&t->texts, why);
    if (rc)
        return rc;
    *built = t->built;
    t->built = (struct postings_built){0};
    return 0;
}
