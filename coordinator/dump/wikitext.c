/* SPDX-License-Identifier: MIT
 *
 * Links of wikitext, found by jumping between the three bytes that matter: '[', '<' and, while a
 * link waits for its end, ']'. Each is searched by memchr() from where the last search ended, so a
 * byte is looked at a fixed number of times whatever the page holds.
 *
 * What counts is what MediaWiki's parser makes of it:
 * - A [[target]] is a link at once; a [[target|text is one when "]]" comes before the next "[["
 *   (a link cannot hold a link), except that a File's caption may hold links of its own.
 * - An unclosed <!-- is a comment to the end of the page; an unclosed <nowiki>, <pre>, <math>,
 *   <syntaxhighlight> or <source> is text, and that it is unclosed is looked up only once a page.
 */
#include "coordinator/dump/wikitext.h"
#include "coordinator/dump/wikitext_int.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Tags whose contents are no wikitext. */
static const struct {
    char name[16];
    size_t length;
} opaque_tags[] = {
    {"nowiki", 6}, {"pre", 3}, {"math", 4}, {"source", 6}, {"syntaxhighlight", 15},
};
#define OPAQUE_TAGS (sizeof(opaque_tags) / sizeof(opaque_tags[0]))

struct scan {
    const struct link_rules *rules;
    const char *at, *end;
    link_fn *fn;
    void *owner;

    /* Next occurrence at or after `at` as last looked up; `end` if there is none. */
    const char *next_open, *next_less, *next_close;
    bool unclosed[OPAQUE_TAGS];
    bool no_greater; /* no '>' from here to the end */

    bool waiting; /* for the "]]" of [[target|text */
    enum link_kind kind;
    size_t title_length;
    char title[TITLE_MAX_BYTES];
};

