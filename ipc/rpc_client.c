/* SPDX-License-Identifier: MIT
 *
 * A blocking MessagePack-RPC connection for the command line, tests and benchmarks. It reads
 * while it sends, so pipelining any number of requests cannot deadlock with a server that waits
 * for its answers to be taken.
 */
#include "ipc/rpc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define IN_BYTES_MIN ((size_t)1 << 16)
/* Of one answer. The server is ours, so this only stops a confused stream early. */
#define ANSWER_LIMIT ((size_t)1 << 30)

int rpc_connect(struct rpc_client *client, const char *socket_path, struct fault *why)
{
    *client = (struct rpc_client){.fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path)
        return fault_set(why, ENAMETOOLONG,
                         "socket path %s has %zu bytes, at most %zu are possible", socket_path,
                         strlen(socket_path), sizeof address.sun_path - 1);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fault_errno(why, errno, "cannot create a unix socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        int err = errno;
        close(fd);
        return fault_errno(why, err, "cannot reach forklored at %s", socket_path);
    }
    client->fd = fd;
    return 0;
}

void rpc_close(struct rpc_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->in);
    *client = (struct rpc_client){.fd = -1};
}

/* Takes what the socket has, without waiting: 0, -EAGAIN if that was nothing, -ECONNRESET. */
static int fill(struct rpc_client *client, struct fault *why)
{
    if (client->in_used > 0) {
        client->in_bytes -= client->in_used;
        memmove(client->in, client->in + client->in_used, client->in_bytes);
        client->in_used = 0;
    }
    if (client->in_capacity - client->in_bytes < IN_BYTES_MIN / 2) {
        size_t capacity = client->in_capacity ? 2 * client->in_capacity : IN_BYTES_MIN;
        char *in = realloc(client->in, capacity);
        if (!in)
            return fault_set(why, ENOMEM, "no memory for an answer of more than %zu bytes",
                             client->in_bytes);
        client->in = in;
        client->in_capacity = capacity;
    }
    ssize_t n = recv(client->fd, client->in + client->in_bytes,
                     client->in_capacity - client->in_bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    if (n < 0 && errno != ECONNRESET)
        return fault_errno(why, errno, "cannot receive from forklored");
    if (n <= 0)
        return fault_set(why, ECONNRESET, "forklored closed the connection%s",
                         client->in_bytes > 0 ? " in the middle of an answer" : "");
    client->in_bytes += (size_t)n;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int rpc_send(struct rpc_client *client, const void *frames, size_t bytes, struct fault *why)
{
    const char *at = frames;
    while (bytes > 0) {
        ssize_t n = send(client->fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            at += n;
            bytes -= (size_t)n;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return fault_set(why, ECONNRESET, "forklored closed the connection");
        if (errno != EAGAIN && errno != EINTR)
            return fault_errno(why, errno, "cannot send to forklored");
        struct pollfd ready = {.fd = client->fd, .events = POLLIN | POLLOUT};
        if (poll(&ready, 1, -1) > 0 && ready.revents & POLLIN) {
            int err = fill(client, why);
            if (err && err != -EAGAIN)
                return err;
        }
    }
    return 0;
}

/* 0 if `frame` is a response or a notification as the specification has it. */
static int take_apart(struct wire_in frame, struct rpc_message *message, struct fault *why)
{
    *message = (struct rpc_message){0};
    uint32_t count = 0;
    uint64_t type = UINT64_MAX;
    if (wire_get_array(&frame, &count) && count > 0)
        wire_get_uint(&frame, &type);
    if (type == RPC_RESPONSE && count == 4 && wire_get_uint(&frame, &message->msgid)) {
        message->type = RPC_RESPONSE;
        struct wire_in error = frame;
        message->is_error = wire_type(&frame) != WIRE_NIL;
        wire_skip(&frame);
        message->value = message->is_error ? (struct wire_in){error.at, frame.at} : frame;
        return 0;
    }
    if (type == RPC_NOTIFICATION && count == 3 &&
        wire_get_str(&frame, &message->method, &message->method_length)) {
        message->type = RPC_NOTIFICATION;
        message->value = frame;
        return 0;
    }
    return fault_set(why, EBADMSG, "forklored sent something that is no MessagePack-RPC answer");
}

int rpc_receive(struct rpc_client *client, struct rpc_message *message, int timeout_ms,
                struct fault *why)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    struct wire_scan scan = {0};
    for (;;) {
        if (client->in_bytes > client->in_used) {
            const char *frame = client->in + client->in_used;
            int64_t bytes =
                wire_scan(&scan, frame, client->in_bytes - client->in_used, ANSWER_LIMIT);
            if (bytes > 0) {
                client->in_used += (size_t)bytes;
                return take_apart(wire_in(frame, (size_t)bytes), message, why);
            }
            if (bytes < 0)
                return fault_set(why, EBADMSG,
                                 bytes == -EMSGSIZE ? "forklored sent an answer of over a gibibyte"
                                                    : "forklored sent broken MessagePack");
        }
        int64_t left_ms = timeout_ms < 0 ? -1 : deadline_ms - now_ms();
        struct pollfd ready = {.fd = client->fd, .events = POLLIN};
        int n = poll(&ready, 1, timeout_ms < 0 ? -1 : left_ms > 0 ? (int)left_ms : 0);
        if (n == 0)
            return fault_set(why, ETIMEDOUT, "forklored did not answer within %d ms", timeout_ms);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return fault_errno(why, errno, "cannot wait for forklored");
        }
        int err = fill(client, why);
        if (err && err != -EAGAIN)
            return err;
    }
}
