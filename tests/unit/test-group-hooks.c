/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a group with hooks: its whole sequence, for a clean run, for a failure and for a stop
 * in every phase, and for each of its times that passes. */

#include "base/errors.h"
#include "base/log.h"
#include "support/group-fixture.h"

/* The hooks are s (startup, priority 1), r (startup, priority 0), x and y (shutdown). */
#define BEGIN "AppStartup phase:startup-hooks "
#define HOOK_R "PreHookStart:r run:r PostHookStart:r "
#define HOOK_S "PreHookStart:s run:s PostHookStart:s "
#define OPEN "phase:pre-run open:a open:b open:c "
#define SERVE "phase:serve serve:a serve:b serve:c "
#define LAUNCH BEGIN HOOK_R HOOK_S OPEN SERVE "ready AppRunning "
#define STOPPING "AppTerminating phase:graceful-stop "
#define STOP_ALL STOPPING "stop:c stop:b stop:a "
#define HOOK_X "PreHookStop:x run:x PostHookStop:x "
#define HOOK_Y "PreHookStop:y run:y PostHookStop:y "
#define HOOKS "phase:shutdown-hooks " HOOK_X HOOK_Y
#define END "AppTerminated "
#define UNDO "undo:c undo:b undo:a "
#define DONE "phase:done done"

typedef enum HookName {
    HOOK_NAME_S,
    HOOK_NAME_R,
    HOOK_NAME_X,
    HOOK_NAME_Y,
} HookName;

typedef struct Row {
    const char *path;
    FakeUnit units[3];
    FakeHook hooks[GROUP_FIXTURE_HOOKS_MAX]; /* in the order of HookName; only their nature */
    unsigned advance_seconds;                /* after run */
    unsigned n_stops;                        /* then so many calls of group_stop */
    unsigned wait_seconds;                   /* and so much time */
    const char *journal;
    const char *error; /* all of it, or NULL */
} Row;

