/* SPDX-License-Identifier: MIT
 *
 * Building the title sections: fold every title, sort by (fold, title), lay out, hash.
 *
 * The sort is a quicksort that looks at seven bytes of the strings at a time, cached in the
 * array that is sorted: the strings themselves, scattered in memory, are read once per seven
 * bytes of common prefix instead of once per comparison.
 */
#include "shm/titles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES       7
#define INSERTION_LIMIT 12

struct sort_item {
    uint64_t key;
    uint32_t input;
};

/* The strings to sort by: folds first, titles where folds are equal. */
struct builder {
    const struct title_input *inputs;
    uint32_t count;
    bool first_letter;
    char *folds; /* arena, in input order */
    uint64_t fold_bytes, fold_capacity;
    uint32_t *fold_starts; /* [count + 1] */
    struct sort_item *items;
};

enum sort_by { BY_FOLD, BY_TITLE };

static struct text_ref text_of(const struct builder *b, uint32_t input, enum sort_by by)
{
    if (by == BY_TITLE)
        return (struct text_ref){b->inputs[input].bytes, b->inputs[input].length};
    const uint32_t start = b->fold_starts[input];
    return (struct text_ref){b->folds + start, b->fold_starts[input + 1] - start};
}

/* Seven bytes big-endian, then how many of them there are (8: and more follow): shorter strings
 * sort first, NUL bytes notwithstanding, and a count below 8 says the string is used up. */
static uint64_t key_at(struct text_ref text, uint32_t depth)
{
    const uint32_t left = text.length > depth ? text.length - depth : 0;
    uint64_t key = 0;
    if (left > KEY_BYTES) {
        memcpy(&key, text.bytes + depth, sizeof key);
        return (__builtin_bswap64(key) & ~UINT64_C(0xff)) | (KEY_BYTES + 1);
    }
    if (left)
        memcpy(&key, text.bytes + depth, left);
    return __builtin_bswap64(key) | left;
}

static bool key_is_last(uint64_t key)
{
    return (key & 0xff) <= KEY_BYTES;
}

static int compare_from(const struct builder *b, uint32_t x, uint32_t y, enum sort_by by,
                        uint32_t depth)
{
    for (;; by = BY_TITLE, depth = 0) {
        const struct text_ref s = text_of(b, x, by), t = text_of(b, y, by);
        const uint32_t common = (s.length < t.length ? s.length : t.length) - depth;
        const int order = memcmp(s.bytes + depth, t.bytes + depth, common);
        if (order)
            return order;
        if (s.length != t.length)
            return s.length < t.length ? -1 : 1;
        if (by == BY_TITLE)
            return 0;
    }
}

