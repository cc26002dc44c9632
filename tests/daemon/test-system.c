/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A system of real services that require each other: its start with the daemon, its end with it,
 * and its return after a crash. Each program writes into one journal when it is up and when it
 * goes, so that what is asserted is what happened to programs, in the order in which it did. */

#include "base/fds.h"
#include "trouble.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYERS 4
#define WIDTH 5
#define ID_SIZE 16

typedef struct System {
    DaemonFixture daemon;
    char *program;
    const char *journal;
    const char *gate;
} System;

static void system_set_up(System *system, const void *unused)
{
    daemon_fixture_set_up(&system->daemon, NULL);
    system->program = g_build_filename(g_getenv("TEST_PROGRAMS"), "program-diary", NULL);
    system->journal = trouble_path(&system->daemon, "journal");
    system->gate = trouble_path(&system->daemon, "gate");
}

static void system_tear_down(System *system, const void *unused)
{
    daemon_fixture_tear_down(&system->daemon, NULL);
    g_free(system->program);
}

/* gate: NULL: none. */
static void system_define(System *system, const char *id, bool enabled, const char *gate,
                          const char *more)
{
    g_autofree char *third = gate != NULL ? g_strdup_printf(", \"%s\"", gate) : g_strdup("");
    g_autofree char *definition = g_strdup_printf(
            "{\"kind\": \"process\", \"enabled\": %s, \"config\": {\"exec\": [\"%s\", \"%s\", "
            "\"%s\"%s], \"readiness\": \"fd\"%s}}",
            enabled ? "true" : "false", system->program, id, system->journal, third, more);

    daemon_fixture_define(&system->daemon, id, definition);
}

static void system_start(System *system, const char *option)
{
    DaemonFixture *daemon = &system->daemon;

    daemon_fixture_start(daemon,
                         daemon_fixture_option(daemon, "services-dir", daemon->services_dir),
                         option, NULL);
}

/* The journal */

static char *system_read(const System *system)
{
    char *text = NULL;

    if (!g_file_get_contents(system->journal, &text, NULL, NULL))
        text = g_strdup("");
    return text;
}

/* At which line the program did so; it did it once. */
static unsigned system_find(const char *journal, const char *what, const char *id)
{
    g_autofree char *line = g_strdup_printf("%s %s", what, id);
    g_auto(GStrv) lines = g_strsplit(journal, "\n", -1);
    unsigned found = G_MAXUINT;

    for (unsigned i = 0; lines[i] != NULL; i++) {
        if (!g_str_equal(lines[i], line))
            continue;
        if (found != G_MAXUINT)
            g_error("\"%s\" twice in:\n%s", line, journal);
        found = i;
    }
    if (found == G_MAXUINT)
        g_error("no \"%s\" in:\n%s", line, journal);
    return found;
}

static void assert_before(const char *journal, const char *first, const char *first_id,
                          const char *second, const char *second_id)
{
    if (system_find(journal, first, first_id) >= system_find(journal, second, second_id))
        g_error("%s of %s is not before %s of %s in:\n%s", first, first_id, second, second_id,
                journal);
}

/* The layers: each requires two of the layer below, whose ids come later. */

static const char *system_id(char id[ID_SIZE], unsigned layer, unsigned place)
{
    (void)g_snprintf(id, ID_SIZE, "s%u-%u", LAYERS - 1 - layer, place % WIDTH);
    return id;
}

static void system_define_layers(System *system, bool only_top_enabled)
{
    for (unsigned layer = 0; layer < LAYERS; layer++) {
        for (unsigned place = 0; place < WIDTH; place++) {
            char id[ID_SIZE], left[ID_SIZE], right[ID_SIZE];
            g_autofree char *requires =
                    layer == 0 ? g_strdup("")
                               : g_strdup_printf(", \"requires\": [\"%s\", \"%s\"]",
                                                 system_id(left, layer - 1, place),
                                                 system_id(right, layer - 1, place + 1));

            system_define(system, system_id(id, layer, place),
                          !only_top_enabled || layer == LAYERS - 1, NULL, requires);
        }
    }
}

static void system_wait_layers(System *system)
{
    for (unsigned i = 0; i < LAYERS * WIDTH; i++) {
        char id[ID_SIZE];

        trouble_wait_active(&system->daemon, system_id(id, i / WIDTH, i));
    }
}

/* what "up": who is required begins and is up before who requires it begins. "down": the reverse.
 */
