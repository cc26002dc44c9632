/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: options that all commands have in common may stand before the command or after
 * it; everything else belongs to the command's row in its family's table. */

#include "base/clock.h"
#include "base/parse.h"
#include "command.h"
#include "connect.h"
#include "help.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static ClientOptions main_options;

const GOptionEntry global_options[] = {
        {"system", 0, 0, G_OPTION_ARG_NONE, &main_options.system,
         "svcmgrd on the system bus (default for root)", NULL},
        {"user", 0, 0, G_OPTION_ARG_NONE, &main_options.user,
         "svcmgrd on the session bus (default otherwise)", NULL},
        {"address", 0, 0, G_OPTION_ARG_STRING, &main_options.address,
         "svcmgrd on this bus, or behind this socket", "ADDRESS|PATH"},
        {"json", 0, 0, G_OPTION_ARG_STRING, &main_options.json, "Print JSON", "pretty|short|lines"},
        {"no-color", 0, 0, G_OPTION_ARG_NONE, &main_options.no_color, "No colours (also: NO_COLOR)",
         NULL},
        {"no-ask-password", 0, 0, G_OPTION_ARG_NONE, &main_options.no_ask_password,
         "Let nobody be asked for a password", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &main_options.quiet,
         "Say nothing about what went well; no headings", NULL},
        {"timeout", 0, 0, G_OPTION_ARG_STRING, &main_options.timeout,
         "How long to wait, e.g. 30s (default: no end)", "TIME"},
        {"no-wait", 0, 0, G_OPTION_ARG_NONE, &main_options.no_wait,
         "Do not wait for what comes of it", NULL},
        {"strict", 0, 0, G_OPTION_ARG_NONE, &main_options.strict,
         "What is done already is an error", NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &main_options.help, "Show this help", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &main_options.version, "Show the version", NULL},
        {NULL},
};

const CommandFamily command_families[] = {
        {"Look", look_commands},     {"Relations", depend_commands},
        {"Act", act_commands},       {"Define", define_commands},
        {"Follow", follow_commands}, {"Ask", ask_commands},
        {"Daemon", daemon_commands}, {NULL},
};

const Command *command_find(const char *name)
{
    for (const CommandFamily *family = command_families; family->title != NULL; family++) {
        for (const Command *command = family->commands; command->name != NULL; command++) {
            if (g_str_equal(command->name, name))
                return command;
        }
    }
    return NULL;
}

/* Takes the options out of *arguments; of_command: those of a command, besides the common ones. */
static bool main_parse(const GOptionEntry *of_command, bool stop_at_command, char ***arguments,
                       GError **error)
{
    GOptionContext *context = g_option_context_new(NULL);

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, stop_at_command);
    g_option_context_add_main_entries(context, global_options, NULL);
    if (of_command != NULL)
        g_option_context_add_main_entries(context, of_command, NULL);
    bool ok = g_option_context_parse_strv(context, arguments, error);
    g_option_context_free(context);
    return ok;
}

/* The options that make no sense together, or have no such value. */
static Outcome main_check(Client *client, JsonMode *ret_json)
{
    const ClientOptions *options = &client->options;
    g_autoptr(GError) error = NULL;
    unsigned n_ways = (options->system != 0) + (options->user != 0) + (options->address != NULL);

    if (n_ways > 1)
        return client_fail(OUTCOME_USAGE, "only one of --system, --user and --address");
    if (options->json != NULL) {
        *ret_json = json_mode_from_string(options->json);
        if (*ret_json == _JSON_MODE_INVALID)
            return client_fail(OUTCOME_USAGE, "--json must be pretty, short or lines, not '%s'",
                               options->json);
    }
    if (options->timeout != NULL &&
        !parse_duration(options->timeout, &client->timeout_usec, &error))
        return client_fail(OUTCOME_USAGE, "--timeout: %s", error->message);
    if (client->timeout_usec == 0)
        return client_fail(OUTCOME_USAGE, "--timeout must be more than 0 (see: --no-wait)");
    return OUTCOME_DONE;
}

static Outcome main_check_count(const Command *command, char **arguments)
{
    unsigned n = g_strv_length(arguments);

    if (n >= command->min_arguments && n <= command->max_arguments)
        return OUTCOME_DONE;
    return client_fail(OUTCOME_USAGE, "%s: too %s arguments; usage: svcmgr %s%s%s", command->name,
                       n < command->min_arguments ? "few" : "many", command->name,
                       command->arguments[0] != '\0' ? " " : "", command->arguments);
}

static Outcome main_run(Client *client, const Command *command, char **arguments)
{
    JsonMode json = JSON_MODE_NONE;
    Outcome outcome;

    client->options = main_options;
    outcome = main_check(client, &json);
    if (outcome == OUTCOME_DONE)
        outcome = main_check_count(command, arguments);
    if (outcome != OUTCOME_DONE)
        return outcome;
    output_init(&client->output, json, client->options.no_color, client->options.quiet);
    outcome = command->run(client, arguments);
    if (client->bus != NULL)
        connect_close(client);
    output_done(&client->output);
    return outcome;
}

static Outcome main_unknown(const char *name)
{
    const char *guess = help_guess(name);

    if (guess != NULL)
        return client_fail(OUTCOME_USAGE, "unknown command '%s'; did you mean '%s'?", name, guess);
    return client_fail(OUTCOME_USAGE, "unknown command '%s' (see: svcmgr help)", name);
}

/* arguments: without the program; argv[0] of each parse is the word before. */
static Outcome main_dispatch(Client *client, char ***arguments)
{
    g_autoptr(GError) error = NULL;

    if (!main_parse(NULL, true, arguments, &error))
        return client_fail(OUTCOME_USAGE, "%s (see: svcmgr help)", error->message);
    const char *name = (*arguments)[1];
    if (main_options.version) {
        puts("svcmgr " SVCMGR_VERSION);
        return OUTCOME_DONE;
    }
    if (name == NULL && main_options.help) {
        help_print_all();
        return OUTCOME_DONE;
    }
    if (name == NULL)
        return client_fail(OUTCOME_USAGE, "name a command, e.g. svcmgr list (see: svcmgr help)");
    const Command *command = command_find(name);
    if (command == NULL)
        return main_unknown(name);

    g_auto(GStrv) rest = g_strdupv(*arguments + 1);
    if (!main_parse(command->options, false, &rest, &error))
        return client_fail(OUTCOME_USAGE, "%s: %s (see: svcmgr help %s)", name, error->message,
                           name);
    if (main_options.help) {
        help_print_command(command);
        return OUTCOME_DONE;
    }
    /* GOption leaves a "--" there if something with a dash follows it. */
    unsigned skip = rest[0] != NULL && rest[1] != NULL && g_str_equal(rest[1], "--") ? 2 : 1;
    return main_run(client, command, rest + skip);
}

int main(int argc, char **argv)
{
    g_auto(GStrv) arguments = g_strdupv(argv);
    Client client = {.timeout_usec = USEC_INFINITY};

    (void)setlocale(LC_CTYPE, ""); /* without one: ASCII */
    for (int i = 1; i < argc; i++) {
        if (!g_utf8_validate(argv[i], -1, NULL))
            return (int)client_fail(OUTCOME_USAGE, "argument %d is not UTF-8", i);
    }
    Outcome outcome = main_dispatch(&client, &arguments);
    if (!output_flush())
        outcome = outcome_join(outcome,
                               client_fail(OUTCOME_FAILED, "cannot write: %s", g_strerror(errno)));
    return (int)outcome;
}
