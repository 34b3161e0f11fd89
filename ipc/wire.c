/* SPDX-License-Identifier: MIT
 *
 * MessagePack: writer (msgpack-c's packer into struct wire_out), cursor reader, stream scanner.
 * Reader and scanner share one function that knows the format's heads, head_read(); neither ever
 * believes a length before the bytes are there.
 */
#include "ipc/wire.h"

#include "shm/fault.h"

#include <endian.h>
#include <errno.h>
#include <msgpack.h>
#include <string.h>
#include <utf8proc.h>

#define WIRE_ALIGN 64 /* of wire_bin_aligned(): a cache line, as the ring's payloads */

/* --- Writing --------------------------------------------------------------------------------- */

void wire_out_fixed(struct wire_out *out, void *memory, size_t capacity)
{
    *out = (struct wire_out){.data = memory, .capacity = capacity, .fixed = true};
}

void wire_out_borrow(struct wire_out *out, void *memory, size_t capacity)
{
    *out = (struct wire_out){.data = memory, .capacity = capacity, .borrowed = true};
}

void wire_out_init(struct wire_out *out)
{
    *out = (struct wire_out){0};
}

void wire_out_fini(struct wire_out *out)
{
    if (!out->fixed && !out->borrowed)
        free(out->data);
    *out = (struct wire_out){0};
}

void wire_out_clear(struct wire_out *out)
{
    out->bytes = 0;
    out->failed = false;
}

static bool grow(struct wire_out *out, size_t bytes)
{
    size_t capacity = out->capacity ? out->capacity : 256;
    while (capacity - out->bytes < bytes && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    char *data = NULL;
    if (!out->fixed && capacity - out->bytes >= bytes)
        data = realloc(out->borrowed ? NULL : out->data, capacity);
    if (!data) {
        out->failed = true;
        return false;
    }
    if (out->borrowed)
        memcpy(data, out->data, out->bytes);
    out->borrowed = false;
    out->data = data;
    out->capacity = capacity;
    return true;
}

/* Makes room for `bytes` more and counts them in; their address, or NULL. */
static inline char *extend(struct wire_out *out, size_t bytes)
{
    if (out->failed || (bytes > out->capacity - out->bytes && !grow(out, bytes)))
        return NULL;
    char *at = out->data + out->bytes;
    out->bytes += bytes;
    return at;
}

static inline int packer_write(void *data, const char *bytes, size_t count)
{
    if (count == 0) /* an empty string may come as NULL, and to a buffer that has nothing yet */
        return 0;
    char *at = extend(data, count);
    if (!at)
        return -1;
    memcpy(at, bytes, count);
    return 0;
}

static msgpack_packer packer(struct wire_out *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, packer_write);
    return pk;
}

/* MessagePack counts with 32 bits. */
static bool countable(struct wire_out *out, size_t bytes)
{
    if (bytes > UINT32_MAX)
        out->failed = true;
    return !out->failed;
}

void wire_array(struct wire_out *out, uint32_t count)
{
    msgpack_packer pk = packer(out);
    msgpack_pack_array(&pk, count);
}

void wire_map(struct wire_out *out, uint32_t pairs)
{
    msgpack_packer pk = packer(out);
    msgpack_pack_map(&pk, pairs);
}

void wire_nil(struct wire_out *out)
{
    msgpack_packer pk = packer(out);
    msgpack_pack_nil(&pk);
}

void wire_bool(struct wire_out *out, bool value)
{
    msgpack_packer pk = packer(out);
    if (value)
        msgpack_pack_true(&pk);
    else
        msgpack_pack_false(&pk);
}

void wire_uint(struct wire_out *out, uint64_t value)
{
    msgpack_packer pk = packer(out);
    msgpack_pack_uint64(&pk, value);
}

void wire_int(struct wire_out *out, int64_t value)
{
    msgpack_packer pk = packer(out);
    msgpack_pack_int64(&pk, value);
}

