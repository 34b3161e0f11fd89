/* SPDX-License-Identifier: MIT
 *
 * The worker loop: messages in, answers out, asleep in between. The same code as a process and as
 * a thread; nothing here is shared with other workers but the rings.
 */
#include "worker/worker.h"

#include "ipc/loop.h"
#include "ipc/msg.h"
#include "shm/mapped.h"
#include "worker/pagerank.h"
#include "worker/query.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Most answers fit into this much of the reply ring and are written there; longer ones move to the
 * heap and are sent in pieces. */
#define IN_PLACE_BYTES 4096

/* Answers that are published together at most, where requests come in batches. */
#define BATCH_MAX 16

/* Requests in one pause of a long one, which has to get on as well. */
#define PAUSE_MAX 64

/* Progress messages at most this often: people and pipes read them. */
#define PROGRESS_PERIOD_NS UINT64_C(50000000)

/* A job has no more workers than there are processors, so slices come within microseconds of each
 * other unless somebody is held up; a processor that was left idle meanwhile takes 20 to 130 us to
 * wake, a virtual one longer. */
#define SPIN_FOR_SLICES_NS UINT64_C(200000)

struct worker {
    const struct inherit *inherit;
    struct loop *loop;
    struct loop_op bell_op;
    struct ring_reader requests;
    struct ring_writer replies;
    struct spinner spinner;
    struct query_engine *queries;
    struct wire_out *answer; /* of the query that is being run */
    char aside[IN_PLACE_BYTES];
    unsigned staged;      /* replies not yet published */
    uint64_t progress_ns; /* of the last PROGRESS message */
    bool in_pause;        /* of a long query, whose request is still being read */
    bool leaving, cancelled;
    bool unreadable; /* the mapped index cannot be read: leaves, for a successor to begin anew */
};

static void on_bell(struct loop_op *op, int result)
{
    (void)op;
    (void)result; /* the rings say what there is to do */
}

/* One look without result: spin a little, then sleep until the bell rings. The re-check between
 * announcing sleep and sleeping is what makes a lost wake-up impossible (bell.h). */
static int idle(struct worker *worker, int (*recheck)(void *owner), void *owner)
{
    if (spinner_again(&worker->spinner))
        return 0;
    const struct bell *bell = &worker->inherit->bell;
    bell_sleep(bell);
    int err = 0;
    if (!ring_pending(&worker->requests) && !(recheck && recheck(owner)))
        err = loop_run(worker->loop, true);
    bell_awake(bell);
    spinner_reset(&worker->spinner);
    return err < 0 && err != -EINTR ? err : 0;
}

static void publish_replies(struct worker *worker)
{
    if (worker->staged == 0)
        return;
    worker->staged = 0;
    ring_publish(&worker->replies);
    bell_ring(&worker->inherit->coordinator);
}

/* Room in the reply ring; sleeps until the coordinator has taken replies out. It never waits for a
 * worker and rings after making room (bell.h), so this ends. */
static void *reserve_reply(struct worker *worker, size_t bytes)
{
    const struct bell *bell = &worker->inherit->room;
    void *record;
    enum ring_status status;
    while ((status = ring_reserve(&worker->replies, bytes, &record)) == RING_FULL) {
        publish_replies(worker);
        bell_sleep(bell);
        status = ring_reserve(&worker->replies, bytes, &record);
        if (status == RING_FULL)
            loop_run(worker->loop, true);
        bell_awake(bell);
        if (status == RING_OK)
            break;
    }
    MUST(status == RING_OK);
    return record;
}

static void stage_reply(struct worker *worker, size_t bytes)
{
    ring_stage(&worker->replies, bytes);
    worker->staged++;
}

static void reply(struct worker *worker, const struct msg *msg)
{
    size_t bytes = MSG_OVERHEAD + msg->frame_bytes + msg->text_length;
    struct wire_out out;
    wire_out_fixed(&out, reserve_reply(worker, bytes), bytes);
    msg_write(&out, msg);
    MUST(!out.failed);
    stage_reply(worker, out.bytes);
    publish_replies(worker);
}

/* Sends a response in pieces that fit the ring several times over. */
static void answer_in_pieces(struct worker *worker, uint64_t ticket, const char *response,
                             size_t response_bytes)
{
    size_t piece_bytes = ring_max_payload(worker->replies.ring) / 4 - MSG_OVERHEAD;
    size_t sent = 0;
    do {
        size_t left = response_bytes - sent;
        size_t bytes = left < piece_bytes ? left : piece_bytes;
        reply(worker, &(struct msg){.kind = MSG_ANSWER,
                                    .ticket = ticket,
                                    .more = bytes < left,
                                    .frame = response + sent,
                                    .frame_bytes = bytes});
        sent += bytes;
    } while (sent < response_bytes);
}

/* A request of a worker, for mapped_run(). */
struct call {
    struct worker *worker;
    const struct msg *msg;
};

