/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each service is asked first, for the words; what it is already is said again all the same: then
 * it stands above whatever a definition will say. */

#include "enable.h"

#include "batch.h"
#include "call.h"

typedef struct EnableRun {
    Client *client;
    bool is_enabled;
    GPtrArray *done; /* ids, owned */
} EnableRun;

typedef struct EnableItem {
    BatchItem base;
    EnableRun *run;
    bool is_already;
    bool is_done;
} EnableItem;

static const char *enable_verb(const EnableRun *run)
{
    return run->is_enabled ? "enable" : "disable";
}

static void enable_fail(EnableItem *item, const sd_bus_error *error)
{
    CallSubject subject = {.verb = enable_verb(item->run), .id = item->base.id};
    Output *output = &item->run->client->output;

    if (output->json != JSON_MODE_NONE)
        output_json_element(output, call_error_to_json(item->base.id, error));
    batch_item_done(&item->base, call_report(&subject, error));
}

static int on_enable_set(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    EnableItem *item = data;
    const EnableRun *run = item->run;
    Output *output = &run->client->output;

    if (sd_bus_message_is_method_error(reply, NULL)) {
        enable_fail(item, sd_bus_message_get_error(reply));
        return 1;
    }
    if (output->json != JSON_MODE_NONE)
        output_json_element(output, json_pack("{s:s, s:b, s:b}", "Id", item->base.id, "Enabled",
                                              run->is_enabled, "Changed", !item->is_already));
    output_say(output, item->is_already ? "%s is already %sd" : "%s: %sd", item->base.id,
               enable_verb(run));
    item->is_done = true;
    batch_item_done(&item->base, OUTCOME_DONE);
    return 1;
}

static void enable_set(EnableItem *item)
{
    CallTarget target = {
            .id = item->base.id, .interface = SERVICE_INTERFACE, .member = "SetEnabled"};
    Outcome outcome = call_async(item->run->client, &target, on_enable_set, item, "b",
                                 (int)item->run->is_enabled);

    if (outcome != OUTCOME_DONE)
        batch_item_done(&item->base, outcome);
}

static int on_enable_asked(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    EnableItem *item = data;
    const EnableRun *run = item->run;
    int is_enabled;

    if (sd_bus_message_is_method_error(reply, NULL)) {
        enable_fail(item, sd_bus_message_get_error(reply));
        return 1;
    }
    item->is_already = sd_bus_message_read(reply, "v", "b", &is_enabled) >= 0 &&
                       (bool)is_enabled == run->is_enabled;
    if (item->is_already && run->client->options.strict) {
        g_autofree char *message = g_strdup_printf("it is %sd already", enable_verb(run));
        enable_fail(item, &SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_FAILED, message));
        return 1;
    }
    enable_set(item);
    return 1;
}

static void enable_begin(BatchItem *base, void *data)
{
    EnableItem *item = (EnableItem *)base;
    CallTarget target = {.id = base->id, .interface = PROPERTIES_INTERFACE, .member = "Get"};

    item->run = data;
    Outcome outcome = call_async(item->run->client, &target, on_enable_asked, item, "ss",
                                 SERVICE_INTERFACE, "Enabled");
    if (outcome != OUTCOME_DONE)
        batch_item_done(base, outcome);
}

static void enable_end(BatchItem *base, void *data)
{
    const EnableRun *run = data;

    if (((EnableItem *)base)->is_done)
        g_ptr_array_add(run->done, g_strdup(base->id));
}

Outcome enable_run(Client *client, bool is_enabled, const Operation *now, char **arguments)
{
    BatchSteps steps = {.item_size = sizeof(EnableItem),
                        .begin = enable_begin,
                        .end = enable_end,
                        .has_more = now != NULL};
    EnableRun run = {.client = client,
                     .is_enabled = is_enabled,
                     .done = g_ptr_array_new_with_free_func(g_free)};
    Outcome outcome = batch_run(client, arguments, &steps, &run);

    g_ptr_array_add(run.done, NULL);
    g_auto(GStrv) ids = (char **)g_ptr_array_steal(run.done, NULL);
    g_ptr_array_unref(run.done);
    if (now != NULL && client->bus != NULL && outcome != OUTCOME_NO_DAEMON)
        outcome = outcome_join(outcome, operate(client, now, ids));
    return outcome;
}
