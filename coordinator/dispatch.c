/* SPDX-License-Identifier: MIT */
#include "coordinator/dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Requests that one worker holds at most: enough for its ring to be read in batches. Beyond, they
 * wait here, where any worker that becomes free can have them. */
#define WORKER_IN_FLIGHT_MAX 16

/* A request that this many workers died of is not tried again. Only the one that a worker was at
 * work on counts, not those behind it. */
#define DEATHS_MAX 3

struct ticket {
    uint64_t id;
    uint64_t session_id;
    uint64_t msgid;
    uint64_t deadline_ns;
    struct crew_worker *worker; /* that has it; NULL: in the waiting queue */
    uint64_t sent;              /* a worker answers its requests in this order */
    unsigned deaths;
    bool expired;                                   /* already answered: RPC_DEADLINE */
    struct wire_out pieces;                         /* of an answer that comes in several */
    struct ticket *older, *newer;                   /* in `all` */
    struct ticket *waiting_previous, *waiting_next; /* in `waiting` */
    size_t frame_bytes;
    char frame[];
};

int dispatch_init(struct dispatch *dispatch, struct loop *loop, struct session_host *sessions,
                  uint64_t timeout_ns, unsigned queue_max, struct fault *why)
{
    unsigned table_size = 1;
    while (table_size < queue_max)
        table_size *= 2;
    *dispatch = (struct dispatch){.sessions = sessions,
                                  .loop = loop,
                                  .timeout_ns = timeout_ns,
                                  .queue_max = queue_max,
                                  .table_size = table_size,
                                  .table = calloc(table_size, sizeof(struct ticket *))};
    if (!dispatch->table)
        return fault_set(why, ENOMEM, "no memory for %u requests", queue_max);
    return 0;
}

/* --- Tickets --------------------------------------------------------------------------------- */

static struct ticket *find_ticket(const struct dispatch *dispatch, uint64_t id)
{
    struct ticket *ticket = dispatch->table[id & (dispatch->table_size - 1)];
    return ticket && ticket->id == id ? ticket : NULL;
}

static void wait_first(struct dispatch *dispatch, struct ticket *ticket)
{
    ticket->waiting_previous = NULL;
    ticket->waiting_next = dispatch->waiting.first;
    if (ticket->waiting_next)
        ticket->waiting_next->waiting_previous = ticket;
    else
        dispatch->waiting.last = ticket;
    dispatch->waiting.first = ticket;
    dispatch->waiting_count++;
}

static void wait_last(struct dispatch *dispatch, struct ticket *ticket)
{
    ticket->waiting_next = NULL;
    ticket->waiting_previous = dispatch->waiting.last;
    if (ticket->waiting_previous)
        ticket->waiting_previous->waiting_next = ticket;
    else
        dispatch->waiting.first = ticket;
    dispatch->waiting.last = ticket;
    dispatch->waiting_count++;
}

static void stop_waiting(struct dispatch *dispatch, struct ticket *ticket)
{
    *(ticket->waiting_previous ? &ticket->waiting_previous->waiting_next
                               : &dispatch->waiting.first) = ticket->waiting_next;
    *(ticket->waiting_next ? &ticket->waiting_next->waiting_previous : &dispatch->waiting.last) =
        ticket->waiting_previous;
    dispatch->waiting_count--;
}

static struct ticket *new_ticket(struct dispatch *dispatch, const void *frame, size_t bytes)
{
    struct ticket *ticket = malloc(sizeof *ticket + bytes);
    if (!ticket)
        return NULL;
    memset(ticket, 0, sizeof *ticket);
    wire_out_init(&ticket->pieces);
    memcpy(ticket->frame, frame, bytes);
    ticket->frame_bytes = bytes;
    do
        ticket->id = dispatch->next_id++;
    while (dispatch->table[ticket->id & (dispatch->table_size - 1)]);
    dispatch->table[ticket->id & (dispatch->table_size - 1)] = ticket;
    ticket->older = dispatch->all.last;
    *(ticket->older ? &ticket->older->newer : &dispatch->all.first) = ticket;
    dispatch->all.last = ticket;
    dispatch->in_flight++;
    return ticket;
}

static void free_ticket(struct dispatch *dispatch, struct ticket *ticket)
{
    if (ticket->worker)
        ticket->worker->in_flight--;
    else
        stop_waiting(dispatch, ticket);
    *(ticket->older ? &ticket->older->newer : &dispatch->all.first) = ticket->newer;
    *(ticket->newer ? &ticket->newer->older : &dispatch->all.last) = ticket->older;
    dispatch->table[ticket->id & (dispatch->table_size - 1)] = NULL;
    dispatch->in_flight--;
    wire_out_fini(&ticket->pieces);
    free(ticket);
}

void dispatch_fini(struct dispatch *dispatch)
{
    struct ticket *newer;
    for (struct ticket *ticket = dispatch->all.first; ticket; ticket = newer) {
        newer = ticket->newer;
        /* Not free_ticket(): the worker that has it may be gone, with the count of its tickets. */
        wire_out_fini(&ticket->pieces);
        free(ticket);
    }
    loop_cancel(dispatch->loop, &dispatch->timer_op);
    while (loop_busy(&dispatch->timer_op) && loop_run(dispatch->loop, true) >= 0)
        ;
    free(dispatch->table);
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

static void arm_timer(struct dispatch *dispatch);

/* Answers what is due. A worker that has such a ticket goes on with it (and, if the query looks at
 * the clock, gives up soon); its late answer is dropped. */
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
        if (ticket->expired)
            continue;
        refuse(dispatch, ticket, RPC_DEADLINE, "not done in time (--request-timeout)");
        if (ticket->worker)
            ticket->expired = true;
        else
            free_ticket(dispatch, ticket);
    }
    arm_timer(dispatch);
}

