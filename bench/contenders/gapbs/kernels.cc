// SPDX-License-Identifier: MIT
//
// A main around one of GAPBS's PageRank kernels (KERNEL of KERNEL_SOURCE), which are included as
// they are: repeats it, prints {"seconds": [...], "phases": {}} and writes the scores as doubles,
// divided by their sum (GAPBS lets the mass of dangling vertices go).
#define main gapbs_main
#include KERNEL_SOURCE
#undef main

#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int argc, char *argv[])
{
    CLPageRank options(argc, argv, "pagerank", 1e-4, 20);
    if (!options.ParseArgs())
        return 2;
    Builder builder(options);
    Graph graph = builder.MakeGraph();
    long warmups = atol(getenv("BENCH_WARMUPS")), repetitions = atol(getenv("BENCH_REPETITIONS"));
    pvector<ScoreT> scores;
    std::vector<double> seconds;
    for (long i = -warmups; i < repetitions; i++) {
        auto before = std::chrono::steady_clock::now();
        scores = KERNEL(graph, options.max_iters(), options.tolerance(), false);
        std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
        if (i >= 0)
            seconds.push_back(took.count());
    }
    double sum = 0;
    for (ScoreT score : scores)
        sum += score;
    FILE *out = fopen(getenv("BENCH_SCORES"), "wb");
    bool written = out != nullptr;
    for (ScoreT score : scores) {
        double exact = score / sum;
        written = written && fwrite(&exact, sizeof exact, 1, out) == 1;
    }
    if (!written || fclose(out) != 0) {
        perror(getenv("BENCH_SCORES"));
        return 1;
    }
    printf("\n{\"phases\": {}, \"seconds\": [");
    for (size_t i = 0; i < seconds.size(); i++)
        printf("%s%.9f", i ? ", " : "", seconds[i]);
    printf("]}\n");
    return 0;
}
