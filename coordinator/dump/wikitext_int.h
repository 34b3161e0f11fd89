/* SPDX-License-Identifier: MIT
 *
 * Between wikitext.c, which finds [[targets]], and wikitext_rules.c, which says what they are.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_WIKITEXT_INT_H
#define FORKLORE_COORDINATOR_DUMP_WIKITEXT_INT_H

#include "coordinator/dump/wikitext.h"
#include "shm/titles.h"

/* Longest target before decoding: a title of TITLE_MAX_BYTES written as %XX or entities, with a
 * section behind it. */
#define LINK_TARGET_BYTES 4096

/* What a target is. Writes `title` and its length: normalised for pages, namespaces and
 * interwikis (with their prefix), otherwise what there is of the target as it stands. `is_file`:
 * in namespace 6, and without a leading colon, so that its caption may hold links. */
enum link_kind link_classify(const struct link_rules *rules, const char *target, size_t length,
                             char title[static TITLE_MAX_BYTES], size_t *title_length,
                             bool *is_file);

#endif
