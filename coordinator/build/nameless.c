/* SPDX-License-Identifier: MIT */
#include "coordinator/build/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int nameless_open(const char *folder, struct fault *why)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return fault_errno(why, errno, "%s: cannot make a temporary file there", folder);

    /* A file system without O_TMPFILE (NFS, some FUSE ones): the name lives for a moment. */
    char *name;
    if (asprintf(&name, "%s/.forklore-XXXXXX", folder) < 0)
        return fault_set(why, ENOMEM, "out of memory");
    fd = mkostemp(name, O_CLOEXEC);
    int err = errno;
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd >= 0 ? fd : fault_errno(why, err, "%s: cannot make a temporary file there", folder);
}

int write_all(int fd, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t wrote = write(fd, (const char *)bytes + done, length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -errno;
        done += (size_t)wrote;
    }
    return 0;
}
