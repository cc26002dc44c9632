/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every hostile test shares: a daemon with one service that runs, and the questions after the
 * attack: does it answer, on the bus and on the private socket; does the service still run under
 * the same number; are there as many descriptors and as much memory as before; is it idle again. */

#include "support/daemon-fixture.h"

typedef struct Hostile {
    DaemonFixture daemon; /* first, for its set-up and tear-down */
    char *service_path;   /* of "web", which runs */
    uint64_t main_pid;
} Hostile;

/* For g_test_add. data, if there is any, is an argument for the daemon. */
void hostile_set_up(Hostile *hostile, const void *data);
void hostile_tear_down(Hostile *hostile, const void *unused);

unsigned hostile_count_fds(const Hostile *hostile);
/* Private memory of the daemon. */
uint64_t hostile_memory_bytes(const Hostile *hostile);

/* Runs attack once for what may stay (caches, the room of malloc), and then n times, each of which
 * must leave nothing behind: neither a descriptor nor more than slack_bytes of memory. Then the
 * daemon must be unharmed. */
void hostile_repeat(Hostile *hostile, unsigned n, uint64_t slack_bytes,
                    void (*attack)(Hostile *hostile));
/* Waits until the daemon has so many descriptors. */
void hostile_await_fds(const Hostile *hostile, unsigned n_fds);
/* Answers everywhere, runs the same service, sits in its wait. */
void hostile_assert_unharmed(Hostile *hostile);
