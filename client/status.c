/* SPDX-License-Identifier: MIT
 *
 * The commands about the daemon itself.
 */
#include "client/status.h"
#include "client/client.h"
#include "client/render.h"

#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

/* A part of the status; a map that is missing is read as an empty one. */
static struct wire_in part(struct answer *answer, struct wire_in status, const char *key)
{
    struct wire_in map = wire_in("\x80", 1);
    if (!answer_find(status, key, &map) && !answer->wrong)
        answer->wrong = key;
    return map;
}

static void print_index(FILE *out, struct answer *answer, struct wire_in index)
{
    char hot[RENDER_NUMBER], cold[RENDER_NUMBER];
    fputs("index       ", out);
    render_text(out, answer_text(answer, index, "name"), RENDER_LINE);
    const struct text site = answer_text_or_nil(answer, index, "site");
    if (site.length) {
        fputs(" (", out);
        render_text(out, site, RENDER_LINE);
        putc(')', out);
    }
    fprintf(out, ", generation %" PRIu64 "\n", answer_uint(answer, index, "generation"));
    fprintf(out, "            %" PRIu64 " pages, %" PRIu64 " titles, %" PRIu64 " links\n",
            answer_uint(answer, index, "pages"), answer_uint(answer, index, "titles"),
            answer_uint(answer, index, "edges"));
    fprintf(out, "            %s in shared memory, %s of text in the file\n",
            render_bytes(hot, answer_uint(answer, index, "bytes_hot")),
            render_bytes(cold, answer_uint(answer, index, "bytes_cold")));
}

static void kib_cell(struct table *table, struct answer *answer, struct wire_in worker,
                     const char *key)
{
    uint64_t kib;
    if (answer_uint_or_nil(answer, worker, key, &kib))
        table_cell(table, "%" PRIu64, kib);
    else
        table_cell(table, "-");
}

static void print_workers(FILE *out, struct answer *answer, struct items workers)
{
    static const char *const headings[] = {"worker",    "pid",      "state",
                                           "in flight", "requests", "restarts",
                                           "private",   "PSS",      "page tables (KiB)"};
    struct table table;
    table_init(&table, "rrlrrrrrr", headings);
    for (struct wire_in worker; answer_next(&workers, &worker);) {
        table_cell(&table, "%" PRIu64, answer_uint(answer, worker, "slot"));
        table_cell(&table, "%" PRIu64, answer_uint(answer, worker, "pid"));
        table_text(&table, answer_text(answer, worker, "state"));
        table_cell(&table, "%" PRIu64, answer_uint(answer, worker, "in_flight"));
        table_cell(&table, "%" PRIu64, answer_uint(answer, worker, "requests"));
        table_cell(&table, "%" PRIu64, answer_uint(answer, worker, "restarts"));
        kib_cell(&table, answer, worker, "private_kib");
        kib_cell(&table, answer, worker, "pss_kib");
        kib_cell(&table, answer, worker, "page_tables_kib");
    }
    table_print(&table, out, 0);
}

static void print_segments(FILE *out, struct answer *answer, struct items segments)
{
    static const char *const headings[] = {"segment", "generation", "size"};
    struct table table;
    table_init(&table, "lrr", headings);
    for (struct wire_in segment; answer_next(&segments, &segment);) {
        char size[RENDER_NUMBER];
        table_text(&table, answer_text(answer, segment, "name"));
        table_cell(&table, "%" PRIu64, answer_uint(answer, segment, "generation"));
        table_cell(&table, "%s", render_bytes(size, answer_uint(answer, segment, "bytes")));
    }
    table_print(&table, out, 0);
}

