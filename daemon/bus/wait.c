/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The present state and the subscription are taken in one, so no state is missed. A Wait ends by
 * itself in exactly one way: reached, the service's own error, timeout or deletion; or it is
 * abandoned by the call layer (the peer has gone, the daemon is leaving). */

#include "bus/wait.h"

#include "base/errors.h"
#include "base/parse.h"
#include "bus/call.h"
#include "bus/options.h"

#include <stddef.h>

/* Of those that are waited for, in a message. */
#define WAIT_MAX_NAMES 8

static const char *const wait_until_names[_WAIT_UNTIL_MAX] = {
        [WAIT_UNTIL_SETTLED] = "settled",
        [WAIT_UNTIL_ACTIVE] = "active",
        [WAIT_UNTIL_INACTIVE] = "inactive",
        [WAIT_UNTIL_READY] = "ready",
};
ENUM_TABLE_DEFINE(WaitUntil, wait_until, wait_until_names)

typedef struct Wait {
    Call *call;
    Service *service;
    FeedListener *listener;
    Timer *timer; /* NULL: no timeout */
} Wait;

typedef struct WaitArguments {
    const char *until_name;
    uint64_t after_serial;
    uint64_t timeout_usec;
    WaitUntil until;
} WaitArguments;

static const Option wait_options[] = {
        {"until", "s", offsetof(WaitArguments, until_name)},
        {"after_serial", "t", offsetof(WaitArguments, after_serial)},
        {"timeout_usec", "t", offsetof(WaitArguments, timeout_usec)},
        {NULL, NULL, 0},
};

bool method_wait_read(Call *call, GError **error)
{
    WaitArguments *arguments = call->arguments = g_new0(WaitArguments, 1);
    g_autofree char *excerpt = NULL;

    arguments->until_name = wait_until_names[WAIT_UNTIL_SETTLED];
    arguments->timeout_usec = USEC_INFINITY;
    if (!options_read(call->message, wait_options, arguments, error))
        return false;
    arguments->until = wait_until_from_string(arguments->until_name);
    if ((int)arguments->until >= 0)
        return true;
    excerpt = parse_excerpt(arguments->until_name);
    return error_set(error, ERROR_INVALID_ARGS,
                     "option 'until': expected settled, active, inactive or ready, got '%s'",
                     excerpt);
}

/* A oneshot that has done its work is inactive by itself and without an error: that counts. One
 * that was never started, or was stopped, has not got there yet. */
static WaitVerdict wait_judge_active(const StateRecord *state)
{
    switch (state->state) {
    case STATE_ACTIVE:
        return WAIT_REACHED;
    case STATE_FAILED:
        return WAIT_FAILED;
    case STATE_INACTIVE:
        if (state->error != NULL)
            return WAIT_FAILED;
        /* completed outlives what is said about it meanwhile. */
        return state->completed || state->cause == CAUSE_EXIT ? WAIT_REACHED : WAIT_GOES_ON;
    case STATE_WAITING:
    case STATE_STARTING:
    case STATE_RELOADING:
    case STATE_BACKOFF:
    case STATE_STOPPING:
        return WAIT_GOES_ON;
    case _STATE_MAX:
    case _STATE_INVALID:
        break;
    }
    g_assert_not_reached();
}

WaitVerdict wait_judge(WaitUntil until, uint64_t after_serial, const StateRecord *state)
{
    bool reached = false;

    if (state->serial <= after_serial)
        return WAIT_GOES_ON;
    switch (until) {
    case WAIT_UNTIL_SETTLED:
        reached = state_record_is_settled(state);
        break;
    case WAIT_UNTIL_INACTIVE:
        reached = state->state == STATE_INACTIVE || state->state == STATE_FAILED;
        break;
    case WAIT_UNTIL_ACTIVE:
    case WAIT_UNTIL_READY: /* a kind reports its apply done when what it runs is ready */
        return wait_judge_active(state);
    case _WAIT_UNTIL_MAX:
    case _WAIT_UNTIL_INVALID:
        g_assert_not_reached();
    }
    return reached ? WAIT_REACHED : WAIT_GOES_ON;
}

static void wait_free(Wait *wait)
{
    feed_unlisten(wait->listener);
    timer_free(wait->timer);
    service_unref(wait->service);
    g_free(wait);
}

static void on_wait_abandoned(Call *call)
{
    wait_free(call->waiter);
}

static void wait_end(Wait *wait, const GError *error)
{
    Call *call = wait->call;

    wait_free(wait);
    call_reply_error(call, error);
}

