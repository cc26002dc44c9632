/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several services started, or stopped, as one: that it comes to an end, once, and not from inside
 * the call. What it does to them meanwhile is checked as everything else is. */

#include "net.h"

#define NET_BATCH_ORDERED (1U << 0)
#define NET_BATCH_PATIENT (1U << 1)
#define NET_BATCH_STOPS (1U << 2)
#define NET_BATCH_MOST 8

typedef struct NetBatch {
    NetWorld *world;
    Batch *batch;
    unsigned n_ids;
    bool patient;
    bool begun;
} NetBatch;

static void net_on_batch(const BatchItem *items, size_t n_items, const GError *error, void *data)
{
    NetBatch *batch = data;
    NetWorld *world = batch->world;
    net_tell(world, "        a batch is done: %s\n", error != NULL ? error->message : "well");
    if (!batch->begun)
        net_violation(world, NET_RULE_BATCHES, "one is done from inside");
    if (n_items != batch->n_ids)
        net_violation(world, NET_RULE_BATCHES, "%zu items of %u", n_items, batch->n_ids);
    if (!g_ptr_array_remove(world->batches, batch))
        net_violation(world, NET_RULE_BATCHES, "one is done twice");
}

void net_batch_begin(NetWorld *world, const Step *step)
{
    BatchSpec spec = {
            .ordered = (step->a & NET_BATCH_ORDERED) != 0,
            .patient = (step->a & NET_BATCH_PATIENT) != 0,
            .origin = {.cause = CAUSE_METHOD, .method = "StartServices"},
    };
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    for (unsigned i = 0; i < MIN(NET_BATCH_MOST, world->spec->n_slots); i++) {
        const NetActor *actor = &world->actors[(step->slot + i) % world->spec->n_slots];
        if ((step->b >> i & 1) != 0 && actor->service != NULL)
            g_ptr_array_add(ids, actor->id);
    }
    NetBatch *batch = g_new0(NetBatch, 1);
    batch->world = world;
    batch->n_ids = ids->len;
    batch->patient = spec.patient && (step->a & NET_BATCH_STOPS) == 0;
    g_ptr_array_add(ids, NULL);
    spec.ids = (char *const *)ids->pdata;
    g_ptr_array_add(world->batches, batch);
    uint64_t serial = feed_serial(world->core->feed);
    g_autoptr(GError) error = NULL;
    batch->batch = ((step->a & NET_BATCH_STOPS) != 0 ? batch_stop : batch_start)(
            world->map, &spec, net_on_batch, batch, &error);
    batch->begun = true;
    if (batch->batch != NULL)
        return;
    net_tell(world, "        refused: %s\n", error->message);
    if (serial != feed_serial(world->core->feed))
        net_violation(world, NET_RULE_BATCHES, "one is refused and has done something: %s",
                      error->message);
    g_ptr_array_remove(world->batches, batch);
}

/* One that has patience may wait as long as a service is tried again, or waits. */
void net_batch_check_rest(NetWorld *world)
{
    for (unsigned i = 0; i < world->batches->len; i++) {
        const NetBatch *batch = world->batches->pdata[i];
        if (!batch->patient)
            net_violation(world, NET_RULE_BATCHES, "one of %u does not end", batch->n_ids);
    }
}

void net_batch_cancel_all(NetWorld *world)
{
    while (world->batches->len > 0) {
        NetBatch *batch = world->batches->pdata[0];
        batch_cancel(batch->batch, batch->n_ids % 2 == 0);
        g_ptr_array_remove_index(world->batches, 0);
    }
}
