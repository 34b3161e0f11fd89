/* SPDX-License-Identifier: MIT
 *
 * The first step of wiki.h: takes the pages of the main namespace as the dump brings them. Titles
 * and link targets become numbers at once; a target need not have been seen as a page yet.
 */
#include "coordinator/build/array.h"
#include "coordinator/build/wiki_int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int out_of_memory(struct wiki *wiki, int rc, struct fault *why)
{
    if (rc == -EFBIG)
        return fault_set(why, EFBIG, "%s: more than %" PRIu32 " different titles and links",
                         bytes_name(wiki->source), NAMES_MAX);
    return fault_set(why, ENOMEM, "%s: out of memory after %" PRIu32 " pages",
                     bytes_name(wiki->source), wiki->page_count);
}

static int take_site(void *owner, const struct dump_site *site, struct fault *why)
{
    struct wiki *wiki = owner;
    struct index_meta *meta = &wiki->parts->meta;
    wiki->first_letter = site->first_letter;
    meta->first_letter = site->first_letter;
    meta_string(meta->site, sizeof(meta->site), site->name);
    meta_string(meta->database, sizeof(meta->database), site->database);
    return link_rules_create(&wiki->rules, site, why);
}

/* A target once per page, with how often it occurs. A name's mark is where the page's list has it,
 * if it has: marks of earlier pages point to other names or past the end, so nothing is cleared. */
static int take_link(void *owner, enum link_kind kind, const char *title, size_t length)
{
    struct wiki *wiki = owner;
    wiki->report->links[kind]++;
    if (kind != LINK_PAGE)
        return 0;
    uint32_t number;
    int rc = names_intern(&wiki->names, title, length, &number);
    if (rc)
        return rc;
    struct name *name = &wiki->names.entries[number];
    if (name->mark < wiki->page_link_count && wiki->page_links[name->mark].name == number) {
        wiki->page_links[name->mark].count++;
        return 0;
    }
    struct page_link *links = array_reserve(wiki->page_links, &wiki->page_link_capacity,
                                            wiki->page_link_count + 1, sizeof(*links));
    if (!links)
        return -ENOMEM;
    wiki->page_links = links;
    name->mark = (uint32_t)wiki->page_link_count;
    links[wiki->page_link_count++] = (struct page_link){.name = number, .count = 1};
    return 0;
}

static int put_links(struct wiki *wiki)
{
    int rc = link_stream_put(&wiki->links, (uint32_t)wiki->page_link_count);
    for (size_t i = 0; !rc && i < wiki->page_link_count; i++) {
        struct page_link link = wiki->page_links[i];
        bool counted = link.count > 1;
        rc = link_stream_put(&wiki->links, link.name | (counted ? LINK_STREAM_COUNTED : 0));
        if (!rc && counted)
            rc = link_stream_put(&wiki->links, link.count);
    }
    return rc;
}

static int take_article(struct wiki *wiki, const struct dump_page *page, uint32_t name,
                        struct fault *why)
{
    struct page *pages = array_reserve(wiki->pages, &wiki->page_capacity,
                                       (size_t)wiki->page_count + 1, sizeof(*pages));
    if (!pages)
        return out_of_memory(wiki, -ENOMEM, why);
    wiki->pages = pages;
    MUST(page->dump_bytes <= UINT32_MAX); /* mediawiki_read() allows less */
    struct page *record = &pages[wiki->page_count];
    *record = (struct page){.id = page->id,
                            .dump_offset = page->dump_offset,
                            .dump_bytes = (uint32_t)page->dump_bytes,
                            .title = name,
                            .element_bytes = (uint32_t)page->element_length};
    int rc = text_writer_add(&wiki->parts->text, page->element, page->element_length,
                             &record->block, &record->block_offset, why);
    if (rc)
        return rc;

    /* Vertices are numbered as pages come, which is the order that postings want. */
    if (wiki->parts->words) {
        rc = word_thread_add(wiki->parts->words, page->title, page->title_length, page->text,
                             page->text_length, why);
        if (rc)
            return rc;
    }
    wiki->page_link_count = 0;
    rc = wikitext_links(wiki->rules, page->text, page->text_length, take_link, wiki);
    if (!rc)
        rc = put_links(wiki);
    if (rc)
        return out_of_memory(wiki, rc, why);
    wiki->names.entries[name].lead = wiki->page_count++;
    return 0;
}

