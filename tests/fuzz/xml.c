/* SPDX-License-Identifier: MIT
 *
 * A dump of any bytes: plain, gzip or bzip2, in whatever encoding.
 */
#include "tests/fuzz/fuzz.h"

#include "coordinator/dump/mediawiki.h"

struct seen {
    uint64_t pages, dump_end;
    unsigned sum;
};

static void read_all(struct seen *seen, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        seen->sum += (unsigned char)bytes[i];
}

static int on_site(void *owner, const struct dump_site *site, struct fault *why)
{
    (void)why;
    struct seen *seen = owner;
    MUST(seen->pages == 0);
    if (site->name)
        read_all(seen, site->name, strlen(site->name));
    if (site->database)
        read_all(seen, site->database, strlen(site->database));
    for (size_t i = 0; i < site->namespace_count; i++)
        read_all(seen, site->namespaces[i].name, strlen(site->namespaces[i].name));
    return 0;
}

static int on_page(void *owner, const struct dump_page *page, struct fault *why)
{
    (void)why;
    struct seen *seen = owner;
    seen->pages++;
    MUST(page->title && page->title_length > 0 && page->title_length <= 1024);
    MUST(fuzz_is_utf8(page->title, page->title_length));
    MUST(fuzz_is_utf8(page->text, page->text_length));
    read_all(seen, page->redirect, page->redirect ? page->redirect_length : 0);
    read_all(seen, page->element, page->element_length);
    MUST(page->element_length > 0 && page->element[0] == '<');
    MUST(page->element[page->element_length - 1] == '>');
    /* Pages lie one after the other. */
    MUST(page->dump_offset >= seen->dump_end && page->dump_bytes > 0);
    seen->dump_end = page->dump_offset + page->dump_bytes;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault why = {""};
    struct byte_source *source;
    if (bytes_open(&source, fuzz_file(data, size), &why))
        return 0;
    struct seen seen = {0};
    struct dump_totals totals = {0};
    const struct dump_handler handler = {&seen, on_site, on_page};
    int err = mediawiki_read(source, &handler, &totals, &why);
    MUST(err <= 0 && (err == 0 || why.text[0]));
    if (err == 0)
        MUST(totals.pages == seen.pages && totals.pages > 0 && seen.dump_end <= totals.dump_bytes);
    bytes_close(&source);
    return 0;
}
