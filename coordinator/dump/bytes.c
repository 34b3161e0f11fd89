/* SPDX-License-Identifier: MIT
 *
 * Files as streams of decompressed bytes. Plain files are read straight into the caller's buffer,
 * compressed ones through one input chunk that zlib or libbz2 decompresses into that buffer.
 *
 * What follows the last gzip member or bzip2 stream must be another one, or zero bytes (padding
 * of tapes and block devices). bzip2 only warns about trailing garbage and gives up there; here
 * it is an error, since a damaged stream header would otherwise cost the rest of a dump silently.
 */
#include "coordinator/dump/bytes.h"

#include <bzlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_BYTES ((size_t)256 << 10)
#define MAGIC_BYTES 6

enum format { FORMAT_PLAIN, FORMAT_GZIP, FORMAT_BZIP2 };

struct byte_source {
    int fd;
    enum format format;
    char *name;
    uint64_t total;
    uint64_t position; /* of the file: behind the last byte of `input` */
    unsigned char *input;
    size_t input_at, input_end;
    bool input_over; /* read() said end of file */

    union {
        bz_stream bz;
        z_stream gz;
    };
    bool stream_open;
    uint64_t stream_start;
    uint64_t streams; /* finished */

    int broken; /* the error that every further read repeats */
    struct fault broken_why;
};

static int break_off(struct byte_source *source, int err, const char *what)
{
    source->broken = fault_set(&source->broken_why, err, "%s: %s (byte %llu of the file)",
                               source->name, what, (unsigned long long)bytes_consumed(source));
    return source->broken;
}

static ssize_t read_some(struct byte_source *source, void *buffer, size_t capacity)
{
    ssize_t got;

    do
        got = read(source->fd, buffer, capacity < SSIZE_MAX ? capacity : SSIZE_MAX);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        source->broken = fault_errno(&source->broken_why, errno, "%s: cannot read at byte %llu",
                                     source->name, (unsigned long long)source->position);
        return source->broken;
    }
    if (got == 0)
        source->input_over = true;
    source->position += (uint64_t)got;
    return got;
}

/* Makes sure that there is input unless the file is over. */
static int refill(struct byte_source *source)
{
    if (source->input_at < source->input_end || source->input_over)
        return 0;
    ssize_t got = read_some(source, source->input, INPUT_BYTES);
    if (got < 0)
        return (int)got;
    source->input_at = 0;
    source->input_end = (size_t)got;
    return 0;
}

static void close_stream(struct byte_source *source)
{
    if (!source->stream_open)
        return;
    if (source->format == FORMAT_BZIP2)
        BZ2_bzDecompressEnd(&source->bz);
    else
        inflateEnd(&source->gz);
    source->stream_open = false;
}

/* Opens the next stream; 0 at the end of the file, 1 if there is one. */
static int open_stream(struct byte_source *source)
{
    if (source->streams > 0)
        for (;;) {
            int err = refill(source);
            if (err < 0)
                return err;
            if (source->input_at == source->input_end)
                return 0;
            if (source->input[source->input_at] != 0)
                break;
            source->input_at++;
        }

    int result;
    source->stream_start = bytes_consumed(source);
    if (source->format == FORMAT_BZIP2) {
        memset(&source->bz, 0, sizeof(source->bz));
        result = BZ2_bzDecompressInit(&source->bz, 0, 0) == BZ_OK ? 1 : -1;
    } else {
        memset(&source->gz, 0, sizeof(source->gz));
        result = inflateInit2(&source->gz, 16 + MAX_WBITS) == Z_OK ? 1 : -1;
    }
    if (result < 0)
        return break_off(source, ENOMEM, "out of memory for decompression");
    source->stream_open = true;
    return 1;
}

enum step { STEP_ON, STEP_END, STEP_NO_HEADER, STEP_DAMAGED, STEP_NO_MEMORY };

