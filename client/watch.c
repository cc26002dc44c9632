/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How no event is missed: first the signals are subscribed to, then what came before is read with
 * GetEvents. Messages keep their order, so that every signal which comes before that answer is in
 * the answer, and every one after it is not. Serials tell of one that is missing nevertheless; then
 * GetEvents is asked again.
 *
 * A lost connection is tried again, first soon, then less often; a daemon that left its bus is
 * waited for on the bus. What happened meanwhile comes with GetEvents after the last serial, as
 * long as it is the same instance of the daemon; a new one starts from its oldest event. What the
 * daemon no longer has is said, and the states that came of it are listed. */

#include "watch.h"

#include "base/clock.h"
#include "base/errors.h"
#include "call.h"
#include "connect.h"
#include "event.h"
#include "select.h"

#include <systemd/sd-event.h>

#define WATCH_RETRY_MIN (100 * USEC_PER_MSEC)
#define WATCH_RETRY_MAX (5 * USEC_PER_SEC)

#define WATCH_MATCH_EVENT                                                                          \
    "type='signal',sender='" DAEMON_NAME "',path='" MANAGER_PATH "',interface='" MANAGER_INTERFACE \
    "',member='Event'"
#define WATCH_MATCH_OWNER                                                                          \
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org."     \
    "freedesktop.DBus',member='NameOwnerChanged',arg0='" DAEMON_NAME "'"

typedef struct Watch {
    Client *client;
    EventFilter filter;
    sd_event *loop;
    sd_event_source *retry;
    uint64_t retry_delay_usec;
    char *instance;         /* of the daemon that last_serial is from; NULL: none seen yet */
    uint64_t last_serial;   /* everything up to it is printed */
    bool is_synchronised;   /* signals follow last_serial; else GetEvents is under way */
    const char *lost;       /* what was said of it; NULL: it is there */
    unsigned n_synchronise; /* an answer for an older one does not count */
    Outcome outcome;
} Watch;

static void watch_synchronise(Watch *watch);
static void watch_retry_later(Watch *watch);

static void watch_end(Watch *watch, Outcome outcome)
{
    watch->outcome = outcome;
    (void)sd_event_exit(watch->loop, 0); /* it is running */
}

/* A line between the events: in JSON an object of type Note, else on standard error. */
static void watch_note(Watch *watch, const char *message)
{
    if (watch->client->output.json != JSON_MODE_NONE)
        output_json(&watch->client->output,
                    json_pack("{s:s, s:s}", "type", "Note", "message", message));
    else if (!watch->client->output.is_quiet)
        output_note("%s", message);
}

static void watch_print(Watch *watch, json_t *event)
{
    if (event_is_wanted(&watch->filter, event))
        event_print(&watch->client->output, event);
    watch->last_serial = value_unsigned(event, "serial");
    if (!output_flush())
        watch_end(watch, OUTCOME_FAILED);
}

static int on_watch_event(sd_bus_message *signal, void *data, sd_bus_error *ret_error)
{
    Watch *watch = data;
    g_autoptr(json_t) event = NULL;

    if (!watch->is_synchronised || event_from_signal(signal, &event) < 0)
        return 0;
    uint64_t serial = value_unsigned(event, "serial");
    if (serial == watch->last_serial + 1)
        watch_print(watch, event);
    else if (serial > watch->last_serial)
        watch_synchronise(watch);
    return 0;
}

/* what: static. */
static void watch_lose(Watch *watch, const char *what)
{
    if (watch->lost == NULL || !g_str_equal(watch->lost, what))
        watch_note(watch, what);
    watch->lost = what;
    watch->is_synchronised = false;
}

static int on_watch_owner(sd_bus_message *signal, void *data, sd_bus_error *ret_error)
{
    Watch *watch = data;
    const char *new_owner;

    if (sd_bus_message_read(signal, "sss", NULL, NULL, &new_owner) < 0)
        return 0;
    if (new_owner[0] == '\0')
        watch_lose(watch, "svcmgrd has left the bus; waiting for it");
    else
        watch_synchronise(watch);
    return 0;
}

