/* SPDX-License-Identifier: MIT
 *
 * igraph's PRPACK on an edge list, behind the commands of bench/pagerank.py: "run TOLERANCE FILE"
 * (it knows no tolerance: the result is exact), one line of JSON, the scores in FILE.
 */
#include <igraph.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void load(igraph_t *graph, const char *path)
{
    igraph_vector_int_t edges;
    long source, target, most = 0;
    char line[256];
    FILE *file = fopen(path, "r");
    if (!file)
        exit(1);
    igraph_vector_int_init(&edges, 0);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%ld %ld", &source, &target) != 2)
            continue;
        igraph_vector_int_push_back(&edges, source);
        igraph_vector_int_push_back(&edges, target);
        most = source > most ? source : most;
        most = target > most ? target : most;
    }
    fclose(file);
    igraph_create(graph, &edges, most + 1, IGRAPH_DIRECTED);
    igraph_vector_int_destroy(&edges);
}

int main(int argc, char **argv)
{
    igraph_t graph;
    igraph_vector_t scores;
    igraph_real_t value;
    double tolerance;
    char path[4096];
    if (argc != 2)
        return 1;
    load(&graph, argv[1]);
    igraph_vector_init(&scores, 0);
    printf("{\"vertices\": %lld}\n", (long long)igraph_vcount(&graph));
    fflush(stdout);
    while (scanf(" run %lf %4095s", &tolerance, path) == 2) {
        const double start = now_s();
        igraph_pagerank(&graph, IGRAPH_PAGERANK_ALGO_PRPACK, &scores, &value, igraph_vss_all(), 1,
                        0.85, NULL, NULL);
        const double seconds = now_s() - start;
        FILE *file = fopen(path, "wb");
        for (igraph_integer_t v = 0; file && v < igraph_vector_size(&scores); v++) {
            const float score = (float)VECTOR(scores)[v];
            fwrite(&score, sizeof score, 1, file);
        }
        if (file)
            fclose(file);
        printf("{\"run_s\": %.6f}\n", seconds);
        fflush(stdout);
    }
    return 0;
}
