/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own life, from the command line to the exit code. */

#include "support/daemon-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SLEEPER "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("expected \"%s\" in: %s", part, text);
}

static void test_version(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, "--version", NULL), ==, 0);
    g_assert_cmpstr(output, ==, "svcmgrd " SVCMGR_VERSION "\n");
}

static void test_help(DaemonFixture *fixture, const void *unused)
{
    static const char *const options[] = {"--system",       "--user",         "--address",
                                          "--socket",       "--services-dir", "--runtime-dir",
                                          "--max-services", "--log-level",    "--version"};
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, "--help", NULL), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        assert_contains(output, options[i]);
}

/* The text of each mistake is tested with the options themselves. */
static void test_usage(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, "--system", "--user", "--log-level=x",
                                       "stray", "--what", NULL),
                    ==, 2);
    assert_contains(output, "unexpected argument \"stray\"\n");
    assert_contains(output, "unknown option --what\n");
    assert_contains(output, "--system and --user exclude each other\n");
    assert_contains(output, "--log-level: expected ");
}

static void test_missing_services_dir(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(
            daemon_fixture_run(fixture, &output,
                               daemon_fixture_option(fixture, "socket", fixture->socket),
                               daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir),
                               "--services-dir=/nowhere/at/all", NULL),
            ==, 1);
    assert_contains(output, "/nowhere/at/all: No such file or directory");
}

static void test_no_surface(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(
            daemon_fixture_run(fixture, &output, "--socket=none",
                               daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir),
                               "--address=unix:path=/nowhere/at/all", NULL),
            ==, 1);
}

static void test_ends_by_signal(DaemonFixture *fixture, const void *signo)
{
    g_autofree char *log = NULL;

    daemon_fixture_start(fixture, NULL);
    g_assert_cmpint(daemon_fixture_stop(fixture, GPOINTER_TO_INT(signo)), ==, 0);
    log = daemon_fixture_log(fixture);
    g_autofree char *expected =
            g_strdup_printf("SIG%s from process", sigabbrev_np(GPOINTER_TO_INT(signo)));
    assert_contains(log, expected);
}

static void test_stops_services(DaemonFixture *fixture, const void *unused)
{
    static const char *const configs[] = {
            SLEEPER,
            /* grandchildren */
            "{\"exec\": [\"/bin/sh\", \"-c\", \"sleep infinity & sleep infinity & wait\"]}",
            /* one that does not go by itself */
            "{\"exec\": [\"STUBBORN\"], \"readiness\": \"notify\", \"stop_timeout\": \"100ms\"}",
            /* one that leaves such a one behind */
            "{\"exec\": [\"STUBBORN\", \"child\"], \"readiness\": \"notify\", \"stop_timeout\": "
            "\"100ms\"}",
            /* one that waits for its next attempt */
            "{\"exec\": [\"/bin/false\"], \"restart\": {\"initial_delay\": \"1h\","
            " \"max_delay\": \"1h\"}}",
    };
    static const char *const states[] = {"active", "active", "active", "active", "backoff"};

    daemon_fixture_start(fixture, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *id = g_strdup_printf("s%zu", i);
        g_autoptr(GString) config = g_string_new(configs[i]);

        g_string_replace(config, "STUBBORN", g_getenv("STUBBORN"), 0);
        client_create(fixture->client, id, "process", config->str, true);
        client_wait_state(fixture->client, id, states[i]);
    }
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    g_assert_true(child_end(&fixture->bus, DAEMON_PATIENCE_USEC));
    g_assert_false(child_is_any_left());
}

/* As the stop script of a container does it: first the services, then the daemon. */
static void test_stops_in_two_steps(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *reply = NULL;
    g_autofree char *path = client_service_path("web");

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "web", "process", SLEEPER, true);
    client_wait_state(fixture->client, "web", "active");
    child_kill(&fixture->daemon, SIGQUIT);
    client_wait_state(fixture->client, "web", "inactive");
    g_free(client_call_refused(fixture->client, "org.svcmgr1.Error.ShuttingDown", path,
                               CLIENT_SERVICE, "Start", ""));
    reply = client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "State");
    g_assert_cmpstr(reply, ==, "stopping");
    child_kill(&fixture->daemon, SIGQUIT); /* again: it stays */
    g_free(reply);
    reply = client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "Phase");
    g_assert_cmpstr(reply, ==, "serve");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    /* What ran is wanted: it comes back with the next daemon. */
    daemon_fixture_start(fixture, NULL);
    sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Wait", "a{sv}", 1,
                                     "until", "s", "active"));
}

