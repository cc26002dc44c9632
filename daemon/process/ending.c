/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of the questions matters: a stop that was asked for is judged as a stop, whatever state
 * the program was in when it came. */

#include "process/ending.h"

#include "base/errors.h"
#include "base/parse.h"

#include <signal.h>

const char *ending_signal_name(int signo)
{
    const char *name = signal_to_string(signo);

    return name != NULL ? name : "an unnamed signal"; /* those that libc keeps for itself */
}

static char *ending_describe(const Ending *ending)
{
    const ExitStatus *exit = &ending->exit;
    const char *what = ending->is_helper ? "process" : "main process";

    if (!exit->known)
        return g_strdup_printf("%s %d ended, exit status unknown (not a child of the daemon)", what,
                               (int)ending->pid);
    if (exit->signaled)
        return g_strdup_printf("%s %d was killed by %s%s%s", what, (int)ending->pid,
                               ending_signal_name(exit->value),
                               exit->core_dumped ? ", core dumped" : "",
                               ending->oom_killed ? " (out of memory)" : "");
    return g_strdup_printf("%s %d exited with status %d", what, (int)ending->pid, exit->value);
}

static FailureClass ending_class(const Ending *ending)
{
    if (ending->oom_killed)
        return FAILURE_OOM;
    return ending->exit.known && ending->exit.signaled ? FAILURE_SIGNAL : FAILURE_EXIT_CODE;
}

static bool ending_is_success(const EndingRules *rules, const ExitStatus *exit)
{
    return exit->known &&
           ((!exit->signaled && exit->value == 0) || exit_set_has(&rules->success, exit));
}

static const char *ending_awaited(const Ending *ending)
{
    return ending->awaited != NULL ? ending->awaited : "READY=1";
}

static GError *ending_judge_start_timeout(const EndingRules *rules, const Ending *ending)
{
    g_autofree char *limit = format_duration(rules->start_timeout_usec);

    if (rules->runs_once)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "not finished within %s", limit);
    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "not ready within %s (no %s received)", limit,
                       ending_awaited(ending));
}

static GError *ending_judge_watchdog(const Ending *ending)
{
    g_autofree char *limit = format_duration(ending->watchdog_missed_usec);

    if (ending->watchdog_triggered)
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED,
                           "the program itself has triggered its watchdog");
    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "missed its watchdog: no WATCHDOG=1 within %s",
                       limit);
}

static bool ending_is_clean_stop(const EndingRules *rules, const ExitStatus *exit)
{
    if (!exit->known || ending_is_success(rules, exit))
        return true;
    return exit->signaled && (exit->value == SIGTERM || exit->value == rules->stop_signal);
}

/* Of a program that might have ended in its own time. */
static GError *ending_judge_forced(const Ending *ending, bool has_killed_main)
{
    if (has_killed_main)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                           "main process %d was killed: its stop was given no more time",
                           (int)ending->pid);
    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                       "some of its processes were killed: its stop was given no more time");
}

static GError *ending_judge_killed(const EndingRules *rules, const Ending *ending)
{
    g_autofree char *limit = format_duration(rules->stop_timeout_usec);
    const char *signal_name = ending_signal_name(rules->stop_signal);
    const ExitStatus *exit = &ending->exit;
    bool has_killed_main = exit->known && exit->signaled && exit->value == SIGKILL;

    if (ending->was_forced)
        return ending_judge_forced(ending, has_killed_main);
    if (ending->stop_exec_hung)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                           "stop_exec had not finished within %s; it and what was left was killed",
                           limit);
    if (has_killed_main)
        return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                           "main process %d did not end within %s of %s and was killed",
                           (int)ending->pid, limit, signal_name);
    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                       "some of its processes did not end within %s of %s and were killed", limit,
                       signal_name);
}

static GError *ending_judge_stop(const EndingRules *rules, const Ending *ending,
                                 FailureClass *ret_class)
{
    if (ending->was_killed || ending->was_forced) {
        *ret_class = FAILURE_TIMEOUT;
        return ending_judge_killed(rules, ending);
    }
    if (ending_is_clean_stop(rules, &ending->exit))
        return NULL;

    g_autofree char *what = ending_describe(ending);
    *ret_class = ending_class(ending);
    return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s when it was asked to stop", what);
}

GError *ending_judge(const EndingRules *rules, const Ending *ending, FailureClass *ret_class)
{
    bool success = ending_is_success(rules, &ending->exit);

    if (ending->stop_was_asked)
        return ending_judge_stop(rules, ending, ret_class);
    if (ending->readiness_closed && ending->start_timed_out) {
        *ret_class = FAILURE_PROTOCOL;
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED,
                           "has closed its readiness descriptor without a newline");
    }
    if (ending->start_timed_out) {
        *ret_class = FAILURE_TIMEOUT;
        return ending_judge_start_timeout(rules, ending);
    }
    if (ending->watchdog_missed_usec != 0) {
        *ret_class = FAILURE_WATCHDOG;
        return ending_judge_watchdog(ending);
    }
    if (success && (ending->was_ready || rules->runs_once))
        return NULL;

    g_autofree char *what = ending_describe(ending);
    *ret_class = success ? FAILURE_PROTOCOL : ending_class(ending);
    if (!ending->was_ready && !rules->runs_once)
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s before it was ready%s%s%s", what,
                           success ? " (no " : "", success ? ending_awaited(ending) : "",
                           success ? " received)" : "");
    return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s", what);
}