static const Row rows[] = {
        /* All is well. */
        {"/group-hooks/clean", .n_stops = 1, .journal = LAUNCH STOP_ALL HOOKS END UNDO DONE},

        /* A failure in every phase. */
        {"/group-hooks/fails/first-startup-hook", .hooks[HOOK_NAME_R].error = "no r",
         .journal = BEGIN "PreHookStart:r run:r PostHookStart:r! " STOPPING HOOKS END DONE,
         .error = "startup hook r: no r"},
        {"/group-hooks/fails/last-startup-hook", .hooks[HOOK_NAME_S].error = "no s",
         .journal = BEGIN HOOK_R "PreHookStart:s run:s PostHookStart:s! " STOPPING HOOKS END DONE,
         .error = "startup hook s: no s"},
        {"/group-hooks/fails/pre-run", .units[1].fails_pre_run = true,
         .journal = BEGIN HOOK_R HOOK_S "phase:pre-run open:a open:b " STOPPING HOOKS END
                                        "undo:a " DONE,
         .error = "b: cannot open"},
        {"/group-hooks/fails/serve", .units[1].fails_serve = true,
         .journal = BEGIN HOOK_R HOOK_S OPEN "phase:serve serve:a serve:b " STOPPING
                                             "stop:c stop:a " HOOKS END UNDO DONE,
         .error = "b: cannot serve"},
        {"/group-hooks/fails/stop", .units[1].stop_error = "b is stuck",
         .units[2].stop_error = "c is stuck", .n_stops = 1,
         .journal = LAUNCH STOP_ALL HOOKS END UNDO DONE, .error = "c: c is stuck\nb: b is stuck"},
        {"/group-hooks/fails/shutdown-hooks", .hooks[HOOK_NAME_X].error = "no x",
         .hooks[HOOK_NAME_Y].error = "no y", .n_stops = 1,
         .journal = LAUNCH STOP_ALL
         "phase:shutdown-hooks PreHookStop:x run:x PostHookStop:x! PreHookStop:y run:y "
         "PostHookStop:y! " END UNDO DONE,
         .error = "shutdown hook x: no x\nshutdown hook y: no y"},
        {"/group-hooks/fails/everywhere", .hooks[HOOK_NAME_X].error = "no x",
         .hooks[HOOK_NAME_Y].error = "no y", .units[0].stop_error = "a is stuck",
         .units[1].fails_serve = true,
         .journal = BEGIN HOOK_R HOOK_S OPEN
         "phase:serve serve:a serve:b " STOPPING
         "stop:c stop:a phase:shutdown-hooks PreHookStop:x run:x PostHookStop:x! PreHookStop:y "
         "run:y PostHookStop:y! " END UNDO DONE,
         .error = "b: cannot serve\na: a is stuck\nshutdown hook x: no x\nshutdown hook y: no y"},

        /* A stop in every phase. In a startup hook: it is aborted, the rest does not run. */
        {"/group-hooks/stop/startup-hook", .hooks[HOOK_NAME_R].is_slow = true,
         .hooks[HOOK_NAME_R].error = "killed", .n_stops = 1,
         .journal = BEGIN "PreHookStart:r run:r abort:r PostHookStart:r! " STOPPING HOOKS END DONE},
        {"/group-hooks/stop/as-a-startup-hook-ends", .hooks[HOOK_NAME_R].stops_group = true,
         .journal = BEGIN HOOK_R STOPPING HOOKS END DONE},
        {"/group-hooks/stop/as-a-startup-hook-fails", .hooks[HOOK_NAME_R].stops_group = true,
         .hooks[HOOK_NAME_R].error = "no r",
         .journal = BEGIN "PreHookStart:r run:r PostHookStart:r! " STOPPING HOOKS END DONE,
         .error = "startup hook r: no r"},
        {"/group-hooks/stop/pre-run", .units[0].stops_group_in_pre_run = true,
         .journal = BEGIN HOOK_R HOOK_S "phase:pre-run open:a " STOPPING HOOKS END "undo:a " DONE},
        {"/group-hooks/stop/serve", .units[0].is_slow_to_serve = true, .n_stops = 1,
         .journal = BEGIN HOOK_R HOOK_S OPEN SERVE STOP_ALL HOOKS END UNDO DONE},
        {"/group-hooks/stop/shutdown-hook", .hooks[HOOK_NAME_X].is_slow = true,
         .hooks[HOOK_NAME_X].stops_group = true, .n_stops = 1,
         .journal = LAUNCH STOP_ALL "phase:shutdown-hooks PreHookStop:x run:x late:hook x+hook y "
                                    "abort:x PostHookStop:x " END UNDO DONE,
         .error = "graceful stop took too long: hook x, hook y"},
        {"/group-hooks/stop/quick-shutdown-hooks-still-run", .hooks[HOOK_NAME_X].stops_group = true,
         .n_stops = 1, .journal = LAUNCH STOP_ALL HOOKS END UNDO DONE},

        /* Times that pass. */
        {"/group-hooks/late/within-startup", .hooks[HOOK_NAME_S].is_slow = true,
         .advance_seconds = 14, .journal = BEGIN HOOK_R "PreHookStart:s run:s"},
        {"/group-hooks/late/startup-hook", .hooks[HOOK_NAME_R].is_slow = true,
         .hooks[HOOK_NAME_R].error = "killed", .advance_seconds = 15,
         .journal = BEGIN
         "PreHookStart:r run:r late:hook r abort:r PostHookStart:r! " STOPPING HOOKS END DONE,
         .error = "startup took too long: hook r\nstartup hook r: killed"},
        {"/group-hooks/late/startup-hook-given-up", .hooks[HOOK_NAME_R].is_slow = true,
         .hooks[HOOK_NAME_R].ignores_abort = true, .advance_seconds = 17,
         .journal = BEGIN
         "PreHookStart:r run:r late:hook r abort:r PostHookStart:r! " STOPPING HOOKS END DONE,
         .error = "startup took too long: hook r\nstartup hook r: given up"},
        {"/group-hooks/late/startup-hook-force-takes-its-time", .hooks[HOOK_NAME_R].is_slow = true,
         .hooks[HOOK_NAME_R].ignores_abort = true, .advance_seconds = 16,
         .journal = BEGIN "PreHookStart:r run:r late:hook r abort:r"},
        {"/group-hooks/late/startup-hook-that-was-stopped", .hooks[HOOK_NAME_R].is_slow = true,
         .hooks[HOOK_NAME_R].ignores_abort = true, .n_stops = 1, .wait_seconds = 2,
         .journal = BEGIN
         "PreHookStart:r run:r abort:r late:hook r PostHookStart:r! " STOPPING HOOKS END DONE,
         .error = "startup took too long: hook r\nstartup hook r: given up"},
        {"/group-hooks/late/startup-hook-second-stop", .hooks[HOOK_NAME_R].is_slow = true,
         .hooks[HOOK_NAME_R].ignores_abort = true, .n_stops = 2,
         .journal = BEGIN
         "PreHookStart:r run:r abort:r late:hook r PostHookStart:r! " STOPPING HOOKS END DONE,
         .error = "startup took too long: hook r\nstartup hook r: given up"},
        {"/group-hooks/late/pre-run", .units[1].pre_run_for_usec = GROUP_STARTUP_USEC,
         .journal = BEGIN HOOK_R HOOK_S "phase:pre-run open:a open:b late:b " STOPPING HOOKS END
                                        "undo:b undo:a " DONE,
         .error = "startup took too long: b"},
        {"/group-hooks/late/serve", .units[0].is_slow_to_serve = true,
         .units[2].is_slow_to_serve = true, .advance_seconds = 15,
         .journal = BEGIN HOOK_R HOOK_S OPEN SERVE "late:a+c " STOP_ALL HOOKS END UNDO DONE,
         .error = "startup took too long: a, c"},
        {"/group-hooks/late/within-stop", .units[0].is_slow_to_stop = true, .n_stops = 1,
         .wait_seconds = 19, .journal = LAUNCH STOPPING "stop:c stop:b stop:a"},
        {"/group-hooks/late/stop", .units[1].is_slow_to_stop = true, .n_stops = 1,
         .wait_seconds = 20,
         .journal = LAUNCH STOPPING "stop:c stop:b late:a+b+hook x+hook y force:b force:a stop:a "
                                    "phase:shutdown-hooks " END UNDO DONE,
         .error = "graceful stop took too long: a, b, hook x, hook y"},
        {"/group-hooks/late/within-shutdown-hooks", .hooks[HOOK_NAME_X].is_slow = true,
         .n_stops = 1, .wait_seconds = 19,
         .journal = LAUNCH STOP_ALL "phase:shutdown-hooks PreHookStop:x run:x"},
        {"/group-hooks/late/shutdown-hook", .hooks[HOOK_NAME_X].is_slow = true,
         .hooks[HOOK_NAME_X].error = "killed", .n_stops = 1, .wait_seconds = 20,
         .journal = LAUNCH STOP_ALL "phase:shutdown-hooks PreHookStop:x run:x late:hook x+hook y "
                                    "abort:x PostHookStop:x! " END UNDO DONE,
         .error = "graceful stop took too long: hook x, hook y\nshutdown hook x: killed"},
        {"/group-hooks/late/shutdown-hook-given-up", .hooks[HOOK_NAME_Y].is_slow = true,
         .hooks[HOOK_NAME_Y].ignores_abort = true, .n_stops = 1, .wait_seconds = 22,
         .journal = LAUNCH STOP_ALL
         "phase:shutdown-hooks " HOOK_X
         "PreHookStop:y run:y late:hook y abort:y PostHookStop:y! " END UNDO DONE,
         .error = "graceful stop took too long: hook y\nshutdown hook y: given up"},
        {"/group-hooks/late/shutdown-hook-second-stop", .hooks[HOOK_NAME_Y].is_slow = true,
         .n_stops = 2,
         .journal = LAUNCH STOP_ALL
         "phase:shutdown-hooks " HOOK_X
         "PreHookStop:y run:y late:hook y abort:y PostHookStop:y " END UNDO DONE,
         .error = "graceful stop took too long: hook y"},
        {"/group-hooks/late/shutdown-hook-third-stop", .hooks[HOOK_NAME_Y].is_slow = true,
         .hooks[HOOK_NAME_Y].ignores_abort = true, .n_stops = 3,
         .journal = LAUNCH STOP_ALL
         "phase:shutdown-hooks " HOOK_X
         "PreHookStop:y run:y late:hook y abort:y PostHookStop:y! " END UNDO DONE,
         .error = "graceful stop took too long: hook y\nshutdown hook y: given up"},
};

