/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that is looked for stands on the end of a pipe: it ends with its test, however that
 * ends. */

#include "former-fixture.h"

#include "base/fds.h"
#include "base/random.h"
#include "process/proc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

void former_fixture_init(FormerFixture *fixture)
{
    fixture_init(&fixture->process);
    fixture->prefix = g_strdup_printf("%016" PRIx64, random_next(random_system()));
    g_assert_cmpint(pipe2(fixture->lifeline, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(fixture->ready, O_CLOEXEC), ==, 0);
}

void former_fixture_done(FormerFixture *fixture)
{
    for (unsigned i = 0; i < 2; i++) {
        fixture->lifeline[i] = fd_close(fixture->lifeline[i]);
        fixture->ready[i] = fd_close(fixture->ready[i]);
    }
    fixture_done(&fixture->process);
    g_free(fixture->prefix);
}

static void orphan_execute(const FormerFixture *fixture, const OrphanSpec *spec)
{
    const char *program = fixture_program("orphan");
    g_autofree char *command = g_strconcat(program, " ", spec->words, NULL);
    g_auto(GStrv) argv = g_strsplit(g_strchomp(command), " ", -1);
    g_auto(GStrv) envp = g_strsplit("FIRST=1", " ", -1);

    /* Not the first, as in what a shell starts. */
    if (spec->prefix != NULL) {
        g_autofree char *invocation_id = g_strconcat(spec->prefix, "fedcba9876543210", NULL);
        envp = g_environ_setenv(envp, "INVOCATION_ID", invocation_id, TRUE);
    }
    if (spec->id != NULL)
        envp = g_environ_setenv(envp, "SVCMGR_ID", spec->id, TRUE);
    if (dup2(fixture->lifeline[0], STDIN_FILENO) < 0 ||
        dup2(fixture->ready[1], STDOUT_FILENO) < 0 || (spec->uid != 0 && setuid(spec->uid) < 0))
        _exit(96);
    (void)execve(program, argv, envp);
    _exit(97);
}

pid_t read_ready(const FormerFixture *fixture)
{
    pid_t pid = 0;

    g_assert_cmpint(read(fixture->ready[0], &pid, sizeof pid), ==, sizeof pid);
    return pid;
}

pid_t orphan_spawn(const FormerFixture *fixture, const OrphanSpec *spec)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (!spec->is_adopted || fork() == 0)
            orphan_execute(fixture, spec);
        _exit(0);
    }
    g_assert_cmpint(pid, >, 0);
    if (spec->is_adopted)
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    return read_ready(fixture);
}

bool is_alive(pid_t pid)
{
    ProcStat stat;

    return proc_read_stat(&sys_linux, pid, &stat) && !stat.is_dead;
}

void on_sweep_done(const FormerReport *report, void *data)
{
    Sweep *sweep = data;

    g_assert_false(sweep->is_done);
    sweep->is_done = true;
    sweep->report = *report;
    sweep->text = g_strdup(report->text);
    sweep->error = report->error != NULL ? g_strdup(report->error->message) : NULL;
    for (unsigned i = 0; i < report->n_services; i++)
        g_string_append_printf(sweep->services, "%s: %s\n",
                               report->services[i].id != NULL ? report->services[i].id : "(none)",
                               report->services[i].text);
}

static bool sweep_is_done(void *data)
{
    return ((Sweep *)data)->is_done;
}

void sweep_run(FormerFixture *fixture, Sweep *sweep, uint64_t grace_usec)
{
    *sweep = (Sweep){.services = g_string_new(NULL)};
    Former *former =
            former_sweep(fixture->process.host, fixture->prefix, grace_usec, on_sweep_done, sweep);
    g_assert_false(sweep->is_done); /* only from the loop */
    fixture_run_until(&fixture->process, sweep_is_done, sweep);
    former_free(former);
}

void sweep_clear(Sweep *sweep)
{
    g_string_free(sweep->services, TRUE);
    g_free(sweep->text);
    g_free(sweep->error);
}
