/* SPDX-License-Identifier: MIT
 *
 * Calls over the connection, opened by the first of them, and what goes wrong with them in words.
 */
#include "client/client.h"
#include "client/render.h"
#include "ipc/socket_path.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

enum { TIMEOUT_DEFAULT_MS = 60000 };

int client_fail(int code, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("forklore: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    return code;
}

void client_fini(struct client *client)
{
    if (client->connected)
        rpc_close(&client->rpc);
    client->connected = false;
    wire_out_fini(&client->out);
}

struct wire_out *client_begin(struct client *client, const char *method)
{
    wire_out_clear(&client->out);
    rpc_request(&client->out, ++client->msgid, method);
    return &client->out;
}

static int connect_once(struct client *client)
{
    char path[SOCKET_PATH_BYTES];
    struct fault why;
    if (client->connected)
        return 0;
    const int bad_path = socket_path(client->socket, path, &why);
    if (bad_path)
        return client_fail(client->socket ? CLIENT_USAGE : CLIENT_UNREACHABLE, "%s", why.text);
    if (rpc_connect(&client->rpc, path, &why))
        return client_fail(CLIENT_UNREACHABLE, "%s (is forklored running?)", why.text);
    client->connected = true;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a message is to whoever waits: taken, or for somebody else. */
static int receive(struct client *client, struct rpc_message *message, int timeout_ms,
                   int64_t deadline_ms)
{
    struct fault why;
    int left = -1;
    if (timeout_ms >= 0) {
        const int64_t remaining = deadline_ms - now_ms();
        left = remaining > 0 ? (int)remaining : 0;
    }
    const int err = rpc_receive(&client->rpc, message, left, &why);
    if (err == -ETIMEDOUT)
        return client_fail(CLIENT_REFUSED, "no answer within %g s", timeout_ms / 1000.0);
    if (err == -ECONNRESET)
        return client_fail(CLIENT_REFUSED, "the daemon closed the connection before it answered");
    if (err)
        return client_fail(CLIENT_REFUSED, "%s", why.text);
    return 0;
}

static int refused(const struct client *client, struct wire_in error)
{
    struct answer answer = {.value = error};
    const struct text code = answer_text_or_nil(&answer, error, "code");
    const struct text message = answer_text_or_nil(&answer, error, "message");
    const bool is_absence = code.bytes && rpc_error_of(code.bytes, code.length) == RPC_NOT_FOUND;
    fflush(stdout);
    if (client->json) {
        fputs("{\"error\":", stderr);
        render_json(stderr, error);
        fputs("}\n", stderr);
    } else {
        fputs("forklore: ", stderr);
        render_text(stderr, message.bytes ? message : (struct text){"no reason given", 15},
                    RENDER_LINE);
        if (code.bytes && !is_absence) {
            fputs(" (", stderr);
            render_text(stderr, code, RENDER_LINE);
            putc(')', stderr);
        }
        putc('\n', stderr);
    }
    return is_absence ? CLIENT_NOT_FOUND : CLIENT_REFUSED;
}

int client_call(struct client *client, struct answer *answer)
{
    struct fault why;
    *answer = (struct answer){0};
    if (client->out.failed)
        return client_fail(CLIENT_REFUSED, "out of memory");
    int code = connect_once(client);
    if (code)
        return code;
    if (rpc_send(&client->rpc, client->out.data, client->out.bytes, &why))
        return client_fail(CLIENT_REFUSED, "%s", why.text);
    const int timeout_ms = client->timeout_given ? client->timeout_ms : TIMEOUT_DEFAULT_MS;
    const int64_t deadline_ms = now_ms() + timeout_ms;
    for (;;) {
        struct rpc_message message;
        code = receive(client, &message, timeout_ms, deadline_ms);
        if (code)
            return code;
        if (message.type != RPC_RESPONSE)
            continue;
        /* A connection that is not accepted is told so under msgid 0. */
        const bool ours = message.msgid == client->msgid;
        if (message.is_error && (ours || message.msgid == 0))
            return refused(client, message.value);
        if (ours) {
            answer->value = message.value;
            return 0;
        }
    }
}

int client_notified(struct client *client, const char *method, struct answer *answer)
{
    const int timeout_ms = client->timeout_given ? client->timeout_ms : -1;
    const int64_t deadline_ms = now_ms() + timeout_ms;
    for (;;) {
        struct rpc_message message;
        const int code = receive(client, &message, timeout_ms, deadline_ms);
        if (code)
            return code;
        if (message.type != RPC_NOTIFICATION ||
            !text_is((struct text){message.method, message.method_length}, method))
            continue;
        *answer = (struct answer){0};
        struct items params = answer_items(answer, message.value, NULL);
        if (!answer_next(&params, &answer->value))
            return client_fail(CLIENT_REFUSED, "a notification without content");
        return 0;
    }
}

int client_end(const struct client *client, const struct answer *answer)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return client_fail(CLIENT_REFUSED, "cannot write the output: %s", strerror(errno));
    if (answer->wrong)
        return client_fail(CLIENT_REFUSED, "the daemon's answer to '%s' makes no sense: %s",
                           client->command->name, answer->wrong);
    return CLIENT_DONE;
}

bool client_json(const struct client *client, const struct answer *answer, int *code)
{
    if (!client->json)
        return false;
    render_json(stdout, answer->value);
    putchar('\n');
    *code = client_end(client, answer);
    return true;
}
