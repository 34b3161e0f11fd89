/* SPDX-License-Identifier: MIT */
#include "coordinator/options.h"

#include "coordinator/processors.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: forklored [OPTION]... (--index FILE | --dump FILE | --edges FILE | --demo)\n"
    "       forklored build | generate | verify | info  (each with --help)\n"
    "\n"
    "Serves a wiki's index to clients of a unix socket, from workers that share one copy of it.\n"
    "\n"
    "What to serve:\n"
    "  -i, --index FILE           an index made by `forklored build`\n"
    "      --dump FILE            a MediaWiki XML dump (.xml, .xml.bz2, .xml.gz), built first\n"
    "      --edges FILE           an edge list or Matrix Market file, built first\n"
    "      --demo                 a small made-up wiki\n"
    "\n"
    "How:\n"
    "  -s, --socket PATH          default $FORKLORE_SOCKET, else $XDG_RUNTIME_DIR/forklore.sock,\n"
    "                             else /tmp/forklore-UID.sock\n"
    "  -w, --workers MODE[:N]     processes:N (default, N as many as processors) or threads:N\n"
    "      --exchange HOW         ring (default) or shared: how PageRank workers exchange scores\n"
    "      --map                  map the index file instead of copying it to shared memory\n"
    "      --huge-pages WHEN      auto (default), on or off, for the segment\n"
    "      --no-sandbox           let worker processes do what the daemon may do\n"
    "\n"
    "Limits:\n"
    "      --max-connections N    default 16384\n"
    "      --max-in-flight N      requests of one connection, default 256\n"
    "      --max-queue N          requests of all connections, default 4096\n"
    "      --max-frame BYTES      of one request, default 65536\n"
    "      --request-timeout MS   default 10000\n"
    "      --drain-timeout MS     of running requests at the end, default 10000\n"
    "      --hang-timeout MS      without a sign of life from a worker, default 3000\n"
    "      --socket-mode MODE     octal, default 0600\n"
    "\n"
    "  -q, --quiet                say nothing but errors\n"
    "  -v, --verbose              also say what is routine\n"
    "  -h, --help\n"
    "  -V, --version\n"
    "\n"
    "SIGTERM and SIGINT answer running requests first; SIGHUP reloads the index. See "
    "forklored(8).\n";

enum {
    OPT_DUMP = 256,
    OPT_EDGES,
    OPT_DEMO,
    OPT_EXCHANGE,
    OPT_MAP,
    OPT_HUGE_PAGES,
    OPT_NO_SANDBOX,
    OPT_MAX_CONNECTIONS,
    OPT_MAX_IN_FLIGHT,
    OPT_MAX_QUEUE,
    OPT_MAX_FRAME,
    OPT_REQUEST_TIMEOUT,
    OPT_DRAIN_TIMEOUT,
    OPT_HANG_TIMEOUT,
    OPT_SOCKET_MODE,
};

