/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The graceful stop: of a thousand services side by side, of one that hangs, and with every call
 * under way answered. */

#include "base/fds.h"
#include "stop-client.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_SERVICES 1000
#define STOP_BY_HAND 20 /* the first so many */
#define STOP_LONGEST_MSEC 1000
#define STOP_SLOWEST_MSEC 2000 /* the last one */
#define STOP_RATIO 20          /* so much faster than one after the other, on any machine */

/* A thousand */

static char *stop_id(unsigned number)
{
    return g_strdup_printf("service%u", number);
}

/* Gives how long all that are to be stopped together would take one after the other. */
static unsigned stop_make_thousand(Stop *stop)
{
    GRand *rand = g_rand_new_with_seed((uint32_t)g_test_rand_int());
    unsigned all_msec = 0;

    for (unsigned i = 0; i < STOP_SERVICES; i++) {
        g_autofree char *id = stop_id(i);
        unsigned msec = i == STOP_SERVICES - 1
                                ? STOP_SLOWEST_MSEC
                                : (unsigned)g_rand_int_range(rand, 0, STOP_LONGEST_MSEC);

        all_msec += i < STOP_BY_HAND ? 0 : msec;
        stop_create(stop, id, msec, "");
        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    stop_await_answers(stop);
    for (unsigned i = 0; i < STOP_BY_HAND; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Stop", "");
        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "inactive");
    }
    stop_await_answers(stop);
    stop_check(stop, "CreateService done", STOP_SERVICES);
    stop_check(stop, "Wait active", STOP_SERVICES);
    stop_check(stop, "Stop stopping", STOP_BY_HAND);
    stop_check(stop, "Wait inactive", STOP_BY_HAND);
    stop_check_taken(stop);
    g_rand_free(rand);
    return all_msec;
}

/* Position of the only event like this from begin on. */
static unsigned stop_find_event(const Stop *stop, const char *event, unsigned begin)
{
    unsigned found = G_MAXUINT;

    for (unsigned i = begin; i < stop->events->len; i++) {
        if (!g_str_equal(g_ptr_array_index(stop->events, i), event))
            continue;
        if (found != G_MAXUINT)
            g_error("%s comes twice", event);
        found = i;
    }
    if (found == G_MAXUINT)
        g_error("%s does not come", event);
    return found;
}

static void stop_check_events(const Stop *stop)
{
    unsigned begin = stop_find_event(stop, "AppTerminating ", 0);
    unsigned end = stop_find_event(stop, "AppTerminated ", 0);
    unsigned n_ends = 0;

    for (unsigned i = 0; i < STOP_SERVICES; i++) {
        g_autofree char *id = stop_id(i);
        g_autofree char *event = g_strconcat("ProcessEnd ", id, NULL);
        unsigned at = stop_find_event(stop, event, 0);

        if (i < STOP_BY_HAND) {
            g_assert_cmpuint(at, <, begin);
            continue;
        }
        g_assert_cmpuint(at, >, begin);
        g_assert_cmpuint(at, <, end);
    }
    for (unsigned i = 0; i < stop->events->len; i++)
        n_ends += g_str_has_prefix(g_ptr_array_index(stop->events, i), "ProcessEnd ");
    g_assert_cmpuint(n_ends, ==, STOP_SERVICES);
}

static void stop_check_back(Stop *stop)
{
    for (unsigned i = STOP_BY_HAND; i < STOP_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    for (unsigned i = 0; i < STOP_BY_HAND; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 2, "until", "s", "inactive", "timeout_usec", "t",
                  UINT64_C(0));
    }
    stop_await_answers(stop);
    stop_check(stop, "Wait active", STOP_SERVICES - STOP_BY_HAND);
    stop_check(stop, "Wait inactive", STOP_BY_HAND);
    stop_check_taken(stop);
    g_assert_cmpuint(lockers_count(stop->lockers), ==, STOP_SERVICES - STOP_BY_HAND);
}

/* Where there are any. */
static void stop_check_cgroups(const DaemonFixture *fixture, unsigned expected)
{
    if (fixture->cgroups.path != NULL)
        g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, expected);
}

