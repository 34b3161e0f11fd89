/* SPDX-License-Identifier: MIT */
#include "client/render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* One character as it lies in the text, or one byte that is none (code -1). */
static size_t decode(struct text text, size_t at, int32_t *code)
{
    utf8proc_int32_t point;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text.bytes + at,
                                          (utf8proc_ssize_t)(text.length - at), &point);
    if (n > 0) {
        *code = point;
        return (size_t)n;
    }
    *code = -1;
    return 1;
}

/* Characters that act on a terminal rather than appear on it. */
static bool is_control(int32_t code)
{
    return (code >= 0 && code < 0x20) || (code >= 0x7f && code < 0xa0) ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void json_string(FILE *out, struct text text)
{
    putc('"', out);
    for (size_t at = 0; at < text.length;) {
        int32_t code;
        const size_t n = decode(text, at, &code);
        if (code == '"' || code == '\\')
            fprintf(out, "\\%c", code);
        else if (code == '\n')
            fputs("\\n", out);
        else if (code == '\t')
            fputs("\\t", out);
        else if (is_control(code))
            fprintf(out, "\\u%04x", (unsigned)code);
        else if (code < 0)
            fputs(REPLACEMENT, out);
        else
            fwrite(text.bytes + at, 1, n, out);
        at += n;
    }
    putc('"', out);
}

static void json_number(FILE *out, double value)
{
    char digits[RENDER_NUMBER];
    if (!isfinite(value)) {
        fputs("null", out);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    fputs(digits, out);
    if (!strpbrk(digits, ".e")) /* stays a float for those who read it */
        fputs(".0", out);
}

static void json_base64(FILE *out, const unsigned char *data, size_t bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    putc('"', out);
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t left = bytes - i;
        const uint32_t group = (uint32_t)data[i] << 16 |
                               (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                               (left > 2 ? data[i + 2] : 0u);
        putc(alphabet[group >> 18], out);
        putc(alphabet[group >> 12 & 63], out);
        putc(left > 1 ? alphabet[group >> 6 & 63] : '=', out);
        putc(left > 2 ? alphabet[group & 63] : '=', out);
    }
    putc('"', out);
}

/* Takes one value. False when the bytes end early, which then ends the output early too. */
static bool json_value(FILE *out, struct wire_in *in, unsigned depth);

/* A key of any type; JSON wants a string. */
static bool json_key(FILE *out, struct wire_in *in, unsigned depth)
{
    if (wire_type(in) == WIRE_STR || wire_type(in) == WIRE_BIN)
        return json_value(out, in, depth);
    putc('"', out);
    bool ok;
    if (wire_type(in) == WIRE_ARRAY || wire_type(in) == WIRE_MAP)
        ok = wire_skip(in);
    else
        ok = json_value(out, in, depth);
    putc('"', out);
    return ok;
}

static bool json_items(FILE *out, struct wire_in *in, uint32_t count, bool map, unsigned depth)
{
    bool ok = depth < WIRE_DEPTH_MAX;
    putc(map ? '{' : '[', out);
    for (uint32_t i = 0; ok && i < count; i++) {
        if (i)
            putc(',', out);
        if (map) {
            ok = json_key(out, in, depth + 1);
            putc(':', out);
        }
        ok = ok && json_value(out, in, depth + 1);
    }
    putc(map ? '}' : ']', out);
    return ok;
}

static bool json_value(FILE *out, struct wire_in *in, unsigned depth)
{
    uint32_t count;
    uint64_t whole;
    int64_t negative;
    double real;
    bool truth;
    struct text text;
    const void *data;
    switch (wire_type(in)) {
    case WIRE_ARRAY:
        return wire_get_array(in, &count) && json_items(out, in, count, false, depth);
    case WIRE_MAP:
        return wire_get_map(in, &count) && json_items(out, in, count, true, depth);
    case WIRE_STR:
        if (!wire_get_str(in, &text.bytes, &text.length))
            return false;
        json_string(out, text);
        return true;
    case WIRE_BIN:
        if (!wire_get_bin(in, &data, &text.length))
            return false;
        json_base64(out, data, text.length);
        return true;
    case WIRE_BOOL:
        if (!wire_get_bool(in, &truth))
            return false;
        fputs(truth ? "true" : "false", out);
        return true;
    case WIRE_INT:
        if (wire_get_uint(in, &whole))
            fprintf(out, "%llu", (unsigned long long)whole);
        else if (wire_get_int(in, &negative))
            fprintf(out, "%lld", (long long)negative);
        else
            return false;
        return true;
    case WIRE_FLOAT:
        if (!wire_get_double(in, &real))
            return false;
        json_number(out, real);
        return true;
    case WIRE_NIL:
    case WIRE_EXT:
        fputs("null", out);
        return wire_skip(in);
    case WIRE_END:
        break;
    }
    return false;
}

void render_json(FILE *out, struct wire_in value)
{
    json_value(out, &value, 0);
}

/* --- Text ------------------------------------------------------------------------------------ */

/* What one character at text[at] looks like: its bytes and columns. */
struct glyph {
    const char *bytes;
    size_t length;
    unsigned columns;
    char buffer[8];
};

static size_t glyph(struct text text, size_t at, enum render_mode mode, struct glyph *glyph)
{
    int32_t code;
    const size_t n = decode(text, at, &code);
    glyph->bytes = text.bytes + at;
    glyph->length = n;
    if (mode == RENDER_LINES && (code == '\n' || code == '\t')) {
        glyph->columns = 0;
    } else if (code < 0) {
        glyph->bytes = REPLACEMENT;
        glyph->length = sizeof REPLACEMENT - 1;
        glyph->columns = 1;
    } else if (is_control(code)) {
        glyph->columns = (unsigned)snprintf(glyph->buffer, sizeof glyph->buffer,
                                            code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
        glyph->bytes = glyph->buffer;
        glyph->length = glyph->columns;
    } else {
        const int columns = utf8proc_charwidth(code);
        glyph->columns = columns > 0 ? (unsigned)columns : 0;
    }
    return n;
}

void render_text(FILE *out, struct text text, enum render_mode mode)
{
    for (size_t at = 0; at < text.length;) {
        struct glyph g;
        at += glyph(text, at, mode, &g);
        fwrite(g.bytes, 1, g.length, out);
    }
}

unsigned render_width(struct text text)
{
    unsigned columns = 0;
    for (size_t at = 0; at < text.length;) {
        struct glyph g;
        at += glyph(text, at, RENDER_LINE, &g);
        columns += g.columns;
    }
    return columns;
}

unsigned render_clipped(FILE *out, struct text text, unsigned most)
{
    unsigned columns = 0;
    for (size_t at = 0; at < text.length;) {
        struct glyph g;
        at += glyph(text, at, RENDER_LINE, &g);
        if (columns + g.columns > most)
            break;
        fwrite(g.bytes, 1, g.length, out);
        columns += g.columns;
    }
    return columns;
}

const char *render_bytes(char buffer[static RENDER_NUMBER], uint64_t bytes)
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    size_t unit = 0;
    while (amount >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        amount /= 1024;
        unit++;
    }
    snprintf(buffer, RENDER_NUMBER, unit ? "%.1f %s" : "%.0f %s", amount, units[unit]);
    return buffer;
}

const char *render_seconds(char buffer[static RENDER_NUMBER], double seconds)
{
    /* Not from us alone: a hostile number must fit as well. */
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(buffer, RENDER_NUMBER, "?");
    } else if (seconds < 60) {
        snprintf(buffer, RENDER_NUMBER, "%.2f s", seconds);
    } else {
        const unsigned whole = (unsigned)seconds;
        const unsigned days = whole / 86400;
        int n = days ? snprintf(buffer, RENDER_NUMBER, "%u d ", days) : 0;
        snprintf(buffer + n, (size_t)(RENDER_NUMBER - n), "%u:%02u:%02u", whole / 3600 % 24,
                 whole / 60 % 60, whole % 60);
    }
    return buffer;
}

static bool has_style(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fileno(out)) && !(no_color && *no_color) && terminal && *terminal &&
           strcmp(terminal, "dumb") != 0;
}

const char *render_bold(FILE *out)
{
    return has_style(out) ? "\x1b[1m" : "";
}

const char *render_plain(FILE *out)
{
    return has_style(out) ? "\x1b[0m" : "";
}
