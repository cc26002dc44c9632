/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ids and signals. An id names one object path, and the path leads back to it; a path that leads to
 * some id is the only one of that id. */

#include "base/errors.h"
#include "base/parse.h"
#include "bus/bus.h"
#include "bus/objects.h"
#include "fuzz.h"

#include <signal.h>
#include <string.h>

#define NAMES_PREFIX "/org/svcmgr1/service"
#define NAMES_MESSAGE_MAX_BYTES 256

/* By the words of the header, not by the code. */
static bool names_is_id(const char *string)
{
    static const char bytes[] =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:";
    size_t length = strlen(string);

    return length >= 1 && length <= 255 && strspn(string, bytes) == length && string[0] != '.' &&
           string[0] != '-';
}

static void names_check_id(const char *string)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *back = NULL;

    g_assert_cmpint(parse_id(string, &error), ==, names_is_id(string));
    if (error != NULL) {
        g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ID);
        fuzz_assert_line(error->message, NAMES_MESSAGE_MAX_BYTES);
        return;
    }
    g_autofree char *path = objects_path(string);
    g_assert_true(g_str_has_prefix(path, NAMES_PREFIX "/"));
    g_assert_true(sd_bus_object_path_is_valid(path));
    g_assert_cmpint(sd_bus_path_decode(path, NAMES_PREFIX, &back), >, 0);
    g_assert_cmpstr(back, ==, string);
}

/* As the daemon finds a service by the path of a call. */
static void names_check_path(const char *string)
{
    g_autofree char *path = g_strconcat(NAMES_PREFIX "/", string, NULL);
    g_autofree char *id = NULL;

    if (!sd_bus_object_path_is_valid(path) || sd_bus_path_decode(path, NAMES_PREFIX, &id) <= 0)
        return;
    g_assert_cmpuint(strlen(id), <=, strlen(string));
    if (!names_is_id(id))
        return;
    g_autofree char *of_id = objects_path(id);
    g_autofree char *again = NULL;
    g_assert_cmpint(sd_bus_path_decode(of_id, NAMES_PREFIX, &again), >, 0);
    g_assert_cmpstr(again, ==, id);
}

static void names_check_signal(const char *string)
{
    g_autoptr(GError) error = NULL;
    int signo = -7, again = 0;

    if (!parse_signal(string, &signo, &error)) {
        g_assert_cmpint(signo, ==, -7);
        g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ARGS);
        fuzz_assert_line(error->message, NAMES_MESSAGE_MAX_BYTES);
        return;
    }
    g_assert_cmpint(signo, >=, 1);
    g_assert_cmpint(signo, <=, SIGRTMAX);
    const char *name = signal_to_string(signo);
    g_assert_nonnull(name);
    g_assert_true(parse_signal(name, &again, NULL));
    g_assert_cmpint(again, ==, signo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *string = fuzz_string(data, size);

    names_check_id(string);
    names_check_path(string);
    names_check_signal(string);
    return 0;
}
