/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals and replies of one sender come in the order in which they were sent, on a bus too. So a
 * snapshot has its place among the signals, and must be equal there to what they add up to. */

#include "storm-observer.h"

#include "support/child.h"
#include "support/client.h"

#define STORM_PROPERTIES "org.freedesktop.DBus.Properties"
#define STORM_OBJECTS "org.freedesktop.DBus.ObjectManager"
#define STORM_TIMEOUT_USEC (60 * USEC_PER_SEC)

/* Each state: what may follow, and what it says of the other properties. */
static const struct {
    const char *state;
    const char *moves;
    bool is_active;
    bool is_loading;
} storm_states[] = {
        {"inactive", "inactive starting active failed", false, false},
        {"starting", "starting inactive active backoff stopping failed", true, true},
        {"active", "active starting reloading backoff stopping inactive failed", true, false},
        {"reloading", "reloading active backoff stopping inactive failed", true, true},
        {"backoff", "backoff starting stopping failed", true, true},
        {"stopping", "stopping inactive failed starting active backoff", true, false},
        {"failed", "failed starting active inactive", false, false},
};

static unsigned storm_state_find(const char *state)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(storm_states); i++) {
        if (g_str_equal(storm_states[i].state, state))
            return i;
    }
    g_error("there is no state '%s'", state);
}

static bool storm_move_is_there(const char *from, const char *to)
{
    g_auto(GStrv) moves = g_strsplit(storm_states[storm_state_find(from)].moves, " ", 0);

    return g_strv_contains((const char *const *)moves, to);
}

static void storm_observer_check_state(const StormObserver *observer, const char *path,
                                       StormTable *service)
{
    const char *state = storm_table_get(service, "State");
    unsigned row = storm_state_find(state);
    StormTable *process = storm_model_find(observer->model, path, CLIENT_PROCESS);

    g_assert_cmpuint(storm_table_get_unsigned(service, "Active"), ==, storm_states[row].is_active);
    g_assert_cmpuint(storm_table_get_unsigned(service, "Loading"), ==,
                     storm_states[row].is_loading);
    g_assert_cmpint(storm_table_get_unsigned(service, "NextAttemptTime") != 0, ==,
                    g_str_equal(state, "backoff"));
    if (storm_states[row].is_loading)
        g_assert_cmpuint(storm_table_get_unsigned(service, "LastLoadingEndTime"), ==, 0);
    if (g_str_equal(state, "failed"))
        g_assert_cmpstr(storm_table_get(service, "Error"), !=, "");
    g_assert_cmpint(storm_table_get(service, "Error")[0] == '\0', ==,
                    storm_table_get(service, "FailureClass")[0] == '\0');
    if (!storm_states[row].is_active && process != NULL)
        g_assert_cmpuint(storm_table_get_unsigned(process, "MainPID"), ==, 0);
}

/* The signals */

static void storm_observer_announce(StormObserver *observer, const char *type, const char *path,
                                    const char *from)
{
    if (observer->announced != NULL)
        g_error("%s: %s of %s, and %s of %s, before the event of the first", observer->name,
                observer->announced, observer->announced_path, type, path);
    observer->announced = type;
    observer->announced_path = g_strdup(path);
    observer->announced_from = g_strdup(from);
}

static void storm_observer_forget_announced(StormObserver *observer)
{
    observer->announced = NULL;
    g_clear_pointer(&observer->announced_path, g_free);
    g_clear_pointer(&observer->announced_from, g_free);
}

static void storm_table_merge(StormTable *table, StormTable *changed, const char *what)
{
    GHashTableIter iter;
    void *name, *value;

    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        if (what != NULL && g_str_equal(storm_table_get(table, name), value))
            g_error("%s: %s is said to have changed to '%s', as which it was known", what,
                    (char *)name, (char *)value);
        g_hash_table_replace(table, g_strdup(name), g_strdup(value));
    }
}

static void storm_observer_see_service(StormObserver *observer, const char *path,
                                       StormTable *changed)
{
    StormTable *service = storm_model_find(observer->model, path, CLIENT_SERVICE);
    g_autofree char *what = g_strdup_printf("%s: %s", observer->name, path);

    if (service == NULL)
        g_error("%s has changed and is not there", what);
    if (!g_hash_table_contains(changed, "StateSerial"))
        g_error("%s: a change without a serial", what);
    storm_observer_announce(observer, "Transition", path, storm_table_get(service, "State"));
    storm_table_merge(service, changed, what);
    storm_observer_check_state(observer, path, service);
}

