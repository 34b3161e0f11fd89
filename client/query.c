/* SPDX-License-Identifier: MIT
 *
 * The commands that ask about pages.
 */
#include "client/client.h"
#include "client/render.h"

#include <inttypes.h>
#include <unistd.h>

static void line(struct text text)
{
    render_text(stdout, text, RENDER_LINE);
    putchar('\n');
}

static void show_page(struct answer *answer)
{
    char size[RENDER_NUMBER];
    const struct wire_in page = answer->value;
    struct table table;
    table_init(&table, "ll", NULL);
    printf("%s", render_bold(stdout));
    render_text(stdout, answer_text(answer, page, "title"), RENDER_LINE);
    printf("%s\n", render_plain(stdout));
    const struct text redirect = answer_text_or_nil(answer, page, "redirect_from");
    if (redirect.bytes) {
        table_cell(&table, "redirected from");
        table_text(&table, redirect);
    }
    table_cell(&table, "id");
    table_cell(&table, "%" PRIu64, answer_uint(answer, page, "id"));
    table_cell(&table, "rank");
    table_cell(&table, "%" PRIu64, answer_uint(answer, page, "rank"));
    table_cell(&table, "score");
    table_cell(&table, "%.6g", answer_real(answer, page, "score"));
    table_cell(&table, "links");
    table_cell(&table, "%" PRIu64, answer_uint(answer, page, "links"));
    table_cell(&table, "backlinks");
    table_cell(&table, "%" PRIu64, answer_uint(answer, page, "backlinks"));
    table_cell(&table, "size");
    table_cell(&table, "%s", render_bytes(size, answer_uint(answer, page, "bytes")));
    table_print(&table, stdout, 2);
}

int query_lookup(struct client *client, int argc, char **argv)
{
    struct answer answer;
    int code = client_options(client, &argc, &argv, NULL, 1, 1);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "lookup");
    wire_array(out, 1);
    wire_cstr(out, argv[0]);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    show_page(&answer);
    return client_end(client, &answer);
}

int query_random(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value seed = {0};
    const struct option_spec specs[] = {{"seed", 0, OPTION_COUNT, &seed}, {0}};
    int code = client_options(client, &argc, &argv, specs, 0, 0);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "random");
    wire_array(out, 1);
    put_count(out, &seed);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    show_page(&answer);
    return client_end(client, &answer);
}

int query_prefix(struct client *client, int argc, char **argv)
{
    static const char *const headings[] = {"rank", "score", "title", "redirects to"};
    struct answer answer;
    struct value limit = {0};
    const struct option_spec specs[] = {{"limit", 'n', OPTION_COUNT, &limit}, {0}};
    int code = client_options(client, &argc, &argv, specs, 1, 1);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "prefix");
    wire_array(out, 2);
    wire_cstr(out, argv[0]);
    put_count(out, &limit);
    code = client_call(client, &answer);
    if (code)
        return code;
    struct items rows = answer_items(&answer, answer.value, NULL);
    if (client_json(client, &answer, &code))
        return code ? code : rows.count ? CLIENT_DONE : CLIENT_NOT_FOUND;
    if (rows.count == 0 && !answer.wrong)
        return client_fail(CLIENT_NOT_FOUND, "no title starts so");
    struct table table;
    table_init(&table, "rrll", headings);
    for (struct wire_in row; answer_next(&rows, &row);) {
        const struct text target = answer_text_or_nil(&answer, row, "target");
        table_cell(&table, "%" PRIu64, answer_uint(&answer, row, "rank"));
        table_cell(&table, "%.8f", answer_real(&answer, row, "score"));
        table_text(&table, answer_text(&answer, row, "title"));
        table_text(&table, target);
    }
    table_print(&table, stdout, 0);
    return client_end(client, &answer);
}

int query_page(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value format = {0};
    const struct option_spec specs[] = {{"format", 'f', OPTION_TEXT, &format}, {0}};
    int code = client_options(client, &argc, &argv, specs, 1, 1);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "page");
    wire_array(out, 2);
    wire_cstr(out, argv[0]);
    put_text(out, &format);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    const struct text text = answer_text(&answer, answer.value, "text");
    if (!isatty(STDOUT_FILENO)) {
        fwrite(text.bytes, 1, text.length, stdout);
    } else {
        render_text(stdout, text, RENDER_LINES);
        if (text.length && text.bytes[text.length - 1] != '\n')
            putchar('\n');
    }
    return client_end(client, &answer);
}