static void test_thousand(DaemonFixture *fixture, const void *has_cgroups)
{
    g_autofree char *slowest = stop_id(STOP_SERVICES - 1);
    Stop stop;

    if (has_cgroups != NULL && !daemon_fixture_use_cgroups(fixture))
        return;
    stop_set_up(&stop, fixture);
    daemon_fixture_start(fixture, NULL);
    g_clear_pointer(&fixture->client, client_free); /* would have a hundred thousand signals wait */
    stop_connect(&stop, true);
    unsigned all_msec = stop_make_thousand(&stop);
    stop_call(&stop, slowest, "Wait", "a{sv}", 1, "until", "s", "inactive");

    uint64_t begin = test_now_usec();
    child_kill(&fixture->daemon, SIGTERM);
    g_assert_cmpint(stop_await_end(&stop), ==, 0);
    uint64_t msec = (test_now_usec() - begin) / 1000;
    g_test_message("%u services stopped in %" G_GUINT64_FORMAT " ms, the slowest takes %u ms, all "
                   "of them one after the other %u ms",
                   STOP_SERVICES - STOP_BY_HAND, msec, STOP_SLOWEST_MSEC, all_msec);
    g_assert_cmpuint(msec, >=, STOP_SLOWEST_MSEC);
    g_assert_cmpuint(msec, <, all_msec / STOP_RATIO);
    stop_await_answers(&stop);
    stop_check(&stop, "Wait inactive", 1);
    stop_check_taken(&stop);
    stop_check_events(&stop);
    g_assert_cmpuint(lockers_count(stop.lockers), ==, 0);
    stop_check_cgroups(fixture, 0);
    stop_disconnect(&stop);

    daemon_fixture_start(fixture, NULL);
    g_clear_pointer(&fixture->client, client_free);
    stop_connect(&stop, true);
    stop_check_back(&stop);
    stop_check_cgroups(fixture, STOP_SERVICES - STOP_BY_HAND);
    stop_disconnect(&stop);
    lockers_check_single(stop.lockers);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    stop_tear_down(&stop);
}

/* Calls under way */

#define CALLS_SERVICES 20 /* a bus lets one client wait for 128 answers */
#define CALLS_LATE 30     /* sent just before the signal: done or refused, but answered */

static void calls_make(Stop *stop)
{
    g_autofree char *last = stop_id(CALLS_SERVICES - 1);

    for (unsigned i = 0; i < CALLS_SERVICES - 1; i++) {
        g_autofree char *id = stop_id(i);

        stop_create(stop, id, 200, "");
    }
    /* The last one keeps the daemon until it has refused everything. */
    stop_create_hanging(stop, last, "");
    stop_await_answers(stop);
    for (unsigned i = 0; i < CALLS_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    stop_await_answers(stop);
    stop_check(stop, "CreateService done", CALLS_SERVICES);
    stop_check(stop, "Wait active", CALLS_SERVICES);
    stop_check_taken(stop);
}

/* Each service has one who waits for its end and one who waits for what will not come. */
static void calls_send_early(Stop *stop)
{
    for (unsigned i = 0; i < CALLS_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "inactive");
        stop_call(stop, id, "Wait", "a{sv}", 2, "until", "s", "active", "after_serial", "t",
                  UINT64_MAX);
    }
    for (unsigned i = 0; i < CALLS_SERVICES / 4; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, NULL, "DeleteService", "sa{sv}", id, 0);
    }
    stop_call(stop, NULL, "ReloadDefinitions", "a{sv}", 0);
    /* The calls of one client are taken in their order: with this answer all are under way. */
    g_assert_cmpint(sd_bus_call_method(stop->bus, stop->destination, CLIENT_ROOT, CLIENT_MANAGER,
                                       "ListKinds", NULL, NULL, ""),
                    >=, 0);
}

static void calls_send_late(Stop *stop)
{
    for (unsigned i = 0; i < CALLS_LATE; i++) {
        g_autofree char *id = g_strdup_printf("late%u", i);

        stop_create(stop, id, 0, "");
        stop_call(stop, NULL, "ReloadDefinitions", "a{sv}", 0);
    }
    g_assert_cmpint(sd_bus_flush(stop->bus), >=, 0);
}

