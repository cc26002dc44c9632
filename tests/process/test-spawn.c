/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every test runs three times: with a child that shares memory, with one that has a copy of it, and
 * with the fork that is used where the kernel refuses both. A child that becomes somebody else is
 * never one that shares memory. */

#include "base/fds.h"

#include "base/errors.h"
#include "process/child.h"
#include "process/environment.h"
#include "spawn-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

static pid_t fail_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                        int *ret_pidfd)
{
    errno = EAGAIN;
    return -1;
}

static const SpawnSpec plain = {SPAWN_KEEP_ALL};

static void test_defaults(ProcessFixture *fixture, const void *mode)
{
    g_autofree char *directory = g_get_current_dir();
    g_autofree char *argv = g_strdup_printf("%s|%s|a b|", fixture_path(fixture, "printer"),
                                            fixture_path(fixture, "out/print"));

    g_unsetenv("LANG");
    g_setenv("SECRET_OF_THE_DAEMON", "1", TRUE);
    g_autofree char *text = spawn_print(fixture, &plain);
    assert_line(text, "argument", argv);
    assert_line(text, "environment",
                "INVOCATION_ID=0123456789abcdef0123456789abcdef|PATH=" ENVIRONMENT_PATH
                "|SVCMGR_ID=web");
    assert_line(text, "directory", directory);
    assert_line(text, "leads-session", "1");
    assert_line(text, "leads-group", "1");
    assert_line(text, "fd", "0|1|2");
    assert_line(text, "stdin", "/dev/null");
}

static void test_members(ProcessFixture *fixture, const void *mode)
{
    const char *file = fixture_path(fixture, "env");
    char *environment[] = {(char *)"B=from environment", (char *)"EMPTY=", (char *)"LANG=xx", NULL};
    SpawnSpec spec = {
            .environment = environment,
            .environment_file = (char *)file,
            .working_directory = fixture->directory,
            .umask = 0137,
    };

    g_setenv("LANG", "C.UTF-8", TRUE);
    g_assert_true(g_file_set_contents(file, "A=file\nB=file\n", -1, NULL));
    g_autofree char *text = spawn_print(fixture, &spec);
    g_unsetenv("LANG");
    assert_line(text, "environment",
                "INVOCATION_ID=0123456789abcdef0123456789abcdef|PATH=" ENVIRONMENT_PATH
                "|LANG=xx|A=file|B=from environment|EMPTY=|SVCMGR_ID=web");
    assert_line(text, "directory", fixture->directory);
    assert_line(text, "umask", "0137");
}

static void on_unused_signal(int signo)
{
}

static void test_signals_are_reset(ProcessFixture *fixture, const void *mode)
{
    sigset_t set, before, after;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigprocmask(SIG_SETMASK, NULL, &before);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR2, on_unused_signal);
    process_host_read_dispositions(fixture->host);
    g_autofree char *text = spawn_print(fixture, &plain);
    assert_line(text, "blocked", "");
    assert_line(text, "handled", "");
    /* And the daemon's are as they were. */
    sigprocmask(SIG_SETMASK, NULL, &after);
    for (int signo = 1; signo < NSIG; signo++)
        g_assert_cmpint(sigismember(&before, signo), ==, sigismember(&after, signo));
    g_assert_true(signal(SIGHUP, SIG_DFL) == SIG_IGN);
    g_assert_true(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
    g_assert_true(signal(SIGUSR2, SIG_DFL) == on_unused_signal);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int refuse_close_range(unsigned first, unsigned last, int flags)
{
    errno = ENOSYS;
    return -1;
}

static void test_descriptors_are_closed(ProcessFixture *fixture, const void *mode)
{
    int low = open("/dev/null", O_RDONLY), high = fcntl(low, F_DUPFD, 200);

    g_assert_cmpint(high, >=, 200);
    g_autofree char *text = spawn_print(fixture, &plain);
    assert_line(text, "fd", "0|1|2");
    fixture->sys.close_range = refuse_close_range;
    g_autofree char *again = spawn_print(fixture, &plain);
    assert_line(again, "fd", "0|1|2");
    (void)fd_close(low);
    (void)fd_close(high);
}

static void test_descriptor_limit_is_restored(ProcessFixture *fixture, const void *mode)
{
    struct rlimit original, changed;
    g_autofree char *expected = NULL;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &original), ==, 0);
    expected = g_strdup_printf("%lu", (unsigned long)original.rlim_cur);
    changed = original;
    changed.rlim_cur = original.rlim_cur - 1;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &changed), ==, 0);
    g_autofree char *text = spawn_print(fixture, &plain);
    assert_line(text, "nofile", expected);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &original), ==, 0);
}

