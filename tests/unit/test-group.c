/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own life, in virtual time. */

#include "base/errors.h"
#include "base/log.h"
#include "run/group.h"
#include "support/group-fixture.h"

#define BEGIN "AppStartup phase:startup-hooks phase:pre-run "
#define LAUNCH BEGIN "open:a open:b open:c phase:serve "
#define STOPPING "AppTerminating phase:graceful-stop "
#define STOPPED "phase:shutdown-hooks AppTerminated "
#define UNDO "undo:c undo:b undo:a phase:done done"
#define UNDO_ALL STOPPED UNDO

static void group_fixture_run_until_ready(GroupFixture *fixture)
{
    group_fixture_run(fixture);
    assert_journal(fixture, LAUNCH "serve:a serve:b serve:c ready AppRunning");
}

static void test_phases_round_trip(void)
{
    for (int i = 0; i < _GROUP_PHASE_MAX; i++)
        g_assert_cmpint(group_phase_from_string(group_phase_to_string((GroupPhase)i)), ==, i);
    g_assert_cmpint(group_phase_from_string("nonsense"), ==, _GROUP_PHASE_INVALID);
}

static void test_whole_life(GroupFixture *fixture, const void *unused)
{
    g_assert_cmpint(group_phase(fixture->group), ==, GROUP_PHASE_CONFIG);
    group_fixture_run_until_ready(fixture);
    g_assert_cmpint(group_phase(fixture->group), ==, GROUP_PHASE_SERVE);
    group_fixture_advance(fixture, 3600);
    assert_journal(fixture, "");

    group_fixture_stop(fixture);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:c stop:b stop:a " UNDO_ALL);
    g_assert_cmpint(group_phase(fixture->group), ==, GROUP_PHASE_DONE);
    assert_done_well(fixture);
    group_fixture_stop(fixture);
    group_fixture_advance(fixture, 3600);
    assert_journal(fixture, "");
}

static void test_nothing_happens_before_the_loop(GroupFixture *fixture, const void *unused)
{
    group_run(fixture->group, 0);
    assert_journal(fixture, "AppStartup phase:startup-hooks");
    virtual_loop_settle(fixture->loop);
    group_stop(fixture->group, "test");
    g_assert_cmpint(group_phase(fixture->group), ==, GROUP_PHASE_SERVE);
    virtual_loop_settle(fixture->loop);
    assert_done_well(fixture);
}

static void test_free_when_done(GroupFixture *fixture, const void *unused)
{
    fixture->frees_when_done = true;
    group_fixture_run(fixture);
    group_fixture_stop(fixture);
    g_assert_null(fixture->group);
    assert_done_well(fixture);
}

static void test_register(GroupFixture *fixture, const void *unused)
{
    Unit nothing = {.name = "nothing"};
    Unit stop_only = {.name = "stop-only", .stop = fake_unit_stop, .data = &fixture->units[3]};

    fixture->units[3].name = "stop-only";
    g_assert_false(group_register(fixture->group, &nothing));
    g_assert_true(group_register(fixture->group, &stop_only));
    group_fixture_run_until_ready(fixture);
    group_fixture_stop(fixture);
    assert_journal(
            fixture,
            "AppTerminating phase:graceful-stop stop:stop-only stop:c stop:b stop:a " UNDO_ALL);
    assert_done_well(fixture);
}

static void test_deregister(GroupFixture *fixture, const void *unused)
{
    g_assert_true(group_deregister(fixture->group, "b"));
    g_assert_false(group_deregister(fixture->group, "b"));
    g_assert_false(group_deregister(fixture->group, "nonsense"));
    group_fixture_run(fixture);
    assert_journal(fixture, BEGIN "open:a open:c phase:serve serve:a serve:c ready AppRunning");
    group_fixture_stop(fixture);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:c stop:a " STOPPED
                            "undo:c undo:a phase:done done");
}

static void test_unit_with_one_phase(GroupFixture *fixture, const void *unused)
{
    Unit opens = {.name = "d", .pre_run = fake_unit_pre_run, .data = &fixture->units[3]};

    g_assert_true(group_register(fixture->group, &opens));
    group_fixture_run(fixture);
    assert_journal(fixture, BEGIN "open:a open:b open:c open:d phase:serve serve:a serve:b "
                                  "serve:c ready AppRunning");
    group_fixture_stop(fixture);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:c stop:b stop:a " UNDO_ALL);
}

