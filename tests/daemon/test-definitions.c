/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories of definitions in which not all is well, and patches, as the daemon takes them. */

#include "support/daemon-fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLEEP "{\"kind\": \"process\", \"config\": {\"exec\": [\"/bin/sleep\", \"infinity\"]}}"

static void fixture_write(const char *directory, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *fixture_get(DaemonFixture *fixture, const char *id, const char *property)
{
    g_autofree char *path = client_service_path(id);

    return client_get_string(fixture->client, path, CLIENT_SERVICE, property);
}

static char *fixture_config(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);
    sd_bus_message *reply = client_call(fixture->client, path, CLIENT_SERVICE, "GetConfig", NULL);
    const char *text;

    g_assert_cmpint(sd_bus_message_read(reply, "s", &text), >, 0);
    char *copy = g_strdup(text);
    sd_bus_message_unref(reply);
    return copy;
}

static void test_patched(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *second = g_build_filename(fixture->root, "second", NULL);

    fixture_write(fixture->services_dir, "web.json", SLEEP);
    fixture_write(fixture->services_dir, "db.json", SLEEP);
    fixture_write(fixture->services_dir, "db.json.d/1.json", "{\"enabled\": }");
    fixture_write(second, "web.json.d/1.json",
                  "{\"description\": \"Patched\", \"config\": {\"umask\": \"077\"}}");
    daemon_fixture_start(fixture,
                         daemon_fixture_option(fixture, "services-dir", fixture->services_dir),
                         daemon_fixture_option(fixture, "services-dir", second), NULL);

    g_autofree char *description = fixture_get(fixture, "web", "Description");
    g_autofree char *config = fixture_config(fixture, "web");
    g_autofree char *state = fixture_get(fixture, "db", "State");
    g_autofree char *error = fixture_get(fixture, "db", "Error");
    g_assert_cmpstr(description, ==, "Patched");
    g_assert_cmpstr(config, ==, "{\"exec\": [\"/bin/sleep\", \"infinity\"], \"umask\": \"077\"}");
    g_assert_cmpstr(state, ==, "failed");
    g_assert_nonnull(strstr(error, "/db.json.d/1.json: line 1, column 13: "));
}

/* What is left out is told in the log, and takes nothing else down. */
static void test_left_out(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *second = g_build_filename(fixture->root, "second", NULL);
    g_autofree char *open = g_build_filename(fixture->services_dir, "db.json", NULL);
    g_autofree char *expected = g_strdup_printf("definitions are left out: %s", second);

    if (geteuid() != 0) {
        g_test_skip("only root's daemon asks whom it trusts");
        return;
    }
    fixture_write(fixture->services_dir, "web.json", SLEEP);
    fixture_write(fixture->services_dir, "db.json", SLEEP);
    fixture_write(fixture->services_dir, "nap.json.d/1.json", "{}");
    fixture_write(second, "web.json", "{\"kind\": \"process\", \"description\": \"second\"}");
    g_assert_cmpint(chmod(second, 0777), ==, 0);
    g_assert_cmpint(chmod(open, 0666), ==, 0);
    daemon_fixture_start(fixture,
                         daemon_fixture_option(fixture, "services-dir", fixture->services_dir),
                         daemon_fixture_option(fixture, "services-dir", second), NULL);

    g_autofree char *description = fixture_get(fixture, "web", "Description");
    g_autofree char *error = fixture_get(fixture, "db", "Error");
    g_autofree char *log = daemon_fixture_log(fixture);
    g_assert_cmpstr(description, ==, "");
    g_assert_nonnull(strstr(error, open));
    g_assert_nonnull(strstr(log, expected));
    g_assert_nonnull(strstr(log, "/nap.json.d: ignored: there is no definition 'nap'"));
}

/* Each mistake is a line of the log, once, as long as it is the same. */
static void test_reload_logs_once(DaemonFixture *fixture, const void *unused)
{
    static const char *const kinds[] = {"{\"kind\": \"nothing\"}", "{\"kind\": \"nothing\"}",
                                        "{\"kind\": \"nought\"}"};

    daemon_fixture_start(
            fixture, daemon_fixture_option(fixture, "services-dir", fixture->services_dir), NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        fixture_write(fixture->services_dir, "bad.json", kinds[i]);
        sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                         "ReloadDefinitions", "a{sv}", 0));
    }
    g_autofree char *log = daemon_fixture_log(fixture);
    g_auto(GStrv) first = g_strsplit(log, "'nothing'", -1);
    g_auto(GStrv) last = g_strsplit(log, "'nought'", -1);
    g_assert_cmpuint(g_strv_length(first) - 1, ==, 1);
    g_assert_cmpuint(g_strv_length(last) - 1, ==, 1);
}

