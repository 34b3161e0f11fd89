/* SPDX-License-Identifier: MIT */
#include "ipc/rpc_args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool complain(struct rpc_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool complain(struct rpc_args *args, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(args->error, sizeof args->error, format, list);
    va_end(list);
    return false;
}

bool rpc_args_begin(struct rpc_args *args, const char *method, const char *const *names,
                    struct wire_in params)
{
    char unknown[64];
    args->method = method;
    args->names = names;
    args->error[0] = '\0';
    if (!rpc_params_begin(&args->params, params))
        return complain(args, "%s: params have to be an array or a map", method);
    if (rpc_params_unknown(&args->params, names, unknown))
        return complain(args, "%s has no parameter %s", method, unknown);
    return true;
}

static bool find(const struct rpc_args *args, unsigned position, struct wire_in *value)
{
    return rpc_param(&args->params, position, args->names[position], value);
}

bool rpc_arg_needed(struct rpc_args *args, unsigned position)
{
    struct wire_in value;
    if (find(args, position, &value))
        return true;
    return complain(args, "%s: parameter \"%s\" is missing", args->method, args->names[position]);
}

bool rpc_arg_text(struct rpc_args *args, unsigned position, const char **text, size_t *length)
{
    struct wire_in value;
    if (!find(args, position, &value) || wire_get_text(&value, text, length))
        return true;
    return complain(args, "%s: \"%s\" has to be a string", args->method, args->names[position]);
}

bool rpc_arg_uint(struct rpc_args *args, unsigned position, uint64_t least, uint64_t most,
                  uint64_t *value)
{
    struct wire_in in;
    uint64_t got;
    if (!find(args, position, &in))
        return true;
    if (wire_get_uint(&in, &got) && got >= least && got <= most) {
        *value = got;
        return true;
    }
    if (most == UINT64_MAX)
        return complain(args, "%s: \"%s\" has to be an integer of at least %llu", args->method,
                        args->names[position], (unsigned long long)least);
    return complain(args, "%s: \"%s\" has to be an integer from %llu to %llu", args->method,
                    args->names[position], (unsigned long long)least, (unsigned long long)most);
}

bool rpc_arg_double(struct rpc_args *args, unsigned position, double least, double most,
                    double *value)
{
    struct wire_in in;
    double got;
    if (!find(args, position, &in))
        return true;
    if (!wire_get_double(&in, &got) || !(got >= least && got <= most))
        return complain(args, "%s: \"%s\" has to be a number from %g to %g", args->method,
                        args->names[position], least, most);
    *value = got;
    return true;
}

bool rpc_arg_bool(struct rpc_args *args, unsigned position, bool *value)
{
    struct wire_in in;
    if (!find(args, position, &in) || wire_get_bool(&in, value))
        return true;
    return complain(args, "%s: \"%s\" has to be true or false", args->method,
                    args->names[position]);
}

bool rpc_arg_choice(struct rpc_args *args, unsigned position, const char *const *choices,
                    unsigned *choice)
{
    struct wire_in in;
    const char *text = "";
    char list[128] = "";
    size_t length, used = 0;
    if (!find(args, position, &in))
        return true;
    bool is_text = wire_get_text(&in, &text, &length);
    for (unsigned i = 0; choices[i]; i++) {
        if (is_text && strlen(choices[i]) == length && memcmp(choices[i], text, length) == 0) {
            *choice = i;
            return true;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%s\"",
                                 i ? (choices[i + 1] ? ", " : " or ") : "", choices[i]);
    }
    return complain(args, "%s: \"%s\" has to be %s", args->method, args->names[position], list);
}

bool rpc_arg_texts(struct rpc_args *args, unsigned position, uint32_t most, struct wire_in *items,
                   uint32_t *count)
{
    struct wire_in value, each;
    const char *text;
    size_t length;
    *count = 0;
    if (!find(args, position, &value))
        return true;
    *items = value;
    *count = 1;
    if (wire_get_text(&value, &text, &length))
        return true;
    bool good = wire_get_array(&value, count) && *count >= 1 && *count <= most;
    *items = each = value;
    for (uint32_t i = 0; good && i < *count; i++)
        good = wire_get_text(&each, &text, &length);
    return good || complain(args, "%s: \"%s\" has to be a string or an array of 1 to %u strings",
                            args->method, args->names[position], most);
}
