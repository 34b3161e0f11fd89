/* SPDX-License-Identifier: MIT
 *
 * From a request to its method, and from a method to a response or an error.
 */
#include "worker/query_int.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const struct query_method METHODS[] = {
    {"lookup", query_lookup, true, {"title"}},
    {"prefix", query_prefix, true, {"prefix", "limit"}},
    {"page", query_page, false, {"title", "format"}},
    {"links", query_links, true, {"title", "limit", "offset"}},
    {"backlinks", query_backlinks, true, {"title", "limit", "offset"}},
    {"rank", query_rank, true, {"title"}},
    {"top", query_top, true, {"limit", "offset"}},
    {"random", query_random, true, {"seed"}},
    {"related", query_related, false, {"titles", "limit", "damping", "epsilon"}},
    {"path", query_path, false, {"from", "to", "max_length"}},
    {"export", query_export, false, {"what", "cursor", "limit"}},
    {"search",
     query_search,
     false,
     {"query", "limit", "offset", "rank", "exact_hits", "snippets", "title_weight",
      "pagerank_weight", "prune"}},
    {"explain",
     query_explain,
     false,
     {"query", "title", "rank", "title_weight", "pagerank_weight"}},
};

static const struct query_method *find_method(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (length > 0 && METHODS[i].name[0] == name[0] && strlen(METHODS[i].name) == length &&
            memcmp(METHODS[i].name, name, length) == 0)
            return &METHODS[i];
    }
    return NULL;
}

bool query_is_brief(const struct rpc_request *request)
{
    const struct query_method *method = find_method(request->method, request->method_length);
    return method && method->brief;
}

int query_engine_create(struct query_engine **engine, const struct index_view *index,
                        uint64_t generation, int index_fd, struct fault *why)
{
    struct timespec now;

    *engine = calloc(1, sizeof **engine);
    if (!*engine)
        return fault_set(why, ENOMEM, "no memory for answering queries");
    (*engine)->index = index;
    (*engine)->generation = generation;
    (*engine)->index_fd = index_fd;
    clock_gettime(CLOCK_MONOTONIC, &now);
    (*engine)->random_state = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;

    int result = article_store_create(&(*engine)->articles, index, index_fd, why);
    if (result < 0)
        query_engine_destroy(engine);
    return result;
}

void query_engine_set_pause(struct query_engine *engine, bool (*pause)(void *owner), void *owner)
{
    engine->pause = pause;
    engine->pause_owner = owner;
}

void query_engine_destroy(struct query_engine **engine)
{
    if (!*engine)
        return;
    article_store_destroy(&(*engine)->articles);
    title_order_destroy(&(*engine)->order);
    search_engine_destroy(&(*engine)->search);
    passage_store_destroy(&(*engine)->passages);
    stemmer_destroy(&(*engine)->stemmer);
    free(*engine);
    *engine = NULL;
}

struct wire_out *query_answer(struct query *query)
{
    rpc_result(query->out, query->request->msgid);
    return query->out;
}

void query_text(struct wire_out *out, struct text_ref text)
{
    wire_str(out, text.bytes, text.length);
}

struct text_ref query_clip(struct text_ref text, uint32_t bytes)
{
    if (text.length > bytes) {
        text.length = bytes;
        while (text.length > 0 && ((unsigned char)text.bytes[text.length] & 0xc0) == 0x80)
            text.length--;
    }
    return text;
}

void query_error(struct query *query, enum rpc_error error, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    query->out->bytes = query->out_start;
    rpc_error(query->out, query->request->msgid, error, message);
}

void query_error_errno(struct query *query, int result)
{
    if (result == -ETIME)
        query_error(query, RPC_DEADLINE, "%s: not done within the time allowed",
                    query->method->name);
    else
        query_error(query, RPC_INTERNAL, "%s: out of memory", query->method->name);
}

bool query_late(struct query *query, uint64_t work)
{
    if (!patience_over(&query->patience, work))
        return false;
    query_error_errno(query, -ETIME);
    return true;
}

void query_run(struct query_engine *engine, const struct rpc_request *request, uint64_t deadline_ns,
               struct wire_out *out)
{
    struct query query; /* not all of it: rpc_args_begin() fills args */

    query.engine = engine;
    query.index = engine->index;
    query.method = find_method(request->method, request->method_length);
    query.request = request;
    query.patience = (struct patience){
        .deadline_ns = deadline_ns, .pause = engine->pause, .owner = engine->pause_owner};
    query.out = out;
    query.out_start = out->bytes;

    if (!query.method)
        query_error(&query, RPC_UNKNOWN_METHOD, "no such query");
    else if (!rpc_args_begin(&query.args, query.method->name, query.method->params,
                             request->params))
        query_error(&query, RPC_BAD_PARAMS, "%s", query.args.error);
    else if (patience_expired_early(&query.patience))
        query_error_errno(&query, -ETIME);
    else
        query.method->run(&query);
}
