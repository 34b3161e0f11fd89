/* SPDX-License-Identifier: MIT
 *
 * An exchange over rings of which one worker is honest, and the other writes what it likes into all
 * that both can write. The input is a plan and a program of steps of the honest worker (0), of the
 * other (1), of successors of both: rounds as they should be, PARTIAL messages with any fields, and
 * changed cursors, headers and bytes. Whatever those are, slices that the honest worker is given
 * lie aligned within their rings and are as long as the plan says, and it goes on or is refused; as
 * long as nobody lied, slices and sums are what was published.
 */
#include "tests/fuzz/fuzz.h"

#include "ipc/exchange.h"
#include "ipc/msg.h"

#include <math.h>
#include <sys/eventfd.h>

#define WORKERS    2
#define PHASES_MAX 4
#define ROWS_MAX   24
#define TAIL_AT    64 /* ring.c has the byte diagram */
#define HEADS_AT   128

struct run {
    struct fuzz_in in;
    struct exchange_plan plan;
    unsigned char *memory;
    size_t bytes;
    struct exchange slot[WORKERS];
    struct ring_writer liar[WORKERS]; /* into each one's ring */
    bool hostile;                     /* something was changed */
    bool refused[WORKERS];            /* who was told so */
    unsigned sum;
};

static struct bell_word words[WORKERS];
static struct bell bells[WORKERS];

static struct exchange_plan read_plan(struct fuzz_in *in)
{
    struct exchange_plan plan = {.mode = EXCHANGE_RING, .workers = WORKERS};
    plan.phases = 1 + (uint32_t)fuzz_uint(in, 1) % PHASES_MAX;
    plan.element_bytes = fuzz_uint(in, 1) % 2 ? 8 : 4;
    plan.rows = (uint32_t)fuzz_uint(in, 1) % (ROWS_MAX + 1);
    plan.sources = (uint32_t)fuzz_uint(in, 1) % (plan.rows + 1);
    for (uint32_t phase = 0, row = 0; phase < plan.phases; phase++) {
        plan.bounds[phase][0] = row;
        for (unsigned w = 1; w <= WORKERS; w++)
            plan.bounds[phase][w] = row += (uint32_t)fuzz_uint(in, 1) % (plan.rows - row + 1);
    }
    return plan;
}

/* What a slot publishes in a round, if it is honest. */
static unsigned char content_of(unsigned slot, int64_t round)
{
    return (unsigned char)(round * 2 + slot + 1);
}

static struct exchange_shares shares_of(unsigned slot, int64_t round)
{
    return (struct exchange_shares){.change = fixed_from_double(0.25 * slot),
                                    .dangling = round,
                                    .mass = fixed_from_double(1) - round,
                                    .peak = (double)(round % 3 + slot),
                                    .coarsest = (double)(round % 5) * 0.5};
}

static double unit_of(int64_t round)
{
    return round % 4 < 2 ? 0 : 0.125 * (double)round;
}

static size_t element_bytes(const struct exchange_plan *plan, double unit)
{
    return unit > 0 ? sizeof(uint16_t) : plan->element_bytes;
}

static uint32_t slice_rows(const struct exchange_plan *plan, unsigned slot, uint32_t phase)
{
    uint32_t first = plan->bounds[phase][slot], end = plan->bounds[phase][slot + 1];
    return (end < plan->sources ? end : plan->sources) -
           (first < plan->sources ? first : plan->sources);
}

static void attach(struct run *run, unsigned slot)
{
    struct fault why;
    int err = exchange_attach(&run->slot[slot], run->memory, &run->plan, slot, bells, &why);
    MUST(err == 0 || (err == -EBADMSG && run->hostile));
    run->refused[slot] = err != 0;
}

