/* SPDX-License-Identifier: MIT */
#include "worker/search_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parser {
    struct search_query *query;
    const char *text;
    size_t at, length;
    struct stemmer *stemmer;
    struct fault *why;
    struct words words; /* scratch: large */
};

/* What stands before a word or a phrase. */
struct prefix {
    enum search_occur occur;
    bool in_title;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static int add_word(struct parser *p, const struct word *word, size_t offset)
{
    struct search_query *q = p->query;
    if (q->word_count == SEARCH_WORDS_MAX)
        return fault_set(p->why, EINVAL, "a query of more than %d words", SEARCH_WORDS_MAX);
    if (q->pool_capacity - q->pool_bytes < word->length) {
        const size_t grown = 2 * q->pool_capacity + WORD_MAX_BYTES;
        char *pool = realloc(q->pool, grown);
        if (!pool)
            return fault_set(p->why, ENOMEM, "out of memory");
        q->pool = pool;
        q->pool_capacity = grown;
    }
    memcpy(q->pool + q->pool_bytes, word->bytes, word->length);
    q->words[q->word_count++] = (struct search_word){(uint32_t)q->pool_bytes, word->length,
                                                     offset + word->start, offset + word->end};
    q->pool_bytes += word->length;
    return 0;
}

/* Appends the words of text[start, end), the last one of which is `open` or whole. */
static int add_words(struct parser *p, size_t start, size_t end, bool open)
{
    struct word word;
    int rc = 0;
    words_init(&p->words, p->text + start, end - start);
    while (!rc && words_next(&p->words, &word)) {
        const bool whole = !open || start + word.end + 1 < end;
        if (whole && stem_word(p->stemmer, &word))
            return fault_set(p->why, ENOMEM, "out of memory");
        rc = add_word(p, &word, start);
    }
    return rc;
}

static bool same_leaf(const struct search_query *q, const struct search_leaf *a,
                      const struct search_leaf *b)
{
    if (a->occur != b->occur || a->kind != b->kind || a->in_title != b->in_title ||
        a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct text_ref x = search_query_word(q, a->first + i);
        const struct text_ref y = search_query_word(q, b->first + i);
        if (x.length != y.length || memcmp(x.bytes, y.bytes, x.length) != 0)
            return false;
    }
    return true;
}

/* The same part twice counts twice, as Lucene has it. There are at most as many as words. */
static void add_leaf(struct search_query *q, struct search_leaf leaf)
{
    for (uint32_t i = 0; i < q->leaf_count; i++) {
        if (same_leaf(q, &q->leaves[i], &leaf)) {
            q->leaves[i].boost++;
            return;
        }
    }
    q->leaves[q->leaf_count++] = leaf;
}

static void add_phrase(struct parser *p, struct prefix prefix, uint32_t first)
{
    const uint32_t count = p->query->word_count - first;
    if (count > 0)
        add_leaf(p->query, (struct search_leaf){prefix.occur, count > 1 ? LEAF_PHRASE : LEAF_WORD,
                                                prefix.in_title, first, count, 1});
}

static int parse_phrase(struct parser *p, struct prefix prefix)
{
    const uint32_t first = p->query->word_count;
    const size_t start = ++p->at;
    const char *close = memchr(p->text + start, '"', p->length - start);
    const size_t end = close ? (size_t)(close - p->text) : p->length;
    p->at = close ? end + 1 : end;
    int rc = add_words(p, start, end, false);
    if (!rc)
        add_phrase(p, prefix, first);
    return rc;
}

/* Up to the next space or quotation mark. Several words in it ("wi-fi", or Chinese) are a phrase;
 * not before an asterisk, where they are asked for one by one. */
static int parse_plain(struct parser *p, struct prefix prefix)
{
    const uint32_t first = p->query->word_count;
    const size_t start = p->at;
    while (p->at < p->length && !is_space(p->text[p->at]) && p->text[p->at] != '"')
        p->at++;
    const bool open = p->at - start > 1 && p->text[p->at - 1] == '*';
    int rc = add_words(p, start, p->at, open);
    const uint32_t count = p->query->word_count - first;
    if (rc || count == 0)
        return rc;
    if (count > 1 && !open) {
        add_phrase(p, prefix, first);
        return 0;
    }
    for (uint32_t i = 0; i < count; i++)
        add_leaf(p->query, (struct search_leaf){prefix.occur,
                                                open && i + 1 == count ? LEAF_PREFIX : LEAF_WORD,
                                                prefix.in_title, first + i, 1, 1});
    return 0;
}

static int parse_part(struct parser *p)
{
    static const char in_title[] = "intitle:";
    const size_t in_title_length = sizeof in_title - 1;
    struct prefix prefix = {OCCUR_SHOULD, false};
    if (p->text[p->at] == '+' || p->text[p->at] == '-')
        prefix.occur = p->text[p->at++] == '+' ? OCCUR_MUST : OCCUR_NOT;
    if (p->length - p->at >= in_title_length &&
        strncasecmp(p->text + p->at, in_title, in_title_length) == 0) {
        prefix.in_title = true;
        p->at += in_title_length;
    }
    if (p->at == p->length || is_space(p->text[p->at]))
        return 0;
    return p->text[p->at] == '"' ? parse_phrase(p, prefix) : parse_plain(p, prefix);
}

static int check(const struct search_query *q, struct fault *why)
{
    bool asks = false;
    for (uint32_t i = 0; i < q->leaf_count; i++)
        asks |= q->leaves[i].occur != OCCUR_NOT;
    if (q->leaf_count == 0)
        return fault_set(why, EINVAL, "the query has no words: letters or digits are needed");
    if (!asks)
        return fault_set(why, EINVAL,
                         "the query only excludes (-word): add a word that pages should have");
    return 0;
}

int search_query_parse(struct search_query *query, const char *text, size_t length,
                       struct stemmer *stemmer, struct fault *why)
{
    *query = (struct search_query){0};
    query->leaves = malloc(SEARCH_WORDS_MAX * sizeof *query->leaves);
    query->words = malloc(SEARCH_WORDS_MAX * sizeof *query->words);
    struct parser *p = calloc(1, sizeof *p);
    int rc = 0;
    if (!query->leaves || !query->words || !p)
        rc = fault_set(why, ENOMEM, "out of memory");
    else
        *p = (struct parser){
            .query = query, .text = text, .length = length, .stemmer = stemmer, .why = why};
    while (!rc && p->at < length) {
        if (is_space(text[p->at]))
            p->at++;
        else
            rc = parse_part(p);
    }
    free(p);
    if (!rc)
        rc = check(query, why);
    if (rc)
        search_query_fini(query);
    return rc;
}

void search_query_fini(struct search_query *query)
{
    free(query->leaves);
    free(query->words);
    free(query->pool);
    *query = (struct search_query){0};
}
