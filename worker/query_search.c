/* SPDX-License-Identifier: MIT
 *
 * Full-text search as methods: search, and explain for one page.
 */
#include "worker/query_int.h"

#include "worker/snippet.h"
#include "worker/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MAX  1000
#define OFFSET_MAX 100000
#define WEIGHT_MAX 1e6

#define SNIPPET_WORK 256 /* of patience.h */

static const char *const RANKS[] = {"default", "bm25", NULL};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The query in parameter 0, and an engine for it. */
static bool begin(struct query *query, struct text_ref *text, struct search_query *parsed)
{
    struct fault why;
    if (!query_param_text(query, 0, text))
        return false;
    if (!query->index->search.info)
        return query_fail(query, RPC_NOT_AVAILABLE,
                          "%s: this index was built without full-text search", query->method->name);
    struct query_engine *engine = query->engine;
    if (!engine->stemmer &&
        stemmer_create(&engine->stemmer, query->index->search.info->stemmer, &why))
        return query_fail(query, RPC_NOT_AVAILABLE, "%s: this index was built with stemming: %s",
                          query->method->name, why.text);
    if (!engine->search && search_engine_create(&engine->search, query->index))
        return query_fail(query, RPC_INTERNAL, "%s: out of memory", query->method->name);
    const int rc = search_query_parse(parsed, text->bytes, text->length, engine->stemmer, &why);
    if (rc == -EINVAL)
        return query_fail(query, RPC_BAD_PARAMS, "%s: %s", query->method->name, why.text);
    if (rc) {
        query_error_errno(query, rc);
        return false;
    }
    return true;
}

static bool read_ranking(struct query *query, unsigned rank, unsigned title_weight,
                         unsigned pagerank_weight, struct search_options *options)
{
    unsigned choice;
    options->title_weight = SEARCH_TITLE_WEIGHT;
    options->pagerank_weight = SEARCH_PAGERANK_WEIGHT;
    if (!query_param_choice(query, rank, RANKS, &choice) ||
        !query_param_double(query, title_weight, 0, WEIGHT_MAX, &options->title_weight) ||
        !query_param_double(query, pagerank_weight, 0, WEIGHT_MAX, &options->pagerank_weight))
        return false;
    options->bm25 = choice == 1;
    return true;
}

/* --- Snippets and suggestions --------------------------------------------------------------- */

/* Two values: the snippet, and where its marks are. A page whose text cannot be read has none. */
static void put_snippet(struct query *query, struct snippet_maker *maker, uint32_t page)
{
    struct wire_out *out = query->out;
    struct snippet snippet;
    const char *text;
    const int rc = snippet_make(maker, page, &text, &snippet);
    wire_key(out, "snippet");
    if (rc)
        wire_nil(out);
    else
        wire_str(out, text + snippet.start, snippet.length);
    wire_key(out, "marks");
    wire_array(out, snippet.mark_count);
    for (unsigned i = 0; i < snippet.mark_count; i++) {
        wire_array(out, 2);
        wire_uint(out, snippet.marks[i].start);
        wire_uint(out, snippet.marks[i].end);
    }
}

static int open_snippets(struct query *query, const struct search_query *parsed,
                         struct snippet_maker **maker)
{
    struct query_engine *engine = query->engine;
    int rc = engine->passages
                 ? 0
                 : passage_store_create(&engine->passages, query->index, engine->index_fd);
    return rc ? rc
              : snippet_maker_create(maker, query->index, engine->passages, engine->stemmer,
                                     parsed);
}

#define SUGGESTED_WORDS_MAX 4 /* of a query: each is a walk through the words */

/* The query with its unknown words replaced, or nil. -ETIME, -ENOMEM. */
static int put_suggestion(struct query *query, struct text_ref text,
                          const struct search_query *parsed)
{
    char *better = malloc(text.length + SUGGESTED_WORDS_MAX * (size_t)WORD_MAX_BYTES + 1);
    size_t used = 0, copied = 0;
    unsigned replaced = 0;
    if (!better)
        return -ENOMEM;
    for (uint32_t i = 0; i < parsed->word_count && replaced < SUGGESTED_WORDS_MAX; i++) {
        const struct search_word *word = &parsed->words[i];
        char found[WORD_MAX_BYTES];
        if (search_knows(query->index, search_query_word(parsed, i)) || word->start < copied ||
            (word->end < text.length && text.bytes[word->end] == '*'))
            continue;
        const int length =
            suggest_word(query->index, search_query_word(parsed, i), found, &query->patience);
        if (length < 0) {
            free(better);
            return length;
        }
        if (length == 0)
            continue;
        memcpy(better + used, text.bytes + copied, word->start - copied);
        used += word->start - copied;
        memcpy(better + used, found, (size_t)length);
        used += (size_t)length;
        copied = word->end;
        replaced++;
    }
    if (replaced) {
        memcpy(better + used, text.bytes + copied, text.length - copied);
        used += text.length - copied;
        wire_str(query->out, better, used);
    } else {
        wire_nil(query->out);
    }
    free(better);
    return 0;
}

/* --- search ---------------------------------------------------------------------------------- */

struct search_request {
    struct text_ref text;
    struct search_query parsed;
    struct search_options options;
    uint64_t limit, offset;
    bool snippets;
    uint64_t start_us;
};

