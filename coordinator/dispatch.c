/* SPDX-License-Identifier: MIT */
#include "coordinator/dispatch.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What a worker holds at most, in the cost of the shortest requests (cost_of()): enough of those
 * for its ring to be read, and its answers to be sent, in batches that are worth a wake-up; and one
 * long request beside them, in whose pauses it answers the short ones (worker.c). All else waits
 * here, where any worker that becomes free can have it. */
#define WORKER_LOAD_MAX 64

/* Short requests go to a worker with a long one where all others are full. */
#define LONG_LOAD WORKER_LOAD_MAX

/* Requests that one worker is given in a row before the next one is looked for. */
#define WORKER_BATCH 16

/* What waking a worker counts as: the coordinator's system call, and the worker's way out of its
 * sleep and back, take as long as some thirty of the shortest requests; what is begun then is no
 * earlier done, and who is awake stays so. */
#define WAKE_LOAD 32

#define RESULTS_PER_COST 4
#define NO_LIMIT         UINT_MAX

/* A request that this many workers died of is not tried again. Only the one that a worker was at
 * work on counts, not those before and behind it; and only what the worker did, not what was done
 * to it. Lost by no fault of its own it may be more often, but not for ever: perhaps it is what
 * draws the kernel's memory killer. */
#define DEATHS_MAX 2
#define LOSSES_MAX 10

/* Longer frames are kept on the heap. */
#define TICKET_FRAME_BYTES 160

struct ticket {
    uint64_t id; /* names its place: id % ticket_count; another one for every request */
    uint64_t session_id;
    uint64_t msgid;
    uint64_t deadline_ns;
    struct crew_worker *worker;   /* that has it; NULL: in the waiting queue */
    uint64_t sent;                /* a worker answers its requests in this order */
    struct ticket *older, *newer; /* in `all`; older also among the free */
    struct fair_node waiting;     /* in `waiting` or `waiting_long` */
    struct wire_out pieces;       /* of an answer that comes in several */
    unsigned load;                /* of the worker that has it */
    unsigned deaths, losses;
    bool is_long;
    bool in_use;
    bool in_vain; /* answered already, or nobody is left: what comes is dropped */
    size_t frame_bytes;
    char *frame; /* `kept`, or on the heap */
    char kept[TICKET_FRAME_BYTES];
};

int dispatch_init(struct dispatch *dispatch, struct loop *loop, struct session_host *sessions,
                  uint64_t timeout_ns, unsigned queue_max, struct fault *why)
{
    unsigned count = 1;
    while (count < queue_max)
        count *= 2;
    /* Untouched pages of it are not there: a daemon pays for the requests it has had at a time. */
    *dispatch = (struct dispatch){.sessions = sessions,
                                  .loop = loop,
                                  .timeout_ns = timeout_ns,
                                  .queue_max = queue_max,
                                  .ticket_count = count,
                                  .tickets = calloc(count, sizeof(struct ticket))};
    if (!dispatch->tickets ||
        fair_queue_init(&dispatch->waiting, sessions->slot_count, WORKER_BATCH) < 0 ||
        fair_queue_init(&dispatch->waiting_long, sessions->slot_count, 1) < 0)
        return fault_set(why, ENOMEM, "no memory for %u requests", queue_max);
    return 0;
}

/* --- Tickets --------------------------------------------------------------------------------- */

static struct ticket *find_ticket(const struct dispatch *dispatch, uint64_t id)
{
    struct ticket *ticket = &dispatch->tickets[id & (dispatch->ticket_count - 1)];
    return ticket->in_use && ticket->id == id ? ticket : NULL;
}

static struct fair_queue *queue_of(struct dispatch *dispatch, const struct ticket *ticket)
{
    return ticket->is_long ? &dispatch->waiting_long : &dispatch->waiting;
}

static void wait_first(struct dispatch *dispatch, struct ticket *ticket)
{
    fair_queue_put_first(queue_of(dispatch, ticket), &ticket->waiting);
    dispatch->waiting_count++;
}

/* A session's flow is its place among the sessions. A turn is a row of short requests, whose
 * answers then go out in one. */
