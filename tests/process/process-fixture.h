/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real loop, host, core and kinds over real programs, in a directory of their own. Waiting is
 * running the loop until something is true, with a deadline; nothing sleeps. */

#include "core/service.h"
#include "kinds/kinds.h"
#include "process/loop.h"

#define FIXTURE_DEADLINE_USEC (20 * USEC_PER_SEC)

/* The loop's clock, behind by ahead_usec: whatever is armed by it comes that much too early. */
typedef struct FixtureClock {
    Clock clock;
    uint64_t ahead_usec;
} FixtureClock;

typedef struct ProcessFixture {
    char *directory;
    Loop *loop;
    FixtureClock clock;
    Sys sys; /* its members may be replaced at any time */
    ProcessHost *host;
    Core *core;
    Kind *process;
    Kind *oneshot;
    GString *log;                /* of the daemon, a line each */
    GString *history;            /* of all services: "state/sub-state " */
    uint32_t changed;            /* properties that were told to have changed */
    unsigned n_property_changes; /* how often, whatever it was */
    unsigned n_status_changes;
    char *told_status; /* the StatusText when that was told last */
    FeedListener *listener;
    int n_fds;
} ProcessFixture;

void fixture_init(ProcessFixture *fixture);
/* Checks that no child, no descriptor and no file of a socket is left. */
void fixture_done(ProcessFixture *fixture);

typedef bool (*FixtureCondition)(void *data);
/* Fails the test when the deadline passes. */
void fixture_run_until(ProcessFixture *fixture, FixtureCondition condition, void *data);
/* Runs what is ready now. */
void fixture_settle(ProcessFixture *fixture);

/* DIRECTORY/name, interned. */
const char *fixture_path(const ProcessFixture *fixture, const char *name);
/* The whole file; NULL if it is not there. */
char *fixture_read(const ProcessFixture *fixture, const char *name);
/* The process id that a program has written to DIRECTORY/name. */
pid_t fixture_read_pid(const ProcessFixture *fixture, const char *name);
/* The path of a program of tests/programs. Static. */
const char *fixture_program(const char *name);

/* A published service with this configuration; JSON with ' for ", with the words @DIR and
 * @PROGRAMS replaced. The reference is the caller's. */
Service *fixture_service(ProcessFixture *fixture, const Kind *kind, const char *config);
/* The same, started. */
Service *fixture_start(ProcessFixture *fixture, const Kind *kind, const char *config);
void fixture_configure(ProcessFixture *fixture, Service *service, const char *config);
void fixture_request_stop(Service *service);
void fixture_wait_state(ProcessFixture *fixture, Service *service, State state);
/* Until nothing of it moves by itself any more. */
void fixture_wait_settled(ProcessFixture *fixture, Service *service);
void fixture_wait_sub_state(ProcessFixture *fixture, Service *service, const char *sub_state);
void fixture_wait_gone(ProcessFixture *fixture, pid_t pid);
/* Stops it if it is active, waits until it is not, and drops it. */
void fixture_drop(ProcessFixture *fixture, Service *service);

/* Properties of org.svcmgr1.Process. */
KindValue fixture_property(Service *service, const char *name);
pid_t fixture_main_pid(Service *service);

#define assert_state(service, expected)                                                            \
    g_assert_cmpstr(state_to_string(service_state(service)->state), ==, state_to_string(expected))
#define assert_sub_state(service, expected)                                                        \
    g_assert_cmpstr(service_state(service)->sub_state, ==, expected)
/* Failed, or in backoff, with this class and an error that contains this text. */
void assert_failure(Service *service, FailureClass failure_class, const char *text);
#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr(text, part) == NULL)                                                            \
            g_error("\"%s\" does not contain \"%s\"", text, part);                                 \
    } while (0)
