/* SPDX-License-Identifier: MIT
 *
 * The bell (who sleeps, and the eventfd that wakes them) and the spinner that comes before sleep.
 *
 * The word is odd while its owner sleeps. Only the owner makes it odd; the owner or a ringer makes
 * it even again, by compare-and-swap from the odd value they saw. A ringer would have to be held
 * up for exactly 2^31 sleeps to mistake one for another.
 */
#include "ipc/bell.h"

#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A hog's slice is milliseconds; but a client with a batch of requests, whose turn on the same
 * processor is what the spinner waits for, may well take 60 us. */
#define SLOW_YIELD_NS UINT64_C(100000)
#define OFF_NS        UINT64_C(10000000)

int bell_open(struct bell *bell, struct bell_word *word)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    *bell = (struct bell){.word = word, .eventfd = fd};
    bell_awake(bell); /* whoever slept here before */
    return 0;
}

void bell_close(struct bell *bell)
{
    if (bell->eventfd >= 0)
        close(bell->eventfd);
    bell->eventfd = -1;
}

bool bell_ring(const struct bell *bell)
{
    /* Comes after the seq_cst store of ring_publish() or ring_release(); pairs with the seq_cst
     * store in bell_sleep(). */
    uint32_t seen = atomic_load_explicit(&bell->word->asleep, memory_order_seq_cst);
    if (seen % 2 == 0)
        return false;
    static const uint64_t one = 1;
    /* EAGAIN means that the counter is full: it is readable, which is what we want. Any other
     * failure is a descriptor the owner has closed, so nobody sleeps there. */
    while (write(bell->eventfd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    /* Saves the next ringers the write. If it fails, the owner or another ringer was faster.
     * seq_cst as all writes of the word, to keep them in one order with bell_sleep()'s. */
    atomic_compare_exchange_strong_explicit(&bell->word->asleep, &seen, seen + 1,
                                            memory_order_seq_cst, memory_order_relaxed);
    return true;
}

bool bell_asleep(const struct bell *bell)
{
    /* Relaxed: a look from outside, after which it may be otherwise; nothing that has to be right
     * follows from it. */
    return atomic_load_explicit(&bell->word->asleep, memory_order_relaxed) % 2 == 1;
}

void bell_sleep(const struct bell *bell)
{
    /* Relaxed: we wrote it last, or a ringer who made it even. Always a new odd value, even if we
     * did not say that we woke: a ringer still holding the old one must not silence this sleep. */
    uint32_t word = atomic_load_explicit(&bell->word->asleep, memory_order_relaxed);
    /* seq_cst: pairs with the load in bell_ring(); the re-check of the rings that follows must not
     * move before this store. */
    atomic_store_explicit(&bell->word->asleep, (word + 1) | 1, memory_order_seq_cst);
}

void bell_awake(const struct bell *bell)
{
    /* Relaxed: an odd value is our own last word, or a ringer's compare-and-swap beats ours. */
    uint32_t word = atomic_load_explicit(&bell->word->asleep, memory_order_relaxed);
    if (word % 2 == 1)
        atomic_compare_exchange_strong_explicit(&bell->word->asleep, &word, word + 1,
                                                memory_order_seq_cst, memory_order_relaxed);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

bool spinner_again(struct spinner *spinner)
{
    uint64_t now = now_ns();
    if (spinner->started_ns == 0) {
        if (now < spinner->off_until_ns)
            return false;
        spinner->started_ns = now;
    } else if (now - spinner->started_ns > spinner->limit_ns) {
        spinner->started_ns = 0;
        return false;
    }
    sched_yield();
    uint64_t after = now_ns();
    if (after - now > SLOW_YIELD_NS) {
        spinner->off_until_ns = after + OFF_NS;
        spinner->started_ns = 0;
    }
    return true;
}

void spinner_reset(struct spinner *spinner)
{
    spinner->started_ns = 0;
}
