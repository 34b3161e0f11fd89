/* SPDX-License-Identifier: MIT
 *
 * Writes the readable part of a wikitext. The output never overtakes the input, so the output's
 * bytes ahead of the reading position hold the marks of readable_marks.c until they are needed.
 *
 * Broken markup: what is opened and never closed ({{, [[, [http://…) and what is closed without
 * having been opened stays as it stands; an unclosed comment hides the rest, an unclosed <ref>,
 * <math>, <pre> … loses its tag only; an unclosed table lasts to the end of the page, with all
 * its text. Links to other languages ([[de:…]]) are dropped by the form of their prefix.
 */
#include "shm/readable.h"

#include "shm/entities.h"
#include "shm/readable_int.h"

#include <string.h>
#include <strings.h>

struct writer {
    const char *text;
    size_t length, at;
    char *out; /* [0, used): the result; [at, length): marks */
    size_t used;
    size_t line; /* start of the current line in `out` */

    bool line_start;    /* nothing but blanks and hidden things so far */
    bool line_marked;   /* had markup: if nothing is left of it, there is no line */
    bool blank_before;  /* the line before is blank, or there is none */
    bool heading;       /* began with '=' */
    bool header_cells;  /* a table row of "!" */
    size_t tables;      /* open ones */
    size_t links;       /* [[…| whose ]] is to come */
    bool outer_link;    /* [http://… whose ] is to come … */
    size_t outer_links; /* … opened when `links` was this */
    size_t
        bracket; /* the first ']' or line end behind a place already passed; see bracket_ahead() */
};

static void put(struct writer *w, char c)
{
    w->out[w->used++] = c;
}

static bool is_text(const struct writer *w, size_t at)
{
    return at < w->length && (w->out[at] == MARK_TEXT || w->out[at] == MARK_LINK);
}

static bool text_is(const struct writer *w, size_t at, char c)
{
    return is_text(w, at) && w->text[at] == c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct writer *w)
{
    while (is_text(w, w->at) && is_blank(w->text[w->at]))
        w->at++;
}

/* --- Lines -------------------------------------------------------------------------------- */

static void trim_line(struct writer *w)
{
    while (w->used > w->line && is_blank(w->out[w->used - 1]))
        w->used--;
}

/* "== text ==" becomes "text"; what does not end with '=' is no heading. */
static void strip_heading(struct writer *w)
{
    char *line = w->out + w->line;
    size_t length = w->used - w->line, front = 0, back = 0;
    while (front < length && front < 6 && line[front] == '=')
        front++;
    while (back < length && back < front && line[length - 1 - back] == '=')
        back++;
    if (back == 0 || length <= 2 * back)
        return;
    size_t begin = back, end = length - back;
    while (begin < end && is_blank(line[begin]))
        begin++;
    memmove(line, line + begin, end - begin);
    w->used = w->line + end - begin;
    trim_line(w);
}

static void finish_line(struct writer *w)
{
    trim_line(w);
    if (w->heading)
        strip_heading(w);
}

static void end_line(struct writer *w)
{
    finish_line(w);
    bool blank = w->used == w->line;
    if (!blank || (!w->line_marked && !w->blank_before)) {
        put(w, '\n');
        w->blank_before = blank;
    }
    w->line = w->used;
    w->line_start = true;
    w->line_marked = w->heading = false;
}

/* Up to the line end, which stays. */
static void skip_line(struct writer *w)
{
    while (w->at < w->length && !(w->text[w->at] == '\n' && is_text(w, w->at)))
        w->at++;
    w->line_marked = true;
}

/* --- Characters --------------------------------------------------------------------------- */

static void put_entity(struct writer *w)
{
    char utf8[ENTITY_UTF8_MAX];
    size_t length;
    size_t taken = entity_decode(w->text + w->at, w->length - w->at, utf8, &length);
    if (!taken) {
        put(w, '&');
        w->at++;
        return;
    }
    w->at += taken;
    for (size_t i = 0; i < length; i++)
        put(w, (char)(utf8[i] == '\n' ? ' ' : utf8[i]));
}

static void put_raw(struct writer *w)
{
    char c = w->text[w->at];
    w->line_start = false;
    if (c == '&') {
        put_entity(w);
        return;
    }
    w->at++;
    if (c == '\n')
        end_line(w);
    else
        put(w, c);
}

/* Two, three and five apostrophes are marks; of other numbers MediaWiki shows the rest. */
static void put_apostrophes(struct writer *w)
{
    size_t run = 0;
    while (text_is(w, w->at + run, '\''))
        run++;
    size_t shown = run == 1 || run == 4 ? 1 : run > 5 ? run - 5 : 0;
    w->at += run;
    w->line_marked |= run > 1;
    for (size_t i = 0; i < shown; i++)
        put(w, '\'');
}