/* Advances a cursor to the first `byte` at or after `from`. */
static const char *seek(const char **cursor, const char *from, const char *end, char byte)
{
    if (*cursor < from) {
        const char *found = memchr(from, byte, (size_t)(end - from));
        *cursor = found ? found : end;
    }
    return *cursor;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* --- Comments and opaque tags -------------------------------------------------------------- */

static bool starts_comment(const char *at, const char *end)
{
    return end - at >= 4 && memcmp(at, "<!--", 4) == 0;
}

static const char *skip_comment(const char *at, const char *end)
{
    const char *close = memmem(at + 4, (size_t)(end - at - 4), "-->", 3);
    return close ? close + 3 : end;
}

/* Behind the first </name> at or after `from`, or NULL. */
static const char *find_close_tag(const char *from, const char *end, size_t tag)
{
    size_t length = opaque_tags[tag].length;

    while ((from = memmem(from, (size_t)(end - from), "</", 2)) != NULL) {
        from += 2;
        if ((size_t)(end - from) <= length)
            return NULL;
        if (strncasecmp(from, opaque_tags[tag].name, length) != 0)
            continue;
        from += length;
        while (from < end && is_space(*from))
            from++;
        if (from < end && *from == '>')
            return from + 1;
    }
    return NULL;
}

/* Where to go on from a '<': behind what it hides, or at the next byte. */
static const char *skip_markup(struct scan *scan, const char *at)
{
    const char *end = scan->end;

    if (starts_comment(at, end))
        return skip_comment(at, end);
    for (size_t tag = 0; tag < OPAQUE_TAGS; tag++) {
        size_t length = opaque_tags[tag].length;
        const char *behind = at + 1 + length;
        if ((size_t)(end - at) < length + 2 || (at[1] | 0x20) != opaque_tags[tag].name[0] ||
            strncasecmp(at + 1, opaque_tags[tag].name, length) != 0 ||
            !(is_space(*behind) || *behind == '>' || *behind == '/'))
            continue;
        if (scan->no_greater || scan->unclosed[tag])
            break;
        const char *greater = memchr(behind, '>', (size_t)(end - behind));
        if (!greater) {
            scan->no_greater = true;
            break;
        }
        if (greater[-1] == '/')
            return greater + 1;
        const char *close = find_close_tag(greater + 1, end, tag);
        if (close)
            return close;
        scan->unclosed[tag] = true;
        break;
    }
    return at + 1;
}

/* --- Links --------------------------------------------------------------------------------- */

/* Bytes that end a plain run of a target. */
static const bool stops_target[256] = {
    ['\n'] = true, ['['] = true, [']'] = true, ['{'] = true,
    ['}'] = true,  ['<'] = true, ['>'] = true, ['|'] = true,
};

/* Reads a target from `from`, behind "[[". Returns where it ended, which is at the '|', at the
 * "]]", or at a byte that no target may have. A target is borrowed from the text, or from
 * `joined` if comments had to be cut out. */
static const char *read_target(const char *from, const char *end, char joined[LINK_TARGET_BYTES],
                               const char **target, size_t *length)
{
    const char *at = from;
    size_t held = 0;
    bool cut = false;

    for (;;) {
        const char *run = at;
        while (at < end && !stops_target[(unsigned char)*at])
            at++;
        bool comment = at < end && *at == '<' && starts_comment(at, end);
        if (comment || cut) {
            /* One byte too many says "too long" further on. */
            size_t take = (size_t)(at - run);
            if (take > LINK_TARGET_BYTES - held)
                take = LINK_TARGET_BYTES - held;
            memcpy(joined + held, run, take);
            held += take;
            cut = true;
        }
        if (!comment)
            break;
        at = skip_comment(at, end);
    }
    *target = cut ? joined : from;
    *length = cut ? held : (size_t)(at - from);
    return at;
}

static int tell(struct scan *scan)
{
    scan->waiting = false;
    return scan->fn(scan->owner, scan->kind, scan->title, scan->title_length);
}

/* At "[[". */
static int open_link(struct scan *scan, const char *at)
{
    char joined[LINK_TARGET_BYTES];
    const char *target;
    size_t length;

    scan->waiting = false; /* a link that holds another is text */
    const char *stop = read_target(at + 2, scan->end, joined, &target, &length);
    scan->at = stop;
    if (stop == scan->end || *stop == '\n')
        return 0;
    bool piped = *stop == '|';
    if (!piped && !(*stop == ']' && scan->end - stop >= 2 && stop[1] == ']'))
        return scan->fn(scan->owner, LINK_INVALID, target, length);

    bool is_file;
    scan->kind =
        link_classify(scan->rules, target, length, scan->title, &scan->title_length, &is_file);
    if (piped && !is_file) {
        scan->waiting = true;
        scan->at = stop + 1;
        return 0;
    }
    scan->at = stop + (piped ? 1 : 2);
    return tell(scan);
}

int wikitext_links(const struct link_rules *rules, const char *text, size_t length, link_fn *fn,
                   void *owner)
{
    /* Not zeroed as a whole: the title's kilobyte is not worth it for every page. */
    struct scan scan;
    int result = 0;

    scan.rules = rules;
    scan.at = text;
    scan.end = text + length;
    scan.fn = fn;
    scan.owner = owner;
    scan.no_greater = scan.waiting = false;
    scan.kind = LINK_INVALID;
    scan.title_length = 0;
    memset(scan.unclosed, 0, sizeof(scan.unclosed));
    const char *open = memchr(text, '[', length), *less = memchr(text, '<', length);
    scan.next_open = open ? open : scan.end;
    scan.next_less = less ? less : scan.end;
    scan.next_close = text; /* looked up when a link waits, which is later in the text */

    while (result == 0 && scan.at < scan.end) {
        const char *next = seek(&scan.next_open, scan.at, scan.end, '[');
        seek(&scan.next_less, scan.at, scan.end, '<');
        if (scan.next_less < next)
            next = scan.next_less;
        if (scan.waiting) {
            seek(&scan.next_close, scan.at, scan.end, ']');
            if (scan.next_close < next)
                next = scan.next_close;
        }
        if (next == scan.end)
            break;
        bool doubled = scan.end - next >= 2 && next[1] == next[0];
        scan.at = next + 1;
        if (*next == '<')
            scan.at = skip_markup(&scan, next);
        else if (*next == '[' && doubled)
            result = open_link(&scan, next);
        else if (*next == ']' && doubled) {
            scan.at = next + 2;
            result = tell(&scan);
        }
    }
    return result;
}
