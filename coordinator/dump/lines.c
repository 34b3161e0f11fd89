/* SPDX-License-Identifier: MIT */
#include "coordinator/dump/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define BUFFER_BYTES  (LINE_MAX_BYTES + 1) /* the longest line and its end */
#define EXCERPT_BYTES 40                   /* of a line, in messages */

int lines_init(struct line_reader *reader, struct byte_source *source, line_progress_fn *progress,
               void *owner, struct fault *why)
{
    *reader = (struct line_reader){.source = source, .progress = progress, .owner = owner};
    reader->buffer = malloc(BUFFER_BYTES);
    if (!reader->buffer)
        return fault_set(why, ENOMEM, "%s: no memory for a line buffer", bytes_name(source));
    return 0;
}

void lines_fini(struct line_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

int lines_fault(const struct line_reader *reader, struct fault *why, int err, const char *format,
                ...)
{
    char text[sizeof why->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fault_set(why, err, "%.200s: line %llu: %.280s", bytes_name(reader->source),
                     (unsigned long long)reader->number, text);
}

/* Moves the unfinished line to the front and reads until the buffer is full or the source ends. */
static int refill(struct line_reader *reader, struct fault *why)
{
    size_t kept = reader->end - reader->begin;
    memmove(reader->buffer, reader->buffer + reader->begin, kept);
    reader->begin = 0;
    reader->end = kept;
    while (reader->end < BUFFER_BYTES) {
        ssize_t n = bytes_read(reader->source, reader->buffer + reader->end,
                               BUFFER_BYTES - reader->end, why);
        if (n < 0)
            return (int)n;
        if (n == 0) {
            reader->at_end = true;
            break;
        }
        reader->end += (size_t)n;
    }
    if (reader->progress)
        reader->progress(reader->owner, reader->source);
    return 0;
}

static void skip_byte_order_mark(struct line_reader *reader)
{
    if (reader->end >= 3 && !memcmp(reader->buffer, "\xEF\xBB\xBF", 3))
        reader->begin = 3;
}

int lines_next(struct line_reader *reader, struct line *line, struct fault *why)
{
    size_t length = reader->end - reader->begin;
    const char *begin = reader->buffer + reader->begin;
    const char *newline = length ? memchr(begin, '\n', length) : NULL;
    if (!newline && !reader->at_end) {
        int err = refill(reader, why);
        if (err)
            return err;
        if (reader->number == 0)
            skip_byte_order_mark(reader);
        length = reader->end - reader->begin;
        begin = reader->buffer + reader->begin;
        newline = length ? memchr(begin, '\n', length) : NULL;
    }
    if (!length)
        return 0;
    reader->number++;
    if (!newline && !reader->at_end)
        return lines_fault(reader, why, EINVAL, "longer than %zu bytes", LINE_MAX_BYTES);
    const char *end = newline ? newline : begin + length;
    reader->begin = (size_t)(end - reader->buffer) + (newline ? 1 : 0);
    if (end > begin && end[-1] == '\r')
        end--;
    *line = (struct line){begin, end};
    return 1;
}

struct line line_trim(struct line line)
{
    while (line.begin < line.end && line_is_blank(*line.begin))
        line.begin++;
    while (line.end > line.begin && line_is_blank(line.end[-1]))
        line.end--;
    return line;
}

/* The field that is no number, for a message; bytes that are not printable ASCII as '?'. */
static int number_fault(const struct line_reader *reader, const char *field, const char *end,
                        const char *problem, struct fault *why)
{
    char excerpt[EXCERPT_BYTES + 1];
    size_t n = 0;
    while (field + n < end && n < EXCERPT_BYTES && !line_is_blank(field[n])) {
        excerpt[n] = (char)(field[n] >= ' ' && field[n] <= '~' ? field[n] : '?');
        n++;
    }
    excerpt[n] = '\0';
    return lines_fault(reader, why, EINVAL, "%s: \"%s\"", problem, excerpt);
}

int lines_number(const struct line_reader *reader, struct line *line, uint64_t *number,
                 struct fault *why)
{
    const char *at = line->begin, *end = line->end;
    while (at < end && line_is_blank(*at))
        at++;
    const char *field = at;
    if (at == end)
        return lines_fault(reader, why, EINVAL, "a number is missing");
    uint64_t value = 0;
    bool huge = false;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        huge |= value > ((uint64_t)INT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (*field == '-' && field + 1 < end && field[1] >= '0' && field[1] <= '9')
        return number_fault(reader, field, end, "negative number", why);
    if (at == field || (at < end && !line_is_blank(*at)))
        return number_fault(reader, field, end, "text where a number was expected", why);
    if (huge)
        return number_fault(reader, field, end, "number over 2^63 - 1", why);
    line->begin = at;
    *number = value;
    return 0;
}