static void wait_end_reached(Wait *wait, const StateRecord *state)
{
    Call *call = wait->call;
    Writer writer = call_reply_begin(call);

    writer_string(&writer, state_to_string(state->state));
    writer_uint64(&writer, state->serial);
    wait_free(wait);
    call_reply(call, &writer);
}

/* The service's own error, under its own name. */
static void wait_end_failed(Wait *wait, const StateRecord *state)
{
    g_autoptr(GError) error = state->error != NULL
                                      ? g_error_copy(state->error)
                                      : g_error_new(SVCMGR_ERROR, ERROR_FAILED, "it is %s",
                                                    state_to_string(state->state));

    if (!g_str_has_prefix(error->message, "service '"))
        g_prefix_error(&error, "service '%s': ", wait->call->id);
    wait_end(wait, error);
}

static void wait_look(Wait *wait, const StateRecord *state)
{
    const WaitArguments *arguments = wait->call->arguments;

    switch (wait_judge(arguments->until, arguments->after_serial, state)) {
    case WAIT_GOES_ON:
        break;
    case WAIT_REACHED:
        wait_end_reached(wait, state);
        break;
    case WAIT_FAILED:
        wait_end_failed(wait, state);
        break;
    }
}

static void on_wait_change(const Change *change, void *data)
{
    g_autoptr(GError) error = NULL;
    Wait *wait = data;

    if (change->type == CHANGE_UPDATE) {
        wait_look(wait, change->new_state);
        return;
    }
    (void)error_set(&error, ERROR_NOT_FOUND, /* always false */
                    "service '%s' was deleted while it was waited for", wait->call->id);
    wait_end(wait, error);
}

/* " for 'db' and 'disk'", or "". The caller's. */
static char *wait_describe_awaited(const StateRecord *state)
{
    char *const *ids = links_waiting_for(state->links);
    unsigned n = ids != NULL ? g_strv_length((char **)ids) : 0;
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < n && i < WAIT_MAX_NAMES; i++) {
        bool is_last = i + 1 == n;

        g_string_append_printf(text, "%s'%s'", i == 0 ? " for " : is_last ? " and " : ", ", ids[i]);
    }
    if (n > WAIT_MAX_NAMES)
        g_string_append_printf(text, " and %u more", n - WAIT_MAX_NAMES);
    return g_string_free(text, FALSE);
}

static void on_wait_timeout(void *data)
{
    Wait *wait = data;
    const WaitArguments *arguments = wait->call->arguments;
    g_autofree char *duration = format_duration(arguments->timeout_usec);
    const StateRecord *state = service_state(wait->service);
    g_autofree char *after = NULL, *still = NULL, *awaited = wait_describe_awaited(state);
    g_autoptr(GError) error = NULL;

    if (arguments->after_serial > 0) {
        after = g_strdup_printf(" after serial %" G_GUINT64_FORMAT, arguments->after_serial);
        still = g_strdup_printf(" at serial %" G_GUINT64_FORMAT, state->serial);
    }
    (void)error_set(&error, ERROR_TIMEOUT, /* always false */
                    "service '%s' was not %s%s within %s; it is %s%s%s%s%s", wait->call->id,
                    wait_until_to_string(arguments->until), after != NULL ? after : "", duration,
                    state_to_string(state->state), awaited, still != NULL ? still : "",
                    state->error != NULL ? ": " : "",
                    state->error != NULL ? state->error->message : "");
    wait_end(wait, error);
}

static void wait_arm(Wait *wait, uint64_t timeout_usec)
{
    Bus *bus = wait->call->bus;

    if (timeout_usec == USEC_INFINITY)
        return;
    wait->timer = timer_new(bus->timers, on_wait_timeout, wait);
    timer_arm(wait->timer, usec_add(clock_monotonic_usec(bus->clock), timeout_usec));
}

bool method_wait_act(Call *call, GError **error)
{
    const WaitArguments *arguments = call->arguments;
    Service *service = call_service(call, error);
    g_autoptr(StateRecord) state = NULL;
    Wait *wait;

    if (service == NULL || !call_keep(call, on_wait_abandoned, error))
        return false;
    call_slim(call); /* it may take days */
    wait = call->waiter = g_new0(Wait, 1);
    wait->call = call;
    wait->service = service_ref(service);
    wait->listener = service_state_and_listen(service, &state, on_wait_change, wait);
    wait_arm(wait, arguments->timeout_usec);
    wait_look(wait, state);
    return true;
}
