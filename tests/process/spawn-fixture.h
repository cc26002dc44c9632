/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starting a program as the supervisor does, and reading what the printer says of itself. */

#include "process-fixture.h"
#include "process/spawn.h"

/* The ways to a child that a test is run with: "vm" shares memory, "copy" and "fork" do not. For
 * g_test_add, mode is the data. */
void spawn_mode_init(ProcessFixture *fixture, const void *mode);
void spawn_mode_done(ProcessFixture *fixture, const void *mode);
typedef struct SpawnTest {
    const char *name;
    void (*test)(ProcessFixture *fixture, const void *mode);
} SpawnTest;
/* Each test with each mode: "/PREFIX/vm/NAME". */
void spawn_tests_add(const char *prefix, const SpawnTest *tests, size_t n_tests);
pid_t spawn_refuse_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                         int *ret_pidfd);
bool spawn_skips_unless_root(void);

/* Returns when the program is executed, or has failed to be. */
bool spawn(ProcessFixture *fixture, const SpawnSpec *spec, Spawned *ret_spawned, GError **error);
/* The same with extras, in which what every start has may be left out. */
bool spawn_with(ProcessFixture *fixture, const SpawnSpec *spec, const SpawnExtras *extras,
                Spawned *ret_spawned, GError **error);
/* Exit code of a child. */
int spawned_wait(const Spawned *spawned);
/* What the printer says, started by spec, whose exec is replaced. */
char *spawn_print(ProcessFixture *fixture, const SpawnSpec *spec);
char *spawn_print_with(ProcessFixture *fixture, const SpawnSpec *spec, const SpawnExtras *extras);
/* The printer where every user can reach it, and what it writes to; interned. */
const char *spawn_printer(ProcessFixture *fixture);
const char *spawn_printer_output(ProcessFixture *fixture);
/* The lines that begin with this word, without it, joined by |. */
char *lines_of(const char *text, const char *word);
void assert_line(const char *text, const char *word, const char *expected);
