/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What test-inject does, for services that have a cgroup: each call that asks or changes one fails
 * once. What is left to a run then are its process, its group, and the time; a directory that could
 * not be removed is made anew at the next start. */

#include "inject-run.h"

#include <errno.h>

#define NO_CGROUP OUTCOME_FAILS, "cannot make the cgroup /"
#define NO_PROCESS OUTCOME_FAILS, "cannot create a process in cgroup '/"
#define NO_SOCKET OUTCOME_FAILS, "cannot open the notify socket "

static const Row rows[] = {
        ROWS_SPAWN(STARTS, OUTCOME_FAILS),
        {INJECT_WATCH_MAIN, ACT_TELL, ERRNOS(ENOMEM, ENOSPC), OUTCOME_UNHARMED, .first = 2},
        {INJECT_CLONE_COPY, STARTS, ERRNOS(ENOMEM, EBUSY), NO_PROCESS},
        {INJECT_CLONE_COPY, STARTS, ERRNOS(EINVAL, EOPNOTSUPP), OUTCOME_UNHARMED},
        {INJECT_PIPE2, STARTS, ERRNOS(EMFILE), NO_PROCESS},
        {INJECT_FORK, STARTS, ERRNOS(EAGAIN), NO_PROCESS},
        {INJECT_WATCH_EXEC, STARTS, ERRNOS(ENOMEM), OUTCOME_FAILS, "cannot watch process "},
        {INJECT_READ_EXEC, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_READ_EXEC, STARTS, ERRNOS(EIO), OUTCOME_FAILS, "cannot learn whether '/"},
        {INJECT_SOCKET, STARTS, ERRNOS(EMFILE), NO_SOCKET},
        {INJECT_FCHMOD, STARTS, ERRNOS(EIO), NO_SOCKET},
        {INJECT_SETSOCKOPT, STARTS, ERRNOS(ENOMEM), NO_SOCKET},
        {INJECT_BIND, STARTS, ERRNOS(EACCES), NO_SOCKET},
        {INJECT_WATCH_NOTIFY, STARTS, ERRNOS(ENOMEM), NO_SOCKET},
        {INJECT_UNLINK, ALL, ERRNOS(EACCES), OUTCOME_UNHARMED},
        {INJECT_RECVMSG, ALL, ERRNOS(EINTR, EAGAIN, ENOMEM), OUTCOME_UNHARMED},
        /* The directory. One that is there is made anew. */
        {INJECT_MKDIRAT, STARTS, ERRNOS(EACCES, ENOENT, ENOMEM, ENOSPC, EROFS, EAGAIN), NO_CGROUP},
        {INJECT_MKDIRAT, STARTS, ERRNOS(EEXIST), OUTCOME_UNHARMED},
        {INJECT_UNLINKAT, ALL, ERRNOS(EBUSY, EACCES, ENOENT, EROFS), OUTCOME_UNHARMED},
        /* How far it may be divided is said first, then asked whether it is frozen; who does not
         * know does not wait for the child. */
        {INJECT_OPENAT, STARTS, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_WRITE, STARTS, ERRNOS(EACCES, EINVAL, EINTR), OUTCOME_UNHARMED},
        {INJECT_OPENAT, ACT_START, ERRNOS(EMFILE, ENFILE, ENOMEM, ENOENT, EACCES), OUTCOME_UNHARMED,
         .last = 3},
        {INJECT_OPENAT, ACT_START, ERRNOS(EMFILE, ENOENT), NO_PROCESS, .first = 4},
        {INJECT_OPENAT, STARTS & ~ACT_START, ERRNOS(EMFILE, ENFILE, ENOMEM, ENOENT, EACCES),
         OUTCOME_UNHARMED},
        {INJECT_READ_CGROUP, STARTS, ERRNOS(EINTR, ENODEV, ENOMEM, INJECT_SHORT), OUTCOME_UNHARMED},
        {INJECT_CHILD_ENTER, STARTS, ERRNOS(EBUSY, EACCES, ENODEV), OUTCOME_FAILS,
         "cannot enter its cgroup: "},
        /* Questions. Somebody who is not known does not get a signal until all get SIGKILL. */
        {INJECT_OPENAT, ACT_STOP, ERRNOS(EMFILE, ENFILE, ENOMEM, EACCES), OUTCOME_ENDS, NULL,
         WAITS},
        {INJECT_OPENAT, ENDS & ~STARTS, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_OPENAT, ACT_DIE, ERRNOS(EMFILE, ENFILE, ENOMEM, EACCES), OUTCOME_UNHARMED, NULL,
         WAITS},
        {INJECT_READ_CGROUP, ENDS, ERRNOS(EINTR, INJECT_SHORT), OUTCOME_UNHARMED},
        {INJECT_READ_CGROUP, ACT_STOP, ERRNOS(ENODEV, ENOMEM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_READ_CGROUP, ENDS & ~ACT_STOP, ERRNOS(ENODEV, ENOMEM), OUTCOME_UNHARMED, NULL,
         WAITS},
        {INJECT_FSTATAT, ENDS, ERRNOS(ENOMEM, ENOENT), OUTCOME_UNHARMED},
        {INJECT_PIDFD_CGROUP, ENDS, ERRNOS(ENOTTY, EINVAL, ESRCH), OUTCOME_UNHARMED},
        {INJECT_GETDENTS_CGROUP, ENDS, ERRNOS(ENOMEM, ENOENT), OUTCOME_UNHARMED},
        {INJECT_WATCH_CGROUP, ENDS, ERRNOS(ENOMEM, ENOSPC), OUTCOME_UNHARMED, NULL, WAITS},
        /* Of two ways to know a sender, one is enough. Who is gone cannot be asked any more. */
        {INJECT_OPENAT_PROC, ALL, ERRNOS(EINTR, EMFILE, EACCES), OUTCOME_UNHARMED},
        {INJECT_OPENAT_PROC, ACT_STOP, ERRNOS(ENOENT), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_READ_PROC, ALL, ERRNOS(EINTR, ENOMEM, INJECT_SHORT), OUTCOME_UNHARMED},
        {INJECT_READ_PROC, ACT_STOP, ERRNOS(ESRCH), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_PIDFD_OPEN, ACT_STOP, ERRNOS(EMFILE, ESRCH), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_PIDFD_OPEN, ACT_START, ERRNOS(EMFILE), NO_PROCESS},
        {INJECT_PIDFD_OPEN, ALL & ~(ACT_STOP | ACT_START), ERRNOS(EMFILE, ESRCH), OUTCOME_UNHARMED,
         NULL, WAITS},
        {INJECT_GETPGID, ALL, ERRNOS(ESRCH, EPERM), OUTCOME_UNHARMED},
        /* Signals */
        {INJECT_WRITE, ENDS, ERRNOS(EINTR, ENOENT, EOPNOTSUPP, ENOMEM, EACCES), OUTCOME_UNHARMED},
        {INJECT_PIDFD_SIGNAL, ENDS & ~ACT_REPLACE, ERRNOS(EPERM, ESRCH), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_PIDFD_SIGNAL, ACT_REPLACE, ERRNOS(EPERM, ESRCH), OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_WAIT_MAIN, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_WAIT_ANY, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED, .is_rare = true},
        {INJECT_WAIT_MAIN, ACT_STOP | ACT_REPLACE, ERRNOS(ECHILD), OUTCOME_UNHARMED},
        {INJECT_WAIT_MAIN, ACT_DIE | ACT_ONCE, ERRNOS(ECHILD), OUTCOME_UNKNOWN_EXIT, .last = 1},
        {INJECT_WAIT_MAIN, ACT_DIE | ACT_ONCE, ERRNOS(ECHILD), OUTCOME_UNHARMED, .first = 2},
        {INJECT_WAIT_CHILD, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED, .is_rare = true},
};

static const Scenario scenarios[] = {
        {"spawned", "{" STAYER("") COMMON, {UP(ACT_START), STOPS}, .has_cgroups = true},
        {"dies",
         "{" STAYER(", 'child', '@DIR/pid'") ", 'readiness': 'notify'" COMMON,
         {UP(ACT_START), DIES},
         .is_alike = true,
         .has_cgroups = true,
         .first_step = 1},
        {"replace",
         "{" STAYER(", 'clean'") COMMON,
         {UP(ACT_START), UP(ACT_REPLACE), STOPS},
         .is_alike = true,
         .has_cgroups = true,
         .first_step = 1},
        {"stubborn",
         "{" STAYER(", 'stubborn'") ", 'readiness': 'notify'" GIVEN_TIME,
         {UP(ACT_START), {ACT_STOP, STATE_FAILED, "killed"}},
         .is_alike = true,
         .has_cgroups = true,
         .first_step = 1},
        {"stubborn-child",
         "{" STAYER(", 'stubborn-child', '@DIR/pid'") ", 'readiness': 'notify'" GIVEN_TIME,
         {UP(ACT_START), {ACT_STOP, STATE_FAILED, "killed"}},
         .has_cgroups = true,
         .first_step = 1},
        {"mode-main",
         "{" STAYER(", 'child', '@DIR/pid'") ", 'readiness': 'notify', 'stop_mode': 'main'" COMMON,
         {UP(ACT_START), STOPS},
         .is_alike = true,
         .has_cgroups = true,
         .first_step = 1},
        {"other-session",
         "{" NOTIFIER("'@session', 'READY=1'") COMMON,
         {UP(ACT_TELL), STOPS},
         .has_cgroups = true},
        {"main-pid",
         "{" NOTIFIER("'@flood-all', '2', 'READY=1'") COMMON,
         {UP(ACT_TELL), STOPS},
         .is_alike = true,
         .has_cgroups = true},
        {"divided",
         "{" STAYER("") COMMON,
         {UP(ACT_START), STOPS},
         .has_cgroups = true,
         .divides = true,
         .first_step = 1},
        {"oneshot",
         "{'exec': ['/bin/true']" COMMON,
         {{ACT_ONCE, STATE_INACTIVE, NULL}},
         .has_cgroups = true,
         .is_oneshot = true},
        {"copy",
         "{" STAYER("") COMMON,
         {UP(ACT_START), STOPS},
         .is_alike = true,
         .has_cgroups = true,
         .way = WAY_COPY},
        {"fork",
         "{" STAYER("") COMMON,
         {UP(ACT_START), DIES},
         .is_alike = true,
         .has_cgroups = true,
         .way = WAY_FORK},
        {"unplaced",
         "{" STAYER("") COMMON,
         {UP(ACT_START), STOPS},
         .is_alike = true,
         .has_cgroups = true,
         .refuses_placing = true},
};

static const InjectTables tables = {
        .prefix = "/inject-cgroup",
        .rows = rows,
        .n_rows = G_N_ELEMENTS(rows),
        .scenarios = scenarios,
        .n_scenarios = G_N_ELEMENTS(scenarios),
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    inject_run_add(&tables);
    return g_test_run();
}