static void on_storm_properties_changed(StormObserver *observer, sd_bus_message *message)
{
    const char *path = sd_bus_message_get_path(message), *interface;
    g_autoptr(GHashTable) changed = storm_table_new();

    g_assert_cmpint(sd_bus_message_read_basic(message, 's', &interface), >, 0);
    storm_table_read(changed, message);
    if (g_str_equal(interface, CLIENT_MANAGER)) {
        storm_table_merge(observer->manager, changed, NULL);
    } else if (observer->model == NULL) {
        return;
    } else if (g_str_equal(interface, CLIENT_SERVICE)) {
        storm_observer_see_service(observer, path, changed);
    } else {
        /* The snapshot may be ahead of what is told later of what a program says. */
        StormTable *table = storm_model_find(observer->model, path, interface);
        g_assert_nonnull(table);
        storm_table_merge(table, changed, NULL);
    }
}

static void on_storm_added(StormObserver *observer, sd_bus_message *message)
{
    if (observer->model == NULL)
        return;
    const char *path = storm_model_add(observer->model, message);
    StormTable *service = storm_model_find(observer->model, path, CLIENT_SERVICE);
    g_assert_nonnull(service);
    g_assert_nonnull(storm_model_find(observer->model, path, CLIENT_PROCESS));
    storm_observer_announce(observer, "Created", path, "");
    storm_observer_check_state(observer, path, service);
}

static void on_storm_removed(StormObserver *observer, sd_bus_message *message)
{
    const char *path, *interface;
    unsigned n = 0;

    if (observer->model == NULL)
        return;
    g_assert_cmpint(sd_bus_message_read_basic(message, 'o', &path), >, 0);
    StormTable *service = storm_model_find(observer->model, path, CLIENT_SERVICE);
    if (service == NULL)
        g_error("%s: %s goes and was not there", observer->name, path);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "s"), >=, 0);
    while (sd_bus_message_read_basic(message, 's', &interface) > 0)
        n += storm_model_find(observer->model, path, interface) != NULL;
    g_assert_cmpuint(n, ==, g_hash_table_size(g_hash_table_lookup(observer->model, path)));
    g_assert_cmpuint(storm_table_get_unsigned(service, "Active"), ==, 0);
    storm_observer_announce(observer, "Deleted", path, storm_table_get(service, "State"));
    g_hash_table_remove(observer->model, path);
}

/* What the event says of a service that was announced. */
static void storm_observer_check_event(StormObserver *observer, StormTable *event)
{
    static const char *const besides[] = {"type", "id", "error", NULL};
    g_autofree char *path = client_service_path(storm_table_get(event, "id"));
    const char *to = storm_table_get(event, "to");

    if (g_hash_table_lookup(event, "to") == NULL) { /* of the daemon's own life */
        g_assert_null(observer->announced);
        return;
    }
    if (observer->announced == NULL)
        g_error("%s: the event %s of %s (%s) was not announced", observer->name,
                storm_table_get(event, "serial"), path, storm_table_get(event, "type"));
    g_assert_cmpstr(observer->announced, ==, storm_table_get(event, "type"));
    g_assert_cmpstr(observer->announced_path, ==, path);
    g_assert_cmpstr(observer->announced_from, ==, storm_table_get(event, "from"));
    if (g_str_equal(observer->announced, "Deleted")) {
        g_assert_cmpstr(to, ==, "");
        return;
    }
    StormTable *service = storm_model_find(observer->model, path, CLIENT_SERVICE);
    g_assert_cmpstr(storm_table_get(service, "State"), ==, to);
    g_assert_cmpstr(storm_table_get(service, "StateSerial"), ==, storm_table_get(event, "serial"));
    if (g_str_equal(observer->announced, "Created"))
        return;
    g_autofree char *entries = storm_table_to_text(event, besides);
    g_autofree char *expected = g_strdup_printf("{%s}", entries);
    g_assert_cmpstr(storm_table_get(service, "LastTransition"), ==, expected);
    if (!storm_move_is_there(observer->announced_from, to))
        g_error("%s: %s has moved from %s to %s", observer->name, path, observer->announced_from,
                to);
    observer->n_transitions++;
}

