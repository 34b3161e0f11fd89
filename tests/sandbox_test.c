/* SPDX-License-Identifier: MIT
 *
 * What a worker in its sandbox can do and what it cannot: a process that tries. Every act that is
 * to be refused is first done outside, so that a refusal shows the sandbox and nothing else.
 */
#include "worker/sandbox.h"

#include "ipc/bell.h"
#include "ipc/loop.h"
#include "shm/seg.h"
#include "tests/under.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* What a worker has when it enters: a sealed segment, an open file, a bell, a loop. */
static struct {
    char folder[64], file[96];
    struct seg_owner owner;
    struct seg seg;
    int file_fd;
    struct bell_word word;
    struct bell bell;
    pid_t bystander;
    int listener; /* TCP */
    struct sockaddr_in address;
} here;

/* An act returns 0 if it was done, -errno if not. */
typedef int act_fn(void);

static int outcome(long result)
{
    return result < 0 ? -errno : 0;
}

static int open_for_reading(void)
{
    return outcome(open("/etc/passwd", O_RDONLY));
}
static int open_the_file_again(void)
{
    return outcome(open(here.file, O_RDWR));
}
static int make_a_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/new", here.folder);
    return outcome(open(path, O_WRONLY | O_CREAT, 0600));
}
static int list_a_folder(void)
{
    return outcome(open("/tmp", O_RDONLY | O_DIRECTORY));
}
static int make_a_folder(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/folder", here.folder);
    return outcome(mkdirat(AT_FDCWD, path, 0700));
}
static int rename_the_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/moved", here.folder);
    int err = outcome(rename(here.file, path));
    return err ? err : outcome(rename(path, here.file));
}
static int truncate_the_file(void)
{
    return outcome(truncate(here.file, 4));
}
static int remove_a_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/victim", here.folder);
    return outcome(unlink(path));
}
static int reopen_the_segment(void)
{
    return outcome(shm_open(here.seg.name, O_RDWR, 0));
}
static int make_a_segment(void)
{
    return outcome(memfd_create("memory", 0));
}
static int make_the_segment_writable(void)
{
    return outcome(mprotect(here.seg.base, here.seg.bytes, PROT_READ | PROT_WRITE));
}
static int map_the_file(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED, here.file_fd, 0) == MAP_FAILED ? -errno : 0;
}
static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -errno
               : 0;
}
static int make_a_socket(void)
{
    return outcome(socket(AF_UNIX, SOCK_STREAM, 0));
}
static int make_a_socket_pair(void)
{
    int pair[2];
    return outcome(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}
static int connect_by_tcp(void)
{
    /* The socket is from before, so that it is the connection that is refused. */
    return outcome(connect(here.listener, (struct sockaddr *)&here.address, sizeof here.address));
}
static int run_a_program(void)
{
    /* Done, it ends this process with status 0. */
    execl("/bin/true", "true", (char *)NULL);
    return -errno;
}
static int make_a_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return outcome(pid);
}
static int make_a_thread(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return outcome(pid);
}
static int signal_a_bystander(void)
{
    return outcome(kill(here.bystander, 0));
}
static int signal_the_parent(void)
{
    return outcome(syscall(SYS_tgkill, getppid(), getppid(), 0));
}
static int write_into_a_bystander(void)
{
    static char byte;
    struct iovec one = {&byte, 1};
    return outcome(process_vm_writev(here.bystander, &one, 1, &one, 1, 0));
}
static int make_an_io_uring(void)
{
    struct loop *loop = NULL;
    int err = loop_create(&loop, 8, 0, 0, NULL);
    loop_destroy(&loop);
    return err;
}
static int limit_a_bystander(void)
{
    return outcome(syscall(SYS_prlimit64, here.bystander, 7, NULL, NULL));
}
static int change_identity(void)
{
    return outcome(syscall(SYS_setgid, getgid())); /* not by a C library with threads */
}

