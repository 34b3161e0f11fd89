/* SPDX-License-Identifier: MIT
 *
 * Batches of pages go round: the reader fills the one numbered `filled`, the thread works on the
 * one numbered `taken`; both numbers run free, under the mutex.
 */
#include "coordinator/build/word_thread.h"

#include "coordinator/build/array.h"
#include "shm/readable.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES     4
#define BATCH_BYTES ((size_t)1 << 20) /* full when it has so many */

/* Pages in turn: page_lengths, title, text. */
struct batch {
    char *data;
    size_t bytes, capacity;
};

struct page_lengths {
    size_t title, text;
};

struct word_thread {
    struct postings_build *build;
    struct postings_built built;
    pthread_t id;
    bool running;
    struct passage_writer *passages; /* borrowed */
    char *readable;                  /* of one page */
    size_t readable_capacity;
    uint32_t *starts; /* of its passages, and then their words */
    size_t start_capacity;
    struct batch batches[BATCHES];

    /* Under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned filled, taken;
    bool ended, cancelled, done;
    int rc; /* what the thread ended with, and why */
    struct fault why;
};

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
        rc = passage_writer_add(t->passages, t->readable, (uint32_t)length, &places, why);
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

/* The next full batch, or NULL: no more are to come, or nobody wants them any more. */
static const struct batch *next_batch(struct word_thread *t)
{
    while (t->taken == t->filled && !t->ended && !t->cancelled)
        pthread_cond_wait(&t->changed, &t->mutex);
    return t->cancelled || t->taken == t->filled ? NULL : &t->batches[t->taken % BATCHES];
}

static void *work(void *owner)
{
    struct word_thread *t = owner;
    struct fault why;
    int rc = 0;
    pthread_mutex_lock(&t->mutex);
    for (const struct batch *batch; !rc && (batch = next_batch(t));) {
        pthread_mutex_unlock(&t->mutex);
        rc = add_batch(t, batch, &why);
        pthread_mutex_lock(&t->mutex);
        t->taken++;
        pthread_cond_signal(&t->changed);
    }
    if (!rc && !t->cancelled) {
        pthread_mutex_unlock(&t->mutex);
        rc = passage_writer_finish(t->passages, &why);
        if (!rc)
            rc = postings_build_finish(t->build, &t->built, &why);
        pthread_mutex_lock(&t->mutex);
    }
    t->rc = rc;
    if (rc)
        t->why = why;
    t->done = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

int word_thread_create(struct word_thread **thread, const char *folder, const char *stem,
                       struct passage_writer *passages, struct fault *why)
{
    struct word_thread *t = *thread = calloc(1, sizeof *t);
    if (!t)
        return fault_set(why, ENOMEM, "out of memory");
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->passages = passages;
    int rc = postings_build_create(&t->build, folder, 0, why);
    if (!rc && stem)
        rc = postings_build_stem(t->build, stem, why);
    if (!rc) {
        const int err = pthread_create(&t->id, NULL, work, t);
        t->running = !err;
        if (err)
            rc = fault_errno(why, err, "cannot start a thread for words");
    }
    if (rc)
        word_thread_destroy(thread);
    return rc;
}

static void join(struct word_thread *t)
{
    if (t->running)
        pthread_join(t->id, NULL);
    t->running = false;
}

void word_thread_destroy(struct word_thread **thread)
{
    struct word_thread *t = *thread;
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    t->cancelled = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    join(t);
    postings_build_destroy(&t->build);
    postings_built_fini(&t->built);
    for (int i = 0; i < BATCHES; i++)
        free(t->batches[i].data);
    free(t->readable);
    free(t->starts);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    free(t);
    *thread = NULL;
}

/* Hands over the batch that is being filled and waits for an empty one. */
static int hand_over(struct word_thread *t, struct fault *why)
{
    pthread_mutex_lock(&t->mutex);
    t->filled++;
    pthread_cond_signal(&t->changed);
    while (t->filled - t->taken == BATCHES && !t->done)
        pthread_cond_wait(&t->changed, &t->mutex);
    const int rc = t->rc;
    if (rc)
        *why = t->why;
    pthread_mutex_unlock(&t->mutex);
    t->batches[t->filled % BATCHES].bytes = 0;
    return rc;
}

int word_thread_add(struct word_thread *t, const char *title, size_t title_length, const char *text,
                    size_t text_length, struct fault *why)
{
    struct batch *batch = &t->batches[t->filled % BATCHES];
    const struct page_lengths lengths = {title_length, text_length};
    const size_t due = batch->bytes + sizeof lengths + title_length + text_length;
    if (due > batch->capacity) {
        const size_t grown = due < 2 * BATCH_BYTES ? 2 * BATCH_BYTES : due;
        char *data = realloc(batch->data, grown);
        if (!data)
            return fault_set(why, ENOMEM, "out of memory for a page of %zu bytes", text_length);
        batch->data = data;
        batch->capacity = grown;
    }
    char *out = batch->data + batch->bytes;
    memcpy(out, &lengths, sizeof lengths);
    memcpy(out + sizeof lengths, title, title_length);
    if (text_length)
        memcpy(out + sizeof lengths + title_length, text, text_length);
    batch->bytes = due;
    return due < BATCH_BYTES ? 0 : hand_over(t, why);
}

void word_thread_end(struct word_thread *t)
{
    pthread_mutex_lock(&t->mutex);
    t->filled++;
    t->ended = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

int word_thread_finish(struct word_thread *t, struct postings_built *built, struct fault *why)
{
    join(t);
    if (t->rc) {
        *why = t->why;
        return t->rc;
    }
    *built = t->built;
    t->built = (struct postings_built){0};
    return 0;
}
