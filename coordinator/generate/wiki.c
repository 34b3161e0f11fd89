/* SPDX-License-Identifier: MIT
 *
 * A synthetic wiki as a MediaWiki XML dump: articles with redirects between them, and pages of
 * other namespaces that a reader has to skip.
 */
#include "coordinator/generate/article.h"
#include "coordinator/generate/generate.h"

#include <errno.h>
#include <string.h>

#define PAGES_MAX            (UINT32_C(1) << 30)
#define REDIRECT_PERCENT_MAX 100
#define MEAN_MAX             1000000
#define ARTICLES_PER_TALK    25

enum { NS_MAIN = 0, NS_TALK = 1, NS_TEMPLATE = 10, NS_CATEGORY = 14 };

static const struct {
    int key;
    const char *name;
} namespaces[] = {
    {-2, "Media"},    {-1, "Special"},       {0, ""},           {1, "Talk"},
    {2, "User"},      {3, "User talk"},      {4, "Synthetica"}, {5, "Synthetica talk"},
    {6, "File"},      {7, "File talk"},      {8, "MediaWiki"},  {9, "MediaWiki talk"},
    {10, "Template"}, {11, "Template talk"}, {12, "Help"},      {13, "Help talk"},
    {14, "Category"}, {15, "Category talk"},
};

struct wiki {
    struct article_maker maker;
    struct names titles;
    struct vocabulary *vocabulary;
    uint32_t redirects;
    uint64_t next_id;
    struct text body, page; /* the wikitext and the element being made */
    FILE *out;
};

/* --- XML ---------------------------------------------------------------------------------- */

static void add_escaped(struct text *out, const char *bytes, size_t length)
{
    const char *end = bytes + length, *from = bytes;
    for (const char *at = bytes; at < end; at++) {
        const char *entity = *at == '&'   ? "&amp;"
                             : *at == '<' ? "&lt;"
                             : *at == '>' ? "&gt;"
                             : *at == '"' ? "&quot;"
                                          : NULL;
        if (!entity)
            continue;
        text_add(out, from, (size_t)(at - from));
        text_put(out, entity);
        from = at + 1;
    }
    text_add(out, from, (size_t)(end - from));
}

static void add_escaped_name(struct text *out, const struct names *names, uint32_t number)
{
    uint64_t begin = names->offsets[number];
    add_escaped(out, names->bytes.bytes + begin, names->offsets[number + 1] - begin);
}

static void add_two_digits(struct text *out, uint32_t number, const char *end)
{
    char digits[2] = {(char)('0' + number / 10), (char)('0' + number % 10)};
    text_add(out, digits, 2);
    text_put(out, end);
}

static void add_timestamp(struct text *out, struct rng *rng)
{
    text_put(out, "      <timestamp>20");
    add_two_digits(out, 10 + rng_below(rng, 14), "-");
    add_two_digits(out, 1 + rng_below(rng, 12), "-");
    add_two_digits(out, 1 + rng_below(rng, 28), "T");
    add_two_digits(out, rng_below(rng, 24), ":");
    add_two_digits(out, rng_below(rng, 60), ":");
    add_two_digits(out, rng_below(rng, 60), "Z</timestamp>\n");
}

static void add_site(struct text *out)
{
    text_put(out, "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.11/\" "
                  "version=\"0.11\" xml:lang=\"en\">\n"
                  "  <siteinfo>\n"
                  "    <sitename>Synthetica</sitename>\n"
                  "    <dbname>synthwiki</dbname>\n"
                  "    <base>https://example.org/wiki/Main_Page</base>\n"
                  "    <generator>forklore generate</generator>\n"
                  "    <case>first-letter</case>\n"
                  "    <namespaces>\n");
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        int key = namespaces[i].key;
        text_put(out, "      <namespace key=\"");
        text_put(out, key < 0 ? "-" : "");
        text_number(out, (uint64_t)(key < 0 ? -key : key));
        text_put(out, "\" case=\"first-letter\"");
        text_put(out, *namespaces[i].name ? ">" : " />\n");
        text_put(out, namespaces[i].name);
        text_put(out, *namespaces[i].name ? "</namespace>\n" : "");
    }
    text_put(out, "    </namespaces>\n  </siteinfo>\n");
}