/* The signal Event and an entry of GetEvents are the same table. */
static void storm_event_read(StormTable *event, sd_bus_message *message)
{
    uint64_t serial, time;
    const char *type, *id;

    g_assert_cmpint(sd_bus_message_read(message, "ttss", &serial, &time, &type, &id), >, 0);
    g_hash_table_replace(event, g_strdup("serial"), g_strdup_printf("%" G_GUINT64_FORMAT, serial));
    g_hash_table_replace(event, g_strdup("time"), g_strdup_printf("%" G_GUINT64_FORMAT, time));
    g_hash_table_replace(event, g_strdup("type"), g_strdup(type));
    g_hash_table_replace(event, g_strdup("id"), g_strdup(id));
    storm_table_read(event, message);
}

static void on_storm_event(StormObserver *observer, sd_bus_message *message)
{
    g_autoptr(GHashTable) event = storm_table_new();

    storm_event_read(event, message);
    uint64_t serial = storm_table_get_unsigned(event, "serial");
    if (observer->first_serial == 0)
        observer->first_serial = serial;
    g_assert_cmpuint(serial, ==, observer->first_serial + observer->events->len);
    g_ptr_array_add(observer->events, storm_table_to_text(event, NULL));
    if (observer->model != NULL)
        storm_observer_check_event(observer, event);
    storm_observer_forget_announced(observer);
    if (observer->events->len % STORM_SNAPSHOT_EVENTS == 0)
        storm_observer_ask(observer);
    if (observer->events->len % STORM_REPLAY_EVENTS == 0)
        storm_observer_replay(observer);
}

static const struct {
    const char *interface;
    const char *member;
    void (*see)(StormObserver *observer, sd_bus_message *message);
} storm_signals[] = {
        {STORM_PROPERTIES, "PropertiesChanged", on_storm_properties_changed},
        {STORM_OBJECTS, "InterfacesAdded", on_storm_added},
        {STORM_OBJECTS, "InterfacesRemoved", on_storm_removed},
        {CLIENT_MANAGER, "Event", on_storm_event},
};

static int on_storm_signal(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(storm_signals); i++) {
        if (sd_bus_message_is_signal(message, storm_signals[i].interface, storm_signals[i].member) >
            0) {
            storm_signals[i].see(data, message);
            return 0;
        }
    }
    g_error("the signal %s.%s", sd_bus_message_get_interface(message),
            sd_bus_message_get_member(message));
}

/* The calls */

static int on_storm_snapshot(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    StormObserver *observer = data;

    if (sd_bus_message_get_error(reply) != NULL)
        g_error("%s: GetManagedObjects: %s", observer->name,
                sd_bus_message_get_error(reply)->message);
    StormModel *model = storm_model_read(reply);
    observer->is_asking = false;
    if (observer->announced != NULL)
        g_error("%s: %s of %s and its event are torn apart", observer->name, observer->announced,
                observer->announced_path);
    observer->n_snapshots++;
    if (observer->model == NULL) {
        observer->model = model;
        return 0;
    }
    g_autofree char *difference = storm_model_difference(observer->model, model, CLIENT_SERVICE);
    if (difference != NULL)
        g_error("%s: known and snapshot differ: %s", observer->name, difference);
    g_hash_table_unref(model);
    return 0;
}

void storm_observer_ask(StormObserver *observer)
{
    if (observer->is_asking)
        return;
    observer->is_asking = true;
    g_assert_cmpint(sd_bus_call_method_async(observer->bus, NULL, observer->destination,
                                             CLIENT_ROOT, STORM_OBJECTS, "GetManagedObjects",
                                             on_storm_snapshot, observer, NULL),
                    >=, 0);
}

