/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state machine: every request in every state, and what the reports make of them. */

#include "base/errors.h"
#include "run/state-machine.h"

typedef struct Fixture {
    StateMachine *machine;
    GString *seen; /* "start", "stop", and at each settling the state */
    const char *start_error;
    bool starts_at_once;
    bool stops_at_once;
    bool stops_inside; /* of a call that holds it */
} Fixture;

static bool on_start(void *data, GError **error)
{
    Fixture *fixture = data;

    g_string_append(fixture->seen, "start ");
    if (fixture->start_error != NULL)
        return error_set(error, ERROR_FAILED, "%s", fixture->start_error);
    if (fixture->starts_at_once)
        state_machine_started(fixture->machine);
    return true;
}

static void on_stop(void *data)
{
    Fixture *fixture = data;

    g_string_append(fixture->seen, "stop ");
    if (fixture->stops_at_once)
        state_machine_ended(fixture->machine, NULL);
}

static void on_settled(void *data)
{
    Fixture *fixture = data;

    g_string_append_printf(fixture->seen, "%s ",
                           machine_state_to_string(state_machine_state(fixture->machine)));
}

static void set_up(Fixture *fixture, const void *stops_any_time)
{
    StateMachineActions actions = {on_start, on_stop, stops_any_time != NULL, on_settled, fixture};
    g_autofree char *name = g_strdup("bus");

    fixture->machine = state_machine_new(name, &actions);
    fixture->seen = g_string_new(NULL);
}

static void tear_down(Fixture *fixture, const void *unused)
{
    state_machine_free(fixture->machine);
    g_string_free(fixture->seen, TRUE);
}

static void assert_seen(Fixture *fixture, const char *expected)
{
    g_assert_cmpstr(fixture->seen->str, ==, expected);
    g_string_truncate(fixture->seen, 0);
}

static void assert_machine(Fixture *fixture, MachineState state)
{
    g_assert_cmpstr(machine_state_to_string(state_machine_state(fixture->machine)), ==,
                    machine_state_to_string(state));
}

static void start(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(state_machine_start(fixture->machine, &error));
    g_assert_no_error(error);
}

static void stop(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(state_machine_stop(fixture->machine, &error));
    g_assert_no_error(error);
}

static void end_with(Fixture *fixture, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, message);

    state_machine_ended(fixture->machine, error);
}

static void enter(Fixture *fixture, MachineState state)
{
    if (state != MACHINE_UNSTARTED)
        start(fixture);
    if (state == MACHINE_STARTED || state >= MACHINE_STOPPING)
        state_machine_started(fixture->machine);
    if (state == MACHINE_START_FAILED)
        end_with(fixture, "no");
    if (state >= MACHINE_STOPPING)
        stop(fixture);
    if (state == MACHINE_STOPPED)
        state_machine_ended(fixture->machine, NULL);
    if (state == MACHINE_STOP_FAILED)
        end_with(fixture, "no");
    assert_machine(fixture, state);
    g_string_truncate(fixture->seen, 0);
}

static bool on_held(void *data, GError **error)
{
    Fixture *fixture = data;

    g_string_append(fixture->seen, "held ");
    if (fixture->stops_inside) {
        MachineState before = state_machine_state(fixture->machine);

        stop(fixture);
        assert_machine(fixture, before);
        g_assert_false(state_machine_start(fixture->machine, NULL));
        assert_machine(fixture, before);
    }
    return true;
}

static void test_names(void)
{
    g_assert_cmpstr(machine_state_to_string(MACHINE_START_FAILED), ==, "StartFailed");
    for (int i = 0; i < _MACHINE_STATE_MAX; i++)
        g_assert_cmpint(machine_state_from_string(machine_state_to_string((MachineState)i)), ==, i);
    g_assert_cmpint(machine_state_from_string("Ready"), ==, _MACHINE_STATE_INVALID);
}

/* What each state allows; a refusal names the unit and the state, and changes nothing. */
static const struct {
    bool start, stop, if_started, if_not_stopped, is_over;
} allowed[_MACHINE_STATE_MAX] = {
        [MACHINE_UNSTARTED] = {.start = true, .stop = true, .if_not_stopped = true},
        [MACHINE_STARTING] = {.stop = true, .if_not_stopped = true},
        [MACHINE_STARTED] = {.stop = true, .if_started = true, .if_not_stopped = true},
        [MACHINE_START_FAILED] = {.is_over = true},
        [MACHINE_STOPPED] = {.is_over = true},
        [MACHINE_STOP_FAILED] = {.is_over = true},
};