/* For the oldest ticket: all have the same timeout, so no other can be due earlier. */
static void arm_timer(struct dispatch *dispatch)
{
    if (loop_busy(&dispatch->timer_op))
        return;
    struct ticket *ticket = dispatch->all.first;
    while (ticket && ticket->expired)
        ticket = ticket->newer;
    if (!ticket)
        return;
    dispatch->timer_op = (struct loop_op){.fn = on_timer, .owner = dispatch};
    loop_timer(dispatch->loop, &dispatch->timer_op, ticket->deadline_ns);
}

/* --- To workers ------------------------------------------------------------------------------ */

/* The ready worker with the fewest requests, if it can take one. */
static struct crew_worker *pick_worker(const struct dispatch *dispatch)
{
    struct crew_worker *best = NULL;
    for (unsigned w = 0; dispatch->crew && w < dispatch->crew->worker_count; w++) {
        struct crew_worker *worker = &dispatch->crew->workers[w];
        if (worker->state == WORKER_READY && (!best || worker->in_flight < best->in_flight))
            best = worker;
    }
    return best && best->in_flight < WORKER_IN_FLIGHT_MAX ? best : NULL;
}

void dispatch_pump(struct dispatch *dispatch)
{
    struct crew_worker *worker;
    while (dispatch->waiting.first && (worker = pick_worker(dispatch))) {
        struct ticket *ticket = dispatch->waiting.first;
        struct msg msg = {.kind = MSG_REQUEST,
                          .ticket = ticket->id,
                          .deadline_ns = ticket->deadline_ns,
                          .frame = ticket->frame,
                          .frame_bytes = ticket->frame_bytes};
        if (!crew_send(worker, &msg))
            return; /* its ring is full of long requests; the next answer pumps again */
        stop_waiting(dispatch, ticket);
        ticket->worker = worker;
        ticket->sent = dispatch->next_sent++;
        worker->in_flight++;
        worker->requests++;
    }
}

void dispatch_request(struct dispatch *dispatch, struct session *session,
                      const struct rpc_request *request, const void *frame, size_t bytes)
{
    if (dispatch->in_flight >= dispatch->queue_max) {
        session_error(session, request->msgid, RPC_OVERLOADED, "the daemon's queue is full");
        dispatch->failed++;
        return;
    }
    struct ticket *ticket = new_ticket(dispatch, frame, bytes);
    if (!ticket) {
        session_error(session, request->msgid, RPC_OVERLOADED, "no memory for the request");
        dispatch->failed++;
        return;
    }
    ticket->session_id = session->id;
    ticket->msgid = request->msgid;
    ticket->deadline_ns = loop_now_ns() + dispatch->timeout_ns;
    wait_last(dispatch, ticket);
    arm_timer(dispatch);
}

/* --- From workers ---------------------------------------------------------------------------- */

void dispatch_answer(struct dispatch *dispatch, struct crew_worker *worker, const struct msg *msg)
{
    struct ticket *ticket = find_ticket(dispatch, msg->ticket);
    if (!ticket || ticket->worker != worker)
        return;
    const void *frame = msg->frame;
    size_t bytes = msg->frame_bytes;
    if (msg->more || ticket->pieces.bytes > 0) {
        wire_raw(&ticket->pieces, frame, bytes);
        if (msg->more)
            return;
        frame = ticket->pieces.data;
        bytes = ticket->pieces.bytes;
    }
    struct session *session = session_find(dispatch->sessions, ticket->session_id);
    if (ticket->expired)
        ; /* answered long ago */
    else if (ticket->pieces.failed)
        refuse(dispatch, ticket, RPC_INTERNAL, "no memory for the answer");
    else if (session)
        session_answer(session, frame, bytes);
    dispatch->answered += !ticket->expired && !ticket->pieces.failed;
    free_ticket(dispatch, ticket);
}

/* What the worker was at when it died. */
static struct ticket *suspect(const struct dispatch *dispatch, const struct crew_worker *worker)
{
    struct ticket *first = NULL;
    for (struct ticket *ticket = dispatch->all.first; ticket; ticket = ticket->newer) {
        if (ticket->worker == worker && (!first || ticket->sent < first->sent))
            first = ticket;
    }
    return first;
}

/* Its requests go back to the front of the queue, in their old order. */
void dispatch_worker_died(struct dispatch *dispatch, struct crew_worker *worker)
{
    struct ticket *older, *first = suspect(dispatch, worker);
    if (first)
        first->deaths++;
    for (struct ticket *ticket = dispatch->all.last; ticket; ticket = older) {
        older = ticket->older;
        if (ticket->worker != worker)
            continue;
        if (ticket->expired) {
            free_ticket(dispatch, ticket);
        } else if (ticket->deaths >= DEATHS_MAX) {
            refuse(dispatch, ticket, RPC_WORKER_DIED, "the request killed its workers");
            free_ticket(dispatch, ticket);
        } else {
            wire_out_clear(&ticket->pieces);
            ticket->worker = NULL;
            worker->in_flight--;
            wait_first(dispatch, ticket);
        }
    }
}

bool dispatch_busy(const struct dispatch *dispatch)
{
    return dispatch->in_flight > 0;
}
