/* SPDX-License-Identifier: MIT
 *
 * Forklore's side of bench/search/run.py: search_run() in this process, over the index file mapped
 * as a worker maps it. contenders.py has the protocol. A query's text is parsed within its time,
 * and its results are compared with those of scoring every page.
 */
#include "bench/search/contender.h"
#include "worker/search.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP 10

static struct search_engine *engine;

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
static char *expression(const char *kind, const char *words)
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

static struct search_result run(const char *text, bool exhaustive)
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

static void search(const char *text)
{
    run(text, false);
}

/* How many pages match; leaving pages out has to give the same ones as scoring all of them. */
static uint64_t count(const char *text)
{
    struct search_hit hits[TOP];
    const struct search_result some = run(text, false);
    memcpy(hits, some.hits, some.count * sizeof *hits);
    const struct search_result all = run(text, true);
    bool same = some.count == all.count;
    for (uint32_t i = 0; same && i < all.count; i++)
        same = hits[i].page == all.hits[i].page && hits[i].score == all.hits[i].score;
    if (!same) {
        fprintf(stderr, "%s: other pages than by scoring all\n", text);
        exit(1);
    }
    return all.matched;
}

int main(int argc, char **argv)
{
    const struct contender forklore = {expression, search, count};
    struct index_view view;
    if (argc != 4 || strcmp(argv[1], "serve") != 0) {
        fprintf(stderr, "usage: forklore_bench serve INDEX QUERIES.tsv\n");
        return 2;
    }
    attach(argv[2], &view);
    serve(&forklore, argv[3]);
    search_engine_destroy(&engine);
    return 0;
}