static void test_empty(void)
{
    GroupFixture fixture = {.loop = virtual_loop_new(), .journal = g_string_new(NULL)};
    GroupEvents events = {
            .ready = on_group_fixture_ready, .done = on_group_fixture_done, .data = &fixture};

    fixture.group =
            group_new(virtual_loop_clock(fixture.loop), virtual_loop_timers(fixture.loop), &events);
    group_fixture_run(&fixture);
    assert_journal(&fixture, "ready");
    group_fixture_stop(&fixture);
    assert_journal(&fixture, "done");
    group_fixture_tear_down(&fixture, NULL);
}

/* Most of it is a table: units of a nature, a script, and all that must follow from them. */
typedef struct LifeRow {
    const char *path;
    FakeUnit units[3];
    unsigned advance_seconds; /* after run */
    unsigned n_stops;         /* then so many calls of group_stop */
    unsigned wait_seconds;    /* and so much time */
    const char *journal;
    const char *error; /* or NULL */
} LifeRow;

#define STOP_ALL STOPPING "stop:c stop:b stop:a "

static const LifeRow life_rows[] = {
        {"/group/pre-run/fails", .units[2].fails_pre_run = true,
         .journal = BEGIN "open:a open:b open:c " STOPPING STOPPED "undo:b undo:a phase:done done",
         .error = "c: cannot open"},
        {"/group/pre-run/fails-at-once", .units[0].fails_pre_run = true,
         .journal = BEGIN "open:a " STOPPING STOPPED "phase:done done", .error = "a: cannot open"},
        {"/group/pre-run/stop-in", .units[1].stops_group_in_pre_run = true,
         .journal = BEGIN "open:a open:b " STOPPING STOPPED "undo:b undo:a phase:done done"},
        {"/group/pre-run/takes-too-long", .units[1].pre_run_for_usec = GROUP_STARTUP_USEC,
         .journal = BEGIN "open:a open:b late:b " STOPPING STOPPED "undo:b undo:a phase:done done",
         .error = "startup took too long: b"},
        {"/group/serve/fails", .units[1].fails_serve = true,
         .journal = LAUNCH
         "serve:a serve:b AppTerminating phase:graceful-stop stop:c stop:a " UNDO_ALL,
         .error = "b: cannot serve"},
        {"/group/serve/stop-in", .units[1].stops_group_in_serve = true,
         .journal = LAUNCH "serve:a serve:b " STOP_ALL UNDO_ALL},
        {"/group/serve/stop-before-ready", .units[1].is_slow_to_serve = true, .n_stops = 1,
         .journal = LAUNCH "serve:a serve:b serve:c " STOP_ALL UNDO_ALL},
        {"/group/serve/within-deadline", .units[0].is_slow_to_serve = true, .advance_seconds = 14,
         .journal = LAUNCH "serve:a serve:b serve:c"},
        {"/group/serve/deadline", .units[0].is_slow_to_serve = true,
         .units[2].is_slow_to_serve = true, .advance_seconds = 15,
         .journal = LAUNCH "serve:a serve:b serve:c late:a+c " STOP_ALL UNDO_ALL,
         .error = "startup took too long: a, c"},
        {"/group/stop/within-deadline", .units[1].is_slow_to_stop = true, .n_stops = 1,
         .wait_seconds = 19,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning AppTerminating "
                           "phase:graceful-stop stop:c stop:b"},
        {"/group/stop/deadline-forces", .units[1].is_slow_to_stop = true, .n_stops = 1,
         .wait_seconds = 20,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning AppTerminating "
                           "phase:graceful-stop stop:c stop:b "
                           "late:a+b force:b force:a stop:a " UNDO_ALL,
         .error = "graceful stop took too long: a, b"},
        {"/group/stop/force-takes-its-time", .units[1].is_slow_to_stop = true,
         .units[1].ignores_force = true, .n_stops = 1, .wait_seconds = 21,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning AppTerminating "
                           "phase:graceful-stop stop:c stop:b "
                           "late:a+b force:b force:a"},
        {"/group/stop/given-up", .units[1].is_slow_to_stop = true, .units[1].ignores_force = true,
         .n_stops = 1, .wait_seconds = 22,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning AppTerminating "
                           "phase:graceful-stop stop:c stop:b "
                           "late:a+b force:b force:a "
                           "AppTerminated " UNDO,
         .error = "graceful stop took too long: a, b"},
        {"/group/stop/second-cuts-short", .units[0].is_slow_to_stop = true, .n_stops = 2,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning " STOP_ALL
                           "late:a force:a " UNDO_ALL,
         .error = "graceful stop took too long: a"},
        {"/group/stop/second-waits-for-force", .units[0].is_slow_to_stop = true,
         .units[0].ignores_force = true, .n_stops = 2,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning " STOP_ALL "late:a force:a"},
        {"/group/stop/third-gives-up", .units[0].is_slow_to_stop = true,
         .units[0].ignores_force = true, .n_stops = 3,
         .journal = LAUNCH "serve:a serve:b serve:c ready AppRunning " STOP_ALL "late:a force:a "
                           "AppTerminated " UNDO,
         .error = "graceful stop took too long: a"},
};

static void test_life_row(GroupFixture *fixture, const void *data)
{
    const LifeRow *row = data;
    bool ends = g_str_has_suffix(row->journal, "done");

    for (size_t i = 0; i < G_N_ELEMENTS(row->units); i++) {
        const char *name = fixture->units[i].name;

        fixture->units[i] = row->units[i];
        fixture->units[i].fixture = fixture;
        fixture->units[i].name = name;
    }
    fixture->frees_when_done = true;
    group_fixture_run(fixture);
    group_fixture_advance(fixture, row->advance_seconds);
    for (unsigned i = 0; i < row->n_stops; i++)
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

/* The phase config. */

static bool group_fixture_configure(GroupFixture *fixture, const char *const *arguments,
                                    GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_auto(GStrv) argv = g_strdupv((char **)(void *)arguments);
    g_autofree char **borrowed = g_memdup2(argv, (g_strv_length(argv) + 1) * sizeof(char *));
    char **rest = borrowed;
    int argc = (int)g_strv_length(argv);

    g_option_context_set_help_enabled(context, FALSE);
    return group_configure(fixture->group, context, &argc, &rest, error);
}

static void test_configure(GroupFixture *fixture, const void *unused)
{
    const char *arguments[] = {"test", "--a=1", "--c", "3", "--", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_true(group_fixture_configure(fixture, arguments, &error));
    g_assert_no_error(error);
    assert_journal(fixture, "options:a options:b options:c validate:a validate:b validate:c");
    g_assert_cmpstr(fixture->units[0].option, ==, "1");
    g_assert_cmpstr(fixture->units[1].option, ==, NULL);
    g_assert_cmpstr(fixture->units[2].option, ==, "3");
}

static void test_configure_all_errors(GroupFixture *fixture, const void *unused)
{
    const char *arguments[] = {"test", "--x", "stray", "--a=1", "-q", "-", "--", "--a", NULL};
    g_autoptr(GError) error = NULL;

    fixture->units[0].invalid = "a: too small";
    fixture->units[0].invalid_too = "a: too red";
    fixture->units[2].invalid = "c: too late";
    g_assert_false(group_fixture_configure(fixture, arguments, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ARGS);
    g_assert_cmpstr(error->message, ==,
                    "unknown option --x\n"
                    "unexpected argument \"stray\"\n"
                    "unknown option -q\n"
                    "unexpected argument \"-\"\n"
                    "unknown option --a\n"
                    "a: too small\na: too red\nc: too late");
    g_assert_cmpstr(fixture->units[0].option, ==, "1");
}

static void test_configure_unparsable(GroupFixture *fixture, const void *unused)
{
    const char *arguments[] = {"test", "--a", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_false(group_fixture_configure(fixture, arguments, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ARGS);
    assert_journal(fixture, "options:a options:b options:c");
}

/* Pre-run. */

static void test_stop_before_pre_run(GroupFixture *fixture, const void *unused)
{
    group_run(fixture->group, 0);
    group_fixture_stop(fixture);
    assert_journal(fixture, "AppStartup phase:startup-hooks " STOPPING STOPPED "phase:done done");
    assert_done_well(fixture);
}

static void test_stop_before_run(GroupFixture *fixture, const void *unused)
{
    group_fixture_stop(fixture);
    assert_journal(fixture, "");
    group_fixture_run(fixture);
    assert_journal(fixture, "AppStartup phase:startup-hooks " STOPPING STOPPED "phase:done done");
    assert_done_well(fixture);
}

/* Serve. */

static void test_ready_with_the_last(GroupFixture *fixture, const void *unused)
{
    fixture->units[0].is_slow_to_serve = fixture->units[1].is_slow_to_serve = true;
    group_fixture_run(fixture);
    assert_journal(fixture, LAUNCH "serve:a serve:b serve:c");
    group_unit_ready(fixture->group, "b");
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "");
    group_unit_ready(fixture->group, "a");
    group_unit_ready(fixture->group, "a");
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "ready AppRunning");
    group_fixture_advance(fixture, 60);
    assert_journal(fixture, "");
    group_fixture_end(fixture);
}

static void test_startup_deadline_given(GroupFixture *fixture, const void *unused)
{
    fixture->units[0].is_slow_to_serve = true;
    group_run(fixture->group, 3 * USEC_PER_SEC);
    group_fixture_advance(fixture, 2);
    g_assert_false(fixture->is_done);
    group_fixture_advance(fixture, 1);
    assert_done_with(fixture, "startup took too long: a");
}

static void test_unit_ends(GroupFixture *fixture, const void *unused)
{
    group_fixture_run_until_ready(fixture);
    group_unit_ended(fixture->group, "b", NULL);
    assert_journal(fixture, "");
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:c stop:a " UNDO_ALL);
    assert_done_well(fixture);
}

static void test_unit_ends_with_error(GroupFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, "the end");

    group_fixture_run_until_ready(fixture);
    group_unit_ended(fixture->group, "c", error);
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:b stop:a " UNDO_ALL);
    assert_done_with(fixture, "c: the end");
}

static void test_unit_ends_before_ready(GroupFixture *fixture, const void *unused)
{
    fixture->units[0].is_slow_to_serve = true;
    group_fixture_run(fixture);
    group_unit_ended(fixture->group, "a", NULL);
    group_unit_ready(fixture->group, "a");
    virtual_loop_settle(fixture->loop);
    assert_journal(
            fixture, LAUNCH
            "serve:a serve:b serve:c AppTerminating phase:graceful-stop stop:c stop:b " UNDO_ALL);
}

/* A unit that cannot be stopped is not left in the middle of its start. */
static void test_start_without_stop(GroupFixture *fixture, const void *unused)
{
    FakeUnit *fake = &fixture->units[3];
    Unit unit = fake_unit_to_unit(fake);

    unit.stop = NULL;
    fake->is_slow_to_serve = true;
    g_assert_true(group_register(fixture->group, &unit));
    group_fixture_run(fixture);
    g_string_truncate(fixture->journal, 0);
    group_fixture_stop(fixture);
    group_fixture_advance(fixture, 3);
    assert_journal(fixture, "AppTerminating phase:graceful-stop");
    group_unit_ready(fixture->group, "d");
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "stop:c stop:b stop:a " STOPPED "undo:d " UNDO);
    assert_done_well(fixture);
}

static void test_start_without_stop_is_late(GroupFixture *fixture, const void *unused)
{
    FakeUnit *fake = &fixture->units[3];
    Unit unit = fake_unit_to_unit(fake);

    unit.stop = NULL;
    fake->is_slow_to_serve = true;
    g_assert_true(group_register(fixture->group, &unit));
    group_fixture_run(fixture);
    group_fixture_stop(fixture);
    group_fixture_advance(fixture, 20);
    group_fixture_advance(fixture, 2);
    assert_done_with(fixture, "graceful stop took too long: a, b, c, d");
}

/* Who reports before its time, and after it, has no say. */
static void test_reports_out_of_time(GroupFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "too soon");

    group_unit_ended(fixture->group, "a", error);
    group_unit_ready(fixture->group, "a");
    group_run(fixture->group, 0);
    group_unit_ended(fixture->group, "a", error);
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, LAUNCH "serve:a serve:b serve:c ready AppRunning");
    group_fixture_stop(fixture);
    group_unit_ended(fixture->group, "a", error);
    assert_done_well(fixture);
}

