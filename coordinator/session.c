/* SPDX-License-Identifier: MIT */
#include "coordinator/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Unsent answers at which a client is no longer read from. */
#define OUT_HIGH_BYTES ((size_t)1 << 20)
/* ... and at which it is dropped. What it asked for before that may still come, and it does not
 * read: this is what a slow client can cost. */
#define OUT_MAX_BYTES ((size_t)64 << 20)
/* Before accepting again where the system has no descriptor or memory left, unless a connection
 * ends first. */
#define ACCEPT_PAUSE_NS UINT64_C(200000000)
/* Buffers of quiet sessions are given back above this. */
#define IN_KEEP_BYTES ((size_t)1 << 16)

static struct session **slot_of(const struct session_host *host, uint64_t id)
{
    return &host->slots[id & (host->slot_count - 1)];
}

static size_t unsent_bytes(const struct session *session)
{
    return session->out[0].bytes + session->out[1].bytes - session->sent + session->part_bytes;
}

static void mark_dirty(struct session *session)
{
    if (session->dirty)
        return;
    session->dirty = true;
    session->next_dirty = session->host->dirty;
    session->host->dirty = session;
}

static void drop(struct session *session, const char *why)
{
    fprintf(stderr, "forklored: connection=%llu event=dropped unsent=%zu error=\"%s\"\n",
            (unsigned long long)session->id, unsent_bytes(session), why);
    session->failed = true;
    mark_dirty(session);
}

static void send_bytes(struct session *session, const void *frame, size_t bytes)
{
    if (session->failed)
        return;
    if (unsent_bytes(session) > OUT_MAX_BYTES) {
        drop(session, "the client does not read");
        return;
    }
    struct wire_out *out = &session->out[!session->sending];
    wire_raw(out, frame, bytes);
    if (out->failed)
        drop(session, "no memory for its answers");
    mark_dirty(session);
}

void session_answer(struct session *session, const void *frame, size_t bytes)
{
    MUST(session->in_flight > 0);
    session->in_flight--;
    send_bytes(session, frame, bytes);
    mark_dirty(session); /* a failed one may be waiting for this to be closed */
}

/* A client that does not take its answers as fast as they come gets copies: it holds up nobody. */
void session_answer_in_place(struct session *session, const void *frame, size_t bytes)
{
    if (loop_busy(&session->send_op) || unsent_bytes(session) > session->part_bytes ||
        session->part_count == SESSION_PARTS_MAX || session->failed) {
        session_answer(session, frame, bytes);
        return;
    }
    MUST(session->in_flight > 0);
    session->in_flight--;
    session->parts[session->part_count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)frame, .iov_len = bytes};
    session->part_bytes += bytes;
    session->host->holding += session->part_count == 1;
    mark_dirty(session);
}

bool session_host_holds_frames(const struct session_host *host)
{
    return host->holding > 0;
}

static void forget_parts(struct session *session)
{
    session->host->holding -= session->part_count > 0;
    session->part_count = 0;
    session->part_bytes = 0;
}

/* To where what is sent next comes from. */
static void copy_parts(struct session *session, size_t sent)
{
    struct wire_out *out = &session->out[session->sending];
    for (unsigned i = 0; i < session->part_count; i++) {
        const struct iovec *part = &session->parts[i];
        size_t skip = sent < part->iov_len ? sent : part->iov_len;
        wire_raw(out, (const char *)part->iov_base + skip, part->iov_len - skip);
        sent -= skip;
    }
    forget_parts(session);
    if (out->failed && !session->failed)
        drop(session, "no memory for its answers");
}

void session_host_copy_frames(struct session_host *host)
{
    for (unsigned i = 0; host->holding > 0 && i < host->slot_count; i++) {
        struct session *session = host->slots[i];
        if (session && session->part_count > 0)
            copy_parts(session, 0);
    }
}

void session_notify(struct session *session, const void *frame, size_t bytes)
{
    send_bytes(session, frame, bytes);
}

