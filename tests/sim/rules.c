/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The moves by cause are a table of their own: it repeats what the documentation says and asks
 * nothing of the core's tables. */

#include "rules.h"

#include "invariants.h"
#include "trial.h"

#include <inttypes.h>

#define TO(state) (1U << STATE_##state)

/* A call asks for these; also a start or a stop with the daemon. */
#define MOVES_ASKED                                                                                \
    {                                                                                              \
        [STATE_INACTIVE] = TO(INACTIVE) | TO(STARTING) | TO(ACTIVE) | TO(FAILED),                  \
        [STATE_STARTING] = TO(STARTING) | TO(STOPPING),                                            \
        [STATE_ACTIVE] = TO(ACTIVE) | TO(STARTING) | TO(RELOADING) | TO(STOPPING),                 \
        [STATE_RELOADING] = TO(RELOADING) | TO(STOPPING),                                          \
        [STATE_BACKOFF] = TO(BACKOFF) | TO(STARTING) | TO(STOPPING),                               \
        [STATE_FAILED] = TO(FAILED) | TO(INACTIVE) | TO(STARTING) | TO(ACTIVE),                    \
    }

/* What ran ends, or could not be started. */
#define MOVES_ENDED                                                                                \
    {                                                                                              \
        [STATE_STARTING] = TO(BACKOFF) | TO(FAILED),                                               \
        [STATE_ACTIVE] = TO(BACKOFF) | TO(FAILED) | TO(INACTIVE) | TO(STOPPING),                   \
        [STATE_RELOADING] = TO(BACKOFF) | TO(FAILED) | TO(INACTIVE) | TO(STOPPING),                \
        [STATE_STOPPING] = TO(BACKOFF) | TO(FAILED) | TO(INACTIVE),                                \
    }

static const unsigned moves[_CAUSE_MAX][_STATE_MAX] = {
        [CAUSE_METHOD] = MOVES_ASKED,
        [CAUSE_APPLIED] = {[STATE_STARTING] = TO(ACTIVE), [STATE_RELOADING] = TO(ACTIVE)},
        [CAUSE_RETRY] = {[STATE_BACKOFF] = TO(STARTING) | TO(FAILED)},
        [CAUSE_EXIT] = MOVES_ENDED,
        [CAUSE_WATCHDOG] = MOVES_ENDED,
        [CAUSE_STOPPED] = {[STATE_STOPPING] =
                                   TO(INACTIVE) | TO(FAILED) | TO(STARTING) | TO(ACTIVE)},
        [CAUSE_STABLE] = {[STATE_ACTIVE] = TO(ACTIVE), [STATE_RELOADING] = TO(RELOADING)},
        [CAUSE_KIND] =
                {
                        [STATE_INACTIVE] = TO(INACTIVE),
                        [STATE_STARTING] = TO(STARTING) | TO(STOPPING),
                        [STATE_ACTIVE] = TO(ACTIVE) | TO(RELOADING),
                        [STATE_RELOADING] = TO(RELOADING) | TO(STOPPING),
                        [STATE_BACKOFF] = TO(BACKOFF),
                        [STATE_STOPPING] = TO(STOPPING),
                        [STATE_FAILED] = TO(FAILED),
                },
};

static bool rules_may_come_by_itself(const StateRecord *now)
{
    return now->cause == CAUSE_RETRY || now->cause == CAUSE_STABLE ||
           (now->cause == CAUSE_KIND && now->from == now->state);
}

/* Was it announced? Gives the profile that comes with it, or -1. */
static int rules_check_expected(World *world, const Change *change)
{
    static const ExpectedType types[_CHANGE_MAX] = {EXPECT_ADD, EXPECT_UPDATE, EXPECT_REMOVE};
    Expectation *expected = &world->expected[change->serial % EXPECTATIONS];
    const char *id = service_id(change->service);
    if (expected->serial != change->serial || expected->type == EXPECT_NOTHING) {
        const Actor *actor = world_find_actor(world, change->service);
        bool follows = change->type == CHANGE_REMOVE && actor != NULL && actor->deleting;
        if (!follows &&
            (change->type != CHANGE_UPDATE || !rules_may_come_by_itself(change->new_state)))
            violation("no change without a reason", "'%s': %s by %s", id,
                      change_type_to_string(change->type), cause_to_string(change->cause));
        return -1;
    }
    if (expected->type != types[change->type] || expected->cause != change->cause ||
        (expected->service != NULL && expected->service != change->service))
        violation("each change is the one that was asked for", "'%s': %s by %s", id,
                  change_type_to_string(change->type), cause_to_string(change->cause));
    State to = change->new_state->state;
    if (change->type == CHANGE_UPDATE && (expected->states & 1U << to) == 0)
        violation("each operation leads where it should", "'%s' goes from %s to %s", id,
                  state_to_string(change->new_state->from), state_to_string(to));
    return expected->profile;
}