/* Everything that is given can be read, and is right if nobody lied. */
static void check_slices(struct run *run, struct exchange *x)
{
    struct exchange_shares total = exchange_total(x), expected = {0};
    for (uint32_t phase = 0; phase < run->plan.phases; phase++) {
        if (x->round < phase)
            continue; /* not there yet */
        int64_t round = x->round - (x->round - phase) % run->plan.phases;
        for (unsigned w = 0; w < WORKERS; w++) {
            const unsigned char *slice = exchange_slice(x, w, phase);
            double unit = exchange_unit(x, phase);
            MUST(unit >= 0 && (run->hostile || unit == unit_of(round)));
            size_t bytes = slice_rows(&run->plan, w, phase) * element_bytes(&run->plan, unit);
            MUST(slice >= run->memory && bytes <= run->bytes &&
                 slice + bytes <= run->memory + run->bytes);
            MUST((uintptr_t)slice % RING_LINE == 0);
            for (size_t i = 0; i < bytes; i++) {
                run->sum += slice[i];
                MUST(run->hostile || slice[i] == content_of(w, round));
            }
            struct exchange_shares shares = shares_of(w, round);
            expected.change += shares.change;
            expected.dangling += shares.dangling;
            expected.mass += shares.mass;
            expected.peak = shares.peak > expected.peak ? shares.peak : expected.peak;
            if (shares.coarsest > expected.coarsest)
                expected.coarsest = shares.coarsest;
        }
    }
    MUST(run->hostile || (total.change == expected.change && total.dangling == expected.dangling &&
                          total.mass == expected.mass && total.peak == expected.peak &&
                          total.coarsest == expected.coarsest));
    MUST(total.peak >= 0 && total.coarsest >= 0);
}

/* The next round of an honest worker, if all have published the last one. */
static void advance(struct run *run, unsigned slot)
{
    struct exchange *x = &run->slot[slot];
    int ready = x->round < 0 ? 1 : exchange_ready(x);
    MUST(ready >= 0 || (ready == -EBADMSG && run->hostile));
    run->refused[slot] = ready < 0;
    if (ready != 1)
        return;
    if (x->round >= 0)
        check_slices(run, x);
    int64_t round = x->round + 1;
    void *slice = exchange_open(x, unit_of(round));
    memset(slice, content_of(slot, round),
           slice_rows(&run->plan, slot, (uint32_t)(round % run->plan.phases)) *
               element_bytes(&run->plan, unit_of(round)));
    exchange_publish(x, shares_of(slot, round));
}

static void write_int(struct run *run, struct wire_out *out, int64_t right)
{
    unsigned how = (unsigned)fuzz_uint(&run->in, 1);
    switch (how % 8) {
    case 1:
        right = (int64_t)fuzz_uint(&run->in, 8);
        break;
    case 2:
        right = (int64_t)((uint64_t)right + (uint64_t)(int8_t)fuzz_uint(&run->in, 1));
        break;
    case 3:
        right = how & 8 ? INT64_MAX : INT64_MIN;
    }
    wire_int(out, right);
}

/* Returns what it wrote. */
static double write_magnitude(struct run *run, struct wire_out *out, double right)
{
    static const double wrong[] = {0, 1e-300, 1e300, INFINITY, -1, NAN};
    unsigned how = (unsigned)fuzz_uint(&run->in, 1);
    if (how % 4 == 1)
        right = wrong[how / 4 % (sizeof wrong / sizeof wrong[0])];
    wire_double(out, right);
    return right;
}

