/* SPDX-License-Identifier: MIT */
#include "ipc/socket_path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int reset(void **state)
{
    (void)state;
    unsetenv("FORKLORE_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
    return 0;
}

static void expect(const char *option, const char *expected)
{
    char path[SOCKET_PATH_BYTES];
    struct fault why = {""};
    assert_int_equal(socket_path(option, path, &why), 0);
    assert_string_equal(path, expected);
}

static void test_socket_path_order_of_sources(void **state)
{
    (void)state;
    char last[64];
    snprintf(last, sizeof last, "/tmp/forklore-%lu.sock", (unsigned long)getuid());
    expect(NULL, last);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    expect(NULL, "/run/user/7/forklore.sock");
    setenv("FORKLORE_SOCKET", "/a/b", 1);
    expect(NULL, "/a/b");
    expect("relative", "relative");
}

static void test_socket_path_empty_variables_are_unset(void **state)
{
    (void)state;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("FORKLORE_SOCKET", "", 1);
    expect(NULL, "/run/user/7/forklore.sock");
}

static void test_socket_path_empty_option(void **state)
{
    (void)state;
    char path[SOCKET_PATH_BYTES];
    struct fault why = {""};
    assert_int_equal(socket_path("", path, &why), -EINVAL);
    assert_non_null(strstr(why.text, "empty"));
}

static void test_socket_path_length(void **state)
{
    (void)state;
    char path[SOCKET_PATH_BYTES], longest[SOCKET_PATH_BYTES], too_long[SOCKET_PATH_BYTES + 1];
    struct fault why = {""};
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    expect(longest, longest);
    assert_int_equal(socket_path(too_long, path, &why), -ENAMETOOLONG);
    assert_non_null(strstr(why.text, too_long));
    assert_non_null(strstr(why.text, "108 bytes, at most 107"));
    /* The folder fits, with the file's name behind it it does not. */
    setenv("XDG_RUNTIME_DIR", longest + 5, 1);
    assert_int_equal(socket_path(NULL, path, &why), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_socket_path_order_of_sources, reset),
        cmocka_unit_test_setup(test_socket_path_empty_variables_are_unset, reset),
        cmocka_unit_test_setup(test_socket_path_empty_option, reset),
        cmocka_unit_test_setup(test_socket_path_length, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
