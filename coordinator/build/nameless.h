/* SPDX-License-Identifier: MIT
 *
 * Files without a name, for what the builder cannot keep in memory: whatever happens, nothing is
 * left behind.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_NAMELESS_H
#define FORKLORE_COORDINATOR_BUILD_NAMELESS_H

#include "shm/fault.h"

#include <stddef.h>

/* "dir/file" -> "dir", "file" -> ".", "/file" -> "/"; on the heap, NULL: no memory. */
char *folder_of(const char *path);

/* A file descriptor for reading and writing, or -errno. */
int nameless_open(const char *folder, struct fault *why);

int write_all(int fd, const void *bytes, size_t length); /* 0 or -errno */

#endif
