/* SPDX-License-Identifier: MIT */
#include "coordinator/jobs.h"

#include "coordinator/job_run.h"
#include "shm/mapped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUEUED_MAX 100
#define KEPT_MAX   100 /* finished jobs that are remembered */
#define TOP_COUNT  100

void jobs_init(struct jobs *jobs, struct crew_host *host, struct session_host *sessions,
               enum worker_mode mode)
{
    jobs->host = host;
    jobs->sessions = sessions;
    jobs->mode = mode;
}

void job_params_fini(struct job_params *params)
{
    for (uint32_t s = 0; s < params->seed_count; s++)
        free(params->seeds[s]);
    free(params->seeds);
    params->seeds = NULL;
    params->seed_count = 0;
}

/* --- The table ------------------------------------------------------------------------------- */

static bool ended(const struct job *job)
{
    return job->state != JOB_QUEUED && job->state != JOB_RUNNING;
}

void jobs_count(const struct jobs *jobs, unsigned *running, unsigned *queued, unsigned *finished)
{
    *running = *queued = *finished = 0;
    for (const struct job *job = jobs->first; job; job = job->next)
        ++*(job->state == JOB_RUNNING ? running : job->state == JOB_QUEUED ? queued : finished);
}

struct job *jobs_find(struct jobs *jobs, uint64_t id)
{
    struct job *job = jobs->first;
    while (job && job->id != id)
        job = job->next;
    return job;
}

static void free_job(struct job *job)
{
    job_params_fini(&job->params);
    wire_out_fini(&job->top);
    free(job->error);
    free(job);
}

static void forget_oldest(struct jobs *jobs)
{
    unsigned running, queued, finished;
    jobs_count(jobs, &running, &queued, &finished);
    for (struct job **link = &jobs->first; *link && finished > KEPT_MAX;) {
        struct job *job = *link;
        if (!ended(job)) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        free_job(job);
        finished--;
    }
}

/* --- What a running job holds ---------------------------------------------------------------- */

struct job_hold {
    struct jobs *jobs;
    struct generation *generation; /* whose pages are ranked */
    uint64_t number;               /* the generation that the scores have become; 0: not yet */
    struct ranks *ranks;
    struct job_run *run;
    bool publishing; /* the scores are a generation, which does not answer queries yet */
};

static void release(struct job *job)
{
    struct job_hold *hold = job->hold;
    if (!hold)
        return;
    job->hold = NULL;
    job_run_destroy(&hold->run);
    ranks_drop(&hold->ranks);
    generation_drop(&hold->generation);
    free(hold);
}

void jobs_fini(struct jobs *jobs)
{
    while (jobs->first) {
        struct job *job = jobs->first;
        jobs->first = job->next;
        release(job);
        free_job(job);
    }
}

/* --- Telling ---------------------------------------------------------------------------------- */

static double job_seconds(const struct job *job)
{
    if (job->state != JOB_RUNNING)
        return job->seconds;
    return (double)(loop_now_ns() - job->started_ns) / 1e9;
}

static const char *const state_names[] = {"queued", "running", "done", "failed", "cancelled"};

