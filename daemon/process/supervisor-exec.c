/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of a child from its creation to its program, where the daemon does not wait for it: a
 * pipe that ends when the program runs, or says before that why it never will. Until then the run
 * is starting, its time is limited, and whoever ends it need not ask politely: nothing of the
 * program runs yet. A failure is kept until the child is dead, and is then what the run is judged
 * by, instead of the way in which the child had to end.
 *
 * The pipe ends by death as well, so a death without a word is judged as one of the program. */

#include "base/errors.h"
#include "base/fds.h"
#include "base/parse.h"
#include "process/supervisor-internal.h"

#include <sys/epoll.h>

/* Where the definition sets no limit to the start: as long as others have for the whole of it. */
#define SUPERVISOR_EXEC_USEC (15 * USEC_PER_SEC)

static void on_supervisor_exec(uint32_t events, void *data)
{
    supervisor_exec_check(data);
}

static ExecState supervisor_exec_state(const Supervisor *supervisor)
{
    return supervisor->exec != NULL ? supervisor->exec->state : EXEC_DONE;
}

bool supervisor_exec_begin(Supervisor *supervisor, Spawned *spawned)
{
    supervisor_exec_clear(supervisor);
    if (spawned->error_fd < 0)
        return true;

    SupervisorExec *exec = supervisor->exec = g_new0(SupervisorExec, 1);
    exec->state = EXEC_PENDING;
    exec->fd = fd_steal(&spawned->error_fd);
    exec->path = g_steal_pointer(&spawned->path);
    exec->watch = watch_new(supervisor->host->watches, exec->fd, EPOLLIN, WATCH_PRIORITY_NORMAL,
                            on_supervisor_exec, supervisor);
    return exec->watch != NULL;
}

void supervisor_exec_clear(Supervisor *supervisor)
{
    SupervisorExec *exec = g_steal_pointer(&supervisor->exec);

    if (exec == NULL)
        return;
    watch_free(exec->watch);
    (void)fd_close(exec->fd);
    g_free(exec->path);
    g_clear_error(&exec->error);
    g_free(exec);
}

bool supervisor_exec_is_pending(const Supervisor *supervisor)
{
    return supervisor_exec_state(supervisor) == EXEC_PENDING;
}

uint64_t supervisor_exec_timeout_usec(const Supervisor *supervisor)
{
    uint64_t timeout_usec = supervisor->spec->rules.start_timeout_usec;

    return timeout_usec == USEC_INFINITY ? SUPERVISOR_EXEC_USEC : timeout_usec;
}

/* The limit was that of the way to the program, not the program's. Before the child had its own
 * group, the group looked empty to whoever asked. */
static void supervisor_exec_done(Supervisor *supervisor)
{
    supervisor_exec_clear(supervisor);
    if (supervisor->phase == PHASE_START &&
        supervisor->spec->rules.start_timeout_usec == USEC_INFINITY)
        timer_disarm(supervisor->timer);
    if (supervisor->group.leader == 0 && supervisor->group.adopted == 0)
        supervisor->group.leader = supervisor->facts.main_pid;
}

/* Its error is all that was expected of the child. Its user may want to hold it up even now. */
static void supervisor_exec_fail(Supervisor *supervisor)
{
    supervisor->exec->state = EXEC_FAILED;
    g_clear_pointer(&supervisor->exec->watch, watch_free);
    if (supervisor->main_pidfd >= 0)
        (void)supervisor->host->sys->pidfd_send_signal(supervisor->main_pidfd, SIGKILL, NULL,
                                                       0); /* dead already: as it should be */
}

/* Tells nobody. */
static void supervisor_exec_look(Supervisor *supervisor)
{
    SupervisorExec *exec = supervisor->exec;

    if (exec == NULL || exec->state == EXEC_FAILED)
        return;
    switch (spawn_progress(supervisor->host, &supervisor->spec->spawn, exec->path, exec->fd,
                           &exec->error)) {
    case SPAWN_FAILED:
        supervisor_exec_fail(supervisor);
        break;
    case SPAWN_EXECUTED:
        if (exec->state == EXEC_PENDING)
            supervisor_exec_done(supervisor);
        break;
    case SPAWN_PENDING:
        break;
    }
}