/* A pipe that has what an executable of shutdown-error.d is told. */
static int life_add_teller(DaemonFixture *fixture)
{
    g_autofree char *directory =
            g_build_filename(fixture->root, "config", "hooks", "shutdown-error.d", NULL);
    g_autofree char *path = g_build_filename(directory, "tell", NULL);
    g_autofree char *pipe = g_build_filename(fixture->root, "told", NULL);
    g_autofree char *script =
            g_strdup_printf("#!/bin/sh\necho \"$1: $SVCMGR_RUNNING\" > '%s'\n", pipe);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    g_assert_true(g_file_set_contents_full(path, script, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    return open(pipe, O_RDWR | O_CLOEXEC);
}

/* One that does not go in time is told of and ended, which is no end of the daemon. */
static void test_two_steps_late(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *config =
            g_strdup_printf("{\"exec\": [\"%s\"], \"readiness\": \"notify\", \"stop_timeout\": "
                            "\"1h\"}",
                            g_getenv("STUBBORN"));
    autofd int pipe = life_add_teller(fixture);
    struct pollfd told = {.fd = pipe, .events = POLLIN};
    char text[512];

    daemon_fixture_start(fixture, "--shutdown-timeout=1s", NULL);
    client_create(fixture->client, "stubborn", "process", config, true);
    client_wait_state(fixture->client, "stubborn", "active");
    child_kill(&fixture->daemon, SIGQUIT);
    client_wait_state(fixture->client, "stubborn", "failed");
    g_assert_cmpint(poll(&told, 1, (int)(DAEMON_PATIENCE_USEC / 1000)), ==, 1);
    ssize_t n = read(pipe, text, sizeof(text) - 1);
    g_assert_cmpint(n, >, 0);
    text[n] = '\0';
    assert_contains(text, "services: stubborn (stopping");

    g_autofree char *log = daemon_fixture_log(fixture);
    assert_contains(log, "the stop has run out of time; still running: stubborn (stopping");
    g_autofree char *phase =
            client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "Phase");
    g_assert_cmpstr(phase, ==, "serve");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

static bool is_added(sd_bus_message *message, void *unused)
{
    return sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
                                    "InterfacesAdded") > 0;
}

static void test_sighup(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
    daemon_fixture_define(fixture, "web", "{\"kind\": \"process\"}");
    child_kill(&fixture->daemon, SIGHUP);
    (void)client_wait(fixture->client, is_added, NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 1);
}

static void test_second_signal_cuts_short(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *config =
            g_strdup_printf("{\"exec\": [\"%s\"], \"readiness\": \"notify\", \"stop_timeout\": "
                            "\"1h\"}",
                            g_getenv("STUBBORN"));
    g_autofree char *log = NULL;

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "stubborn", "process", config, true);
    client_wait_state(fixture->client, "stubborn", "active");
    child_kill(&fixture->daemon, SIGTERM);
    client_wait_state(fixture->client, "stubborn", "stopping");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);
    log = daemon_fixture_log(fixture);
    assert_contains(log, "still running: stubborn (stopping");
}

static void test_refuses_while_stopping(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *config =
            g_strdup_printf("{\"exec\": [\"%s\"], \"readiness\": \"notify\", \"stop_timeout\": "
                            "\"1h\"}",
                            g_getenv("STUBBORN"));
    g_autofree char *state = NULL;

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "stubborn", "process", config, true);
    client_wait_state(fixture->client, "stubborn", "active");
    child_kill(&fixture->daemon, SIGTERM);
    client_wait_state(fixture->client, "stubborn", "stopping");
    g_free(client_call_refused(fixture->client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "CreateService", "sssa{sv}", "late", "process",
                               SLEEPER, 0));
    state = client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "State");
    g_assert_cmpstr(state, ==, "stopping");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);
}

static void test_second_daemon(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *same_socket = NULL;
    g_autofree char *same_name = NULL;
    g_autofree char *same_state = NULL;
    g_autofree char *elsewhere = g_build_filename(fixture->root, "elsewhere", NULL);

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "web", "process", SLEEPER, true);
    client_wait_state(fixture->client, "web", "active");
    g_assert_cmpint(daemon_fixture_run(fixture, &same_socket,
                                       daemon_fixture_option(fixture, "socket", fixture->socket),
                                       daemon_fixture_option(fixture, "runtime-dir", elsewhere),
                                       daemon_fixture_option(fixture, "state-dir", elsewhere),
                                       NULL),
                    ==, 1);
    assert_contains(same_socket, fixture->socket);
    g_assert_cmpint(
            daemon_fixture_run(fixture, &same_state, "--socket=none",
                               daemon_fixture_option(fixture, "address", fixture->bus_address),
                               daemon_fixture_option(fixture, "runtime-dir", elsewhere), NULL),
            ==, 1);
    assert_contains(same_state, "is in use by process");
    g_assert_cmpint(
            daemon_fixture_run(fixture, &same_name, "--socket=none",
                               daemon_fixture_option(fixture, "address", fixture->bus_address),
                               daemon_fixture_option(fixture, "runtime-dir", elsewhere),
                               daemon_fixture_option(fixture, "state-dir", elsewhere), NULL),
            ==, 1);
    assert_contains(same_name, "org.svcmgr1");

    /* The first has not noticed. */
    g_autofree char *path = client_service_path("web");
    g_autofree char *state = client_get_string(fixture->client, path, CLIENT_SERVICE, "State");
    g_assert_cmpstr(state, ==, "active");
    Client *peer = client_new_private(fixture->socket);
    g_assert_cmpuint(client_get_unsigned(peer, CLIENT_ROOT, CLIENT_MANAGER, "NServices"), ==, 1);
    client_free(peer);
}

