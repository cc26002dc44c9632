/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One service of the fake kind and a listener, for tests of the lifecycle that read like its rules.
 */

#include "core-fixture.h"

#define CONFIG "{\"value\": \"a\", \"reload\": true}"

extern CoreFixture fixture;
extern Service *service;

void setup(const char *config_or_null);
/* For a service that setup did not make. */
void setup_listener(void);
void teardown(void);
/* The changes since the last time, "state(cause) " each. */
void assert_seen(const char *expected);
bool seen_ends_with(const char *expected);
/* The operation succeeds, and what it left in the queue is done. */
void start(void);
void configure(const char *config);
void stop(void);
