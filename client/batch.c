/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No loop of sd-event is needed for this: the connection is all that is waited for. */

#include "batch.h"

#include "call.h"
#include "progress.h"
#include "select.h"

#include <errno.h>
#include <string.h>

/* The daemon takes 512 calls of one peer at a time. */
#define BATCH_AT_ONCE 256

struct Batch {
    const BatchSteps *steps;
    void *data;
    char *items; /* an array of what has steps->item_size */
    unsigned n_items;
    unsigned n_running;
    unsigned n_done;
    Outcome outcome;
    Progress progress;
};

void batch_item_done(BatchItem *item, Outcome outcome)
{
    Batch *batch = item->batch;

    g_assert(batch->n_running > 0);
    batch->n_running--;
    batch->n_done++;
    item->is_done = true;
    batch->outcome = outcome_join(batch->outcome, outcome);
}

static BatchItem *batch_item(const Batch *batch, unsigned index)
{
    return (BatchItem *)(void *)(batch->items + index * batch->steps->item_size);
}

static void batch_draw(Batch *batch)
{
    const char *ids[PROGRESS_NAMES_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < batch->n_items && n < G_N_ELEMENTS(ids); i++) {
        const BatchItem *item = batch_item(batch, i);
        if (!item->is_done)
            ids[n++] = item->id;
    }
    progress_draw(&batch->progress, ids, n, batch->n_items - batch->n_done);
}

/* Whatever comes may be printed, also what comes just after the line was drawn: so the line stands
 * only as long as nothing is processed. */
static int batch_wait(const Client *client, Batch *batch)
{
    int r;

    while ((r = sd_bus_wait(client->bus, progress_wait_usec(&batch->progress))) == 0 &&
           progress_is_due(&batch->progress))
        batch_draw(batch);
    progress_clear(&batch->progress);
    return r == -EINTR ? 0 : r; /* such as a terminal that changes its size */
}

static Outcome batch_turn(Client *client, Batch *batch)
{
    unsigned next = 0;

    progress_begin(&batch->progress, client, batch->n_items);
    while (next < batch->n_items || batch->n_running > 0) {
        while (next < batch->n_items && batch->n_running < BATCH_AT_ONCE) {
            batch->n_running++;
            batch->steps->begin(batch_item(batch, next++), batch->data);
        }
        int r = sd_bus_process(client->bus, NULL);
        if (r == 0 && batch->n_running > 0)
            r = batch_wait(client, batch);
        if (r < 0 && batch->n_running > 0) {
            progress_clear(&batch->progress);
            return client_fail(OUTCOME_NO_DAEMON, "the connection to svcmgrd was lost: %s",
                               g_strerror(-r));
        }
    }
    return batch->outcome;
}

Outcome batch_run(Client *client, char **arguments, const BatchSteps *steps, void *data)
{
    Batch batch = {.steps = steps, .data = data, .outcome = OUTCOME_DONE};
    g_auto(GStrv) ids = NULL;
    Outcome outcome = call_connect(client);

    if (outcome == OUTCOME_DONE)
        outcome = select_ids(client, arguments, &ids);
    if (outcome != OUTCOME_DONE)
        return outcome;
    batch.n_items = g_strv_length(ids);
    if (steps->arrange != NULL && batch.n_items > 1)
        steps->arrange(client, ids, data);
    g_autofree char *items = batch.items = g_malloc0_n(batch.n_items, steps->item_size);
    for (unsigned i = 0; i < batch.n_items; i++)
        *batch_item(&batch, i) = (BatchItem){.batch = &batch, .id = ids[i]};
    outcome = batch_turn(client, &batch);
    progress_end(&batch.progress);
    for (unsigned i = 0; i < batch.n_items && steps->end != NULL; i++)
        steps->end(batch_item(&batch, i), data);
    if (!steps->has_more)
        output_json_finish(&client->output);
    return outcome;
}
