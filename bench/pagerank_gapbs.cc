/* SPDX-License-Identifier: MIT
 *
 * The GAP benchmark suite's PageRank behind the commands of bench/pagerank.py: "run TOLERANCE FILE"
 * computes, answers with one line of JSON and leaves the scores in FILE. Compiled against a folder
 * of theirs, with KERNEL naming one of its files.
 */
#define main gapbs_main
#include KERNEL
#undef main

#include <cstdio>

#ifdef GAUSS_SEIDEL
#define COMPUTE PageRankPullGS
#else
#define COMPUTE PageRankPull
#endif

int main(int argc, char *argv[])
{
    CLPageRank cli(argc, argv, "pagerank", 1e-4, 20);
    if (!cli.ParseArgs())
        return 1;
    Builder builder(cli);
    Graph graph = builder.MakeGraph();
    double tolerance;
    char path[4096];
    std::printf("{\"vertices\": %lld}\n", static_cast<long long>(graph.num_nodes()));
    std::fflush(stdout);
    while (std::scanf(" run %lf %4095s", &tolerance, path) == 2) {
        Timer timer;
        timer.Start();
        pvector<ScoreT> scores = COMPUTE(graph, 1000, tolerance);
        timer.Stop();
        if (FILE *file = std::fopen(path, "wb")) {
            std::fwrite(scores.data(), sizeof(ScoreT), scores.size(), file);
            std::fclose(file);
        }
        std::printf("{\"run_s\": %.6f}\n", timer.Seconds());
        std::fflush(stdout);
    }
    return 0;
}
