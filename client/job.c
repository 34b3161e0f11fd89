/* SPDX-License-Identifier: MIT
 *
 * The commands about jobs.
 */
#include "client/job.h"
#include "client/client.h"
#include "client/render.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { BAR_COLUMNS = 24, TOP_DEFAULT = 10 };

static bool has_ended(struct answer *answer, struct wire_in job)
{
    const struct text state = answer_text(answer, job, "state");
    return !text_is(state, "queued") && !text_is(state, "running");
}

/* The change falls geometrically, so its logarithm is what grows evenly. */
static double fraction_done(struct answer *answer, struct wire_in job)
{
    const double tolerance = answer_real(answer, job, "tolerance");
    const double iterations = (double)answer_uint(answer, job, "iterations");
    double fraction = (double)answer_uint(answer, job, "iteration") / fmax(iterations, 1);
    double change;
    if (answer_real_or_nil(answer, job, "change", &change) && tolerance > 0 && tolerance < 1 &&
        change > 0)
        fraction = fmax(fraction, log(change) / log(tolerance));
    return fraction >= 0 ? fmin(fraction, 1) : 0;
}

void job_progress(FILE *out, struct answer *answer, struct wire_in job)
{
    char seconds[RENDER_NUMBER];
    double change;
    const bool is_done = text_is(answer_text(answer, job, "state"), "done");
    const int filled = is_done ? BAR_COLUMNS : (int)(fraction_done(answer, job) * BAR_COLUMNS);
    fprintf(out, "[%.*s%*s] iteration %" PRIu64, filled, "########################",
            BAR_COLUMNS - filled, "", answer_uint(answer, job, "iteration"));
    if (answer_real_or_nil(answer, job, "change", &change))
        fprintf(out, ", change %.2e", change);
    fprintf(out, ", %s", render_seconds(seconds, answer_real(answer, job, "seconds")));
}

void job_table(FILE *out, struct answer *answer, struct items jobs, uint32_t most, unsigned indent)
{
    static const char *const headings[] = {"job",       "kind",   "state",   "precision", "seeds",
                                           "iteration", "change", "seconds", "published"};
    struct table table;
    table_init(&table, "rlllrrrrl", headings);
    for (struct wire_in job; answer_next(&jobs, &job);) {
        double change;
        uint64_t published;
        if (jobs.left >= most)
            continue;
        table_cell(&table, "%" PRIu64, answer_uint(answer, job, "id"));
        table_text(&table, answer_text(answer, job, "kind"));
        table_text(&table, answer_text(answer, job, "state"));
        table_text(&table, answer_text(answer, job, "precision"));
        table_cell(&table, "%" PRIu64, answer_uint(answer, job, "seeds"));
        table_cell(&table, "%" PRIu64 "/%" PRIu64, answer_uint(answer, job, "iteration"),
                   answer_uint(answer, job, "iterations"));
        if (answer_real_or_nil(answer, job, "change", &change))
            table_cell(&table, "%.2e", change);
        else
            table_cell(&table, "-");
        table_cell(&table, "%.3f", answer_real(answer, job, "seconds"));
        if (answer_uint_or_nil(answer, job, "published", &published))
            table_cell(&table, "generation %" PRIu64, published);
        else
            table_cell(&table, "%s", "");
    }
    table_print(&table, out, indent);
}

/* A job in a sentence, then the best pages if there are any. */
static void show_job(struct answer *answer, struct wire_in job, uint32_t top_count)
{
    char seconds[RENDER_NUMBER];
    double change;
    uint64_t published;
    printf("job %" PRIu64 " (", answer_uint(answer, job, "id"));
    render_text(stdout, answer_text(answer, job, "kind"), RENDER_LINE);
    fputs(", ", stdout);
    render_text(stdout, answer_text(answer, job, "precision"), RENDER_LINE);
    const uint64_t seeds = answer_uint(answer, job, "seeds");
    if (seeds)
        printf(", %" PRIu64 " seed%s", seeds, seeds == 1 ? "" : "s");
    fputs(") is ", stdout);
    render_text(stdout, answer_text(answer, job, "state"), RENDER_LINE);
    printf(": %" PRIu64 " iterations", answer_uint(answer, job, "iteration"));
    if (answer_real_or_nil(answer, job, "change", &change))
        printf(", change %.3e", change);
    printf(", %s", render_seconds(seconds, answer_real(answer, job, "seconds")));
    if (answer_uint_or_nil(answer, job, "published", &published))
        printf(", published as generation %" PRIu64, published);
    const struct text error = answer_text_or_nil(answer, job, "error");
    if (error.bytes) {
        fputs("; ", stdout);
        render_text(stdout, error, RENDER_LINE);
    }
    putchar('\n');
    struct wire_in unused;
    if (answer_find(job, "top", &unused)) {
        const struct items top = answer_items(answer, job, "top");
        if (top.count && top_count)
            render_ranking(stdout, answer, top, top_count, 2);
    }
}

/* Operand 0 as a job's id. */
static int job_id(const struct client *client, const char *argument, uint64_t *id)
{
    return parse_count(argument, id) ? 0
                                     : client_usage(client, "'%s' is no job's number", argument);
}

static int call_with_id(struct client *client, const char *method, uint64_t id,
                        struct answer *answer)
{
    struct wire_out *out = client_begin(client, method);
    wire_array(out, 1);
    wire_uint(out, id);
    return client_call(client, answer);
}

static void show_progress(const struct client *client, struct answer *answer)
{
    if (client->json) {
        render_json(stdout, answer->value);
        putchar('\n');
        fflush(stdout);
    } else if (isatty(STDERR_FILENO)) {
        fputs("\r", stderr);
        job_progress(stderr, answer, answer->value);
        fputs("\x1b[K", stderr);
    } else {
        job_progress(stderr, answer, answer->value);
        putc('\n', stderr);
    }
}

