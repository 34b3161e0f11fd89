/* SPDX-License-Identifier: MIT
 *
 * MessagePack, and messages between coordinator and workers, of any bytes: what the three readers
 * (scan, skip, one by one) make of them is the same, in pieces as well.
 */
#include "tests/fuzz/fuzz.h"

#include "ipc/msg.h"

/* Takes one value by the getter of its type and writes it anew. */
static bool copy_value(struct wire_in *in, struct wire_out *out, unsigned depth)
{
    uint32_t count;
    uint64_t uint;
    int64_t integer;
    double number;
    bool flag;
    const char *text;
    const void *bytes;
    size_t length;
    switch (wire_type(in)) {
    case WIRE_NIL:
        wire_nil(out);
        return wire_skip(in);
    case WIRE_BOOL:
        if (!wire_get_bool(in, &flag))
            return false;
        wire_bool(out, flag);
        return true;
    case WIRE_INT:
        if (wire_get_uint(in, &uint)) {
            wire_uint(out, uint);
        } else {
            if (!wire_get_int(in, &integer))
                return false;
            MUST(integer < 0);
            wire_int(out, integer);
        }
        return true;
    case WIRE_FLOAT:
        if (!wire_get_double(in, &number))
            return false;
        wire_double(out, number);
        return true;
    case WIRE_STR:
        if (!wire_get_text(in, &text, &length))
            return false;
        wire_str(out, text, length);
        return true;
    case WIRE_BIN:
        if (!wire_get_bin(in, &bytes, &length))
            return false;
        wire_bin(out, bytes, length);
        return true;
    case WIRE_ARRAY:
    case WIRE_MAP:
        if (depth == WIRE_DEPTH_MAX)
            return false;
        if (wire_get_array(in, &count)) {
            wire_array(out, count);
        } else {
            if (!wire_get_map(in, &count))
                return false;
            wire_map(out, count);
            count *= 2;
        }
        while (count-- > 0) {
            if (!copy_value(in, out, depth + 1))
                return false;
        }
        return true;
    case WIRE_EXT:
        wire_nil(out);
        return wire_skip(in);
    case WIRE_END:
        break;
    }
    return false;
}

static void check_pieces(const char *bytes, size_t size, size_t limit, int64_t whole)
{
    /* Pieces whose lengths are the input's own bytes. */
    struct wire_scan scan = {0};
    int64_t got = 0;
    for (size_t there = 0; there < size && got == 0;) {
        size_t more = (unsigned char)bytes[there] % 7 + 1;
        there = more < size - there ? there + more : size;
        got = wire_scan(&scan, bytes, there, limit);
        MUST(got <= (int64_t)there);
    }
    MUST(got == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *bytes = fuzz_copy(data, size);
    struct wire_scan scan = {0};
    int64_t length = wire_scan(&scan, bytes, size, SIZE_MAX);
    struct wire_in skipped = wire_in(bytes, size), copied = skipped;
    MUST(wire_skip(&skipped) == (length > 0));
    MUST((const char *)skipped.at - bytes == (length > 0 ? length : 0));
    check_pieces(bytes, size, SIZE_MAX, length);

    size_t limit = size * 3 / 4;
    scan = (struct wire_scan){0};
    int64_t limited = wire_scan(&scan, bytes, size, limit);
    MUST(limited <= (int64_t)limit);
    MUST(limited <= 0 || limited == length);
    check_pieces(bytes, size, limit, limited);

    struct wire_out out, again;
    wire_out_init(&out);
    MUST(copy_value(&copied, &out, 0) == (length > 0));
    if (length > 0) {
        MUST(copied.at == skipped.at);
        struct wire_in in = wire_in(out.data, out.bytes);
        wire_out_init(&again);
        MUST(copy_value(&in, &again, 0) && in.at == in.end);
        MUST(again.bytes == out.bytes && memcmp(again.data, out.data, out.bytes) == 0);
        wire_out_fini(&again);
    }
    wire_out_fini(&out);

    struct msg msg, repeated;
    if (msg_read(bytes, size, &msg)) {
        wire_out_init(&out);
        msg_write(&out, &msg);
        MUST(!out.failed && msg_read(out.data, out.bytes, &repeated) && repeated.kind == msg.kind &&
             repeated.ticket == msg.ticket && repeated.frame_bytes == msg.frame_bytes &&
             repeated.text_length == msg.text_length);
        wire_out_fini(&out);
    }
    free(bytes);
    return 0;
}
