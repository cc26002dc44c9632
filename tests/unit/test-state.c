/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables: names round trip, traits and moves agree with each other. */

#include "core/feed.h"
#include "core/kind.h"
#include "core/restart.h"
#include "core/state.h"

#define CHECK_ROUND_TRIP(Type, prefix, first, max)                                                 \
    do {                                                                                           \
        for (int value = first; value < max; value++) {                                            \
            const char *name = prefix##_to_string((Type)value);                                    \
            g_assert_nonnull(name);                                                                \
            g_assert_cmpint(prefix##_from_string(name), ==, value);                                \
        }                                                                                          \
        g_assert_cmpint(prefix##_from_string("no such name"), ==, -22);                            \
        g_assert_cmpint(prefix##_from_string(NULL), ==, -22);                                      \
    } while (0)

static void test_names(void)
{
    CHECK_ROUND_TRIP(State, state, 0, _STATE_MAX);
    CHECK_ROUND_TRIP(Cause, cause, 0, _CAUSE_MAX);
    CHECK_ROUND_TRIP(FailureClass, failure_class, 0, _FAILURE_MAX);
    CHECK_ROUND_TRIP(RestartMode, restart_mode, 0, _RESTART_MAX);
    CHECK_ROUND_TRIP(ConfigApplied, config_applied, 0, _CONFIG_APPLIED_MAX);
    CHECK_ROUND_TRIP(SignalWhom, signal_whom, 0, _SIGNAL_WHOM_MAX);
    CHECK_ROUND_TRIP(ChangeType, change_type, 0, _CHANGE_MAX);
}

/* The table of the README, column by column. */
static void test_traits(void)
{
    static const struct {
        State state;
        bool active, loading, settled;
    } rows[] = {
            {STATE_INACTIVE, false, false, true}, {STATE_WAITING, true, false, true},
            {STATE_STARTING, true, true, false},  {STATE_ACTIVE, true, false, true},
            {STATE_RELOADING, true, true, false}, {STATE_BACKOFF, true, true, true},
            {STATE_STOPPING, true, false, false}, {STATE_FAILED, false, false, true},
    };
    g_assert_cmpint(G_N_ELEMENTS(rows), ==, _STATE_MAX);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const StateTraits *traits = state_traits(rows[i].state);
        g_assert_cmpint(traits->active, ==, rows[i].active);
        g_assert_cmpint(traits->loading, ==, rows[i].loading);
        g_assert_cmpint(traits->settled, ==, rows[i].settled);
        g_assert_cmpint(traits->owns_retry_timer, ==, rows[i].state == STATE_BACKOFF);
        g_assert_true(!traits->owns_context || traits->loading);
    }
}

static void test_moves(void)
{
    for (int from = 0; from < _STATE_MAX; from++) {
        for (int to = 0; to < _STATE_MAX; to++) {
            bool allowed = state_move_is_allowed((State)from, (State)to);
            if (to == STATE_STOPPING)
                g_assert_cmpint(allowed, ==, state_traits((State)from)->active);
            if (from == to)
                g_assert_true(allowed);
            if (to == STATE_WAITING && from == STATE_RELOADING)
                g_assert_false(allowed); /* something of it runs */
        }
        g_assert_false(state_move_is_allowed((State)from, _STATE_INVALID));
        g_assert_false(state_move_is_allowed((State)from, _STATE_MAX));
    }
    g_assert_false(state_move_is_allowed(STATE_INACTIVE, STATE_BACKOFF));
    g_assert_false(state_move_is_allowed(STATE_BACKOFF, STATE_ACTIVE));
    g_assert_false(state_move_is_allowed(STATE_FAILED, STATE_STOPPING));
}

static void test_record_is_a_snapshot(void)
{
    g_autoptr(StateRecord) record = state_record_new();
    g_autoptr(StateRecord) copy = NULL;
    record->error = g_error_new_literal(g_quark_from_static_string("test"), 1, "first");
    copy = state_record_copy(record);
    g_clear_error(&copy->error);
    copy->state = STATE_FAILED;
    g_assert_cmpstr(record->error->message, ==, "first");
    g_assert_cmpint(record->state, ==, STATE_INACTIVE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state/names/round-trip", test_names);
    g_test_add_func("/state/traits", test_traits);
    g_test_add_func("/state/moves", test_moves);
    g_test_add_func("/state/record/snapshot", test_record_is_a_snapshot);
    return g_test_run();
}
