/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kept as text: of a thousand services that have failed once, few are ever asked about. */

#include "core/last-failure.h"

#include "core/service.h"

#include <stdlib.h>

void last_failure_free(LastFailure *failure)
{
    if (failure == NULL)
        return;
    g_clear_error(&failure->error);
    free(failure->run); /* jansson's */
    g_free(failure);
}

static char *last_failure_describe_run(const Service *service)
{
    const Kind *kind = service_kind(service);
    json_t *run = kind->describe_run != NULL ? kind->describe_run(kind, service) : NULL;
    char *text = run != NULL ? json_dumps(run, JSON_COMPACT) : NULL;
    json_decref(run);
    return text;
}

LastFailure *last_failure_renew(LastFailure *previous, const Service *service,
                                const StateRecord *record, State to, uint64_t serial,
                                const ExitStatus *exit)
{
    const StateRecord *before = service_state(service);
    LastFailure *failure = g_new0(LastFailure, 1);
    bool goes_on = previous != NULL && before->state == STATE_STOPPING && before->error != NULL &&
                   previous->time == record->last_error_time;
    failure->serial = goes_on ? previous->serial : serial;
    failure->from = goes_on ? previous->from : before->state;
    failure->to = to;
    failure->time = record->last_error_time;
    failure->failure_class = record->failure_class;
    failure->error = g_error_copy(record->error);
    if (exit != NULL)
        failure->exit = *exit;
    failure->failed_attempts = record->failed_attempts;
    failure->max_attempts = record->max_attempts;
    failure->config_revision = record->config_revision;
    if (record->config != NULL)
        config_text_digest(record->config, failure->config_digest);
    failure->run = last_failure_describe_run(service);
    last_failure_free(previous);
    return failure;
}
