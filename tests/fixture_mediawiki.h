/* SPDX-License-Identifier: MIT
 *
 * What the tests of reading MediaWiki exports share: small exports, and what was read of one.
 */
#ifndef FORKLORE_TESTS_FIXTURE_MEDIAWIKI_H
#define FORKLORE_TESTS_FIXTURE_MEDIAWIKI_H

#include "coordinator/dump/mediawiki.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "<mediawiki version=\"0.10\"><siteinfo><sitename>Test &amp; Co</sitename>"                     \
    "<dbname>testwiki</dbname><case>first-letter</case><namespaces>"                               \
    "<namespace key=\"-1\">Special</namespace><namespace key=\"0\" />"                             \
    "<namespace key=\"1\">Diskussion</namespace></namespaces></siteinfo>\n"
#define TAIL                "</mediawiki>\n"
#define PAGE(title, inside) "<page><title>" title "</title><ns>0</ns><id>7</id>" inside "</page>"
#define REVISION(text)      "<revision><id>9</id><text>" text "</text></revision>"

struct seen {
    uint64_t id, dump_offset, dump_bytes;
    int ns;
    char *title, *redirect, *text, *element;
    size_t text_length, element_length;
};

struct collection {
    size_t sites, count;
    struct seen pages[64];
    char site_name[64], database[64];
    bool first_letter;
    size_t namespace_count;
    int stop_at;            /* the page at which the handler fails; -1: none */
    bool lean;              /* count the pages only */
    size_t heap_after_last; /* bytes on the heap during the last page */
    struct dump_totals totals;
    struct fault why;
};

static inline int on_site(void *owner, const struct dump_site *site, struct fault *why)
{
    struct collection *all = owner;

    (void)why;
    assert_int_equal(all->count, 0);
    all->sites++;
    snprintf(all->site_name, sizeof(all->site_name), "%s", site->name);
    snprintf(all->database, sizeof(all->database), "%s", site->database);
    all->first_letter = site->first_letter;
    all->namespace_count = site->namespace_count;
    return 0;
}

static inline int on_page(void *owner, const struct dump_page *page, struct fault *why)
{
    struct collection *all = owner;

    assert_int_equal(all->sites, 1);
    assert_true(page->dump_bytes > 0);
    if ((int)all->count == all->stop_at)
        return fault_set(why, ECANCELED, "stopped");
    if (all->lean) {
        all->count++;
        struct mallinfo2 info = mallinfo2();
        all->heap_after_last = info.uordblks + info.hblkhd;
        return 0;
    }
    assert_true(all->count < sizeof(all->pages) / sizeof(all->pages[0]));
    all->pages[all->count++] = (struct seen){
        .id = page->id,
        .ns = page->ns,
        .dump_offset = page->dump_offset,
        .dump_bytes = page->dump_bytes,
        .title = strndup(page->title, page->title_length),
        .redirect = page->redirect ? strndup(page->redirect, page->redirect_length) : NULL,
        .text = strndup(page->text, page->text_length),
        .text_length = page->text_length,
        .element = strndup(page->element, page->element_length),
        .element_length = page->element_length,
    };
    return 0;
}

static inline void forget(struct collection *all)
{
    for (size_t i = 0; i < all->count && !all->lean; i++) {
        free(all->pages[i].title);
        free(all->pages[i].redirect);
        free(all->pages[i].text);
        free(all->pages[i].element);
    }
}

static inline int read_path(struct collection *all, const char *path)
{
    const struct dump_handler handler = {.owner = all, .site = on_site, .page = on_page};
    struct byte_source *source;

    int err = bytes_open(&source, path, &all->why);
    if (err == 0)
        err = mediawiki_read(source, &handler, &all->totals, &all->why);
    bytes_close(&source);
    return err;
}

static inline int read_bytes(struct collection *all, const char *xml, size_t length)
{
    char path[64];
    int fd = memfd_create("mediawiki_test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, xml, length), (ssize_t)length);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int err = read_path(all, path);
    close(fd);
    return err;
}

/* Reads good XML, and checks that every element is where it is said to be. */
static inline struct collection read_good(const char *xml, size_t length)
{
    struct collection all = {.stop_at = -1};

    int err = read_bytes(&all, xml, length);
    if (err != 0)
        fail_msg("%s", all.why.text);
    assert_int_equal(all.totals.dump_bytes, length);
    assert_int_equal(all.totals.pages, all.count);
    for (size_t i = 0; i < all.count; i++) {
        const struct seen *page = &all.pages[i];
        assert_true(page->dump_offset + page->dump_bytes <= length);
        assert_int_equal(page->dump_bytes, page->element_length);
        assert_memory_equal(page->element, xml + page->dump_offset, page->element_length);
        assert_memory_equal(page->element, "<page", 5);
    }
    return all;
}

static inline struct collection read_text(const char *xml)
{
    return read_good(xml, strlen(xml));
}

static inline void expect_error(const char *xml, size_t length, int err, const char *message)
{
    struct collection all = {.stop_at = -1};

    int result = read_bytes(&all, xml, length);
    if (result != -err || !strstr(all.why.text, message))
        fail_msg("%d \"%s\" is not %d \"%s\"", result, result ? all.why.text : "", -err, message);
    assert_memory_equal(all.why.text, "/proc/self/fd/", 14);
    forget(&all);
}

static inline void expect_text_error(const char *xml, int err, const char *message)
{
    expect_error(xml, strlen(xml), err, message);
}

#endif
