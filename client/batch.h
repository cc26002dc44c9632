/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Many asynchronous operations side by side over one connection, not more at once than the daemon
 * answers to one peer. */

#include "client.h"

typedef struct Batch Batch;
/* Begins item number index: it ends by batch_item_done, now or from a reply. */
typedef void (*BatchFunc)(Batch *batch, unsigned index, void *data);

/* Begins n_items in order and returns when all are done; the outcomes are joined. The connection
 * must be there. */
Outcome batch_run(Client *client, unsigned n_items, BatchFunc begin, void *data);
void batch_item_done(Batch *batch, Outcome outcome);
