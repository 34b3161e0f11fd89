/* SPDX-License-Identifier: MIT
 *
 * Loads an index file into a segment while the loop goes on serving: reads through io_uring,
 * checksums on the way, published and sealed at the end.
 */
#ifndef FORKLORE_COORDINATOR_LOADER_H
#define FORKLORE_COORDINATOR_LOADER_H

#include "coordinator/generation.h"
#include "ipc/loop.h"

enum huge_pages { HUGE_PAGES_AUTO, HUGE_PAGES_ON, HUGE_PAGES_OFF };

struct load_options {
    const char *path;
    unsigned serial;           /* names the segment */
    uint64_t *last_generation; /* counted up when the load is complete */
    enum huge_pages huge_pages;
    bool map; /* map the file instead of copying it; checksums are then `verify`'s business */
};

/* Called once: `base` is the caller's, or NULL with *why. */
typedef void load_fn(void *owner, struct base *base, const struct fault *why);

struct loader;

/* Begins. Errors found at once are returned, and `done` is then not called. */
int loader_start(struct loader **loader, struct loop *loop, const struct seg_owner *owner,
                 const struct load_options *options, load_fn *done, void *done_owner,
                 struct fault *why);
/* Gives up a load under way; `done` is not called. Not from a loop callback. */
void loader_abort(struct loader **loader);

#endif