static bool put_results(struct query *query, const struct search_request *request,
                        const struct search_result *result)
{
    const struct index_view *index = query->index;
    struct wire_out *out = query->out;
    const uint32_t first =
        request->offset < result->count ? (uint32_t)request->offset : result->count;
    struct snippet_maker *snippets = NULL;
    const int rc = request->snippets && first < result->count
                       ? open_snippets(query, &request->parsed, &snippets)
                       : 0;
    if (rc) {
        query_error_errno(query, rc);
        return false;
    }
    wire_array(out, result->count - first);
    for (uint32_t i = first; i < result->count; i++) {
        const uint32_t page = result->hits[i].page;
        wire_map(out, request->snippets ? 7 : 5);
        wire_key(out, "title");
        query_text(out, query_page_title(query, page));
        wire_key_uint(out, "id", index->pages[page].id);
        wire_key_double(out, "score", result->hits[i].score);
        wire_key_uint(out, "length", search_length(&index->search, FIELD_BODY, page));
        wire_key_uint(out, "rank", UINT64_C(1) + index->rank.positions[page]);
        if (!request->snippets)
            continue;
        if (query_late(query, SNIPPET_WORK)) {
            snippet_maker_destroy(&snippets);
            return false;
        }
        put_snippet(query, snippets, page);
    }
    snippet_maker_destroy(&snippets);
    return true;
}

static void answer(struct query *query, const struct search_request *request,
                   const struct search_result *result)
{
    struct wire_out *out = query_answer(query);
    wire_map(out, 5);
    wire_key_uint(out, "hits", result->matched);
    wire_key_bool(out, "hits_exact", result->matched_all);
    wire_key(out, "results");
    if (!put_results(query, request, result))
        return;
    wire_key(out, "suggestion");
    const int rc = put_suggestion(query, request->text, &request->parsed);
    if (rc) {
        query_error_errno(query, rc);
        return;
    }
    wire_key_uint(out, "took_us", now_us() - request->start_us);
}

void query_search(struct query *query)
{
    struct search_request request = {.limit = 10, .snippets = true, .start_us = now_us()};
    struct search_result result;
    bool exact_hits = false, prune = true;
    if (!query_param_uint(query, 1, 0, LIMIT_MAX, &request.limit) ||
        !query_param_uint(query, 2, 0, OFFSET_MAX, &request.offset) ||
        !read_ranking(query, 3, 6, 7, &request.options) ||
        !query_param_bool(query, 4, &exact_hits) ||
        !query_param_bool(query, 5, &request.snippets) || !query_param_bool(query, 8, &prune) ||
        !begin(query, &request.text, &request.parsed))
        return;
    request.options.count = (uint32_t)(request.limit ? request.limit + request.offset : 0);
    request.options.exhaustive = exact_hits || !prune;
    const int rc = search_run(query->engine->search, &request.parsed, &request.options,
                              &query->patience, &result);
    if (rc)
        query_error_errno(query, rc);
    else
        answer(query, &request, &result);
    search_query_fini(&request.parsed);
}

/* --- explain --------------------------------------------------------------------------------- */

struct explanation {
    struct query *query;
    const struct search_query *parsed;
    struct search_share *shares;
    uint32_t count;
    double sum;
};

static void keep_share(void *owner, const struct search_share *share)
{
    struct explanation *x = owner;
    x->shares[x->count++] = *share;
    if (share->leaf->occur != OCCUR_NOT)
        x->sum += share->score;
}

static void put_share(const struct explanation *x, const struct search_share *share)
{
    static const char *const occurs[] = {"should", "must", "not"};
    static const char *const fields[] = {"body", "title"};
    struct wire_out *out = x->query->out;
    const struct search_leaf *leaf = share->leaf;
    char text[256];
    size_t used = 0;
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct text_ref word = search_query_word(x->parsed, leaf->first + i);
        if (word.length + 2 > sizeof text - used)
            break;
        if (i)
            text[used++] = ' ';
        memcpy(text + used, word.bytes, word.length);
        used += word.length;
    }
    if (leaf->kind == LEAF_PREFIX && used < sizeof text)
        text[used++] = '*';
    wire_map(out, 10);
    wire_key(out, "term");
    wire_str(out, text, used);
    wire_key_cstr(out, "field", fields[share->field]);
    wire_key_cstr(out, "occur", occurs[leaf->occur]);
    wire_key_uint(out, "tf", share->tf);
    wire_key_uint(out, "df", share->pages);
    wire_key_uint(out, "length", share->length);
    wire_key_double(out, "idf", share->idf);
    wire_key_double(out, "boost", leaf->boost);
    wire_key_double(out, "weight", share->weight);
    wire_key_double(out, "contribution", leaf->occur == OCCUR_NOT ? 0 : share->score);
}

static void answer_explanation(const struct explanation *x, uint32_t page, double pagerank)
{
    struct query *query = x->query;
    struct wire_out *out = query_answer(query);
    wire_map(out, 5);
    wire_key(out, "title");
    query_text(out, query_page_title(query, page));
    wire_key_uint(out, "id", query->index->pages[page].id);
    wire_key_double(out, "score", x->sum + pagerank);
    wire_key_double(out, "pagerank", pagerank);
    wire_key(out, "terms");
    wire_array(out, x->count);
    for (uint32_t i = 0; i < x->count; i++)
        put_share(x, &x->shares[i]);
}

void query_explain(struct query *query)
{
    struct text_ref text;
    struct search_query parsed;
    struct search_options options = {.count = 1};
    struct found_title found;
    double pagerank;
    if (!read_ranking(query, 2, 3, 4, &options) || !query_param_title(query, 1, &found) ||
        !begin(query, &text, &parsed))
        return;
    struct explanation x = {.query = query, .parsed = &parsed};
    x.shares = calloc(2 * (size_t)parsed.leaf_count, sizeof *x.shares);
    const int rc = x.shares ? search_explain(query->engine->search, &parsed, &options, found.vertex,
                                             keep_share, &x, &pagerank, &query->patience)
                            : -ENOMEM;
    if (rc)
        query_error_errno(query, rc);
    else
        answer_explanation(&x, found.vertex, pagerank);
    free(x.shares);
    search_query_fini(&parsed);
}
