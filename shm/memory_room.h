/* SPDX-License-Identifier: MIT
 *
 * What memory cgroups leave to this process. A cgroup that is full is answered by the kernel's
 * memory killer, and not with an error: whoever is about to take much has to ask before.
 */
#ifndef FORKLORE_SHM_MEMORY_ROOM_H
#define FORKLORE_SHM_MEMORY_ROOM_H

#include <stdint.h>

/* Bytes until this process's memory cgroup, or one above it, is full; UINT64_MAX where none has a
 * limit. File cache, which the kernel gives up first, and free swap are room. What others of the
 * cgroup take meanwhile is not foreseen. */
uint64_t memory_room(void);

/* The same of /proc/PID/cgroup's lines in a file, and the folder where cgroups are mounted. */
uint64_t memory_room_in(const char *cgroup_file, const char *mounts);

#endif