static int write_out(struct wiki *wiki, struct fault *why)
{
    struct text *page = &wiki->page;
    if (page->failed || wiki->body.failed)
        return fault_set(why, ENOMEM, "no memory for the text of a generated page");
    errno = 0;
    if (fwrite(page->bytes, 1, page->length, wiki->out) != page->length)
        return fault_set(why, EIO, "cannot write the generated wiki: %s",
                         strerror(errno ? errno : EIO));
    page->length = 0;
    return 0;
}

/* --- Pages -------------------------------------------------------------------------------- */

/* Opens the element up to and with the title; `prefix` is of the namespace. */
static void begin_page(struct wiki *wiki, const char *prefix)
{
    wiki->body.length = 0;
    text_put(&wiki->page, "  <page>\n    <title>");
    text_put(&wiki->page, prefix);
}

/* Everything after the title's text. `redirect` is a title's number or UINT32_MAX. */
static int end_page(struct wiki *wiki, int ns, uint32_t redirect, struct fault *why)
{
    struct text *page = &wiki->page;
    struct rng *rng = &wiki->maker.rng;
    uint64_t id = wiki->next_id;
    wiki->next_id += 1 + rng_below(rng, 3);
    text_put(page, "</title>\n    <ns>");
    text_number(page, (uint64_t)ns);
    text_put(page, "</ns>\n    <id>");
    text_number(page, id);
    text_put(page, "</id>\n");
    if (redirect != UINT32_MAX) {
        text_put(page, "    <redirect title=\"");
        add_escaped_name(page, &wiki->titles, redirect);
        text_put(page, "\" />\n");
    }
    text_put(page, "    <revision>\n      <id>");
    text_number(page, 1000000 + id);
    text_put(page, "</id>\n");
    add_timestamp(page, rng);
    text_put(page, "      <contributor>\n        <username>Generator</username>\n"
                   "        <id>1</id>\n      </contributor>\n"
                   "      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
                   "      <text bytes=\"");
    text_number(page, wiki->body.length);
    text_put(page, "\" xml:space=\"preserve\">");
    add_escaped(page, wiki->body.bytes, wiki->body.length);
    text_put(page, "</text>\n      <sha1 />\n    </revision>\n  </page>\n");
    return write_out(wiki, why);
}

static int write_article(struct wiki *wiki, uint32_t number, struct fault *why)
{
    begin_page(wiki, "");
    add_escaped_name(&wiki->page, &wiki->titles, number);
    article_write(&wiki->maker, number, &wiki->body);
    return end_page(wiki, NS_MAIN, UINT32_MAX, why);
}

/* Where redirect k leads: the first to the second (a chain), the third and fourth to each other
 * (a loop), all others to articles. */
static uint32_t redirect_target(struct wiki *wiki, uint32_t k)
{
    uint32_t pages = wiki->maker.recipe->pages;
    if (k == 0 && wiki->redirects > 1)
        return pages + 1;
    if (wiki->redirects > 3 && (k == 2 || k == 3))
        return pages + (k == 2 ? 3 : 2);
    return rng_below(&wiki->maker.rng, pages);
}

static int write_redirect(struct wiki *wiki, uint32_t k, struct fault *why)
{
    uint32_t target = redirect_target(wiki, k);
    begin_page(wiki, "");
    add_escaped_name(&wiki->page, &wiki->titles, wiki->maker.recipe->pages + k);
    text_put(&wiki->body, "#REDIRECT [[");
    text_add_name(&wiki->body, &wiki->titles, target);
    text_put(&wiki->body, k % 8 == 7 ? "#History]]" : "]]");
    return end_page(wiki, NS_MAIN, target, why);
}

static int write_talk(struct wiki *wiki, uint32_t number, struct fault *why)
{
    begin_page(wiki, "Talk:");
    add_escaped_name(&wiki->page, &wiki->titles, number);
    text_put(&wiki->body, "== Sources ==\nWhat does [[");
    text_add_name(&wiki->body, &wiki->titles, rng_below(&wiki->maker.rng, wiki->titles.count));
    text_put(&wiki->body, "]] say about it?");
    return end_page(wiki, NS_TALK, UINT32_MAX, why);
}

