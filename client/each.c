/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plain case of operate.c: nothing to wait for. */

#include "each.h"

#include "batch.h"
#include "call.h"

typedef struct EachRun {
    Client *client;
    const Each *each;
    GPtrArray *again; /* ids that are tried once more; NULL: their error is told */
    unsigned n_done;
    bool has_begun;
} EachRun;

typedef struct EachItem {
    BatchItem base;
    EachRun *run;
} EachItem;

static bool each_tries_again(const EachRun *run, const sd_bus_error *error)
{
    return run->again != NULL && sd_bus_error_has_name(error, run->each->again_error);
}

static int on_each_answered(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    EachItem *item = data;
    EachRun *run = item->run;
    Output *output = &run->client->output;
    CallSubject subject = {.verb = run->each->verb, .id = item->base.id};
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    if (error != NULL && each_tries_again(run, error)) {
        g_ptr_array_insert(run->again, 0,
                           g_strdup(item->base.id)); /* who is last is needed least */
        batch_item_done(&item->base, OUTCOME_DONE);
        return 1;
    }
    if (output->json != JSON_MODE_NONE)
        output_json_element(output, error != NULL ? call_error_to_json(item->base.id, error)
                                                  : json_pack("{s:s}", "Id", item->base.id));
    if (error == NULL)
        output_say(output, "%s: %s", item->base.id, run->each->done);
    run->n_done += error == NULL;
    batch_item_done(&item->base, error != NULL ? call_report(&subject, error) : OUTCOME_DONE);
    return 1;
}

static void each_begin(BatchItem *base, void *data)
{
    EachRun *run = data;
    EachItem *item = (EachItem *)base;

    item->run = run;
    run->has_begun = true;
    Outcome outcome =
            run->each->send(run->client, base->id, on_each_answered, item, run->each->argument);
    if (outcome != OUTCOME_DONE)
        batch_item_done(base, outcome);
}

/* Once more with those that were in the way, until there are none, or all that are left are. */
static Outcome each_run_again(EachRun *run, const BatchSteps *steps, char **arguments)
{
    g_auto(GStrv) ids = g_strdupv(arguments);
    Outcome outcome = OUTCOME_DONE;
    bool goes_on = true;

    while (ids[0] != NULL) {
        g_autoptr(GPtrArray) again = g_ptr_array_new_with_free_func(g_free);

        run->again = goes_on ? again : NULL;
        run->n_done = 0;
        outcome = outcome_join(outcome, batch_run(run->client, ids, steps, run));
        goes_on = run->n_done > 0;
        g_ptr_array_add(again, NULL);
        g_strfreev(ids);
        ids = (char **)g_ptr_array_steal(again, NULL);
    }
    if (run->has_begun)
        output_json_finish(&run->client->output);
    return outcome;
}

Outcome each_run(Client *client, const Each *each, char **arguments)
{
    BatchSteps steps = {.item_size = sizeof(EachItem),
                        .begin = each_begin,
                        .has_more = each->again_error != NULL};
    EachRun run = {.client = client, .each = each};

    if (each->again_error != NULL)
        return each_run_again(&run, &steps, arguments);
    return batch_run(client, arguments, &steps, &run);
}
