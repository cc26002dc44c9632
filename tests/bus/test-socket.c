/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of the private socket and its lock: whose it is, and who may take it over. */

#include "bus-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static BusFixture fixture;

static Bus *bus_beside(void)
{
    BusOptions options = {
            .event = fixture.event,
            .clock = virtual_loop_clock(fixture.core.loop),
            .timers = virtual_loop_timers(fixture.core.loop),
            .map = fixture.map,
            .events = fixture.events,
            .keeper = fixture.keeper,
            .requests = fixture.requests,
            .version = "1",
            .instance_id = "0",
    };

    /* One listener of properties only: the other bus goes first. */
    bus_free(fixture.bus);
    fixture.bus = NULL;
    return bus_new(&options);
}

static int bind_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void test_socket_file(void)
{
    struct stat status;

    bus_fixture_init(&fixture);
    g_assert_cmpint(stat(fixture.socket, &status), ==, 0);
    g_assert_true(S_ISSOCK(status.st_mode));
    g_assert_cmpint(status.st_mode & 07777, ==, 0666);
    bus_fixture_done(&fixture); /* checks that it is gone */
}

static void test_stale_socket(void)
{
    g_autoptr(GError) error = NULL;
    Bus *bus;

    bus_fixture_init(&fixture);
    bus = bus_beside();
    close(bind_at(fixture.socket));
    g_assert_true(bus_listen(bus, fixture.socket, &error));
    g_assert_no_error(error);
    fixture.bus = bus;
    bus_set_phase(bus, "serve");
    sd_bus_message_unref(bus_client_call(bus_client_new(&fixture, BUS_CLIENT_DEAF), ROOT, MANAGER,
                                         "ListKinds", NULL));
    bus_fixture_done(&fixture);
}

static void test_live_socket(void)
{
    g_autoptr(GError) error = NULL;
    Bus *bus;
    int fd;

    bus_fixture_init(&fixture);
    bus = bus_beside();
    fd = bind_at(fixture.socket);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    g_assert_false(bus_listen(bus, fixture.socket, &error));
    g_assert_nonnull(strstr(error->message, "already listening"));
    g_assert_true(g_file_test(fixture.socket, G_FILE_TEST_EXISTS));
    close(fd);
    g_assert_cmpint(g_unlink(fixture.socket), ==, 0);
    fixture.bus = bus;
    bus_fixture_done(&fixture);
}

/* The daemon crashed, and a child that was just being spawned still has the listening descriptor:
 * the lock says that nobody serves it. */
static void test_left_to_a_child(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *lock = NULL;
    int fd;

    bus_fixture_init(&fixture);
    lock = g_strdup_printf("%s.lock", fixture.socket);
    fixture.bus = bus_beside();
    g_assert_false(g_file_test(lock, G_FILE_TEST_EXISTS));
    fd = bind_at(fixture.socket);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    g_assert_true(g_file_set_contents(lock, "", -1, NULL));
    g_assert_true(bus_listen(fixture.bus, fixture.socket, &error));
    g_assert_no_error(error);
    bus_set_phase(fixture.bus, "serve");
    sd_bus_message_unref(bus_client_call(bus_client_new(&fixture, BUS_CLIENT_DEAF), ROOT, MANAGER,
                                         "ListKinds", NULL));
    close(fd);
    bus_fixture_done(&fixture);
}

/* Another process has the lock, and has not bound the socket yet. */
static void test_locked(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *lock = NULL;
    int ready[2];
    char byte;
    pid_t pid;

    bus_fixture_init(&fixture);
    lock = g_strdup_printf("%s.lock", fixture.socket);
    fixture.bus = bus_beside();
    g_assert_cmpint(pipe(ready), ==, 0);
    pid = fork();
    if (pid == 0) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)pause(); /* until it is killed */
        _exit(0);
    }
    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    g_assert_false(bus_listen(fixture.bus, fixture.socket, &error));
    g_assert_nonnull(strstr(error->message, "already listening"));
    g_assert_true(g_file_test(lock, G_FILE_TEST_EXISTS)); /* it is the other's */
    g_clear_error(&error);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_true(bus_listen(fixture.bus, fixture.socket, &error));
    g_assert_no_error(error);
    close(ready[0]);
    close(ready[1]);
    bus_fixture_done(&fixture);
}

/* What has taken the path meanwhile is not removed. */
static void test_path_taken_over(void)
{
    int fd;

    bus_fixture_init(&fixture);
    g_assert_cmpint(g_unlink(fixture.socket), ==, 0);
    fd = bind_at(fixture.socket);
    fixture.bus = bus_beside(); /* ends the first */
    g_assert_true(g_file_test(fixture.socket, G_FILE_TEST_EXISTS));
    close(fd);
    g_assert_cmpint(g_unlink(fixture.socket), ==, 0);
    bus_fixture_done(&fixture);
}

static void test_not_a_socket(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *long_path = g_strnfill(200, 'x');
    Bus *bus;

    bus_fixture_init(&fixture);
    bus = bus_beside();
    g_assert_true(g_file_set_contents(fixture.socket, "precious", -1, NULL));
    g_assert_false(bus_listen(bus, fixture.socket, &error));
    g_assert_nonnull(strstr(error->message, "is no socket"));
    g_assert_true(g_file_test(fixture.socket, G_FILE_TEST_EXISTS));
    g_clear_error(&error);
    g_assert_false(bus_listen(bus, long_path, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ARGS);
    g_clear_error(&error);
    g_assert_false(bus_listen(bus, "/nonexistent/dir/socket", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/dir/socket"));
    g_assert_cmpint(g_unlink(fixture.socket), ==, 0);
    fixture.bus = bus;
    bus_fixture_done(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/socket/file", test_socket_file);
    g_test_add_func("/socket/stale", test_stale_socket);
    g_test_add_func("/socket/live", test_live_socket);
    g_test_add_func("/socket/left-to-a-child", test_left_to_a_child);
    g_test_add_func("/socket/locked", test_locked);
    g_test_add_func("/socket/path-taken-over", test_path_taken_over);
    g_test_add_func("/socket/not-a", test_not_a_socket);
    return g_test_run();
}
