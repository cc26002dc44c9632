/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table says what each error means here: its outcome, and what a person could try. The object
 * of a service is called directly; that there is no such object is how a missing service is seen,
 * and saves the question before. */

#include "call.h"

#include "base/clock.h"
#include "base/errors.h"
#include "connect.h"
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct CallError {
    const char *name;
    Outcome outcome;
    const char *message; /* instead of the error's own; NULL: that one */
    const char *hint;    /* may hold one %s for the id; only shown with one */
} CallError;

static const CallError call_errors[] = {
        {"org.svcmgr1.Error.NotFound", OUTCOME_NO_SERVICE, "no such service", "see: svcmgr list"},
        {SD_BUS_ERROR_UNKNOWN_OBJECT, OUTCOME_NO_SERVICE, "no such service", "see: svcmgr list"},
        {"org.svcmgr1.Error.IdExists", OUTCOME_FAILED, NULL, "see: svcmgr status %s"},
        {"org.svcmgr1.Error.Immutable", OUTCOME_FAILED, NULL, "to reload: svcmgr daemon-reload"},
        {"org.svcmgr1.Error.UnknownKind", OUTCOME_FAILED, NULL, "see: svcmgr kinds"},
        {"org.svcmgr1.Error.HasDependents", OUTCOME_FAILED, NULL, "see: svcmgr tree --reverse %s"},
        {"org.svcmgr1.Error.DependencyFailed", OUTCOME_FAILED, NULL, "see: svcmgr tree %s"},
        {"org.svcmgr1.Error.StartLimitHit", OUTCOME_FAILED, NULL, "try: svcmgr reset-failed %s"},
        {"org.svcmgr1.Error.Busy", OUTCOME_FAILED, NULL, "see: svcmgr status %s"},
        {"org.svcmgr1.Error.Timeout", OUTCOME_TIMED_OUT, NULL, "see: svcmgr status %s"},
        {SD_BUS_ERROR_TIMEOUT, OUTCOME_TIMED_OUT, "svcmgrd does not answer", NULL},
        {SD_BUS_ERROR_UNKNOWN_METHOD, OUTCOME_FAILED, "svcmgrd does not know how to",
         "is it older? see: svcmgr version"},
        {SD_BUS_ERROR_INVALID_ARGS, OUTCOME_USAGE, NULL, NULL},
        {SD_BUS_ERROR_ACCESS_DENIED, OUTCOME_NOT_AUTHORISED, NULL, NULL},
        {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, OUTCOME_NOT_AUTHORISED, NULL, NULL},
        {SD_BUS_ERROR_SERVICE_UNKNOWN, OUTCOME_NO_DAEMON, "svcmgrd does not run on this bus", NULL},
        {SD_BUS_ERROR_NAME_HAS_NO_OWNER, OUTCOME_NO_DAEMON, "svcmgrd does not run on this bus",
         NULL},
        {SD_BUS_ERROR_DISCONNECTED, OUTCOME_NO_DAEMON, "the connection to svcmgrd was lost", NULL},
        {SD_BUS_ERROR_NO_SERVER, OUTCOME_NO_DAEMON, NULL, NULL},
};

/* sd-bus and the bus say NoReply for three things: a call that took too long, and the loss of the
 * daemon or of the bus. */
#define CALL_TIMED_OUT "Method call timed out"

static CallError call_error_find(const sd_bus_error *error)
{
    static const CallError lost = {NULL, OUTCOME_NO_DAEMON, "svcmgrd went away before it answered",
                                   "it has ended, or has too many connections"};
    int errno_value = sd_bus_error_get_errno(error);

    if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY)) {
        bool timed_out = error->message != NULL && g_str_equal(error->message, CALL_TIMED_OUT);
        return timed_out ? (CallError){NULL, OUTCOME_TIMED_OUT, "svcmgrd does not answer", NULL}
                         : lost;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(call_errors); i++) {
        if (sd_bus_error_has_name(error, call_errors[i].name))
            return call_errors[i];
    }
    if (g_str_has_prefix(error->name, "System.Error.") &&
        (errno_value == ENOTCONN || errno_value == ECONNRESET || errno_value == EPIPE))
        return lost;
    return (CallError){error->name, OUTCOME_FAILED, NULL, NULL};
}

