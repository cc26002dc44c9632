/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A failing assertion aborts before any tear-down runs, so the abort itself is caught: it prints
 * the log and ends the daemon, with nothing but what a signal handler may call. So are the signals
 * of who has waited long enough: a daemon that died with the test would leave its programs behind.
 */

#include "support/daemon-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON_FIXTURE_ABORT_MSEC 20000

static DaemonFixture *daemon_fixture_current; /* for the abort */
static GPtrArray *daemon_fixture_strings;     /* of daemon_fixture_option */

static const char daemon_fixture_bus_config[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>session</type>\n"
        "  <listen>unix:path=%s/bus</listen>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <policy context=\"default\">\n"
        "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
        "    <allow eavesdrop=\"true\"/>\n"
        "    <allow own=\"*\"/>\n"
        "  </policy>\n"
        "</busconfig>\n";

/* The abort */

static const int daemon_fixture_signals[] = {SIGABRT, SIGTRAP, SIGTERM, SIGINT};

static void daemon_fixture_copy_log(const char *path)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    for (ssize_t n; fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0;)
        (void)!write(STDERR_FILENO, buffer, (size_t)n); /* nobody left to tell */
}

static void on_daemon_fixture_abort(int signo)
{
    DaemonFixture *fixture = daemon_fixture_current;
    struct pollfd end = {.events = POLLIN};

    (void)signal(signo, SIG_DFL);
    if (fixture->log_path != NULL)
        daemon_fixture_copy_log(fixture->log_path);
    end.fd = fixture->daemon.pidfd;
    if (fixture->daemon.pid > 0 && kill(fixture->daemon.pid, SIGTERM) == 0)
        (void)poll(&end, 1, DAEMON_FIXTURE_ABORT_MSEC); /* what is left dies with us */
    (void)raise(signo);
}

static void daemon_fixture_catch(void (*handler)(int signo))
{
    for (size_t i = 0; i < G_N_ELEMENTS(daemon_fixture_signals); i++)
        (void)signal(daemon_fixture_signals[i], handler); /* cannot fail: they may be caught */
}

/* Set up and tear down */

static void daemon_fixture_make_notify_socket(DaemonFixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", fixture->root);

    g_assert_cmpint(length, <, sizeof(address.sun_path));
    fixture->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(fixture->notify_fd, >=, 0);
    g_assert_cmpint(bind(fixture->notify_fd, (struct sockaddr *)(void *)&address, sizeof(address)),
                    ==, 0);
}

