/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A D-Bus client of the daemon, for tests. It keeps every signal that it gets, in order, so that a
 * test can look for what must have come, and for what must not. A call that fails where it must
 * not, or a signal that does not come within CLIENT_PATIENCE_USEC, fails the test. */

#include "base/clock.h"

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#define CLIENT_PATIENCE_USEC (20 * USEC_PER_SEC)
#define CLIENT_ROOT "/org/svcmgr1"
#define CLIENT_MANAGER "org.svcmgr1.Manager"
#define CLIENT_SERVICE "org.svcmgr1.Service"
#define CLIENT_PROCESS "org.svcmgr1.Process"

typedef struct Client {
    sd_bus *bus;
    const char *destination; /* NULL on a private socket */
    GPtrArray *signals;      /* of sd_bus_message *, all that came */
    unsigned cursor;         /* the waits below begin here, and move it behind what they found */
} Client;

/* Connected, with all signals of the daemon matched, and on a bus the coming and going of its name.
 */
Client *client_new_bus(const char *address);
Client *client_new_private(const char *socket_path);
void client_free(Client *client);

char *client_service_path(const char *id);

/* The reply; the caller's. */
sd_bus_message *client_call(Client *client, const char *path, const char *interface,
                            const char *member, const char *types, ...);
/* The error message; asserts the name. */
char *client_call_refused(Client *client, const char *error_name, const char *path,
                          const char *interface, const char *member, const char *types, ...);
/* For the methods of a service without arguments that answer state and serial; gives the serial. */
uint64_t client_operate(Client *client, const char *id, const char *method);
void client_create(Client *client, const char *id, const char *kind, const char *config,
                   bool start);

char *client_get_string(Client *client, const char *path, const char *interface,
                        const char *property);
uint64_t client_get_unsigned(Client *client, const char *path, const char *interface,
                             const char *property); /* of type b, u or t */
bool client_get_bool(Client *client, const char *path, const char *interface, const char *property);

/* Reads what has come without waiting. */
void client_process(Client *client);
typedef bool (*ClientMatch)(sd_bus_message *message, void *data);
/* The next signal that match wants; borrowed. */
sd_bus_message *client_wait(Client *client, ClientMatch match, void *data);
/* The next PropertiesChanged of the service by which it gets into this state; borrowed. */
sd_bus_message *client_wait_state(Client *client, const char *id, const char *state);
/* The next PropertiesChanged of the service by which MainPID becomes something else than old and 0.
 */
uint64_t client_wait_main_pid(Client *client, const char *id, uint64_t old);

/* Looks into PropertiesChanged of interface; false if message is something else or property is not
 * in it. The string is borrowed. */
bool client_changed_string(sd_bus_message *message, const char *interface, const char *property,
                           const char **ret_value);
bool client_changed_unsigned(sd_bus_message *message, const char *interface, const char *property,
                             uint64_t *ret_value);
