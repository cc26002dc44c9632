/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real daemon is killed again and again while clients change everything that can be changed.
 * Whatever it has said is done, is there when it is back; what it has not answered is there whole
 * or not at all; and no program ever runs twice (see locker.c).
 *
 * --rounds=N: so many kills for each of the tests. The seed of GTest (--seed) chooses what the
 * clients ask for and how long they may; where a kill then finds the daemon depends on the
 * machine's timing too. */

#include "crash-client.h"
#include "storm-model.h"
#include "support/daemon-fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define CRASH_NAME "org.svcmgr1"
#ifdef ADDRESS_SANITIZED
#define CRASH_ROUNDS 16
#define CRASH_LAUNCH_MAX_USEC (300 * USEC_PER_MSEC)
#else
#define CRASH_ROUNDS 50
#define CRASH_LAUNCH_MAX_USEC (60 * USEC_PER_MSEC)
#endif
#define CRASH_ROUNDS_LONG 250
#define CRASH_DONE_LEAST 1 /* of each operation in a round, on the whole; six are usual */
#define CRASH_CLIENTS 6
#define CRASH_SERVICES 4 /* of each client; one of them is a oneshot, one has a definition */
#define CRASH_ANSWERS_MAX 400
#define CRASH_FULL_BYTES 4096 /* room for the locks of the programs, for nothing that is kept */
#define CRASH_FULL_EVERY 5    /* rounds */
#define CRASH_RAGE_MAX_USEC (160 * USEC_PER_MSEC)
#define CRASH_PATIENCE_USEC (60 * USEC_PER_SEC)

static unsigned crash_n_rounds;

typedef struct Crash {
    DaemonFixture *fixture;
    sd_event *event;
    GRand *rand;
    CrashField field;
    GPtrArray *services[CRASH_CLIENTS]; /* of CrashService */
    GPtrArray *clients;                 /* of CrashClient, while the daemon runs */
    uint64_t begin_usec;
    unsigned n_rounds;
    unsigned n_rounds_of_use; /* in which something was done */
    unsigned n_reloads;
    unsigned n_oneshots; /* seen to run again */
    unsigned n_launches_killed;
    uint64_t longest_start_usec;
} Crash;

/* The field */

/* The first revision is the file's own, and need not be kept: the file says it. A daemon that reads
 * another one while it runs goes on from there. */
static void crash_define(Crash *crash, CrashService *service, bool is_live)
{
    g_autofree char *config = crash_config_text(&crash->field, ++crash->field.number, false);
    g_autofree char *definition = g_strdup_printf(
            "{\"kind\": \"process\", \"description\": \"0\", \"config\": %s}", config);

    daemon_fixture_define(crash->fixture, service->id, definition);
    service->truth.exists = true;
    service->truth.tag = crash->field.number;
    if (service->truth.revision != 1 || is_live)
        service->truth.revision++;
}

static void crash_add_services(Crash *crash, unsigned client)
{
    crash->services[client] = g_ptr_array_new_with_free_func((GDestroyNotify)crash_service_free);
    for (unsigned i = 0; i < CRASH_SERVICES; i++) {
        g_autofree char *id = g_strdup_printf("service%u-%u", client, i);
        CrashService *service = crash_service_new(id, i == 0, i == 1);

        g_ptr_array_add(crash->services[client], service);
        if (service->is_defined)
            crash_define(crash, service, false);
    }
}

static void crash_set_up(Crash *crash, DaemonFixture *fixture)
{
    *crash = (Crash){.fixture = fixture, .begin_usec = test_now_usec()};
    crash->field.lockers = lockers_new(fixture);
    crash->rand = g_rand_new_with_seed((uint32_t)g_test_rand_int());
    g_assert_cmpint(sd_event_new(&crash->event), >=, 0);
    crash->clients = g_ptr_array_new_with_free_func((GDestroyNotify)crash_client_free);
    for (unsigned i = 0; i < CRASH_CLIENTS; i++)
        crash_add_services(crash, i);
}

