/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of one client are worked off in the order in which they come, so what is known for sure
 * is moved from the front of the queue into the truth. */

#include "crash-model.h"

#include <string.h>

#define ERROR_PREFIX "org.svcmgr1.Error."

/* What one call makes of the truth; false: it cannot have been done there. */

static bool crash_apply_create(const CrashCall *call, CrashTruth *truth)
{
    if (truth->exists)
        return false;
    *truth = (CrashTruth){
            .exists = true,
            .enabled = call->enabled,
            .wanted = call->start ? CRASH_WANTED : CRASH_NEVER_ASKED,
            .made = call->number,
            .tag = call->number,
            .revision = 1,
    };
    return true;
}

static bool crash_apply_delete(const CrashCall *call, CrashTruth *truth)
{
    bool existed = truth->exists;

    *truth = (CrashTruth){0};
    return existed || call->behind_delete; /* two of them share one end */
}

static bool crash_apply_configure(const CrashCall *call, CrashTruth *truth)
{
    truth->tag = call->number;
    truth->revision++;
    truth->may_be_stopping = false; /* it would have been refused */
    return truth->exists;
}

static bool crash_apply_enabled(const CrashCall *call, CrashTruth *truth)
{
    truth->enabled = call->operation == CRASH_ENABLE;
    return truth->exists;
}

static bool crash_apply_wanted(const CrashCall *call, CrashTruth *truth)
{
    truth->may_be_stopping = call->operation == CRASH_STOP ||
                             (call->operation == CRASH_RESTART && truth->wanted == CRASH_WANTED);
    truth->wanted = call->operation == CRASH_STOP ? CRASH_UNWANTED : CRASH_WANTED;
    return truth->exists;
}

static bool crash_is_idle(const CrashTruth *truth)
{
    return truth->wanted != CRASH_WANTED;
}

static bool crash_is_busy(const CrashTruth *truth)
{
    return truth->wanted == CRASH_WANTED;
}

static bool crash_is_there(const CrashTruth *truth)
{
    return truth->exists;
}

static const struct {
    const char *name;
    bool (*apply)(const CrashCall *call, CrashTruth *truth);
    const char *refusal; /* besides those that time explains */
    bool (*explains)(const CrashTruth *truth);
    bool is_kept; /* before it is done, or refused */
} crash_operations[_CRASH_OPERATION_MAX] = {
        [CRASH_CREATE] = {"create", crash_apply_create, "IdExists", crash_is_there, true},
        [CRASH_DELETE] = {"delete", crash_apply_delete, "Immutable", crash_is_there, true},
        [CRASH_CONFIGURE] = {"configure", crash_apply_configure, "AlreadyLoading", crash_is_there,
                             true},
        [CRASH_ENABLE] = {"enable", crash_apply_enabled, "", NULL, true},
        [CRASH_DISABLE] = {"disable", crash_apply_enabled, "", NULL, true},
        [CRASH_START] = {"start", crash_apply_wanted, "AlreadyStarted", crash_is_busy, false},
        [CRASH_STOP] = {"stop", crash_apply_wanted, "AlreadyStopped", crash_is_idle, false},
        [CRASH_RESTART] = {"restart", crash_apply_wanted, "", NULL, false},
};

const char *crash_operation_to_string(CrashOperation operation)
{
    return crash_operations[operation].name;
}

static void crash_call_check_refusal(const CrashService *service, const CrashCall *call)
{
    const char *error = call->error;
    const char *name = g_str_has_prefix(error, ERROR_PREFIX) ? error + strlen(ERROR_PREFIX) : error;
    const CrashTruth *truth = &service->truth;
    bool explained = false;

    if (call->index < service->deleted_until)
        return;
    if (g_str_equal(name, "NotFound") ||
        g_str_equal(name, "org.freedesktop.DBus.Error.UnknownObject"))
        explained = !truth->exists || call->index < service->created_until;
    else if (g_str_equal(name, "org.freedesktop.DBus.Error.Failed"))
        explained = service->was_full && crash_operations[call->operation].is_kept;
    else if (g_str_equal(name, "Busy"))
        explained = truth->exists && truth->may_be_stopping;
    else if (g_str_equal(name, crash_operations[call->operation].refusal))
        explained = truth->exists &&
                    (service->is_oneshot || crash_operations[call->operation].explains(truth));
    if (g_str_equal(name, "Immutable") && !service->is_defined)
        explained = false;
    if (!explained) {
        g_autofree char *text = crash_service_to_text(service);
        g_error("%s of %s: %s", crash_operations[call->operation].name, text, name);
    }
}

/* The queue */

static void crash_call_free(void *data)
{
    CrashCall *call = data;

    g_free(call->error);
    g_free(call);
}

CrashService *crash_service_new(const char *id, bool is_defined, bool is_oneshot)
{
    CrashService *service = g_new0(CrashService, 1);

    service->id = g_strdup(id);
    service->is_defined = is_defined;
    service->is_oneshot = is_oneshot;
    g_queue_init(&service->calls);
    return service;
}

void crash_service_free(CrashService *service)
{
    g_queue_clear_full(&service->calls, crash_call_free);
    g_free(service->id);
    g_free(service);
}

CrashCall *crash_service_send(CrashService *service, CrashOperation operation)
{
    CrashCall *call = g_new0(CrashCall, 1);

    call->operation = operation;
    call->index = service->n_sent++;
    for (GList *at = service->calls.head; at != NULL; at = at->next)
        call->behind_delete |= ((const CrashCall *)at->data)->operation == CRASH_DELETE;
    g_queue_push_tail(&service->calls, call);
    return call;
}

