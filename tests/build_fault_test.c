/* SPDX-License-Identifier: MIT
 *
 * Builds that fail, or are killed: the message says what is wrong, an older output stays whole,
 * and no file is left behind.
 */
#include "tests/build_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char good_dump[] =
    HEAD("first-letter") PAGE("One", 1, "[[Two]]") PAGE("Two", 2, "") TAIL;

/* Fails to build `options`, with these words in the message, and this code if one is given. */
static void expect_fault(const struct build_options *options, int code, const char *words)
{
    struct build_report report;
    struct fault why = {""};
    unsigned files = count_files();
    int rc = build_index(options, &report, &why);
    assert_true(code ? rc == -code : rc < 0);
    if (!strstr(why.text, words))
        fail_msg("\"%s\" does not say \"%s\"", why.text, words);
    assert_int_equal(count_files(), files);
}

static void expect_input_fault(enum build_kind kind, const char *text, const char *words)
{
    char input[256];
    snprintf(input, sizeof(input), "%s", write_text("input", text));
    struct build_options options = options_for(kind, input, in_folder("out.flk"));
    expect_fault(&options, 0, words);
}

static void test_build_refuses_bad_dumps(void **state)
{
    (void)state;
    expect_input_fault(BUILD_DUMP, HEAD("first-letter") PAGE("One", 1, "text"), "input");
    expect_input_fault(BUILD_DUMP, "<html></html>", "html");
    expect_input_fault(BUILD_DUMP, HEAD("first-letter") TAIL, "page");
    expect_input_fault(BUILD_DUMP,
                       HEAD("first-letter") NS_PAGE(1, "Talk:One", 1, REVISION("")) TAIL,
                       "1 pages, but no article among them");
    expect_input_fault(BUILD_DUMP, HEAD("first-letter") REDIRECT("One", 1, "Two") TAIL,
                       "no article among them");
    expect_input_fault(BUILD_DUMP, HEAD("first-letter") PAGE("_ _", 17, "") TAIL,
                       "page 17 at byte");
}

/* 400 letters of three bytes each that normalise from two: too long only in normal form. */
static void test_build_refuses_a_title_that_grows_too_long(void **state)
{
    (void)state;
    char *dump;
    size_t length;
    FILE *out = open_memstream(&dump, &length);
    fputs(HEAD("case-sensitive") "<page><title>", out);
    for (unsigned i = 0; i < 300; i++)
        fputs("\xe0\xa5\x98", out); /* U+0958, six bytes in NFC */
    fputs("</title><ns>0</ns><id>3</id></page>" TAIL, out);
    fclose(out);
    expect_input_fault(BUILD_DUMP, dump, "its title is too long");
    free(dump);
}

static void test_build_refuses_bad_graphs(void **state)
{
    (void)state;
    expect_input_fault(BUILD_GRAPH, "1 2\n3 -4\n", "line 2");
    expect_input_fault(BUILD_GRAPH, "# nothing\n", "input");
    expect_input_fault(BUILD_GRAPH, "one\ttwo\none\t__\n", "\"__\" is empty");
}

static void test_build_refuses_paths_it_cannot_use(void **state)
{
    (void)state;
    char input[256], file_as_folder[300];
    snprintf(input, sizeof(input), "%s", write_text("dump.xml", good_dump));
    struct build_options options =
        options_for(BUILD_DUMP, in_folder("absent.xml"), in_folder("out.flk"));
    expect_fault(&options, ENOENT, "absent.xml");

    options = options_for(BUILD_DUMP, input, in_folder("no/such/out.flk"));
    expect_fault(&options, ENOENT, "no/such");
    options.kind = BUILD_GRAPH; /* before its input is looked at */
    expect_fault(&options, ENOENT, "no/such");
    options.kind = BUILD_DUMP;

    snprintf(file_as_folder, sizeof(file_as_folder), "%s/out.flk", input);
    options.output = file_as_folder;
    expect_fault(&options, ENOTDIR, "dump.xml");

    options.output = input;
    expect_fault(&options, EINVAL, "replace its own input");
    char *text;
    size_t length;
    FILE *file = fopen(input, "r"), *copy = open_memstream(&text, &length);
    for (int byte; (byte = fgetc(file)) != EOF;)
        fputc(byte, copy);
    fclose(copy);
    fclose(file);
    assert_string_equal(text, good_dump);
    free(text);

    options.output = in_folder("out.flk");
    options.zstd_level = 1000;
    expect_fault(&options, EINVAL, "zstd level 1000");
}