void wire_double(struct wire_out *out, double value)
{
    msgpack_packer pk = packer(out);
    msgpack_pack_double(&pk, value);
}

void wire_str(struct wire_out *out, const char *text, size_t length)
{
    if (!countable(out, length))
        return;
    msgpack_packer pk = packer(out);
    msgpack_pack_str(&pk, length);
    msgpack_pack_str_body(&pk, text, length);
}

void wire_cstr(struct wire_out *out, const char *text)
{
    wire_str(out, text, strlen(text));
}

void wire_message(struct wire_out *out, const char *text)
{
    const size_t length = strlen(text);
    wire_str(out, text, length);
    if (out->failed)
        return;
    utf8proc_uint8_t *copy = (utf8proc_uint8_t *)out->data + out->bytes - length;
    for (size_t at = 0; at < length;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t bytes =
            utf8proc_iterate(copy + at, (utf8proc_ssize_t)(length - at), &character);
        if (bytes < 1) {
            copy[at] = '?';
            bytes = 1;
        }
        at += (size_t)bytes;
    }
}

void wire_bin(struct wire_out *out, const void *data, size_t bytes)
{
    if (!countable(out, bytes))
        return;
    msgpack_packer pk = packer(out);
    msgpack_pack_bin(&pk, bytes);
    msgpack_pack_bin_body(&pk, data, bytes);
}

void wire_raw(struct wire_out *out, const void *messagepack, size_t bytes)
{
    packer_write(out, messagepack, bytes);
}

void *wire_bin_aligned(struct wire_out *out, size_t bytes)
{
    static const char zeros[WIRE_ALIGN];

    MUST(out->fixed); /* a growing buffer may move and lose the alignment */
    if (!countable(out, bytes))
        return NULL;
    /* The filler's head takes two bytes, the head of the bin two, three or five. */
    size_t head_bytes = bytes <= UINT8_MAX ? 2 : bytes <= UINT16_MAX ? 3 : 5;
    uintptr_t earliest = (uintptr_t)out->data + out->bytes + 2 + head_bytes;
    wire_bin(out, zeros, (size_t)(-earliest % WIRE_ALIGN));
    msgpack_packer pk = packer(out);
    msgpack_pack_bin(&pk, bytes);
    return extend(out, bytes);
}

/* Of a value whose head has a count of 32 bits. */
static void close_head(struct wire_out *out, size_t mark, uint32_t count)
{
    if (out->failed)
        return;
    MUST(mark + 5 <= out->bytes);
    for (unsigned i = 0; i < 4; i++)
        out->data[mark + 1 + i] = (char)(unsigned char)(count >> (24 - 8 * i));
}

size_t wire_array_open(struct wire_out *out)
{
    size_t mark = out->bytes;
    wire_raw(out, "\xdd\0\0\0\0", 5);
    return mark;
}

void wire_array_close(struct wire_out *out, size_t mark, uint32_t count)
{
    close_head(out, mark, count);
}

size_t wire_bin_open(struct wire_out *out)
{
    size_t mark = out->bytes;
    wire_raw(out, "\xc6\0\0\0\0", 5);
    return mark;
}

void wire_bin_close(struct wire_out *out, size_t mark)
{
    if (!out->failed && countable(out, out->bytes - mark - 5))
        close_head(out, mark, (uint32_t)(out->bytes - mark - 5));
}

/* --- Reading --------------------------------------------------------------------------------- */

/* What the first bytes of a value say about it. */
struct head {
    enum wire_type type;
    uint8_t format;    /* the first byte */
    uint8_t bytes;     /* of the head itself, length field included */
    uint64_t body;     /* bytes that follow; of numbers and strings, not of arrays and maps */
    uint64_t children; /* values that follow */
};

/* Formats 0xc0 to 0xdf: the width of the length field, and the body where that is fixed. The type
 * byte of an ext counts to its body. */
