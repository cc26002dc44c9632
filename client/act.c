/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that act on services: start, stop, restart, reload, enable, disable, signal,
 * reset-failed. */

#include "base/parse.h"
#include "call.h"
#include "command.h"
#include "each.h"
#include "enable.h"
#include "operate.h"
#include "together.h"

static const Operation act_operation_start = {
        .verb = "start",
        .member = "Start",
        .plan = "StartServices",
        .until = "settled",
        .goals = {"active"},
        .shows_output = true,
        .already_error = "org.svcmgr1.Error.AlreadyStarted",
};

static const Operation act_operation_stop = {
        .verb = "stop",
        .member = "Stop",
        .plan = "StopServices",
        .until = "inactive",
        .goals = {"inactive"},
        .already_error = "org.svcmgr1.Error.AlreadyStopped",
        .already = "stopped",
        .joins_error = "org.svcmgr1.Error.Busy",
};

static TogetherOptions act_together;

static const GOptionEntry act_start_options[] = {
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &act_together.dry_run,
         "Start nothing, tell what would be, in order", NULL},
        {"atomic", 0, 0, G_OPTION_ARG_NONE, &act_together.atomic,
         "All or none: if one fails, stop them again", NULL},
        {"ordered", 0, 0, G_OPTION_ARG_NONE, &act_together.ordered,
         "The same, each after the one before it", NULL},
        {NULL},
};

static const GOptionEntry act_stop_options[] = {
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &act_together.dry_run,
         "Stop nothing, tell what would be, in order", NULL},
        {"ordered", 0, 0, G_OPTION_ARG_NONE, &act_together.ordered,
         "From the last to the first, one by one", NULL},
        {NULL},
};

static Outcome act_run(Client *client, const Operation *operation, const TogetherWay *way,
                       char **arguments)
{
    if (!act_together.dry_run && !act_together.atomic && !act_together.ordered)
        return operate(client, operation, arguments);
    return together_run(client, way, &act_together, arguments);
}

static Outcome act_start(Client *client, char **arguments)
{
    static const TogetherWay way = {"start", "StartServices", "active"};

    return act_run(client, &act_operation_start, &way, arguments);
}

static Outcome act_stop(Client *client, char **arguments)
{
    static const TogetherWay way = {"stop", "StopServices", "inactive"};

    return act_run(client, &act_operation_stop, &way, arguments);
}

static gboolean act_now;

static const GOptionEntry act_enable_options[] = {
        {"now", 0, 0, G_OPTION_ARG_NONE, &act_now, "Start them now, too", NULL},
        {NULL},
};

static const GOptionEntry act_disable_options[] = {
        {"now", 0, 0, G_OPTION_ARG_NONE, &act_now, "Stop them now, too", NULL},
        {NULL},
};

static Outcome act_enable(Client *client, char **arguments)
{
    return enable_run(client, true, act_now ? &act_operation_start : NULL, arguments);
}

static Outcome act_disable(Client *client, char **arguments)
{
    return enable_run(client, false, act_now ? &act_operation_stop : NULL, arguments);
}

static Outcome act_restart(Client *client, char **arguments)
{
    static const Operation restart = {
            .verb = "restart",
            .member = "Restart",
            .plan = "StopServices",
            .until = "settled",
            .goals = {"active"},
            .shows_output = true,
    };

    return operate(client, &restart, arguments);
}

static Outcome act_reload(Client *client, char **arguments)
{
    static const Operation reload = {
            .verb = "reload",
            .member = "Reload",
            .until = "settled",
            .goals = {"active"},
            .minds_error = true,
    };

    return operate(client, &reload, arguments);
}

static char *act_whom;

static const GOptionEntry act_signal_options[] = {
        {"whom", 'w', 0, G_OPTION_ARG_STRING, &act_whom,
         "Its main process, or all of them (default: main)", "main|all"},
        {NULL},
};

typedef struct ActSignal {
    int signo;
    const char *whom;
} ActSignal;

static Outcome act_send_signal(Client *client, const char *id, sd_bus_message_handler_t on_reply,
                               void *reply_data, const void *argument)
{
    const ActSignal *send = argument;
    CallTarget target = {.id = id, .interface = SERVICE_INTERFACE, .member = "Signal"};

    return call_async(client, &target, on_reply, reply_data, "si", send->whom, send->signo);
}

