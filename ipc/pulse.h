/* SPDX-License-Identifier: MIT
 *
 * Signs of life. A worker counts up while it gets on with its work, and says which request it is
 * at; who watches it tells a long piece of work from one that will never end, and knows whom to
 * blame for a death. The other way it is told which request need not be finished. Shared memory
 * whose writer may be broken: nothing here is believed further than that.
 */
#ifndef FORKLORE_IPC_PULSE_H
#define FORKLORE_IPC_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PULSE_NO_TICKET UINT64_MAX

struct pulse { /* shared, own cache line */
    _Alignas(64) _Atomic uint64_t beats;
    _Atomic uint64_t ticket;   /* of the request being worked on, or PULSE_NO_TICKET */
    _Atomic uint64_t unwanted; /* the coordinator's: of a request that nobody waits for any more */
};

/* Relaxed, here and below: nothing is published by it. The watcher looks again later, or after the
 * writer's death, which the kernel orders. */
static inline void pulse_beat(struct pulse *pulse)
{
    uint64_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);
    atomic_store_explicit(&pulse->beats, beats + 1, memory_order_relaxed);
}

static inline uint64_t pulse_beats(const struct pulse *pulse)
{
    return atomic_load_explicit(&pulse->beats, memory_order_relaxed);
}

/* Begins with a request, or with PULSE_NO_TICKET ends. */
static inline void pulse_take(struct pulse *pulse, uint64_t ticket)
{
    atomic_store_explicit(&pulse->ticket, ticket, memory_order_relaxed);
    pulse_beat(pulse);
}

static inline uint64_t pulse_ticket(const struct pulse *pulse)
{
    return atomic_load_explicit(&pulse->ticket, memory_order_relaxed);
}

static inline void pulse_unwant(struct pulse *pulse, uint64_t ticket)
{
    atomic_store_explicit(&pulse->unwanted, ticket, memory_order_relaxed);
}

/* Whether the request being worked on is. */
static inline bool pulse_in_vain(const struct pulse *pulse)
{
    return atomic_load_explicit(&pulse->unwanted, memory_order_relaxed) == pulse_ticket(pulse);
}

#endif