void job_write(const struct job *job, bool with_top, struct wire_out *out)
{
    const struct job_params *params = &job->params;
    wire_map(out, 22);
    wire_key_uint(out, "id", job->id);
    wire_key_cstr(out, "kind", "pagerank");
    wire_key_cstr(out, "state", state_names[job->state]);
    wire_key_uint(out, "iteration", job->iteration);
    wire_key(out, "change");
    if (job->iteration)
        wire_double(out, job->change);
    else
        wire_nil(out);
    wire_key_uint(out, "iterations", params->iterations);
    wire_key_double(out, "damping", params->damping);
    wire_key_double(out, "tolerance", params->tolerance);
    wire_key_cstr(out, "precision", params->element_bytes == 4 ? "single" : "double");
    wire_key_cstr(out, "exchange", params->exchange == EXCHANGE_RING ? "ring" : "shared");
    wire_key_uint(out, "workers", params->workers);
    wire_key_uint(out, "at_work", job->at_work);
    wire_key_uint(out, "seeds", params->seed_count);
    wire_key(out, "published");
    if (job->published)
        wire_uint(out, job->published);
    else
        wire_nil(out);
    wire_key(out, "started_unix_s");
    if (job->started_ns)
        wire_double(out, job->started_unix_s);
    else
        wire_nil(out);
    wire_key_double(out, "seconds", job_seconds(job));
    wire_key_double(out, "run_seconds", job->run_s);
    wire_key_double(out, "wait_seconds", job->wait_s);
    wire_key_uint(out, "exchanged_bytes", job->exchanged_bytes);
    wire_key_uint(out, "wakeups", job->wakeups);
    wire_key(out, "error");
    if (job->error)
        wire_message(out, job->error);
    else
        wire_nil(out);
    wire_key(out, "top");
    if (with_top && job->top.bytes)
        wire_raw(out, job->top.data, job->top.bytes);
    else
        wire_array(out, 0);
}

static void notify(struct jobs *jobs, const struct job *job, uint64_t session_id)
{
    struct session *session = session_find(jobs->sessions, session_id);
    if (!session)
        return;
    struct wire_out out;
    wire_out_init(&out);
    rpc_notification(&out, "progress");
    wire_array(&out, 1);
    job_write(job, ended(job), &out);
    if (!out.failed)
        session_notify(session, out.data, out.bytes);
    wire_out_fini(&out);
}

static void notify_all(struct jobs *jobs, struct job *job)
{
    for (unsigned w = 0; w < job->watcher_count; w++)
        notify(jobs, job, job->watchers[w]);
    if (ended(job))
        job->watcher_count = 0;
}

bool jobs_can_watch(struct jobs *jobs, struct job *job)
{
    unsigned kept = 0;
    for (unsigned w = 0; w < job->watcher_count; w++) {
        if (session_find(jobs->sessions, job->watchers[w]))
            job->watchers[kept++] = job->watchers[w];
    }
    job->watcher_count = kept;
    return kept < JOB_WATCHES_MAX;
}

void jobs_watch(struct jobs *jobs, struct job *job, uint64_t session_id)
{
    if (ended(job)) {
        notify(jobs, job, session_id);
        return;
    }
    for (unsigned w = 0; w < job->watcher_count; w++) {
        if (job->watchers[w] == session_id)
            return;
    }
    job->watchers[job->watcher_count++] = session_id;
}

/* --- Running --------------------------------------------------------------------------------- */

static void end_job(struct jobs *jobs, struct job *job, enum job_state state, const char *error)
{
    job->seconds = job->started_ns ? job_seconds(job) : 0;
    job->state = state;
    if (error)
        job->error = strdup(error);
    notify_all(jobs, job);
}

static int look_up_seeds(const struct job *job, const struct index_view *index,
                         struct job_seed *seeds, uint32_t *count, struct fault *why)
{
    *count = 0;
    for (uint32_t s = 0; s < job->params.seed_count; s++) {
        const char *title = job->params.seeds[s];
        uint32_t entry;
        bool exact, known = false;
        if (index_find_title(index, title, strlen(title), &entry, &exact) < 0)
            return fault_set(why, ENOENT, "seeds: no page has the title \"%.100s\"", title);
        uint32_t vertex = titles_vertex(&index->titles, entry);
        for (uint32_t i = 0; i < *count; i++)
            known |= seeds[i].vertex == vertex;
        if (!known)
            seeds[(*count)++].vertex = vertex;
    }
    for (uint32_t i = 0; i < *count; i++)
        seeds[i].weight = 1.0 / *count;
    return 0;
}

/* The same for mapped_run(). */
struct seed_search {
    const struct job *job;
    const struct index_view *index;
    struct job_seed *seeds;
    uint32_t *count;
    struct fault *why;
    int err;
};

