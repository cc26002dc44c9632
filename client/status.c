/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that a person asks first about a service. Each line of it is a row of a table: a
 * label, and a function that makes its text or finds that there is nothing to say. */

#include "status.h"

#include "base/clock.h"
#include "batch.h"
#include "call.h"
#include "last-lines.h"
#include "log-open.h"
#include "log-source.h"
#include "needs.h"
#include "neighbours.h"
#include "process.h"
#include "record.h"
#include "select.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define STATUS_LABEL_WIDTH (NEEDS_COLUMN - 2)

/* What was said last: of one service, and of each of several. Many are looked at in a table. */
#define STATUS_LINES_OF_ONE 10
#define STATUS_LINES_OF_SEVERAL 3
#define STATUS_LINES_SERVICES_MAX 32
/* They are there when the daemon has answered. */
#define STATUS_LINES_PATIENCE (2 * USEC_PER_SEC)

static char *status_state(const Output *output, const json_t *service)
{
    g_autofree char *state = record_state(service);
    const char *name = value_string(service, "State");
    Colour colour = output_state_colour(name);
    uint64_t since = record_since(service);
    g_autofree char *escaped = text_escape(state);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s%s%s", output_colour(output, colour), escaped,
                           output_reset(output, colour));
    if (since != 0) {
        g_autofree char *time = text_time(since);
        g_autofree char *ago = text_since(since, output->now);
        g_string_append_printf(text, " since %s; %s", time, ago);
    }
    return g_string_free(text, FALSE);
}

static char *status_error(const Output *output, const json_t *service)
{
    const char *error = value_string(service, "Error");
    const char *failure_class = value_string(service, "FailureClass");
    Colour colour = output_error_colour(value_string(service, "State"));
    g_autofree char *escaped = text_escape(error);
    g_autofree char *escaped_class = text_escape(failure_class);

    if (error[0] == '\0')
        return NULL;
    g_autofree char *suffix =
            failure_class[0] != '\0' ? g_strdup_printf(" (%s)", escaped_class) : g_strdup("");
    return g_strconcat(output_colour(output, colour), escaped, output_reset(output, colour), suffix,
                       NULL);
}

static char *status_attempts(const Output *output, const json_t *service)
{
    char *attempts = record_attempts(service, output->now);
    g_autofree char *next = record_next_attempt(service, output->now);

    if (attempts != NULL || next == NULL)
        return attempts;
    return g_strdup_printf("next %s", next);
}

static char *status_main_pid(const Output *output, const json_t *service)
{
    return process_text_main(service);
}

static char *status_tasks(const Output *output, const json_t *service)
{
    return process_text_tasks(service);
}

static char *status_memory(const Output *output, const json_t *service)
{
    return process_text_memory(service);
}

static char *status_cpu(const Output *output, const json_t *service)
{
    return process_text_cpu(service);
}

static char *status_cgroup(const Output *output, const json_t *service)
{
    return process_text_cgroup(service);
}

static char *status_last_exit(const Output *output, const json_t *service)
{
    return process_text_exit(service);
}

static char *status_text(const Output *output, const json_t *service)
{
    const char *text = value_string(service, "StatusText");

    return text[0] != '\0' ? text_escape(text) : NULL;
}

static char *status_restarts(const Output *output, const json_t *service)
{
    uint64_t n = value_unsigned(service, "NRestarts");

    return n != 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, n) : NULL;
}

static char *status_transition(const Output *output, const json_t *service)
{
    g_autoptr(json_t) transition = json_copy(json_object_get(service, "LastTransition"));
    json_t *error = json_object_get(service, "Error");
    const char *from = value_string(transition, "from");
    const char *to = value_string(transition, "to");
    uint64_t time = value_unsigned(transition, "time");

    if (error != NULL)
        (void)json_object_set(transition, "error", error); /* fails only without memory */
    g_autofree char *cause = record_cause(transition);

    if (time == 0)
        return NULL;
    g_autofree char *ago = text_since(time, output->now);
    g_autofree char *move = from[0] == '\0' || g_str_equal(from, to)
                                    ? g_strdup("")
                                    : g_strdup_printf("%s %s %s: ", from, output_arrow(output), to);
    g_autofree char *text = g_strdup_printf("%s%s; %s", move, cause, ago);
    return text_escape(text);
}