/* Times */

static void rules_check_time(const char *id, const char *name, uint64_t was, uint64_t is,
                             bool changes, uint64_t expected)
{
    if (is != (changes ? expected : was))
        violation("times are those of the documentation",
                  "'%s': %s is %" PRIu64 ", was %" PRIu64 ", expected %" PRIu64, id, name, is, was,
                  changes ? expected : was);
}

static void rules_check_times(const World *world, const char *id, const Seen *old,
                              const StateRecord *now, bool configured)
{
    uint64_t wall = world_wall(world);
    bool was_active = old->values[SEEN_ACTIVE], was_loading = old->values[SEEN_LOADING];
    bool restarts = now->cause == CAUSE_STOPPED && now->active;
    rules_check_time(id, "time", 0, now->time, true, wall);
    rules_check_time(id, "last_active_time", old->values[SEEN_LAST_ACTIVE], now->last_active_time,
                     (now->active && !was_active) || restarts, wall);
    rules_check_time(id, "last_inactive_time", old->values[SEEN_LAST_INACTIVE],
                     now->last_inactive_time, (!now->active && was_active) || restarts, wall);
    rules_check_time(id, "last_loading_start_time", old->values[SEEN_LOADING_START],
                     now->last_loading_start_time, now->loading && !was_loading, wall);
    rules_check_time(id, "last_loading_end_time", old->values[SEEN_LOADING_END],
                     now->last_loading_end_time, now->loading != was_loading,
                     now->loading ? 0 : wall);
    rules_check_time(id, "last_config_time", old->values[SEEN_LAST_CONFIG], now->last_config_time,
                     configured, wall);
    uint64_t error = now->error != NULL ? g_str_hash(now->error->message) : 0;
    if (now->last_error_time != old->values[SEEN_LAST_ERROR] &&
        (error == 0 || now->last_error_time != wall))
        violation("times are those of the documentation", "'%s': last_error_time", id);
}

/* Counts and errors */

static void rules_check_attempts(const char *id, const Seen *old, const StateRecord *now,
                                 bool configured)
{
    uint64_t was = old->values[SEEN_FAILED_ATTEMPTS];
    bool starts = now->state == STATE_STARTING && now->from != STATE_BACKOFF &&
                  now->from != STATE_STARTING;
    bool is_new = now->error != NULL && seen_of(now).values[SEEN_ERROR] != old->values[SEEN_ERROR];
    bool ends = now->cause == CAUSE_EXIT || now->cause == CAUSE_WATCHDOG;
    bool fails = ends && is_new && now->from != STATE_STOPPING &&
                 (now->state == STATE_BACKOFF || now->state == STATE_FAILED);
    bool keeps = now->cause == CAUSE_APPLIED || now->cause == CAUSE_RETRY ||
                 now->cause == CAUSE_KIND || now->state == STATE_STOPPING;
    bool forgets = configured || starts || now->cause == CAUSE_STABLE ||
                   (now->cause == CAUSE_STOPPED && now->error == NULL);
    uint64_t is = now->failed_attempts;
    if ((is != was && is != was + 1 && is != 0) || (is == was + 1 && !ends) ||
        (fails && is != was + 1) || (keeps && is != was) || (forgets && is != 0))
        violation("failures in a row are counted",
                  "'%s': from %" PRIu64 " to %" PRIu64 " by %s, %s", id, was, is,
                  cause_to_string(now->cause), state_to_string(now->state));
}

