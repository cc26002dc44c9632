/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that are full or read-only, and state directories in which not all is well, under the real
 * daemon. What cannot be kept is refused with the reason; services go on; and when there is room
 * again, everything works without a restart. */

#include "trouble.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLEEP "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"
#define DISK_SERIALS 1000 /* that are reserved in one piece */
#define NOT_KEPT "what should be kept on disk is not: "

/* A text that needs room. */
static char *disk_large_config(void)
{
    g_autofree char *filler = g_strnfill(48 * 1024, 'x');

    return g_strconcat("{\"$comment\": \"", filler, "\", \"exec\": [\"/bin/true\"]}", NULL);
}

static char *disk_refused(DaemonFixture *fixture, const char *method, const char *id)
{
    g_autofree char *config = disk_large_config();
    g_autofree char *path = client_service_path(id);
    const char *error = SD_BUS_ERROR_FAILED;

    if (g_str_equal(method, "CreateService"))
        return client_call_refused(fixture->client, error, CLIENT_ROOT, CLIENT_MANAGER, method,
                                   "sssa{sv}", id, "process", config, 0);
    if (g_str_equal(method, "DeleteService"))
        return client_call_refused(fixture->client, error, CLIENT_ROOT, CLIENT_MANAGER, method,
                                   "sa{sv}", id, 0);
    if (g_str_equal(method, "Configure"))
        return client_call_refused(fixture->client, error, path, CLIENT_SERVICE, method, "s",
                                   config);
    return client_call_refused(fixture->client, error, path, CLIENT_SERVICE, method, "b",
                               !client_get_bool(fixture->client, path, CLIENT_SERVICE, "Enabled"));
}

static char *disk_get_text(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);
    sd_bus_message *reply = client_call(fixture->client, path, CLIENT_SERVICE, "GetConfig", NULL);
    const char *text;

    g_assert_cmpint(sd_bus_message_read(reply, "s", &text), >, 0);
    char *copy = g_strdup(text);
    (void)sd_bus_message_unref(reply); /* always NULL */
    return copy;
}

static bool disk_is_enabled(DaemonFixture *fixture)
{
    g_autofree char *path = client_service_path("off");

    return client_get_bool(fixture->client, path, CLIENT_SERVICE, "Enabled");
}

static void disk_assert_unchanged(DaemonFixture *fixture, bool is_enabled)
{
    g_autofree char *text = disk_get_text(fixture, "off");

    g_assert_cmpstr(text, ==, SLEEP);
    g_assert_cmpint(disk_is_enabled(fixture), ==, is_enabled);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 2);
}

static void disk_assert_refuses(DaemonFixture *fixture, const char *reason)
{
    static const struct {
        const char *method, *id;
    } calls[] = {
            {"CreateService", "new"},
            {"Configure", "off"},
            {"DeleteService", "off"},
            {"SetEnabled", "off"},
    };

    bool is_enabled = disk_is_enabled(fixture);

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *message = disk_refused(fixture, calls[i].method, calls[i].id);

        assert_contains(message, reason);
    }
    disk_assert_unchanged(fixture, is_enabled);
}

static void disk_swap_what_runs(DaemonFixture *fixture)
{
    client_operate(fixture->client, "off", "Start");
    client_wait_state(fixture->client, "off", "active");
    client_operate(fixture->client, "on", "Stop");
    client_wait_state(fixture->client, "on", "inactive");
}

static void disk_assert_trouble(DaemonFixture *fixture, const char *reason)
{
    g_autofree char *error = trouble_get_manager(fixture, "StorageError");
    g_autofree char *state = trouble_get_manager(fixture, "State");

    assert_contains(error, reason);
    g_assert_cmpstr(state, ==, "degraded");
}

static void disk_assert_said_once(DaemonFixture *fixture)
{
    g_autofree char *log = daemon_fixture_log(fixture);

    g_assert_cmpuint(text_count(log, NOT_KEPT), ==, 1);
}

/* Without a restart. */
static void disk_assert_works_again(DaemonFixture *fixture)
{
    client_create(fixture->client, "new", "process", SLEEP, false);

    g_autofree char *error = trouble_get_manager(fixture, "StorageError");
    g_autofree char *state = trouble_get_manager(fixture, "State");
    g_assert_cmpstr(error, ==, "");
    g_assert_cmpstr(state, ==, "running");
}

