/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a client sees by what services are followed; and what a daemon that was killed has left in
 * its cgroups, which its successor finds whatever it has done to hide. */

#include "base/fds.h"
#include "trouble.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUPS_HIDDEN 3
#define CGROUPS_SLEEPER "{\"exec\": [\"/bin/sleep\", \"1000\"]}"

/* What services are followed by */

static bool cgroups_is_feature(DaemonFixture *fixture)
{
    g_auto(GStrv) features = NULL;

    g_assert_cmpint(sd_bus_get_property_strv(fixture->client->bus, fixture->client->destination,
                                             CLIENT_ROOT, CLIENT_MANAGER, "Features", NULL,
                                             &features),
                    >=, 0);
    return features != NULL && g_strv_contains((const char *const *)features, "cgroup");
}

static char *cgroups_get(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);

    return client_get_string(fixture->client, path, CLIENT_PROCESS, "ControlGroup");
}

static pid_t cgroups_main_pid(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);

    return (pid_t)client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");
}

/* As the kernel says it. */
static char *cgroups_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int)pid), *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "0::");
    g_assert_nonnull(line);
    return g_strndup(line + strlen("0::"), strcspn(line + strlen("0::"), "\n"));
}

static void test_none(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "web", "process", CGROUPS_SLEEPER, true);
    trouble_wait_active(fixture, "web");
    g_autofree char *cgroup = cgroups_get(fixture, "web"), *log = daemon_fixture_log(fixture);
    g_assert_false(cgroups_is_feature(fixture));
    g_assert_cmpstr(cgroup, ==, "");
    assert_contains(log, "services are followed by their sessions, since there are no cgroups");
}

static void cgroups_check_in_force(DaemonFixture *fixture)
{
    client_create(fixture->client, "web", "process", CGROUPS_SLEEPER, true);
    trouble_wait_active(fixture, "web");
    g_autofree char *cgroup = cgroups_get(fixture, "web"), *log = daemon_fixture_log(fixture);
    g_autofree char *actual = cgroups_of(cgroups_main_pid(fixture, "web"));
    g_assert_true(cgroups_is_feature(fixture));
    g_assert_cmpstr(cgroup, ==, actual);
    assert_contains(log, "each service has a cgroup of its own");
    g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 1);

    client_operate(fixture->client, "web", "Stop");
    client_wait_state(fixture->client, "web", "inactive");
    g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 0);
    client_operate(fixture->client, "web", "Start");
    trouble_wait_active(fixture, "web");
    g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 1);
}

static void test_path(DaemonFixture *fixture, const void *unused)
{
    if (!daemon_fixture_use_cgroups(fixture))
        return;
    daemon_fixture_start(fixture, NULL);
    cgroups_check_in_force(fixture);
}

/* The daemon is put into the fixture's directory, and makes its own there. */
static void test_auto(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *wrapper = NULL;

    if (access("/run/systemd/system", F_OK) == 0) {
        g_test_skip("where systemd is process 1, only what it delegates counts");
        return;
    }
    if (!daemon_fixture_use_cgroups(fixture))
        return;
    wrapper = g_strdup_printf("echo 0 > '%s/cgroup.procs' && exec \"$0\" \"$@\"",
                              fixture->cgroups.path);
    fixture->wrapper = wrapper;
    daemon_fixture_start(fixture, "--cgroup=auto", NULL);
    cgroups_check_in_force(fixture);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

/* What was left */

/* It is whole when it is there, and then all have done what they do: time goes by in calls. */
static void cgroups_read_pids(DaemonFixture *fixture, const char *path, pid_t *ret_pids)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);
    g_autofree char *text = NULL;

    while (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_assert_cmpuint(test_now_usec(), <, deadline);
        g_free(trouble_get(fixture, "hides", "State"));
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    g_assert_cmpuint(g_strv_length(lines), ==, CGROUPS_HIDDEN + 1);
    for (unsigned i = 0; i < CGROUPS_HIDDEN; i++)
        ret_pids[i] = (pid_t)atoi(lines[i]);
    g_assert_cmpint(unlink(path), ==, 0); /* the next ones are others */
}

