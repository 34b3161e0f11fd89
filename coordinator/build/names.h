/* SPDX-License-Identifier: MIT
 *
 * Strings as dense 32-bit numbers: every title and link target of a dump is kept once, however
 * often it occurs. One byte pool, one table of numbers, one hash table that can be dropped when
 * reading is over.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_NAMES_H
#define FORKLORE_COORDINATOR_BUILD_NAMES_H

#include "shm/titles.h"

/* One below 2^31, so that a name or a vertex leaves the top bit free for TITLE_IS_REDIRECT and
 * never looks like NAME_NOWHERE. */
#define NAMES_MAX    UINT32_C(0x7ffffffe)
#define NAME_NOWHERE UINT32_MAX

struct name {
    uint64_t offset; /* in the pool */
    /* Where the name leads. While reading: a vertex, TITLE_IS_REDIRECT | another name, or
     * NAME_NOWHERE. Once redirects are resolved: vertex, TITLE_IS_REDIRECT | vertex, or nowhere. */
    uint32_t lead;
    uint32_t mark; /* scratch of whoever walks over the names; 0 at first */
};

struct name_slot {
    uint32_t hash;
    uint32_t number; /* name + 1; 0: free */
};

/* Zero-initialise. */
struct names {
    struct name *entries; /* [count] */
    uint32_t count;
    size_t capacity;
    char *pool; /* per name its length (u16) and its bytes */
    size_t pool_bytes, pool_capacity;
    struct name_slot *slots;
    size_t slot_count;
};

/* The number of these bytes (at most TITLE_MAX_BYTES), a new one leading nowhere if they were not
 * there yet. -ENOMEM, or -EFBIG past NAMES_MAX. */
int names_intern(struct names *names, const char *bytes, size_t length, uint32_t *number);

/* Borrowed until the next names_intern(). */
struct text_ref names_text(const struct names *names, uint32_t number);

/* Gives back what is no longer needed: the hash table after the last names_intern(), the bytes
 * after the last names_text(). */
void names_drop_lookup(struct names *names);
void names_drop_text(struct names *names);
void names_fini(struct names *names);

#endif
