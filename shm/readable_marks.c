/* SPDX-License-Identifier: MIT
 *
 * Which bytes of a wikitext are text. Brackets are matched without a stack: a pass from the end
 * counts closing ones and so knows of each opening one whether it is ever closed, a pass from the
 * start then counts only those. So an opening that nobody closes stays literal, as in MediaWiki,
 * and costs nothing, however many there are.
 */
#include "shm/readable_int.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Elements whose content is not wikitext. Unclosed ones lose only their tag. */
static const struct {
    const char *name;
    enum mark content;
} blocks[] = {
    {"nowiki", MARK_RAW},
    {"pre", MARK_RAW},
    {"syntaxhighlight", MARK_RAW},
    {"source", MARK_RAW},
    {"ref", MARK_HIDDEN},
    {"references", MARK_HIDDEN},
    {"math", MARK_HIDDEN},
    {"chem", MARK_HIDDEN},
    {"ce", MARK_HIDDEN},
    {"gallery", MARK_HIDDEN},
    {"timeline", MARK_HIDDEN},
    {"imagemap", MARK_HIDDEN},
    {"score", MARK_HIDDEN},
    {"hiero", MARK_HIDDEN},
    {"graph", MARK_HIDDEN},
    {"mapframe", MARK_HIDDEN},
    {"maplink", MARK_HIDDEN},
    {"templatedata", MARK_HIDDEN},
    {"templatestyles", MARK_HIDDEN},
    {"inputbox", MARK_HIDDEN},
    {"includeonly", MARK_HIDDEN},
    {"style", MARK_HIDDEN},
};
#define BLOCK_COUNT (sizeof blocks / sizeof *blocks)

struct marking {
    const char *text;
    size_t length;
    char *marks;
    bool no_close[BLOCK_COUNT]; /* there is no closing tag from here to the end */
};

static void mark_range(struct marking *m, size_t begin, size_t end, enum mark mark)
{
    memset(m->marks + begin, (int)mark, end - begin);
}

/* --- Comments and elements ---------------------------------------------------------------- */

size_t readable_tag_name(const char *text, size_t length, char name[static TAG_NAME_BYTES])
{
    size_t n = 0;
    for (; n < length; n++) {
        char c = text[n];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!(c >= 'a' && c <= 'z') && !(n > 0 && c >= '0' && c <= '9'))
            break;
        if (n == TAG_NAME_BYTES - 1)
            return 0;
        name[n] = c;
    }
    name[n] = '\0';
    return n < length && strchr(" \t\r\n/>", text[n]) ? n : 0;
}

static size_t find_block(const char *name)
{
    size_t b = 0;
    while (b < BLOCK_COUNT && strcmp(blocks[b].name, name) != 0)
        b++;
    return b;
}

/* Behind the '>' of the tag whose name ends at `at`; 0 if another '<' or the end comes first. */
static size_t tag_end(const struct marking *m, size_t at)
{
    while (at < m->length && m->text[at] != '>' && m->text[at] != '<')
        at++;
    return at < m->length && m->text[at] == '>' ? at + 1 : 0;
}

/* The closing tag of block b at or behind `from`: its place, and *end behind it. */
static bool find_close(struct marking *m, size_t b, size_t from, size_t *begin, size_t *end)
{
    size_t name = strlen(blocks[b].name);
    if (m->no_close[b])
        return false;
    const char *lt;
    while ((lt = memchr(m->text + from, '<', m->length - from))) {
        size_t at = (size_t)(lt - m->text), behind = at + 2 + name;
        from = at + 1;
        if (behind >= m->length || lt[1] != '/' || strncasecmp(lt + 2, blocks[b].name, name) != 0 ||
            !strchr(" \t\r\n>", m->text[behind]))
            continue;
        *begin = at;
        *end = tag_end(m, behind);
        if (*end)
            return true;
    }
    m->no_close[b] = true;
    return false;
}

/* Marks the comment or element that begins with the '<' at `at`; returns where to go on. */
static size_t mark_element(struct marking *m, size_t at)
{
    const char *text = m->text;
    if (m->length - at >= 4 && !memcmp(text + at, "<!--", 4)) {
        const char *close = memmem(text + at + 4, m->length - at - 4, "-->", 3);
        size_t end = close ? (size_t)(close - text) + 3 : m->length;
        mark_range(m, at, end, MARK_HIDDEN);
        return end;
    }
    char name[TAG_NAME_BYTES];
    bool closing = at + 1 < m->length && text[at + 1] == '/';
    size_t name_at = at + 1 + closing;
    size_t name_length = readable_tag_name(text + name_at, m->length - name_at, name);
    size_t b = name_length ? find_block(name) : BLOCK_COUNT;
    size_t content = b < BLOCK_COUNT ? tag_end(m, name_at + name_length) : 0;
    if (!content)
        return at + 1;
    mark_range(m, at, content, MARK_HIDDEN);
    size_t close, end;
    if (closing || text[content - 2] == '/' || !find_close(m, b, content, &close, &end))
        return content;
    mark_range(m, content, close, blocks[b].content);
    mark_range(m, close, end, MARK_HIDDEN);
    return end;
}

