/* SPDX-License-Identifier: MIT
 *
 * Titles: what they mean as text, and the built table against linear scans.
 */
#include "shm/titles.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % limit);
}

static void expect_normal(const char *title, bool first_letter, const char *expected)
{
    char out[TITLE_MAX_BYTES + 1];
    const int n = title_normalise(title, strlen(title), first_letter, out);
    if (n < 0)
        fail_msg("\"%s\": %d", title, n);
    out[n] = '\0';
    assert_string_equal(out, expected);
}

static void test_titles_normalise_white_space(void **state)
{
    (void)state;
    expect_normal("Main Page", true, "Main Page");
    expect_normal("__Main___Page_ ", true, "Main Page");
    expect_normal("  a  _ b", true, "A b");
    expect_normal("", true, "");
    expect_normal(" _ _", true, "");
    expect_normal("\u00a0\u3000Caf\u00e9\u2003\u2009Noir\u205f", true, "Caf\u00e9 Noir");
    expect_normal("a\u1680b\u180ec\u2000d\u200ae\u2028f\u2029g\u202fh", true, "A b c d e f g h");
    expect_normal("\u200eTitle\u200f \u202aof\u202e it", true, "Title of it");
    expect_normal("\u200e", true, "");
    expect_normal(" \u200e _", true, "");
    /* Not white space to MediaWiki. */
    expect_normal("a\u200bb", true, "A\u200bb");
    expect_normal("a\tb", true, "A\tb");
}

/* Spaces anywhere in titles of any length, against the rule taken word by word. */
static void test_titles_normalise_spaces_anywhere(void **state)
{
    (void)state;
    srand(20261121);
    for (unsigned round = 0; round < 100000; round++) {
        char title[40], expected[40], out[TITLE_MAX_BYTES];
        size_t length = (size_t)rand() % sizeof title, n = 0;
        unsigned spaces = 1 + (unsigned)rand() % 12;
        for (size_t i = 0; i < length; i++)
            title[i] =
                (unsigned)rand() % 24 < spaces ? " _"[rand() % 2] : (char)('a' + rand() % 26);
        for (size_t i = 0; i < length; i++) {
            if (title[i] == ' ' || title[i] == '_')
                continue;
            if (n > 0 && (title[i - 1] == ' ' || title[i - 1] == '_'))
                expected[n++] = ' ';
            expected[n++] = title[i];
        }
        if (n > 0)
            expected[0] = (char)(expected[0] - 'a' + 'A');
        assert_int_equal(title_normalise(title, length, true, out), n);
        assert_memory_equal(out, expected, n);
    }
}

static void test_titles_normalise_first_letter(void **state)
{
    (void)state;
    expect_normal("zebra", true, "Zebra");
    expect_normal("zebra", false, "zebra");
    expect_normal("iPod", true, "IPod");
    expect_normal("1a", true, "1a");
    expect_normal("\u00e9t\u00e9", true, "\u00c9t\u00e9");
    expect_normal("\u00e9t\u00e9", false, "\u00e9t\u00e9");
    expect_normal("\u00dfa", true, "\u00dfa"); /* sharp s */
    expect_normal("\u0131x", true, "Ix");      /* dotless i: shorter in UTF-8 */
    expect_normal("\u0250x", true, "\u2c6fx"); /* turned a: longer */
    expect_normal("\u00ffx", true, "\u0178x");
    expect_normal("\u0436\u0443\u043a", true, "\u0416\u0443\u043a");
    expect_normal("\u01c6x", true, "\u01c4x"); /* dz with caron: both capitals */
    expect_normal("\u01c5x", true, "\u01c5x");
    expect_normal("\u10d0\u10d1", true, "\u10d0\u10d1"); /* Georgian has no title case */
    expect_normal("\U00010428x", true, "\U00010400x");
    expect_normal("\u4e2d", true, "\u4e2d");
}

static void test_titles_normalise_composes(void **state)
{
    (void)state;
    expect_normal("Cafe\u0301", true, "Caf\u00e9");
    expect_normal("e\u0301a", true, "\u00c9a");
    expect_normal("A\u200e\u030a", true, "\u00c5"); /* what the mark separated */
    expect_normal("i\u0307x", true, "\u0130x");     /* composes only as a capital */
    expect_normal("\u212bngstrom", true, "\u00c5ngstrom");
    expect_normal("\u1112\u1161\u11ab", true, "\ud55c");
    expect_normal("\uac00\u11a8", true, "\uac01");
    expect_normal("q\u0323\u0307", true, "Q\u0323\u0307");
    expect_normal("q\u0307\u0323", true, "Q\u0323\u0307"); /* canonical order */
    expect_normal("\u304b\u3099", true, "\u304c");
}

