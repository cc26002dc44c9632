/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing here knows a command: what can be said of one is in its row. */

#include "help.h"

#include <stdio.h>
#include <string.h>

#define HELP_NAME_WIDTH 29

static void help_print_entry(const char *name, const char *text)
{
    if (strlen(name) > HELP_NAME_WIDTH)
        printf("  %s\n  %*s  %s\n", name, HELP_NAME_WIDTH, "", text);
    else
        printf("  %-*s  %s\n", HELP_NAME_WIDTH, name, text);
}

static void help_print_options(const GOptionEntry *options)
{
    for (; options->long_name != NULL; options++) {
        g_autofree char *letter = options->short_name != '\0'
                                          ? g_strdup_printf("-%c, ", options->short_name)
                                          : g_strdup("    ");
        const char *argument = options->arg_description;
        g_autofree char *name =
                g_strdup_printf("%s--%s%s%s", letter, options->long_name,
                                argument != NULL ? "=" : "", argument != NULL ? argument : "");
        help_print_entry(name, options->description);
    }
}

void help_print_all(void)
{
    printf("Usage: svcmgr [OPTION...] COMMAND [ARGUMENT...]\n\n"
           "Looks at the services of svcmgrd, and acts on them.\n");
    for (const CommandFamily *family = command_families; family->title != NULL; family++) {
        printf("\n%s:\n", family->title);
        for (const Command *command = family->commands; command->name != NULL; command++) {
            g_autofree char *name = g_strdup_printf("%s %s", command->name, command->arguments);
            help_print_entry(name, command->summary);
        }
    }
    printf("\nOptions:\n");
    help_print_options(global_options);
    printf("\nExit status: 0 done, 1 failed, 2 usage, 3 not active, 4 no such service,\n"
           "             5 not authorised, 6 timed out, 7 no daemon\n");
}

void help_print_command(const Command *command)
{
    printf("Usage: svcmgr [OPTION...] %s%s%s\n\n%s.\n", command->name,
           command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
    if (command->details != NULL)
        printf("%s\n", command->details);
    if (command->options != NULL) {
        printf("\nOptions:\n");
        help_print_options(command->options);
    }
    printf("\nOptions of every command: svcmgr help\n\nExample:\n  %s\n", command->example);
}

/* The number of letters to insert, to remove or to change (Levenshtein). */
static unsigned help_distance(const char *a, const char *b)
{
    size_t length = strlen(b);
    g_autofree unsigned *row = g_new0(unsigned, length + 1);

    for (size_t k = 0; k <= length; k++)
        row[k] = (unsigned)k;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t k = 1; k <= length; k++) {
            unsigned change = diagonal + (a[i] != b[k - 1]);

            diagonal = row[k];
            row[k] = MIN(change, MIN(row[k], row[k - 1]) + 1);
        }
    }
    return row[length];
}

const char *help_guess(const char *name)
{
    const char *nearest = NULL;
    unsigned least = 3; /* more mistakes than two are no mistyping */

    if (strlen(name) < 3 || strlen(name) > 32)
        return NULL;
    for (const CommandFamily *family = command_families; family->title != NULL; family++) {
        for (const Command *command = family->commands; command->name != NULL; command++) {
            unsigned distance = help_distance(name, command->name);
            if (distance < least) {
                least = distance;
                nearest = command->name;
            }
        }
    }
    return nearest;
}

Outcome help_run(Client *client, char **arguments)
{
    if (arguments[0] == NULL) {
        help_print_all();
        return OUTCOME_DONE;
    }
    const Command *command = command_find(arguments[0]);
    if (command == NULL)
        return client_fail(OUTCOME_USAGE, "no command '%s' (see: svcmgr help)", arguments[0]);
    help_print_command(command);
    return OUTCOME_DONE;
}
