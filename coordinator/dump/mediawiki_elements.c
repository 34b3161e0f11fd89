/* SPDX-License-Identifier: MIT
 *
 * What the elements of a MediaWiki export mean, in the versions 0.3 to 0.11: the site, and pages
 * with the text of their last revision. Elements are told apart by the place they stand in, so
 * that what is unknown is skipped with all it holds.
 */
#include "coordinator/dump/mediawiki_int.h"
#include "shm/titles.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX       64
#define FIELD_MAX_BYTES 1024
#define NAMESPACE_MAX   4096

/* --- Site ------------------------------------------------------------------------------------ */

static bool site_add_namespace(struct dump_reader *reader, int key, const char *name, size_t length)
{
    struct dump_site *site = &reader->site;

    if (site->namespace_count == NAMESPACE_MAX) {
        dump_fail(reader, EBADMSG, "more than %d namespaces", NAMESPACE_MAX);
        return false;
    }
    if (site->namespace_count == reader->namespace_capacity) {
        size_t capacity = reader->namespace_capacity ? 2 * reader->namespace_capacity : 32;
        struct dump_namespace *grown =
            realloc(site->namespaces, capacity * sizeof(site->namespaces[0]));
        if (!grown) {
            dump_fail(reader, ENOMEM, "out of memory for namespaces");
            return false;
        }
        site->namespaces = grown;
        reader->namespace_capacity = capacity;
    }
    char *copy = strndup(name, length);
    if (!copy) {
        dump_fail(reader, ENOMEM, "out of memory for namespaces");
        return false;
    }
    site->namespaces[site->namespace_count++] = (struct dump_namespace){.key = key, .name = copy};
    return true;
}

/* Hands the site over before the first page. A dump without <namespaces> gets MediaWiki's own. */
static void site_tell(struct dump_reader *reader)
{
    static const struct {
        int key;
        const char *name;
    } standard[] = {
        {-2, "Media"},    {-1, "Special"},       {0, ""},          {1, "Talk"},
        {2, "User"},      {3, "User talk"},      {4, "Project"},   {5, "Project talk"},
        {6, "File"},      {7, "File talk"},      {8, "MediaWiki"}, {9, "MediaWiki talk"},
        {10, "Template"}, {11, "Template talk"}, {12, "Help"},     {13, "Help talk"},
        {14, "Category"}, {15, "Category talk"},
    };

    if (reader->site_told)
        return;
    reader->site_told = true;
    if (reader->site.namespace_count == 0)
        for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
            if (!site_add_namespace(reader, standard[i].key, standard[i].name,
                                    strlen(standard[i].name)))
                return;
    if (!reader->site.name)
        reader->site.name = strdup("");
    if (!reader->site.database)
        reader->site.database = strdup("");
    if (!reader->site.name || !reader->site.database) {
        dump_fail(reader, ENOMEM, "out of memory");
        return;
    }
    int err = reader->handler->site(reader->handler->owner, &reader->site, reader->why);
    if (err != 0) {
        reader->err = err;
        XML_StopParser(reader->parser, XML_FALSE);
    }
}

/* The namespace that a title's prefix says, for exports before 0.6, which have no <ns>. Titles
 * in dumps carry the site's own names, exactly as in <siteinfo>. */
static int namespace_of(const struct dump_site *site, const char *title, size_t length)
{
    const char *colon = memchr(title, ':', length);

    if (!colon)
        return 0;
    size_t prefix = (size_t)(colon - title);
    for (size_t i = 0; i < site->namespace_count; i++) {
        const char *name = site->namespaces[i].name;
        if (name[0] && strlen(name) == prefix && memcmp(name, title, prefix) == 0)
            return site->namespaces[i].key;
    }
    return 0;
}

static void site_fini(struct dump_site *site)
{
    for (size_t i = 0; i < site->namespace_count; i++)
        free(site->namespaces[i].name);
    free(site->namespaces);
    free(site->name);
    free(site->database);
}

/* --- Pages ----------------------------------------------------------------------------------- */

static void page_begin(struct dump_reader *reader)
{
    site_tell(reader);
    reader->page = (struct dump_page){
        .dump_offset = (uint64_t)XML_GetCurrentByteIndex(reader->parser),
    };
    reader->page_line = XML_GetCurrentLineNumber(reader->parser);
    reader->has_title = reader->has_ns = reader->has_redirect = false;
    reader->title.length = 0;
    reader->redirect.length = 0;
    reader->text.length = 0;
}

