/* SPDX-License-Identifier: MIT
 *
 * index_verify_search() on sections whose bytes lie: the sanitizers watch what it reads, and what
 * readers read of what it lets pass. */
#include "shm/index.h"
#include "shm/postings_build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 150 /* more than a block has */

struct fixture {
    struct index_view view;
    struct image_header *image;
};

static uint32_t random_below(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 32) * below >> 32);
}

static void build(struct postings_built *built)
{
    struct postings_build *build;
    struct fault why;
    uint64_t random = 5;
    assert_int_equal(postings_build_create(&build, "/tmp", 0, &why), 0);
    for (int page = 0; page < PAGES; page++) {
        char text[8192];
        size_t used = 0;
        const unsigned words = 5 + random_below(&random, page % 10 ? 20 : 900);
        for (unsigned i = 0; i < words; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "w%u%s ",
                                     random_below(&random, 1 + random_below(&random, 90)),
                                     random_below(&random, 200) ? "" : "averylongtailofaword");
        assert_int_equal(postings_build_add(build, "A name", 6, text, used, NULL, &why), 0);
    }
    assert_int_equal(postings_build_finish(build, built, &why), 0);
    built->info.ids_ascend = 1;
    postings_build_destroy(&build);
}

static void make(struct fixture *f)
{
    static struct index_meta meta = {.page_count = PAGES, .title_count = PAGES};
    static struct page pages[PAGES];
    static const struct passage_page no_text[PAGES + 1];
    struct postings_built built;
    struct image_header header;
    struct fault why;
    build(&built);
    for (uint32_t i = 0; i < PAGES; i++)
        pages[i].id = i + 1;
#define PART(section, pointer, size)                                                               \
    {                                                                                              \
        SECTION_##section, (pointer), -1, (size), 0                                                \
    }
    const struct image_part parts[] = {
        PART(META, &meta, sizeof meta),
        PART(PAGES, pages, sizeof pages),
        PART(SEARCH_INFO, &built.info, sizeof built.info),
        PART(BODY_LENGTHS, built.lengths[0].data, (size_t)PAGES * built.lengths[0].width),
        PART(NAME_LENGTHS, built.lengths[1].data, (size_t)PAGES * built.lengths[1].width),
        PART(WORD_BLOCKS, built.blocks, built.block_count * sizeof *built.blocks),
        PART(WORD_BYTES, built.word_bytes.data, built.word_bytes.bytes),
        PART(POSTINGS, built.postings.data, built.postings.bytes),
        PART(POSITIONS, built.positions.data, built.positions.bytes),
        PART(PASSAGE_PAGES, no_text, sizeof no_text),
        PART(PASSAGES, no_text, sizeof(struct passage)),
        PART(PASSAGE_DICTIONARY, no_text, 0),
        PART(PASSAGE_BYTES, no_text, 0),
    };
#undef PART
    const size_t count = sizeof parts / sizeof *parts;
    assert_int_equal(image_plan(&header, parts, count, &why), 0);
    f->image = aligned_alloc(LAYOUT_ALIGN, header.hot_bytes);
    assert_non_null(f->image);
    memset((void *)f->image, 0, header.hot_bytes);
    memcpy((void *)f->image, &header, sizeof header);
    for (size_t i = 0; i < count; i++)
        memcpy((char *)f->image + image_find(&header, (enum section_kind)parts[i].kind)->offset,
               parts[i].data, parts[i].bytes);
    postings_built_fini(&built);
    uint64_t bytes;
    f->view = (struct index_view){.image = f->image,
                                  .meta = image_section(f->image, SECTION_META, &bytes),
                                  .pages = image_section(f->image, SECTION_PAGES, &bytes)};
}

/* What any search may read. */
static uint64_t read_all(const struct search_view *search)
{
    static struct postings p;
    struct word_cursor words;
    uint64_t sum = 0;
    word_list_seek(&words, &search->words, "", 0);
    while (word_list_next(&words)) {
        postings_open(&p, &words.entry);
        for (uint32_t page = postings_next(&p); page != POSTINGS_END; page = postings_next(&p)) {
            uint32_t positions[1000];
            assert_true(page < PAGES && postings_tf(&p) <= 1000);
            postings_positions(&p, positions);
            sum += positions[0];
        }
    }
    return sum;
}

