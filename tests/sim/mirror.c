/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is believed is kept as numbers, not as the records themselves. */

#include "mirror.h"

#include "requests.h"
#include "trial.h"

#include <inttypes.h>

typedef void (*Reaction)(World *world, Mirror *mirror, Service *service);

struct Mirror {
    World *world;
    FeedListener *listener;
    unsigned index;
    unsigned slot;
    Service *service; /* a reference (the listener's), or NULL: of all */
    bool closed;      /* its service was removed */
    GHashTable *seen; /* id -> Seen */
    uint64_t serial;
    Reaction reaction; /* or NULL */
    unsigned countdown;
};

static const char *mirror_name(const Mirror *mirror)
{
    return mirror->service == NULL ? "a listener to all" : "a listener";
}

/* Reactions */

static void reaction_leave(World *world, Mirror *mirror, Service *service)
{
    mirror_leave(world, mirror->index);
}

static void reaction_start(World *world, Mirror *mirror, Service *service)
{
    request_start(world, service);
}

static void reaction_stop(World *world, Mirror *mirror, Service *service)
{
    request_stop(world, service);
}

static void reaction_restart(World *world, Mirror *mirror, Service *service)
{
    request_restart(world, service);
}

static void reaction_delete(World *world, Mirror *mirror, Service *service)
{
    request_delete(world, service_id(service), true);
}

static void reaction_reset(World *world, Mirror *mirror, Service *service)
{
    request_reset(world, service);
}

static void reaction_configure(World *world, Mirror *mirror, Service *service)
{
    request_configure(world, service, mirror->index, false);
}

static void reaction_create(World *world, Mirror *mirror, Service *service)
{
    request_create(world, mirror->slot, CREATE_START | CREATE_CONFIG, mirror->index);
}

static void reaction_delete_slot(World *world, Mirror *mirror, Service *service)
{
    g_autofree char *id = g_strdup(world->ids[mirror->slot % world->spec->n_slots]);
    request_delete(world, id, true);
}

static void reaction_bring(World *world, Mirror *mirror, Service *service)
{
    mirror_join(world, mirror->index + 1, mirror->slot, mirror->slot % 4);
}

static void reaction_send_away(World *world, Mirror *mirror, Service *service)
{
    mirror_leave(world, mirror->index + 1);
}

static const Reaction reactions[16] = {
        NULL,
        reaction_leave,
        reaction_start,
        reaction_stop,
        reaction_restart,
        reaction_delete,
        reaction_reset,
        reaction_configure,
        reaction_create,
        reaction_delete_slot,
        reaction_bring,
        reaction_send_away,
};

static void mirror_react(Mirror *mirror, Service *service)
{
    Reaction reaction = mirror->reaction;
    World *world = mirror->world;
    if (reaction == NULL || world->ends || mirror->countdown-- > 0)
        return;
    mirror->reaction = NULL;
    world_tell(world, "        a listener reacts\n");
    bool before = world->reacting;
    world->reacting = true;
    reaction(world, mirror, service); /* the mirror may be gone now */
    world->reacting = before;
}

/* Believing */

static void mirror_believe(Mirror *mirror, const char *id, const StateRecord *record)
{
    Seen seen = seen_of(record);
    g_hash_table_insert(mirror->seen, g_strdup(id), g_memdup2(&seen, sizeof seen));
}

static void mirror_check_change(const Mirror *mirror, const Change *change)
{
    const char *id = service_id(change->service);
    const Seen *believed = g_hash_table_lookup(mirror->seen, id);
    bool follows = mirror->service == NULL ? change->serial == mirror->serial + 1
                                           : change->serial > mirror->serial;
    if (!follows || mirror->closed)
        violation("4: listeners are told all, once, in order",
                  "%s hears of %" PRIu64 " after %" PRIu64 "%s", mirror_name(mirror),
                  change->serial, mirror->serial, mirror->closed ? ", which was the end" : "");
    if (mirror->service != NULL && mirror->world->told < change->serial)
        violation("4: listeners to all hear first", "#%" PRIu64, change->serial);
    if ((believed == NULL) != (change->type == CHANGE_ADD))
        violation("4: listeners are told of what is there", "'%s' #%" PRIu64, id, change->serial);
    if (believed == NULL)
        return;
    Seen old = seen_of(change->old_state);
    seen_check_same(believed, &old, "4: changes follow each other", mirror_name(mirror), id);
}

