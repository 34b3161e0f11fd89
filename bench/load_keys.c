/* SPDX-License-Identifier: MIT */
#include "bench/load.h"

#include "ipc/rpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEYS_MAX   10000
#define ECHO_BYTES 64
#define TOOK       "\xa7took_us"

_Noreturn void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *must(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

static struct text text_of(const void *bytes, size_t length)
{
    struct text text = {must(malloc(length + 1)), length};
    memcpy(text.bytes, bytes, length);
    text.bytes[length] = '\0';
    return text;
}

int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        die("%s: too long a path", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect to %s: %s", path, strerror(errno));
    return fd;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            die("cannot send: %s", strerror(errno));
        bytes += n;
        length -= (size_t)n;
    }
}

void put_msgid(char *frame, uint32_t msgid)
{
    for (unsigned i = 0; i < 4; i++)
        frame[MSGID_AT + i] = (char)(msgid >> (24 - 8 * i));
}

/* The whole answer to one request of MessagePack-RPC. */
static struct text ask(int fd, const struct text *request)
{
    static char answer[1 << 20];
    size_t length = 0;
    struct wire_scan scan = {0};
    send_all(fd, request->bytes, request->length);
    for (;;) {
        ssize_t n = recv(fd, answer + length, sizeof answer - length, 0);
        if (n <= 0)
            die("no answer: %s", strerror(errno));
        length += (size_t)n;
        int64_t whole = wire_scan(&scan, answer, length, sizeof answer);
        if (whole < 0)
            die("an answer is broken");
        if (whole > 0)
            return text_of(answer, (size_t)whole);
    }
}

static void learn_answer(int fd, struct key *key, const char *what)
{
    key->answer = ask(fd, &key->request);
    if ((unsigned char)key->answer.bytes[MSGID_AT + 4] != 0xc0)
        die("%s is answered with an error", what);
    const char *took = memmem(key->answer.bytes, key->answer.length, TOOK, strlen(TOOK));
    key->took_at = took ? (size_t)(took - key->answer.bytes) + strlen(TOOK) : 0;
}

static void make_rpc_key(const struct keys *keys, int fd, struct key *key, const char *title)
{
    struct wire_out out;
    wire_out_init(&out);
    rpc_request(&out, MSGID_BASE, keys->method);
    wire_array(&out, 1);
    wire_cstr(&out, title);
    key->request = text_of(out.data, out.bytes);
    wire_out_fini(&out);
    learn_answer(fd, key, title);
}

static void make_resp_key(int fd, struct key *key, const char *title)
{
    char *bytes, value[ECHO_BYTES + 1];
    unsigned filled = 0;
    while (filled < ECHO_BYTES)
        filled += (unsigned)snprintf(value + filled, sizeof value - filled, "%s.", title);
    int length = asprintf(&bytes, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(title),
                          title, ECHO_BYTES, value);
    if (length < 0)
        die("out of memory");
    char ok[5];
    send_all(fd, bytes, (size_t)length);
    free(bytes);
    if (recv(fd, ok, sizeof ok, MSG_WAITALL) != sizeof ok || memcmp(ok, "+OK\r\n", 5) != 0)
        die("SET failed");
    length = asprintf(&bytes, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(title), title);
    key->request = (struct text){must(bytes), (size_t)length};
    length = asprintf(&bytes, "$%d\r\n%s\r\n", ECHO_BYTES, value);
    key->answer = (struct text){must(bytes), (size_t)length};
}

/* Whole requests, one behind the other, each with a msgid of four bytes. */
static void take_frames(struct keys *keys, int fd, FILE *in)
{
    static char file[64 << 20];
    const size_t length = fread(file, 1, sizeof file, in);
    char number[32];
    for (size_t at = 0; at < length && keys->count < KEYS_MAX;) {
        struct wire_scan scan = {0};
        int64_t whole = wire_scan(&scan, file + at, length - at, length - at);
        if (whole <= MSGID_AT + 4 || memcmp(file + at, "\x94\x00\xce", MSGID_AT) != 0)
            die("byte %zu of the requests does not begin one", at);
        struct key *key = &keys->all[keys->count++];
        key->request = text_of(file + at, (size_t)whole);
        put_msgid(key->request.bytes, MSGID_BASE);
        snprintf(number, sizeof number, "request %zu", keys->count);
        learn_answer(fd, key, number);
        at += (size_t)whole;
    }
}

static void take_titles(struct keys *keys, int fd, FILE *in)
{
    char line[2048];
    while (keys->count < KEYS_MAX && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        struct key *key = &keys->all[keys->count++];
        if (keys->protocol == RPC) {
            make_rpc_key(keys, fd, key, line);
        } else if (keys->protocol == RESP) {
            make_resp_key(fd, key, line);
        } else {
            char bytes[ECHO_BYTES] = {0};
            memcpy(bytes, line, strnlen(line, sizeof bytes));
            key->request = key->answer = text_of(bytes, sizeof bytes);
        }
    }
}

void keys_make(struct keys *keys, const char *file)
{
    FILE *in = fopen(file, "re");
    if (!in)
        die("cannot open %s: %s", file, strerror(errno));
    keys->all = must(calloc(KEYS_MAX, sizeof *keys->all));
    int fd = keys->protocol == ECHO ? -1 : dial(keys->path);
    if (keys->frames)
        take_frames(keys, fd, in);
    else
        take_titles(keys, fd, in);
    fclose(in);
    if (fd >= 0)
        close(fd);
    if (keys->count == 0)
        die("%s is empty", file);
}

/* Of an unsigned integer in MessagePack with this first byte. */
static size_t integer_bytes(char first)
{
    const unsigned head = (unsigned char)first;
    return head >= 0xcc && head <= 0xcf ? 1 + (1U << (head - 0xcc)) : 1;
}

size_t key_answer_bytes(const struct key *key, const char *data, size_t bytes)
{
    const size_t length = key->answer.length, at = key->took_at;
    if (at == 0)
        return length;
    if (bytes <= at)
        return bytes + 1;
    return length - integer_bytes(key->answer.bytes[at]) + integer_bytes(data[at]);
}

bool key_is_answer(const struct key *key, enum protocol protocol, const char *data)
{
    const char *answer = key->answer.bytes;
    const size_t from = protocol == RPC ? MSGID_AT + 4 : 0, length = key->answer.length;
    if (key->took_at == 0)
        return memcmp(answer + from, data + from, length - from) == 0;
    const size_t skip = key->took_at + integer_bytes(answer[key->took_at]);
    return memcmp(answer + from, data + from, key->took_at - from) == 0 &&
           memcmp(answer + skip, data + key->took_at + integer_bytes(data[key->took_at]),
                  length - skip) == 0;
}
