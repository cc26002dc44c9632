/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new configuration of what runs: what needs no new start is taken over by the same process and
 * is in force from then on; what needs one has it; and what does not run has it next time. */

#include "base/errors.h"
#include "trust-fixture.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

/* What every configuration here has, and nobody changes. */
#define NEVER "'restart': {'policy': 'no'}, "
#define NOTIFIER                                                                                   \
    "'readiness': 'notify', 'exec': ['@PROGRAMS/program-notifier', '@on', 'HUP', '@reloading', "   \
    "'@note', '@DIR/note', 'reloaded', 'READY=1', '@end', '@on', 'TERM', '@exit', '7', '@end', "   \
    "'@on', 'USR1', '@give', 'memory', 'FDSTORE=1', '@barrier', '@note', '@DIR/note', 'given', "   \
    "'@end', '@passed', '@DIR/passed', 'READY=1']"

/* A bus or a definition: the same is done. */
typedef enum ChangeSource {
    CHANGE_FROM_BUS,
    CHANGE_FROM_DEFINITION,
} ChangeSource;

static char *change_text(const TrustFixture *fixture, const char *members)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "{%s%s}", members, NOTIFIER);
    (void)g_string_replace(text, "'", "\"", 0);
    (void)g_string_replace(text, "@DIR", fixture->process.directory, 0);
    (void)g_string_replace(text, "@PROGRAMS", g_getenv("TEST_PROGRAMS"), 0);
    return g_strdup(text->str);
}

static ConfigApplied change_configure(TrustFixture *fixture, Service *service, const char *members,
                                      ChangeSource source)
{
    g_autofree char *text = change_text(fixture, members);
    g_autoptr(GError) error = NULL;
    ConfigApplied applied = _CONFIG_APPLIED_INVALID;

    if (source == CHANGE_FROM_BUS) {
        (void)service_configure(service, text, strlen(text), &origin_test, &applied, &error);
        g_assert_no_error(error);
    } else {
        Config *config = service_prepare_config(service, text, strlen(text), &error);
        g_assert_no_error(error);
        applied = service_adopt_config(service, config, CONFIG_FROM_DEFINITION, &origin_test);
    }
    fixture_wait_settled(&fixture->process, service);
    return applied;
}

static Service *change_start(TrustFixture *fixture, const char *members)
{
    g_autofree char *config = g_strdup_printf("{%s%s}", members, NOTIFIER);
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    return service;
}

/* Taken over */

typedef void (*ChangeCheck)(TrustFixture *fixture, Service *service);

typedef struct ChangeRow {
    const char *name;
    const char *before, *after; /* members */
    ChangeCheck check;          /* that what is after is in force */
} ChangeRow;

static void check_stubborn(TrustFixture *fixture, Service *service)
{
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_FAILED);
    assert_failure(service, FAILURE_TIMEOUT, "did not end within 150ms of SIGCONT");
}

static void check_interrupted(TrustFixture *fixture, Service *service)
{
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_cmpstr(fixture_property(service, "ExitSignal").s, ==, "SIGINT");
}

typedef struct ReturnWait {
    Service *service;
    pid_t former;
} ReturnWait;

static bool change_has_returned(void *data)
{
    const ReturnWait *wait = data;
    pid_t pid = fixture_main_pid(wait->service);

    return pid != 0 && pid != wait->former && service_state(wait->service)->state == STATE_ACTIVE;
}

static void check_comes_back(TrustFixture *fixture, Service *service)
{
    ReturnWait wait = {service, fixture_main_pid(service)};

    g_assert_cmpint(kill(wait.former, SIGKILL), ==, 0);
    fixture_run_until(&fixture->process, change_has_returned, &wait);
}

static void check_stays_away(TrustFixture *fixture, Service *service)
{
    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    g_assert_true(service_is_settled(service));
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
}

static void check_start_limit(TrustFixture *fixture, Service *service)
{
    check_comes_back(fixture, service);
    g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    assert_failure(service, FAILURE_START_LIMIT, "more than 1 starts");
}