/* --- With an older output there ------------------------------------------------------------ */

static void build_older(char *output, size_t capacity, char *input)
{
    snprintf(input, capacity, "%s", write_text("dump.xml", good_dump));
    snprintf(output, capacity, "%s", in_folder("out.flk"));
    struct build_options options = options_for(BUILD_DUMP, input, output);
    struct build_report report;
    struct fault why = {""};
    if (build_index(&options, &report, &why))
        fail_msg("%s", why.text);
}

static void expect_older(const char *output)
{
    struct opened opened;
    open_index(&opened, output);
    assert_int_equal(opened.view.meta->page_count, 2);
    close_index(&opened);
    assert_int_equal(count_files(), 2);
}

static int rank_that_fails(void *owner, const struct index_view *index,
                           const struct rank_arrays *ranks, struct fault *why)
{
    (void)owner, (void)ranks;
    return fault_set(why, ECANCELED, "no scores for %u pages", index->meta->page_count);
}

static void test_build_keeps_the_older_index_when_it_fails(void **state)
{
    (void)state;
    char input[256], output[256];
    build_older(output, sizeof(output), input);
    struct build_options options = options_for(BUILD_DUMP, input, output);
    options.rank = rank_that_fails;
    expect_fault(&options, ECANCELED, "no scores for 2 pages");
    expect_older(output);

    write_text("dump.xml", "<mediawiki><page><title>One</title>");
    options.rank = rank_by_links_in;
    expect_fault(&options, EBADMSG, "dump.xml");
    expect_older(output);
}

/* An article that hardly compresses. */
static void write_noise(const char *path)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(HEAD("first-letter") "<page><title>Noise</title><ns>0</ns><id>1</id><revision><text>",
          out);
    unsigned random = 1;
    for (unsigned i = 0; i < 200000; i++)
        fputc('?' + (int)((random = random * 1103515245 + 12345) >> 16) % 26, out);
    fputs("</text></revision></page>" TAIL, out);
    assert_int_equal(fclose(out), 0);
}

/* A disk that is full while text is written, and one that is full only when the index is. */
static void test_build_reports_a_full_disk(void **state)
{
    (void)state;
    char input[256], output[256];
    write_noise(in_folder("noise.xml"));
    struct build_options options =
        options_for(BUILD_DUMP, in_folder("noise.xml"), in_folder("noise.flk"));
    struct build_report report;
    struct fault why;
    assert_int_equal(build_index(&options, &report, &why), 0);
    const rlim_t limits[] = {20000, report.file_bytes - 1};
    unlink(options.output);
    unlink(options.input);
    build_older(output, sizeof(output), input);
    write_noise(input);

    struct rlimit before;
    options = options_for(BUILD_DUMP, input, output);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rlimit limit = {limits[i], before.rlim_max};
        why.text[0] = '\0';
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        int rc = build_index(&options, &report, &why);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(rc, -EFBIG);
        assert_non_null(strstr(why.text, strerror(EFBIG)));
        assert_non_null(strstr(why.text, folder));
        assert_int_equal(strstr(why.text, "writing article text") != NULL, i == 0);
        expect_older(output);
    }
}

static int rank_that_is_killed(void *owner, const struct index_view *index,
                               const struct rank_arrays *ranks, struct fault *why)
{
    (void)owner, (void)index, (void)ranks, (void)why;
    return raise(SIGKILL);
}

static void test_build_leaves_nothing_when_killed(void **state)
{
    (void)state;
    char input[256], output[256];
    build_older(output, sizeof(output), input);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct build_options options = options_for(BUILD_DUMP, input, output);
        struct build_report report;
        options.rank = rank_that_is_killed;
        build_index(&options, &report, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    expect_older(output);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_build_refuses_bad_dumps),
        TEST(test_build_refuses_a_title_that_grows_too_long),
        TEST(test_build_refuses_bad_graphs),
        TEST(test_build_refuses_paths_it_cannot_use),
        TEST(test_build_keeps_the_older_index_when_it_fails),
        TEST(test_build_reports_a_full_disk),
        TEST(test_build_leaves_nothing_when_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
