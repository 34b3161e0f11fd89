/* SPDX-License-Identifier: MIT
 *
 * What the load generator sends (load_keys.c makes it, load.c sends it): requests as bytes, and the
 * bytes that have to come back. Whatever fails ends the program.
 */
#ifndef FORKLORE_BENCH_LOAD_H
#define FORKLORE_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSGID_BASE UINT32_C(0x80000000) /* so that a msgid always takes five bytes */
#define MSGID_AT   3                    /* in both kinds of frames: 94 00|01 ce, four bytes */

enum protocol { RPC, RESP, ECHO };

struct text {
    char *bytes;
    size_t length;
};

struct key {
    struct text request, answer;
    size_t took_at; /* where the answer tells how long it took, no part of it; 0: nowhere */
};

struct keys {
    enum protocol protocol;
    bool frames;        /* the file holds requests, not titles */
    const char *path;   /* the server's socket */
    const char *method; /* RPC's, of a title */
    struct key *all;
    size_t count;
};

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *must(void *memory); /* not NULL */
int dial(const char *path);

/* Makes a key of each line or request of the file: RPC's answers are got from the server, Redis'
 * values set there. */
void keys_make(struct keys *keys, const char *file);

void put_msgid(char *frame, uint32_t msgid);
/* Of the answer that begins at `data`; more than `bytes` if it is not all there. */
size_t key_answer_bytes(const struct key *key, const char *data, size_t bytes);
/* Whether a whole answer is the key's, whatever its msgid. */
bool key_is_answer(const struct key *key, enum protocol protocol, const char *data);

#endif
