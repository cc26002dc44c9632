/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every system call of a start, a run and a stop fails once, with every error that it can have, and
 * what is to come of it stands in a table. Each scenario runs through once to count its calls; then
 * again for each of them, with that one failing. Whatever happens, nothing is left behind, and the
 * service can be started and stopped afterwards. A call that is made and has no row, and a row that
 * nothing comes by, is a failure of this test. */

#include "base/fds.h"
#include "inject.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is asked for. */
typedef enum Act {
    ACT_START = 1 << 0,
    ACT_TELL = 1 << 1, /* a start in which others than the main process say something */
    ACT_ONCE = 1 << 2, /* a oneshot, from its start to its end */
    ACT_REPLACE = 1 << 3,
    ACT_STOP = 1 << 4,
    ACT_DIE = 1 << 5, /* killed from outside */
} Act;

typedef enum Outcome {
    OUTCOME_UNHARMED,     /* as if nothing had failed */
    OUTCOME_NO_START,     /* failed; the error says what could not be done, and why */
    OUTCOME_UNKNOWN_EXIT, /* failed; it is told that nobody knows how it ended */
    OUTCOME_ENDS,         /* it ends, if need be by force, which is told then */
} Outcome;

/* May take until the end of a timeout. All that are 5 s (SIGKILL has that long as well) are cut
 * short then. */
#define WAITS true
#define CUT_SHORT_USEC (5 * USEC_PER_SEC - 20 * USEC_PER_MSEC)

typedef struct Row {
    InjectCall call;
    unsigned acts;
    const int *errnos;
    Outcome outcome;
    const char *text;
    bool waits;
    unsigned first, last; /* of what number in the act the call is; 0: whatever it is */
} Row;

#define ERRNOS(...) ((const int[]){__VA_ARGS__, 0})
#define STARTS (ACT_START | ACT_TELL | ACT_ONCE | ACT_REPLACE)
#define ENDS (ACT_STOP | ACT_DIE | ACT_ONCE | ACT_REPLACE)
#define ALL (STARTS | ENDS)
#define NO_SOCKET OUTCOME_NO_START, "cannot open the notify socket "
#define NO_PROCESS OUTCOME_NO_START, "cannot create a process: "
#define NO_WATCH OUTCOME_NO_START, "cannot watch process "

