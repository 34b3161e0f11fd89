/* SPDX-License-Identifier: MIT */
#include "shm/fault.h"

#include <stdarg.h>
#include <string.h>

static size_t format_into(struct fault *why, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static size_t format_into(struct fault *why, const char *format, va_list args)
{
    int n = vsnprintf(why->text, sizeof why->text, format, args);
    if (n < 0)
        n = 0;
    return (size_t)n < sizeof why->text ? (size_t)n : sizeof why->text - 1;
}

int(fault_set)(struct fault *why, int err, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        format_into(why, format, args);
        va_end(args);
    }
    return -err;
}

int(fault_errno)(struct fault *why, int err, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        size_t n = format_into(why, format, args);
        va_end(args);
        snprintf(why->text + n, sizeof why->text - n, ": %s", strerror(err));
    }
    return -err;
}
