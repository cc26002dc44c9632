/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services of the real daemon say: where it goes, who may read it, and that it is there before
 * the end of a service is told. So each test reads the files when that has been told, and waits for
 * nothing else. */

#include "trouble.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Programs */

/* A oneshot that is a script of the shell; log: members of its member log. */
static void output_define(DaemonFixture *fixture, const char *id, const char *script,
                          const char *log)
{
    g_autofree char *text =
            g_strdup_printf("{\"kind\": \"oneshot\", \"config\": {\"exec\": [\"/bin/sh\", \"-c\", "
                            "\"%s\"], \"log\": {%s}}}",
                            script, log);

    daemon_fixture_define(fixture, id, text);
}

static void output_start_daemon(DaemonFixture *fixture, const char *option)
{
    daemon_fixture_start(fixture,
                         daemon_fixture_option(fixture, "services-dir", fixture->services_dir),
                         option, NULL);
}

/* Returns when its end has been told. */
static void output_run(DaemonFixture *fixture, const char *id)
{
    (void)client_operate(fixture->client, id, "Start");
    (void)client_wait_state(fixture->client, id, "inactive");
}

static char *output_property(DaemonFixture *fixture, const char *id, const char *property)
{
    g_autofree char *path = client_service_path(id);

    return client_get_string(fixture->client, path, CLIENT_PROCESS, property);
}

/* applied: how it came into force. */
static void output_configure(DaemonFixture *fixture, const char *id, const char *config,
                             const char *applied)
{
    g_autofree char *path = client_service_path(id);
    sd_bus_message *reply =
            client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s", config);
    const char *member, *got;

    g_assert_cmpint(sd_bus_message_skip(reply, "st"), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{sv}"), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'e', "sv"), >, 0);
    g_assert_cmpint(sd_bus_message_read(reply, "sv", &member, "s", &got), >, 0);
    g_assert_cmpstr(member, ==, "applied");
    g_assert_cmpstr(got, ==, applied);
    (void)sd_bus_message_unref(reply); /* always NULL */
}

/* Files */

static const char *output_path(DaemonFixture *fixture, const char *id)
{
    g_autofree char *name = g_build_filename("logs", id, "current", NULL);

    return trouble_path(fixture, name);
}

/* NULL: there is no such file. */
static char *output_read(DaemonFixture *fixture, const char *id)
{
    char *text = NULL;

    (void)g_file_get_contents(output_path(fixture, id), &text, NULL, NULL);
    return text;
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat status;

    g_assert_cmpint(lstat(path, &status), ==, 0);
    g_assert_cmphex(status.st_mode & 07777, ==, mode);
    g_assert_cmpuint(status.st_uid, ==, geteuid());
}

/* Of the files of a service, all together; n_files and largest_bytes may be NULL. */
static uint64_t output_measure(DaemonFixture *fixture, const char *id, unsigned *ret_n_files,
                               uint64_t *ret_largest_bytes)
{
    g_autofree char *folder = g_path_get_dirname(output_path(fixture, id));
    GDir *directory = g_dir_open(folder, 0, NULL);
    uint64_t bytes = 0, largest_bytes = 0;
    unsigned n_files = 0;

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat status;

        if (lstat(path, &status) < 0)
            continue; /* it went meanwhile */
        bytes += (uint64_t)status.st_size;
        largest_bytes = MAX(largest_bytes, (uint64_t)status.st_size);
        n_files++;
    }
    g_clear_pointer(&directory, g_dir_close);
    if (ret_n_files != NULL)
        *ret_n_files = n_files;
    if (ret_largest_bytes != NULL)
        *ret_largest_bytes = largest_bytes;
    return bytes;
}

/* The tests */

static void test_file(DaemonFixture *fixture, const void *unused)
{
    output_define(fixture, "web@1", "echo a line; echo trouble >&2; printf rest", "");
    output_start_daemon(fixture, NULL);
    output_run(fixture, "web@1");

    g_autofree char *text = output_read(fixture, "web@1");
    g_autofree char *invocation = output_property(fixture, "web@1", "InvocationId");
    g_autofree char *log = daemon_fixture_log(fixture);
    g_autofree char *line = g_strdup_printf(" stdout F:%s a line\n", invocation);
    g_autofree char *trouble = g_strdup_printf(" stderr F:%s trouble\n", invocation);
    g_autofree char *rest = g_strdup_printf(":%s:cut rest\n", invocation);
    g_autofree char *folder = g_path_get_dirname(output_path(fixture, "web@1"));

    g_assert_nonnull(text);
    assert_contains(text, line);
    assert_contains(text, trouble);
    assert_contains(text, rest);
    assert_lacks(log, "a line");
    assert_mode(trouble_path(fixture, "logs"), 0700);
    assert_mode(folder, 0700);
    assert_mode(output_path(fixture, "web@1"), 0600);
}

