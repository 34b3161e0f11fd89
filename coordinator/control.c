/* SPDX-License-Identifier: MIT
 *
 * The methods that the coordinator answers itself (docs/protocol.md, "Control"); all others are
 * the workers'.
 */
#include "coordinator/daemon.h"
#include "ipc/rpc_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct call {
    struct daemon *daemon;
    struct session *session;
    const struct rpc_request *request;
    struct rpc_args args;
};

static void fail(struct call *call, enum rpc_error error, const char *message)
{
    session_error(call->session, call->request->msgid, error, message);
}

/* Begins a response; the caller appends the result and calls answer(). */
static void result(struct call *call, struct wire_out *out)
{
    wire_out_init(out);
    rpc_result(out, call->request->msgid);
}

static void answer(struct call *call, struct wire_out *out)
{
    if (out->failed)
        fail(call, RPC_INTERNAL, "no memory for the answer");
    else
        session_answer(call->session, out->data, out->bytes);
    wire_out_fini(out);
}

static void answer_job(struct call *call, const struct job *job)
{
    struct wire_out out;
    result(call, &out);
    job_write(job, true, &out);
    answer(call, &out);
}

static void do_ping(struct call *call)
{
    struct wire_out out;
    result(call, &out);
    wire_cstr(&out, "pong");
    answer(call, &out);
}

static void do_status(struct call *call)
{
    struct wire_out out;
    result(call, &out);
    status_write(call->daemon, &out);
    answer(call, &out);
}

static bool take_seeds(struct call *call, unsigned position, struct job_params *params)
{
    struct wire_in items;
    uint32_t count;
    if (!rpc_arg_texts(&call->args, position, JOB_SEEDS_MAX, &items, &count))
        return false;
    params->seeds = calloc(count + 1, sizeof *params->seeds);
    for (uint32_t s = 0; params->seeds && s < count; s++) {
        const char *text;
        size_t length;
        wire_get_text(&items, &text, &length);
        params->seeds[s] = strndup(text, length);
        if (!params->seeds[s])
            break;
        params->seed_count++;
    }
    if (params->seed_count == count)
        return true;
    strcpy(call->args.error, "submit: no memory for the seeds");
    return false;
}

static bool take_job_params(struct call *call, struct job_params *params)
{
    static const char *const kinds[] = {"pagerank", NULL};
    static const char *const precisions[] = {"double", "single", NULL};
    static const char *const exchanges[] = {"ring", "shared", NULL};
    struct rpc_args *args = &call->args;
    const struct serve_options *options = call->daemon->options;
    unsigned kind = 0, precision = 0, exchange = options->exchange;
    uint64_t iterations = 100, workers = options->workers;
    *params = (struct job_params){.damping = 0.85, .tolerance = 1e-6};
    if (!rpc_arg_choice(args, 0, kinds, &kind) ||
        !rpc_arg_double(args, 1, 0, 1, &params->damping) ||
        !rpc_arg_double(args, 2, 0, 1, &params->tolerance) ||
        !rpc_arg_uint(args, 3, 1, 100000, &iterations) ||
        !rpc_arg_choice(args, 4, precisions, &precision) || !take_seeds(call, 5, params) ||
        !rpc_arg_choice(args, 6, exchanges, &exchange) ||
        !rpc_arg_uint(args, 7, 1, EXCHANGE_WORKERS_MAX, &workers))
        return false;
    params->publish = params->seed_count == 0;
    if (!rpc_arg_bool(args, 8, &params->publish))
        return false;
    if (params->damping == 1) {
        strcpy(args->error, "submit: \"damping\" has to be less than 1");
        return false;
    }
    params->iterations = (uint32_t)iterations;
    params->element_bytes = precision == 0 ? sizeof(double) : sizeof(float);
    params->exchange = (enum exchange_mode)exchange;
    params->workers = (unsigned)workers;
    return true;
}

static void do_submit(struct call *call)
{
    struct job_params params;
    struct job *job;
    struct fault why;
    if (!take_job_params(call, &params)) {
        fail(call, RPC_BAD_PARAMS, call->args.error);
        job_params_fini(&params);
        return;
    }
    int err = jobs_submit(&call->daemon->jobs, &params, &job, &why);
    if (err) {
        fail(call, err == -ENOENT ? RPC_NOT_FOUND : RPC_OVERLOADED, why.text);
        job_params_fini(&params);
        return;
    }
    struct wire_out out;
    result(call, &out);
    wire_map(&out, 1);
    wire_key_uint(&out, "job", job->id);
    answer(call, &out);
}

static void do_jobs(struct call *call)
{
    unsigned running, queued, finished;
    jobs_count(&call->daemon->jobs, &running, &queued, &finished);
    struct wire_out out;
    result(call, &out);
    wire_array(&out, running + queued + finished);
    for (const struct job *job = call->daemon->jobs.first; job; job = job->next)
        job_write(job, false, &out);
    answer(call, &out);
}

