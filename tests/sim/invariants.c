/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be kept up to date with each change is compared in whole after each step (counts,
 * timers, serials); records, listeners and the ring of events are compared for what was touched,
 * and from time to time for everything. */

#include "invariants.h"

#include "kind.h"
#include "mirror.h"
#include "trial.h"

#include <inttypes.h>
#include <string.h>

/* So often, of the times when everything is compared, the whole ring of events is. */
#define EVENTS_EVERY 16

#define LOADING (1U << STATE_STARTING | 1U << STATE_RELOADING | 1U << STATE_BACKOFF)
#define DOWN (1U << STATE_INACTIVE | 1U << STATE_FAILED)
#define SETTLED (DOWN | 1U << STATE_ACTIVE | 1U << STATE_BACKOFF)

static bool invariants_would_retry(const World *world, const Actor *actor,
                                   const StateRecord *record)
{
    if (record->state == STATE_BACKOFF)
        return true;
    if (!record->active || record->state == STATE_STOPPING || actor->told_profile < 0)
        return false;
    const Profile *profile = &world->spec->profiles[actor->told_profile];
    return profile->mode != RESTART_NO &&
           (profile->max_attempts == 0 || record->failed_attempts + 1 < profile->max_attempts);
}

void invariants_check_record(const World *world, const Actor *actor, const StateRecord *record)
{
    unsigned state = 1U << record->state;
    const char *name = state_to_string(record->state);
    if (record->active == ((state & DOWN) != 0))
        violation("2: inactive and failed alone are not active", "%s", name);
    if (record->loading != ((state & LOADING) != 0))
        violation("3: loading is starting, reloading or backoff", "%s", name);
    if ((record->next_attempt_time > 0) != (record->state == STATE_BACKOFF))
        violation("3: a next attempt is due in backoff alone", "%s", name);
    if (record->loading && record->last_loading_end_time != 0)
        violation("3: the end of loading is 0 while loading", "%s", name);
    if ((record->error == NULL) != (record->failure_class == FAILURE_NONE))
        violation("an error has a class", "%s", name);
    if (record->state == STATE_FAILED && record->error == NULL)
        violation("what failed says why", "%s", service_id(actor->service));
    if ((record->config != NULL) != (record->config_revision > 0))
        violation("what is configured has a revision", "%" PRIu64, record->config_revision);
    if (record->will_retry != invariants_would_retry(world, actor, record))
        violation("will_retry tells the truth", "%s", name);
    unsigned most =
            actor->told_profile >= 0 ? world->spec->profiles[actor->told_profile].max_attempts : 0;
    if (record->max_attempts != most)
        violation("max_attempts is that of the configuration", "%u", record->max_attempts);
    if (record->state == STATE_ACTIVE && actor->told_profile < 0 &&
        !g_str_equal(record->sub_state, "unconfigured"))
        violation("active without configuration is unconfigured", "%s", record->sub_state);
}

/* The kind and the record agree on what runs. */
static void invariants_check_kind(const Actor *actor, const StateRecord *record)
{
    const char *id = service_id(actor->service), *name = state_to_string(record->state);
    bool busy = actor->open || actor->running || actor->ending || actor->stop_asked;
    if (!record->active && busy)
        violation("2: nothing of an inactive service runs", "'%s' is %s", id, name);
    if (record->state == STATE_BACKOFF && busy)
        violation("2: nothing runs between two attempts", "'%s'", id);
    if (record->state == STATE_STARTING && actor->running)
        violation("2: nothing runs before the first apply is done", "'%s'", id);
    if (record->state == STATE_ACTIVE && actor->profile >= 0 && !actor->running)
        violation("what is active runs", "'%s' does not", id);
    if (actor->open && record->state != STATE_STARTING && record->state != STATE_RELOADING &&
        record->state != STATE_STOPPING)
        violation("1: applies run while loading", "'%s' is %s", id, name);
    if (actor->deleting && !record->active)
        violation("6: what is deleted and stopped is gone", "'%s' is %s", id, name);
}

