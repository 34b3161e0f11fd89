/* SPDX-License-Identifier: MIT
 *
 * PageRank in one precision: included by pagerank.c once for float and once for double, with REAL
 * (the type of a score) and NAME(x) (x with a suffix) defined.
 */

struct NAME(state) {
    const struct graph_view *graph;
    const struct job_order *order;
    uint32_t first, end;   /* this worker's slice */
    REAL *inverse_degrees; /* [n] 1 / out-degree; 0 for dangling vertices */
    REAL *contributions;   /* [n] x[v] / out-degree, of the round being read */
};

static int NAME(prepare)(struct NAME(state) * state, const struct index_view *index,
                         const struct job_order *order, unsigned slot)
{
    uint32_t n = index->graph.vertex_count;
    *state = (struct NAME(state)){
        .graph = &index->graph,
        .order = order,
        .first = order->plan.bounds[slot],
        .end = order->plan.bounds[slot + 1],
        .inverse_degrees = malloc(((size_t)n + 1) * sizeof(REAL)),
        .contributions = malloc(((size_t)n + 1) * sizeof(REAL)),
    };
    if (!state->inverse_degrees || !state->contributions)
        return -ENOMEM;
    for (uint32_t v = 0; v < n; v++) {
        uint64_t degree = graph_out_degree(&index->graph, v);
        state->inverse_degrees[v] = degree ? (REAL)1 / (REAL)degree : 0;
    }
    return 0;
}

static void NAME(finish)(struct NAME(state) * state)
{
    free(state->inverse_degrees);
    free(state->contributions);
}

/* Gives every seed of the slice `mass` times its weight. */
static void NAME(add_seeds)(const struct NAME(state) * state, double mass, REAL *slice)
{
    for (uint32_t s = 0; s < state->order->seed_count; s++) {
        const struct job_seed *seed = &state->order->seeds[s];
        if (seed->vertex >= state->first && seed->vertex < state->end)
            slice[seed->vertex - state->first] += (REAL)(mass * seed->weight);
    }
}

/* Round 0: the teleport distribution itself. */
static void NAME(start)(const struct NAME(state) * state, REAL *slice)
{
    double uniform = state->order->seed_count ? 0 : 1.0 / state->graph->vertex_count;
    for (uint32_t v = state->first; v < state->end; v++)
        slice[v - state->first] = (REAL)uniform;
    NAME(add_seeds)(state, 1.0, slice);
}

/* Reads all slices of the current round where they lie. */
static void NAME(gather)(struct NAME(state) * state, const struct exchange *exchange)
{
    const struct exchange_plan *plan = exchange->plan;
    for (unsigned w = 0; w < plan->workers; w++) {
        const REAL *slice = exchange_slice(exchange, w);
        for (uint32_t v = plan->bounds[w]; v < plan->bounds[w + 1]; v++)
            state->contributions[v] = slice[v - plan->bounds[w]] * state->inverse_degrees[v];
    }
}

/* The next round's slice; `dangling` is the mass on vertices without links out. */
static void NAME(pull)(const struct NAME(state) * state, double dangling, REAL *slice)
{
    const struct graph_view *graph = state->graph;
    double damping = state->order->damping;
    double teleport = 1 - damping + damping * dangling;
    double base = state->order->seed_count ? 0 : teleport / graph->vertex_count;
    for (uint32_t v = state->first; v < state->end; v++) {
        double sum = 0;
        for (uint64_t e = graph->in_offsets[v]; e < graph->in_offsets[v + 1]; e++)
            sum += (double)state->contributions[graph->in_sources[e]];
        slice[v - state->first] = (REAL)(base + damping * sum);
    }
    NAME(add_seeds)(state, teleport, slice);
}

/* The slice's L1 change against `previous` (NULL: none) and its dangling mass. */
static struct exchange_shares NAME(shares)(const struct NAME(state) * state, const REAL *slice,
                                           const REAL *previous)
{
    struct exchange_shares shares = {0, 0};
    uint32_t count = state->end - state->first;
    const REAL *inverse = state->inverse_degrees + state->first;
    for (uint32_t block = 0; block < count; block += PARTITION_BLOCK) {
        uint32_t end = count - block < PARTITION_BLOCK ? count : block + PARTITION_BLOCK;
        double change = 0, dangling = 0;
        for (uint32_t i = block; i < end; i++) {
            change += previous ? fabs((double)slice[i] - (double)previous[i]) : 0;
            dangling += inverse[i] == 0 ? (double)slice[i] : 0;
        }
        shares.change += fixed_from_double(change);
        shares.dangling += fixed_from_double(dangling);
    }
    return shares;
}

/* Worker 0, at the end: all scores as doubles, divided by their sum (rounding moves it a little
 * away from 1). One sequential pass, so that the bits do not depend on the slices. */
static void NAME(collect)(const struct exchange *exchange, double *scores)
{
    const struct exchange_plan *plan = exchange->plan;
    double sum = 0;
    for (unsigned w = 0; w < plan->workers; w++) {
        const REAL *slice = exchange_slice(exchange, w);
        for (uint32_t v = plan->bounds[w]; v < plan->bounds[w + 1]; v++) {
            scores[v] = (double)slice[v - plan->bounds[w]];
            sum += scores[v];
        }
    }
    for (uint32_t v = 0; v < plan->bounds[plan->workers]; v++)
        scores[v] /= sum;
}

/* From whatever round the slot's exchange is at (a predecessor's, or none) to the end. */
static int NAME(iterate)(struct NAME(state) * state, struct exchange *exchange,
                         const struct pagerank_host *host, struct pagerank_result *result)
{
    const struct job_order *order = state->order;
    if (exchange->round < 0) {
        REAL *slice = exchange_open(exchange);
        NAME(start)(state, slice);
        exchange_publish(exchange, NAME(shares)(state, slice, NULL));
    }
    for (;;) {
        uint64_t waiting_ns = loop_now_ns();
        int err = host->wait(host->owner, exchange);
        if (err < 0)
            return err;
        result->wait_ns += loop_now_ns() - waiting_ns;

        struct exchange_shares total = exchange_total(exchange);
        result->iterations = (uint32_t)exchange->round;
        if (exchange->round > 0) {
            result->change = fixed_to_double(total.change);
            result->converged = result->change < order->tolerance;
            if (exchange->slot == 0)
                host->progress(host->owner, result->iterations, result->change);
        }
        if (result->converged || result->iterations >= order->iterations)
            return 0;

        NAME(gather)(state, exchange);
        REAL *slice = exchange_open(exchange);
        NAME(pull)(state, fixed_to_double(total.dangling), slice);
        exchange_publish(exchange,
                         NAME(shares)(state, slice, exchange_slice(exchange, exchange->slot)));
    }
}

static int NAME(run)(const struct index_view *index, const struct job_order *order,
                     struct exchange *exchange, const struct pagerank_host *host,
                     struct pagerank_result *result)
{
    struct NAME(state) state;
    int err = NAME(prepare)(&state, index, order, exchange->slot);
    if (!err)
        err = NAME(iterate)(&state, exchange, host, result);
    if (!err && exchange->slot == 0)
        NAME(collect)(exchange, order->ranks.scores);
    NAME(finish)(&state);
    return err;
}