static void take_natures(GroupFixture *fixture, const Row *row)
{
    static const FakeHook hooks[] = {
            [HOOK_NAME_S] = {.name = "s", .moment = HOOK_STARTUP, .priority = 1},
            [HOOK_NAME_R] = {.name = "r", .moment = HOOK_STARTUP},
            [HOOK_NAME_X] = {.name = "x", .moment = HOOK_SHUTDOWN},
            [HOOK_NAME_Y] = {.name = "y", .moment = HOOK_SHUTDOWN},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(row->units); i++) {
        const char *name = fixture->units[i].name;

        fixture->units[i] = row->units[i];
        fixture->units[i].fixture = fixture;
        fixture->units[i].name = name;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(hooks); i++) {
        fixture->hooks[i] = row->hooks[i];
        fixture->hooks[i].name = hooks[i].name;
        fixture->hooks[i].moment = hooks[i].moment;
        fixture->hooks[i].priority = hooks[i].priority;
    }
    group_fixture_add_hooks(fixture);
}

static void test_row(GroupFixture *fixture, const void *data)
{
    const Row *row = data;
    bool ends = g_str_has_suffix(row->journal, "done");

    take_natures(fixture, row);
    fixture->frees_when_done = true;
    group_fixture_run(fixture);
    group_fixture_advance(fixture, row->advance_seconds);
    for (unsigned i = 0; i < row->n_stops && !fixture->is_done; i++)
        group_fixture_stop(fixture);
    group_fixture_advance(fixture, row->wait_seconds);
    assert_journal(fixture, row->journal);
    g_assert_cmpint(fixture->is_done, ==, ends);
    g_assert_cmpstr(fixture->error != NULL ? fixture->error->message : NULL, ==, row->error);
    if (ends)
        g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);
    else
        group_fixture_end(fixture);
}

