/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reloads, and what was said over the bus: what stands above a file that is edited, what goes with
 * one that goes, what is on the disk when it is answered, and what comes of a call that is made
 * with a reload, or of a reload that the end of the daemon finds under way. */

#include "base/fds.h"
#include "trouble.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLEEP "{\"exec\": [\"/bin/sleep\", \"infinity\"]}"
#define SLEEP_MORE "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"umask\": \"077\"}"
#define SLEEP_MOST "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"umask\": \"007\"}"
#define SLEEP_ON                                                                                   \
    "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"stop_signal\": \"SIGCONT\", "                    \
    "\"stop_timeout\": \"1h\"}"
#define PROCESS(config) "{\"kind\": \"process\", \"config\": " config "}"
#define MANY 10000
#define END_MAX_USEC (5 * USEC_PER_SEC)

static void reload_start(DaemonFixture *fixture)
{
    daemon_fixture_start(fixture,
                         daemon_fixture_option(fixture, "services-dir", fixture->services_dir),
                         "--restore=wanted", NULL);
}

static void reload_run(DaemonFixture *fixture)
{
    sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                     "ReloadDefinitions", "a{sv}", 0));
}

static void reload_assert_config(DaemonFixture *fixture, const char *id, const char *expected,
                                 uint64_t expected_revision)
{
    g_autofree char *path = client_service_path(id);
    sd_bus_message *reply = client_call(fixture->client, path, CLIENT_SERVICE, "GetConfig", NULL);
    const char *text;
    uint64_t revision;

    g_assert_cmpint(sd_bus_message_read(reply, "st", &text, &revision), >, 0);
    g_assert_cmpstr(text, ==, expected);
    g_assert_cmpuint(revision, ==, expected_revision);
    sd_bus_message_unref(reply);
}

static bool reload_is_removed(sd_bus_message *message, void *id)
{
    g_autofree char *expected = client_service_path(id);
    const char *path;

    return sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
                                    "InterfacesRemoved") > 0 &&
           sd_bus_message_rewind(message, true) >= 0 &&
           sd_bus_message_read(message, "o", &path) > 0 && g_str_equal(path, expected);
}

/* Removed */

/* What was said over the bus of a service goes with its definition: one of that name that comes
 * later is new. */
static void test_removed(DaemonFixture *fixture, const void *is_killed)
{
    g_autofree char *path = client_service_path("again");

    daemon_fixture_define(fixture, "again", PROCESS(SLEEP));
    reload_start(fixture);
    sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "SetEnabled", "b", 1));
    sd_bus_message_unref(
            client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s", SLEEP_MORE));
    reload_assert_config(fixture, "again", SLEEP_MORE, 2);
    g_assert_cmpint(unlink(trouble_path(fixture, "services/again.json")), ==, 0);
    reload_run(fixture);
    client_wait(fixture->client, reload_is_removed, (void *)"again");

    daemon_fixture_define(fixture, "again", PROCESS(SLEEP));
    if (is_killed != NULL) {
        daemon_fixture_kill(fixture);
        reload_start(fixture);
    } else {
        reload_run(fixture);
    }
    reload_assert_config(fixture, "again", SLEEP, 1);
    g_assert_false(client_get_bool(fixture->client, path, CLIENT_SERVICE, "Enabled"));
}

/* Above */

/* A service that was created over the bus hears nothing of a definition of its name, nor of what is
 * done to that. */
static void test_above(DaemonFixture *fixture, const void *unused)
{
    static const char *const edits[] = {
            PROCESS(SLEEP_MORE),
            PROCESS(SLEEP_MOST),
            "{\"kind\": \"oneshot\", \"config\": {\"exec\": [\"/bin/true\"]}}",
            "{\"kind\": \"process\"}",
            "{",
    };
    g_autofree char *path = client_service_path("mine");

    reload_start(fixture);
    client_create(fixture->client, "mine", "process", SLEEP, true);
    trouble_wait_active(fixture, "mine");
    uint64_t pid = client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");
    client_process(fixture->client);
    unsigned n_signals = fixture->client->signals->len;
    for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
        daemon_fixture_define(fixture, "mine", edits[i]);
        reload_run(fixture);
    }
    g_assert_cmpint(unlink(trouble_path(fixture, "services/mine.json")), ==, 0);
    reload_run(fixture);

    reload_assert_config(fixture, "mine", SLEEP, 1);
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID"), ==,
                     pid);
    client_process(fixture->client);
    for (unsigned i = n_signals; i < fixture->client->signals->len; i++)
        g_assert_cmpstr(sd_bus_message_get_path(g_ptr_array_index(fixture->client->signals, i)), !=,
                        path);
}

/* On the disk */

static void sync_wait_tracer(int tracer)
{
    struct pollfd end = {.fd = tracer, .events = POLLIN};

    g_assert_cmpint(poll(&end, 1, (int)(DAEMON_PATIENCE_USEC / USEC_PER_MSEC)), ==, 1);
}

/* A handle of the strace that the daemon runs under. */
static int sync_open_tracer(const DaemonFixture *fixture)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)fixture->daemon.pid);
    g_autofree char *status = NULL;
    int pid;

    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    g_assert_cmpint(sscanf(strstr(status, "TracerPid:"), "TracerPid: %d", &pid), ==, 1);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* How often a run syncs, from its start to its end, with a reload in it. NULL: no edit. */
