/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that the real daemon runs when it starts and ends: good ones, ones that fail, hang, are
 * no programs, or are not to be trusted. Each mistake is told, and the launch ends in order. */

#include "base/fds.h"
#include "trouble.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *hooks_option(DaemonFixture *fixture)
{
    return daemon_fixture_option(fixture, "hooks-dir", trouble_path(fixture, "hooks"));
}

static char *hooks_runtime_option(DaemonFixture *fixture)
{
    return daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir);
}

/* A daemon without a bus that must end by itself; its log. */
static char *hooks_run(DaemonFixture *fixture, int expected, const char *option)
{
    char *output = NULL;
    int code = daemon_fixture_run(fixture, &output, hooks_runtime_option(fixture),
                                  hooks_option(fixture), option, NULL);

    if (code != expected)
        g_error("expected exit code %d, got %d: %s", expected, code, output);
    return output;
}

static void assert_order(const char *text, const char *const *parts)
{
    for (const char *at = text; *parts != NULL; parts++) {
        if ((at = strstr(at, *parts)) == NULL)
            g_error("expected \"%s\", in its order, in: %s", *parts, text);
    }
}

static void test_order(DaemonFixture *fixture, const void *unused)
{
    trouble_script(fixture, "hooks/startup.d/20-b", "echo b $SVCMGR_HOOK $#");
    trouble_script(fixture, "hooks/startup.d/10-a", "echo a $SVCMGR_HOOK ${INVOCATION_ID:+set}");
    trouble_script(fixture, "hooks/startup.d/100-z",
                   "echo z >&2; cat; env | grep -c SECRET || true");
    trouble_script(fixture, "hooks/startup.d/a~", "echo never");
    trouble_script(fixture, "hooks/shutdown.d/2", "echo two $SVCMGR_HOOK");
    trouble_script(fixture, "hooks/shutdown.d/1", "echo one $SVCMGR_HOOK");
    fixture->wrapper = "SECRET=1 exec \"$0\" \"$@\"";
    daemon_fixture_start(fixture, hooks_option(fixture), NULL);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);

    g_autofree char *log = daemon_fixture_log(fixture);
    assert_order(log, (const char *const[]){"\na startup set\n", "\nz\n0\n", "\nb startup 0\n",
                                            "AppRunning", "\none shutdown\n", "\ntwo shutdown\n",
                                            "AppTerminated", NULL});
    assert_lacks(log, "never");
}

/* The launch ends with the first, and what has begun is made undone. */
static void test_startup_fails(DaemonFixture *fixture, const void *unused)
{
    const char *failing = trouble_script(fixture, "hooks/startup.d/2-fails", "exit 7");
    g_autofree char *expected =
            g_strdup_printf("startup hook 2-fails: hook %s exited with status 7\n", failing);

    trouble_script(fixture, "hooks/startup.d/1-good", "echo good");
    trouble_script(fixture, "hooks/startup.d/3-never", "echo never");
    trouble_script(fixture, "hooks/shutdown.d/1", "echo undone; exit 5");
    trouble_script(fixture, "hooks/shutdown.d/2", "echo undone, too; kill -9 $$");
    trouble_script(fixture, "hooks/shutdown.d/3", "echo the last");

    g_autofree char *log = hooks_run(fixture, 1, NULL);
    assert_order(log, (const char *const[]){"\ngood\n", "AppTerminating", "\nundone\n",
                                            "\nundone, too\n", "\nthe last\n", "AppTerminated",
                                            expected, NULL});
    assert_contains(log, "/hooks/shutdown.d/1 exited with status 5\n");
    assert_contains(log, "/hooks/shutdown.d/2 was killed by SIGKILL\n");
    assert_lacks(log, "never");
    assert_lacks(log, "AppRunning");
}

/* All that it has started goes with it: tear_down looks. */
static void test_startup_hangs(DaemonFixture *fixture, const void *unused)
{
    trouble_script(fixture, "hooks/startup.d/1-hangs",
                   "trap '' TERM INT HUP; sleep 1000 & sleep 1000");
    trouble_script(fixture, "hooks/startup.d/2-never", "echo never");

    g_autofree char *log = hooks_run(fixture, 1, "--startup-timeout=2s");
    assert_contains(log, "startup-hooks has run out of time; late: hook 1-hangs\n");
    assert_contains(log, "/hooks/startup.d/1-hangs was ended by force after");
    assert_lacks(log, "2-never");
}

/* Neither what a daemon does when it starts nor what it does when it ends is for one that is
 * refused since another is at work: by the lock, or by the process file. */