static void send_error(struct session *session, uint64_t msgid, enum rpc_error error,
                       const char *message)
{
    struct wire_out out;
    wire_out_init(&out);
    rpc_error(&out, msgid, error, message);
    send_bytes(session, out.data, out.bytes);
    wire_out_fini(&out);
}

void session_error(struct session *session, uint64_t msgid, enum rpc_error error,
                   const char *message)
{
    MUST(session->in_flight > 0);
    session->in_flight--;
    send_error(session, msgid, error, message);
    mark_dirty(session);
}

/* --- Frames ---------------------------------------------------------------------------------- */

static void end_reading(struct session *session)
{
    session->broken = true;
    loop_cancel(session->host->loop, &session->recv_op);
    mark_dirty(session);
}

static void take_frame(struct session *session, const void *frame, size_t bytes)
{
    struct session_host *host = session->host;
    struct rpc_request request;
    enum rpc_error error = rpc_parse_request(frame, bytes, &request);
    if (error && request.has_msgid) {
        send_error(session, request.msgid, error, "not a request: [0, msgid, method, params]");
    } else if (error) {
        end_reading(session);
    } else if (!request.has_msgid) {
        host->notified(host->owner, session, &request);
    } else if (session->in_flight >= host->limits.in_flight) {
        send_error(session, request.msgid, RPC_OVERLOADED,
                   "too many requests in flight on this connection");
    } else {
        session->in_flight++;
        host->request(host->owner, session, &request, frame, bytes);
    }
}

/* The msgid of a frame of which only the beginning is there. */
static bool read_msgid(const void *data, size_t bytes, uint64_t *msgid)
{
    struct wire_in in = wire_in(data, bytes);
    uint32_t fields;
    uint64_t type;
    return wire_get_array(&in, &fields) && fields == 4 && wire_get_uint(&in, &type) &&
           type == RPC_REQUEST && wire_get_uint(&in, msgid);
}

static void refuse_frame(struct session *session, int64_t err, const char *data, size_t bytes)
{
    uint64_t msgid;
    if (err == -EMSGSIZE && read_msgid(data, bytes, &msgid)) {
        char message[96];
        snprintf(message, sizeof message, "a frame may have %zu bytes (--max-frame)",
                 session->host->limits.frame_bytes);
        send_error(session, msgid, RPC_FRAME_TOO_BIG, message);
    }
    end_reading(session);
}

/* Takes whole frames from the front; returns how many bytes went. */
static size_t take_frames(struct session *session, const char *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes && !session->broken && !session->paused) {
        int64_t length =
            wire_scan(&session->scan, data + at, bytes - at, session->host->limits.frame_bytes);
        if (length == 0)
            break;
        if (length < 0) {
            refuse_frame(session, length, data + at, bytes - at);
            break;
        }
        session->scan = (struct wire_scan){0};
        take_frame(session, data + at, (size_t)length);
        at += (size_t)length;
        session->paused = unsent_bytes(session) > OUT_HIGH_BYTES;
    }
    return at;
}

static bool keep_bytes(struct session *session, const char *data, size_t bytes)
{
    if (session->in_bytes + bytes > session->in_capacity) {
        size_t capacity = (session->in_bytes + bytes) * 2;
        char *in = realloc(session->in, capacity);
        if (!in)
            return false;
        session->in = in;
        session->in_capacity = capacity;
    }
    memcpy(session->in + session->in_bytes, data, bytes);
    session->in_bytes += bytes;
    return true;
}

static void take_kept(struct session *session)
{
    if (session->in_bytes == 0)
        return;
    size_t taken = take_frames(session, session->in, session->in_bytes);
    session->in_bytes -= taken;
    memmove(session->in, session->in + taken, session->in_bytes);
    if (session->in_bytes == 0 && session->in_capacity > IN_KEEP_BYTES) {
        free(session->in);
        session->in = NULL;
        session->in_capacity = 0;
    }
}

