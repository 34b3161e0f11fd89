/* SPDX-License-Identifier: MIT
 *
 * MessagePack-RPC frames and parameters, and the blocking client against a peer that this test
 * plays over a socket.
 */
#include "ipc/rpc.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void test_rpc_request_is_taken_apart(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    rpc_request(&out, 4000000000u, "lookup");
    wire_array(&out, 1);
    wire_cstr(&out, "Zürich");
    struct rpc_request request;
    assert_int_equal(rpc_parse_request(out.data, out.bytes, &request), RPC_OK);
    assert_true(request.has_msgid);
    assert_true(request.msgid == 4000000000u);
    assert_int_equal(request.method_length, 6);
    assert_memory_equal(request.method, "lookup", 6);
    uint32_t count;
    const char *title;
    size_t length;
    assert_true(wire_get_array(&request.params, &count) && count == 1);
    assert_true(wire_get_str(&request.params, &title, &length) && length == 7);
    assert_ptr_equal(request.params.at, request.params.end);

    wire_out_clear(&out);
    rpc_notification(&out, "stop");
    wire_array(&out, 0);
    assert_int_equal(rpc_parse_request(out.data, out.bytes, &request), RPC_OK);
    assert_false(request.has_msgid);
    assert_memory_equal(request.method, "stop", 4);
    wire_out_fini(&out);
}

static void test_rpc_broken_requests_are_answered_where_that_is_possible(void **unused)
{
    (void)unused;
    struct rpc_request request;
    static const struct {
        const char *frame;
        size_t bytes;
        bool has_msgid;
    } cases[] = {
        {"", 0, false},
        {"\xc0", 1, false},                     /* nil */
        {"\xa1x", 2, false},                    /* a string */
        {"\x90", 1, false},                     /* [] */
        {"\x91\x00", 2, false},                 /* [0] */
        {"\x92\x00\x07", 3, true},              /* [0, 7] */
        {"\x92\x00\xff", 3, false},             /* [0, -1] */
        {"\x93\x00\x07\xa1m", 5, true},         /* without params */
        {"\x94\x00\x07\x05\x90", 5, true},      /* method 5 */
        {"\x94\x00\xa1x\xa1m\x90", 7, false},   /* msgid "x" */
        {"\x94\x00\x07\xa1m\xc0", 6, true},     /* params nil */
        {"\x94\x00\x07\xa1m\x01", 6, true},     /* params 1 */
        {"\x95\x00\x07\xa1m\x90\x01", 7, true}, /* five elements */
        {"\x94\x00\x07\xa1m\x90\x01", 7, true}, /* a byte too many */
        {"\x94\x00\x07\xa1m\x92\x01", 7, true}, /* cut short */
        {"\x94\x01\x07\xc0\xc0", 5, false},     /* a response */
        {"\x94\x03\x07\xa1m\x90", 6, false},    /* type 3 */
        {"\x94\xff\x07\xa1m\x90", 6, false},    /* type -1 */
        {"\x94\x02\x07\xa1m\x90", 6, false},    /* a notification of four */
        {"\x93\x02\x07\x90", 4, false},         /* a notification without method */
        {"\x94\x00\x07\xa1m\xc1", 6, true},     /* no MessagePack */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum rpc_error error = rpc_parse_request(cases[i].frame, cases[i].bytes, &request);
        if (error != RPC_BAD_REQUEST || request.has_msgid != cases[i].has_msgid)
            fail_msg("case %zu: error %s, has_msgid %d", i, rpc_error_text(error),
                     request.has_msgid);
        if (request.has_msgid)
            assert_int_equal(request.msgid, 7);
    }
}

static void test_rpc_error_codes_survive_the_wire(void **unused)
{
    (void)unused;
    for (int code = RPC_OK + 1; code <= RPC_INTERNAL; code++) {
        const char *text = rpc_error_text((enum rpc_error)code);
        assert_int_equal(rpc_error_of(text, strlen(text)), code);
    }
    assert_string_equal(rpc_error_text(RPC_NOT_FOUND), "not_found");
    assert_int_equal(rpc_error_of("not_foun", 8), RPC_INTERNAL);
    assert_int_equal(rpc_error_of("not_found_", 10), RPC_INTERNAL);
    assert_int_equal(rpc_error_of("ok", 2), RPC_INTERNAL);
    assert_string_equal(rpc_error_text((enum rpc_error)1000), "internal");
}

