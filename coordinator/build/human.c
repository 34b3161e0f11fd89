/* SPDX-License-Identifier: MIT
 *
 * See human.h.
 */
#include "coordinator/build/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct human human_count(uint64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    struct human human = {""};
    char *out = human.text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return human;
}

struct human human_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct human human;
    if (bytes < 1024) {
        snprintf(human.text, sizeof(human.text), "%" PRIu64 " B", bytes);
        return human;
    }
    double amount = (double)bytes / 1024;
    unsigned unit = 0;
    for (; amount >= 1023.95; unit++)
        amount /= 1024;
    snprintf(human.text, sizeof(human.text), "%.1f %s", amount, units[unit]);
    return human;
}

struct human human_time(double seconds)
{
    uint64_t whole = seconds > 0 ? (uint64_t)(seconds + 0.5) : 0;
    struct human human;
    if (whole >= 3600)
        snprintf(human.text, sizeof(human.text), "%" PRIu64 ":%02u:%02u", whole / 3600,
                 (unsigned)(whole / 60 % 60), (unsigned)(whole % 60));
    else
        snprintf(human.text, sizeof(human.text), "%u:%02u", (unsigned)(whole / 60),
                 (unsigned)(whole % 60));
    return human;
}