static void check_success(TrustFixture *fixture, Service *service)
{
    g_assert_cmpint(kill(fixture_main_pid(service), SIGTERM), ==, 0);
    fixture_wait_state(&fixture->process, service, STATE_INACTIVE);
    g_assert_cmpint(fixture_property(service, "ExitCode").i, ==, 7);
    g_assert_null(service_state(service)->error);
}

static void check_reloads(TrustFixture *fixture, Service *service)
{
    g_autoptr(GError) error = NULL;
    pid_t pid = fixture_main_pid(service);

    (void)service_reload(service, &origin_test, &error);
    g_assert_no_error(error);
    trust_wait_file(fixture, "note", "reloaded");
    fixture_wait_settled(&fixture->process, service);
    g_assert_null(service_state(service)->error);
    g_assert_cmpint(fixture_main_pid(service), ==, pid);
}

static void check_does_not_reload(TrustFixture *fixture, Service *service)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(service_reload(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_SUPPORTED);
}

static void check_stores(TrustFixture *fixture, Service *service)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(unlink(fixture_path(&fixture->process, "passed")), ==, 0);
    g_assert_cmpint(kill(fixture_main_pid(service), SIGUSR1), ==, 0);
    trust_wait_file(fixture, "note", "given");
    g_assert_true(service_restart(service, &origin_test, &error));
    trust_wait_file(fixture, "passed", "LISTEN_FDS=1");
    fixture_wait_settled(&fixture->process, service);
}

static void check_stop_exec(TrustFixture *fixture, Service *service)
{
    fixture_request_stop(service);
    fixture_wait_settled(&fixture->process, service);
    g_assert_cmpint(access(fixture_path(&fixture->process, "stopped"), F_OK), ==, 0);
}

static const ChangeRow change_rows[] = {
        {"stop-timeout", NEVER "'stop_signal': 'CONT', 'stop_timeout': '60s', ",
         NEVER "'stop_signal': 'CONT', 'stop_timeout': '150ms', ", check_stubborn},
        {"stop-signal", NEVER, NEVER "'stop_signal': 'INT', ", check_interrupted},
        {"stop-exec", NEVER, NEVER "'stop_exec': ['/usr/bin/touch', '@DIR/stopped'], ",
         check_stop_exec},
        {"restart/none", "'restart': {'policy': 'always', 'initial_delay': 0}, ", NEVER,
         check_stays_away},
        {"restart/some", NEVER, "'restart': {'policy': 'always', 'initial_delay': 0}, ",
         check_comes_back},
        {"start-limit", "'restart': {'policy': 'always', 'initial_delay': '1ms'}, ",
         "'restart': {'policy': 'always', 'initial_delay': '1ms'}, "
         "'start_limit': {'burst': 1, 'interval': '60s'}, ",
         check_start_limit},
        {"success", NEVER, NEVER "'success_exit_status': [7], ", check_success},
        {"reload-signal/none", NEVER "'reload_signal': 'HUP', ", NEVER, check_does_not_reload},
        {"reload-signal/some", NEVER, NEVER "'reload_signal': 'HUP', ", check_reloads},
        {"reload-exec", NEVER, NEVER "'reload_exec': ['/bin/sh', '-c', 'kill -HUP $MAINPID'], ",
         check_reloads},
        {"fd-store", NEVER, NEVER "'fd_store_max': 1, ", check_stores},
};

static void test_taken_over(TrustFixture *fixture, const void *data)
{
    const ChangeRow *row = data;

    for (ChangeSource source = CHANGE_FROM_BUS; source <= CHANGE_FROM_DEFINITION; source++) {
        Service *service = change_start(fixture, row->before);
        pid_t pid = fixture_main_pid(service);
        g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);

        g_assert_cmpint(change_configure(fixture, service, row->after, source), ==,
                        CONFIG_RELOADED);
        assert_state(service, STATE_ACTIVE);
        assert_sub_state(service, "running");
        g_assert_cmpint(fixture_main_pid(service), ==, pid);
        g_assert_cmpstr(fixture_property(service, "InvocationId").s, ==, id);
        g_assert_cmpint(kill(pid, 0), ==, 0);
        row->check(fixture, service);
        fixture_drop(&fixture->process, service);
        (void)unlink(fixture_path(&fixture->process, "note"));    /* most make none */
        (void)unlink(fixture_path(&fixture->process, "stopped")); /* likewise */
    }
}

