/* SPDX-License-Identifier: MIT
 *
 * Generations: what is served at one time. A generation is a base (an index image in a segment or
 * a map of its file, and the file for its text) with the base's own scores or a newer score
 * vector's segment. Crews hold references; the last one out unlinks.
 */
#ifndef FORKLORE_COORDINATOR_GENERATION_H
#define FORKLORE_COORDINATOR_GENERATION_H

#include "shm/index.h"
#include "shm/seg.h"

struct base {
    unsigned references;
    struct seg seg; /* SEG_NONE when mapped from the file */
    void *file_map; /* --map: the file's hot bytes */
    size_t file_map_bytes;
    int index_fd; /* of the index file, for the text */
    char *path;
    uint64_t generation; /* that brought it */
    uint64_t file_bytes;
    struct index_view view;
    struct index_meta meta; /* what view.meta is, --map: of a file that may be cut short */
};

struct ranks {
    unsigned references;
    struct seg seg;
    uint64_t generation;
    struct rank_arrays arrays; /* while writable */
};

struct generation {
    unsigned references;
    uint64_t number;
    struct base *base;   /* held */
    struct ranks *ranks; /* held; NULL: the base's own */
    struct index_view view;
};

struct base *base_hold(struct base *base);
void base_drop(struct base **base);

/* A writable rank segment for the base's pages, sections laid out, arrays set. `serial` names it.
 */
int ranks_create(struct ranks **ranks, const struct base *base, const struct seg_owner *owner,
                 uint64_t serial, struct fault *why);
/* After a job filled it: published as this generation and sealed. */
int ranks_seal(struct ranks *ranks, uint64_t generation, struct fault *why);
void ranks_drop(struct ranks **ranks);

/* Takes over the references given. */
int generation_create(struct generation **generation, uint64_t number, struct base *base,
                      struct ranks *ranks, struct fault *why);
struct generation *generation_hold(struct generation *generation);
void generation_drop(struct generation **generation);

#endif
