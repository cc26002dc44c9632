/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scenarios in which each call fails once, and the table that says what comes of it. A scenario
 * runs through once to count its calls, step by step; then again for each of them, with that one
 * failing. Whatever happens, nothing is left behind, and the service can be started and stopped
 * afterwards. A call that is made and has no row, and a row that nothing comes by, is a failure. */

#include "cgroup-fixture.h"
#include "inject.h"

/* What is asked for. */
typedef enum Act {
    ACT_START = 1 << 0,
    ACT_TELL = 1 << 1, /* a start in which others than the main process say something */
    ACT_ONCE = 1 << 2, /* a oneshot, from its start to its end */
    ACT_REPLACE = 1 << 3,
    ACT_STOP = 1 << 4,
    ACT_DIE = 1 << 5, /* killed from outside */
    ACT_RELOAD = 1 << 6,
    ACT_MISS = 1 << 7, /* nothing: it misses its watchdog */
} Act;

typedef enum Outcome {
    OUTCOME_UNHARMED,  /* as if nothing had failed */
    OUTCOME_FAILS,     /* the start, or the stop; the error says what could not be done, and why */
    OUTCOME_NO_RELOAD, /* active as before; the error says what could not be done, and why */
    OUTCOME_UNKNOWN_EXIT, /* failed; it is told that nobody knows how it ended */
    OUTCOME_ENDS,         /* it ends, if need be by force, which is told then */
} Outcome;

/* May take until the end of a stop_timeout, which is 5 s and cut short then; where a scenario
 * hurries, so are the 5 s that SIGKILL has. */
#define WAITS true
#define CUT_SHORT_USEC (5 * USEC_PER_SEC - 20 * USEC_PER_MSEC)

typedef struct Row {
    InjectCall call;
    unsigned acts;
    const int *errnos;
    Outcome outcome;
    const char *text;
    bool waits;
    unsigned first, last; /* of what number in the act the call is; 0: whatever it is */
    bool is_rare;         /* who is faster decides whether the call is made */
} Row;

#define ERRNOS(...) ((const int[]){__VA_ARGS__, 0})
#define STARTS (ACT_START | ACT_TELL | ACT_ONCE | ACT_REPLACE)
#define ENDS (ACT_STOP | ACT_DIE | ACT_ONCE | ACT_REPLACE | ACT_MISS)
#define ALL (STARTS | ENDS | ACT_RELOAD)

typedef struct Step {
    Act act;
    State state;       /* in which it leads */
    const char *error; /* NULL: none */
} Step;

/* The way to the child. */
typedef enum Way {
    WAY_VM,
    WAY_COPY,
    WAY_FORK,
} Way;

#define STEPS_MAX 4

typedef struct Scenario {
    const char *name;
    const char *config;
    Step steps[STEPS_MAX];
    Way way;
    bool is_oneshot;
    bool refuses_close_range;
    bool refuses_prlimit;
    bool refuses_placing; /* into a cgroup, as kernels before 5.7 do */
    bool needs_root;
    bool has_cgroups;
    bool divides;        /* its cgroup, after the first step, and goes into the part */
    bool is_alike;       /* to another scenario: one error of a row speaks for all */
    unsigned first_step; /* whose calls fail: those before are as in another scenario */
    bool hurries;        /* its stop takes a timeout, and who knows whether SIGTERM was faster */
    /* The file with a process that the test has to end, as it leaves group and session. */
    const char *stray;
} Scenario;

#define STAYER(words) "'exec': ['@PROGRAMS/program-stayer'" words "]"
#define NOTIFIER(words) "'exec': ['@PROGRAMS/program-notifier', " words "], 'readiness': 'notify'"
#define COMMON ", 'stop_timeout': '5s', 'restart': {'policy': 'no'}}"
#define UP(act)                                                                                    \
    {                                                                                              \
        act, STATE_ACTIVE, NULL                                                                    \
    }
#define STOPS                                                                                      \
    {                                                                                              \
        ACT_STOP, STATE_INACTIVE, NULL                                                             \
    }
#define DIES                                                                                       \
    {                                                                                              \
        ACT_DIE, STATE_FAILED, "was killed by SIGKILL"                                             \
    }
#define GIVEN_TIME ", 'stop_timeout': '5ms', 'restart': {'policy': 'no'}}"

/* What each child goes through that has no identity, directory or umask of its own. */
#define ROWS_SPAWN(acts, outcome)                                                                   \
    {INJECT_CLONE_VM, acts, ERRNOS(EAGAIN, ENOMEM), outcome, "cannot create a process"},            \
            {INJECT_CLONE_VM, acts, ERRNOS(EPERM, ENOSYS), OUTCOME_UNHARMED},                       \
            {INJECT_WATCH_MAIN, acts, ERRNOS(ENOMEM), outcome, "cannot watch process ", .last = 1}, \
            {INJECT_CHILD_SETSID, acts, ERRNOS(EPERM), outcome, "cannot start a session: "},        \
            {INJECT_CHILD_MARK, acts, ERRNOS(EPERM), OUTCOME_UNHARMED},                             \
            {INJECT_CHILD_SIGACTION, acts, ERRNOS(EPERM), outcome, "cannot reset signals: "},       \
            {INJECT_CHILD_DUP3, acts, ERRNOS(EIO), outcome, "cannot "},                             \
            {INJECT_CHILD_SIGPROCMASK, acts, ERRNOS(EPERM), outcome, "cannot reset signals: "},     \
            {INJECT_CLOSE_RANGE, acts, ERRNOS(EMFILE), outcome, "cannot close descriptors: "},      \
            {INJECT_CLOSE_RANGE, acts, ERRNOS(ENOSYS), OUTCOME_UNHARMED},                           \
            {INJECT_CHILD_PRLIMIT_SET, acts, ERRNOS(EPERM), outcome,                                \
             "cannot set the limit of descriptors: "},                                              \
    {                                                                                               \
        INJECT_CHILD_EXECVE, acts, ERRNOS(EAGAIN, ENOENT, EACCES), outcome, "cannot execute '/"     \
    }

/* The tables of a test. Every row that fits is tried. */
typedef struct InjectTables {
    const char *prefix; /* of the paths: "/inject" */
    const Row *rows;
    unsigned n_rows;
    const Scenario *scenarios;
    unsigned n_scenarios;
} InjectTables;

/* Adds a test for each scenario, and a last one that says whether every row was met. Once; tables
 * are borrowed for as long as the tests run. */
void inject_run_add(const InjectTables *tables);

/* A host that has cgroups, for tests of other kinds; without a hierarchy cgroups.base is NULL, and
 * the test is skipped. */
typedef struct InjectFixture {
    ProcessFixture process;
    CgroupFixture cgroups;
} InjectFixture;
void inject_fixture_open_cgroups(InjectFixture *fixture);
/* Checks that nothing is left of them. */
void inject_fixture_close_cgroups(InjectFixture *fixture);
/* How many services have a directory. */
unsigned inject_fixture_count(const InjectFixture *fixture);
/* Runs until there is no child but those of the fixture. */
void inject_fixture_wait_childless(InjectFixture *fixture);
/* DIRECTORY/file of the cgroup of the service. */
char *inject_fixture_cgroup_file(const InjectFixture *fixture, Service *service, const char *file);
