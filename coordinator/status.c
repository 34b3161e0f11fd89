/* SPDX-License-Identifier: MIT */
#include "coordinator/daemon.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void write_index(const struct generation *generation, struct wire_out *out)
{
    const struct index_meta *meta = generation->view.meta;
    const struct base *base = generation->base;
    uint64_t cold = generation->view.text_bytes;
    wire_map(out, 9);
    wire_key(out, "name");
    wire_message(out, base->path);
    wire_key_cstr(out, "site", meta->site);
    wire_key_uint(out, "pages", meta->page_count);
    wire_key_uint(out, "titles", meta->title_count);
    wire_key_uint(out, "edges", meta->edge_count);
    wire_key_uint(out, "bytes_hot", base->file_bytes - cold);
    wire_key_uint(out, "bytes_cold", cold);
    wire_key_bool(out, "has_text", meta->has_text);
    wire_key_uint(out, "generation", generation->number);
}

/* The number after `field` in a /proc file of "Field:   123 kB" lines. */
static bool read_kib(pid_t pid, const char *file, const char *field, uint64_t *kib)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    bool found = false;
    while (!found && fgets(line, sizeof line, in))
        found = strncmp(line, field, strlen(field)) == 0 &&
                sscanf(line + strlen(field), ": %" SCNu64, kib) == 1;
    fclose(in);
    return found;
}

static void write_kib(const struct crew_worker *worker, const char *key, const char *file,
                      const char *field, struct wire_out *out)
{
    uint64_t kib;
    wire_key(out, key);
    /* A thread has no memory of its own that the kernel could tell. */
    if (worker->crew->mode == WORKERS_PROCESSES && worker->alive &&
        read_kib(worker->pid, file, field, &kib))
        wire_uint(out, kib);
    else
        wire_nil(out);
}

static const char *state_name(const struct crew_worker *worker)
{
    if (!worker->alive)
        return "dead";
    if (worker->state == WORKER_STARTING)
        return "starting";
    return worker->in_flight ? "busy" : "idle";
}

static void write_worker(const struct crew_worker *worker, struct wire_out *out)
{
    wire_map(out, 9);
    wire_key_uint(out, "slot", worker->inherit.slot);
    wire_key_uint(out, "pid", (uint64_t)worker->pid);
    wire_key_cstr(out, "state", state_name(worker));
    wire_key_uint(out, "requests", worker->requests);
    wire_key_uint(out, "restarts", worker->restarts);
    wire_key_uint(out, "in_flight", worker->in_flight);
    /* Not Private_Dirty: that counts a page of the segment for whoever is alone in using it. */
    write_kib(worker, "private_kib", "smaps_rollup", "Pss_Anon", out);
    write_kib(worker, "pss_kib", "smaps_rollup", "Pss", out);
    write_kib(worker, "page_tables_kib", "status", "VmPTE", out);
}

static void write_queue(const struct dispatch *dispatch, struct wire_out *out)
{
    wire_map(out, 4);
    wire_key_uint(out, "waiting", dispatch->waiting_count);
    wire_key_uint(out, "in_flight", dispatch->in_flight - dispatch->waiting_count);
    wire_key_uint(out, "answered", dispatch->answered);
    wire_key_uint(out, "failed", dispatch->failed);
}

static void write_jobs(const struct jobs *jobs, struct wire_out *out)
{
    unsigned running, queued, finished;
    jobs_count(jobs, &running, &queued, &finished);
    wire_map(out, 3);
    wire_key_uint(out, "running", running);
    wire_key_uint(out, "queued", queued);
    wire_key_uint(out, "finished", finished);
}

static void write_segment(const struct seg *seg, uint64_t generation, struct wire_out *out)
{
    wire_map(out, 3);
    wire_key_cstr(out, "name", seg->name);
    wire_key_uint(out, "bytes", seg->bytes);
    wire_key_uint(out, "generation", generation);
}

static uint32_t write_segments_of(const struct service *service, struct wire_out *out)
{
    uint32_t count = 0;
    const struct generation *generation = service->generation;
    if (generation->base->seg.base) {
        write_segment(&generation->base->seg, generation->base->generation, out);
        count++;
    }
    if (generation->ranks) {
        write_segment(&generation->ranks->seg, generation->ranks->generation, out);
        count++;
    }
    for (unsigned w = 0; w < service->crew->worker_count; w++, count++)
        write_segment(&service->crew->workers[w].channel, generation->number, out);
    return count;
}

/* Of what is served now. */
static void write_segments(const struct daemon *daemon, struct wire_out *out)
{
    size_t mark = wire_array_open(out);
    wire_array_close(out, mark, write_segments_of(daemon->now, out));
}

void status_write(struct daemon *daemon, struct wire_out *out)
{
    const struct crew *crew = daemon->now->crew;
    struct loop_stats stats = loop_stats(daemon->loop);
    wire_map(out, 14);
    wire_key_cstr(out, "version", FORKLORE_VERSION);
    wire_key_uint(out, "pid", (uint64_t)getpid());
    wire_key_double(out, "uptime_s", (double)(loop_now_ns() - daemon->started_ns) / 1e9);
    wire_key(out, "socket");
    wire_message(out, daemon->sessions.path);
    wire_key_cstr(out, "mode",
                  daemon->options->mode == WORKERS_PROCESSES ? "processes" : "threads");
    wire_key_cstr(out, "exchange", daemon->options->exchange == EXCHANGE_RING ? "ring" : "shared");
    wire_key_cstr(out, "sandbox", sandbox_name(crew_sandbox(crew)));
    wire_key(out, "index");
    write_index(daemon->now->generation, out);
    wire_key(out, "workers");
    wire_array(out, crew->worker_count);
    for (unsigned w = 0; w < crew->worker_count; w++)
        write_worker(&crew->workers[w], out);
    wire_key(out, "queue");
    write_queue(&daemon->dispatch, out);
    wire_key_uint(out, "connections", daemon->sessions.count);
    wire_key(out, "jobs");
    write_jobs(&daemon->jobs, out);
    wire_key(out, "segments");
    write_segments(daemon, out);
    wire_key(out, "loop");
    wire_map(out, 4);
    wire_key_uint(out, "enters", stats.enters);
    wire_key_uint(out, "completions", stats.completions);
    wire_key_uint(out, "sleeps", daemon->sleeps);
    wire_key_uint(out, "wakeups", daemon->crew_host.wakeups);
}
