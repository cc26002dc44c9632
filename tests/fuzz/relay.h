/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A peer of the private socket whose messages are damaged on their way: sd-bus authenticates and
 * marshals, and between it and the daemon the bytes are changed, cut off or repeated. What the
 * daemon answers is thrown away, for nobody can say what it was asked. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef struct Relay {
    sd_bus *bus;   /* to make messages with */
    int inner_fd;  /* where its bytes come out */
    int daemon_fd; /* and where they go */
    uint64_t n_sent;
} Relay;

/* Authenticated. */
Relay *relay_new(const char *socket_path);
void relay_free(Relay *relay);
/* Damages the message and sends it. False: the daemon has hung up. */
bool relay_send(Relay *relay, sd_bus_message *message);
/* Hangs up, and waits until the daemon has done so too: it must have noticed. */
void relay_end(Relay *relay);
