/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plain case of operate.c: nothing to wait for. */

#include "each.h"

#include "batch.h"
#include "call.h"
#include "select.h"

typedef struct EachItem EachItem;

typedef struct EachRun {
    Client *client;
    const Each *each;
    EachItem *items;
} EachRun;

struct EachItem {
    EachRun *run;
    Batch *batch;
    const char *id;
};

static int on_each_answered(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    EachItem *item = data;
    Output *output = &item->run->client->output;
    CallSubject subject = {.verb = item->run->each->verb, .id = item->id};
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    if (output->json != JSON_MODE_NONE)
        output_json_element(output, error != NULL ? call_error_to_json(item->id, error)
                                                  : json_pack("{s:s}", "Id", item->id));
    if (error == NULL)
        output_say(output, "%s: %s", item->id, item->run->each->done);
    batch_item_done(item->batch, error != NULL ? call_report(&subject, error) : OUTCOME_DONE);
    return 1;
}

static void each_begin(Batch *batch, unsigned index, void *data)
{
    EachRun *run = data;
    EachItem *item = &run->items[index];

    item->batch = batch;
    Outcome outcome =
            run->each->send(run->client, item->id, on_each_answered, item, run->each->argument);
    if (outcome != OUTCOME_DONE)
        batch_item_done(batch, outcome);
}

Outcome each_run(Client *client, const Each *each, char **arguments)
{
    EachRun run = {.client = client, .each = each};
    g_auto(GStrv) ids = NULL;
    Outcome outcome = call_connect(client);

    if (outcome == OUTCOME_DONE)
        outcome = select_ids(client, arguments, &ids);
    if (outcome != OUTCOME_DONE)
        return outcome;
    unsigned n_ids = g_strv_length(ids);
    g_autofree EachItem *items = g_new0(EachItem, n_ids);
    for (unsigned i = 0; i < n_ids; i++)
        items[i] = (EachItem){.run = &run, .id = ids[i]};
    run.items = items;
    outcome = batch_run(client, n_ids, each_begin, &run);
    output_json_finish(&client->output);
    return outcome;
}
