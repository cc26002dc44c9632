/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reload and stop with help: each call fails once while a program is told by a signal to reload,
 * says RELOADING=1 and READY=1, or while reload_exec or stop_exec run. A reload that fails changes
 * nothing; a stop_exec that cannot run is told, and the program ends by the stop signal all the
 * same. */

#include "inject-run.h"

#include <errno.h>

static const Row rows[] = {
        ROWS_SPAWN(ACT_RELOAD, OUTCOME_NO_RELOAD),
        ROWS_SPAWN(ACT_STOP, OUTCOME_FAILS),
        {INJECT_PIDFD_SIGNAL, ACT_RELOAD, ERRNOS(EPERM, ESRCH), OUTCOME_NO_RELOAD,
         "cannot signal the main process: "},
        {INJECT_RECVMSG, ALL, ERRNOS(EINTR, EAGAIN, ENOMEM), OUTCOME_UNHARMED},
        {INJECT_WAIT_MAIN, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_WAIT_ANY, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED, .is_rare = true},
        /* What test-inject and test-inject-cgroup tell of a stop. */
        {INJECT_KILL, ACT_STOP, ERRNOS(EPERM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_KILL_PROBE, ACT_STOP, ERRNOS(EPERM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_OPEN, ACT_STOP, ERRNOS(EMFILE, ENOENT), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_READ_PROC, ACT_STOP, ERRNOS(EINTR, ESRCH, EIO), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_PIDFD_SIGNAL, ACT_STOP, ERRNOS(EPERM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_MKDIRAT, ACT_STOP, ERRNOS(ENOSPC), OUTCOME_FAILS, "cannot make the cgroup /"},
        {INJECT_OPENAT, ACT_RELOAD, ERRNOS(EMFILE), OUTCOME_UNHARMED},
        /* Who cannot be asked by his descriptor (before Linux 6.13) is looked up in /proc. */
        {INJECT_PIDFD_CGROUP, ALL, ERRNOS(ENOTTY, ESRCH), OUTCOME_UNHARMED},
        {INJECT_OPENAT_PROC, ALL, ERRNOS(EINTR, EMFILE, EACCES), OUTCOME_UNHARMED, .is_rare = true},
        {INJECT_READ_CGROUP, ACT_RELOAD, ERRNOS(ENODEV), OUTCOME_UNHARMED},
        {INJECT_OPENAT, ACT_STOP, ERRNOS(EMFILE), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_READ_CGROUP, ACT_STOP, ERRNOS(ENODEV), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_WRITE, ACT_STOP, ERRNOS(EACCES), OUTCOME_UNHARMED},
        {INJECT_FSTATAT, ACT_STOP, ERRNOS(ENOMEM), OUTCOME_UNHARMED},
        {INJECT_UNLINKAT, ACT_STOP, ERRNOS(EBUSY), OUTCOME_UNHARMED},
};

#define RELOADER(words)                                                                            \
    "{" NOTIFIER("'@on', 'HUP', " words "'@end', 'READY=1'") ", 'reload_signal': 'HUP'" COMMON
#define HELPED(more) "{" STAYER(", 'clean'") more COMMON

static const Scenario scenarios[] = {
        {"signal",
         RELOADER("'@reloading', 'READY=1', "),
         {UP(ACT_START), UP(ACT_RELOAD)},
         .first_step = 1},
        {"reload-exec",
         HELPED(", 'reload_exec': ['/bin/true']"),
         {UP(ACT_START), UP(ACT_RELOAD)},
         .first_step = 1},
        {"stop-exec",
         HELPED(", 'stop_exec': ['/bin/true']"),
         {UP(ACT_START), STOPS},
         .first_step = 1},
        {"oneshot",
         "{'exec': ['/bin/true'], 'remain_after_exit': true, 'stop_exec': ['/bin/true']" COMMON,
         {{ACT_ONCE, STATE_ACTIVE, NULL}, STOPS},
         .is_oneshot = true,
         .first_step = 1},
        {"cgroup",
         HELPED(", 'reload_exec': ['/bin/true'], 'stop_exec': ['/bin/true']"),
         {UP(ACT_START), UP(ACT_RELOAD), STOPS},
         .has_cgroups = true,
         .is_alike = true,
         .first_step = 1},
        {"oneshot-cgroup",
         "{'exec': ['/bin/true'], 'remain_after_exit': true, 'stop_exec': ['/bin/true']" COMMON,
         {{ACT_ONCE, STATE_ACTIVE, NULL}, STOPS},
         .has_cgroups = true,
         .is_oneshot = true,
         .is_alike = true,
         .first_step = 1},
};

static const InjectTables tables = {
        .prefix = "/inject-reload",
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
