/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A table of system calls that counts what goes through it, and lets one call of a test's choice
 * fail. The counts are in memory that a child shares, whichever way it was created: what it calls
 * on its way to the program counts, and can fail, like the rest. */

#include "process-fixture.h"

/* Calls, told apart where what they are made for decides what a failure means. */
typedef enum InjectCall {
    INJECT_CLONE_VM,
    INJECT_CLONE_COPY,
    INJECT_FORK,
    INJECT_PIDFD_OPEN,
    INJECT_PIDFD_CGROUP,
    INJECT_PIPE2,
    INJECT_PIPE2_READY, /* of readiness "fd" */
    INJECT_SOCKET,
    INJECT_FCHMOD,
    INJECT_RENAME,
    INJECT_LCHOWN,
    INJECT_SETSOCKOPT,
    INJECT_BIND,
    INJECT_UNLINK,
    INJECT_MKDIR,
    INJECT_SUBREAPER,
    INJECT_WATCH_NOTIFY, /* epoll_ctl, by what the descriptor is */
    INJECT_WATCH_EXEC,
    INJECT_WATCH_MAIN,
    INJECT_WATCH_READY,
    INJECT_WATCH_STORED,
    INJECT_WATCH_CGROUP,
    INJECT_PIDFD_SIGNAL,
    INJECT_KILL,       /* with a signal */
    INJECT_KILL_PROBE, /* without */
    INJECT_WAIT_MAIN,  /* waitid, by whom it is for */
    INJECT_WAIT_CHILD,
    INJECT_WAIT_GROUP,
    INJECT_WAIT_ANY,
    INJECT_GETSID,
    INJECT_GETPGID,
    INJECT_OPEN,
    INJECT_READ_EXEC, /* of the pipe of a child */
    INJECT_READ_READY,
    INJECT_READ_PROC,
    INJECT_READ_CGROUP,
    INJECT_GETDENTS,
    INJECT_GETDENTS_CGROUP,
    INJECT_RECVMSG,
    INJECT_OPENAT, /* in a hierarchy of cgroups, as the four below it */
    INJECT_FSTATAT,
    INJECT_WRITE,
    INJECT_MKDIRAT,
    INJECT_UNLINKAT,
    INJECT_OPENAT_PROC,
    INJECT_PRLIMIT, /* of another process */
    INJECT_SAME_FILE,
    /* In the child */
    INJECT_CLOSE_RANGE,
    INJECT_CHILD_SETSID,
    INJECT_CHILD_SIGACTION,
    INJECT_CHILD_DUP3,
    INJECT_CHILD_UMASK,
    INJECT_CHILD_MARK, /* RLIMIT_LOCKS */
    INJECT_CHILD_PRLIMIT_GET,
    INJECT_CHILD_PRLIMIT_SET,
    INJECT_CHILD_SETGROUPS,
    INJECT_CHILD_SETRESGID,
    INJECT_CHILD_SETRESUID,
    INJECT_CHILD_PRCTL,
    INJECT_CHILD_CHDIR,
    INJECT_CHILD_SIGPROCMASK,
    INJECT_CHILD_EXECVE,
    INJECT_CHILD_FACCESSAT,
    INJECT_CHILD_WRITE,
    INJECT_CHILD_ENTER, /* its cgroup */
    INJECT_CHILD_CLOSE,
    INJECT_CHILD_FCNTL,
    _INJECT_CALL_MAX,
} InjectCall;

const char *inject_call_name(InjectCall call);

/* Instead of an errno: a read gets one byte of what there is, a message is cut to one. */
#define INJECT_SHORT (-1)

/* From now on the calls of fixture go through the table; what fixture->sys has at this moment is
 * beneath it. One fixture at a time. */
void inject_install(ProcessFixture *fixture);
/* Starts to count from 0, without a failure. */
void inject_reset(void);
/* The nth call (from 1 on) since the last reset fails with errno_value, or is short; and, if it is
 * to persist, all after it until the next reset. To be called after the reset, and for a second
 * call to fail again. */
void inject_arm(InjectCall call, unsigned nth, int errno_value, bool persists);
unsigned inject_count(InjectCall call);
/* Whether something has failed since the reset. */
bool inject_has_hit(void);
/* The files of sockets that could not be removed are the test's to remove. */
void inject_remove_sockets(const ProcessFixture *fixture);
