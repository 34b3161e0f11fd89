/* SPDX-License-Identifier: MIT
 *
 * Growing arrays of the builder. Large ones are grown by the C library with mremap(), so doubling
 * neither copies nor touches memory that is not used yet.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_ARRAY_H
#define FORKLORE_COORDINATOR_BUILD_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

/* `array` with room for at least `need` elements, and *capacity set to what it has now. NULL when
 * memory is out; the old array is then still there and still the caller's. */
static inline void *array_reserve(void *array, size_t *capacity, size_t need, size_t element_bytes)
{
    if (need <= *capacity)
        return array;
    size_t grown = *capacity < 64 ? 64 : *capacity;
    while (grown < need)
        grown *= 2;
    void *moved = reallocarray(array, grown, element_bytes);
    if (moved)
        *capacity = grown;
    return moved;
}

#endif
