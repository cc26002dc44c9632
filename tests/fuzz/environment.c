/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Environment files. What was read is written anew, with every value in quotes, and must be the
 * same again. An error must not quote the file, which is where secrets are kept: its words are
 * ours. */

#include "process/environment.h"

#include "base/errors.h"
#include "fuzz.h"

#include <string.h>

#define ENVIRONMENT_ERROR_MAX_BYTES 4096

static void environment_assert_error(const char *path, const GError *error)
{
    static const char *const causes[] = {"expected NAME=value", "expected a closing quote",
                                         "contains a NUL byte", "is larger than"};
    bool is_known = false;

    g_assert_nonnull(error);
    fuzz_assert_line(error->message, ENVIRONMENT_ERROR_MAX_BYTES);
    g_assert_nonnull(strstr(error->message, path));
    for (size_t i = 0; i < G_N_ELEMENTS(causes); i++)
        is_known = is_known || strstr(error->message, causes[i]) != NULL;
    g_assert_true(is_known);
}

static char *environment_print(char **strings)
{
    GString *text = g_string_new("# written anew\n\n");

    for (; *strings != NULL; strings++) {
        size_t length = strcspn(*strings, "=");

        g_assert_cmpint((*strings)[length], ==, '=');
        g_assert_true(environment_name_is_valid(*strings, length));
        g_assert_null(strchr(*strings, '\n'));
        g_string_append_printf(text, " %.*s= '%s' \n", (int)length, *strings,
                               *strings + length + 1);
    }
    return g_string_free(text, FALSE);
}

/* NULL if it was refused; nothing is set then. */
static char **environment_read(const char *name, const void *data, size_t size)
{
    const char *path = fuzz_write_file(name, data, size);
    Environment *environment = environment_new();
    g_autoptr(GError) error = NULL;

    if (environment_add_file(environment, path, &error))
        return environment_to_strv(environment);
    environment_assert_error(path, error);
    g_auto(GStrv) nothing = environment_to_strv(environment);
    g_assert_cmpuint(g_strv_length(nothing), ==, 0);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_auto(GStrv) strings = environment_read("first", data, size);

    if (strings == NULL)
        return 0;
    g_autofree char *text = environment_print(strings);
    if (strlen(text) > ENVIRONMENT_FILE_MAX_BYTES)
        return 0;
    g_auto(GStrv) again = environment_read("again", text, strlen(text));
    g_assert_nonnull(again);
    g_assert_true(g_strv_equal((const char *const *)strings, (const char *const *)again));
    return 0;
}