/* Of a restart: what was started is, what was stopped is not. */
static void disk_assert_swapped(DaemonFixture *fixture)
{
    trouble_wait_active(fixture, "off");

    g_autofree char *on = trouble_get(fixture, "on", "State");
    g_autofree char *new = trouble_get(fixture, "new", "State");
    g_assert_cmpstr(on, ==, "inactive");
    g_assert_cmpstr(new, ==, "inactive");
}

/* A mount namespace with a small disk of its own at the state directory, held by a process. */
typedef struct Disk {
    Child holder;
    char *inside; /* the state directory, as seen from here */
    char *wrapper;
} Disk;

static void disk_run(const char *command)
{
    g_auto(GStrv) environment = g_get_environ();
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    ChildStreams streams = {-1, STDERR_FILENO, -1};
    Child child;

    child_spawn(&child, argv, (const char *const *)environment, &streams);
    g_assert_cmpint(child_wait_exit(&child, DAEMON_PATIENCE_USEC), ==, 0);
}

/* False: the system does not let us. */
static bool disk_mount(DaemonFixture *fixture, Disk *disk, const char *options)
{
    const char *state = trouble_path(fixture, "state");
    g_autofree char *command =
            g_strdup_printf("mkdir -p %s && mount -t tmpfs -o mode=0700,%s none %s && "
                            "echo ready && exec sleep infinity",
                            state, options, state);
    g_auto(GStrv) environment = g_get_environ();
    const char *argv[] = {"unshare", "-m", "/bin/sh", "-c", command, NULL};
    char text[16];
    int ready[2];

    g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
    child_spawn(&disk->holder, argv, (const char *const *)environment,
                &(ChildStreams){ready[1], -1, -1});
    (void)close(ready[1]);
    bool is_ready = read(ready[0], text, sizeof(text)) > 0;
    (void)close(ready[0]);
    if (!is_ready) {
        (void)child_end(&disk->holder, DAEMON_PATIENCE_USEC);
        g_test_skip("no disk can be mounted here");
        return false;
    }
    disk->inside = g_strdup_printf("/proc/%d/root%s", (int)disk->holder.pid, state);
    disk->wrapper = g_strdup_printf("exec nsenter --mount=/proc/%d/ns/mnt \"$0\" \"$@\"",
                                    (int)disk->holder.pid);
    fixture->wrapper = disk->wrapper;
    return true;
}

static void disk_unmount(DaemonFixture *fixture, Disk *disk)
{
    g_assert_true(child_end(&disk->holder, DAEMON_PATIENCE_USEC));
    fixture->wrapper = NULL;
    g_free(disk->inside);
    g_free(disk->wrapper);
}

static char *disk_filler(const Disk *disk)
{
    return g_build_filename(disk->inside, "filler", NULL);
}

static void disk_fill(const Disk *disk)
{
    static const char zeros[4096];
    g_autofree char *path = disk_filler(disk);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        continue;
    g_assert_cmpint(errno, ==, ENOSPC);
    (void)close(fd);
}

/* Small changes find room in what the database has already. */
static void test_full(DaemonFixture *fixture, const void *unused)
{
    Disk disk = {};

    if (!disk_mount(fixture, &disk, "size=1m"))
        return;
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "on", "process", SLEEP, true);
    client_create(fixture->client, "off", "process", SLEEP, false);
    disk_fill(&disk);
    g_autofree char *create = disk_refused(fixture, "CreateService", "new");
    g_autofree char *configure = disk_refused(fixture, "Configure", "off");
    assert_contains(create, "No space left on device");
    assert_contains(configure, "No space left on device");
    disk_assert_unchanged(fixture, false);
    disk_assert_trouble(fixture, "No space left on device");
    disk_assert_said_once(fixture);
    disk_swap_what_runs(fixture);

    g_autofree char *filler = disk_filler(&disk);
    g_assert_cmpint(unlink(filler), ==, 0);
    disk_assert_works_again(fixture);
    g_autofree char *log = trouble_wait_log(fixture, "the disk keeps again what it should");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    daemon_fixture_start(fixture, NULL);
    disk_assert_swapped(fixture);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    disk_unmount(fixture, &disk);
}