static int take_redirect(struct wiki *wiki, const struct dump_page *page, uint32_t name,
                         struct fault *why)
{
    const char *section = memchr(page->redirect, '#', page->redirect_length);
    size_t length = section ? (size_t)(section - page->redirect) : page->redirect_length;
    char target[TITLE_MAX_BYTES];
    int normal = title_normalise(page->redirect, length, wiki->first_letter, target);
    /* To nowhere is a loop of one: dropped and counted with the other loops. */
    uint32_t number = name;
    int rc = normal > 0 ? names_intern(&wiki->names, target, (size_t)normal, &number) : 0;
    if (rc)
        return out_of_memory(wiki, rc, why);
    wiki->names.entries[name].lead = number | TITLE_IS_REDIRECT;
    return 0;
}

static int take_shown(struct wiki *wiki, const struct dump_page *page, uint32_t name)
{
    struct text_ref normal = names_text(&wiki->names, name);
    if (normal.length == page->title_length &&
        memcmp(normal.bytes, page->title, page->title_length) == 0)
        return 0;
    struct shown_title *shown = array_reserve(wiki->shown_titles, &wiki->shown_capacity,
                                              wiki->shown_count + 1, sizeof(*shown));
    if (!shown)
        return -ENOMEM;
    wiki->shown_titles = shown;
    shown[wiki->shown_count].name = name;
    return names_intern(&wiki->shown, page->title, page->title_length,
                        &shown[wiki->shown_count++].shown);
}

static int take_page(void *owner, const struct dump_page *page, struct fault *why)
{
    struct wiki *wiki = owner;
    progress_step(wiki->progress, bytes_consumed(wiki->source), bytes_total(wiki->source),
                  "%" PRIu32 " pages", wiki->page_count);
    wiki->report->redirects_seen += page->redirect != NULL;
    if (page->ns != 0)
        return 0;

    char title[TITLE_MAX_BYTES];
    int length = title_normalise(page->title, page->title_length, wiki->first_letter, title);
    if (length <= 0)
        return fault_set(why, EBADMSG, "%s: page %" PRIu64 " at byte %" PRIu64 ": its title is %s",
                         bytes_name(wiki->source), page->id, page->dump_offset,
                         length == 0               ? "empty"
                         : length == -ENAMETOOLONG ? "too long"
                                                   : "not valid UTF-8");
    uint32_t name;
    int rc = names_intern(&wiki->names, title, (size_t)length, &name);
    if (rc)
        return out_of_memory(wiki, rc, why);
    if (wiki->names.entries[name].lead != NAME_NOWHERE) {
        wiki->report->duplicate_titles++;
        return 0;
    }
    rc = take_shown(wiki, page, name);
    if (rc)
        return out_of_memory(wiki, rc, why);
    return page->redirect ? take_redirect(wiki, page, name, why)
                          : take_article(wiki, page, name, why);
}

int wiki_create(struct wiki **wiki, struct build_report *report, struct fault *why)
{
    *wiki = calloc(1, sizeof(**wiki));
    if (!*wiki)
        return fault_set(why, ENOMEM, "out of memory");
    (*wiki)->report = report;
    return 0;
}

/* What only reading needs. */
static void drop_reading_state(struct wiki *wiki)
{
    link_rules_destroy(&wiki->rules);
    free(wiki->page_links);
    wiki->page_links = NULL;
    wiki->page_link_count = wiki->page_link_capacity = 0;
    names_drop_lookup(&wiki->names);
    names_drop_lookup(&wiki->shown);
}

void wiki_destroy(struct wiki **wiki)
{
    if (!*wiki)
        return;
    drop_reading_state(*wiki);
    names_fini(&(*wiki)->names);
    names_fini(&(*wiki)->shown);
    free((*wiki)->shown_titles);
    link_stream_fini(&(*wiki)->links);
    free((*wiki)->pages);
    free(*wiki);
    *wiki = NULL;
}

int wiki_read(struct wiki *wiki, struct byte_source *source, struct build_parts *parts,
              struct progress *progress, struct fault *why)
{
    struct dump_handler handler = {.owner = wiki, .site = take_site, .page = take_page};
    struct dump_totals totals = {0};
    wiki->source = source;
    wiki->parts = parts;
    wiki->progress = progress;
    int rc = mediawiki_read(source, &handler, &totals, why);
    if (rc)
        return rc;
    if (wiki->page_count == 0)
        return fault_set(why, EBADMSG, "%s: %" PRIu64 " pages, but no article among them",
                         bytes_name(source), totals.pages);
    wiki->report->pages_seen = totals.pages;
    wiki->report->dump_bytes = totals.dump_bytes;
    drop_reading_state(wiki);
    if (parts->words)
        word_thread_end(parts->words);
    return text_writer_finish(&parts->text, why);
}
