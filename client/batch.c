/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No loop of sd-event is needed for this: the connection is all that is waited for. */

#include "batch.h"

#include "base/clock.h"

#include <stdint.h>
#include <string.h>

/* The daemon takes 512 calls of one peer at a time. */
#define BATCH_AT_ONCE 256

struct Batch {
    unsigned n_running;
    Outcome outcome;
};

void batch_item_done(Batch *batch, Outcome outcome)
{
    g_assert(batch->n_running > 0);
    batch->n_running--;
    batch->outcome = outcome_join(batch->outcome, outcome);
}

Outcome batch_run(Client *client, unsigned n_items, BatchFunc begin, void *data)
{
    Batch batch = {.outcome = OUTCOME_DONE};
    unsigned next = 0;

    while (next < n_items || batch.n_running > 0) {
        while (next < n_items && batch.n_running < BATCH_AT_ONCE) {
            batch.n_running++;
            begin(&batch, next++, data);
        }
        int r = sd_bus_process(client->bus, NULL);
        if (r == 0 && batch.n_running > 0)
            r = sd_bus_wait(client->bus, UINT64_MAX);
        if (r < 0 && batch.n_running > 0)
            return client_fail(OUTCOME_NO_DAEMON, "the connection to svcmgrd was lost: %s",
                               g_strerror(-r));
    }
    return batch.outcome;
}