/* The graceful stop. */

static void test_each_stop_is_waited_for(GroupFixture *fixture, const void *unused)
{
    fixture->units[2].is_slow_to_stop = fixture->units[0].is_slow_to_stop = true;
    group_fixture_run_until_ready(fixture);
    group_fixture_stop(fixture);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:c");
    group_fixture_advance(fixture, 5);
    assert_journal(fixture, "");
    fake_unit_stopped(&fixture->units[2]);
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "stop:b stop:a");
    group_fixture_advance(fixture, 5);
    fake_unit_stopped(&fixture->units[0]);
    fixture->units[0].stop_error = "said twice";
    fake_unit_stopped(&fixture->units[0]);
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, UNDO_ALL);
    assert_done_well(fixture);
}

static void test_all_errors_are_joined(GroupFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_LIMIT_EXCEEDED, "overrun");

    fixture->units[0].stop_error = "stuck";
    fixture->units[2].stop_error = "jammed";
    group_fixture_run_until_ready(fixture);
    group_unit_ended(fixture->group, "b", error);
    virtual_loop_settle(fixture->loop);
    assert_done_with(fixture, "b: overrun\nc: jammed\na: stuck");
    g_assert_error(fixture->error, SVCMGR_ERROR, (int)ERROR_LIMIT_EXCEEDED);
}