static void crash_tear_down(Crash *crash)
{
    for (unsigned i = 0; i < CRASH_CLIENTS; i++)
        g_ptr_array_unref(crash->services[i]);
    g_ptr_array_unref(crash->clients);
    sd_event_unref(crash->event);
    g_rand_free(crash->rand);
    lockers_free(crash->field.lockers);
}

/* The clients rage, and the daemon dies */

static bool crash_is_silent(const Crash *crash)
{
    for (unsigned i = 0; i < crash->clients->len; i++) {
        if (((const CrashClient *)g_ptr_array_index(crash->clients, i))->n_open > 0)
            return false;
    }
    return true;
}

static void crash_open_clients(Crash *crash)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", crash->fixture->socket);

    for (unsigned i = 0; i < CRASH_CLIENTS; i++) {
        bool is_private = i % 2 == 1;

        g_ptr_array_add(crash->clients,
                        crash_client_new(&crash->field, crash->services[i],
                                         is_private ? address : crash->fixture->bus_address,
                                         is_private ? NULL : CRASH_NAME, g_rand_int(crash->rand),
                                         crash->event));
        crash_client_begin(g_ptr_array_index(crash->clients, i));
    }
}

/* Some answers come, or some time goes by, whichever is first. */
static void crash_listen(Crash *crash)
{
    unsigned until =
            crash->field.n_answers + (unsigned)g_rand_int_range(crash->rand, 0, CRASH_ANSWERS_MAX);
    uint64_t deadline =
            test_now_usec() + (uint64_t)g_rand_int_range(crash->rand, 0, CRASH_RAGE_MAX_USEC);

    for (uint64_t now = test_now_usec(); now < deadline && crash->field.n_answers < until;
         now = test_now_usec())
        g_assert_cmpint(sd_event_run(crash->event, deadline - now), >=, 0);
}

static void crash_limit_files(const Crash *crash, rlim_t n_bytes)
{
    struct rlimit limit = {n_bytes, RLIM_INFINITY};

    g_assert_cmpint(prlimit(crash->fixture->daemon.pid, RLIMIT_FSIZE, &limit, NULL), ==, 0);
}

/* In some rounds the disk is full for a while, which some daemons do not outlive. */
static void crash_rage(Crash *crash)
{
    crash->field.was_full = crash->n_rounds % CRASH_FULL_EVERY == CRASH_FULL_EVERY - 1;
    crash_open_clients(crash);
    crash_listen(crash);
    if (!crash->field.was_full)
        return;
    crash_limit_files(crash, CRASH_FULL_BYTES);
    crash_listen(crash);
    if (g_rand_boolean(crash->rand)) {
        crash_limit_files(crash, RLIM_INFINITY);
        crash_listen(crash);
    }
}

/* What it has answered before its death is on its way. */
static void crash_kill(Crash *crash)
{
    uint64_t deadline = usec_add(test_now_usec(), CRASH_PATIENCE_USEC);

    for (unsigned i = 0; i < crash->clients->len; i++)
        crash_client_end(g_ptr_array_index(crash->clients, i));
    daemon_fixture_kill(crash->fixture);
    while (!crash_is_silent(crash)) {
        uint64_t now = test_now_usec();

        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(sd_event_run(crash->event, deadline - now), >=, 0);
    }
    g_ptr_array_set_size(crash->clients, 0);
}

