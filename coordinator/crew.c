/* SPDX-License-Identifier: MIT */
#include "coordinator/crew.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPLY_RING_BYTES    ((size_t)1 << 20)
#define JOB_RING_BYTES      ((size_t)4096) /* of a job's workers: they tell how it goes, no more */
#define RESTART_DELAY_NS    UINT64_C(50000000) /* doubled with every failure in a row */
#define RESTART_DOUBLINGS   7
#define CHANNEL_FIRST_BYTES 4096 /* struct channel_first */

/* The first page of a channel. */
struct channel_first {
    struct bell_word requests, room; /* of replies */
    struct pulse pulse;
};
static_assert(sizeof(struct channel_first) <= CHANNEL_FIRST_BYTES, "one page");

int crew_host_init(struct crew_host *host, struct loop *loop, const struct seg_owner *owner,
                   size_t request_bytes_max, struct fault *why)
{
    *host = (struct crew_host){.loop = loop, .owner = owner, .bell_seg = SEG_NONE};
    host->request_ring_bytes = ring_capacity_for(request_bytes_max + MSG_OVERHEAD, 2);
    int err = seg_create(&host->bell_seg, owner, "bell", sizeof(struct bell_word), why);
    if (err)
        return err;
    err = bell_open(&host->bell, host->bell_seg.base);
    if (err) {
        seg_destroy(&host->bell_seg);
        return fault_errno(why, -err, "cannot make an eventfd");
    }
    return 0;
}

void crew_host_fini(struct crew_host *host)
{
    bell_close(&host->bell);
    seg_destroy(&host->bell_seg);
}

/* --- Channels -------------------------------------------------------------------------------- */

static void *channel_requests(const struct crew_worker *worker)
{
    return (char *)worker->channel.base + CHANNEL_FIRST_BYTES;
}

static void *channel_replies(const struct crew_worker *worker)
{
    return (char *)channel_requests(worker) + ring_bytes(worker->crew->request_ring_bytes, 1);
}

/* Also after a worker's death: nothing that a broken worker may have written there is believed. */
static void channel_format(struct crew_worker *worker)
{
    const struct crew *crew = worker->crew;
    struct inherit *inherit = &worker->inherit;
    inherit->requests = ring_format(channel_requests(worker), crew->request_ring_bytes, 1, 0);
    inherit->replies = ring_format(channel_replies(worker), crew->reply_ring_bytes, 1, 0);
    worker->staged = false;
    pulse_take(inherit->pulse, PULSE_NO_TICKET);
    pulse_unwant(inherit->pulse, PULSE_NO_TICKET);
    ring_writer_attach(&worker->requests_out, worker->inherit.requests);
    ring_reader_attach(&worker->replies_in, worker->inherit.replies, 0);
}

static int channel_create(struct crew_worker *worker, unsigned crew_number, const struct bell *bell,
                          struct fault *why)
{
    const struct crew *crew = worker->crew;
    char label[32];
    snprintf(label, sizeof label, "crew%u-worker%u", crew_number, worker->inherit.slot);
    size_t bytes = CHANNEL_FIRST_BYTES + ring_bytes(crew->request_ring_bytes, 1) +
                   ring_bytes(crew->reply_ring_bytes, 1);
    int err = seg_create(&worker->channel, crew->host->owner, label, bytes, why);
    if (err)
        return err;
    /* Nobody inherits it but the worker it is for: see start_process(). */
    madvise(worker->channel.base, worker->channel.bytes, MADV_DONTFORK);
    struct channel_first *first = worker->channel.base;
    worker->inherit.pulse = &first->pulse;
    channel_format(worker);
    if (bell)
        worker->inherit.bell = *bell;
    else
        err = bell_open(&worker->inherit.bell, &first->requests);
    worker->inherit.room = (struct bell){&first->room, worker->inherit.bell.eventfd};
    return err ? fault_errno(why, -err, "cannot make an eventfd") : 0;
}