static void test_flipped_bits(void **state)
{
    (void)state;
    struct fixture f;
    struct fault why = {""};
    make(&f);
    assert_int_equal(index_bind_search(&f.view, "f", &why), 0);
    if (index_verify_search(&f.view, "f", &why) != 0)
        fail_msg("%s", why.text);
    const uint64_t sum = read_all(&f.view.search);
    const uint64_t first = image_find(f.image, SECTION_SEARCH_INFO)->offset;
    uint64_t random = 1;
    unsigned found = 0;
    for (int round = 0; round < 3000; round++) {
        unsigned char *at = (unsigned char *)f.image + first +
                            random_below(&random, (uint32_t)(f.image->hot_bytes - first));
        const unsigned char before = *at;
        *at = random_below(&random, 2) ? (unsigned char)(*at ^ (1 << random_below(&random, 8)))
                                       : (unsigned char)random_below(&random, 256);
        struct index_view view = f.view;
        if (index_bind_search(&view, "f", &why) || index_verify_search(&view, "f", &why))
            found++;
        else
            read_all(&view.search);
        *at = before;
    }
    assert_true(found > 1000); /* a wrong position or number can look right */
    assert_int_equal(index_verify_search(&f.view, "f", &why), 0);
    assert_int_equal(read_all(&f.view.search), sum);
    free(f.image);
}

/* One byte changed, and what is said of it. */
static void check_said(struct fixture *f, enum section_kind kind, size_t at, unsigned char value,
                       const char *expected)
{
    struct index_view view = f->view;
    struct fault why = {""};
    unsigned char *byte = (unsigned char *)f->image + image_find(f->image, kind)->offset + at;
    const unsigned char before = *byte;
    *byte = value;
    int rc = index_bind_search(&view, "f", &why);
    if (!rc)
        rc = index_verify_search(&view, "f", &why);
    *byte = before;
    if (rc != -EINVAL || !strstr(why.text, section_name(kind)) || !strstr(why.text, expected))
        fail_msg("%d, \"%s\" instead of \"%s\"", rc, why.text, expected);
}

static void test_what_is_said(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    check_said(&f, SECTION_BODY_LENGTHS, 0, 0xff, "words in all");
    check_said(&f, SECTION_NAME_LENGTHS, 3, 7, "words in all");
    check_said(&f, SECTION_WORD_BLOCKS, 8, 1, "block 0 is not after");
    check_said(&f, SECTION_WORD_BLOCKS, 0, 1, "block 0 has not its first word's key");
    check_said(&f, SECTION_WORD_BYTES, 0, 0x15, "word 0 is broken");
    check_said(&f, SECTION_POSTINGS, 4, 1, "ends at page");
    check_said(&f, SECTION_POSTINGS, 4 + 8, 1, "block 0 of");
    check_said(&f, SECTION_POSTINGS, 4 + 16, 1, "block 0 of");
    check_said(&f, SECTION_POSTINGS, 4 + 24, 0xff, "bound");
    check_said(&f, SECTION_POSTINGS, 0, 0xff, "bound");
    check_said(&f, SECTION_POSTINGS, 2, 0, "bound");
    check_said(&f, SECTION_POSTINGS, 4 + 28, 0x27, "block 0 of");
    check_said(&f, SECTION_POSITIONS, 0, 0xa1, "broken");
    free(f.image);
}

static void test_sizes_that_contradict(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    static const enum section_kind kinds[] = {SECTION_SEARCH_INFO, SECTION_BODY_LENGTHS,
                                              SECTION_NAME_LENGTHS, SECTION_WORD_BLOCKS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct index_view view = f.view;
        struct fault why;
        for (size_t s = 0; s < f.image->section_count; s++)
            if (f.image->sections[s].kind == kinds[i])
                f.image->sections[s].bytes--;
        assert_int_equal(index_bind_search(&view, "f", &why), -EINVAL);
        assert_non_null(strstr(why.text, section_name(kinds[i])));
        for (size_t s = 0; s < f.image->section_count; s++)
            if (f.image->sections[s].kind == kinds[i])
                f.image->sections[s].bytes++;
    }
    free(f.image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_sizes_that_contradict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