static void wait_last(struct dispatch *dispatch, struct ticket *ticket)
{
    uint32_t flow = (uint32_t)ticket->session_id & (dispatch->waiting.flow_count - 1);
    fair_queue_put(queue_of(dispatch, ticket), &ticket->waiting, flow,
                   ticket->is_long ? 1 : ticket->load);
    dispatch->waiting_count++;
}

static void stop_waiting(struct dispatch *dispatch, struct ticket *ticket)
{
    fair_queue_remove(queue_of(dispatch, ticket), &ticket->waiting);
    dispatch->waiting_count--;
}

/* There is one for every request that queue_max allows. */
static struct ticket *take_place(struct dispatch *dispatch)
{
    struct ticket *ticket = dispatch->free_tickets;
    if (ticket) {
        dispatch->free_tickets = ticket->older;
        ticket->id += dispatch->ticket_count;
    } else {
        MUST(dispatch->tickets_used < dispatch->ticket_count);
        ticket = &dispatch->tickets[dispatch->tickets_used];
        ticket->id = dispatch->tickets_used++;
    }
    return ticket;
}

static void give_place(struct dispatch *dispatch, struct ticket *ticket)
{
    ticket->in_use = false;
    ticket->older = dispatch->free_tickets;
    dispatch->free_tickets = ticket;
}

static struct ticket *new_ticket(struct dispatch *dispatch, const void *frame, size_t bytes)
{
    struct ticket *ticket = take_place(dispatch);
    ticket->frame = bytes > TICKET_FRAME_BYTES ? malloc(bytes) : ticket->kept;
    if (!ticket->frame) {
        give_place(dispatch, ticket);
        return NULL;
    }
    ticket->in_use = true;
    ticket->worker = NULL;
    ticket->deaths = ticket->losses = 0;
    ticket->in_vain = false;
    ticket->frame_bytes = bytes;
    memcpy(ticket->frame, frame, bytes);
    ticket->newer = NULL;
    ticket->older = dispatch->all.last;
    *(ticket->older ? &ticket->older->newer : &dispatch->all.first) = ticket;
    dispatch->all.last = ticket;
    dispatch->in_flight++;
    return ticket;
}

/* The worker does not have it any more. */
static void take_off(struct ticket *ticket)
{
    MUST(ticket->worker);
    ticket->worker->in_flight--;
    ticket->worker->load -= ticket->load;
    ticket->worker->long_requests -= ticket->is_long;
    ticket->worker = NULL;
}

static void free_memory(struct ticket *ticket)
{
    if (ticket->frame != ticket->kept)
        free(ticket->frame);
    wire_out_fini(&ticket->pieces);
}

static void free_ticket(struct dispatch *dispatch, struct ticket *ticket)
{
    if (ticket->worker)
        take_off(ticket);
    else
        stop_waiting(dispatch, ticket);
    *(ticket->older ? &ticket->older->newer : &dispatch->all.first) = ticket->newer;
    *(ticket->newer ? &ticket->newer->older : &dispatch->all.last) = ticket->older;
    dispatch->in_flight--;
    free_memory(ticket);
    give_place(dispatch, ticket);
}

void dispatch_fini(struct dispatch *dispatch)
{
    /* Not free_ticket(): the worker that has it may be gone, with the count of its tickets. */
    for (struct ticket *ticket = dispatch->all.first; ticket; ticket = ticket->newer)
        free_memory(ticket);
    loop_cancel(dispatch->loop, &dispatch->timer_op);
    while (loop_busy(&dispatch->timer_op) && loop_run(dispatch->loop, true) >= 0)
        ;
    fair_queue_fini(&dispatch->waiting);
    fair_queue_fini(&dispatch->waiting_long);
    free(dispatch->tickets);
}

/* --- Deadlines ------------------------------------------------------------------------------- */

static void refuse(struct dispatch *dispatch, const struct ticket *ticket, enum rpc_error error,
                   const char *message)
{
    struct session *session = session_find(dispatch->sessions, ticket->session_id);
    if (session)
        session_error(session, ticket->msgid, error, message);
    dispatch->failed++;
}

