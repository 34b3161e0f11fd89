/* SPDX-License-Identifier: MIT
 *
 * Titles: every name a page can be found under, redirects included.
 *
 * Entries 0..T-1 are sorted by (folded title, title) as byte strings, so that what people type
 * ("Etienne", "ETIENNE") is one contiguous range with "Étienne". Exact lookup goes through a hash
 * of the normalised title (a title is kept as its wiki writes it, which may differ); prefix search
 * through a binary search of the folded titles, and its top k by range minima over the entries'
 * rank positions (rank.h), without scanning the range.
 */
#ifndef FORKLORE_SHM_TITLES_H
#define FORKLORE_SHM_TITLES_H

#include "shm/fault.h"
#include "shm/layout.h"

#include <stdbool.h>

#define TITLE_MAX_BYTES  1024 /* normalised; MediaWiki's own limit is 255 */
#define TITLE_FOLD_BYTES 4096 /* a byte folds to four at most */
#define TITLE_NONE       UINT32_MAX

/* Borrowed bytes, not NUL-terminated. */
struct text_ref {
    const char *bytes;
    uint32_t length;
};

/* --- Meaning of titles (title_text.c); utf8proc underneath ------------------------------- */

/* MediaWiki's normal form: underscores are spaces, runs of white space collapse, ends trimmed,
 * NFC, first letter upper-cased if `first_letter`. Writes at most TITLE_MAX_BYTES to `out` and
 * returns the length (0: nothing is left); -EILSEQ for invalid UTF-8, -ENAMETOOLONG. Has a fast
 * path for titles that are ASCII. */
int title_normalise(const char *title, size_t length, bool first_letter,
                    char out[static TITLE_MAX_BYTES]);

/* What prefix search and forgiving lookup compare: full case folding, compatibility
 * decomposition, marks (Mn) removed. Takes any valid UTF-8 up to TITLE_MAX_BYTES; writes at most
 * TITLE_FOLD_BYTES, cut at a character, and returns the length; -EILSEQ, -ENAMETOOLONG. ASCII
 * fast path. */
int title_fold(const char *title, size_t length, char out[static TITLE_FOLD_BYTES]);

/* 64-bit hash of a normalised title: XXH3. */
uint64_t title_hash(const char *title, size_t length);

/* Whether `title` has this normal form. */
bool title_is(struct text_ref title, bool first_letter, const char *normal, size_t length);

/* --- Reader ------------------------------------------------------------------------------- */

struct titles_view {
    uint32_t count; /* T */
    uint32_t slot_mask;
    bool first_letter;       /* how titles are normalised */
    const uint32_t *offsets; /* [T+1] into bytes */
    const char *bytes;
    const uint32_t *fold_offsets; /* [T+1] */
    const char *fold_bytes;
    const uint32_t *targets;        /* [T] vertex | TITLE_IS_REDIRECT */
    const struct title_slot *slots; /* [slot_mask + 1] */
};

struct text_ref titles_text(const struct titles_view *titles, uint32_t entry);
struct text_ref titles_fold(const struct titles_view *titles, uint32_t entry);
uint32_t titles_vertex(const struct titles_view *titles, uint32_t entry);
bool titles_is_redirect(const struct titles_view *titles, uint32_t entry);

/* The entry whose title has this normal form, or TITLE_NONE. */
uint32_t titles_find(const struct titles_view *titles, const char *title, size_t length);

/* The half-open range of entries whose folded title starts with (`whole`: equals) these folded
 * bytes; an empty range if none. */
struct title_range {
    uint32_t first, end;
};
struct title_range titles_range(const struct titles_view *titles, const char *fold, size_t length,
                                bool whole);

/* --- Writer (titles_build.c) -------------------------------------------------------------- */

/* One name on the way in, as people are to see it, and where it leads. */
struct title_input {
    const char *bytes; /* borrowed until titles_build() returns */
    uint32_t length;
    uint32_t target; /* vertex | TITLE_IS_REDIRECT */
};

/* Heap arrays in the form of the sections, owned by the caller: titles_built_fini(). */
struct titles_built {
    struct titles_view view;
    uint32_t *entry_of_input; /* [count] entry of inputs[i]; what pages' `title` needs */
    uint64_t title_bytes, fold_bytes;
    void *memory[6];
};

/* Sorts, folds and hashes `inputs`, by their normal forms. -ENOMEM, -EFBIG past 4 GiB of title
 * bytes, -EINVAL if a normal form is given twice, -EILSEQ or -ENAMETOOLONG for what has none. */
int titles_build(struct titles_built *built, const struct title_input *inputs, uint32_t count,
                 bool first_letter, struct fault *why);
void titles_built_fini(struct titles_built *built);

#endif