void daemon_fixture_start_bus(DaemonFixture *fixture)
{
    g_autofree char *config = g_build_filename(fixture->root, "bus.conf", NULL);
    g_autofree char *text = g_strdup_printf(daemon_fixture_bus_config, fixture->root);
    g_autofree char *config_option = g_strdup_printf("--config-file=%s", config);
    autofd int log = open(fixture->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int address[2];
    char line[512];

    g_assert_true(g_file_set_contents(config, text, -1, NULL));
    g_assert_cmpint(pipe2(address, O_CLOEXEC), ==, 0);

    g_autofree char *print_option = g_strdup_printf("--print-address=%d", address[1]);
    const char *argv[] = {"dbus-daemon", config_option, "--nofork", print_option, NULL};
    g_auto(GStrv) environment = g_get_environ();
    ChildStreams streams = {.output_fd = -1, .error_fd = log, .keep_fd = address[1]};
    child_spawn(&fixture->bus, argv, (const char *const *)environment, &streams);
    (void)fd_close(address[1]);

    ssize_t n = read(address[0], line, sizeof(line) - 1);
    g_assert_cmpint(n, >, 0);
    line[n] = '\0';
    (void)fd_close(address[0]);
    g_free(fixture->bus_address);
    fixture->bus_address = g_strdup(g_strchomp(line));
    if (strchr(fixture->bus_address, ',') != NULL) /* the rest is another one for each bus */
        *strchr(fixture->bus_address, ',') = '\0';
}

void daemon_fixture_stop_bus(DaemonFixture *fixture)
{
    g_clear_pointer(&fixture->client, client_free);
    g_assert_true(child_end(&fixture->bus, DAEMON_PATIENCE_USEC));
}

void daemon_fixture_set_up(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_current = fixture;
    daemon_fixture_strings = g_ptr_array_new_with_free_func(g_free);
    daemon_fixture_catch(on_daemon_fixture_abort);
    child_adopt_orphans();
    fixture->root = g_dir_make_tmp("svcmgr-XXXXXX", NULL);
    g_assert_nonnull(fixture->root);
    fixture->services_dir = g_build_filename(fixture->root, "services", NULL);
    fixture->runtime_dir = g_build_filename(fixture->root, "run", NULL);
    fixture->socket = g_build_filename(fixture->runtime_dir, "private", NULL);
    fixture->log_path = g_build_filename(fixture->root, "log", NULL);
    g_assert_cmpint(g_mkdir(fixture->services_dir, 0700), ==, 0);
    daemon_fixture_make_notify_socket(fixture);
    daemon_fixture_start_bus(fixture);
}

static void daemon_fixture_remove(const char *path)
{
    GDir *directory = g_dir_open(path, 0, NULL);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            daemon_fixture_remove(child);
        else
            g_assert_cmpint(g_unlink(child), ==, 0);
    }
    g_clear_pointer(&directory, g_dir_close);
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

#define DAEMON_FIXTURE_LEAF ".daemon" /* where a daemon is that had to make room */

bool daemon_fixture_use_cgroups(DaemonFixture *fixture)
{
    if (cgroup_base_open(&fixture->cgroups))
        return true;
    g_test_skip("there is no cgroup v2 hierarchy that can be written to");
    return false;
}

unsigned daemon_fixture_count_cgroups(const DaemonFixture *fixture)
{
    g_autoptr(GPtrArray) paths = cgroup_base_list(&fixture->cgroups);
    unsigned n = 0;

    for (unsigned i = 0; i < paths->len; i++) {
        const char *below = strchr(paths->pdata[i], '/'); /* the tree itself has none */

        n += below != NULL && !g_str_equal(below + 1, DAEMON_FIXTURE_LEAF);
    }
    return n;
}

unsigned daemon_fixture_count_fds(const DaemonFixture *fixture)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)fixture->daemon.pid);
    GDir *directory = g_dir_open(path, 0, NULL);
    unsigned n = 0;

    g_assert_nonnull(directory);
    while (g_dir_read_name(directory) != NULL)
        n++;
    g_dir_close(directory);
    return n;
}

unsigned daemon_fixture_rss_kib(const DaemonFixture *fixture)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)fixture->daemon.pid);
    g_autofree char *text = NULL;
    unsigned kib = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *line = strstr(text, "\nVmRSS:");
    g_assert_nonnull(line);
    g_assert_cmpint(sscanf(line, "\nVmRSS: %u kB", &kib), ==, 1);
    return kib;
}

/* Before the guardian makes up for it. */
static void daemon_fixture_close_cgroups(DaemonFixture *fixture)
{
    if (fixture->cgroups.path != NULL) {
        g_autoptr(GPtrArray) paths = cgroup_base_list(&fixture->cgroups);

        if (paths->len > 0)
            g_error("the daemon has left the cgroup %s", (char *)paths->pdata[paths->len - 1]);
    }
    cgroup_base_close(&fixture->cgroups);
}

void daemon_fixture_tear_down(DaemonFixture *fixture, const void *unused)
{
    if (fixture->daemon.pid > 0)
        g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    g_assert_true(child_end(&fixture->bus, DAEMON_PATIENCE_USEC));
    daemon_fixture_close_cgroups(fixture);
    g_assert_false(child_is_any_left());
    if (g_test_failed())
        daemon_fixture_copy_log(fixture->log_path);
    daemon_fixture_catch(SIG_DFL);
    daemon_fixture_current = NULL;
    fixture->notify_fd = fd_close(fixture->notify_fd);
    daemon_fixture_remove(fixture->root);
    g_clear_pointer(&daemon_fixture_strings, g_ptr_array_unref);
    g_free(fixture->root);
    g_free(fixture->services_dir);
    g_free(fixture->runtime_dir);
    g_free(fixture->socket);
    g_free(fixture->log_path);
    g_free(fixture->bus_address);
}

