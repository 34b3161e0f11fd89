/* SPDX-License-Identifier: MIT
 *
 * Finding titles: exactly by hash, and the range of a prefix by binary search.
 */
#include "shm/titles.h"

#include <string.h>

struct text_ref titles_text(const struct titles_view *titles, uint32_t entry)
{
    const uint32_t *at = &titles->offsets[entry];
    return (struct text_ref){titles->bytes + at[0], at[1] - at[0]};
}

struct text_ref titles_fold(const struct titles_view *titles, uint32_t entry)
{
    const uint32_t *at = &titles->fold_offsets[entry];
    return (struct text_ref){titles->fold_bytes + at[0], at[1] - at[0]};
}

uint32_t titles_vertex(const struct titles_view *titles, uint32_t entry)
{
    return titles->targets[entry] & ~TITLE_IS_REDIRECT;
}

bool titles_is_redirect(const struct titles_view *titles, uint32_t entry)
{
    return titles->targets[entry] & TITLE_IS_REDIRECT;
}

uint32_t titles_find(const struct titles_view *titles, const char *title, size_t length)
{
    const uint64_t hash = title_hash(title, length);
    const uint32_t tag = (uint32_t)(hash >> 32);
    /* The table is at most half full, so there is a free slot to stop at. The tag spares the
     * misses on offsets and bytes for all but one in 2^32 of the wrong entries. */
    for (uint32_t i = (uint32_t)hash & titles->slot_mask;; i = (i + 1) & titles->slot_mask) {
        const struct title_slot slot = titles->slots[i];
        if (slot.entry == 0)
            return TITLE_NONE;
        if (slot.tag != tag)
            continue;
        __builtin_prefetch(&titles->targets[slot.entry - 1]); /* what the caller asks next */
        if (title_is(titles_text(titles, slot.entry - 1), titles->first_letter, title, length))
            return slot.entry - 1;
    }
}

/* Sign of the entry's fold against the wanted range: 0 inside it. */
static int compare(const struct titles_view *titles, uint32_t entry, const char *fold,
                   size_t length, bool whole)
{
    const struct text_ref text = titles_fold(titles, entry);
    const size_t common = text.length < length ? text.length : length;
    const int order = memcmp(text.bytes, fold, common);
    if (order)
        return order;
    if (text.length < length)
        return -1;
    return whole && text.length > length;
}

struct title_range titles_range(const struct titles_view *titles, const char *fold, size_t length,
                                bool whole)
{
    uint32_t low = 0, high = titles->count;
    int order = 1;
    uint32_t inside = 0;
    while (low < high && order) {
        inside = low + (high - low) / 2;
        order = compare(titles, inside, fold, length, whole);
        if (order < 0)
            low = inside + 1;
        else if (order > 0)
            high = inside;
    }
    if (order) /* [low, low) is where it would be */
        return (struct title_range){low, low};

    /* Everything below `low` is before the range, `inside` is in it, `high` and up is after. */
    uint32_t first = inside, end = inside + 1;
    while (low < first) {
        const uint32_t middle = low + (first - low) / 2;
        if (compare(titles, middle, fold, length, whole) < 0)
            low = middle + 1;
        else
            first = middle;
    }
    while (end < high) {
        const uint32_t middle = end + (high - end) / 2;
        if (compare(titles, middle, fold, length, whole) > 0)
            high = middle;
        else
            end = middle + 1;
    }
    return (struct title_range){first, end};
}
