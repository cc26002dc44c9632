/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message counts if the kernel says that its sender is one of the service's processes, and the
 * program has not said otherwise (NOTIFYACCESS=); to know the path of the socket is not enough.
 * What the program says of itself may change as fast as it can write, so the bus hears of it at
 * most twice a second, and of the last always. */

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "process/proc.h"
#include "process/supervisor-internal.h"

#include <errno.h>
#include <unistd.h>

#define SUPERVISOR_SAID_INTERVAL_USEC (USEC_PER_SEC / 2)
#define SUPERVISOR_STRANGERS_MAX 64 /* messages, while everybody may send */
#define SUPERVISOR_CLOSED_USEC (1 * USEC_PER_SEC)

static void supervisor_tell_said(Supervisor *supervisor)
{
    timer_disarm(supervisor->said_timer);
    supervisor->said_told_usec = clock_monotonic_usec(supervisor->host->clock);
    if (supervisor->said != 0)
        supervisor_tell_facts(supervisor, supervisor->said);
}

static void on_supervisor_said_timer(void *data)
{
    supervisor_tell_said(data);
}

void supervisor_flush_said(Supervisor *supervisor)
{
    if (supervisor->said != 0)
        supervisor_tell_said(supervisor);
}

/* These facts have changed by what the program said. */
static void supervisor_note_said(Supervisor *supervisor, unsigned facts)
{
    ProcessHost *host = supervisor->host;

    supervisor->said |= facts;
    if (supervisor->said == 0 || timer_is_armed(supervisor->said_timer))
        return;
    if (supervisor->said_timer == NULL)
        supervisor->said_timer = timer_new(host->timers, on_supervisor_said_timer, supervisor);

    uint64_t next = supervisor->said_told_usec + SUPERVISOR_SAID_INTERVAL_USEC;
    if (clock_monotonic_usec(host->clock) >= next)
        supervisor_tell_said(supervisor);
    else
        timer_arm(supervisor->said_timer, next);
}

static unsigned supervisor_set_status(Supervisor *supervisor, const NotifyMessage *message)
{
    if (!message->has_status || g_str_equal(supervisor->facts.status_text, message->status))
        return 0;
    supervisor_set_text(&supervisor->facts.status_text, message->status);
    return FACT_STATUS_TEXT;
}

static unsigned supervisor_set_errno(Supervisor *supervisor, const NotifyMessage *message)
{
    if (!message->has_errno || message->errno_value == supervisor->facts.status_errno)
        return 0;
    supervisor->facts.status_errno = message->errno_value;
    return FACT_STATUS_ERRNO;
}

static void supervisor_drop_message(Supervisor *supervisor, const NotifySender *sender,
                                    const char *why)
{
    if (!supervisor->has_dropped)
        log_service(
                LOG_LEVEL_WARNING, supervisor->service_id,
                "dropped a readiness message sent by process %d, uid %u: %s; further ones of this "
                "run are dropped silently",
                (int)sender->pid, (unsigned)sender->uid, why);
    supervisor->has_dropped = true;
}

/* Of a process of the service. */
static bool supervisor_has_access(const Supervisor *supervisor, pid_t pid)
{
    switch (supervisor->access) {
    case NOTIFY_ACCESS_NONE:
        return false;
    case NOTIFY_ACCESS_MAIN:
        return pid == supervisor->facts.main_pid;
    case NOTIFY_ACCESS_EXEC:
        return pid == supervisor->facts.main_pid || pid == supervisor_control_pid(supervisor);
    case NOTIFY_ACCESS_ALL:
        return true;
    case _NOTIFY_ACCESS_MAX:
    case _NOTIFY_ACCESS_INVALID:
        break;
    }
    g_assert_not_reached();
}

/* Not by its user: a program that was started as root may have given that up. */
static bool supervisor_knows(const Supervisor *supervisor, const NotifySender *sender)
{
    return sender->pid > 0 && supervisor_owns_pid(supervisor, sender->pid);
}

/* Where the definition names no user everybody may send, until somebody makes use of that. Who is
 * gone already may have been a process of the service. */