static const struct option long_options[] = {
    {"index", required_argument, NULL, 'i'},
    {"dump", required_argument, NULL, OPT_DUMP},
    {"edges", required_argument, NULL, OPT_EDGES},
    {"demo", no_argument, NULL, OPT_DEMO},
    {"socket", required_argument, NULL, 's'},
    {"workers", required_argument, NULL, 'w'},
    {"exchange", required_argument, NULL, OPT_EXCHANGE},
    {"map", no_argument, NULL, OPT_MAP},
    {"huge-pages", required_argument, NULL, OPT_HUGE_PAGES},
    {"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
    {"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
    {"max-in-flight", required_argument, NULL, OPT_MAX_IN_FLIGHT},
    {"max-queue", required_argument, NULL, OPT_MAX_QUEUE},
    {"max-frame", required_argument, NULL, OPT_MAX_FRAME},
    {"request-timeout", required_argument, NULL, OPT_REQUEST_TIMEOUT},
    {"drain-timeout", required_argument, NULL, OPT_DRAIN_TIMEOUT},
    {"hang-timeout", required_argument, NULL, OPT_HANG_TIMEOUT},
    {"socket-mode", required_argument, NULL, OPT_SOCKET_MODE},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int usage(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "forklored: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry `forklored --help`.\n");
    return -EINVAL;
}

bool options_number(const char *text, int base, uint64_t least, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, base);
    return !errno && end != text && !*end && *text != '-' && *value >= least && *value <= most;
}

/* "processes:4", "threads", ...; false if it is neither. */
static bool parse_workers(const char *text, enum worker_mode *mode, unsigned *workers)
{
    size_t length = strcspn(text, ":");
    if (length == strlen("processes") && strncmp(text, "processes", length) == 0)
        *mode = WORKERS_PROCESSES;
    else if (length == strlen("threads") && strncmp(text, "threads", length) == 0)
        *mode = WORKERS_THREADS;
    else
        return false;
    if (!text[length])
        return true;
    uint64_t number;
    bool good = options_number(text + length + 1, 10, 1, EXCHANGE_WORKERS_MAX, &number);
    *workers = (unsigned)number;
    return good;
}

static int set_source(struct serve_options *options, enum source_kind kind, const char *path)
{
    if (options->source != SOURCE_NONE)
        return usage("%s: only one of --index, --dump, --edges and --demo", path ? path : "--demo");
    options->source = kind;
    options->source_path = path;
    return 0;
}

static int choose(const char *option, const char *text, const char *const *choices, int *chosen)
{
    for (*chosen = 0; choices[*chosen]; ++*chosen) {
        if (strcmp(text, choices[*chosen]) == 0)
            return 0;
    }
    return usage("%s: \"%s\" is none of its values", option, text);
}

static int number_option(const char *option, const char *text, int base, unsigned least,
                         unsigned most, unsigned *value)
{
    uint64_t number;
    if (!options_number(text, base, least, most, &number))
        return usage("%s: \"%s\" is no number from %u to %u", option, text, least, most);
    *value = (unsigned)number;
    return 0;
}

static int take_option(struct serve_options *options, int option)
{
    static const char *const exchanges[] = {"ring", "shared", NULL};
    static const char *const huge_pages[] = {"auto", "on", "off", NULL};
    struct session_limits *limits = &options->limits;
    int chosen = 0, err;
    unsigned number = 0;
    switch (option) {
    case 'i':
        return set_source(options, SOURCE_INDEX, optarg);
    case OPT_DUMP:
        return set_source(options, SOURCE_DUMP, optarg);
    case OPT_EDGES:
        return set_source(options, SOURCE_EDGES, optarg);
    case OPT_DEMO:
        return set_source(options, SOURCE_DEMO, NULL);
    case 's':
        options->socket_option = optarg;
        return 0;
    case 'w':
        if (parse_workers(optarg, &options->mode, &options->workers))
            return 0;
        return usage("--workers: \"%s\" is neither processes:N nor threads:N, N from 1 to 64",
                     optarg);
    case OPT_EXCHANGE:
        err = choose("--exchange", optarg, exchanges, &chosen);
        options->exchange = (enum exchange_mode)chosen;
        return err;
    case OPT_MAP:
        options->map = true;
        return 0;
    case OPT_HUGE_PAGES:
        err = choose("--huge-pages", optarg, huge_pages, &chosen);
        options->huge_pages = (enum huge_pages)chosen;
        return err;
    case OPT_NO_SANDBOX:
        options->sandbox = SANDBOX_NONE;
        return 0;
    case OPT_MAX_CONNECTIONS:
        return number_option("--max-connections", optarg, 10, 1, 100000, &limits->connections);
    case OPT_MAX_IN_FLIGHT:
        return number_option("--max-in-flight", optarg, 10, 1, 100000, &limits->in_flight);
    case OPT_MAX_QUEUE:
        return number_option("--max-queue", optarg, 10, 1, 1000000, &options->queue_max);
    case OPT_MAX_FRAME:
        err = number_option("--max-frame", optarg, 10, 64, 1 << 24, &number);
        limits->frame_bytes = number;
        return err;
    case OPT_REQUEST_TIMEOUT:
        return number_option("--request-timeout", optarg, 10, 1, 86400000,
                             &options->request_timeout_ms);
    case OPT_DRAIN_TIMEOUT:
        return number_option("--drain-timeout", optarg, 10, 1, 86400000,
                             &options->drain_timeout_ms);
    case OPT_HANG_TIMEOUT:
        return number_option("--hang-timeout", optarg, 10, 10, 86400000, &options->hang_timeout_ms);
    case OPT_SOCKET_MODE:
        err = number_option("--socket-mode", optarg, 8, 0, 0777, &number);
        limits->socket_mode = (mode_t)number;
        return err;
    case 'q':
        options->quiet = true;
        return 0;
    case 'v':
        options->verbose = true;
        return 0;
    case 'h':
        fputs(help, stdout);
        return 1;
    case 'V':
        puts("forklored " FORKLORE_VERSION);
        return 1;
    default:
        return usage("see above");
    }
}

int options_parse(struct serve_options *options, int argc, char **argv)
{
    *options = (struct serve_options){
        .workers = processors_usable(),
        .sandbox = SANDBOX_ALL,
        .limits = {.connections = 16384,
                   .in_flight = 256,
                   .frame_bytes = RPC_FRAME_LIMIT,
                   .socket_mode = 0600},
        .request_timeout_ms = 10000,
        .drain_timeout_ms = 10000,
        .hang_timeout_ms = 3000,
        .queue_max = 4096,
    };
    int option, err;
    while ((option = getopt_long(argc, argv, "i:s:w:qvhV", long_options, NULL)) != -1) {
        err = take_option(options, option);
        if (err)
            return err;
    }
    if (optind < argc)
        return usage("unexpected argument \"%s\"", argv[optind]);
    if (options->source == SOURCE_NONE)
        return usage("one of --index, --dump, --edges and --demo is needed");
    struct fault why;
    if (socket_path(options->socket_option, options->socket_path, &why) < 0)
        return usage("%s", why.text);
    return 0;
}