static void test_stale_socket(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    g_clear_pointer(&fixture->client, client_free);
    child_kill(&fixture->daemon, SIGKILL);
    siginfo_t info;
    g_assert_true(child_wait(&fixture->daemon, DAEMON_PATIENCE_USEC, &info));
    daemon_fixture_start(fixture, NULL);
}

/* Neither a system bus nor a session bus is there: the private socket alone. */
static void test_without_bus(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *log = NULL;

    daemon_fixture_start_exactly(
            fixture, daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir), NULL);
    fixture->client = client_new_private(fixture->socket);
    client_create(fixture->client, "web", "process", SLEEPER, true);
    client_wait_state(fixture->client, "web", "active");
    client_operate(fixture->client, "web", "Stop");
    client_wait_state(fixture->client, "web", "inactive");
    log = daemon_fixture_log(fixture);
    assert_contains(log, "private");
}

static void test_relative_paths(DaemonFixture *fixture, const void *unused)
{
    g_assert_cmpint(chdir(fixture->root), ==, 0);
    daemon_fixture_define(fixture, "web", "{\"kind\": \"process\"}");
    daemon_fixture_start_exactly(fixture, "--runtime-dir=run", "--services-dir=services", NULL);
    fixture->client = client_new_private(fixture->socket);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 1);
    g_assert_cmpint(chdir("/"), ==, 0);

    g_autofree char *link = g_strdup_printf("/proc/%d/cwd", (int)fixture->daemon.pid);
    g_autofree char *directory = g_file_read_link(link, NULL);
    g_assert_cmpstr(directory, ==, fixture->root); /* and so the services start there as well */
}

/* Whoever starts the daemon may ignore SIGCHLD, which execve hands on: the kernel would then throw
 * every exit status away. */
static void test_sigchld_ignored(DaemonFixture *fixture, const void *unused)
{
    fixture->wrapper = "exec env --ignore-signal=CHLD \"$0\" \"$@\"";
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "job", "oneshot",
                  "{\"exec\": [\"/bin/true\"], \"remain_after_exit\": true}", true);
    client_wait_state(fixture->client, "job", "active");
}

static void test_closed_streams(DaemonFixture *fixture, const void *unused)
{
    fixture->wrapper = "exec \"$0\" \"$@\" <&- >&- 2>&-";
    daemon_fixture_start(fixture, NULL);
    for (int fd = 0; fd <= 2; fd++) {
        g_autofree char *link = g_strdup_printf("/proc/%d/fd/%d", (int)fixture->daemon.pid, fd);
        g_autofree char *target = g_file_read_link(link, NULL);

        g_assert_cmpstr(target, ==, "/dev/null");
    }
}

/* The daemon raises its own limit of descriptors; programs get the one that it was given. */
static void test_limits(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *file = g_build_filename(fixture->root, "limits", NULL);
    g_autofree char *config = g_strdup_printf(
            "{\"exec\": [\"/bin/sh\", \"-c\", \"{ ulimit -n; umask; pwd; } > %s\"]}", file);
    g_autofree char *text = NULL;

    fixture->wrapper = "ulimit -S -n 333; umask 077; exec \"$0\" \"$@\"";
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "job", "oneshot", config, true);
    client_wait_state(fixture->client, "job", "inactive");
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "333\n0022\n/\n");

    g_autofree char *path = g_strdup_printf("/proc/%d/limits", (int)fixture->daemon.pid);
    g_autofree char *limits = NULL;
    g_assert_true(g_file_get_contents(path, &limits, NULL, NULL));
    g_assert_null(strstr(limits, "Max open files            333 "));
}

