/* SPDX-License-Identifier: MIT */
#include "worker/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- seccomp --------------------------------------------------------------------------------- */

/* Whatever the arguments. The first ones are what a worker lives on; then come what the C library's
 * malloc(), stdio, abort() and sysconf() need. Not mprotect(): only threads' arenas need that. */
static const int allowed[] = {
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(sched_yield),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(exit_group),
    SCMP_SYS(exit),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(writev),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
    SCMP_SYS(close),
    SCMP_SYS(sigaltstack), /* AddressSanitizer, at the end */
};

static int fill(scmp_filter_ctx filter)
{
    int err = 0;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0] && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    /* Memory that is new, private and not executable; no descriptor is mapped again. */
    const uint64_t kind = MAP_ANONYMOUS | MAP_PRIVATE | MAP_SHARED;
    if (!err)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                               SCMP_A3(SCMP_CMP_MASKED_EQ, kind, MAP_ANONYMOUS | MAP_PRIVATE));
    /* abort() signals the process itself. */
    if (!err)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                               SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    return err;
}

/* EPERM rather than death: a path of the C library that nobody thought of then costs an error, and
 * who has taken a worker over gains nothing by it. */
static unsigned enter_seccomp(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return SANDBOX_NONE;
    int err = fill(filter);
    if (!err)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err ? SANDBOX_NONE : SANDBOX_SECCOMP;
}

/* --- Landlock -------------------------------------------------------------------------------- */

/* struct landlock_ruleset_attr as of ABI 6; headers may be older than the kernel. */
struct ruleset {
    uint64_t fs, net, scoped;
};

/* All that the kernel can forbid. It refuses bits and fields that it does not know. */
static struct ruleset everything(long abi, size_t *bytes)
{
    struct ruleset all = {.fs = (UINT64_C(1) << 13) - 1};
    *bytes = offsetof(struct ruleset, net);
    if (abi >= 2)
        all.fs |= UINT64_C(1) << 13; /* move between folders */
    if (abi >= 3)
        all.fs |= UINT64_C(1) << 14; /* truncate */
    if (abi >= 4) {
        all.net = 3; /* bind and connect by TCP */
        *bytes = offsetof(struct ruleset, scoped);
    }
    if (abi >= 5)
        all.fs |= UINT64_C(1) << 15; /* ioctl of devices */
    if (abi >= 6) {
        all.scoped = 3; /* abstract unix sockets and signals, to the outside */
        *bytes = sizeof all;
    }
    return all;
}

static unsigned enter_landlock(void)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return SANDBOX_NONE;
    size_t bytes;
    const struct ruleset all = everything(abi, &bytes);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &all, bytes, 0);
    if (fd < 0)
        return SANDBOX_NONE;
    long err = syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
    return err ? SANDBOX_NONE : SANDBOX_LANDLOCK;
}

unsigned sandbox_enter(unsigned layers)
{
    unsigned hold = SANDBOX_NONE;
    if (layers == SANDBOX_NONE || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return hold;
    if (layers & SANDBOX_LANDLOCK)
        hold |= enter_landlock();
    if (layers & SANDBOX_SECCOMP)
        hold |= enter_seccomp();
    return hold;
}

const char *sandbox_name(unsigned layers)
{
    static const char *const names[] = {"none", "seccomp", "landlock", "seccomp+landlock"};
    return names[layers & SANDBOX_ALL];
}
