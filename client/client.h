/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every command is given: the options that all have in common, the output, and the connection,
 * which is made by the first call. */

#include "output.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define DAEMON_NAME "org.svcmgr1"

/* The exit status of the program. */
typedef enum Outcome {
    OUTCOME_DONE = 0,
    OUTCOME_FAILED = 1,
    OUTCOME_USAGE = 2,
    OUTCOME_NOT_ACTIVE = 3,
    OUTCOME_NO_SERVICE = 4,
    OUTCOME_NOT_AUTHORISED = 5,
    OUTCOME_TIMED_OUT = 6,
    OUTCOME_NO_DAEMON = 7,
} Outcome;

typedef struct ClientOptions {
    gboolean system;
    gboolean user;
    char *address;
    char *json;
    gboolean no_color;
    gboolean no_ask_password;
    gboolean quiet;
    char *timeout;
    gboolean no_wait;
    gboolean strict;
    gboolean help;
    gboolean version;
} ClientOptions;

typedef struct Client {
    ClientOptions options;
    uint64_t timeout_usec; /* USEC_INFINITY: none */
    Output output;
    sd_bus *bus; /* NULL until the first call */
} Client;

/* The outcome of two things, whichever was done first: the smaller of those that are not
 * OUTCOME_DONE. */
static inline Outcome outcome_join(Outcome a, Outcome b)
{
    if (a == OUTCOME_DONE || b == OUTCOME_DONE)
        return a == OUTCOME_DONE ? b : a;
    return a < b ? a : b;
}

/* Prints "svcmgr: MESSAGE" on standard error and returns outcome. The message may have several
 * lines; all but the first are indented. Escaped here. */
Outcome client_fail(Outcome outcome, const char *format, ...) G_GNUC_PRINTF(2, 3);
