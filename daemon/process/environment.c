/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strings in the order of their first setting, and an index of names, so that an environment of
 * thousands of variables is put together in linear time. */

#include "process/environment.h"

#include "base/errors.h"
#include "base/fds.h"

#include <fcntl.h>
#include <string.h>

struct Environment {
    GPtrArray *strings; /* of "NAME=value" */
    GHashTable *places; /* name -> index + 1 */
};

Environment *environment_new(void)
{
    Environment *environment = g_new(Environment, 1);

    *environment = (Environment){
            .strings = g_ptr_array_new_with_free_func(g_free),
            .places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
    return environment;
}

void environment_free(Environment *environment)
{
    if (environment == NULL)
        return;
    g_ptr_array_unref(environment->strings);
    g_hash_table_unref(environment->places);
    g_free(environment);
}

bool environment_name_is_valid(const char *name, size_t length)
{
    if (length == 0 || g_ascii_isdigit(name[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isalnum(name[i]) && name[i] != '_')
            return false;
    }
    return true;
}

bool environment_name_is_reserved(const char *name)
{
    static const char *const reserved[] = {
            "INVOCATION_ID", "SVCMGR_ID",  "NOTIFY_SOCKET", "MAINPID",        "WATCHDOG_USEC",
            "WATCHDOG_PID",  "LISTEN_FDS", "LISTEN_PID",    "LISTEN_FDNAMES", NULL,
    };

    return g_strv_contains(reserved, name);
}

void environment_set(Environment *environment, const char *name, const char *value)
{
    char *string = g_strconcat(name, "=", value, NULL);
    size_t place = GPOINTER_TO_SIZE(g_hash_table_lookup(environment->places, name));

    if (place == 0) {
        g_ptr_array_add(environment->strings, string);
        g_hash_table_insert(environment->places, g_strdup(name),
                            GSIZE_TO_POINTER(environment->strings->len));
        return;
    }
    g_free(environment->strings->pdata[place - 1]);
    environment->strings->pdata[place - 1] = string;
}

const char *environment_get(const Environment *environment, const char *name)
{
    size_t place = GPOINTER_TO_SIZE(g_hash_table_lookup(environment->places, name));

    if (place == 0)
        return NULL;
    return strchr(environment->strings->pdata[place - 1], '=') + 1;
}

/* Blanks and one pair of quotes off; NULL for a quote without its partner. Changes value. */
static char *environment_unquote(char *value)
{
    g_strstrip(value);
    if (value[0] != '"' && value[0] != '\'')
        return value;

    size_t length = strlen(value);
    if (length < 2 || value[length - 1] != value[0])
        return NULL;
    value[length - 1] = '\0';
    return value + 1;
}

/* Errors travel to whoever asks the service for its state, while such a file is where secrets are
 * kept: none quotes what it says. */
static bool environment_read_line(char *line, Environment *environment, GError **error)
{
    g_strchug(line);
    if (line[0] == '\0' || line[0] == '#')
        return true;

    char *equals = strchr(line, '=');
    if (equals == NULL || !environment_name_is_valid(line, (size_t)(equals - line)))
        return error_set(error, ERROR_INVALID_CONFIG, "expected NAME=value");
    *equals = '\0';
    if (environment_name_is_reserved(line))
        return error_set(error, ERROR_INVALID_CONFIG, "the variable is set by the daemon itself");

    char *value = environment_unquote(equals + 1);
    if (value == NULL)
        return error_set(error, ERROR_INVALID_CONFIG, "expected a closing quote");
    environment_set(environment, line, value);
    return true;
}

bool environment_add_file(Environment *environment, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    size_t length;

    if (!file_read(AT_FDCWD, path, ENVIRONMENT_FILE_MAX_BYTES, &text, &length, error)) {
        g_prefix_error(error, "environment file: ");
        return false;
    }
    if (strlen(text) != length)
        return error_set(error, ERROR_INVALID_CONFIG, "environment file %s contains a NUL byte",
                         path);

    g_autoptr(Environment) read = environment_new();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i] != NULL; i++) {
        if (!environment_read_line(lines[i], read, error)) {
            g_prefix_error(error, "environment file %s, line %u: ", path, i + 1);
            return false;
        }
    }
    for (unsigned i = 0; i < read->strings->len; i++) {
        char *string = read->strings->pdata[i];
        g_autofree char *name = g_strndup(string, strcspn(string, "="));

        environment_set(environment, name, string + strlen(name) + 1);
    }
    return true;
}

char **environment_to_strv(Environment *environment)
{
    g_ptr_array_add(environment->strings, NULL);
    g_ptr_array_set_free_func(environment->strings, NULL);

    char **strings = (char **)g_ptr_array_free(g_steal_pointer(&environment->strings), FALSE);
    g_hash_table_unref(environment->places);
    g_free(environment);
    return strings;
}