/* The states that events led to which nobody can see any more: those with a serial between. */
static void watch_list_missed(Watch *watch, json_t *services, uint64_t oldest)
{
    size_t index;
    json_t *service;

    json_array_foreach(services, index, service)
    {
        uint64_t serial = value_unsigned(service, "StateSerial");
        const char *state = value_string(service, "State");

        if (serial <= watch->last_serial || serial >= oldest ||
            !event_is_of(&watch->filter, value_string(service, "Id")))
            continue;
        const json_t *transition = json_object_get(service, "LastTransition");
        g_autoptr(json_t) event = json_pack(
                "{s:I, s:I, s:s, s:s, s:s, s:s}", "serial", (json_int_t)serial, "time",
                (json_int_t)value_unsigned(transition, "time"), "type", "Transition", "id",
                value_string(service, "Id"), "from", value_string(transition, "from"), "to", state);
        event_print(&watch->client->output, event);
    }
}

static void watch_resynchronise(Watch *watch, uint64_t oldest)
{
    static const char *const fields[] = {"Id", "State", "StateSerial", "LastTransition", NULL};
    Selection selection = {.fields = fields};
    g_autoptr(json_t) services = NULL;
    g_autofree char *note = g_strdup_printf("events %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                                            " are no longer kept; the states that came of them:",
                                            watch->last_serial + 1, oldest - 1);

    watch_note(watch, note);
    if (select_list(watch->client, &selection, &services) == OUTCOME_DONE)
        watch_list_missed(watch, services, oldest);
}

/* Prints what is new in an answer, which may end before the newest event. The numbers of an
 * instance of the daemon begin where it likes: before its first event there is nothing to miss. */
static void watch_catch_up(Watch *watch, uint64_t oldest, json_t *events)
{
    size_t index;
    json_t *event;

    if (oldest > watch->last_serial + 1) {
        if (!event_is_first(json_array_get(events, 0)))
            watch_resynchronise(watch, oldest);
        watch->last_serial = oldest - 1;
    }
    json_array_foreach(events, index, event)
    {
        if (value_unsigned(event, "serial") > watch->last_serial)
            watch_print(watch, event);
    }
}

/* The loss of the daemon is no end, except at the beginning. Its return is seen on the bus, and
 * that of a connection by trying; a daemon that only does not answer is tried again too. */
static void watch_fail(Watch *watch, const sd_bus_error *error)
{
    CallSubject subject = {.verb = "watch"};
    Outcome outcome = call_outcome(error);

    if (watch->instance == NULL || (outcome != OUTCOME_NO_DAEMON && outcome != OUTCOME_TIMED_OUT)) {
        watch_end(watch, call_report(&subject, error));
        return;
    }
    watch_lose(watch, "svcmgrd is not there; waiting for it");
    if (outcome == OUTCOME_TIMED_OUT)
        watch_retry_later(watch);
}

static int on_watch_events(sd_bus_message *reply, void *data, sd_bus_error *ret_error);

/* What happened after this serial? */
static void watch_ask_events(Watch *watch, uint64_t after, uint32_t max)
{
    CallTarget target = {
            .path = MANAGER_PATH, .interface = MANAGER_INTERFACE, .member = "GetEvents"};

    if (call_async(watch->client, &target, on_watch_events, watch, "tu", after, max) !=
        OUTCOME_DONE) {
        watch->n_synchronise--;
        watch_retry_later(watch);
    }
}

/* True if everything up to the newest event is printed; else the rest was asked for. */
static bool watch_is_level(Watch *watch, uint64_t newest, bool has_events)
{
    if (watch->last_serial >= newest)
        return true;
    if (!has_events) {
        watch_end(watch, client_fail(OUTCOME_FAILED, "cannot watch: the answer lacks the events "
                                                     "that it announces"));
        return false;
    }
    watch->n_synchronise++;
    watch_ask_events(watch, watch->last_serial, 0);
    return false;
}

static int on_watch_events(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Watch *watch = data;
    g_autoptr(json_t) events = NULL;
    uint64_t oldest;
    uint64_t newest;

    if (--watch->n_synchronise > 0)
        return 0;
    if (sd_bus_message_is_method_error(reply, NULL)) {
        watch_fail(watch, sd_bus_message_get_error(reply));
        return 0;
    }
    if (event_read_reply(reply, &oldest, &newest, &events) < 0) {
        watch_end(watch, client_fail(OUTCOME_FAILED, "cannot watch: the answer is no list"));
        return 0;
    }
    if (watch->last_serial == UINT64_MAX)
        watch->last_serial = newest; /* the first time: from now on */
    else
        watch_catch_up(watch, oldest, events);
    watch->is_synchronised = watch_is_level(watch, newest, json_array_size(events) > 0);
    watch->retry_delay_usec = WATCH_RETRY_MIN;
    return 0;
}

