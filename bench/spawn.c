/* SPDX-License-Identifier: MIT
 *
 * What one more worker on a big segment costs, a process beside a thread: time from fork() or
 * pthread_create() to its first instruction, time to touch every page of the segment, then of a
 * read at random and its TLB misses (where the kernel lets us count them), and memory.
 * The parent has mapped and touched the segment itself, as a daemon has; children inherit it
 * read-only.
 *
 *   spawn REPETITIONS off|on MIB...      on: the segment in huge pages (MADV_COLLAPSE)
 *
 * Prints a JSON array, one element per size.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define REPETITIONS_MAX 1000
#define RANDOM_READS    (1U << 20)
#define HUGE_BYTES      ((size_t)2 << 20)

struct shared_result { /* what a worker tells; in shared memory, it may be a process */
    double begun, touched;
    double read_ns, tlb_misses; /* of a read at random; misses -1: not to be counted here */
    long faults, page_tables_kib, pss_kib, private_kib;
    uint64_t sum;
};

static struct {
    const unsigned char *segment;
    size_t bytes;
    bool touch, is_process;
    struct shared_result *result;
} job;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A field in KiB of a file like /proc/self/status; -1 without it. */
static long field_kib(const char *path, const char *field)
{
    FILE *in = fopen(path, "r");
    char line[256];
    long value = -1;
    while (in && value < 0 && fgets(line, sizeof line, in))
        if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
            value = strtol(line + strlen(field) + 1, NULL, 10);
    if (in)
        fclose(in);
    return value;
}

