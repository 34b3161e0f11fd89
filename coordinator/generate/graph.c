/* SPDX-License-Identifier: MIT
 *
 * Graphs of the GAP benchmark suite as edge lists: Kronecker and uniform. Edges are drawn and
 * written one by one; nothing is kept, so that memory does not grow with the graph.
 */
#include "coordinator/generate/generate.h"
#include "coordinator/generate/rng.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SCALE_MAX    28
#define NUMBER_BYTES ((size_t)9) /* of 2^28 - 1 */
#define EDGE_BYTES   (4 * (NUMBER_BYTES + 1))
#define BUFFER_BYTES ((size_t)1 << 18)

/* Graph500's initiator in 65,536ths: A = .57, then B = .19, C = .19, D = .05. */
enum { CUT_A = 37356, CUT_B = CUT_A + 12452, CUT_C = CUT_B + 12452 };

struct edge {
    uint32_t source, target;
};

/* A bijection on [0, 2^scale) that hides the Kronecker order of the vertices: odd multipliers and
 * right-shifts with exclusive or are each invertible. A table would cost 4 bytes a vertex. */
struct shuffle {
    uint32_t mask;
    unsigned shift;
    uint32_t add[3], multiply[3];
};

static void shuffle_init(struct shuffle *shuffle, unsigned scale, struct rng *rng)
{
    shuffle->mask = (UINT32_C(1) << scale) - 1;
    shuffle->shift = (scale + 1) / 2;
    for (int i = 0; i < 3; i++) {
        shuffle->add[i] = (uint32_t)rng_next(rng);
        shuffle->multiply[i] = (uint32_t)rng_next(rng) | 1;
    }
}

static uint32_t shuffle_vertex(const struct shuffle *shuffle, uint32_t v)
{
    for (int i = 0; i < 3; i++) {
        v = ((v + shuffle->add[i]) * shuffle->multiply[i]) & shuffle->mask;
        v ^= v >> shuffle->shift;
    }
    return v;
}

static struct edge kronecker_edge(struct rng *rng, unsigned scale, const struct shuffle *shuffle)
{
    uint32_t source = 0, target = 0;
    uint64_t bits = 0;
    for (unsigned level = 0; level < scale; level++, bits >>= 16) {
        if (level % 4 == 0)
            bits = rng_next(rng);
        uint32_t draw = bits & 0xffff;
        /* Quadrants A, B, C, D are 00, 01, 10, 11 of (source bit, target bit). */
        uint32_t down = draw >= CUT_B;
        uint32_t right = (draw >= CUT_A && draw < CUT_B) || draw >= CUT_C;
        source = source << 1 | down;
        target = target << 1 | right;
    }
    return (struct edge){shuffle_vertex(shuffle, source), shuffle_vertex(shuffle, target)};
}

static struct edge uniform_edge(struct rng *rng, unsigned scale)
{
    uint64_t bits = rng_next(rng);
    return (struct edge){(uint32_t)(bits >> (64 - scale)),
                         (uint32_t)bits & ((UINT32_C(1) << scale) - 1)};
}

static size_t format_number(uint32_t number, char out[static NUMBER_BYTES])
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    char digits[NUMBER_BYTES + 1];
    size_t at = sizeof digits;
    while (number >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + (size_t)2 * (number % 100), 2);
        number /= 100;
    }
    if (number > 0 || at == sizeof digits)
        digits[--at] = (char)('0' + number);
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

/* Both directions of an edge, from its ends' digits. */
static size_t format_edge(char *out, const char *source, size_t source_bytes, const char *target,
                          size_t target_bytes)
{
    char *at = out;
    at = mempcpy(at, source, source_bytes);
    *at++ = ' ';
    at = mempcpy(at, target, target_bytes);
    *at++ = '\n';
    at = mempcpy(at, target, target_bytes);
    *at++ = ' ';
    at = mempcpy(at, source, source_bytes);
    *at++ = '\n';
    return (size_t)(at - out);
}

static int write_failed(struct fault *why)
{
    return fault_set(why, EIO, "cannot write the generated graph: %s",
                     strerror(errno ? errno : EIO));
}

static int check_recipe(const struct graph_recipe *recipe, struct fault *why)
{
    if (recipe->family != GRAPH_KRONECKER && recipe->family != GRAPH_UNIFORM)
        return fault_set(why, EINVAL, "no such graph family: %d", (int)recipe->family);
    if (recipe->scale < 1 || recipe->scale > SCALE_MAX)
        return fault_set(why, EINVAL, "scale %u is not between 1 and %d", recipe->scale, SCALE_MAX);
    if (recipe->edge_factor < 1)
        return fault_set(why, EINVAL, "edge factor 0: a graph needs at least one edge");
    return 0;
}

int generate_graph(const struct graph_recipe *recipe, FILE *out, struct fault *why)
{
    int err = check_recipe(recipe, why);
    if (err)
        return err;
    unsigned scale = recipe->scale;
    bool kronecker = recipe->family == GRAPH_KRONECKER;
    struct rng rng;
    rng_init(&rng, recipe->seed);
    struct shuffle shuffle;
    shuffle_init(&shuffle, scale, &rng);

    errno = 0;
    uint64_t edges = (uint64_t)recipe->edge_factor << scale;
    if (fprintf(out,
                "# %s, 2^%u vertices, %" PRIu64 " undirected edges, seed %" PRIu64 "\n"
                "# source target; each edge in both directions; self-loops and repeats as drawn\n",
                kronecker ? "Kronecker graph (A, B, C = .57, .19, .19)" : "uniform random graph",
                scale, edges, recipe->seed) < 0)
        return write_failed(why);

    char *buffer = malloc(BUFFER_BYTES);
    if (!buffer)
        return fault_set(why, ENOMEM, "no memory for a buffer of %zu bytes", BUFFER_BYTES);
    size_t used = 0;
    for (uint64_t i = 0; i < edges && !err; i++) {
        struct edge edge =
            kronecker ? kronecker_edge(&rng, scale, &shuffle) : uniform_edge(&rng, scale);
        char source[NUMBER_BYTES], target[NUMBER_BYTES];
        used += format_edge(buffer + used, source, format_number(edge.source, source), target,
                            format_number(edge.target, target));
        if (used > BUFFER_BYTES - EDGE_BYTES || i + 1 == edges) {
            if (fwrite(buffer, 1, used, out) != used)
                err = write_failed(why);
            used = 0;
        }
    }
    free(buffer);
    if (!err && fflush(out))
        err = write_failed(why);
    return err;
}
