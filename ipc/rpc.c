/* SPDX-License-Identifier: MIT
 *
 * MessagePack-RPC frames: taking requests apart, writing answers, finding parameters. Pure
 * functions over bytes; the connection of a client is in rpc_client.c.
 */
#include "ipc/rpc.h"

#include <stdio.h>
#include <string.h>

static const char *const error_texts[] = {[RPC_OK] = "ok",
#define X(name, text) [RPC_##name] = text,
                                          RPC_ERRORS(X)
#undef X
};

#define ERROR_COUNT (sizeof error_texts / sizeof error_texts[0])

const char *rpc_error_text(enum rpc_error error)
{
    return (size_t)error < ERROR_COUNT ? error_texts[error] : error_texts[RPC_INTERNAL];
}

/* Most texts differ in their first byte. */
static bool equals(const char *text, size_t length, const char *expected)
{
    return length > 0 && text[0] == expected[0] && length == strlen(expected) &&
           memcmp(text, expected, length) == 0;
}

enum rpc_error rpc_error_of(const char *text, size_t length)
{
    for (size_t i = RPC_OK + 1; i < ERROR_COUNT; i++)
        if (equals(text, length, error_texts[i]))
            return (enum rpc_error)i;
    return RPC_INTERNAL;
}

enum rpc_error rpc_parse_request(const void *frame, size_t bytes, struct rpc_request *request)
{
    *request = (struct rpc_request){0};
    struct wire_in in = wire_in(frame, bytes);
    uint32_t count;
    uint64_t type;
    if (!wire_get_array(&in, &count) || count == 0 || !wire_get_uint(&in, &type))
        return RPC_BAD_REQUEST;
    if (type == RPC_REQUEST) {
        if (count < 2 || !wire_get_uint(&in, &request->msgid))
            return RPC_BAD_REQUEST;
        request->has_msgid = true;
    }
    uint32_t expected = type == RPC_REQUEST ? 4 : 3;
    if ((type != RPC_REQUEST && type != RPC_NOTIFICATION) || count != expected ||
        !wire_get_text(&in, &request->method, &request->method_length))
        return RPC_BAD_REQUEST;

    enum wire_type params_type = wire_type(&in);
    request->params = in;
    if ((params_type != WIRE_ARRAY && params_type != WIRE_MAP) || !wire_skip(&in) ||
        in.at != in.end)
        return RPC_BAD_REQUEST;
    return RPC_OK;
}

void rpc_result(struct wire_out *out, uint64_t msgid)
{
    wire_array(out, 4);
    wire_uint(out, RPC_RESPONSE);
    wire_uint(out, msgid);
    wire_nil(out);
}

void rpc_error(struct wire_out *out, uint64_t msgid, enum rpc_error error, const char *message)
{
    wire_array(out, 4);
    wire_uint(out, RPC_RESPONSE);
    wire_uint(out, msgid);
    wire_map(out, 2);
    wire_key_cstr(out, "code", rpc_error_text(error));
    wire_key(out, "message");
    wire_message(out, message);
    wire_nil(out);
}

void rpc_notification(struct wire_out *out, const char *method)
{
    wire_array(out, 3);
    wire_uint(out, RPC_NOTIFICATION);
    wire_cstr(out, method);
}

void rpc_request(struct wire_out *out, uint64_t msgid, const char *method)
{
    wire_array(out, 4);
    wire_uint(out, RPC_REQUEST);
    wire_uint(out, msgid);
    wire_cstr(out, method);
}

bool rpc_params_begin(struct rpc_params *params, struct wire_in value)
{
    *params = (struct rpc_params){.in = value};
    struct wire_in whole = value;
    if (!wire_skip(&whole))
        return false;
    params->in.end = whole.at;

    if (wire_get_array(&params->in, &params->count)) {
        /* The specification wants an array, so named ones usually come as [{…}]. */
        if (params->count == 1 && wire_type(&params->in) == WIRE_MAP)
            params->named = wire_get_map(&params->in, &params->count);
        return true;
    }
    params->named = wire_get_map(&params->in, &params->count);
    return params->named;
}

/* Narrows `in` to its first value: true unless that is nil. */
static bool one_value(struct wire_in in, struct wire_in *value)
{
    struct wire_in after = in;
    if (wire_type(&in) == WIRE_NIL || !wire_skip(&after))
        return false;
    *value = (struct wire_in){in.at, after.at};
    return true;
}

bool rpc_param(const struct rpc_params *params, unsigned position, const char *name,
               struct wire_in *value)
{
    struct wire_in in = params->in;
    if (!params->named) {
        if (position >= params->count)
            return false;
        for (unsigned i = 0; i < position; i++)
            if (!wire_skip(&in))
                return false;
        return one_value(in, value);
    }
    for (uint32_t i = 0; i < params->count; i++) {
        struct wire_in key = in;
        const char *text;
        size_t length;
        if (!wire_skip(&in))
            return false;
        if (wire_get_str(&key, &text, &length) && equals(text, length, name))
            return one_value(in, value);
        if (!wire_skip(&in))
            return false;
    }
    return false;
}

static bool is_known(const char *text, size_t length, const char *const *names)
{
    for (; *names; names++)
        if (equals(text, length, *names))
            return true;
    return false;
}

const char *rpc_params_unknown(const struct rpc_params *params, const char *const *names,
                               char buf[static 64])
{
    if (!params->named) {
        uint32_t known = 0;
        while (names[known])
            known++;
        if (params->count <= known)
            return NULL;
        snprintf(buf, 64, "number %u", known + 1);
        return buf;
    }
    struct wire_in in = params->in;
    for (uint32_t i = 0; i < params->count; i++) {
        const char *text;
        size_t length;
        if (!wire_get_str(&in, &text, &length)) {
            snprintf(buf, 64, "(a name that is not a string)");
            return buf;
        }
        if (!is_known(text, length, names)) {
            /* The name goes into an error message: keep that valid and printable. */
            size_t n = length < 63 ? length : 63;
            for (size_t k = 0; k < n; k++)
                buf[k] = (char)(text[k] >= ' ' && text[k] < 0x7f ? text[k] : '?');
            buf[n] = '\0';
            return buf;
        }
        if (!wire_skip(&in))
            return NULL;
    }
    return NULL;
}
