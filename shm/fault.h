/* SPDX-License-Identifier: MIT
 *
 * Errors with words. A function that can fail on somebody's input or machine takes a
 * `struct fault *`, fills in one sentence that names the file, offset or field, and returns a
 * negative errno. Nothing here logs; the main programs print the sentence once.
 */
#ifndef FORKLORE_SHM_FAULT_H
#define FORKLORE_SHM_FAULT_H

#include <errno.h>
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

/* A failure is never 0, not even where a library failed without setting errno. Inline, so that
 * compilers and analysers know it too. */
static inline int fault_failed(int rc)
{
    return rc < 0 ? rc : -EIO;
}
#define fault_set(...)   fault_failed((fault_set)(__VA_ARGS__))
#define fault_errno(...) fault_failed((fault_errno)(__VA_ARGS__))

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