static const struct refused {
    const char *name;
    act_fn *act;
    unsigned layers; /* that refuse it, each alone */
} refused[] = {
    {"open for reading", open_for_reading, SANDBOX_ALL},
    {"open the file again", open_the_file_again, SANDBOX_ALL},
    {"make a file", make_a_file, SANDBOX_ALL},
    {"list a folder", list_a_folder, SANDBOX_ALL},
    {"make a folder", make_a_folder, SANDBOX_ALL},
    {"rename the file", rename_the_file, SANDBOX_SECCOMP},
    {"truncate the file", truncate_the_file, SANDBOX_SECCOMP},
    {"remove a file", remove_a_file, SANDBOX_ALL},
    {"open the segment again", reopen_the_segment, SANDBOX_ALL},
    {"make a segment", make_a_segment, SANDBOX_SECCOMP},
    {"map the file", map_the_file, SANDBOX_SECCOMP},
    {"map code", map_code, SANDBOX_SECCOMP},
    {"make a socket", make_a_socket, SANDBOX_SECCOMP},
    {"make a pair of sockets", make_a_socket_pair, SANDBOX_SECCOMP},
    {"connect by TCP", connect_by_tcp, SANDBOX_SECCOMP},
    {"run a program", run_a_program, SANDBOX_ALL},
    {"make a process", make_a_process, SANDBOX_SECCOMP},
    {"make a thread", make_a_thread, SANDBOX_SECCOMP},
    {"signal a bystander", signal_a_bystander, SANDBOX_SECCOMP},
    {"signal the parent", signal_the_parent, SANDBOX_SECCOMP},
    {"write into a bystander", write_into_a_bystander, SANDBOX_SECCOMP},
    {"make an io_uring", make_an_io_uring, SANDBOX_SECCOMP},
    {"limit a bystander", limit_a_bystander, SANDBOX_SECCOMP},
    {"change identity", change_identity, SANDBOX_SECCOMP},
};

/* In a process of its own, inside these layers: what the act said, or 1000 + the signal that ended
 * it; 2000 if a layer is missing. */
static int in_sandbox(unsigned layers, act_fn *act)
{
    int said[2];
    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int result = sandbox_enter(layers) == layers ? act() : 2000;
        ssize_t n = write(said[1], &result, sizeof result);
        _exit(n == sizeof result ? 0 : 1);
    }
    assert_true(pid > 0);
    close(said[1]);
    int result = 0, status;
    ssize_t n = read(said[0], &result, sizeof result);
    close(said[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return 1000 + WTERMSIG(status);
    assert_int_equal(WEXITSTATUS(status), 0);
    return n == sizeof result ? result : 0; /* another program ran */
}

static void touch(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", here.folder, name);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static void test_refuses(void **state)
{
    (void)state;
    for (unsigned layer = SANDBOX_SECCOMP; layer <= SANDBOX_LANDLOCK; layer *= 2) {
        if (in_sandbox(layer, open_for_reading) == 2000) {
            printf("SKIP: the kernel has no %s\n", sandbox_name(layer));
            continue;
        }
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            if (!(refused[i].layers & layer))
                continue;
            char path[128];
            snprintf(path, sizeof path, "%s/new", here.folder);
            unlink(path);
            snprintf(path, sizeof path, "%s/folder", here.folder);
            rmdir(path);
            touch("victim");
            int outside = in_sandbox(SANDBOX_NONE, refused[i].act);
            if (outside != 0)
                fail_msg("%s: cannot be done at all: %d", refused[i].name, outside);
            snprintf(path, sizeof path, "%s/new", here.folder);
            unlink(path);
            snprintf(path, sizeof path, "%s/folder", here.folder);
            rmdir(path);
            touch("victim");
            int inside = in_sandbox(layer, refused[i].act);
            if (inside != -EPERM && inside != -EACCES)
                fail_msg("%s, in %s: %d", refused[i].name, sandbox_name(layer), inside);
        }
    }
}

/* --- Writing to the segment ------------------------------------------------------------------ */

static int write_to_the_segment(void)
{
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would exit instead */
    *(volatile char *)here.seg.base = 1;
    return 0;
}

static void test_cannot_write_to_the_segment(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(SANDBOX_NONE, write_to_the_segment), 1000 + SIGSEGV);
    assert_int_equal(in_sandbox(SANDBOX_ALL, write_to_the_segment), 1000 + SIGSEGV);
    /* Not even outside: the descriptor that it was mapped from cannot write. */
    assert_int_equal(in_sandbox(SANDBOX_NONE, make_the_segment_writable), -EACCES);
    assert_int_equal(in_sandbox(SANDBOX_ALL, make_the_segment_writable), -EPERM);
}

/* --- io_uring -------------------------------------------------------------------------------- */

static int seen;

static void on_event(struct loop_op *op, int result)
{
    (void)op;
    seen = result;
}

/* Reads by io_uring, in a loop that is or is not one that can only wait. */
static int read_by(int (*make)(struct loop **loop))
{
    static char bytes[16];
    struct loop *loop;
    struct loop_op op = {.fn = on_event};
    int err = make(&loop);
    if (err)
        return err;
    loop_read(loop, &op, here.file_fd, bytes, sizeof bytes, 0);
    while (loop_busy(&op) && !err)
        err = loop_run(loop, true) < 0;
    loop_destroy(&loop);
    return err ? -EIO : seen;
}

