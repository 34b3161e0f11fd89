/* SPDX-License-Identifier: MIT
 *
 * Segments and their owners. Runs in the coordinator; workers inherit mappings and never come
 * here. POSIX shared memory is a tmpfs at /dev/shm on Linux, which is where dead owners' names
 * are looked for.
 */
#include "shm/seg.h"

#include "shm/memory_room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHM_FOLDER   "/dev/shm"
#define OWNER_PREFIX "forklore."
#define ID_DIGITS    16
#define KEPT_BYTES   ((uint64_t)2 << 20) /* of a memory cgroup: page tables, workers' own memory */
#define AMPLE_BYTES  ((uint64_t)256 << 20)
#define LOOK_NS      10000000

#ifndef MADV_COLLAPSE /* newer than Debian 12's C library */
#define MADV_COLLAPSE 25
#endif

/* "forklore.<uid>." */
static int prefix_of_user(char *out, size_t capacity)
{
    return snprintf(out, capacity, OWNER_PREFIX "%u.", (unsigned)getuid());
}

/* A lock that can be taken means that its holder is dead: flock() ends with the last descriptor of
 * the holder's open file, and forked workers close theirs. */
static bool owner_is_dead(int lock_fd)
{
    return flock(lock_fd, LOCK_EX | LOCK_NB) == 0;
}

/* Unlinks every "<owner>.<label>"; the owner's own name is left to the caller. */
static unsigned unlink_segments(const char *owner)
{
    DIR *folder = opendir(SHM_FOLDER);
    if (!folder)
        return 0;
    unsigned removed = 0;
    size_t length = strlen(owner);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, owner, length) != 0 || entry->d_name[length] != '.')
            continue;
        if (unlinkat(dirfd(folder), entry->d_name, 0) == 0)
            removed++;
    }
    closedir(folder);
    return removed;
}

/* The owner's part of a name in /dev/shm, if it is one of this user's; else false. */
static bool owner_of_name(const char *name, char owner[static SEG_NAME_BYTES])
{
    char prefix[SEG_NAME_BYTES];
    size_t length = (size_t)prefix_of_user(prefix, sizeof prefix);
    if (strncmp(name, prefix, length) != 0)
        return false;
    if (strspn(name + length, "0123456789abcdef") != ID_DIGITS)
        return false;
    char after = name[length + ID_DIGITS];
    if (after != '\0' && after != '.')
        return false;
    snprintf(owner, SEG_NAME_BYTES, "%.*s", (int)(length + ID_DIGITS), name);
    return true;
}

/* Sweeps one owner if it is dead. Its lock is held while its names go, so that two sweepers do
 * not both think they did it, and the lock's own name goes last, so that a sweeper killed half-way
 * leaves the rest to be found. */
static unsigned sweep_owner(int folder, const char *owner)
{
    int lock_fd = openat(folder, owner, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (lock_fd < 0) {
        /* Segments whose owner's name is gone: owners create it first and sweepers remove it
         * last, so nobody is behind them. Another user's owner (EACCES) is not ours to judge. */
        return errno == ENOENT ? unlink_segments(owner) : 0;
    }
    unsigned removed = 0;
    if (owner_is_dead(lock_fd)) {
        removed = unlink_segments(owner);
        if (unlinkat(folder, owner, 0) == 0)
            removed++;
    }
    close(lock_fd);
    return removed;
}

unsigned seg_sweep(void)
{
    DIR *folder = opendir(SHM_FOLDER);
    if (!folder)
        return 0;
    unsigned removed = 0;
    char owner[SEG_NAME_BYTES], last[SEG_NAME_BYTES] = "";
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!owner_of_name(entry->d_name, owner) || strcmp(owner, last) == 0)
            continue;
        removed += sweep_owner(dirfd(folder), owner);
        memcpy(last, owner, sizeof last);
    }
    closedir(folder);
    return removed;
}

/* Creates and locks one lock file. A sweeper may take the lock between our open and our flock and
 * unlink the name: then the file we hold has no name left, and the caller tries another id. */