/* They are ours since their daemon died: so are their ends. */
static void cgroups_assert_dead(const pid_t *pids)
{
    for (unsigned i = 0; i < CGROUPS_HIDDEN; i++) {
        siginfo_t info = {0};

        g_assert_cmpint(waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOHANG), ==, 0);
        g_assert_cmpint(info.si_pid, ==, pids[i]);
    }
}

static void cgroups_assert_hidden(const pid_t *pids)
{
    for (unsigned i = 0; i < CGROUPS_HIDDEN; i++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/environ", (int)pids[i]), *text = NULL;
        g_autoptr(GError) error = NULL;
        gsize length;

        g_assert_cmpint(kill(pids[i], 0), ==, 0);
        (void)g_file_get_contents(path, &text, &length, &error); /* the error says it */
        g_assert_no_error(error);
        g_assert_null(memmem(text, length, "INVOCATION_ID", strlen("INVOCATION_ID")));
    }
}

static void cgroups_start_hidden(DaemonFixture *fixture, const char *note)
{
    g_autofree char *config = g_strdup_printf(
            "{\"exec\": [\"%s/program-daemoniser\", \"many\", \"%d\", \"wipe\", \"unmark\","
            " \"stay\", \"%s\"]}",
            g_getenv("TEST_PROGRAMS"), CGROUPS_HIDDEN, note);

    client_create(fixture->client, "hides", "process", config, true);
    trouble_wait_active(fixture, "hides");
}

/* Its successor knows nothing of it but its cgroup. */
static void cgroups_start_forgotten(DaemonFixture *fixture)
{
    sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "CreateService",
                                     "sssa{sv}", "forgotten", "process", CGROUPS_SLEEPER, 2,
                                     "start", "b", 1, "persist", "b", 0));
    trouble_wait_active(fixture, "forgotten");
}

static void test_former(DaemonFixture *fixture, const void *unused)
{
    const char *note = trouble_path(fixture, "pids");
    pid_t before[CGROUPS_HIDDEN], after[CGROUPS_HIDDEN];

    if (!daemon_fixture_use_cgroups(fixture))
        return;
    daemon_fixture_start(fixture, NULL);
    cgroups_start_hidden(fixture, note);
    cgroups_start_forgotten(fixture);
    cgroups_read_pids(fixture, note, before);
    daemon_fixture_kill(fixture);
    cgroups_assert_hidden(before);
    g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 2);

    daemon_fixture_start(fixture, NULL);
    cgroups_assert_dead(before);
    trouble_wait_active(fixture, "hides");
    g_autofree char *log = daemon_fixture_log(fixture);
    g_assert_cmpuint(text_count(log, "each service has a cgroup of its own"), ==, 2);
    assert_contains(log, "service 'hides': ");
    assert_contains(log, "processes of the former run ended");
    assert_contains(log, "service 'forgotten': 1 process of the former run ended");
    g_assert_true(cgroups_is_feature(fixture));
    g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 1);
    cgroups_read_pids(fixture, note, after);
    g_assert_cmpint(kill(after[0], 0), ==, 0);
}

/* Successors die on the way, too; the last one does it all. */
static void test_killed_twice(DaemonFixture *fixture, const void *unused)
{
    const char *note = trouble_path(fixture, "pids");
    pid_t pids[CGROUPS_HIDDEN];
    siginfo_t info;

    if (!daemon_fixture_use_cgroups(fixture))
        return;
    daemon_fixture_start(fixture, NULL);
    cgroups_start_hidden(fixture, note);
    cgroups_read_pids(fixture, note, pids);
    daemon_fixture_kill(fixture);
    for (unsigned i = 0; i < 5; i++) {
        daemon_fixture_launch(fixture, NULL);
        g_assert_false(child_wait(&fixture->daemon, i * 5 * USEC_PER_MSEC, &info));
        daemon_fixture_kill(fixture);
    }
    daemon_fixture_start(fixture, NULL);
    cgroups_assert_dead(pids);
    trouble_wait_active(fixture, "hides");
    g_assert_cmpuint(daemon_fixture_count_cgroups(fixture), ==, 1);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-cgroups/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,      \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("none", test_none);
    ADD("path", test_path);
    ADD("auto", test_auto);
    ADD("former", test_former);
    ADD("killed-twice", test_killed_twice);
    return g_test_run();
}