/* What has not begun has nothing to be undone. */
static void test_nothing_to_undo(GroupFixture *fixture, const void *unused)
{
    static const Row nothing = {0};

    take_natures(fixture, &nothing);
    group_run(fixture->group, 0);
    group_fixture_stop(fixture);
    assert_journal(fixture, BEGIN STOPPING "phase:shutdown-hooks " END DONE);
    assert_done_well(fixture);
}

static void test_nothing_to_undo_stopped_before(GroupFixture *fixture, const void *unused)
{
    static const Row nothing = {0};

    group_stop(fixture->group, "test");
    take_natures(fixture, &nothing);
    group_fixture_run(fixture);
    assert_journal(fixture, BEGIN STOPPING "phase:shutdown-hooks " END DONE);
    assert_done_well(fixture);
}

static void test_nothing_to_undo_without_startup_hooks(GroupFixture *fixture, const void *unused)
{
    fixture->hooks[0] = (FakeHook){.name = "x", .moment = HOOK_SHUTDOWN};
    group_fixture_add_hooks(fixture);
    fixture->units[0].fails_pre_run = true;
    group_fixture_run(fixture);
    assert_journal(fixture,
                   BEGIN "phase:pre-run open:a " STOPPING "phase:shutdown-hooks " END DONE);
    assert_done_with(fixture, "a: cannot open");
}

