/* SPDX-License-Identifier: MIT
 *
 * PageRank jobs without a daemon, for bench/pagerank.py: takes an index and commands from standard
 * input, answers each with one line of JSON. Every result is compared with float64 scores, which
 * plain power iteration over the index's own lists of links has confirmed: a change below c leaves
 * an error below c d / (1 - d).
 *
 *   run processes|threads ring|shared WORKERS single|double TOLERANCE
 *   links BASE    writes them for other systems, by the index's numbers: "source target" a line to
 *                 BASE.links.el, and BASE.csr (docs/contenders.md)
 *   error FILE    of float64 scores by the same numbers: other systems' results
 *   limits        bandwidth of reading and time of a random read, one core
 *
 * The index is loaded as the daemon loads it: into shared memory, on huge pages where the system
 * gives them.
 */
#include "coordinator/job_run.h"
#include "coordinator/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAMPING          0.85
#define REFERENCE_CHANGE 1e-10
#define ITERATIONS_MAX   1000

struct bench {
    struct base *base;
    double *reference;
    struct seg_owner owner;
    struct loop *loop;
    struct crew_host host;
    uint64_t jobs;
};

static _Noreturn void die(const char *text)
{
    fprintf(stderr, "bench: %s\n", text);
    exit(1);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(loop_now_ns() - start_ns) / 1e9;
}

static void on_loaded(void *owner, struct base *base, const struct fault *why)
{
    struct bench *bench = owner;
    if (!base)
        die(why->text);
    bench->base = base;
}

static void open_index(struct bench *bench, const char *path)
{
    struct fault why;
    struct loader *loader;
    uint64_t generation = 0;
    const struct load_options options = {
        .path = path, .serial = 1, .last_generation = &generation, .huge_pages = HUGE_PAGES_AUTO};
    if (loader_start(&loader, bench->loop, &bench->owner, &options, on_loaded, bench, &why) < 0)
        die(why.text);
    while (!bench->base)
        loop_run(bench->loop, true);
    if (!bench->base->view.rank.scores)
        die("the index has no scores");
}

/* One step of x' = (1-d)/n + d (P^T x + D/n); returns the L1 change. */
static double power_step(const struct graph_view *g, double *x, double *y, double *parts)
{
    const uint32_t n = g->vertex_count;
    double dangling = 0, change = 0;
    for (uint32_t v = 0; v < n; v++) {
        const uint64_t degree = graph_out_degree(g, v);
        parts[v] = degree ? x[v] / (double)degree : 0;
        dangling += degree ? 0 : x[v];
    }
    for (uint32_t v = 0; v < n; v++) {
        double sum = 0;
        for (uint64_t i = g->in_offsets[v]; i < g->in_offsets[v + 1]; i++)
            sum += parts[g->in_sources[i]];
        y[v] = (1 - DAMPING + DAMPING * dangling) / n + DAMPING * sum;
        change += fabs(y[v] - x[v]);
    }
    return change;
}

static void make_reference(struct bench *bench)
{
    const struct graph_view *g = &bench->base->view.graph;
    const size_t n = g->vertex_count;
    double *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y), *parts = calloc(n, sizeof *y);
    if (!x || !y || !parts)
        die("no memory for the reference");
    memcpy(x, bench->base->view.rank.scores, n * sizeof *x);
    while (power_step(g, x, y, parts) > REFERENCE_CHANGE) {
        double *swap = x;
        x = y;
        y = swap;
    }
    free(x);
    free(parts);
    bench->reference = y;
}

static void on_bell(struct loop_op *op, int result)
{
    (void)op;
    (void)result;
}

static void run_until_over(struct bench *bench, struct job_run *run)
{
    struct crew_host *host = &bench->host;
    while (!job_run_over(run)) {
        crew_host_flush(host);
        if (crew_host_take_replies(host))
            continue;
        bell_sleep(&host->bell);
        if (!crew_host_pending(host) && !job_run_over(run))
            loop_run(host->loop, true);
        bell_awake(&host->bell);
    }
}