static void test_second_daemon(DaemonFixture *fixture, const void *unused)
{
    static const char *const state_dirs[] = {"its-state", "another-state"};
    char *pid_option = daemon_fixture_option(fixture, "pid-file", trouble_path(fixture, "pid"));

    trouble_script(fixture, "hooks/startup.d/1", "echo begins");
    trouble_script(fixture, "hooks/shutdown.d/1", "echo undone");
    daemon_fixture_start(
            fixture, pid_option,
            daemon_fixture_option(fixture, "state-dir", trouble_path(fixture, state_dirs[0])),
            NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(state_dirs); i++) {
        const char *state_dir = trouble_path(fixture, state_dirs[i]);
        g_autofree char *log = NULL;

        g_assert_cmpint(daemon_fixture_run(fixture, &log, hooks_runtime_option(fixture),
                                           hooks_option(fixture), pid_option,
                                           daemon_fixture_option(fixture, "state-dir", state_dir),
                                           NULL),
                        ==, 1);
        assert_lacks(log, "begins");
        assert_lacks(log, "undone");
        assert_lacks(log, "PreHookStop 1\n");
        assert_contains(log, i == 0 ? "startup hook lock: " : "startup hook pid-file: ");
    }
}

static void test_startup_stopped(DaemonFixture *fixture, const void *unused)
{
    trouble_script(fixture, "hooks/startup.d/1", "kill -TERM $PPID; exec sleep 1000");
    trouble_script(fixture, "hooks/startup.d/2", "echo never");
    trouble_script(fixture, "hooks/shutdown.d/1", "echo undone");

    g_autofree char *log = hooks_run(fixture, 0, NULL);
    assert_contains(log, "SIGTERM from process ");
    assert_contains(log, "\nundone\n");
    assert_lacks(log, "never");
    assert_lacks(log, "AppRunning");
}

/* The first that hangs is named with those that had no time any more. What is told of it may take a
 * moment; one that hangs itself does not hold up the end. */
static void test_shutdown_hangs(DaemonFixture *fixture, const void *unused)
{
    const char *pid_path = trouble_path(fixture, "pid");
    const char *question_path = trouble_path(fixture, "question");
    const char *answer_path = trouble_path(fixture, "answer");

    trouble_script(fixture, "hooks/shutdown.d/1-fails", "exit 9");
    trouble_script(fixture, "hooks/shutdown.d/2-hangs", "sleep 1000 & sleep 1000");
    trouble_script(fixture, "hooks/shutdown.d/3-late", "echo never");
    trouble_script(fixture, "hooks/shutdown-error.d/1-hangs", "sleep 1000");
    g_assert_cmpint(mkfifo(question_path, 0600), ==, 0);
    g_assert_cmpint(mkfifo(answer_path, 0600), ==, 0);
    autofd int question = open(question_path, O_RDWR | O_CLOEXEC);
    autofd int answer = open(answer_path, O_RDWR | O_CLOEXEC);
    struct pollfd asked = {.fd = question, .events = POLLIN};
    trouble_script(fixture, "hooks/shutdown-error.d/2-tells",
                   "cd ${0%/*}/../..; echo >question; read word <answer; echo told: $1, $2");
    daemon_fixture_start(fixture, hooks_option(fixture), "--shutdown-timeout=2s",
                         daemon_fixture_option(fixture, "pid-file", pid_path), NULL);
    g_assert_true(g_file_test(pid_path, G_FILE_TEST_EXISTS));
    g_clear_pointer(&fixture->client, client_free);
    child_kill(&fixture->daemon, SIGTERM);
    g_assert_cmpint(poll(&asked, 1, (int)(DAEMON_PATIENCE_USEC / 1000)), ==, 1);
    g_assert_cmpint(write(answer, "go\n", 3), ==, 3);
    g_assert_cmpint(child_wait_exit(&fixture->daemon, DAEMON_PATIENCE_USEC), ==, 1);

    g_autofree char *log = daemon_fixture_log(fixture);
    assert_contains(log, "/hooks/shutdown.d/1-fails exited with status 9\n");
    assert_contains(log, "late: hook 2-hangs, hook 3-late, hook pid-file\n");
    assert_contains(log, "/hooks/shutdown.d/2-hangs was ended by force after");
    assert_contains(log, "\ntold: hook 2-hangs, hook 3-late\n");
    assert_contains(log, "/hooks/shutdown-error.d/1-hangs was ended by force after");
    assert_lacks(log, "never");
    g_assert_false(g_file_test(pid_path, G_FILE_TEST_EXISTS));
}

