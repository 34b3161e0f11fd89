/* SPDX-License-Identifier: MIT
 *
 * Parameters of queries: types and ranges, and messages that name them.
 */
#include "worker/query_int.h"

#include <string.h>

static const char *name_of(const struct query *query, unsigned position)
{
    return query->method->params[position];
}

static bool find(const struct query *query, unsigned position, struct wire_in *value)
{
    return rpc_param(&query->params, position, name_of(query, position), value);
}

bool query_get_text(struct wire_in *in, struct text_ref *text)
{
    const void *bytes;
    size_t length;

    if (wire_get_str(in, &text->bytes, &length)) {
        text->length = (uint32_t)length;
        return true;
    }
    if (wire_get_bin(in, &bytes, &length)) {
        *text = (struct text_ref){bytes, (uint32_t)length};
        return true;
    }
    return false;
}

bool query_param_text(struct query *query, unsigned position, struct text_ref *text)
{
    const char *name = name_of(query, position);
    struct wire_in value;

    if (!find(query, position, &value))
        return query_fail(query, RPC_BAD_PARAMS, "%s: parameter \"%s\" is missing",
                          query->method->name, name);
    if (!query_get_text(&value, text))
        return query_fail(query, RPC_BAD_PARAMS, "%s: \"%s\" has to be a string",
                          query->method->name, name);
    return true;
}

bool query_param_uint(struct query *query, unsigned position, uint64_t least, uint64_t most,
                      uint64_t *value)
{
    const char *name = name_of(query, position);
    struct wire_in in;
    uint64_t got;

    if (!find(query, position, &in))
        return true;
    if (wire_get_uint(&in, &got) && got >= least && got <= most) {
        *value = got;
        return true;
    }
    if (most == UINT64_MAX)
        return query_fail(query, RPC_BAD_PARAMS, "%s: \"%s\" has to be an integer of at least %llu",
                          query->method->name, name, (unsigned long long)least);
    return query_fail(query, RPC_BAD_PARAMS, "%s: \"%s\" has to be an integer from %llu to %llu",
                      query->method->name, name, (unsigned long long)least,
                      (unsigned long long)most);
}

bool query_param_double(struct query *query, unsigned position, double least, double most,
                        double *value)
{
    struct wire_in in;
    double got;

    if (!find(query, position, &in))
        return true;
    if (!wire_get_double(&in, &got) || !(got >= least && got <= most))
        return query_fail(query, RPC_BAD_PARAMS, "%s: \"%s\" has to be a number from %g to %g",
                          query->method->name, name_of(query, position), least, most);
    *value = got;
    return true;
}

bool query_param_choice(struct query *query, unsigned position, const char *const *choices,
                        unsigned *choice)
{
    struct wire_in in;
    struct text_ref text;
    char list[128] = "";
    size_t length = 0;

    *choice = 0;
    if (!find(query, position, &in))
        return true;

    bool is_text = query_get_text(&in, &text);
    for (unsigned i = 0; choices[i]; i++) {
        if (is_text && strlen(choices[i]) == text.length &&
            memcmp(choices[i], text.bytes, text.length) == 0) {
            *choice = i;
            return true;
        }
        length += (size_t)snprintf(list + length, sizeof list - length, "%s\"%s\"",
                                   i ? (choices[i + 1] ? ", " : " or ") : "", choices[i]);
    }
    return query_fail(query, RPC_BAD_PARAMS, "%s: \"%s\" has to be %s", query->method->name,
                      name_of(query, position), list);
}