static void test_targets(DaemonFixture *fixture, const void *unused)
{
    output_define(fixture, "nowhere", "echo for nobody", "\"target\": \"null\"");
    output_define(fixture, "ours", "echo for everybody; echo as well >&2",
                  "\"target\": \"inherit\"");
    output_define(fixture, "plain", "echo one; echo two >&2", "\"timestamps\": false");
    output_start_daemon(fixture, NULL);
    output_run(fixture, "nowhere");
    output_run(fixture, "ours");
    output_run(fixture, "plain");

    g_autofree char *log = daemon_fixture_log(fixture);
    g_autofree char *plain = output_read(fixture, "plain");
    g_auto(GStrv) lines = g_strsplit(plain, "\n", -1);
    const char *const *has = (const char *const *)lines;

    g_assert_null(output_read(fixture, "nowhere"));
    g_assert_null(output_read(fixture, "ours"));
    assert_lacks(log, "for nobody");
    assert_contains(log, "for everybody\n");
    assert_contains(log, "as well\n");
    g_assert_cmpuint(strlen(plain), ==, strlen("one\ntwo\n"));
    g_assert_true(g_strv_contains(has, "one"));
    g_assert_true(g_strv_contains(has, "two"));
}

/* The next daemon goes on with the same file, and what is there is not touched. */
static void test_next_daemon(DaemonFixture *fixture, const void *unused)
{
    output_define(fixture, "a", "echo said", "");
    output_start_daemon(fixture, NULL);
    output_run(fixture, "a");
    g_autofree char *before = output_read(fixture, "a");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    output_start_daemon(fixture, NULL);
    output_run(fixture, "a");

    g_autofree char *after = output_read(fixture, "a");
    g_assert_true(g_str_has_prefix(after, before));
    g_assert_cmpuint(text_count(after, " said\n"), ==, 2);
}

/* A log directory that cannot be: told when the daemon starts, and once when something is lost;
 * services run all the same; when it can be again, the log says what is missing. */
static void test_no_directory(DaemonFixture *fixture, const void *unused)
{
    const char *logs = trouble_write(fixture, "logs", "in the way", 0600);

    output_define(fixture, "a", "echo said", "");
    output_start_daemon(fixture, NULL);
    output_run(fixture, "a");
    output_run(fixture, "a");
    g_autofree char *log = daemon_fixture_log(fixture);
    g_assert_cmpuint(text_count(log, "cannot make the log directory"), ==, 1);
    g_assert_cmpuint(text_count(log, "cannot write to its log"), ==, 1);

    g_assert_cmpint(g_unlink(logs), ==, 0);
    output_run(fixture, "a");
    g_autofree char *text = output_read(fixture, "a");
    g_assert_nonnull(text);
    g_assert_cmpuint(text_count(text, " said\n"), ==, 1);
    assert_contains(text, " svcmgr: 2 lines (");
    assert_contains(text, " were lost: ");
}

/* Somebody takes the logs away while one is being written. */
static void test_removed(DaemonFixture *fixture, const void *unused)
{
    const char *fifo = trouble_path(fixture, "fifo");
    const char *logs = trouble_path(fixture, "logs"), *aside = trouble_path(fixture, "aside");
    g_autofree char *script = g_strdup_printf("echo first; read it <%s; echo last", fifo);

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    output_define(fixture, "a", script, "");
    output_define(fixture, "b", "echo first", "");
    output_start_daemon(fixture, NULL);
    output_run(fixture, "b");
    (void)client_operate(fixture->client, "a", "Start");
    autofd int fd = open(fifo, O_WRONLY | O_CLOEXEC); /* when it is there and reads */
    g_assert_cmpint(g_rename(logs, aside), ==, 0);
    g_assert_cmpint(write(fd, "\n", 1), ==, 1);
    (void)client_wait_state(fixture->client, "a", "inactive");
    output_run(fixture, "b");

    g_autofree char *text = output_read(fixture, "a");
    g_autofree char *other = output_read(fixture, "b");
    g_assert_cmpuint(text_count(text, " last\n"), ==, 1);
    g_assert_cmpuint(text_count(other, " first\n"), ==, 1);
}