static void test_read_only(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *output = NULL;
    Disk disk = {};

    if (!disk_mount(fixture, &disk, "ro"))
        return;
    g_assert_cmpint(daemon_fixture_run(fixture, &output, "--socket=none", NULL), ==, 1);
    assert_contains(output, "/state/lock: Read-only file system\n");
    disk_unmount(fixture, &disk);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-disk/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,         \
               daemon_fixture_tear_down)

/* No file may grow any more, the log neither. This comes as a signal, too, which must not end the
 * daemon. */
static void disk_limit_files(DaemonFixture *fixture, rlim_t n_bytes)
{
    struct rlimit limit = {n_bytes, RLIM_INFINITY};

    g_assert_cmpint(prlimit(fixture->daemon.pid, RLIMIT_FSIZE, &limit, NULL), ==, 0);
}

static void test_file_limit(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "on", "process", SLEEP, true);
    client_create(fixture->client, "off", "process", SLEEP, false);
    disk_limit_files(fixture, 0);
    disk_assert_refuses(fixture, "File too large");
    disk_swap_what_runs(fixture);
    disk_assert_trouble(fixture, "File too large");
    disk_limit_files(fixture, RLIM_INFINITY);
    disk_assert_works_again(fixture);
    child_kill(&fixture->daemon, SIGKILL);
    g_assert_true(child_wait(&fixture->daemon, DAEMON_PATIENCE_USEC, NULL));
    g_clear_pointer(&fixture->client, client_free);
    daemon_fixture_start(fixture, NULL);
    disk_assert_swapped(fixture);
}

static uint64_t disk_serial(DaemonFixture *fixture, bool newest)
{
    g_autoptr(TroubleEvents) events = trouble_events_new();

    trouble_events_ask(events, fixture->client);
    g_assert_cmpuint(events->serials->len, >, 0);
    return g_array_index(events->serials, uint64_t, newest ? events->serials->len - 1 : 0);
}

/* More than are reserved at the start are given while no file may grow. What makes up for it is the
 * first thing that the disk takes again: a crash right after that loses none. */
static void test_serials(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "off", "process", SLEEP, false);
    disk_limit_files(fixture, 0);
    while (disk_serial(fixture, true) <= DISK_SERIALS) {
        client_operate(fixture->client, "off", "Start");
        client_operate(fixture->client, "off", "Stop");
        client_wait_state(fixture->client, "off", "inactive");
    }
    disk_assert_trouble(fixture, "File too large");
    disk_limit_files(fixture, RLIM_INFINITY);

    g_autofree char *path = client_service_path("off");
    (void)sd_bus_message_unref(
            client_call(fixture->client, path, CLIENT_SERVICE, "SetEnabled", "b", 1));
    uint64_t last = disk_serial(fixture, true);
    daemon_fixture_kill(fixture);
    daemon_fixture_start(fixture, NULL);
    g_assert_cmpuint(disk_serial(fixture, false), >, last);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

/* Of the file alone, without its log. */
static bool disk_has_two_attempts(const char *path)
{
    const char *argv[] = {"/usr/bin/python3", "-c",
                          "import sqlite3, sys\n"
                          "c = sqlite3.connect('file:' + sys.argv[1] + '?immutable=1', uri=True)\n"
                          "sql = 'SELECT failed_attempts FROM state WHERE id = ?'\n"
                          "sys.exit(c.execute(sql, ['web']).fetchone() != (2,))",
                          path, NULL};
    g_auto(GStrv) environment = g_get_environ();
    Child child;

    child_spawn(&child, argv, (const char *const *)environment, &(ChildStreams){-1, -1, -1});
    return child_wait_exit(&child, DAEMON_PATIENCE_USEC) == 0;
}

/* What is written behind, after the log was moved for what came before it, is moved too: nothing
 * else happens for a minute then. */
