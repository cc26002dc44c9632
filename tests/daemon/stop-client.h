/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client that makes many calls at once, counts how they are answered, and hears the Events. */

#include "lockers.h"
#include "support/daemon-fixture.h"

#include <systemd/sd-event.h>

typedef struct Stop {
    DaemonFixture *fixture;
    Lockers *lockers;
    sd_event *event;
    sd_bus *bus;
    const char *destination;
    unsigned n_open;
    GHashTable *answers; /* "MEMBER STATE" or "MEMBER ERROR" -> how often */
    GPtrArray *events;   /* "TYPE ID" */
} Stop;

void stop_connect(Stop *stop, bool is_private);
void stop_disconnect(Stop *stop);
void stop_set_up(Stop *stop, DaemonFixture *fixture);
void stop_tear_down(Stop *stop);
/* Until at most so many calls are without an answer. */
void stop_await_but(Stop *stop, unsigned n_open);
void stop_await_answers(Stop *stop);
/* Of the service id, or of the Manager (NULL); waits while too many are open. */
void stop_call(Stop *stop, const char *id, const char *member, const char *types, ...);
/* Starts it, too; it takes stop_msec to end. members: more of its configuration. */
void stop_create(Stop *stop, const char *id, unsigned stop_msec, const char *members);
/* One that SIGTERM does not end, and that is not killed for an hour. */
void stop_create_hanging(Stop *stop, const char *id, const char *words);
/* How many answers were like this; they are forgotten. */
unsigned stop_take(Stop *stop, const char *outcome);
/* Exactly so many answers were like this. */
void stop_check(Stop *stop, const char *outcome, unsigned expected);
/* Whatever was not taken is an answer that must not be. */
void stop_check_taken(Stop *stop);
/* Listens until the daemon has ended; its exit code. */
int stop_await_end(Stop *stop);