Outcome call_outcome(const sd_bus_error *error)
{
    return call_error_find(error).outcome;
}

Outcome client_fail(Outcome outcome, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_strchomp(message);
    g_auto(GStrv) lines = g_strsplit(message, "\n", -1);
    (void)fflush(stdout); /* so that both appear in their order */
    for (unsigned i = 0; lines[i] != NULL; i++) {
        g_autofree char *escaped = text_escape(lines[i]);
        fprintf(stderr, "%s%s\n", i == 0 ? "svcmgr: " : "  ", escaped);
    }
    return outcome;
}

/* The daemon's messages name the service; here its name stands before them already. */
static const char *call_message_skip_id(const char *message, const char *id)
{
    g_autofree char *prefix = g_strdup_printf("service '%s': ", id != NULL ? id : "");

    return g_str_has_prefix(message, prefix) ? message + strlen(prefix) : message;
}

/* A message of several lines is a list of mistakes: the headline counts them. */
static char *call_message_arrange(const char *message)
{
    g_autofree char *trimmed = g_strchomp(g_strdup(message));
    unsigned n_lines = 1;

    for (const char *c = trimmed; *c != '\0'; c++)
        n_lines += *c == '\n';
    if (n_lines == 1)
        return g_steal_pointer(&trimmed);
    return g_strdup_printf("%u mistakes\n%s", n_lines, trimmed);
}

Outcome call_report_reason(const CallSubject *subject, Outcome outcome, const char *reason,
                           const char *hint)
{
    g_autofree char *arranged = call_message_arrange(call_message_skip_id(reason, subject->id));
    char *rest = strchr(arranged, '\n');
    g_autofree char *quoted =
            subject->id != NULL ? g_strdup_printf(" '%s'", subject->id) : g_strdup("");
    g_autofree char *suffix = hint != NULL ? g_strdup_printf(" (%s)", hint) : g_strdup("");

    if (rest == NULL)
        return client_fail(outcome, "cannot %s%s: %s%s", subject->verb, quoted, arranged, suffix);
    *rest = '\0';
    return client_fail(outcome, "cannot %s%s: %s:\n%s", subject->verb, quoted, arranged, rest + 1);
}

Outcome call_report(const CallSubject *subject, const sd_bus_error *error)
{
    CallError known = call_error_find(error);
    const char *message = known.message != NULL ? known.message : error->message;
    bool of_id = known.hint != NULL && strstr(known.hint, "%s") != NULL;
    g_autofree char *hint = NULL;

    if (subject->not_found != NULL && sd_bus_error_has_name(error, "org.svcmgr1.Error.NotFound"))
        return call_report_reason(subject, OUTCOME_FAILED, subject->not_found, NULL);
    if (of_id && subject->id != NULL) {
        g_auto(GStrv) parts = g_strsplit(known.hint, "%s", 2);
        hint = g_strconcat(parts[0], subject->id, NULL);
    } else if (known.hint != NULL && !of_id) {
        hint = g_strdup(known.hint);
    }
    if (message == NULL || message[0] == '\0')
        message = error->name;
    return call_report_reason(subject, known.outcome, message, hint);
}

json_t *call_error_to_json(const char *id, const sd_bus_error *error)
{
    CallError known = call_error_find(error);
    bool is_missing = known.outcome == OUTCOME_NO_SERVICE;
    const char *message = known.message != NULL ? known.message : error->message;

    return json_pack("{s:s, s:s, s:s}", "Id", id, "ErrorName",
                     is_missing ? "org.svcmgr1.Error.NotFound" : error->name, "Error",
                     message != NULL ? message : "");
}