bool supervisor_exec_has_failed(Supervisor *supervisor)
{
    supervisor_exec_look(supervisor);
    return supervisor_exec_state(supervisor) == EXEC_FAILED;
}

void supervisor_exec_check(Supervisor *supervisor)
{
    bool was_pending = supervisor_exec_is_pending(supervisor);

    supervisor_exec_look(supervisor);
    if (was_pending && supervisor->exec == NULL && supervisor->spec->readiness == READINESS_SPAWNED)
        supervisor_become_ready(supervisor);
}

bool supervisor_exec_abandon(Supervisor *supervisor)
{
    supervisor_exec_look(supervisor);

    SupervisorExec *exec = supervisor->exec;
    if (exec == NULL)
        return false;
    if (exec->state == EXEC_PENDING)
        exec->state = EXEC_ABANDONED;
    g_clear_pointer(&exec->watch, watch_free); /* what is in the pipe is read after the death */
    return true;
}

bool supervisor_exec_time_out(Supervisor *supervisor, Phase *ret_next)
{
    bool was_pending = supervisor_exec_is_pending(supervisor);

    supervisor_exec_check(supervisor);
    if (supervisor->phase != PHASE_START)
        return false; /* at the last moment */
    if (supervisor_exec_abandon(supervisor))
        *ret_next = PHASE_STOP_KILL;
    else if (was_pending && supervisor->spec->rules.start_timeout_usec == USEC_INFINITY)
        return false;
    return true;
}

static ExitStatus supervisor_exec_exit_status(const siginfo_t *info)
{
    return (ExitStatus){
            .known = true,
            .signaled = info->si_code != CLD_EXITED,
            .core_dumped = info->si_code == CLD_DUMPED,
            .value = info->si_status,
    };
}

void supervisor_exec_set_exit(Supervisor *supervisor, const siginfo_t *info)
{
    ExitStatus exit = info != NULL ? supervisor_exec_exit_status(info) : (ExitStatus){0};
    ExecState state = supervisor_exec_state(supervisor);

    if (state == EXEC_FAILED || state == EXEC_ABANDONED)
        return; /* it was no program that ended */
    supervisor->ending.exit = exit;
    supervisor->facts.last_exit = exit;
}

static GError *supervisor_exec_judge_time(const Supervisor *supervisor)
{
    g_autofree char *limit = format_duration(supervisor_exec_timeout_usec(supervisor));

    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                       "cannot execute '%s' within %s: the child does not get to the program",
                       supervisor->exec->path, limit);
}

static GError *supervisor_exec_judge(const Supervisor *supervisor, FailureClass *ret_class)
{
    const Ending *ending = &supervisor->ending;

    switch (supervisor_exec_state(supervisor)) {
    case EXEC_FAILED:
    case EXEC_ABANDONED:
        break;
    case EXEC_DONE:
    case EXEC_PENDING:
        return ending_judge(&supervisor->spec->rules, ending, ret_class);
    }
    if (ending->stop_was_asked)
        return NULL; /* there was nothing to be stopped that could have done it wrong */
    if (supervisor->exec->error != NULL) {
        *ret_class = FAILURE_EXEC;
        return g_error_copy(supervisor->exec->error);
    }
    *ret_class = FAILURE_TIMEOUT;
    return supervisor_exec_judge_time(supervisor);
}

GError *supervisor_judge(const Supervisor *supervisor, FailureClass *ret_class)
{
    GError *error = supervisor_exec_judge(supervisor, ret_class);

    if (error != NULL || supervisor->stop_error == NULL)
        return error;
    *ret_class = supervisor->stop_class;
    return g_error_copy(supervisor->stop_error);
}
