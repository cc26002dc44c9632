/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a run of a program ended as it should, and if not, in words: pure. */

#include "core/restart.h"
#include "core/state.h"

#include <sys/types.h>

/* What was expected of the run. */
typedef struct EndingRules {
    ExitSet success; /* besides exit code 0 */
    int stop_signal;
    bool runs_once; /* its exit is its success; else it has to stay */
    uint64_t start_timeout_usec;
    uint64_t stop_timeout_usec;
} EndingRules;

/* What happened. */
typedef struct Ending {
    pid_t pid;       /* of the main process */
    ExitStatus exit; /* unknown if it was not a child of the daemon */
    bool was_ready;
    bool is_helper; /* it only helps another program */
    bool stop_was_asked;
    bool start_timed_out;
    bool readiness_closed;         /* its descriptor, without a newline */
    bool stop_exec_hung;           /* until the stop timeout */
    bool was_killed;               /* something of it was still there after the stop timeout */
    bool was_forced;               /* likewise, but before that: there was no more time */
    bool oom_killed;               /* the main process, by the kernel, for want of memory */
    bool watchdog_triggered;       /* by the program itself */
    uint64_t watchdog_missed_usec; /* 0: not missed */
    const char *awaited;           /* what makes it ready; static, NULL: "READY=1" */
} Ending;

/* NULL: as it should be; else the error, and its class. */
GError *ending_judge(const EndingRules *rules, const Ending *ending, FailureClass *ret_class);
/* "SIGTERM"; never NULL. */
const char *ending_signal_name(int signo);