static void test_titles_normalise_refuses(void **state)
{
    (void)state;
    char out[TITLE_MAX_BYTES], longest[2 * TITLE_MAX_BYTES + 16];
    const char *const invalid[] = {"a\xff",
                                   "\xc3",
                                   "\xc3(",
                                   "\xe2\x82",
                                   "\xed\xa0\x80",
                                   "\xc0\x80",
                                   "\xf4\x90\x80\x80",
                                   "ok \x80",
                                   "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        assert_int_equal(title_normalise(invalid[i], strlen(invalid[i]), true, out), -EILSEQ);
        char fold[TITLE_FOLD_BYTES];
        assert_int_equal(title_fold(invalid[i], strlen(invalid[i]), fold), -EILSEQ);
    }
    memset(longest, 'a', sizeof longest);
    assert_int_equal(title_normalise(longest, TITLE_MAX_BYTES, true, out), TITLE_MAX_BYTES);
    assert_int_equal(title_normalise(longest, TITLE_MAX_BYTES + 1, true, out), -ENAMETOOLONG);
    memset(longest + TITLE_MAX_BYTES, '_', 16);
    assert_int_equal(title_normalise(longest, TITLE_MAX_BYTES + 16, true, out), TITLE_MAX_BYTES);
    memset(longest, ' ', sizeof longest);
    assert_int_equal(title_normalise(longest, sizeof longest, true, out), 0);

    /* The same where letters grow: the turned a's capital takes a byte more. */
    for (size_t i = 0; i < sizeof longest; i += 2)
        memcpy(longest + i, "\u0250", 2);
    assert_int_equal(title_normalise(longest, TITLE_MAX_BYTES, false, out), TITLE_MAX_BYTES);
    assert_int_equal(title_normalise(longest, TITLE_MAX_BYTES, true, out), -ENAMETOOLONG);
    assert_int_equal(title_normalise(longest, TITLE_MAX_BYTES + 2, false, out), -ENAMETOOLONG);
    /* U+0958 is longer normalised than as given. */
    for (size_t i = 0; i + 3 <= sizeof longest; i += 3)
        memcpy(longest + i, "\u0958", 3);
    assert_int_equal(title_normalise(longest, 510, true, out), 1020);
    assert_int_equal(title_normalise(longest, 1020, true, out), -ENAMETOOLONG);
}

static void expect_fold(const char *title, const char *expected)
{
    char out[TITLE_FOLD_BYTES + 1];
    const int n = title_fold(title, strlen(title), out);
    assert_true(n >= 0);
    out[n] = '\0';
    assert_string_equal(out, expected);
}

static void test_titles_fold(void **state)
{
    (void)state;
    expect_fold("Main Page", "main page");
    expect_fold("@AZ[`az{09", "@az[`az{09");
    expect_fold("", "");
    expect_fold("\u00c9tienne", "etienne");
    expect_fold("E\u0301tienne", "etienne");
    expect_fold("Stra\u00dfe", "strasse");
    expect_fold("STRASSE", "strasse");
    expect_fold("\ufb01sh", "fish");
    expect_fold("\u0130stanbul", "istanbul");
    expect_fold("\u0141\u00f3d\u017a", "\u0142odz"); /* the stroke is no mark */
    expect_fold("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
                "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c3");
    expect_fold("\uff21\uff22\uff11", "ab1");
    expect_fold("\u2167", "viii");
    expect_fold("\u0939\u093f\u0928", "\u0939\u093f\u0928"); /* spacing vowel signs stay */
    expect_fold("\u0301", "");
}

static void test_titles_fold_limits(void **state)
{
    (void)state;
    char title[TITLE_MAX_BYTES + 1], out[TITLE_FOLD_BYTES];
    memset(title, 'X', sizeof title);
    assert_int_equal(title_fold(title, TITLE_MAX_BYTES, out), TITLE_MAX_BYTES);
    assert_int_equal(title_fold(title, TITLE_MAX_BYTES + 1, out), -ENAMETOOLONG);
    for (size_t i = 0; i + 3 <= TITLE_MAX_BYTES; i += 3)
        memcpy(title + i, "\ufdfa", 3); /* eighteen code points */
    const int n = title_fold(title, TITLE_MAX_BYTES / 3 * 3, out);
    assert_in_range(n, TITLE_FOLD_BYTES - 3, TITLE_FOLD_BYTES);
    for (int i = 0; i < n;) {
        int32_t c;
        const int width = (int)utf8proc_iterate((const utf8proc_uint8_t *)out + i, n - i, &c);
        assert_true(width > 0); /* cut at a character */
        i += width;
    }
}