static void assert_answer(bool answer, bool is_allowed, const char *what, MachineState state,
                          GError *error)
{
    g_autofree char *expected =
            g_strdup_printf("bus: %s, it is %s", what, machine_state_to_string(state));

    g_assert_true(answer == is_allowed);
    if (is_allowed) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_BUSY);
    g_assert_cmpstr(error->message, ==, expected);
    g_error_free(error);
}

static void test_requests(const void *data)
{
    MachineState state = (MachineState)GPOINTER_TO_INT(data);
    Fixture fixture = {0};
    GError *error = NULL;
    bool answer;

    set_up(&fixture, NULL);
    enter(&fixture, state);
    g_assert_true(state_machine_is_over(fixture.machine) == allowed[state].is_over);
    answer = state_machine_if_started(fixture.machine, on_held, &fixture, &error);
    assert_answer(answer, allowed[state].if_started, "it must be Started", state,
                  g_steal_pointer(&error));
    assert_seen(&fixture, allowed[state].if_started ? "held " : "");
    answer = state_machine_if_not_stopped(fixture.machine, on_held, &fixture, &error);
    assert_answer(answer, allowed[state].if_not_stopped, "it must not be stopped", state,
                  g_steal_pointer(&error));
    assert_seen(&fixture, allowed[state].if_not_stopped ? "held " : "");
    if (!allowed[state].start) {
        answer = state_machine_start(fixture.machine, &error);
        assert_answer(answer, false, "cannot start", state, g_steal_pointer(&error));
    }
    if (!allowed[state].stop) {
        answer = state_machine_stop(fixture.machine, &error);
        assert_answer(answer, false, "cannot stop", state, g_steal_pointer(&error));
    }
    assert_machine(&fixture, state);
    assert_seen(&fixture, "");
    tear_down(&fixture, NULL);
}

static void test_life(Fixture *fixture, const void *unused)
{
    start(fixture);
    assert_seen(fixture, "start ");
    assert_machine(fixture, MACHINE_STARTING);
    state_machine_started(fixture->machine);
    state_machine_started(fixture->machine);
    assert_seen(fixture, "Started ");
    stop(fixture);
    assert_seen(fixture, "stop ");
    assert_machine(fixture, MACHINE_STOPPING);
    state_machine_started(fixture->machine);
    assert_machine(fixture, MACHINE_STOPPING);
    state_machine_ended(fixture->machine, NULL);
    end_with(fixture, "said twice");
    assert_seen(fixture, "Stopped ");
    g_assert_no_error(state_machine_error(fixture->machine));
}

static void test_life_at_once(Fixture *fixture, const void *unused)
{
    fixture->starts_at_once = fixture->stops_at_once = true;
    start(fixture);
    stop(fixture);
    assert_seen(fixture, "start Started stop Stopped ");
}

static void test_nothing_to_do(void)
{
    Fixture fixture = {.seen = g_string_new(NULL)};
    StateMachineActions actions = {.settled = on_settled, .data = &fixture};

    fixture.machine = state_machine_new("bus", &actions);
    start(&fixture);
    stop(&fixture);
    assert_seen(&fixture, "Started Stopped ");
    tear_down(&fixture, NULL);
}

static void test_start_fails(Fixture *fixture, const void *unused)
{
    fixture->start_error = "no socket";
    start(fixture);
    assert_seen(fixture, "start StartFailed ");
    g_assert_error(state_machine_error(fixture->machine), SVCMGR_ERROR, (int)ERROR_FAILED);
    g_assert_cmpstr(state_machine_error(fixture->machine)->message, ==, "bus: no socket");
}

static void test_start_fails_later(Fixture *fixture, const void *unused)
{
    start(fixture);
    end_with(fixture, "refused");
    assert_seen(fixture, "start StartFailed ");
    g_assert_cmpstr(state_machine_error(fixture->machine)->message, ==, "bus: refused");
}

static void test_ends_before_started(Fixture *fixture, const void *unused)
{
    start(fixture);
    state_machine_ended(fixture->machine, NULL);
    assert_seen(fixture, "start StartFailed ");
    g_assert_no_error(state_machine_error(fixture->machine));
}

static void test_stop_fails(Fixture *fixture, const void *unused)
{
    enter(fixture, MACHINE_STOPPING);
    end_with(fixture, "stuck");
    assert_seen(fixture, "StopFailed ");
    g_assert_cmpstr(state_machine_error(fixture->machine)->message, ==, "bus: stuck");
}

