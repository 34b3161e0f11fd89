/* SPDX-License-Identifier: MIT
 *
 * Typed, bounded parameters of an RPC request, by position or by name, with one wording for what
 * is wrong with them. Each rpc_arg_*() leaves `value` alone if the parameter is absent or nil, and
 * returns false, with a sentence in args->error, if it is there and will not do.
 */
#ifndef FORKLORE_IPC_RPC_ARGS_H
#define FORKLORE_IPC_RPC_ARGS_H

#include "ipc/rpc.h"

struct rpc_args {
    const char *method;
    const char *const *names; /* by position, NULL-terminated */
    struct rpc_params params;
    char error[256];
};

/* False if params are no array or map, or have a parameter that is not in `names`. */
bool rpc_args_begin(struct rpc_args *args, const char *method, const char *const *names,
                    struct wire_in params);

bool rpc_arg_text(struct rpc_args *args, unsigned position, const char **text, size_t *length);
bool rpc_arg_uint(struct rpc_args *args, unsigned position, uint64_t least, uint64_t most,
                  uint64_t *value);
bool rpc_arg_double(struct rpc_args *args, unsigned position, double least, double most,
                    double *value);
bool rpc_arg_bool(struct rpc_args *args, unsigned position, bool *value);
/* One of `choices` (NULL-terminated). */
bool rpc_arg_choice(struct rpc_args *args, unsigned position, const char *const *choices,
                    unsigned *choice);
/* An array of 1 to `most` strings; or one string, as an array of one. wire_get_text() takes each
 * from *items. */
bool rpc_arg_texts(struct rpc_args *args, unsigned position, uint32_t most, struct wire_in *items,
                   uint32_t *count);

/* False, with a sentence, if the parameter is absent: for those without default. */
bool rpc_arg_needed(struct rpc_args *args, unsigned position);

#endif
