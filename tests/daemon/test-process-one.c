/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon as process 1 of a process id namespace, as in a container: whoever has lost its parent
 * there becomes its child, and is taken away when it is dead; the exit statuses of services are
 * theirs all the same. */

#include "base/fds.h"
#include "trouble.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ONE_UNSHARE "unshare --pid --fork --mount-proc --kill-child"
#define ONE_SERVICES 20
#define ONE_ORPHANS 200

/* With a rest for each service, so that statuses and orphans come in between each other. */
#define ONE_SCRIPT                                                                                 \
    "i=0; while [ $i -lt 200 ]; do (/bin/sh -c 'exit 3' &); i=$((i + 1)); done; exec sleep 1000"

static bool one_is_possible(void)
{
    const char *argv[] = {"/bin/sh", "-c", ONE_UNSHARE " true", NULL};
    g_auto(GStrv) environment = g_get_environ();
    Child child;

    child_spawn(&child, argv, (const char *const *)environment, &(ChildStreams){-1, -1, -1});
    if (child_wait_exit(&child, DAEMON_PATIENCE_USEC) == 0)
        return true;
    g_test_skip("no process id namespace can be made here");
    return false;
}

/* As text, from outside. */
static char *one_children(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int)pid, (int)pid);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return g_strchomp(text);
}

/* What was spawned is unshare; its only child is the daemon. */
static pid_t one_pid(const DaemonFixture *fixture)
{
    g_autofree char *children = one_children(fixture->daemon.pid);
    g_autofree char *path = g_strdup_printf("/proc/%s/status", children), *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *line = strstr(text, "\nNSpid:");
    int outer, inner;
    g_assert_nonnull(line);
    g_assert_cmpint(sscanf(line, "\nNSpid: %d %d", &outer, &inner), ==, 2);
    g_assert_cmpint(inner, ==, 1);
    return outer;
}

static char *one_id(unsigned number)
{
    return g_strdup_printf("service%u", number);
}

static void one_create_all(DaemonFixture *fixture)
{
    for (unsigned i = 0; i < ONE_SERVICES; i++) {
        g_autofree char *id = one_id(i);
        g_autofree char *config = g_strdup_printf(
                "{\"exec\": [\"/bin/sh\", \"-c\", \"exit %u\"], \"restart\": {\"policy\": \"no\"}}",
                i + 10);

        client_create(fixture->client, id, "oneshot", config, true);
    }
}

static void one_check_statuses(DaemonFixture *fixture)
{
    for (unsigned i = 0; i < ONE_SERVICES; i++) {
        g_autofree char *id = one_id(i), *path = client_service_path(id);
        g_autofree char *status = g_strdup_printf("exited with status %u", i + 10);

        sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Wait", "a{sv}", 1,
                                         "until", "s", "settled"));
        g_autofree char *error = trouble_get(fixture, id, "Error");
        assert_contains(error, status);
    }
}

/* Processes of nobody: their parents came from outside, and are gone. */
static void one_make_orphans(pid_t pid)
{
    g_autofree char *target = g_strdup_printf("--target=%d", (int)pid);
    const char *argv[] = {"nsenter",
                          target,
                          "--pid",
                          "--mount",
                          "/bin/sh",
                          "-c",
                          "i=0; while [ $i -lt 200 ]; do (/bin/sh -c 'exit 3' &);"
                          " i=$((i + 1)); done",
                          NULL};
    g_auto(GStrv) environment = g_get_environ();
    Child child;

    child_spawn(&child, argv, (const char *const *)environment, &(ChildStreams){-1, -1, -1});
    g_assert_cmpint(child_wait_exit(&child, DAEMON_PATIENCE_USEC), ==, 0);
}

/* Until the only child is the one of the service that stays; time is given by calls. */
static void one_await_reaped(DaemonFixture *fixture, pid_t pid)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);

    for (;;) {
        g_autofree char *children = one_children(pid);

        if (*children != '\0' && strchr(children, ' ') == NULL)
            return;
        if (test_now_usec() > deadline)
            g_error("children of process 1: %s", children);
        g_free(client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "State"));
    }
}

static void test_reaps(DaemonFixture *fixture, const void *unused)
{
    if (!one_is_possible())
        return;
    fixture->wrapper = "exec " ONE_UNSHARE " \"$0\" \"$@\"";
    daemon_fixture_start(fixture, NULL);
    pid_t pid = one_pid(fixture);
    client_create(fixture->client, "orphans", "process",
                  "{\"exec\": [\"/bin/sh\", \"-c\", \"" ONE_SCRIPT "\"]}", true);
    one_create_all(fixture);
    one_make_orphans(pid);
    one_check_statuses(fixture);
    one_await_reaped(fixture, pid);
    g_autofree char *state = trouble_get(fixture, "orphans", "State");
    g_assert_cmpstr(state, ==, "active");

    g_clear_pointer(&fixture->client, client_free);
    g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
    g_assert_cmpint(child_wait_exit(&fixture->daemon, DAEMON_PATIENCE_USEC), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/process-one/reaps", DaemonFixture, NULL, daemon_fixture_set_up, test_reaps,
               daemon_fixture_tear_down);
    return g_test_run();
}
