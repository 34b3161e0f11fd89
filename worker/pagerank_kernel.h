/* SPDX-License-Identifier: MIT
 *
 * PageRank in one precision: included by pagerank.c once for float and once for double, with REAL
 * (the type of a score), NAME(x) (x with a suffix) and MULTIPLY (the member of struct multiply)
 * defined.
 */

struct NAME(state) {
    const struct spmv_view *spmv;
    const struct job_order *order;
    const struct exchange *exchange;
    void (*multiply)(const uint16_t *tile, const REAL *contributions, REAL *sums);
    const struct pagerank_seed *seeds; /* ascending positions */
    const REAL **segments; /* [segments] the newest contributions: where they arrived, or copied */
    REAL *copies;          /* [sources] of segments that did not arrive in one piece */
    REAL *sums;            /* of this worker's rows of a phase */
};

static void NAME(finish)(struct NAME(state) * state)
{
    free(state->segments);
    free(state->copies);
    free(state->sums);
}

static int NAME(prepare)(struct NAME(state) * state, const struct index_view *index,
                         const struct job_order *order, const struct exchange *exchange,
                         const struct pagerank_seed *seeds)
{
    const struct spmv_info *info = index->spmv.info;
    uint32_t rows = 0;
    for (uint32_t phase = 0; phase < order->plan.phases; phase++) {
        const uint32_t *bounds = &order->plan.bounds[phase][exchange->slot];
        rows = bounds[1] - bounds[0] > rows ? bounds[1] - bounds[0] : rows;
    }
    *state = (struct NAME(state)){
        .spmv = &index->spmv,
        .order = order,
        .exchange = exchange,
        .multiply = multiply_choose()->MULTIPLY,
        .seeds = seeds,
        .segments = calloc((size_t)info->segment_count + 1, sizeof *state->segments),
        .copies = malloc(((size_t)info->source_count + 1) * sizeof(REAL)),
        .sums = aligned_alloc(64, ((size_t)rows * sizeof(REAL) + 64) / 64 * 64),
    };
    return state->segments && state->copies && state->sums ? 0 : -ENOMEM;
}

/* Layout phases and segments that make up the job's phase. */
static uint32_t NAME(layout_phase)(const struct NAME(state) * state, uint32_t phase)
{
    return state->order->plan.phases == 1 && phase == 1 ? state->spmv->info->phase_count : phase;
}

static uint32_t NAME(first_segment)(const struct NAME(state) * state, uint32_t phase)
{
    return spmv_phase_segment(state->spmv->info, NAME(layout_phase)(state, phase));
}

/* The part of a phase's slices that covers a segment: in place if one slice does. */
static const REAL *NAME(assemble)(struct NAME(state) * state, uint32_t phase, uint32_t segment)
{
    const struct exchange *exchange = state->exchange;
    const struct exchange_plan *plan = exchange->plan;
    const uint32_t *bounds = plan->bounds[phase];
    const uint32_t first = spmv_segment_start(state->spmv->info, segment);
    const uint32_t end = spmv_segment_start(state->spmv->info, segment + 1);
    unsigned w = 0;
    while (bounds[w + 1] <= first)
        w++;
    const REAL *slice = exchange_slice(exchange, w, phase);
    /* Shared slices lie side by side. */
    if (end <= bounds[w + 1] || plan->mode == EXCHANGE_SHARED)
        return slice + (first - bounds[w]);
    for (uint32_t row = first; row < end; w++) {
        const uint32_t stop = bounds[w + 1] < end ? bounds[w + 1] : end;
        if (stop <= row)
            continue;
        slice = exchange_slice(exchange, w, phase);
        memcpy(state->copies + row, slice + (row - bounds[w]), (stop - row) * sizeof(REAL));
        row = stop;
    }
    return state->copies + first;
}

/* A phase's slices have been collected. */
static void NAME(refresh)(struct NAME(state) * state, uint32_t phase)
{
    const uint32_t end = NAME(first_segment)(state, phase + 1);
    for (uint32_t segment = NAME(first_segment)(state, phase); segment < end; segment++)
        state->segments[segment] = NAME(assemble)(state, phase, segment);
}