static void supervisor_meet_stranger(Supervisor *supervisor, const NotifySender *sender)
{
    const Sys *sys = supervisor->host->sys;
    g_autoptr(GError) error = NULL;
    uid_t owner = geteuid();

    if (supervisor->spec->spawn.user != NULL || (sys->kill(sender->pid, 0) < 0 && errno == ESRCH) ||
        ++supervisor->n_strangers != SUPERVISOR_STRANGERS_MAX + 1)
        return;
    (void)proc_read_uid(sys, supervisor->facts.main_pid, &owner); /* else it is about to end */
    NotifySocket *given = notify_socket_give(supervisor->notify, owner, &error);
    log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                "more than %u readiness messages came from strangers, the last one from process "
                "%d, uid %u: %s uid %u can send any for the rest of this run%s%s",
                SUPERVISOR_STRANGERS_MAX, (int)sender->pid, (unsigned)sender->uid,
                given != NULL ? "only" : "cannot see to it that only", (unsigned)owner,
                given != NULL ? "" : ": ", given != NULL ? "" : error->message);
    if (given == NULL)
        return;
    supervisor->notify = given;
    notify_socket_drain(given); /* in the order in which it was said */
}

/* The number is looked at again once the descriptor holds on to the process: before, it could have
 * changed its owner. */
static int supervisor_open_main(Supervisor *supervisor, pid_t pid)
{
    const Sys *sys = supervisor->host->sys;
    bool is_known = g_hash_table_contains(supervisor->host->mains, GINT_TO_POINTER(pid));
    autofd int pidfd =
            !is_known && supervisor_owns_pid(supervisor, pid) ? sys->pidfd_open(pid, 0) : -1;
    pid_t group = sys->getpgid(pid);

    if (pidfd < 0 || group <= 1 || group == sys->getpgid(0) ||
        !supervisor_owns_pid(supervisor, pid))
        return -1;
    return fd_steal(&pidfd);
}

static unsigned supervisor_adopt_main(Supervisor *supervisor, pid_t pid, const NotifySender *sender)
{
    if (pid == 0 || pid == supervisor->facts.main_pid)
        return 0;
    int pidfd = supervisor_open_main(supervisor, pid);
    if (pidfd < 0) {
        supervisor_drop_message(supervisor, sender,
                                pid == supervisor_control_pid(supervisor)
                                        ? "its MAINPID is the program of reload_exec or stop_exec"
                                        : "its MAINPID is no process of the service");
        return 0;
    }
    if (!supervisor_follow(supervisor, pid, pidfd)) {
        (void)fd_close(pidfd);
        log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                    "cannot watch process %d as its main process: %s", (int)pid, g_strerror(errno));
        return 0;
    }
    supervisor_find_group(supervisor);
    supervisor_watch_rest(supervisor);
    return FACT_MAIN_PID;
}

static void supervisor_drop_fd(Supervisor *supervisor, const char *name, const char *why)
{
    if (supervisor->has_told_unkept)
        return;
    supervisor->has_told_unkept = true;
    log_service(LOG_LEVEL_WARNING, supervisor->service_id,
                "descriptor '%s' is not kept (FDSTORE=1): %s; further ones of this run are closed "
                "silently",
                name[0] == '\0' ? "stored" : name, why);
}

/* Those that are not kept are closed by whoever has received them. */
static void supervisor_store_fds(Supervisor *supervisor, const NotifyMessage *message,
                                 NotifyFds *fds)
{
    if (fds->are_lost)
        supervisor_drop_fd(supervisor, message->fd_name, g_strerror(EMFILE));
    for (size_t i = 0; i < fds->n; i++) {
        g_autoptr(GError) error = NULL;
        int fd = fd_steal(&fds->fds[i]);

        if (supervisor->stored == NULL)
            supervisor->stored = fd_store_new(supervisor->host);
        if (!fd_store_add(supervisor->stored, &fd, message->fd_name, !message->fd_unwatched,
                          supervisor->spec->fd_store_max, &error)) {
            supervisor_drop_fd(supervisor, message->fd_name, error->message);
            return;
        }
    }
}