/* __TOC__ and its like. */
static void put_underscore(struct writer *w)
{
    size_t at = w->at + 2, end = at;
    while (end - at < 32 && is_text(w, end) && w->text[end] >= 'A' && w->text[end] <= 'Z')
        end++;
    if (text_is(w, w->at + 1, '_') && end > at && text_is(w, end, '_') &&
        text_is(w, end + 1, '_')) {
        w->at = end + 2;
        w->line_marked = true;
        return;
    }
    put(w, '_');
    w->at++;
}

/* --- Tables ------------------------------------------------------------------------------- */

/* "style=… | text": behind the bar, if there is one in this cell before any other markup. Looks no
 * further than the cell's end. */
static void skip_attributes(struct writer *w)
{
    size_t at = w->at;
    for (; at < w->length && w->out[at] != MARK_RAW; at++) {
        char c = w->text[at];
        if (w->out[at] == MARK_HIDDEN)
            continue;
        if (c == '\n' || c == '<' || w->out[at] == MARK_LINK ||
            (c == '!' && w->header_cells && text_is(w, at + 1, '!')))
            break;
        if (c == '|') {
            if (!text_is(w, at + 1, '|'))
                w->at = at + 1;
            break;
        }
    }
    skip_blanks(w);
}

static void next_cell(struct writer *w)
{
    trim_line(w);
    if (w->used > w->line)
        put(w, '\t');
    w->at += 2;
    skip_attributes(w);
}

/* A line of a table that begins with '|' or '!'. */
static void begin_cell(struct writer *w)
{
    bool bar = w->text[w->at] == '|';
    w->line_marked = true;
    w->header_cells = !bar;
    if (bar && text_is(w, w->at + 1, '-')) {
        skip_line(w);
    } else if (bar && text_is(w, w->at + 1, '}')) {
        w->tables--;
        w->at += 2;
    } else {
        w->at += bar && text_is(w, w->at + 1, '+') ? 2 : 1;
        skip_attributes(w);
    }
}

/* --- Starts of lines ---------------------------------------------------------------------- */

static bool is_list_mark(char c)
{
    return c == '*' || c == '#' || c == ':' || c == ';';
}

/* Takes what has a meaning only at the start of a line. */
static void begin_line(struct writer *w)
{
    size_t start = w->at;
    skip_blanks(w);
    while (is_text(w, w->at) && is_list_mark(w->text[w->at]))
        w->at++;
    bool list = w->at > start && is_list_mark(w->text[w->at - 1]);
    w->line_marked |= list;
    skip_blanks(w);
    if (!is_text(w, w->at) || w->text[w->at] == '\n')
        return;
    char c = w->text[w->at];
    if (c == '{' && text_is(w, w->at + 1, '|')) {
        w->tables++;
        skip_line(w);
        return;
    }
    w->line_start = false;
    if (list)
        return;
    if (c == '=') {
        w->heading = true;
    } else if (c == '-') {
        size_t run = 0;
        while (text_is(w, w->at + run, '-'))
            run++;
        w->at += run >= 4 ? run : 0;
        w->line_marked |= run >= 4;
    } else if (w->tables > 0 && (c == '|' || c == '!')) {
        begin_cell(w);
    }
}

/* --- Tags --------------------------------------------------------------------------------- */

/* What of HTML may stand in wikitext, by what it does to the text around it. */
static const char line_tags[] = " br p div center blockquote hr li ul ol dl dt dd table caption "
                                "tr thead tbody tfoot h1 h2 h3 h4 h5 h6 poem section ";
static const char cell_tags[] = " td th ";
static const char inline_tags[] = " b i u s em strong small big sub sup span font code tt var kbd "
                                  "samp cite dfn abbr del ins strike q bdi bdo mark time wbr data "
                                  "ruby rb rt rp rtc noinclude onlyinclude indicator langconvert ";

static bool is_among(const char *tags, const char *name, size_t length)
{
    char word[TAG_NAME_BYTES + 2];
    word[0] = ' ';
    memcpy(word + 1, name, length);
    memcpy(word + 1 + length, " ", 2);
    return strstr(tags, word) != NULL;
}

