/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks as people write them: scripts, and programs that hang, fail or leave others behind. */

#include "base/errors.h"
#include "base/fds.h"
#include "process-fixture.h"
#include "process/host-internal.h"
#include "process/proc.h"
#include "process/program-hook.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

static void hook_test_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void hook_test_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static const char *write_script(const ProcessFixture *fixture, const char *name, const char *text,
                                int mode)
{
    const char *path = fixture_path(fixture, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
    return path;
}

/* Runs */

typedef struct Run {
    ProgramHook *hook;
    unsigned n_done;
    char *error; /* NULL: success */
    ErrorCode code;
    bool frees;
    bool again;
} Run;

static void on_run_done(const GError *error, void *data)
{
    Run *run = data;

    run->n_done++;
    g_free(run->error);
    run->error = error != NULL ? g_strdup(error->message) : NULL;
    run->code = error != NULL ? (ErrorCode)error->code : _ERROR_MAX;
    if (run->frees)
        g_clear_pointer(&run->hook, program_hook_free);
    else if (run->again && run->n_done == 1)
        program_hook_run(run->hook, NULL, NULL, on_run_done, run);
}

static bool run_is_done(void *data)
{
    return ((Run *)data)->n_done > 0;
}

static void run_start(ProcessFixture *fixture, Run *run, const char *path,
                      const char *const *arguments, const char *const *environment)
{
    *run = (Run){.hook = program_hook_new(fixture->host, path, "startup")};
    g_assert_cmpstr(program_hook_path(run->hook), ==, path);
    g_assert_false(program_hook_is_running(run->hook));
    program_hook_run(run->hook, arguments, environment, on_run_done, run);
    g_assert_cmpuint(run->n_done, ==, 0); /* only from the loop */
    g_assert_true(program_hook_is_running(run->hook));
}

static void run_clear(Run *run)
{
    program_hook_free(run->hook);
    g_free(run->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static void run_to_end(ProcessFixture *fixture, Run *run, const char *path,
                       const char *const *arguments)
{
    run_start(fixture, run, path, arguments, NULL);
    fixture_run_until(fixture, run_is_done, run);
    g_assert_cmpuint(run->n_done, ==, 1);
    g_assert_false(program_hook_is_running(run->hook));
}

/* "@" in expected is the path. */
static void assert_fails(ProcessFixture *fixture, const char *path, const char *expected)
{
    g_auto(Run) run;
    g_autoptr(GString) message = g_string_new(expected);

    (void)g_string_replace(message, "@", path, 0);
    run_to_end(fixture, &run, path, NULL);
    g_assert_cmpstr(run.error, ==, message->str);
    g_assert_cmpint(run.code, ==, ERROR_FAILED);
}

static void assert_line(char *const *lines, const char *line)
{
    if (!g_strv_contains((const char *const *)lines, line))
        g_error("no \"%s\" among them", line);
}

static void test_succeeds(ProcessFixture *fixture, const void *unused)
{
    static const char *const arguments[] = {"one", "two words", "", NULL};
    const char *path = write_script(fixture, "hook",
                                    "#!/bin/sh\n"
                                    "cd \"$OUT\" && env > env &&\n"
                                    "printf '%s\\n' \"$0\" \"$@\" > args &&\n"
                                    "readlink /proc/$$/fd/0 > input && cat /proc/$$/stat > stat &&"
                                    "echo $$ > pid\n",
                                    0755);
    g_autofree char *out = g_strconcat("OUT=", fixture->directory, NULL);
    const char *const environment[] = {out, "REASON=a b", NULL};
    g_autofree char *expected_args = g_strdup_printf("%s\none\ntwo words\n\n", path);
    g_auto(Run) run;
    ProcStat stat;

    run_start(fixture, &run, path, arguments, environment);
    fixture_run_until(fixture, run_is_done, &run);
    g_assert_cmpstr(run.error, ==, NULL);
    g_autofree char *args = fixture_read(fixture, "args");
    g_autofree char *input = fixture_read(fixture, "input");
    g_autofree char *status = fixture_read(fixture, "stat");
    g_autofree char *env = fixture_read(fixture, "env");
    g_auto(GStrv) lines = g_strsplit(env, "\n", -1);
    g_assert_cmpstr(args, ==, expected_args);
    g_assert_cmpstr(input, ==, "/dev/null\n");
    assert_line(lines, "SVCMGR_HOOK=startup");
    assert_line(lines, "REASON=a b");
    g_assert_nonnull(g_environ_getenv(lines, "PATH"));
    g_assert_null(g_environ_getenv(lines, "SVCMGR_ID"));
    g_assert_null(g_environ_getenv(lines, "TEST_PROGRAMS")); /* nothing of the daemon's own */
    g_assert_true(proc_stat_parse(status, strlen(status), &stat));
    g_assert_cmpint(stat.group, ==, fixture_read_pid(fixture, "pid"));
}

static void test_fails(ProcessFixture *fixture, const void *unused)
{
    assert_fails(fixture, write_script(fixture, "status", "#!/bin/sh\nexit 3\n", 0755),
                 "hook @ exited with status 3");
    assert_fails(fixture, write_script(fixture, "signal", "#!/bin/sh\nkill -KILL $$\n", 0755),
                 "hook @ was killed by SIGKILL");
}

static pid_t refusing_clone(SysChildFunc child, void *data, void *stack, size_t stack_size,
                            int cgroup_fd, int *ret_pidfd)
{
    errno = EPERM;
    return -1;
}

/* In the same words, whichever way leads to the program. */
static void test_not_executed(ProcessFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_fails(fixture, write_script(fixture, "plain", "#!/bin/sh\n", 0644),
                     "hook @: cannot execute '@': Permission denied");
        assert_fails(fixture, write_script(fixture, "lost", "#!/no/such/interpreter\n", 0755),
                     "hook @: cannot execute '@': No such file or directory (the file is there, "
                     "but its interpreter is not)");
        assert_fails(fixture, fixture_path(fixture, "absent"),
                     "hook @: cannot execute '@': No such file or directory");
        fixture->sys.clone_vm = refusing_clone;
    }
}

typedef struct FileWait {
    const ProcessFixture *fixture;
    const char *name;
} FileWait;

static bool file_has_line(void *data)
{
    const FileWait *wait = data;
    g_autofree char *text = fixture_read(wait->fixture, wait->name);

    return text != NULL && strchr(text, '\n') != NULL;
}

static bool is_alive(pid_t pid)
{
    ProcStat stat;

    return proc_read_stat(&sys_linux, pid, &stat) && !stat.is_dead;
}

/* A program that stays, with a child that stays; both want to hear of no SIGTERM. */
static pid_t run_start_stubborn(ProcessFixture *fixture, Run *run)
{
    const char *arguments[] = {"stubborn", "stubborn-child", fixture_path(fixture, "pid"), NULL};
    FileWait wait = {fixture, "pid"};

    run_start(fixture, run, fixture_program("stayer"), arguments, NULL);
    fixture_run_until(fixture, file_has_line, &wait);
    return fixture_read_pid(fixture, "pid");
}

static int first_signo;

static int noting_kill(pid_t pid, int signo)
{
    if (first_signo == 0)
        first_signo = signo;
    return sys_linux.kill(pid, signo);
}

static void test_aborted(ProcessFixture *fixture, const void *unused)
{
    g_auto(Run) run;
    pid_t child = run_start_stubborn(fixture, &run);
    g_autofree char *expected =
            g_strdup_printf("hook %s was ended by force after ", fixture_program("stayer"));

    first_signo = 0;
    fixture->sys.kill = noting_kill;
    program_hook_abort(run.hook);
    g_assert_cmpint(first_signo, ==, SIGKILL); /* it has been asked for nothing */
    program_hook_abort(run.hook);
    g_assert_cmpuint(run.n_done, ==, 0);
    fixture_run_until(fixture, run_is_done, &run);
    g_assert_false(is_alive(child));
    g_assert_true(g_str_has_prefix(run.error, expected));
    g_assert_true(g_str_has_suffix(run.error, ": it had not finished in time"));
    g_assert_cmpint(run.code, ==, ERROR_TIMEOUT);
    program_hook_abort(run.hook); /* there is nothing any more */
    fixture_settle(fixture);
    g_assert_cmpuint(run.n_done, ==, 1);
}

/* Its exit is what counts; what it has left in its group is gone when that is told. */
static void test_leaves_behind(ProcessFixture *fixture, const void *unused)
{
    const char *arguments[] = {"stubborn-child", fixture_path(fixture, "pid"), "exit", "0", NULL};
    g_auto(Run) run;

    run_to_end(fixture, &run, fixture_program("stayer"), arguments);
    g_assert_cmpstr(run.error, ==, NULL);
    g_assert_false(is_alive(fixture_read_pid(fixture, "pid")));
}

static bool nothing_runs(void *data)
{
    return process_host_n_running(data) == 0;
}

static void test_freed_while_running(ProcessFixture *fixture, const void *unused)
{
    g_auto(Run) run;
    pid_t child = run_start_stubborn(fixture, &run);

    g_clear_pointer(&run.hook, program_hook_free);
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 1);
    fixture_run_until(fixture, nothing_runs, fixture->host);
    g_assert_false(is_alive(child));
    g_assert_cmpuint(run.n_done, ==, 0);
}

static void test_freed_when_done(ProcessFixture *fixture, const void *unused)
{
    g_auto(Run) run;
    g_auto(Run) other;

    run_start(fixture, &run, write_script(fixture, "hook", "#!/bin/sh\n", 0755), NULL, NULL);
    run_start(fixture, &other, fixture_path(fixture, "absent"), NULL, NULL);
    run.frees = other.frees = true;
    fixture_run_until(fixture, run_is_done, &run);
    fixture_run_until(fixture, run_is_done, &other);
    g_assert_null(run.hook);
    g_assert_null(other.hook);
    g_assert_cmpuint(fixture->host->n_supervisors, ==, 0);
}

static bool ran_twice(void *data)
{
    return ((Run *)data)->n_done == 2;
}

static void test_run_again(ProcessFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_start(fixture, &run, write_script(fixture, "hook", "#!/bin/sh\nexit 4\n", 0755), NULL,
              NULL);
    run.again = true;
    fixture_run_until(fixture, ran_twice, &run);
    g_assert_nonnull(run.error);
    assert_contains(run.error, "exited with status 4");
}

static int deaf_kill(pid_t pid, int signo)
{
    return signo == 0 ? sys_linux.kill(pid, 0) : 0;
}

static int deaf_pidfd_send_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    return 0;
}

