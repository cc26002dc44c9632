/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports and requests only write down what they say and arm the step timer; one function, the
 * step, called from the loop, does what follows from it. So no unit is ever called from inside its
 * own report, and the end of the group is told at one place, as the last thing.
 *
 * A unit goes through its states in their order and never back. In the graceful stop the last unit
 * that is not STOPPED is the one to act on; nobody before it is touched until it is. */

#include "run/group.h"

#include "base/errors.h"
#include "base/log.h"
#include "base/multi-start.h"
#include "base/parse.h"

typedef enum UnitState {
    UNIT_IDLE,
    UNIT_OPEN, /* pre-run */
    UNIT_SERVING,
    UNIT_READY,
    UNIT_STOPPING,
    UNIT_STOPPED,
} UnitState;

typedef struct UnitSlot {
    Unit unit;
    UnitState state;
    Group *group;
} UnitSlot;

struct Group {
    Clock *clock;
    GroupEvents events;
    GroupPhase phase;
    GPtrArray *slots;  /* of UnitSlot *, in order of registration */
    GPtrArray *errors; /* of GError * */
    Timer *step;
    Timer *deadline;
    uint64_t startup_deadline_usec;
    bool is_ready;
    bool is_stop_requested;
    bool is_forced;
};

static const char *const group_phase_table[] = {
        [GROUP_PHASE_CONFIG] = "config", [GROUP_PHASE_PRE_RUN] = "pre-run",
        [GROUP_PHASE_SERVE] = "serve",   [GROUP_PHASE_STOP] = "graceful-stop",
        [GROUP_PHASE_DONE] = "done",
};
G_STATIC_ASSERT(G_N_ELEMENTS(group_phase_table) == _GROUP_PHASE_MAX);
ENUM_TABLE_DEFINE(GroupPhase, group_phase, group_phase_table)

static void on_group_step(void *data);
static void on_group_deadline(void *data);

Group *group_new(Clock *clock, TimerHost *timers, const GroupEvents *events)
{
    Group *group = g_new0(Group, 1);

    group->clock = clock;
    group->events = *events;
    group->slots = g_ptr_array_new_with_free_func(g_free);
    group->errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    group->step = timer_new(timers, on_group_step, group);
    group->deadline = timer_new(timers, on_group_deadline, group);
    return group;
}

void group_free(Group *group)
{
    if (group == NULL)
        return;
    g_assert(group->phase == GROUP_PHASE_CONFIG || group->phase == GROUP_PHASE_DONE);
    timer_free(group->step);
    timer_free(group->deadline);
    g_ptr_array_unref(group->slots);
    g_ptr_array_unref(group->errors);
    g_free(group);
}

static UnitSlot *group_slot(const Group *group, unsigned index)
{
    return g_ptr_array_index(group->slots, index);
}

static UnitSlot *group_find(const Group *group, const char *name)
{
    for (unsigned i = 0; i < group->slots->len; i++) {
        UnitSlot *slot = group_slot(group, i);

        if (g_str_equal(slot->unit.name, name))
            return slot;
    }
    return NULL;
}

static UnitSlot *group_get(const Group *group, const char *name)
{
    UnitSlot *slot = group_find(group, name);

    g_assert(slot != NULL);
    return slot;
}

static bool unit_takes_part(const Unit *unit)
{
    return unit->options != NULL || unit->validate != NULL || unit->pre_run != NULL ||
           unit->undo != NULL || unit->serve != NULL || unit->stop != NULL || unit->force != NULL;
}

bool group_register(Group *group, const Unit *unit)
{
    g_assert(group->phase == GROUP_PHASE_CONFIG);
    g_assert(group_find(group, unit->name) == NULL);
    if (!unit_takes_part(unit))
        return false;

    UnitSlot *slot = g_new0(UnitSlot, 1);
    slot->unit = *unit;
    slot->group = group;
    g_ptr_array_add(group->slots, slot);
    return true;
}