/* The signal is the last argument; kill(1)'s order is understood too. Takes it out of arguments. */
static bool act_take_signal(char **arguments, int *ret_signo, GError **error)
{
    unsigned last = g_strv_length(arguments) - 1;
    unsigned where = last;

    if (!parse_signal(arguments[last], ret_signo, error)) {
        if (!parse_signal(arguments[0], ret_signo, NULL))
            return false;
        g_clear_error(error);
        where = 0;
    }
    g_free(arguments[where]);
    for (; where <= last; where++)
        arguments[where] = arguments[where + 1];
    return true;
}

static Outcome act_signal(Client *client, char **arguments)
{
    ActSignal argument = {.whom = act_whom != NULL ? act_whom : "main"};
    g_autoptr(GError) error = NULL;

    if (!g_str_equal(argument.whom, "main") && !g_str_equal(argument.whom, "all"))
        return client_fail(OUTCOME_USAGE, "signal: --whom must be main or all, not '%s'", act_whom);
    if (!act_take_signal(arguments, &argument.signo, &error))
        return client_fail(OUTCOME_USAGE, "signal: %s", error->message);
    g_autofree char *done = g_strdup_printf("sent %s", signal_to_string(argument.signo));
    Each each = {.verb = "signal", .done = done, .send = act_send_signal, .argument = &argument};

    return each_run(client, &each, arguments);
}

static Outcome act_send_reset(Client *client, const char *id, sd_bus_message_handler_t on_reply,
                              void *reply_data, const void *argument)
{
    CallTarget target = {.id = id, .interface = SERVICE_INTERFACE, .member = "ResetFailed"};

    return call_async(client, &target, on_reply, reply_data, NULL);
}

static Outcome act_reset_failed(Client *client, char **arguments)
{
    static const Each each = {.verb = "reset", .done = "reset", .send = act_send_reset};

    if (arguments[0] != NULL)
        return each_run(client, &each, arguments);
    Outcome outcome = call_manager(client, "reset all services", "ResetFailed", NULL, NULL);
    if (outcome == OUTCOME_DONE)
        output_say(&client->output, "all services: reset");
    output_json_finish(&client->output);
    return outcome;
}

const Command act_commands[] = {
        {"start", "ID|PATTERN...", "Start services, and wait until they are up",
         "What they require or want is started with them. One that waits for what nobody "
         "brings\nhas "
         "failed here; it goes on waiting, and starts when that is up. A service that is up "
         "already\nis "
         "no error, except with --strict.",
         "svcmgr start web db 'worker-*'", 1, COMMAND_ANY, act_start_options, act_start},
        {"stop", "ID|PATTERN...", "Stop services, and wait until they are down",
         "A service that is down already is no error, except with --strict.",
         "svcmgr --timeout 30s stop web", 1, COMMAND_ANY, act_stop_options, act_stop},
        {"restart", "ID|PATTERN...", "Stop services, and start them again",
         "A service that is down is started.", "svcmgr restart web", 1, COMMAND_ANY, NULL,
         act_restart},
        {"reload", "ID|PATTERN...", "Have services read their own files again",
         "They are not stopped for that. How they are told is in their configuration:\n"
         "reload_signal or reload_exec. Waits until it is done. Exit status 1 if a service has\n"
         "neither, or if its reload fails; it then goes on as it was. To read changed\n"
         "definitions: svcmgr daemon-reload.",
         "svcmgr reload web", 1, COMMAND_ANY, NULL, act_reload},
        {"enable", "ID|PATTERN...", "Start services whenever svcmgrd starts",
         "Stands above what a definition says. Without --now nothing is started now.",
         "svcmgr enable --now web", 1, COMMAND_ANY, act_enable_options, act_enable},
        {"disable", "ID|PATTERN...", "No longer start services when svcmgrd starts",
         "Stands above what a definition says. Without --now what runs goes on.",
         "svcmgr disable --now web", 1, COMMAND_ANY, act_disable_options, act_disable},
        {"signal", "ID|PATTERN... SIGNAL", "Send a signal to the processes of services", NULL,
         "svcmgr signal web HUP", 2, COMMAND_ANY, act_signal_options, act_signal},
        {"reset-failed", "[ID|PATTERN...]", "Forget errors and failed attempts of services",
         "Without an ID: of all services.", "svcmgr reset-failed web", 0, COMMAND_ANY, NULL,
         act_reset_failed},
        {NULL},
};
