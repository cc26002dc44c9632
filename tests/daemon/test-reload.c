/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions that come, change and go under the real daemon, whatever their services are doing:
 * what has changed is taken over, and nothing else is touched. */

#include "reload-answer.h"
#include "trouble.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLEEP "\"exec\": [\"/bin/sleep\", \"infinity\"]"
#define PROCESS(config) "{\"kind\": \"process\", \"config\": {" config "}}"
#define STARTED(config) "{\"kind\": \"process\", \"enabled\": true, \"config\": {" config "}}"
#define MANY 10000
#define MANY_BROKEN 100

/* Fixture */

static void reload_start(DaemonFixture *fixture, const char *option)
{
    daemon_fixture_start(fixture,
                         daemon_fixture_option(fixture, "services-dir", fixture->services_dir),
                         option, NULL);
}

static void reload_assert_state(DaemonFixture *fixture, const char *id, const char *expected)
{
    g_autofree char *state = trouble_get(fixture, id, "State");

    g_assert_cmpstr(state, ==, expected);
}

static uint64_t reload_get(DaemonFixture *fixture, const char *id, const char *interface,
                           const char *property)
{
    g_autofree char *path = client_service_path(id);

    return client_get_unsigned(fixture->client, path, interface, property);
}

static uint64_t reload_main_pid(DaemonFixture *fixture, const char *id)
{
    return reload_get(fixture, id, CLIENT_PROCESS, "MainPID");
}

static bool reload_is_of_manager(sd_bus_message *message, const char *member, const char *id)
{
    g_autofree char *expected = client_service_path(id);
    const char *path;

    return sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager", member) > 0 &&
           sd_bus_message_rewind(message, true) >= 0 &&
           sd_bus_message_read(message, "o", &path) > 0 && g_str_equal(path, expected);
}

static bool reload_is_added(sd_bus_message *message, void *id)
{
    return reload_is_of_manager(message, "InterfacesAdded", id);
}

static bool reload_is_removed(sd_bus_message *message, void *id)
{
    return reload_is_of_manager(message, "InterfacesRemoved", id);
}

/* How many signals of the service have come since the cursor. */
static unsigned reload_count_signals(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);
    unsigned n = 0;

    client_process(fixture->client);
    for (unsigned i = fixture->client->cursor; i < fixture->client->signals->len; i++)
        n += g_strcmp0(sd_bus_message_get_path(g_ptr_array_index(fixture->client->signals, i)),
                       path) == 0;
    return n;
}

static void reload_define_about(DaemonFixture *fixture, const char *id, const char *name)
{
    g_autofree char *path = g_strdup_printf("services/%s.json", id);

    if (name == NULL)
        g_assert_cmpint(unlink(trouble_path(fixture, path)), ==, 0);
    else
        daemon_fixture_define(fixture, id, name);
}

/* Tests */

static void assert_report(Answer *answer)
{
    assert_list(answer, "created", "new");
    assert_list(answer, "changed", "about bad changed");
    assert_list(answer, "removed", "gone");
    assert_list(answer, "unchanged", "same");
    g_assert_cmpuint(g_hash_table_size(answer->failed), ==, 2);
    assert_failed(answer, "good", "config.exec: expected an array of strings, got 7");
    assert_failed(answer, "taken", "created over the bus");
}

