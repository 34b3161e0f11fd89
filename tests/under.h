/* SPDX-License-Identifier: MIT
 *
 * What a test program runs under. Sanitizers and valgrind make memory and time their own, so a
 * test of these asks here first, and skips or takes less.
 */
#ifndef FORKLORE_TESTS_UNDER_H
#define FORKLORE_TESTS_UNDER_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

static inline bool under_thread_sanitizer(void)
{
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
}

static inline bool under_address_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    return true;
#else
    return false;
#endif
}

/* As `make check-valgrind` says. */
static inline bool under_valgrind(void)
{
    const char *tool = getenv("FORKLORE_UNDER");
    return tool && strcmp(tool, "valgrind") == 0;
}

#endif
