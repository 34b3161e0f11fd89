/* SPDX-License-Identifier: MIT */
#include "coordinator/generate/article.h"

#define COUNT(array)     ((uint32_t)(sizeof(array) / sizeof *(array)))
#define PICK(rng, array) ((array)[rng_below(rng, COUNT(array))])
#define TOPIC_WORDS      6

static const struct {
    const char *kind, *category;
} kinds[KIND_COUNT] = {
    {"town", "Towns"},         {"river", "Rivers"},       {"village", "Villages"},
    {"mountain", "Mountains"}, {"composer", "Composers"}, {"physicist", "Physicists"},
    {"novel", "Novels"},       {"railway", "Railways"},   {"language", "Languages"},
    {"castle", "Castles"},     {"genus", "Genera"},       {"festival", "Festivals"},
};

/* %n: a word; %l: a link, or a word where there is none to place; %y: a year; %d: a number. */
static const char *const sentences[] = {
    "The %n of %l was first recorded in %y.",
    "It lies between %l and %l, near the %n %n.",
    "In %y the %n %n became part of %l, and its %n was rebuilt.",
    "Most of the %n comes from %l.",
    "Its %n is known for %n, %n and %l.",
    "According to %l, the %n had %d %n in %y.",
    "A %n %n joins %l to the %n of %l.",
    "Many %n followed, among them %l, %l and the %n.",
    "After %y the %n moved to %l; the older %n stayed.",
    "The %n and the %n are %n, while the %n is not.",
    "It was named after %l, a %n from %l.",
    "From %y until %y it belonged to %l.",
    "No %n survives, but %l describes a %n %n.",
    "By %y there were %d %n, mostly %n.",
    "Under %l the %n grew, and %d %n were built.",
    "The name comes from ''%n'', which means \"%n\" in the language of %l.",
    "Today the %n serves as a %n for %l.",
    "Its %n was restored in %y with help from %l.",
    "During the %n of %y, %l lost its %n to the %n.",
    "Visitors come for the %n, the %n %n and %l.",
    "Compared with %l it is %n, yet its %n &ndash; the '''%n''' &ndash; is larger.",
    "The %n, about {{convert|%d|km}} away, was drawn by %l.",
    "Some call it %n & %n; others, after %l, prefer %n.",
    "Since %y its %n is less than <math>%d x^2</math> of the %n at %l.",
};

static const char *const headings[] = {"History",  "Geography", "Economy", "Culture",
                                       "Name",     "Reception", "Works",   "Legacy",
                                       "Research", "Transport"};

/* What is left to be written of one article. */
struct article {
    uint32_t page, kind;
    uint32_t words, links;
    uint32_t topic[TOPIC_WORDS];
};

const char *article_kind(unsigned kind)
{
    return kinds[kind].kind;
}

const char *article_category(unsigned kind)
{
    return kinds[kind].category;
}

/* True once in n. */
static bool chance(struct article_maker *maker, uint32_t n)
{
    return rng_below(&maker->rng, n) == 0;
}

/* About `mean`: most pages are short, some long. */
static uint32_t draw_size(struct article_maker *maker, uint32_t mean)
{
    static const unsigned char eighths[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 21};
    return (uint32_t)((uint64_t)mean * PICK(&maker->rng, eighths) / 8);
}

/* An article, the more likely the more links it has. */
static uint32_t draw_target(struct article_maker *maker)
{
    struct rng *rng = &maker->rng;
    uint32_t target = maker->urn_count == 0 || chance(maker, 4)
                          ? rng_below(rng, maker->recipe->pages)
                          : maker->urn[rng_below(rng, maker->urn_count)];
    if (maker->urn_count < maker->urn_capacity)
        maker->urn[maker->urn_count++] = target;
    else
        maker->urn[rng_below(rng, maker->urn_count)] = target;
    return target;
}

static void add_word(struct article_maker *maker, const struct article *article, struct text *out)
{
    uint32_t word = chance(maker, 3) ? PICK(&maker->rng, article->topic)
                                     : vocabulary_draw(maker->vocabulary, &maker->rng);
    text_add_name(out, &maker->vocabulary->words, word);
}

static void add_title(struct article_maker *maker, struct text *out, uint32_t number)
{
    text_add_name(out, maker->titles, number);
}