/* Text of letters of several scripts, marks, spaces, compatibility forms. */
static int random_text(char *out, int capacity)
{
    static const struct {
        int32_t first, count;
    } ranges[] = {{'a', 26},       {'A', 26},      {' ', 1},       {'_', 1},       {0xa0, 0x160},
                  {0x300, 0x45},   {0x370, 0x90},  {0x400, 0x84},  {0x5d0, 0x1a},  {0x905, 0x48},
                  {0x1e00, 0x1ff}, {0x1100, 0xff}, {0xac00, 0x80}, {0x3040, 0x60}, {0x4e00, 0x90},
                  {0xfb00, 6},     {0x2000, 0x2f}, {0x10400, 80},  {0x1d400, 60},  {0xf900, 0x90}};
    int n = 0;
    for (uint32_t left = random_below(12) + 1; left; left--) {
        const uint32_t r = random_below(3) ? random_below(6) : random_below(20);
        const int32_t c = ranges[r].first + (int32_t)random_below((uint32_t)ranges[r].count);
        if (n + 4 > capacity)
            break;
        n += (int)utf8proc_encode_char(c, (utf8proc_uint8_t *)out + n);
    }
    return n;
}

static void test_titles_normalise_is_nfc_and_a_fixed_point(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        char text[64], once[TITLE_MAX_BYTES + 1], twice[TITLE_MAX_BYTES];
        const bool first_letter = i & 1;
        const int length = random_text(text, sizeof text);
        const int n = title_normalise(text, (size_t)length, first_letter, once);
        assert_true(n >= 0);
        assert_int_equal(title_normalise(once, (size_t)n, first_letter, twice), n);
        assert_memory_equal(once, twice, (size_t)n);
        once[n] = '\0';
        utf8proc_uint8_t *nfc = utf8proc_NFC((const utf8proc_uint8_t *)once);
        assert_string_equal((const char *)nfc, once);
        free(nfc);
        assert_true(n == 0 || (once[0] != ' ' && once[n - 1] != ' '));
        assert_null(strstr(once, "  "));
    }
}

/* --- The table ----------------------------------------------------------------------------- */

struct set {
    struct title_input *inputs;
    uint32_t count;
    struct titles_built built;
};

static void free_set(struct set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free((void *)(uintptr_t)set->inputs[i].bytes);
    free(set->inputs);
    titles_built_fini(&set->built);
}

static bool is_in(const struct set *set, const char *text, int length)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->inputs[i].length == (uint32_t)length &&
            memcmp(set->inputs[i].bytes, text, (size_t)length) == 0)
            return true;
    return false;
}

static void add_title(struct set *set, const char *text, int length)
{
    char *bytes = malloc((size_t)length);
    memcpy(bytes, text, (size_t)length);
    set->inputs[set->count] = (struct title_input){
        bytes, (uint32_t)length, set->count * 7 % 1000 | (random_below(2) ? TITLE_IS_REDIRECT : 0)};
    set->count++;
}

static void build_random(struct set *set, uint32_t count)
{
    *set = (struct set){.inputs = calloc(count, sizeof *set->inputs)};
    static const char *const stems[] = {"", "New ", "A common beginning of many titles, ",
                                        "\u00e9"};
    while (set->count < count) {
        char raw[128], title[TITLE_MAX_BYTES];
        const char *stem = stems[random_below(4)];
        const int stem_length = (int)strlen(stem);
        memcpy(raw, stem, strlen(stem));
        int n = random_below(2) ? random_text(raw + stem_length, 64)
                                : snprintf(raw + stem_length, 64, "%u", random_below(2 * count));
        n = title_normalise(raw, (size_t)(stem_length + n), true, title);
        if (n > 0 && !is_in(set, title, n))
            add_title(set, title, n);
    }
    struct fault why;
    assert_int_equal(titles_build(&set->built, set->inputs, set->count, false, &why), 0);
}

static int compare_refs(struct text_ref x, struct text_ref y)
{
    const uint32_t common = x.length < y.length ? x.length : y.length;
    const int order = memcmp(x.bytes, y.bytes, common);
    return order ? order : (int)x.length - (int)y.length;
}

