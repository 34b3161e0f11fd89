/* SPDX-License-Identifier: MIT
 *
 * The commands of full-text search.
 */
#include "client/client.h"
#include "client/render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Words of several arguments are one query, as people type it. NULL without memory. */
static char *join(int count, char **words)
{
    size_t bytes = 1;
    for (int i = 0; i < count; i++)
        bytes += strlen(words[i]) + 1;
    char *text = malloc(bytes), *end = text;
    for (int i = 0; text && i < count; i++)
        end = stpcpy(stpcpy(end, i ? " " : ""), words[i]);
    return text;
}

/* The text with the parts that `marks` names in bold, line ends as spaces. */
static void show_snippet(struct answer *answer, struct wire_in result)
{
    const struct text snippet = answer_text_or_nil(answer, result, "snippet");
    if (!snippet.bytes || snippet.length == 0)
        return;
    char *copy = malloc(snippet.length);
    if (!copy)
        return;
    for (size_t i = 0; i < snippet.length; i++) {
        copy[i] = snippet.bytes[i];
        if (copy[i] == '\n' || copy[i] == '\t')
            copy[i] = ' ';
    }
    struct items marks = answer_items(answer, result, "marks");
    size_t at = 0;
    fputs("   ", stdout);
    for (struct wire_in mark; answer_next(&marks, &mark);) {
        uint32_t ends;
        uint64_t start, end;
        if (!wire_get_array(&mark, &ends) || ends != 2 || !wire_get_uint(&mark, &start) ||
            !wire_get_uint(&mark, &end) || start < at || end < start || end > snippet.length)
            break;
        render_text(stdout, (struct text){copy + at, start - at}, RENDER_LINE);
        fputs(render_bold(stdout), stdout);
        render_text(stdout, (struct text){copy + start, end - start}, RENDER_LINE);
        fputs(render_plain(stdout), stdout);
        at = end;
    }
    render_text(stdout, (struct text){copy + at, snippet.length - at}, RENDER_LINE);
    putchar('\n');
    free(copy);
}

static void show_results(struct answer *answer, uint64_t first)
{
    struct items results = answer_items(answer, answer->value, "results");
    uint64_t number = first;
    for (struct wire_in result; answer_next(&results, &result);) {
        printf("%" PRIu64 ". %s", ++number, render_bold(stdout));
        render_text(stdout, answer_text(answer, result, "title"), RENDER_LINE);
        printf("%s  (%.2f)\n", render_plain(stdout), answer_real(answer, result, "score"));
        show_snippet(answer, result);
    }
    const uint64_t hits = answer_uint(answer, answer->value, "hits");
    const bool exact = answer_bool(answer, answer->value, "hits_exact");
    if (isatty(STDERR_FILENO)) {
        fflush(stdout);
        fprintf(stderr, "(%s%" PRIu64 " pages, %.1f ms)\n", exact ? "" : "at least ", hits,
                (double)answer_uint(answer, answer->value, "took_us") / 1000);
    }
}

static void suggest(struct answer *answer)
{
    const struct text better = answer_text_or_nil(answer, answer->value, "suggestion");
    if (!better.bytes)
        return;
    fflush(stdout);
    fputs("Did you mean: ", stderr);
    render_text(stderr, better, RENDER_LINE);
    fputs("\n", stderr);
}

int search_run(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value limit = {0}, offset = {0}, rank = {0}, title = {0}, pagerank = {0};
    bool exact_hits = false, no_snippets = false;
    const struct option_spec specs[] = {
        {"limit", 'n', OPTION_COUNT, &limit},
        {"offset", 0, OPTION_COUNT, &offset},
        {"rank", 0, OPTION_TEXT, &rank},
        {"title-weight", 0, OPTION_REAL, &title},
        {"pagerank-weight", 0, OPTION_REAL, &pagerank},
        {"exact-hits", 0, OPTION_FLAG, &exact_hits},
        {"no-snippets", 0, OPTION_FLAG, &no_snippets},
        {0},
    };
    int code = client_options(client, &argc, &argv, specs, 1, 1024);
    if (code >= 0)
        return code;
    char *query = join(argc, argv);
    if (!query)
        return client_fail(CLIENT_REFUSED, "out of memory");
    struct wire_out *out = client_begin(client, "search");
    wire_array(out, 8);
    wire_cstr(out, query);
    put_count(out, &limit);
    put_count(out, &offset);
    put_text(out, &rank);
    wire_bool(out, exact_hits);
    wire_bool(out, !no_snippets);
    put_real(out, &title);
    put_real(out, &pagerank);
    free(query);
    code = client_call(client, &answer);
    if (code)
        return code;
    const uint32_t found = answer_items(&answer, answer.value, "results").count;
    if (client_json(client, &answer, &code))
        return code ? code : found ? CLIENT_DONE : CLIENT_NOT_FOUND;
    if (found == 0 && !answer.wrong) {
        suggest(&answer);
        return client_fail(CLIENT_NOT_FOUND, "no page matches");
    }
    show_results(&answer, offset.given ? offset.count : 0);
    suggest(&answer);
    return client_end(client, &answer);
}

int search_explain(struct client *client, int argc, char **argv)
{
    static const char *const headings[] = {"term", "field",  "occur",  "tf",
                                           "df",   "length", "weight", "adds"};
    struct answer answer;
    struct value rank = {0}, title = {0}, pagerank = {0};
    const struct option_spec specs[] = {
        {"rank", 0, OPTION_TEXT, &rank},
        {"title-weight", 0, OPTION_REAL, &title},
        {"pagerank-weight", 0, OPTION_REAL, &pagerank},
        {0},
    };
    int code = client_options(client, &argc, &argv, specs, 2, 2);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "explain");
    wire_array(out, 5);
    wire_cstr(out, argv[0]);
    wire_cstr(out, argv[1]);
    put_text(out, &rank);
    put_real(out, &title);
    put_real(out, &pagerank);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    struct table table;
    table_init(&table, "lllrrrrr", headings);
    struct items terms = answer_items(&answer, answer.value, "terms");
    for (struct wire_in term; answer_next(&terms, &term);) {
        table_text(&table, answer_text(&answer, term, "term"));
        table_text(&table, answer_text(&answer, term, "field"));
        table_text(&table, answer_text(&answer, term, "occur"));
        table_cell(&table, "%" PRIu64, answer_uint(&answer, term, "tf"));
        table_cell(&table, "%" PRIu64, answer_uint(&answer, term, "df"));
        table_cell(&table, "%" PRIu64, answer_uint(&answer, term, "length"));
        table_cell(&table, "%.4f", answer_real(&answer, term, "weight"));
        table_cell(&table, "%.4f", answer_real(&answer, term, "contribution"));
    }
    table_print(&table, stdout, 0);
    printf("PageRank adds %.4f\n", answer_real(&answer, answer.value, "pagerank"));
    render_text(stdout, answer_text(&answer, answer.value, "title"), RENDER_LINE);
    printf(": %.4f\n", answer_real(&answer, answer.value, "score"));
    return client_end(client, &answer);
}