static const struct {
    uint8_t type, length_bytes, body;
} formats[32] = {
    [0x00] = {WIRE_NIL, 0, 0},  [0x01] = {WIRE_END, 0, 0},   [0x02] = {WIRE_BOOL, 0, 0},
    [0x03] = {WIRE_BOOL, 0, 0}, [0x04] = {WIRE_BIN, 1, 0},   [0x05] = {WIRE_BIN, 2, 0},
    [0x06] = {WIRE_BIN, 4, 0},  [0x07] = {WIRE_EXT, 1, 1},   [0x08] = {WIRE_EXT, 2, 1},
    [0x09] = {WIRE_EXT, 4, 1},  [0x0a] = {WIRE_FLOAT, 0, 4}, [0x0b] = {WIRE_FLOAT, 0, 8},
    [0x0c] = {WIRE_INT, 0, 1},  [0x0d] = {WIRE_INT, 0, 2},   [0x0e] = {WIRE_INT, 0, 4},
    [0x0f] = {WIRE_INT, 0, 8},  [0x10] = {WIRE_INT, 0, 1},   [0x11] = {WIRE_INT, 0, 2},
    [0x12] = {WIRE_INT, 0, 4},  [0x13] = {WIRE_INT, 0, 8},   [0x14] = {WIRE_EXT, 0, 2},
    [0x15] = {WIRE_EXT, 0, 3},  [0x16] = {WIRE_EXT, 0, 5},   [0x17] = {WIRE_EXT, 0, 9},
    [0x18] = {WIRE_EXT, 0, 17}, [0x19] = {WIRE_STR, 1, 0},   [0x1a] = {WIRE_STR, 2, 0},
    [0x1b] = {WIRE_STR, 4, 0},  [0x1c] = {WIRE_ARRAY, 2, 0}, [0x1d] = {WIRE_ARRAY, 4, 0},
    [0x1e] = {WIRE_MAP, 2, 0},  [0x1f] = {WIRE_MAP, 4, 0},
};

/* Of 0, 1, 2, 4 or 8 bytes. */
static inline uint64_t big_endian(const uint8_t *at, size_t bytes)
{
    uint64_t eight;
    uint32_t four;
    switch (bytes) {
    case 0:
        return 0;
    case 1:
        return at[0];
    case 2:
        return (uint64_t)at[0] << 8 | at[1];
    case 4:
        memcpy(&four, at, sizeof four);
        return be32toh(four);
    default:
        memcpy(&eight, at, sizeof eight);
        return be64toh(eight);
    }
}

/* 1 and *head; 0 if the head is cut short; -EBADMSG for the one byte that starts nothing. */
static inline int head_read(const uint8_t *at, size_t bytes, struct head *head)
{
    if (bytes == 0)
        return 0;
    uint8_t format = at[0];
    *head = (struct head){.type = WIRE_INT, .format = format, .bytes = 1};
    if (format < 0x80 || format >= 0xe0)
        return 1;
    uint64_t count;
    if (format < 0xc0) {
        head->type = format < 0x90 ? WIRE_MAP : format < 0xa0 ? WIRE_ARRAY : WIRE_STR;
        count = format & (head->type == WIRE_STR ? 0x1f : 0x0f);
    } else {
        unsigned i = format - 0xc0u;
        if (formats[i].type == WIRE_END)
            return -EBADMSG;
        head->type = formats[i].type;
        head->bytes = (uint8_t)(1 + formats[i].length_bytes);
        if (bytes < head->bytes)
            return 0;
        count = big_endian(at + 1, formats[i].length_bytes) + formats[i].body;
    }
    if (head->type == WIRE_ARRAY)
        head->children = count;
    else if (head->type == WIRE_MAP)
        head->children = 2 * count;
    else
        head->body = count;
    return 1;
}

