/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See inject-run.h. What a fault has done is asked of the service, and of the kernel: children,
 * descriptors, cgroups. */

#include "inject-run.h"

#include "base/fds.h"
#include "process/host-internal.h"
#include "process/proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INVOCATION_PREFIX "0123456789abcdef"

/* The cgroups */

void inject_fixture_open_cgroups(InjectFixture *fixture)
{
    g_autoptr(GError) error = NULL;
    ProcessHost *host = fixture->process.host;

    cgroup_fixture_init(&fixture->cgroups, NULL);
    if (fixture->cgroups.base == NULL)
        return;
    process_host_set_invocation_prefix(host, INVOCATION_PREFIX);
    (void)process_host_open_cgroups(host, fixture->cgroups.base, &error);
    g_assert_no_error(error);
}

static char *inject_fixture_tree(const InjectFixture *fixture)
{
    return g_build_filename(fixture->cgroups.base, "svcmgr-" INVOCATION_PREFIX, NULL);
}

unsigned inject_fixture_count(const InjectFixture *fixture)
{
    g_autofree char *tree = inject_fixture_tree(fixture);
    struct stat status;

    g_assert_cmpint(stat(tree, &status), ==, 0);
    return (unsigned)status.st_nlink - 2;
}

char *inject_fixture_cgroup_file(const InjectFixture *fixture, Service *service, const char *file)
{
    g_autofree char *tree = inject_fixture_tree(fixture);
    g_autofree char *name = g_path_get_basename(fixture_property(service, "ControlGroup").s);

    return g_build_filename(tree, name, file, NULL);
}

/* The guardian is a child as well. */
static bool inject_fixture_is_childless(void *data)
{
    const InjectFixture *fixture = data;
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

    g_assert_true(proc_read_children(&sys_linux, pids));
    return pids->len == (fixture->cgroups.guardian > 0 ? 1 : 0);
}

void inject_fixture_wait_childless(InjectFixture *fixture)
{
    fixture_run_until(&fixture->process, inject_fixture_is_childless, fixture);
}

void inject_fixture_close_cgroups(InjectFixture *fixture)
{
    if (fixture->cgroups.base == NULL)
        return;
    inject_fixture_wait_childless(fixture);
    fixture_settle(&fixture->process);
    g_clear_pointer(&fixture->process.host->cgroups, cgroup_tree_free);
    cgroup_fixture_done(&fixture->cgroups, NULL);
}

/* The scenarios */

/* The failure that a run is about. */
typedef struct Fault {
    const Row *row; /* NULL: none */
    unsigned step;
    unsigned nth;
    int errno_value;
    bool was_hit;
} Fault;

static const InjectTables *tables;
static unsigned *row_hits; /* of each row */
static unsigned n_scenarios_run, n_runs;

static pid_t refuse_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                          int *ret_pidfd)
{
    errno = EPERM;
    return -1;
}

static pid_t refuse_placing(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                            int *ret_pidfd)
{
    if (cgroup_fd < 0)
        return sys_linux.clone_vm(child, data, stack, size, cgroup_fd, ret_pidfd);
    errno = EINVAL;
    return -1;
}

__attribute__((no_sanitize("address", "undefined"))) static int refuse_close_range(unsigned first,
                                                                                   unsigned last,
                                                                                   int flags)
{
    errno = ENOSYS;
    return -1;
}

static int refuse_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                            struct rlimit64 *ret_limit)
{
    errno = EPERM;
    return -1;
}

static void inject_test_init(InjectFixture *inject, const void *data)
{
    const Scenario *scenario = data;
    ProcessFixture *fixture = &inject->process;

    fixture_init(fixture);
    if (scenario->refuses_placing)
        fixture->sys.clone_vm = refuse_placing;
    if (scenario->way != WAY_VM)
        fixture->sys.clone_vm = refuse_clone;
    if (scenario->way == WAY_FORK)
        fixture->sys.clone_copy = refuse_clone;
    inject_install(fixture);
    if (scenario->refuses_close_range)
        fixture->sys.close_range = refuse_close_range;
    if (scenario->refuses_prlimit)
        fixture->sys.prlimit64 = refuse_prlimit64;
    if (scenario->has_cgroups)
        inject_fixture_open_cgroups(inject);
}