static char *status_config(const Output *output, const json_t *service)
{
    uint64_t revision = value_unsigned(service, "ConfigRevision");
    uint64_t time = value_unsigned(service, "LastConfigTime");
    const char *digest = value_string(service, "ConfigDigest");
    const char *colon = strchr(digest, ':');

    if (revision == 0)
        return g_strdup("none yet");
    g_autofree char *ago =
            time != 0 ? text_since(time, output->now) : g_strdup("at an unknown time");
    g_autofree char *text = g_strdup_printf("revision %" G_GUINT64_FORMAT ", %.12s, %s", revision,
                                            colon != NULL ? colon + 1 : digest, ago);
    return text_escape(text);
}

static char *status_enabled(const Output *output, const json_t *service)
{
    return g_strdup(value_boolean(service, "Enabled") ? "yes, starts with the daemon" : "no");
}

/* A daemon that does not say has neither. */
static char *status_origin(const Output *output, const json_t *service)
{
    const char *path = value_string(service, "DefinitionPath");

    if (path[0] != '\0')
        return text_escape(path);
    if (json_object_get(service, "Persistent") == NULL)
        return NULL;
    return g_strdup(value_boolean(service, "Persistent")
                            ? "created over the bus"
                            : "created over the bus, not kept: ends with the daemon");
}

static char *status_labels(const Output *output, const json_t *service)
{
    json_t *labels = json_object_get(service, "Labels");
    GString *text = g_string_new(NULL);
    const char *name;
    const json_t *value;

    json_object_foreach(labels, name, value) g_string_append_printf(
            text, "%s%s=%s", text->len > 0 ? ", " : "", name, json_string_value(value));
    g_autofree char *joined = g_string_free(text, FALSE);
    return joined[0] != '\0' ? text_escape(joined) : NULL;
}

static const struct {
    const char *label;
    char *(*text)(const Output *output, const json_t *service); /* harmless already; NULL: none */
} status_lines[] = {
        {"State", status_state},
        {"Error", status_error},
        {"Attempts", status_attempts},
        {"Waits for", needs_text_waits},
        {"Requires", needs_text_requires},
        {"Members", needs_text_members},
        {"Wants", needs_text_wants},
        {"Part of", needs_text_part_of},
        {"After", needs_text_after},
        {"Before", needs_text_before},
        {"Conflicts", needs_text_conflicts},
        {"Required by", needs_text_required_by},
        {"Main PID", status_main_pid},
        {"Tasks", status_tasks},
        {"Memory", status_memory},
        {"CPU", status_cpu},
        {"Cgroup", status_cgroup},
        {"Last exit", status_last_exit},
        {"Status", status_text},
        {"Restarts", status_restarts},
        {"Last change", status_transition},
        {"Config", status_config},
        {"Enabled", status_enabled},
        {"Origin", status_origin},
        {"Labels", status_labels},
};

static void status_print_line(const Output *output, const char *label, const char *text)
{
    printf("%*s: %s\n", STATUS_LABEL_WIDTH, label, text);
}

static void status_print_head(const Output *output, const char *state, const char *name,
                              const char *remark)
{
    Colour colour = output_state_colour(state);
    g_autofree char *escaped = text_escape(remark);

    printf("%s%s%s %s%s%s%s%s\n", output_colour(output, colour), output_dot(output),
           output_reset(output, colour), output_colour(output, COLOUR_BOLD), name,
           output_reset(output, COLOUR_BOLD), escaped[0] != '\0' ? " - " : "", escaped);
}

