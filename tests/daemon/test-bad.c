/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a person may get wrong about the daemon itself: its config file, its environment, its
 * options, its process file. Each mistake names thing, place and what was expected; a mistake of
 * usage is exit code 2, and nothing has been made by then. */

#include "trouble.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_MAX 6

/* Runs a daemon that must refuse with this code, and say each of the parts. */
static void assert_refused(DaemonFixture *fixture, int expected, const char *const *parts,
                           const char *option, const char *more)
{
    g_autofree char *output = NULL;
    int code = daemon_fixture_run(
            fixture, &output, daemon_fixture_option(fixture, "address", fixture->bus_address),
            daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir), option, more,
            NULL);

    if (code != expected)
        g_error("expected exit code %d, got %d: %s", expected, code, output);
    for (; *parts != NULL; parts++)
        assert_contains(output, *parts);
    if (expected == 2)
        g_assert_false(g_file_test(fixture->runtime_dir, G_FILE_TEST_EXISTS));
}

static void test_file_text(DaemonFixture *fixture, const void *unused)
{
    static const struct {
        const char *text;
        const char *parts[LINES_MAX];
    } cases[] = {
            {"", {"/c.json: the document is empty\n"}},
            {"[]", {"/c.json: expected an object, got []\n"}},
            {"{\"a\": \"\xff\"}", {"/c.json: line 1, column 8: not valid UTF-8\n"}},
            {"{\"a\": 1, \"a\": 1}", {"/c.json: a: duplicate member \"a\"\n"}},
            {"{\n\"a\": }", {"/c.json: line 2, column 6: not valid JSON"}},
            {"{\"max_service\": 3, \"nothing\": 1}",
             {"/c.json: max_service: unknown member; did you mean \"max_services\"?\n",
              "/c.json: nothing: unknown member\n"}},
            {"{\"max_services\": \"x\", \"log_level\": 3, \"socket\": [], \"startup_timeout\": -1}",
             {"max_services: expected a number from 1 to 1000000, got \"x\"\n",
              "log_level: expected error, warning, notice, info or debug, got 3\n",
              "socket: expected a path, got []\n",
              "startup_timeout: expected a duration such as \"30s\", got -1\n"}},
            {"{\"max_services\": 99999999999999999999}",
             {"/c.json: max_services: number out of range: 99999999999999999999\n"}},
            {"{\"system\": true, \"user\": true}", {"system", "user", "exclude each other"}},
            {"{\"defaults\": {\"exec\": []}}", {"/c.json: defaults.exec: "}},
            {"{\"services_dir\": [7]}", {"/c.json: services_dir"}},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *path = trouble_write(fixture, "c.json", cases[i].text, 0600);

        assert_refused(fixture, 2, cases[i].parts, daemon_fixture_option(fixture, "config", path),
                       NULL);
    }
}

static void assert_file_refused(DaemonFixture *fixture, const char *name, const char *part)
{
    assert_refused(fixture, 2,
                   (const char *const[]){"--config: ", part, "See svcmgrd --help.\n", NULL},
                   daemon_fixture_option(fixture, "config", trouble_path(fixture, name)), NULL);
}

static void test_file_kind(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *huge = g_strnfill(2 * 1024 * 1024, ' ');
    const char *foreign;

    trouble_write(fixture, "huge.json", huge, 0600);
    g_assert_cmpint(mkdir(trouble_path(fixture, "folder"), 0700), ==, 0);
    g_assert_cmpint(mkfifo(trouble_path(fixture, "fifo"), 0600), ==, 0);
    g_assert_cmpint(symlink("loop", trouble_path(fixture, "loop")), ==, 0);
    assert_file_refused(fixture, "missing", "/missing: No such file or directory\n");
    assert_file_refused(fixture, "huge.json", "/huge.json is larger than 1048576 bytes\n");
    assert_file_refused(fixture, "folder", "/folder is not a regular file\n");
    assert_file_refused(fixture, "fifo", "/fifo is n");
    assert_file_refused(fixture, "loop", "/loop: Too many levels of symbolic links\n");
    if (geteuid() != 0)
        return;
    trouble_write(fixture, "open.json", "{}", 0622);
    foreign = trouble_write(fixture, "foreign.json", "{}", 0600);
    g_assert_cmpint(chown(foreign, 12345, 0), ==, 0);
    assert_file_refused(fixture, "open.json", "by others than its owner (mode 0622): change it");
    assert_file_refused(fixture, "foreign.json", "belongs to user 12345 and must belong to root");
}

