/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a program is ready, and what is said of one that never is. */

#include "trust-fixture.h"

#include <signal.h>
#include <string.h>

#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', "
#define NEVER "'restart': {'policy': 'no'}"

typedef struct ReadyCase {
    const char *name;
    const char *config;
    const char *sub_state; /* while it is starting */
} ReadyCase;

static const ReadyCase ready_cases[] = {
        {"spawned", "{'exec': ['@PROGRAMS/program-notifier'], " NEVER "}", "start"},
        {"notify", "{" NOTIFIER "'READY=1'], 'readiness': 'notify', " NEVER "}", "start-notify"},
};

static void test_ready(TrustFixture *fixture, const void *data)
{
    const ReadyCase *row = data;
    Service *service = trust_start(fixture, row->config);
    g_autofree char *id = NULL;
    g_autofree char *group = NULL;

    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    id = g_strdup(fixture_property(service, "InvocationId").s);
    group = g_strdup(fixture_property(service, "ControlGroup").s);
    g_assert_cmpuint(trust_count_processes(id), >=, 1);
    g_assert_true(trust_cgroup_exists(fixture, group) == fixture->has_cgroups);
    fixture_drop(&fixture->process, service);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    g_assert_false(trust_cgroup_exists(fixture, group));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(ready_cases); i++) {
        g_autofree char *path = g_strconcat("/trust/ready/", ready_cases[i].name, NULL);

        trust_add(path, test_ready, &ready_cases[i]);
    }
    return g_test_run();
}