static void status_print_service(const Output *output, const json_t *service)
{
    const char *description = value_string(service, "Description");
    g_autofree char *id = text_escape(value_string(service, "Id"));
    g_autofree char *remark = g_strdup_printf("%s%s%s", value_string(service, "Kind"),
                                              description[0] != '\0' ? ": " : "", description);

    status_print_head(output, value_string(service, "State"), id, remark);
    for (size_t i = 0; i < G_N_ELEMENTS(status_lines); i++) {
        g_autofree char *text = status_lines[i].text(output, service);
        if (text != NULL)
            status_print_line(output, status_lines[i].label, text);
    }
}

/* A blank line, and what was said last. */
static void status_print_lines(const Output *output, const json_t *lines, unsigned n)
{
    g_autofree char *text = last_lines_text(output, lines, n, output->width);

    if (text != NULL)
        printf("\n%s", text);
}

typedef struct StatusRun {
    Client *client;
    unsigned n_lines; /* of each; 0: none */
    bool has_printed;
    GPtrArray *linked;  /* ids of those that have to do with others */
    json_t *neighbours; /* of all of those, by id; NULL: nobody has asked for them */
} StatusRun;

typedef struct StatusItem {
    BatchItem base;
    StatusRun *run;
    json_t *service; /* NULL: not known */
    json_t *lines;   /* NULL: not known, too, which is no error: not everybody may read them */
} StatusItem;

static int on_status_log(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    StatusItem *item = data;
    int fd = sd_bus_message_get_error(reply) == NULL ? log_open_take(reply) : -1;

    if (fd >= 0)
        item->lines = log_source_read_all(fd, item->run->n_lines, STATUS_LINES_PATIENCE);
    batch_item_done(&item->base, OUTCOME_DONE);
    return 1;
}

static void status_ask_log(StatusItem *item)
{
    LogQuery query = {.lines = item->run->n_lines};
    Outcome outcome = OUTCOME_DONE;

    if (query.lines > 0)
        outcome = log_open(item->run->client, item->base.id, &query, on_status_log, item);
    if (query.lines == 0 || outcome != OUTCOME_DONE)
        batch_item_done(&item->base, outcome);
}

static int on_status_usage(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    StatusItem *item = data;

    process_take_usage(reply, item->service);
    status_ask_log(item);
    return 1;
}

static int on_status_properties(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    StatusItem *item = data;
    CallSubject subject = {.verb = "show", .id = item->base.id};
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    Outcome outcome = OUTCOME_DONE;

    if (error != NULL)
        outcome = call_report(&subject, error);
    else if (value_read(reply, &item->service) < 0)
        outcome = client_fail(OUTCOME_FAILED, "cannot show '%s': the answer is no list",
                              item->base.id);
    if (item->service != NULL && needs_has_any(item->service))
        g_ptr_array_add(item->run->linked, (char *)item->base.id);
    if (item->service == NULL)
        batch_item_done(&item->base, outcome);
    else if (!process_ask_usage(item->run->client, item->base.id, item->service, on_status_usage,
                                item))
        status_ask_log(item);
    return 1;
}

static void status_begin(BatchItem *item, void *data)
{
    StatusRun *run = data;
    CallTarget target = {.id = item->id, .interface = PROPERTIES_INTERFACE, .member = "GetAll"};

    ((StatusItem *)item)->run = run;
    Outcome outcome = call_async(run->client, &target, on_status_properties, item, "s", "");

    if (outcome != OUTCOME_DONE)
        batch_item_done(item, outcome);
}

/* Once for all that are shown; what cannot be had is not told. */
static void status_ask_neighbours(StatusRun *run)
{
    g_autoptr(json_t) entries = NULL;
    size_t index;
    json_t *entry;

    run->neighbours = json_object();
    g_ptr_array_add(run->linked, NULL);
    (void)neighbours_ask(run->client, (char **)run->linked->pdata, false, &entries);
    json_array_foreach(entries, index, entry)(void) /* fails only without memory */
            json_object_set(run->neighbours, value_string(entry, "id"), entry);
}