static void test_environment(DaemonFixture *fixture, const void *unused)
{
    static const char *const parts[] = {
            "SVCMGR_MAX_SERVICES: expected a number from 1 to 1000000, got 0\n",
            "SVCMGR_LOG_LEVEL: expected error, warning, notice, info or debug, got \"loud\"\n",
            "SVCMGR_RESTORE: expected auto, enabled, wanted or none, got \"all\"\n",
            "SVCMGR_SHUTDOWN_TIMEOUT: expected a duration such as \"30s\", got soon\n",
            "unknown variable SVCMGR_MAX_SERVICE: ignored",
            NULL,
    };

    fixture->wrapper = "SVCMGR_MAX_SERVICES=0 SVCMGR_LOG_LEVEL=loud SVCMGR_RESTORE=all"
                       " SVCMGR_SHUTDOWN_TIMEOUT=soon SVCMGR_MAX_SERVICE=7 exec \"$0\" \"$@\"";
    assert_refused(fixture, 2, parts, NULL, NULL);
}

static void test_options(DaemonFixture *fixture, const void *unused)
{
    static const struct {
        const char *option, *more;
        const char *parts[LINES_MAX];
    } cases[] = {
            {"--system", "--user", {"--system", "--user", "--address", "exclude"}},
            {"--user", NULL, {"--user", "--address", "exclude"}},
            {"--nothing", "--max-services=-1", {"unknown option --nothing\n", "--max-services: "}},
            {"stray", NULL, {"unexpected argument \"stray\"\n"}},
            {"--config=", NULL, {"--config: expected a path, got \"\"\n"}},
            {"--startup-timeout=x", NULL, {"expected a duration such as \"30s\", got x\n"}},
            {"--state-dir", NULL, {"--state-dir"}},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(fixture, 2, cases[i].parts, cases[i].option, cases[i].more);
}

/* What a person sees, whole. */
static void assert_printed(DaemonFixture *fixture, const char *option, const char *expected)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(daemon_fixture_run(fixture, &output, option, "--runtime-dir=/r",
                                       "--services-dir=/d", "--user", NULL),
                    ==, 0);
    g_auto(GStrv) pieces = g_strsplit(output, fixture->root, -1);
    g_autofree char *text = g_strjoinv("ROOT", pieces);
    g_assert_cmpstr(text, ==, expected);
}