/* The head of the next value, if that is of `type` and its body is all there. Of an array or map
 * at least a byte for each child has to be there: a count that passes may be allocated for. */
static inline bool take(const struct wire_in *in, enum wire_type type, struct head *head)
{
    size_t left = (size_t)(in->end - in->at);
    return head_read(in->at, left, head) == 1 && head->type == type &&
           head->body + head->children <= left - head->bytes;
}

enum wire_type wire_type(const struct wire_in *in)
{
    if (in->at == in->end)
        return WIRE_END;
    uint8_t format = in->at[0];
    if (format >= 0xc0 && format < 0xe0)
        return formats[format - 0xc0].type;
    return format < 0x80 || format >= 0xe0 ? WIRE_INT
           : format < 0x90                 ? WIRE_MAP
           : format < 0xa0                 ? WIRE_ARRAY
                                           : WIRE_STR;
}

bool wire_get_bool(struct wire_in *in, bool *value)
{
    struct head head;
    if (!take(in, WIRE_BOOL, &head))
        return false;
    *value = head.format == 0xc3;
    in->at += head.bytes;
    return true;
}

/* Integers of either sign as two's complement; *negative tells them apart. */
static inline bool get_integer(struct wire_in *in, uint64_t *bits, bool *negative)
{
    struct head head;
    if (!take(in, WIRE_INT, &head))
        return false;
    uint64_t value = head.body ? big_endian(in->at + 1, head.body) : head.format;
    bool is_signed = head.format >= 0xd0; /* int8 to int64, and negative fixint */
    unsigned width = head.body ? 8 * (unsigned)head.body : 8;
    *negative = is_signed && value >> (width - 1) & 1;
    if (*negative && width < 64)
        value |= UINT64_MAX << width;
    *bits = value;
    in->at += head.bytes + head.body;
    return true;
}

bool wire_get_uint(struct wire_in *in, uint64_t *value)
{
    /* The unsigned formats, which are all that most packers use, straight away. */
    size_t left = (size_t)(in->end - in->at);
    if (left > 0 && in->at[0] < 0x80) {
        *value = *in->at++;
        return true;
    }
    size_t body = left > 0 && in->at[0] >= 0xcc && in->at[0] <= 0xcf ? 1U << (in->at[0] - 0xcc) : 0;
    if (body > 0 && body < left) {
        *value = big_endian(in->at + 1, body);
        in->at += 1 + body;
        return true;
    }
    struct wire_in copy = *in;
    uint64_t bits;
    bool negative;
    if (!get_integer(&copy, &bits, &negative) || negative)
        return false;
    *value = bits;
    *in = copy;
    return true;
}

bool wire_get_int(struct wire_in *in, int64_t *value)
{
    struct wire_in copy = *in;
    uint64_t bits;
    bool negative;
    if (!get_integer(&copy, &bits, &negative) || (!negative && bits > INT64_MAX))
        return false;
    *value = (int64_t)bits;
    *in = copy;
    return true;
}

bool wire_get_double(struct wire_in *in, double *value)
{
    struct head head;
    if (take(in, WIRE_FLOAT, &head)) {
        uint64_t bits = big_endian(in->at + 1, head.body);
        if (head.body == 4) {
            uint32_t narrow = (uint32_t)bits;
            float single;
            memcpy(&single, &narrow, sizeof single);
            *value = (double)single;
        } else {
            memcpy(value, &bits, sizeof *value);
        }
        in->at += head.bytes + head.body;
        return true;
    }
    uint64_t bits;
    bool negative;
    if (!get_integer(in, &bits, &negative))
        return false;
    *value = negative ? (double)(int64_t)bits : (double)bits;
    return true;
}

static bool get_body(struct wire_in *in, enum wire_type type, const void **body, size_t *bytes)
{
    struct head head;
    if (!take(in, type, &head))
        return false;
    *body = in->at + head.bytes;
    *bytes = head.body;
    in->at += head.bytes + head.body;
    return true;
}

