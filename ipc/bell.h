/* SPDX-License-Identifier: MIT
 *
 * Waking a party (a process or a thread that reads one or more rings) without a system call while
 * it is awake. Each party has one bell: a word in shared memory that says "I sleep", and an
 * eventfd that its io_uring loop waits on.
 *
 *   producer: publish record (tail, seq_cst)   sleeper: word = odd      (seq_cst)
 *             read word      (seq_cst)                  re-check rings  (tail, seq_cst)
 *             if odd: write eventfd, word = even        if empty: wait for the eventfd
 *
 * Store, then load, on both sides: in the single total order of the seq_cst operations one side
 * sees the other, so a wake-up cannot be lost (docs/ring.md). The word counts falling asleep and
 * waking, so that a ringer who was held up between its write and its compare-and-swap does not
 * silence a later sleep; and it writes first, so that one killed in between has rung.
 *
 * The same goes for a producer that waits for room in a full ring: ring_release() is the store,
 * ring_reserve() the re-check.
 */
#ifndef FORKLORE_IPC_BELL_H
#define FORKLORE_IPC_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bell_word {                        /* shared, own cache line; all zero is awake */
    _Alignas(64) _Atomic uint32_t asleep; /* odd: asleep */
};

struct bell {
    struct bell_word *word;
    int eventfd; /* non-blocking; owned by whoever made it, see bell_open() */
};

/* Makes the eventfd (close-on-exec, non-blocking) and sets the word to awake; 0 or -errno. */
int bell_open(struct bell *bell, struct bell_word *word);
void bell_close(struct bell *bell);

/* Producer, after ring_publish(): wakes the owner if it sleeps. Returns true if it had to. */
bool bell_ring(const struct bell *bell);

/* Owner: announce sleep (then re-check every ring with ring_pending()), and after waking or
 * finding something, stop sleeping. */
void bell_sleep(const struct bell *bell);
void bell_awake(const struct bell *bell);
/* Whether the owner says so: for who watches it, or would rather not wake it. */
bool bell_asleep(const struct bell *bell);

#define SPIN_BRIEFLY_NS UINT64_C(10000) /* as long as waking somebody costs */

/* Spinning before sleeping: up to `limit_ns` of sched_yield between looks pays when the peer is
 * about to answer. Where a yield cost more than 100 us (a hog of equal priority next to us),
 * spinning is off for the next 10 ms. Private to the owner, who sets the limit and zeroes the rest.
 */
struct spinner {
    uint64_t limit_ns;
    uint64_t started_ns;
    uint64_t off_until_ns;
};
/* Once per look without result: true to look again, false to go to sleep now. */
bool spinner_again(struct spinner *spinner);
/* After finding something. */
void spinner_reset(struct spinner *spinner);

#endif