/* Some daemons die while they clear away what the one before has left, or while they start. */
static void crash_start(Crash *crash)
{
    char *services =
            daemon_fixture_option(crash->fixture, "services-dir", crash->fixture->services_dir);

    uint64_t begin;

    while (g_rand_int_range(crash->rand, 0, 3) == 0) {
        siginfo_t info;

        daemon_fixture_launch(crash->fixture, services, "--restore=auto", NULL);
        g_assert_false(child_wait(&crash->fixture->daemon,
                                  (uint64_t)g_rand_int_range(crash->rand, 0, CRASH_LAUNCH_MAX_USEC),
                                  &info));
        daemon_fixture_kill(crash->fixture);
        crash->n_launches_killed++;
    }
    begin = test_now_usec();
    daemon_fixture_start(crash->fixture, services, "--restore=auto", NULL);
    crash->longest_start_usec = MAX(crash->longest_start_usec, test_now_usec() - begin);
    (void)child_is_any_left(); /* takes away the dead that became ours */
}

/* What is there when it is back */

static void crash_check_serials(Crash *crash)
{
    sd_bus_message *reply = client_call(crash->fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                        "GetEvents", "tu", UINT64_C(0), 1);
    uint64_t oldest, newest;

    g_assert_cmpint(sd_bus_message_read(reply, "tt", &oldest, &newest), >, 0);
    if (!crash->field.was_full) /* it could not be kept how many were given */
        g_assert_cmpuint(oldest, >, crash->field.last_serial);
    crash->field.last_serial = newest;
    sd_bus_message_unref(reply);
}

static StormModel *crash_look(Crash *crash)
{
    sd_bus_message *reply =
            client_call(crash->fixture->client, CLIENT_ROOT, "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects", NULL);
    StormModel *model = storm_model_read(reply);

    sd_bus_message_unref(reply);
    return model;
}

/* The text is what this test has made of a number, byte for byte. */
static unsigned crash_read_tag(Crash *crash, const CrashService *service, const char *path,
                               uint64_t *ret_revision)
{
    sd_bus_message *reply =
            client_call(crash->fixture->client, path, CLIENT_SERVICE, "GetConfig", NULL);
    g_autofree char *expected = NULL;
    const char *text, *tag;

    g_assert_cmpint(sd_bus_message_read(reply, "st", &text, ret_revision), >, 0);
    tag = strstr(text, "\"TAG\": \"");
    g_assert_nonnull(tag);
    unsigned number = (unsigned)g_ascii_strtoull(tag + strlen("\"TAG\": \""), NULL, 10);
    expected = crash_config_text(&crash->field, number, service->is_oneshot);
    g_assert_cmpstr(text, ==, expected);
    sd_bus_message_unref(reply);
    return number;
}

static CrashTruth crash_see(Crash *crash, const CrashService *service, StormModel *model)
{
    g_autofree char *path = client_service_path(service->id);
    StormTable *table = g_hash_table_contains(model, path)
                                ? storm_model_find(model, path, CLIENT_SERVICE)
                                : NULL;
    CrashTruth seen = {.exists = table != NULL};

    if (table == NULL)
        return seen;
    g_assert_cmpstr(storm_table_get(table, "Kind"), ==,
                    service->is_oneshot ? "oneshot" : "process");
    seen.enabled = storm_table_get_unsigned(table, "Enabled") != 0;
    seen.wanted = storm_table_get_unsigned(table, "Active") != 0 ? CRASH_WANTED : CRASH_UNWANTED;
    seen.made = (unsigned)storm_table_get_unsigned(table, "Description");
    seen.tag = crash_read_tag(crash, service, path, &seen.revision);
    g_assert_cmpuint(seen.revision, ==, storm_table_get_unsigned(table, "ConfigRevision"));
    if (!service->is_defined)
        g_assert_nonnull(
                strstr(storm_table_get(table, "Labels"), storm_table_get(table, "Description")));
    return seen;
}

static void crash_check_truth(Crash *crash, CrashService *service, StormModel *model)
{
    CrashTruth seen = crash_see(crash, service, model);

    if (!crash_service_accept(service, &seen)) {
        g_autofree char *known = crash_service_to_text(service);
        g_autofree char *found = crash_truth_to_text(&seen);
        g_error("after the crash %s cannot be: %s", known, found);
    }
}