static void search_seeds(void *owner)
{
    struct seed_search *search = owner;
    search->err =
        look_up_seeds(search->job, search->index, search->seeds, search->count, search->why);
}

static int find_seeds(const struct job *job, const struct index_view *index, struct job_seed *seeds,
                      uint32_t *count, struct fault *why)
{
    struct seed_search search = {job, index, seeds, count, why, 0};
    if (!mapped_run(search_seeds, &search))
        return fault_set(why, EIO, "seeds: " MAPPED_GONE);
    return search.err;
}

static void on_progress(void *owner, uint32_t iteration, double change)
{
    struct job *job = owner;
    job->iteration = iteration;
    job->change = change;
    notify_all(job->hold->jobs, job);
}

static int start_run(struct jobs *jobs, struct job *job, struct fault *why)
{
    struct job_hold *hold = job->hold;
    const struct index_view *index = &hold->generation->view;
    struct job_seed seeds[JOB_SEEDS_MAX];
    uint32_t seed_count;
    int err = find_seeds(job, index, seeds, &seed_count, why);
    if (!err)
        err = ranks_create(&hold->ranks, hold->generation->base, jobs->host->owner, job->id, why);
    if (err)
        return err;
    struct job_run_params params = {
        .damping = job->params.damping,
        .tolerance = job->params.tolerance,
        .iterations = job->params.iterations,
        .element_bytes = job->params.element_bytes,
        .exchange = job->params.exchange,
        .workers = job->params.workers,
        .mode = jobs->mode,
        .mapped = hold->generation->base->file_map,
        .seeds = seeds,
        .seed_count = seed_count,
    };
    err = job_run_start(&hold->run, jobs->host, &params, index, hold->generation->number,
                        &hold->ranks->arrays, &hold->ranks->seg, job, on_progress, why);
    if (!err)
        job->at_work = hold->run->order.plan.workers;
    return err;
}

static void start_job(struct jobs *jobs, struct job *job)
{
    struct fault why = {"no memory for a job"};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    job->started_unix_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    job->started_ns = loop_now_ns();
    job->state = JOB_RUNNING;
    job->hold = calloc(1, sizeof *job->hold);
    if (job->hold) {
        *job->hold = (struct job_hold){.jobs = jobs,
                                       .generation = generation_hold(jobs->current(jobs->owner))};
        if (start_run(jobs, job, &why) == 0)
            return;
    }
    release(job);
    end_job(jobs, job, JOB_FAILED, why.text);
}

static void write_top(void *owner)
{
    struct job *job = owner;
    const struct job_hold *hold = job->hold;
    const struct index_view *index = &hold->generation->view;
    const struct rank_arrays *ranks = &hold->ranks->arrays;
    uint32_t count = index->meta->page_count < TOP_COUNT ? index->meta->page_count : TOP_COUNT;
    wire_array(&job->top, count);
    for (uint32_t r = 0; r < count; r++) {
        uint32_t vertex = ranks->order[r];
        struct text_ref title = titles_text(&index->titles, index->pages[vertex].title);
        wire_map(&job->top, 3);
        wire_key_uint(&job->top, "rank", r + 1);
        wire_key(&job->top, "title");
        wire_str(&job->top, title.bytes, title.length);
        wire_key_double(&job->top, "score", ranks->scores[vertex]);
    }
}

static int publish(struct jobs *jobs, struct job *job, struct fault *why)
{
    struct job_hold *hold = job->hold;
    if (hold->generation->base != jobs->current(jobs->owner)->base)
        return fault_set(why, ESTALE,
                         "the index was reloaded meanwhile: the scores are of the "
                         "old one and are not published");
    hold->number = jobs->next_generation(jobs->owner);
    int err = ranks_seal(hold->ranks, hold->number, why);
    if (err)
        return err;
    struct ranks *ranks = hold->ranks;
    hold->ranks = NULL;
    return jobs->publish(jobs->owner, hold->number, base_hold(hold->generation->base), ranks, why);
}