static int try_become_owner(struct seg_owner *owner)
{
    uint64_t id;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return -EAGAIN;
    char prefix[SEG_NAME_BYTES];
    prefix_of_user(prefix, sizeof prefix);
    snprintf(owner->name, sizeof owner->name, "/%.64s%016llx", prefix, (unsigned long long)id);
    owner->lock_fd = shm_open(owner->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (owner->lock_fd < 0)
        return -errno;
    struct stat status;
    if (flock(owner->lock_fd, LOCK_EX | LOCK_NB) == 0 && fstat(owner->lock_fd, &status) == 0 &&
        status.st_nlink > 0)
        return 0;
    close(owner->lock_fd);
    owner->lock_fd = -1;
    return -EEXIST;
}

int seg_owner_init(struct seg_owner *owner, struct fault *why)
{
    seg_sweep();
    int err = -EEXIST;
    for (int attempt = 0; attempt < 100 && err == -EEXIST; attempt++)
        err = try_become_owner(owner);
    if (err)
        return fault_errno(why, -err, "cannot create %s%s", SHM_FOLDER, owner->name);
    return 0;
}

void seg_owner_fini(struct seg_owner *owner)
{
    if (owner->lock_fd < 0)
        return;
    unlink_segments(owner->name + 1);
    shm_unlink(owner->name);
    close(owner->lock_fd);
    owner->lock_fd = -1;
}

static size_t round_to_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Maps at a multiple of the huge page size, without which huge pages cannot be used. */
static void *map_aligned(int fd, size_t bytes, int protection)
{
    if (bytes < SEG_HUGE_BYTES)
        return mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    size_t reserved = bytes + SEG_HUGE_BYTES;
    char *room =
        mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return MAP_FAILED;
    size_t before = -(uintptr_t)room % SEG_HUGE_BYTES;
    void *base = mmap(room + before, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0);
    if (base == MAP_FAILED) {
        munmap(room, reserved);
        return MAP_FAILED;
    }
    if (before)
        munmap(room, before);
    munmap(room + before + bytes, reserved - before - bytes);
    return base;
}

int seg_create_sparse(struct seg *seg, const struct seg_owner *owner, const char *label,
                      size_t bytes, struct fault *why)
{
    *seg = (struct seg)SEG_NONE;
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return fault_set(why, EINVAL, "segment %s: impossible size %zu", label, bytes);
    snprintf(seg->name, sizeof seg->name, "%.63s.%.31s", owner->name, label);
    seg->bytes = round_to_pages(bytes);
    seg->fd = shm_open(seg->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (seg->fd < 0) {
        int err = errno;
        *seg = (struct seg)SEG_NONE;
        return fault_errno(why, err, "cannot create segment %s", label);
    }
    int err = 0;
    if (ftruncate(seg->fd, (off_t)seg->bytes) < 0) {
        err = fault_errno(why, errno, "segment %s: cannot be %zu bytes", label, seg->bytes);
    } else {
        seg->base = map_aligned(seg->fd, seg->bytes, PROT_READ | PROT_WRITE);
        if (seg->base == MAP_FAILED) {
            seg->base = NULL;
            err = fault_errno(why, errno, "cannot map segment %s", label);
        }
    }
    if (err)
        seg_destroy(seg);
    return err;
}

/* Whether the memory cgroups, which leave *room, have that for `bytes`. A full one is not an error:
 * the kernel kills somebody, most likely us. A look takes as long as to reserve some 20 pages, and
 * segments are reserved in pieces and several at a time: it holds for LOOK_NS if it found so much
 * that nobody takes it meanwhile. */
static bool has_room(size_t bytes, uint64_t *room)
{
    static _Thread_local struct {
        uint64_t room, until_ns; /* less what was reserved since the look */
    } seen;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (now_ns >= seen.until_ns || seen.room < AMPLE_BYTES + bytes) {
        seen.room = memory_room();
        seen.until_ns = now_ns + LOOK_NS;
    }
    *room = seen.room;
    if (seen.room < KEPT_BYTES + bytes)
        return false;
    seen.room -= bytes;
    return true;
}

int seg_reserve(const struct seg *seg, size_t offset, size_t bytes, struct fault *why)
{
    uint64_t room;
    if (!has_room(bytes, &room))
        return fault_set(why, ENOMEM,
                         "cannot reserve %zu of the %zu bytes of segment %s: its memory cgroup has "
                         "%llu left",
                         bytes, seg->bytes, seg->name, (unsigned long long)room);
    /* tmpfs hands out pages on first touch and answers a full file system with SIGBUS; reserving
     * turns that into an error here. */
    int err = posix_fallocate(seg->fd, (off_t)offset, (off_t)bytes);
    if (err)
        return fault_errno(why, err, "cannot reserve %zu bytes in %s for segment %s", seg->bytes,
                           SHM_FOLDER, seg->name);
    return 0;
}

int seg_create(struct seg *seg, const struct seg_owner *owner, const char *label, size_t bytes,
               struct fault *why)
{
    int err = seg_create_sparse(seg, owner, label, bytes, why);
    if (!err)
        err = seg_reserve(seg, 0, seg->bytes, why);
    if (err)
        seg_destroy(seg);
    return err;
}

int seg_collapse(const struct seg *seg, size_t offset, size_t bytes)
{
    return madvise((char *)seg->base + offset, bytes, MADV_COLLAPSE) < 0 ? -errno : 0;
}

int seg_seal(struct seg *seg, struct fault *why)
{
    int fd = shm_open(seg->name, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fault_errno(why, errno, "cannot reopen segment %s", seg->name);
    void *base = map_aligned(fd, seg->bytes, PROT_READ);
    if (base == MAP_FAILED) {
        int err = errno;
        close(fd);
        return fault_errno(why, err, "cannot map segment %s", seg->name);
    }
    fchmod(seg->fd, 0400);
    seg_close(seg);
    seg->fd = fd;
    seg->base = base;
    return 0;
}

void seg_close(struct seg *seg)
{
    if (seg->base)
        munmap(seg->base, seg->bytes);
    if (seg->fd >= 0)
        close(seg->fd);
    seg->base = NULL;
    seg->fd = -1;
}

void seg_destroy(struct seg *seg)
{
    if (seg->name[0])
        shm_unlink(seg->name);
    seg_close(seg);
    seg->name[0] = '\0';
}