/* Started again */

static const char *const restart_members[] = {
        "'environment': {'A': '1'}, ", "'umask': '077', ",    "'nice': 3, ",
        "'limits': {'core': 0}, ",     "'watchdog': '60s', ",
};

static void test_restarted(TrustFixture *fixture, const void *unused)
{
    Service *service = change_start(fixture, NEVER);

    for (size_t i = 0; i < G_N_ELEMENTS(restart_members); i++) {
        g_autofree char *members = g_strconcat(NEVER, restart_members[i], NULL);
        pid_t pid = fixture_main_pid(service);
        g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);

        g_assert_cmpint(change_configure(fixture, service, members, i % 2), ==, CONFIG_RESTARTED);
        assert_state(service, STATE_ACTIVE);
        fixture_wait_gone(&fixture->process, pid);
        g_assert_cmpint(fixture_main_pid(service), !=, pid);
        g_assert_cmpuint(trust_count_processes(id), ==, 0);
        g_assert_cmpuint(trust_count_processes(fixture_property(service, "InvocationId").s), ==, 1);
    }
    fixture_drop(&fixture->process, service);
}

/* Stored */

static void test_stored(TrustFixture *fixture, const void *unused)
{
    g_autofree char *config = g_strdup_printf("{%s%s}", NEVER, NOTIFIER);
    Service *service = fixture_service(&fixture->process, fixture->process.process, config);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(
            change_configure(fixture, service, NEVER "'stop_signal': 'INT', ", CHANGE_FROM_BUS), ==,
            CONFIG_STORED);
    assert_state(service, STATE_INACTIVE);
    g_assert_true(service_start(service, &origin_test, &error));
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    check_interrupted(fixture, service);
    fixture_drop(&fixture->process, service);
}

/* While the program of a reload runs nobody may through the bus. A definition does: the service is
 * started again, and nothing is left of that program either. */
