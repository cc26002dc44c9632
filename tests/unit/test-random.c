/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The seeded sequence is fixed for ever (seeds are printed in failing runs), ids have the layout of
 * RFC 4122. */

#include "base/random.h"

#include <glib.h>
#include <string.h>

static void test_random_seeded(void)
{
    /* The published test vector of splitmix64 for seed 1234567. */
    static const uint64_t expected[] = {
            UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),
            UINT64_C(9817491932198370423),  UINT64_C(4593380528125082431),
            UINT64_C(16408922859458223821),
    };
    RandomSeeded seeded;

    random_seeded_init(&seeded, 1234567);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpuint(random_next(&seeded.random), ==, expected[i]);
}

static void test_random_system(void)
{
    Random *random = random_system();
    uint64_t all_and = UINT64_MAX, all_or = 0;

    g_assert_true(random == random_system());
    for (unsigned i = 0; i < 256; i++) {
        uint64_t value = random_next(random);

        all_and &= value;
        all_or |= value;
    }
    /* Every bit was seen as 0 and as 1: fails by chance once in 2^249 runs. */
    g_assert_cmpuint(all_and, ==, 0);
    g_assert_cmpuint(all_or, ==, UINT64_MAX);
}

static void test_random_ids(void)
{
    RandomSeeded seeded;

    random_seeded_init(&seeded, 42);
    for (unsigned i = 0; i < 1000; i++) {
        RandomSeeded twin = seeded;
        g_autofree char *id = random_id128(&seeded.random);
        g_autofree char *uuid = random_uuid(&twin.random);
        g_auto(GStrv) groups = g_strsplit(uuid, "-", -1);
        g_autofree char *joined = g_strjoinv("", groups);

        g_assert_cmpuint(strlen(id), ==, 32);
        g_assert_cmpuint(strspn(id, "0123456789abcdef"), ==, 32);
        g_assert_cmpint(id[12], ==, '4');
        g_assert_nonnull(strchr("89ab", id[16]));
        g_assert_cmpstr(joined, ==, id);
        g_assert_true(g_uuid_string_is_valid(uuid));
    }
}

static void test_random_ids_differ(void)
{
    g_autofree char *a = random_id128(random_system());
    g_autofree char *b = random_id128(random_system());

    g_assert_cmpstr(a, !=, b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/random/seeded", test_random_seeded);
    g_test_add_func("/random/system", test_random_system);
    g_test_add_func("/random/ids", test_random_ids);
    g_test_add_func("/random/ids-differ", test_random_ids_differ);
    return g_test_run();
}