static void answer_call(void *owner)
{
    const struct call *call = owner;
    struct worker *worker = call->worker;
    const struct msg *msg = call->msg;
    struct rpc_request request;
    struct wire_out out;
    struct pulse *pulse = worker->inherit->pulse;
    uint64_t before = pulse_ticket(pulse); /* of the long one that pauses */
    pulse_take(pulse, msg->ticket);
    wire_out_borrow(&out, reserve_reply(worker, IN_PLACE_BYTES), IN_PLACE_BYTES);
    size_t mark = msg_answer_open(&out, msg->ticket);
    size_t frame_at = out.bytes;
    enum rpc_error error = rpc_parse_request(msg->frame, msg->frame_bytes, &request);
    if (error) {
        rpc_error(&out, request.msgid, error, "not a MessagePack-RPC request");
    } else if (query_is_brief(&request)) {
        query_run(worker->queries, &request, msg->deadline_ns, &out);
    } else {
        publish_replies(worker); /* those before it do not wait for it */
        worker->answer = &out;
        query_run(worker->queries, &request, msg->deadline_ns, &out);
    }
    if (out.failed) {
        out.failed = false;
        out.bytes = frame_at;
        rpc_error(&out, request.msgid, RPC_INTERNAL, "no memory for the answer");
    }
    if (out.borrowed) {
        msg_answer_close(&out, mark);
        stage_reply(worker, out.bytes);
    } else {
        if (!worker->in_pause)
            ring_release(&worker->requests); /* this answer does not wait for give_back() */
        answer_in_pieces(worker, msg->ticket, out.data + frame_at, out.bytes - frame_at);
    }
    wire_out_fini(&out);
    pulse_take(pulse, before);
}

/* What was left in the middle is not used again, not even the memory of the answer; the place in
 * the ring is, since nothing was staged there. */
static void answer_unreadable(struct worker *worker, const struct msg *msg)
{
    struct rpc_request request;
    struct wire_out out;
    wire_out_init(&out);
    rpc_parse_request(msg->frame, msg->frame_bytes, &request);
    rpc_error(&out, request.msgid, RPC_INTERNAL, MAPPED_GONE);
    if (!out.failed)
        answer_in_pieces(worker, msg->ticket, out.data, out.bytes);
    wire_out_fini(&out);
    worker->unreadable = worker->leaving = true;
}

static void run_request(struct worker *worker, const struct msg *msg)
{
    struct call call = {worker, msg};
    if (!worker->inherit->mapped)
        answer_call(&call);
    else if (!mapped_run(answer_call, &call))
        answer_unreadable(worker, msg);
}

/* Inside a long query: answers the brief ones behind it. Its own answer makes way as far as it is
 * written, and its request stays in the ring, with all behind it, until it is answered. True if
 * nobody waits for that any more. */
static bool on_pause(void *owner)
{
    struct worker *worker = owner;
    struct wire_out *answer = worker->answer;
    pulse_beat(worker->inherit->pulse);
    size_t kept = answer->borrowed ? answer->bytes : 0;
    uint64_t position = worker->requests.next;
    unsigned count = 0;
    const void *data;
    size_t bytes;
    worker->in_pause = true;
    while (count < PAUSE_MAX && ring_read(&worker->requests, &data, &bytes) == RING_OK) {
        struct msg msg;
        struct rpc_request request;
        MUST(msg_read(data, bytes, &msg));
        if (msg.kind != MSG_REQUEST ||
            rpc_parse_request(msg.frame, msg.frame_bytes, &request) != RPC_OK ||
            !query_is_brief(&request))
            break;
        if (count++ == 0)
            memcpy(worker->aside, answer->data, kept);
        run_request(worker, &msg);
        if (worker->staged >= BATCH_MAX)
            publish_replies(worker);
        position = worker->requests.next;
    }
    worker->in_pause = false;
    ring_unread_to(&worker->requests, position);
    publish_replies(worker);
    if (count > 0 && answer->borrowed) {
        answer->data = reserve_reply(worker, IN_PLACE_BYTES);
        memcpy(answer->data, worker->aside, kept);
    }
    return pulse_in_vain(worker->inherit->pulse);
}

static void take_message(struct worker *worker, const void *data, size_t bytes)
{
    struct msg msg;
    MUST(msg_read(data, bytes, &msg)); /* written by the coordinator, not by clients */
    if (msg.kind == MSG_REQUEST)
        run_request(worker, &msg);
    else if (msg.kind == MSG_RETIRE)
        worker->leaving = true;
    else if (msg.kind == MSG_CANCEL)
        worker->leaving = worker->cancelled = true;
}

/* What was read is answered. The requests are given back before the answers show: a coordinator
 * that found no room for more tries again with the next answer, and nobody would tell it of room
 * that comes after the last one. It keeps every request that is not answered itself, so the ring
 * need not hold them in case we die. */
static void give_back(struct worker *worker)
{
    ring_release(&worker->requests);
    publish_replies(worker);
}

