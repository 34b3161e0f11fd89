/* SPDX-License-Identifier: MIT */
#include "coordinator/daemon.h"

#include "coordinator/scratch.h"
#include "coordinator/systemd.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOP_ENTRIES       256
#define RECV_BUFFERS       64
#define RECV_BYTES         16384
#define START_FAILURES_MAX 5 /* of one worker in a row, before a new generation is given up */

static void say(const struct daemon *daemon, bool routine, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One line on stderr: component, event, what it concerns. */
static void say(const struct daemon *daemon, bool routine, const char *format, ...)
{
    if (daemon->options->quiet || (routine && !daemon->options->verbose))
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "forklored: %s\n", line);
}

/* --- Services -------------------------------------------------------------------------------- */

static void on_message(void *owner, struct crew_worker *worker, const struct msg *msg)
{
    struct service *service = owner;
    struct daemon *daemon = service->daemon;
    if (msg->kind == MSG_ANSWER)
        dispatch_answer(&daemon->dispatch, worker, msg);
    else if (msg->kind == MSG_FAILED)
        fprintf(stderr, "forklored: worker=%u event=failed error=\"%.*s\"\n", worker->inherit.slot,
                (int)msg->text_length, msg->text);
    else if (msg->kind == MSG_READY)
        say(daemon, true, "worker=%u pid=%d event=ready generation=%llu sandbox=%s",
            worker->inherit.slot, (int)worker->pid, (unsigned long long)service->generation->number,
            sandbox_name(worker->sandbox));
}

static bool on_died(void *owner, struct crew_worker *worker, const char *how)
{
    struct service *service = owner;
    fprintf(stderr, "forklored: worker=%u pid=%d event=died how=\"%s\" requests=%u\n",
            worker->inherit.slot, (int)worker->pid, how, worker->in_flight);
    dispatch_worker_died(&service->daemon->dispatch, worker);
    return true;
}

/* Answers are sent from the reply rings. */
static bool holds_messages(void *sessions)
{
    return session_host_holds_frames(sessions);
}

static void let_go_of_messages(void *sessions)
{
    session_host_copy_frames(sessions);
}

/* Takes over the generation's reference. */
static int service_create(struct daemon *daemon, struct generation *generation,
                          struct service **out, struct fault *why)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service) {
        generation_drop(&generation);
        return fault_set(why, ENOMEM, "no memory for a generation");
    }
    service->daemon = daemon;
    service->generation = generation;
    struct inherit prototype = {.generation = generation->number,
                                .index = &generation->view,
                                .mapped = generation->base->file_map,
                                .index_fd = generation->base->index_fd};
    struct crew_events events = {.owner = service, .message = on_message, .died = on_died};
    int err = crew_create(&service->crew, &daemon->crew_host, daemon->options->mode,
                          daemon->options->workers, &prototype, NULL, NULL, 0, &events, why);
    if (err) {
        generation_drop(&service->generation);
        free(service);
        return err;
    }
    *out = service;
    return 0;
}

static void service_destroy(struct service *service)
{
    crew_destroy(&service->crew);
    generation_drop(&service->generation);
    free(service);
}

static void service_retire(struct daemon *daemon, struct service *service)
{
    service->next = daemon->leaving;
    daemon->leaving = service;
    crew_retire(service->crew, MSG_RETIRE);
}

struct generation *daemon_newest(struct daemon *daemon)
{
    return (daemon->coming ? daemon->coming : daemon->now)->generation;
}

/* --- New generations ------------------------------------------------------------------------- */

static void answer_load(struct daemon *daemon, uint64_t generation, const char *error)
{
    if (!daemon->load_asked)
        return;
    daemon->load_asked = false;
    struct session *session = session_find(&daemon->sessions, daemon->load_session);
    if (!session)
        return;
    if (error) {
        session_error(session, daemon->load_msgid, RPC_BAD_PARAMS, error);
        return;
    }
    struct wire_out out;
    wire_out_init(&out);
    rpc_result(&out, daemon->load_msgid);
    wire_map(&out, 1);
    wire_key_uint(&out, "generation", generation);
    session_answer(session, out.data, out.bytes);
    wire_out_fini(&out);
}

/* Starts a crew on a new generation; it takes over once all its workers are ready. A generation
 * that was still coming is overtaken. */
static int bring_in(struct daemon *daemon, uint64_t number, struct base *base, struct ranks *ranks,
                    struct fault *why)
{
    struct generation *generation;
    struct service *service = NULL;
    int err = generation_create(&generation, number, base, ranks, why);
    if (!err)
        err = service_create(daemon, generation, &service, why);
    if (err)
        return err;
    if (daemon->coming)
        service_retire(daemon, daemon->coming);
    daemon->coming = service;
    return 0;
}

