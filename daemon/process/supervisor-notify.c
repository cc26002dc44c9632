/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message counts if the kernel says that its sender is one of the service's processes; to know
 * the path of the socket is not enough. What the program says of itself may change as fast as it
 * can write, so the bus hears of the text at most twice a second, and of the last one always. */

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "process/supervisor-internal.h"

#include <errno.h>
#include <unistd.h>

#define SUPERVISOR_STATUS_INTERVAL_USEC (USEC_PER_SEC / 2)

static void supervisor_tell_status(Supervisor *supervisor)
{
    timer_disarm(supervisor->status_timer);
    supervisor->status_told_usec = clock_monotonic_usec(supervisor->host->clock);
    supervisor_tell_facts(supervisor, FACT_STATUS_TEXT);
}

static void on_supervisor_status_timer(void *data)
{
    supervisor_tell_status(data);
}

void supervisor_flush_status(Supervisor *supervisor)
{
    if (timer_is_armed(supervisor->status_timer))
        supervisor_tell_status(supervisor);
}

static void supervisor_set_status(Supervisor *supervisor, const char *text)
{
    ProcessHost *host = supervisor->host;
    uint64_t next = supervisor->status_told_usec + SUPERVISOR_STATUS_INTERVAL_USEC;

    if (g_str_equal(supervisor->facts.status_text, text))
        return;
    g_free((char *)supervisor->facts.status_text);
    supervisor->facts.status_text = g_strdup(text);
    if (timer_is_armed(supervisor->status_timer))
        return;
    if (clock_monotonic_usec(host->clock) >= next) {
        supervisor_tell_status(supervisor);
        return;
    }
    if (supervisor->status_timer == NULL)
        supervisor->status_timer = timer_new(host->timers, on_supervisor_status_timer, supervisor);
    timer_arm(supervisor->status_timer, next);
}

static void supervisor_drop_message(Supervisor *supervisor, const NotifySender *sender,
                                    const char *why)
{
    if (supervisor->n_dropped++ == 0)
        log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                    "dropped a readiness message of process %d (uid %u): %s; further ones of this "
                    "run are dropped silently",
                    (int)sender->pid, (unsigned)sender->uid, why);
}

static bool supervisor_trusts(const Supervisor *supervisor, const NotifySender *sender)
{
    if (sender->uid != supervisor->uid && sender->uid != 0 && sender->uid != geteuid())
        return false;
    return supervisor_owns_pid(supervisor, sender->pid);
}

/* The number is looked at again once the descriptor holds on to the process: before, it could have
 * changed its owner. */
static int supervisor_open_main(Supervisor *supervisor, pid_t pid)
{
    const Sys *sys = supervisor->host->sys;
    autofd int pidfd = supervisor_owns_pid(supervisor, pid) ? sys->pidfd_open(pid, 0) : -1;
    pid_t group = sys->getpgid(pid);

    if (pidfd < 0 || group <= 1 || group == sys->getpgid(0) ||
        !supervisor_owns_pid(supervisor, pid))
        return -1;
    return fd_steal(&pidfd);
}

static void supervisor_adopt_main(Supervisor *supervisor, pid_t pid, const NotifySender *sender)
{
    if (pid == supervisor->facts.main_pid)
        return;
    int pidfd = supervisor_open_main(supervisor, pid);
    if (pidfd < 0) {
        supervisor_drop_message(supervisor, sender, "its MAINPID is no process of the service");
        return;
    }
    if (!supervisor_follow(supervisor, pid, pidfd)) {
        (void)fd_close(pidfd);
        log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                    "cannot watch process %d as its main process: %s", (int)pid, g_strerror(errno));
        return;
    }
    supervisor_find_group(supervisor);
    supervisor_watch_group(supervisor);
    supervisor_tell_facts(supervisor, FACT_MAIN_PID);
}

static void on_supervisor_notify(const NotifyMessage *message, const NotifySender *sender,
                                 void *data)
{
    Supervisor *supervisor = data;

    if (message == NULL || !supervisor_trusts(supervisor, sender)) {
        supervisor_drop_message(supervisor, sender,
                                message == NULL ? "it is malformed or too long"
                                                : "it is no process of the service");
        return;
    }
    if (message->main_pid != 0)
        supervisor_adopt_main(supervisor, message->main_pid, sender);
    if (message->has_status)
        supervisor_set_status(supervisor, message->status);
    if (message->has_errno && message->errno_value != supervisor->facts.status_errno) {
        supervisor->facts.status_errno = message->errno_value;
        supervisor_tell_facts(supervisor, FACT_STATUS_ERRNO);
    }
    if (message->stopping && supervisor->phase == PHASE_RUN)
        supervisor->events->on_sub_state("stopping", supervisor->owner);
    if (message->ready)
        supervisor_become_ready(supervisor);
}

bool supervisor_open_notify(Supervisor *supervisor, const Identity *identity, GError **error)
{
    supervisor->uid = identity->uid;
    supervisor->notify = notify_socket_new(supervisor->host, identity->uid, identity->gid,
                                           on_supervisor_notify, supervisor, error);
    return supervisor->notify != NULL;
}

void supervisor_close_notify(Supervisor *supervisor)
{
    g_clear_pointer(&supervisor->notify, notify_socket_free);
}
