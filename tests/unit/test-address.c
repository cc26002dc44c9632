/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a value looks like in a D-Bus address. */

#include "base/address.h"

#include <glib.h>

static void test_address_escape(void)
{
    static const struct {
        const char *value;
        const char *escaped;
    } cases[] = {
            {"", ""},
            {"/run/svcmgr/private", "/run/svcmgr/private"},
            {"-_/.\\*azAZ09", "-_/.\\*azAZ09"},
            {"a b,c;d=e:f%g", "a%20b%2cc%3bd%3de%3af%25g"},
            {"gr\xc3\xb6\xc3\x9f"
             "e",
             "gr%c3%b6%c3%9fe"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *escaped = address_escape(cases[i].value);

        g_assert_cmpstr(escaped, ==, cases[i].escaped);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address/escape", test_address_escape);
    return g_test_run();
}