/* One of each, and the service of the unchanged one hears nothing of it. */
static void test_report(DaemonFixture *fixture, const void *unused)
{
    static const char *const running[] = {"same", "changed", "about", "gone", "good", "taken"};

    daemon_fixture_define(fixture, "same", STARTED(SLEEP));
    daemon_fixture_define(fixture, "changed", STARTED(SLEEP));
    daemon_fixture_define(fixture, "about", STARTED(SLEEP));
    daemon_fixture_define(fixture, "gone", STARTED(SLEEP));
    daemon_fixture_define(fixture, "good", STARTED(SLEEP));
    daemon_fixture_define(fixture, "bad", "{");
    reload_start(fixture, NULL);
    client_create(fixture->client, "taken", "process", "{" SLEEP "}", true);
    for (size_t i = 0; i < G_N_ELEMENTS(running); i++)
        trouble_wait_active(fixture, running[i]);
    uint64_t same = reload_main_pid(fixture, "same"), good = reload_main_pid(fixture, "good");
    uint64_t taken = reload_main_pid(fixture, "taken"), about = reload_main_pid(fixture, "about");
    uint64_t changed = reload_main_pid(fixture, "changed");
    client_process(fixture->client);
    fixture->client->cursor = fixture->client->signals->len;

    daemon_fixture_define(fixture, "changed", STARTED(SLEEP ", \"umask\": \"077\""));
    daemon_fixture_define(fixture, "about",
                          "{\"kind\": \"process\", \"description\": \"d\", "
                          "\"enabled\": true, \"config\": {" SLEEP "}}");
    reload_define_about(fixture, "gone", NULL);
    daemon_fixture_define(fixture, "good", STARTED("\"exec\": 7"));
    daemon_fixture_define(fixture, "bad", PROCESS(SLEEP));
    daemon_fixture_define(fixture, "new", STARTED(SLEEP));
    daemon_fixture_define(fixture, "taken", PROCESS(SLEEP));
    g_autoptr(Answer) before = reload_dry(fixture);
    assert_report(before);
    reload_assert_state(fixture, "gone", "active");
    g_autoptr(Answer) answer = reload(fixture);
    assert_report(answer);

    client_wait_main_pid(fixture->client, "changed", changed);
    fixture->client->cursor = 0; /* it may have gone before */
    client_wait(fixture->client, reload_is_removed, (void *)"gone");
    reload_assert_state(fixture, "new", "inactive");
    reload_assert_state(fixture, "bad", "inactive");
    g_assert_cmpuint(reload_main_pid(fixture, "same"), ==, same);
    g_assert_cmpuint(reload_main_pid(fixture, "good"), ==, good);
    g_assert_cmpuint(reload_main_pid(fixture, "taken"), ==, taken);
    g_assert_cmpuint(reload_main_pid(fixture, "about"), ==, about);
    fixture->client->cursor = 0; /* of all the test */
    g_autoptr(Answer) again = reload(fixture);
    assert_list(again, "changed", "");
    assert_list(again, "created", "");
    assert_list(again, "unchanged", "about bad changed new same");
    assert_failed(again, "taken", "created over the bus");
}

static void test_untouched(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "same", STARTED(SLEEP));
    daemon_fixture_define(fixture, "changed", PROCESS(SLEEP));
    reload_start(fixture, NULL);
    trouble_wait_active(fixture, "same");
    client_operate(fixture->client, "changed", "Start");
    client_wait_state(fixture->client, "changed", "active");
    fixture->client->cursor = fixture->client->signals->len;
    daemon_fixture_define(fixture, "changed", PROCESS(SLEEP ", \"umask\": \"077\""));
    g_autoptr(Answer) answer = reload(fixture);
    assert_list(answer, "changed", "changed");
    unsigned before = fixture->client->cursor;
    client_wait_state(fixture->client, "changed", "active");
    fixture->client->cursor = before;
    g_assert_cmpuint(reload_count_signals(fixture, "changed"), >, 0);
    g_assert_cmpuint(reload_count_signals(fixture, "same"), ==, 0);
}

static bool reload_is_revision(sd_bus_message *message, void *id)
{
    g_autofree char *path = client_service_path(id);
    uint64_t revision;

    return g_strcmp0(sd_bus_message_get_path(message), path) == 0 &&
           client_changed_unsigned(message, CLIENT_SERVICE, "ConfigRevision", &revision) &&
           revision == 2;
}

/* What needs no new start is taken over by what runs; it is told all the same. */
static void test_in_place(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("web");

    daemon_fixture_define(fixture, "web", STARTED(SLEEP ", \"restart\": {\"policy\": \"no\"}"));
    reload_start(fixture, NULL);
    trouble_wait_active(fixture, "web");
    uint64_t pid = reload_main_pid(fixture, "web");
    g_free(client_call_refused(fixture->client, "org.svcmgr1.Error.NotSupported", path,
                               CLIENT_SERVICE, "Reload", ""));
    fixture->client->cursor = fixture->client->signals->len;
    daemon_fixture_define(fixture, "web",
                          STARTED(SLEEP ", \"reload_exec\": [\"/bin/true\"], \"stop_timeout\": 5,"
                                        " \"stop_signal\": \"SIGINT\", \"restart\": {\"policy\": "
                                        "\"always\", \"initial_delay\": 0}"));
    g_autoptr(Answer) answer = reload(fixture);
    assert_list(answer, "changed", "web");
    client_wait(fixture->client, reload_is_revision, (void *)"web");
    trouble_wait_active(fixture, "web");
    g_assert_cmpuint(reload_main_pid(fixture, "web"), ==, pid);

    /* Both are in force. */
    client_operate(fixture->client, "web", "Reload");
    client_wait_state(fixture->client, "web", "active");
    g_assert_cmpuint(reload_main_pid(fixture, "web"), ==, pid);
    g_assert_cmpint(kill((pid_t)pid, SIGKILL), ==, 0);
    client_wait_main_pid(fixture->client, "web", pid);
}

