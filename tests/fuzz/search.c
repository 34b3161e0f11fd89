/* SPDX-License-Identifier: MIT
 *
 * Words of any text, and any text as a search query.
 */
#include "tests/fuzz/fuzz.h"

#include "worker/search_query.h"

#define WORDS_OF_ONE 18 /* characters that one may stand for, each a word at most */

static void check_words(const char *text, size_t length)
{
    static struct words words;
    struct word word;
    size_t count = 0, start = 0;
    words_init(&words, text, length);
    while (words_next(&words, &word)) {
        MUST(word.length >= 1 && word.length <= WORD_MAX_BYTES);
        MUST(fuzz_is_utf8(word.bytes, word.length));
        /* In order; the pairs of a CJK run overlap. */
        MUST(word.start >= start && word.start < word.end && word.end <= length);
        start = word.start;
        MUST(++count <= WORDS_OF_ONE * length);
    }
}

static void check_query(const struct search_query *query, size_t length)
{
    uint32_t words = 0;
    MUST(query->leaf_count > 0 && query->leaf_count <= SEARCH_WORDS_MAX);
    for (uint32_t i = 0; i < query->leaf_count; i++) {
        const struct search_leaf *leaf = &query->leaves[i];
        MUST(leaf->count > 0 && leaf->boost >= 1 && leaf->first + leaf->count <= query->word_count);
        MUST(leaf->kind == LEAF_PHRASE ? leaf->count > 1 : leaf->count == 1);
        words += leaf->count;
    }
    MUST(words <= query->word_count && query->word_count <= SEARCH_WORDS_MAX);
    for (uint32_t i = 0; i < query->word_count; i++) {
        const struct text_ref word = search_query_word(query, i);
        MUST(word.length > 0 && fuzz_is_utf8(word.bytes, word.length));
        MUST(query->words[i].start < query->words[i].end && query->words[i].end <= length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    struct search_query query;
    struct fault why = {""};
    check_words(text, size);
    int err = search_query_parse(&query, text, size, NULL, &why);
    MUST(err == 0 || (err == -EINVAL && why.text[0]));
    if (err == 0) {
        check_query(&query, size);
        search_query_fini(&query);
    }
    free(text);
    return 0;
}
