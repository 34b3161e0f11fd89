/* SPDX-License-Identifier: MIT
 *
 * Work whose instructions tests/counts_test.py counts under callgrind: the kernel's multiplication
 * in each way this processor can do it, beside a plain loop over the links; records of 64 bytes
 * through a ring; lookups of titles. Each has a dump of its own, and prints its name and how many
 * times it did what it does.
 *
 *   counts INDEX
 */
#include "ipc/ring.h"
#include "shm/index.h"
#include "worker/multiply.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define RECORDS       20000
#define RECORD_BYTES  64
#define RECORD_BATCH  8
#define RING_CAPACITY ((size_t)1 << 14)
#define LOOKUPS       20000

static void *need(void *memory)
{
    MUST(memory);
    return memory;
}

static void begin(void)
{
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
}

/* `times` of the work called `name` end here. */
static void end(const char *name, uint64_t times)
{
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT(name);
    printf("%s %llu\n", name, (unsigned long long)times);
}

static void open_index(const char *path, struct index_view *view)
{
    struct fault why = {""};
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && fstat(fd, &file) == 0);
    void *image = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    MUST(image != MAP_FAILED && index_bind(view, image, path, &why) == 0);
    close(fd);
}

/* --- The kernel ------------------------------------------------------------------------------ */

static void count_plain_loop(const struct graph_view *graph, const float *x, float *sums)
{
    begin();
    for (uint32_t v = 0; v < graph->vertex_count; v++) {
        float sum = 0;
        for (uint64_t i = graph->in_offsets[v]; i < graph->in_offsets[v + 1]; i++)
            sum += x[graph->in_sources[i]];
        sums[v] = sum;
    }
    end("links, plain loop", graph->edge_count);
}

static void multiply(const struct spmv_view *spmv, const struct multiply *with, const float *x,
                     float *sums)
{
    const struct spmv_info *info = spmv->info;
    for (uint32_t phase = 0; phase < info->phase_count; phase++) {
        const uint32_t first = spmv_phase_block(spmv, phase);
        const uint32_t last = spmv_phase_block(spmv, phase + 1);
        for (uint32_t s = 0; s < info->segment_count; s++)
            for (uint32_t b = first; b < last; b++) {
                const uint64_t tile = spmv_tile(info, first, last, s, b);
                if (spmv->tiles[tile] < spmv->tiles[tile + 1])
                    with->single(spmv->words + spmv->tiles[tile], x + spmv_segment_start(info, s),
                                 sums + spmv->blocks[b].row);
            }
    }
}

static void count_kernel(const struct index_view *view)
{
    const uint32_t n = view->graph.vertex_count;
    float *x = need(calloc(n, sizeof *x)), *sums = need(calloc(n, sizeof *sums));
    for (uint32_t v = 0; v < n; v++)
        x[v] = 1; /* so that a row's sum is the number of its links */
    count_plain_loop(&view->graph, x, sums);
    for (const struct multiply *const *with = multiply_all(); *with; with++) {
        char name[64];
        memset(sums, 0, n * sizeof *sums);
        begin();
        multiply(&view->spmv, *with, x, sums);
        snprintf(name, sizeof name, "links, %s", (*with)->name);
        end(name, view->graph.edge_count);
        double all = 0;
        for (uint32_t v = 0; v < n; v++)
            all += (double)sums[v];
        MUST((uint64_t)all == view->graph.edge_count);
    }
    free(x);
    free(sums);
}

/* --- The ring -------------------------------------------------------------------------------- */

/* Batches of 8: what a turn of a loop publishes at once. */
static void count_ring(void)
{
    struct ring_writer writer;
    struct ring_reader reader;
    const void *data;
    void *room;
    size_t bytes;
    struct ring *ring =
        ring_format(need(aligned_alloc(64, ring_bytes(RING_CAPACITY, 1))), RING_CAPACITY, 1, 0);
    ring_writer_attach(&writer, ring);
    ring_reader_attach(&reader, ring, 0);
    begin();
    for (unsigned i = 0; i < RECORDS / RECORD_BATCH; i++) {
        for (unsigned j = 0; j < RECORD_BATCH; j++) {
            MUST(ring_reserve(&writer, RECORD_BYTES, &room) == RING_OK);
            *(unsigned *)room = i;
            ring_stage(&writer, RECORD_BYTES);
        }
        ring_publish(&writer);
        for (unsigned j = 0; j < RECORD_BATCH; j++)
            MUST(ring_read(&reader, &data, &bytes) == RING_OK && *(const unsigned *)data == i);
        ring_release(&reader);
    }
    end("records", RECORDS);
    free(ring);
}

/* --- Titles ---------------------------------------------------------------------------------- */

static void count_lookups(const struct index_view *view)
{
    uint32_t entry;
    bool exact;
    begin();
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        struct text_ref title = titles_text(&view->titles, i * 7919 % view->titles.count);
        MUST(index_find_title(view, title.bytes, title.length, &entry, &exact) == 0 && exact);
    }
    end("lookups", LOOKUPS);
}

int main(int argc, char **argv)
{
    struct index_view view;
    if (argc != 2) {
        fputs("usage: counts INDEX\n", stderr);
        return 2;
    }
    open_index(argv[1], &view);
    count_kernel(&view);
    count_ring();
    count_lookups(&view);
    return 0;
}
