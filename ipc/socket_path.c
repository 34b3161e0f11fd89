/* SPDX-License-Identifier: MIT */
#include "ipc/socket_path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int socket_path(const char *option, char path[SOCKET_PATH_BYTES], struct fault *why)
{
    const char *environment = getenv("FORKLORE_SOCKET");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *source = option;
    int length;
    if (source && !*source)
        return fault_set(why, EINVAL, "the socket's path is empty");
    if (!source && environment && *environment)
        source = environment;
    if (source)
        length = snprintf(path, SOCKET_PATH_BYTES, "%s", source);
    else if (runtime && *runtime)
        length = snprintf(path, SOCKET_PATH_BYTES, "%s/forklore.sock", runtime);
    else
        length =
            snprintf(path, SOCKET_PATH_BYTES, "/tmp/forklore-%lu.sock", (unsigned long)getuid());
    if (length < 0 || (size_t)length >= SOCKET_PATH_BYTES)
        return fault_set(why, ENAMETOOLONG, "the socket's path has %d bytes, at most %zu fit: %s",
                         length, SOCKET_PATH_BYTES - 1, source ? source : runtime);
    return 0;
}
