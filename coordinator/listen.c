/* SPDX-License-Identifier: MIT
 *
 * The listening socket and who may have it. Beside PATH lies PATH.lock, locked with flock() for as
 * long as a daemon lives: the lock, not a pid or a successful connect, tells a socket in use from
 * one that a killed daemon left.
 */
#include "coordinator/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG       512
#define STALE_TRIES   4
#define STALE_WAIT_MS 300

/* The file may be unlinked by a daemon that ends between our open and our lock; then it is not the
 * one the next daemon would find, and we try again. */
static int take_lock(struct session_host *host, struct fault *why)
{
    for (;;) {
        int fd = open(host->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return fault_errno(why, errno, "cannot create %s", host->lock_path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            int err = errno;
            close(fd);
            if (err == EWOULDBLOCK)
                return fault_set(why, EADDRINUSE, "%s: in use by a running daemon", host->path);
            return fault_errno(why, err, "cannot lock %s", host->lock_path);
        }
        struct stat opened, named;
        if (fstat(fd, &opened) == 0 && stat(host->lock_path, &named) == 0 &&
            opened.st_ino == named.st_ino) {
            host->lock_fd = fd;
            return 0;
        }
        close(fd);
    }
}

/* Something has that socket that does not know our lock. Only a refused connection says that
 * nobody has: a full backlog, a datagram socket and a forbidden one all belong to somebody. A
 * killed daemon's socket, however, listens until the kernel has ended its io_uring and its
 * workers, and then hangs up. */
static bool is_held(const struct sockaddr_un *address)
{
    for (unsigned tries = 0; tries < STALE_TRIES; tries++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return true;
        int err = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
        struct pollfd hangup = {.fd = err ? -1 : fd};
        if (!err || err == EAGAIN)
            poll(&hangup, 1, STALE_WAIT_MS);
        close(fd);
        if (err == ECONNREFUSED || err == ENOENT)
            return false;
        if (err ? err != EAGAIN : !hangup.revents)
            return true;
    }
    return true;
}

static int remove_stale(const char *path, const struct sockaddr_un *address, struct fault *why)
{
    struct stat status;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : fault_errno(why, errno, "cannot stat %s", path);
    if (!S_ISSOCK(status.st_mode))
        return fault_set(why, EEXIST, "%s exists and is not a socket", path);
    if (is_held(address))
        return fault_set(why, EADDRINUSE, "%s: in use by another program", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return fault_errno(why, errno, "cannot remove the stale socket %s", path);
    return 0;
}

static int bind_and_listen(struct session_host *host, const struct sockaddr_un *address,
                           struct fault *why)
{
    host->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (host->listen_fd < 0)
        return fault_errno(why, errno, "cannot make a socket");
    /* Nobody may connect before the mode is what was asked for. */
    mode_t before = umask(0777);
    int failed = bind(host->listen_fd, (const struct sockaddr *)address, sizeof *address);
    int err = errno;
    umask(before);
    if (failed)
        return fault_errno(why, err, "cannot bind %s", host->path);
    if (chmod(host->path, host->limits.socket_mode) < 0)
        return fault_errno(why, errno, "cannot set the mode of %s", host->path);
    if (listen(host->listen_fd, BACKLOG) < 0)
        return fault_errno(why, errno, "cannot listen at %s", host->path);
    return 0;
}

int session_host_init(struct session_host *host, struct loop *loop, const char *path,
                      const struct session_limits *limits, struct fault *why)
{
    *host = (struct session_host){.loop = loop, .limits = *limits, .listen_fd = -1, .lock_fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return fault_set(why, ENAMETOOLONG,
                         "socket path %.40s... has %zu bytes; the system allows %zu", path,
                         strlen(path), sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path));
    host->slot_count = 1;
    while (host->slot_count < limits->connections)
        host->slot_count *= 2;
    host->slots = calloc(host->slot_count, sizeof(struct session *));
    host->path = strdup(path);
    if (!host->slots || !host->path || asprintf(&host->lock_path, "%s.lock", path) < 0)
        return fault_set(why, ENOMEM, "no memory for %u connections", limits->connections);
    int err = take_lock(host, why);
    if (!err)
        err = remove_stale(path, &address, why);
    if (!err)
        err = bind_and_listen(host, &address, why);
    return err;
}

void session_host_stop(struct session_host *host)
{
    loop_cancel(host->loop, &host->accept_op);
    if (host->listen_fd >= 0) {
        unlink(host->path);
        close(host->listen_fd);
        host->listen_fd = -1;
    }
    if (host->lock_fd >= 0) {
        unlink(host->lock_path);
        close(host->lock_fd);
        host->lock_fd = -1;
    }
}
