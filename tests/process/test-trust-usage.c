/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of a service's use, as the property shows it: of all its processes, and of nobody
 * else's; nothing when it does not run. */

#include "trust-fixture.h"

#include <signal.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
/* Programs and libraries of a few small processes. */
#define OTHER_MEMORY (24 * MIB)

typedef struct UsageEntries {
    KindEntry entries[KIND_ENTRIES_MAX];
    size_t n;
} UsageEntries;

static UsageEntries usage_of(Service *service)
{
    const KindProperty *property = service_kind(service)->properties;
    UsageEntries usage;

    while (!g_str_equal(property->name, "Usage"))
        property++;
    usage.n = property->get_entries(service_find_instance(service), usage.entries);
    return usage;
}

static const KindEntry *usage_find(const UsageEntries *usage, const char *name, char type)
{
    for (size_t i = 0; i < usage->n; i++) {
        if (!g_str_equal(usage->entries[i].name, name))
            continue;
        g_assert_cmpint(usage->entries[i].type, ==, type);
        return &usage->entries[i];
    }
    return NULL;
}

static uint64_t usage_number(const UsageEntries *usage, const char *name)
{
    const KindEntry *entry = usage_find(usage, name, 't');

    g_assert_nonnull(entry);
    return entry->value.t;
}

static void usage_assert_source(const TrustFixture *fixture, const UsageEntries *usage)
{
    const KindEntry *source = usage_find(usage, "source", 's');

    g_assert_nonnull(source);
    g_assert_cmpstr(source->value.s, ==, fixture->has_cgroups ? "cgroup" : "proc");
}

static void usage_assert_keys(const UsageEntries *usage)
{
    static const char *const known[] = {"cpu_usec", "memory_bytes", "memory_peak_bytes",
                                        "tasks",    "processes",    "source"};

    for (size_t i = 0; i < usage->n; i++) {
        bool is_known = false;
        for (size_t k = 0; k < G_N_ELEMENTS(known); k++)
            is_known |= g_str_equal(known[k], usage->entries[i].name);
        if (!is_known)
            g_error("\"%s\"", usage->entries[i].name);
    }
}

#define NEVER "'restart': {'policy': 'no'}, "
#define CONSUMER(memory, cpu, threads, children, file)                                             \
    NEVER "'exec': ['@PROGRAMS/program-consumer', '" memory "', '" cpu "', '" threads              \
          "', '" children "', '@DIR/" file "']"

static void test_program(TrustFixture *fixture, const void *unused)
{
    Service *idle = trust_start(fixture, "{" CONSUMER("0", "0", "1", "0", "idle") "}");
    Service *service = trust_start(fixture, "{" CONSUMER("50", "200", "3", "2", "busy") "}");
    UsageEntries usage;

    trust_wait_file(fixture, "idle", "\n");
    trust_wait_file(fixture, "busy", "\n");
    usage = usage_of(service);
    usage_assert_keys(&usage);
    usage_assert_source(fixture, &usage);
    g_assert_cmpuint(usage_number(&usage, "cpu_usec"), >=, 180 * USEC_PER_MSEC);
    g_assert_cmpuint(usage_number(&usage, "cpu_usec"), <=, 3 * USEC_PER_SEC);
    g_assert_cmpuint(usage_number(&usage, "memory_bytes"), >=, 50 * MIB);
    g_assert_cmpuint(usage_number(&usage, "memory_bytes"), <=, 50 * MIB + OTHER_MEMORY);
    g_assert_cmpuint(usage_number(&usage, "processes"), ==, 3);
    g_assert_cmpuint(usage_number(&usage, "tasks"), ==, 5);

    usage = usage_of(idle);
    usage_assert_source(fixture, &usage);
    g_assert_cmpuint(usage_number(&usage, "processes"), ==, 1);
    g_assert_cmpuint(usage_number(&usage, "memory_bytes"), <, OTHER_MEMORY);
    fixture_drop(&fixture->process, service);
    fixture_drop(&fixture->process, idle);
}

/* Whoever has left the session, and whatever he has written over, counts. */
static void test_daemons(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" NEVER "'exec': ['@PROGRAMS/program-daemoniser', "
                                            "'stay', 'many', '4', 'wipe', '@DIR/pids']}");

    trust_wait_file(fixture, "pids", "\n");
    UsageEntries usage = usage_of(service);
    g_assert_cmpuint(usage_number(&usage, "processes"), ==, 5);
    g_assert_cmpuint(usage_number(&usage, "tasks"), ==, 5);
    fixture_drop(&fixture->process, service);
}

static void test_nothing_runs(TrustFixture *fixture, const void *unused)
{
    Service *service = fixture_service(&fixture->process, fixture->process.process,
                                       "{" CONSUMER("0", "0", "1", "0", "idle") "}");

    g_assert_cmpuint(usage_of(service).n, ==, 0);
    fixture_drop(&fixture->process, service);

    service = trust_start(fixture, "{" CONSUMER("0", "0", "1", "0", "idle") "}");
    trust_wait_file(fixture, "idle", "\n");
    g_assert_cmpuint(usage_of(service).n, >, 0);
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    g_assert_cmpuint(usage_of(service).n, ==, 0);
    fixture_drop(&fixture->process, service);

    service = fixture_start(&fixture->process, fixture->process.oneshot,
                            "{'remain_after_exit': true, 'exec': ['/bin/true']}");
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpuint(usage_of(service).n, ==, 0);
    fixture_drop(&fixture->process, service);
}

/* For who asks afterwards why it failed: the time, also of those whom it had waited for. */
static void test_failed(TrustFixture *fixture, const void *unused)
{
    Service *service = trust_start(fixture, "{" CONSUMER("0", "200", "1", "0", "busy") "}");

    trust_wait_file(fixture, "busy", "\n");
    trust_signal(service, SIGABRT);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);

    const LastFailure *failure = service_last_failure(service);
    g_assert_nonnull(failure);
    json_t *run = json_loads(failure->run, 0, NULL);
    const json_t *usage = json_object_get(run, "usage");
    g_assert_cmpstr(json_string_value(json_object_get(usage, "source")), ==, "main");
    g_assert_cmpint(json_integer_value(json_object_get(usage, "cpu_usec")), >=,
                    180 * (json_int_t)USEC_PER_MSEC);
    g_assert_cmpint(json_integer_value(json_object_get(usage, "cpu_usec")), <=,
                    3 * (json_int_t)USEC_PER_SEC);
    g_assert_null(json_object_get(usage, "tasks"));
    json_decref(run);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/usage/program", test_program, NULL);
    trust_add("/trust/usage/daemons", test_daemons, NULL);
    trust_add("/trust/usage/nothing-runs", test_nothing_runs, NULL);
    trust_add("/trust/usage/failed", test_failed, NULL);
    return g_test_run();
}
