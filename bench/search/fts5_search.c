/* SPDX-License-Identifier: MIT
 *
 * SQLite FTS5's side of bench/search/run.py; contenders.py has the protocol.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUERIES_MAX 4096

static sqlite3 *database;

static void must(int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
        return;
    fprintf(stderr, "%s\n", sqlite3_errmsg(database));
    exit(1);
}

static void run(const char *sql)
{
    must(sqlite3_exec(database, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *prepared(const char *sql)
{
    sqlite3_stmt *statement;
    must(sqlite3_prepare_v2(database, sql, -1, &statement, NULL));
    return statement;
}

static FILE *opened(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static void build(const char *pages)
{
    run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
        "CREATE VIRTUAL TABLE page USING fts5(text, content='', tokenize='ascii')");
    sqlite3_stmt *insert = prepared("INSERT INTO page(rowid, text) VALUES (?, ?)");
    FILE *file = opened(pages);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    for (sqlite3_int64 row = 1; (length = getline(&line, &capacity, file)) >= 0; row++) {
        must(sqlite3_bind_int64(insert, 1, row));
        must(sqlite3_bind_text(insert, 2, line, (int)length, SQLITE_STATIC));
        must(sqlite3_step(insert));
        must(sqlite3_reset(insert));
    }
    free(line);
    fclose(file);
    must(sqlite3_finalize(insert));
    run("INSERT INTO page(page) VALUES ('optimize'); COMMIT");
}

/* "a b c" as FTS5 has it: a phrase in quotes, or words with AND or OR between them. */
static char *expression(const char *kind, const char *words)
{
    char *out = NULL;
    size_t size;
    FILE *text = open_memstream(&out, &size);
    fputc('"', text);
    for (; *words && *words != '\n'; words++) {
        if (*words == ' ' && strcmp(kind, "PHRASE"))
            fprintf(text, "\" %s \"", kind);
        else
            fputc(*words, text);
    }
    fputc('"', text);
    fclose(text);
    return out;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Steps through all rows; the last row's first column. */
static int64_t ask(sqlite3_stmt *statement, const char *match)
{
    int64_t last = 0;
    must(sqlite3_bind_text(statement, 1, match, -1, SQLITE_STATIC));
    while (sqlite3_step(statement) == SQLITE_ROW)
        last = sqlite3_column_int64(statement, 0);
    must(sqlite3_reset(statement));
    return last;
}

static void answer(char **wanted, size_t count, int rounds)
{
    static int64_t best[QUERIES_MAX];
    sqlite3_stmt *top =
        prepared("SELECT rowid FROM page WHERE page MATCH ? ORDER BY rank LIMIT 10");
    sqlite3_stmt *hits = prepared("SELECT count(*) FROM page WHERE page MATCH ?");
    for (int round = 0; round <= rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            int64_t before = now_ns();
            ask(top, wanted[i]);
            int64_t took = now_ns() - before;
            if (round == 1 || (round > 1 && took < best[i])) /* round 0 warms up */
                best[i] = took;
        }
    }
    printf("{\"best_ns\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%lld", i ? ", " : "", (long long)best[i]);
    printf("], \"hits\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%lld", i ? ", " : "", (long long)ask(hits, wanted[i]));
    printf("]}\n");
    fflush(stdout);
    must(sqlite3_finalize(top));
    must(sqlite3_finalize(hits));
}

static void serve(const char *queries)
{
    run("PRAGMA cache_size = -1000000; PRAGMA mmap_size = 4294967296");
    char kind[16], *line = NULL;
    size_t capacity = 0;
    int rounds;
    while (scanf("%15s %d", kind, &rounds) == 2) {
        char *wanted[QUERIES_MAX];
        size_t count = 0;
        FILE *file = opened(queries);
        while (getline(&line, &capacity, file) >= 0 && count < QUERIES_MAX) {
            char *tab = strchr(line, '\t');
            *tab = 0;
            if (!strcmp(line, kind))
                wanted[count++] = expression(kind, tab + 1);
        }
        fclose(file);
        answer(wanted, count, rounds);
        while (count > 0)
            free(wanted[--count]);
    }
    free(line);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int is_build = !strcmp(argv[1], "build");
    must(sqlite3_open(argv[is_build ? 3 : 2], &database));
    if (is_build)
        build(argv[2]);
    else
        serve(argv[3]);
    must(sqlite3_close(database));
}
