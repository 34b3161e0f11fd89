/* SPDX-License-Identifier: MIT
 *
 * Shared memory of an exchange:
 *
 *   ring    worker 0's ring | worker 1's ring | ...   each with a reader per worker, room for the
 *           rounds that can be in flight: the newest of every phase, one that is just being given
 *           back, one being written
 *   shared  one struct progress per worker | vector of even iterations | vector of odd ones
 *   both    scores of even iterations | scores of odd ones
 *
 * A slot's next round can only begin when every slot has published the current one, so in shared
 * mode a slice is overwritten two iterations later, when nobody reads it any more.
 */
#include "ipc/exchange.h"

#include "ipc/msg.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE /* newer than Debian 11's C library */
#define MADV_POPULATE_WRITE 23
#endif

#define FIXED_SCALE 0x1p100
#define SHARE_MAX   INT64_C(1024) /* absurd: nobody's share of anything is over 2 */

fixed_sum fixed_from_double(double value)
{
    return (fixed_sum)(value * FIXED_SCALE);
}

double fixed_to_double(fixed_sum sum)
{
    return (double)sum / FIXED_SCALE;
}

/* One worker's line in shared mode. Written by that worker alone. */
struct progress {
    _Alignas(RING_LINE) _Atomic int64_t round;             /* last published, -1: none */
    struct exchange_shares shares[2][EXCHANGE_PHASES_MAX]; /* of even and odd iterations */
    double units[2][EXCHANGE_PHASES_MAX];
};

static size_t align_line(size_t bytes)
{
    return (bytes + RING_LINE - 1) / RING_LINE * RING_LINE;
}

static uint32_t phase_of(const struct exchange_plan *plan, int64_t round)
{
    return (uint32_t)(round % plan->phases);
}

static unsigned parity_of(const struct exchange_plan *plan, int64_t round)
{
    return (unsigned)(round / plan->phases & 1);
}

/* Rows that are exchanged. */
static uint32_t slice_first(const struct exchange_plan *plan, uint32_t phase, unsigned worker)
{
    uint32_t row = plan->bounds[phase][worker];
    return row < plan->sources ? row : plan->sources;
}

static uint32_t slice_count(const struct exchange_plan *plan, uint32_t phase, unsigned worker)
{
    return slice_first(plan, phase, worker + 1) - slice_first(plan, phase, worker);
}

static size_t element_bytes(const struct exchange_plan *plan, double unit)
{
    return unit > 0 ? sizeof(uint16_t) : plan->element_bytes;
}

/* A PARTIAL message of the longest elements: fields, filler and `bin` header take less than 192
 * bytes. */
static size_t record_bytes(const struct exchange_plan *plan, uint32_t phase, unsigned worker)
{
    return 192 + (size_t)slice_count(plan, phase, worker) * plan->element_bytes;
}

static size_t ring_capacity(const struct exchange_plan *plan, unsigned worker)
{
    size_t most = 0;
    for (uint32_t phase = 0; phase < plan->phases; phase++) {
        size_t bytes = record_bytes(plan, phase, worker);
        most = bytes > most ? bytes : most;
    }
    return ring_capacity_for(most, plan->phases + 2);
}

static size_t ring_space(const struct exchange_plan *plan, unsigned worker)
{
    return align_line(ring_bytes(ring_capacity(plan, worker), plan->workers));
}

static struct ring *ring_of(void *memory, const struct exchange_plan *plan, unsigned worker)
{
    unsigned char *at = memory;
    for (unsigned w = 0; w < worker; w++)
        at += ring_space(plan, w);
    return (struct ring *)(void *)at;
}

static size_t vector_bytes(const struct exchange_plan *plan)
{
    return align_line((size_t)plan->sources * plan->element_bytes);
}

static struct progress *progress_of(void *memory, unsigned worker)
{
    return (struct progress *)memory + worker;
}

