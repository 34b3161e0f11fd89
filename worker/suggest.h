/* SPDX-License-Identifier: MIT
 *
 * Spelling: the index's word that somebody may have meant.
 */
#ifndef FORKLORE_WORKER_SUGGEST_H
#define FORKLORE_WORKER_SUGGEST_H

#include "shm/index.h"
#include "worker/patience.h"

/* The word of the bodies at edit distance 1, or else 2 from `word` that most pages have; words of
 * up to three characters have only neighbours at distance 1, single characters none. `out` takes
 * WORD_MAX_BYTES; its length, 0 if there is no such word, or -ETIME. */
int suggest_word(const struct index_view *index, struct text_ref word, char *out,
                 struct patience *patience);

#endif
