/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Daemons of the old school, which have left the session of the program that was started. The test
 * process is what the daemon would be: their parent, in the end. */

#include "process-fixture.h"
#include "process/stragglers.h"

#define STRAGGLERS_DAEMONS_MAX 200
#define STRAGGLERS_CHILDREN_PATH "/proc/thread-self/children"

typedef struct StragglersFixture {
    ProcessFixture process;
    int lifeline[2];  /* all programs of the test end when [1] is closed */
    unsigned n_lists; /* of the children that were opened, by stragglers_open */
    const char *join; /* a file cgroup.procs, for programs that are started from now on; or NULL */
} StragglersFixture;
void stragglers_fixture_init(StragglersFixture *fixture, const void *unused);
void stragglers_fixture_done(StragglersFixture *fixture, const void *unused);
/* In sys of the fixture, unless a test has put something else there. */
int stragglers_open(const char *path, int flags);

typedef struct Run {
    StragglersFixture *fixture;
    char *id;
    char *file;
    pid_t pid; /* the program that was started */
    pid_t daemons[STRAGGLERS_DAEMONS_MAX];
    unsigned n_daemons;
} Run;
/* A program as the supervisor starts it, with the mark and the environment of a run of its own.
 * "daemoniser many 3 FILE": returns when the file is there. */
void run_start(StragglersFixture *fixture, Run *run, const char *words);
/* The daemons whose process ids are in the file by now. */
void run_read(Run *run);
/* Starts, reads, and waits until the program that was started is gone. */
void run_daemons(StragglersFixture *fixture, Run *run, const char *words);
/* Kills its daemons, and waits. */
void run_end(Run *run);
void run_clear(Run *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

typedef struct Question {
    StragglersQuestion question;
    unsigned n_answers;
    unsigned n_found;
    unsigned n_lists; /* that were opened when it was answered */
    unsigned n_again; /* so often it asks again */
    struct Question *forgets;
} Question;
void question_ask(Question *question, const char *invocation_id);
bool question_is_answered(void *question);
/* Asks, and waits for the answer. */
unsigned run_count(const Run *run);
