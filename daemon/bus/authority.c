/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Denies by default. sd-bus's own checks are not used: they ask the broker and wait for the answer.
 */

#include "bus/authority.h"

#include "base/errors.h"
#include "base/log.h"
#include "bus/call.h"

bool authority_allows_uid(const Bus *bus, uint32_t uid)
{
    return uid == 0 || uid == bus->uid;
}

bool authority_allows_caller(const Call *call)
{
    const Caller *caller = call->peer != NULL ? call->peer->caller : NULL;

    return caller != NULL && authority_allows_uid(call->bus, caller->uid);
}

static void authority_log_denial(const Call *call, const Caller *caller)
{
    Bus *bus = call->bus;
    unsigned left_out = 0;

    if (!rate_limit_admit(&bus->denials, clock_monotonic_usec(bus->clock), &left_out))
        return;
    if (left_out > 0)
        log_warning("%u more calls were denied", left_out);
    if (caller == NULL)
        log_service(LOG_LEVEL_WARNING, call->id, "denied %s (%s) to a caller without credentials",
                    call->method->member, call->method->action);
    else
        log_service(LOG_LEVEL_WARNING, call->id, "denied %s (%s) to uid %u, pid %u (%s)",
                    call->method->member, call->method->action, caller->uid, caller->pid,
                    caller->comm != NULL ? caller->comm : "?");
}

bool authorise(const Call *call, GError **error)
{
    const Caller *caller = call->peer != NULL ? call->peer->caller : NULL;
    g_autofree char *whom = NULL;

    if (call->method->action == NULL)
        return true;
    if (authority_allows_caller(call))
        return true;
    authority_log_denial(call, caller);
    whom = call->id != NULL ? g_strdup_printf(" on service '%s'", call->id) : g_strdup("");
    if (caller == NULL)
        return error_set(error, ERROR_ACCESS_DENIED,
                         "%s%s is not allowed: the bus does not say who calls; call as root",
                         call->method->action, whom);
    if (call->bus->uid == 0)
        return error_set(error, ERROR_ACCESS_DENIED,
                         "%s%s is not allowed for uid %u; call as root, for example with sudo",
                         call->method->action, whom, caller->uid);
    return error_set(error, ERROR_ACCESS_DENIED,
                     "%s%s is not allowed for uid %u; call as root or as uid %u, which the daemon "
                     "runs as",
                     call->method->action, whom, caller->uid, call->bus->uid);
}
