/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of a service, as sentences. All of them return new strings. */

#include "output.h"
#include "value.h"

/* When the service came into the state that it is in; 0: not known. */
uint64_t record_since(const json_t *record);
/* "active (running)". */
char *record_state(const json_t *record);
/* "failed 3 of 5 times, next in 2s", "failed once"; NULL: none did. */
char *record_attempts(const json_t *record, uint64_t now);
/* When the next attempt is: "in 2s", "now"; NULL: none is pending. */
char *record_next_attempt(const json_t *record, uint64_t now);
/* Ids as people list them: "db, disk and 3 more"; most: how many are named. */
char *record_names(const json_t *ids, size_t most);
/* What one that is on its way waits for, from its state, sub-state and the ids of others: "waits
 * for db, disk", "waits for its turn"; of a stop "waits for web to stop". NULL: for nothing. */
char *record_waits(const char *state, const char *sub_state, const json_t *waiting_for);
/* The same behind the name of its state: "waiting for db", "stopping, waits for web to stop"; just
 * the state where it waits for nothing. */
char *record_state_waits(const char *state, const char *sub_state, const json_t *waiting_for);
/* Who caused a transition or an event, from its members cause, method, uid, pid, comm:
 * "Start by root (busctl, pid 123)", "dependency by root (svcmgr, pid 124)", "retry"; of a reload
 * also from its members from, to, error: "by itself", "reload failed". */
char *record_cause(const json_t *transition);
