/* SPDX-License-Identifier: MIT
 *
 * The kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst name the files. A
 * limit holds for all that lies below, so every folder from the process's own up to the mount is
 * asked. Folders that are not there (a container sees its own as the mount, under whatever path)
 * say nothing.
 */
#include "shm/memory_room.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define UNLIMITED ((uint64_t)1 << 62) /* v1 has no word for it, but a number */

struct version {
    const char *mount, *limit, *usage, *swap_limit, *swap_usage;
    const char *cache[2]; /* keys of memory.stat, with what lies below */
};

static const struct version v1 = {"/memory",
                                  "memory.limit_in_bytes",
                                  "memory.usage_in_bytes",
                                  NULL,
                                  NULL,
                                  {"\ntotal_inactive_file ", "\ntotal_active_file "}};
static const struct version v2 = {"",
                                  "memory.max",
                                  "memory.current",
                                  "memory.swap.max",
                                  "memory.swap.current",
                                  {"\ninactive_file ", "\nactive_file "}};

/* The file's text, or "". */
static void read_text(const char *folder, const char *name, char *text, size_t capacity)
{
    char path[PATH_MAX];
    text[0] = '\0';
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, text, capacity - 1);
    text[length > 0 ? length : 0] = '\0';
    close(fd);
}

/* Where there is no such file, or it says "max": UINT64_MAX. */
static uint64_t read_number(const char *folder, const char *name)
{
    char text[32], *end;
    read_text(folder, name, text, sizeof text);
    unsigned long long number = strtoull(text, &end, 10);
    return end == text ? UINT64_MAX : number;
}

static uint64_t at_least_zero(uint64_t limit, uint64_t usage)
{
    return limit > usage ? limit - usage : 0;
}

static uint64_t cache_in(const char *folder, const struct version *version)
{
    char text[8192];
    uint64_t bytes = 0;
    text[0] = '\n';
    read_text(folder, "memory.stat", text + 1, sizeof text - 1);
    for (unsigned i = 0; i < 2; i++) {
        const char *found = strstr(text, version->cache[i]);
        if (found)
            bytes += strtoull(found + strlen(version->cache[i]), NULL, 10);
    }
    return bytes;
}

static uint64_t swap_in(const char *folder, const struct version *version)
{
    struct sysinfo info;
    if (sysinfo(&info) < 0 || info.freeswap == 0)
        return 0;
    uint64_t free_bytes = (uint64_t)info.freeswap * info.mem_unit, left = UINT64_MAX;
    if (version->swap_limit)
        left = at_least_zero(read_number(folder, version->swap_limit),
                             read_number(folder, version->swap_usage));
    return left < free_bytes ? left : free_bytes;
}

static uint64_t room_of(const char *folder, const struct version *version)
{
    uint64_t limit = read_number(folder, version->limit);
    if (limit >= UNLIMITED)
        return UINT64_MAX; /* mostly; the kernel adds up what is used when it is asked */
    uint64_t usage = read_number(folder, version->usage);
    if (usage >= UNLIMITED)
        return UINT64_MAX;
    return at_least_zero(limit, usage) + cache_in(folder, version) + swap_in(folder, version);
}

/* Of the folder and those above it, up to the mount. */
static uint64_t room_along(const char *mounts, const char *path, const struct version *version)
{
    char folder[PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s%s%s", mounts, version->mount, path);
    size_t top = strlen(mounts) + strlen(version->mount);
    uint64_t least = UINT64_MAX;
    if (length < 0 || (size_t)length >= sizeof folder)
        return least;
    for (;;) {
        uint64_t room = room_of(folder, version);
        least = room < least ? room : least;
        char *last = strrchr(folder, '/');
        if (strlen(folder) <= top || !last)
            return least;
        *last = '\0';
    }
}

/* Whether a line's controllers, between its colons, have memory among them. */
static bool has_memory(const char *controllers, const char *end)
{
    while (controllers < end) {
        size_t length = strcspn(controllers, ",:");
        if (length == strlen("memory") && strncmp(controllers, "memory", length) == 0)
            return true;
        controllers += length + 1;
    }
    return false;
}

uint64_t memory_room_in(const char *cgroup_file, const char *mounts)
{
    uint64_t least = UINT64_MAX;
    char line[PATH_MAX + 256];
    FILE *lines = fopen(cgroup_file, "re");
    while (lines && fgets(line, sizeof line, lines)) {
        char *controllers = strchr(line, ':'), *path;
        if (!controllers || !(path = strchr(++controllers, ':')))
            continue;
        const struct version *version = path == controllers             ? &v2
                                        : has_memory(controllers, path) ? &v1
                                                                        : NULL;
        path++;
        path[strcspn(path, "\n")] = '\0';
        uint64_t room = version ? room_along(mounts, path, version) : UINT64_MAX;
        least = room < least ? room : least;
    }
    if (lines)
        fclose(lines);
    return least;
}

uint64_t memory_room(void)
{
    return memory_room_in("/proc/self/cgroup", "/sys/fs/cgroup");
}
