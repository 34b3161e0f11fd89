/* SPDX-License-Identifier: MIT
 *
 * Reading an answer. Nothing in it is trusted: the first field that is missing or of the wrong
 * type is remembered, reading goes on with zeros, and the command ends with a message about it.
 */
#ifndef FORKLORE_CLIENT_ANSWER_H
#define FORKLORE_CLIENT_ANSWER_H

#include "ipc/wire.h"

struct answer {
    struct wire_in value;
    const char *wrong; /* name of the first bad field, or NULL */
};

/* Bytes in the answer, not NUL-terminated; NULL for nil. */
struct text {
    const char *bytes;
    size_t length;
};

/* The value of a map's key; false if absent or nil, or if this is no map. */
bool answer_find(struct wire_in map, const char *key, struct wire_in *value);

uint64_t answer_uint(struct answer *answer, struct wire_in map, const char *key);
double answer_real(struct answer *answer, struct wire_in map, const char *key);
bool answer_bool(struct answer *answer, struct wire_in map, const char *key);
struct text answer_text(struct answer *answer, struct wire_in map, const char *key);
/* As those, but nil and absent are no fault: false, or NULL bytes. */
bool answer_uint_or_nil(struct answer *answer, struct wire_in map, const char *key,
                        uint64_t *value);
bool answer_real_or_nil(struct answer *answer, struct wire_in map, const char *key, double *value);
struct text answer_text_or_nil(struct answer *answer, struct wire_in map, const char *key);

/* The cursor on an array's first element, and how many there are. key NULL: `value` itself. */
struct items {
    struct wire_in at;
    uint32_t left, count;
};
struct items answer_items(struct answer *answer, struct wire_in value, const char *key);
/* The next element, false at the end. */
bool answer_next(struct items *items, struct wire_in *element);
/* That element as text; a fault under this name if it is not. */
struct text answer_element_text(struct answer *answer, struct wire_in element, const char *name);
bool text_is(struct text text, const char *other);

#endif