static void test_path_lookup(ProcessFixture *fixture, const void *mode)
{
    g_autofree char *path = g_strdup_printf("PATH=bin::relative:/nonexistent:%s/bin", //
                                            fixture->directory);
    char *environment[] = {path, NULL};
    char *argv[] = {(char *)"found", (char *)"exit", (char *)"5", NULL};
    SpawnSpec spec = {.exec = argv, .environment = environment, SPAWN_KEEP_ALL};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    g_assert_cmpint(g_mkdir(fixture_path(fixture, "bin"), 0755), ==, 0);
    g_assert_cmpint(symlink(fixture_program("ender"), fixture_path(fixture, "bin/found")), ==, 0);
    g_assert_true(spawn(fixture, &spec, &spawned, &error));
    g_assert_no_error(error);
    g_assert_cmpint(spawned_wait(&spawned), ==, 5);
    argv[0] = (char *)"missing";
    g_assert_false(spawn(fixture, &spec, &spawned, &error));
    assert_contains(error->message, "program 'missing' not found in PATH (bin::relative:");
}

static void test_user(ProcessFixture *fixture, const void *mode)
{
    const struct passwd *nobody = getpwnam("nobody");
    g_autofree char *user = NULL, *group = NULL, *environment = NULL;
    char *groups[] = {(char *)"4242", (char *)"4343", NULL};
    SpawnSpec spec = {.user = (char *)"nobody", SPAWN_KEEP_ALL};

    if (spawn_skips_unless_root())
        return;
    user = g_strdup_printf("%u %u", nobody->pw_uid, nobody->pw_uid);
    group = g_strdup_printf("%u %u", nobody->pw_gid, nobody->pw_gid);
    environment = g_strdup_printf("|USER=nobody|LOGNAME=nobody|HOME=%s|SHELL=%s|", nobody->pw_dir,
                                  nobody->pw_shell);
    fixture->sys.clone_vm = fail_clone; /* it must not come to that */
    g_autofree char *text = spawn_print(fixture, &spec);
    g_autofree char *variables = lines_of(text, "environment");
    assert_line(text, "user", user);
    assert_line(text, "group", group);
    assert_contains(variables, environment);
    g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, 1);

    spec.group = (char *)"4141";
    spec.supplementary_groups = groups;
    g_autofree char *grouped = spawn_print(fixture, &spec);
    g_autofree char *supplementary = lines_of(grouped, "supplementary");
    assert_line(grouped, "group", "4141 4141");
    g_assert_cmpstr(supplementary, ==, "4141|4242|4343"); /* instead of the user's own */
}

static void test_user_without_entry(ProcessFixture *fixture, const void *mode)
{
    SpawnSpec spec = {.user = (char *)"3999888777", SPAWN_KEEP_ALL};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    if (spawn_skips_unless_root())
        return;
    g_assert_false(spawn(fixture, &spec, &spawned, &error));
    assert_contains(error->message, "user 3999888777 is not in the user database");
    spec.group = (char *)"4141";
    g_autofree char *text = spawn_print(fixture, &spec);
    assert_line(text, "user", "3999888777 3999888777");
    assert_line(text, "group", "4141 4141");
    assert_line(text, "supplementary", "");
}

typedef struct ErrorRow {
    const char *program;
    const char *working_directory;
    const char *user;
    const char *group;
    const char *supplementary;
    const char *environment_file;
    const char *expected; /* @DIR replaced */
} ErrorRow;

static const ErrorRow error_rows[] = {
        {.program = "/no/such", .expected = "cannot execute '/no/such': No such file or directory"},
        {.program = "/", .expected = "cannot execute '/': Permission denied"},
        {.program = "@DIR/data", .expected = "cannot execute '@DIR/data': Permission denied"},
        {.program = "@DIR/garbage", .expected = "cannot execute '@DIR/garbage': Exec format error"},
        {.program = "@DIR/script",
         .expected = "cannot execute '@DIR/script': No such file or directory (the file is there, "
                     "but its interpreter is not)"},
        {.program = "no-such-program",
         .expected = "program 'no-such-program' not found in PATH (" ENVIRONMENT_PATH ")"},
        {.working_directory = "/no/such",
         .expected = "cannot change to directory '/no/such': No such file or directory"},
        {.working_directory = "/dev/null",
         .expected = "cannot change to directory '/dev/null': Not a directory"},
        {.user = "no-such-user", .expected = "user 'no-such-user' does not exist"},
        {.group = "no-such-group", .expected = "group 'no-such-group' does not exist"},
        {.supplementary = "no-such-group", .expected = "group 'no-such-group' does not exist"},
        {.environment_file = "/no/such", .expected = "environment file: "},
};