static int on_storm_replay(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    StormObserver *observer = data;
    uint64_t oldest, newest;

    g_assert_cmpint(sd_bus_message_read(reply, "tt", &oldest, &newest), >, 0);
    g_assert_cmpuint(oldest, <=, observer->first_serial + observer->replayed->len);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >=, 0);
    while (sd_bus_message_at_end(reply, false) == 0) {
        g_autoptr(GHashTable) event = storm_table_new();

        storm_table_read(event, reply);
        g_assert_cmpuint(storm_table_get_unsigned(event, "serial"), ==,
                         observer->first_serial + observer->replayed->len);
        g_ptr_array_add(observer->replayed, storm_table_to_text(event, NULL));
    }
    observer->is_replaying = false;
    return 0;
}

void storm_observer_replay(StormObserver *observer)
{
    if (observer->is_replaying || observer->first_serial == 0)
        return;
    observer->is_replaying = true;
    g_assert_cmpint(sd_bus_call_method_async(
                            observer->bus, NULL, observer->destination, CLIENT_ROOT, CLIENT_MANAGER,
                            "GetEvents", on_storm_replay, observer, "tu",
                            observer->first_serial + observer->replayed->len - 1, (uint32_t)0),
                    >=, 0);
}

uint64_t storm_observer_last_serial(const StormObserver *observer)
{
    return observer->first_serial == 0 ? 0 : observer->first_serial + observer->events->len - 1;
}

static void storm_observer_check_texts(const StormObserver *observer, GPtrArray *events,
                                       unsigned first, GPtrArray *others)
{
    g_assert_cmpuint(events->len, ==, first + others->len);
    for (unsigned i = 0; i < others->len; i++) {
        if (g_strcmp0(g_ptr_array_index(events, first + i), g_ptr_array_index(others, i)) != 0)
            g_error("%s: event %u: '%s' and '%s'", observer->name, i,
                    (char *)g_ptr_array_index(events, first + i),
                    (char *)g_ptr_array_index(others, i));
    }
}

void storm_observer_check_replayed(const StormObserver *observer)
{
    storm_observer_check_texts(observer, observer->events, 0, observer->replayed);
}

void storm_observer_check_same(const StormObserver *observer, const StormObserver *other)
{
    g_assert_cmpuint(other->first_serial, >=, observer->first_serial);
    storm_observer_check_texts(other, observer->events,
                               (unsigned)(other->first_serial - observer->first_serial),
                               other->events);
}

static int on_storm_manager(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    StormObserver *observer = data;

    g_assert_null(sd_bus_message_get_error(reply));
    storm_table_read(observer->manager, reply);
    return 0;
}

StormObserver *storm_observer_new(const char *name, const char *address, const char *destination,
                                  sd_event *event)
{
    StormObserver *observer = g_new0(StormObserver, 1);
    const char *rule = destination != NULL ? "type='signal',sender='org.svcmgr1'" : "type='signal'";

    observer->name = g_strdup(name);
    observer->born_usec = test_now_usec();
    observer->destination = destination;
    observer->manager = storm_table_new();
    observer->events = g_ptr_array_new_with_free_func(g_free);
    observer->replayed = g_ptr_array_new_with_free_func(g_free);
    g_assert_cmpint(sd_bus_new(&observer->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(observer->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(observer->bus, destination != NULL), >=, 0);
    g_assert_cmpint(sd_bus_set_method_call_timeout(observer->bus, STORM_TIMEOUT_USEC), >=, 0);
    g_assert_cmpint(sd_bus_start(observer->bus), >=, 0);
    g_assert_cmpint(sd_bus_attach_event(observer->bus, event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
    g_assert_cmpint(
            sd_bus_add_match_async(observer->bus, NULL, rule, on_storm_signal, NULL, observer), >=,
            0);
    g_assert_cmpint(sd_bus_call_method_async(observer->bus, NULL, destination, CLIENT_ROOT,
                                             STORM_PROPERTIES, "GetAll", on_storm_manager, observer,
                                             "s", CLIENT_MANAGER),
                    >=, 0);
    storm_observer_ask(observer);
    return observer;
}

void storm_observer_free(StormObserver *observer)
{
    storm_observer_forget_announced(observer);
    (void)sd_bus_flush_close_unref(observer->bus); /* always NULL */
    g_clear_pointer(&observer->model, g_hash_table_unref);
    g_hash_table_unref(observer->manager);
    g_ptr_array_unref(observer->events);
    g_ptr_array_unref(observer->replayed);
    g_free(observer->name);
    g_free(observer);
}
