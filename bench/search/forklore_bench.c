/* SPDX-License-Identifier: MIT
 *
 * Forklore's side of bench/search/run.py: search_run() in this process, over the index file mapped
 * as a worker maps it. contenders.py has the protocol. A query's text is parsed within its time,
 * and its results are compared with those of scoring every page.
 */
#include "worker/search.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUERIES_MAX 4096
#define TOP         10

static struct search_engine *engine;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void attach(const char *path, struct index_view *view)
{
    struct stat status;
    struct fault why;
    const int fd = open(path, O_RDONLY);
    MUST(fd >= 0 && fstat(fd, &status) == 0);
    const size_t bytes = (size_t)status.st_size;
    const struct image_header *image =
        mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    MUST(image != MAP_FAILED);
    if (image_check_header(image, bytes, path, &why) || index_bind(view, image, path, &why)) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    MUST(search_engine_create(&engine, view) == 0);
    close(fd);
}

/* `+a +b`, `"a b"` or `a b`. */
static char *query_text(const char *kind, const char *words)
{
    char *out = NULL;
    size_t size;
    FILE *text = open_memstream(&out, &size);
    MUST(text);
    const char *before = !strcmp(kind, "AND") ? "+" : "",
               *around = !strcmp(kind, "PHRASE") ? "\"" : "";
    fprintf(text, "%s%s", around, before);
    for (; *words && *words != '\n'; words++) {
        fputc(*words, text);
        if (*words == ' ')
            fputs(before, text);
    }
    fputs(around, text);
    MUST(fclose(text) == 0);
    return out;
}

static struct search_result search(const char *text, bool exhaustive)
{
    struct search_query query;
    struct search_result result;
    struct patience patience = {0};
    const struct search_options options = {.count = TOP, .bm25 = true, .exhaustive = exhaustive};
    struct fault why;
    if (search_query_parse(&query, text, strlen(text), NULL, &why) ||
        search_run(engine, &query, &options, &patience, &result)) {
        fprintf(stderr, "%s: failed\n", text);
        exit(1);
    }
    search_query_fini(&query);
    return result;
}

/* How many pages match; leaving pages out has to give the same ones as scoring all of them. */
static uint64_t check(const char *text)
{
    struct search_hit hits[TOP];
    const struct search_result some = search(text, false);
    memcpy(hits, some.hits, some.count * sizeof *hits);
    const struct search_result all = search(text, true);
    bool same = some.count == all.count;
    for (uint32_t i = 0; same && i < all.count; i++)
        same = hits[i].page == all.hits[i].page && hits[i].score == all.hits[i].score;
    if (!same) {
        fprintf(stderr, "%s: other pages than by scoring all\n", text);
        exit(1);
    }
    return all.matched;
}

static void answer(char **wanted, size_t count, int rounds)
{
    static int64_t best[QUERIES_MAX];
    for (int round = 0; round <= rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            const int64_t before = now_ns();
            search(wanted[i], false);
            const int64_t took = now_ns() - before;
            if (round == 1 || (round > 1 && took < best[i])) /* round 0 warms up */
                best[i] = took;
        }
    }
    printf("{\"best_ns\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%lld", i ? ", " : "", (long long)best[i]);
    printf("], \"hits\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%llu", i ? ", " : "", (unsigned long long)check(wanted[i]));
    printf("]}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct index_view view;
    char kind[16], *line = NULL;
    size_t capacity = 0;
    int rounds;
    if (argc != 4 || strcmp(argv[1], "serve") != 0) {
        fprintf(stderr, "usage: forklore_bench serve INDEX QUERIES.tsv\n");
        return 2;
    }
    attach(argv[2], &view);
    while (scanf("%15s %d", kind, &rounds) == 2) {
        char *wanted[QUERIES_MAX];
        size_t count = 0;
        FILE *file = fopen(argv[3], "r");
        MUST(file);
        while (getline(&line, &capacity, file) >= 0 && count < QUERIES_MAX) {
            char *tab = strchr(line, '\t');
            MUST(tab);
            *tab = 0;
            if (!strcmp(line, kind))
                wanted[count++] = query_text(kind, tab + 1);
        }
        fclose(file);
        answer(wanted, count, rounds);
        while (count > 0)
            free(wanted[--count]);
    }
    free(line);
    search_engine_destroy(&engine);
    return 0;
}