static long minor_faults(void)
{
    struct rusage usage;
    getrusage(job.is_process ? RUSAGE_SELF : RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

/* Misses of the TLB by this thread's reads; a descriptor or -1. */
static int open_tlb_counter(void)
{
    struct perf_event_attr what = {
        .type = PERF_TYPE_HW_CACHE,
        .size = sizeof what,
        .config = PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_READ << 8 |
                  PERF_COUNT_HW_CACHE_RESULT_MISS << 16,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

static void read_at_random(struct shared_result *r)
{
    uint64_t before = 0, after = 0, random = 1, sum = 0;
    int counter = open_tlb_counter();
    bool counted = counter >= 0 && read(counter, &before, sizeof before) == sizeof before;
    double start = now_us();
    for (unsigned i = 0; i < RANDOM_READS; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += ((const volatile unsigned char *)job.segment)[(random >> 20) % job.bytes];
    }
    r->read_ns = 1e3 * (now_us() - start) / RANDOM_READS;
    counted = counted && read(counter, &after, sizeof after) == sizeof after;
    r->tlb_misses = counted ? (double)(after - before) / RANDOM_READS : -1;
    r->sum += sum;
    if (counter >= 0)
        close(counter);
}

static void *worker(void *unused)
{
    (void)unused;
    struct shared_result *r = job.result;
    r->begun = now_us();
    if (!job.touch)
        return NULL;
    long faults = minor_faults();
    uint64_t sum = 0;
    for (size_t i = 0; i < job.bytes; i += 4096)
        sum += ((const volatile unsigned char *)job.segment)[i];
    r->touched = now_us();
    r->sum = sum;
    r->faults = minor_faults() - faults;
    read_at_random(r);
    r->page_tables_kib = field_kib("/proc/self/status", "VmPTE");
    r->pss_kib = field_kib("/proc/self/smaps_rollup", "Pss");
    long clean = field_kib("/proc/self/smaps_rollup", "Private_Clean");
    long dirty = field_kib("/proc/self/smaps_rollup", "Private_Dirty");
    r->private_kib = clean < 0 || dirty < 0 ? -1 : dirty;
    return NULL;
}

/* Starts a worker and waits for its end; when its start was asked for. */
static double run_worker(bool is_process, bool touch)
{
    job.is_process = is_process;
    job.touch = touch;
    double asked = now_us();
    if (is_process) {
        pid_t child = fork();
        if (child == 0) {
            worker(NULL);
            _exit(0);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            die("fork");
    } else {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, NULL) || pthread_join(thread, NULL))
            die("pthread_create");
    }
    return asked;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, double *samples, unsigned count)
{
    qsort(samples, count, sizeof *samples, by_size);
    printf("\"%s\": [", name);
    for (unsigned i = 0; i < count; i++)
        printf("%s%.3f", i ? ", " : "", samples[i]);
    printf("], ");
}

static void measure_kind(bool is_process, unsigned repetitions)
{
    static double start_us[REPETITIONS_MAX], touch_us[REPETITIONS_MAX];
    static double read_ns[REPETITIONS_MAX], tlb_misses[REPETITIONS_MAX];
    const char *name = is_process ? "fork" : "thread";
    char field[64];
    run_worker(is_process, false); /* a warm-up */
    for (unsigned i = 0; i < repetitions; i++) {
        double asked = run_worker(is_process, false);
        start_us[i] = job.result->begun - asked;
        run_worker(is_process, true);
        touch_us[i] = job.result->touched - job.result->begun;
        read_ns[i] = job.result->read_ns;
        tlb_misses[i] = job.result->tlb_misses;
    }
    snprintf(field, sizeof field, "%s_start_us", name);
    print_samples(field, start_us, repetitions);
    snprintf(field, sizeof field, "%s_touch_us", name);
    print_samples(field, touch_us, repetitions);
    snprintf(field, sizeof field, "%s_read_ns", name);
    print_samples(field, read_ns, repetitions);
    snprintf(field, sizeof field, "%s_tlb_misses", name);
    print_samples(field, tlb_misses, repetitions);
    printf("\"%s_faults\": %ld, ", name, job.result->faults);
    if (is_process)
        printf("\"fork_page_tables_kib\": %ld, \"fork_pss_kib\": %ld, "
               "\"fork_private_dirty_kib\": %ld, ",
               job.result->page_tables_kib, job.result->pss_kib, job.result->private_kib);
}

static void measure(size_t mib, bool huge, unsigned repetitions)
{
    char name[64];
    snprintf(name, sizeof name, "/forklore-bench.%d", (int)getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        die("shm_open");
    shm_unlink(name);
    job.bytes = mib << 20;
    errno = posix_fallocate(fd, 0, (off_t)job.bytes);
    if (errno)
        die("no space in /dev/shm");
    /* Huge pages need an aligned address; nothing else does. */
    unsigned char *room =
        mmap(NULL, job.bytes + HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        die("mmap");
    unsigned char *at = room + (HUGE_BYTES - (uintptr_t)room % HUGE_BYTES) % HUGE_BYTES;
    if (mmap(at, job.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
        die("mmap");
    memset(at, 1, job.bytes);
    int err = huge && madvise(at, job.bytes, MADV_COLLAPSE) < 0 ? errno : 0;
    if (mprotect(at, job.bytes, PROT_READ) < 0)
        die("mprotect");
    job.segment = at;
    printf("{\"mib\": %zu, \"huge\": %s, \"refused\": \"%s\", ", mib, huge ? "true" : "false",
           err ? strerror(err) : "");
    measure_kind(true, repetitions);
    measure_kind(false, repetitions);
    printf("\"parent_page_tables_kib\": %ld}", field_kib("/proc/self/status", "VmPTE"));
    munmap(room, job.bytes + HUGE_BYTES);
    close(fd);
}

int main(int argc, char **argv)
{
    unsigned repetitions = argc > 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (repetitions < 1 || repetitions > REPETITIONS_MAX) {
        fprintf(stderr, "usage: spawn REPETITIONS off|on MIB...\n");
        return 2;
    }
    job.result =
        mmap(NULL, sizeof *job.result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (job.result == MAP_FAILED)
        die("mmap");
    for (int i = 3; i < argc; i++) {
        fputs(i == 3 ? "[" : ", ", stdout);
        fflush(stdout); /* before fork: a child must not print it again */
        measure(strtoul(argv[i], NULL, 10), strcmp(argv[2], "on") == 0, repetitions);
    }
    puts("]");
    return 0;
}