/* Nobody waits for what SIGKILL does not end; it stays the host's until it is gone. */
static void test_unkillable(ProcessFixture *fixture, const void *unused)
{
    g_auto(Run) run;
    pid_t child = run_start_stubborn(fixture, &run);

    fixture->sys.kill = deaf_kill;
    fixture->sys.pidfd_send_signal = deaf_pidfd_send_signal;
    fixture->clock.ahead_usec = 5 * USEC_PER_SEC - 100 * USEC_PER_MSEC; /* no need to wait */
    program_hook_abort(run.hook);
    fixture_run_until(fixture, run_is_done, &run);
    assert_contains(run.error, "was killed but does not end");
    g_assert_cmpint(run.code, ==, ERROR_TIMEOUT);
    g_assert_true(program_hook_is_running(run.hook));
    g_assert_true(is_alive(child));

    fixture->sys.kill = sys_linux.kill;
    fixture->sys.pidfd_send_signal = sys_linux.pidfd_send_signal;
    fixture_run_until(fixture, nothing_runs, fixture->host);
    g_assert_false(is_alive(child));
    g_assert_cmpuint(run.n_done, ==, 1);
}

/* Finding */

#define NOT_ROOT 1000

static void assert_found(const ProcessFixture *fixture, uid_t uid, const char *names,
                         const char *expected_errors)
{
    const char *directory = fixture_path(fixture, "hooks");
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(GPtrArray) paths = program_hooks_find(directory, uid, errors);
    g_autoptr(GString) found = g_string_new(NULL);
    g_autoptr(GString) told = g_string_new(NULL);
    g_autofree char *prefix = g_strconcat(directory, "/", NULL);

    for (unsigned i = 0; i < paths->len; i++)
        g_string_append_printf(found, "%s ", (const char *)g_ptr_array_index(paths, i));
    for (unsigned i = 0; i < errors->len; i++)
        g_string_append_printf(told, "%s\n",
                               ((const GError *)g_ptr_array_index(errors, i))->message);
    (void)g_string_replace(found, prefix, "", 0);
    (void)g_string_replace(told, prefix, "", 0);
    g_assert_cmpstr(found->str, ==, names);
    g_assert_cmpstr(told->str, ==, expected_errors);
}