static void take_over(struct daemon *daemon)
{
    struct service *before = daemon->now;
    daemon->now = daemon->coming;
    daemon->coming = NULL;
    daemon->dispatch.crew = daemon->now->crew;
    if (before)
        service_retire(daemon, before);
    const struct generation *generation = daemon->now->generation;
    say(daemon, false, "event=serving generation=%llu pages=%u edges=%llu socket=%s sandbox=%s",
        (unsigned long long)generation->number, generation->view.meta->page_count,
        (unsigned long long)generation->view.meta->edge_count, daemon->sessions.path,
        sandbox_name(crew_sandbox(daemon->now->crew)));
    if (!before) {
        session_host_accept(&daemon->sessions);
        systemd_notify("READY=1");
    }
    /* Or a job's scores for the index that was loaded, which overtook it. */
    if (!daemon->loader && generation->base->generation == daemon->loaded_generation)
        answer_load(daemon, generation->number, NULL);
}

static void load_failed(struct daemon *daemon, const char *error)
{
    fprintf(stderr, "forklored: event=load-failed error=\"%s\"\n", error);
    daemon->load_failed = !daemon->now && !daemon->coming;
    answer_load(daemon, 0, error);
}

static void give_up_coming(struct daemon *daemon)
{
    struct service *service = daemon->coming;
    bool was_load = service->generation->base->generation == daemon->loaded_generation;
    daemon->coming = NULL;
    service_retire(daemon, service);
    if (was_load && !daemon->loader)
        load_failed(daemon, "the new generation's workers do not start");
}

static void watch_coming(struct daemon *daemon)
{
    if (!daemon->coming)
        return;
    bool all_ready = true;
    for (unsigned w = 0; w < daemon->coming->crew->worker_count; w++) {
        const struct crew_worker *worker = &daemon->coming->crew->workers[w];
        all_ready &= worker->state == WORKER_READY;
        if (worker->failures >= START_FAILURES_MAX) {
            fprintf(stderr,
                    "forklored: event=generation-failed error=\"worker %u does not start\"\n",
                    worker->inherit.slot);
            give_up_coming(daemon);
            return;
        }
    }
    if (all_ready)
        take_over(daemon);
}

static void on_loaded(void *owner, struct base *base, const struct fault *why)
{
    struct daemon *daemon = owner;
    struct fault trouble;
    daemon->loader = NULL;
    free(daemon->load_path);
    daemon->load_path = NULL;
    if (base) {
        daemon->loaded_generation = base->generation;
        if (bring_in(daemon, base->generation, base, NULL, &trouble) == 0)
            return;
        why = &trouble;
    }
    load_failed(daemon, why->text);
}

int daemon_load(struct daemon *daemon, const char *path, struct fault *why)
{
    daemon->load_path = strdup(path);
    if (!daemon->load_path)
        return fault_set(why, ENOMEM, "no memory to load %s", path);
    struct load_options options = {.path = daemon->load_path,
                                   .serial = ++daemon->loads,
                                   .last_generation = &daemon->last_generation,
                                   .huge_pages = daemon->options->huge_pages,
                                   .map = daemon->options->map};
    int err = loader_start(&daemon->loader, daemon->loop, &daemon->owner, &options, on_loaded,
                           daemon, why);
    if (err) {
        free(daemon->load_path);
        daemon->load_path = NULL;
    }
    return err;
}

/* --- Jobs ------------------------------------------------------------------------------------ */

static struct generation *jobs_current(void *owner)
{
    return daemon_newest(owner);
}

static struct generation *jobs_serving(void *owner)
{
    return ((struct daemon *)owner)->now->generation;
}

static uint64_t jobs_next_generation(void *owner)
{
    return ++((struct daemon *)owner)->last_generation;
}

static int jobs_publish(void *owner, uint64_t number, struct base *base, struct ranks *ranks,
                        struct fault *why)
{
    return bring_in(owner, number, base, ranks, why);
}

/* --- Signals and the end --------------------------------------------------------------------- */

static void on_drain_timeout(struct loop_op *op, int result)
{
    if (result >= 0)
        ((struct daemon *)op->owner)->drained_late = true;
}