/* Runs the open stream once from `input` into `out`; says how many bytes came out. */
static enum step decompress(struct byte_source *source, unsigned char *out, size_t room,
                            size_t *produced)
{
    unsigned char *in = source->input + source->input_at;
    unsigned in_bytes = (unsigned)(source->input_end - source->input_at);
    unsigned out_bytes = room < UINT_MAX ? (unsigned)room : UINT_MAX;

    if (source->format == FORMAT_BZIP2) {
        source->bz.next_in = (char *)in;
        source->bz.avail_in = in_bytes;
        source->bz.next_out = (char *)out;
        source->bz.avail_out = out_bytes;
        int result = BZ2_bzDecompress(&source->bz);
        source->input_at = source->input_end - source->bz.avail_in;
        *produced = out_bytes - source->bz.avail_out;
        return result == BZ_OK                 ? STEP_ON
               : result == BZ_STREAM_END       ? STEP_END
               : result == BZ_DATA_ERROR_MAGIC ? STEP_NO_HEADER
               : result == BZ_MEM_ERROR        ? STEP_NO_MEMORY
                                               : STEP_DAMAGED;
    }
    source->gz.next_in = in;
    source->gz.avail_in = in_bytes;
    source->gz.next_out = out;
    source->gz.avail_out = out_bytes;
    int result = inflate(&source->gz, Z_NO_FLUSH);
    source->input_at = source->input_end - source->gz.avail_in;
    *produced = out_bytes - source->gz.avail_out;
    if (result == Z_OK || result == Z_BUF_ERROR)
        return STEP_ON;
    if (result == Z_STREAM_END)
        return STEP_END;
    if (result == Z_MEM_ERROR)
        return STEP_NO_MEMORY;
    /* zlib has no code of its own for a missing header. */
    return source->gz.total_out == 0 && source->gz.msg &&
                   strcmp(source->gz.msg, "incorrect header check") == 0
               ? STEP_NO_HEADER
               : STEP_DAMAGED;
}

static int stream_fault(struct byte_source *source, enum step step)
{
    const char *format = source->format == FORMAT_BZIP2 ? "bzip2" : "gzip";
    char what[200];

    if (step == STEP_NO_MEMORY)
        return break_off(source, ENOMEM, "out of memory for decompression");
    if (step == STEP_NO_HEADER && source->streams > 0)
        snprintf(what, sizeof(what),
                 "what follows %s stream %llu at byte %llu is not %s: damaged, or garbage at the "
                 "end",
                 format, (unsigned long long)source->streams,
                 (unsigned long long)source->stream_start, format);
    else if (step == STEP_ON)
        snprintf(what, sizeof(what),
                 "the file is cut off: %s stream %llu, begun at byte %llu, does not end", format,
                 (unsigned long long)source->streams + 1, (unsigned long long)source->stream_start);
    else
        snprintf(what, sizeof(what),
                 "damaged %s data (checksum or structure) in stream %llu, begun at byte %llu",
                 format, (unsigned long long)source->streams + 1,
                 (unsigned long long)source->stream_start);
    return break_off(source, EBADMSG, what);
}

static ssize_t read_compressed(struct byte_source *source, unsigned char *out, size_t capacity)
{
    size_t done = 0;

    while (done < capacity) {
        int err = refill(source);
        if (err == 0 && !source->stream_open) {
            err = open_stream(source);
            if (err == 0)
                break;
        }
        if (err < 0)
            return done > 0 ? (ssize_t)done : err;

        size_t before = source->input_at, produced;
        enum step step = decompress(source, out + done, capacity - done, &produced);
        done += produced;
        if (step == STEP_END) {
            close_stream(source);
            source->streams++;
        } else if (step != STEP_ON ||
                   (source->input_over && produced == 0 && source->input_at == before)) {
            err = stream_fault(source, step);
            return done > 0 ? (ssize_t)done : err;
        }
    }
    return (ssize_t)done;
}

static ssize_t read_plain(struct byte_source *source, void *out, size_t capacity)
{
    size_t held = source->input_end - source->input_at;

    if (held == 0)
        return source->input_over ? 0 : read_some(source, out, capacity);
    if (held > capacity)
        held = capacity;
    memcpy(out, source->input + source->input_at, held);
    source->input_at += held;
    return (ssize_t)held;
}