static void inject_test_done(InjectFixture *inject, const void *data)
{
    const Scenario *scenario = data;

    inject_reset();
    if (scenario->has_cgroups)
        inject_fixture_close_cgroups(inject);
    fixture_done(&inject->process);
}

/* What a child closes takes a moment. */
static bool inject_fds_are_as_many(void *data)
{
    return fd_count_open() == *(const int *)data;
}

static void assert_nothing_left(InjectFixture *inject, const Scenario *scenario, int n_fds)
{
    g_assert_cmpuint(process_host_n_running(inject->process.host), ==, 0);
    if (scenario->stray != NULL) {
        g_autofree char *text = fixture_read(&inject->process, scenario->stray);

        if (text != NULL)
            (void)kill((pid_t)g_ascii_strtoll(text, NULL, 10), SIGKILL); /* gone: as well */
    }
    inject_fixture_wait_childless(inject);
    fixture_run_until(&inject->process, inject_fds_are_as_many, &n_fds);
}

/* What is the same as before would not be started anew. */
static void configure_anew(ProcessFixture *fixture, const Scenario *scenario, Service *service)
{
    static unsigned n;
    g_autofree char *config =
            g_strdup_printf("{'environment': {'N': '%u'}, %s", ++n, scenario->config + 1);

    fixture_configure(fixture, service, config);
}

static void act(ProcessFixture *fixture, const Scenario *scenario, Service *service, Act what)
{
    static const Origin origin = {.cause = CAUSE_METHOD, .method = "Test"};
    g_autoptr(GError) error = NULL;

    switch (what) {
    case ACT_START:
    case ACT_TELL:
    case ACT_ONCE:
        (void)service_start(service, &origin, &error);
        break;
    case ACT_REPLACE:
        configure_anew(fixture, scenario, service);
        break;
    case ACT_STOP:
        (void)service_stop(service, &origin, &error);
        break;
    case ACT_RELOAD:
        (void)service_reload(service, &origin, &error);
        break;
    case ACT_MISS:
        fixture_wait_state(fixture, service, STATE_FAILED);
        break;
    case ACT_DIE:
        g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
        fixture_wait_state(fixture, service, STATE_FAILED);
        break;
    }
    g_assert_no_error(error);
    fixture_wait_settled(fixture, service);
}

static void assert_step(Service *service, const Step *step)
{
    const StateRecord *record = service_state(service);

    if (record->error != NULL && step->error == NULL)
        g_test_message("%s", record->error->message);
    assert_state(service, step->state);
    g_assert_true((record->error != NULL) == (step->error != NULL));
    if (step->error != NULL)
        assert_contains(record->error->message, step->error);
}

/* If need be by force. */
static void assert_ended(Service *service)
{
    const StateRecord *record = service_state(service);

    g_assert_false(record->active);
    if (record->error != NULL)
        assert_contains(record->error->message, "kill");
}

static void assert_outcome(Service *service, const Step *step, const Fault *fault)
{
    const StateRecord *record = service_state(service);

    switch (fault->row->outcome) {
    case OUTCOME_UNHARMED:
        assert_step(service, step);
        return;
    case OUTCOME_FAILS:
        assert_state(service, STATE_FAILED);
        assert_failure(service, FAILURE_EXEC, fault->row->text);
        assert_contains(record->error->message, g_strerror(fault->errno_value));
        return;
    case OUTCOME_NO_RELOAD:
        assert_state(service, STATE_ACTIVE);
        g_assert_nonnull(record->error);
        assert_contains(record->error->message, fault->row->text);
        assert_contains(record->error->message, g_strerror(fault->errno_value));
        return;
    case OUTCOME_UNKNOWN_EXIT:
        assert_state(service, STATE_FAILED);
        assert_failure(service, FAILURE_EXIT_CODE, "exit status unknown");
        return;
    case OUTCOME_ENDS:
        assert_ended(service);
        return;
    }
    g_assert_not_reached();
}

