/* SPDX-License-Identifier: MIT */
#include "coordinator/generate/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)     ((uint32_t)(sizeof(array) / sizeof *(array)))
#define ZIPF_OFFSET      8
#define PICK(rng, array) ((array)[rng_below(rng, COUNT(array))])

/* --- Growing text ------------------------------------------------------------------------- */

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (text->failed)
        return;
    if (!text->bytes || length > text->capacity - text->length) {
        size_t grown = (text->length + length) * 2 + 256;
        char *moved = realloc(text->bytes, grown);
        if (!moved) {
            text->failed = true;
            return;
        }
        text->bytes = moved;
        text->capacity = grown;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_put(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_number(struct text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_add(text, digits + at, sizeof digits - at);
}

void text_fini(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

/* --- Distinct strings --------------------------------------------------------------------- */

int names_init(struct names *names, uint32_t capacity)
{
    uint64_t size = 16;
    while (size < 2 * (uint64_t)capacity)
        size *= 2;
    *names = (struct names){.capacity = capacity, .slot_mask = size - 1};
    names->offsets = calloc((size_t)capacity + 1, sizeof *names->offsets);
    names->slots = calloc(size, sizeof *names->slots);
    if (names->offsets && names->slots)
        return 0;
    wiki_names_fini(names);
    return -ENOMEM;
}

void wiki_names_fini(struct names *names)
{
    text_fini(&names->bytes);
    free(names->offsets);
    free(names->slots);
    *names = (struct names){0};
}

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The slot that holds the string, or the free one where it belongs. */
static uint64_t names_slot(const struct names *names, const char *bytes, size_t length)
{
    uint64_t at = hash_bytes(bytes, length) & names->slot_mask;
    for (; names->slots[at]; at = (at + 1) & names->slot_mask) {
        uint32_t number = names->slots[at] - 1;
        uint64_t begin = names->offsets[number];
        if (names->offsets[number + 1] - begin == length &&
            !memcmp(names->bytes.bytes + begin, bytes, length))
            break;
    }
    return at;
}

bool names_have(const struct names *names, const char *bytes, size_t length)
{
    return names->slots[names_slot(names, bytes, length)] != 0;
}

bool names_add(struct names *names, const char *bytes, size_t length)
{
    uint64_t at = names_slot(names, bytes, length);
    if (names->slots[at])
        return false;
    text_add(&names->bytes, bytes, length);
    names->offsets[++names->count] = names->bytes.length;
    names->slots[at] = names->count;
    return true;
}

void text_add_name(struct text *text, const struct names *names, uint32_t number)
{
    uint64_t begin = names->offsets[number];
    text_add(text, names->bytes.bytes + begin, names->offsets[number + 1] - begin);
}

/* --- Words -------------------------------------------------------------------------------- */

static const char *const onsets[] = {"b", "br", "c",  "ch", "d",  "dr", "f", "fl", "g",  "gr",
                                     "h", "j",  "k",  "kl", "l",  "m",  "n", "p",  "pr", "r",
                                     "s", "sh", "st", "t",  "th", "tr", "v", "w",  "y",  "z"};
static const char *const vowels[] = {"a", "a", "e",  "e",  "i",  "o",
                                     "o", "u", "ai", "ea", "ie", "ou"};
static const char *const codas[] = {"",  "",  "n",  "n",  "r",  "l", "s",
                                    "t", "m", "nd", "rk", "th", "lm"};

static const char *const accented_onsets[] = {"č", "ř", "š", "ž", "ł", "ñ", "ç", "ś"};
static const char *const accented_vowels[] = {"á", "é", "ö", "ü", "ô", "å", "ø", "î", "ã", "ű"};
static const char *const accented_capitals[] = {"É", "Å", "Ö", "Š", "Ž", "Č", "Ł", "Ø", "Ü"};

static const char *const greek_capitals[] = {"Α", "Β", "Γ", "Δ", "Θ", "Κ", "Λ", "Μ", "Π", "Σ"};
static const char *const greek_syllables[] = {"λο", "ρα", "νη", "θε", "μι",
                                              "κα", "πο", "σι", "τυ", "δω"};
static const char *const greek_ends[] = {"ς", "ν", "νία", "ρος", "κή", "τις"};

static const char *const cyrillic_capitals[] = {"Б", "В", "Г", "Д", "Ж", "К", "Л", "М", "Н", "Я"};
static const char *const cyrillic_syllables[] = {"ра", "ло", "ни", "ве", "сту",
                                                 "ко", "ды", "ми", "же", "пё"};
static const char *const cyrillic_ends[] = {"в", "ск", "но", "град", "ль", "ица"};

static const char *const cjk[] = {"山", "川", "田", "中", "村", "木", "海", "月",
                                  "石", "林", "城", "島", "東", "西", "南", "北",
                                  "大", "小", "高", "水", "金", "森", "原", "野"};

static void add_syllable(struct text *out, struct rng *rng, bool last)
{
    text_put(out, PICK(rng, onsets));
    text_put(out, PICK(rng, vowels));
    if (last || rng_below(rng, 10) == 0)
        text_put(out, PICK(rng, codas));
}

static void add_word(struct text *out, struct rng *rng)
{
    static const unsigned char lengths[] = {1, 2, 2, 2, 2, 2, 3};
    for (unsigned left = PICK(rng, lengths); left > 0; left--)
        add_syllable(out, rng, left == 1);
}

static void add_capitalised(struct text *out, struct rng *rng)
{
    size_t at = out->length;
    add_word(out, rng);
    if (!out->failed)
        out->bytes[at] = (char)(out->bytes[at] - 'a' + 'A');
}

/* --- Titles ------------------------------------------------------------------------------- */

static void add_accented(struct text *out, struct rng *rng)
{
    if (rng_below(rng, 2)) {
        text_put(out, PICK(rng, accented_capitals));
        add_syllable(out, rng, true);
    } else {
        add_capitalised(out, rng);
    }
    text_put(out, PICK(rng, accented_onsets));
    text_put(out, PICK(rng, accented_vowels));
    text_put(out, PICK(rng, codas));
}

static void add_script(struct text *out, struct rng *rng, const char *const *capitals,
                       const char *const *syllables, const char *const *ends)
{
    text_put(out, capitals[rng_below(rng, COUNT(greek_capitals))]);
    for (uint32_t left = 1 + rng_below(rng, 3); left > 0; left--)
        text_put(out, syllables[rng_below(rng, COUNT(greek_syllables))]);
    text_put(out, ends[rng_below(rng, COUNT(greek_ends))]);
}

static void add_plain_title(struct text *out, struct rng *rng)
{
    static const char *const before[] = {"Lake ", "Mount ",    "Battle of ",        "History of ",
                                         "Port ", "House of ", "List of rivers of "};
    static const char *const after[] = {" River",    " County",  " (town)", " (novel)", " Castle",
                                        " Railway",  " Academy", " I",      " II",      " Islands",
                                        " language", " (river)", "'s law"};
    static const unsigned char word_counts[] = {1, 1, 1, 1, 2, 2, 2, 2, 3};
    uint32_t words = PICK(rng, word_counts);
    uint32_t affix = rng_below(rng, 10);
    if (affix == 0)
        text_put(out, PICK(rng, before));
    for (uint32_t i = 0; i < words; i++) {
        if (i > 0)
            text_put(out, " ");
        add_capitalised(out, rng);
    }
    if (affix == 1 || affix == 2)
        text_put(out, PICK(rng, after));
}

void title_draw(struct text *out, struct rng *rng)
{
    out->length = 0;
    uint32_t style = rng_below(rng, 100);
    if (style < 4) {
        add_accented(out, rng);
    } else if (style < 6) {
        add_script(out, rng, greek_capitals, greek_syllables, greek_ends);
    } else if (style < 8) {
        add_script(out, rng, cyrillic_capitals, cyrillic_syllables, cyrillic_ends);
    } else if (style < 10) {
        for (uint32_t left = 2 + rng_below(rng, 4); left > 0; left--)
            text_put(out, PICK(rng, cjk));
    } else if (style < 11) {
        text_put(out, "\"");
        add_capitalised(out, rng);
        text_put(out, "\" (song)");
    } else if (style < 13) {
        add_capitalised(out, rng);
        text_put(out, " & ");
        add_capitalised(out, rng);
    } else if (style < 15) {
        add_capitalised(out, rng);
        text_put(out, ", ");
        add_capitalised(out, rng);
    } else {
        add_plain_title(out, rng);
    }
}

/* --- Vocabulary --------------------------------------------------------------------------- */

/* Shares of 1 / (rank + ZIPF_OFFSET) in whole slots, at least one each; what rounding leaves goes
 * to the most frequent word. The sentences' own words (generate_article.c) are the head of the
 * curve. */
static void zipf_fill(uint16_t *zipf)
{
    uint64_t total = 0;
    for (uint32_t rank = 0; rank < VOCABULARY_WORDS; rank++)
        total += (UINT64_C(1) << 32) / (rank + ZIPF_OFFSET);
    uint32_t at = 0;
    for (uint32_t rank = VOCABULARY_WORDS; rank-- > 0;) {
        uint64_t share = ((UINT64_C(1) << 32) / (rank + ZIPF_OFFSET) * ZIPF_SLOTS) / total;
        for (uint64_t left = share ? share : 1; left > 0 && at < ZIPF_SLOTS; left--)
            zipf[at++] = (uint16_t)rank;
    }
    while (at < ZIPF_SLOTS)
        zipf[at++] = 0;
}

int vocabulary_create(struct vocabulary **vocabulary, struct rng *rng)
{
    *vocabulary = calloc(1, sizeof **vocabulary);
    if (!*vocabulary || names_init(&(*vocabulary)->words, VOCABULARY_WORDS)) {
        vocabulary_destroy(vocabulary);
        return -ENOMEM;
    }
    struct names *words = &(*vocabulary)->words;
    struct text word = {0};
    while (words->count < VOCABULARY_WORDS && !word.failed && !words->bytes.failed) {
        word.length = 0;
        add_word(&word, rng);
        if (word.length > 2)
            names_add(words, word.bytes, word.length);
    }
    bool failed = word.failed || words->bytes.failed;
    text_fini(&word);
    if (failed) {
        vocabulary_destroy(vocabulary);
        return -ENOMEM;
    }
    zipf_fill((*vocabulary)->zipf);
    return 0;
}

void vocabulary_destroy(struct vocabulary **vocabulary)
{
    if (*vocabulary)
        wiki_names_fini(&(*vocabulary)->words);
    free(*vocabulary);
    *vocabulary = NULL;
}