/* All at once, before anything is done. */
static void test_unusable(DaemonFixture *fixture, const void *unused)
{
    trouble_write(fixture, "hooks/startup.d/data", "x", 0644);
    trouble_script(fixture, "hooks/startup.d/good", "echo never");
    g_assert_cmpint(mkdir(trouble_path(fixture, "hooks/startup.d/directory"), 0755), ==, 0);
    g_assert_cmpint(mkfifo(trouble_path(fixture, "hooks/startup.d/fifo"), 0755), ==, 0);
    g_assert_cmpint(symlink("nowhere", trouble_path(fixture, "hooks/startup.d/dangling")), ==, 0);
    g_assert_cmpint(symlink("loop", trouble_path(fixture, "hooks/startup.d/loop")), ==, 0);
    trouble_script(fixture, "hooks/shutdown.d/pid-file", "echo never");

    g_autofree char *log = hooks_run(fixture, 2, NULL);
    assert_contains(log, "/startup.d/data is not executable: change it with chmod +x");
    assert_contains(log, "/startup.d/directory is not a regular file: remove it\n");
    assert_contains(log, "/startup.d/fifo is not a regular file: remove it\n");
    assert_contains(log, "/startup.d/dangling: repair or remove it: No such file or directory\n");
    assert_contains(log, "/startup.d/loop: repair or remove it: Too many levels of symbolic");
    assert_contains(log, "/shutdown.d/pid-file: shutdown hook pid-file: there is one of this name");
    assert_lacks(log, "never");
    assert_lacks(log, "AppStartup");
    g_assert_false(g_file_test(fixture->runtime_dir, G_FILE_TEST_EXISTS));
}

static void test_directory(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *missing = hooks_run(fixture, 2, NULL);

    assert_contains(missing, "/hooks: No such file or directory\n");
    trouble_write(fixture, "hooks", "", 0644);
    g_autofree char *file = hooks_run(fixture, 2, NULL);
    assert_contains(file, "/hooks/startup.d");
    assert_contains(file, "Not a directory\n");
}

static void test_untrusted(DaemonFixture *fixture, const void *unused)
{
    const char *foreign, *directory = trouble_path(fixture, "hooks/shutdown.d");

    if (geteuid() != 0) {
        g_test_skip("only root's daemon asks whom it trusts");
        return;
    }
    foreign = trouble_script(fixture, "hooks/startup.d/foreign", "echo never");
    g_assert_cmpint(chown(foreign, 12345, 0), ==, 0);
    trouble_script(fixture, "hooks/shutdown.d/good", "echo never");
    g_assert_cmpint(chmod(trouble_script(fixture, "hooks/startup.d/open", "echo never"), 0757), ==,
                    0);
    g_assert_cmpint(chmod(directory, 0777), ==, 0);

    g_autofree char *log = hooks_run(fixture, 2, NULL);
    assert_contains(log, "/startup.d/foreign belongs to user 12345 and must belong to root:");
    assert_contains(log, "/startup.d/open can be written by others than its owner (mode 0757):");
    assert_contains(log, "/hooks/shutdown.d can be written by others than its owner (mode 0777):");
    assert_lacks(log, "never");
}

/* Whoever can write to it now was not there when it was found. */
static void test_opened_meanwhile(DaemonFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root's daemon asks whom it trusts");
        return;
    }
    trouble_script(fixture, "hooks/startup.d/a", "cd ${0%/*}; chmod go+w b");
    trouble_script(fixture, "hooks/startup.d/b", "echo never");

    g_autofree char *log = hooks_run(fixture, 1, NULL);
    assert_contains(log, "/startup.d/b can be written by others than its owner (mode 0777):");
    assert_lacks(log, "never");
}

static void test_many(DaemonFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 200; i++) {
        g_autofree char *name = g_strdup_printf("hooks/startup.d/%03u", i);

        trouble_script(fixture, name, "echo :${0##*/}:");
    }
    daemon_fixture_start(fixture, hooks_option(fixture), NULL);

    g_autofree char *log = daemon_fixture_log(fixture);
    const char *at = log;
    for (unsigned i = 0; i < 200; i++) {
        g_autofree char *line = g_strdup_printf("\n:%03u:\n", i);

        at = strstr(at, line);
        g_assert_nonnull(at);
    }
}

#define ADD(path, function)                                                                        \
    g_test_add("/daemon-hooks/" path, DaemonFixture, NULL, daemon_fixture_set_up, function,        \
               daemon_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("order", test_order);
    ADD("startup/fails", test_startup_fails);
    ADD("startup/hangs", test_startup_hangs);
    ADD("startup/stopped", test_startup_stopped);
    ADD("startup/second-daemon", test_second_daemon);
    ADD("shutdown/hangs", test_shutdown_hangs);
    ADD("unusable", test_unusable);
    ADD("directory", test_directory);
    ADD("untrusted", test_untrusted);
    ADD("opened-meanwhile", test_opened_meanwhile);
    ADD("many", test_many);
    return g_test_run();
}