static void invariants_check_history(const Actor *actor)
{
    HistoryEntry moves[SERVICE_HISTORY];
    size_t n = service_history(actor->service, moves);
    if (n != MIN(actor->n_moves, SERVICE_HISTORY))
        violation("the last moves are kept", "%zu of '%s'", n, service_id(actor->service));
    for (size_t i = 0; i < n; i++) {
        const HistoryEntry *told = &actor->moves[(actor->n_moves - n + i) % SERVICE_HISTORY];
        if (moves[i].serial != told->serial || moves[i].from != told->from ||
            moves[i].to != told->to || moves[i].cause != told->cause ||
            (told->time > 0 && moves[i].time != told->time))
            violation("the last moves are kept", "#%" PRIu64 " of '%s'", told->serial,
                      service_id(actor->service));
    }
}

static void invariants_check_actor(World *world, const Actor *actor)
{
    const StateRecord *record = service_state(actor->service);
    const char *id = service_id(actor->service);
    Seen there = seen_of(record);
    seen_check_same(&actor->seen, &there, "4: what was told is what is there", "the witness", id);
    invariants_check_record(world, actor, record);
    invariants_check_kind(actor, record);
    invariants_check_history(actor);
    if (world->settled && actor->sub_state != NULL && !actor->sub_state_same)
        violation("a sub-state is told", "'%s' of '%s' is not", actor->sub_state, id);
    if (map_find(world->map, id) != actor->service)
        violation("6: created less deleted is present", "'%s' is missing", id);
    const About *about = service_about(actor->service);
    bool labelled =
            g_strcmp0(about->description, "described") == 0 && about->labels == world->labels;
    if (labelled != actor->labelled)
        violation("what was said of a service is kept", "'%s'", id);
    for (unsigned i = 0; i < N_MIRRORS; i++)
        mirror_check_one(world->mirrors[i], actor->service, &there);
}

static void invariants_check_counts(World *world)
{
    const MapCounts *counts = map_counts(world->map);
    if (memcmp(counts, &world->counts, sizeof *counts) != 0)
        violation("5: the counts equal a recount", "total %u, active %u, failed %u", counts->total,
                  counts->active, counts->inactive_failed);
    for (unsigned i = 0; i < G_N_ELEMENTS(kind_sim); i++) {
        if (map_count_of_kind(world->map, kind_sim[i].name) != world->n_of_kind[i])
            violation("5: the counts equal a recount", "of kind '%s'", kind_sim[i].name);
    }
    if (world->n_created - world->n_removed != counts->total)
        violation("6: created less deleted is present", "%u are there", counts->total);
    if (virtual_loop_n_armed(world->loop) != world->n_retries + world->n_stables)
        violation("2: timers are those of waiting services",
                  "%zu are armed for %u in backoff and %u with failures to forget",
                  virtual_loop_n_armed(world->loop), world->n_retries, world->n_stables);
}

static void invariants_check_events(World *world)
{
    uint64_t newest = events_newest(world->events), oldest = events_oldest(world->events);
    uint64_t first = world->spec->first_serial;
    uint64_t expected =
            world->told + 1 - first > EVENTS_KEPT ? world->told + 1 - EVENTS_KEPT : first;
    if (newest != world->told || oldest != expected)
        violation("4: the events agree with the changes", "%" PRIu64 " to %" PRIu64, oldest,
                  newest);
    if (events_find(world->events, oldest - 1) != NULL ||
        events_find(world->events, newest + 1) != NULL)
        violation("4: the events agree with the changes", "there are more");
    if (++world->n_checks % EVENTS_EVERY != 0)
        return;
    for (uint64_t serial = oldest; serial <= newest; serial++) {
        const Event *event = events_find(world->events, serial);
        if (event == NULL || event->serial != serial)
            violation("4: the events agree with the changes", "#%" PRIu64, serial);
    }
}

