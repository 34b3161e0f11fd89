/* SPDX-License-Identifier: MIT
 *
 * Writing an index image to a file: all or nothing. The bytes go to a nameless file in the
 * target's folder, which gets a name only when they are on disk, and takes the target's place by
 * rename(). Where the file system has no nameless files, a named one does the same.
 */
#include "shm/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)256 << 10)
#define IO_MAX     (UINT64_C(1) << 30) /* of one system call: the kernel's own limit is 2 GiB */

struct target {
    const char *path; /* as given, for messages */
    const char *base; /* its last component */
    int folder_fd;
    int fd;
    bool named; /* `temp` exists in the folder */
    char temp[NAME_MAX + 1];
};

static int write_all(const struct target *t, const void *data, uint64_t bytes, uint64_t offset,
                     struct fault *why)
{
    const char *from = data;
    while (bytes) {
        const ssize_t n = pwrite(t->fd, from, bytes < IO_MAX ? bytes : IO_MAX, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fault_errno(why, n ? errno : EIO, "%s: cannot write at offset %llu", t->path,
                               (unsigned long long)offset);
        from += n;
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* For file systems between which copy_file_range() does not work. */
static int copy_by_hand(const struct target *t, int from_fd, uint64_t done, uint64_t bytes,
                        uint64_t offset, struct fault *why)
{
    char *buffer = malloc(COPY_BYTES);
    if (!buffer)
        return fault_set(why, ENOMEM, "%s: no memory for copying article text", t->path);
    int rc = 0;
    while (done < bytes && !rc) {
        const uint64_t left = bytes - done;
        const ssize_t n =
            pread(from_fd, buffer, left < COPY_BYTES ? left : COPY_BYTES, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = fault_errno(why, errno, "%s: cannot read back the article text", t->path);
        else if (n == 0)
            rc = fault_set(why, EIO, "%s: the article text ends after %llu of %llu bytes", t->path,
                           (unsigned long long)done, (unsigned long long)bytes);
        else
            rc = write_all(t, buffer, (uint64_t)n, offset + done, why);
        done += n > 0 ? (uint64_t)n : 0;
    }
    free(buffer);
    return rc;
}

static int copy_fd(const struct target *t, int from_fd, uint64_t bytes, uint64_t offset,
                   struct fault *why)
{
    uint64_t done = 0;
    while (done < bytes) {
        off_t in = (off_t)done, out = (off_t)(offset + done);
        const uint64_t left = bytes - done;
        const ssize_t n =
            copy_file_range(from_fd, &in, t->fd, &out, left < IO_MAX ? left : IO_MAX, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO))
            return fault_errno(why, errno, "%s: cannot write at offset %llu", t->path,
                               (unsigned long long)(offset + done));
        if (n <= 0) /* not between these two files, or the source is short: find out which */
            return copy_by_hand(t, from_fd, done, bytes, offset, why);
        done += (uint64_t)n;
    }
    return 0;
}

static int write_parts(const struct target *t, const struct image_header *header,
                       const struct image_part *parts, size_t part_count, struct fault *why)
{
    /* The whole size first: the padding between sections is a hole that reads as zeros. */
    if (ftruncate(t->fd, (off_t)header->total_bytes) < 0)
        return fault_errno(why, errno, "%s: cannot make it %llu bytes long", t->path,
                           (unsigned long long)header->total_bytes);
    int rc = write_all(t, header, sizeof *header, 0, why);
    for (size_t i = 0; i < part_count && !rc; i++) {
        const struct section *s = image_find(header, (enum section_kind)parts[i].kind);
        MUST(s && s->bytes == parts[i].bytes);
        rc = parts[i].data ? write_all(t, parts[i].data, s->bytes, s->offset, why)
                           : copy_fd(t, parts[i].fd, s->bytes, s->offset, why);
    }
    return rc;
}

static int open_folder(struct target *t, struct fault *why)
{
    const char *slash = strrchr(t->path, '/');
    t->base = slash ? slash + 1 : t->path;
    if (!*t->base)
        return fault_set(why, EISDIR, "%s: not a file name", t->path);
    char folder[PATH_MAX] = ".";
    if (slash) {
        const size_t length = slash == t->path ? 1 : (size_t)(slash - t->path);
        if (length >= sizeof folder)
            return fault_set(why, ENAMETOOLONG, "%.64s...: the path is too long", t->path);
        memcpy(folder, t->path, length);
        folder[length] = '\0';
    }
    t->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->folder_fd < 0)
        return fault_errno(why, errno, "%s: cannot open the folder %s", t->path, folder);
    return 0;
}

/* A name nobody else uses: the base may be up to NAME_MAX long, so it cannot be part of it. */
static void name_temp(struct target *t)
{
    static _Atomic unsigned counter;
    /* Relaxed: only uniqueness is asked of it. */
    const unsigned n = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    snprintf(t->temp, sizeof t->temp, ".forklore-%ld-%u.tmp", (long)getpid(), n);
}

static int open_temp(struct target *t, struct fault *why)
{
    /* Giving a nameless file its name goes through /proc. */
    if (access("/proc/self/fd", X_OK) == 0) {
        t->fd = openat(t->folder_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
        if (t->fd >= 0)
            return 0;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
            return fault_errno(why, errno, "%s: cannot write to its folder", t->path);
    }
    do {
        name_temp(t);
        t->fd = openat(t->folder_fd, t->temp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    } while (t->fd < 0 && errno == EEXIST);
    if (t->fd < 0)
        return fault_errno(why, errno, "%s: cannot write to its folder", t->path);
    t->named = true;
    return 0;
}

static int take_place(struct target *t, struct fault *why)
{
    if (fsync(t->fd) < 0)
        return fault_errno(why, errno, "%s: cannot bring the bytes to disk", t->path);
    if (!t->named) {
        char self[64];
        snprintf(self, sizeof self, "/proc/self/fd/%d", t->fd);
        int rc;
        do {
            name_temp(t);
            rc = linkat(AT_FDCWD, self, t->folder_fd, t->temp, AT_SYMLINK_FOLLOW);
        } while (rc < 0 && errno == EEXIST);
        if (rc < 0)
            return fault_errno(why, errno, "%s: cannot name the new file", t->path);
        t->named = true;
    }
    if (renameat(t->folder_fd, t->temp, t->folder_fd, t->base) < 0)
        return fault_errno(why, errno, "%s: cannot put the new file in its place", t->path);
    t->named = false;
    /* Some file systems cannot do this to a folder, and then need not. */
    if (fsync(t->folder_fd) < 0 && errno != EINVAL)
        return fault_errno(why, errno, "%s: cannot bring its folder to disk", t->path);
    return 0;
}

int image_write(const char *path, const struct image_header *header, const struct image_part *parts,
                size_t part_count, struct fault *why)
{
    struct target t = {.path = path, .folder_fd = -1, .fd = -1};
    int rc = open_folder(&t, why);
    if (!rc)
        rc = open_temp(&t, why);
    if (!rc)
        rc = write_parts(&t, header, parts, part_count, why);
    if (!rc)
        rc = take_place(&t, why);
    if (t.named)
        unlinkat(t.folder_fd, t.temp, 0);
    if (t.fd >= 0)
        close(t.fd);
    if (t.folder_fd >= 0)
        close(t.folder_fd);
    return rc;
}
