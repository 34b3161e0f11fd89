/* SPDX-License-Identifier: MIT
 *
 * Links of any wikitext, by the rules of a wiki whose first letters count or do not.
 */
#include "tests/fuzz/fuzz.h"

#include "coordinator/dump/wikitext.h"
#include "shm/titles.h"

struct seen {
    bool first_letter;
    size_t text_length;
    uint64_t links;
};

static int on_link(void *owner, enum link_kind kind, const char *title, size_t length)
{
    struct seen *seen = owner;
    MUST(kind < LINK_KIND_COUNT);
    seen->links++;
    MUST(seen->links <= seen->text_length / 2); /* each has its own "[[" */
    char copy[TITLE_MAX_BYTES], normal[TITLE_MAX_BYTES];
    if (kind == LINK_PAGE) {
        MUST(length > 0 && length <= sizeof copy && fuzz_is_utf8(title, length));
        memcpy(copy, title, length);
        int n = title_normalise(copy, length, seen->first_letter, normal);
        MUST(n == (int)length && memcmp(normal, copy, length) == 0);
    } else {
        for (size_t i = 0; i < length; i += sizeof copy)
            memcpy(copy, title + i, length - i < sizeof copy ? length - i : sizeof copy);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char main_name[] = "", talk[] = "Talk", file[] = "File", portal[] = "Portal";
    static struct dump_namespace namespaces[] = {
        {0, main_name}, {1, talk}, {6, file}, {100, portal}};
    static struct link_rules *rules[2];
    struct fault why;
    for (int first_letter = 0; first_letter < 2 && !rules[1]; first_letter++) {
        const struct dump_site site = {
            .first_letter = first_letter, .namespaces = namespaces, .namespace_count = 4};
        MUST(link_rules_create(&rules[first_letter], &site, &why) == 0);
    }
    for (int first_letter = 0; first_letter < 2; first_letter++) {
        char *text = fuzz_copy(data, size);
        struct seen seen = {.first_letter = first_letter, .text_length = size};
        MUST(wikitext_links(rules[first_letter], text, size, on_link, &seen) == 0);
        free(text);
    }
    return 0;
}
