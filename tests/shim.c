/* SPDX-License-Identifier: MIT
 *
 * Faults for the daemon under test, by LD_PRELOAD: what a worker process reads of the index file's
 * text goes wrong as FORKLORE_FAULT says. The coordinator reads as ever.
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

static bool in_worker;

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
    if (operation == PR_SET_NAME && strcmp((const char *)args[0], "forklore-worker") == 0) {
        const char *fault = getenv("FORKLORE_FAULT");
        in_worker = true;
        if (fault && strcmp(fault, "start") == 0)
            raise(SIGSEGV);
    }
    return next(operation, args[0], args[1], args[2], args[3]);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset)
{
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pread");
    const char *fault = in_worker ? getenv("FORKLORE_FAULT") : NULL;
    if (fault && strcmp(fault, "eio") == 0) {
        errno = EIO;
        return -1;
    }
    if (fault && strcmp(fault, "segv") == 0)
        *(volatile char *)16 = 1;
    while (fault && strcmp(fault, "loop") == 0)
        ;
    return next(fd, bytes, count, offset);
}
