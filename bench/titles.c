/* SPDX-License-Identifier: MIT
 *
 * Titles in process, without sockets: an exact lookup (normal form included) beside find() of a
 * std::unordered_map over the same titles, interleaved; and the ten best titles of a prefix, for
 * prefixes of 1 to 8 letters taken from random titles. `make bench-titles`.
 */
#include "shm/index.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUESTIONS  1000000
#define ROUNDS     11
#define PREFIXES   5000
#define LETTERS    8
#define TOP        10
#define HUGE_BYTES ((size_t)2 << 20)

void map_add(const char *title, size_t length, uint32_t entry);
void map_ask_later(const char *title, size_t length);
uint64_t map_find(size_t first, size_t last);

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) * bound >> 32);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[(size_t)((double)(count - 1) * share)];
}

static _Noreturn void give_up(const char *path, const char *what)
{
    fprintf(stderr, "titles: %s: %s\n", path, what);
    exit(1);
}

/* In huge pages where they are to be had, as the daemon has its segment. */
static void open_index(const char *path, struct index_view *view)
{
    struct fault why = {""};
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0 || status.st_size < LAYOUT_HEADER_BYTES)
        give_up(path, "cannot be read");
    size_t bytes = ((size_t)status.st_size + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
    char *image = aligned_alloc(HUGE_BYTES, bytes);
    if (!image)
        give_up(path, "no memory for it");
    madvise(image, bytes, MADV_HUGEPAGE);
    for (size_t at = 0; at < (size_t)status.st_size;) {
        ssize_t n = pread(fd, image + at, (size_t)status.st_size - at, (off_t)at);
        if (n <= 0)
            give_up(path, "cannot be read");
        at += (size_t)n;
    }
    close(fd);
    const struct image_header *header = (const struct image_header *)(void *)image;
    if (image_check_header(header, (uint64_t)status.st_size, path, &why) ||
        index_bind(view, header, path, &why))
        give_up(path, why.text);
}

static uint64_t find_all(const struct index_view *view, const struct text_ref *questions,
                         size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t entry;
        bool exact;
        MUST(index_find_title(view, questions[i].bytes, questions[i].length, &entry, &exact) == 0);
        sum += entry;
    }
    return sum;
}

static void bench_lookup(const struct index_view *view)
{
    struct text_ref *questions = calloc(QUESTIONS, sizeof *questions);
    MUST(questions);
    for (uint32_t e = 0; e < view->titles.count; e++) {
        struct text_ref title = titles_text(&view->titles, e);
        map_add(title.bytes, title.length, e);
    }
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct text_ref title = titles_text(&view->titles, random_below(view->titles.count));
        /* Asked with a copy: whoever asks has the title elsewhere. */
        char *copy = malloc(title.length);
        MUST(copy);
        memcpy(copy, title.bytes, title.length);
        questions[i] = (struct text_ref){copy, title.length};
        map_ask_later(title.bytes, title.length);
    }
    double ours[ROUNDS], maps[ROUNDS], ratios[ROUNDS];
    for (int round = -1; round < ROUNDS; round++) {
        double start = now_ns();
        uint64_t sum = find_all(view, questions, QUESTIONS);
        double middle = now_ns();
        MUST(map_find(0, QUESTIONS) == sum);
        double end = now_ns();
        if (round < 0)
            continue; /* the warm-up */
        ours[round] = (middle - start) / QUESTIONS;
        maps[round] = (end - middle) / QUESTIONS;
        ratios[round] = ours[round] / maps[round];
    }
    printf("exact lookup, %u titles, %d rounds of %d: index %.0f ns, unordered_map %.0f ns, "
           "ratio %.2f (%.2f to %.2f)\n",
           view->titles.count, ROUNDS, QUESTIONS, quantile(ours, ROUNDS, 0.5),
           quantile(maps, ROUNDS, 0.5), quantile(ratios, ROUNDS, 0.5), quantile(ratios, ROUNDS, 0),
           quantile(ratios, ROUNDS, 1));
}

/* The first letters of the folded title; fewer if it has fewer. */
static size_t prefix_of(struct text_ref fold, unsigned letters)
{
    size_t at = 0;
    while (at < fold.length && letters > 0) {
        at++;
        while (at < fold.length && ((unsigned char)fold.bytes[at] & 0xc0) == 0x80)
            at++;
        letters--;
    }
    return at;
}

static void bench_prefix(const struct index_view *view)
{
    static double times[PREFIXES];
    printf("ten best of a prefix, us:");
    for (unsigned letters = 1; letters <= LETTERS; letters++) {
        for (size_t i = 0; i < PREFIXES; i++) {
            struct text_ref text = titles_fold(&view->titles, random_below(view->titles.count));
            char prefix[TITLE_FOLD_BYTES], fold[TITLE_FOLD_BYTES];
            uint32_t entries[TOP];
            size_t bytes = prefix_of(text, letters);
            memcpy(prefix, text.bytes, bytes);
            double start = now_ns();
            int length = title_fold(prefix, bytes, fold);
            struct title_range range = titles_range(&view->titles, fold, (size_t)length, false);
            unsigned found = rank_top(&view->rank, &view->titles, range, TOP, entries);
            times[i] = now_ns() - start;
            MUST(found > 0);
        }
        printf("%s %u letter%s %.1f (p99 %.1f)", letters > 1 ? "," : "", letters,
               letters > 1 ? "s" : "", quantile(times, PREFIXES, 0.5) / 1e3,
               quantile(times, PREFIXES, 0.99) / 1e3);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    struct index_view view;
    if (argc != 2) {
        fputs("usage: titles INDEX\n", stderr);
        return 2;
    }
    open_index(argv[1], &view);
    bench_prefix(&view);
    bench_lookup(&view);
    return 0;
}
