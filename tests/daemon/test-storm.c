/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real daemon in a storm: many clients at once do random things to services of every temper,
 * while observers and a monitor hold every message against what must be. See storm-observer.h and
 * storm-wire.h for what that is.
 *
 * --operations=N: so many for each client of each of the two storms. The seed of GTest (--seed)
 * chooses what they do; what becomes of it depends on the machine's timing too. */

#include "base/fds.h"
#include "storm-client.h"
#include "storm-config.h"
#include "storm-stock.h"
#include "storm-wire.h"
#include "support/daemon-fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STORM_NAME "org.svcmgr1"
#define STORM_CLIENTS 20
#define STORM_SERVICES 50
#ifdef ADDRESS_SANITIZED
#define STORM_OPERATIONS 150
#else
#define STORM_OPERATIONS 500
#endif
#define STORM_LATE_OBSERVERS 4
#define STORM_PATIENCE_USEC (60 * USEC_PER_SEC)
#define STORM_JOIN_USEC (5 * USEC_PER_SEC)
#define STORM_MEMORY_KIB 4096 /* the events that are kept, and what malloc keeps */

static unsigned storm_n_operations = STORM_OPERATIONS;

typedef struct Storm {
    DaemonFixture *fixture;
    sd_event *event;
    StormWire *wire;
    StormField *field;
    GPtrArray *observers; /* of StormObserver; the first one is there from the beginning */
    GPtrArray *clients;   /* of StormClient */
    Client hand;          /* ours; it hears no signals */
    StormStock stocks[2];
    unsigned n_stocks;
    unsigned n_operations;
} Storm;

/* What has come for those who listen, in one go: a turn of the loop for each message takes long
 * with so many connections in it. */
static void storm_listen(Storm *storm)
{
    while (sd_bus_process(storm->wire->monitor->bus, NULL) > 0)
        ;
    for (unsigned i = 0; i < storm->observers->len; i++) {
        const StormObserver *observer = g_ptr_array_index(storm->observers, i);

        while (sd_bus_process(observer->bus, NULL) > 0)
            ;
    }
}

static bool storm_turn(Storm *storm, uint64_t deadline)
{
    uint64_t now = test_now_usec();

    if (now >= deadline)
        return false;
    g_assert_cmpint(sd_event_run(storm->event, deadline - now), >=, 0);
    storm_listen(storm);
    return true;
}

#define storm_run_until(storm, condition)                                                          \
    do {                                                                                           \
        uint64_t deadline_ = usec_add(test_now_usec(), STORM_PATIENCE_USEC);                       \
        while (!(condition)) {                                                                     \
            if (!storm_turn(storm, deadline_))                                                     \
                g_error("in vain waited for: %s", #condition);                                     \
        }                                                                                          \
    } while (0)

static void storm_add_observer(Storm *storm, const char *name, bool is_private)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", storm->fixture->socket);

    g_ptr_array_add(storm->observers,
                    storm_observer_new(name, is_private ? address : storm->fixture->bus_address,
                                       is_private ? NULL : STORM_NAME, storm->event));
}