/* A published job is done when queries are answered from its scores: who waits for it may ask at
 * once. */
static void finish_publishing(struct jobs *jobs, struct job *job)
{
    uint64_t number = job->hold->number;
    if (jobs->serving(jobs->owner)->number >= number) {
        job->published = number;
        release(job);
        end_job(jobs, job, JOB_DONE, NULL);
    } else if (jobs->current(jobs->owner)->number < number) {
        release(job);
        end_job(jobs, job, JOB_FAILED, "no workers could be started on the new scores");
    }
}

/* All workers have left. */
static void finish_job(struct jobs *jobs, struct job *job)
{
    struct job_run *run = job->hold->run;
    struct fault why = run->why;
    enum job_state state = run->failed ? JOB_FAILED : run->done ? JOB_DONE : JOB_CANCELLED;
    if (state == JOB_DONE) {
        job->iteration = run->iterations;
        job->change = run->change;
        job->run_s = (double)run->run_ns / 1e9;
        job->wait_s = (double)run->wait_ns / 1e9;
        job->exchanged_bytes = run->exchanged_bytes;
        job->wakeups = run->wakeups;
        if (!mapped_run(write_top, job)) {
            wire_out_init(&job->top);
            release(job);
            end_job(jobs, job, JOB_FAILED, MAPPED_GONE);
            return;
        }
        if (job->params.publish && publish(jobs, job, &why) == 0) {
            job->hold->publishing = true;
            return;
        }
        if (job->params.publish)
            state = JOB_FAILED;
    }
    release(job);
    end_job(jobs, job, state, state == JOB_FAILED ? why.text : NULL);
}

void jobs_turn(struct jobs *jobs)
{
    struct job *queued = NULL;
    forget_oldest(jobs);
    for (struct job *job = jobs->first; job; job = job->next) {
        if (job->state != JOB_RUNNING)
            continue;
        if (job->hold->publishing)
            finish_publishing(jobs, job);
        else if (job_run_over(job->hold->run))
            finish_job(jobs, job);
    }
    for (struct job *job = jobs->first; job; job = job->next) {
        if (job->state == JOB_RUNNING)
            return;
        if (job->state == JOB_QUEUED && !queued)
            queued = job;
    }
    if (queued)
        start_job(jobs, queued);
}

bool jobs_running(const struct jobs *jobs)
{
    for (const struct job *job = jobs->first; job; job = job->next) {
        if (job->state == JOB_RUNNING)
            return true;
    }
    return false;
}

int jobs_submit(struct jobs *jobs, struct job_params *params, struct job **out, struct fault *why)
{
    unsigned running, queued, finished;
    jobs_count(jobs, &running, &queued, &finished);
    struct job *job = queued < QUEUED_MAX ? calloc(1, sizeof *job) : NULL;
    if (!job)
        return fault_set(why, EAGAIN, "too many jobs are queued (%u)", queued);
    job->id = ++jobs->last_id;
    job->params = *params;
    *params = (struct job_params){0};
    wire_out_init(&job->top);
    struct job_seed seeds[JOB_SEEDS_MAX];
    uint32_t count;
    int err = find_seeds(job, &jobs->current(jobs->owner)->view, seeds, &count, why);
    if (err) {
        free_job(job);
        return err;
    }
    struct job **link = &jobs->first;
    while (*link)
        link = &(*link)->next;
    *link = job;
    *out = job;
    return 0;
}

void jobs_cancel(struct jobs *jobs, struct job *job)
{
    if (job->state == JOB_QUEUED)
        end_job(jobs, job, JOB_CANCELLED, NULL);
    else if (job->state == JOB_RUNNING)
        job_run_cancel(job->hold->run);
}

void jobs_cancel_all(struct jobs *jobs)
{
    for (struct job *job = jobs->first; job; job = job->next)
        jobs_cancel(jobs, job);
}