static void rules_check_error(const char *id, const Seen *old, const StateRecord *now)
{
    bool cleared = (now->cause == CAUSE_APPLIED && now->from == STATE_STARTING) ||
                   (now->state == STATE_STARTING && now->cause == CAUSE_STOPPED) ||
                   (now->state == STATE_STARTING && now->cause == CAUSE_METHOD &&
                    now->from != STATE_BACKOFF && now->from != STATE_ACTIVE &&
                    now->from != STATE_STARTING);
    bool had = old->values[SEEN_ERROR] != 0;
    cleared = cleared || (now->from == STATE_FAILED && now->state == STATE_INACTIVE) ||
              (now->cause == CAUSE_METHOD && now->method != NULL &&
               g_str_equal(now->method, "ResetFailed"));
    bool keeps = now->cause == CAUSE_STABLE || now->state == now->from;
    if (cleared && now->error != NULL)
        violation("errors are cleared by what starts, succeeds or mends", "'%s': %s", id,
                  now->error->message);
    if (keeps && now->cause != CAUSE_METHOD && now->cause != CAUSE_KIND &&
        had != (now->error != NULL))
        violation("errors stay until something clears them", "'%s'", id);
    if (!had && now->error != NULL && now->last_error_time != now->time)
        violation("times are those of the documentation", "'%s': last_error_time", id);
}

/* What was set comes with the next change; else a move begins without one. */
static void rules_follow_sub_state(Actor *actor, const Seen *old, const StateRecord *now)
{
    const char *set = g_steal_pointer(&actor->sub_state);
    bool fits = set != NULL && g_str_equal(now->sub_state, set);
    if (now->state == STATE_ACTIVE && actor->told_profile < 0)
        fits = g_str_equal(now->sub_state, "unconfigured");
    else if (now->cause == CAUSE_KIND && now->state == STATE_STOPPING && now->from != now->state)
        fits = g_str_equal(now->sub_state, "unkillable");
    else if (set == NULL || actor->sub_state_same)
        fits = fits || (now->from != now->state && *now->sub_state == '\0') ||
               (now->from == now->state &&
                seen_of(now).values[SEEN_SUB_STATE] == old->values[SEEN_SUB_STATE]);
    if (now->cause == CAUSE_KIND && now->from == STATE_STOPPING && !fits)
        fits = g_str_equal(now->sub_state, "unkillable");
    if (!fits)
        violation("a sub-state is told", "'%s' of '%s' instead of '%s'", now->sub_state,
                  service_id(actor->service), set != NULL ? set : "the last one");
}

static void rules_check_config(const World *world, const Actor *actor, const Seen *old,
                               const StateRecord *now, bool configured)
{
    uint64_t revision = old->values[SEEN_REVISION] + (configured ? 1 : 0);
    if (now->config_revision != revision)
        violation("a configuration changes by Configure only", "'%s': revision %" PRIu64,
                  service_id(actor->service), now->config_revision);
    if (!configured && seen_of(now).values[SEEN_CONFIG] != old->values[SEEN_CONFIG])
        violation("a configuration changes by Configure only", "'%s'", service_id(actor->service));
}

/* Timers */

static void rules_check_delay(const World *world, const Actor *actor, const Seen *old,
                              const StateRecord *now)
{
    uint64_t least, most;
    const Profile *profile = &world->spec->profiles[actor->told_profile];
    bool failed = now->failed_attempts > old->values[SEEN_FAILED_ATTEMPTS];
    profile_delay(profile, failed ? now->failed_attempts : 1, &least, &most);
    uint64_t delay = now->next_attempt_time - now->time;
    if (delay + 1 < least || delay > most + 1)
        violation("delays follow the policy",
                  "'%s' waits %" PRIu64 " us, expected %" PRIu64 " to %" PRIu64,
                  service_id(actor->service), delay, least, most);
}

static void rules_set_due(unsigned *count, uint64_t *due, uint64_t to)
{
    *count += (to != 0) - (*due != 0);
    *due = to;
}

static void rules_follow_timers(World *world, Actor *actor, const Seen *old, const StateRecord *now)
{
    const char *id = service_id(actor->service);
    uint64_t usec = world_now(world);
    bool up = now->state == STATE_ACTIVE || now->state == STATE_RELOADING;
    if (now->cause == CAUSE_RETRY && usec != actor->retry_due)
        violation("the next attempt is made when it is due", "'%s'", id);
    if (now->cause == CAUSE_STABLE && usec != actor->stable_due)
        violation("failures are forgotten after stable_after", "'%s'", id);
    if (now->state == STATE_BACKOFF && now->from != STATE_BACKOFF) {
        rules_check_delay(world, actor, old, now);
        rules_set_due(&world->n_retries, &actor->retry_due,
                      usec + (now->next_attempt_time - now->time));
    } else if (now->state != STATE_BACKOFF) {
        rules_set_due(&world->n_retries, &actor->retry_due, 0);
    }
    if (!up || now->failed_attempts == 0) {
        rules_set_due(&world->n_stables, &actor->stable_due, 0);
    } else if (actor->stable_due == 0 && now->state == STATE_ACTIVE) {
        const Profile *profile = &world->spec->profiles[actor->told_profile];
        rules_set_due(&world->n_stables, &actor->stable_due, usec + profile->stable_usec);
    }
}

