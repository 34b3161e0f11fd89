/* SPDX-License-Identifier: MIT
 *
 * A page's text.
 */
#include "worker/query_int.h"

#include <errno.h>
#include <stdlib.h>

enum page_format { FORMAT_TEXT, FORMAT_WIKITEXT, FORMAT_XML };
static const char *const FORMATS[] = {"text", "wikitext", "xml", NULL};

static int read_page(struct article_store *articles, uint32_t vertex, enum page_format format,
                     struct article *text, struct fault *why)
{
    int result = article_element(articles, vertex, text, why);

    if (result == 0 && format != FORMAT_XML) {
        struct article element = *text;
        result = article_wikitext(&element, text, why);
        free(element.bytes);
    }
    if (result == 0 && format == FORMAT_TEXT) {
        struct article wikitext = *text;
        result = article_readable(&wikitext, text, why);
        free(wikitext.bytes);
    }
    return result;
}

void query_page(struct query *query)
{
    struct found_title found;
    struct article text;
    struct fault why;
    unsigned format;

    if (!query_param_choice(query, 1, FORMATS, &format) || !query_param_title(query, 0, &found))
        return;

    int result = read_page(query->engine->articles, found.vertex, format, &text, &why);
    if (result == -ENODATA) {
        query_error(query, RPC_NOT_AVAILABLE, "page: %s: the index was built from a graph",
                    why.text);
        return;
    }
    if (result < 0) {
        query_error(query, RPC_INTERNAL, "page: %s", why.text);
        return;
    }

    struct wire_out *out = query_answer(query);
    wire_map(out, 5);
    wire_key(out, "title");
    query_text(out, query_page_title(query, found.vertex));
    wire_key_uint(out, "id", query->index->pages[found.vertex].id);
    wire_key(out, "redirect_from");
    query_redirect(query, &found);
    wire_key_cstr(out, "format", FORMATS[format]);
    wire_key(out, "text");
    wire_str(out, text.bytes, text.length);
    free(text.bytes);
}
