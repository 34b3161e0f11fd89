/* SPDX-License-Identifier: MIT
 *
 * Requests on their way to workers and back: a ticket each, kept until the answer is there, so that
 * a worker's death costs nothing but time.
 */
#ifndef FORKLORE_COORDINATOR_DISPATCH_H
#define FORKLORE_COORDINATOR_DISPATCH_H

#include "coordinator/crew.h"
#include "coordinator/fair_queue.h"
#include "coordinator/session.h"

struct ticket;

struct ticket_queue {
    struct ticket *first, *last;
};

struct dispatch {
    struct session_host *sessions;
    struct loop *loop;
    struct crew *crew;   /* that new requests go to; NULL: they wait */
    uint64_t timeout_ns; /* per request */
    unsigned queue_max;  /* tickets in all; beyond: overloaded */

    struct fair_queue waiting;      /* short requests, for a worker; connections take turns */
    struct fair_queue waiting_long; /* the others, likewise */
    struct ticket_queue all;        /* by age, hence by deadline */
    struct ticket *tickets;         /* ticket id % ticket_count */
    unsigned ticket_count;          /* a power of two */
    unsigned tickets_used;          /* those beyond have never been touched */
    struct ticket *free_tickets;    /* the warmest first */
    uint64_t next_sent;
    uint64_t now_ns; /* of this turn; 0: nobody has asked yet */
    struct loop_op timer_op;
    unsigned waiting_count, in_flight;
    uint64_t answered, failed;
};

int dispatch_init(struct dispatch *dispatch, struct loop *loop, struct session_host *sessions,
                  uint64_t timeout_ns, unsigned queue_max, struct fault *why);
void dispatch_fini(struct dispatch *dispatch);

/* A request of a session, to be answered by a worker. */
void dispatch_request(struct dispatch *dispatch, struct session *session,
                      const struct rpc_request *request, const void *frame, size_t bytes);

/* The session's requests of that number are answered RPC_CANCELLED, and what has begun of them is
 * given up. */
void dispatch_cancel(struct dispatch *dispatch, const struct session *session, uint64_t msgid);
/* Likewise all requests of a session that goes, without an answer. */
void dispatch_forget(struct dispatch *dispatch, const struct session *session);

/* Crew events. */
void dispatch_answer(struct dispatch *dispatch, struct crew_worker *worker, const struct msg *msg);
void dispatch_worker_died(struct dispatch *dispatch, struct crew_worker *worker);

/* At the end of a turn: hands waiting requests to workers that can take them. */
void dispatch_pump(struct dispatch *dispatch);

/* True while somebody waits for an answer. */
bool dispatch_busy(const struct dispatch *dispatch);

#endif
