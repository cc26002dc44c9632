/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a supervisor does where programs, tracers and numbers of processes are not as usual. */

#include "process-fixture.h"
#include "process/supervisor-internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void supervisor_test_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void supervisor_test_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

#define STAYER "{'exec': ['@PROGRAMS/program-stayer'], 'restart': {'policy': 'no'}}"

/* A supervisor without a service */

typedef struct Owner {
    Supervisor *supervisor;
    GString *sub_states;
    bool is_gone;
} Owner;

static void on_owner_ready(void *data)
{
}

static void on_owner_ending(const Failure *failure, const ExitStatus *exit, void *data)
{
}

static void on_owner_unkillable(const GError *error, void *data)
{
}

static void on_owner_gone(const Failure *failure, const Ending *ending, void *data)
{
    ((Owner *)data)->is_gone = true;
}

static void on_owner_sub_state(const char *sub_state, void *data)
{
    g_string_append_printf(((Owner *)data)->sub_states, "%s ", sub_state);
}

static void on_owner_facts(unsigned facts, void *data)
{
}

static void on_owner_reloading(void *data)
{
}

static void on_owner_reloaded(const Failure *failure, void *data)
{
}

static const SupervisorEvents owner_events = {
        .on_ready = on_owner_ready,
        .on_ending = on_owner_ending,
        .on_unkillable = on_owner_unkillable,
        .on_gone = on_owner_gone,
        .on_reloading = on_owner_reloading,
        .on_reloaded = on_owner_reloaded,
        .on_sub_state = on_owner_sub_state,
        .on_facts = on_owner_facts,
};

static bool owner_is_gone(void *data)
{
    return ((Owner *)data)->is_gone;
}

/* Starts a program that stays; the spec is to be kept. */
static void owner_start(ProcessFixture *fixture, Owner *owner, SupervisorSpec *spec, char **argv)
{
    g_autoptr(GError) error = NULL;

    *spec = (SupervisorSpec){
            .spawn = {.exec = argv, SPAWN_KEEP_ALL},
            .rules = {.stop_signal = SIGTERM,
                      .start_timeout_usec = USEC_INFINITY,
                      .stop_timeout_usec = USEC_PER_SEC},
            .readiness = READINESS_SPAWNED,
    };
    *owner = (Owner){.sub_states = g_string_new(NULL)};
    owner->supervisor = supervisor_new(fixture->host, "test", &owner_events, owner);
    g_assert_true(supervisor_start(owner->supervisor, spec, &error));
    g_assert_no_error(error);
}

static void owner_stop(ProcessFixture *fixture, Owner *owner)
{
    supervisor_stop(owner->supervisor);
    fixture_run_until(fixture, owner_is_gone, owner);
    supervisor_free(owner->supervisor);
    g_string_free(owner->sub_states, TRUE);
}

/* It is waited for READY=1 only by who waits for it. */
static void test_sub_state_of_start(ProcessFixture *fixture, const void *unused)
{
    char *argv[] = {(char *)fixture_program("stayer"), NULL};
    SupervisorSpec spec;
    Owner owner;

    owner_start(fixture, &owner, &spec, argv);
    g_assert_true(g_str_has_prefix(owner.sub_states->str, "start "));
    owner_stop(fixture, &owner);
}

/* The number of a main process that its own parent has reaped belongs to another one. */
static void test_number_of_another(ProcessFixture *fixture, const void *unused)
{
    char *argv[] = {(char *)fixture_program("stayer"), NULL};
    GHashTable *mains = fixture->host->mains;
    SupervisorSpec specs[2];
    Owner owners[2];

    owner_start(fixture, &owners[0], &specs[0], argv);
    owner_start(fixture, &owners[1], &specs[1], argv);
    gpointer key = GINT_TO_POINTER(supervisor_facts(owners[0].supervisor)->main_pid);
    g_hash_table_insert(mains, key, owners[1].supervisor);
    owner_stop(fixture, &owners[0]);
    g_assert_true(g_hash_table_lookup(mains, key) == owners[1].supervisor);
    g_hash_table_remove(mains, key);
    owner_stop(fixture, &owners[1]);
    g_assert_cmpuint(g_hash_table_size(mains), ==, 0);
}

