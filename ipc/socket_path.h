/* SPDX-License-Identifier: MIT
 *
 * Where the daemon's socket is, one rule for both sides: the option if given, else
 * $FORKLORE_SOCKET, else $XDG_RUNTIME_DIR/forklore.sock, else /tmp/forklore-UID.sock.
 */
#ifndef FORKLORE_IPC_SOCKET_PATH_H
#define FORKLORE_IPC_SOCKET_PATH_H

#include "shm/fault.h"

#include <sys/un.h>

#define SOCKET_PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

/* Writes the path with its NUL to `path`; `option` may be NULL. An empty variable counts as unset.
 * -ENAMETOOLONG if a socket's address cannot hold it, -EINVAL if the option is empty. */
int socket_path(const char *option, char path[SOCKET_PATH_BYTES], struct fault *why);

#endif
