/* SPDX-License-Identifier: MIT
 *
 * Requests that the coordinator answers itself, through a real socket: methods with any parameters,
 * one after the other. Jobs are queued and never run, what can be loaded is not there, and nobody
 * shuts down. Each request has one answer, in their order; what comes in between tells of jobs; and
 * messages are UTF-8, whatever they quote.
 */
#include "tests/fuzz/fuzz_index.h"

#include "coordinator/daemon.h"

#include <sys/socket.h>
#include <sys/un.h>

#define REQUESTS_MAX 48

static struct serve_options options = {
    .mode = WORKERS_THREADS,
    .workers = 2,
    .map = true,
    .quiet = true,
    .limits = {.connections = 4, .in_flight = 4, .frame_bytes = 4096, .socket_mode = 0600}};
static struct base base = {.references = 1, .seg = SEG_NONE, .index_fd = -1};
static struct generation generation = {.references = 1, .number = 1, .base = &base};
static struct crew crew;
static struct service service = {.generation = &generation, .crew = &crew};
static struct daemon coordinator = {
    .options = &options, .owner = {.lock_fd = -1}, .now = &service, .last_generation = 1};
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static struct generation *newest(void *owner)
{
    return daemon_newest(owner);
}

static void take_request(void *owner, struct session *session, const struct rpc_request *request,
                         const void *frame, size_t bytes)
{
    static const char *const ours[] = {"ping", "status", "submit", "jobs",
                                       "job",  "cancel", "watch",  "reload"};
    for (size_t m = 0; m < sizeof ours / sizeof ours[0]; m++) {
        if (request->method_length == strlen(ours[m]) &&
            memcmp(request->method, ours[m], request->method_length) == 0) {
            control_request(owner, session, request, frame, bytes);
            return;
        }
    }
    session_error(session, request->msgid, RPC_UNKNOWN_METHOD, "the workers', or the end");
}

static void open_coordinator(void)
{
    struct fault why;
    size_t bytes;
    char *image = fuzz_image(BUILD_DUMP, false, &bytes);
    MUST(index_bind(&base.view, (struct image_header *)image, "index", &why) == 0);
    generation.view = base.view;
    base.path = strdup("/nowhere/index.flk");
    base.file_bytes = bytes;
    if (loop_create(&coordinator.loop, 32, 8, 4096, &why)) {
        printf("SKIP: %s\n", why.text);
        exit(0);
    }
    struct session_host *sessions = &coordinator.sessions;
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/forklore-fuzz-%d.control", getpid());
    MUST(session_host_init(sessions, coordinator.loop, address.sun_path, &options.limits, &why) ==
         0);
    sessions->owner = &coordinator;
    sessions->request = take_request;
    sessions->notified = control_notified;
    sessions->gone = control_gone;
    MUST(dispatch_init(&coordinator.dispatch, coordinator.loop, sessions, 0, 16, &why) == 0);
    session_host_accept(sessions);
}

static void close_coordinator(void)
{
    dispatch_fini(&coordinator.dispatch);
    session_host_fini(&coordinator.sessions);
    loop_destroy(&coordinator.loop);
}

/* One request of the input: a method and its parameters, if those are one whole value. */
static bool write_request(struct wire_out *out, struct fuzz_in *in, uint64_t msgid)
{
    static const char *const methods[] = {"ping",   "status", "submit", "",       "jobs", "job",
                                          "cancel", "watch",  "reload", "submit", "top"};
    unsigned method = (unsigned)fuzz_uint(in, 1) % 16;
    size_t length = fuzz_uint(in, 1), before = out->bytes;
    const uint8_t *params = fuzz_bytes(in, &length);
    if (method == 15)
        rpc_notification(out, "cancel_request");
    else
        rpc_request(out, msgid, methods[method % (sizeof methods / sizeof methods[0])]);
    wire_raw(out, params, length);
    /* What cannot be answered ends the connection: that is the session's target. */
    struct wire_scan scan = {0};
    struct rpc_request request;
    const char *frame = out->data + before;
    bool whole = wire_scan(&scan, frame, out->bytes - before, options.limits.frame_bytes) ==
                 (int64_t)(out->bytes - before);
    if (whole && rpc_parse_request(frame, out->bytes - before, &request) != RPC_OK)
        whole = request.has_msgid;
    if (!whole)
        out->bytes = before;
    return whole && method != 15;
}

static void check_notification(struct wire_in in)
{
    uint32_t fields, count;
    uint64_t type;
    const char *method;
    size_t length;
    MUST(wire_get_array(&in, &fields) && fields == 3);
    MUST(wire_get_uint(&in, &type) && type == RPC_NOTIFICATION);
    MUST(wire_get_text(&in, &method, &length) && length == strlen("progress"));
    MUST(wire_get_array(&in, &count) && count == 1 && wire_type(&in) == WIRE_MAP);
}

static void check_answers(const struct wire_out *got, uint64_t requests)
{
    uint64_t answers = 0;
    for (size_t at = 0; at < got->bytes;) {
        struct wire_in whole = wire_in(got->data + at, got->bytes - at), in = whole;
        uint32_t fields;
        MUST(wire_skip(&whole));
        size_t bytes = (size_t)((const char *)whole.at - (got->data + at));
        MUST(wire_get_array(&in, &fields));
        if (fields == 3)
            check_notification(wire_in(got->data + at, bytes));
        else
            fuzz_check_answer(got->data + at, bytes, ++answers);
        at += bytes;
    }
    MUST(answers == requests);
}

static void turn(bool wait)
{
    MUST(loop_run(coordinator.loop, wait) >= 0);
    session_host_flush(&coordinator.sessions);
}

static void talk(const struct wire_out *out, struct wire_out *got)
{
    char buffer[16384];
    ssize_t n;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    MUST(send(fd, out->data, out->bytes, MSG_NOSIGNAL) == (ssize_t)out->bytes);
    shutdown(fd, SHUT_WR);
    while (coordinator.sessions.count == 0)
        turn(true);
    while (coordinator.sessions.count > 0) {
        turn(false);
        while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            wire_raw(got, buffer, (size_t)n);
    }
    while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        wire_raw(got, buffer, (size_t)n);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!coordinator.loop) {
        open_coordinator();
        atexit(close_coordinator);
    }
    coordinator.jobs = (struct jobs){0};
    jobs_init(&coordinator.jobs, &coordinator.crew_host, &coordinator.sessions, options.mode);
    coordinator.jobs.owner = &coordinator;
    coordinator.jobs.current = coordinator.jobs.serving = newest;

    struct fuzz_in in = {data, data + size};
    struct wire_out out, got;
    uint64_t requests = 0;
    wire_out_init(&out);
    wire_out_init(&got);
    while (fuzz_left(&in) > 0 && requests < REQUESTS_MAX)
        requests += write_request(&out, &in, requests + 1);
    if (out.bytes > 0)
        talk(&out, &got);
    MUST(!out.failed && !got.failed);
    check_answers(&got, requests);
    jobs_fini(&coordinator.jobs);
    wire_out_fini(&out);
    wire_out_fini(&got);
    return 0;
}