/* Each is in another state when its configuration changes. */
static void test_states(DaemonFixture *fixture, const void *unused)
{
    static const char *const ids[] = {"running", "starting", "backoff", "stopping", "failed"};

    daemon_fixture_define(fixture, "running", STARTED(SLEEP));
    daemon_fixture_define(fixture, "starting", STARTED(SLEEP ", \"readiness\": \"notify\""));
    daemon_fixture_define(
            fixture, "backoff",
            STARTED("\"exec\": [\"/bin/false\"], \"restart\": {\"policy\": \"always\", "
                    "\"initial_delay\": \"1h\", \"max_delay\": \"1h\"}"));
    daemon_fixture_define(
            fixture, "stopping",
            STARTED(SLEEP ", \"stop_signal\": \"SIGCONT\", \"stop_timeout\": \"1h\""));
    daemon_fixture_define(fixture, "failed",
                          PROCESS("\"exec\": [\"/bin/false\"], \"restart\": {\"policy\": \"no\"}"));
    reload_start(fixture, NULL);
    client_operate(fixture->client, "failed", "Start");
    client_wait_state(fixture->client, "failed", "failed");
    client_operate(fixture->client, "backoff", "Restart");
    fixture->client->cursor = 0;
    client_wait_state(fixture->client, "backoff", "backoff");
    client_operate(fixture->client, "stopping", "Stop");
    reload_assert_state(fixture, "stopping", "stopping");
    reload_assert_state(fixture, "starting", "starting");
    uint64_t running = reload_main_pid(fixture, "running");
    uint64_t stopping = reload_main_pid(fixture, "stopping");
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++)
        daemon_fixture_define(fixture, ids[i], PROCESS(SLEEP ", \"umask\": \"077\""));
    g_autoptr(Answer) answer = reload(fixture);
    assert_list(answer, "changed", "backoff failed running starting stopping");

    client_wait_state(fixture->client, "backoff", "active");
    client_wait_main_pid(fixture->client, "running", running);
    fixture->client->cursor = 0;
    client_wait_state(fixture->client, "starting", "active");
    reload_assert_state(fixture, "failed", "failed");
    reload_assert_state(fixture, "stopping", "stopping");
    g_assert_cmpint(kill((pid_t)stopping, SIGTERM), ==, 0);
    client_wait_state(fixture->client, "stopping", "inactive");
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++)
        g_assert_cmpuint(reload_get(fixture, ids[i], CLIENT_SERVICE, "ConfigRevision"), ==, 2);
}

/* What cannot be changed where it is: another service of that name takes its place, and runs if the
 * one before it did. */
static void test_remade(DaemonFixture *fixture, const void *unused)
{
    daemon_fixture_define(fixture, "kind", STARTED(SLEEP));
    daemon_fixture_define(fixture, "empty", STARTED(SLEEP));
    reload_start(fixture, NULL);
    daemon_fixture_define(fixture, "kind",
                          "{\"kind\": \"oneshot\", \"config\": {\"exec\": [\"/bin/true\"]}}");
    daemon_fixture_define(fixture, "empty", "{\"kind\": \"process\"}");
    g_autoptr(Answer) answer = reload(fixture);
    assert_list(answer, "changed", "empty kind");
    client_wait(fixture->client, reload_is_added, (void *)"kind");
    fixture->client->cursor = 0;
    client_wait(fixture->client, reload_is_added, (void *)"empty");
    trouble_wait_active(fixture, "empty");

    g_autofree char *kind = trouble_get(fixture, "kind", "Kind");
    g_autofree char *sub_state = trouble_get(fixture, "empty", "SubState");
    g_assert_cmpstr(kind, ==, "oneshot");
    g_assert_cmpstr(sub_state, ==, "unconfigured");
}

