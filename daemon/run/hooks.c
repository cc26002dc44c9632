/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports only write down what they say and arm the step timer; the step begins the next hook. So
 * no hook is begun from inside the report of another one. */

#include "run/hooks.h"

#include "base/errors.h"

typedef enum HookState {
    HOOK_PENDING,
    HOOK_RUNNING,
    HOOK_ENDED,
    HOOK_DROPPED,
} HookState;

typedef struct HookSlot {
    Hook hook; /* with its own name */
    HookState state;
} HookSlot;

struct Hooks {
    HookMoment moment;
    HooksEvents events;
    GPtrArray *slots; /* of HookSlot *, in the order in which they run */
    Timer *step;
    bool is_begun;
};

static const char *const hook_moment_table[] = {
        [HOOK_STARTUP] = "startup",
        [HOOK_SHUTDOWN] = "shutdown",
};
G_STATIC_ASSERT(G_N_ELEMENTS(hook_moment_table) == _HOOK_MOMENT_MAX);
ENUM_TABLE_DEFINE(HookMoment, hook_moment, hook_moment_table)

static void on_hooks_step(void *data);

static void hooks_slot_free(void *data)
{
    HookSlot *slot = data;

    g_free((char *)slot->hook.name);
    g_free(slot);
}

Hooks *hooks_new(HookMoment moment, TimerHost *timers, const HooksEvents *events)
{
    Hooks *hooks = g_new0(Hooks, 1);

    hooks->moment = moment;
    hooks->events = *events;
    hooks->slots = g_ptr_array_new_with_free_func(hooks_slot_free);
    hooks->step = timer_new(timers, on_hooks_step, hooks);
    return hooks;
}

void hooks_free(Hooks *hooks)
{
    if (hooks == NULL)
        return;
    timer_free(hooks->step);
    g_ptr_array_unref(hooks->slots);
    g_free(hooks);
}

static HookSlot *hooks_slot(const Hooks *hooks, unsigned index)
{
    return g_ptr_array_index(hooks->slots, index);
}

static HookSlot *hooks_find(const Hooks *hooks, const char *name)
{
    for (unsigned i = 0; i < hooks->slots->len; i++) {
        if (g_str_equal(hooks_slot(hooks, i)->hook.name, name))
            return hooks_slot(hooks, i);
    }
    return NULL;
}

static HookSlot *hooks_first_in(const Hooks *hooks, HookState state)
{
    for (unsigned i = 0; i < hooks->slots->len; i++) {
        if (hooks_slot(hooks, i)->state == state)
            return hooks_slot(hooks, i);
    }
    return NULL;
}

/* After all of the same priority. */
static void hooks_insert(Hooks *hooks, HookSlot *slot)
{
    unsigned at = 0;

    while (at < hooks->slots->len && hooks_slot(hooks, at)->hook.priority <= slot->hook.priority)
        at++;
    g_ptr_array_insert(hooks->slots, (int)at, slot);
}

bool hooks_add(Hooks *hooks, const Hook *hook, GError **error)
{
    const char *moment = hook_moment_to_string(hooks->moment);

    if (hooks->is_begun)
        return error_set(error, ERROR_BUSY, "%s hook %s: the %s hooks have begun already", moment,
                         hook->name, moment);
    if (hook->priority < HOOK_PRIORITY_MIN || hook->priority > HOOK_PRIORITY_MAX)
        return error_set(error, ERROR_INVALID_ARGS,
                         "%s hook %s: expected a priority from %d to %d, got %d", moment,
                         hook->name, HOOK_PRIORITY_MIN, HOOK_PRIORITY_MAX, hook->priority);
    if (hooks_find(hooks, hook->name) != NULL)
        return error_set(error, ERROR_ID_EXISTS, "%s hook %s: there is one of this name already",
                         moment, hook->name);

    HookSlot *slot = g_new0(HookSlot, 1);
    slot->hook = *hook;
    slot->hook.name = g_strdup(hook->name);
    hooks_insert(hooks, slot);
    return true;
}