static unsigned sync_count(DaemonFixture *fixture, const char *before_start,
                           const char *before_reload)
{
    const char *path = trouble_path(fixture, "syncs");
    g_autofree char *wrapper = g_strdup_printf(
            "exec strace -D -f -qq -e trace=fsync,fdatasync -e signal=none -o '%s' \"$0\" \"$@\"",
            path);
    g_autofree char *text = NULL;

    if (before_start != NULL)
        daemon_fixture_define(fixture, "edited", before_start);
    fixture->wrapper = wrapper;
    reload_start(fixture);
    autofd int tracer = sync_open_tracer(fixture);
    if (before_reload != NULL)
        daemon_fixture_define(fixture, "edited", before_reload);
    reload_run(fixture);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    sync_wait_tracer(tracer);
    fixture->wrapper = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text_count(text, "sync(");
}

static bool sync_can_look(void)
{
    static const char *const argv[] = {"strace", "-qq", "-o", "/dev/null", "true", NULL};
    g_autofree char *strace = g_find_program_in_path("strace");
    g_auto(GStrv) environment = g_get_environ();
    Child child;

#ifdef ADDRESS_SANITIZED
    return false; /* it cannot look for leaks under strace */
#endif
    if (strace == NULL)
        return false;
    child_spawn(&child, argv, (const char *const *)environment, &(ChildStreams){-1, -1, -1});
    return child_wait_exit(&child, DAEMON_PATIENCE_USEC) == 0;
}

/* A revision out of a file is as safe from a loss of power as one that came over the bus, whether
 * the daemon finds it at its start or at a reload. */
static void test_synced(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("edited");

    if (!sync_can_look()) {
        g_test_skip("strace is not there, or not allowed");
        return;
    }
    daemon_fixture_define(fixture, "edited", PROCESS(SLEEP));
    reload_start(fixture);
    sd_bus_message_unref(
            client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s", SLEEP_MORE));
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    unsigned usual = sync_count(fixture, NULL, NULL);
    unsigned at_start = sync_count(fixture, PROCESS(SLEEP_MOST), NULL);
    unsigned at_reload = sync_count(fixture, NULL, PROCESS(SLEEP_MORE));
    g_test_message("%u as usual, %u with an edit before the start, %u before the reload", usual,
                   at_start, at_reload);
    g_assert_cmpuint(at_start, >, usual);
    g_assert_cmpuint(at_reload, >, usual);
}

/* With other calls, and at the end */

typedef struct Answers {
    unsigned n_open;
    char *error; /* the name of the last; or NULL */
} Answers;

static int on_answer(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Answers *answers = data;
    const sd_bus_error *error = sd_bus_message_get_error(message);

    answers->n_open--;
    g_free(answers->error);
    answers->error = error != NULL ? g_strdup(error->name) : NULL;
    return 0;
}

static void answers_wait(Client *client, const Answers *answers)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;

    for (;;) {
        client_process(client);
        if (answers->n_open == 0)
            return;
        g_assert_cmpuint(test_now_usec(), <, deadline);
        g_assert_cmpint(sd_bus_wait(client->bus, USEC_PER_SEC), >=, 0);
    }
}

static void answers_ask_reload(Client *client, Answers *answers)
{
    g_assert_cmpint(sd_bus_call_method_async(client->bus, NULL, client->destination, CLIENT_ROOT,
                                             CLIENT_MANAGER, "ReloadDefinitions", on_answer,
                                             answers, "a{sv}", 0),
                    >=, 0);
    answers->n_open++;
}

/* What was asked for before is done before, and the edit is what is said last. */
static void test_order(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("both");
    Answers answers = {};

    daemon_fixture_define(fixture, "both", PROCESS(SLEEP));
    reload_start(fixture);
    daemon_fixture_define(fixture, "both", PROCESS(SLEEP_MOST));
    Client *client = client_new_bus(fixture->bus_address);
    g_assert_cmpint(sd_bus_call_method_async(client->bus, NULL, client->destination, path,
                                             CLIENT_SERVICE, "Configure", on_answer, &answers, "s",
                                             SLEEP_MORE),
                    >=, 0);
    answers.n_open++;
    answers_ask_reload(client, &answers);
    answers_wait(client, &answers);
    g_assert_cmpstr(answers.error, ==, NULL);
    reload_assert_config(fixture, "both", SLEEP_MOST, 3);
    client_free(client);
}

/* The caller hears of it while a service still takes its time to stop, and the end does not wait
 * for thousands of files. */
static void test_end(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("slow");
    Answers answers = {};

    reload_start(fixture);
    client_create(fixture->client, "slow", "process", SLEEP_ON, true);
    trouble_wait_active(fixture, "slow");
    uint64_t pid = client_get_unsigned(fixture->client, path, CLIENT_PROCESS, "MainPID");
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("s%05u", i);

        daemon_fixture_define(fixture, id, PROCESS(SLEEP));
    }
    Client *client = client_new_bus(fixture->bus_address);
    answers_ask_reload(client, &answers);
    g_assert_cmpuint(client_get_unsigned(client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"), ==, 1);
    uint64_t begin = test_now_usec();
    child_kill(&fixture->daemon, SIGTERM);
    answers_wait(client, &answers);
    g_assert_cmpstr(answers.error, ==, "org.svcmgr1.Error.ShuttingDown");
    client_free(client);
    g_assert_cmpint(kill((pid_t)pid, SIGTERM), ==, 0);
    g_clear_pointer(&fixture->client, client_free);
    g_assert_cmpint(child_wait_exit(&fixture->daemon, DAEMON_PATIENCE_USEC), ==, 0);
    g_assert_cmpuint(test_now_usec() - begin, <, END_MAX_USEC);
    g_free(answers.error);
}

#define ADD(path, data, function)                                                                  \
    g_test_add("/reload-bus/" path, DaemonFixture, data, daemon_fixture_set_up, function,          \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("removed", NULL, test_removed);
    ADD("removed-and-killed", "killed", test_removed);
    ADD("above", NULL, test_above);
    ADD("synced", NULL, test_synced);
    ADD("order", NULL, test_order);
    ADD("end", NULL, test_end);
    return g_test_run();
}