/* The map in its order, once whole; and what it says against a recount of its records. */
static void invariants_check_map(World *world)
{
    const char *last = NULL;
    MapCounts recount = {0};
    uint64_t next_timer = USEC_INFINITY;
    for (Service *each = map_next(world->map, NULL); each != NULL;
         each = map_next(world->map, service_id(each))) {
        const Actor *actor = world_find_actor(world, each);
        const StateRecord *record = service_state(each);
        if (last != NULL && strcmp(last, service_id(each)) >= 0)
            violation("the map is in the order of ids", "'%s' after '%s'", service_id(each), last);
        last = service_id(each);
        if (actor == NULL || !actor->present)
            violation("6: created less deleted is present", "'%s' was never told", last);
        invariants_check_actor(world, actor);
        recount.total++;
        recount.active += record->active;
        recount.inactive_failed += !record->active && record->error != NULL;
        recount.by_state[record->state]++;
        next_timer = MIN(next_timer, actor->retry_due != 0 ? actor->retry_due : USEC_INFINITY);
        next_timer = MIN(next_timer, actor->stable_due != 0 ? actor->stable_due : USEC_INFINITY);
    }
    if (memcmp(&recount, map_counts(world->map), sizeof recount) != 0)
        violation("5: the counts equal a recount", "%u in all", recount.total);
    if (virtual_loop_next_timer_usec(world->loop) != next_timer)
        violation("2: timers are those of waiting services", "the next is due at another time");
    for (unsigned i = 0; i < N_MIRRORS; i++)
        mirror_check_all(world->mirrors[i], recount.total);
    invariants_check_events(world);
}

void invariants_check(World *world, bool all)
{
    uint64_t serial = feed_serial(world->core->feed);
    if (world->told != serial)
        violation("4: serials are without a gap", "%" PRIu64 " was told of %" PRIu64, world->told,
                  serial);
    invariants_check_counts(world);
    for (unsigned i = 0; i < N_MIRRORS; i++)
        mirror_check_serial(world->mirrors[i], serial);
    for (unsigned i = 0; i < world->touched->len; i++) {
        Actor *actor = world->touched->pdata[i];
        actor->touched = false;
        if (actor->present)
            invariants_check_actor(world, actor);
    }
    g_ptr_array_set_size(world->touched, 0);
    if (all)
        invariants_check_map(world);
}

/* Rest */

/* Whatever the kind has under way comes out. False: there was nothing. */
static bool invariants_let_out(World *world, unsigned round)
{
    bool any = false;
    for (Service *each = map_next(world->map, NULL), *next; each != NULL; each = next) {
        Actor *actor = world_find_actor(world, each);
        g_autofree char *id = g_strdup(service_id(each));
        any = any || actor->open || actor->stop_asked || actor->ending || actor->unkillable;
        kind_apply_ends(world, actor, (round + actor->n_moves) % 2 == 0, false);
        kind_stop_is_done(world, actor, false);
        if (actor->present && (actor->ending || actor->unkillable))
            kind_ends(world, actor, END_CLEANLY);
        next = map_next(world->map, id);
    }
    return any;
}

static void invariants_check_settled(World *world)
{
    for (Service *each = map_next(world->map, NULL); each != NULL;
         each = map_next(world->map, service_id(each))) {
        const Actor *actor = world_find_actor(world, each);
        const char *name = state_to_string(service_state(each)->state);
        if ((1U << service_state(each)->state & SETTLED) == 0 || !service_is_settled(each))
            violation("8: everything settles", "'%s' is %s for good", service_id(each), name);
        if (actor->deleting)
            violation("8: what is deleted goes", "'%s' is %s", service_id(each), name);
    }
    for (unsigned i = 0; i < world->waiters->len; i++) {
        const Waiter *waiter = world->waiters->pdata[i];
        if (!waiter->called && !waiter->forgotten)
            violation("who waits for a delete hears of it once", "never heard of it");
    }
}

void invariants_rest(World *world)
{
    const unsigned rounds = 64;
    world_settle(world);
    for (unsigned round = 0; round < rounds && invariants_let_out(world, round); round++)
        world_settle(world);
    invariants_check_settled(world);
}