static void test_unit_ends_while_others_stop(GroupFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_FAILED, "gone");

    fixture->units[2].is_slow_to_stop = true;
    group_fixture_run_until_ready(fixture);
    group_fixture_stop(fixture);
    group_unit_ended(fixture->group, "a", error);
    fake_unit_stopped(&fixture->units[2]);
    virtual_loop_settle(fixture->loop);
    assert_journal(fixture, "AppTerminating phase:graceful-stop stop:c stop:b " UNDO_ALL);
    assert_done_with(fixture, "a: gone");
}

static void test_default_stop_time(void)
{
    GroupFixture fixture = {.loop = virtual_loop_new(), .journal = g_string_new(NULL)};
    GroupEvents events = {
            .late = on_group_fixture_late, .done = on_group_fixture_done, .data = &fixture};
    FakeUnit fake = {.fixture = &fixture, .name = "a", .is_slow_to_stop = true};
    Unit unit = {.name = "a", .stop = fake_unit_stop, .force = fake_unit_force, .data = &fake};
    FakeUnit other = {.fixture = &fixture, .name = "b"};
    Unit opens = {.name = "b", .pre_run = fake_unit_pre_run, .data = &other};

    fixture.group =
            group_new(virtual_loop_clock(fixture.loop), virtual_loop_timers(fixture.loop), &events);
    group_register(fixture.group, &opens);
    group_register(fixture.group, &unit);
    group_fixture_run(&fixture);
    group_fixture_stop(&fixture);
    group_fixture_advance(&fixture, 14);
    assert_journal(&fixture, "open:b stop:a");
    group_fixture_advance(&fixture, 1);
    assert_journal(&fixture, "late:a force:a done");
    group_fixture_tear_down(&fixture, NULL);
}

