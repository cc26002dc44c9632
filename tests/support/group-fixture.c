/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time passes in a pre_run by a clock that is ahead of the loop's. */

#include "support/group-fixture.h"

#include "base/errors.h"

static GroupFixture *group_fixture_of_clock(Clock *clock)
{
    return (GroupFixture *)((char *)clock - offsetof(GroupFixture, slow_clock));
}

static uint64_t group_fixture_monotonic_usec(Clock *clock)
{
    GroupFixture *fixture = group_fixture_of_clock(clock);

    return clock_monotonic_usec(virtual_loop_clock(fixture->loop)) + fixture->spent_usec;
}

static uint64_t group_fixture_wall_usec(Clock *clock)
{
    return clock_wall_usec(virtual_loop_clock(group_fixture_of_clock(clock)->loop));
}

static void group_fixture_note(GroupFixture *fixture, const char *what, const char *name)
{
    g_string_append_printf(fixture->journal, "%s%s%s%s", fixture->journal->len > 0 ? " " : "", what,
                           name != NULL ? ":" : "", name != NULL ? name : "");
}

static void on_group_fixture_phase(GroupPhase phase, void *data)
{
    group_fixture_note(data, "phase", group_phase_to_string(phase));
}

void on_group_fixture_ready(void *data)
{
    group_fixture_note(data, "ready", NULL);
}

static uint64_t on_group_fixture_stop_usec(void *data)
{
    return ((GroupFixture *)data)->stop_usec;
}

void on_group_fixture_late(GroupPhase phase, const char *const *late, void *data)
{
    g_autofree char *names = g_strjoinv("+", (char **)(void *)late);

    group_fixture_note(data, "late", names);
}

void on_group_fixture_done(const GError *error, void *data)
{
    GroupFixture *fixture = data;

    g_assert_false(fixture->is_done);
    group_fixture_note(fixture, "done", NULL);
    fixture->is_done = true;
    fixture->error = error != NULL ? g_error_copy(error) : NULL;
    if (fixture->frees_when_done) {
        group_free(fixture->group);
        fixture->group = NULL;
    }
}

static void on_group_fixture_event(const LifecycleEvent *event, void *data)
{
    g_autofree char *subject =
            event->subject != NULL
                    ? g_strdup_printf("%s%s", event->subject, event->error != NULL ? "!" : "")
                    : NULL;

    group_fixture_note(data, lifecycle_type_to_string(event->type), subject);
}

void fake_hook_done(FakeHook *fake)
{
    g_autoptr(GError) error =
            fake->error != NULL ? g_error_new_literal(SVCMGR_ERROR, 0, fake->error) : NULL;

    group_hook_done(fake->fixture->group, fake->moment, fake->name, error);
}

void fake_hook_run(void *data)
{
    FakeHook *fake = data;

    group_fixture_note(fake->fixture, "run", fake->name);
    if (fake->stops_group)
        group_stop(fake->fixture->group, "test");
    if (!fake->is_slow)
        fake_hook_done(fake);
}

static void fake_hook_abort(void *data)
{
    FakeHook *fake = data;

    group_fixture_note(fake->fixture, "abort", fake->name);
    if (fake->is_slow && !fake->ignores_abort)
        fake_hook_done(fake);
}

void group_fixture_add_hooks(GroupFixture *fixture)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fixture->hooks); i++) {
        FakeHook *fake = &fixture->hooks[i];
        Hook hook = {fake->name, fake->priority, fake_hook_run, fake_hook_abort, fake};
        g_autoptr(GError) error = NULL;

        fake->fixture = fixture;
        if (fake->name == NULL)
            continue;
        group_add_hook(fixture->group, fake->moment, &hook, &error);
        g_assert_no_error(error);
    }
}

bool fake_unit_pre_run(void *data, GError **error)
{
    FakeUnit *fake = data;

    group_fixture_note(fake->fixture, "open", fake->name);
    fake->fixture->spent_usec += fake->pre_run_for_usec;
    if (fake->stops_group_in_pre_run)
        group_stop(fake->fixture->group, "test");
    if (fake->fails_pre_run)
        return error_set(error, ERROR_BUSY, "cannot open");
    return true;
}

static void fake_unit_undo(void *data)
{
    FakeUnit *fake = data;

    group_fixture_note(fake->fixture, "undo", fake->name);
}