/* One step. False: the failure has ended the service before its time. */
static bool run_step(ProcessFixture *fixture, const Scenario *scenario, Service *service,
                     unsigned i, Fault *fault)
{
    const Step *step = &scenario->steps[i];
    bool is_faulty = fault->row != NULL && fault->step == i;
    bool waits = scenario->hurries || (is_faulty && fault->row->waits);

    inject_reset();
    if (is_faulty)
        inject_arm(fault->row->call, fault->nth, fault->errno_value, false);
    fixture->clock.ahead_usec = waits ? CUT_SHORT_USEC : 0;
    act(fixture, scenario, service, step->act);
    fixture->clock.ahead_usec = scenario->hurries ? CUT_SHORT_USEC : 0;
    if (is_faulty && inject_has_hit())
        row_hits[fault->row - tables->rows]++;
    fault->was_hit = fault->was_hit || (is_faulty && inject_has_hit());
    if (scenario->hurries && step->act == ACT_STOP)
        assert_ended(service);
    else if (is_faulty && (inject_has_hit() || waits)) /* the last call may not come again */
        assert_outcome(service, step, fault);
    else
        assert_step(service, step);
    return service_state(service)->state == step->state;
}

static void run_again(ProcessFixture *fixture, const Scenario *scenario, Service *service)
{
    inject_reset();
    act(fixture, scenario, service, scenario->steps[0].act);
    assert_step(service, &scenario->steps[0]);
}

static void divide(const InjectFixture *inject, Service *service)
{
    g_autofree char *part = inject_fixture_cgroup_file(inject, service, "part");

    g_assert_cmpint(mkdir(part, 0755), ==, 0);
    cgroup_fixture_move(part, fixture_main_pid(service));
}

static bool inject_fixture_is_bare(void *data)
{
    return inject_fixture_count(data) == 0;
}

/* A directory that could not be removed is gone when the next child has died, which may be that of
 * the next start; or the dead one, who is in it until he is reaped. */
static void assert_no_directory(InjectFixture *inject, const Scenario *scenario, const Fault *fault)
{
    if (inject->cgroups.base == NULL)
        return;
    if (fault->row != NULL && (fault->row->call == INJECT_UNLINKAT || scenario->divides))
        g_assert_cmpuint(inject_fixture_count(inject), <=, 1);
    else
        fixture_run_until(&inject->process, inject_fixture_is_bare, inject);
}

/* Who is asked to end has little time; whom SIGKILL was sent has all that there is, for when he is
 * gone is up to the machine. */
static void on_inject_change(const Change *change, void *data)
{
    ProcessFixture *fixture = data;

    if (change->type == CHANGE_UPDATE && (g_str_has_prefix(change->new_state->sub_state, "stop-") ||
                                          g_str_has_prefix(change->new_state->sub_state, "final-")))
        fixture->clock.ahead_usec = 0;
}

/* counts, unless NULL: of each step. */
static void run(InjectFixture *inject, const Scenario *scenario, Fault *fault,
                unsigned (*counts)[_INJECT_CALL_MAX])
{
    ProcessFixture *fixture = &inject->process;
    int n_fds = fd_count_open();
    Service *service = fixture_service(
            fixture, scenario->is_oneshot ? fixture->oneshot : fixture->process, scenario->config);
    FeedListener *listener =
            scenario->hurries ? NULL : feed_listen(fixture->core->feed, on_inject_change, fixture);

    n_runs++;
    fault->was_hit = false;
    for (unsigned i = 0; i < STEPS_MAX && scenario->steps[i].act != 0; i++) {
        bool goes_on = run_step(fixture, scenario, service, i, fault);

        for (unsigned call = 0; counts != NULL && call < _INJECT_CALL_MAX; call++)
            counts[i][call] = inject_count(call);
        if (!goes_on)
            break;
        if (scenario->divides && i == 0)
            divide(inject, service);
    }
    if (listener != NULL)
        feed_unlisten(listener);
    inject_reset();
    if (service_state(service)->active)
        act(fixture, scenario, service, ACT_STOP);
    assert_nothing_left(inject, scenario, n_fds);
    assert_no_directory(inject, scenario, fault);
    run_again(fixture, scenario, service);
    fixture_drop(fixture, service);
    assert_nothing_left(inject, scenario, n_fds);
    assert_no_directory(inject, scenario, &(const Fault){0});
    inject_remove_sockets(fixture);
}

