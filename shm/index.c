/* SPDX-License-Identifier: MIT
 *
 * Binding an index view to an image: which sections there must be and how their sizes follow from
 * the numbers of pages, titles and links.
 */
#include "shm/index.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What a bind function works on. */
struct binding {
    const struct image_header *image;
    const char *name;
    struct fault *why;
};

/* The section, which must have exactly `count` elements; NULL after filling in the fault. */
static const void *take(const struct binding *b, enum section_kind kind, uint64_t count)
{
    uint64_t bytes;
    const void *data = image_section(b->image, kind, &bytes);
    const uint64_t element = section_element_bytes(kind);
    if (!data) {
        fault_set(b->why, EINVAL, "%s: section %s is missing", b->name, section_name(kind));
        return NULL;
    }
    if (bytes / element != count || bytes % element) {
        fault_set(b->why, EINVAL,
                  "%s: section %s has %" PRIu64 " bytes, but %" PRIu64 " elements of %" PRIu64
                  " are due",
                  b->name, section_name(kind), bytes, count, element);
        return NULL;
    }
    return data;
}

/* A byte string or a table whose size only its own contents can confirm. */
static const void *take_any(const struct binding *b, enum section_kind kind, uint64_t *count)
{
    uint64_t bytes;
    const void *data = image_section(b->image, kind, &bytes);
    if (!data)
        fault_set(b->why, EINVAL, "%s: section %s is missing", b->name, section_name(kind));
    *count = bytes / section_element_bytes(kind);
    return data;
}

static int bind_titles(struct titles_view *titles, const struct binding *b,
                       const struct index_meta *meta)
{
    const uint64_t count = meta->title_count;
    uint64_t bytes, fold_bytes, slot_count;
    titles->count = meta->title_count;
    if (!(titles->offsets = take(b, SECTION_TITLE_OFFSETS, count + 1)) ||
        !(titles->bytes = take_any(b, SECTION_TITLE_BYTES, &bytes)) ||
        !(titles->fold_offsets = take(b, SECTION_FOLD_OFFSETS, count + 1)) ||
        !(titles->fold_bytes = take_any(b, SECTION_FOLD_BYTES, &fold_bytes)) ||
        !(titles->targets = take(b, SECTION_TITLE_TARGETS, count)) ||
        !(titles->slots = take_any(b, SECTION_TITLE_HASH, &slot_count)))
        return -EINVAL;
    if (slot_count < 2 * count || slot_count > UINT64_C(1) << 32 ||
        (slot_count & (slot_count - 1)) != 0)
        return fault_set(b->why, EINVAL,
                         "%s: section %s has %" PRIu64 " slots, which is no power of two of at "
                         "least twice the %" PRIu64 " titles",
                         b->name, section_name(SECTION_TITLE_HASH), slot_count, count);
    titles->slot_mask = (uint32_t)(slot_count - 1);
    titles->first_letter = meta->first_letter;
    return 0;
}

static int bind_graph(struct graph_view *graph, const struct binding *b,
                      const struct index_meta *meta)
{
    const uint64_t n = meta->page_count, m = meta->edge_count;
    graph->vertex_count = meta->page_count;
    graph->edge_count = m;
    if (!(graph->out_offsets = take(b, SECTION_OUT_OFFSETS, n + 1)) ||
        !(graph->out_targets = take(b, SECTION_OUT_TARGETS, m)) ||
        !(graph->in_offsets = take(b, SECTION_IN_OFFSETS, n + 1)) ||
        !(graph->in_sources = take(b, SECTION_IN_SOURCES, m)))
        return -EINVAL;
    return 0;
}

static int bind_spmv(struct spmv_view *spmv, const struct binding *b, uint32_t vertex_count)
{
    const struct spmv_info *info = take(b, SECTION_SPMV_INFO, 1);
    if (!info)
        return -EINVAL;
    if (info->vertex_count != vertex_count || info->source_count > vertex_count ||
        info->segment_shift > SPMV_SHIFT_MAX || info->phase_count == 0 ||
        info->phase_count > SPMV_PHASES_MAX ||
        info->segment_count != (info->source_count + (UINT64_C(1) << info->segment_shift) - 1) >>
                                   info->segment_shift ||
        (uint64_t)info->phase_segments * info->phase_count < info->segment_count)
        return fault_set(b->why, EINVAL, "%s: section %s contradicts itself", b->name,
                         section_name(SECTION_SPMV_INFO));
    if (!(spmv->positions = take(b, SECTION_SPMV_POSITIONS, vertex_count)) ||
        !(spmv->degrees = take(b, SECTION_SPMV_DEGREES, info->source_count)) ||
        !(spmv->start = take(b, SECTION_SPMV_START, vertex_count)) ||
        !(spmv->blocks = take(b, SECTION_SPMV_BLOCKS, (uint64_t)info->block_count + 1)) ||
        !(spmv->tiles =
              take(b, SECTION_SPMV_TILES, (uint64_t)info->block_count * info->segment_count + 1)) ||
        !(spmv->words = take(b, SECTION_SPMV_WORDS, info->word_count)))
        return -EINVAL;
    spmv->info = info;
    return 0;
}

