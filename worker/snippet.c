/* SPDX-License-Identifier: MIT */
#include "worker/snippet.h"

#include <string.h>

#define MATCHES_MAX    256
#define PARTS_MAX      64  /* words of the query that are looked for: bits of a set */
#define LEAD_BYTES     120 /* how far before the first match a sentence may begin */
#define TOGETHER_BYTES 260

struct match {
    size_t start, end;
    unsigned part;
};

struct parts {
    struct {
        struct text_ref word;
        bool open; /* word* */
    } list[PARTS_MAX];
    unsigned count;
    uint64_t firsts; /* the bytes they begin with, as a set of what these are modulo 64 */
};

static uint64_t first_of(const char *bytes)
{
    return UINT64_C(1) << (*bytes & 63);
}

static void list_parts(const struct search_query *query, struct parts *parts)
{
    parts->count = 0;
    parts->firsts = 0;
    for (uint32_t i = 0; i < query->leaf_count; i++) {
        const struct search_leaf *leaf = &query->leaves[i];
        for (uint32_t j = 0; leaf->occur != OCCUR_NOT && j < leaf->count; j++) {
            if (parts->count == PARTS_MAX)
                return;
            const struct text_ref word = search_query_word(query, leaf->first + j);
            parts->list[parts->count].word = word;
            parts->list[parts->count++].open = leaf->kind == LEAF_PREFIX;
            parts->firsts |= first_of(word.bytes);
        }
    }
}

/* Its number, or their count. Most words of a text begin otherwise than those of a query. */
static unsigned find_part(const struct parts *parts, const struct word *word)
{
    if (!(parts->firsts & first_of(word->bytes)))
        return parts->count;
    unsigned i = 0;
    for (; i < parts->count; i++) {
        const struct text_ref part = parts->list[i].word;
        if ((part.length == word->length || (parts->list[i].open && part.length < word->length)) &&
            memcmp(part.bytes, word->bytes, part.length) == 0)
            break;
    }
    return i;
}

static unsigned find_matches(const struct parts *parts, struct stemmer *stemmer, const char *text,
                             size_t from, size_t to, struct match matches[MATCHES_MAX])
{
    struct words words;
    struct word word;
    unsigned count = 0;
    words_init(&words, text + from, to - from);
    while (count < MATCHES_MAX && words_next(&words, &word)) {
        unsigned part = find_part(parts, &word);
        if (part == parts->count && stemmer && stem_word(stemmer, &word) == 0)
            part = find_part(parts, &word);
        if (part < parts->count)
            matches[count++] = (struct match){from + word.start, from + word.end, part};
    }
    return count;
}

/* Matches [first, first + count), within TOGETHER_BYTES. */
struct group {
    unsigned first, count;
};

/* The one with most different words; of equals the nearest to `expected`. */
static struct group best_group(const struct match *matches, unsigned count, size_t expected)
{
    struct group best = {0, 0};
    int best_score = -1;
    size_t best_distance = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t seen = 0;
        int score = 0;
        unsigned j = i;
        for (; j < count && matches[j].end - matches[i].start <= TOGETHER_BYTES; j++) {
            const uint64_t bit = UINT64_C(1) << matches[j].part;
            score += seen & bit ? 1 : 8;
            seen |= bit;
        }
        const size_t at = matches[i].start;
        const size_t distance = at > expected ? at - expected : expected - at;
        if (score > best_score || (score == best_score && distance < best_distance)) {
            best_score = score;
            best_distance = distance;
            best = (struct group){i, j - i};
        }
    }
    return best;
}

/* A line that goes on in lower case is wrapped text, and no end. */
static bool ends_sentence(const char *text, size_t at, size_t length)
{
    const char c = text[at];
    if (at + 1 == length)
        return true;
    const char next = text[at + 1];
    if (c == '\n')
        return next < 'a' || next > 'z';
    return (c == '.' || c == '!' || c == '?') && (next == ' ' || next == '\n');
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

static size_t back_to_character(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* Where the sentence of text[at] begins, or at least a word; text[end] is to be in the snippet. */
static size_t find_start(const char *text, size_t at, size_t end, size_t length)
{
    const size_t room = end - at < SNIPPET_BYTES ? SNIPPET_BYTES - (end - at) : 0;
    const size_t lead = room < LEAD_BYTES ? room : LEAD_BYTES;
    const size_t least = at > lead ? at - lead : 0;
    size_t start = at, word = at;
    for (; start > least; start--) {
        if (ends_sentence(text, start - 1, length))
            break;
        if (is_space(text[start - 1]))
            word = start;
    }
    if (start > least || least == 0) {
        while (start < at && is_space(text[start]))
            start++;
        return start;
    }
    return word < at ? word : back_to_character(text, least);
}

static size_t find_end(const char *text, size_t start, size_t after, size_t length)
{
    const size_t most = start + SNIPPET_BYTES < length ? start + SNIPPET_BYTES : length;
    if (most == length)
        return length;
    size_t word = 0;
    for (size_t end = most; end > after; end--) {
        if (ends_sentence(text, end - 1, length))
            return text[end - 1] == '\n' ? end - 1 : end;
        if (!word && is_space(text[end - 1]))
            word = end - 1;
    }
    return word ? word : back_to_character(text, most);
}

/* In their order. Pairs of a CJK run overlap, and one character may stand for several words: what
 * is marked is marked once. */
static void add_mark(struct snippet *snippet, uint32_t start, uint32_t end)
{
    const unsigned last = snippet->mark_count - 1;
    if (snippet->mark_count > 0 && start < snippet->marks[last].end) {
        if (end > snippet->marks[last].end)
            snippet->marks[last].end = end;
    } else if (snippet->mark_count < SNIPPET_MARKS_MAX) {
        snippet->marks[snippet->mark_count].start = start;
        snippet->marks[snippet->mark_count++].end = end;
    }
}

void snippet_find(const struct search_query *query, struct stemmer *stemmer, const char *text,
                  size_t length, size_t from, size_t to, size_t expected, struct snippet *snippet)
{
    struct parts parts;
    struct match matches[MATCHES_MAX];
    list_parts(query, &parts);
    const unsigned count = find_matches(&parts, stemmer, text, from, to, matches);
    const struct group group = best_group(matches, count, expected);
    const struct match *first = &matches[group.first];
    const size_t at = group.count ? first->start : from;
    const size_t after = group.count ? first[group.count - 1].end : from;
    const size_t start = find_start(text, at, after, length);
    size_t end = find_end(text, start, after, length);
    while (end > start && is_space(text[end - 1]))
        end--;
    snippet->start = start;
    snippet->length = end - start;
    snippet->mark_count = 0;
    for (unsigned i = 0; i < count; i++)
        if (matches[i].start >= start && matches[i].end <= end)
            add_mark(snippet, (uint32_t)(matches[i].start - start),
                     (uint32_t)(matches[i].end - start));
}
