/* SPDX-License-Identifier: MIT
 *
 * Title entries in the byte order of their titles, for exports. The index has them sorted by
 * folded title; this permutation is made when somebody first exports, in pieces: entries are
 * dealt out to buckets by their first two bytes, and a bucket is sorted when it is first read.
 */
#ifndef FORKLORE_WORKER_TITLE_ORDER_H
#define FORKLORE_WORKER_TITLE_ORDER_H

#include "shm/titles.h"

struct title_order;

/* Compares bytes, the shorter one first. */
int text_compare(struct text_ref a, struct text_ref b);

/* 4 bytes of memory per title and 264 KiB; one pass over all titles. -ENOMEM. */
int title_order_create(struct title_order **order, const struct titles_view *titles);
void title_order_destroy(struct title_order **order);

/* The entry at `position` < T in byte order. Sorts its bucket if need be. */
uint32_t title_order_at(struct title_order *order, uint32_t position);

#endif