/* --- A round --------------------------------------------------------------------------------- */

/* This worker's rows of a phase. */
struct NAME(rows) {
    uint32_t phase, first, end;
    uint32_t first_block, end_block;
};

static struct NAME(rows) NAME(rows_of)(const struct NAME(state) * state, uint32_t phase)
{
    const uint32_t *bounds = &state->order->plan.bounds[phase][state->exchange->slot];
    return (struct NAME(rows)){
        .phase = phase,
        .first = bounds[0],
        .end = bounds[1],
        .first_block = spmv_block_at(state->spmv, bounds[0]),
        .end_block = spmv_block_at(state->spmv, bounds[1]),
    };
}

/* Adds what comes from the segments [segment, end). */
static void NAME(add_segments)(const struct NAME(state) * state, const struct NAME(rows) * rows,
                               uint32_t segment, uint32_t end)
{
    const struct spmv_view *spmv = state->spmv;
    const uint32_t last_phase = NAME(layout_phase)(state, rows->phase + 1);
    for (; segment < end; segment++)
        for (uint32_t p = NAME(layout_phase)(state, rows->phase); p < last_phase; p++) {
            const uint32_t low = spmv_phase_block(spmv, p), high = spmv_phase_block(spmv, p + 1);
            const uint32_t stop = high < rows->end_block ? high : rows->end_block;
            uint32_t block = low > rows->first_block ? low : rows->first_block;
            for (; block < stop; block++) {
                const uint64_t tile = spmv_tile(spmv->info, low, high, segment, block);
                if (spmv->tiles[tile] < spmv->tiles[tile + 1])
                    state->multiply(spmv->words + spmv->tiles[tile], state->segments[segment],
                                    state->sums + (spmv->blocks[block].row - rows->first));
            }
        }
}

/* Gives the seeds among rows [first, end) `mass` times their weights. */
static void NAME(add_seeds)(const struct NAME(state) * state, double mass, uint32_t first,
                            uint32_t end, REAL *scores)
{
    for (uint32_t s = 0; s < state->order->seed_count; s++) {
        const struct pagerank_seed *seed = &state->seeds[s];
        if (seed->position >= first && seed->position < end)
            scores[seed->position] += (REAL)(mass * seed->weight);
    }
}

/* The sums over a block's rows, always in the same order. `old` may be `scores`: no change. */
static void NAME(add_shares)(const struct NAME(state) * state, uint32_t first, uint32_t end,
                             const REAL *scores, const REAL *old, struct exchange_shares *shares)
{
    const uint32_t sources = state->spmv->info->source_count;
    double change[4] = {0}, mass[4] = {0}, dangling = 0;
    uint32_t row = first;
    for (; row + 4 <= end; row += 4)
        for (uint32_t lane = 0; lane < 4; lane++) {
            change[lane] += fabs((double)scores[row + lane] - (double)old[row + lane]);
            mass[lane] += (double)scores[row + lane];
        }
    for (; row < end; row++) {
        change[0] += fabs((double)scores[row] - (double)old[row]);
        mass[0] += (double)scores[row];
    }
    for (row = first > sources ? first : sources; row < end; row++)
        dangling += (double)scores[row];
    shares->change += fixed_from_double(change[0] + change[1] + (change[2] + change[3]));
    shares->mass += fixed_from_double(mass[0] + mass[1] + (mass[2] + mass[3]));
    shares->dangling += fixed_from_double(dangling);
}

/* slice[] for the rows [first, end) that are sources. */
static void NAME(contribute)(const struct NAME(state) * state, uint32_t first, uint32_t end,
                             const REAL *scores, REAL *slice)
{
    const uint32_t *degrees = state->spmv->degrees;
    if (end > state->spmv->info->source_count)
        end = state->spmv->info->source_count;
    for (uint32_t row = first; row < end; row++)
        slice[row - first] = scores[row] / (REAL)(int32_t)degrees[row];
}

