/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Real processes that carry the mark of a former run, and sweeps that look for them. Each test has
 * a mark of its own, since others may run at the same time. */

#include "process-fixture.h"
#include "process/former.h"

typedef struct FormerFixture {
    ProcessFixture process;
    char *prefix;
    int lifeline[2]; /* all processes of the test end when [1] is closed */
    int ready[2];
} FormerFixture;
void former_fixture_init(FormerFixture *fixture);
void former_fixture_done(FormerFixture *fixture);

typedef struct OrphanSpec {
    const char *words;  /* separated by blanks */
    const char *prefix; /* of INVOCATION_ID; NULL: none */
    const char *id;     /* NULL: none */
    bool is_adopted;    /* double-forked */
    uid_t uid;          /* 0: of the test */
} OrphanSpec;
/* Returns when it says that it is ready. */
pid_t orphan_spawn(const FormerFixture *fixture, const OrphanSpec *spec);
/* The next one that says so. */
pid_t read_ready(const FormerFixture *fixture);
bool is_alive(pid_t pid);

typedef struct Sweep {
    FormerReport report; /* its numbers */
    GString *services;   /* "web: 1 process ... ended\n" */
    char *text;
    char *error;
    bool is_done;
} Sweep;
void on_sweep_done(const FormerReport *report, void *data); /* the same */
/* Returns when it is done. */
void sweep_run(FormerFixture *fixture, Sweep *sweep, uint64_t grace_usec);
void sweep_clear(Sweep *sweep);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sweep, sweep_clear)

#define assert_numbers(sweep, found, killed, left)                                                 \
    do {                                                                                           \
        g_assert_cmpuint((sweep).report.n_found, ==, found);                                       \
        g_assert_cmpuint((sweep).report.n_killed, ==, killed);                                     \
        g_assert_cmpuint((sweep).report.n_left, ==, left);                                         \
    } while (0)
