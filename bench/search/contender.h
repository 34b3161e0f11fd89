/* SPDX-License-Identifier: MIT
 *
 * What the contenders of bench/search/run.py that are written in C share: `serve` of the protocol
 * in contenders.py. Queries are kept as text and parsed within their time.
 */
#ifndef FORKLORE_BENCH_SEARCH_CONTENDER_H
#define FORKLORE_BENCH_SEARCH_CONTENDER_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUERIES_MAX 4096

struct contender {
    /* Words of a kind, "a b c", as the contender writes them, on the heap. */
    char *(*expression)(const char *kind, const char *words);
    void (*search)(const char *expression);    /* the first ten: what is timed */
    uint64_t (*count)(const char *expression); /* how many pages match */
};

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline FILE *open_or_exit(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static inline void answer(const struct contender *contender, char **wanted, size_t count,
                          int rounds)
{
    static int64_t best[QUERIES_MAX];
    for (int round = 0; round <= rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            const int64_t before = now_ns();
            contender->search(wanted[i]);
            const int64_t took = now_ns() - before;
            if (round == 1 || (round > 1 && took < best[i])) /* round 0 warms up */
                best[i] = took;
        }
    }
    printf("{\"best_ns\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%" PRId64, i ? ", " : "", best[i]);
    printf("], \"hits\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%" PRIu64, i ? ", " : "", contender->count(wanted[i]));
    printf("]}\n");
    fflush(stdout);
}

/* Answers the lines of standard input, with the queries of a file of lines "KIND<tab>WORDS". */
static inline void serve(const struct contender *contender, const char *queries)
{
    char kind[16], *line = NULL;
    size_t capacity = 0;
    int rounds;
    while (scanf("%15s %d", kind, &rounds) == 2) {
        char *wanted[QUERIES_MAX];
        size_t count = 0;
        FILE *file = open_or_exit(queries);
        while (getline(&line, &capacity, file) >= 0 && count < QUERIES_MAX) {
            char *tab = strchr(line, '\t');
            if (!tab) {
                fprintf(stderr, "%s: a line without a tab\n", queries);
                exit(1);
            }
            *tab = '\0';
            if (strcmp(line, kind) == 0)
                wanted[count++] = contender->expression(kind, tab + 1);
        }
        fclose(file);
        answer(contender, wanted, count, rounds);
        while (count > 0)
            free(wanted[--count]);
    }
    free(line);
}

#endif