static char *expand(ProcessFixture *fixture, const char *text)
{
    g_autoptr(GString) expanded = g_string_new(text);

    (void)g_string_replace(expanded, "@DIR", fixture->directory, 0);
    return g_strdup(expanded->str);
}

static void test_errors(ProcessFixture *fixture, const void *mode)
{
    const char *files[] = {"data", "garbage", "script"};

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        g_assert_true(g_file_set_contents_full(
                fixture_path(fixture, files[i]), "#!/no/such/interpreter\n" + (i == 1 ? 1 : 0), -1,
                G_FILE_SET_CONTENTS_NONE, i == 0 ? 0644 : 0755, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(error_rows); i++) {
        const ErrorRow *row = &error_rows[i];
        g_autofree char *program =
                expand(fixture, row->program != NULL ? row->program : "/bin/true");
        g_autofree char *expected = expand(fixture, row->expected);
        char *argv[] = {program, NULL}, *groups[] = {(char *)row->supplementary, NULL};
        SpawnSpec spec = {
                .exec = argv,
                SPAWN_KEEP_ALL,
                .working_directory = (char *)row->working_directory,
                .user = (char *)row->user,
                .group = (char *)row->group,
                .supplementary_groups = groups,
                .environment_file = (char *)row->environment_file,
        };
        g_autoptr(GError) error = NULL;
        Spawned spawned;

        g_assert_false(spawn(fixture, &spec, &spawned, &error));
        g_assert_true(g_str_has_prefix(error->message, expected) ||
                      (g_test_message("%s", error->message), false));
    }
}

static void test_too_many_groups(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    g_autofree char **groups = g_new0(char *, 65538);
    SpawnSpec spec = {.exec = argv, SPAWN_KEEP_ALL, .supplementary_groups = groups};
    g_autoptr(GError) error = NULL;
    Spawned spawned;

    for (size_t i = 0; i < 65537; i++)
        groups[i] = (char *)"1";
    g_assert_false(spawn(fixture, &spec, &spawned, &error));
    assert_contains(error->message, "cannot set supplementary groups: ");
}

static void test_unprivileged(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    SpawnSpec spec = {.exec = argv, SPAWN_KEEP_ALL, .user = (char *)"root"};
    g_autoptr(GError) error = NULL;
    g_autofree char *own = g_strdup_printf("%u", getuid());
    Spawned spawned;

    if (geteuid() == 0) {
        g_test_skip("root may do everything");
        return;
    }
    g_assert_false(spawn(fixture, &spec, &spawned, &error));
    assert_contains(error->message, "Operation not permitted");
    spec.user = own;
    g_clear_error(&error);
    g_assert_true(spawn(fixture, &spec, &spawned, &error));
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
}

static int fail_close_range(unsigned first, unsigned last, int flags)
{
    errno = EIO;
    return -1;
}

static pid_t fail_fork(void)
{
    errno = EAGAIN;
    return -1;
}

static int fail_pidfd_open(pid_t pid, unsigned flags)
{
    errno = EMFILE;
    return -1;
}

static int fail_pipe(int fds[2], int flags)
{
    errno = EMFILE;
    return -1;
}

/* Each leaves neither a child nor a descriptor, which the end of the test checks. */
static void test_injected(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    SpawnSpec spec = {.exec = argv, SPAWN_KEEP_ALL};
    Sys variants[] = {sys_linux, sys_linux, sys_linux, sys_linux, sys_linux, sys_linux};
    static const char *const expected[] = {
            "cannot close descriptors: Input/output error",
            "cannot create a process: Resource temporarily unavailable",
            "cannot create a process: Resource temporarily unavailable",
            "cannot create a process: Resource temporarily unavailable",
            "cannot create a process: Too many open files",
            "cannot create a process: Too many open files",
    };

    variants[0].close_range = fail_close_range;
    variants[0].clone_vm = fixture->sys.clone_vm;
    variants[0].clone_copy = fixture->sys.clone_copy;
    variants[1].clone_vm = fail_clone;
    variants[2].clone_vm = spawn_refuse_clone;
    variants[2].clone_copy = fail_clone;
    variants[3].clone_vm = spawn_refuse_clone;
    variants[3].clone_copy = spawn_refuse_clone;
    variants[3].fork = fail_fork;
    variants[4].clone_vm = spawn_refuse_clone;
    variants[4].clone_copy = spawn_refuse_clone;
    variants[4].pidfd_open = fail_pidfd_open;
    variants[5].clone_vm = spawn_refuse_clone;
    variants[5].pipe2 = fail_pipe;
    for (size_t i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autoptr(GError) error = NULL;
        Spawned spawned;

        fixture->sys = variants[i];
        g_assert_false(spawn(fixture, &spec, &spawned, &error));
        g_assert_cmpstr(error->message, ==, expected[i]);
    }
}

/* Whatever comes out of the pipe makes an error. */
static void test_forged(ProcessFixture *fixture, const void *mode)
{
    static const ChildError forged[] = {{CHILD_STEP_NONE, 5}, {_CHILD_STEP_MAX, 5}, {77, INT_MIN}};

    for (size_t i = 0; i <= G_N_ELEMENTS(forged); i++) {
        bool is_short = i == G_N_ELEMENTS(forged);
        ssize_t size = is_short ? 1 : (ssize_t)sizeof forged[i];
        const void *bytes = is_short ? "" : (const void *)&forged[i];
        g_autoptr(GError) error = NULL;
        int fds[2];

        g_assert_cmpint(pipe2(fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
        g_assert_cmpint(spawn_progress(fixture->host, &plain, "/x", fds[0], &error), ==,
                        SPAWN_PENDING);
        g_assert_no_error(error);
        g_assert_cmpint(write(fds[1], bytes, (size_t)size), ==, size);
        g_assert_cmpint(spawn_progress(fixture->host, &plain, "/x", fds[0], &error), ==,
                        SPAWN_FAILED);
        g_assert_cmpstr(error->message, ==, "cannot execute '/x': Input/output error");
        (void)fd_close(fds[1]);
        g_assert_cmpint(spawn_progress(fixture->host, &plain, "/x", fds[0], NULL), ==,
                        SPAWN_EXECUTED);
        (void)fd_close(fds[0]);
    }
}

static void test_many(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)fixture_program("ender"), (char *)"exit", (char *)"7", NULL};
    SpawnSpec spec = {.exec = argv, SPAWN_KEEP_ALL};

    for (int i = 0; i < 50; i++) {
        g_autoptr(GError) error = NULL;
        Spawned spawned;

        g_assert_true(spawn(fixture, &spec, &spawned, &error));
        g_assert_cmpint(spawned_wait(&spawned), ==, 7);
    }
}

static void test_descriptors_are_kept_back(ProcessFixture *fixture, const void *mode)
{
    char *argv[] = {(char *)fixture_program("ender"), (char *)"exit", (char *)"7", NULL};
    SpawnSpec spec = {.exec = argv, SPAWN_KEEP_ALL};
    g_autoptr(GError) error = NULL;
    struct rlimit limit, low;
    Spawned spawned;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    low = (struct rlimit){.rlim_cur = 64, .rlim_max = limit.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    bool done = spawn(fixture, &spec, &spawned, &error);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_false(done);
    g_assert_error(error, SVCMGR_ERROR, ERROR_LIMIT_EXCEEDED);
    g_assert_true(spawn(fixture, &spec, &spawned, NULL)); /* and comes back with the limit */
    g_assert_cmpint(spawned_wait(&spawned), ==, 7);
}

static void on_doubt(const char *member, const char *message, void *data)
{
    g_string_append_printf(data, "%s ", member);
}

static void test_check(void)
{
    g_autoptr(GString) doubts = g_string_new(NULL);
    char *argv[] = {(char *)"/no/such", NULL}, *groups[] = {(char *)"no-such-group", NULL};
    SpawnSpec bad = {
            .exec = argv,
            .environment_file = (char *)"/no/such",
            .working_directory = (char *)"/no/such",
            .user = (char *)"no-such-user",
            .group = (char *)"no-such-group",
            .supplementary_groups = groups,
    };

    spawn_check(&bad, on_doubt, doubts);
    g_assert_cmpstr(doubts->str, ==,
                    "exec user group supplementary_groups working_directory environment_file ");
    g_string_truncate(doubts, 0);
    argv[0] = (char *)"sh";
    spawn_check(&(const SpawnSpec){.exec = argv, .user = (char *)"root"}, on_doubt, doubts);
    g_assert_cmpstr(doubts->str, ==, "");
}

static const SpawnTest tests[] = {
        {"defaults", test_defaults},
        {"members", test_members},
        {"signals-are-reset", test_signals_are_reset},
        {"descriptors-are-closed", test_descriptors_are_closed},
        {"descriptor-limit-is-restored", test_descriptor_limit_is_restored},
        {"path-lookup", test_path_lookup},
        {"user", test_user},
        {"user-without-entry", test_user_without_entry},
        {"errors", test_errors},
        {"too-many-groups", test_too_many_groups},
        {"unprivileged", test_unprivileged},
        {"injected", test_injected},
        {"forged", test_forged},
        {"many", test_many},
        {"descriptors-are-kept-back", test_descriptors_are_kept_back},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    spawn_tests_add("spawn", tests, G_N_ELEMENTS(tests));
    g_test_add_func("/spawn/check", test_check);
    return g_test_run();
}
