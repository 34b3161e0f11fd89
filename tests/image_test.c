/* SPDX-License-Identifier: MIT
 *
 * Image headers, damaged field by field, and images written to files, including writes that fail.
 */
#include "shm/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

/* The C library's openat(), copy_file_range() and fsync(), as image_write.c sees them: file systems
 * without nameless files, pairs of them that cannot copy between each other, and a disk that fails
 * at the n-th time it is to have everything (0: never). */
static bool refuse_tmpfile, refuse_copy;
static unsigned failing_fsync, fsyncs;

int openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
    va_end(args);
    if (refuse_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

ssize_t copy_file_range(int from, off_t *in, int to, off_t *out, size_t bytes, unsigned flags)
{
    if (refuse_copy) {
        errno = EXDEV;
        return -1;
    }
    /* Short copies are within the contract. */
    return syscall(SYS_copy_file_range, from, in, to, out, bytes > 5000 ? 5000 : bytes, flags);
}

int fsync(int fd)
{
    if (++fsyncs == failing_fsync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

#define TITLE_BYTES_COUNT 1000
#define TARGET_COUNT      77
#define TEXT_COUNT        300001

static char title_bytes[TITLE_BYTES_COUNT];
static uint32_t targets[TARGET_COUNT];
static char text[TEXT_COUNT];
static char folder[] = "/tmp/forklore-image-XXXXXX";
static char target_path[64];

static int text_fd(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/text-XXXXXX", folder);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, text, TEXT_COUNT), TEXT_COUNT);
    return fd;
}

/* Text first, to see that hot sections come before it all the same. */
static size_t make_parts(struct image_part parts[4], int fd)
{
    parts[0] = (struct image_part){
        .kind = SECTION_TEXT, .fd = fd, .bytes = TEXT_COUNT, .xxh64 = XXH64(text, TEXT_COUNT, 0)};
    parts[1] = (struct image_part){
        .kind = SECTION_TITLE_BYTES, .data = title_bytes, .fd = -1, .bytes = TITLE_BYTES_COUNT};
    parts[2] = (struct image_part){
        .kind = SECTION_OUT_TARGETS, .data = targets, .fd = -1, .bytes = sizeof targets};
    parts[3] = (struct image_part){.kind = SECTION_IN_SOURCES, .data = targets, .fd = -1};
    return 4;
}

static void make_header(struct image_header *header)
{
    struct image_part parts[4];
    struct fault why;
    assert_int_equal(image_plan(header, parts, make_parts(parts, -1), &why), 0);
}

/* As the layout says, not as image.c does it. */
static void reseal(struct image_header *header)
{
    unsigned char bytes[4096];
    memcpy(bytes, header, 4096);
    memset(bytes + 40, 0, 8);
    memset(bytes + 64, 0, 64);
    header->header_xxh64 = XXH64(bytes, 4096, 0);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < TITLE_BYTES_COUNT; i++)
        title_bytes[i] = (char)('a' + i % 26);
    for (uint32_t i = 0; i < TARGET_COUNT; i++)
        targets[i] = i * 3;
    for (size_t i = 0; i < TEXT_COUNT; i++)
        text[i] = (char)(i * 31 + (i >> 8));
    if (!mkdtemp(folder))
        return -1;
    snprintf(target_path, sizeof target_path, "%s/index.flk", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(target_path);
    return rmdir(folder); /* fails if anything is left */
}

static void test_image_sections_have_names_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(section_name(SECTION_META), "meta");
    assert_string_equal(section_name(SECTION_TITLE_MINIMA), "title-minima");
    assert_string_equal(section_name(SECTION_NONE), "?");
    assert_string_equal(section_name(SECTION_KIND_COUNT), "?");
    assert_int_equal(section_element_bytes(SECTION_PAGES), 40);
    assert_int_equal(section_element_bytes(SECTION_TEXT), 1);
    assert_int_equal(section_element_bytes(9999), 0);
    assert_int_equal(section_home(SECTION_TEXT), COLD);
    assert_int_equal(section_home(SECTION_SCORES), HOT);
    for (uint32_t kind = 1; kind < SECTION_KIND_COUNT; kind++)
        assert_true(section_element_bytes(kind) > 0);
}

static void test_image_plan_lays_out_sections(void **state)
{
    (void)state;
    struct image_header header;
    struct fault why;
    make_header(&header);
    assert_memory_equal(&header, "FORKLORE", 8);
    assert_int_equal(header.section_count, 4);
    assert_int_equal(header.sections[0].kind, SECTION_TITLE_BYTES);
    assert_int_equal(header.sections[0].offset, 4096);
    assert_int_equal(header.sections[1].offset, 4096 + 1024);
    assert_int_equal(header.sections[1].xxh64, XXH64(targets, sizeof targets, 0));
    assert_int_equal(header.sections[2].bytes, 0);
    assert_int_equal(header.sections[3].kind, SECTION_TEXT);
    assert_int_equal(header.sections[3].xxh64, XXH64(text, TEXT_COUNT, 0));
    assert_int_equal(header.hot_bytes, 4096 + 1024 + 320);
    assert_int_equal(header.total_bytes % 64, 0);
    assert_int_equal(header.total_bytes, header.hot_bytes + (TEXT_COUNT + 63) / 64 * 64);
    assert_int_equal(image_check_header(&header, header.total_bytes, "x", &why), 0);
    assert_ptr_equal(image_find(&header, SECTION_OUT_TARGETS), &header.sections[1]);
    assert_null(image_find(&header, SECTION_SCORES));
    uint64_t bytes = 1;
    assert_null(image_section(&header, SECTION_SCORES, &bytes));
    assert_int_equal(bytes, 0);
}

static void test_image_plan_of_nothing(void **state)
{
    (void)state;
    struct image_header header;
    struct fault why;
    assert_int_equal(image_plan(&header, NULL, 0, &why), 0);
    assert_int_equal(header.total_bytes, 4096);
    assert_int_equal(image_check_header(&header, 4096, "x", &why), 0);
    static struct image_part many[SECTION_MAX + 1];
    assert_int_equal(image_plan(&header, many, SECTION_MAX + 1, &why), -E2BIG);
}

/* One damage: where, what, and a word of the message. */
static void expect_refusal(const struct image_header *header, uint64_t file_bytes, const char *word)
{
    struct fault why = {"(no message)"};
    assert_int_equal(image_check_header(header, file_bytes, "some.flk", &why), -EINVAL);
    if (!strstr(why.text, word) || strncmp(why.text, "some.flk: ", 10) != 0)
        fail_msg("\"%s\" should start with the name and say \"%s\"", why.text, word);
    assert_int_equal(image_check_header(header, file_bytes, "some.flk", NULL), -EINVAL);
}

static void test_image_check_refuses_each_damaged_field(void **state)
{
    (void)state;
    struct image_header good, bad;
    make_header(&good);
    const uint64_t bytes = good.total_bytes;

#define DAMAGE(change, word)                                                                       \
    do {                                                                                           \
        bad = good;                                                                                \
        change;                                                                                    \
        expect_refusal(&bad, bytes, word);                                                         \
    } while (0)
    DAMAGE(bad.magic ^= 1, "magic");
    DAMAGE(bad.magic = __builtin_bswap64(bad.magic), "big-endian");
    DAMAGE(bad.endian = __builtin_bswap32(bad.endian), "endianness");
    DAMAGE(bad.version_major = LAYOUT_MAJOR + 1, "layout version 6.0");
    DAMAGE(bad.version_major = LAYOUT_MAJOR - 1, "layout version 4.0");
    DAMAGE(bad.version_minor = 2, "header is damaged");
    DAMAGE(bad.total_bytes += 64, "cut short");
    DAMAGE(bad.total_bytes -= 64, "too long");
    DAMAGE(bad.hot_bytes += 64, "hot_bytes");
    DAMAGE(bad.hot_bytes = 0, "hot_bytes");
    DAMAGE(bad.hot_bytes = UINT64_MAX, "hot_bytes");
    DAMAGE(bad.section_count = SECTION_MAX + 1, "section_count");
    DAMAGE(bad.section_count = UINT32_MAX, "section_count");
    DAMAGE(bad.section_count--, "section_count");
    DAMAGE(bad.header_xxh64 ^= 1, "checksum");
    DAMAGE(bad.reserved0 = 1, "checksum");
    DAMAGE(bad.reserved1[1] = 1, "checksum");
    DAMAGE(bad.sections[1].xxh64 ^= 1, "checksum");
    DAMAGE(bad.sections[100].kind = 1, "checksum");
    DAMAGE(bad.ready = 2, "ready word");
#undef DAMAGE
}

/* With a right checksum: written by a program with a fault, or crafted. */
static void test_image_check_refuses_each_wrong_entry(void **state)
{
    (void)state;
    struct image_header good, bad;
    make_header(&good);
    const uint64_t bytes = good.total_bytes;

#define WRONG(change, word)                                                                        \
    do {                                                                                           \
        bad = good;                                                                                \
        change;                                                                                    \
        reseal(&bad);                                                                              \
        expect_refusal(&bad, bytes, word);                                                         \
        struct fault why;                                                                          \
        image_check_header(&bad, bytes, "x", &why);                                                \
        assert_null(strstr(why.text, "checksum"));                                                 \
    } while (0)
    WRONG(bad.sections[1].kind = SECTION_NONE, "entry 1 has no kind");
    WRONG(bad.sections[1].kind = SECTION_TITLE_BYTES, "entries 0 and 1 are of the same kind");
    WRONG(bad.sections[1].home = 2, "neither hot nor cold");
    WRONG(bad.sections[1].home = COLD, "entry 1 (out-targets) is not hot");
    WRONG(bad.sections[3].home = HOT, "entry 3 (text) is not cold");
    WRONG(bad.sections[1].offset += 4, "not a multiple of 64");
    WRONG(bad.sections[1].offset -= 64, "is inside what precedes it");
    WRONG(bad.sections[0].offset = 4032, "is inside what precedes it");
    WRONG(bad.sections[1].bytes += 2, "whole number of elements of 4");
    WRONG(bad.sections[3].bytes += 64, "reach past the end");
    WRONG(bad.sections[3].bytes = UINT64_MAX, "reach past the end");
    WRONG(bad.sections[3].offset = UINT64_MAX - 63, "reach past the end");
    WRONG(bad.sections[3].bytes -= 64, "total_bytes");
    WRONG(bad.hot_bytes += 64, "hot_bytes");
    WRONG((bad.sections[1] = bad.sections[3], bad.sections[1].kind = 90, bad.section_count = 3,
           bad.sections[1].bytes = 0, bad.sections[2].offset = bad.sections[1].offset),
          "follows a cold one");
#undef WRONG

    bad = good;
    expect_refusal(&bad, bytes - 1, "cut short");
    expect_refusal(&bad, 4096, "cut short");
    expect_refusal(&bad, bytes + 1, "too long");
}

static void test_image_check_accepts_later_minor_versions(void **state)
{
    (void)state;
    struct image_header header;
    struct fault why;
    make_header(&header);
    header.version_minor = 7;
    header.sections[3].kind = 120; /* a kind of the future, with its own home */
    reseal(&header);
    assert_int_equal(image_check_header(&header, header.total_bytes, "x", &why), 0);
}

static void test_image_check_accepts_any_run_time_state(void **state)
{
    (void)state;
    struct image_header header;
    struct fault why;
    make_header(&header);
    assert_int_equal(atomic_load(&header.ready), 0);
    image_publish(&header, 42);
    assert_int_equal(atomic_load(&header.ready), 1);
    assert_int_equal(header.generation, 42);
    assert_int_equal(image_check_header(&header, header.total_bytes, "x", &why), 0);
}

static unsigned files_in_folder(void)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(dir);
    return count;
}

static void put_old_file(void)
{
    const int fd = open(target_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
}

static void expect_old_file_alone(void)
{
    char bytes[8] = "";
    const int fd = open(target_path, O_RDONLY);
    assert_int_equal(read(fd, bytes, sizeof bytes), 3);
    assert_string_equal(bytes, "old");
    close(fd);
    assert_int_equal(files_in_folder(), 1);
}

static void write_and_compare(void)
{
    struct image_header header;
    struct image_part parts[4];
    struct fault why = {""};
    const int fd = text_fd();
    const size_t count = make_parts(parts, fd);
    assert_int_equal(image_plan(&header, parts, count, &why), 0);
    if (image_write(target_path, &header, parts, count, &why) != 0)
        fail_msg("%s", why.text);
    close(fd);
    assert_int_equal(files_in_folder(), 1);

    const int back = open(target_path, O_RDONLY);
    struct stat st;
    assert_int_equal(fstat(back, &st), 0);
    assert_int_equal(st.st_size, header.total_bytes);
    unsigned char *bytes = aligned_alloc(64, header.total_bytes);
    assert_int_equal(read(back, bytes, header.total_bytes), header.total_bytes);
    close(back);
    assert_memory_equal(bytes, &header, sizeof header);
    assert_memory_equal(bytes + header.sections[0].offset, title_bytes, TITLE_BYTES_COUNT);
    assert_memory_equal(bytes + header.sections[1].offset, targets, sizeof targets);
    assert_memory_equal(bytes + header.sections[3].offset, text, TEXT_COUNT);
    for (uint64_t i = header.sections[3].offset + TEXT_COUNT; i < header.total_bytes; i++)
        assert_int_equal(bytes[i], 0);
    free(bytes);
}

static void test_image_write_writes_new_and_replaces_old(void **state)
{
    (void)state;
    unlink(target_path);
    write_and_compare();
    put_old_file();
    write_and_compare();
    struct stat st;
    assert_int_equal(stat(target_path, &st), 0);
    const mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
}

static void test_image_write_without_nameless_files(void **state)
{
    (void)state;
    put_old_file();
    refuse_tmpfile = true;
    write_and_compare();
    refuse_tmpfile = false;
}

static void test_image_write_without_copy_file_range(void **state)
{
    (void)state;
    refuse_copy = true;
    write_and_compare();
    refuse_copy = false;
}

static void expect_write_fails(int fd, uint64_t text_bytes, const char *word)
{
    struct image_header header;
    struct image_part parts[4];
    struct fault why = {""};
    const size_t count = make_parts(parts, fd);
    parts[0].bytes = text_bytes;
    assert_int_equal(image_plan(&header, parts, count, &why), 0);
    assert_true(image_write(target_path, &header, parts, count, &why) < 0);
    if (!strstr(why.text, word) || !strstr(why.text, target_path))
        fail_msg("\"%s\" should say \"%s\" and the path", why.text, word);
}

static void test_image_write_keeps_the_old_file_when_it_fails(void **state)
{
    (void)state;
    put_old_file();
    const int fd = text_fd();
    for (int i = 0; i < 4; i++) {
        refuse_tmpfile = i & 1;
        refuse_copy = i & 2;
        expect_write_fails(fd, TEXT_COUNT + 1, "the article text ends after 300001 of 300002");
        expect_old_file_alone();
        expect_write_fails(-1, TEXT_COUNT, "cannot read back the article text");
        expect_old_file_alone();
    }
    refuse_copy = false;

    /* No room, as the kernel says it: a limit below the file's size. */
    struct rlimit old, small = {.rlim_cur = 8192};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        refuse_tmpfile = i;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        expect_write_fails(fd, TEXT_COUNT, "File too large");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        expect_old_file_alone();
    }
    refuse_tmpfile = false;
    close(fd);
}

/* The file before it has its name, and then its folder. */
static void test_image_write_is_on_disk_when_it_is_done(void **state)
{
    (void)state;
    const int fd = text_fd();
    for (int i = 0; i < 2; i++) {
        refuse_tmpfile = i;
        put_old_file();
        fsyncs = 0;
        failing_fsync = 1;
        expect_write_fails(fd, TEXT_COUNT, "cannot bring the bytes to disk");
        expect_old_file_alone();
        fsyncs = 0;
        failing_fsync = 2;
        expect_write_fails(fd, TEXT_COUNT, "cannot bring its folder to disk");
        assert_int_equal(files_in_folder(), 1);
    }
    refuse_tmpfile = false;
    failing_fsync = 0;
    close(fd);
}

static void test_image_write_says_why_a_place_is_impossible(void **state)
{
    (void)state;
    struct image_header header;
    struct fault why;
    char path[8192];
    assert_int_equal(image_plan(&header, NULL, 0, &why), 0);

    snprintf(path, sizeof path, "%s/none/index.flk", folder);
    assert_int_equal(image_write(path, &header, NULL, 0, &why), -ENOENT);
    assert_non_null(strstr(why.text, "none"));
    snprintf(path, sizeof path, "%s/", folder);
    assert_int_equal(image_write(path, &header, NULL, 0, &why), -EISDIR);

    snprintf(path, sizeof path, "%s/folder", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(image_write(path, &header, NULL, 0, &why), -EISDIR);
    assert_non_null(strstr(why.text, path));
    assert_int_equal(rmdir(path), 0);

    memset(path, 'a', sizeof path);
    path[sizeof path - 3] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(image_write(path, &header, NULL, 0, &why), -ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/%0300d", folder, 1);
    assert_int_equal(image_write(path, &header, NULL, 0, &why), -ENAMETOOLONG);
    unlink(target_path);
    assert_int_equal(files_in_folder(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_sections_have_names_and_sizes),
        cmocka_unit_test(test_image_plan_lays_out_sections),
        cmocka_unit_test(test_image_plan_of_nothing),
        cmocka_unit_test(test_image_check_refuses_each_damaged_field),
        cmocka_unit_test(test_image_check_refuses_each_wrong_entry),
        cmocka_unit_test(test_image_check_accepts_later_minor_versions),
        cmocka_unit_test(test_image_check_accepts_any_run_time_state),
        cmocka_unit_test(test_image_write_writes_new_and_replaces_old),
        cmocka_unit_test(test_image_write_without_nameless_files),
        cmocka_unit_test(test_image_write_without_copy_file_range),
        cmocka_unit_test(test_image_write_keeps_the_old_file_when_it_fails),
        cmocka_unit_test(test_image_write_is_on_disk_when_it_is_done),
        cmocka_unit_test(test_image_write_says_why_a_place_is_impossible),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
