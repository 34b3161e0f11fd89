/* SPDX-License-Identifier: MIT
 *
 * Making the layout of spmv.h: positions, blocks, then every tile twice, once for its size and
 * once for its words. What comes out depends on the graph alone, not on the number of threads.
 */
#include "shm/spmv.h"
#include "shm/spmv_start.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_LINKS_MIN 4096
#define BLOCKS_WANTED   512 /* more are shared more evenly, but their tiles are small */
#define SEGMENTS_WANTED 10
#define THREADS_MAX     64

/* What a block costs, in links: a row's share of a tile, and a row's new score. */
#define COST_OF_ENTRY 1
#define COST_OF_ROW   2

struct builder {
    const struct graph_view *graph;
    struct spmv_info info;
    uint32_t *order;     /* [n] vertex at a position */
    uint32_t *positions; /* [n] */
    uint32_t *degrees;
    float *start;
    struct spmv_block *blocks;
    uint32_t *phase_of_block;
    uint32_t phase_blocks[SPMV_PHASES_MAX + 1]; /* first block of each phase */
    uint64_t *tiles;
    uint16_t *words;      /* NULL while sizes are counted */
    uint64_t block_links; /* of the block with most links in */
    _Atomic uint32_t next_block;
    _Atomic bool failed;
};

/* --- Positions ------------------------------------------------------------------------------- */

static int sort_by_degree(struct builder *b)
{
    const struct graph_view *graph = b->graph;
    const uint32_t n = graph->vertex_count;
    uint64_t most = 0;
    for (uint32_t v = 0; v < n; v++)
        most = graph_out_degree(graph, v) > most ? graph_out_degree(graph, v) : most;
    uint32_t *starts = calloc(most + 2, sizeof *starts);
    if (!starts)
        return -ENOMEM;
    for (uint32_t v = 0; v < n; v++)
        starts[most - graph_out_degree(graph, v) + 1]++;
    for (uint64_t i = 1; i <= most; i++)
        starts[i] += starts[i - 1];
    b->info.source_count = starts[most];
    for (uint32_t v = 0; v < n; v++) {
        const uint32_t position = starts[most - graph_out_degree(graph, v)]++;
        b->order[position] = v;
        b->positions[v] = position;
    }
    free(starts);
    for (uint32_t i = 0; i < b->info.source_count; i++)
        b->degrees[i] = (uint32_t)graph_out_degree(graph, b->order[i]);
    return 0;
}

/* What coarse contributions (worker/pagerank.h) are planned with. */
static void find_extremes(struct builder *b)
{
    struct spmv_info *info = &b->info;
    for (uint32_t v = 0; v < info->vertex_count; v++)
        if (graph_in_degree(b->graph, v) > info->links_in_most)
            info->links_in_most = (uint32_t)graph_in_degree(b->graph, v);
    for (uint32_t i = 0; i < info->source_count; i++) {
        const double peak = (double)b->start[i] / b->degrees[i];
        info->start_peak = peak > info->start_peak ? peak : info->start_peak;
    }
}

/* Narrow segments are read from nearer; but where that leaves a row less than a link in four of
 * them, its entries cost more than its links, and wide ones are better. */
static void choose_segments(struct spmv_info *info, uint64_t link_count)
{
    const uint64_t cells = (uint64_t)info->vertex_count * info->source_count;
    info->segment_shift =
        cells >> (SPMV_SHIFT_MAX - 1) < 4 * link_count ? SPMV_SHIFT_MAX - 1 : SPMV_SHIFT_MAX;
    while (info->segment_shift > SPMV_SHIFT_MIN &&
           info->source_count >> info->segment_shift < SEGMENTS_WANTED)
        info->segment_shift--;
    const uint64_t width = UINT64_C(1) << info->segment_shift;
    info->segment_count = (uint32_t)((info->source_count + width - 1) >> info->segment_shift);
    info->phase_segments = (info->segment_count + SPMV_PHASES_MAX - 1) / SPMV_PHASES_MAX;
    if (info->phase_segments == 0)
        info->phase_segments = 1;
    info->phase_count = (info->segment_count + info->phase_segments - 1) / info->phase_segments;
    if (info->phase_count == 0)
        info->phase_count = 1;
}

/* --- Blocks ---------------------------------------------------------------------------------- */