static unsigned char *vector_of(void *memory, const struct exchange_plan *plan, int64_t round)
{
    unsigned char *vectors = (unsigned char *)memory + plan->workers * sizeof(struct progress);
    return vectors + parity_of(plan, round) * vector_bytes(plan);
}

static size_t slice_offset(const struct exchange_plan *plan, uint32_t phase, unsigned worker,
                           double unit)
{
    return (size_t)slice_first(plan, phase, worker) * element_bytes(plan, unit);
}

static size_t carrier_bytes(const struct exchange_plan *plan)
{
    if (plan->mode == EXCHANGE_SHARED)
        return plan->workers * sizeof(struct progress) + 2 * vector_bytes(plan);
    size_t bytes = 0;
    for (unsigned w = 0; w < plan->workers; w++)
        bytes += ring_space(plan, w);
    return bytes;
}

static size_t scores_bytes(const struct exchange_plan *plan)
{
    return align_line((size_t)plan->rows * plan->element_bytes);
}

size_t exchange_bytes(const struct exchange_plan *plan)
{
    return carrier_bytes(plan) + 2 * scores_bytes(plan);
}

void exchange_format(void *memory, const struct exchange_plan *plan)
{
    for (unsigned w = 0; w < plan->workers; w++) {
        if (plan->mode == EXCHANGE_SHARED)
            atomic_init(&progress_of(memory, w)->round, -1);
        else
            ring_format(ring_of(memory, plan, w), ring_capacity(plan, w), plan->workers, 0);
    }
}

/* --- Ring ------------------------------------------------------------------------------------ */

static void write_sum(struct wire_out *out, fixed_sum sum)
{
    wire_int(out, (int64_t)(sum >> 64));
    wire_uint(out, (uint64_t)sum);
}

static bool read_sum(struct wire_in *in, fixed_sum *sum)
{
    static const int64_t unit = INT64_C(1) << 36; /* of the high half */
    int64_t high;
    uint64_t low;
    if (!wire_get_int(in, &high) || !wire_get_uint(in, &low) || high >= SHARE_MAX * unit ||
        high < -SHARE_MAX * unit)
        return false;
    *sum = (fixed_sum)((unsigned __int128)high << 64 | low);
    return true;
}

static bool read_magnitude(struct wire_in *in, double *value)
{
    return wire_get_double(in, value) && isfinite(*value) && *value >= 0;
}

/* A slice with what comes with it. */
struct partial {
    int64_t round;
    const void *slice;
    double unit;
    struct exchange_shares shares;
};

/* Takes a PARTIAL message of `worker` apart, believing nothing. */
static bool read_partial(const struct exchange_plan *plan, unsigned worker, const void *data,
                         size_t bytes, struct partial *partial)
{
    struct wire_in in = wire_in(data, bytes);
    uint32_t fields;
    uint64_t kind, first, count;
    const void *filler;
    size_t filler_bytes, slice_bytes;
    if (!wire_get_array(&in, &fields) || fields != 15 || !wire_get_uint(&in, &kind) ||
        kind != MSG_PARTIAL || !wire_get_int(&in, &partial->round) || partial->round < 0 ||
        partial->round == INT64_MAX)
        return false;
    uint32_t phase = phase_of(plan, partial->round);
    return wire_get_uint(&in, &first) && first == slice_first(plan, phase, worker) &&
           wire_get_uint(&in, &count) && count == slice_count(plan, phase, worker) &&
           read_magnitude(&in, &partial->unit) && wire_get_bin(&in, &filler, &filler_bytes) &&
           wire_get_bin(&in, &partial->slice, &slice_bytes) &&
           slice_bytes == count * element_bytes(plan, partial->unit) &&
           (uintptr_t)partial->slice % RING_LINE == 0 && read_sum(&in, &partial->shares.change) &&
           read_sum(&in, &partial->shares.dangling) && read_sum(&in, &partial->shares.mass) &&
           read_magnitude(&in, &partial->shares.peak) &&
           read_magnitude(&in, &partial->shares.coarsest);
}

