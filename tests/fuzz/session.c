/* SPDX-License-Identifier: MIT
 *
 * A client that sends any bytes, cut into pieces of any length, to a real socket. It is answered as
 * if it had sent them at once to somebody who takes one frame after the other: each request in
 * order, those that take longer at the end, too many or broken ones with an error.
 */
#include "tests/fuzz/fuzz.h"

#include "coordinator/session.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FRAME_BYTES 200
#define IN_FLIGHT   3
#define LATER_MAX   IN_FLIGHT
#define PATIENCE_NS UINT64_C(60000000000)

static struct loop *loop;
static struct session_host host;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* Requests whose answers wait. */
static struct {
    uint64_t session[LATER_MAX], msgid[LATER_MAX];
    unsigned count;
} later;

static bool is_slow(const struct rpc_request *request)
{
    return request->method_length > 0 && request->method[0] == 's';
}

static void write_result(struct wire_out *out, const struct rpc_request *request)
{
    rpc_result(out, request->msgid);
    wire_str(out, request->method, request->method_length);
}

static void on_request(void *owner, struct session *session, const struct rpc_request *request,
                       const void *frame, size_t bytes)
{
    (void)owner;
    struct rpc_request again;
    MUST(bytes <= FRAME_BYTES && rpc_parse_request(frame, bytes, &again) == RPC_OK);
    if (is_slow(request)) {
        MUST(later.count < LATER_MAX);
        later.session[later.count] = session->id;
        later.msgid[later.count++] = request->msgid;
        return;
    }
    struct wire_out out;
    wire_out_init(&out);
    write_result(&out, request);
    session_answer(session, out.data, out.bytes);
    wire_out_fini(&out);
}

static void answer_later(void)
{
    for (unsigned i = 0; i < later.count; i++) {
        struct session *session = session_find(&host, later.session[i]);
        if (session)
            session_error(session, later.msgid[i], RPC_NOT_FOUND, "late");
    }
    later.count = 0;
}

static void on_notified(void *owner, struct session *session, const struct rpc_request *request)
{
    (void)owner;
    (void)session;
    MUST(!request->has_msgid);
}

static void on_gone(void *owner, struct session *session)
{
    (void)owner;
    MUST(session->in_flight > 0);
}

/* --- What should come ------------------------------------------------------------------------ */

static void expect_frame(struct wire_out *out, const struct rpc_request *request,
                         enum rpc_error error)
{
    if (error && request->has_msgid)
        rpc_error(out, request->msgid, error, "not a request: [0, msgid, method, params]");
    else if (later.count >= IN_FLIGHT)
        rpc_error(out, request->msgid, RPC_OVERLOADED,
                  "too many requests in flight on this connection");
    else if (is_slow(request))
        later.msgid[later.count++] = request->msgid;
    else
        write_result(out, request);
}

static void expect(struct wire_out *out, const char *bytes, size_t size)
{
    struct rpc_request request;
    for (size_t at = 0; at < size;) {
        struct wire_scan scan = {0};
        int64_t length = wire_scan(&scan, bytes + at, size - at, FRAME_BYTES);
        if (length == -EMSGSIZE) {
            struct wire_in in = wire_in(bytes + at, size - at);
            uint32_t fields;
            uint64_t type, msgid;
            char message[96];
            snprintf(message, sizeof message, "a frame may have %d bytes (--max-frame)",
                     FRAME_BYTES);
            if (wire_get_array(&in, &fields) && fields == 4 && wire_get_uint(&in, &type) &&
                type == RPC_REQUEST && wire_get_uint(&in, &msgid))
                rpc_error(out, msgid, RPC_FRAME_TOO_BIG, message);
        }
        if (length <= 0)
            break;
        enum rpc_error error = rpc_parse_request(bytes + at, (size_t)length, &request);
        if (error && !request.has_msgid)
            break;
        if (request.has_msgid)
            expect_frame(out, &request, error);
        at += (size_t)length;
    }
    for (unsigned i = 0; i < later.count; i++)
        rpc_error(out, later.msgid[i], RPC_NOT_FOUND, "late");
    later.count = 0;
}

/* --- What comes ------------------------------------------------------------------------------ */

static void turn(bool wait)
{
    MUST(loop_run(loop, wait) >= 0);
    session_host_flush(&host);
}

static void send_pieces(int fd, const char *bytes, size_t size, struct fuzz_in lengths)
{
    for (size_t at = 0; at < size;) {
        size_t piece = fuzz_left(&lengths) ? fuzz_uint(&lengths, 1) + 1 : size;
        if (piece > size - at)
            piece = size - at;
        /* A session that has seen enough has closed. */
        if (send(fd, bytes + at, piece, MSG_NOSIGNAL) < 0)
            break;
        at += piece;
        turn(false);
    }
    shutdown(fd, SHUT_WR);
}

static void on_watchdog(struct loop_op *op, int result)
{
    (void)op;
    MUST(result != 0); /* no session takes so long */
}

/* Turns the loop until the daemon's side is closed. */
static void run_to_the_end(int fd, struct wire_out *got)
{
    struct loop_op watchdog = {.fn = on_watchdog};
    char buffer[4096];
    ssize_t n;
    loop_timer(loop, &watchdog, loop_now_ns() + PATIENCE_NS);
    while (host.count > 0) {
        struct session *session = session_find(&host, host.serial);
        if (session && (session->ended || session->broken))
            answer_later();
        session_host_flush(&host);
        if (host.count > 0)
            turn(true);
        while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            wire_raw(got, buffer, (size_t)n);
    }
    loop_cancel(loop, &watchdog);
    while (loop_busy(&watchdog))
        turn(true);
    while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        wire_raw(got, buffer, (size_t)n);
    later.count = 0;
}

static void open_host(void)
{
    static const struct session_limits limits = {
        .connections = 4, .in_flight = IN_FLIGHT, .frame_bytes = FRAME_BYTES, .socket_mode = 0600};
    struct fault why;
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/forklore-fuzz-%d.sock", getpid());
    if (loop_create(&loop, 32, 8, 4096, &why)) {
        printf("SKIP: %s\n", why.text);
        exit(0);
    }
    MUST(session_host_init(&host, loop, address.sun_path, &limits, &why) == 0);
    host.request = on_request;
    host.notified = on_notified;
    host.gone = on_gone;
    session_host_accept(&host);
}

static void close_host(void)
{
    if (loop)
        session_host_fini(&host);
    loop_destroy(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!loop) {
        open_host();
        atexit(close_host);
    }
    /* First how it is cut, then what. */
    struct fuzz_in in = {data, data + size};
    size_t cuts = fuzz_uint(&in, 1) % 16;
    struct fuzz_in lengths = {.at = fuzz_bytes(&in, &cuts)};
    lengths.end = lengths.at + cuts;
    size_t length = fuzz_left(&in);
    char *bytes = fuzz_copy(in.at, length);

    struct wire_out expected, got;
    wire_out_init(&expected);
    wire_out_init(&got);
    expect(&expected, bytes, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    while (host.count == 0)
        turn(true);
    send_pieces(fd, bytes, length, lengths);
    run_to_the_end(fd, &got);
    close(fd);
    MUST(!got.failed && got.bytes == expected.bytes);
    MUST(got.bytes == 0 || memcmp(got.data, expected.data, got.bytes) == 0);
    wire_out_fini(&expected);
    wire_out_fini(&got);
    free(bytes);
    return 0;
}