/* When the daemon says that it stops, it takes nothing new. */
static void calls_check_refused(Stop *stop)
{
    g_autofree char *id = stop_id(CALLS_SERVICES - 1);
    g_autofree char *path = client_service_path(id);
    Client *client = stop->fixture->client;
    pid_t pid = (pid_t)client_get_unsigned(client, path, CLIENT_PROCESS, "MainPID");

    client_wait_state(client, id, "stopping");
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "CreateService", "sssa{sv}", "never", "process",
                               "{\"exec\": [\"/bin/true\"]}", 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "DeleteService", "sa{sv}", id, 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "ReloadDefinitions", "a{sv}", 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", path, CLIENT_SERVICE,
                               "Start", ""));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", path, CLIENT_SERVICE,
                               "Configure", "s", "{\"exec\": [\"/bin/true\"]}"));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", path, CLIENT_SERVICE,
                               "SetEnabled", "b", 1));
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0); /* it is still being stopped */
}

#define CALLS_SHUT " org.svcmgr1.Error.ShuttingDown"

/* Gives how many services there must be from now on. */
static unsigned calls_check_answers(Stop *stop)
{
    unsigned n_deleted = stop_take(stop, "DeleteService done");
    unsigned n_created = stop_take(stop, "CreateService done");
    unsigned n_gone = stop_take(stop, "Wait org.svcmgr1.Error.NotFound");

    g_assert_cmpuint(n_deleted, ==, CALLS_SERVICES / 4);
    g_assert_cmpuint(n_created + stop_take(stop, "CreateService" CALLS_SHUT), ==, CALLS_LATE);
    stop_check(stop, "Wait failed", 1); /* the last one */
    g_assert_cmpuint(stop_take(stop, "Wait inactive") + stop_take(stop, "Wait" CALLS_SHUT) + n_gone,
                     ==, 2 * CALLS_SERVICES - 1);
    g_assert_cmpuint(n_gone, <=, 2 * n_deleted);
    g_assert_cmpuint(stop_take(stop, "ReloadDefinitions done") +
                             stop_take(stop, "ReloadDefinitions" CALLS_SHUT),
                     ==, CALLS_LATE + 1);
    stop_check_taken(stop);
    return CALLS_SERVICES - n_deleted + n_created;
}

static void test_calls(DaemonFixture *fixture, const void *is_private)
{
    char *services = daemon_fixture_option(fixture, "services-dir", fixture->services_dir);
    Stop stop;

    stop_set_up(&stop, fixture);
    daemon_fixture_start(fixture, services, NULL);
    stop_connect(&stop, GPOINTER_TO_INT(is_private) != 0);
    calls_make(&stop);
    calls_send_early(&stop);
    calls_send_late(&stop);
    child_kill(&fixture->daemon, SIGTERM);
    calls_check_refused(&stop);
    stop_await_answers(&stop);
    g_assert_cmpint(stop_await_end(&stop), ==, 0);
    unsigned n_services = calls_check_answers(&stop);
    stop_disconnect(&stop);
    g_clear_pointer(&fixture->client, client_free);

    daemon_fixture_start(fixture, services, "--restore=none", NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, n_services);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    stop_tear_down(&stop);
}

/* One that hangs */

#define HANG_SERVICES 20
#define HANG_TIMEOUT_USEC (3 * USEC_PER_SEC) /* enough for the others */
#define HANG_MARGIN_USEC (10 * USEC_PER_SEC) /* far from the hour of stop_timeout */

