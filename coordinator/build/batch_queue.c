/* SPDX-License-Identifier: MIT */
#include "coordinator/build/batch_queue.h"

#include <stdlib.h>

void batch_queue_init(struct batch_queue *q)
{
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->changed, NULL);
}

void batch_queue_fini(struct batch_queue *q)
{
    for (int i = 0; i < BATCHES; i++)
        free(q->batches[i].data);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->mutex);
}

/* --- Whoever puts ---------------------------------------------------------------------------- */

char *batch_room(struct batch_queue *q, size_t bytes)
{
    struct batch *batch = &q->batches[q->filled % BATCHES];
    const size_t due = batch->bytes + bytes;
    if (due > batch->capacity) {
        const size_t grown = due < 2 * BATCH_BYTES ? 2 * BATCH_BYTES : due;
        char *data = realloc(batch->data, grown);
        if (!data)
            return NULL;
        batch->data = data;
        batch->capacity = grown;
    }
    return batch->data + batch->bytes;
}

/* Hands over the batch that is being filled and waits for an empty one. */
static int hand_over(struct batch_queue *q, struct fault *why)
{
    pthread_mutex_lock(&q->mutex);
    q->filled++;
    pthread_cond_signal(&q->changed);
    while (q->filled - q->taken == BATCHES && !q->closed)
        pthread_cond_wait(&q->changed, &q->mutex);
    const int rc = q->rc;
    if (rc)
        *why = q->why;
    pthread_mutex_unlock(&q->mutex);
    q->batches[q->filled % BATCHES].bytes = 0;
    return rc;
}

int batch_put(struct batch_queue *q, size_t bytes, struct fault *why)
{
    struct batch *batch = &q->batches[q->filled % BATCHES];
    batch->bytes += bytes;
    return batch->bytes < BATCH_BYTES ? 0 : hand_over(q, why);
}

void batch_end(struct batch_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->filled++;
    q->ended = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mutex);
}

void batch_cancel(struct batch_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->cancelled = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mutex);
}

/* --- Whoever takes --------------------------------------------------------------------------- */

const struct batch *batch_take(struct batch_queue *q, bool *cancelled)
{
    const struct batch *batch = NULL;
    pthread_mutex_lock(&q->mutex);
    if (q->taking) {
        q->taken++;
        pthread_cond_signal(&q->changed);
    }
    while (q->taken == q->filled && !q->ended && !q->cancelled)
        pthread_cond_wait(&q->changed, &q->mutex);
    *cancelled = q->cancelled;
    q->taking = !q->cancelled && q->taken != q->filled;
    if (q->taking)
        batch = &q->batches[q->taken % BATCHES];
    pthread_mutex_unlock(&q->mutex);
    return batch;
}

void batch_close(struct batch_queue *q, int rc, const struct fault *why)
{
    pthread_mutex_lock(&q->mutex);
    q->rc = rc;
    if (rc)
        q->why = *why;
    q->closed = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->mutex);
}

int batch_result(const struct batch_queue *q, struct fault *why)
{
    if (q->rc)
        *why = q->why;
    return q->rc;
}
