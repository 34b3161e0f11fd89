/* SPDX-License-Identifier: MIT */
#include "coordinator/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct base *base_hold(struct base *base)
{
    base->references++;
    return base;
}

void base_drop(struct base **out)
{
    struct base *base = *out;
    *out = NULL;
    if (!base || --base->references > 0)
        return;
    seg_destroy(&base->seg);
    if (base->file_map)
        munmap(base->file_map, base->file_map_bytes);
    if (base->index_fd >= 0)
        close(base->index_fd);
    free(base->path);
    free(base);
}

static void *section_for_writing(struct image_header *header, enum section_kind kind)
{
    return (char *)header + image_find(header, kind)->offset;
}

int ranks_create(struct ranks **out, const struct base *base, const struct seg_owner *owner,
                 uint64_t serial, struct fault *why)
{
    uint64_t n = base->view.meta->page_count, titles = base->view.titles.count;
    const struct image_part parts[] = {
        {.kind = SECTION_RANK_INFO, .bytes = sizeof(struct rank_info)},
        {.kind = SECTION_SCORES, .bytes = n * sizeof(double)},
        {.kind = SECTION_RANK_ORDER, .bytes = n * sizeof(uint32_t)},
        {.kind = SECTION_RANK_POSITIONS, .bytes = n * sizeof(uint32_t)},
        {.kind = SECTION_TITLE_RANKS, .bytes = titles * sizeof(uint32_t)},
        {.kind = SECTION_TITLE_MINIMA,
         .bytes = rank_minima_count((uint32_t)titles) * sizeof(uint32_t)},
    };
    struct image_header header;
    int err = image_plan(&header, parts, sizeof parts / sizeof parts[0], why);
    if (err)
        return err;
    struct ranks *ranks = calloc(1, sizeof *ranks);
    if (!ranks)
        return fault_set(why, ENOMEM, "no memory for a score vector");
    char label[32];
    snprintf(label, sizeof label, "ranks-%llu", (unsigned long long)serial);
    err = seg_create(&ranks->seg, owner, label, header.hot_bytes, why);
    if (err) {
        free(ranks);
        return err;
    }
    /* Only the job's own workers inherit it while it can be written (crew.c). */
    madvise(ranks->seg.base, ranks->seg.bytes, MADV_DONTFORK);
    struct image_header *image = ranks->seg.base;
    memcpy(image, &header, sizeof header);
    ranks->references = 1;
    ranks->arrays = (struct rank_arrays){
        .info = section_for_writing(image, SECTION_RANK_INFO),
        .scores = section_for_writing(image, SECTION_SCORES),
        .order = section_for_writing(image, SECTION_RANK_ORDER),
        .positions = section_for_writing(image, SECTION_RANK_POSITIONS),
        .title_ranks = section_for_writing(image, SECTION_TITLE_RANKS),
        .minima = section_for_writing(image, SECTION_TITLE_MINIMA),
    };
    *out = ranks;
    return 0;
}

int ranks_seal(struct ranks *ranks, uint64_t generation, struct fault *why)
{
    ranks->generation = generation;
    image_publish(ranks->seg.base, generation);
    int err = seg_seal(&ranks->seg, why);
    if (!err)
        ranks->arrays = (struct rank_arrays){0};
    return err;
}

void ranks_drop(struct ranks **out)
{
    struct ranks *ranks = *out;
    *out = NULL;
    if (!ranks || --ranks->references > 0)
        return;
    seg_destroy(&ranks->seg);
    free(ranks);
}

int generation_create(struct generation **out, uint64_t number, struct base *base,
                      struct ranks *ranks, struct fault *why)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (!generation) {
        base_drop(&base);
        ranks_drop(&ranks);
        return fault_set(why, ENOMEM, "no memory for a generation");
    }
    *generation = (struct generation){
        .references = 1, .number = number, .base = base, .ranks = ranks, .view = base->view};
    int err = 0;
    if (ranks)
        err = index_bind_rank(&generation->view, ranks->seg.base, ranks->seg.name, why);
    else if (!generation->view.rank.scores)
        err = fault_set(why, EINVAL, "%s: no scores in it", base->path);
    if (err) {
        generation_drop(&generation);
        return err;
    }
    *out = generation;
    return 0;
}

struct generation *generation_hold(struct generation *generation)
{
    generation->references++;
    return generation;
}

void generation_drop(struct generation **out)
{
    struct generation *generation = *out;
    *out = NULL;
    if (!generation || --generation->references > 0)
        return;
    base_drop(&generation->base);
    ranks_drop(&generation->ranks);
    free(generation);
}