static void test_printed(DaemonFixture *fixture, const void *unused)
{
    static const char units[] = "config: options, hooks\n"
                                "startup-hooks: signals (priority -100), lock (priority -100), "
                                "pid-file (priority -100), 10-mine (priority 0)\n"
                                "pre-run: state, core, bus, services\n"
                                "serve: former, bus\n"
                                "graceful-stop: services, bus, former\n"
                                "shutdown-hooks: 90-mine (priority 0), pid-file (priority 100)\n";
    static const char config[] = "{\n"
                                 "    \"$comment\": {\n"
                                 "        \"user\": \"command line\",\n"
                                 "        \"socket\": \"default\",\n"
                                 "        \"services_dir\": \"command line\",\n"
                                 "        \"state_dir\": \"default\",\n"
                                 "        \"runtime_dir\": \"command line\",\n"
                                 "        \"log_dir\": \"default\",\n"
                                 "        \"log_max_total\": \"default\",\n"
                                 "        \"hooks_dir\": {\n"
                                 "            \"default\": \"ROOT/config/hooks\"\n"
                                 "        },\n"
                                 "        \"config\": {\n"
                                 "            \"default\": \"ROOT/config/svcmgrd.json\"\n"
                                 "        },\n"
                                 "        \"cgroup\": \"environment\",\n"
                                 "        \"max_services\": \"default\",\n"
                                 "        \"max_starting\": \"default\",\n"
                                 "        \"restore\": \"default\",\n"
                                 "        \"startup_timeout\": \"default\",\n"
                                 "        \"shutdown_timeout\": \"default\",\n"
                                 "        \"log_level\": \"default\"\n"
                                 "    },\n"
                                 "    \"user\": true,\n"
                                 "    \"socket\": \"/r/private\",\n"
                                 "    \"services_dir\": [\n"
                                 "        \"/d\"\n"
                                 "    ],\n"
                                 "    \"state_dir\": \"ROOT/state\",\n"
                                 "    \"runtime_dir\": \"/r\",\n"
                                 "    \"log_dir\": \"ROOT/logs\",\n"
                                 "    \"log_max_total\": \"1GiB\",\n"
                                 "    \"cgroup\": \"none\",\n"
                                 "    \"max_services\": 10000,\n"
                                 "    \"max_starting\": 0,\n"
                                 "    \"restore\": \"auto\",\n"
                                 "    \"startup_timeout\": \"15s\",\n"
                                 "    \"shutdown_timeout\": \"0\",\n"
                                 "    \"log_level\": \"info\"\n"
                                 "}\n";

    trouble_script(fixture, "config/hooks/startup.d/10-mine", "exit 0");
    trouble_script(fixture, "config/hooks/shutdown.d/90-mine", "exit 0");
    assert_printed(fixture, "--list-units", units);
    assert_printed(fixture, "--print-config", config);
}

/* The process file */

static char *bad_pid_option(DaemonFixture *fixture)
{
    return daemon_fixture_option(fixture, "pid-file", trouble_path(fixture, "pid"));
}

static void test_pid_stale(DaemonFixture *fixture, const void *unused)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
            {"nonsense\n", "/pid"},
            {"1\n", "/pid: process 1, which it named, is another program"},
            {"4194304999\n", "/pid"},
            {"", "/pid"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *path = trouble_write(fixture, "pid", cases[i].text, 0644);
        g_autofree char *expected = NULL, *text = NULL;

        daemon_fixture_start(fixture, bad_pid_option(fixture), NULL);
        expected = g_strdup_printf("%d\n", (int)fixture->daemon.pid);
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, expected);
        g_autofree char *log = trouble_wait_log(fixture, "replaced the process file ");
        assert_contains(log, cases[i].part);
        g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    }
}

static void test_pid_refused(DaemonFixture *fixture, const void *unused)
{
    const char *state = daemon_fixture_option(fixture, "state-dir", trouble_path(fixture, "s2"));
    const char *path = trouble_path(fixture, "pid");

    daemon_fixture_start(fixture, bad_pid_option(fixture), NULL);
    g_autofree char *pid = g_strdup_printf("process %d", (int)fixture->daemon.pid);
    assert_refused(fixture, 1, (const char *const[]){path, pid, NULL}, bad_pid_option(fixture),
                   state);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));

    g_assert_cmpint(symlink("elsewhere", trouble_path(fixture, "link")), ==, 0);
    assert_refused(fixture, 1,
                   (const char *const[]){"/link is a symbolic link: name the file itself", NULL},
                   daemon_fixture_option(fixture, "pid-file", trouble_path(fixture, "link")),
                   state);
    assert_refused(fixture, 1, (const char *const[]){"/no/pid: No such file or directory\n", NULL},
                   daemon_fixture_option(fixture, "pid-file", trouble_path(fixture, "no/pid")),
                   state);
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-bad/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,          \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("file/text", test_file_text);
    ADD("file/kind", test_file_kind);
    ADD("environment", test_environment);
    ADD("options", test_options);
    ADD("printed", test_printed);
    ADD("pid-file/stale", test_pid_stale);
    ADD("pid-file/refused", test_pid_refused);
    return g_test_run();
}