/* The element's bytes as UTF-8. */
static bool page_convert(struct dump_reader *reader, const char *raw, size_t length)
{
    struct dump_buffer *out = &reader->converted;
    char *in = (char *)(uintptr_t)raw; /* iconv's old signature; it does not write there */

    if (reader->converter == (iconv_t)-1) {
        reader->converter = iconv_open("UTF-8", reader->encoding);
        if (reader->converter == (iconv_t)-1) {
            dump_fail(reader, errno, "the C library cannot convert from %s", reader->encoding);
            return false;
        }
    }
    iconv(reader->converter, NULL, NULL, NULL, NULL);
    out->length = 0;
    while (length > 0) {
        if (!dump_reserve(reader, out, length + 16))
            return false;
        char *to = out->bytes + out->length;
        size_t room = out->capacity - out->length;
        size_t result = iconv(reader->converter, &in, &length, &to, &room);
        out->length = (size_t)(to - out->bytes);
        if (result == (size_t)-1 && errno != E2BIG) {
            dump_fail(reader, EBADMSG, "the page has characters that are not valid %s",
                      reader->encoding);
            return false;
        }
    }
    return true;
}

/* Finds the target of a redirect that only the text names, as in exports before 0.6: those have no
 * redirect element, or one without the title. With an element, the text's keyword may be in any
 * language. */
static void redirect_of_text(struct dump_page *page, bool has_element)
{
    static const char keyword[] = "#REDIRECT";
    const char *text = page->text, *end = text + page->text_length;

    if (!has_element &&
        (page->text_length < strlen(keyword) || strncasecmp(text, keyword, strlen(keyword)) != 0))
        return;
    const char *from = memmem(text, page->text_length, "[[", 2);
    if (!from)
        return;
    from += 2;
    if (from < end && *from == ':')
        from++;
    const char *to = from;
    while (to < end && *to != '#' && *to != '|' && *to != ']' && *to != '\n')
        to++;
    if (to == end || to == from || *to == '\n' || to - from > TITLE_MAX_BYTES)
        return;
    page->redirect = from;
    page->redirect_length = (size_t)(to - from);
}

static void page_end(struct dump_reader *reader)
{
    struct dump_page *page = &reader->page;
    uint64_t end = (uint64_t)XML_GetCurrentByteIndex(reader->parser) +
                   (uint64_t)XML_GetCurrentByteCount(reader->parser);

    MUST(page->dump_offset >= reader->window_offset);
    MUST(end <= reader->window_offset + reader->window.length);
    if (!reader->has_title || reader->title.length == 0) {
        dump_fail(reader, EBADMSG, "the page begun in line %" PRIu64 " has no title",
                  reader->page_line);
        return;
    }
    page->dump_bytes = end - page->dump_offset;
    page->element = reader->window.bytes + (page->dump_offset - reader->window_offset);
    page->element_length = page->dump_bytes;
    if (reader->encoding) {
        if (!page_convert(reader, page->element, page->element_length))
            return;
        page->element = reader->converted.bytes;
        page->element_length = reader->converted.length;
    }
    page->title = reader->title.bytes;
    page->title_length = reader->title.length;
    page->text = reader->text.length ? reader->text.bytes : "";
    page->text_length = reader->text.length;
    if (!reader->has_ns)
        page->ns = namespace_of(&reader->site, page->title, page->title_length);
    if (reader->redirect.length > 0) {
        page->redirect = reader->redirect.bytes;
        page->redirect_length = reader->redirect.length;
    } else if (reader->has_redirect || !reader->has_ns) {
        redirect_of_text(page, reader->has_redirect);
    }
    reader->pages++;

    int err = reader->handler->page(reader->handler->owner, page, reader->why);
    if (err != 0) {
        reader->err = err;
        XML_StopParser(reader->parser, XML_FALSE);
    }
    dump_buffer_empty(&reader->text);
    dump_buffer_empty(&reader->converted);
}

/* --- Fields ---------------------------------------------------------------------------------- */

static void field_begin(struct dump_reader *reader, enum dump_field field)
{
    reader->field = field;
    reader->field_depth = reader->depth;
    reader->small.length = 0;
}

static bool field_number(struct dump_reader *reader, const char *what, bool negative,
                         int64_t *value)
{
    char text[24];
    char *end;
    const char *bytes = reader->small.bytes;
    size_t length = reader->small.length;

    while (length > 0 && strchr(" \t\r\n", bytes[0]))
        bytes++, length--;
    while (length > 0 && strchr(" \t\r\n", bytes[length - 1]))
        length--;
    if (length > 0 && length < sizeof(text)) {
        memcpy(text, bytes, length);
        text[length] = '\0';
        errno = 0;
        *value = strtoll(text, &end, 10);
        if (errno == 0 && *end == '\0' && (negative || *value >= 0))
            return true;
    }
    dump_fail(reader, EBADMSG, "<%s> is not a number: \"%.*s\"", what,
              (int)(length < 40 ? length : 40), length ? bytes : "");
    return false;
}