void daemon_drain(struct daemon *daemon)
{
    if (daemon->draining) {
        daemon->drained_late = true; /* asked twice: now */
        return;
    }
    daemon->draining = true;
    say(daemon, false, "event=shutting-down");
    systemd_notify("STOPPING=1");
    session_host_stop(&daemon->sessions);
    jobs_cancel_all(&daemon->jobs);
    loop_timer(daemon->loop, &daemon->drain_op,
               loop_now_ns() + daemon->options->drain_timeout_ms * UINT64_C(1000000));
}

/* SIGHUP, as daemons do: the same file again, which a build may have replaced. */
static void reload_same(struct daemon *daemon)
{
    struct fault why;
    if (daemon->draining || daemon->loader || !daemon->now)
        return;
    if (daemon_load(daemon, daemon->now->generation->base->path, &why) < 0)
        load_failed(daemon, why.text);
}

static void on_signal(struct loop_op *op, int result)
{
    struct daemon *daemon = op->owner;
    struct signalfd_siginfo info;
    if (result < 0)
        return;
    while (read(daemon->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload_same(daemon);
        else
            daemon_drain(daemon);
    }
    loop_poll_in(daemon->loop, op, daemon->signal_fd);
}

static int watch_signals(struct daemon *daemon, struct fault *why)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    daemon->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (daemon->signal_fd < 0)
        return fault_errno(why, errno, "cannot make a signalfd");
    loop_poll_in(daemon->loop, &daemon->signal_op, daemon->signal_fd);
    return 0;
}

static bool finished(const struct daemon *daemon)
{
    if (daemon->load_failed || daemon->drained_late)
        return true;
    return daemon->draining && !dispatch_busy(&daemon->dispatch) && !jobs_running(&daemon->jobs) &&
           session_host_drained(&daemon->sessions);
}

/* --- The loop -------------------------------------------------------------------------------- */

static void bury_leaving(struct daemon *daemon)
{
    for (struct service **link = &daemon->leaving; *link;) {
        struct service *service = *link;
        if (!crew_gone(service->crew)) {
            link = &service->next;
            continue;
        }
        *link = service->next;
        service_destroy(service);
    }
}

static void on_bell(struct loop_op *op, int result)
{
    (void)op;
    (void)result; /* the rings say what there is to do */
}

static int sleep_until_event(struct daemon *daemon)
{
    bell_sleep(&daemon->crew_host.bell);
    int err = 0;
    if (!crew_host_pending(&daemon->crew_host)) {
        daemon->sleeps++;
        err = loop_run(daemon->loop, true);
    }
    bell_awake(&daemon->crew_host.bell);
    spinner_reset(&daemon->spinner);
    return err;
}

/* One turn takes what came in, hands requests out, sends what is ready. */
static int turn(struct daemon *daemon)
{
    int events = loop_run(daemon->loop, false);
    bool replies = crew_host_take_replies(&daemon->crew_host);
    watch_coming(daemon);
    bury_leaving(daemon);
    jobs_turn(&daemon->jobs);
    watch_turn(&daemon->watch);
    dispatch_pump(&daemon->dispatch);
    crew_host_flush(&daemon->crew_host);
    session_host_flush(&daemon->sessions);
    if (events < 0 && events != -EINTR)
        return events;
    if (events > 0 || replies) {
        spinner_reset(&daemon->spinner);
        return 0;
    }
    /* This turn may have ended the last job or sent the last answer: no event would follow. */
    if (finished(daemon))
        return 0;
    /* An answer that is about to come is worth a short spin. */
    if (dispatch_busy(&daemon->dispatch) && spinner_again(&daemon->spinner))
        return 0;
    int err = sleep_until_event(daemon);
    return err < 0 && err != -EINTR ? err : 0;
}

/* As long as the loop turns, it is not the daemon that hangs. */
static void on_watchdog(struct loop_op *op, int result)
{
    if (result < 0)
        return;
    systemd_notify("WATCHDOG=1");
    loop_timer(op->loop, op, loop_now_ns() + systemd_watchdog_ns());
}

static int run(struct daemon *daemon, struct fault *why)
{
    struct loop_op bell_op = {.fn = on_bell};
    loop_eventfd(daemon->loop, &bell_op, daemon->crew_host.bell.eventfd);
    struct loop_op watchdog_op = {.fn = on_watchdog, .loop = daemon->loop};
    if (systemd_watchdog_ns() > 0)
        on_watchdog(&watchdog_op, 0);
    int err = 0;
    while (!err && !finished(daemon))
        err = turn(daemon);
    loop_cancel(daemon->loop, &bell_op);
    loop_cancel(daemon->loop, &watchdog_op);
    while ((loop_busy(&bell_op) || loop_busy(&watchdog_op)) && loop_run(daemon->loop, true) >= 0)
        ;
    return err ? fault_errno(why, -err, "io_uring") : 0;
}

