/* SPDX-License-Identifier: MIT
 *
 * The daemon's command line.
 */
#ifndef FORKLORE_COORDINATOR_OPTIONS_H
#define FORKLORE_COORDINATOR_OPTIONS_H

#include "coordinator/crew.h"
#include "coordinator/loader.h"
#include "coordinator/session.h"
#include "ipc/socket_path.h"

enum source_kind { SOURCE_NONE, SOURCE_INDEX, SOURCE_DUMP, SOURCE_EDGES, SOURCE_DEMO };

struct serve_options {
    const char *socket_option;
    char socket_path[SOCKET_PATH_BYTES];
    enum worker_mode mode;
    unsigned workers;
    enum exchange_mode exchange;
    enum source_kind source;
    const char *source_path;
    enum huge_pages huge_pages;
    bool map;
    unsigned sandbox; /* of worker processes: enum sandbox */
    struct session_limits limits;
    unsigned request_timeout_ms;
    unsigned drain_timeout_ms;
    unsigned hang_timeout_ms;
    unsigned queue_max;
    bool quiet, verbose;
};

/* 0: serve; 1: done (--help, --version); -EINVAL: usage, told on stderr. */
int options_parse(struct serve_options *options, int argc, char **argv);

/* A whole number in [least, most] and nothing else; `*value` is undefined if it is none. */
bool options_number(const char *text, int base, uint64_t least, uint64_t most, uint64_t *value);

#endif
