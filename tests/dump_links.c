/* SPDX-License-Identifier: MIT
 *
 * Prints the links of a dump, `source TAB target`, sorted as bytes: redirects resolved; links to
 * the page itself, to missing pages and repeated ones dropped. Counts go to standard error. An
 * independent and simple path through the dump readers, to hold against gold and other parsers.
 *
 *   dump_links DUMP       links
 *   dump_links -a DUMP    every page link, normalised, with those to missing pages
 *   dump_links -n DUMP    reads and parses only: for measurements
 *   dump_links -x DUMP    reads the XML only
 *   dump_links -b DUMP    reads the bytes only
 */
#include "coordinator/dump/bytes.h"
#include "coordinator/dump/mediawiki.h"
#include "coordinator/dump/wikitext.h"
#include "shm/titles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct name {
    char *title, *redirect; /* normalised; redirect NULL: an article */
    char *shown;            /* as the dump writes it, which is what links are printed with */
};

struct link {
    char *source, *target;
};

struct collection {
    char mode;
    bool first_letter;
    struct link_rules *rules;
    struct name *names;
    size_t name_count, name_capacity;
    struct link *links;
    size_t link_count, link_capacity;
    char *source; /* the page whose links come */
    uint64_t kinds[LINK_KIND_COUNT], missing, self, text_bytes;
};

static void *grow(void *array, size_t count, size_t *capacity, size_t element)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 1024;
    array = realloc(array, *capacity * element);
    MUST(array);
    return array;
}

static char *normal(const struct collection *all, const char *title, size_t length)
{
    char out[TITLE_MAX_BYTES];
    int n = title_normalise(title, length, all->first_letter, out);
    return n > 0 ? strndup(out, (size_t)n) : NULL;
}

static int on_site(void *owner, const struct dump_site *site, struct fault *why)
{
    struct collection *all = owner;

    all->first_letter = site->first_letter;
    return link_rules_create(&all->rules, site, why);
}

static int on_link(void *owner, enum link_kind kind, const char *title, size_t length)
{
    struct collection *all = owner;

    all->kinds[kind]++;
    if ((all->mode != 'l' && all->mode != 'a') || kind != LINK_PAGE)
        return 0;
    all->links = grow(all->links, all->link_count, &all->link_capacity, sizeof(*all->links));
    all->links[all->link_count++] =
        (struct link){.source = all->source, .target = strndup(title, length)};
    return 0;
}

static int on_page(void *owner, const struct dump_page *page, struct fault *why)
{
    struct collection *all = owner;

    all->text_bytes += page->text_length;
    if (page->ns != 0 || all->mode == 'x')
        return 0;
    char *title = normal(all, page->title, page->title_length);
    if (!title)
        return fault_set(why, EINVAL, "the title \"%.*s\" is none", (int)page->title_length,
                         page->title);
    all->names = grow(all->names, all->name_count, &all->name_capacity, sizeof(*all->names));
    all->names[all->name_count++] = (struct name){
        .title = title,
        .redirect = page->redirect ? normal(all, page->redirect, page->redirect_length) : NULL,
        .shown = strndup(page->title, page->title_length),
    };
    all->source = all->names[all->name_count - 1].shown;
    return page->redirect ? 0
                          : wikitext_links(all->rules, page->text, page->text_length, on_link, all);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->title, ((const struct name *)b)->title);
}

static int compare_lines(const void *a, const void *b)
{
    const struct link *left = a, *right = b;
    int order = strcmp(left->source, right->source);
    return order ? order : strcmp(left->target, right->target);
}

/* The article that a title leads to, or NULL. */
static char *resolve(const struct collection *all, const char *title)
{
    struct name key = {.title = strdup(title)};
    const struct name *found = NULL;
    char *copy = key.title;

    for (size_t steps = 0; steps <= all->name_count && key.title; steps++) {
        found = bsearch(&key, all->names, all->name_count, sizeof(key), compare_names);
        if (!found || !found->redirect)
            break;
        key.title = found->redirect;
        found = NULL;
    }
    free(copy);
    return found ? found->shown : NULL;
}

static uint64_t print(struct collection *all)
{
    size_t kept = 0;
    uint64_t printed = 0;

    qsort(all->names, all->name_count, sizeof(*all->names), compare_names);
    for (size_t i = 0; i < all->link_count; i++) {
        char *target = resolve(all, all->links[i].target);
        if (all->mode == 'a') {
            all->links[kept++] = all->links[i];
            continue;
        }
        free(all->links[i].target);
        if (!target)
            all->missing++;
        else if (strcmp(target, all->links[i].source) == 0)
            all->self++;
        else
            all->links[kept++] = (struct link){.source = all->links[i].source, .target = target};
    }
    qsort(all->links, kept, sizeof(*all->links), compare_lines);
    for (size_t i = 0; i < kept; i++) {
        if (i > 0 && compare_lines(&all->links[i - 1], &all->links[i]) == 0)
            continue;
        printf("%s\t%s\n", all->links[i].source, all->links[i].target);
        printed++;
    }
    for (size_t i = 0; all->mode == 'a' && i < kept; i++)
        free(all->links[i].target);
    return printed;
}

static int read_bytes(struct byte_source *source, struct fault *why)
{
    size_t capacity = (size_t)256 << 10;
    char *buffer = malloc(capacity);
    ssize_t got;

    MUST(buffer);
    do
        got = bytes_read(source, buffer, capacity, why);
    while (got > 0);
    free(buffer);
    return (int)got;
}

int main(int argc, char **argv)
{
    struct collection all = {.mode = argc == 3 && argv[1][0] == '-' ? argv[1][1] : 'l'};
    const struct dump_handler handler = {.owner = &all, .site = on_site, .page = on_page};
    struct dump_totals totals = {0};
    struct byte_source *source;
    struct fault why;

    if (argc != 2 && !(argc == 3 && strchr("anxb", all.mode))) {
        fprintf(stderr, "usage: dump_links [-a | -n | -x | -b] DUMP\n");
        return 2;
    }
    int err = bytes_open(&source, argv[argc - 1], &why);
    if (err == 0 && all.mode == 'b')
        err = read_bytes(source, &why);
    else if (err == 0)
        err = mediawiki_read(source, &handler, &totals, &why);
    bytes_close(&source);
    if (err < 0) {
        fprintf(stderr, "dump_links: %s\n", why.text);
        return 1;
    }
    uint64_t printed = all.mode == 'l' || all.mode == 'a' ? print(&all) : 0;
    fprintf(stderr,
            "pages %llu bytes %llu text %llu | page links %llu namespace %llu interwiki %llu "
            "section %llu invalid %llu | missing %llu self %llu printed %llu\n",
            (unsigned long long)totals.pages, (unsigned long long)totals.dump_bytes,
            (unsigned long long)all.text_bytes, (unsigned long long)all.kinds[LINK_PAGE],
            (unsigned long long)all.kinds[LINK_NAMESPACE],
            (unsigned long long)all.kinds[LINK_INTERWIKI],
            (unsigned long long)all.kinds[LINK_SECTION],
            (unsigned long long)all.kinds[LINK_INVALID], (unsigned long long)all.missing,
            (unsigned long long)all.self, (unsigned long long)printed);

    for (size_t i = 0; i < all.name_count; i++) {
        free(all.names[i].title);
        free(all.names[i].redirect);
        free(all.names[i].shown);
    }
    free(all.names);
    free(all.links);
    link_rules_destroy(&all.rules);
    return 0;
}