/* All slices of a round are of one unit. */
static bool is_of_its_round(const struct exchange *x, const struct partial *partial)
{
    return x->collected == 0 || partial->unit == x->units[phase_of(x->plan, x->collecting)];
}

/* The next unread partial of `worker`: 1, 0 if there is none, or -EBADMSG. */
static int next_partial(struct exchange *x, unsigned worker, struct partial *partial)
{
    const void *data;
    size_t bytes;
    switch (ring_read(&x->in[worker], &data, &bytes)) {
    case RING_OK:
        break;
    case RING_EMPTY:
        return 0;
    default:
        return -EBADMSG;
    }
    return read_partial(x->plan, worker, data, bytes, partial) ? 1 : -EBADMSG;
}

/* The next round's record has room, since more rounds fit than are in flight (see the top): unless
 * what others write of where they are is not so. Once there is room, there is until it is taken. */
static bool ring_has_room(struct exchange *x)
{
    uint32_t phase = phase_of(x->plan, x->round + 1);
    size_t bytes = record_bytes(x->plan, phase, x->slot);
    return ring_reserve(&x->out, bytes, &x->record) == RING_OK;
}

/* Finds the last round that a predecessor published in this slot's own ring. */
static int ring_attach(struct exchange *x)
{
    for (unsigned w = 0; w < x->plan->workers; w++) {
        struct ring *ring = ring_of(x->memory, x->plan, w);
        if (!ring_is_formatted(ring, ring_capacity(x->plan, w), x->plan->workers))
            return -EBADMSG;
        ring_reader_attach(&x->in[w], ring, x->slot);
    }
    ring_writer_attach(&x->out, ring_of(x->memory, x->plan, x->slot));
    struct ring_reader *own = &x->in[x->slot];
    struct partial partial;
    int found;
    while ((found = next_partial(x, x->slot, &partial)) == 1)
        x->round = partial.round;
    ring_reader_attach(own, own->ring, x->slot);
    return found < 0 || (x->round < 0 && !ring_has_room(x)) ? -EBADMSG : 0;
}

/* Collects round x->collecting of one worker, stepping over older ones: a predecessor killed while
 * it gave a round back may have done so in some rings and not in others. Those come before all that
 * has been collected. */
static int ring_collect(struct exchange *x, unsigned worker, struct partial *partial)
{
    for (;;) {
        uint64_t before = x->in[worker].next;
        bool first = before == x->in[worker].released;
        int found = next_partial(x, worker, partial);
        if (found == 0)
            return 0;
        if (found < 0 || partial->round > x->collecting ||
            (partial->round < x->collecting && !first) ||
            (partial->round == x->collecting && !is_of_its_round(x, partial))) {
            x->in[worker].next = before; /* to be found again: this look may be a publisher's */
            return -EBADMSG;
        }
        if (partial->round == x->collecting) {
            x->after[worker][phase_of(x->plan, partial->round)] = x->in[worker].next;
            return 1;
        }
        ring_release(&x->in[worker]);
    }
}

static void *ring_open(struct exchange *x)
{
    uint32_t phase = phase_of(x->plan, x->round + 1);
    MUST(ring_has_room(x)); /* exchange_attach() or exchange_ready() has looked */
    struct wire_out out;
    wire_out_fixed(&out, x->record, record_bytes(x->plan, phase, x->slot));
    wire_array(&out, 15);
    wire_uint(&out, MSG_PARTIAL);
    wire_int(&out, x->round + 1);
    wire_uint(&out, slice_first(x->plan, phase, x->slot));
    wire_uint(&out, slice_count(x->plan, phase, x->slot));
    wire_double(&out, x->unit);
    void *slice = wire_bin_aligned(&out, (size_t)slice_count(x->plan, phase, x->slot) *
                                             element_bytes(x->plan, x->unit));
    MUST(slice);
    x->record_bytes = out.bytes;
    return slice;
}

