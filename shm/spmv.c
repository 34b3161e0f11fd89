/* SPDX-License-Identifier: MIT */
#include "shm/spmv.h"

uint32_t spmv_block_at(const struct spmv_view *spmv, uint32_t row)
{
    uint32_t low = 0, high = spmv->info->block_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (spmv->blocks[middle].row < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t spmv_phase_block(const struct spmv_view *spmv, uint32_t phase)
{
    return spmv_block_at(spmv, spmv_phase_row(spmv->info, phase));
}

void spmv_partition(const struct spmv_view *spmv, uint32_t phase, uint32_t count, unsigned parts,
                    uint32_t *bounds)
{
    uint32_t block = spmv_phase_block(spmv, phase);
    const uint32_t end = spmv_phase_block(spmv, phase + count);
    const uint64_t before = spmv->blocks[block].cost;
    const uint64_t total = spmv->blocks[end].cost - before;
    for (unsigned p = 0; p < parts; p++) {
        /* The boundary nearest to p/parts of the cost. */
        const uint64_t wanted = before + total / parts * p + total % parts * p / parts;
        while (block < end && spmv->blocks[block + 1].cost <= wanted)
            block++;
        if (block < end && spmv->blocks[block].cost < wanted &&
            spmv->blocks[block + 1].cost - wanted < wanted - spmv->blocks[block].cost)
            block++;
        bounds[p] = spmv->blocks[block].row;
    }
    bounds[parts] = spmv->blocks[end].row;
}
