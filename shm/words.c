/* SPDX-License-Identifier: MIT
 *
 * See words.h. ASCII runs are folded sixteen bytes at a time; a run with anything else in it goes
 * through utf8proc, one character with its marks at a time.
 */
#include "shm/words.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <utf8proc.h>

/* 0: no word character, 0x80: not ASCII, else the folded character. */
static const unsigned char FOLD[256] = {
#define D(c) [c] = (c)
#define U(c) [c] = (c) + 32, [(c) + 32] = (c) + 32
#define R16(c)                                                                                     \
    [c] = 0x80, [(c) + 1] = 0x80, [(c) + 2] = 0x80, [(c) + 3] = 0x80, [(c) + 4] = 0x80,            \
    [(c) + 5] = 0x80, [(c) + 6] = 0x80, [(c) + 7] = 0x80, [(c) + 8] = 0x80, [(c) + 9] = 0x80,      \
    [(c) + 10] = 0x80, [(c) + 11] = 0x80, [(c) + 12] = 0x80, [(c) + 13] = 0x80, [(c) + 14] = 0x80, \
    [(c) + 15] = 0x80
    D('0'),    D('1'),    D('2'),    D('3'),    D('4'),    D('5'),    D('6'),    D('7'),   D('8'),
    D('9'),    U('A'),    U('B'),    U('C'),    U('D'),    U('E'),    U('F'),    U('G'),   U('H'),
    U('I'),    U('J'),    U('K'),    U('L'),    U('M'),    U('N'),    U('O'),    U('P'),   U('Q'),
    U('R'),    U('S'),    U('T'),    U('U'),    U('V'),    U('W'),    U('X'),    U('Y'),   U('Z'),
    R16(0x80), R16(0x90), R16(0xa0), R16(0xb0), R16(0xc0), R16(0xd0), R16(0xe0), R16(0xf0)
#undef D
#undef U
#undef R16
};

void words_init(struct words *words, const char *text, size_t length)
{
    words->text = text;
    words->at = 0;
    words->length = length;
    words->slow = words->cut = words->pair = false;
    words->cluster.count = words->cluster.next = 0;
    words->used = words->before_used = 0;
}

/* --- Characters ---------------------------------------------------------------------------- */

static bool is_mark(int32_t c)
{
    const utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

static bool is_word(int32_t c)
{
    const utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

/* Han, Hiragana, Katakana, Hangul: what NFKC leaves of them. */
static bool is_cjk(int32_t c)
{
    if (c < 0x1100)
        return false;
    return c <= 0x11ff || (c >= 0x2e80 && c <= 0x2fdf) || (c >= 0x3005 && c <= 0x3007) ||
           (c >= 0x3021 && c <= 0x3029) || (c >= 0x3031 && c <= 0x303c) ||
           (c >= 0x3041 && c <= 0x30ff) || (c >= 0x3131 && c <= 0x318e) ||
           (c >= 0x31f0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xa960 && c <= 0xa97f) ||
           (c >= 0xac00 && c <= 0xd7ff) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x1b000 && c <= 0x1b16f) || (c >= 0x20000 && c <= 0x323af);
}

/* Whether normalisation may join the character with the one before: marks, the later letters of a
 * Hangul syllable, and the halfwidth voicing signs, which become marks. */
static bool joins(int32_t c)
{
    if (c < 0x300)
        return false;
    return is_mark(c) || (c >= 0x1160 && c <= 0x11ff) || (c >= 0xd7b0 && c <= 0xd7ff) ||
           c == 0xff9e || c == 0xff9f;
}

/* The character at `at` and its bytes; false, 1 byte, if that is no UTF-8. */
static bool decode(const struct words *w, size_t at, int32_t *c, size_t *bytes)
{
    const unsigned char first = (unsigned char)w->text[at];
    if (first < 0x80) {
        *c = first;
        *bytes = 1;
        return true;
    }
    const size_t left = w->length - at;
    const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)w->text + at,
                                                (utf8proc_ssize_t)(left < 4 ? left : 4), c);
    *bytes = n > 0 ? (size_t)n : 1;
    return n > 0;
}