static void system_check_layers(const System *system, const char *what)
{
    g_autofree char *journal = system_read(system);
    bool is_up = g_str_equal(what, "up");

    for (unsigned i = WIDTH; i < LAYERS * WIDTH; i++) {
        char id[ID_SIZE], below[ID_SIZE];

        system_id(id, i / WIDTH, i);
        for (unsigned k = 0; k < 2; k++) {
            system_id(below, i / WIDTH - 1, i % WIDTH + k);
            if (is_up)
                assert_before(journal, "up", below, "begin", id);
            else
                assert_before(journal, "down", id, "down", below);
        }
    }
}

/* A group besides, whose members say nothing of each other. */
static void system_define_group(System *system)
{
    system_define(system, "m1", false, NULL, "");
    system_define(system, "m2", false, NULL, "");
    system_define(system, "m3", false, NULL, "");
    daemon_fixture_define(&system->daemon, "team",
                          "{\"kind\": \"group\", \"enabled\": true, \"config\": {\"members\": "
                          "[\"m2\", \"m1\", \"m3\"]}}");
}

static void test_start_and_end(System *system, const void *unused)
{
    system_define_layers(system, false);
    system_define_group(system);
    system_start(system, NULL);
    system_wait_layers(system);
    trouble_wait_active(&system->daemon, "team");
    system_check_layers(system, "up");
    g_assert_cmpint(daemon_fixture_stop(&system->daemon, SIGTERM), ==, 0);
    system_check_layers(system, "down");
    g_autofree char *journal = system_read(system);
    assert_before(journal, "up", "m2", "begin", "m1");
    assert_before(journal, "up", "m1", "begin", "m3");
    assert_before(journal, "down", "m3", "down", "m1");
    assert_before(journal, "down", "m1", "down", "m2");
}

/* SIGQUIT stops all in the same order, and the daemon stays until SIGTERM. */
static void test_two_steps(System *system, const void *unused)
{
    system_define_layers(system, true);
    system_define_group(system);
    system_start(system, NULL);
    system_wait_layers(system);
    trouble_wait_active(&system->daemon, "team");
    g_assert_cmpint(kill(system->daemon.daemon.pid, SIGQUIT), ==, 0);
    g_autofree char *log =
            trouble_wait_log(&system->daemon, "all services are stopped; waiting for SIGTERM");
    system_check_layers(system, "down");
    g_autofree char *journal = system_read(system);
    assert_before(journal, "down", "m3", "down", "m1");
    g_assert_cmpint(daemon_fixture_stop(&system->daemon, SIGTERM), ==, 0);
}

/* Only the top was started; what it has brought comes back with it, and in order. */
static void test_crash(System *system, const void *unused)
{
    system_define_layers(system, true);
    system_define(system, "lost", true, NULL, ", \"requires\": [\"gone\"]");
    daemon_fixture_define(&system->daemon, "pause",
                          "{\"kind\": \"oneshot\", \"config\": {\"exec\": [\"/bin/sleep\", "
                          "\"0.1\"]}}");
    system_start(system, NULL);
    system_wait_layers(system);
    client_operate(system->daemon.client, "pause", "Start"); /* longer than the keeper waits */
    (void)client_wait_state(system->daemon.client, "pause", "inactive");
    daemon_fixture_kill(&system->daemon);
    g_assert_cmpint(unlink(system->journal), ==, 0);
    system_start(system, "--restore=wanted");
    system_wait_layers(system);
    system_check_layers(system, "up");
    g_autofree char *state = trouble_get(&system->daemon, "lost", "State");
    g_autofree char *sub_state = trouble_get(&system->daemon, "lost", "SubState");
    g_autofree char *error = trouble_get(&system->daemon, "lost", "Error");
    g_assert_cmpstr(state, ==, "waiting");
    g_assert_cmpstr(sub_state, ==, "blocked");
    g_assert_cmpstr(error, ==, "requires 'gone', which is not there");
}

/* One that does not go holds up what it requires; out of time, all end by force. */
static void test_forced(System *system, const void *unused)
{
    system_define(system, "db", false, NULL, ", \"stop_timeout\": \"1h\"");
    daemon_fixture_define(&system->daemon, "api",
                          "{\"kind\": \"process\", \"enabled\": true, \"config\": {\"exec\": "
                          "[\"/bin/sleep\", \"infinity\"], \"stop_signal\": \"SIGCONT\", "
                          "\"stop_timeout\": \"1h\", \"requires\": [\"db\"]}}");
    system_start(system, "--shutdown-timeout=300ms");
    trouble_wait_active(&system->daemon, "api");
    (void)daemon_fixture_stop(&system->daemon, SIGTERM);
    g_autofree char *log = daemon_fixture_log(&system->daemon);
    g_autofree char *journal = system_read(system);
    assert_contains(log, "api (stopping");
    assert_contains(log, "db (stopping: dependents)");
    assert_contains(log, "AppTerminated");
    assert_lacks(journal, "down db"); /* nobody had asked it before */
}

