/* SPDX-License-Identifier: MIT
 *
 * The listening socket and who may have it. Beside PATH lies PATH.lock, locked with flock() for as
 * long as a daemon lives: the lock, not a pid or a successful connect, tells a socket in use from
 * one that a killed daemon left. It says which socket is its daemon's: a killed one's takes
 * connections until the kernel has ended its io_uring, however long that takes.
 */
#include "coordinator/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG         512
#define IDENTITY_BYTES  96
#define OWN_DESCRIPTORS 512

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

/* What a lock says of its socket: which file it is, not only what it is called. */
static size_t identify(const struct stat *socket, char out[static IDENTITY_BYTES])
{
    int length = snprintf(out, IDENTITY_BYTES, "%ju %ju %jd.%09ld\n", (uintmax_t)socket->st_dev,
                          (uintmax_t)socket->st_ino, (intmax_t)socket->st_ctim.tv_sec,
                          socket->st_ctim.tv_nsec);
    return (size_t)length;
}

static bool is_ours(const struct session_host *host, const struct stat *socket)
{
    char said[IDENTITY_BYTES], is[IDENTITY_BYTES];
    size_t length = identify(socket, is);
    return pread(host->lock_fd, said, sizeof said, 0) == (ssize_t)length &&
           memcmp(said, is, length) == 0;
}

static int remember(struct session_host *host, struct fault *why)
{
    struct stat status;
    char is[IDENTITY_BYTES];
    if (lstat(host->path, &status) < 0)
        return fault_errno(why, errno, "cannot stat %s", host->path);
    size_t length = identify(&status, is);
    if (pwrite(host->lock_fd, is, length, 0) != (ssize_t)length ||
        ftruncate(host->lock_fd, (off_t)length) < 0)
        return fault_errno(why, errno, "cannot write %s", host->lock_path);
    return 0;
}

/* Of a socket that no lock tells of, only a refused connection says that nobody has it: a full
 * backlog, a datagram socket and a forbidden one all belong to somebody. */
static bool is_held(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    int err = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
    close(fd);
    return err != ECONNREFUSED && err != ENOENT;
}

static int remove_stale(const struct session_host *host, const struct sockaddr_un *address,
                        struct fault *why)
{
    struct stat status;
    if (lstat(host->path, &status) < 0)
        return errno == ENOENT ? 0 : fault_errno(why, errno, "cannot stat %s", host->path);
    if (!S_ISSOCK(status.st_mode))
        return fault_set(why, EEXIST, "%s exists and is not a socket", host->path);
    if (!is_ours(host, &status) && is_held(address))
        return fault_set(why, EADDRINUSE, "%s: in use by another program", host->path);
    if (unlink(host->path) < 0 && errno != ENOENT)
        return fault_errno(why, errno, "cannot remove the stale socket %s", host->path);
    return 0;
}

static int bind_and_listen(struct session_host *host, const struct sockaddr_un *address,
                           struct fault *why)
{
    host->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (host->listen_fd < 0)
        return fault_errno(why, errno, "cannot make a socket");
    if (bind(host->listen_fd, (const struct sockaddr *)address, sizeof *address) < 0) {
        int err = errno;
        close(host->listen_fd);
        host->listen_fd = -1; /* what has the name is not ours to remove */
        return fault_errno(why, err, "cannot bind %s", host->path);
    }
    /* Nobody is let in before it listens: by then it has the mode that was asked for, and if this
     * process dies, the next one knows the socket. */
    if (chmod(host->path, host->limits.socket_mode) < 0)
        return fault_errno(why, errno, "cannot set the mode of %s", host->path);
    int err = remember(host, why);
    if (err)
        return err;
    if (listen(host->listen_fd, BACKLOG) < 0)
        return fault_errno(why, errno, "cannot listen at %s", host->path);
    return 0;
}

