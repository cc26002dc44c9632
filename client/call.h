/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to the daemon, and what their errors mean to a person and for the exit status. */

#include "client.h"
#include "value.h"

#define MANAGER_PATH "/org/svcmgr1"
#define MANAGER_INTERFACE "org.svcmgr1.Manager"
#define SERVICE_PATH "/org/svcmgr1/service"
#define SERVICE_INTERFACE "org.svcmgr1.Service"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

/* Connects unless that is done. Says so if it cannot. */
Outcome call_connect(Client *client);
/* Says that there is no connection, with the error of connect_daemon. */
Outcome call_report_unreachable(const GError *error);

/* The object of a service; also of one that does not exist. */
char *call_service_path(const char *id);
/* The id of an object; NULL if it is no service. */
char *call_service_id(const char *path);

/* What a failed call is about, for its message: "cannot VERB 'ID': ...". id may be NULL. */
typedef struct CallSubject {
    const char *verb;
    const char *id;
    const char *not_found; /* what NotFound means when the service is there; NULL: that it is not */
} CallSubject;
/* Prints the error, and returns the outcome that it stands for. */
Outcome call_report(const CallSubject *subject, const sd_bus_error *error);
/* The outcome without a word. */
Outcome call_outcome(const sd_bus_error *error);
/* The error as the result of an operation on a service: Id, ErrorName, Error. */
json_t *call_error_to_json(const char *id, const sd_bus_error *error);
/* Prints an error that a service had (from its properties Error and ErrorName). note: what is
 * added, e.g. when it is tried again; or NULL. */
Outcome call_report_service(const CallSubject *subject, const char *error, const char *note);

/* Prints any other reason; one of several lines is a list of mistakes. hint: what to try, or NULL.
 * Returns outcome. */
Outcome call_report_reason(const CallSubject *subject, Outcome outcome, const char *reason,
                           const char *hint);

/* A call on the Manager; connects when needed. */
Outcome call_manager(Client *client, const char *verb, const char *member,
                     sd_bus_message **ret_reply, const char *types, ...);
/* A message to the Manager, for options that are there or not; connects when needed. */
Outcome call_manager_new(Client *client, const char *member, sd_bus_message **ret_call);
/* Sends it and waits, for the client's --timeout or the usual 25 s. */
Outcome call_send(Client *client, const CallSubject *subject, sd_bus_message *call,
                  sd_bus_message **ret_reply);
/* A call on a service, sent and awaited; connects when needed. */
Outcome call_service(Client *client, const CallSubject *subject, const char *member,
                     sd_bus_message **ret_reply, const char *types, ...);
/* The same for what may take as long as services need to stop: without --timeout there is no end.
 */
Outcome call_send_patiently(Client *client, const CallSubject *subject, sd_bus_message *call,
                            sd_bus_message **ret_reply);
/* Appends one entry of an a{sv} that is open. */
void call_append_option(sd_bus_message *call, const char *name, const char *type, ...);
/* The same with an array of strings. */
void call_append_option_strv(sd_bus_message *call, const char *name, char **strings);

/* Where an asynchronous call goes. */
typedef struct CallTarget {
    const char *id;   /* the service that it is about */
    const char *verb; /* for errors: "cannot VERB 'ID'"; NULL: "call" */
    const char *path; /* NULL: the object of the service */
    const char *interface;
    const char *member;
    uint64_t timeout_usec; /* 0: the client's --timeout, or the usual 25 s; USEC_INFINITY: none */
} CallTarget;

/* on_reply is called once, unless this fails (which it says). */
Outcome call_async(Client *client, const CallTarget *target, sd_bus_message_handler_t on_reply,
                   void *data, const char *types, ...);

/* Every property of an object, as one object of JSON. */
Outcome call_get_all(Client *client, const CallSubject *subject, const char *path,
                     json_t **ret_properties);