/* Everything in the request ring; true if there was something. Answers wait for those of brief
 * requests behind them. */
static bool take_messages(struct worker *worker)
{
    bool any = false;
    const void *data;
    size_t bytes;
    while (!worker->leaving && ring_read(&worker->requests, &data, &bytes) == RING_OK) {
        take_message(worker, data, bytes);
        if (worker->staged >= BATCH_MAX)
            give_back(worker);
        any = true;
    }
    if (any)
        give_back(worker);
    return any;
}

/* Says that it serves, from inside its sandbox. */
static void get_ready(struct worker *worker)
{
    reply(worker, &(struct msg){.kind = MSG_READY,
                                .pid = (uint64_t)getpid(),
                                .sandbox = sandbox_enter(worker->inherit->sandbox)});
}

static int serve_queries(struct worker *worker, struct fault *why)
{
    const struct inherit *in = worker->inherit;
    int err = query_engine_create(&worker->queries, in->index, in->generation, in->index_fd, why);
    if (err)
        return err;
    query_engine_set_pause(worker->queries, on_pause, worker);
    get_ready(worker);
    while (!worker->leaving && !err) {
        if (take_messages(worker))
            spinner_reset(&worker->spinner);
        else
            err = idle(worker, NULL, NULL);
    }
    if (worker->unreadable)
        return fault_set(why, EIO, "worker %u: " MAPPED_GONE, in->slot);
    query_engine_destroy(&worker->queries);
    return err ? fault_errno(why, -err, "worker %u: io_uring", in->slot) : 0;
}

static int recheck_exchange(void *exchange)
{
    return exchange_ready(exchange) != 0;
}

static int wait_for_slices(void *owner, struct exchange *exchange)
{
    struct worker *worker = owner;
    for (;;) {
        take_messages(worker);
        if (worker->leaving)
            return -ECANCELED;
        int ready = exchange_ready(exchange);
        if (ready) {
            spinner_reset(&worker->spinner);
            return ready;
        }
        int err = idle(worker, recheck_exchange, exchange);
        if (err)
            return err;
    }
}

static void report_progress(void *owner, uint32_t iteration, double change)
{
    struct worker *worker = owner;
    uint64_t now_ns = loop_now_ns();
    if (now_ns - worker->progress_ns < PROGRESS_PERIOD_NS)
        return;
    worker->progress_ns = now_ns;
    reply(worker, &(struct msg){.kind = MSG_PROGRESS, .iteration = iteration, .change = change});
}

/* A worker's part of a job, for mapped_run(). */
struct part {
    const struct inherit *inherit;
    const struct pagerank_host *host;
    struct pagerank_result *result;
    struct fault *why;
    int err;
};

static void run_part(void *owner)
{
    struct part *part = owner;
    const struct inherit *in = part->inherit;
    part->err = pagerank_run(in->index, in->job, in->slot, part->host, part->result, part->why);
}

static int serve_job(struct worker *worker, struct fault *why)
{
    const struct inherit *in = worker->inherit;
    struct pagerank_host host = {worker, in->pulse, wait_for_slices, report_progress};
    struct pagerank_result result;
    get_ready(worker);
    struct part part = {in, &host, &result, why, 0};
    if (!in->mapped)
        run_part(&part);
    else if (!mapped_run(run_part, &part))
        part.err = fault_set(why, EIO, MAPPED_GONE);
    int err = part.err;
    if (err == -ECANCELED && worker->cancelled)
        return 0;
    if (!err)
        reply(worker, &(struct msg){.kind = MSG_DONE,
                                    .iteration = result.iterations,
                                    .change = result.change,
                                    .converged = result.converged,
                                    .run_ns = result.run_ns,
                                    .wait_ns = result.wait_ns,
                                    .exchange_ns = result.exchange_ns,
                                    .exchanged_bytes = result.exchanged_bytes,
                                    .wakeups = result.wakeups});
    return err;
}

int worker_main(const struct inherit *inherit)
{
    struct worker worker = {
        .inherit = inherit,
        .bell_op = {.fn = on_bell},
        .spinner = {.limit_ns = inherit->job ? SPIN_FOR_SLICES_NS : SPIN_BRIEFLY_NS},
    };
    struct fault why = {""};
    ring_reader_attach(&worker.requests, inherit->requests, 0);
    ring_writer_attach(&worker.replies, inherit->replies);
    int err = loop_create_waiting(&worker.loop, 8, &why);
    if (!err) {
        loop_eventfd(worker.loop, &worker.bell_op, inherit->bell.eventfd);
        err = inherit->job ? serve_job(&worker, &why) : serve_queries(&worker, &why);
    }
    if (err)
        reply(&worker,
              &(struct msg){.kind = MSG_FAILED, .text = why.text, .text_length = strlen(why.text)});
    loop_destroy(&worker.loop);
    return err ? 1 : 0;
}