/* What an executable of shutdown-error.d is told, as it tells it to a pipe. */
static int hang_add_hook(DaemonFixture *fixture, char **ret_option)
{
    g_autofree char *hooks = g_build_filename(fixture->root, "hooks", NULL);
    g_autofree char *directory = g_build_filename(hooks, "shutdown-error.d", NULL);
    g_autofree char *path = g_build_filename(directory, "tell", NULL);
    g_autofree char *pipe = g_build_filename(fixture->root, "told", NULL);
    g_autofree char *script = g_strdup_printf("#!/bin/sh\necho \"$SVCMGR_RUNNING\" > '%s'\n", pipe);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    g_assert_true(g_file_set_contents_full(path, script, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    *ret_option = daemon_fixture_option(fixture, "hooks-dir", hooks);
    return open(pipe, O_RDWR | O_CLOEXEC);
}

static void hang_check_told(int fd)
{
    struct pollfd told = {.fd = fd, .events = POLLIN};
    char text[4096];

    g_assert_cmpint(poll(&told, 1, (int)(DAEMON_PATIENCE_USEC / 1000)), ==, 1);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    g_assert_cmpint(n, >, 0);
    text[n] = '\0';
    g_assert_true(g_str_has_prefix(text, "hang (stopping"));
    g_assert_null(strstr(text, "service"));
}

static void hang_make(Stop *stop)
{
    stop_create_hanging(stop, "hang", ", \"child\"");
    stop_call(stop, "hang", "Wait", "a{sv}", 1, "until", "s", "active");
    for (unsigned i = 0; i < HANG_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_create(stop, id, 10, "");
        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    stop_await_answers(stop);
    stop_check(stop, "Wait active", HANG_SERVICES + 1);
}

/* It is named, whoever asked for it is told, and nothing of it is left. */
static void test_hang(DaemonFixture *fixture, const void *unused)
{
    char *hooks = NULL;
    autofd int told = hang_add_hook(fixture, &hooks);
    g_autofree char *log = NULL;
    Stop stop;

    stop_set_up(&stop, fixture);
    daemon_fixture_start(fixture, "--shutdown-timeout=3s", hooks, NULL);
    stop_connect(&stop, true);
    hang_make(&stop);
    stop_call(&stop, "hang", "Wait", "a{sv}", 1, "until", "s", "inactive");

    uint64_t begin = test_now_usec();
    child_kill(&fixture->daemon, SIGTERM);
    hang_check_told(told);
    g_assert_cmpint(stop_await_end(&stop), ==, 1);
    uint64_t usec = test_now_usec() - begin;
    g_assert_cmpuint(usec, >=, HANG_TIMEOUT_USEC);
    g_assert_cmpuint(usec, <, HANG_TIMEOUT_USEC + HANG_MARGIN_USEC);
    stop_await_answers(&stop);
    g_assert_cmpuint(stop_take(&stop, "Wait failed") + stop_take(&stop, "Wait inactive"), ==, 1);
    log = daemon_fixture_log(fixture);
    g_assert_nonnull(strstr(log, "still running: hang (stopping"));
    g_assert_cmpuint(lockers_count(stop.lockers), ==, 0);
    stop_disconnect(&stop);
    g_clear_pointer(&fixture->client, client_free);

    /* It ran, and so it is wanted. */
    daemon_fixture_start(fixture, "--shutdown-timeout=1s", NULL);
    stop_connect(&stop, true);
    stop_call(&stop, "hang", "Wait", "a{sv}", 1, "until", "s", "active");
    stop_await_answers(&stop);
    stop_check(&stop, "Wait active", 1);
    stop_disconnect(&stop);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);
    stop_tear_down(&stop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/stop/thousand", DaemonFixture, NULL, daemon_fixture_set_up, test_thousand,
               daemon_fixture_tear_down);
    g_test_add("/stop/thousand-cgroups", DaemonFixture, GINT_TO_POINTER(1), daemon_fixture_set_up,
               test_thousand, daemon_fixture_tear_down);
    g_test_add("/stop/calls/bus", DaemonFixture, GINT_TO_POINTER(0), daemon_fixture_set_up,
               test_calls, daemon_fixture_tear_down);
    g_test_add("/stop/calls/private", DaemonFixture, GINT_TO_POINTER(1), daemon_fixture_set_up,
               test_calls, daemon_fixture_tear_down);
    g_test_add("/stop/hang", DaemonFixture, NULL, daemon_fixture_set_up, test_hang,
               daemon_fixture_tear_down);
    return g_test_run();
}
