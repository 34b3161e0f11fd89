/* SPDX-License-Identifier: MIT
 *
 * Made-up words and page titles for the synthetic wiki, and the growing text they are put into.
 */
#ifndef FORKLORE_COORDINATOR_GENERATE_NAMES_H
#define FORKLORE_COORDINATOR_GENERATE_NAMES_H

#include "coordinator/generate/rng.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes that grow. Running out of memory is remembered, so that only the end has to check.
 * Zero-initialise. */
struct text {
    char *bytes;
    size_t length, capacity;
    bool failed;
};
void text_add(struct text *text, const char *bytes, size_t length);
void text_put(struct text *text, const char *string);
void text_number(struct text *text, uint64_t number);
void text_fini(struct text *text);

/* Distinct strings, numbered in order. */
struct names {
    struct text bytes;
    uint64_t *offsets; /* [count + 1] */
    uint32_t count, capacity;
    uint32_t *slots; /* number + 1, 0: free */
    uint64_t slot_mask;
};
int names_init(struct names *names, uint32_t capacity); /* 0 or -ENOMEM */
void wiki_names_fini(struct names *names);
/* False if the string is there already. The set must have room. */
bool names_add(struct names *names, const char *bytes, size_t length);
bool names_have(const struct names *names, const char *bytes, size_t length);
void text_add_name(struct text *text, const struct names *names, uint32_t number);

/* One to three words, or another script, quotes, ampersands, brackets; replaces `out`. In
 * MediaWiki's normal form, but not necessarily new. */
void title_draw(struct text *out, struct rng *rng);

/* Words of the text, drawn by Zipf's law through a table of integers. */
#define VOCABULARY_WORDS 8192
#define ZIPF_SLOTS       (1 << 17)
struct vocabulary {
    struct names words;
    uint16_t zipf[ZIPF_SLOTS];
};
int vocabulary_create(struct vocabulary **vocabulary, struct rng *rng); /* 0 or -ENOMEM */
void vocabulary_destroy(struct vocabulary **vocabulary);
static inline uint32_t vocabulary_draw(const struct vocabulary *vocabulary, struct rng *rng)
{
    return vocabulary->zipf[rng_below(rng, ZIPF_SLOTS)];
}

#endif