static void ring_send(struct exchange *x, const struct exchange_shares *shares)
{
    int64_t round = x->round + 1;
    uint32_t phase = phase_of(x->plan, round);
    struct wire_out out;
    wire_out_fixed(&out, x->record, record_bytes(x->plan, phase, x->slot));
    out.bytes = x->record_bytes;
    write_sum(&out, shares->change);
    write_sum(&out, shares->dangling);
    write_sum(&out, shares->mass);
    wire_double(&out, shares->peak);
    wire_double(&out, shares->coarsest);
    MUST(!out.failed);
    ring_stage(&x->out, out.bytes);
    ring_publish(&x->out);
    /* The phase's last round, for which this one stands from now on. Only now: a successor repeats
     * what is not published, and needs for it what the round was made from. */
    for (unsigned w = 0; w < x->plan->workers && round >= x->plan->phases; w++)
        ring_release_to(&x->in[w], x->after[w][phase]);
    x->bytes_sent += out.bytes;
}

/* --- Shared ---------------------------------------------------------------------------------- */

static void shared_attach(struct exchange *x)
{
    /* Own word: written by a predecessor that is dead, so nothing to order. */
    x->round = atomic_load_explicit(&progress_of(x->memory, x->slot)->round, memory_order_relaxed);
}

static int shared_collect(struct exchange *x, unsigned worker, struct partial *partial)
{
    struct progress *progress = progress_of(x->memory, worker);
    unsigned parity = parity_of(x->plan, x->collecting);
    uint32_t phase = phase_of(x->plan, x->collecting);
    /* Pairs with the store in shared_send(): whoever sees the round sees slice and shares. */
    if (atomic_load_explicit(&progress->round, memory_order_seq_cst) < x->collecting)
        return 0;
    partial->shares = progress->shares[parity][phase];
    partial->unit = progress->units[parity][phase];
    partial->slice = vector_of(x->memory, x->plan, x->collecting) +
                     slice_offset(x->plan, phase, worker, partial->unit);
    return is_of_its_round(x, partial) ? 1 : -EBADMSG;
}

static void shared_send(struct exchange *x, const struct exchange_shares *shares)
{
    struct progress *progress = progress_of(x->memory, x->slot);
    int64_t round = x->round + 1;
    uint32_t phase = phase_of(x->plan, round);
    progress->shares[parity_of(x->plan, round)][phase] = *shares;
    progress->units[parity_of(x->plan, round)][phase] = x->unit;
    /* Publishes slice and shares; pairs with the load in shared_collect(). Sequentially
     * consistent because bell_ring() follows: see bell.h. */
    atomic_store_explicit(&progress->round, round, memory_order_seq_cst);
    x->bytes_sent +=
        (uint64_t)slice_count(x->plan, phase, x->slot) * element_bytes(x->plan, x->unit);
}

/* --- Both ------------------------------------------------------------------------------------ */

static void begin_collecting(struct exchange *x, int64_t round)
{
    x->collecting = round;
    x->collected = 0;
    x->totals[phase_of(x->plan, round)] = (struct exchange_shares){0};
}

static void add_shares(struct exchange_shares *total, const struct exchange_shares *shares)
{
    total->change += shares->change;
    total->dangling += shares->dangling;
    total->mass += shares->mass;
    total->peak = shares->peak > total->peak ? shares->peak : total->peak;
    total->coarsest = shares->coarsest > total->coarsest ? shares->coarsest : total->coarsest;
}

static int collect(struct exchange *x, unsigned worker)
{
    uint32_t phase = phase_of(x->plan, x->collecting);
    struct partial partial;
    int found = x->plan->mode == EXCHANGE_SHARED ? shared_collect(x, worker, &partial)
                                                 : ring_collect(x, worker, &partial);
    if (found <= 0)
        return found;
    x->units[phase] = partial.unit;
    x->slices[worker][phase] = partial.slice;
    add_shares(&x->totals[phase], &partial.shares);
    x->collected |= UINT64_C(1) << worker;
    return 1;
}