static void mirror_on_change(const Change *change, void *data)
{
    Mirror *mirror = data;
    const char *id = service_id(change->service);
    bool deaf = mirror->world->spec->broken == BREAK_DEAF_LISTENER &&
                change->type == CHANGE_UPDATE && change->new_state->cause == CAUSE_KIND;
    mirror_check_change(mirror, change);
    mirror->serial = change->serial;
    if (change->type == CHANGE_REMOVE)
        g_hash_table_remove(mirror->seen, id);
    else if (!deaf)
        mirror_believe(mirror, id, change->new_state);
    mirror->closed = mirror->service != NULL && change->type == CHANGE_REMOVE;
    mirror_react(mirror, change->service);
}

/* Coming and going */

static void mirror_join_all(Mirror *mirror, bool own_snapshot)
{
    World *world = mirror->world;
    g_autoptr(GPtrArray) ids = NULL, states = NULL;
    if (!own_snapshot) {
        mirror->listener = map_get_and_listen(world->map, &ids, &states, mirror_on_change, mirror);
        for (unsigned i = 0; i < ids->len; i++)
            mirror_believe(mirror, ids->pdata[i], states->pdata[i]);
        return;
    }
    for (Service *each = map_next(world->map, NULL); each != NULL;
         each = map_next(world->map, service_id(each)))
        mirror_believe(mirror, service_id(each), service_state(each));
    mirror->listener = map_listen(world->map, mirror_on_change, mirror);
}

static void mirror_join_one(Mirror *mirror, Service *service, bool own_snapshot)
{
    StateRecord *record = NULL;
    mirror->service = service;
    if (own_snapshot) {
        mirror_believe(mirror, service_id(service), service_state(service));
        mirror->listener = service_listen(service, mirror_on_change, mirror);
        return;
    }
    mirror->listener = service_state_and_listen(service, &record, mirror_on_change, mirror);
    mirror_believe(mirror, service_id(service), record);
    state_record_unref(record);
}

void mirror_join(World *world, unsigned index, unsigned slot, uint32_t more)
{
    Service *service = world_find(world, slot);
    bool of_one = (more & 1) != 0, own_snapshot = (more & 2) != 0;
    index %= N_MIRRORS;
    if (of_one && service == NULL)
        return;
    mirror_leave(world, index);
    Mirror *mirror = world->mirrors[index] = g_new0(Mirror, 1);
    mirror->world = world;
    mirror->index = index;
    mirror->slot = slot;
    mirror->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    mirror->serial = feed_serial(world->core->feed);
    mirror->reaction = reactions[more >> 2 & 15];
    mirror->countdown = more >> 6 & 7;
    if (of_one)
        mirror_join_one(mirror, service, own_snapshot);
    else
        mirror_join_all(mirror, own_snapshot);
}

void mirror_leave(World *world, unsigned index)
{
    g_clear_pointer(&world->mirrors[index % N_MIRRORS], mirror_free);
}

void mirror_free(Mirror *mirror)
{
    feed_unlisten(mirror->listener);
    g_hash_table_unref(mirror->seen);
    g_free(mirror);
}

/* Checking */

void mirror_check_serial(const Mirror *mirror, uint64_t serial)
{
    if (mirror != NULL && mirror->service == NULL && mirror->serial != serial)
        violation("4: listeners are told all, once, in order", "%" PRIu64 " of %" PRIu64,
                  mirror->serial, serial);
}

void mirror_check_one(const Mirror *mirror, const Service *service, const Seen *there)
{
    if (mirror == NULL || (mirror->service != NULL && mirror->service != service))
        return;
    const Seen *believed = g_hash_table_lookup(mirror->seen, service_id(service));
    if (believed == NULL)
        violation("4: snapshot and changes are the map", "%s knows nothing of '%s'",
                  mirror_name(mirror), service_id(service));
    seen_check_same(believed, there, "4: snapshot and changes are the map", mirror_name(mirror),
                    service_id(service));
}

void mirror_check_all(const Mirror *mirror, unsigned n_services)
{
    if (mirror == NULL || mirror->service != NULL)
        return;
    if (g_hash_table_size(mirror->seen) != n_services)
        violation("4: snapshot and changes are the map", "a listener knows %u services of %u",
                  g_hash_table_size(mirror->seen), n_services);
}
