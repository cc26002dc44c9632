/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real daemon under a private message bus, in a directory of its own: tests run side by side.
 * The program is what the environment variable SVCMGRD names.
 *
 * When the test ends, so has everything that it started: the daemon is told to end and must do so
 * cleanly (with exit code 0: no leak either, where a sanitizer looks), and no process may be left.
 * When it fails, the daemon's log is printed. */

#include "support/cgroup-base.h"
#include "support/child.h"
#include "support/client.h"

typedef struct DaemonFixture {
    char *root;         /* removed at the end */
    char *services_dir; /* empty, for definitions; not given to the daemon by itself */
    char *runtime_dir;
    char *socket; /* the private one */
    char *log_path;
    char *bus_address;
    const char *wrapper; /* a shell script that runs "$0" "$@", the daemon; NULL: none */
    CgroupBase cgroups;  /* where it makes its tree; not opened: it has none */
    Child bus;
    Child daemon;
    int notify_fd;
    Client *client; /* while the daemon runs */
} DaemonFixture;

#define DAEMON_PATIENCE_USEC (30 * USEC_PER_SEC)

/* For g_test_add: directory and bus, no daemon yet. */
void daemon_fixture_set_up(DaemonFixture *fixture, const void *unused);
void daemon_fixture_tear_down(DaemonFixture *fixture, const void *unused);

/* The bus goes, and comes back under the same address. fixture->client is gone with it. */
void daemon_fixture_stop_bus(DaemonFixture *fixture);
void daemon_fixture_start_bus(DaemonFixture *fixture);

/* From the next start on the daemon has cgroups, in a directory of this fixture: all that is left
 * in it at the end of the test is removed, also when the test fails; what an end in order has left
 * is a failure. False: there are none here; the test is skipped, unless it goes on without. */
bool daemon_fixture_use_cgroups(DaemonFixture *fixture);
/* How many cgroups of services there are. */
unsigned daemon_fixture_count_cgroups(const DaemonFixture *fixture);
/* How many descriptors the daemon has, and how much memory of it is resident. */
unsigned daemon_fixture_count_fds(const DaemonFixture *fixture);
unsigned daemon_fixture_rss_kib(const DaemonFixture *fixture);

/* Starts it with --address, --socket, --runtime-dir of the fixture and the arguments, and returns
 * when it has said READY=1. client is connected to the bus then. */
void daemon_fixture_start(DaemonFixture *fixture, ...) G_GNUC_NULL_TERMINATED;
/* The same, but does not wait until it is ready; no client. */
void daemon_fixture_launch(DaemonFixture *fixture, ...) G_GNUC_NULL_TERMINATED;
/* Exactly these arguments; no client. */
void daemon_fixture_start_exactly(DaemonFixture *fixture, ...) G_GNUC_NULL_TERMINATED;
/* Sends signo and waits for the end; gives the exit code. */
int daemon_fixture_stop(DaemonFixture *fixture, int signo);
/* SIGKILL, wherever it is; asserts that it has not ended before. What it ran becomes the test's. */
void daemon_fixture_kill(DaemonFixture *fixture);
/* Runs another daemon with exactly these arguments until it ends by itself; gives the exit code and
 * what it wrote to both standard streams. */
int daemon_fixture_run(DaemonFixture *fixture, char **ret_output, ...) G_GNUC_NULL_TERMINATED;

/* Writes ID.json to services_dir. */
void daemon_fixture_define(DaemonFixture *fixture, const char *id, const char *definition);
/* What the daemon has logged. */
char *daemon_fixture_log(DaemonFixture *fixture);
/* "--NAME=VALUE" of the fixture, for the functions that take exactly these arguments; the fixture's
 * until the end. */
char *daemon_fixture_option(DaemonFixture *fixture, const char *name, const char *value);