Outcome call_report_service(const CallSubject *subject, const char *error, const char *note)
{
    g_autofree char *see = g_strdup_printf("see: svcmgr status %s", subject->id);
    g_autofree char *hint = note != NULL ? g_strdup_printf("%s; %s", note, see) : g_strdup(see);

    return call_report_reason(subject, OUTCOME_FAILED, error, hint);
}

Outcome call_report_unreachable(const GError *error)
{
    if (error_is(error, ERROR_TIMEOUT))
        return client_fail(OUTCOME_TIMED_OUT, "cannot reach svcmgrd: %s (is it stopped?)",
                           error->message);
    return client_fail(OUTCOME_NO_DAEMON, "cannot reach svcmgrd: %s (is it running?)",
                       error->message);
}

Outcome call_connect(Client *client)
{
    g_autoptr(GError) error = NULL;

    if (client->bus != NULL || connect_daemon(client, &error))
        return OUTCOME_DONE;
    return call_report_unreachable(error);
}

char *call_service_path(const char *id)
{
    char *encoded = NULL;

    if (sd_bus_path_encode(SERVICE_PATH, id, &encoded) < 0)
        return g_strdup(SERVICE_PATH);
    char *path = g_strdup(encoded);
    free(encoded);
    return path;
}

char *call_service_id(const char *path)
{
    char *decoded = NULL;

    if (sd_bus_path_decode(path, SERVICE_PATH, &decoded) <= 0)
        return NULL;
    char *id = g_strdup(decoded);
    free(decoded);
    return id;
}

static Outcome call_report_errno(const CallSubject *subject, int r)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)sd_bus_error_set_errno(&error, r);
    Outcome outcome = call_report(subject, &error);
    sd_bus_error_free(&error);
    return outcome;
}

/* As sd-bus wants it: 0 is its own default of 25 s. */
static uint64_t call_timeout(const Client *client)
{
    return client->timeout_usec == USEC_INFINITY ? 0 : client->timeout_usec;
}

static Outcome call_send_within(Client *client, const CallSubject *subject, sd_bus_message *call,
                                uint64_t timeout_usec, sd_bus_message **ret_reply)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call(client->bus, call, timeout_usec, &error, ret_reply);

    if (r >= 0)
        return OUTCOME_DONE;
    if (!sd_bus_error_is_set(&error))
        return call_report_errno(subject, r);
    Outcome outcome = call_report(subject, &error);
    sd_bus_error_free(&error);
    return outcome;
}

Outcome call_send(Client *client, const CallSubject *subject, sd_bus_message *call,
                  sd_bus_message **ret_reply)
{
    return call_send_within(client, subject, call, call_timeout(client), ret_reply);
}

Outcome call_send_patiently(Client *client, const CallSubject *subject, sd_bus_message *call,
                            sd_bus_message **ret_reply)
{
    return call_send_within(client, subject, call, client->timeout_usec, ret_reply);
}

Outcome call_manager_new(Client *client, const char *member, sd_bus_message **ret_call)
{
    Outcome outcome = call_connect(client);

    if (outcome != OUTCOME_DONE)
        return outcome;
    int r = sd_bus_message_new_method_call(client->bus, ret_call, DAEMON_NAME, MANAGER_PATH,
                                           MANAGER_INTERFACE, member);
    g_assert(r >= 0); /* the names are ours */
    return OUTCOME_DONE;
}

Outcome call_manager(Client *client, const char *verb, const char *member,
                     sd_bus_message **ret_reply, const char *types, ...)
{
    CallSubject subject = {.verb = verb};
    sd_bus_message *call = NULL;
    va_list args;
    Outcome outcome = call_manager_new(client, member, &call);

    if (outcome != OUTCOME_DONE)
        return outcome;
    va_start(args, types);
    int r = types != NULL ? sd_bus_message_appendv(call, types, args) : 0;
    va_end(args);
    outcome = r < 0 ? call_report_errno(&subject, r) : call_send(client, &subject, call, ret_reply);
    sd_bus_message_unref(call);
    return outcome;
}

