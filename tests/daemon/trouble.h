/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of bad input share: files of any mode, texts that must be in a log, and what
 * became of the daemon's own events. */

#include "support/daemon-fixture.h"

#include <sys/types.h>

void assert_contains(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);
/* How often. */
unsigned text_count(const char *text, const char *part);

/* Writes a file below the fixture's root, with its directories. Returns the path, which is the
 * fixture's. */
const char *trouble_write(DaemonFixture *fixture, const char *name, const char *text, mode_t mode);
/* The same of an executable script of the shell. */
const char *trouble_script(DaemonFixture *fixture, const char *name, const char *text);
/* The path of NAME below the root; the fixture's. */
const char *trouble_path(DaemonFixture *fixture, const char *name);

/* Returns when the log has part; the log, the caller's. */
char *trouble_wait_log(DaemonFixture *fixture, const char *part);

/* A property of a service; the caller's. */
char *trouble_get(DaemonFixture *fixture, const char *id, const char *property);
/* Returns when it is active, also if it has been so for long. */
void trouble_wait_active(DaemonFixture *fixture, const char *id);
/* Of the manager. */
char *trouble_get_manager(DaemonFixture *fixture, const char *property);

/* Events of the daemon's own life, as "Type" or "Type id", in order, with their serials. */
typedef struct TroubleEvents {
    GPtrArray *names;
    GArray *serials; /* of uint64_t, of all events, also of those that have no name here */
} TroubleEvents;

TroubleEvents *trouble_events_new(void);
void trouble_events_free(TroubleEvents *events);
/* All that GetEvents has. */
void trouble_events_ask(TroubleEvents *events, Client *client);
/* All Event signals that the client has read by now and that are later than what is there. */
void trouble_events_add_signals(TroubleEvents *events, Client *client);
/* The lines of the log. */
void trouble_events_read_log(TroubleEvents *events, const char *log);
/* One a line. */
char *trouble_events_to_string(const TroubleEvents *events);
/* Fails if a serial is missing or comes twice. */
void trouble_events_assert_no_gap(const TroubleEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TroubleEvents, trouble_events_free)