/* --- Starting -------------------------------------------------------------------------------- */

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Closes every descriptor but standard ones and `keep` (sorted). */
static void close_others(const int *keep, unsigned count)
{
    int next = 3;
    for (unsigned i = 0; i < count; i++) {
        if (keep[i] > next)
            syscall(SYS_close_range, next, keep[i] - 1, 0);
        if (keep[i] >= next)
            next = keep[i] + 1;
    }
    syscall(SYS_close_range, next, ~0U, 0);
}

/* A coordinator may be protected from the kernel's memory killer (OOMScoreAdjust= of the service).
 * Workers are not: they can be replaced. PostgreSQL does the same. */
static void give_up_protection(void)
{
    char score[8] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, score, sizeof score - 1) > 0 && score[0] == '-' && write(fd, "0", 1) < 0)
        fprintf(stderr, "forklored: event=oom-score-adj error=\"%s\"\n", strerror(errno));
    close(fd);
}

static _Noreturn void child_main(const struct crew_worker *worker, pid_t parent)
{
    struct loop *parents = worker->crew->host->loop;
    loop_forget(&parents);
    /* The coordinator's end is the worker's: the kernel sees to it, whatever the worker does. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    give_up_protection();
    prctl(PR_SET_NAME, worker->inherit.job ? "forklore-job" : "forklore-worker");
    /* Terminals and service managers signal whole groups; workers leave when they are told to,
     * after the requests they hold. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    /* A worker is small for life: what is large and freed goes back to the system at once, instead
     * of raising the C library's threshold for the next time. Not what every article needs, blocks
     * of text of some 100 KiB: the kernel would clear their pages again and again. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 2 << 20);

    const struct inherit *inherit = &worker->inherit;
    int keep[EXCHANGE_WORKERS_MAX + 3];
    unsigned count = 0;
    keep[count++] = inherit->bell.eventfd;
    keep[count++] = inherit->coordinator.eventfd;
    if (inherit->index_fd >= 0)
        keep[count++] = inherit->index_fd;
    if (inherit->job) {
        for (unsigned w = 0; w < inherit->job->plan.workers; w++)
            keep[count++] = inherit->job->bells[w].eventfd;
    }
    qsort(keep, count, sizeof keep[0], compare_ints);
    close_others(keep, count);
    _exit(worker_main(inherit));
}

/* Writable segments are kept from children (MADV_DONTFORK) but for the ones that are theirs. */
static void let_inherit(struct crew_worker *worker, int advice)
{
    struct crew *crew = worker->crew;
    madvise(worker->channel.base, worker->channel.bytes, advice);
    for (unsigned i = 0; i < crew->job_seg_count; i++)
        madvise(crew->job_segs[i].base, crew->job_segs[i].bytes, advice);
}

static int start_process(struct crew_worker *worker, struct fault *why)
{
    let_inherit(worker, MADV_DOFORK);
    pid_t parent = getpid();
    pid_t pid = fork();
    int err = errno;
    if (pid == 0)
        child_main(worker, parent);
    let_inherit(worker, MADV_DONTFORK);
    if (pid < 0)
        return fault_errno(why, err, "cannot fork worker %u", worker->inherit.slot);
    worker->exit_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (worker->exit_fd < 0) {
        err = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return fault_errno(why, err, "cannot watch worker %u", worker->inherit.slot);
    }
    worker->pid = pid;
    return 0;
}

static void *thread_main(void *argument)
{
    struct crew_worker *worker = argument;
    worker_main(&worker->inherit);
    uint64_t one = 1;
    ssize_t n = write(worker->exit_fd, &one, sizeof one);
    (void)n; /* an eventfd of value 0 takes it */
    return NULL;
}

static int start_thread(struct crew_worker *worker, struct fault *why)
{
    worker->exit_fd = eventfd(0, EFD_CLOEXEC);
    if (worker->exit_fd < 0)
        return fault_errno(why, errno, "cannot make an eventfd");
    worker->pid = getpid();
    int err = pthread_create(&worker->thread, NULL, thread_main, worker);
    if (err) {
        close(worker->exit_fd);
        return fault_errno(why, err, "cannot start worker thread %u", worker->inherit.slot);
    }
    return 0;
}

static int start_worker(struct crew_worker *worker, struct fault *why)
{
    struct crew *crew = worker->crew;
    int err =
        crew->mode == WORKERS_THREADS ? start_thread(worker, why) : start_process(worker, why);
    if (err) {
        worker->state = WORKER_GONE;
        return err;
    }
    worker->alive = true;
    worker->looks = 0;
    worker->state = crew->retiring ? WORKER_RETIRING : WORKER_STARTING;
    loop_poll_in(crew->host->loop, &worker->exit_op, worker->exit_fd);
    return 0;
}

/* --- Messages -------------------------------------------------------------------------------- */

static void kill_for(struct crew_worker *worker, bool stopped, const char *reason)
{
    snprintf(worker->killed_for, sizeof worker->killed_for, "%s", reason);
    worker->was_stopped = stopped;
    kill(worker->pid, SIGKILL);
}

void crew_kill_hung(struct crew_worker *worker, bool stopped, uint64_t limit_ms)
{
    char reason[64];
    snprintf(reason, sizeof reason, "%s, no sign of life for %llu ms: killed",
             stopped ? "stopped" : "hung", (unsigned long long)limit_ms);
    kill_for(worker, stopped, reason);
}

/* Its ring contradicts the protocol. What it held is done again elsewhere: on_exit_fd(). */
static void kill_broken(struct crew_worker *worker)
{
    if (worker->alive && worker->crew->mode == WORKERS_PROCESSES)
        kill_for(worker, false, "its ring is broken: killed");
}

static void release_replies(struct crew_worker *worker)
{
    struct crew_host *host = worker->crew->host;
    if (worker->replies_in.next == worker->replies_in.released ||
        (host->holds && host->holds(host->holder)))
        return;
    ring_release(&worker->replies_in);
    host->wakeups += bell_ring(&worker->inherit.room);
}

static bool take_replies(struct crew_worker *worker)
{
    release_replies(worker); /* what was held the last time */
    bool any = false;
    const void *data;
    size_t bytes;
    enum ring_status status;
    while ((status = ring_read(&worker->replies_in, &data, &bytes)) == RING_OK) {
        struct msg msg;
        any = true;
        if (!msg_read(data, bytes, &msg)) {
            status = RING_CORRUPT;
            break;
        }
        if (msg.kind == MSG_READY) {
            worker->failures = 0;
            worker->sandbox = (unsigned)msg.sandbox;
            if (worker->state == WORKER_STARTING)
                worker->state = WORKER_READY;
        }
        worker->crew->events.message(worker->crew->events.owner, worker, &msg);
    }
    release_replies(worker);
    if (status == RING_CORRUPT)
        kill_broken(worker);
    return any;
}

/* Takes what is there for good. */
static void empty_replies(struct crew_worker *worker)
{
    struct crew_host *host = worker->crew->host;
    take_replies(worker);
    if (host->let_go)
        host->let_go(host->holder);
    release_replies(worker);
}

bool crew_host_take_replies(struct crew_host *host)
{
    bool any = false;
    for (struct crew *crew = host->crews; crew; crew = crew->next) {
        for (unsigned w = 0; w < crew->worker_count; w++)
            any |= take_replies(&crew->workers[w]);
    }
    return any;
}

bool crew_host_pending(struct crew_host *host)
{
    for (struct crew *crew = host->crews; crew; crew = crew->next) {
        for (unsigned w = 0; w < crew->worker_count; w++) {
            if (ring_pending(&crew->workers[w].replies_in))
                return true;
        }
    }
    return false;
}

static void flush_worker(struct crew_worker *worker)
{
    if (!worker->staged)
        return;
    worker->staged = false;
    ring_publish(&worker->requests_out);
    worker->crew->host->wakeups += bell_ring(&worker->inherit.bell);
}

void crew_host_flush(struct crew_host *host)
{
    for (struct crew *crew = host->crews; crew; crew = crew->next) {
        for (unsigned w = 0; w < crew->worker_count; w++)
            flush_worker(&crew->workers[w]);
    }
}

bool crew_send(struct crew_worker *worker, const struct msg *msg)
{
    size_t bytes = MSG_OVERHEAD + msg->frame_bytes;
    void *record;
    enum ring_status status = ring_reserve(&worker->requests_out, bytes, &record);
    if (status == RING_CORRUPT)
        kill_broken(worker);
    if (status != RING_OK)
        return false;
    struct wire_out out;
    wire_out_fixed(&out, record, bytes);
    msg_write(&out, msg);
    MUST(!out.failed);
    ring_stage(&worker->requests_out, out.bytes);
    worker->staged = true;
    return true;
}

unsigned crew_sandbox(const struct crew *crew)
{
    unsigned sandbox = SANDBOX_ALL;
    for (unsigned w = 0; w < crew->worker_count; w++) {
        if (crew->workers[w].state == WORKER_READY)
            sandbox &= crew->workers[w].sandbox;
    }
    return sandbox;
}

/* --- Ends ------------------------------------------------------------------------------------ */

bool crew_gone(const struct crew *crew)
{

    for (unsigned w = 0; w < crew->worker_count; w++) {
        if (crew->workers[w].alive || !(crew->retiring || crew->workers[w].finished))
            return false;
    }
    return true;
}

static void describe_exit(struct crew_worker *worker, char *how, size_t capacity)
{
    int status = 0;
    worker->outside = false;
    if (worker->crew->mode == WORKERS_THREADS) {
        pthread_join(worker->thread, NULL);
        snprintf(how, capacity, "its thread ended");
    } else if (waitpid(worker->pid, &status, 0) != worker->pid) {
        snprintf(how, capacity, "its process vanished");
    } else if (worker->killed_for[0]) {
        snprintf(how, capacity, "%s", worker->killed_for);
        worker->outside = worker->was_stopped;
        worker->killed_for[0] = '\0';
    } else if (WIFSIGNALED(status)) {
        worker->outside = WTERMSIG(status) == SIGKILL;
        snprintf(how, capacity, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(how, capacity, "exited with status %d", WEXITSTATUS(status));
    }
}

static void restart(struct loop_op *op, int result)
{
    struct crew_worker *worker = op->owner;
    struct fault why;
    if (result < 0 || worker->crew->retiring)
        return;
    worker->restarts++;
    if (start_worker(worker, &why) == 0)
        return;
    fprintf(stderr, "forklored: worker=%u event=restart-failed error=\"%s\"\n",
            worker->inherit.slot, why.text);
    loop_timer(worker->crew->host->loop, op, loop_now_ns() + RESTART_DELAY_NS);
}

/* Straight away the first time; ever more slowly when it keeps dying before it is ready. */
static void schedule_restart(struct crew_worker *worker)
{
    unsigned failures = worker->failures++;
    uint64_t delay_ns = 0;
    if (failures > 0)
        delay_ns = RESTART_DELAY_NS
                   << (failures < RESTART_DOUBLINGS ? failures : RESTART_DOUBLINGS);
    worker->state = WORKER_STARTING;
    if (delay_ns == 0)
        restart(&worker->restart_op, 0);
    else
        loop_timer(worker->crew->host->loop, &worker->restart_op, loop_now_ns() + delay_ns);
}

static void on_exit_fd(struct loop_op *op, int result)
{
    struct crew_worker *worker = op->owner;
    struct crew *crew = worker->crew;
    if (result < 0 || !worker->alive) /* crew_destroy() has seen to it */
        return;
    /* Every reply it published is whole (ring.h) and counts. */
    empty_replies(worker);
    char how[128];
    describe_exit(worker, how, sizeof how);
    close(worker->exit_fd);
    worker->exit_fd = -1;
    worker->alive = false;
    worker->state = WORKER_GONE;
    worker->died_at = pulse_ticket(worker->inherit.pulse);
    channel_format(worker);
    bool unasked = worker->in_flight > 0 || !(crew->retiring || worker->finished);
    bool wanted = unasked && crew->events.died(crew->events.owner, worker, how);
    if (wanted && !crew->retiring)
        schedule_restart(worker);
}

void crew_retire(struct crew *crew, enum msg_kind kind)
{
    crew->retiring = true;
    for (unsigned w = 0; w < crew->worker_count; w++) {
        struct crew_worker *worker = &crew->workers[w];
        loop_cancel(crew->host->loop, &worker->restart_op);
        worker->state = worker->alive ? WORKER_RETIRING : WORKER_GONE;
        if (!worker->alive)
            continue;
        if (crew_send(worker, &(struct msg){.kind = kind}))
            flush_worker(worker);
        else if (crew->mode == WORKERS_PROCESSES)
            kill(worker->pid, SIGKILL);
    }
}

int crew_create(struct crew **out, struct crew_host *host, enum worker_mode mode, unsigned workers,
                const struct inherit *prototype, const struct bell *bells, struct seg *job_segs,
                unsigned job_seg_count, const struct crew_events *events, struct fault *why)
{
    struct crew *crew = calloc(1, sizeof *crew);
    *out = crew;
    if (!crew)
        return fault_set(why, ENOMEM, "no memory for a crew");
    *crew = (struct crew){
        .host = host,
        .events = *events,
        .mode = mode,
        .worker_count = workers,
        .owns_bells = !bells,
        /* Space in shared memory is zeroed when it is reserved: 1 MiB takes as long as a fork. */
        .request_ring_bytes = prototype->job ? JOB_RING_BYTES : host->request_ring_bytes,
        .reply_ring_bytes = prototype->job ? JOB_RING_BYTES : REPLY_RING_BYTES,
        .job_segs = job_segs,
        .job_seg_count = job_seg_count,
    };
    crew->next = host->crews;
    host->crews = crew;
    unsigned number = host->crews_made++;
    int err = 0;
    for (unsigned w = 0; w < workers; w++) {
        struct crew_worker *worker = &crew->workers[w];
        worker->crew = crew;
        worker->state = WORKER_GONE;
        worker->channel = (struct seg)SEG_NONE;
        worker->exit_fd = -1;
        worker->exit_op = (struct loop_op){.fn = on_exit_fd, .owner = worker};
        worker->restart_op = (struct loop_op){.fn = restart, .owner = worker};
        worker->inherit = *prototype;
        worker->inherit.slot = w;
        worker->inherit.coordinator = host->bell;
        worker->inherit.sandbox = mode == WORKERS_PROCESSES ? host->sandbox : SANDBOX_NONE;
        worker->inherit.bell.eventfd = -1;
    }
    for (unsigned w = 0; w < workers && !err; w++)
        err = channel_create(&crew->workers[w], number, bells ? &bells[w] : NULL, why);
    for (unsigned w = 0; w < workers && !err; w++)
        err = start_worker(&crew->workers[w], why);
    if (err)
        crew_destroy(out);
    return err;
}

void crew_destroy(struct crew **out)
{
    struct crew *crew = *out;
    if (!crew)
        return;
    for (unsigned w = 0; w < crew->worker_count; w++) {
        struct crew_worker *worker = &crew->workers[w];
        if (worker->alive && crew->mode == WORKERS_THREADS) {
            while (!crew_send(worker, &(struct msg){.kind = MSG_CANCEL}))
                empty_replies(worker);
            flush_worker(worker);
            pthread_join(worker->thread, NULL);
        } else if (worker->alive) {
            kill(worker->pid, SIGKILL);
            waitpid(worker->pid, NULL, 0);
        }
        worker->alive = false;
        loop_cancel(crew->host->loop, &worker->exit_op);
        loop_cancel(crew->host->loop, &worker->restart_op);
    }
    /* The kernel may still hold the operations that were cancelled just now. */
    for (unsigned w = 0; w < crew->worker_count; w++) {
        struct crew_worker *worker = &crew->workers[w];
        while (loop_busy(&worker->exit_op) || loop_busy(&worker->restart_op))
            loop_run(crew->host->loop, true);
        if (worker->exit_fd >= 0)
            close(worker->exit_fd);
        if (crew->owns_bells && worker->inherit.bell.eventfd >= 0)
            bell_close(&worker->inherit.bell);
        seg_destroy(&worker->channel);
    }
    struct crew **link = &crew->host->crews;
    while (*link != crew)
        link = &(*link)->next;
    *link = crew->next;
    free(crew);
    *out = NULL;
}
