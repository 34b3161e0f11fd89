/* SPDX-License-Identifier: MIT
 *
 * Running queries in tests, and reading their answers. Header only.
 */
#ifndef FORKLORE_TESTS_FIXTURE_QUERY_H
#define FORKLORE_TESTS_FIXTURE_QUERY_H

#include "worker/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURE_MSGID 42

struct answer {
    struct wire_out out; /* the frame */
    bool is_error;
    struct wire_in value;        /* result */
    char code[32], message[512]; /* error */
};

static inline void answer_fini(struct answer *answer)
{
    wire_out_fini(&answer->out);
}

/* The value of a key that has to be there. */
static inline struct wire_in answer_key(struct wire_in map, const char *name)
{
    uint32_t pairs;

    assert_true(wire_get_map(&map, &pairs));
    for (; pairs > 0; pairs--) {
        const char *key;
        size_t length;

        assert_true(wire_get_str(&map, &key, &length));
        if (strlen(name) == length && memcmp(key, name, length) == 0)
            return map;
        assert_true(wire_skip(&map));
    }
    fail_msg("no key %s", name);
    return map;
}

static inline uint32_t answer_array(struct wire_in *in)
{
    uint32_t count = 0;

    assert_true(wire_get_array(in, &count));
    return count;
}

static inline uint64_t answer_uint(struct wire_in map, const char *name)
{
    struct wire_in in = answer_key(map, name);
    uint64_t value = 0;

    assert_true(wire_get_uint(&in, &value));
    return value;
}

static inline double answer_double(struct wire_in map, const char *name)
{
    struct wire_in in = answer_key(map, name);
    double value = 0;

    assert_int_equal(wire_type(&in), WIRE_FLOAT);
    assert_true(wire_get_double(&in, &value));
    return value;
}

static inline bool answer_bool(struct wire_in map, const char *name)
{
    struct wire_in in = answer_key(map, name);
    bool value = false;

    assert_true(wire_get_bool(&in, &value));
    return value;
}

/* The next value is this string; NULL: nil. */
static inline void expect_next(struct wire_in *in, const char *expected)
{
    const char *text;
    size_t length;

    if (!expected) {
        assert_int_equal(wire_type(in), WIRE_NIL);
        assert_true(wire_skip(in));
        return;
    }
    assert_true(wire_get_str(in, &text, &length));
    if (length != strlen(expected) || memcmp(text, expected, length) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)length, text, expected);
}

static inline void expect_text(struct wire_in map, const char *name, const char *expected)
{
    struct wire_in in = answer_key(map, name);

    expect_next(&in, expected);
}

static inline void answer_copy(struct wire_in map, const char *name, char *to, size_t size)
{
    struct wire_in in = answer_key(map, name);
    const char *text;
    size_t length;

    assert_true(wire_get_str(&in, &text, &length));
    assert_true(length < size);
    memcpy(to, text, length);
    to[length] = '\0';
}

/* Parameters: s string, b bin, u unsigned, i int64_t, d double, n nil, t true, a NULL-terminated
 * array of strings. A leading '{' makes them named: each argument has its name before it. */
static inline void write_params(struct wire_out *out, const char *format, va_list args)
{
    bool named = *format == '{';

    format += named;
    if (named)
        wire_map(out, (uint32_t)strlen(format));
    else
        wire_array(out, (uint32_t)strlen(format));
    for (; *format; format++) {
        if (named)
            wire_key(out, va_arg(args, const char *));
        if (*format == 's') {
            wire_cstr(out, va_arg(args, const char *));
        } else if (*format == 'b') {
            const char *text = va_arg(args, const char *);
            wire_bin(out, text, strlen(text));
        } else if (*format == 'u') {
            wire_uint(out, va_arg(args, unsigned));
        } else if (*format == 'i') {
            wire_int(out, va_arg(args, int64_t));
        } else if (*format == 'd') {
            wire_double(out, va_arg(args, double));
        } else if (*format == 'a') {
            const char *const *texts = va_arg(args, const char *const *);
            uint32_t count = 0;
            while (texts[count])
                count++;
            wire_array(out, count);
            for (uint32_t i = 0; i < count; i++)
                wire_cstr(out, texts[i]);
        } else if (*format == 't') {
            wire_bool(out, true);
        } else {
            assert_int_equal(*format, 'n');
            wire_nil(out);
        }
    }
}

static inline void read_answer(struct answer *answer)
{
    struct wire_in in = wire_in(answer->out.data, answer->out.bytes), whole = in;
    uint64_t type, msgid;

    assert_false(answer->out.failed);
    assert_true(wire_skip(&whole));
    assert_ptr_equal(whole.at, whole.end);
    assert_int_equal(answer_array(&in), 4);
    assert_true(wire_get_uint(&in, &type));
    assert_int_equal(type, RPC_RESPONSE);
    assert_true(wire_get_uint(&in, &msgid));
    assert_int_equal(msgid, FIXTURE_MSGID);
    answer->is_error = wire_type(&in) != WIRE_NIL;
    if (!answer->is_error)
        assert_true(wire_skip(&in));
    answer->value = in;
    if (answer->is_error) {
        answer_copy(in, "code", answer->code, sizeof answer->code);
        answer_copy(in, "message", answer->message, sizeof answer->message);
    }
}

static inline struct answer run_query(struct query_engine *engine, uint64_t deadline_ns,
                                      const char *method, const char *format, va_list args)
{
    struct answer answer = {0};
    struct wire_out frame;
    struct rpc_request request;

    wire_out_init(&frame);
    rpc_request(&frame, FIXTURE_MSGID, method);
    write_params(&frame, format, args);
    assert_int_equal(rpc_parse_request(frame.data, frame.bytes, &request), RPC_OK);
    wire_out_init(&answer.out);
    query_run(engine, &request, deadline_ns, &answer.out);
    wire_out_fini(&frame);
    read_answer(&answer);
    return answer;
}

/* A query that has to succeed. */
static inline struct answer ask(struct query_engine *engine, const char *method, const char *format,
                                ...)
{
    va_list args;

    va_start(args, format);
    struct answer answer = run_query(engine, 0, method, format, args);
    va_end(args);
    if (answer.is_error)
        fail_msg("%s: %s: %s", method, answer.code, answer.message);
    return answer;
}

/* A query that has to fail with this code, and a message that has `part` in it. */
static inline void refuse(struct query_engine *engine, const char *code, const char *part,
                          const char *method, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct answer answer = run_query(engine, 0, method, format, args);
    va_end(args);
    assert_true(answer.is_error);
    if (strcmp(answer.code, code) != 0 || !strstr(answer.message, part))
        fail_msg("%s: \"%s: %s\" instead of \"%s: ...%s...\"", method, answer.code, answer.message,
                 code, part);
    answer_fini(&answer);
}

/* A query with a deadline, whatever comes of it. */
static inline struct answer ask_until(struct query_engine *engine, uint64_t deadline_ns,
                                      const char *method, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct answer answer = run_query(engine, deadline_ns, method, format, args);
    va_end(args);
    return answer;
}

#endif
