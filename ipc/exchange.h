/* SPDX-License-Identifier: MIT
 *
 * How the workers of a job hand each other a vector, round after round. The vector has one or more
 * phases, runs of rows that are made one after the other from what there is of all others; each
 * worker owns a contiguous slice of every phase, produces it in place, and reads everybody's in
 * place. Round r is phase r mod phases. Two carriers behind one interface:
 *
 *   ring    one multi-reader ring per worker; a slice is the aligned `bin` of one MessagePack
 *           message [MSG_PARTIAL, round, first, count, unit, filler, bin, change, dangling, mass,
 *           peak, coarsest]
 *   shared  two vectors in turn, and a round counter per worker
 *
 * A round's elements are plan->element_bytes long or, coarse, whole numbers of a unit in 16 bits.
 * With a slice travel three sums (here: L1 change, mass on dangling vertices, all mass) in fixed
 * point, so that adding the workers' shares gives the same bits whatever their number, and two
 * numbers of which the greatest counts. All state is
 * in shared memory, also what a worker needs of its own rows beyond what it publishes (scores): a
 * worker that dies is replaced by one that attaches to the same slot and goes on with the round
 * after the last one published there.
 *
 * Rounds: publish r, collect r (wait until exchange_ready), compute r+1 from the newest slice of
 * every phase into exchange_open(), publish r+1, which also gives r+1-phases back.
 */
#ifndef FORKLORE_IPC_EXCHANGE_H
#define FORKLORE_IPC_EXCHANGE_H

#include "ipc/bell.h"
#include "ipc/ring.h"
#include "shm/fault.h"

#define EXCHANGE_WORKERS_MAX 64
#define EXCHANGE_PHASES_MAX  32

enum exchange_mode { EXCHANGE_RING, EXCHANGE_SHARED };

/* A sum in units of 2^-100: exact, so associative. Good for values in [-2^26, 2^26]. */
__extension__ typedef __int128 fixed_sum;
fixed_sum fixed_from_double(double value);
double fixed_to_double(fixed_sum sum);

struct exchange_shares {
    fixed_sum change, dangling, mass;
    double peak;     /* the greatest element */
    double coarsest; /* the greatest unit of what the elements were made from */
};

struct exchange_plan {
    enum exchange_mode mode;
    unsigned workers;
    uint32_t phases;
    uint32_t element_bytes; /* 4 or 8 */
    uint32_t rows;          /* scores */
    uint32_t sources;       /* rows below it are exchanged */
    /* Slice w of phase p is the rows [bounds[p][w], bounds[p][w + 1]). */
    uint32_t bounds[EXCHANGE_PHASES_MAX][EXCHANGE_WORKERS_MAX + 1];
};

/* Shared memory needed; formatting it (zeroed, cache-line aligned). */
size_t exchange_bytes(const struct exchange_plan *plan);
void exchange_format(void *memory, const struct exchange_plan *plan);

/* One worker's private handle. */
struct exchange {
    const struct exchange_plan *plan;
    unsigned slot;
    int64_t round;            /* the last one published by this slot, -1: none yet */
    const struct bell *bells; /* [workers] */
    uint64_t bytes_sent, wakeups;
    /* exchange.c's: */
    unsigned char *memory;
    struct ring_writer out;
    struct ring_reader in[EXCHANGE_WORKERS_MAX];
    const void *slices[EXCHANGE_WORKERS_MAX][EXCHANGE_PHASES_MAX]; /* newest collected ones */
    uint64_t after[EXCHANGE_WORKERS_MAX][EXCHANGE_PHASES_MAX];     /* ring: where they end */
    double units[EXCHANGE_PHASES_MAX];                             /* theirs */
    struct exchange_shares totals[EXCHANGE_PHASES_MAX];            /* of all workers */
    int64_t collecting; /* the round that `collected` is about */
    uint64_t collected; /* bit per worker */
    void *record;
    size_t record_bytes;
    void *slice;
    double unit;
};

/* Joins as `slot`; after a predecessor's death it takes over where that one published.
 * -EBADMSG if the shared state is broken. */
int exchange_attach(struct exchange *x, void *memory, const struct exchange_plan *plan,
                    unsigned slot, const struct bell *bells, struct fault *why);

/* Where to write this slot's slice of round x->round + 1: uint16_t if `unit`, which must be the
 * same in all slots, is greater than 0. */
void *exchange_open(struct exchange *x, double unit);
/* Publishes it; if that completes the round, wakes peers that sleep. */
void exchange_publish(struct exchange *x, struct exchange_shares shares);

/* 1: every slice of round x->round is there; 0: not yet; -EBADMSG. Sequentially consistent, so
 * it serves as the re-check after bell_sleep(). */
int exchange_ready(struct exchange *x);

/* After exchange_ready() said 1: the newest slice of worker w in a phase, from the first exchanged
 * row on, its unit, and the sums over all workers and phases. Valid until the next publish. */
const void *exchange_slice(const struct exchange *x, unsigned worker, uint32_t phase);
double exchange_unit(const struct exchange *x, uint32_t phase);
struct exchange_shares exchange_total(const struct exchange *x);

/* All rows' scores as of an iteration (round / phases), of which the last two are kept. Each worker
 * writes its own rows before it publishes the round, and they stay if it dies. */
void *exchange_scores(const struct exchange *x, int64_t iteration);

#endif
