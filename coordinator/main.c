/* SPDX-License-Identifier: MIT
 *
 * forklored: the coordinator. Serves by default; build, generate, verify and info are done and
 * over.
 */
#include "coordinator/daemon.h"
#include "coordinator/oneshot.h"
#include "coordinator/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"build", oneshot_build},
    {"generate", oneshot_generate},
    {"verify", oneshot_verify},
    {"info", oneshot_info},
};

static int serve(int argc, char **argv)
{
    struct serve_options options;
    int status = options_parse(&options, argc, argv);
    if (status)
        return status < 0 ? 2 : 0;
    if (options.source == SOURCE_INDEX)
        return daemon_serve(&options, options.source_path);
    struct fault why;
    if (session_host_check(options.socket_path, &why) < 0) {
        fprintf(stderr, "forklored: %s\n", why.text);
        return 1;
    }
    status = oneshot_build_source(&options);
    if (!status)
        status = daemon_serve(&options, scratch_path(SCRATCH_INDEX));
    scratch_remove();
    return status;
}

int main(int argc, char **argv)
{
    /* A file over the limit of its size is an error to be told, not a death. */
    signal(SIGXFSZ, SIG_IGN);
    for (size_t c = 0; argc > 1 && c < sizeof commands / sizeof commands[0]; c++) {
        if (strcmp(argv[1], commands[c].name) == 0)
            return commands[c].run(argc - 1, argv + 1);
    }
    return serve(argc, argv);
}
