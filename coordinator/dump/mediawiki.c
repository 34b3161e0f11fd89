/* SPDX-License-Identifier: MIT
 *
 * MediaWiki XML exports through expat: bytes, encodings and errors. What the elements mean is in
 * mediawiki_elements.c.
 *
 * The dump's bytes are read into a window that expat parses in place. While a <page> is open the
 * window keeps it from its first byte, so the raw element is there when its end tag comes, and is
 * never copied.
 *
 * A DOCTYPE is refused: no export has one, and without it there are no entities to expand.
 */
#include "coordinator/dump/mediawiki_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#define CHUNK_BYTES     ((size_t)256 << 10)
#define KEEP_BYTES      ((size_t)4 << 20) /* buffers beyond this shrink after their page */
#define PAGE_MAX_BYTES  ((uint64_t)256 << 20)
#define TOKEN_MAX_BYTES ((uint64_t)16 << 20) /* one tag or comment; expat rescans it per chunk */

/* --- Errors ---------------------------------------------------------------------------------- */

void dump_fail(struct dump_reader *reader, int err, const char *format, ...)
{
    char what[320];
    va_list args;

    if (reader->err != 0)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    /* Between two chunks expat may have no index. */
    XML_Index index = XML_GetCurrentByteIndex(reader->parser);
    uint64_t byte = index < 0 ? reader->parsed : (uint64_t)index;
    reader->err = fault_set(reader->why, err, "%s: line %" PRIu64 ", byte %" PRIu64 ": %s",
                            bytes_name(reader->source),
                            (uint64_t)XML_GetCurrentLineNumber(reader->parser), byte, what);
    XML_StopParser(reader->parser, XML_FALSE);
}

/* --- Buffers --------------------------------------------------------------------------------- */

bool dump_reserve(struct dump_reader *reader, struct dump_buffer *buffer, size_t more)
{
    size_t need = buffer->length + more;

    if (need <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity < need)
        capacity *= 2;
    char *bytes = realloc(buffer->bytes, capacity);
    if (!bytes) {
        dump_fail(reader, ENOMEM, "out of memory for a page");
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void dump_append(struct dump_reader *reader, struct dump_buffer *buffer, const char *bytes,
                 size_t length)
{
    if (!dump_reserve(reader, buffer, length))
        return;
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void dump_buffer_fini(struct dump_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct dump_buffer){0};
}

void dump_buffer_empty(struct dump_buffer *buffer)
{
    if (buffer->capacity > KEEP_BYTES)
        dump_buffer_fini(buffer);
    buffer->length = 0;
}

/* --- Encodings ------------------------------------------------------------------------------- */

static void on_declaration(void *data, const char *version, const char *encoding, int standalone)
{
    struct dump_reader *reader = data;

    (void)version;
    (void)standalone;
    if (encoding && strcasecmp(encoding, "ISO-8859-1") == 0)
        reader->encoding = "ISO-8859-1";
}

static void on_doctype(void *data, const char *name, const char *system, const char *public,
                       int has_subset)
{
    (void)name;
    (void)system;
    (void)public;
    (void)has_subset;
    dump_fail(data, EBADMSG,
              "a DOCTYPE, which no MediaWiki export has; refused, for it may declare "
              "entities that expand without end");
}

/* --- Reading --------------------------------------------------------------------------------- */

/* UTF-16 is recognised as expat does: by its byte-order mark, or by the first '<'. */
static const char *encoding_of_start(const char *bytes, size_t length)
{
    if (length >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "<\0", 2) == 0))
        return "UTF-16LE";
    if (length >= 2 && (memcmp(bytes, "\xfe\xff", 2) == 0 || memcmp(bytes, "\0<", 2) == 0))
        return "UTF-16BE";
    return NULL;
}

/* Whether the byte that expat stumbled over begins no UTF-8: the commonest damage, worth a name. */
static bool is_bad_utf8(const struct dump_reader *reader)
{
    XML_Index index = XML_GetCurrentByteIndex(reader->parser);
    utf8proc_int32_t code;

    if (reader->encoding || index < 0 || (uint64_t)index < reader->window_offset)
        return false;
    size_t at = (size_t)((uint64_t)index - reader->window_offset);
    return at < reader->window.length &&
           utf8proc_iterate((const utf8proc_uint8_t *)reader->window.bytes + at,
                            (utf8proc_ssize_t)(reader->window.length - at), &code) < 0;
}