bool hooks_remove(Hooks *hooks, const char *name)
{
    HookSlot *slot = hooks_find(hooks, name);

    g_assert(!hooks->is_begun);
    return slot != NULL && g_ptr_array_remove(hooks->slots, slot);
}

static void hooks_kick(Hooks *hooks)
{
    timer_arm(hooks->step, 0); /* in the next turn */
}

void hooks_drop(Hooks *hooks)
{
    for (unsigned i = 0; i < hooks->slots->len; i++) {
        if (hooks_slot(hooks, i)->state == HOOK_PENDING)
            hooks_slot(hooks, i)->state = HOOK_DROPPED;
    }
}

static void on_hooks_step(void *data)
{
    Hooks *hooks = data;
    HookSlot *slot = hooks_first_in(hooks, HOOK_PENDING);

    if (slot == NULL) {
        if (hooks->events.done != NULL)
            hooks->events.done(hooks->events.data);
        return;
    }
    slot->state = HOOK_RUNNING;
    if (hooks->events.before != NULL)
        hooks->events.before(slot->hook.name, hooks->events.data);
    slot->hook.run(slot->hook.data);
}

void hooks_run(Hooks *hooks)
{
    g_assert(!hooks->is_begun);
    hooks->is_begun = true;
    hooks_kick(hooks);
}

static void hooks_end(Hooks *hooks, HookSlot *slot, const GError *error)
{
    slot->state = HOOK_ENDED;
    if (hooks->events.after != NULL)
        hooks->events.after(slot->hook.name, error, hooks->events.data);
}

void hooks_done(Hooks *hooks, const char *name, const GError *error)
{
    HookSlot *slot = hooks_find(hooks, name);

    if (slot == NULL || slot->state != HOOK_RUNNING)
        return;
    if (error != NULL && hooks->moment == HOOK_STARTUP)
        hooks_drop(hooks);
    hooks_kick(hooks);
    hooks_end(hooks, slot, error);
}

void hooks_abort(Hooks *hooks)
{
    HookSlot *slot = hooks_first_in(hooks, HOOK_RUNNING);

    hooks_drop(hooks);
    if (slot != NULL && slot->hook.abort != NULL)
        slot->hook.abort(slot->hook.data);
}

void hooks_give_up(Hooks *hooks, const GError *error)
{
    HookSlot *slot = hooks_first_in(hooks, HOOK_RUNNING);

    hooks_drop(hooks);
    timer_disarm(hooks->step);
    if (slot != NULL)
        hooks_end(hooks, slot, error);
}

unsigned hooks_n_begun(const Hooks *hooks)
{
    unsigned n_begun = 0;

    for (unsigned i = 0; i < hooks->slots->len; i++) {
        HookState state = hooks_slot(hooks, i)->state;

        n_begun += state == HOOK_RUNNING || state == HOOK_ENDED;
    }
    return n_begun;
}

const char *hooks_running(const Hooks *hooks)
{
    const HookSlot *slot = hooks_first_in(hooks, HOOK_RUNNING);

    return slot != NULL ? slot->hook.name : NULL;
}

GPtrArray *hooks_list(const Hooks *hooks)
{
    GPtrArray *names = g_ptr_array_new();

    for (unsigned i = 0; i < hooks->slots->len; i++)
        g_ptr_array_add(names, (void *)hooks_slot(hooks, i)->hook.name);
    return names;
}

GPtrArray *hooks_list_pending(const Hooks *hooks)
{
    GPtrArray *names = g_ptr_array_new();

    for (unsigned i = 0; i < hooks->slots->len; i++) {
        const HookSlot *slot = hooks_slot(hooks, i);

        if (slot->state == HOOK_PENDING || slot->state == HOOK_RUNNING)
            g_ptr_array_add(names, (void *)slot->hook.name);
    }
    return names;
}

int hooks_priority(const Hooks *hooks, const char *name)
{
    const HookSlot *slot = hooks_find(hooks, name);

    g_assert(slot != NULL);
    return slot->hook.priority;
}