static void mark_elements(struct marking *m)
{
    size_t at = 0;
    const char *lt;
    while (at < m->length && (lt = memchr(m->text + at, '<', m->length - at)))
        at = mark_element(m, (size_t)(lt - m->text));
}

/* --- Templates ---------------------------------------------------------------------------- */

/* Whether the character stands there twice in a row. */
static bool has_pair(const struct marking *m, char c)
{
    const char *at = m->text, *end = m->text + m->length;
    while (at < end && (at = memchr(at, c, (size_t)(end - at)))) {
        if (at + 1 < end && at[1] == c)
            return true;
        at++;
    }
    return false;
}

#define PIECE_BYTES ((size_t)1 << 10)

/* Goes through a text from its end and stops at two kinds of bytes: each is searched for once. */
struct backwards {
    const char *text;
    char kinds[2];
    size_t behind[2]; /* of the next one of each kind; 0: there is none */
};

/* In pieces: AddressSanitizer looks at all that memrchr() may read, however little it does. */
static size_t behind_last(const char *text, size_t length, char c)
{
    while (length > 0) {
        const size_t piece = length < PIECE_BYTES ? length : PIECE_BYTES;
        const char *at = memrchr(text + length - piece, c, piece);
        if (at)
            return (size_t)(at - text) + 1;
        length -= piece;
    }
    return 0;
}

/* The last one of either kind before `end`, which never grows, plus 1; 0: there is none. */
static size_t next_backwards(struct backwards *b, size_t end)
{
    for (unsigned i = 0; i < 2; i++)
        if (b->behind[i] > end)
            b->behind[i] = behind_last(b->text, end, b->kinds[i]);
    return b->behind[0] > b->behind[1] ? b->behind[0] : b->behind[1];
}

/* The start of the run of equal text bytes that ends with the one at `last`. */
static size_t run_start(const struct marking *m, size_t last)
{
    while (last > 0 && m->text[last - 1] == m->text[last] && m->marks[last - 1] == MARK_TEXT)
        last--;
    return last;
}

/* Braces are matched one by one, in runs of two or more, which covers {{templates}} and
 * {{{parameters}}} within each other without telling them apart. */
static void find_closed_braces(struct marking *m)
{
    struct backwards braces = {m->text, {'{', '}'}, {SIZE_MAX, SIZE_MAX}};
    size_t closers = 0;
    for (size_t at = m->length; (at = next_backwards(&braces, at)) > 0;) {
        char c = m->text[--at];
        if (m->marks[at] != MARK_TEXT)
            continue;
        size_t start = run_start(m, at), run = at - start + 1;
        if (run >= 2 && c == '}') {
            closers += run;
        } else if (run >= 2 && closers >= 2) {
            size_t matched = run < closers ? run : closers;
            mark_range(m, at + 1 - matched, at + 1, MARK_BRACE);
            closers -= matched;
        }
        at = start;
    }
}

static void hide_templates(struct marking *m)
{
    size_t depth = 0;
    bool in_run = false; /* the byte before is a closing brace, too */
    for (size_t at = 0; at < m->length; at++) {
        bool closer = m->text[at] == '}' && m->marks[at] == MARK_TEXT;
        if (m->marks[at] == MARK_BRACE)
            depth++;
        if (depth > 0) {
            bool more =
                at + 1 < m->length && m->text[at + 1] == '}' && m->marks[at + 1] == MARK_TEXT;
            m->marks[at] = MARK_HIDDEN;
            if (closer && (in_run || more))
                depth--;
        }
        in_run = closer;
    }
}

/* --- Links -------------------------------------------------------------------------------- */

static void find_closed_links(struct marking *m)
{
    struct backwards brackets = {m->text, {'[', ']'}, {SIZE_MAX, SIZE_MAX}};
    size_t closers = 0;
    for (size_t at = m->length; (at = next_backwards(&brackets, at)) > 0;) {
        char c = m->text[--at];
        if (m->marks[at] != MARK_TEXT)
            continue;
        size_t start = run_start(m, at), pairs = (at - start + 1) / 2;
        if (c == ']') {
            closers += pairs;
        } else {
            size_t matched = pairs < closers ? pairs : closers;
            for (size_t i = 0; i < matched; i++)
                m->marks[at - 1 - 2 * i] = MARK_LINK;
            closers -= matched;
        }
        at = start;
    }
}

void readable_mark(const char *text, size_t length, char *marks)
{
    struct marking m = {.text = text, .length = length, .marks = marks};
    memset(marks, MARK_TEXT, length);
    mark_elements(&m);
    if (has_pair(&m, '{')) {
        find_closed_braces(&m);
        hide_templates(&m);
    }
    if (has_pair(&m, '['))
        find_closed_links(&m);
}