/* Nobody waits for it any more. A worker that has it is told, and gives up soon if the query is one
 * that looks; a late answer is dropped. */
static void abandon(struct dispatch *dispatch, struct ticket *ticket)
{
    if (!ticket->worker) {
        free_ticket(dispatch, ticket);
        return;
    }
    ticket->in_vain = true;
    if (ticket->is_long) /* it has one at most */
        pulse_unwant(ticket->worker->inherit.pulse, ticket->id);
}

void dispatch_cancel(struct dispatch *dispatch, const struct session *session, uint64_t msgid)
{
    struct ticket *older;
    if (session->in_flight == 0)
        return;
    for (struct ticket *ticket = dispatch->all.last; ticket; ticket = older) {
        older = ticket->older;
        if (ticket->session_id != session->id || ticket->msgid != msgid || ticket->in_vain)
            continue;
        refuse(dispatch, ticket, RPC_CANCELLED, "cancelled by its client");
        abandon(dispatch, ticket);
    }
}

void dispatch_forget(struct dispatch *dispatch, const struct session *session)
{
    struct ticket *newer;
    for (struct ticket *ticket = dispatch->all.first; ticket; ticket = newer) {
        newer = ticket->newer;
        if (ticket->session_id == session->id && !ticket->in_vain)
            abandon(dispatch, ticket);
    }
}

static void arm_timer(struct dispatch *dispatch);

/* Answers what is due. */
static void on_timer(struct loop_op *op, int result)
{
    struct dispatch *dispatch = op->owner;
    uint64_t now_ns = loop_now_ns();
    if (result < 0)
        return;
    struct ticket *next;
    for (struct ticket *ticket = dispatch->all.first; ticket; ticket = next) {
        next = ticket->newer;
        if (ticket->deadline_ns > now_ns)
            break;
        if (ticket->in_vain)
            continue;
        refuse(dispatch, ticket, RPC_DEADLINE, "not done in time (--request-timeout)");
        abandon(dispatch, ticket);
    }
    arm_timer(dispatch);
}

/* For the oldest ticket: all have the same timeout, so no other can be due earlier. */
static void arm_timer(struct dispatch *dispatch)
{
    if (loop_busy(&dispatch->timer_op))
        return;
    struct ticket *ticket = dispatch->all.first;
    while (ticket && ticket->in_vain)
        ticket = ticket->newer;
    if (!ticket)
        return;
    dispatch->timer_op = (struct loop_op){.fn = on_timer, .owner = dispatch};
    loop_timer(dispatch->loop, &dispatch->timer_op, ticket->deadline_ns);
}

/* --- To workers ------------------------------------------------------------------------------ */

/* The methods whose work is known beforehand: a lookup, and some for each result. */
static const struct known_cost {
    const char *method;
    unsigned limit_at; /* position of the parameter "limit"; NO_LIMIT: one result */
    unsigned limit;    /* its default */
} known_costs[] = {
    {"lookup", NO_LIMIT, 0}, {"rank", NO_LIMIT, 0}, {"random", NO_LIMIT, 0}, {"prefix", 1, 10},
    {"top", 0, 10},          {"links", 1, 100},     {"backlinks", 1, 100},
};

/* What a request costs a worker, in microseconds or so; WORKER_LOAD_MAX where it is long, or that
 * is not known. A request that the worker will refuse may be taken for anything. */
static unsigned cost_of(const struct rpc_request *request)
{
    const struct known_cost *known = NULL;
    for (size_t i = 0; !known && i < sizeof known_costs / sizeof known_costs[0]; i++) {
        const char *method = known_costs[i].method;
        if (request->method_length > 0 && method[0] == request->method[0] &&
            strlen(method) == request->method_length &&
            memcmp(method, request->method, request->method_length) == 0)
            known = &known_costs[i];
    }
    if (!known)
        return WORKER_LOAD_MAX;
    if (known->limit_at == NO_LIMIT)
        return 1;
    struct rpc_params params;
    struct wire_in value;
    uint64_t limit = known->limit;
    if (rpc_params_begin(&params, request->params) &&
        rpc_param(&params, known->limit_at, "limit", &value))
        wire_get_uint(&value, &limit);
    uint64_t cost = 1 + limit / RESULTS_PER_COST;
    return cost < WORKER_LOAD_MAX ? (unsigned)cost : WORKER_LOAD_MAX;
}

