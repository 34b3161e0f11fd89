/* SPDX-License-Identifier: MIT
 *
 * MessagePack on both sides. Writing goes through msgpack-c's packer into a buffer of ours;
 * reading is a cursor over the bytes where they lie, because msgpack-c's C reader allocates what
 * a message merely claims to hold. Nothing else of forklore includes msgpack.h.
 */
#ifndef FORKLORE_IPC_WIRE_H
#define FORKLORE_IPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_DEPTH_MAX 16

/* --- Writing --------------------------------------------------------------------------------- */

/* Growing heap buffer, a fixed one (a ring reservation), or one that begins in borrowed memory and
 * moves to the heap if it outgrows that. After a failure (no memory, fixed buffer full) everything
 * is ignored and `failed` stays set: check once at the end. */
struct wire_out {
    char *data;
    size_t bytes, capacity;
    bool fixed, borrowed, failed;
};

void wire_out_fixed(struct wire_out *out, void *memory, size_t capacity);
void wire_out_borrow(struct wire_out *out, void *memory, size_t capacity);
void wire_out_init(struct wire_out *out); /* growing */
void wire_out_fini(struct wire_out *out);
void wire_out_clear(struct wire_out *out); /* keeps the memory */

void wire_array(struct wire_out *out, uint32_t count);
void wire_map(struct wire_out *out, uint32_t pairs);
void wire_nil(struct wire_out *out);
void wire_bool(struct wire_out *out, bool value);
void wire_uint(struct wire_out *out, uint64_t value);
void wire_int(struct wire_out *out, int64_t value);
void wire_double(struct wire_out *out, double value);
void wire_str(struct wire_out *out, const char *text, size_t length);
void wire_cstr(struct wire_out *out, const char *text);
/* The same of what may quote any bytes and be cut anywhere: '?' for each that is not of UTF-8. */
void wire_message(struct wire_out *out, const char *text);
void wire_bin(struct wire_out *out, const void *data, size_t bytes);
void wire_raw(struct wire_out *out, const void *messagepack, size_t bytes);
/* Key of a map entry, then the value: wire_key(o, "n"); wire_uint(o, 3); Keys are literals, so the
 * compiler writes most of them down by itself: answers are keys for the most part. */
static inline void wire_key(struct wire_out *out, const char *key)
{
    size_t length = strlen(key);
    if (length > 31 || out->failed || out->capacity - out->bytes <= length) {
        wire_cstr(out, key);
        return;
    }
    out->data[out->bytes] = (char)(0xa0 | length);
    memcpy(out->data + out->bytes + 1, key, length);
    out->bytes += 1 + length;
}
/* Key and value. Always inline: the key's length has to be known. */
#define WIRE_ENTRY static inline __attribute__((always_inline)) void
WIRE_ENTRY wire_key_bool(struct wire_out *out, const char *key, bool value)
{
    wire_key(out, key);
    wire_bool(out, value);
}
WIRE_ENTRY wire_key_uint(struct wire_out *out, const char *key, uint64_t value)
{
    wire_key(out, key);
    wire_uint(out, value);
}
WIRE_ENTRY wire_key_double(struct wire_out *out, const char *key, double value)
{
    wire_key(out, key);
    wire_double(out, value);
}
WIRE_ENTRY wire_key_cstr(struct wire_out *out, const char *key, const char *text)
{
    wire_key(out, key);
    wire_cstr(out, text);
}
#undef WIRE_ENTRY

/* A filler `bin`, then the header of a `bin` of `bytes` whose first byte is 64-byte aligned in
 * memory (two array elements). Returns that address for the caller to fill, NULL on failure.
 * Only for fixed buffers, which do not move. */
void *wire_bin_aligned(struct wire_out *out, size_t bytes);

/* Where a count is known only later: remember `mark`, then fix it up. Always array32/map32. */
size_t wire_array_open(struct wire_out *out);
void wire_array_close(struct wire_out *out, size_t mark, uint32_t count);

/* Likewise for a bin whose bytes are appended by whoever makes them. Always bin32. */
size_t wire_bin_open(struct wire_out *out);
void wire_bin_close(struct wire_out *out, size_t mark);

/* --- Reading --------------------------------------------------------------------------------- */

struct wire_in {
    const uint8_t *at, *end;
};

enum wire_type {
    WIRE_END, /* no byte left, or a byte MessagePack never uses (0xc1) */
    WIRE_NIL,
    WIRE_BOOL,
    WIRE_INT,
    WIRE_FLOAT,
    WIRE_STR,
    WIRE_BIN,
    WIRE_ARRAY,
    WIRE_MAP,
    WIRE_EXT,
};

static inline struct wire_in wire_in(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    return (struct wire_in){at, at + bytes};
}

enum wire_type wire_type(const struct wire_in *in); /* of the next value */

/* Each takes the next value if it is of that type and fits; false leaves `in` unmoved.
 * wire_get_uint refuses negative integers; wire_get_double takes integers too. Strings and bins
 * point into the message. An array or map passes only if the message is long enough for its
 * count, so a count may be allocated for. */
bool wire_get_bool(struct wire_in *in, bool *value);
bool wire_get_uint(struct wire_in *in, uint64_t *value);
bool wire_get_int(struct wire_in *in, int64_t *value);
bool wire_get_double(struct wire_in *in, double *value);
bool wire_get_str(struct wire_in *in, const char **text, size_t *length);
bool wire_get_bin(struct wire_in *in, const void **data, size_t *bytes);
/* A str, or a bin with the same bytes: some packers write no str. */
bool wire_get_text(struct wire_in *in, const char **text, size_t *length);
bool wire_get_array(struct wire_in *in, uint32_t *count);
bool wire_get_map(struct wire_in *in, uint32_t *pairs);
/* Steps over one whole value, nested ones too; false if cut short, malformed or too deep. */
bool wire_skip(struct wire_in *in);

/* How many bytes the first value of a stream takes: > 0 whole; 0 more bytes are needed; -EBADMSG
 * if it can never become valid or nests deeper than WIRE_DEPTH_MAX; -EMSGSIZE if it is, or
 * declares itself, larger than `limit`. Resumable without rescanning from the start: `scan` keeps
 * state between calls for the same value; zero-initialise for each new value. */
struct wire_scan {
    size_t at; /* bytes known good */
    unsigned depth;
    uint64_t left[WIRE_DEPTH_MAX];
    bool begun;
};
int64_t wire_scan(struct wire_scan *scan, const void *data, size_t bytes, size_t limit);

#endif