/* What a predecessor had collected before it published its last round. */
static int collect_past(struct exchange *x)
{
    int64_t round = x->round - x->plan->phases + 1;
    for (round = round > 0 ? round : 0; round < x->round; round++) {
        begin_collecting(x, round);
        for (unsigned w = 0; w < x->plan->workers; w++) {
            if (collect(x, w) != 1)
                return -EBADMSG;
        }
    }
    if (x->round >= 0)
        begin_collecting(x, x->round);
    return 0;
}

/* Maps all of it at once, or every page costs a fault, in every process, while the others wait.
 * Where the kernel will not (before Linux 5.14), that is how it is. */
static void populate(void *memory, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = (uintptr_t)memory / page * page;
    const uintptr_t end = ((uintptr_t)memory + bytes + page - 1) / page * page;
    madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}

int exchange_attach(struct exchange *x, void *memory, const struct exchange_plan *plan,
                    unsigned slot, const struct bell *bells, struct fault *why)
{
    memset(x, 0, sizeof *x);
    x->plan = plan;
    x->slot = slot;
    x->round = -1;
    x->bells = bells;
    x->memory = memory;
    populate(memory, exchange_bytes(plan));
    int err = 0;
    if (plan->mode == EXCHANGE_SHARED)
        shared_attach(x);
    else
        err = ring_attach(x);
    if (!err)
        err = collect_past(x);
    if (err)
        return fault_set(why, -err, "worker %u: the exchange's shared state is broken", slot);
    return 0;
}

void *exchange_open(struct exchange *x, double unit)
{
    int64_t round = x->round + 1;
    x->unit = unit;
    if (x->plan->mode == EXCHANGE_SHARED)
        x->slice = vector_of(x->memory, x->plan, round) +
                   slice_offset(x->plan, phase_of(x->plan, round), x->slot, unit);
    else
        x->slice = ring_open(x);
    return x->slice;
}

void exchange_publish(struct exchange *x, struct exchange_shares shares)
{
    MUST(x->slice);
    if (x->plan->mode == EXCHANGE_SHARED)
        shared_send(x, &shares);
    else
        ring_send(x, &shares);
    x->slice = NULL;
    x->round++;
    begin_collecting(x, x->round);
    /* Whoever sleeps does so until a round is complete, so only the last to publish it wakes them:
     * any other wake-up is a switch for nothing. Rounds are published and looked at with seq_cst,
     * so of two that publish at once one sees both. */
    if (exchange_ready(x) == 0)
        return;
    for (unsigned w = 0; w < x->plan->workers; w++) {
        if (w != x->slot && bell_ring(&x->bells[w]))
            x->wakeups++;
    }
}

int exchange_ready(struct exchange *x)
{
    int all = 1;
    for (unsigned w = 0; w < x->plan->workers; w++) {
        if (x->collected >> w & 1)
            continue;
        /* ring_pending() is the sequentially consistent look; ring_read() may use a cached tail. */
        if (x->plan->mode == EXCHANGE_RING && !ring_pending(&x->in[w])) {
            all = 0;
            continue;
        }
        int found = collect(x, w);
        if (found < 0)
            return found;
        if (!found)
            all = 0;
    }
    if (all && x->plan->mode == EXCHANGE_RING && !ring_has_room(x))
        return -EBADMSG;
    return all;
}

const void *exchange_slice(const struct exchange *x, unsigned worker, uint32_t phase)
{
    return x->slices[worker][phase];
}

double exchange_unit(const struct exchange *x, uint32_t phase)
{
    return x->units[phase];
}

struct exchange_shares exchange_total(const struct exchange *x)
{
    struct exchange_shares total = {0};
    for (uint32_t phase = 0; phase < x->plan->phases; phase++)
        add_shares(&total, &x->totals[phase]);
    return total;
}

void *exchange_scores(const struct exchange *x, int64_t iteration)
{
    return x->memory + carrier_bytes(x->plan) + (iteration & 1 ? scores_bytes(x->plan) : 0);
}