static void test_properties(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    Client *client = fixture->client;
    g_autofree char *version = client_get_string(client, CLIENT_ROOT, CLIENT_MANAGER, "Version");
    g_autofree char *phase = client_get_string(client, CLIENT_ROOT, CLIENT_MANAGER, "Phase");
    g_autofree char *state = client_get_string(client, CLIENT_ROOT, CLIENT_MANAGER, "State");
    g_autofree char *first = client_get_string(client, CLIENT_ROOT, CLIENT_MANAGER, "InstanceId");

    g_assert_cmpstr(version, ==, SVCMGR_VERSION);
    g_assert_cmpstr(phase, ==, "serve");
    g_assert_cmpstr(state, ==, "running");
    g_assert_cmpuint(strlen(first), ==, 32);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    daemon_fixture_start(fixture, NULL);
    g_autofree char *second =
            client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "InstanceId");
    g_assert_cmpstr(first, !=, second);
}

static bool match_name_owner(sd_bus_message *message, void *data)
{
    const char *owner;

    return sd_bus_message_is_signal(message, "org.freedesktop.DBus", "NameOwnerChanged") &&
           sd_bus_message_read(message, "sss", NULL, NULL, &owner) > 0 && *owner != '\0';
}

static bool daemon_has_name(Client *client)
{
    sd_bus_message *reply = NULL;
    int owned;

    g_assert_cmpint(sd_bus_call_method(client->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
                                       "org.svcmgr1"),
                    >=, 0);
    g_assert_cmpint(sd_bus_message_read(reply, "b", &owned), >, 0);
    sd_bus_message_unref(reply);
    return owned;
}

/* Services go on without the bus, and it gets them back when it is there again. */
static void test_bus_goes_away(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("web");

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "web", "process", SLEEPER, true);
    client_wait_state(fixture->client, "web", "active");
    uint64_t pid = client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");

    daemon_fixture_stop_bus(fixture);
    Client *peer = client_new_private(fixture->socket);
    g_assert_cmpuint(client_get_unsigned(peer, path, CLIENT_PROCESS, "MainPID"), ==, pid);
    client_operate(peer, "web", "Restart");
    pid = client_wait_main_pid(peer, "web", pid);
    client_free(peer);

    daemon_fixture_start_bus(fixture);
    fixture->client = client_new_bus(fixture->bus_address);
    if (!daemon_has_name(fixture->client))
        client_wait(fixture->client, match_name_owner, NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID"), ==,
                     pid);
}

/* Until it takes no more. */
static void fill_notify_socket(const DaemonFixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    (void)g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", fixture->root);
    while (sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)(void *)&address, sizeof(address)) >
           0)
        continue;
    g_assert_cmpint(errno, ==, EAGAIN);
}

/* Who does not read what he is told holds nobody up. */
static void test_deaf_manager(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "web", "process", SLEEPER, true);
    client_wait_state(fixture->client, "web", "active");
    fill_notify_socket(fixture);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

static void test_max_services(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, "--max-services=1", NULL);
    client_create(fixture->client, "a", "process", SLEEPER, false);
    g_free(client_call_refused(fixture->client, "org.svcmgr1.Error.LimitExceeded", CLIENT_ROOT,
                               CLIENT_MANAGER, "CreateService", "sssa{sv}", "b", "process", SLEEPER,
                               0));
}

#define ADD(path, data, function)                                                                  \
    g_test_add("/life/" path, DaemonFixture, data, daemon_fixture_set_up, function,                \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("options/version", NULL, test_version);
    ADD("options/help", NULL, test_help);
    ADD("options/usage", NULL, test_usage);
    ADD("options/max-services", NULL, test_max_services);
    ADD("launch/missing-services-dir", NULL, test_missing_services_dir);
    ADD("launch/no-surface", NULL, test_no_surface);
    ADD("launch/second-daemon", NULL, test_second_daemon);
    ADD("launch/stale-socket", NULL, test_stale_socket);
    ADD("launch/without-bus", NULL, test_without_bus);
    ADD("launch/relative-paths", NULL, test_relative_paths);
    ADD("launch/closed-streams", NULL, test_closed_streams);
    ADD("launch/limits", NULL, test_limits);
    ADD("launch/sigchld-ignored", NULL, test_sigchld_ignored);
    ADD("serve/properties", NULL, test_properties);
    ADD("serve/bus-goes-away", NULL, test_bus_goes_away);
    ADD("stop/sigterm", GINT_TO_POINTER(SIGTERM), test_ends_by_signal);
    ADD("stop/sigint", GINT_TO_POINTER(SIGINT), test_ends_by_signal);
    ADD("stop/sigquit", NULL, test_stops_in_two_steps);
    ADD("stop/sigquit-late", NULL, test_two_steps_late);
    ADD("sighup", NULL, test_sighup);
    ADD("stop/deaf-manager", NULL, test_deaf_manager);
    ADD("stop/services", NULL, test_stops_services);
    ADD("stop/second-signal-cuts-short", NULL, test_second_signal_cuts_short);
    ADD("stop/refuses", NULL, test_refuses_while_stopping);
    return g_test_run();
}
