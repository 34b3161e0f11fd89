/* SPDX-License-Identifier: MIT
 *
 * The bell's word and eventfd, step by step from one thread, and the spinner. That no wake-up is
 * lost between threads and processes is for ring_stress_test.c.
 */
#include "ipc/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static bool has_rung(const struct bell *bell)
{
    uint64_t count;
    ssize_t n = read(bell->eventfd, &count, sizeof count);
    assert_true(n == sizeof count || errno == EAGAIN);
    return n > 0;
}

static void test_bell_rings_only_for_a_sleeper(void **unused)
{
    (void)unused;
    struct bell_word word = {0};
    struct bell bell;
    assert_int_equal(bell_open(&bell, &word), 0);
    assert_true(fcntl(bell.eventfd, F_GETFD) & FD_CLOEXEC);
    assert_false(bell_ring(&bell));
    assert_false(has_rung(&bell));
    bell_sleep(&bell);
    assert_true(bell_ring(&bell));
    assert_false(bell_ring(&bell)); /* rung already */
    assert_true(has_rung(&bell));
    bell_sleep(&bell);
    bell_awake(&bell);
    bell_awake(&bell);
    assert_false(bell_ring(&bell));
    assert_false(has_rung(&bell));
    bell_close(&bell);
    bell_close(&bell); /* twice is harmless */
}

static void test_bell_ringer_held_up_does_not_silence_a_later_sleep(void **unused)
{
    (void)unused;
    struct bell_word word = {0};
    struct bell bell;
    assert_int_equal(bell_open(&bell, &word), 0);
    for (unsigned says_awake = 0; says_awake < 2; says_awake++) {
        bell_sleep(&bell);
        uint32_t seen = atomic_load(&word.asleep); /* a ringer is held up after its write */
        if (says_awake)
            bell_awake(&bell);
        bell_sleep(&bell);
        assert_false(atomic_compare_exchange_strong(&word.asleep, &seen, seen + 1));
        assert_true(bell_ring(&bell));
        assert_true(has_rung(&bell));
    }
    bell_close(&bell);
}

static void test_bell_of_a_dead_sleeper_is_taken_over_awake(void **unused)
{
    (void)unused;
    struct bell_word word = {0};
    struct bell dead, heir;
    assert_int_equal(bell_open(&dead, &word), 0);
    bell_sleep(&dead);
    assert_int_equal(bell_open(&heir, &word), 0);
    assert_false(bell_ring(&heir));
    bell_sleep(&heir);
    assert_true(bell_ring(&heir));
    assert_true(has_rung(&heir));
    assert_false(has_rung(&dead));
    bell_close(&dead);
    assert_false(bell_ring(&dead)); /* its descriptor is closed, the word says awake */
    bell_close(&heir);
}

static void test_bell_counts_through_its_wrap_around(void **unused)
{
    (void)unused;
    struct bell_word word = {.asleep = UINT32_MAX - 2};
    struct bell bell;
    assert_int_equal(bell_open(&bell, &word), 0);
    for (unsigned i = 0; i < 4; i++) {
        bell_sleep(&bell);
        assert_true(bell_ring(&bell));
        assert_true(has_rung(&bell));
        bell_awake(&bell);
        assert_false(bell_ring(&bell));
    }
    bell_close(&bell);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void test_bell_spinner_gives_up_soon(void **unused)
{
    (void)unused;
    struct spinner spinner = {.limit_ns = SPIN_BRIEFLY_NS};
    uint64_t start = now_ns();
    unsigned looks = 0;
    while (spinner_again(&spinner))
        looks++;
    assert_true(looks > 0);
    assert_true(looks < 1000);                             /* 10 us of yields */
    assert_true(now_ns() - start < UINT64_C(20000000000)); /* on whatever busy machine */
    assert_int_equal(spinner.started_ns, 0);
}

static void test_bell_spinner_stays_off_after_a_slow_yield(void **unused)
{
    (void)unused;
    struct spinner spinner = {.limit_ns = SPIN_BRIEFLY_NS, .off_until_ns = now_ns() + 1000000000};
    assert_false(spinner_again(&spinner));
    spinner_reset(&spinner);
    assert_false(spinner_again(&spinner));
    spinner.off_until_ns = now_ns();
    assert_true(spinner_again(&spinner));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bell_rings_only_for_a_sleeper),
        cmocka_unit_test(test_bell_ringer_held_up_does_not_silence_a_later_sleep),
        cmocka_unit_test(test_bell_of_a_dead_sleeper_is_taken_over_awake),
        cmocka_unit_test(test_bell_counts_through_its_wrap_around),
        cmocka_unit_test(test_bell_spinner_gives_up_soon),
        cmocka_unit_test(test_bell_spinner_stays_off_after_a_slow_yield),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
