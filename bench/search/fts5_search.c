/* SPDX-License-Identifier: MIT
 *
 * SQLite FTS5's side of bench/search/run.py; contenders.py has the protocol.
 */
#include "bench/search/contender.h"

#include <sqlite3.h>

static sqlite3 *database;
static sqlite3_stmt *top_ten, *hits;

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

static void build(const char *pages)
{
    run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
        "CREATE VIRTUAL TABLE page USING fts5(text, content='', tokenize='ascii')");
    sqlite3_stmt *insert = prepared("INSERT INTO page(rowid, text) VALUES (?, ?)");
    FILE *file = open_or_exit(pages);
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

static void search(const char *match)
{
    ask(top_ten, match);
}

static uint64_t count(const char *match)
{
    return (uint64_t)ask(hits, match);
}

static void serve_index(const char *queries)
{
    const struct contender fts5 = {expression, search, count};
    run("PRAGMA cache_size = -1000000; PRAGMA mmap_size = 4294967296");
    top_ten = prepared("SELECT rowid FROM page WHERE page MATCH ? ORDER BY rank LIMIT 10");
    hits = prepared("SELECT count(*) FROM page WHERE page MATCH ?");
    serve(&fts5, queries);
    must(sqlite3_finalize(top_ten));
    must(sqlite3_finalize(hits));
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
        serve_index(argv[3]);
    must(sqlite3_close(database));
}