/* A message may quote what a client sent, and end anywhere in it. */
static void test_rpc_error_messages_are_text(void **unused)
{
    (void)unused;
    static const char *const cases[][2] = {
        {"no page has the title \"\xe6\x98\x9f\"", "no page has the title \"\xe6\x98\x9f\""},
        {"cut: \xe6\x98\x9f\xe6\x98", "cut: \xe6\x98\x9f??"},
        {"\xff"
         "bytes\xc0\x80, \xed\xa0\x80",
         "?bytes??, ???"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_out out;
        struct wire_in in;
        const char *text;
        size_t length;
        uint32_t count;
        wire_out_init(&out);
        rpc_error(&out, 7, RPC_NOT_FOUND, cases[i][0]);
        in = wire_in(out.data, out.bytes);
        assert_true(wire_get_array(&in, &count) && wire_skip(&in) && wire_skip(&in));
        assert_true(wire_get_map(&in, &count) && wire_skip(&in) && wire_skip(&in) &&
                    wire_skip(&in));
        assert_true(wire_get_text(&in, &text, &length));
        assert_int_equal(length, strlen(cases[i][1]));
        assert_memory_equal(text, cases[i][1], length);
        wire_out_fini(&out);
    }
}

/* The value of a whole message, for params. */
static struct wire_in value_of(const struct wire_out *out)
{
    return wire_in(out->data, out->bytes);
}

static void test_rpc_params_by_position(void **unused)
{
    (void)unused;
    struct wire_out out;
    wire_out_init(&out);
    wire_array(&out, 3);
    wire_cstr(&out, "Paris");
    wire_nil(&out);
    wire_uint(&out, 10);
    struct rpc_params params;
    struct wire_in value;
    const char *text;
    size_t length;
    uint64_t n;
    assert_true(rpc_params_begin(&params, value_of(&out)));
    assert_false(params.named);
    assert_true(rpc_param(&params, 0, "title", &value));
    assert_true(wire_get_str(&value, &text, &length) && length == 5);
    assert_ptr_equal(value.at, value.end);               /* that value and no more */
    assert_false(rpc_param(&params, 1, "from", &value)); /* nil is absent */
    assert_true(rpc_param(&params, 2, "limit", &value));
    assert_true(wire_get_uint(&value, &n) && n == 10);
    assert_false(rpc_param(&params, 3, "more", &value));

    char buf[64];
    assert_null(rpc_params_unknown(&params, (const char *[]){"a", "b", "c", NULL}, buf));
    assert_string_equal(rpc_params_unknown(&params, (const char *[]){"a", "b", NULL}, buf),
                        "number 3");
    wire_out_fini(&out);
}

static void expect_named(struct wire_in value)
{
    struct rpc_params params;
    assert_true(rpc_params_begin(&params, value));
    assert_true(params.named);
    assert_int_equal(params.count, 3);
    uint64_t n;
    const char *text;
    size_t length;
    assert_true(rpc_param(&params, 7, "limit", &value));
    assert_true(wire_get_uint(&value, &n) && n == 10);
    assert_true(rpc_param(&params, 0, "title", &value));
    assert_true(wire_get_str(&value, &text, &length) && length == 4);
    assert_false(rpc_param(&params, 0, "from", &value)); /* nil */
    assert_false(rpc_param(&params, 0, "titl", &value));

    char buf[64];
    assert_null(rpc_params_unknown(&params, (const char *[]){"title", "from", "limit", NULL}, buf));
    assert_string_equal(rpc_params_unknown(&params, (const char *[]){"title", "from", NULL}, buf),
                        "limit");
}

static void test_rpc_params_by_name(void **unused)
{
    (void)unused;
    /* Both as the map itself and as the only element of the array. */
    struct wire_out out;
    wire_out_init(&out);
    wire_array(&out, 1);
    wire_map(&out, 3);
    wire_key_uint(&out, "limit", 10);
    wire_key(&out, "from");
    wire_nil(&out);
    wire_key_cstr(&out, "title", "Rome");
    expect_named(value_of(&out));
    expect_named(wire_in(out.data + 1, out.bytes - 1));
    wire_out_fini(&out);
}

static void test_rpc_params_that_are_neither_are_refused(void **unused)
{
    (void)unused;
    struct rpc_params params;
    assert_false(rpc_params_begin(&params, wire_in("\xa1x", 2)));
    assert_false(rpc_params_begin(&params, wire_in("\xc0", 1)));
    assert_false(rpc_params_begin(&params, wire_in("\x92\x01", 2)));
    assert_true(rpc_params_begin(&params, wire_in("\x90", 1)));
    assert_int_equal(params.count, 0);
}

static void test_rpc_unknown_names_are_made_printable(void **unused)
{
    (void)unused;
    char buf[64], name[100];
    const char *names[] = {"title", NULL};
    struct rpc_params params;
    assert_true(rpc_params_begin(&params, wire_in("\x81\xa4\xff\n%n\x01", 7)));
    assert_string_equal(rpc_params_unknown(&params, names, buf), "??%n");
    assert_true(rpc_params_begin(&params, wire_in("\x81\x05\x01", 3)));
    assert_string_equal(rpc_params_unknown(&params, names, buf), "(a name that is not a string)");

    struct wire_out out;
    wire_out_init(&out);
    memset(name, 'n', sizeof name);
    wire_map(&out, 1);
    wire_str(&out, name, sizeof name);
    wire_nil(&out);
    assert_true(rpc_params_begin(&params, value_of(&out)));
    assert_int_equal(strlen(rpc_params_unknown(&params, names, buf)), 63);
    wire_out_fini(&out);
}

/* --- The client ------------------------------------------------------------------------------ */

/* A client whose server is the other end of a socket pair. */
static int connect_pair(struct rpc_client *client)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    *client = (struct rpc_client){.fd = ends[0]};
    return ends[1];
}

