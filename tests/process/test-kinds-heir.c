/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that forks between the signal and its own end: the child has not had the signal, and
 * nobody waits for a timeout until it is told. */

#include "process-fixture.h"

#include <signal.h>
#include <string.h>

static void heir_test_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void heir_test_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static void test_heir(ProcessFixture *fixture, const void *words)
{
    g_autofree char *config =
            g_strdup_printf("{'exec': ['@PROGRAMS/program-heir', '@DIR/heir'%s], 'readiness': "
                            "'notify', 'stop_timeout': '5s', 'restart': {'policy': 'no'}}",
                            (const char *)words);
    Service *service = fixture_start(fixture, fixture->process, config);

    fixture_wait_state(fixture, service, STATE_ACTIVE);
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_null(strstr(fixture->history->str, "sigkill"));
    g_assert_cmpint(kill(fixture_read_pid(fixture, "heir"), 0), <, 0);
    fixture_drop(fixture, service);
}

#define HEIR_TEST(path, words)                                                                     \
    g_test_add(path, ProcessFixture, words, heir_test_init, test_heir, heir_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    HEIR_TEST("/kinds-heir/same-session", "");
    HEIR_TEST("/kinds-heir/own-session", ", 'leave'");
    return g_test_run();
}
