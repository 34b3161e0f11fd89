/* SPDX-License-Identifier: MIT
 *
 * A sorted run in a temporary file: per word, key length u8, key, pages varint, occurrences varint,
 * bytes varint, bytes.
 */
#include "shm/postings_build_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_BUFFER_BYTES ((size_t)1 << 20)
#define RUN_HEAD_BYTES   (WORD_KEY_BYTES + 32)

int run_create(struct run_file *run, const char *folder, struct fault *why)
{
    run->bytes = 0;
    run->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (run->fd >= 0)
        return 0;
    char *name;
    if (asprintf(&name, "%s/.forklore-XXXXXX", folder) < 0)
        return fault_set(why, ENOMEM, "out of memory");
    run->fd = mkostemp(name, O_CLOEXEC);
    const int err = errno;
    if (run->fd >= 0)
        unlink(name);
    free(name);
    return run->fd >= 0 ? 0
                        : fault_errno(why, err, "%s: cannot make a temporary file there", folder);
}

int run_flush(struct run_file *run, struct byte_buffer *buffer, struct fault *why)
{
    for (size_t done = 0; done < buffer->bytes;) {
        const ssize_t n = write(run->fd, buffer->data + done, buffer->bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_errno(why, errno, "cannot write a temporary file of words");
        done += (size_t)n;
        run->bytes += (size_t)n;
    }
    buffer->bytes = 0;
    return 0;
}

int run_put(struct run_file *run, struct byte_buffer *buffer, const struct gathered_word *word,
            struct fault *why)
{
    if (byte_buffer_reserve(buffer, RUN_HEAD_BYTES + word->bytes))
        return fault_set(why, ENOMEM, "out of memory for a run of words");
    unsigned char *out = buffer->data + buffer->bytes, *start = out;
    *out++ = (unsigned char)(word->length - 1);
    memcpy(out, word->key, word->length);
    out += word->length;
    out += varint_put(out, word->pages);
    out += varint_put(out, word->occurrences);
    out += varint_put(out, word->bytes);
    memcpy(out, word->data, word->bytes);
    buffer->bytes += (size_t)(out - start) + word->bytes;
    return buffer->bytes < RUN_BUFFER_BYTES ? 0 : run_flush(run, buffer, why);
}

/* Makes sure of `bytes` bytes from reader->at on, or of all that is left. */
static int fill(struct run_reader *r, size_t bytes, struct fault *why)
{
    struct byte_buffer *buffer = &r->buffer;
    if (buffer->bytes - r->at >= bytes || r->read_at == r->file->bytes)
        return 0;
    if (buffer->bytes > r->at)
        memmove(buffer->data, buffer->data + r->at, buffer->bytes - r->at);
    buffer->bytes -= r->at;
    r->at = 0;
    const size_t want = bytes > RUN_BUFFER_BYTES ? bytes : RUN_BUFFER_BYTES;
    if (byte_buffer_reserve(buffer, want))
        return fault_set(why, ENOMEM, "out of memory for merging words");
    while (buffer->bytes < bytes && r->read_at < r->file->bytes) {
        const ssize_t n = pread(r->file->fd, buffer->data + buffer->bytes,
                                buffer->capacity - buffer->bytes, (off_t)r->read_at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fault_errno(why, n ? errno : EIO, "cannot read a temporary file of words");
        buffer->bytes += (size_t)n;
        r->read_at += (uint64_t)n;
    }
    return 0;
}

int run_next(struct run_reader *r, struct fault *why)
{
    int rc = fill(r, RUN_HEAD_BYTES, why);
    if (rc)
        return rc;
    if (r->at == r->buffer.bytes) {
        r->done = true;
        return 0;
    }
    const unsigned char *at = r->buffer.data + r->at;
    r->word.length = *at++ + UINT32_C(1);
    const size_t key = (size_t)(at - r->buffer.data) - r->at;
    at += r->word.length;
    r->word.pages = (uint32_t)varint_get(&at);
    r->word.occurrences = varint_get(&at);
    r->word.bytes = varint_get(&at);
    const size_t head = (size_t)(at - r->buffer.data) - r->at;
    rc = fill(r, head + r->word.bytes, why);
    r->word.key = (const char *)r->buffer.data + r->at + key;
    r->word.data = r->buffer.data + r->at + head;
    r->at += head + r->word.bytes;
    return rc;
}