/* Whether ResetFailed was asked for after the one change and before the other. */
static bool rules_was_reset(const Actor *actor, uint64_t after, uint64_t before)
{
    for (unsigned i = 0; i < MIN(actor->n_resets, ACTOR_RESETS); i++) {
        if (actor->resets[i] >= after && actor->resets[i] < before)
            return true;
    }
    return false;
}

/* The start limit, by counting the starts that were not forgotten. */
static void rules_follow_starts(World *world, Actor *actor, const StateRecord *now, uint64_t serial)
{
    bool retry = now->cause == CAUSE_RETRY;
    bool refused = now->state == STATE_FAILED && now->failure_class == FAILURE_START_LIMIT &&
                   now->last_error_time == now->time &&
                   (retry || now->cause == CAUSE_STOPPED ||
                    (now->cause == CAUSE_METHOD && now->method != NULL &&
                     (g_str_equal(now->method, "Start") || g_str_equal(now->method, "Restart"))));
    bool starts = now->state == STATE_STARTING && now->from != STATE_STARTING &&
                  now->from != STATE_ACTIVE &&
                  (now->from != STATE_BACKOFF || now->cause == CAUSE_RETRY);
    if (!refused && !starts)
        return;
    unsigned burst = profile_burst(&world->spec->profiles[actor->told_profile]), recent = 0;
    for (uint64_t i = actor->n_starts; i > 0 && actor->n_starts - i < ACTOR_STARTS; i--) {
        uint64_t at = (i - 1) % ACTOR_STARTS;
        recent += !rules_was_reset(actor, actor->starts[at].serial, serial) &&
                  world_now(world) - actor->starts[at].usec < 10 * USEC_PER_SEC;
    }
    if ((starts && burst > 0 && recent >= burst) || (refused && (burst == 0 || recent < burst)))
        violation("the start limit", "'%s': %s after %u starts in 10 s, %u are allowed",
                  service_id(actor->service), refused ? "refused" : "started", recent, burst);
    if (!starts || burst == 0)
        return;
    actor->starts[actor->n_starts % ACTOR_STARTS].usec = world_now(world);
    actor->starts[actor->n_starts % ACTOR_STARTS].serial = serial;
    actor->n_starts++;
}

/* Counts */

static void rules_count(World *world, const Seen *seen, int by)
{
    bool active = seen->values[SEEN_ACTIVE];
    world->counts.active += active ? by : 0;
    world->counts.inactive_failed += !active && seen->values[SEEN_ERROR] != 0 ? by : 0;
    world->counts.by_state[seen->values[SEEN_STATE]] += by;
}

static void rules_count_kind(World *world, const Service *service, int by)
{
    world->counts.total += by;
    for (unsigned i = 0; i < G_N_ELEMENTS(kind_sim); i++)
        world->n_of_kind[i] += service_kind(service) == &kind_sim[i] ? by : 0;
}

/* The three types of change */

/* time 0: it is not known. */
static void rules_note_move(Actor *actor, const StateRecord *now, uint64_t serial, uint64_t time)
{
    if (now->from == now->state)
        return;
    actor->moves[actor->n_moves++ % SERVICE_HISTORY] =
            (HistoryEntry){serial, time, now->from, now->state, now->cause};
}

static void rules_on_add(World *world, const Change *change)
{
    const StateRecord *now = change->new_state;
    Actor *actor = world_actor(world, change->service);
    State expected = actor->told_profile >= 0 ? STATE_STARTING : STATE_ACTIVE;
    if (!actor->wanted && !actor->deleting)
        expected = STATE_INACTIVE;
    if (now->config_revision != (actor->told_profile >= 0 ? 1 : 0) ||
        (service_kind(change->service) != &kind_invalid && now->state != STATE_FAILED &&
         !world->reacting && now->state != expected))
        violation("6: a create happens or leaves nothing", "'%s' comes as %s",
                  service_id(change->service), state_to_string(now->state));
    const Seen nothing = {{0}};
    rules_check_times(world, service_id(change->service), &nothing, now, now->config_revision > 0);
    actor->present = true;
    actor->seen = seen_of(now);
    actor->seen.values[SEEN_SERIAL] = change->serial;
    /* What happened before it was shown has the serial of what shows it. */
    actor->n_moves = 0;
    rules_note_move(actor, now, change->serial, 0);
    rules_follow_starts(world, actor, now, change->serial);
    rules_count(world, &actor->seen, 1);
    rules_count_kind(world, change->service, 1);
    world->n_created++;
    world_touch(world, actor);
}

