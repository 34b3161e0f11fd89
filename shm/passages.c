/* SPDX-License-Identifier: MIT */
#include "shm/passages.h"

#include <errno.h>
#include <inttypes.h>

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

struct passage_range passages_range(const struct passages_view *view, uint32_t page, uint32_t first,
                                    uint32_t count)
{
    const struct passage_page *p = &view->pages[page];
    const struct passage *of_page = view->passages + p->first;
    const uint64_t at = p->at + of_page[first].at;
    const uint64_t end =
        first + count < passages_of(view, page) ? p->at + of_page[first + count].at : p[1].at;
    return (struct passage_range){at, end - at};
}

int passages_verify(const struct passages_view *view, uint32_t page_count, const char *name,
                    struct fault *why)
{
    if (view->pages[0].first != 0 || view->pages[0].at != 0 ||
        view->pages[page_count].first != view->count || view->pages[page_count].at != view->bytes)
        return fault_set(why, EINVAL,
                         "%s: section %s: does not begin with 0 or not end with %" PRIu64
                         " passages of %" PRIu64 " bytes",
                         name, section_name(SECTION_PASSAGE_PAGES), view->count, view->bytes);
    for (uint32_t page = 0; page < page_count; page++) {
        const struct passage_page *p = &view->pages[page];
        if (p[1].first < p->first || p[1].first > view->count || p[1].at < p->at ||
            (p[1].first == p->first && p[1].at != p->at))
            return fault_set(why, EINVAL,
                             "%s: section %s, element %" PRIu32 ": passages %" PRIu32 " to %" PRIu32
                             " from byte %" PRIu64,
                             name, section_name(SECTION_PASSAGE_PAGES), page, p->first, p[1].first,
                             p->at);
        for (uint32_t i = p->first; i < p[1].first; i++) {
            const struct passage *here = &view->passages[i];
            const uint64_t end = i + 1 < p[1].first ? p->at + here[1].at : p[1].at;
            if (end <= p->at + here->at || (i == p->first && (here->at || here->word)) ||
                (i > p->first && here->word < here[-1].word))
                return fault_set(why, EINVAL,
                                 "%s: section %s, element %" PRIu32 ": byte %" PRIu32
                                 " and word %" PRIu32 " are not after the one before",
                                 name, section_name(SECTION_PASSAGES), i, here->at, here->word);
        }
    }
    return 0;
}
