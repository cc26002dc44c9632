/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What runs when the daemon is back: after an end in order and after a crash, in the same boot and
 * after another one, for each value of --restore; and what has failed goes on from there. */

#include "base/fds.h"
#include "lockers.h"
#include "support/daemon-fixture.h"

#include <poll.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define RESTORE_ATTEMPTS 3

/* What is made of a service before the end. */
static const struct {
    const char *id;
    bool is_defined;
    bool enabled; /* when it is made */
    const char *operations[3];
} restore_services[] = {
        {"enabled-runs", false, true, {"Start"}},
        {"enabled-stopped", false, true, {"Start", "Stop"}},
        {"enabled-new", false, true, {NULL}},
        {"runs", false, false, {"Start"}},
        {"stopped", false, false, {"Start", "Stop"}},
        {"new", false, false, {NULL}},
        {"defined-enabled", true, true, {NULL}},
        {"defined-enabled-stopped", true, true, {"Stop"}},
        {"defined", true, false, {NULL}},
        {"defined-runs", true, false, {"Start"}},
};

#define ENABLED "defined-enabled defined-enabled-stopped enabled-new enabled-runs enabled-stopped"
/* enabled-new was neither started nor stopped: nothing is known of what is wanted of it. */
#define WANTED "defined-enabled defined-runs enabled-new enabled-runs runs"

static const struct RestoreCase {
    const char *path;
    const char *option;
    bool boots; /* in between */
    int signo;  /* that ends the first daemon */
    const char *expected;
} restore_cases[] = {
        {"/restore/none", "--restore=none", false, SIGTERM, ""},
        {"/restore/none-after-crash", "--restore=none", false, SIGKILL, ""},
        {"/restore/enabled", "--restore=enabled", false, SIGTERM, ENABLED},
        {"/restore/enabled-after-crash", "--restore=enabled", false, SIGKILL, ENABLED},
        {"/restore/wanted", "--restore=wanted", false, SIGTERM, WANTED},
        {"/restore/wanted-after-crash", "--restore=wanted", false, SIGKILL, WANTED},
        {"/restore/wanted-after-boot", "--restore=wanted", true, SIGKILL, WANTED},
        {"/restore/auto", "--restore=auto", false, SIGTERM, WANTED},
        {"/restore/auto-after-crash", "--restore=auto", false, SIGKILL, WANTED},
        {"/restore/auto-after-boot", "--restore=auto", true, SIGTERM, ENABLED},
        {"/restore/auto-after-loss-of-power", "--restore=auto", true, SIGKILL, ENABLED},
};

static void restore_await(Client *client, const char *id, const char *until)
{
    g_autofree char *path = client_service_path(id);

    sd_bus_message_unref(
            client_call(client, path, CLIENT_SERVICE, "Wait", "a{sv}", 1, "until", "s", until));
}

static void restore_define(DaemonFixture *fixture, const Lockers *lockers)
{
    g_autofree char *config = lockers_config(lockers, "", 0, ", \"readiness\": \"notify\"");

    for (size_t i = 0; i < G_N_ELEMENTS(restore_services); i++) {
        g_autofree char *definition =
                g_strdup_printf("{\"kind\": \"process\", \"enabled\": %s, \"config\": %s}",
                                restore_services[i].enabled ? "true" : "false", config);

        if (restore_services[i].is_defined)
            daemon_fixture_define(fixture, restore_services[i].id, definition);
    }
}

static void restore_make(Client *client, const Lockers *lockers)
{
    g_autofree char *config = lockers_config(lockers, "", 0, ", \"readiness\": \"notify\"");

    for (size_t i = 0; i < G_N_ELEMENTS(restore_services); i++) {
        const char *id = restore_services[i].id;

        if (!restore_services[i].is_defined)
            sd_bus_message_unref(client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "CreateService",
                                             "sssa{sv}", id, "process", config, 1, "enabled", "b",
                                             (int)restore_services[i].enabled));
        else if (restore_services[i].enabled)
            restore_await(client, id, "active");
        for (const char *const *operation = restore_services[i].operations; *operation != NULL;
             operation++) {
            (void)client_operate(client, id, *operation);
            restore_await(client, id, g_str_equal(*operation, "Start") ? "active" : "inactive");
        }
    }
}

static int restore_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The ids of those whose program runs, when all has settled. */
static char *restore_list_running(Client *client, const Lockers *lockers)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(restore_services); i++) {
        const char *id = restore_services[i].id;
        g_autofree char *lock = NULL;

        restore_await(client, id, "settled");
        lock = lockers_read(lockers, id);
        if (lock != NULL)
            g_ptr_array_add(ids, (void *)id);
    }
    g_ptr_array_sort(ids, restore_compare);
    g_ptr_array_add(ids, NULL);
    return g_strjoinv(" ", (char **)ids->pdata);
}

/* The database says that the last run was in another boot. */
static void restore_boot(DaemonFixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->root, "state", "svcmgr.db", NULL);
    sqlite3 *database = NULL;

    g_assert_cmpint(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(database,
                                 "UPDATE meta SET value = 'another' WHERE key = 'boot_id'", NULL,
                                 NULL, NULL),
                    ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_changes(database), ==, 1);
    g_assert_cmpint(sqlite3_close(database), ==, SQLITE_OK);
}