static void run_job(struct bench *bench, const char *command)
{
    char mode[16], exchange[16], precision[16];
    unsigned workers;
    double tolerance;
    struct fault why;
    if (sscanf(command, "run %15s %15s %u %15s %lf", mode, exchange, &workers, precision,
               &tolerance) != 5)
        die("run MODE EXCHANGE WORKERS PRECISION TOLERANCE");
    const struct job_run_params params = {
        .damping = DAMPING,
        .tolerance = tolerance,
        .iterations = ITERATIONS_MAX,
        .element_bytes = strcmp(precision, "double") == 0 ? 8 : 4,
        .exchange = strcmp(exchange, "shared") == 0 ? EXCHANGE_SHARED : EXCHANGE_RING,
        .workers = workers,
        .mode = strcmp(mode, "threads") == 0 ? WORKERS_THREADS : WORKERS_PROCESSES,
    };
    const uint32_t n = bench->base->view.meta->page_count;
    struct ranks *ranks;
    struct job_run *run;
    const uint64_t start_ns = loop_now_ns();
    if (ranks_create(&ranks, bench->base, &bench->owner, ++bench->jobs, &why) < 0 ||
        job_run_start(&run, &bench->host, &params, &bench->base->view, 1, &ranks->arrays,
                      &ranks->seg, NULL, NULL, &why) < 0)
        die(why.text);
    run_until_over(bench, run);
    const double job_s = seconds_since(start_ns);
    if (run->failed || !run->done)
        die(run->why.text);
    double error = 0;
    uint64_t bits = 14695981039346656037U;
    for (uint32_t v = 0; v < n; v++) {
        uint64_t word;
        error += fabs(ranks->arrays.scores[v] - bench->reference[v]);
        memcpy(&word, &ranks->arrays.scores[v], sizeof word);
        bits = (bits ^ word) * 1099511628211U;
    }
    printf("{\"run_s\": %.9f, \"job_s\": %.9f, \"wait_s\": %.9f, "
           "\"exchange_s\": %.9f, \"iterations\": %u, "
           "\"error\": %.3e, \"bytes\": %llu, \"wakeups\": %llu, \"bits\": \"%016llx\"}\n",
           (double)run->run_ns / 1e9, job_s, (double)run->wait_ns / 1e9,
           (double)run->exchange_ns / 1e9, run->iterations, error,
           (unsigned long long)run->exchanged_bytes, (unsigned long long)run->wakeups,
           (unsigned long long)bits);
    job_run_destroy(&run);
    ranks_drop(&ranks);
}

static void report_error(const struct bench *bench, const char *command)
{
    char path[4096];
    const uint32_t n = bench->base->view.meta->page_count;
    if (sscanf(command, "error %4095s", path) != 1)
        die("error FILE");
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open the scores");
    fseek(file, 0, SEEK_END);
    const size_t count = (size_t)ftell(file) / sizeof(double);
    double *scores = malloc(count * sizeof *scores + 1);
    rewind(file);
    if (!scores || fread(scores, sizeof *scores, count, file) != count)
        die("cannot read the scores");
    fclose(file);
    double sum = 0, error = 0;
    for (uint32_t v = 0; v < n; v++)
        sum += v < count ? scores[v] : 0;
    for (uint32_t v = 0; v < n; v++)
        error += fabs((v < count ? scores[v] : 0) / sum - bench->reference[v]);
    free(scores);
    printf("{\"error\": %.3e}\n", error);
}

static FILE *create(const char *base, const char *ending)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", base, ending);
    FILE *file = fopen(path, "wb");
    if (!file)
        die("cannot write the links");
    return file;
}

static void write_links(const struct bench *bench, const char *command)
{
    char base[4000];
    const struct graph_view *g = &bench->base->view.graph;
    const uint64_t n = g->vertex_count, m = g->edge_count;
    uint64_t dangling = 0;
    if (sscanf(command, "links %3999s", base) != 1)
        die("links BASE");
    FILE *edges = create(base, ".links.el"), *csr = create(base, ".csr");
    for (uint32_t v = 0; v < n; v++) {
        dangling += graph_out_degree(g, v) == 0;
        for (uint64_t i = g->out_offsets[v]; i < g->out_offsets[v + 1]; i++)
            fprintf(edges, "%u %u\n", v, g->out_targets[i]);
    }
    fwrite("FLKCSR1\n", 8, 1, csr);
    fwrite((uint64_t[]){n, m, dangling}, sizeof(uint64_t), 3, csr);
    fwrite(g->out_offsets, sizeof *g->out_offsets, n + 1, csr);
    fwrite(g->out_targets, sizeof *g->out_targets, m, csr);
    if (ferror(edges) || ferror(csr) || fclose(edges) || fclose(csr))
        die("cannot write the links");
    printf("{}\n");
}

