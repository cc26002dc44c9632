/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people ask of the map. A create that is refused leaves nothing: no change, no instance, no
 * timer. */

#include "base/errors.h"
#include "base/parse.h"
#include "requests.h"
#include "trial.h"

#include <inttypes.h>
#include <string.h>

/* A minted id takes two random numbers. */
#define MINT_TRIES 10

/* What the map is asked for, and what is known of it. */
typedef struct Creation {
    CreateSpec spec;
    bool broken;
    bool bad_config;
    Birth birth;
} Creation;

static Creation creation_of(World *world, unsigned slot, uint32_t bits, uint32_t more)
{
    unsigned profile = more % N_PROFILES;
    bool configured = (bits & CREATE_CONFIG) != 0;
    Creation creation = {
            .broken = (bits & CREATE_BROKEN) != 0,
            .bad_config = (bits & CREATE_BAD_CONFIG) != 0,
            .spec = {.id = world->ids[slot % world->spec->n_slots],
                     .kind = kind_sim[(bits & CREATE_OTHER_KIND) != 0].name,
                     .start = (bits & CREATE_START) != 0,
                     .description = (bits & CREATE_LABELS) != 0 ? "described" : NULL,
                     .labels = (bits & CREATE_LABELS) != 0 ? world->labels : NULL},
    };
    CreateSpec *spec = &creation.spec;
    if ((bits & CREATE_NO_ID) != 0)
        spec->id = NULL;
    if ((bits & CREATE_BAD_ID) != 0)
        spec->id = ".hidden";
    if ((bits & CREATE_UNKNOWN_KIND) != 0)
        spec->kind = "unheard-of";
    if (creation.broken && spec->id == NULL)
        spec->id = world->ids[slot % world->spec->n_slots]; /* a file has a name */
    if (configured || creation.bad_config)
        spec->config = creation.bad_config ? bad_config(more) : world->configs[profile];
    if (spec->config != NULL)
        spec->config_length = strlen(spec->config);
    creation.birth = (Birth){
            .profile = configured && !creation.bad_config && !creation.broken ? (int)profile : -1,
            .start = spec->start && !creation.broken,
            .broken = creation.broken,
            .labelled = (bits & CREATE_LABELS) != 0,
            .apply_plan =
                    more / N_PROFILES % 8 < _PLAN_MAX ? (Plan)(more / N_PROFILES % 8) : PLAN_LATER,
            .stop_plan = more / N_PROFILES / 8 % 8 < _PLAN_MAX ? (Plan)(more / N_PROFILES / 8 % 8)
                                                               : PLAN_LATER,
    };
    return creation;
}

/* What refuses it; _ERROR_MAX: nothing. In the order in which the map looks. */
static ErrorCode creation_refusal(World *world, const Creation *creation)
{
    const CreateSpec *spec = &creation->spec;
    bool is_known = map_find_kind(world->map, spec->kind) != NULL;
    const char *id = spec->id;
    if (world->spec->immutable)
        return ERROR_IMMUTABLE;
    if (world->counts.total >= world->spec->max_services)
        return ERROR_LIMIT_EXCEEDED;
    if (!is_known && !creation->broken)
        return ERROR_UNKNOWN_KIND;
    if (id == NULL && world->spec->id_rule == ID_REQUIRED)
        return ERROR_INVALID_ID;
    if (id == NULL && world->spec->id_rule == ID_IS_KIND)
        id = spec->kind;
    if (id != NULL && *id == '.')
        return ERROR_INVALID_ID;
    if (id != NULL && map_find(world->map, id) != NULL)
        return ERROR_ID_EXISTS;
    if (creation->bad_config && !creation->broken)
        return ERROR_INVALID_CONFIG;
    return _ERROR_MAX;
}

static void creation_check_refused(World *world, const Creation *creation, ErrorCode expected,
                                   const GError *error, unsigned n_armed, unsigned n_instances)
{
    bool exhausted = creation->spec.id == NULL && world->spec->id_rule == ID_IS_UUID &&
                     world->spec->few_ids && error_is(error, ERROR_ID_EXISTS);
    if (exhausted && world->n_draws != 2 * MINT_TRIES)
        violation("minting tries ten times", "it drew %u numbers", world->n_draws);
    if (!world->reacting && !exhausted && (expected == _ERROR_MAX || !error_is(error, expected)))
        violation("what is refused, and why", "Create: %s", error->message);
    if (world->n_instances != n_instances || virtual_loop_n_armed(world->loop) != n_armed)
        violation("6: a create happens or leaves nothing", "an instance or a timer is left");
}

