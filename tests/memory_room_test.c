/* SPDX-License-Identifier: MIT
 *
 * What memory cgroups leave, read out of made-up ones of both versions.
 */
#include "shm/memory_room.h"

#include "shm/fault.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include <cmocka.h>

static char root[] = "/tmp/forklore-room.XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + sizeof root; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static uint64_t room(const char *lines)
{
    char path[PATH_MAX];
    write_file("cgroup", lines);
    snprintf(path, sizeof path, "%s/cgroup", root);
    return memory_room_in(path, root);
}

/* Free swap counts; how much of it a v2 cgroup may have is made up as well. */
static uint64_t swap(uint64_t most)
{
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    uint64_t bytes = (uint64_t)info.freeswap * info.mem_unit;
    return bytes < most ? bytes : most;
}

static void test_memory_room_version_2(void **unused)
{
    (void)unused;
    write_file("top/memory.max", "5000000\n");
    write_file("top/memory.current", "1000000\n");
    write_file("top/memory.stat", "anon 1\nfile 7\ninactive_file 100\nactive_file 20\n");
    write_file("top/memory.swap.max", "0\n");
    write_file("top/memory.swap.current", "0\n");
    write_file("top/in/memory.max", "max\n");
    write_file("top/in/memory.current", "1000000\n");
    write_file("top/in/most/memory.max", "900000\n");
    write_file("top/in/most/memory.current", "400000\n");
    write_file("top/in/most/memory.stat", "active_file 3\n");
    write_file("top/in/most/memory.swap.max", "1000\n");
    write_file("top/in/most/memory.swap.current", "400\n");
    write_file("over/memory.max", "5000\n");
    write_file("over/memory.current", "5001\n");
    write_file("over/memory.swap.max", "0\n");
    write_file("over/memory.swap.current", "0\n");
    assert_int_equal(room("0::/top\n"), 4000120);
    assert_int_equal(room("0::/top/in\n"), 4000120); /* the one above */
    assert_int_equal(room("0::/top/in/most\n"), 500003 + swap(600));
    assert_int_equal(room("0::/over\n"), 0);
    /* In a container the path is the one outside, and may not be there. */
    assert_int_equal(room("0::/top/unknown/path\n"), 4000120);
    assert_int_equal(room("0::/\n"), UINT64_MAX);
    assert_int_equal(room("0::/other\n"), UINT64_MAX);
}

static void test_memory_room_version_1(void **unused)
{
    (void)unused;
    write_file("memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("memory/memory.usage_in_bytes", "123456789\n");
    write_file("memory/job/memory.limit_in_bytes", "70000\n");
    write_file("memory/job/memory.usage_in_bytes", "20000\n");
    write_file("memory/job/memory.stat",
               "cache 5\ninactive_file 7\ntotal_inactive_file 1000\ntotal_active_file 2000\n");
    assert_int_equal(room("5:cpuset:/job\n4:hugetlb,memory:/job\n0::/\n"),
                     53000 + swap(UINT64_MAX));
    assert_int_equal(room("4:memory:/\n"), UINT64_MAX);
    /* Others' paths are nothing to us. */
    assert_int_equal(room("5:cpuset,memory_of_another_kind:/job\n4:memory:/\n"), UINT64_MAX);
}

static void test_memory_room_nonsense(void **unused)
{
    (void)unused;
    assert_int_equal(room(""), UINT64_MAX);
    assert_int_equal(room("\n:\n::\n0::\n7:memory\n:memory:\n"), UINT64_MAX);
    assert_int_equal(memory_room_in("/nowhere/cgroup", root), UINT64_MAX);
    static char line[4 * PATH_MAX] = "0::";
    memset(line + 3, '/', sizeof line - 4);
    assert_int_equal(room(line), UINT64_MAX);
    write_file("odd/memory.max", "-\n");
    write_file("odd/memory.current", "5\n");
    assert_int_equal(room("0::/odd\n"), UINT64_MAX);
    /* Of this process, whatever it may be. */
    assert_true(memory_room() > 0);
}

static int make_root(void **unused)
{
    (void)unused;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static int remove_root(void **unused)
{
    (void)unused;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_room_version_2),
        cmocka_unit_test(test_memory_room_version_1),
        cmocka_unit_test(test_memory_room_nonsense),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