/* From scores to shares and contributions of all rows, block by block. */
static struct exchange_shares NAME(settle)(const struct NAME(state) * state,
                                           const struct NAME(rows) * rows, const REAL *scores,
                                           const REAL *old, REAL *slice)
{
    struct exchange_shares shares = {0, 0, 0};
    const struct spmv_block *blocks = state->spmv->blocks;
    for (uint32_t block = rows->first_block; block < rows->end_block; block++) {
        const uint32_t first = blocks[block].row, end = blocks[block + 1].row;
        NAME(add_shares)(state, first, end, scores, old, &shares);
        NAME(contribute)(state, first, end, scores, slice + (first - rows->first));
    }
    return shares;
}

/* Iteration 0: the teleport distribution, or with acceleration what one iteration would make of
 * links in if all of them were worth the same. */
static void NAME(start)(struct NAME(state) * state, struct exchange *exchange, uint32_t phase)
{
    const struct job_order *order = state->order;
    const struct NAME(rows) rows = NAME(rows_of)(state, phase);
    REAL *slice = exchange_open(exchange), *scores = exchange_scores(exchange, 0);
    const double uniform = order->seed_count ? 0 : 1.0 / state->spmv->info->vertex_count;
    for (uint32_t row = rows.first; row < rows.end; row++)
        scores[row] = order->accelerate && !order->seed_count
                          ? (REAL)((1 - order->damping) * uniform +
                                   order->damping * (double)state->spmv->start[row])
                          : (REAL)uniform;
    NAME(add_seeds)(state, 1.0, rows.first, rows.end, scores);
    exchange_publish(exchange, NAME(settle)(state, &rows, scores, scores, slice));
}

/* New scores of the rows from state->sums. */
static void NAME(update)(struct NAME(state) * state, struct exchange *exchange,
                         const struct NAME(rows) * rows)
{
    const struct job_order *order = state->order;
    const struct exchange_shares total = exchange_total(exchange);
    const int64_t iteration = (exchange->round + 1) / order->plan.phases;
    REAL *slice = exchange_open(exchange), *scores = exchange_scores(exchange, iteration);
    /* Of the mass that there is, which is 1 but for rounding and for phases that are ahead. */
    const double teleport = (1 - order->damping) * fixed_to_double(total.mass) +
                            order->damping * fixed_to_double(total.dangling);
    const double relax = order->plan.phases >= PHASES_TO_RELAX ? relaxation(order->damping) : 1;
    const double uniform = order->seed_count ? 0 : teleport / state->spmv->info->vertex_count;
    const REAL base = (REAL)(relax * uniform), damping = (REAL)(relax * order->damping);
    const REAL keep = (REAL)(1 - relax);
    const REAL *old = exchange_scores(exchange, iteration - 1);
    for (uint32_t row = rows->first; row < rows->end; row++)
        scores[row] = base + damping * state->sums[row - rows->first] + keep * old[row];
    NAME(add_seeds)(state, relax * teleport, rows->first, rows->end, scores);
    exchange_publish(exchange, NAME(settle)(state, rows, scores, old, slice));
}

/* --- All rounds ------------------------------------------------------------------------------ */

/* Waits for round exchange->round and takes it in. */
static int NAME(collect)(struct NAME(state) * state, struct exchange *exchange,
                         const struct pagerank_host *host, struct pagerank_result *result)
{
    const uint64_t waiting_ns = loop_now_ns();
    const int err = host->wait(host->owner, exchange);
    if (err < 0)
        return err;
    result->wait_ns += loop_now_ns() - waiting_ns;
    NAME(refresh)(state, (uint32_t)(exchange->round % state->order->plan.phases));
    return 0;
}