/* Sizes are in force at once, for what runs; another target wants a new start. */
static void test_rules(DaemonFixture *fixture, const void *unused)
{
    const char *fifo = trouble_path(fixture, "fifo");
    g_autofree char *path = client_service_path("a");
    g_autofree char *exec = g_strdup_printf("\"exec\": [\"/bin/sh\", \"-c\", \"read it <%s; "
                                            "head -c 300000 /dev/zero | fold -w 100\"]",
                                            fifo);
    g_autofree char *first = g_strdup_printf("{%s, \"log\": {\"target\": \"null\"}}", exec);
    g_autofree char *second = g_strdup_printf("{%s}", exec);
    g_autofree char *third =
            g_strdup_printf("{%s, \"log\": {\"max_size\": \"64KiB\", \"keep\": 2}}", exec);
    unsigned n_files;
    uint64_t largest_bytes;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    output_start_daemon(fixture, NULL);
    client_create(fixture->client, "a", "process", first, true);
    uint64_t pid = client_wait_main_pid(fixture->client, "a", 0);
    output_configure(fixture, "a", second, "restarted");
    pid = client_wait_main_pid(fixture->client, "a", pid);
    output_configure(fixture, "a", third, "reloaded");
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID"), ==,
                     pid);
    autofd int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(fd, "\n", 1), ==, 1);
    (void)client_wait_state(fixture->client, "a", "inactive");

    (void)output_measure(fixture, "a", &n_files, &largest_bytes);
    g_assert_cmpuint(n_files, ==, 3);
    g_assert_cmpuint(largest_bytes, <=, 64 * 1024);
    g_assert_cmpuint(largest_bytes, >, 60 * 1024);
}

/* Until the files of both take no more than this. */
static void output_wait_total(DaemonFixture *fixture, uint64_t max_bytes)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char events[4096];

    g_assert_cmpint(inotify_add_watch(fd, trouble_path(fixture, "logs/a"), IN_DELETE), >=, 0);
    g_assert_cmpint(inotify_add_watch(fd, trouble_path(fixture, "logs/b"), IN_DELETE), >=, 0);
    while (output_measure(fixture, "a", NULL, NULL) + output_measure(fixture, "b", NULL, NULL) >
           max_bytes) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        uint64_t now = test_now_usec();

        g_assert_cmpuint(now, <, deadline);
        (void)poll(&poll_fd, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1);
        while (read(fd, events, sizeof(events)) > 0)
            continue;
    }
}

static void test_total(DaemonFixture *fixture, const void *unused)
{
    static const char script[] = "head -c 400000 /dev/zero | fold -w 100";
    static const char rules[] = "\"max_size\": \"64KiB\", \"keep\": 100";

    output_define(fixture, "a", script, rules);
    output_define(fixture, "b", script, rules);
    output_start_daemon(fixture, "--log-max-total=300KiB");
    output_run(fixture, "a");
    output_run(fixture, "b");
    output_wait_total(fixture, 300 * 1024);
    g_assert_cmpuint(output_measure(fixture, "b", NULL, NULL), >, 200 * 1024);
}

/* Returns the descriptor of the log, which goes on with what comes. */
static int output_follow(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);
    sd_bus_message *reply = client_call(fixture->client, path, CLIENT_SERVICE, "OpenLog", "a{sv}",
                                        2, "follow", "b", 1, "format", "s", "bare");
    int fd;

    g_assert_cmpint(sd_bus_message_read(reply, "h", &fd), >, 0);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    (void)sd_bus_message_unref(reply); /* always NULL */
    return fd;
}

/* Until the other side has closed it. */
static void assert_reads_to_end(int fd, const char *expected)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[4096];
    ssize_t n;

    do {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        uint64_t now = test_now_usec();

        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(poll(&poll_fd, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1), ==, 1);
        n = read(fd, bytes, sizeof(bytes));
        g_assert_cmpint(n, >=, 0);
        g_string_append_len(text, bytes, n);
    } while (n > 0);
    g_assert_cmpstr(text->str, ==, expected);
}

/* Who follows sees the end, and the files stay. */
static void test_deleted(DaemonFixture *fixture, const void *unused)
{
    output_start_daemon(fixture, NULL);
    client_create(fixture->client, "a", "oneshot",
                  "{\"exec\": [\"/bin/sh\", \"-c\", \"echo said\"]}", false);
    autofd int fd = output_follow(fixture, "a");
    output_run(fixture, "a");
    (void)sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                           "DeleteService", "sa{sv}", "a", 0));
    assert_reads_to_end(fd, "said\n");
    g_autofree char *text = output_read(fixture, "a");
    g_assert_nonnull(text);
}

#define ADD(path, func)                                                                            \
    g_test_add("/daemon-output/" path, DaemonFixture, NULL, daemon_fixture_set_up, func,           \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("file", test_file);
    ADD("targets", test_targets);
    ADD("next-daemon", test_next_daemon);
    ADD("no-directory", test_no_directory);
    ADD("removed", test_removed);
    ADD("rules", test_rules);
    ADD("total", test_total);
    ADD("deleted", test_deleted);
    return g_test_run();
}
