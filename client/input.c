/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What no message can carry is refused here; everything else is the daemon's to judge. */

#include "input.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Whole standard input, but not more than a configuration may have. */
static bool input_read_stdin(char **ret_text, GError **error)
{
    GString *text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0 && text->len <= JSON_MAX_BYTES)
        g_string_append_len(text, buffer, n);
    if (n < 0)
        (void)error_set_errno(error, errno, "standard input");
    else if (text->len > JSON_MAX_BYTES)
        (void)error_set(error, ERROR_LIMIT_EXCEEDED, "standard input: more than %d bytes",
                        JSON_MAX_BYTES);
    else {
        *ret_text = g_string_free(text, FALSE);
        return true;
    }
    g_string_free(text, TRUE);
    return false;
}

Outcome input_read(const char *what, const char *file, char **ret_text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    size_t length = 0;
    bool is_stdin = g_str_equal(file, "-");
    bool ok = is_stdin ? input_read_stdin(&text, &error)
                       : file_read(AT_FDCWD, file, JSON_MAX_BYTES, &text, &length, &error);

    if (ok && !is_stdin && strlen(text) != length)
        ok = error_set(&error, ERROR_FAILED, "%s: holds a NUL byte", file);
    if (ok && !g_utf8_validate(text, -1, NULL))
        ok = error_set(&error, ERROR_FAILED, "%s: is not UTF-8",
                       is_stdin ? "standard input" : file);
    if (!ok)
        return client_fail(OUTCOME_FAILED, "cannot read the %s: %s", what, error->message);
    *ret_text = g_steal_pointer(&text);
    return OUTCOME_DONE;
}
