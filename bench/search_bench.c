/* SPDX-License-Identifier: MIT
 *
 * Full-text search in one thread of one process: search_bench INDEX QUERIES.jsonl [CHECK]
 *
 * Every query is run once to warm up, then ROUNDS times; its time is the median. Prints median,
 * mean and 99th percentile of the queries of each class. With a third argument every query is also
 * answered by scoring all pages, and has to give the same pages.
 */
#include "worker/search.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS         15
#define TOP            10
#define LINE_MAX_BYTES 65536

struct class
{
    char name[64];
    double *us;
    size_t count;
};

static struct class classes[16];
static size_t class_count;

static void *need(void *memory)
{
    MUST(memory);
    return memory;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void record(const char *name, double us)
{
    size_t i = 0;
    while (i < class_count && strcmp(classes[i].name, name) != 0)
        i++;
    if (i == class_count) {
        MUST(class_count < sizeof classes / sizeof *classes);
        snprintf(classes[class_count++].name, sizeof classes->name, "%s", name);
    }
    struct class *c = &classes[i];
    c->us = need(realloc(c->us, (c->count + 1) * sizeof *c->us));
    c->us[c->count++] = us;
}

/* The string after `key` with \" and \\ undone; no other escapes are needed. */
static bool json_text(const char *line, const char *key, char *out, size_t capacity)
{
    const char *at = strstr(line, key);
    size_t used = 0;
    if (!at || !(at = strchr(at + strlen(key), '"')))
        return false;
    for (at++; *at && *at != '"' && used + 1 < capacity; at++) {
        if (*at == '\\' && at[1])
            at++;
        out[used++] = *at;
    }
    out[used] = '\0';
    return true;
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static struct search_result run(struct search_engine *engine, const char *text, bool exhaustive,
                                uint32_t count)
{
    struct search_query query;
    struct search_result result;
    struct patience patience = {0};
    const struct search_options options = {.count = count, .bm25 = true, .exhaustive = exhaustive};
    struct fault why;
    if (search_query_parse(&query, text, strlen(text), NULL, &why) ||
        search_run(engine, &query, &options, &patience, &result)) {
        fprintf(stderr, "%s: failed\n", text);
        exit(1);
    }
    search_query_fini(&query);
    return result;
}

static void check(struct search_engine *engine, const char *text)
{
    enum { MANY = 100 };
    static struct search_hit hits[MANY];
    const struct search_result all = run(engine, text, true, MANY);
    memcpy(hits, all.hits, all.count * sizeof *hits);
    const uint32_t count = all.count;
    for (uint32_t most = 1; most <= MANY; most *= 10) {
        const struct search_result some = run(engine, text, false, most);
        bool same = some.count == (count < most ? count : most);
        for (uint32_t i = 0; same && i < some.count; i++)
            same = some.hits[i].page == hits[i].page && some.hits[i].score == hits[i].score;
        if (!same) {
            fprintf(stderr, "%s: other pages than by scoring all\n", text);
            exit(1);
        }
    }
}

static void measure(struct search_engine *engine, const char *text, const char *class)
{
    double us[ROUNDS];
    run(engine, text, false, TOP);
    for (int i = 0; i < ROUNDS; i++) {
        const double start = now_us();
        run(engine, text, false, TOP);
        us[i] = now_us() - start;
    }
    qsort(us, ROUNDS, sizeof *us, by_value);
    record(class, us[ROUNDS / 2]);
    if (getenv("SEARCH_BENCH_VERBOSE"))
        printf("%10.2f %s\n", us[ROUNDS / 2], text);
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX_BYTES], text[LINE_MAX_BYTES], class[64];
    struct stat status;
    struct fault why;
    struct index_view view;
    struct search_engine *engine;
    FILE *queries = argc > 2 ? fopen(argv[2], "r") : NULL;
    const int fd = argc > 2 ? open(argv[1], O_RDONLY) : -1;
    if (!queries || fd < 0 || fstat(fd, &status) < 0) {
        fprintf(stderr, "usage: search_bench INDEX QUERIES.jsonl [CHECK]\n");
        return 2;
    }
    const size_t bytes = (size_t)status.st_size;
    const struct image_header *image =
        mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    MUST(image != MAP_FAILED);
    if (image_check_header(image, bytes, argv[1], &why) ||
        index_bind(&view, image, argv[1], &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    MUST(view.search.info && search_engine_create(&engine, &view) == 0);
    while (fgets(line, sizeof line, queries)) {
        if (!json_text(line, "\"query\":", text, sizeof text) ||
            !json_text(line, "\"tags\": [", class, sizeof class))
            continue;
        if (argc > 3)
            check(engine, text);
        measure(engine, text, class);
    }
    printf("%-20s %7s %9s %9s %9s us\n", "class", "queries", "median", "mean", "p99");
    for (size_t i = 0; i < class_count; i++) {
        const struct class *c = &classes[i];
        double sum = 0;
        qsort(c->us, c->count, sizeof *c->us, by_value);
        for (size_t j = 0; j < c->count; j++)
            sum += c->us[j];
        printf("%-20s %7zu %9.2f %9.2f %9.2f\n", c->name, c->count, c->us[c->count / 2],
               sum / (double)c->count, c->us[c->count * 99 / 100]);
        free(c->us);
    }
    search_engine_destroy(&engine);
    fclose(queries);
    return 0;
}
