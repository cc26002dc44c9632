/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call for all, answered when all have settled; while a person waits, the progress line says
 * for how long already. */

#include "together.h"

#include "call.h"
#include "plan.h"
#include "progress.h"
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* As many are asked how they are, for the progress line. */
#define TOGETHER_LOOK_MAX 64

typedef struct Together {
    Client *client;
    const TogetherWay *way;
    const TogetherOptions *options;
    char **ids;
    Progress *progress;
    bool is_done;
    Outcome outcome;
    json_t *entries; /* of the answer; NULL: it was an error, which is told already */
} Together;

/* Every cause is a line of the message. */
static Outcome together_report(const Together *together, const sd_bus_error *error)
{
    CallSubject subject = {.verb = together->way->verb};
    const char *message = error->message != NULL ? error->message : "";
    Outcome outcome = call_outcome(error);

    if (strchr(message, '\n') != NULL)
        return client_fail(outcome, "cannot %s:\n%s", together->way->verb, message);
    if (outcome == OUTCOME_NO_SERVICE)
        return client_fail(outcome, "cannot %s: %s (see: svcmgr list)", together->way->verb,
                           message);
    return call_report(&subject, error);
}

/* In JSON, too, a failure is a result: of all of them together. */
static void together_json_error(const Together *together, const sd_bus_error *error)
{
    Output *output = &together->client->output;

    if (output->json != JSON_MODE_NONE)
        output_json_element(output, json_pack("{s:s, s:s}", "ErrorName", error->name, "Error",
                                              error->message != NULL ? error->message : ""));
    output_json_finish(output);
}

static int on_together_answered(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Together *together = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    together->is_done = true;
    progress_clear(together->progress);
    if (error != NULL) {
        together_json_error(together, error);
        together->outcome = together_report(together, error);
        return 1;
    }
    if (value_read(reply, &together->entries) < 0)
        together->outcome = client_fail(OUTCOME_FAILED, "cannot %s: the answer is no list",
                                        together->way->verb);
    return 1;
}

/* Named are those of which it is not known that they are there already. */
static void together_draw(const Together *together, Progress *progress)
{
    const char *ids[PROGRESS_NAMES_MAX];
    unsigned n_running = 0;
    unsigned n = 0;

    for (unsigned i = 0; together->ids[i] != NULL; i++) {
        const char *id = together->ids[i];

        if (i < TOGETHER_LOOK_MAX)
            awaited_look(progress->awaited, id);
        if (g_str_equal(awaited_state(progress->awaited, id), together->way->goal))
            continue;
        if (n < G_N_ELEMENTS(ids))
            ids[n++] = id;
        n_running++;
    }
    progress_draw(progress, ids, n, n_running);
}

/* 0 or negative errno. */
static int together_turn(const Together *together, Progress *progress)
{
    int r = sd_bus_process(together->client->bus, NULL);

    if (r != 0 || together->is_done)
        return r;
    r = sd_bus_wait(together->client->bus, progress_wait_usec(progress));
    if (r == 0 && progress_is_due(progress))
        together_draw(together, progress);
    return r == -EINTR ? 0 : r; /* such as a terminal that changes its size */
}

static Outcome together_wait(Together *together)
{
    Progress progress;
    int r = 0;

    progress_begin(&progress, together->client, g_strv_length(together->ids));
    together->progress = &progress;
    while (!together->is_done && r >= 0)
        r = together_turn(together, &progress);
    progress_end(&progress);
    together->progress = NULL;
    if (together->is_done)
        return together->outcome;
    return client_fail(OUTCOME_NO_DAEMON, "the connection to svcmgrd was lost: %s", g_strerror(-r));
}

