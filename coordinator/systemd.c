/* SPDX-License-Identifier: MIT */
#include "coordinator/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3

static unsigned long long number_in(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

static bool listens(int fd)
{
    int domain = 0, type = 0, accepting = 0;
    socklen_t bytes = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &bytes) == 0 && accepting;
}

int systemd_socket(int *fd, struct fault *why)
{
    *fd = -1;
    unsigned long long count = number_in("LISTEN_FDS");
    if (count == 0 || number_in("LISTEN_PID") != (unsigned long long)getpid())
        return 0;
    if (count > 1)
        return fault_set(why, EINVAL, "LISTEN_FDS: %llu sockets were passed in, not one", count);
    if (!listens(FIRST_FD))
        return fault_set(why, EINVAL,
                         "LISTEN_FDS: descriptor %d is no listening unix stream socket", FIRST_FD);
    fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC);
    *fd = FIRST_FD;
    return 0;
}

void systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    if (length == 0 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* an abstract name */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* If nobody takes it, there is nobody to tell. */
    ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                       (const struct sockaddr *)&address,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)n;
    close(fd);
}

uint64_t systemd_watchdog_ns(void)
{
    unsigned long long pid = number_in("WATCHDOG_PID");
    if (pid != 0 && pid != (unsigned long long)getpid())
        return 0;
    return number_in("WATCHDOG_USEC") * 1000 / 2;
}
