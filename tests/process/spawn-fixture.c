/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop is not run: a test waits for its one child on that child's own descriptors. */

#include "spawn-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

pid_t spawn_refuse_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                         int *ret_pidfd)
{
    errno = ENOSYS;
    return -1;
}

void spawn_mode_init(ProcessFixture *fixture, const void *mode)
{
    fixture_init(fixture);
    if (!g_str_equal(mode, "vm"))
        fixture->sys.clone_vm = spawn_refuse_clone;
    if (g_str_equal(mode, "fork"))
        fixture->sys.clone_copy = spawn_refuse_clone;
}

void spawn_mode_done(ProcessFixture *fixture, const void *mode)
{
    fixture_done(fixture);
}

void spawn_tests_add(const char *prefix, const SpawnTest *tests, size_t n_tests)
{
    static const char *const modes[] = {"vm", "copy", "fork"};

    for (size_t m = 0; m < G_N_ELEMENTS(modes); m++) {
        for (size_t i = 0; i < n_tests; i++) {
            g_autofree char *path = g_strdup_printf("/%s/%s/%s", prefix, modes[m], tests[i].name);

            g_test_add(path, ProcessFixture, modes[m], spawn_mode_init, tests[i].test,
                       spawn_mode_done);
        }
    }
}

bool spawn_skips_unless_root(void)
{
    if (geteuid() == 0)
        return false;
    g_test_skip("only root can become somebody else");
    return true;
}

int spawned_wait(const Spawned *spawned)
{
    siginfo_t info;

    g_assert_cmpint(waitid(P_PIDFD, (id_t)spawned->pidfd, &info, WEXITED), ==, 0);
    g_assert_cmpint(info.si_pid, ==, spawned->pid);
    g_assert_cmpint(info.si_code, ==, CLD_EXITED);
    (void)fd_close(spawned->pidfd);
    return info.si_status;
}

/* What the supervisor does in the loop: waits until the program is executed. */
static bool spawned_await(ProcessFixture *fixture, const SpawnSpec *spec, Spawned *spawned,
                          GError **error)
{
    struct pollfd readable = {.fd = spawned->error_fd, .events = POLLIN};

    g_assert_true((spawned->error_fd < 0) == (spawned->path == NULL));
    if (spawned->error_fd < 0)
        return true;
    g_assert_cmpint(fcntl(spawned->error_fd, F_GETFL) & O_NONBLOCK, !=, 0);
    g_assert_cmpint(poll(&readable, 1, 20000), ==, 1);

    SpawnProgress progress =
            spawn_progress(fixture->host, spec, spawned->path, spawned->error_fd, error);
    spawned->error_fd = fd_close(spawned->error_fd);
    g_clear_pointer(&spawned->path, g_free);
    g_assert_cmpint(progress, !=, SPAWN_PENDING);
    if (progress == SPAWN_FAILED)
        g_assert_cmpint(spawned_wait(spawned), ==, 127);
    return progress == SPAWN_EXECUTED;
}

bool spawn_with(ProcessFixture *fixture, const SpawnSpec *spec, const SpawnExtras *extras,
                Spawned *ret_spawned, GError **error)
{
    SpawnExtras whole = *extras;
    Identity identity;

    if (!spawn_resolve_identity(spec, &identity, error))
        return false;
    whole.service_id = "web";
    whole.invocation_id = "0123456789abcdef0123456789abcdef";
    whole.identity = &identity;
    bool ok = spawn_start(fixture->host, spec, &whole, ret_spawned, error);
    identity_clear(&identity);
    return ok && spawned_await(fixture, spec, ret_spawned, error);
}

bool spawn(ProcessFixture *fixture, const SpawnSpec *spec, Spawned *ret_spawned, GError **error)
{
    return spawn_with(fixture, spec, &(SpawnExtras){0}, ret_spawned, error);
}

const char *spawn_printer(ProcessFixture *fixture)
{
    const char *program = fixture_path(fixture, "printer");
    g_autofree char *bytes = NULL;
    size_t length;

    g_assert_true(g_file_get_contents(fixture_program("printer"), &bytes, &length, NULL));
    g_assert_true(g_file_set_contents_full(program, bytes, (gssize)length, G_FILE_SET_CONTENTS_NONE,
                                           0755, NULL));
    g_assert_cmpint(g_chmod(program, 0755), ==, 0);
    return program;
}

const char *spawn_printer_output(ProcessFixture *fixture)
{
    (void)g_mkdir(fixture_path(fixture, "out"), 0777);
    g_assert_cmpint(g_chmod(fixture_path(fixture, "out"), 0777), ==, 0);
    return fixture_path(fixture, "out/print");
}

char *spawn_print_with(ProcessFixture *fixture, const SpawnSpec *spec, const SpawnExtras *extras)
{
    char *argv[] = {(char *)spawn_printer(fixture), (char *)spawn_printer_output(fixture),
                    (char *)"a b", (char *)"", NULL};
    g_autoptr(GError) error = NULL;
    SpawnSpec printing = *spec;
    Spawned spawned;

    printing.exec = argv;
    bool ok = spawn_with(fixture, &printing, extras, &spawned, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
    return fixture_read(fixture, "out/print");
}

char *spawn_print(ProcessFixture *fixture, const SpawnSpec *spec)
{
    return spawn_print_with(fixture, spec, &(SpawnExtras){0});
}

char *lines_of(const char *text, const char *word)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *prefix = g_strconcat(word, " ", NULL);
    g_autoptr(GString) found = g_string_new(NULL);

    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, prefix))
            g_string_append_printf(found, "%s%s", found->len > 0 ? "|" : "",
                                   *line + strlen(prefix));
    }
    return g_strdup(found->str);
}

void assert_line(const char *text, const char *word, const char *expected)
{
    g_autofree char *found = lines_of(text, word);

    g_assert_cmpstr(found, ==, expected);
}