/* Startup has one time for all that is in it. */
static void test_startup_time_is_shared(GroupFixture *fixture, const void *unused)
{
    fixture->hooks[0] = (FakeHook){.name = "s", .moment = HOOK_STARTUP, .is_slow = true};
    group_fixture_add_hooks(fixture);
    fixture->units[1].is_slow_to_serve = true;
    group_run(fixture->group, 10 * USEC_PER_SEC);
    group_fixture_advance(fixture, 6);
    fake_hook_done(&fixture->hooks[0]);
    group_fixture_advance(fixture, 3);
    assert_journal(fixture, BEGIN HOOK_S OPEN "phase:serve serve:a serve:b serve:c");
    group_fixture_advance(fixture, 1);
    assert_done_with(fixture, "startup took too long: b");
}

/* The hook ends in the very moment at which the time is over. */
static void test_startup_time_is_over_at_once(GroupFixture *fixture, const void *unused)
{
    fixture->hooks[0] = (FakeHook){.name = "s", .moment = HOOK_STARTUP, .is_slow = true};
    group_fixture_add_hooks(fixture);
    group_run(fixture->group, 10 * USEC_PER_SEC);
    virtual_loop_settle(fixture->loop);
    fixture->spent_usec = 10 * USEC_PER_SEC;
    fake_hook_done(&fixture->hooks[0]);
    group_fixture_advance(fixture, 20);
    assert_done_with(fixture, "startup took too long: a");
}

/* Shutdown hooks live on what is left of the time. */
static void test_shutdown_time_is_shared(GroupFixture *fixture, const void *unused)
{
    fixture->hooks[0] = (FakeHook){.name = "x", .moment = HOOK_SHUTDOWN, .is_slow = true};
    group_fixture_add_hooks(fixture);
    fixture->units[0].is_slow_to_stop = true;
    group_fixture_run(fixture);
    group_fixture_stop(fixture);
    group_fixture_advance(fixture, 12);
    fake_unit_stopped(&fixture->units[0]);
    group_fixture_advance(fixture, 7);
    g_assert_false(fixture->is_done);
    group_fixture_advance(fixture, 1);
    assert_done_with(fixture, "graceful stop took too long: hook x");
}

