/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jansson refuses text that is not UTF-8, and an error may quote a file name that is not. */

#include "core/failure-report.h"

#include "base/errors.h"
#include "base/parse.h"

#include <stdlib.h>

#define FAILURE_REPORT_INDENT 2

static json_t *failure_report_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

static json_t *failure_report_exit(const ExitStatus *exit)
{
    json_t *object = json_object();
    if (exit->known && exit->signaled) {
        const char *name = signal_to_string(exit->value);
        json_object_set_new(object, "signal", json_string(name != NULL ? name : "?"));
        json_object_set_new(object, "core_dumped", json_boolean(exit->core_dumped));
    } else if (exit->known) {
        json_object_set_new(object, "code", json_integer(exit->value));
    }
    return object;
}

/* None of the values is out of the range of json_int_t for the next 290,000 years. */
static json_t *failure_report_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *failure_report_failure(const LastFailure *failure)
{
    json_t *object = json_object();
    json_object_set_new(object, "serial", failure_report_number(failure->serial));
    json_object_set_new(object, "time_usec", failure_report_number(failure->time));
    json_object_set_new(object, "from", json_string(state_to_string(failure->from)));
    json_object_set_new(object, "to", json_string(state_to_string(failure->to)));
    json_object_set_new(object, "class",
                        json_string(failure_class_to_string(failure->failure_class)));
    json_object_set_new(object, "error", failure_report_text(failure->error->message));
    json_object_set_new(object, "error_name", json_string(error_to_dbus_name(failure->error)));
    json_object_set_new(object, "exit", failure_report_exit(&failure->exit));
    json_object_set_new(object, "failed_attempts", json_integer(failure->failed_attempts));
    json_object_set_new(object, "max_attempts", json_integer(failure->max_attempts));
    return object;
}

static json_t *failure_report_config(const LastFailure *failure)
{
    if (failure->config_revision == 0)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "revision", failure_report_number(failure->config_revision));
    json_object_set_new(object, "digest", json_string(failure->config_digest));
    return object;
}

static json_t *failure_report_move(const HistoryEntry *entry)
{
    json_t *object = json_object();
    json_object_set_new(object, "serial", failure_report_number(entry->serial));
    json_object_set_new(object, "time_usec", failure_report_number(entry->time));
    json_object_set_new(object, "from", json_string(state_to_string(entry->from)));
    json_object_set_new(object, "to", json_string(state_to_string(entry->to)));
    json_object_set_new(object, "cause", json_string(cause_to_string(entry->cause)));
    return object;
}

static json_t *failure_report_history(const Service *service)
{
    HistoryEntry entries[SERVICE_HISTORY];
    size_t count = service_history(service, entries);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, failure_report_move(&entries[i]));
    return array;
}

/* Of what an earlier daemon has left, the run is not known: its lines may still be the last. */
static bool failure_report_nothing_ran(const Kind *kind, const LastFailure *failure)
{
    return failure->run == NULL && failure->serial != 0 && kind->describe_run != NULL;
}

static json_t *failure_report_lines(const Service *service, const LastFailure *failure,
                                    const json_t *run)
{
    const Kind *kind = service_kind(service);
    const char *invocation = json_string_value(json_object_get(run, "invocation_id"));
    if (kind->last_lines == NULL)
        return json_null();
    if (failure_report_nothing_ran(kind, failure))
        return json_array();
    if (invocation != NULL && *invocation == '\0')
        invocation = NULL;
    json_t *lines = kind->last_lines(kind, service, invocation, FAILURE_REPORT_LINES);
    return lines != NULL ? lines : json_null();
}

static void failure_report_add_now(json_t *document, const StateRecord *record)
{
    json_object_set_new(document, "state", json_string(state_to_string(record->state)));
    json_object_set_new(document, "sub_state", json_string(record->sub_state));
    json_object_set_new(document, "state_serial", failure_report_number(record->serial));
    json_object_set_new(document, "next_attempt_usec",
                        failure_report_number(record->next_attempt_time));
}

static json_t *failure_report_document(const Service *service, const LastFailure *failure)
{
    json_t *document = json_object();
    json_t *run = failure->run != NULL ? json_loads(failure->run, 0, NULL) : json_null();
    json_t *lines = failure_report_lines(service, failure, run);
    json_object_set_new(document, "service", json_string(service_id(service)));
    json_object_set_new(document, "kind", json_string(service_kind(service)->name));
    json_object_set_new(document, "failure", failure_report_failure(failure));
    json_object_set_new(document, "run", run);
    json_object_set_new(document, "config", failure_report_config(failure));
    json_object_set_new(document, "history", failure_report_history(service));
    json_object_set_new(document, "last_lines", lines);
    failure_report_add_now(document, service_state(service));
    return document;
}

char *failure_report(const Service *service, GError **error)
{
    const LastFailure *failure = service_last_failure(service);
    if (failure == NULL) {
        (void)error_set(error, ERROR_NOT_FOUND, /* always false */
                        "service '%s' has not failed since the daemon knows of it",
                        service_id(service));
        return NULL;
    }
    json_t *document = failure_report_document(service, failure);
    char *dumped = json_dumps(document, JSON_INDENT(FAILURE_REPORT_INDENT));
    json_decref(document);
    char *text = g_strdup_printf("%s\n", dumped);
    free(dumped);
    return text;
}