/* Cuts the rows; with `blocks` NULL only counts. */
static uint32_t cut_blocks(struct builder *b, struct spmv_block *blocks)
{
    uint64_t most = b->graph->edge_count / BLOCKS_WANTED;
    if (most < BLOCK_LINKS_MIN)
        most = BLOCK_LINKS_MIN;
    uint32_t count = 0;
    for (uint32_t phase = 0; phase < b->info.phase_count; phase++) {
        const uint32_t end = spmv_phase_row(&b->info, phase + 1);
        b->phase_blocks[phase] = count;
        for (uint32_t row = spmv_phase_row(&b->info, phase); row < end; count++) {
            uint64_t links = 0;
            const uint32_t first = row;
            if (blocks) {
                blocks[count].row = first;
                b->phase_of_block[count] = phase;
            }
            do
                links += graph_in_degree(b->graph, b->order[row++]);
            while (row < end && row - first < SPMV_BLOCK_ROWS && links < most);
            b->block_links = links > b->block_links ? links : b->block_links;
        }
    }
    b->phase_blocks[b->info.phase_count] = count;
    return count;
}

/* --- Tiles ----------------------------------------------------------------------------------- */

/* One thread's memory. */
struct scratch {
    uint32_t *sources;  /* [block_links] positions, row by row */
    uint32_t *links;    /* [block_links] row << 16 | source, by segment */
    uint32_t *starts;   /* [segments + 1] */
    uint64_t set[1024]; /* a bit per source of a segment */
    struct entry {      /* a row's links within a tile */
        uint32_t first, count;
    } entries[SPMV_BLOCK_ROWS];
    uint32_t entry_count;
    uint32_t rows_with[SPMV_LANES];       /* left over this number of links */
    uint32_t rows_of[SPMV_STEPS_MAX + 1]; /* with this many steps of SPMV_LANES links */
    uint32_t steps_max;
    uint16_t order[SPMV_BLOCK_ROWS];
};

/* Orders links[0..k) of a row by source: neighbours in memory one after the other. */
static void sort_links(struct scratch *s, uint32_t *links, uint32_t k)
{
    const uint32_t row = links[0] & 0xffff0000;
    for (uint32_t j = 0; j < k; j++)
        s->set[(links[j] & 0xffff) >> 6] |= UINT64_C(1) << (links[j] & 63);
    for (uint32_t word = 0; word < 1024; word++) {
        for (uint64_t bits = s->set[word]; bits; bits &= bits - 1)
            *links++ = row | word << 6 | (uint32_t)__builtin_ctzll(bits);
        s->set[word] = 0;
    }
}

/* The rows of links[0..count), and how many of them there are of each kind. */
static void find_entries(struct scratch *s, const uint32_t *links, uint32_t count)
{
    memset(s->rows_with, 0, sizeof s->rows_with);
    memset(s->rows_of, 0, (s->steps_max + 1) * sizeof *s->rows_of);
    s->entry_count = 0;
    s->steps_max = 0;
    for (uint32_t i = 0; i < count;) {
        const uint32_t first = i;
        while (i < count && links[i] >> 16 == links[first] >> 16)
            i++;
        const uint32_t steps = (i - first) / SPMV_LANES;
        s->entries[s->entry_count++] = (struct entry){first, i - first};
        s->rows_with[(i - first) % SPMV_LANES]++;
        s->rows_of[steps]++;
        s->steps_max = steps > s->steps_max ? steps : s->steps_max;
    }
}

/* `rows` entries' last `k` links each, in chunks. */
static uint16_t *write_group(const struct scratch *s, const uint32_t *links, const uint16_t *order,
                             uint32_t rows, uint32_t k, uint16_t *out)
{
    for (uint32_t done = 0; done < rows; done += SPMV_LANES) {
        const uint32_t lanes = rows - done < SPMV_LANES ? rows - done : SPMV_LANES;
        for (uint32_t lane = 0; lane < lanes; lane++) {
            const struct entry *entry = &s->entries[order[done + lane]];
            const uint32_t *last = &links[entry->first + entry->count - k];
            out[lane] = (uint16_t)(last[0] >> 16);
            for (uint32_t j = 0; j < k; j++)
                out[(j + 1) * lanes + lane] = (uint16_t)last[j];
        }
        out += (size_t)(k + 1) * lanes;
    }
    return out;
}

static uint16_t *write_groups(struct scratch *s, const uint32_t *links, uint16_t *out)
{
    uint32_t at[SPMV_LANES], sum = 0;
    for (uint32_t k = 1; k < SPMV_LANES; k++) {
        at[k] = sum;
        sum += s->rows_with[k];
    }
    for (uint32_t i = 0; i < s->entry_count; i++) {
        const uint32_t k = s->entries[i].count % SPMV_LANES;
        if (k)
            s->order[at[k]++] = (uint16_t)i;
    }
    const uint16_t *order = s->order;
    for (uint32_t k = 1; k < SPMV_LANES; order += s->rows_with[k++])
        out = write_group(s, links, order, s->rows_with[k], k, out);
    return out;
}

