/* SPDX-License-Identifier: MIT
 *
 * The later steps of wiki.h: redirects to their ends, names to title entries, links to arcs.
 */
#include "coordinator/build/wiki_int.h"

#include <errno.h>
#include <inttypes.h>

#define SETTLED UINT32_MAX

static bool is_open_redirect(const struct name *name)
{
    return name->mark != SETTLED && name->lead != NAME_NOWHERE && (name->lead & TITLE_IS_REDIRECT);
}

/* Settles one chain. The first walk marks what it passes, so it ends at a page, at nothing, at a
 * redirect settled before, or where it has been already: a loop. The second walk writes the end
 * into every link of the chain, so that no link is walked by more than two chains. */
static void settle(struct name *names, uint32_t first, uint32_t walk)
{
    uint32_t at = first;
    while (is_open_redirect(&names[at]) && names[at].mark != walk) {
        names[at].mark = walk;
        at = names[at].lead & ~TITLE_IS_REDIRECT;
    }
    uint32_t end = names[at].lead;
    if (is_open_redirect(&names[at]))
        end = NAME_NOWHERE;
    if (end != NAME_NOWHERE)
        end |= TITLE_IS_REDIRECT;

    at = first;
    while (is_open_redirect(&names[at])) {
        uint32_t next = names[at].lead & ~TITLE_IS_REDIRECT;
        names[at].lead = end;
        names[at].mark = SETTLED;
        at = next;
    }
}

static void resolve_redirects(struct wiki *wiki)
{
    struct name *names = wiki->names.entries;
    uint32_t count = wiki->names.count, redirects = 0;
    for (uint32_t i = 0; i < count; i++)
        names[i].mark = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_open_redirect(&names[i]))
            settle(names, i, i + 1);
        if (names[i].mark != SETTLED)
            continue;
        redirects++;
        if (names[i].lead == NAME_NOWHERE)
            wiki->report->redirects_dropped++;
    }
    wiki->report->redirects = redirects - wiki->report->redirects_dropped;
}

/* Leaves in every name's mark where its shown form is: number + 1, or 0 if it is the name itself.
 */
static void mark_shown(struct wiki *wiki)
{
    struct name *names = wiki->names.entries;
    for (uint32_t i = 0; i < wiki->names.count; i++)
        names[i].mark = 0;
    for (size_t s = 0; s < wiki->shown_count; s++)
        names[wiki->shown_titles[s].name].mark = wiki->shown_titles[s].shown + 1;
}

static int build_titles(struct wiki *wiki, struct titles_built *titles, struct fault *why)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < wiki->names.count; i++)
        count += wiki->names.entries[i].lead != NAME_NOWHERE;
    MUST(count > 0); /* a dump without pages has been refused */
    struct title_input *inputs = malloc(count * sizeof(*inputs));
    if (!inputs)
        return fault_set(why, ENOMEM, "out of memory for %" PRIu32 " titles", count);

    uint32_t used = 0;
    mark_shown(wiki);
    for (uint32_t i = 0; i < wiki->names.count; i++) {
        uint32_t lead = wiki->names.entries[i].lead;
        if (lead == NAME_NOWHERE)
            continue;
        uint32_t shown = wiki->names.entries[i].mark;
        struct text_ref text =
            shown ? names_text(&wiki->shown, shown - 1) : names_text(&wiki->names, i);
        if (!(lead & TITLE_IS_REDIRECT))
            wiki->pages[lead].title = used;
        inputs[used++] = (struct title_input){text.bytes, text.length, lead};
    }
    int rc = titles_build(titles, inputs, count, wiki->first_letter, why);
    free(inputs);
    if (rc)
        return rc;
    for (uint32_t v = 0; v < wiki->page_count; v++)
        wiki->pages[v].title = titles->entry_of_input[wiki->pages[v].title];
    return 0;
}

int wiki_titles(struct wiki *wiki, struct build_parts *parts, struct fault *why)
{
    resolve_redirects(wiki);
    int rc = build_titles(wiki, &parts->titles, why);
    if (rc)
        return rc;
    names_drop_text(&wiki->names);
    names_fini(&wiki->shown);
    parts->meta.page_count = wiki->page_count;
    parts->meta.title_count = parts->titles.view.count;
    parts->pages = wiki->pages;
    wiki->pages = NULL;
    wiki->report->pages = wiki->page_count;
    return 0;
}

int wiki_arcs(struct wiki *wiki, struct build_parts *parts, struct fault *why)
{
    struct build_report *report = wiki->report;
    for (uint32_t v = 0; v < wiki->page_count; v++) {
        uint32_t links = link_stream_take(&wiki->links);
        while (links-- > 0) {
            uint32_t word = link_stream_take(&wiki->links);
            uint32_t count =
                word & LINK_STREAM_COUNTED ? link_stream_take(&wiki->links) : UINT32_C(1);
            uint32_t lead = wiki->names.entries[word & ~LINK_STREAM_COUNTED].lead;
            uint32_t target = lead & ~TITLE_IS_REDIRECT;
            if (lead == NAME_NOWHERE)
                report->links_missing += count;
            else if (target == v)
                report->links_self += count;
            else if (arc_list_add(&parts->arcs, v, target))
                return fault_set(why, ENOMEM, "out of memory for %" PRIu64 " links",
                                 parts->arcs.count);
        }
    }
    link_stream_fini(&wiki->links);
    names_fini(&wiki->names);
    return 0;
}