static void fold(struct word_cluster *cluster, const int32_t *raw, unsigned count)
{
    static const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;
    const unsigned capacity = sizeof cluster->code / sizeof *cluster->code;
    unsigned used = 0;
    int boundary = 0;
    for (unsigned i = 0; i < count; i++) {
        const utf8proc_ssize_t n = utf8proc_decompose_char(
            raw[i], cluster->code + used, (utf8proc_ssize_t)(capacity - used), options, &boundary);
        if (n > 0 && (size_t)n <= capacity - used)
            used += (unsigned)n;
    }
    /* Canonical order: marks by class, stable. */
    for (unsigned i = 1; i < used; i++) {
        const int32_t c = cluster->code[i];
        const int class = utf8proc_get_property(c)->combining_class;
        unsigned j = i;
        for (; class && j > 0; j--) {
            if (utf8proc_get_property(cluster->code[j - 1])->combining_class <= class)
                break;
            cluster->code[j] = cluster->code[j - 1];
        }
        cluster->code[j] = c;
    }
    const utf8proc_ssize_t n =
        utf8proc_normalize_utf32(cluster->code, (utf8proc_ssize_t)used, options);
    cluster->count = n > 0 ? (unsigned)n : 0;
}

/* Takes the next character with what may join it. False at the end of the text. */
static bool next_cluster(struct words *w)
{
    struct word_cluster *cluster = &w->cluster;
    int32_t raw[WORD_CLUSTER_MAX];
    unsigned count = 0;
    size_t bytes;
    if (w->at == w->length)
        return false;
    cluster->start = w->at;
    cluster->next = 0;
    if (!decode(w, w->at, &raw[count++], &bytes)) {
        w->at += bytes;
        cluster->code[0] = ' ';
        cluster->count = 1;
        cluster->end = w->at;
        return true;
    }
    w->at += bytes;
    /* Nothing that joins is below U+0300, whose first byte is 0xcc. */
    while (w->at < w->length && (unsigned char)w->text[w->at] >= 0xcc && count < WORD_CLUSTER_MAX) {
        if (!decode(w, w->at, &raw[count], &bytes) || !joins(raw[count]))
            break;
        count++;
        w->at += bytes;
    }
    cluster->end = w->at;
    if (count == 1 && raw[0] < 0x80) {
        const unsigned char folded = FOLD[raw[0]];
        cluster->code[0] = folded ? folded : raw[0];
        cluster->count = 1;
    } else {
        fold(cluster, raw, count);
    }
    return true;
}

/* --- Words of folded characters ------------------------------------------------------------ */

static void append(struct words *w, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
    if (w->used == 0)
        w->start = w->cluster.start;
    if (w->cut || n <= 0 || w->used + (uint32_t)n > WORD_MAX_BYTES) {
        w->cut = true;
        return;
    }
    memcpy(w->bytes + w->used, bytes, (size_t)n);
    w->used += (uint32_t)n;
    w->end = w->cluster.end;
}

static bool give(struct words *w, struct word *word)
{
    *word = (struct word){w->bytes, w->used, w->start, w->end};
    w->used = 0;
    w->cut = false;
    return true;
}

/* A CJK character is complete in `bytes`: gives the pair it makes with the one before. */
static bool give_pair(struct words *w, struct word *word)
{
    const bool whole = w->before_used && w->before_used + w->used <= WORD_MAX_BYTES;
    if (whole) {
        memcpy(w->pair_bytes, w->before, w->before_used);
        memcpy(w->pair_bytes + w->before_used, w->bytes, w->used);
        *word = (struct word){w->pair_bytes, w->before_used + w->used, w->before_start, w->end};
    }
    memcpy(w->before, w->bytes, w->used);
    w->pair = !whole;
    w->before_used = w->used;
    w->before_start = w->start;
    w->before_end = w->end;
    w->used = 0;
    w->cut = false;
    return whole;
}

static bool give_lone(struct words *w, struct word *word)
{
    const bool lone = w->pair && w->before_used;
    if (lone) {
        memcpy(w->pair_bytes, w->before, w->before_used);
        *word = (struct word){w->pair_bytes, w->before_used, w->before_start, w->before_end};
    }
    w->before_used = 0;
    w->pair = false;
    return lone;
}

static bool holds_cjk(const struct words *w)
{
    int32_t first;
    return w->used && utf8proc_iterate((const utf8proc_uint8_t *)w->bytes, w->used, &first) > 0 &&
           is_cjk(first);
}

/* Closes what is in `bytes` before a character that does not continue it. True if that gives a
 * word; `bytes` is empty afterwards, and a lone CJK character may still be in `before`. */
static bool close_bytes(struct words *w, struct word *word)
{
    if (w->used == 0)
        return false;
    return holds_cjk(w) ? give_pair(w, word) : give(w, word);
}