static void fixture_configure(DaemonFixture *fixture, const char *id, const char *config)
{
    g_autofree char *path = client_service_path(id);

    sd_bus_message_unref(
            client_call(fixture->client, path, CLIENT_SERVICE, "Configure", "s", config));
}

/* A definition is broken while the daemon starts, and mended later. What is said over the bus after
 * that is kept as the newest, whatever was kept before. */
static void test_mended(DaemonFixture *fixture, const void *unused)
{
    static const char last[] = "{\"exec\": [\"/bin/sleep\", \"3\"]}";
    const char *option = daemon_fixture_option(fixture, "services-dir", fixture->services_dir);

    fixture_write(fixture->services_dir, "web.json", SLEEP);
    daemon_fixture_start(fixture, option, NULL);
    fixture_configure(fixture, "web", "{\"exec\": [\"/bin/sleep\", \"1\"]}");
    fixture_configure(fixture, "web", "{\"exec\": [\"/bin/sleep\", \"2\"]}");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    fixture_write(fixture->services_dir, "web.json", "{");
    daemon_fixture_start(fixture, option, NULL);
    fixture_write(fixture->services_dir, "web.json", SLEEP);
    sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                     "ReloadDefinitions", "a{sv}", 0));
    fixture_configure(fixture, "web", last);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    daemon_fixture_start(fixture, option, NULL);
    g_autofree char *config = fixture_config(fixture, "web");
    g_autofree char *path = client_service_path("web");
    g_assert_cmpstr(config, ==, last);
    g_assert_cmpuint(client_get_unsigned(fixture->client, path, CLIENT_SERVICE, "ConfigRevision"),
                     ==, 5);
}

static void fixture_reload(DaemonFixture *fixture, const char *definition)
{
    fixture_write(fixture->services_dir, "web.json", definition);
    sd_bus_message_unref(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER,
                                     "ReloadDefinitions", "a{sv}", 0));
}

static void assert_enabled(DaemonFixture *fixture, const char *kind)
{
    g_autofree char *path = client_service_path("web");
    g_autofree char *is_kind = fixture_get(fixture, "web", "Kind");
    int enabled = -1;

    g_assert_cmpstr(is_kind, ==, kind);
    g_assert_cmpint(sd_bus_get_property_trivial(fixture->client->bus, fixture->client->destination,
                                                path, CLIENT_SERVICE, "Enabled", NULL, 'b',
                                                &enabled),
                    >=, 0);
    g_assert_cmpint(enabled, ==, 1);
}

/* That it is enabled was said over the bus: it stays so when its definition makes another service
 * of it, and when it was broken meanwhile. */
static void test_stays_enabled(DaemonFixture *fixture, const void *unused)
{
    static const char oneshot[] = "{\"kind\": \"oneshot\", \"config\": {\"exec\": [\"true\"]}}";
    const char *option = daemon_fixture_option(fixture, "services-dir", fixture->services_dir);
    g_autofree char *path = client_service_path("web");

    fixture_write(fixture->services_dir, "web.json", SLEEP);
    daemon_fixture_start(fixture, option, NULL);
    sd_bus_message_unref(
            client_call(fixture->client, path, CLIENT_SERVICE, "SetEnabled", "b", true));
    fixture_reload(fixture, oneshot);
    assert_enabled(fixture, "oneshot");
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    fixture_write(fixture->services_dir, "web.json", "{");
    daemon_fixture_start(fixture, option, NULL);
    fixture_reload(fixture, SLEEP);
    assert_enabled(fixture, "process");
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-definitions/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,  \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("patched", test_patched);
    ADD("left-out", test_left_out);
    ADD("reload-logs-once", test_reload_logs_once);
    ADD("mended", test_mended);
    ADD("stays-enabled", test_stays_enabled);
    return g_test_run();
}