/* Files that are none: each a service that says why, as are new ones; patches do not help them. */
static void test_bad_files(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *huge = g_strnfill(2 * 1024 * 1024, ' ');

    reload_start(fixture, NULL);
    trouble_write(fixture, "services/huge.json", huge, 0644);
    trouble_write(fixture, "services/bytes.json", "{\"kind\": \"\xff\"}", 0644);
    trouble_write(fixture, "services/patched.json", "{", 0644);
    trouble_write(fixture, "services/patched.json.d/1.json", "{\"kind\": \"process\"}", 0644);
    g_assert_true(g_file_set_contents(trouble_path(fixture, "services/nul.json"), "{\0}", 3, NULL));
    g_assert_cmpint(symlink("loop.json", trouble_path(fixture, "services/loop.json")), ==, 0);
    g_assert_cmpint(mkfifo(trouble_path(fixture, "services/fifo.json"), 0644), ==, 0);
    g_assert_cmpint(mkdir(trouble_path(fixture, "services/folder.json"), 0755), ==, 0);
    g_autoptr(Answer) answer = reload(fixture);
    assert_failed(answer, "huge", "/huge.json is larger than ");
    assert_failed(answer, "bytes", "/bytes.json: line 1, column 11: not valid UTF-8");
    assert_failed(answer, "patched", "/patched.json: line 1, column ");
    assert_failed(answer, "nul", "/nul.json: line 1, column 2: a NUL byte");
    assert_failed(answer, "loop", "/loop.json: Too many levels of symbolic links");
    assert_failed(answer, "fifo", "/fifo.json is n");
    assert_failed(answer, "folder", "/folder.json is not a regular file");
    GHashTableIter iter;
    void *id, *reason;
    g_hash_table_iter_init(&iter, answer->failed);
    while (g_hash_table_iter_next(&iter, &id, &reason)) {
        g_autofree char *error = trouble_get(fixture, id, "Error");

        reload_assert_state(fixture, id, "failed");
        assert_contains(error, reason);
    }
    daemon_fixture_define(fixture, "huge", PROCESS(SLEEP));
    g_autoptr(Answer) mended = reload(fixture);
    assert_list(mended, "changed", "huge");
    g_assert_cmpuint(g_hash_table_size(mended->failed), ==, 6);
}

/* A folder that is gone is told, and nothing is taken for removed. */
static void test_directory_gone(DaemonFixture *fixture, const void *unused)
{
    const char *aside = trouble_path(fixture, "aside");

    daemon_fixture_define(fixture, "run", STARTED(SLEEP));
    reload_start(fixture, NULL);
    trouble_wait_active(fixture, "run");
    uint64_t pid = reload_main_pid(fixture, "run");
    g_assert_cmpint(rename(fixture->services_dir, aside), ==, 0);
    g_autofree char *message =
            client_call_refused(fixture->client, SD_BUS_ERROR_FAILED, CLIENT_ROOT, CLIENT_MANAGER,
                                "ReloadDefinitions", "a{sv}", 0);
    assert_contains(message, fixture->services_dir);
    assert_contains(message, "No such file or directory");
    child_kill(&fixture->daemon, SIGHUP);
    g_autofree char *log = trouble_wait_log(fixture, "svcmgrd[error]: nothing is reloaded: ");
    g_assert_cmpuint(reload_main_pid(fixture, "run"), ==, pid);
    g_assert_cmpint(rename(aside, fixture->services_dir), ==, 0);
    reload_define_about(fixture, "run", NULL);
    child_kill(&fixture->daemon, SIGHUP);
    g_autofree char *after = trouble_wait_log(fixture, "definitions reloaded: 0 created, "
                                                       "0 changed, 1 removed, 0 unchanged, "
                                                       "0 failed");
}

/* A folder that is not believed for one run takes nothing away that was kept of its services, nor,
 * at a reload, the services. */
