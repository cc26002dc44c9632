/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk that becomes read-only or breaks under the running daemon: strace answers its calls in
 * the kernel's place. What cannot be kept is refused with the reason, services go on, and when the
 * disk works again, everything does without a restart. */

#include "base/fds.h"
#include "trouble.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLEEP "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"

typedef struct ErrorsRow {
    const char *name;
    const char *call;
    const char *error;
    const char *reason;
} ErrorsRow;

static const ErrorsRow errors_rows[] = {
        {"read-only", "pwrite64", "EROFS", "Read-only file system"},
        {"write", "pwrite64", "EIO", "Input/output error"},
        {"sync", "fdatasync", "EIO", "Input/output error"},
};

/* The call fails until strace is ended. False: it cannot be had. */
static bool errors_begin(DaemonFixture *fixture, const ErrorsRow *row, Child *strace, int fd)
{
    g_autofree char *program = g_find_program_in_path("strace");
    g_autofree char *pid = g_strdup_printf("%d", (int)fixture->daemon.pid);
    g_autofree char *inject = g_strdup_printf("inject=%s:error=%s", row->call, row->error);
    g_autofree char *trace = g_strdup_printf("trace=%s", row->call);
    const char *argv[] = {program, "-f",   "-o", "/dev/null", "-e", trace,
                          "-e",    inject, "-p", pid,         NULL};
    g_auto(GStrv) environment = g_get_environ();
    char text[512];

    if (program == NULL)
        return false;
    child_spawn(strace, argv, (const char *const *)environment, &(ChildStreams){-1, fd, -1});
    struct pollfd said = {.fd = fd, .events = POLLIN};
    g_assert_cmpint(poll(&said, 1, (int)(DAEMON_PATIENCE_USEC / 1000)), ==, 1);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[MAX(n, 0)] = '\0';
    if (strstr(text, "attached") != NULL)
        return true;
    (void)child_end(strace, DAEMON_PATIENCE_USEC); /* it has ended by itself */
    return false;
}

static char *errors_create_refused(DaemonFixture *fixture)
{
    return client_call_refused(fixture->client, SD_BUS_ERROR_FAILED, CLIENT_ROOT, CLIENT_MANAGER,
                               "CreateService", "sssa{sv}", "new", "process", SLEEP, 0);
}

static void errors_assert_refuses(DaemonFixture *fixture, const ErrorsRow *row)
{
    g_autofree char *path = client_service_path("off");
    g_autofree char *create = errors_create_refused(fixture);
    g_autofree char *enable = client_call_refused(fixture->client, SD_BUS_ERROR_FAILED, path,
                                                  CLIENT_SERVICE, "SetEnabled", "b", 1);
    g_autofree char *error = trouble_get_manager(fixture, "StorageError");
    g_autofree char *state = trouble_get_manager(fixture, "State");

    assert_contains(create, row->reason);
    assert_contains(enable, row->reason);
    assert_contains(error, row->reason);
    g_assert_cmpstr(state, ==, "degraded");
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 2);
}

static void test_errors(DaemonFixture *fixture, const void *data)
{
    const ErrorsRow *row = data;
    Child strace = {};
    const char *said = trouble_path(fixture, "said");

    g_assert_cmpint(mkfifo(said, 0600), ==, 0);
    autofd int fd = open(said, O_RDWR | O_CLOEXEC); /* as long as strace writes to it */

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "on", "process", SLEEP, true);
    client_create(fixture->client, "off", "process", SLEEP, false);
    trouble_wait_active(fixture, "on");
    if (!errors_begin(fixture, row, &strace, fd)) {
        g_test_skip("strace cannot attach to the daemon");
        return;
    }
    errors_assert_refuses(fixture, row);
    client_operate(fixture->client, "off", "Start");
    trouble_wait_active(fixture, "off");
    client_operate(fixture->client, "on", "Stop");
    client_wait_state(fixture->client, "on", "inactive");
    g_assert_true(child_end(&strace, DAEMON_PATIENCE_USEC));

    client_create(fixture->client, "new", "process", SLEEP, false);
    g_autofree char *error = trouble_get_manager(fixture, "StorageError");
    g_assert_cmpstr(error, ==, "");
    daemon_fixture_kill(fixture);
    daemon_fixture_start(fixture, NULL);
    trouble_wait_active(fixture, "off");
    g_autofree char *on = trouble_get(fixture, "on", "State");
    g_autofree char *new = trouble_get(fixture, "new", "State");
    g_assert_cmpstr(on, ==, "inactive");
    g_assert_cmpstr(new, ==, "inactive");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(errors_rows); i++) {
        g_autofree char *path = g_strconcat("/disk-errors/", errors_rows[i].name, NULL);

        g_test_add(path, DaemonFixture, &errors_rows[i], daemon_fixture_set_up, test_errors,
                   daemon_fixture_tear_down);
    }
    return g_test_run();
}