/* The first of the queue, which is answered. */
static void crash_service_settle(CrashService *service, const CrashCall *call)
{
    if (call->answer == CRASH_REFUSED) {
        crash_call_check_refusal(service, call);
        return;
    }
    if (!crash_operations[call->operation].apply(call, &service->truth))
        g_error("%s of '%s' was done where it cannot be", crash_operations[call->operation].name,
                service->id);
    if (call->operation == CRASH_DELETE)
        service->deleted_until = service->n_sent;
    if (call->operation == CRASH_CREATE)
        service->created_until = service->n_sent;
}

void crash_service_answer(CrashService *service, CrashCall *call, const char *error)
{
    g_assert_cmpint(call->answer, ==, CRASH_OPEN);
    call->answer = error == NULL ? CRASH_DONE : CRASH_REFUSED;
    call->error = g_strdup(error);
    for (CrashCall *first; (first = g_queue_peek_head(&service->calls)) != NULL;) {
        if (first->answer != CRASH_DONE && first->answer != CRASH_REFUSED)
            return;
        crash_service_settle(service, first);
        crash_call_free(g_queue_pop_head(&service->calls));
    }
}

/* After the crash */

bool crash_truth_runs(const CrashTruth *truth)
{
    return truth->exists &&
           (truth->wanted == CRASH_NEVER_ASKED ? truth->enabled : truth->wanted == CRASH_WANTED);
}

static bool crash_truth_explains(const CrashService *service, const CrashTruth *truth,
                                 const CrashTruth *seen)
{
    if (!truth->exists || !seen->exists)
        return truth->exists == seen->exists;
    return truth->enabled == seen->enabled && truth->made == seen->made &&
           truth->tag == seen->tag && truth->revision == seen->revision &&
           (service->is_oneshot || truth->wanted == CRASH_WANTED_UNKNOWN ||
            crash_truth_runs(truth) == crash_truth_runs(seen));
}

/* Bit i of choice: what the i-th call without an answer came to. */
static bool crash_service_choose(const CrashService *service, unsigned choice,
                                 CrashTruth *ret_truth)
{
    CrashTruth truth = service->truth;

    for (GList *at = service->calls.head; at != NULL; at = at->next) {
        const CrashCall *call = at->data;
        bool is_open = call->answer == CRASH_OPEN || call->answer == CRASH_LOST;
        bool was_done = is_open ? (choice & 1) != 0 : call->answer == CRASH_DONE;

        choice = is_open ? choice >> 1 : choice;
        if (was_done && !crash_operations[call->operation].apply(call, &truth))
            return false;
    }
    if (service->was_full)
        truth.wanted = CRASH_WANTED_UNKNOWN;
    *ret_truth = truth;
    return choice == 0;
}

/* One that does not run and of which it cannot be told whether somebody has stopped it may run or
 * not, when it is enabled and the daemon dies again. */
static CrashWanted crash_wanted_join(CrashWanted a, CrashWanted b)
{
    return a == b || a == _CRASH_WANTED_MAX ? b : CRASH_WANTED_UNKNOWN;
}

static unsigned crash_service_count_open(const CrashService *service)
{
    unsigned n = 0;

    for (GList *at = service->calls.head; at != NULL; at = at->next) {
        const CrashCall *call = at->data;

        n += call->answer == CRASH_OPEN || call->answer == CRASH_LOST;
    }
    g_assert_cmpuint(n, <, 16);
    return n;
}

bool crash_service_accept(CrashService *service, const CrashTruth *seen)
{
    CrashWanted wanted = _CRASH_WANTED_MAX;

    for (unsigned choice = 0; choice < 1U << crash_service_count_open(service); choice++) {
        CrashTruth truth;

        if (crash_service_choose(service, choice, &truth) &&
            crash_truth_explains(service, &truth, seen))
            wanted = crash_wanted_join(wanted, truth.wanted);
    }
    if (wanted == _CRASH_WANTED_MAX)
        return false;
    g_queue_clear_full(&service->calls, crash_call_free);
    service->was_full = false;
    service->truth = *seen;
    service->was_seen_active = seen->wanted == CRASH_WANTED;
    if (seen->wanted == CRASH_UNWANTED)
        service->truth.wanted = wanted;
    return true;
}

char *crash_truth_to_text(const CrashTruth *truth)
{
    static const char *const wanted[] = {"nobody asked", "unwanted", "wanted", "wanted?"};

    if (!truth->exists)
        return g_strdup("not there");
    return g_strdup_printf("made %u, tag %u, revision %" G_GUINT64_FORMAT ", %s, %s", truth->made,
                           truth->tag, truth->revision, truth->enabled ? "enabled" : "disabled",
                           wanted[truth->wanted]);
}

char *crash_service_to_text(const CrashService *service)
{
    static const char *const answers[] = {"open", "done", "refused", "lost"};
    g_autofree char *truth = crash_truth_to_text(&service->truth);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "'%s' (%s)", service->id, truth);
    for (GList *at = service->calls.head; at != NULL; at = at->next) {
        const CrashCall *call = at->data;

        g_string_append_printf(text, ", %s %u%s: %s", crash_operations[call->operation].name,
                               call->number, call->start ? " and start" : "",
                               answers[call->answer]);
    }
    return g_string_free(text, FALSE);
}