static int listen_somewhere(struct daemon *daemon, struct fault *why)
{
    const struct serve_options *options = daemon->options;
    int passed_fd;
    int err = systemd_socket(&passed_fd, why);
    if (err)
        return err;
    return passed_fd < 0 ? session_host_init(&daemon->sessions, daemon->loop, options->socket_path,
                                             &options->limits, why)
                         : session_host_adopt(&daemon->sessions, daemon->loop, passed_fd,
                                              &options->limits, why);
}

static int set_up(struct daemon *daemon, struct fault *why)
{
    const struct serve_options *options = daemon->options;
    daemon->spinner = (struct spinner){.limit_ns = SPIN_BRIEFLY_NS};
    int err = loop_create(&daemon->loop, LOOP_ENTRIES, RECV_BUFFERS, RECV_BYTES, why);
    if (err)
        return err;
    /* Before anything is made that a signal must not leave behind. */
    err = watch_signals(daemon, why);
    if (err)
        return err;
    err = seg_owner_init(&daemon->owner, why);
    if (err)
        return err;
    err = listen_somewhere(daemon, why);
    if (err)
        return err;
    daemon->sessions.owner = daemon;
    daemon->sessions.request = control_request;
    daemon->sessions.notified = control_notified;
    daemon->sessions.gone = control_gone;
    err = crew_host_init(&daemon->crew_host, daemon->loop, &daemon->owner,
                         options->limits.frame_bytes, why);
    if (err)
        return err;
    daemon->crew_host.holds = holds_messages;
    daemon->crew_host.let_go = let_go_of_messages;
    daemon->crew_host.holder = &daemon->sessions;
    watch_init(&daemon->watch, &daemon->crew_host, options->hang_timeout_ms * UINT64_C(1000000));
    err = dispatch_init(&daemon->dispatch, daemon->loop, &daemon->sessions,
                        options->request_timeout_ms * UINT64_C(1000000), options->queue_max, why);
    if (err)
        return err;
    daemon->crew_host.sandbox = options->sandbox;
    jobs_init(&daemon->jobs, &daemon->crew_host, &daemon->sessions, options->mode);
    daemon->jobs.owner = daemon;
    daemon->jobs.current = jobs_current;
    daemon->jobs.serving = jobs_serving;
    daemon->jobs.next_generation = jobs_next_generation;
    daemon->jobs.publish = jobs_publish;
    return 0;
}

static void end_services(struct daemon *daemon)
{
    struct service *services[] = {daemon->now, daemon->coming};
    session_host_copy_frames(&daemon->sessions);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (services[i])
            service_retire(daemon, services[i]);
    }
    daemon->now = daemon->coming = NULL;
    crew_host_flush(&daemon->crew_host);
    while (daemon->leaving) {
        struct service *service = daemon->leaving;
        daemon->leaving = service->next;
        service_destroy(service);
    }
}

static void tear_down(struct daemon *daemon)
{
    if (!daemon->loop)
        return;
    loader_abort(&daemon->loader);
    free(daemon->load_path);
    jobs_fini(&daemon->jobs);
    end_services(daemon);
    if (daemon->dispatch.tickets)
        dispatch_fini(&daemon->dispatch);
    if (daemon->sessions.path)
        session_host_fini(&daemon->sessions);
    if (daemon->watch.host)
        watch_fini(&daemon->watch);
    if (daemon->crew_host.loop)
        crew_host_fini(&daemon->crew_host);
    if (daemon->signal_fd >= 0)
        close(daemon->signal_fd);
    loop_destroy(&daemon->loop);
    seg_owner_fini(&daemon->owner);
}

int daemon_serve(const struct serve_options *options, const char *index_path)
{
    struct daemon daemon = {
        .options = options, .owner = {.lock_fd = -1}, .signal_fd = -1, .started_ns = loop_now_ns()};
    struct fault why;
    daemon.signal_op = (struct loop_op){.fn = on_signal, .owner = &daemon};
    daemon.drain_op = (struct loop_op){.fn = on_drain_timeout, .owner = &daemon};
    int err = set_up(&daemon, &why);
    if (!err)
        err = daemon_load(&daemon, index_path, &why);
    scratch_remove();
    if (!err)
        err = run(&daemon, &why);
    bool failed = err || daemon.load_failed;
    if (err)
        fprintf(stderr, "forklored: %s\n", why.text);
    if (daemon.now || daemon.draining) /* not of a start that was refused */
        say(&daemon, false, "event=stopped");
    tear_down(&daemon);
    return failed ? 1 : 0;
}
