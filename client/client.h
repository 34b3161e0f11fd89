/* SPDX-License-Identifier: MIT
 *
 * What all commands share: the options given, one connection to the daemon, calls over it, and
 * how a command ends.
 */
#ifndef FORKLORE_CLIENT_CLIENT_H
#define FORKLORE_CLIENT_CLIENT_H

#include "client/answer.h"
#include "ipc/rpc.h"

/* How the program ends. */
enum {
    CLIENT_DONE = 0,
    CLIENT_NOT_FOUND = 1,
    CLIENT_USAGE = 2,
    CLIENT_UNREACHABLE = 3,
    CLIENT_REFUSED = 4, /* the daemon refused or failed, or its answer makes no sense */
};

struct client;

struct command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;   /* one line of the overview */
    const char *help;      /* what else there is to say, NULL for nothing */
    int (*run)(struct client *client, int argc, char **argv); /* an exit code */
};

struct client {
    const struct command *command;
    const char *socket; /* --socket, or NULL */
    bool json;
    bool timeout_given;
    int timeout_ms; /* per answer; < 0: for ever */

    bool connected;
    struct rpc_client rpc;
    struct wire_out out;
    uint64_t msgid;
};

void client_fini(struct client *client);

/* --- Arguments (options.c) ------------------------------------------------------------------- */

/* The value of an option, sent to the daemon as nil if not given: the daemon knows the default. */
struct value {
    bool given;
    uint64_t count;
    double real;
    const char *text;
};

struct values {
    const char **items; /* owned */
    uint32_t count;
};

enum option_kind { OPTION_FLAG, OPTION_COUNT, OPTION_REAL, OPTION_TEXT, OPTION_TEXTS };

struct option_spec {
    const char *name; /* NULL ends the list */
    char letter;      /* 0: none */
    enum option_kind kind;
    void *value; /* bool, struct value, or struct values for OPTION_TEXTS */
};

/* Takes a command's options (`specs` may be NULL, and those that all commands know are added) and
 * leaves its operands, `least` to `most` of them, in *argc and *argv. Returns < 0 to go on, or the
 * exit code: usage, or done after --help. */
int client_options(struct client *client, int *argc, char ***argv, const struct option_spec *specs,
                   int least, int most);
/* -s, --json, --timeout: of all commands, and also before the command. */
#define COMMON_LETTERS "s:h"
/* clang-format off */
#define COMMON_OPTIONS \
    {"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, COMMON_JSON}, \
    {"timeout", required_argument, NULL, COMMON_TIMEOUT}, {"help", no_argument, NULL, 'h'}
/* clang-format on */
enum { COMMON_TIMEOUT = 256, COMMON_JSON };
/* Takes what getopt returned: < 0 if it was one of these, 0 if not, else the exit code. */
int client_common_option(struct client *client, int letter, const char *argument);

/* "forklore COMMAND: …" and the usage line on stderr; returns CLIENT_USAGE. */
int client_usage(const struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool parse_count(const char *text, uint64_t *value);

void put_count(struct wire_out *out, const struct value *value);
void put_real(struct wire_out *out, const struct value *value);
void put_text(struct wire_out *out, const struct value *value);

/* --- Calls (call.c) -------------------------------------------------------------------------- */

/* Begins a request; the caller appends the params, then client_call() sends it and waits for its
 * answer. */
struct wire_out *client_begin(struct client *client, const char *method);
/* 0 and the result in answer->value, valid until the next call; else the exit code, after saying
 * on stderr what is wrong. */
int client_call(struct client *client, struct answer *answer);
/* The next notification of this method: its first parameter. */
int client_notified(struct client *client, const char *method, struct answer *answer);
/* The exit code of a command that has read an answer: says so if it made no sense, and flushes
 * stdout. */
int client_end(const struct client *client, const struct answer *answer);
/* With --json, the answer as one line of it; then *code is the command's exit code. */
bool client_json(const struct client *client, const struct answer *answer, int *code);

/* "forklore: …" on stderr. Returns `code`. */
int client_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- Commands -------------------------------------------------------------------------------- */

#define COMMAND(name) int name(struct client *client, int argc, char **argv)
COMMAND(query_lookup);
COMMAND(query_prefix);
COMMAND(query_page);
COMMAND(query_links);
COMMAND(query_backlinks);
COMMAND(query_rank);
COMMAND(query_top);
COMMAND(query_random);
COMMAND(query_related);
COMMAND(query_path);
COMMAND(search_run);
COMMAND(search_explain);
COMMAND(job_submit);
COMMAND(job_list);
COMMAND(job_show);
COMMAND(job_cancel);
COMMAND(job_watch);
COMMAND(export_run);
COMMAND(daemon_status);
COMMAND(daemon_reload);
COMMAND(daemon_shutdown);
COMMAND(daemon_ping);
COMMAND(live_run);

#endif