static Outcome together_ask(Together *together)
{
    Client *client = together->client;
    sd_bus_message *call = NULL;
    Outcome outcome = call_manager_new(client, together->way->member, &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    (void)sd_bus_message_append_strv(call, together->ids); /* cannot fail: checked text */
    (void)sd_bus_message_open_container(call, 'a', "{sv}");
    if (together->options->ordered)
        call_append_option(call, "ordered", "b", 1);
    if (together->options->dry_run)
        call_append_option(call, "dry_run", "b", 1);
    (void)sd_bus_message_close_container(call);
    int r = sd_bus_call_async(client->bus, NULL, call, on_together_answered, together,
                              client->timeout_usec);
    sd_bus_message_unref(call);
    if (r < 0)
        return client_fail(OUTCOME_FAILED, "cannot %s: %s", together->way->verb, g_strerror(-r));
    return together_wait(together);
}

/* As a service of an ordinary start or stop, see operate.c. */
static Outcome together_print_entry(Together *together, const json_t *entry)
{
    Output *output = &together->client->output;
    const char *id = value_string(entry, "id");
    const char *state = value_string(entry, "state");
    const char *error = value_string(entry, "error");
    CallSubject subject = {.verb = together->way->verb, .id = id};

    if (output->json != JSON_MODE_NONE && error[0] == '\0')
        output_json_element(output,
                            json_pack("{s:s, s:s, s:I}", "Id", id, "State", state, "StateSerial",
                                      (json_int_t)value_unsigned(entry, "serial")));
    else if (output->json != JSON_MODE_NONE)
        output_json_element(output, json_pack("{s:s, s:s, s:s}", "Id", id, "ErrorName",
                                              value_string(entry, "error_name"), "Error", error));
    if (error[0] != '\0')
        return call_report_service(&subject, error, NULL);
    output_say(output, "%s: %s", id, state[0] != '\0' ? state : "deleted");
    return OUTCOME_DONE;
}

/* A plan with a hole in it is none that would succeed. */
static Outcome together_judge_step(const Together *together, const json_t *step)
{
    static const struct {
        const char *action;
        const char *words;
    } holes[] = {{"missing", "is not there"}, {"refused", "cannot be started"}};
    const char *verb = together->way->verb;
    const char *because = value_string(step, "because");
    const char *id = value_string(step, "id");
    bool is_member = g_str_equal(value_string(step, "relation"), "members");
    size_t i = 0;

    while (i < G_N_ELEMENTS(holes) && !g_str_equal(holes[i].action, value_string(step, "action")))
        i++;
    if (i == G_N_ELEMENTS(holes))
        return OUTCOME_DONE;
    if (because[0] == '\0')
        return client_fail(OUTCOME_FAILED, "cannot %s '%s' (see: svcmgr status %s)", verb, id, id);
    if (is_member)
        return client_fail(OUTCOME_FAILED, "cannot %s '%s': its member '%s' %s", verb, because, id,
                           holes[i].words);
    return client_fail(OUTCOME_FAILED, "cannot %s '%s': requires '%s', which %s", verb, because, id,
                       holes[i].words);
}

static Outcome together_print_plan(Together *together)
{
    Output *output = &together->client->output;
    Outcome outcome = OUTCOME_DONE;
    size_t index;
    json_t *step;

    if (output->json == JSON_MODE_NONE) {
        plan_print(output, together->entries);
        output_say(output, "Nothing was changed (--dry-run).");
    }
    json_array_foreach(together->entries, index, step)
    {
        if (output->json != JSON_MODE_NONE)
            output_json_element(output, json_incref(step));
        outcome = outcome_join(outcome, together_judge_step(together, step));
    }
    return outcome;
}

static Outcome together_print(Together *together)
{
    Outcome outcome = OUTCOME_DONE;
    size_t index;
    const json_t *entry;

    if (together->options->dry_run)
        outcome = together_print_plan(together);
    json_array_foreach(together->entries, index, entry)
    {
        if (!together->options->dry_run)
            outcome = outcome_join(outcome, together_print_entry(together, entry));
    }
    output_json_finish(&together->client->output);
    return outcome;
}

Outcome together_run(Client *client, const TogetherWay *way, const TogetherOptions *options,
                     char **arguments)
{
    Together together = {.client = client, .way = way, .options = options};
    g_auto(GStrv) ids = NULL;

    if ((client->options.no_wait && !options->dry_run) || client->options.strict)
        return client_fail(OUTCOME_USAGE, "%s: %s goes with none of --atomic, --ordered, --dry-run",
                           way->verb, client->options.strict ? "--strict" : "--no-wait");
    Outcome outcome = call_connect(client);
    if (outcome == OUTCOME_DONE)
        outcome = select_ids(client, arguments, &ids);
    together.ids = ids;
    if (outcome == OUTCOME_DONE)
        outcome = together_ask(&together);
    if (together.entries != NULL)
        outcome = outcome_join(outcome, together_print(&together));
    json_decref(together.entries);
    return outcome;
}