static void write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        assert_true(n > 0);
        data += n;
        bytes -= (size_t)n;
    }
}

static void test_rpc_client_reads_answers_in_any_portions(void **unused)
{
    (void)unused;
    struct rpc_client client;
    struct rpc_message message;
    struct fault why;
    int server = connect_pair(&client);
    struct wire_out out;
    wire_out_init(&out);
    rpc_result(&out, 3);
    wire_uint(&out, 42);
    size_t first = out.bytes;
    rpc_error(&out, 4, RPC_NOT_FOUND, "no page Foo");
    rpc_notification(&out, "progress");
    wire_array(&out, 1);
    wire_uint(&out, 5);

    for (size_t i = 0; i + 1 < first; i++) { /* byte by byte */
        write_all(server, out.data + i, 1);
        assert_int_equal(rpc_receive(&client, &message, 0, &why), -ETIMEDOUT);
    }
    assert_non_null(strstr(why.text, "did not answer within 0 ms"));
    write_all(server, out.data + first - 1, out.bytes - first + 1); /* and the rest at once */
    uint64_t n;
    assert_int_equal(rpc_receive(&client, &message, -1, &why), 0);
    assert_int_equal(message.type, RPC_RESPONSE);
    assert_false(message.is_error);
    assert_int_equal(message.msgid, 3);
    assert_true(wire_get_uint(&message.value, &n) && n == 42);

    assert_int_equal(rpc_receive(&client, &message, 1000, &why), 0);
    assert_true(message.is_error);
    assert_int_equal(message.msgid, 4);
    struct rpc_params params;
    struct wire_in value;
    const char *text;
    size_t length;
    assert_true(rpc_params_begin(&params, message.value) && params.named);
    assert_true(rpc_param(&params, 0, "code", &value));
    assert_true(wire_get_str(&value, &text, &length));
    assert_int_equal(rpc_error_of(text, length), RPC_NOT_FOUND);
    assert_true(rpc_param(&params, 0, "message", &value));
    assert_true(wire_get_str(&value, &text, &length) && length == 11);

    assert_int_equal(rpc_receive(&client, &message, 1000, &why), 0);
    assert_int_equal(message.type, RPC_NOTIFICATION);
    assert_memory_equal(message.method, "progress", message.method_length);

    write_all(server, "\x94\x01", 2);
    close(server);
    assert_int_equal(rpc_receive(&client, &message, 1000, &why), -ECONNRESET);
    assert_string_equal(why.text, "forklored closed the connection in the middle of an answer");
    wire_out_fini(&out);
    rpc_close(&client);
}

static void test_rpc_client_refuses_what_is_no_answer(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } cases[] = {
        {"\xc1", 1, "broken MessagePack"},
        {"\xdd\xff\xff\xff\xff", 5, "over a gibibyte"},
        {"\x94\x00\x01\xa1m\x90", 6, "no MessagePack-RPC answer"},
        {"\x93\x01\x01\xc0", 4, "no MessagePack-RPC answer"},
        {"HTTP/1.1", 8, "no MessagePack-RPC answer"},
        {"\x90", 1, "no MessagePack-RPC answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rpc_client client;
        struct rpc_message message;
        struct fault why;
        int server = connect_pair(&client);
        write_all(server, cases[i].bytes, cases[i].length);
        assert_int_equal(rpc_receive(&client, &message, 1000, &why), -EBADMSG);
        if (!strstr(why.text, cases[i].message))
            fail_msg("case %zu: %s", i, why.text);
        close(server);
        rpc_close(&client);
    }
}

