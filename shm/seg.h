/* SPDX-License-Identifier: MIT
 *
 * POSIX shared-memory segments with an owner that can be told dead from alive.
 *
 * A process that makes segments first becomes an owner: it creates /dev/shm/forklore.<uid>.<id>
 * with a random <id> and holds flock() on it for as long as it lives. The kernel drops the lock
 * with the process, so a lock that can be taken means a dead owner, whatever became of its pid.
 * Its segments are /dev/shm/forklore.<uid>.<id>.<label>. Every new owner sweeps the dead ones'.
 */
#ifndef FORKLORE_SHM_SEG_H
#define FORKLORE_SHM_SEG_H

#include "shm/fault.h"

#include <stddef.h>
#include <stdint.h>

#define SEG_NAME_BYTES 96

struct seg_owner {
    char
        name[SEG_NAME_BYTES]; /* "/forklore.<uid>.<id>", the lock's name and the segments' prefix */
    int lock_fd;              /* close-on-exec; forked children must close it */
};

struct seg {
    char name[SEG_NAME_BYTES];
    void *base;   /* shared mapping, `bytes` long; NULL when not mapped */
    size_t bytes; /* a multiple of the page size */
    int fd;       /* -1 once closed */
};

#define SEG_NONE                                                                                   \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Becomes an owner, after seg_sweep(). */
int seg_owner_init(struct seg_owner *owner, struct fault *why);
/* Gives up ownership; segments still linked are unlinked by the sweep of whoever comes next. */
void seg_owner_fini(struct seg_owner *owner);

/* Removes the segments of dead owners of this user; returns how many names went. */
unsigned seg_sweep(void);

/* Creates, reserves (posix_fallocate: no SIGBUS later; -ENOSPC now, or -ENOMEM for the limit of a
 * memory cgroup) and maps a writable segment of at least `bytes` zeroed bytes. `label` is
 * [a-z0-9-]+ and unique per owner. */
int seg_create(struct seg *seg, const struct seg_owner *owner, const char *label, size_t bytes,
               struct fault *why);

/* The same without the reservation, which takes a third of a second per GiB: for filling a large
 * segment piece by piece, each range reserved with seg_reserve() before it is written. */
int seg_create_sparse(struct seg *seg, const struct seg_owner *owner, const char *label,
                      size_t bytes, struct fault *why);
int seg_reserve(const struct seg *seg, size_t offset, size_t bytes, struct fault *why);

/* Asks the kernel to put a filled range of whole huge pages on such (MADV_COLLAPSE, Linux 6.1); 0,
 * or -errno where it will not. Segments of SEG_HUGE_BYTES and more are mapped so that it can. */
#define SEG_HUGE_BYTES ((size_t)2 << 20)
int seg_collapse(const struct seg *seg, size_t offset, size_t bytes);

/* Trades the writable mapping and descriptor for read-only ones; from here on no process that
 * inherits the segment can write it. The address may change. */
int seg_seal(struct seg *seg, struct fault *why);

/* Unmaps and closes; the name stays. */
void seg_close(struct seg *seg);
/* Unlinks the name and closes. Safe on SEG_NONE and twice. */
void seg_destroy(struct seg *seg);

#endif