static void test_left_out(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *path = client_service_path("kept");

    if (geteuid() != 0) {
        g_test_skip("only root's daemon asks whom it trusts");
        return;
    }
    daemon_fixture_define(fixture, "kept", PROCESS(SLEEP));
    reload_start(fixture, NULL);
    (void)sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "SetEnabled", "b",
                                           1)); /* always NULL */
    client_operate(fixture->client, "kept", "Start");
    trouble_wait_active(fixture, "kept");
    g_assert_cmpint(chmod(fixture->services_dir, 0777), ==, 0);
    g_autoptr(Answer) answer = reload(fixture);
    assert_list(answer, "removed", "");
    reload_assert_state(fixture, "kept", "active");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    reload_start(fixture, NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 0);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    g_assert_cmpint(chmod(fixture->services_dir, 0700), ==, 0);
    reload_start(fixture, NULL);
    g_assert_true(client_get_bool(fixture->client, path, CLIENT_SERVICE, "Enabled"));
}

/* A bus lets a client have 128 calls in flight. */
#define STORM_MAX 100

typedef struct Storm {
    unsigned n_open;
} Storm;

static int on_storm_answer(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Storm *storm = data;

    storm->n_open--;
    if (sd_bus_message_is_method_error(message, NULL) > 0)
        g_error("refused: %s", sd_bus_message_get_error(message)->message);
    return 0;
}

/* Until at most so many calls are in flight. */
static void storm_wait(Client *client, const Storm *storm, unsigned n_open)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;

    for (;;) {
        client_process(client);
        if (storm->n_open <= n_open)
            return;
        g_assert_cmpuint(test_now_usec(), <, deadline);
        g_assert_cmpint(sd_bus_wait(client->bus, USEC_PER_SEC), >=, 0);
    }
}

/* All are answered, and each service is there. */
static void test_storm(DaemonFixture *fixture, const void *unused)
{
    Storm storm = {};
    sd_bus *bus;

    reload_start(fixture, NULL);
    bus = fixture->client->bus;
    for (unsigned i = 0; i < 200; i++) {
        g_autofree char *created = g_strdup_printf("c%u", i), *defined = g_strdup_printf("d%u", i);

        storm_wait(fixture->client, &storm, STORM_MAX);
        daemon_fixture_define(fixture, defined, PROCESS(SLEEP));
        g_assert_cmpint(sd_bus_call_method_async(bus, NULL, fixture->client->destination,
                                                 CLIENT_ROOT, CLIENT_MANAGER, "CreateService",
                                                 on_storm_answer, &storm, "sssa{sv}", created,
                                                 "process", "{" SLEEP "}", 0),
                        >=, 0);
        storm.n_open++;
        for (unsigned n = 0; i % 20 == 0 && n < 2; n++) {
            g_assert_cmpint(sd_bus_call_method_async(bus, NULL, fixture->client->destination,
                                                     CLIENT_ROOT, CLIENT_MANAGER,
                                                     "ReloadDefinitions", on_storm_answer, &storm,
                                                     "a{sv}", 0),
                            >=, 0);
            storm.n_open++;
        }
    }
    storm_wait(fixture->client, &storm, 0);
    g_autoptr(Answer) last = reload(fixture);
    g_assert_cmpuint(g_hash_table_size(last->failed), ==, 0);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, 400);
}

static void test_many(DaemonFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *path = g_strdup_printf("%s/s%05u.json", fixture->services_dir, i);
        const char *text = i % (MANY / MANY_BROKEN) == 0 ? "{\"kind\": 1}" : PROCESS(SLEEP);
        FILE *file = fopen(path, "we");

        g_assert_nonnull(file);
        g_assert_cmpint(fputs(text, file), >=, 0);
        g_assert_cmpint(fclose(file), ==, 0);
    }
    reload_start(fixture, NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, MANY);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NFailed"),
                     ==, MANY_BROKEN);
    uint64_t serial =
            client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "EventSerial");
    daemon_fixture_define(fixture, "s00001", PROCESS(SLEEP ", \"umask\": \"077\""));
    g_autoptr(Answer) answer = reload(fixture);
    assert_list(answer, "changed", "s00001");
    g_assert_cmpuint(g_hash_table_size(answer->failed), ==, MANY_BROKEN);
    g_assert_cmpuint(
            client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "EventSerial"), ==,
            serial + 1);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-reload/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,       \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("report", test_report);
    ADD("untouched", test_untouched);
    ADD("in-place", test_in_place);
    ADD("states", test_states);
    ADD("remade", test_remade);
    ADD("bad-files", test_bad_files);
    ADD("directory-gone", test_directory_gone);
    ADD("left-out", test_left_out);
    ADD("storm", test_storm);
    ADD("many", test_many);
    return g_test_run();
}
