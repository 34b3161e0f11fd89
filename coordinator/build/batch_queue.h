/* SPDX-License-Identifier: MIT
 *
 * Records from one thread to the next, a batch of them at a time, so that the threads meet seldom.
 * The one that takes may fail: the one that puts is told, and goes no further.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_BATCH_QUEUE_H
#define FORKLORE_COORDINATOR_BUILD_BATCH_QUEUE_H

#include "shm/fault.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define BATCHES     4
#define BATCH_BYTES ((size_t)1 << 20) /* full when it has so many */

/* Records in turn, as they were put. */
struct batch {
    char *data;
    size_t bytes, capacity;
};

struct batch_queue {
    /* The one numbered `filled` is being filled, the one numbered `taken` is worked on; both
     * numbers run free. */
    struct batch batches[BATCHES];

    /* Under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned filled, taken;
    bool ended, cancelled, closed, taking;
    int rc; /* what the taker closed with, and why */
    struct fault why;
};

void batch_queue_init(struct batch_queue *queue); /* of zeros */
void batch_queue_fini(struct batch_queue *queue); /* once no thread uses it any more */

/* --- Whoever puts ---------------------------------------------------------------------------- */

/* Room for a record, to be filled before batch_put(); NULL: no memory. */
char *batch_room(struct batch_queue *queue, size_t bytes);
/* Puts it; may wait for the taker. What that closed with, if it did. */
int batch_put(struct batch_queue *queue, size_t bytes, struct fault *why);
void batch_end(struct batch_queue *queue);    /* there are no more */
void batch_cancel(struct batch_queue *queue); /* nobody wants what is left */

/* --- Whoever takes --------------------------------------------------------------------------- */

/* The next batch, once it is full or the last one; NULL: no more come, or all is cancelled, which
 * *cancelled tells. The one before is given back. */
const struct batch *batch_take(struct batch_queue *queue, bool *cancelled);
void batch_close(struct batch_queue *queue, int rc, const struct fault *why);
/* What it was closed with; for whoever has joined the taker. */
int batch_result(const struct batch_queue *queue, struct fault *why);

#endif