static void add_red_title(struct article_maker *maker, struct text *out)
{
    struct text title = {0};
    do
        title_draw(&title, &maker->rng);
    while (!title.failed && names_have(maker->titles, title.bytes, title.length));
    text_add(out, title.bytes, title.failed ? 0 : title.length);
    out->failed |= title.failed;
    text_fini(&title);
}

/* A title as some people type it: underscores for spaces. */
static void add_underscored_title(struct article_maker *maker, struct text *out, uint32_t number)
{
    size_t at = out->length;
    add_title(maker, out, number);
    for (; !out->failed && at < out->length; at++)
        if (out->bytes[at] == ' ')
            out->bytes[at] = '_';
}

static void add_link(struct article_maker *maker, struct article *article, struct text *out)
{
    struct rng *rng = &maker->rng;
    uint32_t redirects = maker->titles->count - maker->recipe->pages;
    uint32_t style = rng_below(rng, 100);
    article->links--;
    text_put(out, "[[");
    if (style < 4) {
        add_red_title(maker, out);
    } else if (style < 10 && redirects > 0) {
        add_title(maker, out, maker->recipe->pages + rng_below(rng, redirects));
    } else if (style < 25) {
        add_title(maker, out, draw_target(maker));
        text_put(out, "|");
        add_word(maker, article, out);
    } else if (style < 31) {
        add_title(maker, out, draw_target(maker));
        text_put(out, "#");
        text_put(out, PICK(rng, headings));
        text_put(out, "|the ");
        add_word(maker, article, out);
    } else if (style < 33) {
        add_underscored_title(maker, out, draw_target(maker));
    } else {
        add_title(maker, out, draw_target(maker));
    }
    text_put(out, "]]");
}

static void add_link_or_word(struct article_maker *maker, struct article *article, struct text *out)
{
    /* A sentence has about 1.2 places for a link in 9 words. */
    uint32_t places = article->words / 8 + 1;
    if (article->links > 0 && rng_below(&maker->rng, places) < article->links)
        add_link(maker, article, out);
    else
        add_word(maker, article, out);
}

static void add_sentence(struct article_maker *maker, struct article *article, struct text *out)
{
    uint32_t words = 1;
    for (const char *at = PICK(&maker->rng, sentences); *at; at++) {
        if (*at == ' ')
            words++;
        if (*at != '%') {
            text_add(out, at, 1);
            continue;
        }
        switch (*++at) {
        case 'l':
            add_link_or_word(maker, article, out);
            break;
        case 'n':
            add_word(maker, article, out);
            break;
        case 'y':
            text_number(out, 1400 + rng_below(&maker->rng, 620));
            break;
        default:
            text_number(out, 2 + rng_below(&maker->rng, 500));
        }
    }
    article->words -= words < article->words ? words : article->words;
}

static void add_reference(struct article_maker *maker, const struct article *article,
                          struct text *out)
{
    text_put(out, "<ref>{{cite book|title=");
    add_title(maker, out, article->page);
    text_put(out, "|publisher=");
    add_word(maker, article, out);
    text_put(out, "|year=");
    text_number(out, 1900 + rng_below(&maker->rng, 120));
    text_put(out, "}}</ref>");
}

static void add_infobox(struct article_maker *maker, struct article *article, struct text *out)
{
    text_put(out, "{{Infobox ");
    text_put(out, article_kind(article->kind));
    text_put(out, "\n| name = ");
    add_title(maker, out, article->page);
    text_put(out, "\n| known for = ");
    add_link_or_word(maker, article, out);
    text_put(out, "\n| number = ");
    text_number(out, rng_below(&maker->rng, 100000));
    text_put(out, "\n}}\n");
}

static void add_lead(struct article_maker *maker, struct article *article, struct text *out)
{
    text_put(out, "'''");
    add_title(maker, out, article->page);
    text_put(out, "''' is a ");
    add_word(maker, article, out);
    text_put(out, " ");
    text_put(out, article_kind(article->kind));
    text_put(out, " in ");
    add_link_or_word(maker, article, out);
    text_put(out, ".");
}

static void add_list(struct article_maker *maker, struct article *article, struct text *out)
{
    for (uint32_t left = 2 + rng_below(&maker->rng, 4); left > 0; left--) {
        text_put(out, "* ");
        add_link_or_word(maker, article, out);
        text_put(out, ", ");
        add_word(maker, article, out);
        text_put(out, " of the ");
        add_word(maker, article, out);
        text_put(out, "\n");
    }
}

