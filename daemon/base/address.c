/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A byte that needs no escape may have one, so that in doubt a byte is escaped. */

#include "base/address.h"

#include <glib.h>
#include <string.h>

char *address_escape(const char *value)
{
    GString *escaped = g_string_new(NULL);

    for (; *value != '\0'; value++) {
        if (g_ascii_isalnum(*value) || strchr("-_/.\\*", *value) != NULL)
            g_string_append_c(escaped, *value);
        else
            g_string_append_printf(escaped, "%%%02x", (unsigned char)*value);
    }
    return g_string_free(escaped, FALSE);
}
