/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Many fake services that depend on each other, by their ids: the test says how each start and stop
 * comes out. */

#include "core/plan.h"
#include "map-fixture.h"

/* Of kind "fake"; single quotes stand for double ones. */
Service *make(const char *id, const char *config);
Service *find(const char *id);
/* It starts by itself, or is started: its start ends well. */
void ok(const char *id);
/* Its start fails; abort: for good. */
void fail(const char *id, const char *message, bool abort);
/* Its stop is done. */
void stopped(const char *id);
/* Start, and end well. */
void up(const char *id);
void stop(const char *id);
/* One after the other, "id:state" with a sub-state in parentheses; what is asked for only. */
char *states(const char *ids);
#define assert_states(ids, expected)                                                               \
    do {                                                                                           \
        g_autofree char *states_now = states(ids);                                                 \
        g_assert_cmpstr(states_now, ==, expected);                                                 \
    } while (0)
/* Ids with blanks between; borrowed services. The caller's. */
GPtrArray *find_all(const char *ids);
/* "start db (web requires) after disk, ..."; the caller's. */
char *render_plan(const Plan *plan);
/* Whatever starts or stops does so, until nothing does; then all that is up stops. */
void system_teardown(void);
