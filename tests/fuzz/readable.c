/* SPDX-License-Identifier: MIT
 *
 * The readable text of any wikitext: no longer than that, and UTF-8 if that was.
 */
#include "tests/fuzz/fuzz.h"

#include "shm/readable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size), *out = fuzz_copy(data, size);
    size_t length = readable_text(text, size, out);
    MUST(length <= size);
    MUST(!fuzz_is_utf8(text, size) || fuzz_is_utf8(out, length));
    free(text);
    free(out);
    return 0;
}
