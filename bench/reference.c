/* SPDX-License-Identifier: MIT
 *
 * What every contender is checked against, written to be obviously right and nothing else: edge
 * lists made canonical (no self-links, no repeats, no vertex without an edge), and PageRank in
 * double precision by pushing along the links, one thread. docs/contenders.md has the formats.
 *
 *   reference convert EDGES OUT.csr OUT.el           two integers a line, '#' begins a comment
 *   reference rank GRAPH.csr ITERATIONS DAMPING OUT  0 iterations: until nothing moves any more
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC          "FLKCSR1\n"
#define LIMIT_CHANGE   1e-15
#define LIMIT_MAX      2000
#define VERTEX_ID_MAX  UINT32_C(0xfffffffe)
#define VERTEX_MISSING UINT32_MAX

struct graph {
    uint64_t n, m, dangling;
    uint64_t *offsets; /* [n + 1], out-links */
    uint32_t *targets; /* [m], ascending within a vertex */
};

struct edge {
    uint32_t source, target;
};

static void die(const char *what, const char *path)
{
    fprintf(stderr, "reference: %s: ", what);
    perror(path);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("no memory", "");
    return memory;
}

static struct edge *read_edges(const char *path, size_t *count)
{
    FILE *in = fopen(path, "r");
    if (!in)
        die("cannot read", path);
    size_t room = 1 << 20, used = 0, line_number = 0, line_room = 0;
    struct edge *edges = allocate(room, sizeof *edges);
    char *line = NULL;
    while (getline(&line, &line_room, in) >= 0) {
        line_number++;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *end, *rest;
        unsigned long long source = strtoull(line, &end, 10), target = strtoull(end, &rest, 10);
        if (end == line || rest == end || source > VERTEX_ID_MAX || target > VERTEX_ID_MAX) {
            fprintf(stderr, "reference: %s:%zu: not two vertex numbers\n", path, line_number);
            exit(1);
        }
        if (source == target)
            continue;
        if (used == room) {
            struct edge *more = realloc(edges, (room *= 2) * sizeof *edges);
            if (!more)
                die("no memory for", path);
            edges = more;
        }
        edges[used++] = (struct edge){(uint32_t)source, (uint32_t)target};
    }
    free(line);
    fclose(in);
    *count = used;
    return edges;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Numbers the vertices that have edges anew, without gaps, in their old order. */
static uint64_t renumber(struct edge *edges, size_t count)
{
    uint32_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        highest = edges[i].source > highest ? edges[i].source : highest;
        highest = edges[i].target > highest ? edges[i].target : highest;
    }
    uint32_t *number = allocate((size_t)highest + 1, sizeof *number);
    for (size_t i = 0; i < count; i++)
        number[edges[i].source] = number[edges[i].target] = 1;
    uint32_t n = 0;
    for (size_t v = 0; v <= highest; v++)
        number[v] = number[v] ? n++ : VERTEX_MISSING;
    for (size_t i = 0; i < count; i++)
        edges[i] = (struct edge){number[edges[i].source], number[edges[i].target]};
    free(number);
    return count ? n : 0;
}

static struct graph graph_from(const struct edge *edges, size_t count, uint64_t n)
{
    struct graph g = {.n = n,
                      .offsets = allocate(n + 1, sizeof *g.offsets),
                      .targets = allocate(count, sizeof *g.targets)};
    uint64_t *next = allocate(n + 1, sizeof *next);
    for (size_t i = 0; i < count; i++)
        next[edges[i].source + 1]++;
    for (uint64_t v = 0; v < n; v++)
        next[v + 1] += next[v];
    uint64_t *begin = allocate(n + 1, sizeof *begin);
    memcpy(begin, next, (n + 1) * sizeof *begin);
    for (size_t i = 0; i < count; i++)
        g.targets[next[edges[i].source]++] = edges[i].target;
    for (uint64_t v = 0; v < n; v++) {
        uint32_t *row = g.targets + begin[v];
        size_t length = begin[v + 1] - begin[v];
        qsort(row, length, sizeof *row, by_number);
        g.offsets[v] = g.m;
        for (size_t i = 0; i < length; i++)
            if (i == 0 || row[i] != g.targets[g.m - 1])
                g.targets[g.m++] = row[i];
        g.dangling += g.m == g.offsets[v];
    }
    g.offsets[n] = g.m;
    free(begin);
    free(next);
    return g;
}

