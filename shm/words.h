/* SPDX-License-Identifier: MIT
 *
 * Words of a text, for indexing, for queries and for snippets alike.
 *
 * The text is brought to NFKC and case-folded; a word is a maximal run of letters (L), marks (M)
 * and numbers (N) of what results. Within a run, Han, Hiragana, Katakana and Hangul come
 * out as overlapping pairs of characters, a character that stands alone as itself; marks belong to
 * the character they follow. Bytes that are no UTF-8 separate words. A word is cut at the last
 * whole character within WORD_MAX_BYTES; what follows in its run is dropped. Linear time and
 * constant memory whatever the text: a character takes at most WORD_CLUSTER_MAX code points.
 */
#ifndef FORKLORE_SHM_WORDS_H
#define FORKLORE_SHM_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORD_MAX_BYTES   254 /* word_list.h keeps lengths in bytes */
#define WORD_CLUSTER_MAX 32  /* a character and its marks; further marks begin a new one */

struct word {
    const char *bytes; /* folded; valid until the next words_next() */
    uint32_t length;   /* 1 to WORD_MAX_BYTES */
    size_t start, end; /* where it stands in the text */
};

/* A character after folding. Decompositions are at most 18 code points long. */
struct word_cluster {
    int32_t code[WORD_CLUSTER_MAX * 18];
    unsigned count, next;
    size_t start, end;
};

/* Private but for words_init() and words_next(). */
struct words {
    const char *text;
    size_t at, length;
    bool slow; /* inside a run that is not all ASCII */
    bool cut;  /* the rest of the run is dropped */
    bool pair; /* `before` is a CJK character that has not been in a pair yet */
    struct word_cluster cluster;
    uint32_t used; /* of `bytes` */
    size_t start, end;
    size_t before_start, before_end;
    uint32_t before_used; /* 0: no CJK character before */
    char bytes[WORD_MAX_BYTES + 1];
    char before[WORD_MAX_BYTES + 1];
    char pair_bytes[2 * WORD_MAX_BYTES + 2];
};

/* Borrows the text. */
void words_init(struct words *words, const char *text, size_t length);
bool words_next(struct words *words, struct word *word);

#endif
