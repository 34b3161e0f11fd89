/* SPDX-License-Identifier: MIT
 *
 * What systemd tells a service by its environment, and what that tells systemd: sockets passed in,
 * readiness, the watchdog (sd_listen_fds(3), sd_notify(3)). Without systemd all of it is nothing.
 */
#ifndef FORKLORE_COORDINATOR_SYSTEMD_H
#define FORKLORE_COORDINATOR_SYSTEMD_H

#include "shm/fault.h"

#include <stdint.h>

/* The listening unix socket that was passed in, close-on-exec now; -1: none was. -EINVAL if it is
 * anything else, or there are several. */
int systemd_socket(int *fd, struct fault *why);

/* Sends "READY=1" and the like, if somebody listens. */
void systemd_notify(const char *state);

/* How often systemd_notify("WATCHDOG=1") is wanted: half of what is allowed. 0: never. */
uint64_t systemd_watchdog_ns(void);

#endif