static void make_hooks(const ProcessFixture *fixture, const char *const *names)
{
    g_assert_cmpint(g_mkdir(fixture_path(fixture, "hooks"), 0755), ==, 0);
    for (; *names != NULL; names++) {
        g_autofree char *name = g_strconcat("hooks/", *names, NULL);

        (void)write_script(fixture, name, "#!/bin/sh\n", 0755);
    }
}

static void test_order(ProcessFixture *fixture, const void *unused)
{
    static const char *const names[] = {"b",        "B",         "9-a",        "10-b",       "a",
                                        "\xc3\xa4", "z~",        "a.dpkg-old", "a.dpkg-new", ".a",
                                        "a-b",      "a.rpmsave", "a.sh",       "a.rpmnew",   NULL};

    assert_found(fixture, geteuid(), "", ""); /* no such directory */
    make_hooks(fixture, names);
    g_assert_cmpint(symlink("../elsewhere", fixture_path(fixture, "hooks/link")), ==, 0);
    (void)write_script(fixture, "elsewhere", "#!/bin/sh\n", 0755);
    assert_found(fixture, geteuid(), "10-b 9-a B a a-b a.sh b link \xc3\xa4 ", "");
}

static void test_unusable(ProcessFixture *fixture, const void *unused)
{
    static const char *const names[] = {"good", NULL};

    make_hooks(fixture, names);
    (void)write_script(fixture, "hooks/plain", "#!/bin/sh\n", 0644);
    g_assert_cmpint(g_mkdir(fixture_path(fixture, "hooks/folder"), 0755), ==, 0);
    g_assert_cmpint(symlink("absent", fixture_path(fixture, "hooks/dangling")), ==, 0);
    assert_found(fixture, geteuid(), "good ",
                 "cannot examine hook dangling: repair or remove it: No such file or directory\n"
                 "hook folder is not a regular file: remove it\n"
                 "hook plain is not executable: change it with chmod +x, or remove it\n");
}