/* By key, and by the strings from `depth` on where the keys are equal. */
static void insertion_sort(const struct builder *b, struct sort_item *items, size_t count,
                           enum sort_by by, uint32_t depth)
{
    for (size_t i = 1; i < count; i++) {
        const struct sort_item item = items[i];
        size_t j = i;
        for (; j && (item.key < items[j - 1].key ||
                     (item.key == items[j - 1].key &&
                      compare_from(b, item.input, items[j - 1].input, by, depth) < 0));
             j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

static uint64_t median(uint64_t x, uint64_t y, uint64_t z)
{
    const uint64_t low = x < y ? x : y, high = x < y ? y : x;
    return z < low ? low : z > high ? high : z;
}

static void swap_items(struct sort_item *x, struct sort_item *y)
{
    const struct sort_item item = *x;
    *x = *y;
    *y = item;
}

static void load_keys(const struct builder *b, struct sort_item *items, size_t count,
                      enum sort_by by, uint32_t depth)
{
    for (size_t i = 0; i < count; i++)
        items[i].key = key_at(text_of(b, items[i].input, by), depth);
}

/* Sorts items that agree in the `depth` bytes before their loaded keys. Recursion goes into the
 * two smaller of three parts and the loop takes the largest, so the stack stays logarithmic. */
static void sort(const struct builder *b, struct sort_item *items, size_t count, enum sort_by by,
                 uint32_t depth)
{
    struct part {
        struct sort_item *items;
        size_t count;
        bool equal;
    };
    /* Positions of the pivot that nobody can aim at with a crafted order of titles. */
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15) ^ count;

    while (count > INSERTION_LIMIT) {
        uint64_t samples[3];
        for (int i = 0; i < 3; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            samples[i] = items[(state >> 32) % count].key;
        }
        const uint64_t pivot = median(samples[0], samples[1], samples[2]);
        size_t low = 0, high = count; /* [0,low) below, [low,i) equal, [high,count) above */
        for (size_t i = 0; i < high;) {
            if (items[i].key < pivot)
                swap_items(&items[i++], &items[low++]);
            else if (items[i].key > pivot)
                swap_items(&items[i], &items[--high]);
            else
                i++;
        }
        struct part parts[3] = {
            {items, low, false},
            {items + low, high - low, true},
            {items + high, count - high, false},
        };
        if (key_is_last(pivot) && by == BY_TITLE)
            parts[1].count = 0;     /* the same title: nothing left to order */
        for (int i = 0; i < 2; i++) /* the largest part last */
            if (parts[i].count > parts[i + 1].count) {
                const struct part part = parts[i];
                parts[i] = parts[i + 1];
                parts[i + 1] = part;
            }
        for (int i = 0; i < 3; i++) {
            enum sort_by part_by = by;
            uint32_t part_depth = depth;
            if (parts[i].equal) {
                part_by = key_is_last(pivot) ? BY_TITLE : by;
                part_depth = key_is_last(pivot) ? 0 : depth + KEY_BYTES;
                load_keys(b, parts[i].items, parts[i].count, part_by, part_depth);
            }
            if (i < 2) {
                sort(b, parts[i].items, parts[i].count, part_by, part_depth);
                continue;
            }
            items = parts[i].items;
            count = parts[i].count;
            by = part_by;
            depth = part_depth;
        }
    }
    insertion_sort(b, items, count, by, depth);
}

static int no_memory(struct fault *why, uint32_t count)
{
    return fault_set(why, ENOMEM, "no memory for the table of %u titles", count);
}

static int fold_all(struct builder *b, struct fault *why)
{
    b->fold_starts = malloc(((size_t)b->count + 1) * sizeof *b->fold_starts);
    if (!b->fold_starts)
        return no_memory(why, b->count);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct title_input *input = &b->inputs[i];
        if (b->fold_bytes + TITLE_FOLD_BYTES > b->fold_capacity) {
            const uint64_t capacity = 2 * b->fold_capacity + ((uint64_t)1 << 20);
            char *folds = realloc(b->folds, capacity);
            if (!folds)
                return no_memory(why, b->count);
            b->folds = folds;
            b->fold_capacity = capacity;
        }
        b->fold_starts[i] = (uint32_t)b->fold_bytes;
        char normal[TITLE_MAX_BYTES];
        int n = title_normalise(input->bytes, input->length, b->first_letter, normal);
        if (n >= 0)
            n = title_fold(normal, (size_t)n, b->folds + b->fold_bytes);
        if (n < 0)
            return fault_set(why, -n, "title %u (%.*s): %s", i,
                             input->length < 80 ? (int)input->length : 80, input->bytes,
                             n == -EILSEQ ? "not valid UTF-8" : "too long");
        b->fold_bytes += (uint64_t)n;
        if (b->fold_bytes > UINT32_MAX)
            return fault_set(why, EFBIG, "the folded titles exceed 4 GiB at title %u of %u", i,
                             b->count);
    }
    b->fold_starts[b->count] = (uint32_t)b->fold_bytes;
    return 0;
}

static int order_all(struct builder *b, struct fault *why)
{
    b->items = malloc(((size_t)b->count + 1) * sizeof *b->items);
    if (!b->items)
        return no_memory(why, b->count);
    for (uint32_t i = 0; i < b->count; i++)
        b->items[i].input = i;
    load_keys(b, b->items, b->count, BY_FOLD, 0);
    sort(b, b->items, b->count, BY_FOLD, 0);
    return 0;
}

/* One section's array, kept in built->memory. */
static void *keep(struct titles_built *built, int slot, uint64_t bytes)
{
    return built->memory[slot] = malloc(bytes ? bytes : 1);
}

static int lay_out(struct titles_built *built, const struct builder *b, struct fault *why)
{
    const uint64_t count = b->count;
    uint32_t *offsets = keep(built, 0, (count + 1) * sizeof *offsets);
    char *bytes = keep(built, 1, built->title_bytes);
    uint32_t *fold_offsets = keep(built, 2, (count + 1) * sizeof *fold_offsets);
    char *fold_bytes = keep(built, 3, built->fold_bytes);
    uint32_t *targets = keep(built, 4, count * sizeof *targets);
    built->entry_of_input = malloc((count + 1) * sizeof *built->entry_of_input);
    if (!offsets || !bytes || !fold_offsets || !fold_bytes || !targets || !built->entry_of_input)
        return no_memory(why, b->count);

    struct titles_view *view = &built->view;
    *view = (struct titles_view){.count = b->count,
                                 .first_letter = b->first_letter,
                                 .offsets = offsets,
                                 .bytes = bytes,
                                 .fold_offsets = fold_offsets,
                                 .fold_bytes = fold_bytes,
                                 .targets = targets};
    uint32_t at = 0, fold_at = 0;
    offsets[0] = fold_offsets[0] = 0;
    for (uint32_t entry = 0; entry < count; entry++) {
        const uint32_t i = b->items[entry].input;
        const struct text_ref title = text_of(b, i, BY_TITLE), fold = text_of(b, i, BY_FOLD);
        memcpy(bytes + at, title.bytes, title.length);
        offsets[entry + 1] = at += title.length;
        memcpy(fold_bytes + fold_at, fold.bytes, fold.length);
        fold_offsets[entry + 1] = fold_at += fold.length;
        targets[entry] = b->inputs[i].target;
        built->entry_of_input[i] = entry;
    }
    return 0;
}

static int hash_all(struct titles_built *built, struct fault *why)
{
    struct titles_view *view = &built->view;
    uint64_t slot_count = 2;
    while (slot_count < 2 * (uint64_t)view->count)
        slot_count *= 2;
    struct title_slot *slots = built->memory[5] = calloc(slot_count, sizeof *slots);
    if (!slots)
        return no_memory(why, view->count);
    view->slot_mask = (uint32_t)(slot_count - 1);
    view->slots = slots;
    for (uint32_t entry = 0; entry < view->count; entry++) {
        const struct text_ref text = titles_text(view, entry);
        char normal[TITLE_MAX_BYTES];
        const int length = title_normalise(text.bytes, text.length, view->first_letter, normal);
        MUST(length >= 0); /* fold_all() has seen it */
        const uint64_t hash = title_hash(normal, (size_t)length);
        const uint32_t tag = (uint32_t)(hash >> 32);
        uint32_t i = (uint32_t)hash & view->slot_mask;
        for (; slots[i].entry; i = (i + 1) & view->slot_mask) {
            if (slots[i].tag == tag && title_is(titles_text(view, slots[i].entry - 1),
                                                view->first_letter, normal, (size_t)length))
                return fault_set(why, EINVAL, "title \"%.*s\" is given twice",
                                 length < 80 ? length : 80, normal);
        }
        slots[i] = (struct title_slot){.tag = tag, .entry = entry + 1};
    }
    return 0;
}

int titles_build(struct titles_built *built, const struct title_input *inputs, uint32_t count,
                 bool first_letter, struct fault *why)
{
    *built = (struct titles_built){0};
    for (uint32_t i = 0; i < count; i++)
        built->title_bytes += inputs[i].length;
    if (built->title_bytes > UINT32_MAX)
        return fault_set(why, EFBIG, "%u titles are %llu bytes; at most 4 GiB fit", count,
                         (unsigned long long)built->title_bytes);
    if (count > INT32_MAX)
        return fault_set(why, EFBIG, "%u titles are too many", count);

    struct builder b = {.inputs = inputs, .count = count, .first_letter = first_letter};
    int rc = fold_all(&b, why);
    if (!rc)
        rc = order_all(&b, why);
    built->fold_bytes = b.fold_bytes;
    if (!rc)
        rc = lay_out(built, &b, why);
    free(b.items);
    free(b.fold_starts);
    free(b.folds);
    if (!rc)
        rc = hash_all(built, why);
    if (rc)
        titles_built_fini(built);
    return rc;
}

void titles_built_fini(struct titles_built *built)
{
    for (size_t i = 0; i < sizeof built->memory / sizeof *built->memory; i++)
        free(built->memory[i]);
    free(built->entry_of_input);
    *built = (struct titles_built){0};
}