static bool slow_next(struct words *w, struct word *word)
{
    for (;;) {
        if (w->cluster.next == w->cluster.count && !next_cluster(w)) {
            w->slow = false;
            return close_bytes(w, word) || give_lone(w, word);
        }
        if (w->cluster.next == w->cluster.count)
            continue;
        const int32_t c = w->cluster.code[w->cluster.next];
        if (!is_word(c)) {
            if (close_bytes(w, word) || give_lone(w, word))
                return true;
            w->cluster.next++;
            w->cut = false;
            if (c < 0x80 && w->cluster.next == w->cluster.count) {
                w->slow = false;
                return false;
            }
            continue;
        }
        if (is_mark(c) && w->used) {
            append(w, c);
        } else if (is_cjk(c)) {
            if (close_bytes(w, word))
                return true;
            append(w, c);
        } else {
            if (holds_cjk(w) && close_bytes(w, word))
                return true;
            if (give_lone(w, word))
                return true;
            append(w, c);
        }
        w->cluster.next++;
    }
}

/* --- ASCII --------------------------------------------------------------------------------- */

#ifdef __SSE2__
#define WIDE sizeof(__m128i)

/* Where in the sixteen bytes word characters are; they come out folded. */
static unsigned fold_wide(const unsigned char *text, __m128i *folded)
{
    const __m128i raw = _mm_loadu_si128((const __m128i *)(const void *)text);
    const __m128i lower = _mm_or_si128(raw, _mm_set1_epi8(0x20));
    /* The first n from c on: they become the n least of signed bytes. */
#define AMONG(v, c, n)                                                                             \
    _mm_cmplt_epi8(_mm_add_epi8(v, _mm_set1_epi8((char)(0x80 - (c)))),                             \
                   _mm_set1_epi8((char)(0x80 + (n))))
    const __m128i letters = AMONG(lower, 'a', 26), digits = AMONG(raw, '0', 10);
#undef AMONG
    *folded = _mm_or_si128(raw, _mm_and_si128(letters, _mm_set1_epi8(0x20)));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(letters, digits));
}
#endif

/* The first byte that belongs to a word, or may. */
static size_t skip_separators(const unsigned char *text, size_t at, size_t length)
{
#ifdef __SSE2__
    for (; length - at >= WIDE; at += WIDE) {
        __m128i folded;
        const unsigned word = fold_wide(text + at, &folded);
        const unsigned other = (unsigned)_mm_movemask_epi8(
            _mm_loadu_si128((const __m128i *)(const void *)(text + at)));
        if (word | other)
            return at + (unsigned)__builtin_ctz(word | other);
    }
#endif
    while (at < length && !FOLD[text[at]])
        at++;
    return at;
}

/* Folds ASCII word characters into `bytes`, as many as there are and fit. */
static uint32_t fold_ascii(struct words *w, size_t at)
{
    const unsigned char *text = (const unsigned char *)w->text;
    uint32_t used = 0;
    unsigned char folded;
#ifdef __SSE2__
    if (w->length - at >= WIDE) {
        __m128i wide;
        const unsigned others = ~fold_wide(text + at, &wide) & 0xffff;
        _mm_storeu_si128((__m128i *)(void *)w->bytes, wide);
        if (others)
            return (uint32_t)__builtin_ctz(others);
        used = WIDE;
    }
#endif
    for (; at + used < w->length && used < WORD_MAX_BYTES; used++) {
        folded = FOLD[text[at + used]];
        if (folded - 1U >= 0x7f)
            break;
        w->bytes[used] = (char)folded;
    }
    return used;
}

bool words_next(struct words *w, struct word *word)
{
    for (;;) {
        if (w->slow) {
            if (slow_next(w, word))
                return true;
            if (w->slow)
                continue;
        }
        const unsigned char *text = (const unsigned char *)w->text;
        const size_t start = skip_separators(text, w->at, w->length);
        w->at = start;
        if (start == w->length)
            return false;
        const uint32_t used = fold_ascii(w, start);
        const size_t end = start + used;
        size_t at = end;
        while (at < w->length && FOLD[text[at]] - 1U < 0x7f)
            at++;
        if (at < w->length && FOLD[text[at]]) {
            w->slow = true;
            w->used = 0;
            w->cut = false;
            w->before_used = 0;
            w->pair = false;
            w->cluster.count = w->cluster.next = 0;
            continue;
        }
        w->at = at;
        *word = (struct word){w->bytes, used, start, end};
        return true;
    }
}
