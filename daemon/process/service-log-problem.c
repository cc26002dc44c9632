/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A full disk is told once for all services, and each log tells by itself what it misses. What
 * comes and goes, as the last blocks of a disk do, or has now this reason and now that one, is not
 * told each time. */

#include "process/service-log-internal.h"

#include "base/log.h"
#include "process/service-log-line.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SERVICE_LOG_QUIET_USEC (60 * USEC_PER_SEC)
#define SERVICE_LOG_LOSS_INVOCATION_MAX 32

/* What is not the matter of one file. */
static const int service_log_shared_errors[] = {ENOSPC, EDQUOT, EROFS, EIO, EMFILE, ENFILE, ENOMEM};

static ServiceLogProblem *service_log_problem(ServiceLog *log, int errno_value)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(service_log_shared_errors); i++) {
        if (service_log_shared_errors[i] == errno_value)
            return &log->logs->problem;
    }
    return &log->problem;
}

/* What to do, where the system's words do not say. */
static const char *service_log_advice(int errno_value)
{
    switch (errno_value) {
    case ELOOP:
    case EISDIR:
    case ENXIO:
    case ESPIPE:
    case ENOTDIR:
        return ": something else is in its place, remove it";
    case EPERM:
        return ": it and its directory must belong to the daemon's user";
    default:
        return "";
    }
}

static bool service_log_problem_begin(ServiceLog *log, ServiceLogProblem *problem, int errno_value)
{
    uint64_t now_usec = clock_monotonic_usec(log->logs->clock);
    bool is_same = problem->errno_value == errno_value;
    bool is_recent = now_usec < usec_add(problem->told_usec, SERVICE_LOG_QUIET_USEC);

    if ((is_same && (problem->is_told || is_recent)) || (problem->is_told && is_recent))
        return false;
    *problem =
            (ServiceLogProblem){.errno_value = errno_value, .is_told = true, .told_usec = now_usec};
    return true;
}

static uint64_t service_log_count_lines(const char *lines, size_t length)
{
    uint64_t n = 0;
    const char *end = lines + length;

    for (const char *at = lines; at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        at = newline != NULL ? newline + 1 : end;
    }
    return n;
}

void service_log_lose(ServiceLog *log, const char *lines, size_t length, int errno_value)
{
    ServiceLogProblem *problem = service_log_problem(log, errno_value);

    log->lost_lines += service_log_count_lines(lines, length);
    log->lost_bytes += length;
    log->lost_errno = errno_value;
    if (!service_log_problem_begin(log, problem, errno_value))
        return;
    if (problem == &log->problem)
        log_service(LOG_LEVEL_WARNING, log->service_id,
                    "cannot write to its log %s: %s%s; what it says is lost until then", log->path,
                    g_strerror(errno_value), service_log_advice(errno_value));
    else
        log_service(LOG_LEVEL_WARNING, log->service_id,
                    "cannot write to its log %s: %s; what services say is lost until that changes",
                    log->path, g_strerror(errno_value));
}

static char *service_log_loss_text(const ServiceLog *log)
{
    bool is_one = log->lost_lines == 1;

    return g_strdup_printf("%" PRIu64 " %s (%" PRIu64 " bytes) %s lost: %s", log->lost_lines,
                           is_one ? "line" : "lines", log->lost_bytes, is_one ? "was" : "were",
                           g_strerror(log->lost_errno));
}

/* Under the run of what follows, so that who reads only that run reads it. */
char *service_log_loss_line(const ServiceLog *log, const char *lines, size_t length)
{
    g_autofree char *text = service_log_loss_text(log);
    const char *newline = memchr(lines, '\n', length);
    ServiceLogLine next;
    char invocation[SERVICE_LOG_LOSS_INVOCATION_MAX + 1];
    char stamp[SERVICE_LOG_STAMP_MAX];

    if (newline == NULL || !service_log_line_parse(lines, (size_t)(newline - lines), &next))
        return g_strconcat("svcmgr: ", text, "\n", NULL);
    (void)g_snprintf(invocation, sizeof invocation, "%.*s",
                     (int)MIN(next.invocation_length, SERVICE_LOG_LOSS_INVOCATION_MAX),
                     next.invocation);
    size_t stamp_length = service_log_line_stamp(stamp, clock_wall_usec(log->logs->clock),
                                                 OUTPUT_STDERR, OUTPUT_WHOLE, invocation);
    return g_strdup_printf("%.*ssvcmgr: %s\n", (int)stamp_length, stamp, text);
}

void service_log_regain(ServiceLog *log)
{
    ServiceLogProblem *shared = &log->logs->problem;
    g_autofree char *text = service_log_loss_text(log);

    if (log->problem.is_told)
        log_service(LOG_LEVEL_NOTICE, log->service_id, "its log %s is written again: %s", log->path,
                    text);
    if (shared->is_told && service_log_problem(log, log->lost_errno) == shared) {
        log_service(LOG_LEVEL_NOTICE, log->service_id,
                    "the logs in %s are written again; each tells what it misses (this one: %s)",
                    log->logs->directory, text);
        shared->is_told = false;
    }
    log->problem.is_told = false;
    log->lost_lines = 0;
    log->lost_bytes = 0;
    log->lost_errno = 0;
}

void service_log_give_up(ServiceLog *log)
{
    if (log->lost_errno == 0)
        return;

    g_autofree char *text = service_log_loss_text(log);
    log_service(LOG_LEVEL_WARNING, log->service_id, "of what it said at last, %s", text);
}

void service_log_tell_replaced(ServiceLog *log)
{
    uint64_t now_usec = clock_monotonic_usec(log->logs->clock);

    if (log->replaced_usec == 0 || now_usec >= usec_add(log->replaced_usec, SERVICE_LOG_QUIET_USEC))
        log_service(LOG_LEVEL_NOTICE, log->service_id,
                    "its log %s was removed or renamed by somebody: a new file was begun",
                    log->path);
    log->replaced_usec = now_usec;
}