/* The daemon */

/* Nothing of the tester's own session, so that no test can touch it. */
static char **daemon_fixture_environment(const DaemonFixture *fixture)
{
    static const char *const kept[] = {"PATH",         "ASAN_OPTIONS",      "UBSAN_OPTIONS",
                                       "LSAN_OPTIONS", "LLVM_PROFILE_FILE", "GCOV_PREFIX",
                                       "TMPDIR",       "GCOV_PREFIX_STRIP"};
    static const struct {
        const char *name;
        const char *folder;
    } directories[] = {
            {"HOME", ""},
            {"XDG_RUNTIME_DIR", ""},
            {"STATE_DIRECTORY", "state"},
            {"LOGS_DIRECTORY", "logs"},
            {"CONFIGURATION_DIRECTORY", "config"},
            {"NOTIFY_SOCKET", "notify"},
    };
    g_autofree char *no_bus = g_strdup_printf("unix:path=%s/no-bus", fixture->root);
    char **environment = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        if (g_getenv(kept[i]) != NULL)
            environment = g_environ_setenv(environment, kept[i], g_getenv(kept[i]), TRUE);
    }
    environment = g_environ_setenv(environment, "LC_ALL", "C.UTF-8", TRUE);
    environment =
            g_environ_setenv(environment, "SVCMGR_CGROUP",
                             fixture->cgroups.path != NULL ? fixture->cgroups.path : "none", TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *path = g_build_filename(fixture->root, directories[i].folder, NULL);

        environment = g_environ_setenv(environment, directories[i].name, path, TRUE);
    }
    environment = g_environ_setenv(environment, "DBUS_SYSTEM_BUS_ADDRESS", no_bus, TRUE);
    return g_environ_setenv(environment, "DBUS_SESSION_BUS_ADDRESS", no_bus, TRUE);
}

static void daemon_fixture_spawn(DaemonFixture *fixture, Child *child, GPtrArray *argv, int out,
                                 int err)
{
    g_auto(GStrv) environment = daemon_fixture_environment(fixture);
    ChildStreams streams = {.output_fd = out, .error_fd = err, .keep_fd = -1};

    g_assert_nonnull(g_getenv("SVCMGRD"));
    g_ptr_array_insert(argv, 0, (void *)g_getenv("SVCMGRD"));
    if (fixture->wrapper != NULL) {
        g_ptr_array_insert(argv, 0, (void *)fixture->wrapper);
        g_ptr_array_insert(argv, 0, (void *)"-c");
        g_ptr_array_insert(argv, 0, (void *)"/bin/sh");
    }
    g_ptr_array_add(argv, NULL);
    child_spawn(child, (const char *const *)argv->pdata, (const char *const *)environment,
                &streams);
}

static void daemon_fixture_add_arguments(GPtrArray *argv, va_list args)
{
    for (char *argument; (argument = va_arg(args, char *)) != NULL;)
        g_ptr_array_add(argv, argument);
}

static void daemon_fixture_wait_ready(DaemonFixture *fixture)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    struct pollfd fds[] = {{.fd = fixture->notify_fd, .events = POLLIN},
                           {.fd = fixture->daemon.pidfd, .events = POLLIN}};
    char text[4096];

    for (;;) {
        uint64_t now = test_now_usec();

        g_assert_cmpuint(now, <, deadline);
        if (poll(fds, G_N_ELEMENTS(fds), (int)((deadline - now) / 1000)) <= 0)
            continue;
        if ((fds[0].revents & POLLIN) == 0)
            g_error("the daemon ended before it was ready");

        ssize_t n = recv(fixture->notify_fd, text, sizeof(text) - 1, 0);
        g_assert_cmpint(n, >=, 0);
        text[n] = '\0';
        if (strstr(text, "READY=1") != NULL)
            return;
    }
}