/* Follows a job to its end. With `quiet`, JSON is printed for its final state only. */
static int follow(struct client *client, uint64_t id, bool final_only, uint32_t top_count)
{
    struct answer answer;
    const bool json_steps = client->json && !final_only;
    int code = call_with_id(client, "watch", id, &answer);
    while (code == 0 && !answer.wrong) {
        /* The answer itself may say that it has ended; then one notification still comes. */
        code = client_notified(client, "progress", &answer);
        if (code)
            return code;
        if (answer_uint(&answer, answer.value, "id") != id)
            continue;
        const bool ended = has_ended(&answer, answer.value);
        if (json_steps || !client->json)
            show_progress(client, &answer);
        if (!ended)
            continue;
        const bool is_done = text_is(answer_text(&answer, answer.value, "state"), "done");
        if (client->json) {
            if (!json_steps)
                show_progress(client, &answer);
        } else {
            if (isatty(STDERR_FILENO))
                putc('\n', stderr);
            show_job(&answer, answer.value, top_count);
        }
        code = client_end(client, &answer);
        return code ? code : is_done ? CLIENT_DONE : CLIENT_REFUSED;
    }
    return code ? code : client_end(client, &answer);
}

int job_submit(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value damping = {0}, tolerance = {0}, iterations = {0}, precision = {0}, exchange = {0},
                 workers = {0}, limit = {0};
    struct values seeds = {0};
    bool publish = false, no_publish = false, wait = false;
    const struct option_spec specs[] = {
        {"damping", 0, OPTION_REAL, &damping},
        {"tolerance", 0, OPTION_REAL, &tolerance},
        {"iterations", 0, OPTION_COUNT, &iterations},
        {"precision", 0, OPTION_TEXT, &precision},
        {"seed", 0, OPTION_TEXTS, &seeds},
        {"exchange", 0, OPTION_TEXT, &exchange},
        {"workers", 0, OPTION_COUNT, &workers},
        {"publish", 0, OPTION_FLAG, &publish},
        {"no-publish", 0, OPTION_FLAG, &no_publish},
        {"wait", 'w', OPTION_FLAG, &wait},
        {"limit", 'n', OPTION_COUNT, &limit},
        {0},
    };
    int code = client_options(client, &argc, &argv, specs, 1, 1);
    if (code < 0 && publish && no_publish)
        code = client_usage(client, "--publish or --no-publish, not both");
    if (code >= 0) {
        free(seeds.items);
        return code;
    }
    struct wire_out *out = client_begin(client, "submit");
    wire_array(out, 9);
    wire_cstr(out, argv[0]);
    put_real(out, &damping);
    put_real(out, &tolerance);
    put_count(out, &iterations);
    put_text(out, &precision);
    if (seeds.count) {
        wire_array(out, seeds.count);
        for (uint32_t i = 0; i < seeds.count; i++)
            wire_cstr(out, seeds.items[i]);
    } else {
        wire_nil(out);
    }
    free(seeds.items);
    put_text(out, &exchange);
    put_count(out, &workers);
    if (publish || no_publish)
        wire_bool(out, publish);
    else
        wire_nil(out);
    code = client_call(client, &answer);
    if (code)
        return code;
    const uint64_t id = answer_uint(&answer, answer.value, "job");
    if (wait && !answer.wrong)
        return follow(client, id, true,
                      limit.given ? (uint32_t)fmin((double)limit.count, 100) : TOP_DEFAULT);
    if (client_json(client, &answer, &code))
        return code;
    printf("job %" PRIu64 "\n", id);
    return client_end(client, &answer);
}

int job_list(struct client *client, int argc, char **argv)
{
    struct answer answer;
    int code = client_options(client, &argc, &argv, NULL, 0, 1);
    if (code >= 0)
        return code;
    if (argc == 1)
        return client_usage(client, "one job is shown by 'forklore job %s'", argv[0]);
    wire_array(client_begin(client, "jobs"), 0);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    const struct items jobs = answer_items(&answer, answer.value, NULL);
    if (jobs.count)
        job_table(stdout, &answer, jobs, UINT32_MAX, 0);
    return client_end(client, &answer);
}

static int one_job(struct client *client, const char *method, int argc, char **argv,
                   const struct option_spec *specs, const struct value *limit)
{
    struct answer answer;
    uint64_t id;
    int code = client_options(client, &argc, &argv, specs, 1, 1);
    if (code >= 0)
        return code;
    code = job_id(client, argv[0], &id);
    if (code == 0)
        code = call_with_id(client, method, id, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    show_job(&answer, answer.value,
             limit->given ? (uint32_t)fmin((double)limit->count, 100) : TOP_DEFAULT);
    return client_end(client, &answer);
}

int job_show(struct client *client, int argc, char **argv)
{
    struct value limit = {0};
    const struct option_spec specs[] = {{"limit", 'n', OPTION_COUNT, &limit}, {0}};
    return one_job(client, "job", argc, argv, specs, &limit);
}

int job_cancel(struct client *client, int argc, char **argv)
{
    const struct value no_pages = {.given = true};
    return one_job(client, "cancel", argc, argv, NULL, &no_pages);
}

int job_watch(struct client *client, int argc, char **argv)
{
    uint64_t id;
    int code = client_options(client, &argc, &argv, NULL, 1, 1);
    if (code >= 0)
        return code;
    code = job_id(client, argv[0], &id);
    return code ? code : follow(client, id, false, TOP_DEFAULT);
}