static void on_log(LogLevel level, const char *service, const char *message, void *data)
{
}

#define ADD(path, function)                                                                        \
    g_test_add("/group/" path, GroupFixture, NULL, group_fixture_set_up, function,                 \
               group_fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_sink(on_log, NULL);
    g_test_add_func("/group/phases/round-trip", test_phases_round_trip);
    g_test_add_func("/group/empty", test_empty);
    g_test_add_func("/group/stop/default-time", test_default_stop_time);
    ADD("whole-life", test_whole_life);
    ADD("nothing-happens-before-the-loop", test_nothing_happens_before_the_loop);
    ADD("free/when-done", test_free_when_done);
    ADD("register", test_register);
    ADD("deregister", test_deregister);
    ADD("unit-with-one-phase", test_unit_with_one_phase);
    ADD("configure", test_configure);
    ADD("configure/all-errors", test_configure_all_errors);
    ADD("configure/unparsable", test_configure_unparsable);
    ADD("pre-run/stop-before", test_stop_before_pre_run);
    ADD("pre-run/stop-before-run", test_stop_before_run);
    ADD("serve/ready-with-the-last", test_ready_with_the_last);
    ADD("serve/deadline-given", test_startup_deadline_given);
    ADD("serve/unit-ends", test_unit_ends);
    ADD("serve/unit-ends-with-error", test_unit_ends_with_error);
    ADD("serve/unit-ends-before-ready", test_unit_ends_before_ready);
    ADD("serve/without-stop", test_start_without_stop);
    ADD("serve/without-stop-is-late", test_start_without_stop_is_late);
    ADD("reports-out-of-time", test_reports_out_of_time);
    ADD("stop/each-is-waited-for", test_each_stop_is_waited_for);
    ADD("stop/all-errors-are-joined", test_all_errors_are_joined);
    ADD("stop/unit-ends-meanwhile", test_unit_ends_while_others_stop);
    for (size_t i = 0; i < G_N_ELEMENTS(life_rows); i++)
        g_test_add(life_rows[i].path, GroupFixture, &life_rows[i], group_fixture_set_up,
                   test_life_row, group_fixture_tear_down);
    return g_test_run();
}