/* Of an end that was none in order, and of no other. */
static void restore_check_warning(DaemonFixture *fixture, bool expected)
{
    g_autofree char *log = daemon_fixture_log(fixture);

    g_assert_cmpint(strstr(log, "svcmgrd[warning]: the last run did not end as it should") != NULL,
                    ==, expected);
}

static void test_restore(DaemonFixture *fixture, const void *data)
{
    const struct RestoreCase *row = data;
    Lockers *lockers = lockers_new(fixture);
    char *services = daemon_fixture_option(fixture, "services-dir", fixture->services_dir);
    g_autofree char *before = NULL, *after = NULL;

    restore_define(fixture, lockers);
    daemon_fixture_start(fixture, services, NULL);
    restore_make(fixture->client, lockers);
    before = restore_list_running(fixture->client, lockers);
    g_assert_cmpstr(before, ==, "defined-enabled defined-runs enabled-runs runs");
    if (row->signo == SIGKILL)
        daemon_fixture_kill(fixture);
    else
        g_assert_cmpint(daemon_fixture_stop(fixture, row->signo), ==, 0);
    if (row->boots)
        restore_boot(fixture);

    daemon_fixture_start(fixture, services, row->option, NULL);
    after = restore_list_running(fixture->client, lockers);
    g_assert_cmpstr(after, ==, row->expected);
    restore_check_warning(fixture, row->signo == SIGKILL);
    lockers_check_single(lockers);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    g_assert_cmpuint(lockers_count(lockers), ==, 0);
    lockers_free(lockers);
}

/* Failures */

/* A program that notes that it was run, and fails before it is ready. */
static void restore_create_failing(DaemonFixture *fixture, const char *id, const char *restart)
{
    g_autofree char *config =
            g_strdup_printf("{\"exec\": [\"/bin/sh\", \"-c\", \"echo ran >>%s/%s; exit 3\"], "
                            "\"readiness\": \"notify\", \"restart\": {\"policy\": \"always\", %s}}",
                            fixture->root, id, restart);

    client_create(fixture->client, id, "process", config, true);
}

static bool restore_log_has(const char *path, const char *part)
{
    g_autofree char *content = NULL;
    gsize length = 0;

    return g_file_get_contents(path, &content, &length, NULL) &&
           memmem(content, length, part, strlen(part)) != NULL;
}

/* Returns when the log of the database has this text, and all that was written with it. */
static void restore_wait_written(DaemonFixture *fixture, const char *part)
{
    g_autofree char *path = g_build_filename(fixture->root, "state", "svcmgr.db-wal", NULL);
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char events[4096];

    g_assert_cmpint(inotify_add_watch(fd, path, IN_MODIFY), >=, 0);
    while (!restore_log_has(path, part)) {
        uint64_t now = test_now_usec();

        g_assert_cmpuint(now, <, deadline);
        (void)poll(&poll_fd, 1, (int)((deadline - now) / 1000)); /* the log says how it ended */
        (void)!read(fd, events, sizeof(events));
    }
    /* It answers when it is through with what it writes. */
    (void)client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices");
}

static void restore_assert_failure(DaemonFixture *fixture, const char *id, const char *state,
                                   uint64_t failed_attempts)
{
    g_autofree char *path = client_service_path(id);
    g_autofree char *found = NULL;

    restore_await(fixture->client, id, "settled");
    found = client_get_string(fixture->client, path, CLIENT_SERVICE, "State");
    g_assert_cmpstr(found, ==, state);
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "FailedAttempts"),
                     ==, failed_attempts);
}

static char *restore_read_runs(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = g_build_filename(fixture->root, id, NULL);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* What has given up stays so; what tries again does, and its failures before the crash count. */
static void test_failures(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("gives-up");

    daemon_fixture_start(fixture, NULL);
    restore_create_failing(fixture, "backs-off",
                           "\"initial_delay\": \"1h\", \"max_delay\": \"1h\"");
    restore_assert_failure(fixture, "backs-off", "backoff", 1);
    restore_create_failing(fixture, "gives-up", "\"initial_delay\": \"1ms\", \"max_attempts\": 3");
    restore_await(fixture->client, "gives-up", "inactive");
    restore_assert_failure(fixture, "gives-up", "failed", RESTORE_ATTEMPTS);
    g_autofree char *error = client_get_string(fixture->client, path, CLIENT_SERVICE, "Error");
    uint64_t time = client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "LastErrorTime");
    g_autofree char *runs = restore_read_runs(fixture, "gives-up");
    restore_wait_written(fixture, error);
    daemon_fixture_kill(fixture);

    daemon_fixture_start(fixture, "--restore=wanted", NULL);
    restore_assert_failure(fixture, "backs-off", "backoff", 2);
    restore_assert_failure(fixture, "gives-up", "failed", RESTORE_ATTEMPTS);
    g_autofree char *error_after =
            client_get_string(fixture->client, path, CLIENT_SERVICE, "Error");
    g_autofree char *runs_after = restore_read_runs(fixture, "gives-up");
    g_assert_cmpstr(error_after, ==, error);
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "LastErrorTime"),
                     ==, time);
    g_assert_cmpstr(runs_after, ==, runs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(restore_cases); i++)
        g_test_add(restore_cases[i].path, DaemonFixture, &restore_cases[i], daemon_fixture_set_up,
                   test_restore, daemon_fixture_tear_down);
    g_test_add("/restore/failures", DaemonFixture, NULL, daemon_fixture_set_up, test_failures,
               daemon_fixture_tear_down);
    return g_test_run();
}
