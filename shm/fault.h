/* SPDX-License-Identifier: MIT
 *
 * Errors with words. A function that can fail on somebody's input or machine takes a
 * `struct fault *`, fills in one sentence that names the file, offset or field, and returns a
 * negative errno. Nothing here logs; the main programs print the sentence once.
 */
#ifndef FORKLORE_SHM_FAULT_H
#define FORKLORE_SHM_FAULT_H

#include <stdio.h>
#include <stdlib.h>

struct fault {
    char text[512];
};

/* Formats the sentence and returns -err, so that callers write `return fault_set(...)`.
 * `why` may be NULL where nobody will read it. */
int fault_set(struct fault *why, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As fault_set(), with ": " and the text of errno value `err` appended. */
int fault_errno(struct fault *why, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An invariant of our own code, checked in every build. Never for bytes from outside. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "forklore: %s:%d: broken invariant: %s\n", __FILE__, __LINE__,         \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