static bool row_is_for(const Row *row, InjectCall call, Act what, unsigned nth)
{
    return row->call == call && (row->acts & what) != 0 && nth >= row->first &&
           (row->last == 0 || nth <= row->last);
}

static void run_faults_of(InjectFixture *inject, const Scenario *scenario, Fault *fault,
                          InjectCall call)
{
    Act what = scenario->steps[fault->step].act;
    unsigned n_found = 0;

    for (unsigned i = 0; i < tables->n_rows; i++) {
        const Row *row = &tables->rows[i];

        if (!row_is_for(row, call, what, fault->nth))
            continue;
        n_found++;
        fault->row = row;
        unsigned n_errnos = scenario->is_alike ? 1 : UINT_MAX;
        for (const int *value = row->errnos; *value != 0 && n_errnos > 0; value++, n_errnos--) {
            fault->errno_value = *value;
            g_test_message("step %u, %s no. %u: %s", fault->step, inject_call_name(call),
                           fault->nth,
                           *value == INJECT_SHORT ? "short" : g_strerror(fault->errno_value));
            run(inject, scenario, fault, NULL);
        }
    }
    if (n_found == 0)
        g_error("%s, step %u: nothing is said of call no. %u of %s", scenario->name, fault->step,
                fault->nth, inject_call_name(call));
}

/* The first ones, and the last. The child's are all of a kind. */
static bool number_is_tried(InjectCall call, unsigned nth, unsigned count)
{
    return nth == 1 || (nth == 2 && call < INJECT_CLOSE_RANGE) || nth == count;
}

static void test_scenario(InjectFixture *inject, const void *data)
{
    const Scenario *scenario = data;
    unsigned counts[STEPS_MAX][_INJECT_CALL_MAX] = {0};

    if (scenario->has_cgroups && inject->cgroups.base == NULL)
        return;
    if (scenario->needs_root && geteuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    n_scenarios_run++;
    run(inject, scenario, &(Fault){0}, counts);
    for (Fault fault = {.step = scenario->first_step}; fault.step < STEPS_MAX; fault.step++) {
        for (unsigned call = 0; call < _INJECT_CALL_MAX; call++) {
            for (fault.nth = 1; fault.nth <= counts[fault.step][call]; fault.nth++) {
                if (number_is_tried(call, fault.nth, counts[fault.step][call]))
                    run_faults_of(inject, scenario, &fault, call);
            }
        }
    }
}

/* Nothing stands in the table for show. */
static void test_every_row(void)
{
    if (n_scenarios_run < tables->n_scenarios) {
        g_test_skip("only after all of the scenarios, as root, with cgroups");
        return;
    }
    g_test_message("%u runs", n_runs);
    for (unsigned i = 0; i < tables->n_rows; i++) {
        if (row_hits[i] == 0 && !tables->rows[i].is_rare)
            g_error("row %u, of %s: nothing came by it", i, inject_call_name(tables->rows[i].call));
    }
    g_clear_pointer(&row_hits, g_free);
}

void inject_run_add(const InjectTables *of_test)
{
    g_autofree char *last = g_strconcat(of_test->prefix, "/every-row", NULL);

    tables = of_test;
    row_hits = g_new0(unsigned, tables->n_rows);
    for (unsigned i = 0; i < tables->n_scenarios; i++) {
        const Scenario *scenario = &tables->scenarios[i];
        g_autofree char *path = g_strconcat(tables->prefix, "/", scenario->name, NULL);

        g_test_add(path, InjectFixture, scenario, inject_test_init, test_scenario,
                   inject_test_done);
    }
    g_test_add_func(last, test_every_row);
}