static void test_log_is_moved(DaemonFixture *fixture, const void *unused)
{
    const char *path = trouble_path(fixture, "state/svcmgr.db");
    char events[4096];

    daemon_fixture_start(fixture, NULL);
    autofd int fd = inotify_init1(IN_CLOEXEC);
    g_assert_cmpint(inotify_add_watch(fd, path, IN_MODIFY), >=, 0);
    client_create(fixture->client, "web", "process",
                  "{\"exec\": [\"/bin/false\"], \"restart\": {\"initial_delay\": \"1200ms\","
                  " \"jitter\": 0, \"factor\": 100, \"max_delay\": \"2min\"}}",
                  true);
    do {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

        g_assert_cmpint(poll(&poll_fd, 1, DAEMON_PATIENCE_USEC / USEC_PER_MSEC), ==, 1);
        g_assert_cmpint(read(fd, events, sizeof(events)), >, 0);
    } while (!disk_has_two_attempts(path));
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

/* State directories in which not all is well */

static char *disk_run_fails(DaemonFixture *fixture)
{
    char *output = NULL;
    int code = daemon_fixture_run(
            fixture, &output, "--socket=none",
            daemon_fixture_option(fixture, "address", fixture->bus_address),
            daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir), NULL);

    if (code != 1)
        g_error("expected exit code 1, got %d: %s", code, output);
    return output;
}

static void test_odd_directory(DaemonFixture *fixture, const void *unused)
{
    const char *state = trouble_write(fixture, "state", "x", 0644);

    g_autofree char *file = disk_run_fails(fixture);
    assert_contains(file, "state directory");
    assert_contains(file, "/state: Not a directory\n");
    g_assert_cmpint(unlink(state), ==, 0);

    g_assert_cmpint(mkdir(state, 0700), ==, 0);
    g_assert_cmpint(chmod(state, 0777), ==, 0);
    g_autofree char *open = disk_run_fails(fixture);
    assert_contains(open, "others may write to the state directory");
    assert_contains(open, "(mode 0777): chmod go-w it\n");
    g_assert_cmpint(chmod(state, 0700), ==, 0);
    if (geteuid() != 0)
        return;
    g_assert_cmpint(chown(state, 12345, 0), ==, 0);
    g_autofree char *foreign = disk_run_fails(fixture);
    assert_contains(foreign, "belongs to user 12345 and must belong to user 0: change it with");
    g_assert_cmpint(chown(state, 0, 0), ==, 0);
}

static void disk_make_database(DaemonFixture *fixture)
{
    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "on", "process", SLEEP, true);
    client_create(fixture->client, "off", "process", SLEEP, false);
    client_wait_state(fixture->client, "on", "active");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
}

static void disk_sql(DaemonFixture *fixture, const char *sql)
{
    g_autofree char *command = g_strdup_printf(
            "/usr/bin/python3 -c 'import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n"
            "c.execute(sys.argv[2])\nc.commit()\nc.close()' %s '%s'",
            trouble_path(fixture, "state/svcmgr.db"), sql);

    disk_run(command);
}

static void test_newer(DaemonFixture *fixture, const void *unused)
{
    const char *path = trouble_path(fixture, "state/svcmgr.db");
    g_autofree char *before = NULL, *after = NULL;
    size_t n_before, n_after;

    disk_make_database(fixture);
    disk_sql(fixture, "PRAGMA user_version = 99");
    g_assert_true(g_file_get_contents(path, &before, &n_before, NULL));
    g_autofree char *output = disk_run_fails(fixture);
    g_assert_true(g_file_get_contents(path, &after, &n_after, NULL));
    assert_contains(output, "/state/svcmgr.db was written by a newer svcmgr (schema version 99");
    g_assert_cmpmem(before, n_before, after, n_after);
}

