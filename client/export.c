/* SPDX-License-Identifier: MIT
 *
 * `forklore export`: pages through the daemon's export and writes tab-separated values. A file
 * gets its name when it is complete, so that nobody ever finds half of one.
 */
#include "client/client.h"
#include "client/render.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS_PER_CALL = 5000, RESTARTS_MAX = 10 };

struct sink {
    FILE *out;
    const char *name; /* for messages */
    bool is_temporary;
    bool is_terminal;
    char target[PATH_MAX]; /* where it will be */
};

/* The temporary file, for the signal handler to remove. */
static char temporary[PATH_MAX + 8];

static void remove_temporary(int signal_number)
{
    unlink(temporary);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static int cannot_write(const char *name, int err)
{
    return client_fail(CLIENT_REFUSED, "cannot write %s: %s", name, strerror(err));
}

static int sink_open(struct sink *sink, const char *name)
{
    struct stat status;
    *sink = (struct sink){.name = name ? name : "the standard output"};
    if (!name || strcmp(name, "-") == 0) {
        sink->name = "the standard output";
        sink->out = stdout;
        sink->is_terminal = isatty(STDOUT_FILENO);
        return 0;
    }
    if (stat(name, &status) == 0 && !S_ISREG(status.st_mode)) { /* a pipe, a device */
        sink->out = fopen(name, "we");
        return sink->out ? 0 : cannot_write(name, errno);
    }
    /* A symbolic link stays one: what it points to is replaced. */
    if (!realpath(name, sink->target)) {
        if (errno != ENOENT)
            return cannot_write(name, errno);
        if (snprintf(sink->target, sizeof sink->target, "%s", name) >= (int)sizeof sink->target)
            return cannot_write(name, ENAMETOOLONG);
    }
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", sink->target);
    const int fd = mkstemp(temporary);
    if (fd < 0)
        return cannot_write(name, errno);
    sink->is_temporary = true;
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        signal(ends[i], remove_temporary);
    const mode_t mask = umask(0);
    umask(mask);
    sink->out = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "w") : NULL;
    if (sink->out)
        return 0;
    const int err = errno;
    close(fd);
    unlink(temporary);
    return cannot_write(name, err);
}

/* Puts the file in its place if `code` is 0, else removes it; the exit code. */
static int sink_close(struct sink *sink, int code)
{
    const bool failed = ferror(sink->out) || fflush(sink->out) != 0;
    int err = failed ? (errno ? errno : EIO) : 0;
    if (sink->out != stdout && fclose(sink->out) != 0 && !err)
        err = errno;
    if (sink->is_temporary) {
        if (!code && !err && rename(temporary, sink->target) != 0)
            err = errno;
        if (code || err)
            unlink(temporary);
    }
    return code ? code : err ? cannot_write(sink->name, err) : CLIENT_DONE;
}

/* A title in a column. Tabs and newlines cannot be in a title; a daemon that sends them would
 * shift columns. */
static void column(struct answer *answer, const struct sink *sink, struct text title)
{
    if (!title.length)
        return;
    if (memchr(title.bytes, '\t', title.length) || memchr(title.bytes, '\n', title.length))
        answer->wrong = "a title with a tab or newline";
    if (sink->is_terminal)
        render_text(sink->out, title, RENDER_LINE);
    else
        fwrite(title.bytes, 1, title.length, sink->out);
}

/* A row has two cells, in every form. */
struct row {
    struct wire_in first, second;
};

static uint64_t write_scores(struct answer *answer, const struct row *row, const struct sink *sink)
{
    struct wire_in in = row->first;
    double score;
    if (!wire_get_double(&in, &score))
        answer->wrong = "score";
    else
        fprintf(sink->out, "%.17g\t", score);
    column(answer, sink, answer_element_text(answer, row->second, "title"));
    putc('\n', sink->out);
    return 1;
}

static uint64_t write_links(struct answer *answer, const struct row *row, const struct sink *sink)
{
    const struct text source = answer_element_text(answer, row->first, "source");
    struct items targets = answer_items(answer, row->second, NULL);
    for (struct wire_in target; !answer->wrong && answer_next(&targets, &target);) {
        column(answer, sink, source);
        putc('\t', sink->out);
        column(answer, sink, answer_element_text(answer, target, "target"));
        putc('\n', sink->out);
    }
    return targets.count;
}

static uint64_t write_titles(struct answer *answer, const struct row *row, const struct sink *sink)
{
    column(answer, sink, answer_element_text(answer, row->first, "title"));
    putc('\t', sink->out);
    if (wire_type(&row->second) != WIRE_NIL)
        column(answer, sink, answer_element_text(answer, row->second, "target"));
    putc('\n', sink->out);
    return 1;
}

static const struct form {
    const char *name;
    /* Returns how many lines it has written. */
    uint64_t (*write)(struct answer *answer, const struct row *row, const struct sink *sink);
} forms[] = {{"scores", write_scores}, {"links", write_links}, {"titles", write_titles}};

static int fetch(struct client *client, const struct form *form, struct sink *sink)
{
    uint64_t cursor = 0, generation = 0, lines = 0;
    unsigned restarts = 0;
    const bool shows_progress = isatty(STDERR_FILENO) && sink->out != stdout;
    for (;;) {
        struct answer answer;
        struct wire_out *out = client_begin(client, "export");
        wire_array(out, 3);
        wire_cstr(out, form->name);
        wire_uint(out, cursor);
        wire_uint(out, ROWS_PER_CALL);
        const int code = client_call(client, &answer);
        if (code)
            return code;
        const uint64_t now = answer_uint(&answer, answer.value, "generation");
        if (cursor && now != generation) {
            /* Other scores or another index were published meanwhile. */
            if (!sink->is_temporary || ++restarts > RESTARTS_MAX)
                return client_fail(CLIENT_REFUSED, "the index changed meanwhile, try again");
            cursor = lines = 0;
            if (fflush(sink->out) != 0 || ftruncate(fileno(sink->out), 0) != 0)
                return cannot_write(sink->name, errno);
            rewind(sink->out);
            continue;
        }
        generation = now;
        struct items rows = answer_items(&answer, answer.value, "rows");
        for (struct wire_in element; !answer.wrong && answer_next(&rows, &element);) {
            struct row row;
            struct items cells = answer_items(&answer, element, NULL);
            if (answer_next(&cells, &row.first) && answer_next(&cells, &row.second))
                lines += form->write(&answer, &row, sink);
            else
                answer.wrong = "rows";
        }
        const bool more = answer_uint_or_nil(&answer, answer.value, "next", &cursor);
        if (more && rows.count == 0)
            answer.wrong = "no rows, but more to come";
        if (answer.wrong)
            return client_end(client, &answer);
        if (ferror(sink->out))
            return cannot_write(sink->name, errno);
        if (shows_progress)
            fprintf(stderr, "\r%" PRIu64 " lines%s", lines, more ? "" : "\n");
        if (!more)
            return CLIENT_DONE;
    }
}

int export_run(struct client *client, int argc, char **argv)
{
    struct value output = {0};
    const struct option_spec specs[] = {{"output", 'o', OPTION_TEXT, &output}, {0}};
    int code = client_options(client, &argc, &argv, specs, 1, 1);
    if (code >= 0)
        return code;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct sink sink;
        if (strcmp(argv[0], forms[i].name) != 0)
            continue;
        code = sink_open(&sink, output.text);
        return code ? code : sink_close(&sink, fetch(client, &forms[i], &sink));
    }
    return client_usage(client, "scores, links or titles, not '%s'", argv[0]);
}
