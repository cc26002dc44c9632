/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A map with two fake kinds, and a listener that writes down what it is told. */

#include "core-fixture.h"
#include "core/map.h"

extern CoreFixture fixture;
extern Map *map;
extern GString *seen; /* "+id ", "-id ", "id:state " */
extern uint64_t last_serial;
extern FeedListener *listener; /* NULL: none */

/* Ids are minted as UUIDs, there is room for all. */
void setup(void);
void setup_with(IdRule rule, unsigned max);
/* Ends what runs. */
void teardown(void);
/* What the listener is: writes it down. */
void on_change(const Change *change, void *data);
/* What was seen since the last time. */
void assert_seen(const char *expected);
Service *create_full(const char *id, const char *kind, const char *config, bool start,
                     GError **error);
/* Of kind "fake", with the configuration {}. */
Service *create(const char *id, bool start);
void delete (const char *id);
void assert_counts_are_a_recount(void);