static bool fake_unit_serve(void *data, GError **error)
{
    FakeUnit *fake = data;

    group_fixture_note(fake->fixture, "serve", fake->name);
    if (fake->stops_group_in_serve)
        group_stop(fake->fixture->group, "test");
    if (fake->fails_serve)
        return error_set(error, ERROR_FAILED, "cannot serve");
    if (!fake->is_slow_to_serve)
        group_unit_ready(fake->fixture->group, fake->name);
    return true;
}

void fake_unit_stopped(FakeUnit *fake)
{
    g_autoptr(GError) error = fake->stop_error != NULL
                                      ? g_error_new_literal(SVCMGR_ERROR, 0, fake->stop_error)
                                      : NULL;

    group_unit_stopped(fake->fixture->group, fake->name, error);
}

void fake_unit_stop(void *data)
{
    FakeUnit *fake = data;

    group_fixture_note(fake->fixture, "stop", fake->name);
    if (!fake->is_slow_to_stop)
        fake_unit_stopped(fake);
}

void fake_unit_force(void *data)
{
    FakeUnit *fake = data;

    group_fixture_note(fake->fixture, "force", fake->name);
    if (fake->is_slow_to_stop && !fake->ignores_force)
        fake_unit_stopped(fake);
}

static GOptionGroup *fake_unit_options(void *data)
{
    FakeUnit *fake = data;
    GOptionGroup *options = g_option_group_new(fake->name, fake->name, fake->name, fake, NULL);
    GOptionEntry entries[] = {
            {fake->name, 0, 0, G_OPTION_ARG_STRING, &fake->option, "An option", "VALUE"},
            {NULL},
    };

    g_option_group_add_entries(options, entries);
    group_fixture_note(fake->fixture, "options", fake->name);
    return options;
}

static void fake_unit_validate(void *data, GPtrArray *errors)
{
    FakeUnit *fake = data;

    group_fixture_note(fake->fixture, "validate", fake->name);
    if (fake->invalid != NULL)
        g_ptr_array_add(errors,
                        g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_ARGS, fake->invalid));
    if (fake->invalid_too != NULL)
        g_ptr_array_add(errors,
                        g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_ARGS, fake->invalid_too));
}

Unit fake_unit_to_unit(FakeUnit *fake)
{
    Unit unit = {
            .name = fake->name,
            .options = fake_unit_options,
            .validate = fake_unit_validate,
            .pre_run = fake_unit_pre_run,
            .undo = fake_unit_undo,
            .serve = fake_unit_serve,
            .stop = fake_unit_stop,
            .force = fake_unit_force,
            .data = fake,
    };

    return unit;
}

void group_fixture_set_up(GroupFixture *fixture, const void *unused)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    GroupEvents events = {on_group_fixture_phase,     on_group_fixture_ready,
                          on_group_fixture_stop_usec, on_group_fixture_late,
                          on_group_fixture_done,      fixture};

    fixture->loop = virtual_loop_new();
    fixture->slow_clock.monotonic_usec = group_fixture_monotonic_usec;
    fixture->slow_clock.wall_usec = group_fixture_wall_usec;
    fixture->journal = g_string_new(NULL);
    fixture->stop_usec = 20 * USEC_PER_SEC;
    fixture->group = group_new(&fixture->slow_clock, virtual_loop_timers(fixture->loop), &events);
    lifecycle_set_sink(group_lifecycle(fixture->group), on_group_fixture_event, fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(fixture->units); i++) {
        fixture->units[i].fixture = fixture;
        fixture->units[i].name = names[i];
    }
    for (size_t i = 0; i < 3; i++) {
        Unit unit = fake_unit_to_unit(&fixture->units[i]);

        g_assert_true(group_register(fixture->group, &unit));
    }
}

void group_fixture_end(GroupFixture *fixture)
{
    for (int i = 0; i < 3 && !fixture->is_done; i++) {
        group_stop(fixture->group, "end of the test");
        virtual_loop_settle(fixture->loop);
    }
    g_assert_true(fixture->is_done);
}

void group_fixture_tear_down(GroupFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fixture->units); i++)
        g_free(fixture->units[i].option);
    group_free(fixture->group);
    virtual_loop_free(fixture->loop);
    g_string_free(fixture->journal, TRUE);
    g_clear_error(&fixture->error);
}

void group_fixture_run(GroupFixture *fixture)
{
    group_run(fixture->group, 0);
    virtual_loop_settle(fixture->loop);
}

void group_fixture_stop(GroupFixture *fixture)
{
    group_stop(fixture->group, "test");
    virtual_loop_settle(fixture->loop);
}

void group_fixture_advance(GroupFixture *fixture, uint64_t seconds)
{
    virtual_loop_advance(fixture->loop, seconds * USEC_PER_SEC);
}
