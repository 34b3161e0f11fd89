/* SPDX-License-Identifier: MIT
 *
 * Faults for the daemon under test, by LD_PRELOAD: a worker process does not start, or what it
 * reads of the index file's text goes wrong, or it dies instead of ringing a bell, as
 * FORKLORE_FAULT says. It does start where FORKLORE_FAULT_FILE names a file that is not there. The
 * coordinator is as ever.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#define RINGS 3 /* of a job's worker, before it dies */

static bool in_worker, in_job;

static bool fault_is(const char *name)
{
    const char *fault = getenv("FORKLORE_FAULT");
    return fault && strcmp(fault, name) == 0;
}

/* Workers name themselves. */
int prctl(int operation, ...)
{
    static int (*next)(int, ...);
    unsigned long args[4];
    va_list list;
    va_start(list, operation);
    for (unsigned i = 0; i < 4; i++)
        args[i] = va_arg(list, unsigned long);
    va_end(list);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "prctl");
    if (operation == PR_SET_NAME) {
        in_worker = strcmp((const char *)args[0], "forklore-worker") == 0;
        in_job = strcmp((const char *)args[0], "forklore-job") == 0;
        const char *file = getenv("FORKLORE_FAULT_FILE");
        if (in_worker && fault_is("start") && (!file || access(file, F_OK) == 0))
            raise(SIGSEGV);
    }
    return next(operation, args[0], args[1], args[2], args[3]);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset)
{
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pread");
    if (!in_worker)
        return next(fd, bytes, count, offset);
    if (fault_is("eio")) {
        errno = EIO;
        return -1;
    }
    if (fault_is("segv"))
        *(volatile char *)16 = 1;
    if (fault_is("kill")) /* as if from outside */
        raise(SIGKILL);
    if (fault_is("stop"))
        raise(SIGSTOP);
    while (fault_is("loop"))
        ;
    return next(fd, bytes, count, offset);
}

/* Bells are eventfds, which take eight bytes. */
ssize_t write(int fd, const void *bytes, size_t count)
{
    static ssize_t (*next)(int, const void *, size_t);
    static unsigned rings;
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "write");
    if (in_job && count == 8 && fault_is("bell") && ++rings > RINGS)
        raise(SIGKILL);
    return next(fd, bytes, count);
}