static void supervisor_hear_stored(Supervisor *supervisor, const NotifyMessage *message,
                                   NotifyFds *fds)
{
    if (message->fd_store_remove && supervisor->stored != NULL)
        (void)fd_store_remove(supervisor->stored, message->fd_name); /* none: as it should be */
    else if (message->fd_store)
        supervisor_store_fds(supervisor, message, fds);
}

/* What says something of the run itself, after what says who it is. */
static void supervisor_hear_progress(Supervisor *supervisor, const NotifyMessage *message)
{
    if (message->extend_timeout_usec > 0)
        supervisor_extend_timeout(supervisor, message->extend_timeout_usec);
    if (message->stopping && supervisor->phase == PHASE_RUN)
        supervisor->events->on_sub_state("stopping", supervisor->owner);
    if (message->reloading || message->ready || message->stopping)
        supervisor_reload_hear(supervisor, message);
    if (message->extend_timeout_usec > 0)
        supervisor_reload_extend(supervisor, message->extend_timeout_usec);
    if (message->ready && supervisor->spec->readiness == READINESS_NOTIFY)
        supervisor_become_ready(supervisor);
    supervisor_watchdog_hear(supervisor, message);
}

static const char *supervisor_why_dropped(const Supervisor *supervisor,
                                          const NotifyMessage *message)
{
    if (message == NULL)
        return "it is malformed or too long";
    return supervisor->access == NOTIFY_ACCESS_ALL
                   ? "it is no process of the service"
                   : "the service has said that its word does not count (NOTIFYACCESS=)";
}

/* False: the sender is a stranger. */
static bool on_supervisor_notify(const NotifyMessage *message, const NotifySender *sender,
                                 NotifyFds *fds, void *data)
{
    Supervisor *supervisor = data;
    bool is_own = supervisor_knows(supervisor, sender);

    if (!is_own)
        supervisor_meet_stranger(supervisor, sender);
    if (message == NULL || !is_own || !supervisor_has_access(supervisor, sender->pid)) {
        supervisor_drop_message(supervisor, sender, supervisor_why_dropped(supervisor, message));
        return is_own;
    }
    if (message->has_access)
        supervisor->access = message->access;
    unsigned facts = supervisor_adopt_main(supervisor, message->main_pid, sender);
    facts |= supervisor_set_status(supervisor, message);
    facts |= supervisor_set_errno(supervisor, message);
    supervisor_note_said(supervisor, facts);
    supervisor_hear_stored(supervisor, message, fds);
    supervisor_hear_progress(supervisor, message);
    return true;
}

bool supervisor_open_notify(Supervisor *supervisor, const Identity *identity, GError **error)
{
    uid_t owner = identity->sets_user ? identity->uid : NOTIFY_EVERYBODY;

    supervisor->notify =
            notify_socket_new(supervisor->host, owner, on_supervisor_notify, supervisor, error);
    supervisor->ending.awaited = "READY=1";
    return supervisor->notify != NULL;
}

void supervisor_close_notify(Supervisor *supervisor)
{
    g_clear_pointer(&supervisor->notify, notify_socket_free);
}

/* A program that is about to end has its descriptors closed before it is dead: whether it only
 * closed this one is known a while later. */
static void on_supervisor_readiness(bool ready, void *data)
{
    Supervisor *supervisor = data;
    uint64_t soon_usec =
            usec_add(clock_monotonic_usec(supervisor->host->clock), SUPERVISOR_CLOSED_USEC);

    if (ready) {
        supervisor_become_ready(supervisor);
        return;
    }
    if (supervisor->phase != PHASE_START)
        return;
    supervisor->ending.readiness_closed = true;
    supervisor_arm_timer(supervisor, MIN(supervisor->deadline_usec, soon_usec));
}

bool supervisor_open_readiness(Supervisor *supervisor, GError **error)
{
    supervisor->readiness =
            readiness_pipe_new(supervisor->host, on_supervisor_readiness, supervisor, error);
    supervisor->ending.awaited = "newline on its readiness descriptor";
    return supervisor->readiness != NULL;
}

void supervisor_drain(Supervisor *supervisor)
{
    if (supervisor->notify != NULL)
        notify_socket_drain(supervisor->notify);
    if (supervisor->readiness != NULL)
        readiness_pipe_drain(supervisor->readiness);
}
