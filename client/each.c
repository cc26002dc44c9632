/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plain case of operate.c: nothing to wait for. */

#include "each.h"

#include "batch.h"
#include "call.h"

typedef struct EachRun {
    Client *client;
    const Each *each;
} EachRun;

typedef struct EachItem {
    BatchItem base;
    EachRun *run;
} EachItem;

static int on_each_answered(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    EachItem *item = data;
    Output *output = &item->run->client->output;
    CallSubject subject = {.verb = item->run->each->verb, .id = item->base.id};
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    if (output->json != JSON_MODE_NONE)
        output_json_element(output, error != NULL ? call_error_to_json(item->base.id, error)
                                                  : json_pack("{s:s}", "Id", item->base.id));
    if (error == NULL)
        output_say(output, "%s: %s", item->base.id, item->run->each->done);
    batch_item_done(&item->base, error != NULL ? call_report(&subject, error) : OUTCOME_DONE);
    return 1;
}

static void each_begin(BatchItem *base, void *data)
{
    EachRun *run = data;
    EachItem *item = (EachItem *)base;

    item->run = run;
    Outcome outcome =
            run->each->send(run->client, base->id, on_each_answered, item, run->each->argument);
    if (outcome != OUTCOME_DONE)
        batch_item_done(base, outcome);
}

Outcome each_run(Client *client, const Each *each, char **arguments)
{
    static const BatchSteps steps = {.item_size = sizeof(EachItem), .begin = each_begin};
    EachRun run = {.client = client, .each = each};

    return batch_run(client, arguments, &steps, &run);
}
