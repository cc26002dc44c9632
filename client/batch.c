/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No loop of sd-event is needed for this: the connection is all that is waited for. */

#include "batch.h"

#include "progress.h"

#include <errno.h>
#include <string.h>

/* The daemon takes 512 calls of one peer at a time. */
#define BATCH_AT_ONCE 256

struct Batch {
    unsigned n_running;
    Outcome outcome;
    Progress progress;
};

void batch_item_done(Batch *batch, Outcome outcome)
{
    g_assert(batch->n_running > 0);
    batch->n_running--;
    batch->outcome = outcome_join(batch->outcome, outcome);
}

static int batch_wait(const Client *client, Batch *batch)
{
    int r = sd_bus_wait(client->bus, progress_wait_usec(&batch->progress));

    if (r > 0)
        progress_clear(&batch->progress);
    else
        progress_draw(&batch->progress, batch->n_running);
    return r == -EINTR ? 0 : r; /* such as a terminal that changes its size */
}

Outcome batch_run(Client *client, unsigned n_items, BatchFunc begin, void *data)
{
    Batch batch = {.outcome = OUTCOME_DONE};
    unsigned next = 0;

    progress_begin(&batch.progress, client, n_items);
    while (next < n_items || batch.n_running > 0) {
        while (next < n_items && batch.n_running < BATCH_AT_ONCE) {
            batch.n_running++;
            begin(&batch, next++, data);
        }
        int r = sd_bus_process(client->bus, NULL);
        if (r == 0 && batch.n_running > 0)
            r = batch_wait(client, &batch);
        if (r < 0 && batch.n_running > 0) {
            progress_clear(&batch.progress);
            return client_fail(OUTCOME_NO_DAEMON, "the connection to svcmgrd was lost: %s",
                               g_strerror(-r));
        }
    }
    return batch.outcome;
}