static uint16_t *write_steps(struct scratch *s, uint32_t *links, uint16_t *out)
{
    uint32_t sum = 0;
    for (uint32_t steps = 1; steps <= s->steps_max; steps++) {
        const uint32_t rows = s->rows_of[steps];
        s->rows_of[steps] = sum;
        sum += rows;
    }
    for (uint32_t i = 0; i < s->entry_count; i++) {
        const uint32_t steps = s->entries[i].count / SPMV_LANES;
        if (steps)
            s->order[s->rows_of[steps]++] = (uint16_t)i;
    }
    for (uint32_t i = 0; i < sum; i++) {
        const struct entry *entry = &s->entries[s->order[i]];
        const uint32_t *row = &links[entry->first];
        *out++ = (uint16_t)(row[0] >> 16);
        for (uint32_t j = 0; j < entry->count - entry->count % SPMV_LANES; j++)
            *out++ = (uint16_t)row[j];
    }
    return out;
}

/* A tile's length in words; also written if `out` is not NULL. */
static uint64_t make_tile(struct scratch *s, uint32_t *links, uint32_t count, uint16_t *out)
{
    if (count == 0)
        return 0;
    find_entries(s, links, count);
    uint64_t words = 2 + count;
    uint16_t groups = 0, long_groups = 0;
    for (uint32_t k = 1; k < SPMV_LANES; k++) {
        groups += s->rows_with[k] > 0;
        words += s->rows_with[k];
    }
    for (uint32_t steps = 1; steps <= s->steps_max; steps++) {
        long_groups += s->rows_of[steps] > 0;
        words += s->rows_of[steps];
    }
    words += 2 * (uint64_t)(groups + long_groups);
    if (!out)
        return words;

    const uint16_t *end = out + words;
    *out++ = groups;
    *out++ = long_groups;
    for (uint32_t k = 1; k < SPMV_LANES; k++)
        if (s->rows_with[k]) {
            *out++ = (uint16_t)k;
            *out++ = (uint16_t)s->rows_with[k];
        }
    for (uint32_t steps = 1; steps <= s->steps_max; steps++)
        if (s->rows_of[steps]) {
            *out++ = (uint16_t)steps;
            *out++ = (uint16_t)s->rows_of[steps];
        }
    for (uint32_t i = 0; i < s->entry_count && s->steps_max; i++)
        if (s->entries[i].count >= SPMV_LANES)
            sort_links(s, links + s->entries[i].first, s->entries[i].count);
    out = write_groups(s, links, out);
    out = write_steps(s, links, out);
    MUST(out == end);
    return words;
}

/* The links into a block, by segment and within it by row. */
static void gather_links(const struct builder *b, struct scratch *s, uint32_t block)
{
    const uint32_t first = b->blocks[block].row, end = b->blocks[block + 1].row;
    const unsigned shift = b->info.segment_shift;
    uint32_t count = 0;
    memset(s->starts, 0, ((size_t)b->info.segment_count + 1) * sizeof *s->starts);
    for (uint32_t row = first; row < end; row++) {
        const uint32_t v = b->order[row];
        for (uint64_t i = b->graph->in_offsets[v]; i < b->graph->in_offsets[v + 1]; i++) {
            const uint32_t source = b->positions[b->graph->in_sources[i]];
            s->sources[count++] = source;
            s->starts[(source >> shift) + 1]++;
        }
    }
    for (uint32_t segment = 0; segment < b->info.segment_count; segment++)
        s->starts[segment + 1] += s->starts[segment];
    count = 0;
    for (uint32_t row = first; row < end; row++)
        for (uint64_t i = graph_in_degree(b->graph, b->order[row]); i-- > 0;) {
            const uint32_t source = s->sources[count++];
            const uint32_t within = source & ((UINT32_C(1) << shift) - 1);
            s->links[s->starts[source >> shift]++] = (row - first) << 16 | within;
        }
}

/* Counts or writes a block's tiles. tiles[t + 1] takes the length of tile t while counting. */
static void make_block(struct builder *b, struct scratch *s, uint32_t block)
{
    const uint32_t phase = b->phase_of_block[block];
    uint64_t entries = 0;
    gather_links(b, s, block);
    uint32_t start = 0;
    for (uint32_t segment = 0; segment < b->info.segment_count; segment++) {
        const uint64_t tile =
            spmv_tile(&b->info, b->phase_blocks[phase], b->phase_blocks[phase + 1], segment, block);
        const uint32_t end = s->starts[segment];
        uint16_t *out = b->words ? b->words + b->tiles[tile] : NULL;
        const uint64_t words = make_tile(s, s->links + start, end - start, out);
        if (!out) {
            b->tiles[tile + 1] = words;
            entries += words ? s->entry_count : 0;
        }
        start = end;
    }
    const uint32_t rows = b->blocks[block + 1].row - b->blocks[block].row;
    if (!b->words)
        b->blocks[block].cost = start + COST_OF_ENTRY * entries + COST_OF_ROW * (uint64_t)rows;
}