/* Tracers */

/* A child that holds pid until it is killed; 0 if it may not. */
static pid_t trace(pid_t pid)
{
    int fds[2];
    char byte = 0;

    g_assert_cmpint(pipe(fds), ==, 0);
    pid_t tracer = fork();
    if (tracer == 0) {
        alarm(60);
        byte = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 'y' : 'n';
        if (write(fds[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    g_assert_cmpint(read(fds[0], &byte, 1), ==, 1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    if (byte == 'y')
        return tracer;
    g_assert_cmpint(kill(tracer, SIGKILL), ==, 0);
    return 0;
}

static bool is_zombie(void *data)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", *(pid_t *)data);
    g_autofree char *text = NULL;
    size_t length;

    return g_file_get_contents(path, &text, &length, NULL) && length == 0;
}

/* A dead main process that cannot be reaped yet costs nothing, and is judged when it can. */
static void test_traced(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process, STAYER);
    int n_turns = 0;

    fixture_wait_settled(fixture, service);
    pid_t pid = fixture_main_pid(service), tracer = trace(pid);
    if (tracer == 0) {
        g_test_skip("no process can be traced here");
        fixture_drop(fixture, service);
        return;
    }
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    fixture_run_until(fixture, is_zombie, &pid);
    while (sd_event_run(loop_event(fixture->loop), 0) > 0)
        g_assert_cmpint(++n_turns, <, 50);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpint(kill(tracer, SIGKILL), ==, 0);
    fixture_wait_state(fixture, service, STATE_FAILED);
    assert_failure(service, FAILURE_SIGNAL, "was killed by SIGKILL");
    fixture_drop(fixture, service);
}

/* Zombies */

/* Whom nobody reaps is nobody to wait for; who does not reap him, and has left the session, is
 * asked to end like the others. */
static void test_only_zombies_left(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'zombie', '@DIR/pid'],"
                                     " 'readiness': 'notify', 'stop_timeout': '50ms'}");

    fixture_wait_settled(fixture, service);
    pid_t parent = fixture_read_pid(fixture, "pid");
    fixture_request_stop(service);
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_INACTIVE);
    g_assert_null(service_state(service)->error);
    assert_contains(fixture->history->str, "stopping/final-sigterm inactive/dead");
    g_assert_cmpint(kill(parent, 0), <, 0);
    fixture_drop(fixture, service);
}

static ssize_t fail_getdents(int fd, void *buffer, size_t size)
{
    errno = ENOMEM;
    return -1;
}

/* What cannot be looked at counts as living, until it can. */
static void test_zombies_not_seen(ProcessFixture *fixture, const void *unused)
{
    Service *service = fixture_start(fixture, fixture->process,
                                     "{'exec': ['@PROGRAMS/program-stayer', 'zombie', '@DIR/pid'],"
                                     " 'readiness': 'notify', 'stop_timeout': '10ms'}");

    fixture_wait_settled(fixture, service);
    pid_t parent = fixture_read_pid(fixture, "pid");
    fixture->sys.getdents64 = fail_getdents;
    fixture->clock.ahead_usec = 5 * USEC_PER_SEC - 100 * USEC_PER_MSEC; /* no need to wait for it */
    fixture_request_stop(service);
    fixture_wait_sub_state(fixture, service, "unkillable");
    fixture->sys.getdents64 = sys_linux.getdents64;
    fixture_wait_settled(fixture, service);
    assert_state(service, STATE_FAILED);
    g_assert_cmpint(kill(parent, 0), <, 0);
    fixture_drop(fixture, service);
}

#define SUPERVISOR_TEST(path, function)                                                            \
    g_test_add(path, ProcessFixture, NULL, supervisor_test_init, function, supervisor_test_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    SUPERVISOR_TEST("/supervisor/sub-state/of-start", test_sub_state_of_start);
    SUPERVISOR_TEST("/supervisor/main/number-of-another", test_number_of_another);
    SUPERVISOR_TEST("/supervisor/main/traced", test_traced);
    SUPERVISOR_TEST("/supervisor/zombies/only", test_only_zombies_left);
    SUPERVISOR_TEST("/supervisor/zombies/not-seen", test_zombies_not_seen);
    return g_test_run();
}
