/* SPDX-License-Identifier: MIT
 *
 * Snowball stemming, for an index that was built with it: the same for its words and a query's.
 */
#ifndef FORKLORE_SHM_STEM_H
#define FORKLORE_SHM_STEM_H

#include "shm/fault.h"
#include "shm/words.h"

/* One thread's. NULL stands for words as they are. */
struct stemmer;

/* `language` is Snowball's name of it, in any of its forms ("english", "en"); "": none, which
 * leaves *stemmer NULL. -EINVAL for one that libstemmer does not have, naming those it has. */
int stemmer_create(struct stemmer **stemmer, const char *language, struct fault *why);
void stemmer_destroy(struct stemmer **stemmer);

/* Replaces the word's bytes by those of its stem, valid until the next call. -ENOMEM. */
int stem_word(struct stemmer *stemmer, struct word *word);

#endif
