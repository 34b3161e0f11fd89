/* SPDX-License-Identifier: MIT
 *
 * A file as a stream of its decompressed bytes: plain, gzip, or bzip2 with any number of streams,
 * told apart by content. Constant memory.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_BYTES_H
#define FORKLORE_COORDINATOR_DUMP_BYTES_H

#include "shm/fault.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct byte_source;

int bytes_open(struct byte_source **source, const char *path, struct fault *why);
void bytes_close(struct byte_source **source);

/* The next at most `capacity` bytes; 0 at the end. Damaged or cut-off compressed data is -EBADMSG
 * with the file and the offset in it. */
ssize_t bytes_read(struct byte_source *source, void *buffer, size_t capacity, struct fault *why);

/* For progress: bytes of the file consumed, and its size (0 for a pipe). */
uint64_t bytes_consumed(const struct byte_source *source);
uint64_t bytes_total(const struct byte_source *source);
const char *bytes_name(const struct byte_source *source);

#endif
