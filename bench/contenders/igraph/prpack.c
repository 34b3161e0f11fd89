/* SPDX-License-Identifier: MIT
 *
 * igraph_pagerank() on a CSR file: prpack GRAPH.csr DAMPING answers commands, as
 * bench/contenders/common.py has them. Any tolerance is the same to it: the result is exact.
 */
#include <igraph/igraph.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void read_or_die(void *to, size_t size, size_t count, FILE *in)
{
    if (!to || fread(to, size, count, in) != count) {
        fprintf(stderr, "igraph: the graph is cut short\n");
        exit(1);
    }
}

static void load(igraph_t *graph, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        exit(1);
    }
    char magic[8];
    uint64_t header[3];
    read_or_die(magic, 1, 8, in);
    read_or_die(header, sizeof *header, 3, in);
    uint64_t n = header[0], m = header[1], edge = 0;
    uint64_t *offsets = malloc((n + 1) * sizeof *offsets);
    uint32_t *targets = malloc((m ? m : 1) * sizeof *targets);
    read_or_die(offsets, sizeof *offsets, n + 1, in);
    read_or_die(targets, sizeof *targets, m, in);
    fclose(in);
    igraph_vector_int_t edges;
    igraph_vector_int_init(&edges, (igraph_integer_t)(2 * m));
    for (uint64_t v = 0; v < n; v++)
        for (; edge < offsets[v + 1]; edge++) {
            VECTOR(edges)[2 * edge] = (igraph_integer_t)v;
            VECTOR(edges)[2 * edge + 1] = (igraph_integer_t)targets[edge];
        }
    igraph_create(graph, &edges, (igraph_integer_t)n, IGRAPH_DIRECTED);
    igraph_vector_int_destroy(&edges);
    free(offsets);
    free(targets);
}

static void write_scores(const igraph_vector_t *scores, const char *path)
{
    FILE *out = fopen(path, "wb");
    size_t count = (size_t)igraph_vector_size(scores);
    if (!out || fwrite(VECTOR(*scores), sizeof(double), count, out) != count || fclose(out)) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    double before = now(), damping = strtod(argv[2], NULL);
    char line[8192];
    igraph_t graph;
    load(&graph, argv[1]);
    igraph_vector_t scores;
    igraph_vector_init(&scores, 0);
    printf("{\"load_s\": %.6f}\n", now() - before);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "run ", 4) == 0) {
            before = now();
            igraph_pagerank(&graph, IGRAPH_PAGERANK_ALGO_PRPACK, &scores, NULL, igraph_vss_all(),
                            IGRAPH_DIRECTED, damping, NULL, NULL);
            printf("{\"run_s\": %.9f}\n", now() - before);
        } else if (strncmp(line, "scores ", 7) == 0) {
            write_scores(&scores, line + 7);
            printf("{}\n");
        } else {
            fprintf(stderr, "no such command: %s\n", line);
            return 2;
        }
        fflush(stdout);
    }
    igraph_vector_destroy(&scores);
    igraph_destroy(&graph);
    return 0;
}