bool group_deregister(Group *group, const char *name)
{
    g_assert(group->phase == GROUP_PHASE_CONFIG);
    UnitSlot *slot = group_find(group, name);

    return slot != NULL && g_ptr_array_remove(group->slots, slot);
}

GroupPhase group_phase(const Group *group)
{
    return group->phase;
}

/* Copies error. */
static void group_collect(Group *group, const UnitSlot *slot, const GError *error)
{
    GError *copy = g_error_copy(error);

    g_prefix_error(&copy, "%s: ", slot->unit.name);
    g_ptr_array_add(group->errors, copy);
}

/* The phase config. */

static void group_refuse_rest(int argc, char **argv, GPtrArray *errors)
{
    for (int i = 1; i < argc; i++) {
        g_autofree char *excerpt = parse_excerpt(argv[i]);
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0';

        if (g_str_equal(argv[i], "--"))
            continue;
        g_ptr_array_add(errors,
                        g_error_new(SVCMGR_ERROR, ERROR_INVALID_ARGS,
                                    is_option ? "unknown option %s" : "unexpected argument \"%s\"",
                                    excerpt));
    }
}

bool group_configure(Group *group, GOptionContext *context, int *argc, char ***argv, GError **error)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    for (unsigned i = 0; i < group->slots->len; i++) {
        const Unit *unit = &group_slot(group, i)->unit;

        if (unit->options != NULL)
            g_option_context_add_group(context, unit->options(unit->data));
    }
    /* Otherwise GOption stops at the first. */
    g_option_context_set_ignore_unknown_options(context, TRUE);
    GError *cause = NULL;
    if (!g_option_context_parse(context, argc, argv, &cause)) {
        g_set_error_literal(error, SVCMGR_ERROR, ERROR_INVALID_ARGS, cause->message);
        g_error_free(cause);
        return false;
    }

    group_refuse_rest(*argc, *argv, errors);
    for (unsigned i = 0; i < group->slots->len; i++) {
        const Unit *unit = &group_slot(group, i)->unit;

        if (unit->validate != NULL)
            unit->validate(unit->data, errors);
    }

    GError *joined = errors_join(errors);
    if (joined == NULL)
        return true;
    g_propagate_error(error, joined);
    return false;
}

/* The launch. */

static void group_enter(Group *group, GroupPhase phase)
{
    g_assert(phase > group->phase);
    group->phase = phase;
    log_debug("phase %s", group_phase_to_string(phase));
    if (group->events.phase != NULL)
        group->events.phase(phase, group->events.data);
}

static void group_kick(Group *group)
{
    if (group->phase != GROUP_PHASE_CONFIG && group->phase != GROUP_PHASE_DONE)
        timer_arm(group->step, clock_monotonic_usec(group->clock));
}

void group_run(Group *group, uint64_t startup_usec)
{
    g_assert(group->phase == GROUP_PHASE_CONFIG);
    group->startup_deadline_usec = usec_add(clock_monotonic_usec(group->clock),
                                            startup_usec > 0 ? startup_usec : GROUP_STARTUP_USEC);
    timer_arm(group->deadline, group->startup_deadline_usec);
    group_enter(group, GROUP_PHASE_PRE_RUN);
    group_kick(group);
}

static void group_tell_late(Group *group, GPtrArray *names)
{
    if (names->len == 0)
        return;
    g_ptr_array_add(names, NULL);

    g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
    g_ptr_array_add(group->errors,
                    g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "%s took too long: %s",
                                group->phase == GROUP_PHASE_STOP ? "graceful stop" : "startup",
                                list));
    if (group->events.late != NULL)
        group->events.late(group->phase, (const char *const *)names->pdata, group->events.data);
}