static void test_no_directory(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    const char *path = write_script(fixture, "hooks", "", 0644);
    g_autoptr(GPtrArray) paths = program_hooks_find(path, geteuid(), errors);

    g_assert_cmpuint(paths->len, ==, 0);
    g_assert_cmpuint(errors->len, ==, 1);
    assert_contains(((const GError *)g_ptr_array_index(errors, 0))->message, path);
}

/* Root does not run what others could have written. */
static void test_trust(ProcessFixture *fixture, const void *unused)
{
    static const char *const names[] = {"foreign", "good", "open", NULL};
    const char *directory = fixture_path(fixture, "hooks");

    if (geteuid() != 0) {
        g_test_skip("only root has files of root and of somebody else");
        return;
    }
    make_hooks(fixture, names);
    g_assert_cmpint(g_chmod(fixture_path(fixture, "hooks/open"), 0775), ==, 0);
    g_assert_cmpint(chown(fixture_path(fixture, "hooks/foreign"), NOT_ROOT, NOT_ROOT), ==, 0);
    assert_found(fixture, NOT_ROOT, "foreign good open ", "");
    assert_found(fixture, 0, "good ",
                 "hook: foreign belongs to user 1000 and must belong to root: change it with "
                 "chown\n"
                 "hook: open can be written by others than its owner (mode 0775): change it with "
                 "chmod go-w\n");

    g_assert_cmpint(g_chmod(directory, 0777), ==, 0);
    g_autofree char *expected = g_strdup_printf("%s can be written by others than its owner (mode "
                                                "0777): change it with chmod go-w\n",
                                                directory);
    assert_found(fixture, 0, "", expected);
}

/* Nor what others could have put in its place. */
static void test_way(ProcessFixture *fixture, const void *unused)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_autoptr(GError) error = NULL;

    if (geteuid() != 0) {
        g_test_skip("only root has files of root and of somebody else");
        return;
    }
    g_assert_cmpint(g_mkdir_with_parents(fixture_path(fixture, "above/hooks"), 0755), ==, 0);
    const char *path = write_script(fixture, "above/hooks/a", "", 0755);
    g_assert_true(program_hook_check(path, 0, &error));
    g_assert_no_error(error);

    g_assert_cmpint(g_chmod(fixture_path(fixture, "above"), 0777), ==, 0);
    g_autoptr(GPtrArray) paths =
            program_hooks_find(fixture_path(fixture, "above/hooks"), 0, errors);
    g_assert_cmpuint(paths->len, ==, 0);
    g_assert_cmpuint(errors->len, ==, 1);
    assert_contains(((const GError *)g_ptr_array_index(errors, 0))->message,
                    "/above can be written by others than its owner (mode 0777)");
    g_assert_false(program_hook_check(path, 0, &error));
    assert_contains(error->message, "/above can be written by others");
    g_assert_true(program_hook_check(path, NOT_ROOT, NULL));
}

#define HOOK_TEST(path, function)                                                                  \
    g_test_add(path, ProcessFixture, NULL, hook_test_init, function, hook_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    HOOK_TEST("/program-hook/succeeds", test_succeeds);
    HOOK_TEST("/program-hook/fails", test_fails);
    HOOK_TEST("/program-hook/not-executed", test_not_executed);
    HOOK_TEST("/program-hook/aborted", test_aborted);
    HOOK_TEST("/program-hook/leaves-behind", test_leaves_behind);
    HOOK_TEST("/program-hook/freed/while-running", test_freed_while_running);
    HOOK_TEST("/program-hook/freed/when-done", test_freed_when_done);
    HOOK_TEST("/program-hook/run-again", test_run_again);
    HOOK_TEST("/program-hook/unkillable", test_unkillable);
    HOOK_TEST("/program-hook/find/order", test_order);
    HOOK_TEST("/program-hook/find/unusable", test_unusable);
    HOOK_TEST("/program-hook/find/no-directory", test_no_directory);
    HOOK_TEST("/program-hook/find/trust", test_trust);
    HOOK_TEST("/program-hook/find/way", test_way);
    return g_test_run();
}