/* The fixture's client would have every signal wait for it. */
static void storm_open_hand(Storm *storm)
{
    storm->hand = (Client){.destination = STORM_NAME, .signals = g_ptr_array_new()};
    g_assert_cmpint(sd_bus_new(&storm->hand.bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(storm->hand.bus, storm->fixture->bus_address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(storm->hand.bus, true), >=, 0);
    g_assert_cmpint(sd_bus_start(storm->hand.bus), >=, 0);
    g_clear_pointer(&storm->fixture->client, client_free);
}

static void storm_set_up(Storm *storm, DaemonFixture *fixture, unsigned n_operations)
{
    *storm = (Storm){.fixture = fixture, .n_operations = n_operations};
    g_assert_cmpint(sd_event_new(&storm->event), >=, 0);
    storm->wire = storm_wire_new(fixture->bus_address, storm->event);
    storm_open_hand(storm);
    storm->field = storm_field_new(STORM_SERVICES);
    storm->field->daemon_pid = (uint32_t)fixture->daemon.pid;
    storm->observers = g_ptr_array_new_with_free_func((GDestroyNotify)storm_observer_free);
    storm->clients = g_ptr_array_new_with_free_func((GDestroyNotify)storm_client_free);
    storm_add_observer(storm, "first on the bus", false);
    storm_add_observer(storm, "first on the socket", true);
    for (unsigned i = 0; i < storm->observers->len; i++) {
        StormObserver *observer = g_ptr_array_index(storm->observers, i);
        storm_run_until(storm, observer->model != NULL);
    }
    storm->field->observer = g_ptr_array_index(storm->observers, 0);
}

static void storm_tear_down(Storm *storm)
{
    g_ptr_array_unref(storm->clients);
    g_ptr_array_unref(storm->observers);
    storm_field_free(storm->field);
    storm_wire_free(storm->wire);
    storm->fixture->client = client_new_bus(storm->fixture->bus_address);
    g_ptr_array_unref(storm->hand.signals);
    (void)sd_bus_flush_close_unref(storm->hand.bus); /* always NULL */
    sd_event_unref(storm->event);
}

static bool storm_is_over(const Storm *storm)
{
    for (unsigned i = 0; i < storm->clients->len; i++) {
        if (!storm_client_is_done(g_ptr_array_index(storm->clients, i)))
            return false;
    }
    return true;
}

/* Nobody who comes in the middle of it has to wait for its end. */
static void storm_check_joined(const Storm *storm)
{
    for (unsigned i = 0; i < storm->observers->len; i++) {
        const StormObserver *observer = g_ptr_array_index(storm->observers, i);
        uint64_t age_usec = test_now_usec() - observer->born_usec;

        if (observer->model == NULL && age_usec > STORM_JOIN_USEC)
            g_error("%s has asked for a snapshot %" G_GUINT64_FORMAT " ms ago", observer->name,
                    age_usec / 1000);
    }
}

/* The others join when so many parts of the storm are behind them. */
static void storm_join_late(Storm *storm, unsigned *n_late)
{
    unsigned total = storm->n_operations * STORM_CLIENTS;

    if (*n_late < STORM_LATE_OBSERVERS &&
        storm->field->n_answers >= total / (STORM_LATE_OBSERVERS + 1) * (*n_late + 1)) {
        g_autofree char *name = g_strdup_printf("late %u", *n_late);
        storm_add_observer(storm, name, *n_late % 2 == 1);
        (*n_late)++;
    }
}

/* Runs until something was answered, or all was. */
static void storm_step(Storm *storm)
{
    uint64_t deadline = usec_add(test_now_usec(), STORM_PATIENCE_USEC);
    unsigned n = storm->field->n_answers;

    while (n == storm->field->n_answers && !storm_is_over(storm))
        g_assert_true(storm_turn(storm, deadline));
}

static void storm_create_all(Storm *storm)
{
    GRand *rand = g_rand_new_with_seed((uint32_t)g_test_rand_int());

    for (unsigned i = 0; i < storm->field->ids->len; i++) {
        const char *kind;
        g_autofree char *config = storm_config_random(rand, &kind);

        client_create(&storm->hand, g_ptr_array_index(storm->field->ids, i), kind, config, false);
    }
    g_rand_free(rand);
}

static void storm_rage(Storm *storm)
{
    unsigned n_late = 0;
    uint64_t begin = test_now_usec();

    storm_create_all(storm);

    for (unsigned i = 0; i < STORM_CLIENTS; i++)
        g_ptr_array_add(storm->clients, storm_client_new(storm->field, storm->fixture->bus_address,
                                                         (uint32_t)g_test_rand_int(),
                                                         storm->n_operations, storm->event));
    for (unsigned i = 0; i < STORM_CLIENTS; i++)
        storm_client_begin(g_ptr_array_index(storm->clients, i));
    while (!storm_is_over(storm)) {
        storm_step(storm);
        storm_join_late(storm, &n_late);
    }
    g_assert_cmpuint(n_late, ==, STORM_LATE_OBSERVERS);
    storm_check_joined(storm);
    g_test_message("%u operations in %" G_GUINT64_FORMAT " ms, %u kills", storm->field->n_answers,
                   (test_now_usec() - begin) / 1000, storm->field->n_kills);
}

/* After the storm */

/* All ids that are there now; the caller's. */
static GPtrArray *storm_present(Storm *storm)
{
    StormObserver *observer = g_ptr_array_index(storm->observers, 0);
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    void *path;

    g_hash_table_iter_init(&iter, observer->model);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        StormTable *service = storm_model_find(observer->model, path, CLIENT_SERVICE);
        g_ptr_array_add(ids, g_strdup(storm_table_get(service, "Id")));
    }
    return ids;
}

/* Gets there by itself. */
static void storm_await_state(Storm *storm, const char *path, const char *until)
{
    sd_bus_message_unref(client_call(&storm->hand, path, CLIENT_SERVICE, "Wait", "a{sv}", 2,
                                     "until", "s", until, "timeout_usec", "t",
                                     STORM_PATIENCE_USEC));
}

/* What is busy gets done with it first. */
static void storm_stop(Storm *storm, const char *path)
{
    bool is_busy = true;

    while (is_busy) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        storm_await_state(storm, path, "settled");
        int r = sd_bus_call_method(storm->hand.bus, STORM_NAME, path, CLIENT_SERVICE, "Stop",
                                   &error, NULL, NULL);
        is_busy = r < 0 && sd_bus_error_has_name(&error, "org.svcmgr1.Error.Busy");
        if (r < 0 && !is_busy && !sd_bus_error_has_name(&error, "org.svcmgr1.Error.AlreadyStopped"))
            g_error("Stop of %s: %s: %s", path, error.name, error.message);
        sd_bus_error_free(&error);
    }
}

