/* SPDX-License-Identifier: MIT
 *
 * What a worker process gives up for good once it has all it needs: it may compute, read the index
 * file that is open, use the rings that are mapped and sleep in its io_uring. No new files, no
 * network, no other program or process, no memory that is mapped otherwise than private and
 * anonymous. What it has of the index was mapped from descriptors that cannot write.
 */
#ifndef FORKLORE_WORKER_SANDBOX_H
#define FORKLORE_WORKER_SANDBOX_H

enum sandbox {
    SANDBOX_NONE = 0,
    SANDBOX_SECCOMP = 1,  /* system calls: a list of what is allowed; else EPERM */
    SANDBOX_LANDLOCK = 2, /* files, TCP, signals to others: nothing is allowed; else EACCES */
    SANDBOX_ALL = SANDBOX_SECCOMP | SANDBOX_LANDLOCK,
};

/* Puts these layers around the calling thread, with no_new_privs, and returns those that hold: a
 * kernel may lack one. The io_uring has to be there, and to be one that can only wait
 * (loop_create_waiting()): its operations are no system calls. */
unsigned sandbox_enter(unsigned layers);

/* "seccomp+landlock", "seccomp", "landlock" or "none". */
const char *sandbox_name(unsigned layers);

#endif