static int write_kind(struct wiki *wiki, unsigned kind, struct fault *why)
{
    begin_page(wiki, "Category:");
    text_put(&wiki->page, article_category(kind));
    text_put(&wiki->body, "Pages about a ");
    text_put(&wiki->body, article_kind(kind));
    text_put(&wiki->body, ".");
    int err = end_page(wiki, NS_CATEGORY, UINT32_MAX, why);
    if (err)
        return err;
    begin_page(wiki, "Template:Infobox ");
    text_put(&wiki->page, article_kind(kind));
    text_put(&wiki->body, "{| class=\"infobox\"\n| {{{name}}} || [[");
    text_add_name(&wiki->body, &wiki->titles, 0);
    text_put(&wiki->body, "]]\n|}");
    return end_page(wiki, NS_TEMPLATE, UINT32_MAX, why);
}

static int write_wiki(struct wiki *wiki, struct fault *why)
{
    uint32_t pages = wiki->maker.recipe->pages, redirects = 0;
    add_site(&wiki->page);
    int err = write_out(wiki, why);
    for (unsigned kind = 0; kind < KIND_COUNT && !err; kind++)
        err = write_kind(wiki, kind, why);
    for (uint32_t i = 0; i < pages && !err; i++) {
        err = write_article(wiki, i, why);
        if (!err && i % ARTICLES_PER_TALK == 0)
            err = write_talk(wiki, i, why);
        uint64_t due = ((uint64_t)i + 1) * wiki->redirects / pages;
        while (!err && redirects < due)
            err = write_redirect(wiki, redirects++, why);
    }
    if (err)
        return err;
    text_put(&wiki->page, "</mediawiki>\n");
    err = write_out(wiki, why);
    if (!err && fflush(wiki->out))
        err = fault_set(why, EIO, "cannot write the generated wiki: %s", strerror(errno));
    return err;
}

/* --- Preparation -------------------------------------------------------------------------- */

static int check_recipe(const struct wiki_recipe *recipe, struct fault *why)
{
    if (recipe->pages < 2 || recipe->pages > PAGES_MAX)
        return fault_set(why, EINVAL, "%u pages: not between 2 and %u", recipe->pages, PAGES_MAX);
    if (recipe->redirect_percent > REDIRECT_PERCENT_MAX)
        return fault_set(why, EINVAL, "%u per cent redirects: more than %d",
                         recipe->redirect_percent, REDIRECT_PERCENT_MAX);
    if (recipe->words_per_page > MEAN_MAX)
        return fault_set(why, EINVAL, "%u words a page: more than %d", recipe->words_per_page,
                         MEAN_MAX);
    if (recipe->links_per_page > MEAN_MAX)
        return fault_set(why, EINVAL, "%u links a page: more than %d", recipe->links_per_page,
                         MEAN_MAX);
    return 0;
}

static int draw_titles(struct wiki *wiki, uint32_t count)
{
    if (names_init(&wiki->titles, count))
        return -ENOMEM;
    struct text *title = &wiki->body;
    while (wiki->titles.count < count && !title->failed && !wiki->titles.bytes.failed) {
        title_draw(title, &wiki->maker.rng);
        names_add(&wiki->titles, title->bytes, title->length);
    }
    return title->failed || wiki->titles.bytes.failed ? -ENOMEM : 0;
}

static int prepare(struct wiki *wiki, const struct wiki_recipe *recipe, struct fault *why)
{
    struct article_maker *maker = &wiki->maker;
    rng_init(&maker->rng, recipe->seed);
    wiki->redirects = (uint32_t)((uint64_t)recipe->pages * recipe->redirect_percent / 100);
    wiki->next_id = 1;
    maker->recipe = recipe;
    maker->titles = &wiki->titles;
    maker->urn_capacity = recipe->pages < (1 << 26) ? recipe->pages * 8 : recipe->pages;
    maker->urn = calloc(maker->urn_capacity, sizeof *maker->urn);
    if (!maker->urn || vocabulary_create(&wiki->vocabulary, &maker->rng) ||
        draw_titles(wiki, recipe->pages + wiki->redirects))
        return fault_set(why, ENOMEM, "no memory for the titles of %u pages", recipe->pages);
    maker->vocabulary = wiki->vocabulary;
    return 0;
}

int generate_wiki(const struct wiki_recipe *recipe, FILE *out, struct fault *why)
{
    int err = check_recipe(recipe, why);
    if (err)
        return err;
    struct wiki wiki = {.out = out};
    err = prepare(&wiki, recipe, why);
    if (!err)
        err = write_wiki(&wiki, why);
    free(wiki.maker.urn);
    wiki_names_fini(&wiki.titles);
    vocabulary_destroy(&wiki.vocabulary);
    text_fini(&wiki.body);
    text_fini(&wiki.page);
    return err;
}
