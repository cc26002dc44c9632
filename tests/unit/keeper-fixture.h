/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The map of map-fixture, whose requests are kept in memory, and everything that was answered. */

#include "core/requests.h"
#include "map-fixture.h"
#include "support/durable-memory.h"

extern DurableMemory *memory;
extern Keeper *keeper;
extern Requests *requests;

/* max: as of setup_with. */
void keeper_setup_with(IdRule rule, unsigned max);
void keeper_setup(void);
/* Ends what runs; what is pending is done before. */
void keeper_teardown(void);

/* name: static; under it the answer is written down. */
void ask(const char *name, RequestType type, const char *id);
void ask_spec(const char *name, const RequestSpec *spec);
/* Of kind "fake". */
void ask_create(const char *name, const char *id, bool start);
/* Of kind "fake", stopped. */
void ask_create_with(const char *name, const char *id, const char *config);
void ask_configure(const char *name, const char *id, const char *config);
void ask_enabled(const char *name, const char *id, bool enabled);
/* From the n-th answer on: called once, from inside it. */
extern void (*on_answer)(void);

/* "NAME:ok NAME:Failed ", in their order, since the last time. */
void assert_answers(const char *expected);
void assert_log(const char *expected);
/* What was asked last was refused because of this. */
void assert_refused_with(const char *text);
/* Creates it, started and applied, and forgets what was seen, answered and called. */
Service *keep(const char *id, const char *config);