static void put_tag(struct writer *w)
{
    char name[TAG_NAME_BYTES];
    size_t at = w->at + 1 + text_is(w, w->at + 1, '/');
    size_t name_length = at < w->length ? readable_tag_name(w->text + at, w->length - at, name) : 0;
    bool line = name_length && is_among(line_tags, name, name_length);
    bool cell = name_length && is_among(cell_tags, name, name_length);
    if (line || cell || (name_length && is_among(inline_tags, name, name_length))) {
        while (at < w->length && !(is_text(w, at) && strchr("<>", w->text[at])) &&
               w->out[at] != MARK_RAW)
            at++;
    }
    if (!name_length || !text_is(w, at, '>')) {
        put(w, '<');
        w->at++;
        return;
    }
    w->at = at + 1;
    w->line_marked = true;
    if (line && w->used > w->line)
        end_line(w);
    else if (cell && w->used > w->line && w->out[w->used - 1] != '\t')
        put(w, '\t');
}

/* --- Links -------------------------------------------------------------------------------- */

/* Namespaces whose links show nothing where they stand: files and categories, under the names of
 * the larger wikis. */
static const char *const silent_namespaces[] = {
    "file",      "image",       "media",      "category",   "datei",     "bild",       "kategorie",
    "fichier",   "catégorie",   "archivo",    "imagen",     "categoría", "immagine",   "categoria",
    "ficheiro",  "imagem",      "bestand",    "afbeelding", "categorie", "plik",       "grafika",
    "kategoria", "fil",         "kategori",   "soubor",     "tiedosto",  "luokka",     "Файл",
    "файл",      "Изображение", "Категория",  "категория",  "Картинка",  "Зображення", "Категорія",
    "Датотека",  "Слика",       "Категорија", "Αρχείο",     "Εικόνα",    "Κατηγορία",  "קובץ",
    "קטגוריה",   "ملف",         "تصنيف",      "ファイル",   "画像",      "カテゴリ",   "文件",
    "分类",      "파일",        "분류",
};

static bool is_silent(const char *target, size_t length)
{
    const char *colon = memchr(target, ':', length < 40 ? length : 40);
    size_t n = colon ? (size_t)(colon - target) : 0;
    while (n > 0 && is_blank(target[n - 1]))
        n--;
    for (size_t i = 0; n && i < sizeof silent_namespaces / sizeof *silent_namespaces; i++)
        if (strlen(silent_namespaces[i]) == n && !strncasecmp(target, silent_namespaces[i], n))
            return true;
    return false;
}

/* "de:", "zh-min-nan:": two or three small letters and what a hyphen appends. */
static bool has_language(const char *target, size_t length)
{
    size_t n = 0;
    while (n < length && target[n] >= 'a' && target[n] <= 'z')
        n++;
    if (n < 2 || n > 3)
        return false;
    while (n < length && (target[n] == '-' || (target[n] >= 'a' && target[n] <= 'z')))
        n++;
    return n < length && target[n] == ':';
}

/* A link with all that is in it. readable_marks.c saw that it closes. */
static void skip_link(struct writer *w)
{
    size_t depth = 1;
    w->at += 2;
    w->line_marked = true;
    while (depth > 0 && w->at < w->length) {
        bool close = text_is(w, w->at, ']') && text_is(w, w->at + 1, ']');
        bool open = w->out[w->at] == MARK_LINK;
        depth += open;
        depth -= close;
        w->at += open || close ? 2 : 1;
    }
    /* "[[File:x|[http://y z]]]": the first of three brackets closed an outer link. */
    if (text_is(w, w->at, ']') && !text_is(w, w->at + 1, ']'))
        w->at++;
}

/* Plain text of the input up to `end`. */
static void put_until(struct writer *w, size_t end)
{
    while (w->at < end) {
        if (w->out[w->at] == MARK_HIDDEN)
            w->at++;
        else if (w->text[w->at] == '&')
            put_entity(w);
        else
            put(w, w->text[w->at++]);
    }
}

/* Where a link's target ends: at "|" or "]]"; 0 if what stands there is no target. */
static size_t target_end(const struct writer *w, size_t at)
{
    for (; at < w->length; at++) {
        if (w->out[at] == MARK_HIDDEN)
            continue;
        if (w->out[at] != MARK_TEXT)
            return 0;
        char c = w->text[at];
        if (c == '|' || (c == ']' && text_is(w, at + 1, ']')))
            return at;
        if (c == ']' || c == '[' || c == '\n' || c == '{' || c == '}' || c == '<' || c == '>')
            return 0;
    }
    return 0;
}