Outcome call_service(Client *client, const CallSubject *subject, const char *member,
                     sd_bus_message **ret_reply, const char *types, ...)
{
    g_autofree char *path = call_service_path(subject->id);
    sd_bus_message *call = NULL;
    va_list args;
    Outcome outcome = call_connect(client);

    if (outcome != OUTCOME_DONE)
        return outcome;
    int r = sd_bus_message_new_method_call(client->bus, &call, DAEMON_NAME, path, SERVICE_INTERFACE,
                                           member);
    va_start(args, types);
    if (r >= 0 && types != NULL)
        r = sd_bus_message_appendv(call, types, args);
    va_end(args);
    outcome = r < 0 ? call_report_errno(subject, r) : call_send(client, subject, call, ret_reply);
    sd_bus_message_unref(call);
    return outcome;
}

/* What the options hold is text that was checked, so that none of these can fail. */
void call_append_option(sd_bus_message *call, const char *name, const char *type, ...)
{
    va_list args;

    (void)sd_bus_message_open_container(call, 'e', "sv");
    (void)sd_bus_message_append(call, "s", name);
    (void)sd_bus_message_open_container(call, 'v', type);
    va_start(args, type);
    (void)sd_bus_message_appendv(call, type, args);
    va_end(args);
    (void)sd_bus_message_close_container(call);
    (void)sd_bus_message_close_container(call);
}

void call_append_option_strv(sd_bus_message *call, const char *name, char **strings)
{
    (void)sd_bus_message_open_container(call, 'e', "sv");
    (void)sd_bus_message_append(call, "s", name);
    (void)sd_bus_message_open_container(call, 'v', "as");
    (void)sd_bus_message_append_strv(call, strings);
    (void)sd_bus_message_close_container(call);
    (void)sd_bus_message_close_container(call);
}

Outcome call_async(Client *client, const CallTarget *target, sd_bus_message_handler_t on_reply,
                   void *data, const char *types, ...)
{
    CallSubject subject = {.verb = target->verb != NULL ? target->verb : "call", .id = target->id};
    g_autofree char *path =
            target->path != NULL ? g_strdup(target->path) : call_service_path(target->id);
    uint64_t timeout = target->timeout_usec != 0 ? target->timeout_usec : call_timeout(client);
    sd_bus_message *call = NULL;
    va_list args;
    int r = sd_bus_message_new_method_call(client->bus, &call, DAEMON_NAME, path, target->interface,
                                           target->member);

    va_start(args, types);
    if (r >= 0 && types != NULL)
        r = sd_bus_message_appendv(call, types, args);
    va_end(args);
    if (r >= 0)
        r = sd_bus_call_async(client->bus, NULL, call, on_reply, data, timeout);
    sd_bus_message_unref(call);
    return r < 0 ? call_report_errno(&subject, r) : OUTCOME_DONE;
}

Outcome call_get_all(Client *client, const CallSubject *subject, const char *path,
                     json_t **ret_properties)
{
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;
    Outcome outcome = call_connect(client);

    if (outcome != OUTCOME_DONE)
        return outcome;
    int r = sd_bus_message_new_method_call(client->bus, &call, DAEMON_NAME, path,
                                           PROPERTIES_INTERFACE, "GetAll");
    if (r >= 0)
        r = sd_bus_message_append(call, "s", "");
    outcome = r < 0 ? call_report_errno(subject, r) : call_send(client, subject, call, &reply);
    sd_bus_message_unref(call);
    if (outcome == OUTCOME_DONE) {
        r = value_read(reply, ret_properties);
        if (r < 0)
            outcome = call_report_errno(subject, r);
    }
    sd_bus_message_unref(reply);
    return outcome;
}
