/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A wait says once what ended it. */

#include "run/wait.h"

#include "base/virtual.h"

#include <glib.h>

typedef struct Fixture {
    VirtualLoop *loop;
    Wait *wait;
    GString *seen;  /* "time@2 " or "cancelled@2 ", seconds */
    unsigned again; /* so many more waits of a second, from inside the function */
} Fixture;

static uint64_t fixture_now(const Fixture *fixture)
{
    return clock_monotonic_usec(virtual_loop_clock(fixture->loop));
}

static void on_wait(WaitOutcome outcome, void *data)
{
    Fixture *fixture = data;

    g_string_append_printf(fixture->seen, "%s@%" G_GUINT64_FORMAT " ",
                           outcome == WAIT_CANCELLED ? "cancelled" : "time",
                           fixture_now(fixture) / USEC_PER_SEC);
    g_assert_false(wait_is_waiting(fixture->wait));
    if (fixture->again > 0) {
        fixture->again--;
        wait_until(fixture->wait, fixture_now(fixture) + USEC_PER_SEC);
    }
}

/* Time begins with second 1. */
static void set_up(Fixture *fixture, const void *unused)
{
    fixture->loop = virtual_loop_new();
    fixture->wait = wait_new(virtual_loop_clock(fixture->loop), virtual_loop_timers(fixture->loop),
                             on_wait, fixture);
    fixture->seen = g_string_new(NULL);
}

static void tear_down(Fixture *fixture, const void *unused)
{
    wait_free(fixture->wait);
    virtual_loop_free(fixture->loop);
    g_string_free(fixture->seen, TRUE);
}

static void test_time(Fixture *fixture, const void *unused)
{
    fixture->again = 1;
    wait_until(fixture->wait, 4 * USEC_PER_SEC);
    g_assert_true(wait_is_waiting(fixture->wait));
    virtual_loop_advance(fixture->loop, 3 * USEC_PER_SEC - 1);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    virtual_loop_advance(fixture->loop, 60 * USEC_PER_SEC);
    g_assert_cmpstr(fixture->seen->str, ==, "time@4 time@5 ");
}

static void test_past(Fixture *fixture, const void *unused)
{
    wait_until(fixture->wait, 0);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    virtual_loop_settle(fixture->loop);
    g_assert_cmpstr(fixture->seen->str, ==, "time@1 ");
}

static void test_cancel(Fixture *fixture, const void *unused)
{
    wait_until(fixture->wait, 4 * USEC_PER_SEC);
    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    wait_cancel(fixture->wait);
    wait_cancel(fixture->wait);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    virtual_loop_advance(fixture->loop, 60 * USEC_PER_SEC);
    g_assert_cmpstr(fixture->seen->str, ==, "cancelled@2 ");
    wait_cancel(fixture->wait);
    wait_until(fixture->wait, 70 * USEC_PER_SEC);
    virtual_loop_advance(fixture->loop, 60 * USEC_PER_SEC);
    g_assert_cmpstr(fixture->seen->str, ==, "cancelled@2 time@70 ");
}

static void test_cancel_nothing(Fixture *fixture, const void *unused)
{
    wait_cancel(fixture->wait);
    virtual_loop_settle(fixture->loop);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    wait_until(fixture->wait, 2 * USEC_PER_SEC);
    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    wait_cancel(fixture->wait);
    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    g_assert_cmpstr(fixture->seen->str, ==, "time@2 ");
}

static void test_cancel_endless(Fixture *fixture, const void *unused)
{
    wait_until(fixture->wait, USEC_INFINITY);
    virtual_loop_advance(fixture->loop, 9 * USEC_PER_SEC);
    g_assert_true(wait_is_waiting(fixture->wait));
    wait_cancel(fixture->wait);
    virtual_loop_settle(fixture->loop);
    g_assert_cmpstr(fixture->seen->str, ==, "cancelled@10 ");
}

static void test_free(void)
{
    Fixture fixture;

    set_up(&fixture, NULL);
    wait_until(fixture.wait, 4 * USEC_PER_SEC);
    wait_cancel(fixture.wait);
    g_clear_pointer(&fixture.wait, wait_free);
    virtual_loop_advance(fixture.loop, 60 * USEC_PER_SEC);
    g_assert_cmpstr(fixture.seen->str, ==, "");
    tear_down(&fixture, NULL);
}

#define ADD(path, function) g_test_add("/wait/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("time", test_time);
    ADD("past", test_past);
    ADD("cancel", test_cancel);
    ADD("cancel-nothing", test_cancel_nothing);
    ADD("cancel-endless", test_cancel_endless);
    g_test_add_func("/wait/free", test_free);
    return g_test_run();
}
