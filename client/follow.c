/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that follow what happens: watch, events, wait, logs; and what is left of a failure.
 */

#include "base/parse.h"
#include "call.h"
#include "command.h"
#include "event.h"
#include "failure-report.h"
#include "log-time.h"
#include "logs.h"
#include "operate.h"
#include "watch.h"

#include <string.h>

static struct {
    gint64 since;
    gint n;
    gboolean all;
    char *until;
    gint64 after_serial;
} follow_options;

#define FOLLOW_OPTION_ALL                                                                          \
    {                                                                                              \
        "all", 'a', 0, G_OPTION_ARG_NONE, &follow_options.all, "ProcessStart and ProcessEnd, too", \
                NULL                                                                               \
    }

static const GOptionEntry follow_watch_options[] = {
        FOLLOW_OPTION_ALL,
        {NULL},
};

static const GOptionEntry follow_events_options[] = {
        {"since", 's', 0, G_OPTION_ARG_INT64, &follow_options.since, "Only after this serial",
         "SERIAL"},
        {"lines", 'n', 0, G_OPTION_ARG_INT, &follow_options.n, "At most the newest so many", "N"},
        FOLLOW_OPTION_ALL,
        {NULL},
};

static const GOptionEntry follow_wait_options[] = {
        {"until", 'u', 0, G_OPTION_ARG_STRING, &follow_options.until,
         "What to wait for (default: settled)", "settled|active|inactive|ready"},
        {"after-serial", 'a', 0, G_OPTION_ARG_INT64, &follow_options.after_serial,
         "Only a state that is newer than this serial counts", "SERIAL"},
        {NULL},
};

static struct {
    char *lines;
    gboolean follow;
    char *since;
    char *invocation;
    char *style;
} follow_logs_values;

static const GOptionEntry follow_logs_options[] = {
        {"lines", 'n', 0, G_OPTION_ARG_STRING, &follow_logs_values.lines,
         "The last so many of each (default: all; 10 with -f)", "N|all"},
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &follow_logs_values.follow,
         "Go on with what comes, until the service is deleted", NULL},
        {"since", 's', 0, G_OPTION_ARG_STRING, &follow_logs_values.since,
         "Only from then on: 10min ago, today, 2026-11-21 23:00, @1795267002", "TIME"},
        {"invocation", 'i', 0, G_OPTION_ARG_STRING, &follow_logs_values.invocation,
         "Only of one run, by its id or the end of it", "ID"},
        {"output", 'o', 0, G_OPTION_ARG_STRING, &follow_logs_values.style,
         "short on a terminal, text (as in the file) elsewhere", "short|text|bare|json"},
        {NULL},
};

/* The wanted ones of events, at most the newest n of them (0: all). */
static json_t *follow_pick(json_t *events, const EventFilter *filter, unsigned n)
{
    json_t *picked = json_array();
    size_t index;
    json_t *event;

    json_array_foreach(events, index, event)
    {
        if (event_is_wanted(filter, event))
            (void)json_array_append(picked, event); /* fails only without memory */
    }
    while (n > 0 && json_array_size(picked) > n)
        (void)json_array_remove(picked, 0);
    return picked;
}

static void follow_print_events(Output *output, json_t *events)
{
    size_t index;
    json_t *event;

    json_array_foreach(events, index, event)
    {
        if (output->json != JSON_MODE_NONE)
            output_json_element(output, json_incref(event));
        else
            event_print(output, event);
    }
    output_json_finish(output);
}