/* An iteration is complete: whether it was the last one. */
static bool NAME(complete)(const struct NAME(state) * state, const struct exchange *exchange,
                           const struct pagerank_host *host, struct pagerank_result *result)
{
    const struct job_order *order = state->order;
    const struct exchange_shares total = exchange_total(exchange);
    result->iterations = (uint32_t)(exchange->round / order->plan.phases);
    if (result->iterations > 0) {
        result->change = fixed_to_double(total.change) / fixed_to_double(total.mass);
        result->converged = result->change < order->tolerance;
        if (exchange->slot == 0)
            host->progress(host->owner, result->iterations, result->change);
    }
    return result->converged || result->iterations >= order->iterations;
}

/* The next round. Segments are always added in the same order, from the phase itself on around:
 * those of the phase before come last, since they are still on their way. */
static int NAME(round)(struct NAME(state) * state, struct exchange *exchange,
                       const struct pagerank_host *host, struct pagerank_result *result)
{
    const uint32_t phases = state->order->plan.phases;
    const uint32_t phase = (uint32_t)((exchange->round + 1) % phases);
    const struct NAME(rows) rows = NAME(rows_of)(state, phase);
    const uint32_t first = NAME(first_segment)(state, phase);
    const uint32_t end = NAME(first_segment)(state, phases);
    memset(state->sums, 0, (rows.end - rows.first) * sizeof(REAL));
    if (phase == 0) {
        NAME(add_segments)(state, &rows, 0, end);
    } else {
        const uint32_t awaited = NAME(first_segment)(state, phase - 1);
        NAME(add_segments)(state, &rows, first, end);
        NAME(add_segments)(state, &rows, 0, awaited);
        const int err = NAME(collect)(state, exchange, host, result);
        if (err)
            return err;
        NAME(add_segments)(state, &rows, awaited, first);
    }
    NAME(update)(state, exchange, &rows);
    return 0;
}

/* From whatever round the slot's exchange is at (a predecessor's, or none) to the end. */
static int NAME(iterate)(struct NAME(state) * state, struct exchange *exchange,
                         const struct pagerank_host *host, struct pagerank_result *result)
{
    const uint32_t phases = state->order->plan.phases;
    for (int64_t round = exchange->round < phases ? 0 : exchange->round - phases + 1;
         round < exchange->round; round++)
        NAME(refresh)(state, (uint32_t)(round % phases));
    for (;;) {
        int err = 0;
        const int64_t next = exchange->round + 1;
        if (next > 0 && (next < phases || next % phases == 0))
            err = NAME(collect)(state, exchange, host, result);
        if (err)
            return err;
        if (next < phases) {
            NAME(start)(state, exchange, (uint32_t)next);
            continue;
        }
        if (next % phases == 0 && NAME(complete)(state, exchange, host, result))
            return 0;
        err = NAME(round)(state, exchange, host, result);
        if (err)
            return err;
    }
}

/* Worker 0, at the end: all scores as doubles, divided by their sum. One sequential pass, so that
 * the bits do not depend on the slices. */
static void NAME(leave)(const struct NAME(state) * state, const struct exchange *exchange,
                        double *scores)
{
    const uint32_t n = state->spmv->info->vertex_count;
    const REAL *last = exchange_scores(exchange, exchange->round / state->order->plan.phases);
    double sum = 0;
    for (uint32_t v = 0; v < n; v++) {
        scores[v] = (double)last[state->spmv->positions[v]];
        sum += scores[v];
    }
    for (uint32_t v = 0; v < n; v++)
        scores[v] /= sum;
}

static int NAME(run)(const struct index_view *index, const struct job_order *order,
                     struct exchange *exchange, const struct pagerank_host *host,
                     const struct pagerank_seed *seeds, struct pagerank_result *result)
{
    struct NAME(state) state;
    int err = NAME(prepare)(&state, index, order, exchange, seeds);
    const uint64_t started_ns = loop_now_ns();
    if (!err)
        err = NAME(iterate)(&state, exchange, host, result);
    result->run_ns = loop_now_ns() - started_ns;
    if (!err && exchange->slot == 0)
        NAME(leave)(&state, exchange, order->ranks.scores);
    NAME(finish)(&state);
    return err;
}