static void *make_blocks(void *argument)
{
    struct builder *b = argument;
    struct scratch *s = calloc(1, sizeof *s);
    if (s) {
        s->sources = malloc((b->block_links + 1) * sizeof *s->sources);
        s->links = malloc((b->block_links + 1) * sizeof *s->links);
        s->starts = malloc(((size_t)b->info.segment_count + 1) * sizeof *s->starts);
    }
    uint32_t block;
    /* Relaxed, as `failed`: blocks are independent, and joining orders what they wrote. */
    if (!s || !s->sources || !s->links || !s->starts)
        atomic_store_explicit(&b->failed, true, memory_order_relaxed);
    else
        while ((block = atomic_fetch_add_explicit(&b->next_block, 1, memory_order_relaxed)) <
               b->info.block_count)
            make_block(b, s, block);
    if (s) {
        free(s->sources);
        free(s->links);
        free(s->starts);
    }
    free(s);
    return NULL;
}

static int run_threads(struct builder *b, unsigned threads)
{
    pthread_t ids[THREADS_MAX];
    unsigned started = 0;
    atomic_init(&b->next_block, 0);
    atomic_init(&b->failed, false);
    while (started + 1 < threads && started < THREADS_MAX &&
           pthread_create(&ids[started], NULL, make_blocks, b) == 0)
        started++;
    make_blocks(b);
    while (started > 0)
        pthread_join(ids[--started], NULL);
    return atomic_load_explicit(&b->failed, memory_order_relaxed) ? -ENOMEM : 0;
}

static int make_tiles(struct builder *b, unsigned threads)
{
    const uint64_t tile_count = (uint64_t)b->info.block_count * b->info.segment_count;
    b->tiles = calloc(tile_count + 1, sizeof *b->tiles);
    int rc = b->tiles ? run_threads(b, threads) : -ENOMEM;
    if (rc)
        return rc;
    for (uint64_t i = 0; i < tile_count; i++)
        b->tiles[i + 1] += b->tiles[i];
    uint64_t cost = 0;
    for (uint32_t block = 0; block <= b->info.block_count; block++) {
        const uint64_t own = b->blocks[block].cost;
        b->blocks[block].cost = cost;
        cost += own;
    }
    b->info.word_count = b->tiles[tile_count];
    b->words = malloc((b->info.word_count + 1) * sizeof *b->words);
    return b->words ? run_threads(b, threads) : -ENOMEM;
}

/* --------------------------------------------------------------------------------------------- */

static int build(struct builder *b, unsigned threads)
{
    const size_t n = b->graph->vertex_count;
    b->info.vertex_count = b->graph->vertex_count;
    b->order = malloc(n * sizeof *b->order);
    b->positions = malloc(n * sizeof *b->positions);
    b->degrees = malloc(n * sizeof *b->degrees);
    b->start = malloc(n * sizeof *b->start);
    if (!b->order || !b->positions || !b->degrees || !b->start)
        return -ENOMEM;
    int rc = sort_by_degree(b);
    if (!rc)
        rc = spmv_fill_start(b->start, b->graph, b->positions);
    if (rc)
        return rc;
    find_extremes(b);
    choose_segments(&b->info, b->graph->edge_count);
    const uint32_t count = b->info.block_count = cut_blocks(b, NULL);
    b->blocks = calloc((size_t)count + 1, sizeof *b->blocks);
    b->phase_of_block = malloc(((size_t)count + 1) * sizeof *b->phase_of_block);
    if (!b->blocks || !b->phase_of_block)
        return -ENOMEM;
    cut_blocks(b, b->blocks);
    b->blocks[count].row = b->info.vertex_count;
    return make_tiles(b, threads);
}

int spmv_build(struct spmv_built *built, const struct graph_view *graph, unsigned threads,
               struct fault *why)
{
    struct builder b = {.graph = graph};
    const int rc = build(&b, threads);
    free(b.order);
    free(b.phase_of_block);
    built->info = b.info;
    built->view = (struct spmv_view){.info = &built->info,
                                     .positions = b.positions,
                                     .degrees = b.degrees,
                                     .start = b.start,
                                     .blocks = b.blocks,
                                     .tiles = b.tiles,
                                     .words = b.words};
    if (!rc)
        return 0;
    spmv_built_fini(built);
    return fault_set(why, ENOMEM, "no memory for the kernel layout of %llu links",
                     (unsigned long long)graph->edge_count);
}

static void free_const(const void *memory)
{
    free((void *)(uintptr_t)memory);
}

void spmv_built_fini(struct spmv_built *built)
{
    const struct spmv_view *view = &built->view;
    free_const(view->positions);
    free_const(view->degrees);
    free_const(view->start);
    free_const(view->blocks);
    free_const(view->tiles);
    free_const(view->words);
    *built = (struct spmv_built){0};
}
