/* SPDX-License-Identifier: MIT */
#include "worker/title_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS (UINT32_C(1) << 16)

struct title_order {
    const struct titles_view *titles;
    uint32_t *entries;            /* [T] */
    uint32_t begins[BUCKETS + 1]; /* bucket b is entries[begins[b]] .. entries[begins[b + 1] - 1] */
    uint64_t sorted[BUCKETS / 64];
};

int text_compare(struct text_ref a, struct text_ref b)
{
    uint32_t common = a.length < b.length ? a.length : b.length;
    int order = common ? memcmp(a.bytes, b.bytes, common) : 0;

    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static uint32_t bucket_of(const struct titles_view *titles, uint32_t entry)
{
    struct text_ref text = titles_text(titles, entry);
    uint32_t first = text.length > 0 ? (unsigned char)text.bytes[0] : 0;
    uint32_t second = text.length > 1 ? (unsigned char)text.bytes[1] : 0;

    return first << 8 | second;
}

static void deal(struct title_order *order)
{
    const struct titles_view *titles = order->titles;

    for (uint32_t entry = 0; entry < titles->count; entry++)
        order->begins[bucket_of(titles, entry) + 1]++;
    for (uint32_t b = 0; b < BUCKETS; b++)
        order->begins[b + 1] += order->begins[b];
    /* Filling a bucket moves its begin to its end, which is the next one's begin... */
    for (uint32_t entry = 0; entry < titles->count; entry++)
        order->entries[order->begins[bucket_of(titles, entry)]++] = entry;
    /* ...so afterwards all begins are one place too far down. */
    memmove(order->begins + 1, order->begins, BUCKETS * sizeof order->begins[0]);
    order->begins[0] = 0;
}

int title_order_create(struct title_order **order, const struct titles_view *titles)
{
    *order = calloc(1, sizeof **order);
    if (!*order)
        return -ENOMEM;
    (*order)->titles = titles;
    (*order)->entries = malloc((titles->count + (size_t)1) * sizeof *(*order)->entries);
    if (!(*order)->entries) {
        title_order_destroy(order);
        return -ENOMEM;
    }
    deal(*order);
    return 0;
}

void title_order_destroy(struct title_order **order)
{
    if (*order)
        free((*order)->entries);
    free(*order);
    *order = NULL;
}

static int compare_entries(const void *a, const void *b, void *titles)
{
    const uint32_t *left = a, *right = b;

    return text_compare(titles_text(titles, *left), titles_text(titles, *right));
}

uint32_t title_order_at(struct title_order *order, uint32_t position)
{
    uint32_t bucket = bucket_of(order->titles, order->entries[position]);

    if (!(order->sorted[bucket / 64] >> bucket % 64 & 1)) {
        uint32_t begin = order->begins[bucket];
        struct titles_view titles = *order->titles;

        qsort_r(order->entries + begin, order->begins[bucket + 1] - begin, sizeof *order->entries,
                compare_entries, &titles);
        order->sorted[bucket / 64] |= UINT64_C(1) << bucket % 64;
    }
    return order->entries[position];
}