/* The job that parameter 0 names, or NULL and the request is answered. */
static struct job *find_job(struct call *call)
{
    uint64_t id = 0;
    if (!rpc_arg_needed(&call->args, 0) || !rpc_arg_uint(&call->args, 0, 0, UINT64_MAX, &id)) {
        fail(call, RPC_BAD_PARAMS, call->args.error);
        return NULL;
    }
    struct job *job = jobs_find(&call->daemon->jobs, id);
    if (!job) {
        char message[64];
        snprintf(message, sizeof message, "there is no job %llu", (unsigned long long)id);
        fail(call, RPC_NOT_FOUND, message);
    }
    return job;
}

static void do_job(struct call *call)
{
    struct job *job = find_job(call);
    if (job)
        answer_job(call, job);
}

static void do_cancel(struct call *call)
{
    struct job *job = find_job(call);
    if (!job)
        return;
    jobs_cancel(&call->daemon->jobs, job);
    answer_job(call, job);
}

static void do_watch(struct call *call)
{
    struct job *job = find_job(call);
    if (!job)
        return;
    /* The answer goes first: notifications follow it. */
    struct jobs *jobs = &call->daemon->jobs;
    if (jobs_can_watch(jobs, job)) {
        answer_job(call, job);
        jobs_watch(jobs, job, call->session->id);
    } else {
        fail(call, RPC_OVERLOADED, "too many connections watch this job");
    }
}

static void do_reload(struct call *call)
{
    struct daemon *daemon = call->daemon;
    const char *path = daemon_newest(daemon)->base->path;
    size_t length = strlen(path);
    struct fault why;
    if (!rpc_arg_text(&call->args, 0, &path, &length)) {
        fail(call, RPC_BAD_PARAMS, call->args.error);
        return;
    }
    if (daemon->loader || daemon->load_asked) {
        fail(call, RPC_OVERLOADED, "a reload is under way");
        return;
    }
    char *copy = strndup(path, length);
    daemon->load_asked = true;
    daemon->load_session = call->session->id;
    daemon->load_msgid = call->request->msgid;
    int err = copy ? daemon_load(daemon, copy, &why) : fault_set(&why, ENOMEM, "no memory");
    if (err) {
        daemon->load_asked = false;
        fail(call, RPC_BAD_PARAMS, why.text);
    }
    free(copy);
}

static void do_shutdown(struct call *call)
{
    struct wire_out out;
    result(call, &out);
    wire_bool(&out, true);
    answer(call, &out);
    daemon_drain(call->daemon);
}

#define PARAMS_MAX 10

static const struct method {
    const char *name;
    void (*run)(struct call *call);
    const char *params[PARAMS_MAX];
} methods[] = {
    {"ping", do_ping, {NULL}},
    {"status", do_status, {NULL}},
    {"submit",
     do_submit,
     {"kind", "damping", "tolerance", "iterations", "precision", "seeds", "exchange", "workers",
      "publish", NULL}},
    {"jobs", do_jobs, {NULL}},
    {"job", do_job, {"id", NULL}},
    {"cancel", do_cancel, {"id", NULL}},
    {"watch", do_watch, {"id", NULL}},
    {"reload", do_reload, {"index", NULL}},
    {"shutdown", do_shutdown, {NULL}},
};

static const struct method *find_method(const struct rpc_request *request)
{
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        if (request->method_length > 0 && methods[m].name[0] == request->method[0] &&
            strlen(methods[m].name) == request->method_length &&
            memcmp(methods[m].name, request->method, request->method_length) == 0)
            return &methods[m];
    }
    return NULL;
}

void control_request(void *owner, struct session *session, const struct rpc_request *request,
                     const void *frame, size_t bytes)
{
    struct daemon *daemon = owner;
    struct call call; /* not all of it: rpc_args_begin() fills args */
    call.daemon = daemon;
    call.session = session;
    call.request = request;
    if (daemon->draining) {
        fail(&call, RPC_SHUTTING_DOWN, "the daemon is shutting down");
        return;
    }
    const struct method *method = find_method(request);
    if (!method)
        dispatch_request(&daemon->dispatch, session, request, frame, bytes);
    else if (!rpc_args_begin(&call.args, method->name, method->params, request->params))
        fail(&call, RPC_BAD_PARAMS, call.args.error);
    else
        method->run(&call);
}

void control_notified(void *owner, struct session *session, const struct rpc_request *request)
{
    static const char name[] = "cancel_request";
    struct daemon *daemon = owner;
    struct rpc_params params;
    struct wire_in value;
    uint64_t msgid;
    if (request->method_length == sizeof name - 1 &&
        memcmp(request->method, name, sizeof name - 1) == 0 &&
        rpc_params_begin(&params, request->params) && rpc_param(&params, 0, "msgid", &value) &&
        wire_get_uint(&value, &msgid))
        dispatch_cancel(&daemon->dispatch, session, msgid);
}

void control_gone(void *owner, struct session *session)
{
    struct daemon *daemon = owner;
    dispatch_forget(&daemon->dispatch, session);
}
