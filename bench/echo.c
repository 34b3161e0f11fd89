/* SPDX-License-Identifier: MIT
 *
 * A bare echo server on a unix socket over the project's own io_uring loop: what the kernel and
 * the loop cost with nothing behind them, one send per connection and turn.
 */
#include "ipc/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct peer {
    struct loop *loop;
    int fd;
    struct loop_op recv_op, send_op;
    char *out[2]; /* one collects while the other is being sent */
    size_t bytes[2], capacity[2];
    unsigned sending;
    bool gone, dirty;
    struct peer *next_dirty;
};

static struct peer *dirty_peers;

static void mark_dirty(struct peer *peer)
{
    if (peer->dirty)
        return;
    peer->dirty = true;
    peer->next_dirty = dirty_peers;
    dirty_peers = peer;
}

static void on_recv(struct loop_op *op, int result)
{
    struct peer *peer = op->owner;
    mark_dirty(peer);
    if (result <= 0) {
        peer->gone = true;
        return;
    }
    unsigned i = !peer->sending;
    if (peer->bytes[i] + (size_t)result > peer->capacity[i]) {
        peer->capacity[i] = 2 * (peer->bytes[i] + (size_t)result);
        peer->out[i] = realloc(peer->out[i], peer->capacity[i]);
        MUST(peer->out[i]);
    }
    memcpy(peer->out[i] + peer->bytes[i], op->data, (size_t)result);
    peer->bytes[i] += (size_t)result;
}

static void on_send(struct loop_op *op, int result)
{
    struct peer *peer = op->owner;
    peer->gone |= result < 0;
    peer->bytes[peer->sending] = 0;
    mark_dirty(peer);
}

static void on_accept(struct loop_op *op, int result)
{
    MUST(result >= 0);
    struct peer *peer = calloc(1, sizeof *peer);
    MUST(peer);
    peer->loop = op->owner;
    peer->fd = result;
    peer->recv_op = (struct loop_op){.fn = on_recv, .owner = peer};
    peer->send_op = (struct loop_op){.fn = on_send, .owner = peer};
    loop_recv(peer->loop, &peer->recv_op, peer->fd);
}

static void flush(void)
{
    while (dirty_peers) {
        struct peer *peer = dirty_peers;
        dirty_peers = peer->next_dirty;
        peer->dirty = false;
        if (loop_busy(&peer->send_op))
            continue;
        if (peer->gone) {
            close(peer->fd);
            free(peer->out[0]);
            free(peer->out[1]);
            free(peer);
        } else if (peer->bytes[!peer->sending] > 0) {
            peer->sending = !peer->sending;
            loop_send(peer->loop, &peer->send_op, peer->fd, peer->out[peer->sending],
                      peer->bytes[peer->sending]);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct loop *loop;
    struct fault why;
    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
        fputs("usage: echo SOCKET\n", stderr);
        return 2;
    }
    memcpy(address.sun_path, argv[1], strlen(argv[1]));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 512) < 0) {
        perror("echo");
        return 1;
    }
    if (loop_create(&loop, 256, 64, 16384, &why) < 0) {
        fprintf(stderr, "echo: %s\n", why.text);
        return 1;
    }
    struct loop_op accept_op = {.fn = on_accept, .owner = loop};
    loop_accept(loop, &accept_op, fd);
    for (;;) {
        int err = loop_run(loop, true);
        if (err < 0 && err != -EINTR)
            return 1;
        flush();
    }
}
