/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A group of three fake units a, b, c in virtual time, and fake hooks for whoever adds them.
 * Everything that is done to a unit or a hook, and every event of the group and of its life, is
 * written into one journal: order is what a group is about. */

#include "base/virtual.h"
#include "run/group.h"

#include <glib.h>
#include <stdbool.h>

typedef struct GroupFixture GroupFixture;

typedef struct FakeUnit {
    GroupFixture *fixture;
    const char *name;
    bool fails_pre_run;
    bool fails_serve;
    bool stops_group_in_pre_run;
    bool stops_group_in_serve;
    bool is_slow_to_serve;     /* the test says when it is ready */
    bool is_slow_to_stop;      /* the test, or force, says when it has stopped */
    bool ignores_force;        /* with is_slow_to_stop */
    const char *stop_error;    /* with the stop */
    const char *invalid;       /* what validate finds */
    const char *invalid_too;   /* and a second thing */
    uint64_t pre_run_for_usec; /* how much time passes in it */
    char *option;
} FakeUnit;

typedef struct FakeHook {
    GroupFixture *fixture;
    const char *name; /* NULL: there is none */
    HookMoment moment;
    int priority;
    bool is_slow;       /* the test, or abort, says when it has ended */
    bool ignores_abort; /* with is_slow */
    bool stops_group;   /* as it begins */
    const char *error;  /* with its end */
} FakeHook;

#define GROUP_FIXTURE_HOOKS_MAX 4

struct GroupFixture {
    VirtualLoop *loop;
    Clock slow_clock; /* the loop's, and what pre_run takes */
    uint64_t spent_usec;
    Group *group;
    GString *journal;
    FakeUnit units[4];
    FakeHook hooks[GROUP_FIXTURE_HOOKS_MAX];
    uint64_t stop_usec;
    bool frees_when_done;
    bool is_done;
    GError *error;
};

/* For g_test_add. */
void group_fixture_set_up(GroupFixture *fixture, const void *unused);
void group_fixture_tear_down(GroupFixture *fixture, const void *unused);
/* Each of them lets the loop settle afterwards. */
void group_fixture_run(GroupFixture *fixture);
void group_fixture_stop(GroupFixture *fixture);
void group_fixture_advance(GroupFixture *fixture, uint64_t seconds);
/* Adds those of fixture->hooks that have a name. */
void group_fixture_add_hooks(GroupFixture *fixture);
/* By all means: with as many stops as it takes. */
void group_fixture_end(GroupFixture *fixture);

/* The hook reports that it has ended, with its error. */
void fake_hook_done(FakeHook *fake);
/* The unit reports that it has stopped, with its stop_error. */
void fake_unit_stopped(FakeUnit *fake);
Unit fake_unit_to_unit(FakeUnit *fake);
/* Single callbacks, for groups and units that a test puts together itself. */
void fake_hook_run(void *data);
void fake_unit_stop(void *data);
void fake_unit_force(void *data);
bool fake_unit_pre_run(void *data, GError **error);
void on_group_fixture_ready(void *data);
void on_group_fixture_late(GroupPhase phase, const char *const *late, void *data);
void on_group_fixture_done(const GError *error, void *data);

/* What was noted since the last call. */
#define assert_journal(fixture, expected)                                                          \
    do {                                                                                           \
        g_assert_cmpstr((fixture)->journal->str, ==, expected);                                    \
        g_string_truncate((fixture)->journal, 0);                                                  \
    } while (0)

#define assert_done_with(fixture, text)                                                            \
    do {                                                                                           \
        g_assert_true((fixture)->is_done);                                                         \
        g_assert_nonnull((fixture)->error);                                                        \
        g_assert_cmpstr((fixture)->error->message, ==, text);                                      \
    } while (0)

#define assert_done_well(fixture)                                                                  \
    do {                                                                                           \
        g_assert_true((fixture)->is_done);                                                         \
        g_assert_no_error((fixture)->error);                                                       \
    } while (0)