static void field_string(struct dump_reader *reader, char **string)
{
    free(*string);
    *string = strndup(reader->small.length ? reader->small.bytes : "", reader->small.length);
    if (!*string)
        dump_fail(reader, ENOMEM, "out of memory");
}

static void trim(struct dump_buffer *buffer)
{
    size_t from = 0;

    while (from < buffer->length && strchr(" \t\r\n", buffer->bytes[from]))
        from++;
    while (buffer->length > from && strchr(" \t\r\n", buffer->bytes[buffer->length - 1]))
        buffer->length--;
    if (from > 0) {
        buffer->length -= from;
        memmove(buffer->bytes, buffer->bytes + from, buffer->length);
    }
}

static void field_end(struct dump_reader *reader)
{
    int64_t number = 0;

    switch (reader->field) {
    case FIELD_SITENAME:
        field_string(reader, &reader->site.name);
        break;
    case FIELD_DBNAME:
        field_string(reader, &reader->site.database);
        break;
    case FIELD_CASE:
        trim(&reader->small);
        reader->site.first_letter =
            !(reader->small.length == strlen("case-sensitive") &&
              memcmp(reader->small.bytes, "case-sensitive", reader->small.length) == 0);
        break;
    case FIELD_NAMESPACE:
        trim(&reader->small);
        site_add_namespace(reader, reader->namespace_key,
                           reader->small.length ? reader->small.bytes : "", reader->small.length);
        break;
    case FIELD_TITLE:
        trim(&reader->title);
        reader->has_title = true;
        for (size_t i = 0; i < reader->title.length; i++)
            if ((unsigned char)reader->title.bytes[i] < 0x20 || reader->title.bytes[i] == 0x7f) {
                dump_fail(reader, EBADMSG, "the title holds a control character (0x%02x)",
                          (unsigned)reader->title.bytes[i]);
                break;
            }
        break;
    case FIELD_NS:
        if (field_number(reader, "ns", true, &number)) {
            reader->page.ns = (int)number;
            reader->has_ns = true;
            if (number != reader->page.ns)
                dump_fail(reader, EBADMSG, "<ns> %" PRId64 " is out of range", number);
        }
        break;
    case FIELD_ID:
        if (field_number(reader, "id", false, &number))
            reader->page.id = (uint64_t)number;
        break;
    case FIELD_TEXT:
    case FIELD_NONE:
        break;
    }
    reader->field = FIELD_NONE;
}

/* --- What expat calls ------------------------------------------------------------------------ */

