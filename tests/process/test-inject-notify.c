/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program says: each call fails once while it is ready by a descriptor, misses its watchdog,
 * or gives descriptors to be kept, which it gets back at its next start. A descriptor that cannot
 * be watched is kept all the same; two that cannot be compared are taken for two. */

#include "inject-run.h"

#include <errno.h>

#define NO_SOCKET OUTCOME_FAILS, "cannot open the notify socket "
#define NO_PIPE OUTCOME_FAILS, "cannot open the readiness pipe: "

static const Row rows[] = {
        ROWS_SPAWN(STARTS, OUTCOME_FAILS),
        {INJECT_SOCKET, STARTS, ERRNOS(EMFILE), NO_SOCKET},
        {INJECT_FCHMOD, STARTS, ERRNOS(EIO), NO_SOCKET},
        {INJECT_SETSOCKOPT, STARTS, ERRNOS(ENOMEM), NO_SOCKET},
        {INJECT_BIND, STARTS, ERRNOS(EACCES), NO_SOCKET},
        {INJECT_WATCH_NOTIFY, STARTS, ERRNOS(ENOMEM), NO_SOCKET},
        /* Readiness "fd": what cannot be read is taken for closed without a newline. */
        {INJECT_PIPE2_READY, STARTS, ERRNOS(EMFILE, ENFILE), NO_PIPE},
        {INJECT_WATCH_READY, STARTS, ERRNOS(ENOMEM, ENOSPC), NO_PIPE},
        {INJECT_READ_READY, STARTS, ERRNOS(EINTR, EAGAIN, INJECT_SHORT), OUTCOME_UNHARMED},
        {INJECT_PIPE2, STARTS, ERRNOS(EMFILE), OUTCOME_FAILS, "cannot create a process: "},
        {INJECT_CLONE_COPY, STARTS, ERRNOS(ENOMEM), OUTCOME_FAILS, "cannot create a process: "},
        {INJECT_WATCH_EXEC, STARTS, ERRNOS(ENOMEM), OUTCOME_FAILS, "cannot watch process "},
        {INJECT_READ_EXEC, STARTS, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_READ_EXEC, STARTS, ERRNOS(EIO), OUTCOME_FAILS, "cannot learn whether '/"},
        {INJECT_RECVMSG, ALL, ERRNOS(EINTR, EAGAIN, ENOMEM), OUTCOME_UNHARMED},
        {INJECT_SAME_FILE, STARTS, ERRNOS(ENOSYS, EPERM), OUTCOME_UNHARMED},
        {INJECT_WATCH_STORED, STARTS, ERRNOS(ENOMEM, ENOSPC, EPERM), OUTCOME_UNHARMED},
        /* Of what file system a stored file is: one that cannot be known is not kept. */
        {INJECT_OPEN, ACT_START, ERRNOS(EMFILE, EACCES), OUTCOME_UNHARMED},
        {INJECT_READ_PROC, ACT_START, ERRNOS(EINTR, EIO, INJECT_SHORT), OUTCOME_UNHARMED},
        /* The watchdog */
        {INJECT_PIDFD_SIGNAL, ACT_MISS, ERRNOS(EPERM, ESRCH), OUTCOME_UNHARMED},
        {INJECT_KILL, ACT_MISS, ERRNOS(EPERM), OUTCOME_UNHARMED},
        {INJECT_KILL, ACT_REPLACE, ERRNOS(EPERM), OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_KILL_PROBE, ACT_MISS, ERRNOS(EPERM), OUTCOME_UNHARMED},
        {INJECT_KILL_PROBE, ACT_REPLACE, ERRNOS(EPERM), OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_OPEN, ACT_MISS, ERRNOS(EMFILE, ENOENT), OUTCOME_UNHARMED},
        {INJECT_OPEN, ACT_REPLACE, ERRNOS(EMFILE, ENOENT), OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_READ_PROC, ACT_MISS, ERRNOS(EINTR, ESRCH, ENOMEM), OUTCOME_UNHARMED},
        {INJECT_READ_PROC, ACT_REPLACE, ERRNOS(EINTR, ESRCH, ENOMEM), OUTCOME_UNHARMED, NULL,
         WAITS},
        {INJECT_OPENAT, ACT_MISS, ERRNOS(EMFILE, ENOENT), OUTCOME_UNHARMED},
        /* Who cannot be asked by his descriptor (before Linux 6.13) is looked up in /proc. */
        {INJECT_PIDFD_CGROUP, ALL, ERRNOS(ENOTTY, ESRCH), OUTCOME_UNHARMED},
        {INJECT_OPENAT_PROC, ALL, ERRNOS(EINTR, EMFILE, EACCES), OUTCOME_UNHARMED, .is_rare = true},
        {INJECT_READ_CGROUP, ACT_MISS, ERRNOS(EINTR, ENODEV), OUTCOME_UNHARMED},
        {INJECT_FSTATAT, ACT_MISS, ERRNOS(ENOMEM, ENOENT), OUTCOME_UNHARMED, .is_rare = true},
        {INJECT_UNLINKAT, ACT_MISS, ERRNOS(EBUSY), OUTCOME_UNHARMED},
        {INJECT_WAIT_MAIN, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_WAIT_ANY, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED, .is_rare = true},
        {INJECT_UNLINK, ALL, ERRNOS(EACCES), OUTCOME_UNHARMED},
};

#define MISSES                                                                                     \
    {                                                                                              \
        ACT_MISS, STATE_FAILED, "watchdog"                                                         \
    }
static const Scenario scenarios[] = {
        {"readiness-fd",
         "{'exec': ['@PROGRAMS/program-notifier', '@write-fd', '3', 'ready\\\\n'], "
         "'readiness': 'fd'" COMMON,
         {UP(ACT_START)}},
        {"watchdog",
         "{" NOTIFIER("'READY=1'") ", 'watchdog': '10ms', 'stop_timeout': '50ms', 'restart': "
                                   "{'policy': 'no'}}",
         {UP(ACT_START), MISSES}},
        {"watchdog-cgroup",
         "{" NOTIFIER("'READY=1'") ", 'watchdog': '10ms', 'stop_timeout': '50ms', 'restart': "
                                   "{'policy': 'no'}}",
         {UP(ACT_START), MISSES},
         .has_cgroups = true,
         .is_alike = true,
         .first_step = 1},
        {"stored",
         "{" NOTIFIER("'@give', 'pipe=a,same,event,file=@DIR/file', 'FDSTORE=1', "
                      "'READY=1'") ", 'fd_store_max': 8" COMMON,
         {UP(ACT_START), UP(ACT_REPLACE)}},
        {"stored-copy",
         "{" NOTIFIER(
                 "'@give', 'pipe=a,event', 'FDSTORE=1', 'READY=1'") ", 'fd_store_max': 8" COMMON,
         {UP(ACT_START), UP(ACT_REPLACE)},
         .way = WAY_COPY,
         .is_alike = true,
         .first_step = 1},
};

static const InjectTables tables = {
        .prefix = "/inject-notify",
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
