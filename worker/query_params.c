/* SPDX-License-Identifier: MIT
 *
 * Parameters of queries: ipc/rpc_args.h, with an error response where they will not do.
 */
#include "worker/query_int.h"

static bool refuse(struct query *query)
{
    return query_fail(query, RPC_BAD_PARAMS, "%s", query->args.error);
}

bool query_param_text(struct query *query, unsigned position, struct text_ref *text)
{
    size_t length;

    text->bytes = NULL; /* and stays so if the parameter is absent */
    if (!rpc_arg_text(&query->args, position, &text->bytes, &length) ||
        (!text->bytes && !rpc_arg_needed(&query->args, position)))
        return refuse(query);
    text->length = (uint32_t)length;
    return true;
}

bool query_param_texts(struct query *query, unsigned position, uint32_t most, struct wire_in *items,
                       uint32_t *count)
{
    return (rpc_arg_needed(&query->args, position) &&
            rpc_arg_texts(&query->args, position, most, items, count)) ||
           refuse(query);
}

bool query_param_uint(struct query *query, unsigned position, uint64_t least, uint64_t most,
                      uint64_t *value)
{
    return rpc_arg_uint(&query->args, position, least, most, value) || refuse(query);
}

bool query_param_double(struct query *query, unsigned position, double least, double most,
                        double *value)
{
    return rpc_arg_double(&query->args, position, least, most, value) || refuse(query);
}

bool query_param_bool(struct query *query, unsigned position, bool *value)
{
    return rpc_arg_bool(&query->args, position, value) || refuse(query);
}

bool query_param_choice(struct query *query, unsigned position, const char *const *choices,
                        unsigned *choice)
{
    *choice = 0;
    return rpc_arg_choice(&query->args, position, choices, choice) || refuse(query);
}