ssize_t bytes_read(struct byte_source *source, void *buffer, size_t capacity, struct fault *why)
{
    if (capacity == 0)
        return 0;
    ssize_t got = source->broken;
    if (got == 0)
        got = source->format == FORMAT_PLAIN ? read_plain(source, buffer, capacity)
                                             : read_compressed(source, buffer, capacity);
    if (got < 0 && why)
        *why = source->broken_why;
    return got;
}

/* --- Opening ------------------------------------------------------------------------------ */

static int recognise(struct byte_source *source, struct fault *why)
{
    static const struct {
        char magic[MAGIC_BYTES + 1];
        size_t length;
        const char *name;
    } strangers[] = {
        {"7z\xbc\xaf\x27\x1c", 6, "a 7-Zip archive"},
        {"\xfd"
         "7zXZ",
         6, "an xz file"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd file"},
        {"PK\x03\x04", 4, "a zip archive"},
    };
    const unsigned char *head = source->input;
    size_t length = source->input_end;

    if (length >= 2 && head[0] == 0x1f && head[1] == 0x8b)
        source->format = FORMAT_GZIP;
    else if (length >= 4 && memcmp(head, "BZh", 3) == 0 && head[3] >= '1' && head[3] <= '9')
        source->format = FORMAT_BZIP2;
    else
        source->format = FORMAT_PLAIN;
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
        if (length >= strangers[i].length &&
            memcmp(head, strangers[i].magic, strangers[i].length) == 0)
            return fault_set(why, ENOTSUP,
                             "%s: this is %s; unpack it first (plain, gzip and bzip2 files are "
                             "read as they are)",
                             source->name, strangers[i].name);
    return 0;
}

static int open_file(struct byte_source *source, struct fault *why)
{
    struct stat status;

    source->fd = open(source->name, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0)
        return fault_errno(why, errno, "%s: cannot open", source->name);
    if (fstat(source->fd, &status) < 0)
        return fault_errno(why, errno, "%s: cannot stat", source->name);
    if (S_ISDIR(status.st_mode))
        return fault_set(why, EISDIR, "%s: is a directory, not a file", source->name);
    source->total = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    /* Advice only: pipes refuse it. */
    (void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);

    /* A pipe may hand over its first bytes one by one. */
    while (source->input_end < MAGIC_BYTES && !source->input_over) {
        ssize_t got =
            read_some(source, source->input + source->input_end, INPUT_BYTES - source->input_end);
        if (got < 0) {
            if (why)
                *why = source->broken_why;
            return (int)got;
        }
        source->input_end += (size_t)got;
    }
    if (source->input_end == 0)
        return fault_set(why, ENODATA, "%s: the file is empty", source->name);
    return recognise(source, why);
}

int bytes_open(struct byte_source **source, const char *path, struct fault *why)
{
    struct byte_source *s = calloc(1, sizeof(*s));

    *source = NULL;
    if (!s)
        return fault_set(why, ENOMEM, "%s: out of memory", path);
    s->fd = -1;
    s->name = strdup(path);
    s->input = malloc(INPUT_BYTES);
    int err =
        s->name && s->input ? open_file(s, why) : fault_set(why, ENOMEM, "%s: out of memory", path);
    if (err < 0)
        bytes_close(&s);
    *source = s;
    return err;
}

void bytes_close(struct byte_source **source)
{
    struct byte_source *s = *source;

    if (!s)
        return;
    close_stream(s);
    if (s->fd >= 0)
        close(s->fd);
    free(s->input);
    free(s->name);
    free(s);
    *source = NULL;
}

uint64_t bytes_consumed(const struct byte_source *source)
{
    return source->position - (source->input_end - source->input_at);
}

uint64_t bytes_total(const struct byte_source *source)
{
    return source->total;
}

const char *bytes_name(const struct byte_source *source)
{
    return source->name;
}