static int neighbours(struct client *client, const char *method, int argc, char **argv)
{
    struct answer answer;
    struct value limit = {0}, offset = {0};
    const struct option_spec specs[] = {
        {"limit", 'n', OPTION_COUNT, &limit},
        {"offset", 0, OPTION_COUNT, &offset},
        {0},
    };
    int code = client_options(client, &argc, &argv, specs, 1, 1);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, method);
    wire_array(out, 3);
    wire_cstr(out, argv[0]);
    put_count(out, &limit);
    put_count(out, &offset);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    struct items titles = answer_items(&answer, answer.value, "titles");
    for (struct wire_in title; answer_next(&titles, &title);)
        line(answer_element_text(&answer, title, "titles"));
    const uint64_t total = answer_uint(&answer, answer.value, "total");
    if (total > titles.count && isatty(STDERR_FILENO)) {
        fflush(stdout);
        fprintf(stderr, "(%" PRIu32 " of %" PRIu64 ", see --limit and --offset)\n", titles.count,
                total);
    }
    return client_end(client, &answer);
}

int query_links(struct client *client, int argc, char **argv)
{
    return neighbours(client, "links", argc, argv);
}

int query_backlinks(struct client *client, int argc, char **argv)
{
    return neighbours(client, "backlinks", argc, argv);
}

int query_rank(struct client *client, int argc, char **argv)
{
    struct answer answer;
    int code = client_options(client, &argc, &argv, NULL, 1, 1);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "rank");
    wire_array(out, 1);
    wire_cstr(out, argv[0]);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    render_text(stdout, answer_text(&answer, answer.value, "title"), RENDER_LINE);
    printf(": rank %" PRIu64 " of %" PRIu64 ", score %.8g\n",
           answer_uint(&answer, answer.value, "rank"), answer_uint(&answer, answer.value, "of"),
           answer_real(&answer, answer.value, "score"));
    return client_end(client, &answer);
}

int query_top(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value limit = {0}, offset = {0};
    const struct option_spec specs[] = {
        {"limit", 'n', OPTION_COUNT, &limit},
        {"offset", 0, OPTION_COUNT, &offset},
        {0},
    };
    int code = client_options(client, &argc, &argv, specs, 0, 0);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "top");
    wire_array(out, 2);
    put_count(out, &limit);
    put_count(out, &offset);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    render_ranking(stdout, &answer, answer_items(&answer, answer.value, NULL), UINT32_MAX, 0);
    return client_end(client, &answer);
}

int query_related(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value limit = {0}, damping = {0}, epsilon = {0};
    const struct option_spec specs[] = {
        {"limit", 'n', OPTION_COUNT, &limit},
        {"damping", 0, OPTION_REAL, &damping},
        {"epsilon", 0, OPTION_REAL, &epsilon},
        {0},
    };
    int code = client_options(client, &argc, &argv, specs, 1, 100);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "related");
    wire_array(out, 4);
    wire_array(out, (uint32_t)argc);
    for (int i = 0; i < argc; i++)
        wire_cstr(out, argv[i]);
    put_count(out, &limit);
    put_real(out, &damping);
    put_real(out, &epsilon);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    render_ranking(stdout, &answer, answer_items(&answer, answer.value, NULL), UINT32_MAX, 0);
    return client_end(client, &answer);
}

int query_path(struct client *client, int argc, char **argv)
{
    struct answer answer;
    struct value max_length = {0};
    const struct option_spec specs[] = {{"max-length", 0, OPTION_COUNT, &max_length}, {0}};
    int code = client_options(client, &argc, &argv, specs, 2, 2);
    if (code >= 0)
        return code;
    struct wire_out *out = client_begin(client, "path");
    wire_array(out, 3);
    wire_cstr(out, argv[0]);
    wire_cstr(out, argv[1]);
    put_count(out, &max_length);
    code = client_call(client, &answer);
    if (code || client_json(client, &answer, &code))
        return code;
    struct items titles = answer_items(&answer, answer.value, "titles");
    for (struct wire_in title; answer_next(&titles, &title);) {
        if (titles.left + 1 < titles.count)
            fputs("-> ", stdout);
        line(answer_element_text(&answer, title, "titles"));
    }
    return client_end(client, &answer);
}
