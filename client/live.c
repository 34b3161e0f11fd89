/* SPDX-License-Identifier: MIT
 *
 * `forklore live`: the status and the newest jobs, over and over. On a terminal in its alternate
 * screen, drawn with ANSI escapes; elsewhere one report after the other.
 */
#include "client/client.h"
#include "client/job.h"
#include "client/render.h"
#include "client/status.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_SHOWN = 8, TIMEOUT_DEFAULT_MS = 10000 };

static volatile sig_atomic_t told_to_stop;

static void stop(int signal_number)
{
    (void)signal_number;
    told_to_stop = 1;
}

static void resized(int signal_number)
{
    (void)signal_number; /* wakes poll(): the next look is drawn in the new size */
}

struct screen {
    bool is_terminal;
    struct termios before;
    unsigned long long answered;
    double at_s;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void screen_enter(struct screen *screen)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    *screen = (struct screen){0};
    /* Restarted, so that no write is cut short; poll() returns early all the same. */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &(struct sigaction){.sa_handler = stop, .sa_flags = SA_RESTART}, NULL);
    screen->is_terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) &&
                          tcgetattr(STDIN_FILENO, &screen->before) == 0;
    if (!screen->is_terminal)
        return;
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = resized, .sa_flags = SA_RESTART}, NULL);
    struct termios raw = screen->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16); /* a look at once, not line by line */
    fputs("\x1b[?1049h\x1b[?25l", stdout);
}

static void screen_leave(struct screen *screen)
{
    if (!screen->is_terminal)
        return;
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
}

/* What fits, line by line. Each line is cleared to its end rather than the screen as a whole, which
 * would flicker. */
static void draw(const struct screen *screen, const char *report, size_t length)
{
    struct winsize size;
    if (!screen->is_terminal) {
        fwrite(report, 1, length, stdout);
        putchar('\n');
        return;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    fputs("\x1b[H", stdout);
    const char *end = report + length;
    for (unsigned row = 0; row < size.ws_row && report < end; row++) {
        const char *newline = memchr(report, '\n', (size_t)(end - report));
        const struct text text = {report, (size_t)((newline ? newline : end) - report)};
        if (row)
            putchar('\n');
        render_clipped(stdout, text, size.ws_col);
        fputs("\x1b[K", stdout);
        report = newline ? newline + 1 : end;
    }
    fputs("\x1b[J", stdout);
}

/* The report of one look. The jobs come second because the connection keeps one answer at a time.
 */
static int report(struct client *client, struct screen *screen, FILE *out)
{
    struct answer answer;
    struct wire_in queue;
    char clock[32];
    const time_t wall = time(NULL);
    struct tm local;
    wire_array(client_begin(client, "status"), 0);
    int code = client_call(client, &answer);
    if (code)
        return code;
    const double at_s = now_s();
    unsigned long long answered = 0;
    if (answer_find(answer.value, "queue", &queue))
        answered = answer_uint(&answer, queue, "answered");
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&wall, &local));
    const double elapsed_s = at_s - screen->at_s;
    fprintf(out, "%s    %.0f requests/s    q leaves\n\n", clock,
            screen->at_s > 0 && elapsed_s > 0 && answered >= screen->answered
                ? (double)(answered - screen->answered) / elapsed_s
                : 0);
    screen->answered = answered;
    screen->at_s = at_s;
    status_print(out, &answer, answer.value);
    if (answer.wrong)
        return client_end(client, &answer);

    wire_array(client_begin(client, "jobs"), 0);
    code = client_call(client, &answer);
    if (code)
        return code;
    const struct items jobs = answer_items(&answer, answer.value, NULL);
    if (jobs.count) {
        putc('\n', out);
        job_table(out, &answer, jobs, JOBS_SHOWN, 0);
    }
    struct items each = jobs;
    for (struct wire_in job; answer_next(&each, &job);) {
        if (text_is(answer_text(&answer, job, "state"), "running")) {
            fprintf(out, "\njob %llu  ", (unsigned long long)answer_uint(&answer, job, "id"));
            job_progress(out, &answer, job);
            putc('\n', out);
        }
    }
    return answer.wrong ? client_end(client, &answer) : 0;
}

/* Waits for the next look; true to leave. */
static bool wait_or_leave(const struct screen *screen, int interval_ms)
{
    struct pollfd keys = {.fd = screen->is_terminal ? STDIN_FILENO : -1, .events = POLLIN};
    char key;
    const int ready = poll(&keys, 1, interval_ms);
    if (told_to_stop)
        return true;
    if (ready <= 0)
        return ready < 0 && errno != EINTR;
    return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == '\x1b' || key == '\x04';
}

int live_run(struct client *client, int argc, char **argv)
{
    struct value interval = {.real = 1}, count = {0};
    const struct option_spec specs[] = {
        {"interval", 'i', OPTION_REAL, &interval},
        {"count", 'n', OPTION_COUNT, &count},
        {0},
    };
    struct screen screen;
    int code = client_options(client, &argc, &argv, specs, 0, 0);
    if (code >= 0)
        return code;
    if (!(interval.real >= 0.01 && interval.real <= 86400))
        return client_usage(client, "--interval takes 0.01 to 86400 seconds");
    if (!client->timeout_given) {
        client->timeout_given = true;
        client->timeout_ms = TIMEOUT_DEFAULT_MS;
    }
    /* A daemon that is not there is told before the screen is cleared. */
    wire_array(client_begin(client, "ping"), 0);
    struct answer answer;
    code = client_call(client, &answer);
    if (code)
        return code;
    screen_enter(&screen);
    for (uint64_t look = 0; code == 0 && !told_to_stop && (!count.given || look < count.count);
         look++) {
        char *text = NULL;
        size_t length = 0;
        if (look && wait_or_leave(&screen, (int)(interval.real * 1000)))
            break;
        FILE *out = open_memstream(&text, &length);
        if (!out) {
            code = CLIENT_REFUSED;
            break;
        }
        code = report(client, &screen, out);
        if (fclose(out) == 0 && code == 0)
            draw(&screen, text, length);
        free(text);
        fflush(stdout);
        if (ferror(stdout))
            code = CLIENT_REFUSED;
    }
    screen_leave(&screen);
    /* The message of a failure has gone with the alternate screen. */
    if (code && screen.is_terminal)
        client_fail(code, "the daemon does not answer any more");
    return code;
}