/* --- Limits ---------------------------------------------------------------------------------- */

static double read_gb_per_s(void)
{
    const size_t words = (size_t)1 << 25; /* 256 MiB */
    uint64_t *memory = malloc(words * sizeof *memory), sum = 0;
    double best = 0;
    if (!memory)
        die("no memory for the limits");
    memset(memory, 1, words * sizeof *memory);
    for (int round = 0; round < 3; round++) {
        uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        const uint64_t start_ns = loop_now_ns();
        for (size_t i = 0; i < words; i += 4)
            s0 += memory[i], s1 += memory[i + 1], s2 += memory[i + 2], s3 += memory[i + 3];
        const double rate = (double)(words * sizeof *memory) / seconds_since(start_ns) / 1e9;
        best = rate > best ? rate : best;
        sum += s0 + s1 + s2 + s3;
    }
    free(memory);
    return sum ? best : 0;
}

/* Random reads of 4 bytes from a table, ids read one after the other. */
static double gather_ns(size_t table_bytes)
{
    const size_t reads = (size_t)1 << 23, entries = table_bytes / sizeof(float);
    uint32_t *ids = malloc(reads * sizeof *ids);
    float *table = malloc(table_bytes);
    uint64_t random = 1;
    double best = 1e9;
    if (!ids || !table)
        die("no memory for the limits");
    for (size_t i = 0; i < entries; i++)
        table[i] = 1;
    for (size_t i = 0; i < reads; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ids[i] = (uint32_t)(random >> 33) & (uint32_t)(entries - 1);
    }
    for (int round = 0; round < 3; round++) {
        float s[8] = {0};
        const uint64_t start_ns = loop_now_ns();
        for (size_t i = 0; i < reads; i += 8) {
            s[0] += table[ids[i]], s[1] += table[ids[i + 1]], s[2] += table[ids[i + 2]];
            s[3] += table[ids[i + 3]], s[4] += table[ids[i + 4]], s[5] += table[ids[i + 5]];
            s[6] += table[ids[i + 6]], s[7] += table[ids[i + 7]];
        }
        const double ns = seconds_since(start_ns) * 1e9 / (double)reads;
        best = ns < best && s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7] > 0 ? ns : best;
    }
    free(ids);
    free(table);
    return best;
}

static void report_limits(const struct bench *bench)
{
    const size_t n = bench->base->view.meta->page_count;
    size_t all = 1;
    while (all < n * sizeof(float))
        all *= 2;
    printf("{\"read_gb_s\": %.1f, \"gather_32k_ns\": %.2f, \"gather_128k_ns\": %.2f, "
           "\"gather_all_ns\": %.2f, \"all_bytes\": %zu}\n",
           read_gb_per_s(), gather_ns((size_t)1 << 15), gather_ns((size_t)1 << 17), gather_ns(all),
           all);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct fault why;
    struct loop_op bell_op = {.fn = on_bell};
    char command[8192];
    if (argc != 2)
        die("one index is needed");
    if (seg_owner_init(&bench.owner, &why) < 0 || loop_create(&bench.loop, 16, 0, 0, &why) < 0 ||
        crew_host_init(&bench.host, bench.loop, &bench.owner, 64, &why) < 0)
        die(why.text);
    open_index(&bench, argv[1]);
    make_reference(&bench);
    loop_eventfd(bench.loop, &bell_op, bench.host.bell.eventfd);
    printf("{\"vertices\": %u, \"links\": %llu}\n", bench.base->view.meta->page_count,
           (unsigned long long)bench.base->view.graph.edge_count);
    fflush(stdout);
    while (fgets(command, sizeof command, stdin)) {
        if (strncmp(command, "run ", 4) == 0)
            run_job(&bench, command);
        else if (strncmp(command, "links ", 6) == 0)
            write_links(&bench, command);
        else if (strncmp(command, "error ", 6) == 0)
            report_error(&bench, command);
        else
            report_limits(&bench);
        fflush(stdout);
    }
    loop_cancel(bench.loop, &bell_op);
    while (loop_busy(&bell_op) && loop_run(bench.loop, true) >= 0)
        ;
    crew_host_fini(&bench.host);
    loop_destroy(&bench.loop);
    seg_owner_fini(&bench.owner);
    free(bench.reference);
    return 0;
}