static void check_set(const struct set *set)
{
    const struct titles_view *view = &set->built.view;
    assert_int_equal(view->count, set->count);
    assert_int_equal(view->offsets[0], 0);
    assert_int_equal(view->offsets[view->count], set->built.title_bytes);
    assert_int_equal(view->fold_offsets[view->count], set->built.fold_bytes);
    assert_true(view->slot_mask + 1 >= 2 * view->count);
    for (uint32_t e = 0; e < view->count; e++) {
        char fold[TITLE_FOLD_BYTES];
        const struct text_ref text = titles_text(view, e), folded = titles_fold(view, e);
        assert_int_equal(title_fold(text.bytes, text.length, fold), folded.length);
        assert_memory_equal(fold, folded.bytes, folded.length);
        assert_int_equal(titles_find(view, text.bytes, text.length), e);
        if (e == 0)
            continue;
        const int order = compare_refs(titles_fold(view, e - 1), folded);
        assert_true(order <= 0);
        if (order == 0)
            assert_true(compare_refs(titles_text(view, e - 1), text) < 0);
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const uint32_t e = set->built.entry_of_input[i];
        const struct text_ref text = titles_text(view, e);
        assert_int_equal(text.length, set->inputs[i].length);
        assert_memory_equal(text.bytes, set->inputs[i].bytes, text.length);
        assert_int_equal(titles_vertex(view, e), set->inputs[i].target & ~TITLE_IS_REDIRECT);
        assert_int_equal(titles_is_redirect(view, e),
                         (set->inputs[i].target & TITLE_IS_REDIRECT) != 0);
    }
}

static bool matches(struct text_ref fold, const char *wanted, uint32_t length, bool whole)
{
    return (whole ? fold.length == length : fold.length >= length) &&
           memcmp(fold.bytes, wanted, length) == 0;
}

static void check_range(const struct titles_view *view, const char *wanted, uint32_t length,
                        bool whole)
{
    const struct title_range range = titles_range(view, wanted, length, whole);
    assert_true(range.first <= range.end && range.end <= view->count);
    for (uint32_t e = 0; e < view->count; e++)
        assert_int_equal(matches(titles_fold(view, e), wanted, length, whole),
                         e >= range.first && e < range.end);
}

static void test_titles_table_equals_linear_scans(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 11, 12, 13, 14, 40, 100, 257, 1500};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct set set;
        build_random(&set, counts[c]);
        const struct titles_view *view = &set.built.view;
        check_set(&set);
        check_range(view, "", 0, false);
        check_range(view, "", 0, true);
        check_range(view, "\xff", 1, false);
        for (int i = 0; i < 600; i++) {
            char text[64];
            const struct text_ref fold = titles_fold(view, random_below(view->count));
            const uint32_t length = random_below(fold.length + 1);
            check_range(view, fold.bytes, length, i & 1);
            check_range(view, fold.bytes, fold.length, i & 1);
            const int n = random_text(text, sizeof text);
            check_range(view, text, (uint32_t)n, i & 1);
            assert_int_equal(titles_find(view, text, (size_t)n) != TITLE_NONE,
                             is_in(&set, text, n));
        }
        assert_int_equal(titles_find(view, "", 0), TITLE_NONE);
        free_set(&set);
    }
}

static void test_titles_group_what_people_type(void **state)
{
    (void)state;
    static const char *const names[] = {"\u00c9tienne", "Etienne", "ETIENNE", "Etienne II",
                                        "\u00c9tienn",  "Zebra",   "Apple"};
    struct set set = {.inputs = calloc(7, sizeof *set.inputs)};
    struct fault why;
    for (size_t i = 0; i < 7; i++)
        add_title(&set, names[i], (int)strlen(names[i]));
    assert_int_equal(titles_build(&set.built, set.inputs, 7, false, &why), 0);
    const struct title_range whole = titles_range(&set.built.view, "etienne", 7, true);
    assert_int_equal(whole.end - whole.first, 3);
    const struct title_range prefix = titles_range(&set.built.view, "etienn", 6, false);
    assert_int_equal(prefix.end - prefix.first, 5);
    /* Equal folds go by the bytes of the titles. */
    assert_memory_equal(titles_text(&set.built.view, whole.first).bytes, "ETIENNE", 7);
    assert_memory_equal(titles_text(&set.built.view, whole.first + 1).bytes, "Etienne", 7);
    free_set(&set);
}

static void test_titles_build_sorts_bytes_of_any_kind(void **state)
{
    (void)state;
    /* NUL bytes, and lengths around the seven bytes that the sort takes at a time. */
    struct set set = {.inputs = calloc(4096, sizeof *set.inputs)};
    for (int length = 1; length <= 24; length++)
        for (int i = 0; i < 40; i++) {
            char text[24];
            for (int j = 0; j < length; j++)
                text[j] = j < length - 3 ? 'x' : "\0\1a"[random_below(3)];
            if (!is_in(&set, text, length))
                add_title(&set, text, length);
        }
    struct fault why;
    assert_int_equal(titles_build(&set.built, set.inputs, set.count, false, &why), 0);
    check_set(&set);
    free_set(&set);
}

