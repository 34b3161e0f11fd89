/* SPDX-License-Identifier: MIT
 *
 * Owned segments: sweeping the dead, leaving the living, sealing.
 */
#include "shm/seg.h"
#include "tests/under.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool exists(const char *name)
{
    int fd = shm_open(name, O_RDONLY, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void test_seg_create_seal_destroy(void **state)
{
    (void)state;
    struct seg_owner owner;
    struct seg seg;
    struct fault why;
    assert_int_equal(seg_owner_init(&owner, &why), 0);
    assert_int_equal(seg_create(&seg, &owner, "test", 5000, &why), 0);
    assert_int_equal(seg.bytes % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_true(seg.bytes >= 5000);
    for (size_t i = 0; i < seg.bytes; i++)
        assert_int_equal(((char *)seg.base)[i], 0);
    memcpy(seg.base, "sealed", 7);
    char name[SEG_NAME_BYTES];
    strcpy(name, seg.name);
    assert_true(exists(name));

    assert_int_equal(seg_seal(&seg, &why), 0);
    assert_string_equal(seg.base, "sealed");
    /* Neither the mapping nor the descriptor can be made writable again. */
    assert_int_equal(mprotect(seg.base, 4096, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(errno, EACCES);

    seg_destroy(&seg);
    assert_false(exists(name));
    seg_destroy(&seg);
    seg_owner_fini(&owner);
    assert_false(exists(owner.name));
}

static void test_seg_write_after_seal_faults(void **state)
{
    (void)state;
    struct seg_owner owner;
    struct seg seg;
    struct fault why;
    assert_int_equal(seg_owner_init(&owner, &why), 0);
    assert_int_equal(seg_create(&seg, &owner, "test", 4096, &why), 0);
    assert_int_equal(seg_seal(&seg, &why), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* sanitizers have a handler of their own */
        *(volatile char *)seg.base = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    seg_destroy(&seg);
    seg_owner_fini(&owner);
}

static void test_seg_larger_than_memory_is_an_error(void **state)
{
    (void)state;
    struct seg_owner owner;
    struct seg seg;
    struct fault why;
    assert_int_equal(seg_owner_init(&owner, &why), 0);
    int err = seg_create(&seg, &owner, "huge", (size_t)1 << 50, &why);
    /* Valgrind's own mmap() calls what it has no room for invalid. */
    assert_true(err == -ENOSPC || err == -EFBIG || err == -ENOMEM ||
                (under_valgrind() && err == -EINVAL));
    assert_non_null(strstr(why.text, "huge"));
    char name[SEG_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s.huge", owner.name);
    assert_false(exists(name));
    assert_int_equal(seg_create(&seg, &owner, "none", 0, &why), -EINVAL);
    seg_owner_fini(&owner);
}

/* A child becomes an owner, makes a segment, tells its names and waits to be killed. */
static pid_t start_owner(struct seg_owner *owner, struct seg *seg)
{
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct fault why;
        memset(owner, 0, sizeof *owner); /* the names' ends are written, too */
        if (seg_owner_init(owner, &why) < 0 || seg_create(seg, owner, "test", 100, &why) < 0)
            _exit(1);
        if (write(told[1], owner, sizeof *owner) < 0 || write(told[1], seg, sizeof *seg) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    close(told[1]);
    assert_int_equal(read(told[0], owner, sizeof *owner), sizeof *owner);
    assert_int_equal(read(told[0], seg, sizeof *seg), sizeof *seg);
    close(told[0]);
    return pid;
}

static void test_seg_sweep_removes_the_dead_and_only_them(void **state)
{
    (void)state;
    struct seg_owner dead, living;
    struct seg dead_seg, living_seg;
    pid_t dead_pid = start_owner(&dead, &dead_seg);
    pid_t living_pid = start_owner(&living, &living_seg);
    seg_sweep();
    assert_true(exists(dead_seg.name));

    kill(dead_pid, SIGKILL);
    waitpid(dead_pid, NULL, 0);
    assert_true(exists(dead_seg.name));
    assert_true(seg_sweep() >= 2);
    assert_false(exists(dead_seg.name));
    assert_false(exists(dead.name));
    assert_true(exists(living_seg.name));
    assert_true(exists(living.name));

    kill(living_pid, SIGKILL);
    waitpid(living_pid, NULL, 0);
    /* Becoming an owner sweeps, too. */
    struct seg_owner next;
    struct fault why;
    assert_int_equal(seg_owner_init(&next, &why), 0);
    assert_false(exists(living_seg.name));
    seg_owner_fini(&next);
}

/* A sweeper that was killed between the segments and the lock, or the other way round. */
static void test_seg_sweep_finds_what_half_a_sweep_left(void **state)
{
    (void)state;
    char orphan[SEG_NAME_BYTES];
    snprintf(orphan, sizeof orphan, "/forklore.%u.00000000deadbeef.test", (unsigned)getuid());
    int fd = shm_open(orphan, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    seg_sweep();
    assert_false(exists(orphan));
}

static void test_seg_sweep_leaves_other_names_alone(void **state)
{
    (void)state;
    char names[4][SEG_NAME_BYTES];
    snprintf(names[0], SEG_NAME_BYTES, "/forklore.%u.short.test", (unsigned)getuid());
    snprintf(names[1], SEG_NAME_BYTES, "/forklore.%u.00000000deadbeef", (unsigned)getuid() + 1);
    snprintf(names[2], SEG_NAME_BYTES, "/forklored.%u.00000000deadbeef.x", (unsigned)getuid());
    snprintf(names[3], SEG_NAME_BYTES, "/forklore.%u.00000000deadbeefx", (unsigned)getuid());
    for (int i = 0; i < 4; i++)
        close(shm_open(names[i], O_RDWR | O_CREAT, 0600));
    seg_sweep();
    for (int i = 0; i < 4; i++) {
        assert_true(exists(names[i]));
        shm_unlink(names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seg_create_seal_destroy),
        cmocka_unit_test(test_seg_write_after_seal_faults),
        cmocka_unit_test(test_seg_larger_than_memory_is_an_error),
        cmocka_unit_test(test_seg_sweep_removes_the_dead_and_only_them),
        cmocka_unit_test(test_seg_sweep_finds_what_half_a_sweep_left),
        cmocka_unit_test(test_seg_sweep_leaves_other_names_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