/* A PARTIAL message of either slot's ring, with any fields; or any bytes. */
static void lie(struct run *run)
{
    unsigned how = (unsigned)fuzz_uint(&run->in, 1), slot = how / 2 % WORKERS;
    struct ring_writer writer = run->liar[slot];
    void *record;
    run->hostile = true;
    memcpy(&writer.tail, (unsigned char *)writer.ring + TAIL_AT, sizeof writer.tail);
    writer.published = writer.tail;
    writer.head_cached = writer.tail - writer.capacity;
    size_t bytes = 192 + ROWS_MAX * sizeof(double);
    if (ring_reserve(&writer, bytes, &record) != RING_OK)
        return;
    struct wire_out out;
    wire_out_fixed(&out, record, bytes);
    if (how & 1) {
        size_t length = fuzz_uint(&run->in, 1);
        const uint8_t *raw = fuzz_bytes(&run->in, &length);
        wire_raw(&out, raw, length);
    } else {
        int64_t round = (int64_t)((uint64_t)run->slot[0].round + fuzz_uint(&run->in, 1) % 4 - 1);
        uint32_t phase = (uint32_t)((round > 0 ? round : 0) % run->plan.phases);
        uint32_t first = run->plan.bounds[phase][slot];
        wire_array(&out, 15);
        write_int(run, &out, MSG_PARTIAL);
        write_int(run, &out, round);
        write_int(run, &out, first < run->plan.sources ? first : run->plan.sources);
        write_int(run, &out, slice_rows(&run->plan, slot, phase));
        double unit = write_magnitude(run, &out, unit_of(round > 0 ? round : 0));
        size_t length =
            slice_rows(&run->plan, slot, phase) * element_bytes(&run->plan, unit) + (how & 4);
        if (how & 8)
            wire_bin(&out, "filler", how % 7);
        if (how & 8)
            wire_bin(&out, run->memory, length);
        else
            memset(wire_bin_aligned(&out, length), 0x5a, length);
        for (unsigned i = 0; i < 6; i++)
            write_int(run, &out, 0);
        write_magnitude(run, &out, 1);
        write_magnitude(run, &out, 0.5);
    }
    ring_stage(&writer, out.failed ? bytes : out.bytes);
    ring_publish(&writer);
}

/* A word near a cursor or a header, or bytes anywhere. */
static void change(struct run *run)
{
    unsigned how = (unsigned)fuzz_uint(&run->in, 1);
    const struct ring_reader *reader = &run->slot[0].in[how / 4 % WORKERS];
    unsigned char *ring = (unsigned char *)reader->ring;
    run->hostile = true;
    if (how % 4 == 3) {
        size_t at = fuzz_uint(&run->in, 2) % run->bytes, length = fuzz_uint(&run->in, 1) % 24;
        const uint8_t *bytes = fuzz_bytes(&run->in, &length);
        memcpy(run->memory + at, bytes, length < run->bytes - at ? length : run->bytes - at);
        return;
    }
    unsigned char *at =
        how % 4 == 0   ? ring + TAIL_AT
        : how % 4 == 1 ? ring + HEADS_AT + (size_t)(how / 8 % WORKERS) * RING_LINE
                       : reader->data + reader->next % reader->capacity / RING_LINE * RING_LINE;
    size_t length = 1 + fuzz_uint(&run->in, 1) % 16;
    const uint8_t *bytes = fuzz_bytes(&run->in, &length);
    for (size_t i = 0; i < length; i++)
        at[i] += bytes[i];
}

static void step(struct run *run)
{
    unsigned op = (unsigned)fuzz_uint(&run->in, 1), slot = op / 8 % WORKERS;
    switch (op % 8) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (!run->refused[slot])
            advance(run, slot);
        break;
    case 4:
        attach(run, slot);
        break;
    case 5:
    case 6:
        lie(run);
        break;
    default:
        change(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!bells[0].word) {
        for (unsigned w = 0; w < WORKERS; w++)
            MUST(bell_open(&bells[w], &words[w]) == 0);
    }
    static struct run run;
    run = (struct run){.in = {data, data + size}};
    run.plan = read_plan(&run.in);
    run.bytes = exchange_bytes(&run.plan);
    MUST(posix_memalign((void **)&run.memory, RING_LINE, run.bytes) == 0);
    memset(run.memory, 0, run.bytes);
    exchange_format(run.memory, &run.plan);
    for (unsigned w = 0; w < WORKERS; w++)
        attach(&run, w);
    for (unsigned w = 0; w < WORKERS; w++)
        run.liar[w] = run.slot[w].out;
    while (fuzz_left(&run.in) > 0 && !run.refused[0])
        step(&run);
    free(run.memory);
    return 0;
}