/* What could be read is there again, and what was damaged is kept beside it. */
static void test_damaged(DaemonFixture *fixture, const void *unused)
{
    const char *path = trouble_path(fixture, "state/svcmgr.db");
    unsigned n_aside = 0;

    disk_make_database(fixture);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "no database at all", 18, 0), ==, 18);
    (void)close(fd);
    daemon_fixture_start(fixture, NULL);

    g_autofree char *log = daemon_fixture_log(fixture);
    g_autofree char *text = disk_get_text(fixture, "on");
    g_autoptr(GDir) directory = g_dir_open(trouble_path(fixture, "state"), 0, NULL);
    for (const char *name; (name = g_dir_read_name(directory)) != NULL;)
        n_aside += strstr(name, "damaged") != NULL;
    assert_contains(log, "svcmgrd[error]: ");
    assert_contains(log, "damaged");
    g_assert_cmpstr(text, ==, SLEEP);
    g_assert_cmpuint(n_aside, >, 0);
}

static void test_locked(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_start(fixture, NULL);

    g_autofree char *expected = g_strdup_printf("process %d", (int)fixture->daemon.pid);
    g_autofree char *output = disk_run_fails(fixture);
    assert_contains(output, "/state");
    assert_contains(output, expected);
}

static void disk_assert_closed_to_others(DaemonFixture *fixture)
{
    g_autofree char *command = g_strdup_printf(
            "/usr/bin/python3 -c 'import sqlite3, sys\n"
            "try:\n"
            "    sqlite3.connect(sys.argv[1], timeout=0).execute(\"DROP TABLE service\")\n"
            "except sqlite3.OperationalError as error:\n"
            "    sys.exit(\"locked\" not in str(error))\n"
            "sys.exit(2)' %s",
            trouble_path(fixture, "state/svcmgr.db"));

    disk_run(command);
}

/* Somebody who looks into the database of a running daemon is kept out; one who has it open keeps
 * the daemon from its start, and is to blame. */
static void test_opened(DaemonFixture *fixture, const void *unused)
{
    const char *argv[] = {"/usr/bin/python3", "-c",
                          "import signal, sqlite3, sys\n"
                          "c = sqlite3.connect(sys.argv[1])\n"
                          "c.execute('BEGIN EXCLUSIVE')\n"
                          "print('ready', flush=True)\n"
                          "signal.pause()\n",
                          trouble_path(fixture, "state/svcmgr.db"), NULL};
    g_auto(GStrv) environment = g_get_environ();
    char text[16];
    Child other;
    int ready[2];

    disk_make_database(fixture);
    g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
    child_spawn(&other, argv, (const char *const *)environment,
                &(ChildStreams){ready[1], STDERR_FILENO, -1});
    (void)close(ready[1]);
    g_assert_cmpint(read(ready[0], text, sizeof(text)), >, 0);
    g_autofree char *output = disk_run_fails(fixture);
    assert_contains(output, "/state/svcmgr.db");
    assert_contains(output, "another process");
    g_assert_true(child_end(&other, DAEMON_PATIENCE_USEC));
    (void)close(ready[0]); /* not before: what has no reader ends */
    daemon_fixture_start(fixture, NULL);
    g_autofree char *kept = disk_get_text(fixture, "on");
    g_assert_cmpstr(kept, ==, SLEEP);
    disk_assert_closed_to_others(fixture);
    client_create(fixture->client, "new", "process", SLEEP, false);
}

/* Services go on, the end is in order, and the next start begins anew. */
static void test_removed(DaemonFixture *fixture, const void *unused)
{
    const char *state = trouble_path(fixture, "state");
    const char *aside = trouble_path(fixture, "aside");

    daemon_fixture_start(fixture, NULL);
    client_create(fixture->client, "on", "process", SLEEP, true);
    client_wait_state(fixture->client, "on", "active");
    g_assert_cmpint(g_rename(state, aside), ==, 0);
    client_operate(fixture->client, "on", "Stop");
    client_wait_state(fixture->client, "on", "inactive");
    client_operate(fixture->client, "on", "Start");
    client_wait_state(fixture->client, "on", "active");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    daemon_fixture_start(fixture, NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("full", test_full);
    ADD("read-only", test_read_only);
    ADD("file-limit", test_file_limit);
    ADD("serials", test_serials);
    ADD("log-is-moved", test_log_is_moved);
    ADD("odd-directory", test_odd_directory);
    ADD("newer", test_newer);
    ADD("damaged", test_damaged);
    ADD("locked", test_locked);
    ADD("opened", test_opened);
    ADD("removed", test_removed);
    return g_test_run();
}