static const char *attribute(const char **attributes, const char *name)
{
    for (; attributes[0]; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    return NULL;
}

static void enter(struct dump_reader *reader, enum dump_place place)
{
    reader->place = place;
    reader->place_depth = reader->depth;
}

static void begin_in_site(struct dump_reader *reader, const char *name)
{
    if (strcmp(name, "sitename") == 0)
        field_begin(reader, FIELD_SITENAME);
    else if (strcmp(name, "dbname") == 0)
        field_begin(reader, FIELD_DBNAME);
    else if (strcmp(name, "case") == 0)
        field_begin(reader, FIELD_CASE);
    else if (strcmp(name, "namespaces") == 0)
        enter(reader, PLACE_NAMESPACES);
}

static void begin_in_namespaces(struct dump_reader *reader, const char *name,
                                const char **attributes)
{
    const char *key = attribute(attributes, "key");
    char *end;

    if (strcmp(name, "namespace") != 0)
        return;
    errno = 0;
    long value = key ? strtol(key, &end, 10) : 0;
    if (!key || end == key || *end != '\0' || errno != 0 || value != (int)value) {
        dump_fail(reader, EBADMSG, "a <namespace> without a number as its key");
        return;
    }
    reader->namespace_key = (int)value;
    field_begin(reader, FIELD_NAMESPACE);
}

static void begin_in_page(struct dump_reader *reader, const char *name, const char **attributes)
{
    if (strcmp(name, "revision") == 0) {
        enter(reader, PLACE_REVISION);
        reader->text.length = 0;
    } else if (strcmp(name, "title") == 0) {
        reader->title.length = 0;
        field_begin(reader, FIELD_TITLE);
    } else if (strcmp(name, "ns") == 0) {
        field_begin(reader, FIELD_NS);
    } else if (strcmp(name, "id") == 0) {
        field_begin(reader, FIELD_ID);
    } else if (strcmp(name, "redirect") == 0) {
        const char *title = attribute(attributes, "title");
        reader->redirect.length = 0;
        reader->has_redirect = true;
        if (title && strlen(title) > TITLE_MAX_BYTES) {
            dump_fail(reader, EBADMSG, "the redirect's title is longer than %d bytes",
                      TITLE_MAX_BYTES);
        } else if (title) {
            dump_append(reader, &reader->redirect, title, strlen(title));
        }
    }
}

static void on_begin(void *data, const char *name, const char **attributes)
{
    struct dump_reader *reader = data;

    if (reader->err != 0)
        return; /* stopped, and expat is still coming to a halt */
    /* The depth is that of the new element from here on. */
    if (++reader->depth > DEPTH_MAX) {
        dump_fail(reader, EBADMSG, "elements are nested more than %d deep", DEPTH_MAX);
        return;
    }
    if (reader->depth != reader->place_depth + 1 || reader->field != FIELD_NONE)
        return; /* inside an element of no interest */
    switch (reader->place) {
    case PLACE_DOCUMENT:
        reader->has_root = true;
        if (strcmp(name, "mediawiki") == 0)
            enter(reader, PLACE_ROOT);
        else
            dump_fail(reader, EINVAL,
                      "not a MediaWiki export: its root element is <%.60s>, not <mediawiki>", name);
        break;
    case PLACE_ROOT:
        if (strcmp(name, "page") == 0) {
            enter(reader, PLACE_PAGE);
            page_begin(reader);
        } else if (strcmp(name, "siteinfo") == 0 && !reader->site_told) {
            enter(reader, PLACE_SITE);
        }
        break;
    case PLACE_SITE:
        begin_in_site(reader, name);
        break;
    case PLACE_NAMESPACES:
        begin_in_namespaces(reader, name, attributes);
        break;
    case PLACE_PAGE:
        begin_in_page(reader, name, attributes);
        break;
    case PLACE_REVISION:
        if (strcmp(name, "text") == 0)
            field_begin(reader, FIELD_TEXT);
        break;
    }
}

static void on_end(void *data, const char *name)
{
    struct dump_reader *reader = data;
    static const enum dump_place parents[] = {
        [PLACE_DOCUMENT] = PLACE_DOCUMENT, [PLACE_ROOT] = PLACE_DOCUMENT,
        [PLACE_SITE] = PLACE_ROOT,         [PLACE_NAMESPACES] = PLACE_SITE,
        [PLACE_PAGE] = PLACE_ROOT,         [PLACE_REVISION] = PLACE_PAGE,
    };

    (void)name;
    if (reader->err != 0)
        return;
    if (reader->field != FIELD_NONE && reader->depth == reader->field_depth) {
        field_end(reader);
    } else if (reader->depth == reader->place_depth) {
        if (reader->place == PLACE_PAGE)
            page_end(reader);
        reader->place = parents[reader->place];
        reader->place_depth--;
    }
    reader->depth--;
}

static void on_text(void *data, const char *bytes, int length)
{
    struct dump_reader *reader = data;

    if (reader->field == FIELD_NONE || reader->depth != reader->field_depth || reader->err != 0)
        return;
    if (reader->field == FIELD_TEXT) {
        dump_append(reader, &reader->text, bytes, (size_t)length);
        return;
    }
    struct dump_buffer *into = reader->field == FIELD_TITLE ? &reader->title : &reader->small;
    if (into->length + (size_t)length > FIELD_MAX_BYTES) {
        if (reader->field == FIELD_TITLE)
            dump_fail(reader, EBADMSG, "the title is longer than %d bytes", TITLE_MAX_BYTES);
        else
            dump_fail(reader, EBADMSG, "a name or number is longer than %d bytes", FIELD_MAX_BYTES);
        return;
    }
    dump_append(reader, into, bytes, (size_t)length);
}

void dump_elements_init(struct dump_reader *reader)
{
    reader->site.first_letter = true;
    reader->converter = (iconv_t)-1;
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_begin, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
}

void dump_elements_fini(struct dump_reader *reader)
{
    if (reader->converter != (iconv_t)-1)
        iconv_close(reader->converter);
    site_fini(&reader->site);
    dump_buffer_fini(&reader->small);
    dump_buffer_fini(&reader->converted);
    dump_buffer_fini(&reader->title);
    dump_buffer_fini(&reader->redirect);
    dump_buffer_fini(&reader->text);
}
