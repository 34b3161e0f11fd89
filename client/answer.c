/* SPDX-License-Identifier: MIT */
#include "client/answer.h"

#include <string.h>

static void wrong(struct answer *answer, const char *name)
{
    if (!answer->wrong)
        answer->wrong = name;
}

bool answer_find(struct wire_in map, const char *key, struct wire_in *value)
{
    uint32_t pairs;
    if (!wire_get_map(&map, &pairs))
        return false;
    const size_t key_length = strlen(key);
    while (pairs--) {
        const char *text;
        size_t length;
        if (wire_get_str(&map, &text, &length)) {
            if (length == key_length && memcmp(text, key, length) == 0) {
                *value = map;
                enum wire_type type = wire_type(&map);
                return type != WIRE_NIL && type != WIRE_END;
            }
        } else if (!wire_skip(&map)) {
            return false;
        }
        if (!wire_skip(&map))
            return false;
    }
    return false;
}

bool answer_uint_or_nil(struct answer *answer, struct wire_in map, const char *key, uint64_t *value)
{
    struct wire_in in;
    *value = 0;
    if (!answer_find(map, key, &in))
        return false;
    if (wire_get_uint(&in, value))
        return true;
    wrong(answer, key);
    return false;
}

bool answer_real_or_nil(struct answer *answer, struct wire_in map, const char *key, double *value)
{
    struct wire_in in;
    *value = 0;
    if (!answer_find(map, key, &in))
        return false;
    if (wire_get_double(&in, value))
        return true;
    wrong(answer, key);
    return false;
}

struct text answer_text_or_nil(struct answer *answer, struct wire_in map, const char *key)
{
    struct wire_in in;
    return answer_find(map, key, &in) ? answer_element_text(answer, in, key)
                                      : (struct text){NULL, 0};
}

uint64_t answer_uint(struct answer *answer, struct wire_in map, const char *key)
{
    uint64_t value;
    if (!answer_uint_or_nil(answer, map, key, &value))
        wrong(answer, key);
    return value;
}

double answer_real(struct answer *answer, struct wire_in map, const char *key)
{
    double value;
    if (!answer_real_or_nil(answer, map, key, &value))
        wrong(answer, key);
    return value;
}

bool answer_bool(struct answer *answer, struct wire_in map, const char *key)
{
    struct wire_in in;
    bool value = false;
    if (!answer_find(map, key, &in) || !wire_get_bool(&in, &value))
        wrong(answer, key);
    return value;
}

struct text answer_text(struct answer *answer, struct wire_in map, const char *key)
{
    struct wire_in in;
    if (answer_find(map, key, &in))
        return answer_element_text(answer, in, key);
    wrong(answer, key);
    return (struct text){"", 0};
}

struct items answer_items(struct answer *answer, struct wire_in value, const char *key)
{
    struct items items = {0};
    if ((!key || answer_find(value, key, &value)) && wire_get_array(&value, &items.count)) {
        items.at = value;
        items.left = items.count;
    } else {
        wrong(answer, key ? key : "(not an array)");
    }
    return items;
}

bool answer_next(struct items *items, struct wire_in *element)
{
    if (items->left == 0)
        return false;
    *element = items->at;
    items->left--;
    return wire_skip(&items->at);
}

struct text answer_element_text(struct answer *answer, struct wire_in element, const char *name)
{
    struct text text;
    if (wire_get_str(&element, &text.bytes, &text.length))
        return text;
    wrong(answer, name);
    return (struct text){"", 0};
}

bool text_is(struct text text, const char *other)
{
    return text.bytes && text.length == strlen(other) &&
           memcmp(text.bytes, other, text.length) == 0;
}