#define PIPELINED 20000u

/* Answers each request with its params, and waits for every answer to be taken. */
static void *serve(void *arg)
{
    int fd = *(int *)arg;
    static char in[1 << 16];
    size_t bytes = 0;
    struct wire_out out;
    wire_out_init(&out);
    for (unsigned answered = 0; answered < PIPELINED;) {
        ssize_t n = read(fd, in + bytes, sizeof in - bytes);
        if (n <= 0)
            break;
        bytes += (size_t)n;
        size_t used = 0;
        for (;;) {
            struct wire_scan scan = {0};
            int64_t frame = wire_scan(&scan, in + used, bytes - used, RPC_FRAME_LIMIT);
            if (frame <= 0)
                break;
            struct rpc_request request;
            if (rpc_parse_request(in + used, (size_t)frame, &request) != RPC_OK)
                break;
            wire_out_clear(&out);
            rpc_result(&out, request.msgid);
            wire_raw(&out, request.params.at, (size_t)(request.params.end - request.params.at));
            write_all(fd, out.data, out.bytes);
            used += (size_t)frame;
            answered++;
        }
        bytes -= used;
        memmove(in, in + used, bytes);
    }
    wire_out_fini(&out);
    return NULL;
}

static void test_rpc_client_pipelines_more_than_the_socket_holds(void **unused)
{
    (void)unused;
    struct rpc_client client;
    int server = connect_pair(&client);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
    struct wire_out out;
    wire_out_init(&out);
    for (unsigned i = 0; i < PIPELINED; i++) {
        rpc_request(&out, i, "echo");
        wire_array(&out, 2);
        wire_uint(&out, i);
        wire_cstr(&out, "enough bytes to fill the buffers of a socket in both directions");
    }
    struct fault why;
    assert_int_equal(rpc_send(&client, out.data, out.bytes, &why), 0);
    for (unsigned i = 0; i < PIPELINED; i++) {
        struct rpc_message message;
        uint32_t count;
        uint64_t n;
        assert_int_equal(rpc_receive(&client, &message, 10000, &why), 0);
        assert_int_equal(message.msgid, i);
        assert_true(wire_get_array(&message.value, &count) && count == 2);
        assert_true(wire_get_uint(&message.value, &n) && n == i);
    }
    pthread_join(thread, NULL);
    close(server);
    assert_int_equal(rpc_send(&client, "\x90", 1, &why), -ECONNRESET);
    wire_out_fini(&out);
    rpc_close(&client);
}

static void test_rpc_connect_says_what_is_wrong(void **unused)
{
    (void)unused;
    struct rpc_client client;
    struct fault why;
    char path[200];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(rpc_connect(&client, path, &why), -ENAMETOOLONG);
    assert_non_null(strstr(why.text, "has 199 bytes, at most 107 are possible"));
    rpc_close(&client);

    snprintf(path, sizeof path, "/tmp/forklore-rpc-test-%d", (int)getpid());
    assert_int_equal(rpc_connect(&client, path, &why), -ENOENT);
    assert_non_null(strstr(why.text, path));

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(rpc_connect(&client, path, &why), 0);
    rpc_close(&client);
    rpc_close(&client); /* twice is harmless */
    close(listener);
    assert_int_equal(rpc_connect(&client, path, &why), -ECONNREFUSED);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_request_is_taken_apart),
        cmocka_unit_test(test_rpc_broken_requests_are_answered_where_that_is_possible),
        cmocka_unit_test(test_rpc_error_codes_survive_the_wire),
        cmocka_unit_test(test_rpc_error_messages_are_text),
        cmocka_unit_test(test_rpc_params_by_position),
        cmocka_unit_test(test_rpc_params_by_name),
        cmocka_unit_test(test_rpc_params_that_are_neither_are_refused),
        cmocka_unit_test(test_rpc_unknown_names_are_made_printable),
        cmocka_unit_test(test_rpc_client_reads_answers_in_any_portions),
        cmocka_unit_test(test_rpc_client_refuses_what_is_no_answer),
        cmocka_unit_test(test_rpc_client_pipelines_more_than_the_socket_holds),
        cmocka_unit_test(test_rpc_connect_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