void status_print(FILE *out, struct answer *answer, struct wire_in status)
{
    char uptime[RENDER_NUMBER];
    const struct wire_in queue = part(answer, status, "queue");
    const struct wire_in jobs = part(answer, status, "jobs");
    const struct items workers = answer_items(answer, status, "workers");
    fputs("forklored   ", out);
    render_text(out, answer_text(answer, status, "version"), RENDER_LINE);
    fprintf(out, ", pid %" PRIu64 ", up %s, ", answer_uint(answer, status, "pid"),
            render_seconds(uptime, answer_real(answer, status, "uptime_s")));
    render_text(out, answer_text(answer, status, "socket"), RENDER_LINE);
    fputs("\n", out);
    print_index(out, answer, part(answer, status, "index"));
    fprintf(out, "workers     %" PRIu32 " ", workers.count);
    render_text(out, answer_text(answer, status, "mode"), RENDER_LINE);
    fputs(", exchange by ", out);
    render_text(out, answer_text(answer, status, "exchange"), RENDER_LINE);
    fputs(", sandbox ", out);
    render_text(out, answer_text(answer, status, "sandbox"), RENDER_LINE);
    fprintf(out,
            "\nrequests    %" PRIu64 " answered, %" PRIu64 " failed, %" PRIu64
            " in flight, %" PRIu64 " waiting, %" PRIu64 " connections\n",
            answer_uint(answer, queue, "answered"), answer_uint(answer, queue, "failed"),
            answer_uint(answer, queue, "in_flight"), answer_uint(answer, queue, "waiting"),
            answer_uint(answer, status, "connections"));
    fprintf(out, "jobs        %" PRIu64 " running, %" PRIu64 " queued, %" PRIu64 " finished\n\n",
            answer_uint(answer, jobs, "running"), answer_uint(answer, jobs, "queued"),
            answer_uint(answer, jobs, "finished"));
    print_workers(out, answer, workers);
    putc('\n', out);
    print_segments(out, answer, answer_items(answer, status, "segments"));
}

/* A call without parameters. Returns the exit code, < 0 if the answer is there to be shown. */
static int plain_call(struct client *client, const char *method, int argc, char **argv,
                      struct answer *answer)
{
    int code = client_options(client, &argc, &argv, NULL, 0, 0);
    if (code >= 0)
        return code;
    wire_array(client_begin(client, method), 0);
    code = client_call(client, answer);
    if (code || client_json(client, answer, &code))
        return code;
    return -1;
}

int daemon_status(struct client *client, int argc, char **argv)
{
    struct answer answer;
    const int code = plain_call(client, "status", argc, argv, &answer);
    if (code >= 0)
        return code;
    status_print(stdout, &answer, answer.value);
    return client_end(client, &answer);
}

int daemon_ping(struct client *client, int argc, char **argv)
{
    struct answer answer;
    const int code = plain_call(client, "ping", argc, argv, &answer);
    if (code >= 0)
        return code;
    render_text(stdout, answer_element_text(&answer, answer.value, "pong"), RENDER_LINE);
    putchar('\n');
    return client_end(client, &answer);
}

int daemon_shutdown(struct client *client, int argc, char **argv)
{
    struct answer answer;
    const int code = plain_call(client, "shutdown", argc, argv, &answer);
    return code >= 0 ? code : client_end(client, &answer);
}

int daemon_reload(struct client *client, int argc, char **argv)
{
    struct answer answer;
    char path[2 * PATH_MAX], folder[PATH_MAX];
    int code = client_options(client, &argc, &argv, NULL, 0, 1);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "reload");
    wire_array(out, 1);
    if (argc == 0) {
        wire_nil(out);
    } else if (argv[0][0] == '/') {
        wire_cstr(out, argv[0]);
    } else {
        /* The daemon's current folder is another one. */
        if (!getcwd(folder, sizeof folder))
            return client_fail(CLIENT_REFUSED, "the current folder has no name");
        if (snprintf(path, sizeof path, "%s/%s", folder, argv[0]) >= (int)sizeof path)
            return client_usage(client, "the path is too long");
        wire_cstr(out, path);
    }
    if (!client->timeout_given) { /* a large index takes its time */
        client->timeout_given = true;
        client->timeout_ms = -1;
    }
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    printf("generation %" PRIu64 "\n", answer_uint(&answer, answer.value, "generation"));
    return client_end(client, &answer);
}