/* One answer of GetEvents, which may end before the newest event. */
static Outcome follow_ask(Client *client, uint64_t after, uint64_t *ret_oldest,
                          uint64_t *ret_newest, json_t **ret_events)
{
    sd_bus_message *reply = NULL;
    Outcome outcome = call_manager(client, "read events", "GetEvents", &reply, "tu", after, 0);

    if (outcome == OUTCOME_DONE && event_read_reply(reply, ret_oldest, ret_newest, ret_events) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot read events: the answer is no list");
    sd_bus_message_unref(reply);
    return outcome;
}

/* Every event after this serial, and what there is to say of those that are missing. */
static Outcome follow_read(Client *client, uint64_t since, json_t **ret_events)
{
    g_autoptr(json_t) events = json_array();
    uint64_t last = since;
    uint64_t oldest;
    uint64_t newest;
    size_t n;

    do {
        g_autoptr(json_t) more = NULL;
        Outcome outcome = follow_ask(client, last, &oldest, &newest, &more);

        if (outcome != OUTCOME_DONE)
            return outcome;
        if (last > 0 && oldest > last + 1)
            output_note("events %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " are no longer kept",
                        last + 1, oldest - 1);
        n = json_array_size(more);
        if (n > 0)
            last = value_unsigned(json_array_get(more, n - 1), "serial");
        (void)json_array_extend(events, more); /* fails only without memory */
    } while (n > 0 && last < newest);
    if (since > newest)
        output_note("there is no event %" G_GUINT64_FORMAT ": the newest is %" G_GUINT64_FORMAT
                    " (was svcmgrd started anew since?)",
                    since, newest);
    else if (last < newest && newest >= oldest)
        return client_fail(OUTCOME_FAILED,
                           "cannot read events: the answer lacks those that it announces");
    *ret_events = g_steal_pointer(&events);
    return OUTCOME_DONE;
}

static Outcome follow_watch(Client *client, char **arguments)
{
    EventFilter filter = {.patterns = arguments, .everything = follow_options.all};

    return watch_run(client, &filter);
}

static Outcome follow_events(Client *client, char **arguments)
{
    EventFilter filter = {.patterns = arguments, .everything = follow_options.all};
    g_autoptr(json_t) events = NULL;

    if (follow_options.since < 0 || follow_options.n < 0)
        return client_fail(OUTCOME_USAGE, "events: --since and -n must not be negative");
    Outcome outcome = follow_read(client, (uint64_t)follow_options.since, &events);
    if (outcome != OUTCOME_DONE)
        return outcome;
    g_autoptr(json_t) picked = follow_pick(events, &filter, (unsigned)follow_options.n);
    follow_print_events(&client->output, picked);
    return OUTCOME_DONE;
}

static Outcome follow_wait(Client *client, char **arguments)
{
    static const char *const untils[] = {"settled", "active", "inactive", "ready", NULL};
    const char *until = follow_options.until != NULL ? follow_options.until : "settled";
    Operation wait = {
            .verb = "wait for",
            .until = until,
            .after_serial = (uint64_t)follow_options.after_serial,
            /* Whatever the daemon takes for reached. */
            .goals = {"active", "inactive", "failed", "backoff", "waiting"},
    };

    if (!g_strv_contains(untils, until))
        return client_fail(OUTCOME_USAGE,
                           "wait: --until must be settled, active, inactive or ready, not '%s'",
                           until);
    if (follow_options.after_serial < 0)
        return client_fail(OUTCOME_USAGE, "wait: --after-serial must not be negative");
    return operate(client, &wait, arguments);
}

/* The options of logs: what is asked of the daemon. */
static Outcome follow_logs_query(uint64_t now, LogQuery *ret_query)
{
    bool is_bounded = follow_logs_values.since != NULL || follow_logs_values.invocation != NULL;
    const char *lines = follow_logs_values.lines;
    uint64_t n = follow_logs_values.follow && !is_bounded ? 10 : LOG_LINES_ALL;
    LogQuery query = {.follow = follow_logs_values.follow,
                      .invocation = follow_logs_values.invocation};
    g_autoptr(GError) error = NULL;

    if (lines != NULL && g_str_equal(lines, "all"))
        n = LOG_LINES_ALL;
    else if (lines != NULL && !parse_unsigned(lines, 0, LOG_LINES_ALL - 1, &n, &error))
        return client_fail(OUTCOME_USAGE, "logs: -n: %s, or \"all\"", error->message);
    if (follow_logs_values.since != NULL &&
        !log_time_parse(follow_logs_values.since, now, &query.since_usec, &error))
        return client_fail(OUTCOME_USAGE, "logs: --since: %s", error->message);
    if (query.invocation != NULL && query.invocation[0] == '\0')
        return client_fail(OUTCOME_USAGE, "logs: --invocation must not be empty");
    query.lines = (uint32_t)n;
    *ret_query = query;
    return OUTCOME_DONE;
}

static Outcome follow_logs_style(const Output *output, LogStyle *ret_style)
{
    const char *name = follow_logs_values.style;
    LogStyle style = output->is_terminal ? LOG_STYLE_SHORT : LOG_STYLE_TEXT;

    if (name != NULL)
        style = log_style_from_string(name);
    else if (output->json != JSON_MODE_NONE)
        style = LOG_STYLE_JSON;
    if (style == _LOG_STYLE_INVALID)
        return client_fail(OUTCOME_USAGE,
                           "logs: --output must be short, text, bare or json, not '%s'", name);
    if (style != LOG_STYLE_JSON && output->json != JSON_MODE_NONE)
        return client_fail(OUTCOME_USAGE, "logs: only one of --json and --output=%s", name);
    *ret_style = style;
    return OUTCOME_DONE;
}

static Outcome follow_logs(Client *client, char **arguments)
{
    LogQuery query;
    LogStyle style = LOG_STYLE_SHORT;
    Outcome outcome = follow_logs_query(client->output.now, &query);

    if (outcome == OUTCOME_DONE)
        outcome = follow_logs_style(&client->output, &style);
    return outcome == OUTCOME_DONE ? logs_run(client, arguments, &query, style) : outcome;
}

#define FOLLOW_LOGS                                                                                \
    "Several services: in the order of times, with their names in front. On a terminal and with\n" \
    "--output=short: local time, and stderr in yellow or behind a \"!\"; what could command a\n"   \
    "terminal is escaped. Through a pipe: as it stands in the file, with time (UTC), stream and\n" \
    "the id of the run. --json: an object a line. A slow reader loses nothing."

#define FOLLOW_DAEMON                                                                              \
    "Without an ID also what svcmgrd itself does: AppStartup, AppRunning, AppTerminating,\n"       \
    "AppTerminated, and its hooks. ProcessStart and ProcessEnd, which say when a service "         \
    "becomes\n"                                                                                    \
    "active and when it no longer is, only with --all: the changes of state tell it already."

const Command follow_commands[] = {
        {"watch", "[ID|PATTERN...]", "Show every change as it happens",
         "Goes on when svcmgrd or the bus is restarted, and misses nothing that the daemon still "
         "knows.\n" FOLLOW_DAEMON,
         "svcmgr watch 'web-*'", 0, COMMAND_ANY, follow_watch_options, follow_watch},
        {"events", "[ID|PATTERN...]", "Show the changes that the daemon remembers", FOLLOW_DAEMON,
         "svcmgr events -n 20 web", 0, COMMAND_ANY, follow_events_options, follow_events},
        {"wait", "ID|PATTERN...", "Wait until services are in a state",
         "active and ready end early, with the error of the service, when it fails. Exit status 6 "
         "when --timeout is over.",
         "svcmgr --timeout 1min wait web --until ready", 1, COMMAND_ANY, follow_wait_options,
         follow_wait},
        {"logs", "ID|PATTERN...", "Show what services have said", FOLLOW_LOGS,
         "svcmgr logs -f --since '10min ago' web", 1, COMMAND_ANY, follow_logs_options,
         follow_logs},
        {"failure-report", "ID", "Show how a service failed last",
         "A document of JSON: the error, the run and its last lines, the moves that led to it, and "
         "how\nthe service is now. It is there when the service has recovered, too.",
         "svcmgr failure-report web", 1, 1, NULL, failure_report_run},
        {NULL},
};