static void status_add_neighbours(StatusRun *run, json_t *service)
{
    if (!needs_has_any(service))
        return;
    if (run->neighbours == NULL)
        status_ask_neighbours(run);
    needs_add_entries(service, run->neighbours);
}

static void status_end(BatchItem *item, void *data)
{
    StatusRun *run = data;
    Output *output = &run->client->output;
    g_autoptr(json_t) service = ((StatusItem *)item)->service;
    g_autoptr(json_t) lines = ((StatusItem *)item)->lines;

    if (service == NULL)
        return;
    if (output->json != JSON_MODE_NONE) {
        output_json_element(output, json_incref(service));
        return;
    }
    if (run->has_printed)
        putchar('\n');
    status_add_neighbours(run, service);
    status_print_service(output, service);
    status_print_lines(output, lines, run->n_lines);
    run->has_printed = true;
}

/* How many lines of each service are shown. */
static unsigned status_count_lines(const Client *client, char **arguments)
{
    unsigned n = g_strv_length(arguments);

    for (unsigned i = 0; i < n; i++) {
        if (select_is_pattern(arguments[i]))
            return 0;
    }
    if (client->output.json != JSON_MODE_NONE || n > STATUS_LINES_SERVICES_MAX)
        return 0;
    return n == 1 ? STATUS_LINES_OF_ONE : STATUS_LINES_OF_SEVERAL;
}

static Outcome status_of_services(Client *client, char **arguments)
{
    static const BatchSteps steps = {sizeof(StatusItem), status_begin, status_end};
    StatusRun run = {.client = client, .n_lines = status_count_lines(client, arguments)};
    Outcome outcome = call_connect(client);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (run.n_lines > 0 && !log_open_is_allowed(client))
        run.n_lines = 0;
    g_autoptr(GPtrArray) linked = run.linked = g_ptr_array_new();
    outcome = batch_run(client, arguments, &steps, &run);
    json_decref(run.neighbours);
    return outcome;
}

/* "running (serve) since 2026-11-21 12:05:07; 2min 3s ago". */
static char *status_daemon_state(const Output *output, const json_t *manager)
{
    g_autofree char *state = text_escape(value_string(manager, "State"));
    g_autofree char *phase = text_escape(value_string(manager, "Phase"));
    Colour colour = output_state_colour(state);
    uint64_t started = value_unsigned(manager, "StartedTime");
    g_autofree char *time = text_time(started);
    g_autofree char *ago = text_since(started, output->now);

    return g_strdup_printf("%s%s%s (%s) since %s; %s", output_colour(output, colour), state,
                           output_reset(output, colour), phase, time, ago);
}

static uint64_t status_count(const json_t *services, const char *state)
{
    uint64_t n = 0;
    size_t index;
    const json_t *service;

    json_array_foreach(services, index, service) n +=
            g_str_equal(value_string(service, "State"), state);
    return n;
}

/* " (2 in backoff, 1 waiting)": they are active, too, for they try to be. */
static char *status_daemon_trying(const json_t *manager, const json_t *unwell)
{
    uint64_t n_backoff = value_unsigned(manager, "NBackoff");
    uint64_t n_waiting = status_count(unwell, "waiting");
    GString *text = g_string_new(NULL);

    if (n_backoff > 0)
        g_string_append_printf(text, " (%" G_GUINT64_FORMAT " in backoff", n_backoff);
    if (n_waiting > 0)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT " waiting", n_backoff > 0 ? ", " : " (",
                               n_waiting);
    if (text->len > 0)
        g_string_append_c(text, ')');
    return g_string_free(text, FALSE);
}

static char *status_daemon_services(const json_t *manager, const json_t *unwell)
{
    g_autofree char *trying = status_daemon_trying(manager, unwell);

    return g_strdup_printf("%" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT
                           " active%s, %" G_GUINT64_FORMAT " failed",
                           value_unsigned(manager, "NServices"), value_unsigned(manager, "NActive"),
                           trying, value_unsigned(manager, "NFailed"));
}