/* Frames are taken from the receive buffer itself when nothing was left over before. */
static void take_input(struct session *session, const char *data, size_t bytes)
{
    bool nothing_kept = session->in_bytes == 0;
    size_t taken = nothing_kept ? take_frames(session, data, bytes) : 0;
    if (taken < bytes && !session->broken && !keep_bytes(session, data + taken, bytes - taken)) {
        drop(session, "no memory for its requests");
        return;
    }
    if (!nothing_kept)
        take_kept(session);
    if (session->paused)
        loop_recv_pause(session->host->loop, &session->recv_op);
}

/* A peer that only sends no more can still be answered; one that has closed cannot. */
static bool hung_up(int fd)
{
    struct pollfd look = {.fd = fd};
    return poll(&look, 1, 0) == 1 && look.revents & POLLHUP;
}

static void on_recv(struct loop_op *op, int result)
{
    struct session *session = op->owner;
    if (result > 0 && !session->broken) {
        take_input(session, op->data, (size_t)result);
        return;
    }
    if (result == 0) {
        session->ended = true;
        session->failed |= session->in_flight > 0 && hung_up(session->fd);
    } else if (result < 0 && !session->broken) {
        session->failed = true;
    }
    mark_dirty(session);
}

/* --- Sending and closing --------------------------------------------------------------------- */

static void start_send(struct session *session)
{
    struct wire_out *out = &session->out[session->sending];
    if (session->part_count > 0) {
        session->sending_parts = true;
        loop_send_now(session->host->loop, &session->send_op, session->fd, session->parts,
                      session->part_count, &session->message);
        return;
    }
    if (session->sent == out->bytes) {
        wire_out_clear(out);
        session->sent = 0;
        session->sending = !session->sending;
        out = &session->out[session->sending];
    }
    if (out->bytes > session->sent)
        loop_send(session->host->loop, &session->send_op, session->fd, out->data + session->sent,
                  out->bytes - session->sent);
}

static void resume(struct session *session)
{
    session->paused = false;
    take_kept(session);
    if (!session->paused && !session->ended && !session->broken)
        loop_recv_resume(session->host->loop, &session->recv_op);
}

static void on_send(struct loop_op *op, int result)
{
    struct session *session = op->owner;
    if (result < 0 && result != -EAGAIN && result != -EINTR)
        session->failed = true;
    size_t sent = result > 0 ? (size_t)result : 0;
    if (session->sending_parts && session->part_bytes > sent)
        copy_parts(session, sent);
    else if (session->part_count > 0)
        forget_parts(session);
    else
        session->sent += sent;
    session->sending_parts = false;
    if (session->paused && !session->failed && unsent_bytes(session) <= OUT_HIGH_BYTES / 2)
        resume(session);
    mark_dirty(session);
}

static bool finished(const struct session *session)
{
    if (session->failed)
        return true;
    /* A peer that has finished sending still gets its answers, to frames we kept as well. */
    bool read = session->broken || (session->ended && !session->paused);
    return read && session->in_flight == 0 && unsent_bytes(session) == 0;
}

static void free_session(struct session *session)
{
    struct session_host *host = session->host;
    if (session->in_flight > 0 && host->gone)
        host->gone(host->owner, session);
    *slot_of(host, session->id) = NULL;
    host->count--;
    forget_parts(session);
    close(session->fd);
    loop_cancel(host->loop, &host->pause_op); /* there is a descriptor now */
    free(session->in);
    wire_out_fini(&session->out[0]);
    wire_out_fini(&session->out[1]);
    free(session);
}

/* Closes when the kernel holds nothing of it any more; its operations are on their way back. */
static void close_session(struct session *session)
{
    struct loop *loop = session->host->loop;
    if (session->failed)
        shutdown(session->fd, SHUT_RDWR);
    loop_cancel(loop, &session->recv_op);
    loop_cancel(loop, &session->send_op);
    if (!loop_busy(&session->recv_op) && !loop_busy(&session->send_op))
        free_session(session);
}

void session_host_flush(struct session_host *host)
{
    while (host->dirty) {
        struct session *session = host->dirty;
        host->dirty = session->next_dirty;
        session->dirty = false;
        if (!session->failed && !loop_busy(&session->send_op))
            start_send(session);
        if (finished(session))
            close_session(session);
    }
}

