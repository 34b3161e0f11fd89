/* SPDX-License-Identifier: MIT
 *
 * What titles mean as text: MediaWiki's normal form, the folded form that forgiving search
 * compares, and the hash. Nothing here allocates.
 */
#include "shm/titles.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

/* A canonical decomposition has at most 1.5 code points per byte of UTF-8 (U+0390: two bytes,
 * three code points), a compatibility one six (U+FDFA: three bytes, eighteen). utf8proc wants
 * room for one more. */
#define NORMAL_POINTS (2 * TITLE_MAX_BYTES + 1)
#define FOLD_POINTS   (6 * TITLE_MAX_BYTES + 1)

static bool is_ascii(const char *text, size_t length)
{
    uint64_t seen = 0, word;
    for (; length >= sizeof word; text += sizeof word, length -= sizeof word) {
        memcpy(&word, text, sizeof word);
        seen |= word;
    }
    for (; length; text++, length--)
        seen |= (unsigned char)*text;
    return !(seen & UINT64_C(0x8080808080808080));
}

/* MediaWiki's own list (MediaWikiTitleCodec): no tabs, no line ends. */
static bool is_space(int32_t c)
{
    return c == ' ' || c == '_' || c == 0xa0 || c == 0x1680 || c == 0x180e ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* Left-to-right marks and the like, which people paste without seeing them. */
static bool is_bidi_mark(int32_t c)
{
    return c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e);
}

/* Code points that are NFC whatever stands beside them, for the scripts that fill most titles:
 * a text of these alone needs no normalisation. Combining marks are in none of the ranges. */
static bool is_plainly_nfc(int32_t c)
{
    return c < 0x300 || (c >= 0x400 && c <= 0x482) || (c >= 0x3041 && c <= 0x3096) ||
           (c >= 0x30a1 && c <= 0x30fa) || (c >= 0x4e00 && c <= 0x9fff) ||
           (c >= 0xac00 && c <= 0xd7a3);
}

static char upper_ascii(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

/* Upper case of one code point by one code point, as MediaWiki has it: German sharp s, the
 * Georgian letters and what else is its own title case stay; digraphs become both capitals. */
static int32_t upper_first(int32_t c)
{
    if (c == 0xdf || utf8proc_totitle(c) == c)
        return c;
    return utf8proc_toupper(c);
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Nonzero if a byte of `word` is zero. */
static uint64_t zero_byte(uint64_t word)
{
    return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
}

/* Whether there is a space to take away or to make: at an end, beside another one, underscored. */
static bool has_odd_space(const char *title, size_t length)
{
    uint64_t odd = title[0] == ' ' || title[length - 1] == ' ' || title[length - 1] == '_';
    size_t i = 0;
    for (; i + 9 <= length; i += 8) {
        uint64_t word, next;
        memcpy(&word, title + i, sizeof word);
        memcpy(&next, title + i + 1, sizeof next);
        odd |= zero_byte(word ^ EACH_BYTE('_')) |
               zero_byte((word ^ EACH_BYTE(' ')) | (next ^ EACH_BYTE(' ')));
    }
    for (; i + 1 < length; i++)
        odd |= title[i] == '_' || (title[i] == ' ' && title[i + 1] == ' ');
    return odd;
}

static int normalise_ascii(const char *title, size_t length, bool first_letter, char *out)
{
    int n = 0;
    if (length > 0 && length <= TITLE_MAX_BYTES && !has_odd_space(title, length)) {
        memcpy(out, title, length);
        if (first_letter)
            out[0] = upper_ascii(out[0]);
        return (int)length;
    }
    bool gap = false;
    for (size_t i = 0; i < length; i++) {
        if (title[i] == ' ' || title[i] == '_') {
            gap = n > 0;
            continue;
        }
        if (n + gap >= TITLE_MAX_BYTES)
            return -ENAMETOOLONG;
        if (gap)
            out[n++] = ' ';
        gap = false;
        out[n++] = title[i];
    }
    if (first_letter && n)
        out[0] = upper_ascii(out[0]);
    return n;
}

/* White space and bidi marks, into `out`; `plain` says whether the result is NFC already. */
static int collapse(const char *title, size_t length, char *out, bool *plain)
{
    int n = 0;
    bool gap = false;
    *plain = true;
    for (size_t i = 0; i < length;) {
        int32_t c;
        const utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)title + i,
                                                        (utf8proc_ssize_t)(length - i), &c);
        if (bytes <= 0)
            return -EILSEQ;
        const char *from = title + i;
        i += (size_t)bytes;
        if (is_bidi_mark(c))
            continue;
        if (is_space(c)) {
            gap = n > 0;
            continue;
        }
        if (n + gap + bytes > TITLE_MAX_BYTES)
            return -ENAMETOOLONG;
        if (gap)
            out[n++] = ' ';
        gap = false;
        memcpy(out + n, from, (size_t)bytes);
        n += (int)bytes;
        *plain = *plain && is_plainly_nfc(c);
    }
    return n;
}

