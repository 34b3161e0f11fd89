/* SPDX-License-Identifier: MIT */
#include "shm/passages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

#include "shm/image.h"

static uint32_t passage_end(const char *text, uint32_t start, uint32_t length)
{
    if (length - start <= PASSAGE_LEAST)
        return length;
    const uint32_t most = length - start < PASSAGE_MOST ? length : start + (uint32_t)PASSAGE_MOST;
    for (uint32_t end = start + (uint32_t)PASSAGE_LEAST; end < most; end++)
        if (text[end - 1] == ' ' || text[end - 1] == '\n')
            return end;
    if (most == length)
        return length;
    uint32_t end = most;
    while (end > most - 4 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return end;
}

uint32_t passages_cut(const char *text, uint32_t length, uint32_t *starts)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < length; at = passage_end(text, at, length))
        starts[count++] = at;
    return count;
}

uint32_t passages_find(const struct passages_view *view, uint32_t page, uint32_t word)
{
    const struct passage *of_page = view->passages + view->pages[page].first;
    uint32_t first = 0, end = passages_of(view, page);
    while (end - first > 1) {
        const uint32_t middle = first + (end - first) / 2;
        if (of_page[middle].word <= word)
            first = middle;
        else
            end = middle;
    }
    return first;
}

/* Where in the section a passage begins, or the one before it ends. */
static uint64_t passage_at(const struct passage_page *page, const struct passage *passage)
{
    return page->at + (uint32_t)(passage->at - (uint32_t)page->at);
}

struct passage_range passages_range(const struct passages_view *view, uint32_t page, uint32_t first,
                                    uint32_t count)
{
    const struct passage_page *p = &view->pages[page];
    const struct passage *passage = view->passages + p->first + first;
    const uint64_t at = passage_at(p, passage);
    return (struct passage_range){at, passage_at(p, passage + count) - at};
}

/* Whether the page's passages are one after the other, up to the next page's. */
static int verify_page(const struct passages_view *view, const struct passage_page *p,
                       const char *name, struct fault *why)
{
    for (uint32_t i = p->first; i < p[1].first; i++) {
        const struct passage *here = &view->passages[i];
        const bool is_first = i == p->first, is_last = i + 1 == p[1].first;
        const uint64_t at = passage_at(p, here), end = passage_at(p, here + 1);
        if (end <= at || (is_first ? at != p->at || here->word : here->word < here[-1].word) ||
            (is_last ? end != p[1].at : end > p[1].at))
            return fault_set(why, EINVAL,
                             "%s: section %s, element %" PRIu32 ": byte %" PRIu32
                             " and word %" PRIu32 " are not between its neighbours'",
                             name, section_name(SECTION_PASSAGES), i, here->at, here->word);
    }
    return 0;
}

int passages_verify(const struct passages_view *view, uint32_t page_count, const char *name,
                    struct fault *why)
{
    const struct passage_page *begin = view->pages, *end = &view->pages[page_count];
    if (begin->first || begin->at || begin->start || end->first != view->count ||
        end->at != view->bytes || end->start ||
        view->passages[view->count].at != (uint32_t)view->bytes)
        return fault_set(why, EINVAL,
                         "%s: section %s: does not begin with 0 or not end with %" PRIu64
                         " passages of %" PRIu64 " bytes",
                         name, section_name(SECTION_PASSAGE_PAGES), view->count, view->bytes);
    for (uint32_t page = 0; page < page_count; page++) {
        const struct passage_page *p = &view->pages[page];
        const bool shares = p[1].first == p->first; /* with the next one */
        if (p[1].first > view->count ||
            (shares ? p[1].at != p->at || p[1].start < p->start || p[1].start > PASSAGE_MOST
                    : p[1].first < p->first || p[1].start || p[1].at <= p->at ||
                          (p->start && p[1].first - p->first > 1)))
            return fault_set(why, EINVAL,
                             "%s: section %s, element %" PRIu32 ": passages %" PRIu32 " to %" PRIu32
                             " from byte %" PRIu64 " and %" PRIu32,
                             name, section_name(SECTION_PASSAGE_PAGES), page, p->first, p[1].first,
                             p->at, p->start);
        const int rc = verify_page(view, p, name, why);
        if (rc)
            return rc;
    }
    return 0;
}
