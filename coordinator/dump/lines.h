/* SPDX-License-Identifier: MIT
 *
 * Lines of a byte source, in place in one buffer, and the numbers in them. For edge lists and
 * Matrix Market; private to this folder.
 */
#ifndef FORKLORE_COORDINATOR_DUMP_LINES_H
#define FORKLORE_COORDINATOR_DUMP_LINES_H

#include "coordinator/dump/bytes.h"

#include <stdbool.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

typedef void line_progress_fn(void *owner, const struct byte_source *source);

struct line_reader {
    struct byte_source *source;
    line_progress_fn *progress; /* after each buffer; may be NULL */
    void *owner;
    char *buffer;
    size_t begin, end; /* bytes read and not yet handed out */
    bool at_end;
    uint64_t number; /* of the line last returned, from 1 */
};

/* Bytes of one line without its line end (LF or CR LF); valid until the next call. */
struct line {
    const char *begin, *end;
};

int lines_init(struct line_reader *reader, struct byte_source *source, line_progress_fn *progress,
               void *owner, struct fault *why);
void lines_fini(struct line_reader *reader);

/* 1 with the next line, 0 at the end, or -errno: of reading, or -EINVAL for a line over
 * LINE_MAX_BYTES. A byte-order mark before the first line is not part of it. */
int lines_next(struct line_reader *reader, struct line *line, struct fault *why);

/* fault_set() with "FILE: line N: " in front. */
int lines_fault(const struct line_reader *reader, struct fault *why, int err, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* Takes one unsigned number and the blanks before it off the line's front. -EINVAL with a message
 * that says what stands there instead: nothing, a negative or huge (> 2^63 - 1) number, or text. */
int lines_number(const struct line_reader *reader, struct line *line, uint64_t *number,
                 struct fault *why);

static inline bool line_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the blanks at both ends. */
struct line line_trim(struct line line);

#endif