static void test_add_until_their_phase(GroupFixture *fixture, const void *unused)
{
    Hook hook = {.name = "z", .priority = 7, .run = fake_hook_run};
    g_autoptr(GError) error = NULL;

    fixture->hooks[0] = (FakeHook){.name = "s", .moment = HOOK_STARTUP};
    group_fixture_add_hooks(fixture);
    g_assert_true(group_add_hook(fixture->group, HOOK_STARTUP, &hook, &error));
    g_assert_true(group_remove_hook(fixture->group, HOOK_STARTUP, "z"));
    g_assert_false(group_remove_hook(fixture->group, HOOK_STARTUP, "z"));
    group_fixture_run(fixture);
    assert_journal(fixture, BEGIN HOOK_S OPEN SERVE "ready AppRunning");
    g_assert_false(group_add_hook(fixture->group, HOOK_STARTUP, &hook, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_BUSY);
    g_clear_error(&error);
    hook.priority = 101;
    g_assert_false(group_add_hook(fixture->group, HOOK_SHUTDOWN, &hook, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ARGS);
    fixture->hooks[0] = (FakeHook){.name = "s", .moment = HOOK_SHUTDOWN}; /* the name is free */
    group_fixture_add_hooks(fixture);
    group_fixture_stop(fixture);
    assert_journal(fixture, STOP_ALL
                   "phase:shutdown-hooks PreHookStop:s run:s PostHookStop:s " END UNDO DONE);
    assert_done_well(fixture);
}

static void test_deregister_meanwhile(GroupFixture *fixture, const void *unused)
{
    fixture->hooks[0] = (FakeHook){.name = "s", .moment = HOOK_STARTUP, .is_slow = true};
    group_fixture_add_hooks(fixture);
    group_fixture_run(fixture);
    g_assert_true(group_deregister(fixture->group, "b"));
    fake_hook_done(&fixture->hooks[0]);
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, BEGIN HOOK_S
                   "phase:pre-run open:a open:c phase:serve serve:a serve:c ready AppRunning");
    group_fixture_end(fixture);
}

static void test_late_report(GroupFixture *fixture, const void *unused)
{
    fixture->hooks[0] =
            (FakeHook){.name = "s", .moment = HOOK_STARTUP, .is_slow = true, .ignores_abort = true};
    fixture->hooks[1] = (FakeHook){.name = "x", .moment = HOOK_SHUTDOWN, .is_slow = true};
    group_fixture_add_hooks(fixture);
    group_fixture_run(fixture);
    group_fixture_advance(fixture, 17);
    fixture->hooks[0].error = "too late";
    fake_hook_done(&fixture->hooks[0]);
    group_fixture_advance(fixture, 1);
    g_assert_false(fixture->is_done);
    fake_hook_done(&fixture->hooks[1]);
    virtual_loop_settle(fixture->loop);
    assert_done_with(fixture, "startup took too long: hook s\nstartup hook s: given up");
}

static void test_list(GroupFixture *fixture, const void *unused)
{
    static const Row nothing = {0};
    Unit opens = {.name = "d", .pre_run = fake_unit_pre_run, .data = &fixture->units[3]};
    g_autofree char *without = group_list_units(fixture->group);

    g_assert_cmpstr(without, ==,
                    "config: a, b, c\n"
                    "startup-hooks: (none)\n"
                    "pre-run: a, b, c\n"
                    "serve: a, b, c\n"
                    "graceful-stop: c, b, a\n"
                    "shutdown-hooks: (none)\n");
    take_natures(fixture, &nothing);
    g_assert_true(group_register(fixture->group, &opens));

    g_autofree char *with = group_list_units(fixture->group);
    g_assert_cmpstr(with, ==,
                    "config: a, b, c\n"
                    "startup-hooks: r (priority 0), s (priority 1)\n"
                    "pre-run: a, b, c, d\n"
                    "serve: a, b, c\n"
                    "graceful-stop: c, b, a\n"
                    "shutdown-hooks: x (priority 0), y (priority 0)\n");
}

static void on_log(LogLevel level, const char *service, const char *message, void *data)
{
}

#define ADD(path, function)                                                                        \
    g_test_add("/group-hooks/" path, GroupFixture, NULL, group_fixture_set_up, function,           \
               group_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_sink(on_log, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_test_add(rows[i].path, GroupFixture, &rows[i], group_fixture_set_up, test_row,
                   group_fixture_tear_down);
    ADD("nothing-to-undo", test_nothing_to_undo);
    ADD("nothing-to-undo/stopped-before", test_nothing_to_undo_stopped_before);
    ADD("nothing-to-undo/without-startup-hooks", test_nothing_to_undo_without_startup_hooks);
    ADD("late/startup-time-is-shared", test_startup_time_is_shared);
    ADD("late/startup-time-is-over-at-once", test_startup_time_is_over_at_once);
    ADD("late/shutdown-time-is-shared", test_shutdown_time_is_shared);
    ADD("late/report-after-the-end", test_late_report);
    ADD("add-until-their-phase", test_add_until_their_phase);
    ADD("deregister-meanwhile", test_deregister_meanwhile);
    ADD("list", test_list);
    return g_test_run();
}
