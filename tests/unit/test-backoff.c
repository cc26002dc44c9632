/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/backoff.h"

#include "base/clock.h"

#include <glib.h>

static void test_defaults(void)
{
    RandomSeeded random;
    random_seeded_init(&random, 1);
    static const uint64_t expected[] = {500000, 750000, 1125000, 1687500};
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpuint(backoff_delay_usec(&backoff_default, i + 1, &random.random), ==,
                         expected[i]);
    g_assert_cmpuint(backoff_delay_usec(&backoff_default, 12, &random.random), ==,
                     30 * USEC_PER_SEC);
    g_assert_cmpuint(backoff_delay_usec(&backoff_default, UINT32_MAX, &random.random), ==,
                     30 * USEC_PER_SEC);
}

static void test_clamped(void)
{
    RandomSeeded random;
    random_seeded_init(&random, 1);
    Backoff backoff = {.initial_usec = 10, .factor = 2, .min_usec = 35, .max_usec = 50};
    static const uint64_t expected[] = {35, 35, 40, 50, 50};
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpuint(backoff_delay_usec(&backoff, i + 1, &random.random), ==, expected[i]);
    Backoff none = {.factor = 1.5, .max_usec = 30 * USEC_PER_SEC};
    g_assert_cmpuint(backoff_delay_usec(&none, 1000, &random.random), ==, 0);
    g_assert_cmpuint(backoff_delay_usec(&none, UINT_MAX, &random.random), ==, 0);
    none.min_usec = 7;
    g_assert_cmpuint(backoff_delay_usec(&none, UINT_MAX, &random.random), ==, 7);
}

static void test_jitter(void)
{
    RandomSeeded random;
    uint64_t least, most, lowest = UINT64_MAX, highest = 0;
    Backoff backoff = {.initial_usec = 1000000,
                       .factor = 1,
                       .min_usec = 0,
                       .max_usec = 1100000,
                       .jitter = 0.5};
    random_seeded_init(&random, 42);
    backoff_bounds_usec(&backoff, 1, &least, &most);
    g_assert_cmpuint(least, ==, 500000);
    g_assert_cmpuint(most, ==, 1100000);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t delay = backoff_delay_usec(&backoff, 1, &random.random);
        g_assert_cmpuint(delay, >=, least);
        g_assert_cmpuint(delay, <=, most);
        lowest = MIN(lowest, delay);
        highest = MAX(highest, delay);
    }
    g_assert_cmpuint(lowest, <, 520000);
    g_assert_cmpuint(highest, >, 1080000);
}

/* The 1st, the 5th, then every 20th. */
static void test_logged(void)
{
    for (unsigned attempt = 1; attempt <= 100; attempt++) {
        bool expected = attempt == 1 || attempt == 5 || attempt == 25 || attempt == 45 ||
                        attempt == 65 || attempt == 85;
        g_assert_cmpint(backoff_attempt_is_logged(attempt), ==, expected);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backoff/defaults", test_defaults);
    g_test_add_func("/backoff/clamped", test_clamped);
    g_test_add_func("/backoff/jitter", test_jitter);
    g_test_add_func("/backoff/logged-attempts", test_logged);
    return g_test_run();
}
