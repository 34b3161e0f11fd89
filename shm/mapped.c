/* SPDX-License-Identifier: MIT */
#include "shm/mapped.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static _Thread_local sigjmp_buf *way_out; /* of the innermost piece of work */

static void on_sigbus(int signal_number)
{
    if (way_out)
        siglongjmp(*way_out, 1);
    /* Nobody is reading a mapped file: the instruction is tried again, and dies of it. */
    signal(signal_number, SIG_DFL);
}

void mapped_init(void)
{
    /* Not masked while it runs, since it is left by a jump. */
    struct sigaction action = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

bool mapped_run(void (*work)(void *owner), void *owner)
{
    sigjmp_buf here, *outer = way_out;
    if (sigsetjmp(here, 0)) {
        way_out = outer;
        return false;
    }
    way_out = &here;
    work(owner);
    way_out = outer;
    return true;
}