/* A pre_run is one call, so only afterwards can it be seen that the time has passed in it. */
static bool group_pre_run_one(void *data, GError **error)
{
    UnitSlot *slot = data;
    Group *group = slot->group;

    if (group->is_stop_requested)
        return true; /* left as it is, UNIT_IDLE */
    if (slot->unit.pre_run != NULL && !slot->unit.pre_run(slot->unit.data, error))
        return false;
    slot->state = UNIT_OPEN;
    if (clock_monotonic_usec(group->clock) < group->startup_deadline_usec)
        return true;

    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_ptr_array_add(names, (void *)slot->unit.name);
    group_tell_late(group, names);
    group->is_stop_requested = true;
    return true;
}

static bool group_undo_one(void *data, GError **error)
{
    UnitSlot *slot = data;

    if (slot->state != UNIT_IDLE && slot->unit.undo != NULL)
        slot->unit.undo(slot->unit.data);
    slot->state = UNIT_IDLE;
    return true;
}

static GArray *group_start_items(Group *group)
{
    GArray *items = g_array_new(FALSE, FALSE, sizeof(StartItem));

    for (unsigned i = 0; i < group->slots->len; i++) {
        UnitSlot *slot = group_slot(group, i);
        StartItem item = {slot->unit.name, group_pre_run_one, group_undo_one, slot};

        g_array_append_val(items, item);
    }
    return items;
}

/* Undoes what was pre-run and tells the end. The group may be gone afterwards. */
static void group_finish(Group *group)
{
    g_autoptr(GArray) items = group_start_items(group);

    timer_disarm(group->deadline);
    timer_disarm(group->step);
    (void)multi_stop((StartItem *)(void *)items->data, items->len, NULL); /* undo cannot fail */
    group_enter(group, GROUP_PHASE_DONE);

    g_autoptr(GError) joined = errors_join(group->errors);
    if (group->events.done != NULL)
        group->events.done(joined, group->events.data);
}

static void group_begin_stop(Group *group)
{
    uint64_t stop_usec = group->events.stop_usec != NULL
                                 ? group->events.stop_usec(group->events.data)
                                 : GROUP_STOP_USEC;

    group->is_stop_requested = true;
    timer_arm(group->deadline, usec_add(clock_monotonic_usec(group->clock), stop_usec));
    group_enter(group, GROUP_PHASE_STOP);
    group_kick(group);
}

static void group_serve_one(Group *group, UnitSlot *slot)
{
    g_autoptr(GError) error = NULL;

    slot->state = UNIT_SERVING;
    if (slot->unit.serve == NULL) {
        slot->state = UNIT_READY;
        return;
    }
    if (slot->unit.serve(slot->unit.data, &error))
        return;
    group_collect(group, slot, error);
    slot->state = UNIT_STOPPED;
    group->is_stop_requested = true;
}

static void group_step_pre_run(Group *group)
{
    g_autoptr(GArray) items = group_start_items(group);
    g_autoptr(GError) error = NULL;

    if (!multi_start((StartItem *)(void *)items->data, items->len, &error))
        g_ptr_array_add(group->errors, g_steal_pointer(&error));
    if (group->errors->len > 0 || group->is_stop_requested) {
        group_finish(group);
        return;
    }
    group_enter(group, GROUP_PHASE_SERVE);
    for (unsigned i = 0; i < group->slots->len && !group->is_stop_requested; i++)
        group_serve_one(group, group_slot(group, i));
    group_kick(group);
}

static void group_step_serve(Group *group)
{
    if (group->is_stop_requested) {
        group_begin_stop(group);
        return;
    }
    if (group->is_ready)
        return;
    for (unsigned i = 0; i < group->slots->len; i++) {
        if (group_slot(group, i)->state != UNIT_READY)
            return;
    }
    group->is_ready = true;
    timer_disarm(group->deadline);
    if (group->events.ready != NULL)
        group->events.ready(group->events.data);
}

/* The graceful stop. */

static UnitSlot *group_last_running(const Group *group)
{
    for (unsigned i = group->slots->len; i > 0; i--) {
        UnitSlot *slot = group_slot(group, i - 1);

        if (slot->state != UNIT_STOPPED)
            return slot;
    }
    return NULL;
}