/* What a daemon before it has said is not said by this one. */
static void daemon_fixture_drain_notify(DaemonFixture *fixture)
{
    char text[4096];

    while (recv(fixture->notify_fd, text, sizeof(text), MSG_DONTWAIT) >= 0)
        ;
}

static void daemon_fixture_launch_argv(DaemonFixture *fixture, GPtrArray *argv)
{
    autofd int log = open(fixture->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    g_assert_cmpint(fixture->daemon.pid, ==, 0);
    daemon_fixture_drain_notify(fixture);
    daemon_fixture_spawn(fixture, &fixture->daemon, argv, log, log);
}

static void daemon_fixture_start_argv(DaemonFixture *fixture, GPtrArray *argv)
{
    daemon_fixture_launch_argv(fixture, argv);
    daemon_fixture_wait_ready(fixture);
}

char *daemon_fixture_option(DaemonFixture *fixture, const char *name, const char *value)
{
    char *option = g_strdup_printf("--%s=%s", name, value);

    g_ptr_array_add(daemon_fixture_strings, option);
    return option;
}

static GPtrArray *daemon_fixture_usual_arguments(DaemonFixture *fixture)
{
    GPtrArray *argv = g_ptr_array_new();

    g_ptr_array_add(argv, daemon_fixture_option(fixture, "address", fixture->bus_address));
    g_ptr_array_add(argv, daemon_fixture_option(fixture, "socket", fixture->socket));
    g_ptr_array_add(argv, daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir));
    return argv;
}

void daemon_fixture_launch(DaemonFixture *fixture, ...)
{
    g_autoptr(GPtrArray) argv = daemon_fixture_usual_arguments(fixture);
    va_list args;

    va_start(args, fixture);
    daemon_fixture_add_arguments(argv, args);
    va_end(args);
    daemon_fixture_launch_argv(fixture, argv);
}

void daemon_fixture_kill(DaemonFixture *fixture)
{
    siginfo_t info;

    g_clear_pointer(&fixture->client, client_free);
    child_kill(&fixture->daemon, SIGKILL);
    g_assert_true(child_wait(&fixture->daemon, DAEMON_PATIENCE_USEC, &info));
    g_assert_cmpint(info.si_code, ==, CLD_KILLED);
}

void daemon_fixture_start(DaemonFixture *fixture, ...)
{
    g_autoptr(GPtrArray) argv = daemon_fixture_usual_arguments(fixture);
    va_list args;

    va_start(args, fixture);
    daemon_fixture_add_arguments(argv, args);
    va_end(args);
    daemon_fixture_start_argv(fixture, argv);
    fixture->client = client_new_bus(fixture->bus_address);
}

void daemon_fixture_start_exactly(DaemonFixture *fixture, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    va_list args;

    va_start(args, fixture);
    daemon_fixture_add_arguments(argv, args);
    va_end(args);
    daemon_fixture_start_argv(fixture, argv);
}

int daemon_fixture_stop(DaemonFixture *fixture, int signo)
{
    g_clear_pointer(&fixture->client, client_free);
    child_kill(&fixture->daemon, signo);
    return child_wait_exit(&fixture->daemon, DAEMON_PATIENCE_USEC);
}

int daemon_fixture_run(DaemonFixture *fixture, char **ret_output, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *path = g_build_filename(fixture->root, "output", NULL);
    autofd int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    Child child;
    va_list args;

    va_start(args, ret_output);
    daemon_fixture_add_arguments(argv, args);
    va_end(args);
    daemon_fixture_spawn(fixture, &child, argv, output, output);

    int code = child_wait_exit(&child, DAEMON_PATIENCE_USEC);
    g_assert_true(g_file_get_contents(path, ret_output, NULL, NULL));
    return code;
}

void daemon_fixture_define(DaemonFixture *fixture, const char *id, const char *definition)
{
    g_autofree char *name = g_strconcat(id, ".json", NULL);
    g_autofree char *path = g_build_filename(fixture->services_dir, name, NULL);

    g_assert_true(g_file_set_contents(path, definition, -1, NULL));
}

char *daemon_fixture_log(DaemonFixture *fixture)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(fixture->log_path, &text, NULL, NULL));
    return text;
}