#define QUEUED 8
#define AT_ONCE 2

static unsigned system_count(System *system, const char *property, const char *expected)
{
    unsigned n = 0;

    for (unsigned i = 0; i < QUEUED; i++) {
        g_autofree char *id = g_strdup_printf("q%u", i);
        g_autofree char *value = trouble_get(&system->daemon, id, property);

        n += g_str_equal(value, expected);
    }
    return n;
}

/* So many at once, the others in a row; a group that waits for its members takes no place. */
static void test_max_starting(System *system, const void *unused)
{
    char lines[QUEUED];

    g_assert_cmpint(mkfifo(system->gate, 0600), ==, 0);
    autofd int gate = open(system->gate, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(gate, >=, 0);
    for (unsigned i = 0; i < QUEUED; i++) {
        g_autofree char *id = g_strdup_printf("q%u", i);

        system_define(system, id, true, system->gate, "");
    }
    daemon_fixture_define(&system->daemon, "all",
                          "{\"kind\": \"group\", \"enabled\": true, \"config\": {\"members\": "
                          "[\"q7\", \"q0\"]}}");
    system_start(system, "--max-starting=2");
    g_assert_cmpuint(system_count(system, "State", "starting"), ==, AT_ONCE);
    g_assert_cmpuint(system_count(system, "SubState", "queued"), ==, QUEUED - AT_ONCE);
    g_autofree char *group = trouble_get(&system->daemon, "all", "State");
    g_assert_cmpstr(group, ==, "starting");
    memset(lines, '\n', sizeof lines);
    g_assert_cmpint(write(gate, lines, sizeof lines), ==, sizeof lines);
    trouble_wait_active(&system->daemon, "all");
    for (unsigned i = 0; i < QUEUED; i++) {
        g_autofree char *id = g_strdup_printf("q%u", i);

        trouble_wait_active(&system->daemon, id);
    }
    g_autofree char *journal = system_read(system);
    g_auto(GStrv) steps = g_strsplit(journal, "\n", -1);
    unsigned n_starting = 0;

    for (char **step = steps; *step != NULL; step++) {
        n_starting += g_str_has_prefix(*step, "begin");
        n_starting -= g_str_has_prefix(*step, "up");
        g_assert_cmpuint(n_starting, <=, AT_ONCE);
    }
}

/* Returns when the daemon has said so to the manager above it. */
static void system_wait_status(System *system, const char *expected)
{
    gint64 deadline = g_get_monotonic_time() + DAEMON_PATIENCE_USEC;
    g_autofree char *line = g_strdup_printf("STATUS=%s", expected);
    g_autofree char *last = NULL;

    for (;;) {
        struct pollfd fd = {.fd = system->daemon.notify_fd, .events = POLLIN};
        gint64 left_msec = (deadline - g_get_monotonic_time()) / 1000;
        char text[4096] = "";

        if (left_msec <= 0 || poll(&fd, 1, (int)left_msec) <= 0)
            g_error("expected \"%s\", the last was: %s", line, last != NULL ? last : "nothing");
        g_assert_cmpint(recv(fd.fd, text, sizeof(text) - 1, 0), >=, 0);
        if (strstr(text, line) != NULL)
            return;
        g_free(last);
        last = g_strdup(text);
    }
}

/* What waits for what nobody brings is named, and keeps nobody waiting for the end of the start. */
static void test_status(System *system, const void *unused)
{
    DaemonFixture *daemon = &system->daemon;

    system_define(system, "db", false, NULL, "");
    system_define(system, "lost", true, NULL, ", \"requires\": [\"gone\"]");
    system_define(system, "web", true, NULL, ", \"requires\": [\"db\"]");
    daemon_fixture_launch(
            daemon, daemon_fixture_option(daemon, "services-dir", daemon->services_dir), NULL);
    system_wait_status(system, "3 services, 2 active, 1 waiting: lost (for gone)");
    g_assert_cmpint(daemon_fixture_stop(daemon, SIGTERM), ==, 0);
}

#define ADD(path, function)                                                                        \
    g_test_add("/system/" path, System, NULL, system_set_up, function, system_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("start-and-end", test_start_and_end);
    ADD("two-steps", test_two_steps);
    ADD("crash", test_crash);
    ADD("forced", test_forced);
    ADD("max-starting", test_max_starting);
    ADD("status", test_status);
    return g_test_run();
}