static void add_table(struct article_maker *maker, struct article *article, struct text *out)
{
    text_put(out, "{| class=\"wikitable\"\n|+ Numbers by year\n! Year !! Name !! align=\"right\" | "
                  "Number\n");
    for (uint32_t left = 2 + rng_below(&maker->rng, 4); left > 0; left--) {
        text_put(out, "|-\n| ");
        text_number(out, 1900 + rng_below(&maker->rng, 120));
        text_put(out, " || ");
        add_link_or_word(maker, article, out);
        text_put(out, " || align=\"right\" | ");
        text_number(out, rng_below(&maker->rng, 10000));
        text_put(out, "\n");
    }
    text_put(out, "|}\n");
}

/* Links that are none, in what a reader of dumps has to skip. */
static void add_false_link(struct article_maker *maker, struct text *out)
{
    static const char *const around[][2] = {
        {"<!-- see [[", "]] -->"}, {"<nowiki>[[", "]]</nowiki>"}, {"<!-- {{main|[[", "]]}} -->"}};
    uint32_t i = rng_below(&maker->rng, COUNT(around));
    text_put(out, " ");
    text_put(out, around[i][0]);
    add_title(maker, out, rng_below(&maker->rng, maker->recipe->pages));
    text_put(out, around[i][1]);
}

static void add_outer_link(struct article_maker *maker, const struct article *article,
                           struct text *out)
{
    text_put(out, " See also [https://example.org/");
    text_number(out, rng_below(&maker->rng, 100000));
    text_put(out, " the ");
    add_word(maker, article, out);
    text_put(out, " archive].");
}

static void add_paragraph(struct article_maker *maker, struct article *article, struct text *out)
{
    for (uint32_t left = 3 + rng_below(&maker->rng, 5); left > 0 && article->words > 0; left--) {
        add_sentence(maker, article, out);
        if (chance(maker, 6))
            add_reference(maker, article, out);
        if (chance(maker, 60))
            add_false_link(maker, out);
        if (chance(maker, 60))
            add_outer_link(maker, article, out);
        text_put(out, left > 1 && article->words > 0 ? " " : "\n");
    }
}

static void add_heading(struct article_maker *maker, const char *heading, bool deep,
                        struct text *out)
{
    const char *marks = deep ? "===" : "==";
    text_put(out, "\n");
    text_put(out, marks);
    text_put(out, " ");
    text_put(out, heading ? heading : PICK(&maker->rng, headings));
    text_put(out, " ");
    text_put(out, marks);
    text_put(out, "\n");
}

static void add_body(struct article_maker *maker, struct article *article, struct text *out)
{
    for (uint32_t paragraph = 0; article->words > 0; paragraph++) {
        if (paragraph % 2 == 1)
            add_heading(maker, NULL, paragraph > 1 && chance(maker, 3), out);
        else if (paragraph > 0)
            text_put(out, "\n");
        add_paragraph(maker, article, out);
        if (chance(maker, 8))
            add_list(maker, article, out);
        if (chance(maker, 20))
            add_table(maker, article, out);
    }
}

static void add_end(struct article_maker *maker, struct article *article, struct text *out)
{
    if (article->links > 0) {
        add_heading(maker, "See also", false, out);
        while (article->links > 0) {
            text_put(out, "* ");
            add_link(maker, article, out);
            text_put(out, "\n");
        }
    }
    add_heading(maker, "References", false, out);
    text_put(out, "{{reflist}}\n\n[[Category:");
    text_put(out, article_category(article->kind));
    text_put(out, "]]");
}

void article_write(struct article_maker *maker, uint32_t page, struct text *out)
{
    const struct wiki_recipe *recipe = maker->recipe;
    struct article article = {.page = page, .kind = rng_below(&maker->rng, KIND_COUNT)};
    out->length = 0;
    article.words = draw_size(maker, recipe->words_per_page);
    /* One page in twenty is a dead end; the others make up for it. */
    if (!chance(maker, 20)) {
        article.links = draw_size(maker, recipe->links_per_page);
        if (chance(maker, 20))
            article.links += recipe->links_per_page;
    }
    for (int i = 0; i < TOPIC_WORDS; i++)
        article.topic[i] = vocabulary_draw(maker->vocabulary, &maker->rng);
    if (chance(maker, 3))
        add_infobox(maker, &article, out);
    add_lead(maker, &article, out);
    text_put(out, "\n\n");
    add_body(maker, &article, out);
    add_end(maker, &article, out);
}