static int any_loop(struct loop **loop)
{
    return loop_create(loop, 8, 0, 0, NULL);
}
static int waiting_loop(struct loop **loop)
{
    return loop_create_waiting(loop, 8, NULL);
}

static void test_io_uring_leads_not_around(void **state)
{
    (void)state;
    assert_int_equal(read_by(any_loop), 4);
    assert_int_equal(read_by(waiting_loop), -EACCES);
}

/* --- What a worker lives on ------------------------------------------------------------------ */

static int live(struct loop *loop)
{
    char bytes[8];
    struct timespec now;
    struct loop_op op = {.fn = on_event};
    for (size_t size = 16; size <= (size_t)1 << 26; size *= 4) {
        char *memory = malloc(size);
        char *more = memory ? realloc(memory, 2 * size) : NULL;
        if (!more)
            return -ENOMEM;
        memset(more, 1, 2 * size);
        free(more);
    }
    if (pread(here.file_fd, bytes, sizeof bytes, 0) != 4 || memcmp(bytes, "text", 4) != 0)
        return -1;
    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0 || sched_yield() < 0)
        return -2;
    if (*(const char *)here.seg.base != 'i')
        return -3;
    bell_sleep(&here.bell);
    if (!bell_ring(&here.bell))
        return -4;
    seen = 0;
    loop_eventfd(loop, &op, here.bell.eventfd);
    while (seen == 0) {
        if (loop_run(loop, true) < 0)
            return -5;
    }
    return fprintf(stderr, "a word to the log\n") > 0 ? 0 : -6;
}

static int die_of_an_invariant(void)
{
    signal(SIGABRT, SIG_DFL);
    MUST(here.file_fd < 0);
    return 0;
}

static int no_new_privs(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

/* First of all, and whatever else there is: not because some layer cannot do without. */
static void test_gains_no_privileges(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(SANDBOX_NONE, no_new_privs), 0);
    assert_int_equal(in_sandbox(SANDBOX_LANDLOCK, no_new_privs), 1);
}

static void test_lives(void **state)
{
    (void)state;
    int said[2], result = 0, status;
    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct loop *loop;
        struct fault why;
        result = loop_create_waiting(&loop, 8, &why);
        if (!result) {
            sandbox_enter(SANDBOX_ALL);
            result = live(loop);
        }
        _exit(write(said[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    close(said[1]);
    assert_int_equal(read(said[0], &result, sizeof result), sizeof result);
    close(said[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(result, 0);
    assert_int_equal(status, 0);
    assert_int_equal(in_sandbox(SANDBOX_ALL, die_of_an_invariant), 1000 + SIGABRT);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sandbox_name(SANDBOX_NONE), "none");
    assert_string_equal(sandbox_name(SANDBOX_SECCOMP), "seccomp");
    assert_string_equal(sandbox_name(SANDBOX_LANDLOCK), "landlock");
    assert_string_equal(sandbox_name(SANDBOX_ALL), "seccomp+landlock");
}

/* --- Around it ------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    struct fault why;
    strcpy(here.folder, "/tmp/forklore-sandbox.XXXXXX");
    if (!mkdtemp(here.folder) || seg_owner_init(&here.owner, &why) < 0 ||
        seg_create(&here.seg, &here.owner, "sandbox", 4096, &why) < 0)
        return -1;
    *(char *)here.seg.base = 'i';
    if (seg_seal(&here.seg, &why) < 0)
        return -1;
    snprintf(here.file, sizeof here.file, "%s/file", here.folder);
    touch("file");
    here.file_fd = open(here.file, O_RDONLY);
    here.address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof here.address;
    if (bind(server, (struct sockaddr *)&here.address, length) < 0 || listen(server, 64) < 0 ||
        getsockname(server, (struct sockaddr *)&here.address, &length) < 0)
        return -1;
    here.listener = socket(AF_INET, SOCK_STREAM, 0);
    here.bystander = fork();
    if (here.bystander == 0) {
        pause();
        _exit(0);
    }
    return bell_open(&here.bell, &here.word);
}

static int tear_down(void **state)
{
    (void)state;
    kill(here.bystander, SIGKILL);
    waitpid(here.bystander, NULL, 0);
    seg_destroy(&here.seg);
    seg_owner_fini(&here.owner);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", here.folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_cannot_write_to_the_segment),
        cmocka_unit_test(test_io_uring_leads_not_around),
        cmocka_unit_test(test_gains_no_privileges),
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_names),
    };
    if (under_valgrind()) {
        printf("SKIP: valgrind makes system calls of its own\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
