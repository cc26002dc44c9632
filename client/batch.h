/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One thing done about each of many services, side by side over one connection, not more at once
 * than the daemon answers to one peer. */

#include "client.h"

#include <stddef.h>

typedef struct Batch Batch;

/* A service of a batch; the first member of what the command knows of it. */
typedef struct BatchItem {
    Batch *batch;
    const char *id;
    bool is_done;
} BatchItem;

typedef void (*BatchFunc)(BatchItem *item, void *data);

typedef struct BatchSteps {
    size_t item_size; /* of the command's item, which begins with a BatchItem; the rest is zeroed */
    BatchFunc begin;  /* in order; it ends by batch_item_done, now or from a reply */
    BatchFunc end;    /* in order, when the last is done; NULL: nothing */
    bool has_more;    /* the JSON goes on with what another batch adds */
    /* Puts the ids, more than one, into the order in which they are begun; NULL: as given. */
    void (*arrange)(Client *client, char **ids, void *data);
} BatchSteps;

/* Connects when needed, finds the services (arguments: ids and patterns), and returns when all are
 * done and the JSON is complete; the outcomes are joined. */
Outcome batch_run(Client *client, char **arguments, const BatchSteps *steps, void *data);
void batch_item_done(BatchItem *item, Outcome outcome);