static void storm_stop_all(Storm *storm, GPtrArray *ids)
{
    for (unsigned i = 0; i < ids->len; i++) {
        g_autofree char *path = client_service_path(g_ptr_array_index(ids, i));
        storm_stop(storm, path);
    }
    for (unsigned i = 0; i < ids->len; i++) {
        g_autofree char *path = client_service_path(g_ptr_array_index(ids, i));
        storm_await_state(storm, path, "inactive");
    }
}

/* What an observer knows is all there is; what a program said last is told a little later. */
static void storm_compare_whole(Storm *storm, StormObserver *observer)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);

    for (;;) {
        sd_bus_message *reply =
                client_call(&storm->hand, CLIENT_ROOT, "org.freedesktop.DBus.ObjectManager",
                            "GetManagedObjects", NULL);
        g_autoptr(GHashTable) model = storm_model_read(reply);
        g_autofree char *difference = NULL;

        sd_bus_message_unref(reply);
        unsigned n = observer->n_snapshots;
        storm_observer_ask(observer);
        storm_run_until(storm, observer->n_snapshots > n); /* all signals before are there */
        difference = storm_model_difference(observer->model, model, NULL);
        if (difference == NULL)
            return;
        if (test_now_usec() > deadline)
            g_error("%s: known and all there is differ: %s", observer->name, difference);
    }
}

static void storm_compare_events(Storm *storm)
{
    StormObserver *first = g_ptr_array_index(storm->observers, 0);

    for (unsigned i = 0; i < storm->observers->len; i++) {
        StormObserver *observer = g_ptr_array_index(storm->observers, i);

        storm_run_until(storm, !observer->is_replaying);
        while (observer->replayed->len < observer->events->len) {
            storm_observer_replay(observer);
            storm_run_until(storm, !observer->is_replaying);
        }
        storm_observer_check_replayed(observer);
        storm_observer_check_same(first, observer);
    }
}

/* What answers have said of a service's state is what the event with this serial says. */
static void storm_check_sightings(Storm *storm)
{
    const StormObserver *first = g_ptr_array_index(storm->observers, 0);

    for (unsigned i = 0; i < storm->field->sightings->len; i++) {
        const StormSighting *seen = &g_array_index(storm->field->sightings, StormSighting, i);
        g_autofree char *id = g_strdup_printf("; id=%s; ", seen->id);
        g_autofree char *to = g_strdup_printf("; to=%s; ", seen->state);

        g_assert_cmpuint(seen->serial, >=, first->first_serial);
        g_assert_cmpuint(seen->serial, <=, storm_observer_last_serial(first));
        const char *event = g_ptr_array_index(first->events, seen->serial - first->first_serial);
        if (strstr(event, id) == NULL || strstr(event, to) == NULL)
            g_error("'%s' was said to be %s with serial %" G_GUINT64_FORMAT ", which is: %s",
                    seen->id, seen->state, seen->serial, event);
    }
}