/* The ready worker with the least to do, to be woken included, of those that can take it: no more
 * than one long request each, and no more than WORKER_LOAD_MAX beside it. */
static struct crew_worker *pick_worker(const struct dispatch *dispatch, const struct ticket *ticket)
{
    struct crew_worker *best = NULL;
    unsigned least = UINT_MAX;
    for (unsigned w = 0; dispatch->crew && w < dispatch->crew->worker_count; w++) {
        struct crew_worker *worker = &dispatch->crew->workers[w];
        unsigned load = worker->load + worker->long_requests * LONG_LOAD +
                        (bell_asleep(&worker->inherit.bell) ? WAKE_LOAD : 0);
        if (worker->state != WORKER_READY || load >= least ||
            worker->load + ticket->load > WORKER_LOAD_MAX ||
            (ticket->is_long && worker->long_requests > 0))
            continue;
        best = worker;
        least = load;
    }
    return best;
}

/* False if its ring is full of requests that it has not given back: the next answer pumps again. */
static bool give(struct dispatch *dispatch, struct ticket *ticket, struct crew_worker *worker)
{
    struct msg msg = {.kind = MSG_REQUEST,
                      .ticket = ticket->id,
                      .deadline_ns = ticket->deadline_ns,
                      .frame = ticket->frame,
                      .frame_bytes = ticket->frame_bytes};
    if (!crew_send(worker, &msg))
        return false;
    stop_waiting(dispatch, ticket);
    ticket->worker = worker;
    ticket->sent = dispatch->next_sent++;
    worker->in_flight++;
    worker->load += ticket->load;
    worker->long_requests += ticket->is_long;
    worker->requests++;
    return true;
}

/* Whose turn it is. */
static struct ticket *next_waiting(const struct fair_queue *queue)
{
    struct fair_node *node = fair_queue_first(queue);
    return node ? (struct ticket *)(void *)((char *)node - offsetof(struct ticket, waiting)) : NULL;
}

/* False while one waits for a worker to itself, and so for the short ones there to end. */
static bool pump_long(struct dispatch *dispatch)
{
    struct ticket *ticket;
    while ((ticket = next_waiting(&dispatch->waiting_long))) {
        struct crew_worker *worker = pick_worker(dispatch, ticket);
        if (!worker || !give(dispatch, ticket, worker))
            return ticket->load == 0;
    }
    return true;
}

void dispatch_pump(struct dispatch *dispatch)
{
    struct crew_worker *worker = NULL;
    struct ticket *ticket;
    unsigned row = 0;
    dispatch->now_ns = 0;
    if (!pump_long(dispatch))
        return;
    while ((ticket = next_waiting(&dispatch->waiting))) {
        if (!worker || ++row == WORKER_BATCH || worker->load + ticket->load > WORKER_LOAD_MAX) {
            worker = pick_worker(dispatch, ticket);
            row = 0;
        }
        if (!worker || !give(dispatch, ticket, worker))
            return;
    }
}

void dispatch_request(struct dispatch *dispatch, struct session *session,
                      const struct rpc_request *request, const void *frame, size_t bytes)
{
    /* As much as is left for others: many that ask for all they can get leave room for one more
     * (dynamic thresholds, Choudhury and Hahne 1998). The session counts this one already. */
    if (session->in_flight > dispatch->queue_max - dispatch->in_flight) {
        session_error(session, request->msgid, RPC_OVERLOADED,
                      dispatch->in_flight < dispatch->queue_max
                          ? "this connection has its share of the daemon's queue"
                          : "the daemon's queue is full");
        dispatch->failed++;
        return;
    }
    struct ticket *ticket = new_ticket(dispatch, frame, bytes);
    if (!ticket) {
        session_error(session, request->msgid, RPC_OVERLOADED, "no memory for the request");
        dispatch->failed++;
        return;
    }
    if (dispatch->now_ns == 0)
        dispatch->now_ns = loop_now_ns();
    ticket->session_id = session->id;
    ticket->msgid = request->msgid;
    ticket->deadline_ns = dispatch->now_ns + dispatch->timeout_ns;
    unsigned cost = cost_of(request);
    ticket->is_long = cost == WORKER_LOAD_MAX;
    ticket->load = ticket->is_long ? 0 : cost;
    wait_last(dispatch, ticket);
    if (!loop_busy(&dispatch->timer_op))
        arm_timer(dispatch);
}

