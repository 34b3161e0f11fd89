/* SPDX-License-Identifier: MIT
 *
 * MessagePack-RPC frames (the msgpack-rpc project's specification): request
 * [0, msgid, method, params], response [1, msgid, error, result], notification
 * [2, method, params]. Errors are maps {code, message}.
 */
#ifndef FORKLORE_IPC_RPC_H
#define FORKLORE_IPC_RPC_H

#include "ipc/wire.h"

#define RPC_FRAME_LIMIT (UINT32_C(1) << 16) /* default for requests; a daemon option */

enum rpc_type { RPC_REQUEST = 0, RPC_RESPONSE = 1, RPC_NOTIFICATION = 2 };

/* Stable error codes: clients may compare them. docs/protocol.md explains each. */
#define RPC_ERRORS(X)                                                                              \
    X(NOT_FOUND, "not_found")                                                                      \
    X(BAD_REQUEST, "bad_request") /* not an RPC request */                                         \
    X(UNKNOWN_METHOD, "unknown_method")                                                            \
    X(BAD_PARAMS, "bad_params")                                                                    \
    X(FRAME_TOO_BIG, "frame_too_big")                                                              \
    X(OVERLOADED, "overloaded")                                                                    \
    X(DEADLINE, "deadline")                                                                        \
    X(NOT_AVAILABLE, "not_available") /* the index has no text, no scores … */                   \
    X(CANCELLED, "cancelled")                                                                      \
    X(SHUTTING_DOWN, "shutting_down")                                                              \
    X(WORKER_DIED, "worker_died")                                                                  \
    X(FORBIDDEN, "forbidden")                                                                      \
    X(INTERNAL, "internal")

enum rpc_error {
    RPC_OK,
#define X(name, text) RPC_##name,
    RPC_ERRORS(X)
#undef X
};

const char *rpc_error_text(enum rpc_error error);
enum rpc_error rpc_error_of(const char *text, size_t length); /* RPC_INTERNAL if unknown */

struct rpc_request {
    uint64_t msgid;
    bool has_msgid; /* false: a notification, or too broken to tell */
    const char *method;
    size_t method_length;
    struct wire_in params; /* the params value, one array or map */
};

/* Takes a whole frame apart in place. RPC_OK, or RPC_BAD_REQUEST with has_msgid set if an answer
 * can still be addressed. */
enum rpc_error rpc_parse_request(const void *frame, size_t bytes, struct rpc_request *request);

/* Response frames. rpc_result() writes all but the result value, which the caller appends. */
void rpc_result(struct wire_out *out, uint64_t msgid);
void rpc_error(struct wire_out *out, uint64_t msgid, enum rpc_error error, const char *message);
/* Likewise: the caller appends the params array. */
void rpc_notification(struct wire_out *out, const char *method);
void rpc_request(struct wire_out *out, uint64_t msgid, const char *method);

/* Params by position or by name: rpc_params_begin() takes the value, then each
 * rpc_param() finds parameter number `position` or named `name`. A map as the only element of the
 * array is named ones too. */
struct rpc_params {
    struct wire_in in; /* first element or pair */
    uint32_t count;
    bool named;
};
bool rpc_params_begin(struct rpc_params *params, struct wire_in value);
/* The cursor on that parameter's value; false if absent or nil. */
bool rpc_param(const struct rpc_params *params, unsigned position, const char *name,
               struct wire_in *value);
/* The first named parameter that is not in `names` (NULL-terminated), or more positions than
 * names: a name to complain about in buf, else NULL. */
const char *rpc_params_unknown(const struct rpc_params *params, const char *const *names,
                               char buf[static 64]);

/* --- A blocking client connection (command line, tests, benchmarks) -------------------------- */

#include "shm/fault.h"

struct rpc_client {
    int fd;
    char *in; /* received, not yet consumed */
    size_t in_bytes, in_capacity, in_used;
};

int rpc_connect(struct rpc_client *client, const char *socket_path, struct fault *why);
void rpc_close(struct rpc_client *client);

/* Sends bytes of whole frames. */
int rpc_send(struct rpc_client *client, const void *frames, size_t bytes, struct fault *why);

/* The next frame, response or notification, in place until the next call. `timeout_ms` < 0 waits
 * for ever. 0, -ETIMEDOUT, -ECONNRESET at the end, -EBADMSG. */
struct rpc_message {
    enum rpc_type type;
    uint64_t msgid; /* of a response */
    bool is_error;
    struct wire_in value; /* result; or error; or params of a notification */
    const char *method;   /* of a notification */
    size_t method_length;
};
int rpc_receive(struct rpc_client *client, struct rpc_message *message, int timeout_ms,
                struct fault *why);

#endif
