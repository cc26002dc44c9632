/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting a program as the supervisor does, and reading what the printer says of itself. */

#include "process-fixture.h"
#include "process/spawn.h"

/* Returns when the program is executed, or has failed to be. */
bool spawn(ProcessFixture *fixture, const SpawnSpec *spec, Spawned *ret_spawned, GError **error);
/* Exit code of a child. */
int spawned_wait(const Spawned *spawned);
/* What the printer says, started by spec, whose exec is replaced. */
char *spawn_print(ProcessFixture *fixture, const SpawnSpec *spec);
/* The lines that begin with this word, without it, joined by |. */
char *lines_of(const char *text, const char *word);
void assert_line(const char *text, const char *word, const char *expected);