static void put_link(struct writer *w)
{
    size_t target = w->at + 2;
    while (is_text(w, target) && is_blank(w->text[target]))
        target++;
    bool colon = text_is(w, target, ':');
    target += colon;
    if (!colon && is_silent(w->text + target, w->length - target)) {
        skip_link(w);
        return;
    }
    size_t end = target_end(w, target);
    if (end <= target) {
        put(w, '[');
        put(w, '[');
        w->at += 2;
        return;
    }
    w->line_marked = true;
    bool label = w->text[end] == '|';
    bool empty = label && text_is(w, end + 1, ']') && text_is(w, end + 2, ']');
    w->at = target;
    if (label && !empty) {
        w->at = end + 1;
        w->links++;
        return;
    }
    if (colon || !has_language(w->text + target, end - target))
        put_until(w, end);
    w->at = end + (empty ? 3 : 2);
}

/* Whether the line has a ']' ahead. Remembers it, so that a line is searched once. */
static bool bracket_ahead(struct writer *w)
{
    if (w->bracket <= w->at) {
        w->bracket = w->at + 1;
        while (w->bracket < w->length && w->text[w->bracket] != ']' && w->text[w->bracket] != '\n')
            w->bracket++;
    }
    return w->bracket < w->length && w->text[w->bracket] == ']';
}

static bool is_address(const char *text, size_t length)
{
    static const char *const schemes[] = {"http://", "https://", "//",     "ftp://",
                                          "mailto:", "news:",    "irc://", "gopher://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (n < length && !strncasecmp(text, schemes[i], n))
            return true;
    }
    return false;
}

static void put_open_bracket(struct writer *w)
{
    if (w->out[w->at] == MARK_LINK) {
        put_link(w);
        return;
    }
    size_t at = w->at + 1;
    if (w->outer_link || !is_text(w, at) || !is_address(w->text + at, w->length - at) ||
        !bracket_ahead(w)) {
        put(w, '[');
        w->at++;
        return;
    }
    while (at < w->length && w->out[at] != MARK_RAW &&
           !(is_text(w, at) && strchr(" \t\n[]<>", w->text[at])))
        at++;
    w->at = at;
    w->line_marked = true;
    w->outer_link = true;
    w->outer_links = w->links;
    skip_blanks(w);
}

static void put_close_bracket(struct writer *w)
{
    if (w->outer_link && w->links <= w->outer_links) {
        w->outer_link = false;
        w->at++;
    } else if (w->links > 0 && text_is(w, w->at + 1, ']')) {
        w->links--;
        w->at += 2;
    } else {
        put(w, ']');
        w->at++;
    }
}

/* --- All of it ---------------------------------------------------------------------------- */

/* What means something anywhere in a line. */
static const bool is_special[256] = {
    ['\n'] = true, ['\''] = true, ['_'] = true, ['&'] = true, ['<'] = true,
    ['['] = true,  [']'] = true,  ['|'] = true, ['!'] = true};

/* Most of most texts. False: there is none of it here. */
static bool put_ordinary(struct writer *w)
{
    const size_t start = w->at;
    size_t at = start, used = w->used;
    while (at < w->length && w->out[at] == MARK_TEXT && !is_special[(unsigned char)w->text[at]])
        w->out[used++] = w->text[at++];
    w->at = at;
    w->used = used;
    return at > start;
}

static void put_text(struct writer *w)
{
    char c = w->text[w->at];
    switch (c) {
    case '\n':
        w->outer_link = false;
        w->at++;
        end_line(w);
        break;
    case '\'':
        put_apostrophes(w);
        break;
    case '_':
        put_underscore(w);
        break;
    case '&':
        put_entity(w);
        break;
    case '<':
        put_tag(w);
        break;
    case '[':
        put_open_bracket(w);
        break;
    case ']':
        put_close_bracket(w);
        break;
    case '|':
    case '!':
        if (w->tables > 0 && w->links == 0 && (c == '|' || w->header_cells) &&
            text_is(w, w->at + 1, c)) {
            next_cell(w);
            break;
        }
        /* fall through */
    default:
        w->at++;
        put(w, c);
    }
}

size_t readable_text(const char *wikitext, size_t length, char *out)
{
    struct writer w = {.text = wikitext, .length = length, .out = out};
    w.line_start = w.blank_before = true;
    readable_mark(wikitext, length, out);
    while (w.at < length) {
        if (out[w.at] == MARK_HIDDEN) {
            w.line_marked = true;
            w.at++;
        } else if (out[w.at] == MARK_RAW) {
            put_raw(&w);
        } else if (w.line_start && wikitext[w.at] != '\n') {
            begin_line(&w);
        } else if (!put_ordinary(&w)) {
            put_text(&w);
        }
    }
    finish_line(&w);
    while (w.used > 0 && out[w.used - 1] == '\n')
        w.used--;
    return w.used;
}
