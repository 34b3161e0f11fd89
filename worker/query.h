/* SPDX-License-Identifier: MIT
 *
 * Query execution: the methods that workers answer (docs/protocol.md), from the index view alone.
 */
#ifndef FORKLORE_WORKER_QUERY_H
#define FORKLORE_WORKER_QUERY_H

#include "ipc/rpc.h"
#include "shm/index.h"

struct query_engine; /* private state: caches, scratch memory, random generator */

int query_engine_create(struct query_engine **engine, const struct index_view *index,
                        uint64_t generation, int index_fd, struct fault *why);
void query_engine_destroy(struct query_engine **engine);

/* Long queries call `pause` every 0.1 ms or so. It may run brief ones on this engine. If it returns
 * true, the query ends as if its time were over. */
void query_engine_set_pause(struct query_engine *engine, bool (*pause)(void *owner), void *owner);

/* Whether a query is one of those that never pause, and touch no state that a paused one uses. */
bool query_is_brief(const struct rpc_request *request);

/* Runs one request and appends a whole response frame, result or error, to `out` (growing or fixed;
 * if `out` fails for lack of room, `out->failed` is set and the caller tries again with a larger
 * one). Long queries look at the clock and give up with RPC_DEADLINE at deadline_ns
 * (CLOCK_MONOTONIC, 0: none). */
void query_run(struct query_engine *engine, const struct rpc_request *request, uint64_t deadline_ns,
               struct wire_out *out);

#endif
