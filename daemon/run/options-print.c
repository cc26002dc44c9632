/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The effective configuration as a config file. What is only looked for by default stands in the
 * comment alone: as a member it would have to exist. */

#include "run/options-internal.h"

/* 1.1 is printed as 1.1: with all digits that a double has it would not be. */
#define OPTIONS_REAL_DIGITS 15

static const char *const option_source_names[_OPTION_SOURCE_MAX] = {
        [OPTION_SOURCE_DEFAULT] = "default",
        [OPTION_SOURCE_FILE] = "file",
        [OPTION_SOURCE_ENVIRONMENT] = "environment",
        [OPTION_SOURCE_COMMAND_LINE] = "command line",
};

/* "command line", "file /etc/svcmgr/svcmgrd.json" */
static char *options_describe_source(const Options *options, OptionSource source)
{
    if (source == OPTION_SOURCE_FILE)
        return g_strdup_printf("file %s", options->config);
    return g_strdup(option_source_names[source]);
}

/* value: shown below the source where it is no member; or NULL. */
static void options_comment(const Options *options, const OptionEntry *entry, json_t *value,
                            json_t *comment)
{
    g_autofree char *member = option_member(entry);
    g_autofree char *source = options_describe_source(options, *options_source(options, entry));
    json_t *said = value != NULL ? json_object() : json_string(source);

    if (value != NULL)
        g_assert(json_object_set(said, source, value) == 0);
    g_assert(json_object_set_new(comment, member, said) == 0);
}

static void options_print_entry(const Options *options, const OptionEntry *entry, json_t *document,
                                json_t *comment)
{
    g_autofree char *member = option_member(entry);
    OptionSource source = *options_source(options, entry);
    bool is_member =
            (entry->flags & OPTION_IN_FILE) != 0 &&
            (source != OPTION_SOURCE_DEFAULT || (entry->flags & OPTION_MAY_BE_MISSING) == 0);
    json_t *value = option_to_json(entry, options_field(options, entry));

    if (value == NULL)
        return;
    options_comment(options, entry, is_member ? NULL : value, comment);
    if (is_member)
        g_assert(json_object_set(document, member, value) == 0);
    json_decref(value);
}

char *options_to_json(const Options *options)
{
    json_t *document = json_object();
    json_t *comment = json_object();

    g_assert(json_object_set(document, JSON_COMMENT, comment) == 0);
    for (const OptionEntry *entry = options_table; entry->name != NULL; entry++) {
        if ((entry->flags & (OPTION_IN_ENVIRONMENT | OPTION_IN_FILE)) != 0)
            options_print_entry(options, entry, document, comment);
    }

    g_autofree char *text =
            json_dumps(document, JSON_INDENT(4) | JSON_REAL_PRECISION(OPTIONS_REAL_DIGITS));
    json_decref(comment);
    json_decref(document);
    return g_strconcat(text, "\n", NULL);
}
