/* SPDX-License-Identifier: MIT
 *
 * Checking a layout: what it has to be follows from the links, so it is made again and compared.
 */
#include "shm/image.h"
#include "shm/spmv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The first element that differs, or `count`. */
static uint64_t first_difference(const void *a, const void *b, uint64_t count, size_t bytes)
{
    const char *x = a, *y = b;
    if (memcmp(x, y, count * bytes) == 0)
        return count;
    uint64_t i = 0;
    while (memcmp(x + i * bytes, y + i * bytes, bytes) == 0)
        i++;
    return i;
}

static int compare(enum section_kind kind, const void *found, const void *wanted, uint64_t count,
                   struct fault *why)
{
    const uint64_t i = first_difference(found, wanted, count, section_element_bytes(kind));
    if (i == count)
        return 0;
    return fault_set(why, EINVAL,
                     "section %s, element %" PRIu64 ": not what follows from the links",
                     section_name(kind), i);
}

int spmv_verify(const struct spmv_view *spmv, const struct graph_view *graph, struct fault *why)
{
    struct spmv_built built;
    int rc = spmv_build(&built, graph, 1, why);
    if (rc)
        return rc;
    const struct spmv_view *wanted = &built.view;
    const uint64_t n = graph->vertex_count, blocks = (uint64_t)built.info.block_count;
    rc = compare(SECTION_SPMV_INFO, spmv->info, wanted->info, 1, why);
    if (!rc)
        rc = compare(SECTION_SPMV_POSITIONS, spmv->positions, wanted->positions, n, why);
    if (!rc)
        rc = compare(SECTION_SPMV_DEGREES, spmv->degrees, wanted->degrees, built.info.source_count,
                     why);
    if (!rc)
        rc = compare(SECTION_SPMV_START, spmv->start, wanted->start, n, why);
    if (!rc)
        rc = compare(SECTION_SPMV_BLOCKS, spmv->blocks, wanted->blocks, blocks + 1, why);
    if (!rc)
        rc = compare(SECTION_SPMV_TILES, spmv->tiles, wanted->tiles,
                     blocks * built.info.segment_count + 1, why);
    if (!rc)
        rc = compare(SECTION_SPMV_WORDS, spmv->words, wanted->words, built.info.word_count, why);
    spmv_built_fini(&built);
    return rc;
}