bool wire_get_str(struct wire_in *in, const char **text, size_t *length)
{
    const void *body;
    if (!get_body(in, WIRE_STR, &body, length))
        return false;
    *text = body;
    return true;
}

bool wire_get_bin(struct wire_in *in, const void **data, size_t *bytes)
{
    return get_body(in, WIRE_BIN, data, bytes);
}

bool wire_get_text(struct wire_in *in, const char **text, size_t *length)
{
    const void *bytes;
    if (wire_get_str(in, text, length))
        return true;
    if (!wire_get_bin(in, &bytes, length))
        return false;
    *text = bytes;
    return true;
}

bool wire_get_array(struct wire_in *in, uint32_t *count)
{
    struct head head;
    if (!take(in, WIRE_ARRAY, &head))
        return false;
    *count = (uint32_t)head.children;
    in->at += head.bytes;
    return true;
}

bool wire_get_map(struct wire_in *in, uint32_t *pairs)
{
    struct head head;
    if (!take(in, WIRE_MAP, &head))
        return false;
    *pairs = (uint32_t)(head.children / 2);
    in->at += head.bytes;
    return true;
}

bool wire_skip(struct wire_in *in)
{
    const uint8_t *at = in->at;
    uint64_t values = 1;
    unsigned containers = 0;
    while (values > 0 && containers <= WIRE_DEPTH_MAX) {
        struct head head;
        size_t left = (size_t)(in->end - at);
        if (head_read(at, left, &head) != 1 || head.body > left - head.bytes)
            return false;
        at += head.bytes + head.body;
        containers += head.type == WIRE_ARRAY || head.type == WIRE_MAP;
        values += head.children - 1;
        if (values > (size_t)(in->end - at))
            return false; /* each is a byte at least */
    }
    if (containers > WIRE_DEPTH_MAX) { /* so many may be too deep */
        struct wire_scan scan = {0};
        int64_t bytes = wire_scan(&scan, in->at, (size_t)(in->end - in->at), SIZE_MAX);
        if (bytes <= 0)
            return false;
        at = in->at + bytes;
    }
    in->at = at;
    return true;
}

/* Opens a container: its children are still to come, each of at least a byte, and so are those of
 * the containers around it. */
static int scan_open(struct wire_scan *scan, uint64_t children, size_t room)
{
    if (scan->depth == WIRE_DEPTH_MAX)
        return -EBADMSG;
    scan->left[scan->depth++] = children;
    uint64_t to_come = 0;
    for (unsigned i = 0; i < scan->depth; i++)
        to_come += scan->left[i];
    return to_come > room ? -EMSGSIZE : 0;
}

int64_t wire_scan(struct wire_scan *scan, const void *data, size_t bytes, size_t limit)
{
    const uint8_t *at = data;
    /* What lies beyond the limit is not looked at: the same bytes end the same way however they
     * were cut on their way. */
    if (bytes > limit)
        bytes = limit;
    while (!scan->begun || scan->depth > 0) {
        struct head head;
        int got = head_read(at + scan->at, bytes - scan->at, &head);
        if (got < 0)
            return got;
        if (got == 0)
            return bytes == limit ? -EMSGSIZE : 0;
        if (head.bytes > limit - scan->at || head.body > limit - scan->at - head.bytes)
            return -EMSGSIZE;
        if (head.body > bytes - scan->at - head.bytes)
            return 0;
        scan->begun = true;
        scan->at += head.bytes + head.body;
        if (scan->depth > 0)
            scan->left[scan->depth - 1]--;
        if (head.type == WIRE_ARRAY || head.type == WIRE_MAP) {
            int err = scan_open(scan, head.children, limit - scan->at);
            if (err)
                return err;
        }
        while (scan->depth > 0 && scan->left[scan->depth - 1] == 0)
            scan->depth--;
    }
    return (int64_t)scan->at;
}