static const Row rows[] = {
        /* Start, in the daemon */
        {INJECT_CLONE_VM, STARTS, ERRNOS(EAGAIN, ENOMEM), NO_PROCESS},
        {INJECT_CLONE_VM, STARTS, ERRNOS(EPERM, ENOSYS), OUTCOME_UNHARMED},
        {INJECT_CLONE_COPY, STARTS, ERRNOS(EAGAIN, ENOMEM), NO_PROCESS},
        {INJECT_CLONE_COPY, STARTS, ERRNOS(EPERM, ENOSYS), OUTCOME_UNHARMED},
        {INJECT_FORK, STARTS, ERRNOS(EAGAIN, ENOMEM), NO_PROCESS},
        {INJECT_PIDFD_OPEN, STARTS & ~ACT_TELL, ERRNOS(EMFILE, ENFILE, ENOMEM), NO_PROCESS},
        {INJECT_PIPE2, STARTS, ERRNOS(EMFILE, ENFILE), NO_PROCESS},
        {INJECT_SOCKET, STARTS, ERRNOS(EMFILE, ENFILE, ENOMEM, EACCES), NO_SOCKET},
        {INJECT_FCHMOD, STARTS, ERRNOS(EPERM, EIO), NO_SOCKET},
        {INJECT_SETSOCKOPT, STARTS, ERRNOS(ENOMEM, EPERM), NO_SOCKET},
        {INJECT_BIND, STARTS, ERRNOS(EACCES, ENOENT, ENOMEM, EIO), NO_SOCKET},
        {INJECT_LCHOWN, STARTS, ERRNOS(EPERM, EACCES, ENOENT, EIO), NO_SOCKET},
        {INJECT_WATCH_NOTIFY, STARTS, ERRNOS(ENOMEM, ENOSPC), NO_SOCKET},
        {INJECT_WATCH_EXEC, STARTS, ERRNOS(ENOMEM, ENOSPC), NO_WATCH},
        {INJECT_WATCH_MAIN, STARTS & ~ACT_TELL, ERRNOS(ENOMEM, ENOSPC), NO_WATCH},
        {INJECT_WATCH_MAIN, ACT_TELL, ERRNOS(ENOMEM, ENOSPC), NO_WATCH, .last = 1},
        {INJECT_WATCH_MAIN, ACT_TELL, ERRNOS(ENOMEM, ENOSPC), OUTCOME_UNHARMED, .first = 2},
        {INJECT_READ_EXEC, ALL, ERRNOS(EINTR, EAGAIN, INJECT_SHORT), OUTCOME_UNHARMED},
        {INJECT_READ_EXEC, STARTS, ERRNOS(EIO, ENOMEM), OUTCOME_NO_START,
         "cannot learn whether '/"},
        /* Start, in the child */
        {INJECT_CHILD_SETSID, STARTS, ERRNOS(EPERM), OUTCOME_NO_START, "cannot start a session: "},
        {INJECT_CHILD_SIGACTION, STARTS, ERRNOS(EPERM, EIO), OUTCOME_NO_START,
         "cannot reset signals: "},
        {INJECT_CHILD_SIGPROCMASK, STARTS, ERRNOS(EPERM, EIO), OUTCOME_NO_START,
         "cannot reset signals: "},
        {INJECT_CHILD_DUP3, STARTS, ERRNOS(EMFILE, EIO), OUTCOME_NO_START,
         "cannot set standard input: "},
        {INJECT_CHILD_UMASK, STARTS, ERRNOS(EPERM), OUTCOME_UNHARMED},
        {INJECT_CLOSE_RANGE, STARTS, ERRNOS(EMFILE, ENOMEM), OUTCOME_NO_START,
         "cannot close descriptors: "},
        {INJECT_CLOSE_RANGE, STARTS, ERRNOS(ENOSYS, EINVAL, EPERM), OUTCOME_UNHARMED},
        {INJECT_CHILD_CLOSE, STARTS, ERRNOS(EBADF, EIO), OUTCOME_UNHARMED},
        {INJECT_CHILD_FCNTL, STARTS, ERRNOS(EBADF), OUTCOME_UNHARMED},
        {INJECT_CHILD_MARK, STARTS, ERRNOS(EPERM), OUTCOME_UNHARMED},
        {INJECT_CHILD_PRLIMIT_GET, STARTS, ERRNOS(EPERM), OUTCOME_NO_START,
         "cannot close descriptors: "},
        {INJECT_CHILD_PRLIMIT_SET, STARTS, ERRNOS(EPERM), OUTCOME_NO_START,
         "cannot set the limit of descriptors: "},
        {INJECT_CHILD_SETGROUPS, STARTS, ERRNOS(EPERM, ENOMEM), OUTCOME_NO_START,
         "cannot set supplementary groups: "},
        {INJECT_CHILD_SETRESGID, STARTS, ERRNOS(EPERM, EAGAIN), OUTCOME_NO_START,
         "cannot change to group '"},
        {INJECT_CHILD_SETRESUID, STARTS, ERRNOS(EPERM, EAGAIN), OUTCOME_NO_START,
         "cannot change to user 'nobody': "},
        /* To be dumped is refused first, then new privileges are. */
        {INJECT_CHILD_PRCTL, STARTS, ERRNOS(EPERM), OUTCOME_UNHARMED, .last = 1},
        {INJECT_CHILD_PRCTL, STARTS, ERRNOS(EPERM, EINVAL), OUTCOME_NO_START,
         "cannot set no_new_privileges: ", .first = 2},
        {INJECT_CHILD_CHDIR, STARTS, ERRNOS(ENOENT, EACCES, ENOMEM, EIO), OUTCOME_NO_START,
         "cannot change to directory '/': "},
        {INJECT_CHILD_EXECVE, STARTS,
         ERRNOS(EAGAIN, EMFILE, ENFILE, ENOMEM, ENOENT, EACCES, EPERM, EIO), OUTCOME_NO_START,
         "cannot execute '/"},
        /* What is said; of two ways to know a sender, one is enough. An unknown MAINPID is not
         * followed. */
        {INJECT_RECVMSG, ALL, ERRNOS(EINTR, EAGAIN, ENOMEM), OUTCOME_UNHARMED},
        {INJECT_PIDFD_OPEN, ACT_TELL, ERRNOS(EMFILE, ENFILE, ENOMEM, ESRCH), OUTCOME_UNHARMED},
        {INJECT_PIDFD_OPEN, ACT_STOP, ERRNOS(EMFILE, ENFILE, ENOMEM, ESRCH), OUTCOME_ENDS, NULL,
         WAITS},
        {INJECT_GETSID, ALL, ERRNOS(ESRCH, EPERM), OUTCOME_UNHARMED},
        {INJECT_GETPGID, ALL, ERRNOS(ESRCH, EPERM), OUTCOME_UNHARMED},
        {INJECT_PRLIMIT, ALL, ERRNOS(ESRCH, EPERM), OUTCOME_UNHARMED},
        {INJECT_OPEN, ALL & ~ACT_STOP, ERRNOS(EINTR, EMFILE, ENFILE, ENOMEM, ENOENT, EACCES, ESRCH),
         OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_READ_PROC, ALL & ~ACT_STOP, ERRNOS(EINTR, ESRCH, ENOMEM, EIO, INJECT_SHORT),
         OUTCOME_UNHARMED, NULL, WAITS},
        /* Ends. A signal that does not get there is made up for by SIGKILL when the time is up. */
        {INJECT_UNLINK, ALL, ERRNOS(EACCES, EIO, ENOENT, EPERM), OUTCOME_UNHARMED},
        {INJECT_KILL, ACT_STOP, ERRNOS(EPERM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_KILL, ACT_DIE | ACT_ONCE | ACT_REPLACE, ERRNOS(EPERM), OUTCOME_UNHARMED, NULL,
         WAITS},
        {INJECT_KILL_PROBE, ACT_STOP, ERRNOS(EPERM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_KILL_PROBE, ALL & ~ACT_STOP, ERRNOS(EPERM), OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_PIDFD_SIGNAL, ACT_STOP, ERRNOS(EPERM, ESRCH), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_PIDFD_SIGNAL, ALL & ~ACT_STOP, ERRNOS(EPERM, ESRCH), OUTCOME_UNHARMED, NULL, WAITS},
        {INJECT_WAIT_MAIN, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_WAIT_MAIN, ACT_STOP | ACT_REPLACE, ERRNOS(ECHILD), OUTCOME_UNHARMED},
        /* To look at it is the first call, to take it away the second. */
        {INJECT_WAIT_MAIN, ACT_DIE | ACT_ONCE, ERRNOS(ECHILD), OUTCOME_UNKNOWN_EXIT, .last = 1},
        {INJECT_WAIT_MAIN, ACT_DIE | ACT_ONCE, ERRNOS(ECHILD), OUTCOME_UNHARMED, .first = 2},
        {INJECT_WAIT_CHILD, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_WAIT_GROUP, ALL, ERRNOS(EINTR, ECHILD), OUTCOME_UNHARMED},
        {INJECT_WAIT_ANY, ALL, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_OPEN, ACT_STOP, ERRNOS(EINTR), OUTCOME_UNHARMED},
        {INJECT_OPEN, ACT_STOP, ERRNOS(ENOENT, EMFILE, ENOMEM), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_READ_PROC, ACT_STOP, ERRNOS(EINTR, INJECT_SHORT), OUTCOME_UNHARMED},
        {INJECT_READ_PROC, ACT_STOP, ERRNOS(ESRCH, ENOMEM, EIO), OUTCOME_ENDS, NULL, WAITS},
        {INJECT_GETDENTS, ACT_STOP, ERRNOS(ENOMEM, EIO), OUTCOME_ENDS, NULL, WAITS},
};

typedef struct Step {
    Act act;
    State state;       /* in which it leads */
    const char *error; /* NULL: none */
} Step;

/* The way to the child. */
typedef enum Way {
    WAY_VM,
    WAY_COPY,
    WAY_FORK,
} Way;

#define STEPS_MAX 4

typedef struct Scenario {
    const char *name;
    const char *config;
    Step steps[STEPS_MAX];
    Way way;
    bool is_oneshot;
    bool refuses_close_range;
    bool refuses_prlimit;
    bool needs_root;
    bool is_alike;       /* to another scenario: one error of a row speaks for all */
    unsigned first_step; /* whose calls fail: those before are as in another scenario */
    bool hurries;        /* its stop takes a timeout, and who knows whether SIGTERM was faster */
    /* The file with a process that the test has to end, as it leaves group and session. */
    const char *stray;
} Scenario;

#define STAYER(words) "'exec': ['@PROGRAMS/program-stayer'" words "]"
#define NOTIFIER(words) "'exec': ['@PROGRAMS/program-notifier', " words "], 'readiness': 'notify'"
#define COMMON ", 'stop_timeout': '5s', 'restart': {'policy': 'no'}}"
#define UP(act)                                                                                    \
    {                                                                                              \
        act, STATE_ACTIVE, NULL                                                                    \
    }
#define STOPS                                                                                      \
    {                                                                                              \
        ACT_STOP, STATE_INACTIVE, NULL                                                             \
    }
#define DIES                                                                                       \
    {                                                                                              \
        ACT_DIE, STATE_FAILED, "was killed by SIGKILL"                                             \
    }
#define GIVEN_TIME ", 'stop_timeout': '5ms', 'restart': {'policy': 'no'}}"

static const Scenario scenarios[] = {
        {"spawned",
         "{" STAYER("") ", 'working_directory': '/', 'umask': '0022'" COMMON,
         {UP(ACT_START), STOPS}},
        {"notify", "{" STAYER(", 'clean'") ", 'readiness': 'notify'" COMMON, {UP(ACT_START), DIES}},
        {"replace",
         "{" STAYER(", 'clean'") ", 'readiness': 'notify'" COMMON,
         {UP(ACT_START), UP(ACT_REPLACE), STOPS}},
        {"stubborn",
         "{" STAYER(", 'stubborn'") ", 'readiness': 'notify'" GIVEN_TIME,
         {UP(ACT_START), {ACT_STOP, STATE_FAILED, "killed"}},
         .first_step = 1},
        {"stubborn-child",
         "{" STAYER(", 'stubborn-child', '@DIR/pid'") ", 'readiness': 'notify'" GIVEN_TIME,
         {UP(ACT_START), {ACT_STOP, STATE_FAILED, "killed"}},
         .first_step = 1},
        {"mode-main",
         "{" STAYER(", 'child', '@DIR/pid'") ", 'readiness': 'notify', 'stop_mode': 'main'" COMMON,
         {UP(ACT_START), STOPS},
         .first_step = 1},
        {"zombie",
         "{" STAYER(", 'zombie', '@DIR/pid'") ", 'readiness': 'notify'" GIVEN_TIME,
         {UP(ACT_START), STOPS},
         .stray = "pid",
         .first_step = 1,
         .hurries = true},
        {"main-pid", "{" NOTIFIER("'@flood-all', '2', 'READY=1'") COMMON, {UP(ACT_TELL), STOPS}},
        {"other-session", "{" NOTIFIER("'@session', 'READY=1'") COMMON, {UP(ACT_TELL), STOPS}},
        {"no-prlimit",
         "{" NOTIFIER("'@session', 'READY=1'") COMMON,
         {UP(ACT_TELL), STOPS},
         .refuses_prlimit = true},
        {"oneshot",
         "{'exec': ['/bin/true']" COMMON,
         {{ACT_ONCE, STATE_INACTIVE, NULL}},
         .is_oneshot = true},
        {"copy",
         "{" STAYER("") ", 'working_directory': '/', 'umask': '0022'" COMMON,
         {UP(ACT_START), STOPS},
         .way = WAY_COPY},
        {"fork",
         "{" STAYER("") ", 'working_directory': '/'" COMMON,
         {UP(ACT_START), DIES},
         .way = WAY_FORK,
         .is_alike = true},
        {"oneshot-copy",
         "{'exec': ['/bin/true']" COMMON,
         {{ACT_ONCE, STATE_INACTIVE, NULL}},
         .way = WAY_COPY,
         .is_oneshot = true,
         .is_alike = true},
        {"no-close-range",
         "{'exec': ['/bin/sleep', '60']" COMMON,
         {UP(ACT_START), STOPS},
         .way = WAY_COPY,
         .refuses_close_range = true,
         .is_alike = true},
        {"no-close-range-vm",
         "{'exec': ['/bin/sleep', '60']" COMMON,
         {UP(ACT_START), STOPS},
         .refuses_close_range = true,
         .is_alike = true},
        {"group",
         "{" STAYER("") ", 'readiness': 'notify', 'group': 'nogroup'" COMMON,
         {UP(ACT_START), STOPS},
         .needs_root = true,
         .is_alike = true},
        {"user",
         "{'exec': ['/bin/sleep', '60'], 'user': 'nobody'" COMMON,
         {UP(ACT_START), STOPS},
         .needs_root = true},
};

/* The failure that a run is about. */
typedef struct Fault {
    const Row *row; /* NULL: none */
    unsigned step;
    unsigned nth;
    int errno_value;
} Fault;

static unsigned row_hits[G_N_ELEMENTS(rows)];
static unsigned n_scenarios_run, n_runs;

static pid_t refuse_clone(SysChildFunc child, void *data, void *stack, size_t size, int cgroup_fd,
                          int *ret_pidfd)
{
    errno = EPERM;
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

static void inject_test_init(ProcessFixture *fixture, const void *data)
{
    const Scenario *scenario = data;

    fixture_init(fixture);
    if (scenario->way != WAY_VM)
        fixture->sys.clone_vm = refuse_clone;
    if (scenario->way == WAY_FORK)
        fixture->sys.clone_copy = refuse_clone;
    inject_install(fixture);
    if (scenario->refuses_close_range)
        fixture->sys.close_range = refuse_close_range;
    if (scenario->refuses_prlimit)
        fixture->sys.prlimit64 = refuse_prlimit64;
}

static void inject_test_done(ProcessFixture *fixture, const void *data)
{
    inject_reset();
    fixture_done(fixture);
}

static bool has_no_child(void *unused)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void assert_nothing_left(ProcessFixture *fixture, const Scenario *scenario, int n_fds)
{
    g_assert_cmpuint(process_host_n_running(fixture->host), ==, 0);
    if (scenario->stray != NULL) {
        g_autofree char *text = fixture_read(fixture, scenario->stray);

        if (text != NULL)
            (void)kill((pid_t)g_ascii_strtoll(text, NULL, 10), SIGKILL); /* gone: as well */
    }
    fixture_run_until(fixture, has_no_child, NULL);
    g_assert_cmpint(fd_count_open(), ==, n_fds);
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
        fixture_configure(fixture, service, scenario->config);
        break;
    case ACT_STOP:
        (void)service_stop(service, &origin, &error);
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
    case OUTCOME_NO_START:
        assert_state(service, STATE_FAILED);
        assert_failure(service, FAILURE_EXEC, fault->row->text);
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
                     unsigned i, const Fault *fault)
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
        row_hits[fault->row - rows]++;
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

/* counts, unless NULL: of each step. */
static void run(ProcessFixture *fixture, const Scenario *scenario, const Fault *fault,
                unsigned (*counts)[_INJECT_CALL_MAX])
{
    int n_fds = fd_count_open();
    Service *service = fixture_service(
            fixture, scenario->is_oneshot ? fixture->oneshot : fixture->process, scenario->config);

    n_runs++;
    for (unsigned i = 0; i < STEPS_MAX && scenario->steps[i].act != 0; i++) {
        bool goes_on = run_step(fixture, scenario, service, i, fault);

        for (unsigned call = 0; counts != NULL && call < _INJECT_CALL_MAX; call++)
            counts[i][call] = inject_count(call);
        if (!goes_on)
            break;
    }
    inject_reset();
    assert_nothing_left(fixture, scenario, n_fds);
    run_again(fixture, scenario, service);
    fixture_drop(fixture, service);
    assert_nothing_left(fixture, scenario, n_fds);
    inject_remove_sockets(fixture);
}

static bool row_is_for(const Row *row, InjectCall call, Act what, unsigned nth)
{
    return row->call == call && (row->acts & what) != 0 && nth >= row->first &&
           (row->last == 0 || nth <= row->last);
}

static void run_faults_of(ProcessFixture *fixture, const Scenario *scenario, Fault *fault,
                          InjectCall call)
{
    Act what = scenario->steps[fault->step].act;
    unsigned n_found = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!row_is_for(&rows[i], call, what, fault->nth))
            continue;
        n_found++;
        fault->row = &rows[i];
        unsigned n_errnos = scenario->is_alike ? 1 : UINT_MAX;
        for (const int *value = rows[i].errnos; *value != 0 && n_errnos > 0; value++, n_errnos--) {
            fault->errno_value = *value;
            g_test_message("step %u, %s no. %u: %s", fault->step, inject_call_name(call),
                           fault->nth,
                           *value == INJECT_SHORT ? "short" : g_strerror(fault->errno_value));
            run(fixture, scenario, fault, NULL);
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

static void test_scenario(ProcessFixture *fixture, const void *data)
{
    const Scenario *scenario = data;
    unsigned counts[STEPS_MAX][_INJECT_CALL_MAX] = {0};

    n_scenarios_run++;
    if (scenario->needs_root && geteuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    run(fixture, scenario, &(const Fault){0}, counts);
    for (Fault fault = {.step = scenario->first_step}; fault.step < STEPS_MAX; fault.step++) {
        for (unsigned call = 0; call < _INJECT_CALL_MAX; call++) {
            for (fault.nth = 1; fault.nth <= counts[fault.step][call]; fault.nth++) {
                if (number_is_tried(call, fault.nth, counts[fault.step][call]))
                    run_faults_of(fixture, scenario, &fault, call);
            }
        }
    }
}

/* Nothing stands in the table for show. */
static void test_every_row(void)
{
    if (n_scenarios_run < G_N_ELEMENTS(scenarios) || geteuid() != 0) {
        g_test_skip("only after all of the scenarios, as root");
        return;
    }
    g_test_message("%u runs", n_runs);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (row_hits[i] == 0)
            g_error("row %u, of %s: nothing came by it", i, inject_call_name(rows[i].call));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autofree char *path = g_strconcat("/inject/", scenarios[i].name, NULL);

        g_test_add(path, ProcessFixture, &scenarios[i], inject_test_init, test_scenario,
                   inject_test_done);
    }
    g_test_add_func("/inject/every-row", test_every_row);
    return g_test_run();
}