static void test_titles_build_of_nothing(void **state)
{
    (void)state;
    struct titles_built built;
    struct fault why;
    assert_int_equal(titles_build(&built, NULL, 0, false, &why), 0);
    assert_int_equal(titles_find(&built.view, "a", 1), TITLE_NONE);
    const struct title_range range = titles_range(&built.view, "a", 1, false);
    assert_int_equal(range.first, range.end);
    assert_int_equal(built.view.offsets[0], 0);
    titles_built_fini(&built);
}

static void test_titles_build_refuses(void **state)
{
    (void)state;
    struct titles_built built;
    struct fault why;
    const struct title_input twice[] = {{"Twin", 4, 0}, {"Other", 5, 1}, {"Twin", 4, 2}};
    assert_int_equal(titles_build(&built, twice, 3, false, &why), -EINVAL);
    assert_non_null(strstr(why.text, "\"Twin\" is given twice"));
    const struct title_input invalid[] = {{"Fine", 4, 0}, {"\xc3(", 2, 1}};
    assert_int_equal(titles_build(&built, invalid, 2, false, &why), -EILSEQ);
    assert_non_null(strstr(why.text, "title 1"));
    /* Sizes are added up before anything is read. */
    const struct title_input huge[] = {{"", UINT32_MAX, 0}, {"", UINT32_MAX, 1}};
    assert_int_equal(titles_build(&built, huge, 2, false, &why), -EFBIG);
    titles_built_fini(&built);

    /* Many of the same do not make the sort slow. */
    struct title_input *same = calloc(100000, sizeof *same);
    for (uint32_t i = 0; i < 100000; i++)
        same[i] = (struct title_input){"Same old title", 14, i};
    assert_int_equal(titles_build(&built, same, 100000, false, &why), -EINVAL);
    free(same);
}

/* A title is shown as it was given and found by any spelling with its normal form. */
static void test_titles_keep_their_spelling(void **state)
{
    (void)state;
    static const char *const given[] = {"Star Trek  Deep Space Nine", "plain", "Two_words"};
    static const char *const normal[] = {"Star Trek Deep Space Nine", "Plain", "Two words"};
    struct title_input inputs[3];
    for (uint32_t i = 0; i < 3; i++)
        inputs[i] = (struct title_input){given[i], (uint32_t)strlen(given[i]), i};
    struct titles_built built;
    struct fault why;
    assert_int_equal(titles_build(&built, inputs, 3, true, &why), 0);
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t entry = titles_find(&built.view, normal[i], strlen(normal[i]));
        assert_int_equal(entry, built.entry_of_input[i]);
        const struct text_ref text = titles_text(&built.view, entry);
        assert_int_equal(text.length, strlen(given[i]));
        assert_memory_equal(text.bytes, given[i], text.length);
        assert_int_equal(titles_find(&built.view, given[i], strlen(given[i])), TITLE_NONE);
    }
    const struct title_range range = titles_range(&built.view, "star trek deep", 14, false);
    assert_int_equal(range.end - range.first, 1);
    titles_built_fini(&built);

    inputs[1] = (struct title_input){normal[0], (uint32_t)strlen(normal[0]), 1};
    assert_int_equal(titles_build(&built, inputs, 3, true, &why), -EINVAL);
    assert_non_null(strstr(why.text, "given twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_titles_normalise_white_space),
        cmocka_unit_test(test_titles_normalise_spaces_anywhere),
        cmocka_unit_test(test_titles_normalise_first_letter),
        cmocka_unit_test(test_titles_normalise_composes),
        cmocka_unit_test(test_titles_normalise_refuses),
        cmocka_unit_test(test_titles_fold),
        cmocka_unit_test(test_titles_fold_limits),
        cmocka_unit_test(test_titles_normalise_is_nfc_and_a_fixed_point),
        cmocka_unit_test(test_titles_table_equals_linear_scans),
        cmocka_unit_test(test_titles_group_what_people_type),
        cmocka_unit_test(test_titles_build_sorts_bytes_of_any_kind),
        cmocka_unit_test(test_titles_build_of_nothing),
        cmocka_unit_test(test_titles_build_refuses),
        cmocka_unit_test(test_titles_keep_their_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