static void rules_on_update(World *world, const Change *change, int profile)
{
    Actor *actor = world_find_actor(world, change->service);
    const StateRecord *now = change->new_state;
    const char *id = service_id(change->service);
    if (actor == NULL || !actor->present)
        violation("4: listeners are told of what is there", "'%s' is not", id);
    const Seen old = actor->seen, then = seen_of(change->old_state);
    seen_check_same(&old, &then, "4: changes follow each other", "the witness", id);
    if (now->from != (State)old.values[SEEN_STATE] ||
        (moves[now->cause][now->from] & 1U << now->state) == 0)
        violation("every move is in the table", "'%s': %s to %s by %s", id,
                  state_to_string(now->from), state_to_string(now->state),
                  cause_to_string(now->cause));
    if (profile >= 0)
        actor->told_profile = profile;
    rules_check_times(world, id, &old, now, profile >= 0);
    rules_check_attempts(id, &old, now, profile >= 0);
    rules_check_error(id, &old, now);
    rules_check_config(world, actor, &old, now, profile >= 0);
    rules_follow_sub_state(actor, &old, now);
    rules_follow_timers(world, actor, &old, now);
    rules_follow_starts(world, actor, now, change->serial);
    rules_note_move(actor, now, change->serial, now->time);
    rules_count(world, &old, -1);
    actor->seen = seen_of(now);
    rules_count(world, &actor->seen, 1);
    invariants_check_record(world, actor, now);
    world_touch(world, actor);
}

static void rules_on_remove(World *world, const Change *change)
{
    Actor *actor = world_find_actor(world, change->service);
    const char *id = service_id(change->service);
    if (actor == NULL || !actor->present || !actor->deleting)
        violation("6: what is removed was deleted", "'%s' was not", id);
    Seen last = seen_of(change->new_state);
    seen_check_same(&actor->seen, &last, "4: changes follow each other", "the witness", id);
    if (change->new_state->active)
        violation("2: nothing of an inactive service runs", "'%s' is removed while active", id);
    actor->present = false;
    rules_count(world, &actor->seen, -1);
    rules_count_kind(world, change->service, -1);
    world->n_removed++;
    world_forget_actor(world, change->service);
}

static void rules_tell(const World *world, const Change *change)
{
    const StateRecord *now = change->new_state;
    world_tell(world, "        %s #%" PRIu64 ": %s %s%s%s by %s%s%s%s\n",
               service_id(change->service), change->serial, change_type_to_string(change->type),
               change->type == CHANGE_UPDATE ? state_to_string(now->from) : "",
               change->type == CHANGE_UPDATE ? " to " : "",
               change->type == CHANGE_REMOVE ? "" : state_to_string(now->state),
               cause_to_string(change->cause), change->method != NULL ? " " : "",
               change->method != NULL ? change->method : "", now->error != NULL ? " (error)" : "");
}

static void rules_check_event(const World *world, const Change *change)
{
    const Event *event = events_find(world->events, change->serial);
    if (event == NULL || event->serial != change->serial || event->type != change->type ||
        event->time != change->time || event->cause != change->cause ||
        !g_str_equal(event->id, service_id(change->service)) ||
        (change->type == CHANGE_UPDATE &&
         (event->from != change->old_state->state || event->to != change->new_state->state)))
        violation("4: the events agree with the changes", "#%" PRIu64, change->serial);
}

void rules_on_change(const Change *change, void *data)
{
    World *world = data;
    rules_tell(world, change);
    if (change->serial != world->told + 1)
        violation("4: serials are without a gap", "%" PRIu64 " follows %" PRIu64, change->serial,
                  world->told);
    world->told = change->serial;
    if (change->time != world_wall(world))
        violation("times are those of the documentation", "#%" PRIu64, change->serial);
    rules_check_event(world, change);
    int profile = rules_check_expected(world, change);
    switch (change->type) {
    case CHANGE_ADD:
        rules_on_add(world, change);
        break;
    case CHANGE_UPDATE:
        rules_on_update(world, change, profile);
        break;
    case CHANGE_REMOVE:
        rules_on_remove(world, change);
        break;
    case CHANGE_EVENT: /* not for this listener */
    case _CHANGE_MAX:
    case _CHANGE_INVALID:
        g_assert_not_reached();
    }
}
