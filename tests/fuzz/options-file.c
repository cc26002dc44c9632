/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The config file of the daemon. What is accepted is printed as a config file that means the same;
 * what is refused is told with the file's name, in bounded and harmless words. */

#include "base/json.h"
#include "fuzz.h"
#include "run/options.h"

#include <string.h>

#define OPTIONS_FUZZ_ERROR_MAX_BYTES (8 * 1024)

static void options_fuzz_set_environment(void)
{
    g_setenv("HOME", fuzz_directory(), TRUE);
    g_setenv("XDG_RUNTIME_DIR", fuzz_directory(), TRUE);
    g_setenv("CONFIGURATION_DIRECTORY", fuzz_directory(), TRUE);
}

/* The errors. */
static GPtrArray *options_fuzz_read(Options *options)
{
    GPtrArray *errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    g_option_group_unref(options_group(options));
    options_validate(options, errors);
    return errors;
}

static json_t *options_fuzz_print(const Options *options)
{
    g_autofree char *text = options_to_json(options);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    g_assert_nonnull(document);
    g_assert_cmpint(json_object_del(document, JSON_COMMENT), ==, 0);
    return document;
}

static void options_fuzz_assert_error(const Options *options, const GError *error)
{
    fuzz_assert_line(error->message, OPTIONS_FUZZ_ERROR_MAX_BYTES);
    g_assert_true(g_str_has_prefix(error->message, options->config));
}

static void options_fuzz_assert_again(const Options *options)
{
    json_t *first = options_fuzz_print(options);
    g_autofree char *text = options_to_json(options);
    Options again = {0};

    (void)fuzz_write_file("svcmgrd.json", text, strlen(text));
    g_autoptr(GPtrArray) errors = options_fuzz_read(&again);
    json_t *second = options_fuzz_print(&again);

    g_assert_cmpuint(errors->len, ==, 0);
    g_assert_true(json_equal(first, second));
    g_assert_cmpstrv(options->services_dirs, again.services_dirs);
    json_decref(first);
    json_decref(second);
    options_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Options options = {0};

    options_fuzz_set_environment();
    (void)fuzz_write_file("svcmgrd.json", data, size);
    g_autoptr(GPtrArray) errors = options_fuzz_read(&options);
    for (unsigned i = 0; i < errors->len; i++)
        options_fuzz_assert_error(&options, g_ptr_array_index(errors, i));
    if (errors->len == 0)
        options_fuzz_assert_again(&options);
    options_done(&options);
    return 0;
}