/* Only when something is wrong with it: what is done now may be gone after the next start. */
static void status_print_storage(const Output *output, const char *error)
{
    g_autofree char *escaped = text_escape(error);
    g_autofree char *text = g_strdup_printf(
            "%sNOTHING IS KEPT: %s%s; what needs the disk is refused",
            output_colour(output, COLOUR_RED), escaped, output_reset(output, COLOUR_RED));

    if (error[0] != '\0')
        status_print_line(output, "Storage", text);
}

/* How services are followed; of cgroups also what else can be had. NULL: the daemon does not say.
 */
static char *status_daemon_features(const json_t *manager)
{
    const json_t *features = json_object_get(manager, "Features");
    GString *text = g_string_new(NULL);
    bool has_cgroups = false;
    size_t index;
    const json_t *feature;

    json_array_foreach(features, index, feature)
    {
        const char *name = json_is_string(feature) ? json_string_value(feature) : "";
        bool is_detail = g_str_has_prefix(name, "cgroup.");

        has_cgroups = has_cgroups || g_str_equal(name, "cgroup");
        if (is_detail)
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", strchr(name, '.') + 1);
    }
    g_autofree char *details = g_string_free(text, FALSE);
    g_autofree char *escaped = text_escape(details);
    if (features == NULL)
        return NULL;
    if (!has_cgroups)
        return g_strdup("by sessions and marks, without cgroups");
    return g_strdup_printf("by cgroups%s%s%s", details[0] != '\0' ? " (" : "", escaped,
                           details[0] != '\0' ? ")" : "");
}

/* unwell: those of all services that are not as they should be. */
static void status_print_daemon(const Output *output, const json_t *manager, const json_t *unwell)
{
    g_autofree char *version = g_strdup_printf("version %s", value_string(manager, "Version"));
    g_autofree char *state = status_daemon_state(output, manager);
    g_autofree char *services = status_daemon_services(manager, unwell);
    g_autofree char *instance = text_escape(value_string(manager, "InstanceId"));
    g_autofree char *followed = status_daemon_features(manager);

    status_print_head(output, value_string(manager, "State"), "svcmgrd", version);
    status_print_line(output, "State", state);
    status_print_storage(output, value_string(manager, "StorageError"));
    status_print_line(output, "Services", services);
    if (followed != NULL)
        status_print_line(output, "Followed", followed);
    status_print_line(output, "Instance", instance);
}

static Outcome status_of_daemon(Client *client)
{
    static const char *const unwell[] = {"failed", "backoff", "waiting", NULL};
    static const char *const fields[] = {"Id",
                                         "Kind",
                                         "Description",
                                         "State",
                                         "SubState",
                                         "Error",
                                         "MaxAttempts",
                                         "FailedAttempts",
                                         "LastActiveTime",
                                         "LastErrorTime",
                                         "FailureClass",
                                         "LastTransition",
                                         "LastInactiveTime",
                                         "NextAttemptTime",
                                         "WaitingFor",
                                         NULL};
    CallSubject subject = {.verb = "show the daemon"};
    Selection selection = {.states = (char **)unwell, .fields = fields};
    g_autoptr(json_t) manager = NULL;
    g_autoptr(json_t) services = NULL;
    Outcome outcome = call_get_all(client, &subject, MANAGER_PATH, &manager);

    if (outcome == OUTCOME_DONE)
        outcome = select_list(client, &selection, &services);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (client->output.json != JSON_MODE_NONE) {
        (void)json_object_set(manager, "Unwell", services); /* fails only without memory */
        output_json(&client->output, g_steal_pointer(&manager));
        return OUTCOME_DONE;
    }
    status_print_daemon(&client->output, manager, services);
    if (json_array_size(services) > 0) {
        putchar('\n');
        look_list_print(&client->output, services);
    }
    return OUTCOME_DONE;
}

Outcome status_run(Client *client, char **arguments)
{
    return arguments[0] != NULL ? status_of_services(client, arguments) : status_of_daemon(client);
}
