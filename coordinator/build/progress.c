/* SPDX-License-Identifier: MIT
 *
 * See progress.h.
 */
#include "coordinator/build/progress.h"

#include "coordinator/build/human.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_NS UINT64_C(100000000)
#define LINE_NS   UINT64_C(3000000000)

enum { BAR_CELLS = 24, LABEL_CELLS = 8, LINE_MAX_BYTES = 256 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, const char *label, enum progress_unit unit)
{
    const char *term = getenv("TERM");
    progress->label = label;
    progress->unit = unit;
    progress->drawn = false;
    progress->terminal =
        !progress->quiet && isatty(fileno(progress->out)) && !(term && strcmp(term, "dumb") == 0);
    progress->start_ns = now_ns();
    /* A task that is over at once shows no bar at all. */
    progress->next_ns = progress->start_ns + (progress->terminal ? REDRAW_NS : LINE_NS);
}

/* "52 %  1,234 pages  5.6 MB/s  0:12 left", with the caller's detail in the middle. */
static void describe(const struct progress *progress, char *out, size_t capacity, uint64_t done,
                     uint64_t total, double seconds, const char *detail)
{
    size_t used = 0;
    if (total)
        used += (size_t)snprintf(out, capacity, "%3u %%  ",
                                 (unsigned)(100.0 * (double)done / (double)total));
    used += (size_t)snprintf(out + used, capacity - used, "%.80s", detail);
    if (progress->unit == PROGRESS_BYTES && seconds > 0)
        used += (size_t)snprintf(out + used, capacity - used, "  %.1f MB/s",
                                 (double)done / seconds / 1e6);
    if (total && done > 0)
        snprintf(out + used, capacity - used, "  %s left",
                 human_time(seconds * (double)(total - done) / (double)done).text);
}

void progress_step(struct progress *progress, uint64_t done, uint64_t total, const char *detail,
                   ...)
{
    if (progress->quiet)
        return;
    uint64_t now = now_ns();
    if (now < progress->next_ns)
        return;
    progress->next_ns = now + (progress->terminal ? REDRAW_NS : LINE_NS);
    if (total && done > total)
        done = total;

    char words[128], line[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, detail);
    vsnprintf(words, sizeof(words), detail, arguments);
    va_end(arguments);
    describe(progress, line, sizeof(line), done, total, (double)(now - progress->start_ns) / 1e9,
             words);
    if (!progress->terminal) {
        fprintf(progress->out, "%-*s %s\n", LABEL_CELLS, progress->label, line);
    } else {
        char bar[BAR_CELLS + 1];
        unsigned full = total ? (unsigned)((double)done / (double)total * BAR_CELLS) : 0;
        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', full);
        bar[BAR_CELLS] = '\0';
        fprintf(progress->out, "\r%-*s [%s] %s\033[K", LABEL_CELLS, progress->label, bar, line);
        progress->drawn = true;
    }
    fflush(progress->out);
}

void progress_end(struct progress *progress, const char *detail, ...)
{
    if (progress->quiet)
        return;
    progress_abandon(progress);
    char words[128];
    va_list arguments;
    va_start(arguments, detail);
    vsnprintf(words, sizeof(words), detail, arguments);
    va_end(arguments);
    fprintf(progress->out, "%-*s %s, %.2f s\n", LABEL_CELLS, progress->label, words,
            (double)(now_ns() - progress->start_ns) / 1e9);
    fflush(progress->out);
}

void progress_abandon(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\033[K", progress->out);
    fflush(progress->out);
    progress->drawn = false;
}