static void watch_meet(Watch *watch, const char *instance)
{
    if (watch->instance != NULL && !g_str_equal(watch->instance, instance)) {
        watch_note(watch, "svcmgrd was started anew; its events from the beginning:");
        watch->last_serial = 0;
    } else if (watch->lost != NULL) {
        watch_note(watch, "svcmgrd is there again");
    }
    watch->lost = NULL;
    g_free(watch->instance);
    watch->instance = g_strdup(instance);
}

/* Who is there is known: what happened after the last serial? */
static int on_watch_instance(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Watch *watch = data;
    bool is_first = watch->instance == NULL;
    const char *instance = "";

    if (sd_bus_message_is_method_error(reply, NULL)) {
        if (--watch->n_synchronise == 0)
            watch_fail(watch, sd_bus_message_get_error(reply));
        return 0;
    }
    (void)sd_bus_message_read(reply, "v", "s", &instance); /* if it is no string: a new one */
    watch_meet(watch, instance);
    /* The first time only the newest serial is of interest. */
    watch_ask_events(watch, is_first ? 0 : watch->last_serial, is_first ? 1 : 0);
    return 0;
}

/* Asks who is there, then for what happened. */
static void watch_synchronise(Watch *watch)
{
    CallTarget target = {.path = MANAGER_PATH, .interface = PROPERTIES_INTERFACE, .member = "Get"};

    watch->is_synchronised = false;
    watch->n_synchronise++;
    if (call_async(watch->client, &target, on_watch_instance, watch, "ss", MANAGER_INTERFACE,
                   "InstanceId") != OUTCOME_DONE) {
        watch->n_synchronise--;
        watch_retry_later(watch);
    }
}

static int on_watch_disconnected(sd_bus_message *signal, void *data, sd_bus_error *ret_error)
{
    Watch *watch = data;

    watch_lose(watch, "the connection to svcmgrd was lost; trying again");
    watch_retry_later(watch);
    return 0;
}

/* True if everything that can be done at once was done. */
static bool watch_connect(Watch *watch, GError **error)
{
    if (!connect_daemon(watch->client, error))
        return false;
    sd_bus *bus = watch->client->bus;
    int r = sd_bus_attach_event(bus, watch->loop, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_watch_disconnected, watch);
    if (r >= 0)
        r = sd_bus_add_match_async(bus, NULL, WATCH_MATCH_EVENT, on_watch_event, NULL, watch);
    if (r >= 0)
        r = sd_bus_add_match_async(bus, NULL, WATCH_MATCH_OWNER, on_watch_owner, NULL, watch);
    if (r < 0) {
        connect_close(watch->client);
        return error_set_errno(error, r, "cannot subscribe");
    }
    watch_synchronise(watch);
    return true;
}

static int on_watch_retry(sd_event_source *source, uint64_t usec, void *data)
{
    Watch *watch = data;

    if (watch->client->bus != NULL) {
        sd_bus_detach_event(watch->client->bus);
        connect_close(watch->client);
    }
    watch->n_synchronise = 0;
    if (!watch_connect(watch, NULL))
        watch_retry_later(watch);
    return 0;
}

static void watch_retry_later(Watch *watch)
{
    uint64_t at = usec_add(clock_monotonic_usec(clock_system()), watch->retry_delay_usec);

    watch->retry_delay_usec = MIN(watch->retry_delay_usec * 2, WATCH_RETRY_MAX);
    watch->retry = sd_event_source_disable_unref(watch->retry);
    if (sd_event_add_time(watch->loop, &watch->retry, CLOCK_MONOTONIC, at, 0, on_watch_retry,
                          watch) < 0)
        watch_end(watch, client_fail(OUTCOME_FAILED, "cannot wait for svcmgrd"));
}

Outcome watch_run(Client *client, const EventFilter *filter)
{
    g_autoptr(GError) error = NULL;
    Watch watch = {.client = client,
                   .filter = *filter,
                   .retry_delay_usec = WATCH_RETRY_MIN,
                   .last_serial = UINT64_MAX};

    if (sd_event_new(&watch.loop) < 0)
        return client_fail(OUTCOME_FAILED, "cannot watch: no event loop");
    if (!watch_connect(&watch, &error))
        watch.outcome = call_report_unreachable(error);
    else
        (void)sd_event_loop(watch.loop); /* watch_end says how it ended */
    if (client->bus != NULL)
        sd_bus_detach_event(client->bus);
    sd_event_source_disable_unref(watch.retry);
    sd_event_unref(watch.loop);
    g_free(watch.instance);
    return watch.outcome;
}