static void group_step_stop(Group *group)
{
    UnitSlot *slot = group_last_running(group);

    if (slot == NULL) {
        group_finish(group);
        return;
    }
    if (slot->state == UNIT_STOPPING)
        return;
    if (slot->unit.stop == NULL) {
        slot->state = UNIT_STOPPED;
        group_kick(group);
        return;
    }
    slot->state = UNIT_STOPPING;
    slot->unit.stop(slot->unit.data);
}

static void on_group_step(void *data)
{
    Group *group = data;

    switch (group->phase) {
    case GROUP_PHASE_PRE_RUN:
        group_step_pre_run(group);
        break;
    case GROUP_PHASE_SERVE:
        group_step_serve(group);
        break;
    case GROUP_PHASE_STOP:
        group_step_stop(group);
        break;
    case GROUP_PHASE_CONFIG:
    case GROUP_PHASE_DONE:
    case _GROUP_PHASE_MAX:
    case _GROUP_PHASE_INVALID:
        g_assert_not_reached();
    }
}

/* Those that are not where the phase wants them. */
static GPtrArray *group_late_names(const Group *group)
{
    GPtrArray *names = g_ptr_array_new();

    for (unsigned i = 0; i < group->slots->len; i++) {
        const UnitSlot *slot = group_slot(group, i);
        bool late = group->phase == GROUP_PHASE_STOP
                            ? slot->state != UNIT_STOPPED && slot->unit.stop != NULL
                            : slot->state < UNIT_READY;

        if (late)
            g_ptr_array_add(names, (void *)slot->unit.name);
    }
    return names;
}

static void group_force(Group *group)
{
    g_autoptr(GPtrArray) names = group_late_names(group);

    group->is_forced = true;
    group_tell_late(group, names);
    timer_arm(group->deadline, usec_add(clock_monotonic_usec(group->clock), GROUP_FORCE_USEC));
    for (unsigned i = group->slots->len; i > 0; i--) {
        UnitSlot *slot = group_slot(group, i - 1);

        if (slot->state != UNIT_STOPPED && slot->unit.force != NULL)
            slot->unit.force(slot->unit.data);
    }
    group_kick(group);
}

static void on_group_deadline(void *data)
{
    Group *group = data;

    if (group->phase == GROUP_PHASE_STOP) {
        if (group->is_forced)
            group_finish(group);
        else
            group_force(group);
        return;
    }
    g_autoptr(GPtrArray) names = group_late_names(group);
    group_tell_late(group, names);
    group->is_stop_requested = true;
    group_kick(group);
}

void group_stop(Group *group, const char *reason)
{
    if (group->phase == GROUP_PHASE_STOP) {
        log_warning("%s: the graceful stop is cut short", reason);
        timer_arm(group->deadline, clock_monotonic_usec(group->clock));
        return;
    }
    if (group->is_stop_requested || group->phase == GROUP_PHASE_DONE)
        return;
    log_notice("%s: stopping", reason);
    group->is_stop_requested = true;
    group_kick(group);
}

/* Reports. */

void group_unit_ready(Group *group, const char *name)
{
    UnitSlot *slot = group_get(group, name);

    if (slot->state != UNIT_SERVING)
        return; /* it is being stopped meanwhile */
    slot->state = UNIT_READY;
    group_kick(group);
}

void group_unit_ended(Group *group, const char *name, const GError *error)
{
    UnitSlot *slot = group_get(group, name);

    if (slot->state == UNIT_IDLE || slot->state == UNIT_STOPPED)
        return; /* given up, or has said so before */
    if (slot->state != UNIT_STOPPING)
        log_notice("unit %s ended: stopping", name);
    if (error != NULL)
        group_collect(group, slot, error);
    slot->state = UNIT_STOPPED;
    group->is_stop_requested = true;
    group_kick(group);
}

void group_unit_stopped(Group *group, const char *name, const GError *error)
{
    group_unit_ended(group, name, error);
}