static void fail_parse(struct dump_reader *reader)
{
    enum XML_Error error = XML_GetErrorCode(reader->parser);

    if (reader->err != 0)
        return; /* a handler stopped the parser and has said why */
    switch (error) {
    case XML_ERROR_NO_ELEMENTS:
    case XML_ERROR_UNCLOSED_TOKEN:
    case XML_ERROR_PARTIAL_CHAR:
    case XML_ERROR_UNCLOSED_CDATA_SECTION:
        if (!reader->has_root)
            dump_fail(reader, EINVAL,
                      "not a MediaWiki export: the file ends before any XML element");
        else if (dump_in_page(reader))
            dump_fail(reader, EBADMSG, "the XML is cut off inside the page begun in line %" PRIu64,
                      reader->page_line);
        else if (reader->depth > 0)
            dump_fail(reader, EBADMSG, "the XML is cut off: </mediawiki> is missing");
        else
            dump_fail(reader, EBADMSG, "the XML is cut off behind </mediawiki>");
        break;
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
        dump_fail(reader, EBADMSG,
                  "the XML declares an encoding that is not its own or not known here (UTF-8, "
                  "UTF-16, ISO-8859-1 and US-ASCII are)");
        break;
    case XML_ERROR_NO_MEMORY:
        dump_fail(reader, ENOMEM, "out of memory for the XML parser");
        break;
    default:
        if (!reader->has_root)
            dump_fail(reader, EINVAL, "not a MediaWiki export, not even XML: %s",
                      XML_ErrorString(error));
        else if (error == XML_ERROR_INVALID_TOKEN && is_bad_utf8(reader))
            dump_fail(reader, EBADMSG, "invalid UTF-8");
        else
            dump_fail(reader, EBADMSG, "the XML is not well-formed: %s", XML_ErrorString(error));
    }
}

/* Drops what is behind the parser and makes room for the next chunk. */
static bool window_advance(struct dump_reader *reader)
{
    struct dump_buffer *window = &reader->window;
    uint64_t end = reader->window_offset + window->length;
    uint64_t keep = end;

    /* Expat has no index when it put off looking at a long token until more of it has come. */
    XML_Index index = end > 0 ? XML_GetCurrentByteIndex(reader->parser) : -1;
    if (index >= 0)
        reader->parsed = (uint64_t)index;
    if (reader->parsed < keep)
        keep = reader->parsed;
    if (end - keep > TOKEN_MAX_BYTES) {
        dump_fail(reader, EBADMSG, "a tag or comment of more than %" PRIu64 " MiB",
                  TOKEN_MAX_BYTES >> 20);
        return false;
    }
    if (dump_in_page(reader)) {
        if (reader->page.dump_offset < keep)
            keep = reader->page.dump_offset;
        if (end - keep > PAGE_MAX_BYTES) {
            dump_fail(reader, EBADMSG,
                      "the page begun in line %" PRIu64 " is larger than %" PRIu64 " MiB",
                      reader->page_line, PAGE_MAX_BYTES >> 20);
            return false;
        }
    }

    size_t kept = (size_t)(end - keep);
    if (window->capacity > KEEP_BYTES && kept + CHUNK_BYTES <= KEEP_BYTES / 2) {
        struct dump_buffer fresh = {0};
        if (!dump_reserve(reader, &fresh, KEEP_BYTES))
            return false;
        memcpy(fresh.bytes, window->bytes + (window->length - kept), kept);
        dump_buffer_fini(window);
        *window = fresh;
    } else if (kept < window->length) {
        memmove(window->bytes, window->bytes + (window->length - kept), kept);
    }
    window->length = kept;
    reader->window_offset = keep;
    return dump_reserve(reader, window, CHUNK_BYTES);
}

static void read_all(struct dump_reader *reader)
{
    for (bool first = true; reader->err == 0; first = false) {
        if (!window_advance(reader))
            return;
        char *chunk = reader->window.bytes + reader->window.length;
        ssize_t got = bytes_read(reader->source, chunk, CHUNK_BYTES, reader->why);
        if (got < 0) {
            reader->err = (int)got;
            return;
        }
        if (first)
            reader->encoding = encoding_of_start(chunk, (size_t)got);
        reader->window.length += (size_t)got;
        if (XML_Parse(reader->parser, chunk, (int)got, got == 0) != XML_STATUS_OK)
            fail_parse(reader);
        if (got == 0)
            return;
    }
}

int mediawiki_read(struct byte_source *source, const struct dump_handler *handler,
                   struct dump_totals *totals, struct fault *why)
{
    struct dump_reader reader = {
        .parser = XML_ParserCreate(NULL),
        .source = source,
        .handler = handler,
        .why = why,
    };

    *totals = (struct dump_totals){0};
    if (!reader.parser)
        return fault_set(why, ENOMEM, "%s: out of memory for the XML parser", bytes_name(source));
    dump_elements_init(&reader);
    XML_SetXmlDeclHandler(reader.parser, on_declaration);
    XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);

    read_all(&reader);
    if (reader.err == 0 && reader.pages == 0)
        reader.err = fault_set(why, ENODATA, "%s: a MediaWiki export without a single page",
                               bytes_name(source));
    totals->pages = reader.pages;
    totals->dump_bytes = reader.window_offset + reader.window.length;

    XML_ParserFree(reader.parser);
    dump_elements_fini(&reader);
    dump_buffer_fini(&reader.window);
    return reader.err;
}