static unsigned storm_count_state(StormModel *model, const char *state)
{
    GHashTableIter iter;
    unsigned n = 0;
    void *path;

    g_hash_table_iter_init(&iter, model);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        StormTable *service = storm_model_find(model, path, CLIENT_SERVICE);
        n += g_str_equal(storm_table_get(service, "State"), state);
    }
    return n;
}

/* What the Manager has told of how many there are, when all are stopped. Its counts are told at
 * most 4 times a second, and the last one always. */
static void storm_check_counts(Storm *storm, const StormObserver *observer)
{
    const struct {
        const char *name;
        unsigned expected;
    } counts[] = {
            {"NServices", g_hash_table_size(observer->model)},
            {"NFailed", storm_count_state(observer->model, "failed")},
            {"NActive", 0},
            {"NBackoff", 0},
    };
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        while (storm_table_get_unsigned(observer->manager, counts[i].name) != counts[i].expected) {
            if (!storm_turn(storm, deadline))
                g_error("%s: %s is known as %s, and is %u", observer->name, counts[i].name,
                        storm_table_get(observer->manager, counts[i].name), counts[i].expected);
        }
    }
}

static void storm_delete_all(Storm *storm, GPtrArray *ids)
{
    for (unsigned i = 0; i < ids->len; i++)
        sd_bus_message_unref(client_call(&storm->hand, CLIENT_ROOT, CLIENT_MANAGER, "DeleteService",
                                         "sa{sv}", g_ptr_array_index(ids, i), 0));
    for (unsigned i = 0; i < storm->observers->len; i++) {
        StormObserver *observer = g_ptr_array_index(storm->observers, i);

        storm_compare_whole(storm, observer);
        g_assert_cmpuint(g_hash_table_size(observer->model), ==, 0);
        storm_check_counts(storm, observer);
    }
}

static void storm_check_wire(Storm *storm)
{
    storm_wire_set_fence(storm->wire, &storm->hand);
    storm_run_until(storm, storm->wire->fence == NULL);
    g_assert_cmpuint(g_hash_table_size(storm->wire->open), ==, 0);
    g_test_message("%u messages on the bus, %u calls answered, %u signals", storm->wire->n_messages,
                   storm->wire->n_calls, storm->wire->n_signals);
}

static void storm_compare_stock(Storm *storm)
{
    for (unsigned i = 0; i < storm->n_stocks; i++) {
        g_autofree char *answer = storm_stock_compare(&storm->stocks[i]);

        g_test_message("%s: %s", storm->stocks[i].library, answer);
        g_assert_true(g_str_has_prefix(answer, "same: "));
    }
}

static void storm_await_calm(Storm *storm)
{
    for (unsigned i = 0; i < storm->observers->len; i++) {
        StormObserver *observer = g_ptr_array_index(storm->observers, i);
        storm_run_until(storm, observer->model != NULL && !observer->is_asking);
        unsigned n = observer->n_snapshots;
        storm_observer_ask(observer);
        storm_run_until(storm, observer->n_snapshots > n);
    }
}

static void storm_calm(Storm *storm)
{
    g_autoptr(GPtrArray) ids = NULL;

    storm_await_calm(storm);
    ids = storm_present(storm);
    g_assert_cmpuint(ids->len, >, STORM_SERVICES / 4);
    storm_stop_all(storm, ids);
    for (unsigned i = 0; i < storm->observers->len; i++) {
        storm_compare_whole(storm, g_ptr_array_index(storm->observers, i));
        storm_check_counts(storm, g_ptr_array_index(storm->observers, i));
    }
    storm_compare_stock(storm);
    storm_delete_all(storm, ids);
    storm_compare_stock(storm);
    storm_compare_events(storm);
    storm_check_sightings(storm);
    storm_check_wire(storm);
}

static void storm_report(const Storm *storm)
{
    g_autofree char *summary = storm_field_summary(storm->field);

    g_test_message("%s", summary);
    for (unsigned i = 0; i < storm->observers->len; i++) {
        const StormObserver *observer = g_ptr_array_index(storm->observers, i);
        g_test_message("%s: %u events, %u transitions, %u replayed, %u snapshots", observer->name,
                       observer->events->len, observer->n_transitions, observer->replayed->len,
                       observer->n_snapshots);
    }
    g_test_message("%u answers held against the events", storm->field->sightings->len);
}