bool session_host_drained(const struct session_host *host)
{
    for (unsigned i = 0; i < host->slot_count; i++) {
        const struct session *session = host->slots[i];
        if (session && (session->in_flight > 0 || unsent_bytes(session) > 0))
            return false;
    }
    return true;
}

struct session *session_find(struct session_host *host, uint64_t id)
{
    struct session *session = *slot_of(host, id);
    return session && session->id == id ? session : NULL;
}

/* --- Accepting ------------------------------------------------------------------------------- */

static bool peer_allowed(const struct session_host *host, int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return false;
    if (host->limits.socket_mode & 0066)
        return true; /* whom the mode lets in */
    return peer.uid == geteuid() || peer.uid == 0;
}

static void refuse_connection(int fd, enum rpc_error error, const char *message)
{
    struct wire_out out;
    wire_out_init(&out);
    rpc_error(&out, 0, error, message);
    ssize_t n = send(fd, out.data, out.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n; /* a courtesy: who cannot take it finds the connection closed */
    wire_out_fini(&out);
    close(fd);
}

static struct session *new_session(struct session_host *host, int fd)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    /* Ids grow and name their slot. */
    do
        host->serial++;
    while (*slot_of(host, host->serial));
    session->id = host->serial;
    session->host = host;
    session->fd = fd;
    session->recv_op = (struct loop_op){.fn = on_recv, .owner = session};
    session->send_op = (struct loop_op){.fn = on_send, .owner = session};
    wire_out_init(&session->out[0]);
    wire_out_init(&session->out[1]);
    *slot_of(host, session->id) = session;
    host->count++;
    return session;
}

static void on_pause_over(struct loop_op *op, int result)
{
    struct session_host *host = op->owner;
    (void)result; /* -ECANCELED: a connection has ended */
    if (host->listen_fd >= 0 && !loop_busy(&host->accept_op))
        session_host_accept(host);
}

/* The connection stays in the backlog: trying at once would fail at once. */
static void accept_failed(struct session_host *host, int err)
{
    if (err != host->short_of)
        fprintf(stderr, "forklored: event=accept-failed error=\"%s\" connections=%u\n",
                strerror(-err), host->count);
    host->short_of = err;
    if (host->listen_fd < 0 || loop_busy(&host->pause_op))
        return;
    host->pause_op = (struct loop_op){.fn = on_pause_over, .owner = host};
    loop_timer(host->loop, &host->pause_op, loop_now_ns() + ACCEPT_PAUSE_NS);
}

static void on_accept(struct loop_op *op, int result)
{
    struct session_host *host = op->owner;
    if (result >= 0) {
        struct session *session = NULL;
        if (!peer_allowed(host, result))
            refuse_connection(result, RPC_FORBIDDEN, "this daemon belongs to another user");
        else if (host->count >= host->limits.connections)
            refuse_connection(result, RPC_OVERLOADED, "too many connections");
        else if (!(session = new_session(host, result)))
            close(result);
        else
            loop_recv(host->loop, &session->recv_op, result);
    } else if (result != -ECANCELED) {
        accept_failed(host, result);
        return;
    }
    host->short_of = 0;
    if (!loop_busy(op) && host->listen_fd >= 0 && result != -ECANCELED)
        session_host_accept(host);
}

void session_host_accept(struct session_host *host)
{
    host->accept_op = (struct loop_op){.fn = on_accept, .owner = host};
    loop_accept(host->loop, &host->accept_op, host->listen_fd);
}

void session_host_fini(struct session_host *host)
{
    session_host_stop(host);
    host->gone = NULL;
    for (unsigned i = 0; host->slots && i < host->slot_count; i++) {
        struct session *session = host->slots[i];
        if (!session)
            continue;
        session->failed = true;
        mark_dirty(session);
    }
    session_host_flush(host);
    while (host->count > 0 || loop_busy(&host->accept_op) || loop_busy(&host->pause_op)) {
        if (loop_run(host->loop, true) < 0)
            break;
        session_host_flush(host);
    }
    free(host->slots);
    free(host->path);
    free(host->lock_path);
}
