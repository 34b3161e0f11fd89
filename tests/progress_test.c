/* SPDX-License-Identifier: MIT
 *
 * What the progress of a long task looks like on a terminal, in a log, and when nobody asked.
 */
#include "coordinator/build/human.h"
#include "coordinator/build/progress.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

/* As if it had begun so much earlier. */
static void let_pass(struct progress *progress, uint64_t ns)
{
    progress->start_ns -= ns;
    progress->next_ns -= ns;
}

/* Runs a short task of which half is done after 120 ms. False if the machine was so busy that other
 * moments than that have passed, too. */
static bool run_task(FILE *out, bool quiet)
{
    uint64_t since_ns = now_ns();
    struct progress progress = {.out = out, .quiet = quiet};
    progress_begin(&progress, "read", PROGRESS_BYTES);
    progress_step(&progress, 1, 1000000, "%u pages", 1);
    let_pass(&progress, 120 * MS);
    progress_step(&progress, 500000, 1000000, "%u pages", 1234);
    progress_step(&progress, 500001, 1000000, "%u pages", 5678);
    progress_end(&progress, "%u pages", 9999);
    return now_ns() - since_ns < 80 * MS;
}

/* A terminal passes on what was written to it piece by piece and in its own time. */
static void read_until(int terminal, const char *end, char *seen, size_t capacity)
{
    size_t length = 0;
    do {
        struct pollfd readable = {.fd = terminal, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, 120000), 1);
        ssize_t got = read(terminal, seen + length, capacity - 1 - length);
        assert_true(got > 0);
        length += (size_t)got;
        seen[length] = '\0';
    } while (!strstr(seen, end));
}

static void test_progress_draws_a_bar_on_a_terminal(void **state)
{
    (void)state;
    int master, slave;
    setenv("TERM", "xterm", 1);
    char seen[1024];
    FILE *out;
    for (bool undisturbed = false; !undisturbed;) {
        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
        out = fdopen(slave, "w");
        undisturbed = run_task(out, false);
        read_until(master, "\n", seen, sizeof(seen));
        if (!undisturbed) {
            fclose(out);
            close(master);
        }
    }
    assert_non_null(strstr(seen, "\rread     [############............]  50 %  1234 pages  "));
    assert_non_null(strstr(seen, " MB/s  0:00 left"));
    assert_null(strstr(seen, "5678"));  /* too soon after the last one */
    assert_null(strstr(seen, "] 0 %")); /* nothing in the first moment */
    assert_non_null(strstr(seen, "\r\033[Kread     9999 pages, 0."));
    fclose(out);
    close(master);
}

static void test_progress_clears_the_bar_for_an_error(void **state)
{
    (void)state;
    int master, slave;
    setenv("TERM", "xterm", 1);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct progress progress = {.out = fdopen(slave, "w")};
    progress_begin(&progress, "rank", PROGRESS_COUNT);
    let_pass(&progress, 120 * MS);
    progress_step(&progress, 7, 0, "iteration %u", 7);
    progress_abandon(&progress);
    progress_abandon(&progress);
    char seen[1024];
    read_until(master, "\033[K\r\033[K", seen, sizeof(seen));
    assert_string_equal(seen, "\rrank     [........................] iteration 7\033[K\r\033[K");
    fclose(progress.out);
    close(master);
}

static char *task_in_a_file(bool quiet)
{
    char *text = calloc(1, 1024);
    FILE *out = tmpfile();
    assert_non_null(out);
    while (!run_task(out, quiet)) {
        rewind(out);
        assert_int_equal(ftruncate(fileno(out), 0), 0);
    }
    rewind(out);
    assert_true(fread(text, 1, 1023, out) < 1023);
    fclose(out);
    return text;
}

static void test_progress_prints_plain_lines_elsewhere(void **state)
{
    (void)state;
    char *text = task_in_a_file(false);
    assert_null(strchr(text, '\r'));
    assert_null(strchr(text, '\033'));
    assert_memory_equal(text, "read     9999 pages, 0.", 23); /* a short task has no other line */
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
}

static void test_progress_says_nothing_if_quiet(void **state)
{
    (void)state;
    char *text = task_in_a_file(true);
    assert_string_equal(text, "");
    free(text);
}

static void test_human_numbers(void **state)
{
    (void)state;
    assert_string_equal(human_count(0).text, "0");
    assert_string_equal(human_count(999).text, "999");
    assert_string_equal(human_count(1000).text, "1,000");
    assert_string_equal(human_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
    assert_string_equal(human_bytes(1023).text, "1023 B");
    assert_string_equal(human_bytes(1024).text, "1.0 KiB");
    assert_string_equal(human_bytes((1 << 20) - 1).text, "1.0 MiB");
    assert_string_equal(human_bytes(UINT64_MAX).text, "16.0 EiB");
    assert_string_equal(human_time(-1).text, "0:00");
    assert_string_equal(human_time(75.4).text, "1:15");
    assert_string_equal(human_time(3725).text, "1:02:05");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_draws_a_bar_on_a_terminal),
        cmocka_unit_test(test_progress_clears_the_bar_for_an_error),
        cmocka_unit_test(test_progress_prints_plain_lines_elsewhere),
        cmocka_unit_test(test_progress_says_nothing_if_quiet),
        cmocka_unit_test(test_human_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
