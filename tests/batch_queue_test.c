/* SPDX-License-Identifier: MIT
 *
 * Records from one thread to the next: all of them, in their order, however long they are; a taker
 * that fails or a queue that is cancelled holds nobody up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/build/batch_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct taker {
    struct batch_queue queue;
    unsigned batches_until_failure; /* 0: never */
    uint32_t next;                  /* number that is due */
    bool wrong, cancelled;
};

/* A record: its number and length, and that many bytes, each the number's low one. */
struct head {
    uint32_t number, length;
};

static void look_at(struct taker *t, const struct batch *batch)
{
    for (size_t at = 0; at < batch->bytes;) {
        struct head head;
        memcpy(&head, batch->data + at, sizeof head);
        at += sizeof head;
        t->wrong |= head.number != t->next++;
        for (uint32_t i = 0; i < head.length; i++)
            t->wrong |= (unsigned char)batch->data[at + i] != (unsigned char)head.number;
        at += head.length;
    }
}

static void *take(void *owner)
{
    struct taker *t = owner;
    struct fault why;
    int rc = 0;
    unsigned batches = 0;
    for (const struct batch *batch; !rc && (batch = batch_take(&t->queue, &t->cancelled));) {
        look_at(t, batch);
        if (++batches == t->batches_until_failure)
            rc = fault_set(&why, EIO, "no more than %u", batches);
    }
    batch_close(&t->queue, rc, &why);
    return NULL;
}

static int put(struct taker *t, uint32_t number, uint32_t length, struct fault *why)
{
    const struct head head = {number, length};
    char *out = batch_room(&t->queue, sizeof head + length);
    assert_non_null(out);
    memcpy(out, &head, sizeof head);
    memset(out + sizeof head, (unsigned char)number, length);
    return batch_put(&t->queue, sizeof head + length, why);
}

static pthread_t start(struct taker *t)
{
    pthread_t thread;
    batch_queue_init(&t->queue);
    assert_int_equal(pthread_create(&thread, NULL, take, t), 0);
    return thread;
}

static void test_all_records_in_their_order(void **state)
{
    (void)state;
    struct taker t = {.next = 0};
    struct fault why;
    const pthread_t thread = start(&t);
    const uint32_t count = 5000;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(put(&t, i, i == 77 ? 3 * (uint32_t)BATCH_BYTES : i * 7919 % 5000, &why),
                         0);
    batch_end(&t.queue);
    pthread_join(thread, NULL);
    assert_int_equal(batch_result(&t.queue, &why), 0);
    assert_int_equal(t.next, count);
    assert_false(t.wrong || t.cancelled);
    batch_queue_fini(&t.queue);
}

static void test_none(void **state)
{
    (void)state;
    struct taker t = {.next = 0};
    struct fault why;
    const pthread_t thread = start(&t);
    batch_end(&t.queue);
    pthread_join(thread, NULL);
    assert_int_equal(batch_result(&t.queue, &why), 0);
    assert_int_equal(t.next, 0);
    batch_queue_fini(&t.queue);
}

static void test_a_failure_reaches_whoever_puts(void **state)
{
    (void)state;
    struct taker t = {.batches_until_failure = 3};
    struct fault why = {{0}};
    const pthread_t thread = start(&t);
    uint32_t i = 0;
    while (put(&t, i, 100000, &why) == 0)
        assert_in_range(++i, 1, 10000);
    assert_string_equal(why.text, "no more than 3");
    pthread_join(thread, NULL);
    assert_int_equal(batch_result(&t.queue, &why), -EIO);
    assert_false(t.wrong || t.cancelled);
    batch_queue_fini(&t.queue);
}

static void test_nobody_waits_once_cancelled(void **state)
{
    (void)state;
    struct taker t = {.next = 0};
    struct fault why;
    const pthread_t thread = start(&t);
    assert_int_equal(put(&t, 0, 10, &why), 0); /* no full batch: the taker waits */
    batch_cancel(&t.queue);
    pthread_join(thread, NULL);
    assert_true(t.cancelled);
    assert_int_equal(t.next, 0);
    for (uint32_t i = 1; i < 100; i++) /* more than all batches hold */
        assert_int_equal(put(&t, i, 100000, &why), 0);
    batch_queue_fini(&t.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_records_in_their_order),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_a_failure_reaches_whoever_puts),
        cmocka_unit_test(test_nobody_waits_once_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
