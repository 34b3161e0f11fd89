// SPDX-License-Identifier: MIT
//
// A main around one of GAPBS's PageRank kernels (KERNEL of KERNEL_SOURCE), which are included as
// they are: with -f GRAPH and -i ITERATIONS it answers commands, as bench/contenders/common.py has
// them. Scores are written divided by their sum: GAPBS lets the mass of dangling vertices go.
#define main gapbs_main
#include KERNEL_SOURCE
#undef main

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

static bool write_scores(const pvector<ScoreT> &scores, const char *path)
{
    double sum = 0;
    for (ScoreT score : scores)
        sum += score;
    FILE *out = fopen(path, "wb");
    bool written = out != nullptr;
    for (ScoreT score : scores) {
        double exact = score / sum;
        written = written && fwrite(&exact, sizeof exact, 1, out) == 1;
    }
    return out && fclose(out) == 0 && written;
}

int main(int argc, char *argv[])
{
    CLPageRank options(argc, argv, "pagerank", 1e-4, 20);
    if (!options.ParseArgs())
        return 2;
    Builder builder(options);
    Graph graph = builder.MakeGraph();
    pvector<ScoreT> scores;
    std::string line;
    printf("{\"vertices\": %lld}\n", static_cast<long long>(graph.num_nodes()));
    fflush(stdout);
    while (std::getline(std::cin, line)) {
        if (line.rfind("run ", 0) == 0) {
            double tolerance = strtod(line.c_str() + 4, nullptr);
            auto before = std::chrono::steady_clock::now();
            scores = KERNEL(graph, options.max_iters(), tolerance, false);
            std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
            printf("{\"run_s\": %.9f}\n", took.count());
        } else if (line.rfind("scores ", 0) == 0) {
            if (!write_scores(scores, line.c_str() + 7)) {
                perror(line.c_str() + 7);
                return 1;
            }
            printf("{}\n");
        } else {
            fprintf(stderr, "no such command: %s\n", line.c_str());
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