static void test_during_reload(TrustFixture *fixture, const void *unused)
{
    Service *service =
            change_start(fixture, NEVER "'reload_exec': ['@PROGRAMS/program-stayer', 'stubborn', "
                                        "'child', '@DIR/pid'], ");
    g_autofree char *text = change_text(fixture, NEVER "'stop_timeout': '30s', ");
    g_autofree char *id = g_strdup(fixture_property(service, "InvocationId").s);
    g_autoptr(GError) error = NULL;
    pid_t pid = fixture_main_pid(service);
    Config *config = service_prepare_config(service, text, strlen(text), &error);

    g_assert_no_error(error);
    g_assert_true(service_reload(service, &origin_test, &error));
    trust_wait_file(fixture, "pid", "\n");
    g_assert_cmpuint(trust_count_processes(id), ==, 3);
    g_assert_false(service_configure(service, text, strlen(text), &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_ALREADY_LOADING);
    g_assert_cmpint(fixture_main_pid(service), ==, pid);

    g_assert_cmpint(service_adopt_config(service, config, CONFIG_FROM_DEFINITION, &origin_test), ==,
                    CONFIG_RESTARTED);
    fixture_wait_settled(&fixture->process, service);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpint(fixture_main_pid(service), !=, pid);
    g_assert_cmpuint(trust_count_processes(id), ==, 0);
    fixture_wait_gone(&fixture->process, fixture_read_pid(&fixture->process, "pid"));
    fixture_drop(&fixture->process, service);
}

/* What is not to be had here */

/* A limit without a controller; NULL: all are to be had. */
static const char *change_find_missing(const TrustFixture *fixture)
{
    static const struct {
        const char *member;
        CgroupLimits limits;
    } rows[] = {
            {"memory_max", {.memory_max_bytes = 100}},
            {"pids_max", {.pids_max = 100}},
            {"cpu_weight", {.cpu_weight = 100}},
            {"io_weight", {.io_weight = 100}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!process_host_has_limits(fixture->process.host, &rows[i].limits, NULL))
            return rows[i].member;
    }
    g_test_skip("all limits of cgroups can be set here");
    return NULL;
}

static char *change_limit_text(const TrustFixture *fixture, const char *member, const char *others)
{
    g_autofree char *members = g_strdup_printf(NEVER "%s'cgroup': {'%s': 100}, ", others, member);

    return change_text(fixture, members);
}

static const char *const limit_others[] = {"", "'nice': 3, "}; /* taken over; started again */

static void test_refused(TrustFixture *fixture, const void *unused)
{
    const char *member = change_find_missing(fixture);
    Service *service = change_start(fixture, NEVER);
    pid_t pid = fixture_main_pid(service);
    uint64_t revision = service_state(service)->config_revision;

    for (size_t i = 0; member != NULL && i < G_N_ELEMENTS(limit_others); i++) {
        g_autofree char *text = change_limit_text(fixture, member, limit_others[i]);
        g_autofree char *name = g_strdup_printf("cgroup.%s: ", member);
        g_autoptr(GError) error = NULL;

        g_assert_false(service_configure(service, text, strlen(text), &origin_test, NULL, &error));
        g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_SUPPORTED);
        assert_contains(error->message, name);
        assert_state(service, STATE_ACTIVE);
        g_assert_cmpuint(service_state(service)->config_revision, ==, revision);
        g_assert_cmpint(fixture_main_pid(service), ==, pid);
    }
    fixture_drop(&fixture->process, service);
}

/* It may be a definition for another host: nobody is there to be refused. */
static void test_refused_definition(TrustFixture *fixture, const void *unused)
{
    const char *member = change_find_missing(fixture);
    g_autofree char *plain = g_strdup_printf("{%s%s}", NEVER, NOTIFIER);

    for (size_t i = 0; member != NULL && i < G_N_ELEMENTS(limit_others); i++) {
        Service *service = fixture_service(&fixture->process, fixture->process.process, plain);
        g_autofree char *text = change_limit_text(fixture, member, limit_others[i]);
        g_autoptr(GError) error = NULL;
        Config *config = service_prepare_config(service, text, strlen(text), &error);

        g_assert_no_error(error);
        g_assert_true(service_start(service, &origin_test, &error));
        fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
        pid_t pid = fixture_main_pid(service);
        (void)service_adopt_config(service, config, CONFIG_FROM_DEFINITION, &origin_test);
        fixture_wait_settled(&fixture->process, service);
        assert_state(service, STATE_ACTIVE);
        assert_sub_state(service, "running");
        g_assert_cmpint(fixture_main_pid(service), ==, pid);
        g_assert_error(service_state(service)->error, SVCMGR_ERROR, ERROR_NOT_SUPPORTED);
        /* what is in force is what counts */
        g_assert_cmpint(change_configure(fixture, service, NEVER, CHANGE_FROM_BUS), ==,
                        CONFIG_RELOADED);
        g_assert_cmpint(fixture_main_pid(service), ==, pid);
        g_assert_no_error(service_state(service)->error);
        assert_state(service, STATE_ACTIVE);
        fixture_drop(&fixture->process, service);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(change_rows); i++) {
        g_autofree char *path = g_strconcat("/trust/change/", change_rows[i].name, NULL);
        trust_add(path, test_taken_over, &change_rows[i]);
    }
    trust_add("/trust/change/restarted", test_restarted, NULL);
    trust_add("/trust/change/refused", test_refused, NULL);
    trust_add("/trust/change/refused-definition", test_refused_definition, NULL);
    trust_add("/trust/change/stored", test_stored, NULL);
    trust_add("/trust/change/during-reload", test_during_reload, NULL);
    return g_test_run();
}
