/* SPDX-License-Identifier: MIT
 *
 * forklore: the command line. Talks MessagePack-RPC to forklored over its unix socket; what needs
 * no running daemon it hands to the forklored program, which is what builds.
 */
#include "client/client.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static COMMAND(hand_over);

static const struct command commands[] = {
    {"lookup", "TITLE", "Find a page by its title or a redirect",
     "Case and diacritics do not matter if nothing is called exactly so.\n", query_lookup},
    {"prefix", "[-n N] TEXT", "List the best titles that start so",
     "  -n, --limit N       at most N titles (10; up to 1000)\n", query_prefix},
    {"page", "[--format text|wikitext|xml] TITLE", "Print a page",
     "  -f, --format FORMAT text: readable text, the default; wikitext: as in the dump;\n"
     "                      xml: its <page> element\n"
     "\n"
     "The bytes are printed as they are; on a terminal, control characters are shown.\n",
     query_page},
    {"links", "[-n N] [--offset N] TITLE", "List the pages that a page links to",
     "  -n, --limit N       at most N titles (100; up to 10000)\n"
     "      --offset N      leave out the first N\n",
     query_links},
    {"backlinks", "[-n N] [--offset N] TITLE", "List the pages that link to a page",
     "  -n, --limit N       at most N titles (100; up to 10000)\n"
     "      --offset N      leave out the first N\n",
     query_backlinks},
    {"rank", "TITLE", "Show a page's position and PageRank score", NULL, query_rank},
    {"top", "[-n N] [--offset N]", "List the pages with the highest scores",
     "  -n, --limit N       at most N pages (10; up to 10000)\n"
     "      --offset N      leave out the first N\n",
     query_top},
    {"random", "[--seed N]", "Find a page by chance",
     "      --seed N        the same page for the same N\n", query_random},
    {"related", "[-n N] [--damping D] [--epsilon E] TITLE...", "List pages close to these",
     "  -n, --limit N       at most N pages (10; up to 1000)\n"
     "      --damping D     follow links with this probability (0.85)\n"
     "      --epsilon E     exactness: a page's error is at most E times its links (1e-6)\n"
     "\n"
     "By personalised PageRank with local push. The exact form is 'submit pagerank --seed'.\n",
     query_related},
    {"path", "[--max-length N] FROM TO", "Find a shortest chain of links",
     "      --max-length N  of at most N links (1000)\n", query_path},
    {"search", "[-n N] [OPTION...] QUERY...", "Find pages by their words",
     "  -n, --limit N       at most N pages (10; up to 1000)\n"
     "      --offset N      from the Nth after the best on\n"
     "      --rank R        default, or bm25: BM25 of the text alone\n"
     "      --title-weight W, --pagerank-weight W\n"
     "                      what a word in the title and PageRank add by default (2, 2)\n"
     "      --exact-hits    count all pages that match, not just enough of them\n"
     "      --no-snippets   titles only\n"
     "\n"
     "word         pages that have it are found, those that have more words first\n"
     "+word -word  pages have to have it, or must not\n"
     "\"a phrase\"   these words, one after the other\n"
     "comput*      words that begin so\n"
     "intitle:word (or intitle:\"a phrase\") in the title\n"
     "\n"
     "Case does not matter. After --, a query may begin with a minus.\n",
     search_run},
    {"explain", "[--rank R] [--title-weight W] [--pagerank-weight W] QUERY TITLE",
     "Show how a page's score for a query comes about", NULL, search_explain},
    {"submit", "pagerank [OPTION...]", "Start a PageRank job",
     "      --damping D     follow links with this probability (0.85)\n"
     "      --tolerance T   end when an iteration changes less, in L1 (1e-6)\n"
     "      --iterations N  end after N at the latest; exactly then if T is 0 (100)\n"
     "      --precision P   double, the default, or single\n"
     "      --seed TITLE    personalise: teleport only to this page; may be repeated\n"
     "      --exchange X    ring or shared, how workers exchange scores\n"
     "      --workers N     with N of the daemon's workers\n"
     "      --publish, --no-publish\n"
     "                      whether queries use the scores from then on (yes, unless\n"
     "                      personalised)\n"
     "  -w, --wait          show progress, and the best pages at the end\n"
     "  -n, --limit N       with --wait: that many of them (10; up to 100)\n",
     job_submit},
    {"jobs", "", "List the jobs", NULL, job_list},
    {"job", "[-n N] ID", "Show a job, and the best pages of its scores",
     "  -n, --limit N       that many of them (10; up to 100)\n", job_show},
    {"cancel", "ID", "Cancel a job", NULL, job_cancel},
    {"watch", "ID", "Follow a job's progress until it ends",
     "Ends with 0 if the job is done, 4 if it failed or was cancelled.\n", job_watch},
    {"export", "[-o FILE] scores|links|titles", "Write everything as tab-separated values",
     "  -o, --output FILE   '-', the default, is the standard output; a file appears under\n"
     "                      its name when it is complete\n"
     "\n"
     "scores: score TAB title, highest first. links: source TAB target, sorted by bytes.\n"
     "titles: title TAB target, sorted by bytes, the target empty unless it is a redirect.\n",
     export_run},
    {"status", "", "Show how the daemon is", NULL, daemon_status},
    {"live", "[-i SECONDS] [-n COUNT]", "Show how the daemon is, over and over",
     "  -i, --interval S    seconds between two looks (1)\n"
     "  -n, --count N       leave after N looks\n"
     "\n"
     "q, Escape or Ctrl-C leave.\n",
     live_run},
    {"reload", "[INDEX]", "Load another index, or the same file again",
     "Queries go on meanwhile. A relative path is relative to the current folder.\n",
     daemon_reload},
    {"ping", "", "Ask the daemon for a sign of life", NULL, daemon_ping},
    {"shutdown", "", "Finish all requests and exit", NULL, daemon_shutdown},
    {"build", "DUMP -o INDEX [OPTION...]", "Build an index file (runs forklored)", NULL, hand_over},
    {"generate", "wiki|kronecker|uniform [OPTION...]",
     "Generate a synthetic wiki or graph (runs forklored)", NULL, hand_over},
    {"verify", "INDEX", "Check an index file (runs forklored)", NULL, hand_over},
    {"info", "INDEX", "Show what an index file holds (runs forklored)", NULL, hand_over},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

/* All arguments go to "forklored COMMAND" as they are: the one beside this program if there is
 * one, so that a build folder works uninstalled, else the one in PATH. */
static int hand_over(struct client *client, int argc, char **argv)
{
    char sibling[PATH_MAX];
    char **arguments = calloc((size_t)argc + 3, sizeof *arguments);
    if (!arguments)
        return client_fail(CLIENT_REFUSED, "out of memory");
    char name[] = "forklored", json[] = "--json";
    arguments[0] = name;
    memcpy(arguments + 1, argv, (size_t)argc * sizeof *argv);
    if (client->json) /* "forklore --json info" is as good as "forklore info --json" */
        arguments[argc + 1] = json;
    const ssize_t n = readlink("/proc/self/exe", sibling, sizeof sibling - sizeof name);
    char *slash = n > 0 ? memrchr(sibling, '/', (size_t)n) : NULL;
    if (slash) {
        memcpy(slash + 1, name, sizeof name);
        execv(sibling, arguments);
    }
    if (!slash || errno == ENOENT)
        execvp(name, arguments);
    free(arguments);
    return client_fail(CLIENT_REFUSED, "cannot run forklored for '%s': %s", client->command->name,
                       strerror(errno));
}

static void help(void)
{
    printf("usage: forklore [-s PATH] [--json] [--timeout SECONDS] COMMAND [ARGUMENT...]\n"
           "\n"
           "Asks a running forklored.\n"
           "\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n"
           "  -s, --socket PATH   the daemon's socket (else $FORKLORE_SOCKET, else\n"
           "                      $XDG_RUNTIME_DIR/forklore.sock or /tmp/forklore-UID.sock)\n"
           "      --json          answers as JSON, one line each\n"
           "      --timeout S     wait at most S seconds for an answer (60; 0: for ever)\n"
           "  -h, --help          'forklore COMMAND --help' tells more\n"
           "      --version\n"
           "\n"
           "Exit status: 0 done, 1 not found, 2 wrong usage, 3 the daemon cannot be reached,\n"
           "4 it refused or failed.\n");
}

static int run(struct client *client, int argc, char **argv)
{
    enum { VERSION = 300 };
    static const struct option options[] = {
        COMMON_OPTIONS,
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    static const char letters[] = "+:" COMMON_LETTERS;
    for (int letter; (letter = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
        if (letter == 'h') {
            help();
            return CLIENT_DONE;
        }
        if (letter == VERSION) {
            printf("forklore %s\n", FORKLORE_VERSION);
            return CLIENT_DONE;
        }
        const int code = client_common_option(client, letter, optarg);
        if (code > 0)
            return code;
        if (code == 0)
            return client_fail(CLIENT_USAGE, "%s '%s'. Try 'forklore --help'",
                               letter == ':' ? "no value for" : "unknown option", argv[optind - 1]);
    }
    if (optind == argc)
        return client_fail(CLIENT_USAGE, "which command? Try 'forklore --help'");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[optind], commands[i].name) == 0) {
            client->command = &commands[i];
            return commands[i].run(client, argc - optind, argv + optind);
        }
    }
    return client_fail(CLIENT_USAGE, "no command '%s'. Try 'forklore --help'", argv[optind]);
}

int main(int argc, char **argv)
{
    struct client client = {0};
    wire_out_init(&client.out);
    int code = run(&client, argc, argv);
    if (code == CLIENT_DONE && (fflush(stdout) != 0 || ferror(stdout)))
        code = client_fail(CLIENT_REFUSED, "cannot write the output: %s", strerror(errno));
    client_fini(&client);
    return code;
}