static int bind_rank(struct rank_view *rank, const struct binding *b, uint32_t vertex_count,
                     uint32_t title_count)
{
    rank->vertex_count = vertex_count;
    rank->title_count = title_count;
    if (!(rank->info = take(b, SECTION_RANK_INFO, 1)) ||
        !(rank->scores = take(b, SECTION_SCORES, vertex_count)) ||
        !(rank->order = take(b, SECTION_RANK_ORDER, vertex_count)) ||
        !(rank->positions = take(b, SECTION_RANK_POSITIONS, vertex_count)) ||
        !(rank->title_ranks = take(b, SECTION_TITLE_RANKS, title_count)) ||
        !(rank->minima = take(b, SECTION_TITLE_MINIMA, rank_minima_count(title_count))))
        return -EINVAL;
    return 0;
}

static int bind_text(struct index_view *view, const struct binding *b)
{
    const struct section *text = image_find(b->image, SECTION_TEXT);
    const struct section *blocks = image_find(b->image, SECTION_TEXT_BLOCKS);
    if (view->meta->has_text && !text)
        return fault_set(b->why, EINVAL, "%s: section %s is missing", b->name,
                         section_name(SECTION_TEXT));
    if (view->meta->has_text && !blocks)
        return fault_set(b->why, EINVAL, "%s: section %s is missing", b->name,
                         section_name(SECTION_TEXT_BLOCKS));
    if (text) {
        view->text_offset = text->offset;
        view->text_bytes = text->bytes;
    }
    if (blocks)
        view->text_blocks = take_any(b, SECTION_TEXT_BLOCKS, &view->block_count);
    return 0;
}

/* Whether there is any of the kinds from `first` to `last`, which come together or not at all. */
static bool has_any(const struct image_header *image, uint32_t first, uint32_t last)
{
    for (uint32_t kind = first; kind <= last; kind++)
        if (image_find(image, (enum section_kind)kind))
            return true;
    return false;
}

int index_bind(struct index_view *view, const struct image_header *image, const char *name,
               struct fault *why)
{
    const struct binding b = {image, name, why};
    *view = (struct index_view){.image = image};
    view->meta = take(&b, SECTION_META, 1);
    if (!view->meta)
        return -EINVAL;

    const uint32_t n = view->meta->page_count, title_count = view->meta->title_count;
    if (n == 0)
        return fault_set(why, EINVAL, "%s: section meta: an index of no pages", name);
    /* The top bit of a title's target is the redirect flag. */
    if (n >= TITLE_IS_REDIRECT || title_count >= TITLE_IS_REDIRECT)
        return fault_set(why, EINVAL,
                         "%s: section meta: %" PRIu32 " pages and %" PRIu32
                         " titles: there cannot be more than 2^31",
                         name, n, title_count);
    if (title_count < n)
        return fault_set(why, EINVAL, "%s: section meta: %" PRIu32 " titles for %" PRIu32 " pages",
                         name, title_count, n);
    view->pages = take(&b, SECTION_PAGES, n);
    if (!view->pages)
        return -EINVAL;
    int rc = bind_titles(&view->titles, &b, view->meta);
    if (!rc)
        rc = bind_graph(&view->graph, &b, view->meta);
    if (!rc)
        rc = bind_text(view, &b);
    if (!rc && has_any(image, SECTION_SPMV_INFO, SECTION_SPMV_WORDS))
        rc = bind_spmv(&view->spmv, &b, n);
    if (!rc)
        rc = index_bind_search(view, name, why);
    if (!rc && has_any(image, SECTION_RANK_INFO, SECTION_TITLE_MINIMA))
        rc = index_bind_rank(view, image, name, why);
    return rc;
}

int index_bind_rank(struct index_view *view, const struct image_header *ranks, const char *name,
                    struct fault *why)
{
    struct rank_view rank = {0};
    int rc = bind_rank(&rank, &(struct binding){ranks, name, why}, view->meta->page_count,
                       view->meta->title_count);
    if (rc)
        return rc;
    view->rank = rank;
    view->rank_image = ranks;
    return 0;
}
