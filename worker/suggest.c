/* SPDX-License-Identifier: MIT
 *
 * The sorted words are walked as the trie that they are: rows of the edit distance table are kept
 * for the characters that a word shares with the one before, and where every entry of a row is
 * above the limit, all words that begin so are passed over at once.
 */
#include "worker/suggest.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>

#define LETTERS_MAX 48 /* longer words are no typing errors */
#define DISTANCE    2

struct walk {
    int32_t wanted[LETTERS_MAX];
    unsigned length;
    unsigned distance;
    int32_t letters[LETTERS_MAX + DISTANCE + 1]; /* of the word before */
    unsigned ends[LETTERS_MAX + DISTANCE + 1];   /* where each letter ends, in bytes */
    unsigned known;                              /* letters whose rows are valid */
    unsigned char rows[LETTERS_MAX + DISTANCE + 2][LETTERS_MAX + 1];
};

/* -1 if there are more than `most` letters, or no UTF-8. */
static int decode(const char *bytes, uint32_t length, int32_t *letters, unsigned *ends,
                  unsigned most)
{
    unsigned count = 0;
    for (uint32_t at = 0; at < length;) {
        int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at,
                                                    (utf8proc_ssize_t)(length - at), &c);
        if (n <= 0 || count == most)
            return -1;
        at += (uint32_t)n;
        letters[count] = c;
        if (ends)
            ends[count] = at;
        count++;
    }
    return (int)count;
}

/* Fills the row after `letter`; its least entry. Swapped neighbours count as one edit. */
static unsigned fill_row(struct walk *w, unsigned row)
{
    const unsigned char *above = w->rows[row - 1];
    unsigned char *here = w->rows[row];
    const int32_t letter = w->letters[row - 1];
    unsigned least = here[0] = (unsigned char)row;
    for (unsigned i = 1; i <= w->length; i++) {
        unsigned best = above[i - 1] + (w->wanted[i - 1] != letter);
        if (above[i] + 1U < best)
            best = above[i] + 1U;
        if (here[i - 1] + 1U < best)
            best = here[i - 1] + 1U;
        if (row > 1 && i > 1 && w->wanted[i - 1] == w->letters[row - 2] &&
            w->wanted[i - 2] == letter && w->rows[row - 2][i - 2] + 1U < best)
            best = w->rows[row - 2][i - 2] + 1U;
        here[i] = (unsigned char)(best < 200 ? best : 200);
        least = here[i] < least ? here[i] : least;
    }
    return least;
}

/* The word's distance, or, above the limit, UINT32_MAX and in *dead how many of its bytes no word
 * may begin with (0: nothing is known). */
static unsigned measure(struct walk *w, const char *key, uint32_t length, unsigned *dead)
{
    int32_t letters[LETTERS_MAX + DISTANCE + 1];
    unsigned ends[LETTERS_MAX + DISTANCE + 1];
    const unsigned most = w->length + w->distance;
    *dead = 0;
    uint32_t used = length;
    int count = decode(key, used, letters, ends, most);
    const bool too_long = count < 0;
    if (too_long) {
        /* Judged by its beginning. */
        count = 0;
        for (uint32_t at = 0; at < length && (unsigned)count < most;) {
            int32_t c;
            const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)key + at,
                                                        (utf8proc_ssize_t)(length - at), &c);
            if (n <= 0)
                return UINT32_MAX;
            at += (uint32_t)n;
            letters[count] = c;
            ends[count++] = at;
        }
    }
    unsigned same = 0;
    while (same < w->known && same < (unsigned)count && w->letters[same] == letters[same])
        same++;
    w->known = same;
    for (unsigned row = same + 1; row <= (unsigned)count; row++) {
        w->letters[row - 1] = letters[row - 1];
        const unsigned least = fill_row(w, row);
        if (least > w->distance) {
            *dead = ends[row - 1];
            return UINT32_MAX;
        }
        w->known = row;
    }
    if (too_long)
        return UINT32_MAX;
    const unsigned distance = w->rows[count][w->length];
    return distance <= w->distance ? distance : UINT32_MAX;
}

/* The nearest word within w->distance, of equals the one on most pages: its length, 0 if there is
 * none, or -ETIME. */
static int find_nearest(struct walk *w, const struct word_list *list, char *out,
                        struct patience *patience)
{
    const char body[] = {WORD_NAME_FIELD + 1};
    struct word_cursor words;
    unsigned best_distance = UINT32_MAX;
    uint32_t best_pages = 0;
    int length = 0;
    w->known = 0;
    word_list_seek(&words, list, body, 1);
    while (word_list_next(&words)) {
        unsigned dead;
        if (patience_over(patience, 1))
            return -ETIME;
        const unsigned distance = measure(w, words.key, words.length, &dead);
        if (distance < best_distance || (distance == best_distance && distance != UINT32_MAX &&
                                         words.entry.pages > best_pages)) {
            best_distance = distance;
            best_pages = words.entry.pages;
            memcpy(out, words.key, words.length);
            length = (int)words.length;
        }
        if (dead)
            word_list_pass(&words, dead);
    }
    return length;
}

int suggest_word(const struct index_view *index, struct text_ref word, char *out,
                 struct patience *patience)
{
    struct walk w = {0};
    int length = decode(word.bytes, word.length, w.wanted, NULL, LETTERS_MAX);
    if (length < 2)
        return 0;
    w.length = (unsigned)length;
    for (unsigned i = 0; i <= w.length; i++)
        w.rows[0][i] = (unsigned char)i;
    /* Most slips are one edit, for which much less has to be read. */
    const unsigned most = w.length > 3 ? DISTANCE : 1;
    for (w.distance = 1, length = 0; w.distance <= most && length == 0; w.distance++)
        length = find_nearest(&w, &index->search.words, out, patience);
    return length;
}
