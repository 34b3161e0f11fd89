/* SPDX-License-Identifier: MIT
 *
 * What bench/load.c asks a daemon, without one: inprocess INDEX REQUESTS [SECONDS]. Search requests
 * in the same random order, in one thread, once as a worker runs them, MessagePack in and out, and
 * once only parsed and searched. Prints medians, and the mean processor time of the latter.
 */
#include "worker/query.h"
#include "worker/search.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS_MAX  10000
#define TIMES_MAX 1000000

struct key {
    struct rpc_request request;
    const char *text;
    size_t length;
};

static struct key keys[KEYS_MAX];
static size_t key_count;

static const struct key *random_key(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return &keys[(*random >> 32) * key_count >> 32];
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const void *map(const char *path, size_t *bytes)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) {
        perror(path);
        exit(1);
    }
    *bytes = (size_t)status.st_size;
    const void *data = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    MUST(data != MAP_FAILED);
    close(fd);
    return data;
}

static void read_requests(const char *path)
{
    size_t length;
    const char *file = map(path, &length);
    for (size_t at = 0; at < length && key_count < KEYS_MAX;) {
        struct wire_scan scan = {0};
        struct rpc_params params;
        struct wire_in query;
        struct key *key = &keys[key_count++];
        const int64_t whole = wire_scan(&scan, file + at, length - at, length - at);
        MUST(whole > 0 && rpc_parse_request(file + at, (size_t)whole, &key->request) == RPC_OK);
        MUST(rpc_params_begin(&params, key->request.params) &&
             rpc_param(&params, 0, "query", &query) &&
             wire_get_text(&query, &key->text, &key->length));
        at += (size_t)whole;
    }
    MUST(key_count > 0);
}

struct times {
    double start, last;
    size_t count;
    double us[TIMES_MAX];
};

/* Counts the time since the last call; false once it is enough. */
static bool again(struct times *times, double seconds)
{
    const double now = now_s();
    if (times->start == 0)
        times->start = now;
    else if (times->count < TIMES_MAX)
        times->us[times->count++] = (now - times->last) * 1e6;
    times->last = now;
    return now < times->start + seconds;
}

static double processor_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct times *times)
{
    qsort(times->us, times->count, sizeof times->us[0], compare_doubles);
    const double us = times->us[times->count / 2];
    *times = (struct times){0};
    return us;
}

static struct times times;

static double whole_us(struct query_engine *engine, double seconds)
{
    struct wire_out out;
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    wire_out_init(&out);
    while (again(&times, seconds)) {
        wire_out_clear(&out);
        query_run(engine, &random_key(&random)->request, 0, &out);
        MUST(!out.failed);
    }
    wire_out_fini(&out);
    return median(&times);
}

static double search_us(struct search_engine *engine, double seconds, double *processor_us)
{
    const double used = processor_s();
    const struct search_options options = {.count = 10, .bm25 = true};
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    while (again(&times, seconds)) {
        const struct key *key = random_key(&random);
        struct search_query query;
        struct search_result result;
        struct patience patience = {0};
        struct fault why;
        MUST(search_query_parse(&query, key->text, key->length, NULL, &why) == 0 &&
             search_run(engine, &query, &options, &patience, &result) == 0);
        search_query_fini(&query);
    }
    *processor_us = (processor_s() - used) * 1e6 / (double)times.count;
    return median(&times);
}

int main(int argc, char **argv)
{
    struct fault why;
    struct index_view view;
    struct query_engine *queries;
    struct search_engine *search;
    if (argc < 3) {
        fputs("usage: inprocess INDEX REQUESTS [SECONDS]\n", stderr);
        return 2;
    }
    size_t bytes;
    const void *image = map(argv[1], &bytes);
    const double seconds = argc > 3 ? atof(argv[3]) : 1;
    if (image_check_header(image, bytes, argv[1], &why) ||
        index_bind(&view, image, argv[1], &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    read_requests(argv[2]);
    MUST(query_engine_create(&queries, &view, 1, -1, &why) == 0);
    MUST(view.search.info && search_engine_create(&search, &view) == 0);
    whole_us(queries, seconds / 4);
    double processor_us;
    search_us(search, seconds / 4, &processor_us);
    printf("{\"whole_us\": %.3f, \"search_us\": %.3f", whole_us(queries, seconds),
           search_us(search, seconds, &processor_us));
    printf(", \"processor_us\": %.3f}\n", processor_us);
    search_engine_destroy(&search);
    query_engine_destroy(&queries);
    return 0;
}