static void test_ends_by_itself(Fixture *fixture, const void *unused)
{
    enter(fixture, MACHINE_STARTED);
    end_with(fixture, "lost");
    assert_seen(fixture, "StopFailed ");
    g_assert_false(state_machine_stop(fixture->machine, NULL));
    assert_seen(fixture, "");
}

static void test_stop_unstarted(Fixture *fixture, const void *unused)
{
    stop(fixture);
    assert_seen(fixture, "Stopped ");
    g_assert_false(state_machine_start(fixture->machine, NULL));
}

static void test_stop_during_start(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    start(fixture);
    stop(fixture);
    assert_seen(fixture, "start ");
    assert_machine(fixture, MACHINE_STARTING);
    g_assert_false(state_machine_stop(fixture->machine, &error));
    g_assert_cmpstr(error->message, ==, "bus: cannot stop, it is Starting and about to be stopped");
    g_assert_false(state_machine_if_not_stopped(fixture->machine, on_held, fixture, NULL));
    state_machine_started(fixture->machine);
    assert_seen(fixture, "stop ");
    state_machine_ended(fixture->machine, NULL);
    assert_seen(fixture, "Stopped ");
}

static void test_stop_during_start_that_fails(Fixture *fixture, const void *unused)
{
    start(fixture);
    stop(fixture);
    end_with(fixture, "refused");
    assert_seen(fixture, "start StartFailed ");
}

static void test_stop_any_time(Fixture *fixture, const void *unused)
{
    start(fixture);
    stop(fixture);
    assert_seen(fixture, "start stop ");
    state_machine_started(fixture->machine);
    assert_machine(fixture, MACHINE_STOPPING);
    state_machine_ended(fixture->machine, NULL);
    assert_seen(fixture, "Stopped ");
}

static void test_stop_any_time_unstarted(Fixture *fixture, const void *unused)
{
    fixture->stops_at_once = true;
    stop(fixture);
    assert_seen(fixture, "stop Stopped ");
}

static void test_stop_while_held(Fixture *fixture, const void *unused)
{
    enter(fixture, MACHINE_STARTED);
    fixture->stops_inside = true;
    g_assert_true(state_machine_if_started(fixture->machine, on_held, fixture, NULL));
    assert_seen(fixture, "held stop ");
    assert_machine(fixture, MACHINE_STOPPING);
}

static void test_stop_while_held_unstarted(Fixture *fixture, const void *unused)
{
    fixture->stops_inside = true;
    g_assert_true(state_machine_if_not_stopped(fixture->machine, on_held, fixture, NULL));
    assert_seen(fixture, "held Stopped ");
}

static bool on_held_fails(void *data, GError **error)
{
    return error_set(error, ERROR_INVALID_ARGS, "wrong");
}

static void test_held_fails(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    enter(fixture, MACHINE_STARTED);
    g_assert_false(state_machine_if_started(fixture->machine, on_held_fails, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_ARGS);
}

#define ADD(path, function)                                                                        \
    g_test_add("/state-machine/" path, Fixture, NULL, set_up, function, tear_down)
#define ADD_ANY_TIME(path, function)                                                               \
    g_test_add("/state-machine/" path, Fixture, "", set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state-machine/names/round-trip", test_names);
    for (int i = 0; i < _MACHINE_STATE_MAX; i++) {
        g_autofree char *path = g_strdup_printf("/state-machine/requests/%s",
                                                machine_state_to_string((MachineState)i));

        g_test_add_data_func(path, GINT_TO_POINTER(i), test_requests);
    }
    ADD("life", test_life);
    ADD("life/at-once", test_life_at_once);
    g_test_add_func("/state-machine/life/nothing-to-do", test_nothing_to_do);
    ADD("start/fails", test_start_fails);
    ADD("start/fails-later", test_start_fails_later);
    ADD("start/ends-before", test_ends_before_started);
    ADD("stop/fails", test_stop_fails);
    ADD("stop/ends-by-itself", test_ends_by_itself);
    ADD("stop/unstarted", test_stop_unstarted);
    ADD("stop/during-start", test_stop_during_start);
    ADD("stop/during-start-that-fails", test_stop_during_start_that_fails);
    ADD_ANY_TIME("stop/any-time", test_stop_any_time);
    ADD_ANY_TIME("stop/any-time-unstarted", test_stop_any_time_unstarted);
    ADD("held/stop", test_stop_while_held);
    ADD("held/stop-unstarted", test_stop_while_held_unstarted);
    ADD("held/fails", test_held_fails);
    return g_test_run();
}