/* A oneshot that was started with the daemon, and has ended. */
static void crash_check_ran(Crash *crash, const CrashService *service)
{
    g_autofree char *name = g_strconcat(service->id, ".lock", NULL);
    g_autofree char *path = g_build_filename(crash->field.lockers->folder, name, NULL);
    g_autofree char *text = NULL;
    unsigned tag;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%*d %u", &tag), ==, 1);
    g_assert_cmpuint(tag, ==, service->truth.tag);
    crash->n_oneshots++;
}

static void crash_check_running(Crash *crash, const CrashService *service)
{
    g_autofree char *path = client_service_path(service->id);
    g_autofree char *lock = NULL, *expected = NULL;

    if (service->truth.exists)
        sd_bus_message_unref(client_call(
                crash->fixture->client, path, CLIENT_SERVICE, "Wait", "a{sv}", 1, "until", "s",
                service->truth.wanted == CRASH_WANTED && !service->is_oneshot ? "active"
                                                                              : "inactive"));
    lock = lockers_read(crash->field.lockers, service->id);
    if (service->is_oneshot && service->was_seen_active)
        crash_check_ran(crash, service);
    if (!service->truth.exists || service->truth.wanted != CRASH_WANTED || service->is_oneshot) {
        g_assert_cmpstr(lock, ==, NULL);
        return;
    }
    expected = g_strdup_printf(
            "%" G_GUINT64_FORMAT " %u\n",
            client_get_unsigned(crash->fixture->client, path, CLIENT_PROCESS, "MainPID"),
            service->truth.tag);
    g_assert_cmpstr(lock, ==, expected);
}

static void crash_check_services(Crash *crash)
{
    g_autoptr(GHashTable) model = crash_look(crash);
    unsigned n_services = 0, n_processes = 0, n_running = 0;

    for (unsigned i = 0; i < CRASH_CLIENTS * CRASH_SERVICES; i++)
        crash_check_truth(
                crash, g_ptr_array_index(crash->services[i / CRASH_SERVICES], i % CRASH_SERVICES),
                model);
    for (unsigned i = 0; i < CRASH_CLIENTS * CRASH_SERVICES; i++) {
        const CrashService *service =
                g_ptr_array_index(crash->services[i / CRASH_SERVICES], i % CRASH_SERVICES);

        crash_check_running(crash, service);
        n_services += service->truth.exists;
        if (service->truth.exists && service->truth.wanted == CRASH_WANTED &&
            !service->is_oneshot) {
            n_processes += crash_config_processes(service->truth.tag);
            n_running++;
        }
    }
    g_assert_cmpuint(g_hash_table_size(model), ==, n_services);
    g_assert_cmpuint(lockers_count(crash->field.lockers), ==, n_processes);
    lockers_check_single(crash->field.lockers);
    if (crash->fixture->cgroups.path != NULL)
        g_assert_cmpuint(daemon_fixture_count_cgroups(crash->fixture), ==, n_running);
}

/* After a start. */
static void crash_check(Crash *crash)
{
    crash_check_serials(crash);
    crash->field.was_full = false;
    crash_check_services(crash);
}

/* An edit stands above what was configured over the bus. */
static void crash_edit(Crash *crash, bool is_live)
{
    for (unsigned i = 0; i < CRASH_CLIENTS; i++) {
        if (g_rand_int_range(crash->rand, 0, 8) == 0)
            crash_define(crash, g_ptr_array_index(crash->services[i], 0), is_live);
    }
}

/* In order, and begun again. */
static void crash_edit_while_down(Crash *crash)
{
    g_assert_cmpint(daemon_fixture_stop(crash->fixture, SIGTERM), ==, 0);
    crash_edit(crash, false);
    crash_start(crash);
    crash_check(crash);
}

