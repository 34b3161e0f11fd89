/* SPDX-License-Identifier: MIT
 *
 * The string table behind names.h: open addressing with linear probing over 32 bits of each
 * string's hash, so that growing never reads the strings again.
 */
#include "coordinator/build/names.h"

#include "coordinator/build/array.h"

#include <errno.h>
#include <string.h>

enum { FIRST_SLOTS = 1024 };

struct text_ref names_text(const struct names *names, uint32_t number)
{
    const char *at = names->pool + names->entries[number].offset;
    uint16_t length;
    memcpy(&length, at, sizeof(length));
    return (struct text_ref){at + sizeof(length), length};
}

/* At most half full, so probes stay short. */
static int make_room(struct names *names)
{
    if (names->slot_count > 2 * (size_t)names->count)
        return 0;
    size_t grown = names->slot_count ? 2 * names->slot_count : FIRST_SLOTS;
    struct name_slot *slots = calloc(grown, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < names->slot_count; i++) {
        struct name_slot slot = names->slots[i];
        if (!slot.number)
            continue;
        size_t at = slot.hash & (grown - 1);
        while (slots[at].number)
            at = (at + 1) & (grown - 1);
        slots[at] = slot;
    }
    free(names->slots);
    names->slots = slots;
    names->slot_count = grown;
    return 0;
}

static int append(struct names *names, const char *bytes, uint16_t length)
{
    if (names->count >= NAMES_MAX)
        return -EFBIG;
    struct name *entries =
        array_reserve(names->entries, &names->capacity, (size_t)names->count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    names->entries = entries;
    char *pool = array_reserve(names->pool, &names->pool_capacity,
                               names->pool_bytes + sizeof(length) + length, 1);
    if (!pool)
        return -ENOMEM;
    names->pool = pool;

    entries[names->count++] = (struct name){.offset = names->pool_bytes, .lead = NAME_NOWHERE};
    memcpy(pool + names->pool_bytes, &length, sizeof(length));
    memcpy(pool + names->pool_bytes + sizeof(length), bytes, length);
    names->pool_bytes += sizeof(length) + length;
    return 0;
}

int names_intern(struct names *names, const char *bytes, size_t length, uint32_t *number)
{
    MUST(length <= TITLE_MAX_BYTES);
    int rc = make_room(names);
    if (rc)
        return rc;
    uint32_t hash = (uint32_t)title_hash(bytes, length);
    size_t mask = names->slot_count - 1;
    size_t at = hash & mask;
    for (; names->slots[at].number; at = (at + 1) & mask) {
        if (names->slots[at].hash != hash)
            continue;
        struct text_ref text = names_text(names, names->slots[at].number - 1);
        if (text.length == length && memcmp(text.bytes, bytes, length) == 0) {
            *number = names->slots[at].number - 1;
            return 0;
        }
    }
    rc = append(names, bytes, (uint16_t)length);
    if (rc)
        return rc;
    names->slots[at] = (struct name_slot){.hash = hash, .number = names->count};
    *number = names->count - 1;
    return 0;
}

void names_drop_lookup(struct names *names)
{
    free(names->slots);
    names->slots = NULL;
    names->slot_count = 0;
}

void names_drop_text(struct names *names)
{
    free(names->pool);
    names->pool = NULL;
    names->pool_bytes = names->pool_capacity = 0;
}

void names_fini(struct names *names)
{
    names_drop_lookup(names);
    names_drop_text(names);
    free(names->entries);
    *names = (struct names){0};
}