/* --- From workers ---------------------------------------------------------------------------- */

void dispatch_answer(struct dispatch *dispatch, struct crew_worker *worker, const struct msg *msg)
{
    struct ticket *ticket = find_ticket(dispatch, msg->ticket);
    if (!ticket || ticket->worker != worker)
        return;
    bool in_pieces = msg->more || ticket->pieces.bytes > 0;
    if (in_pieces)
        wire_raw(&ticket->pieces, msg->frame, msg->frame_bytes);
    if (msg->more)
        return;
    struct session *session = session_find(dispatch->sessions, ticket->session_id);
    if (ticket->in_vain)
        ; /* answered long ago */
    else if (ticket->pieces.failed)
        refuse(dispatch, ticket, RPC_INTERNAL, "no memory for the answer");
    else if (session && in_pieces)
        session_answer(session, ticket->pieces.data, ticket->pieces.bytes);
    else if (session)
        session_answer_in_place(session, msg->frame, msg->frame_bytes);
    dispatch->answered += !ticket->in_vain && !ticket->pieces.failed;
    free_ticket(dispatch, ticket);
}

/* What the worker was at when it died, as it says itself; NULL if at nothing of what it held. */
static struct ticket *culprit(const struct dispatch *dispatch, const struct crew_worker *worker)
{
    struct ticket *ticket = find_ticket(dispatch, worker->died_at);
    return ticket && ticket->worker == worker ? ticket : NULL;
}

/* If it does not say: the first that it had not answered. */
static struct ticket *suspect(const struct dispatch *dispatch, const struct crew_worker *worker)
{
    struct ticket *first = NULL;
    for (struct ticket *ticket = dispatch->all.first; ticket; ticket = ticket->newer) {
        if (ticket->worker == worker && (!first || ticket->sent < first->sent))
            first = ticket;
    }
    return first;
}

static bool is_given_up(struct ticket *ticket)
{
    if (ticket->deaths < DEATHS_MAX && ticket->losses < LOSSES_MAX)
        return false;
    struct rpc_request request;
    bool known = rpc_parse_request(ticket->frame, ticket->frame_bytes, &request) == RPC_OK;
    fprintf(stderr, "forklored: event=request-given-up method=%.*s bytes=%zu killed=%u lost=%u\n",
            known ? (int)request.method_length : 1, known ? request.method : "?",
            ticket->frame_bytes, ticket->deaths, ticket->losses);
    return true;
}

/* Its requests go back to the front of the queue, in their old order. Whoever was broken may have
 * told lies: from now on each of them has a worker to itself, which will tell. */
void dispatch_worker_died(struct dispatch *dispatch, struct crew_worker *worker)
{
    struct ticket *older, *first = culprit(dispatch, worker);
    if (first && !worker->outside)
        first->deaths++;
    if (!first)
        first = suspect(dispatch, worker);
    if (first)
        first->losses++;
    for (struct ticket *ticket = dispatch->all.last; ticket; ticket = older) {
        older = ticket->older;
        if (ticket->worker != worker)
            continue;
        if (ticket->in_vain) {
            free_ticket(dispatch, ticket);
        } else if (is_given_up(ticket)) {
            refuse(dispatch, ticket, RPC_WORKER_DIED, "the request killed its workers");
            free_ticket(dispatch, ticket);
        } else {
            take_off(ticket);
            ticket->is_long = true;
            ticket->load = WORKER_LOAD_MAX; /* nothing beside it */
            wire_out_clear(&ticket->pieces);
            wait_first(dispatch, ticket);
        }
    }
}

bool dispatch_busy(const struct dispatch *dispatch)
{
    return dispatch->in_flight > 0;
}