/* What a reload has answered survives the kill that follows at once. */
static void crash_edit_and_reload(Crash *crash)
{
    crash_edit(crash, true);
    sd_bus_message_unref(client_call(crash->fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                     "ReloadDefinitions", "a{sv}", 0));
    crash->n_reloads++;
    if (g_rand_boolean(crash->rand)) {
        crash_check_services(crash);
        return;
    }
    daemon_fixture_kill(crash->fixture);
    crash_start(crash);
    crash_check(crash);
}

static void crash_round(Crash *crash)
{
    unsigned n_done = crash->field.n_done;

    crash_rage(crash);
    crash_kill(crash);
    crash_start(crash);
    crash_check(crash);
    crash->n_rounds++;
    crash->n_rounds_of_use += crash->field.n_done > n_done;
    switch (g_rand_int_range(crash->rand, 0, 4)) {
    case 0:
        crash_edit_while_down(crash);
        break;
    case 1:
        crash_edit_and_reload(crash);
        break;
    }
}

/* That there was something to lose. */
static void crash_check_use(const Crash *crash)
{
    const CrashField *field = &crash->field;

    for (CrashOperation i = 0; i < _CRASH_OPERATION_MAX; i++) {
        g_test_message("%s: %u acknowledged", crash_operation_to_string(i), field->n_done_of[i]);
        g_assert_cmpuint(field->n_done_of[i], >=, crash->n_rounds * CRASH_DONE_LEAST);
    }
    g_assert_cmpuint(crash->n_rounds_of_use, >, crash->n_rounds / 2);
    g_assert_cmpuint(crash->n_reloads, >=, crash->n_rounds / 25);
    g_assert_cmpuint(crash->n_oneshots, >=, crash->n_rounds / 25);
    g_assert_cmpuint(field->n_lost, >, 0);
    g_assert_cmpuint(field->n_full, >=, crash->n_rounds / CRASH_FULL_EVERY);
}

static void test_crash(DaemonFixture *fixture, const void *has_cgroups)
{
    Crash crash;

    if (has_cgroups != NULL && !daemon_fixture_use_cgroups(fixture))
        return;
    crash_set_up(&crash, fixture);
    crash_start(&crash);
    crash_check(&crash);
    while (crash.n_rounds < crash_n_rounds)
        crash_round(&crash);
#ifdef ADDRESS_SANITIZED
    g_test_message("under a sanitizer: %u rounds only", crash.n_rounds);
#endif
    g_test_message("%u kills and %u of daemons that had just begun, %u changes acknowledged, %u "
                   "calls without an answer, %u reloads of edits, %u oneshots run again, %u "
                   "refused by the disk, in "
                   "%" G_GUINT64_FORMAT " ms; the longest start took "
                   "%" G_GUINT64_FORMAT " ms",
                   crash.n_rounds, crash.n_launches_killed, crash.field.n_done, crash.field.n_lost,
                   crash.n_reloads, crash.n_oneshots, crash.field.n_full,
                   (test_now_usec() - crash.begin_usec) / 1000, crash.longest_start_usec / 1000);
    crash_check_use(&crash);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    crash_tear_down(&crash);
}

int main(int argc, char **argv)
{
    bool is_long = g_strcmp0(g_getenv("SVCMGR_TEST_LONG"), "1") == 0;

    crash_n_rounds = is_long ? CRASH_ROUNDS_LONG : CRASH_ROUNDS;
    g_test_init(&argc, &argv, NULL);
    if (argc > 1)
        (void)sscanf(argv[1], "--rounds=%u", &crash_n_rounds); /* else as many as it is */
    g_test_add("/crash/rounds", DaemonFixture, NULL, daemon_fixture_set_up, test_crash,
               daemon_fixture_tear_down);
    g_test_add("/crash/cgroups", DaemonFixture, GINT_TO_POINTER(1), daemon_fixture_set_up,
               test_crash, daemon_fixture_tear_down);
    return g_test_run();
}
