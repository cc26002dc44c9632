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

    if (!exit->known)
        return g_strdup_printf("main process %d ended, exit status unknown (not a child of the "
                               "daemon)",
                               (int)ending->pid);
    if (exit->signaled)
        return g_strdup_printf("main process %d was killed by %s%s", (int)ending->pid,
                               ending_signal_name(exit->value),
                               exit->core_dumped ? ", core dumped" : "");
    return g_strdup_printf("main process %d exited with status %d", (int)ending->pid, exit->value);
}

static FailureClass ending_class(const ExitStatus *exit)
{
    return exit->known && exit->signaled ? FAILURE_SIGNAL : FAILURE_EXIT_CODE;
}

static bool ending_is_success(const EndingRules *rules, const ExitStatus *exit)
{
    return exit->known &&
           ((!exit->signaled && exit->value == 0) || exit_set_has(&rules->success, exit));
}

static GError *ending_judge_start_timeout(const EndingRules *rules)
{
    g_autofree char *limit = format_duration(rules->start_timeout_usec);

    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                       rules->runs_once ? "not finished within %s"
                                        : "not ready within %s (no READY=1 received)",
                       limit);
}

static bool ending_is_clean_stop(const EndingRules *rules, const ExitStatus *exit)
{
    if (!exit->known || ending_is_success(rules, exit))
        return true;
    return exit->signaled && (exit->value == SIGTERM || exit->value == rules->stop_signal);
}

static GError *ending_judge_killed(const EndingRules *rules, const Ending *ending)
{
    g_autofree char *limit = format_duration(rules->stop_timeout_usec);
    const char *signal_name = ending_signal_name(rules->stop_signal);

    if (ending->exit.known && ending->exit.signaled && ending->exit.value == SIGKILL)
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
    if (ending->was_killed) {
        *ret_class = FAILURE_TIMEOUT;
        return ending_judge_killed(rules, ending);
    }
    if (ending_is_clean_stop(rules, &ending->exit))
        return NULL;

    g_autofree char *what = ending_describe(ending);
    *ret_class = ending_class(&ending->exit);
    return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s when it was asked to stop", what);
}

GError *ending_judge(const EndingRules *rules, const Ending *ending, FailureClass *ret_class)
{
    bool success = ending_is_success(rules, &ending->exit);

    if (ending->stop_was_asked)
        return ending_judge_stop(rules, ending, ret_class);
    if (ending->start_timed_out) {
        *ret_class = FAILURE_TIMEOUT;
        return ending_judge_start_timeout(rules);
    }
    if (success && (ending->was_ready || rules->runs_once))
        return NULL;

    g_autofree char *what = ending_describe(ending);
    *ret_class = success ? FAILURE_PROTOCOL : ending_class(&ending->exit);
    if (!ending->was_ready && !rules->runs_once)
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s before it was ready%s", what,
                           success ? " (no READY=1 received)" : "");
    return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "%s", what);
}