static int compose(char *text, int length)
{
    int32_t points[NORMAL_POINTS];
    const utf8proc_ssize_t count =
        utf8proc_decompose((const utf8proc_uint8_t *)text, length, points, NORMAL_POINTS - 1,
                           UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (count < 0)
        return -EILSEQ;
    MUST(count < NORMAL_POINTS);
    const utf8proc_ssize_t composed =
        utf8proc_normalize_utf32(points, count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    int n = 0;
    for (utf8proc_ssize_t i = 0; i < composed; i++) {
        utf8proc_uint8_t bytes[4];
        const int width = (int)utf8proc_encode_char(points[i], bytes);
        if (n + width > TITLE_MAX_BYTES)
            return -ENAMETOOLONG;
        memcpy(text + n, bytes, (size_t)width);
        n += width;
    }
    return n;
}

/* Replaces the first letter by its capital, which may be longer or shorter in UTF-8. */
static int raise_first(char *text, int length, bool *changed)
{
    int32_t c;
    const int was =
        (int)utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &c);
    const int32_t upper = upper_first(c);
    *changed = upper != c;
    if (!*changed)
        return length;
    utf8proc_uint8_t bytes[4];
    const int is = (int)utf8proc_encode_char(upper, bytes);
    if (length - was + is > TITLE_MAX_BYTES)
        return -ENAMETOOLONG;
    memmove(text + is, text + was, (size_t)(length - was));
    memcpy(text, bytes, (size_t)is);
    return length - was + is;
}

int title_normalise(const char *title, size_t length, bool first_letter,
                    char out[static TITLE_MAX_BYTES])
{
    if (is_ascii(title, length))
        return normalise_ascii(title, length, first_letter, out);
    bool plain;
    int n = collapse(title, length, out, &plain);
    if (n > 0 && !plain)
        n = compose(out, n);
    if (n > 0 && first_letter) {
        bool changed;
        n = raise_first(out, n, &changed);
        /* A capital may compose with the mark after it where the small letter did not, as in
         * dotted capital I; the result has to be a fixed point. */
        if (n > 0 && changed && !plain)
            n = compose(out, n);
    }
    return n;
}

static int fold_ascii(const char *title, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)title[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return (int)length;
}

int title_fold(const char *title, size_t length, char out[static TITLE_FOLD_BYTES])
{
    if (length > TITLE_MAX_BYTES)
        return -ENAMETOOLONG;
    if (is_ascii(title, length))
        return fold_ascii(title, length, out);
    int32_t points[FOLD_POINTS];
    const utf8proc_ssize_t count = utf8proc_decompose(
        (const utf8proc_uint8_t *)title, (utf8proc_ssize_t)length, points, FOLD_POINTS - 1,
        UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD);
    if (count < 0)
        return -EILSEQ;
    MUST(count < FOLD_POINTS);
    int n = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        /* utf8proc's own STRIPMARK would also drop the spacing vowel signs of Indic scripts. */
        if (utf8proc_category(points[i]) == UTF8PROC_CATEGORY_MN)
            continue;
        utf8proc_uint8_t bytes[4];
        const int width = (int)utf8proc_encode_char(points[i], bytes);
        if (n + width > TITLE_FOLD_BYTES)
            break;
        memcpy(out + n, bytes, (size_t)width);
        n += width;
    }
    return n;
}

uint64_t title_hash(const char *title, size_t length)
{
    return XXH3_64bits(title, length);
}

bool title_is(struct text_ref title, bool first_letter, const char *normal, size_t length)
{
    if (title.length == length && memcmp(title.bytes, normal, length) == 0)
        return true;
    char form[TITLE_MAX_BYTES];
    int n = title_normalise(title.bytes, title.length, first_letter, form);
    return n > 0 && (size_t)n == length && memcmp(form, normal, length) == 0;
}