/* Takes the lock, and the place from whoever is dead. */
static int claim(struct session_host *host, const char *path, struct sockaddr_un *address,
                 struct fault *why)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path)
        return fault_set(why, ENAMETOOLONG,
                         "socket path %.40s... has %zu bytes; the system allows %zu", path,
                         strlen(path), sizeof address->sun_path - 1);
    memcpy(address->sun_path, path, strlen(path));
    host->path = strdup(path);
    if (!host->path || asprintf(&host->lock_path, "%s.lock", path) < 0)
        return fault_set(why, ENOMEM, "no memory for %s", path);
    int err = take_lock(host, why);
    return err ? err : remove_stale(host, address, why);
}

static void release(struct session_host *host)
{
    if (host->lock_fd < 0)
        return;
    unlink(host->lock_path);
    close(host->lock_fd);
    host->lock_fd = -1;
}

int session_host_check(const char *path, struct fault *why)
{
    struct session_host host = {.listen_fd = -1, .lock_fd = -1};
    struct sockaddr_un address;
    int err = claim(&host, path, &address, why);
    release(&host);
    free(host.path);
    free(host.lock_path);
    return err;
}

/* As many connections as there can be descriptors for, without those that the daemon lives on:
 * files, bells and pidfds. Takes the limit as far up as it goes. */
static unsigned affordable_connections(unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    rlim_t needed = (rlim_t)wanted + OWN_DESCRIPTORS;
    if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t left = limit.rlim_cur > 2 * (rlim_t)OWN_DESCRIPTORS ? limit.rlim_cur - OWN_DESCRIPTORS
                                                               : limit.rlim_cur / 2;
    return wanted < left ? wanted : (unsigned)left;
}

static int make_slots(struct session_host *host, struct loop *loop,
                      const struct session_limits *limits, struct fault *why)
{
    *host = (struct session_host){.loop = loop, .limits = *limits, .listen_fd = -1, .lock_fd = -1};
    host->limits.connections = affordable_connections(limits->connections);
    host->slot_count = 1;
    while (host->slot_count < host->limits.connections)
        host->slot_count *= 2;
    host->slots = calloc(host->slot_count, sizeof(struct session *));
    if (!host->slots)
        return fault_set(why, ENOMEM, "no memory for %u connections", limits->connections);
    return 0;
}

int session_host_init(struct session_host *host, struct loop *loop, const char *path,
                      const struct session_limits *limits, struct fault *why)
{
    struct sockaddr_un address;
    int err = make_slots(host, loop, limits, why);
    if (!err)
        err = claim(host, path, &address, why);
    if (!err)
        err = bind_and_listen(host, &address, why);
    return err;
}

int session_host_adopt(struct session_host *host, struct loop *loop, int listen_fd,
                       const struct session_limits *limits, struct fault *why)
{
    int err = make_slots(host, loop, limits, why);
    if (err)
        return err;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t bytes = sizeof address;
    struct stat status;
    char path[sizeof address.sun_path + 1] = "";
    if (getsockname(listen_fd, (struct sockaddr *)&address, &bytes) < 0)
        return fault_errno(why, errno, "cannot name the socket that was passed in");
    memcpy(path, address.sun_path, sizeof address.sun_path);
    if (stat(path, &status) < 0)
        return fault_errno(why, errno, "cannot stat the socket that was passed in, %s", path);
    host->limits.socket_mode = status.st_mode & 0777;
    host->path = strdup(path);
    if (!host->path)
        return fault_set(why, ENOMEM, "no memory for the socket's path");
    host->listen_fd = listen_fd;
    return 0;
}

void session_host_stop(struct session_host *host)
{
    loop_cancel(host->loop, &host->accept_op);
    loop_cancel(host->loop, &host->pause_op);
    if (host->listen_fd >= 0) {
        if (host->lock_fd >= 0)
            unlink(host->path);
        close(host->listen_fd);
        host->listen_fd = -1;
    }
    release(host);
}
