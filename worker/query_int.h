/* SPDX-License-Identifier: MIT
 *
 * What the query_*.c files share: a running request, its parameters, its answer.
 *
 * A method reads its parameters, computes, then calls query_answer() and appends one result value.
 * Whatever fails, early or in the middle of the result, goes through query_error(), which takes
 * back what was written; helpers that return bool have done so when they return false.
 */
#ifndef FORKLORE_WORKER_QUERY_INT_H
#define FORKLORE_WORKER_QUERY_INT_H

#include "ipc/rpc_args.h"
#include "worker/article.h"
#include "worker/passage_store.h"
#include "worker/patience.h"
#include "worker/query.h"
#include "worker/search.h"
#include "worker/title_order.h"

#define QUERY_PARAMS_MAX 9

struct query_engine {
    const struct index_view *index;
    uint64_t generation;
    uint64_t random_state;
    bool (*pause)(void *owner);
    void *pause_owner;
    struct article_store *articles;
    struct title_order *order;      /* NULL until the first export */
    struct search_engine *search;   /* NULL until the first search */
    struct stemmer *stemmer;        /* with it; NULL: words are not stemmed */
    int index_fd;                   /* borrowed */
    struct passage_store *passages; /* NULL until the first snippet */
};

struct query;

struct query_method {
    const char *name;
    void (*run)(struct query *query);
    bool brief;                               /* query.h */
    const char *params[QUERY_PARAMS_MAX + 1]; /* by position; NULL-terminated */
};

struct query {
    struct query_engine *engine;
    const struct index_view *index;
    const struct query_method *method;
    const struct rpc_request *request;
    struct rpc_args args;
    struct patience patience;
    struct wire_out *out;
    size_t out_start;
};

/* --- Answering (query.c) --------------------------------------------------------------------- */

/* Begins the response; one value has to follow. */
struct wire_out *query_answer(struct query *query);

/* Replaces whatever was written by an error. */
void query_error(struct query *query, enum rpc_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Likewise, and false: a macro, so that static analysis sees which. */
#define query_fail(...) (query_error(__VA_ARGS__), false)

/* For results of path_find() and the like: -ETIME and -ENOMEM. */
void query_error_errno(struct query *query, int result);

/* True, after query_error(), if the deadline has passed. */
bool query_late(struct query *query, uint64_t work);

void query_text(struct wire_out *out, struct text_ref text);

/* At most so many bytes of valid UTF-8, cut before a character, for messages. */
struct text_ref query_clip(struct text_ref text, uint32_t bytes);
#define CLIP(text)        query_clip(text, 100)
#define TEXT_FORMAT(text) (int)(text).length, (text).bytes

/* --- Parameters (query_params.c): by position in query->method->params ---------------------- */

bool query_param_text(struct query *query, unsigned position, struct text_ref *text);
bool query_param_uint(struct query *query, unsigned position, uint64_t least, uint64_t most,
                      uint64_t *value); /* left alone if absent */
bool query_param_double(struct query *query, unsigned position, double least, double most,
                        double *value);
bool query_param_bool(struct query *query, unsigned position, bool *value);
/* One of `choices` (NULL-terminated); the first one if absent. */
bool query_param_choice(struct query *query, unsigned position, const char *const *choices,
                        unsigned *choice);
/* One to `most` strings, which rpc_get_text() takes from *items. */
bool query_param_texts(struct query *query, unsigned position, uint32_t most, struct wire_in *items,
                       uint32_t *count);

/* --- Titles (query_title.c) ------------------------------------------------------------------- */

struct found_title {
    uint32_t entry;
    uint32_t vertex;
    bool exact;
};

/* The page that a title leads to, as docs/protocol.md says under `lookup`. */
bool query_find_title(struct query *query, struct text_ref title, struct found_title *found);
bool query_param_title(struct query *query, unsigned position, struct found_title *found);

struct text_ref query_page_title(const struct query *query, uint32_t vertex);
/* The redirect's title, or nil. */
void query_redirect(const struct query *query, const struct found_title *found);

void query_lookup(struct query *query);
void query_prefix(struct query *query);
void query_random(struct query *query);

/* --- The other methods ------------------------------------------------------------------------ */

void query_page(struct query *query);  /* query_page.c */
void query_links(struct query *query); /* query_graph.c */
void query_backlinks(struct query *query);
void query_path(struct query *query);
void query_rank(struct query *query); /* query_rank.c */
void query_top(struct query *query);
void query_related(struct query *query); /* query_related.c */
void query_export(struct query *query);  /* query_export.c */
void query_search(struct query *query);  /* query_search.c */
void query_explain(struct query *query);

#endif