static void creation_check_done(World *world, unsigned slot, const Creation *creation,
                                Service *service)
{
    const char *asked = creation->spec.id;
    if (asked != NULL && !g_str_equal(asked, service_id(service)))
        violation("6: a create happens or leaves nothing", "asked for '%s', got '%s'", asked,
                  service_id(service));
    if (!parse_id(service_id(service), NULL))
        violation("6: a create happens or leaves nothing", "'%s' is no id", service_id(service));
    g_free(world->ids[slot]);
    world->ids[slot] = g_strdup(service_id(service));
}

void request_create(World *world, unsigned slot, uint32_t bits, uint32_t more)
{
    static const char label[] = "the service's";
    Creation creation = creation_of(world, slot, bits, more);
    g_autofree char *id = g_strdup(creation.spec.id); /* the slot's may go meanwhile */
    creation.spec.id = id;
    Origin origin = {.cause = (bits & CREATE_AT_STARTUP) != 0 ? CAUSE_STARTUP : CAUSE_METHOD,
                     .method = "CreateService",
                     .caller = world->callers[0]};
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) reason = g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, label);
    ErrorCode expected = creation_refusal(world, &creation);
    Birth before = world->birth;
    unsigned n_armed = (unsigned)virtual_loop_n_armed(world->loop);
    unsigned n_instances = world->n_instances;
    Expectation *next = world_expect(world, EXPECT_ADD, NULL, 0, origin.cause);
    world->birth = creation.birth;
    world->n_draws = 0;
    Service *service =
            creation.broken ? map_create_broken(world->map, &creation.spec, reason, &origin, &error)
                            : map_create(world->map, &creation.spec, &origin, &error);
    if (service == NULL) {
        world->birth = before;
        creation_check_refused(world, &creation, expected, error, n_armed, n_instances);
        world_expect_nothing(world, next, "a refused Create");
        return;
    }
    if (!world->reacting && expected != _ERROR_MAX)
        violation("what is refused, and why", "Create is accepted instead of %s",
                  error_code_to_dbus_name(expected));
    world_expect_done(world, next, "Create");
    /* A callback may have deleted it: then what came back is the map's no more. */
    if (world->reacting)
        (void)world_actor(world, service); /* it will be told of later */
    world->birth = before;
    if (g_hash_table_contains(world->actors, service))
        creation_check_done(world, slot % world->spec->n_slots, &creation, service);
}

/* Deleting */

static void deletion_on_done(const StateRecord *state, void *data)
{
    Waiter *waiter = data;
    if (waiter->called || waiter->forgotten)
        violation("who waits for a delete hears of it once", "%s",
                  waiter->called ? "heard of it twice" : "heard of it after all");
    if (state->active)
        violation("2: nothing of an inactive service runs", "deleted while %s",
                  state_to_string(state->state));
    waiter->called = true;
}

void request_delete(World *world, const char *id, bool waits)
{
    Origin origin = {.cause = CAUSE_METHOD, .method = "DeleteService", .caller = NULL};
    g_autoptr(GError) error = NULL;
    Service *service = map_find(world->map, id);
    if (service == NULL)
        return;
    Actor *actor = actor_ref(world_actor(world, service));
    State state = service_state(service)->state;
    bool is_told = !service_state(service)->active || state != STATE_STOPPING;
    Waiter *waiter = waits ? g_new0(Waiter, 1) : NULL;
    Expectation *next = service_state(service)->active
                                ? world_expect(world, EXPECT_UPDATE, service, 1U << STATE_STOPPING,
                                               CAUSE_METHOD)
                                : world_expect(world, EXPECT_REMOVE, service, 0, CAUSE_METHOD);
    world_touch(world, actor);
    if (waiter != NULL)
        g_ptr_array_add(world->waiters, waiter);
    if (!world->spec->immutable) {
        if (service_state(service)->active && is_told) {
            actor->stop_pending = true;
            actor->stop_turn = world->n_turns;
        }
        actor->deleting = true;
        actor->wanted = false;
    } else if (waiter != NULL) {
        waiter->forgotten = true;
    }
    bool done = map_delete(world->map, id, &origin, waiter != NULL ? deletion_on_done : NULL,
                           waiter, &error);
    actor_unref(actor);
    if (done == world->spec->immutable || (!done && !error_is(error, ERROR_IMMUTABLE)))
        violation("what is refused, and why", "Delete: %s", done ? "accepted" : error->message);
    if (done && is_told)
        world_expect_done(world, next, "Delete");
    else
        world_expect_nothing(world, next, "Delete");
}

void request_forget(World *world, uint32_t which)
{
    unsigned n = world->waiters->len;
    for (unsigned i = 0; i < n; i++) {
        Waiter *waiter = world->waiters->pdata[(which + i) % n];
        if (waiter->called || waiter->forgotten)
            continue;
        waiter->forgotten = true;
        map_delete_forget(world->map, deletion_on_done, waiter);
        return;
    }
}
