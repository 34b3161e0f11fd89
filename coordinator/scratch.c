/* SPDX-License-Identifier: MIT */
#include "coordinator/scratch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* For a signal handler: no allocation, and the folder is named last. */
static char folder[256], index_path[300], dump_path[300];

void scratch_remove(void)
{
    if (!*folder)
        return;
    unlink(index_path);
    unlink(dump_path);
    rmdir(folder);
    *folder = '\0';
}

static void on_signal(int number)
{
    scratch_remove();
    signal(number, SIG_DFL);
    raise(number);
}

int scratch_make(struct fault *why)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    const char *where = getenv("TMPDIR");
    char made[sizeof folder];
    if (snprintf(made, sizeof made, "%s/forklore-XXXXXX", where && *where ? where : "/var/tmp") >=
        (int)sizeof made)
        return fault_set(why, ENAMETOOLONG, "TMPDIR is too long: %.40s...", where);
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t held, before;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], &action, NULL);
        sigaddset(&held, signals[i]);
    }
    /* A signal finds either no folder or one whose name is known. */
    sigprocmask(SIG_BLOCK, &held, &before);
    int err = 0;
    if (!mkdtemp(made)) {
        err = fault_errno(why, errno, "cannot create %s", made);
    } else {
        snprintf(index_path, sizeof index_path, "%s/" SCRATCH_INDEX, made);
        snprintf(dump_path, sizeof dump_path, "%s/" SCRATCH_DUMP, made);
        memcpy(folder, made, sizeof folder);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

const char *scratch_path(const char *name)
{
    return strcmp(name, SCRATCH_DUMP) == 0 ? dump_path : index_path;
}