/* What the daemon has */

/* It is the subreaper of all, so what is left of any service is a child of its own. */
static void storm_check_no_child(const DaemonFixture *fixture)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int)fixture->daemon.pid,
                                            (int)fixture->daemon.pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "");
}

/* What it needs once and for all it has then, and its serials begin before the observers come. */
static void storm_warm_up(DaemonFixture *fixture)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "first", "process", "{\"exec\": [\"/bin/sleep\", \"1000\"]}",
                  true);
    sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "DeleteService",
                                     "sa{sv}", "first", 0));
}

/* The other end of what we have closed is closed in turns of the daemon's loop: it is given them by
 * calls. */
static void storm_await_fds(DaemonFixture *fixture, unsigned n_fds)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);

    while (daemon_fixture_count_fds(fixture) != n_fds) {
        if (test_now_usec() > deadline)
            g_error("%u descriptors before, %u after", n_fds, daemon_fixture_count_fds(fixture));
        g_free(client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "State"));
    }
}

/* Those of services whose last process has been reaped just now are on their way. */
static void storm_await_no_cgroup(DaemonFixture *fixture)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);
    Client *client = client_new_bus(fixture->bus_address);

    while (daemon_fixture_count_cgroups(fixture) > 0) {
        g_assert_cmpuint(test_now_usec(), <, deadline);
        g_free(client_get_string(client, CLIENT_ROOT, CLIENT_MANAGER, "State"));
    }
    client_free(client);
}

static void storm_check_memory(const DaemonFixture *fixture, unsigned kib)
{
#ifdef ADDRESS_SANITIZED
    (void)fixture; /* a sanitizer keeps what was freed */
    (void)kib;
#else
    g_assert_cmpuint(daemon_fixture_rss_kib(fixture), <, kib + STORM_MEMORY_KIB);
#endif
}

static void test_storm(DaemonFixture *fixture, const void *has_cgroups)
{
    Storm storm;

    if (has_cgroups != NULL && !daemon_fixture_use_cgroups(fixture))
        return;
    storm_warm_up(fixture);
    unsigned n_fds = daemon_fixture_count_fds(fixture), rss = daemon_fixture_rss_kib(fixture);
    storm_set_up(&storm, fixture, storm_n_operations);
    storm_rage(&storm);
    storm_calm(&storm);
    storm_report(&storm);
    storm_check_no_child(fixture);
    if (has_cgroups != NULL)
        storm_await_no_cgroup(fixture);
    storm_tear_down(&storm);
    storm_await_fds(fixture, n_fds);
    g_test_message("memory: %u KiB before, %u KiB after", rss, daemon_fixture_rss_kib(fixture));
    storm_check_memory(fixture, rss);
}

static void test_stock_clients(DaemonFixture *fixture, const void *unused)
{
    static const char *const libraries[] = {"gio", "dbus"};
    g_autofree char *reason = NULL;
    Storm storm;

    storm_warm_up(fixture);
    storm_set_up(&storm, fixture, MAX(storm_n_operations / 10, 1));
    for (size_t i = 0; i < G_N_ELEMENTS(libraries) && reason == NULL; i++) {
        if (storm_stock_start(&storm.stocks[i], libraries[i], fixture->bus_address, &reason))
            storm.n_stocks++;
    }
    storm_rage(&storm);
    storm_calm(&storm);
    for (unsigned i = 0; i < storm.n_stocks; i++)
        storm_stock_end(&storm.stocks[i]);
    storm_tear_down(&storm);
    if (reason != NULL)
        g_test_skip(reason);
}

#define ADD(path, data, function)                                                                  \
    g_test_add("/storm/" path, DaemonFixture, data, daemon_fixture_set_up, function,               \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 1; i < argc; i++)
        (void)sscanf(argv[i], "--operations=%u", &storm_n_operations);
    ADD("observers", NULL, test_storm);
    ADD("cgroups", GINT_TO_POINTER(1), test_storm);
    ADD("stock-clients", NULL, test_stock_clients);
    return g_test_run();
}