static void write_all(FILE *out, const void *bytes, size_t size, size_t count, const char *path)
{
    if (fwrite(bytes, size, count, out) != count)
        die("cannot write", path);
}

static void convert(const char *in_path, const char *csr_path, const char *edges_path)
{
    size_t count;
    struct edge *edges = read_edges(in_path, &count);
    uint64_t n = renumber(edges, count);
    struct graph g = graph_from(edges, count, n);
    free(edges);

    FILE *out = fopen(csr_path, "wb");
    if (!out)
        die("cannot write", csr_path);
    uint64_t header[] = {g.n, g.m, g.dangling};
    write_all(out, MAGIC, 1, 8, csr_path);
    write_all(out, header, sizeof *header, 3, csr_path);
    write_all(out, g.offsets, sizeof *g.offsets, g.n + 1, csr_path);
    write_all(out, g.targets, sizeof *g.targets, g.m, csr_path);
    if (fclose(out))
        die("cannot write", csr_path);

    out = fopen(edges_path, "w");
    if (!out)
        die("cannot write", edges_path);
    for (uint64_t v = 0; v < g.n; v++)
        for (uint64_t i = g.offsets[v]; i < g.offsets[v + 1]; i++)
            fprintf(out, "%" PRIu64 " %" PRIu32 "\n", v, g.targets[i]);
    if (fclose(out))
        die("cannot write", edges_path);
    free(g.offsets);
    free(g.targets);
}

static struct graph load(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        die("cannot read", path);
    char magic[8];
    uint64_t header[3];
    if (fread(magic, 1, 8, in) != 8 || memcmp(magic, MAGIC, 8) != 0 ||
        fread(header, sizeof *header, 3, in) != 3)
        die("not a CSR file", path);
    struct graph g = {.n = header[0], .m = header[1], .dangling = header[2]};
    g.offsets = allocate(g.n + 1, sizeof *g.offsets);
    g.targets = allocate(g.m, sizeof *g.targets);
    if (fread(g.offsets, sizeof *g.offsets, g.n + 1, in) != g.n + 1 ||
        fread(g.targets, sizeof *g.targets, g.m, in) != g.m)
        die("cut short", path);
    fclose(in);
    return g;
}

static void rank(const char *path, unsigned iterations, double damping, const char *out_path)
{
    struct graph g = load(path);
    double *x = allocate(g.n, sizeof *x), *y = allocate(g.n, sizeof *y);
    for (uint64_t v = 0; v < g.n; v++)
        x[v] = 1.0 / (double)g.n;
    for (unsigned round = 0; round < (iterations ? iterations : LIMIT_MAX); round++) {
        double dangling = 0, change = 0;
        for (uint64_t v = 0; v < g.n; v++)
            if (g.offsets[v] == g.offsets[v + 1])
                dangling += x[v];
        double base = (1 - damping + damping * dangling) / (double)g.n;
        for (uint64_t v = 0; v < g.n; v++)
            y[v] = base;
        for (uint64_t v = 0; v < g.n; v++) {
            double share = damping * x[v] / (double)(g.offsets[v + 1] - g.offsets[v]);
            for (uint64_t i = g.offsets[v]; i < g.offsets[v + 1]; i++)
                y[g.targets[i]] += share;
        }
        for (uint64_t v = 0; v < g.n; v++)
            change += fabs(y[v] - x[v]);
        double *swap = x;
        x = y;
        y = swap;
        if (!iterations && change < LIMIT_CHANGE)
            break;
    }
    FILE *out = fopen(out_path, "wb");
    if (!out)
        die("cannot write", out_path);
    write_all(out, x, sizeof *x, g.n, out_path);
    if (fclose(out))
        die("cannot write", out_path);
    free(x);
    free(y);
    free(g.offsets);
    free(g.targets);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "convert") == 0)
        convert(argv[2], argv[3], argv[4]);
    else if (argc == 6 && strcmp(argv[1], "rank") == 0)
        rank(argv[2], (unsigned)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL), argv[5]);
    else {
        fprintf(stderr, "usage: reference convert EDGES OUT.csr OUT.el\n"
                        "       reference rank GRAPH.csr ITERATIONS DAMPING OUT.f64\n");
        return 2;
    }
    return 0;
}
