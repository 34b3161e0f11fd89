/* SPDX-License-Identifier: MIT
 *
 * The links once more, in the order in which PageRank multiplies by them. Made at build time.
 *
 * Vertices have positions: by links out, most first, so that what is read most often lies together
 * and the dangling ones, whose scores nobody reads, come last. Sources are cut into segments that
 * stay in a processor's second-level cache, rows (targets) into blocks that stay in the first. A
 * tile holds the links from one segment into one block: 16 bits a source within the segment. What
 * a row has there is cut into steps of 16 links, which are read side by side, and a rest of less
 * than 16; rests of the same length are read side by side for 16 rows. So nothing is padded and no
 * branch is guessed wrong. A tile is a run of 16-bit words, empty if there are no links; else
 *
 *     groups, long groups              counts
 *     (links, rows) of each group      ascending links, 1 to 15
 *     (steps, rows) of each long group ascending steps
 *     chunks of each group             of 16 rows, the last one of what is left: row numbers in the
 *                                      block, then the rows' first sources, second sources, ...
 *     rows of each long group          row, steps * 16 sources, ascending
 *
 * Phases are runs of segments: PageRank computes one phase's rows from the newest scores of all
 * the others. Tiles are stored by phase of their rows, then segment, then block.
 */
#ifndef FORKLORE_SHM_SPMV_H
#define FORKLORE_SHM_SPMV_H

#include "shm/fault.h"
#include "shm/graph.h"
#include "shm/layout.h"

#define SPMV_LANES      16
#define SPMV_STEPS_MAX  2048 /* a segment's sources, 16 at a time */
#define SPMV_BLOCK_ROWS 4096 /* at most */
#define SPMV_PHASES_MAX 20
#define SPMV_SHIFT_MIN  13 /* segments of 8 K to 32 K sources */
#define SPMV_SHIFT_MAX  15

struct spmv_view {
    const struct spmv_info *info;    /* NULL: the index has no such layout */
    const uint32_t *positions;       /* [n] of vertices */
    const uint32_t *degrees;         /* [sources] links out, by position */
    const float *start;              /* [n] by position: weights of a start vector, sum 1: every
                                      * weakly connected part gets its share of the vertices,
                                      * spread over it by links in */
    const struct spmv_block *blocks; /* [blocks + 1] */
    const uint64_t *tiles;           /* [blocks * segments + 1] where tiles begin */
    const uint16_t *words;
};

static inline uint32_t spmv_segment_start(const struct spmv_info *info, uint32_t segment)
{
    const uint64_t start = (uint64_t)segment << info->segment_shift;
    return start < info->source_count ? (uint32_t)start : info->source_count;
}

static inline uint32_t spmv_phase_segment(const struct spmv_info *info, uint32_t phase)
{
    const uint64_t segment = (uint64_t)phase * info->phase_segments;
    return segment < info->segment_count ? (uint32_t)segment : info->segment_count;
}

/* First row of a phase; the last phase ends with the dangling rows. */
static inline uint32_t spmv_phase_row(const struct spmv_info *info, uint32_t phase)
{
    return phase == info->phase_count ? info->vertex_count
                                      : spmv_segment_start(info, spmv_phase_segment(info, phase));
}

/* The block that begins at `row`, the start of one or n. */
uint32_t spmv_block_at(const struct spmv_view *spmv, uint32_t row);

/* First block of a phase: blocks do not reach over a phase's end. */
uint32_t spmv_phase_block(const struct spmv_view *spmv, uint32_t phase);

/* The tile of a block of `phase`, which has the blocks [first, end). */
static inline uint64_t spmv_tile(const struct spmv_info *info, uint32_t first, uint32_t end,
                                 uint32_t segment, uint32_t block)
{
    return (uint64_t)first * info->segment_count + (uint64_t)segment * (end - first) +
           (block - first);
}

/* Cuts the rows of phases [phase, phase + count) into `parts` runs of whole blocks that cost about
 * the same: part p has the rows [bounds[p], bounds[p + 1]). */
void spmv_partition(const struct spmv_view *spmv, uint32_t phase, uint32_t count, unsigned parts,
                    uint32_t *bounds);

/* The layout of a graph, in heap arrays. */
struct spmv_built {
    struct spmv_info info;
    struct spmv_view view;
};

/* Builds on `threads` threads. Needs some 16 bytes of scratch per vertex. -ENOMEM. */
int spmv_build(struct spmv_built *built, const struct graph_view *graph, unsigned threads,
               struct fault *why);
void spmv_built_fini(struct spmv_built *built);

/* Reads everything and compares it with the graph: -EINVAL says what is wrong, as
 * "section NAME, element I: ...". -ENOMEM. */
int spmv_verify(const struct spmv_view *spmv, const struct graph_view *graph, struct fault *why);

#endif
