/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* However a run ends, nothing is left of it: no process that carries its number or its mark, no
 * zombie, no directory, no descriptor; and whoever runs the same program beside it has felt
 * nothing. */

#include "../programs/bomb.h"
#include "base/fds.h"
#include "trust-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const Origin origin_test = {.cause = CAUSE_METHOD, .method = "Test"};

/* Processes */

/* 0: there is none of this number; 'Z': it is dead. */
static char process_state(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    return strrchr(text, ')')[2];
}

typedef struct Pids {
    pid_t pids[64];
    unsigned n;
} Pids;

static Pids pids_read(const TrustFixture *fixture, const char *name)
{
    g_autofree char *text = fixture_read(&fixture->process, name);
    Pids list = {.n = 0};

    g_assert_nonnull(text);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    for (unsigned i = 0; lines[i] != NULL && list.n < G_N_ELEMENTS(list.pids); i++)
        list.pids[list.n++] = (pid_t)atoi(lines[i]);
    return list;
}

static unsigned pids_count_living(const Pids *list)
{
    unsigned n = 0;

    for (unsigned i = 0; i < list->n; i++)
        n += trust_process_lives(list->pids[i]);
    return n;
}

/* Who carries the number of the run in his limits, which nobody writes over. */
static unsigned count_marked(const char *invocation_id)
{
    uint64_t number = g_ascii_strtoull(invocation_id + strlen(invocation_id) - 10, NULL, 16);
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    unsigned n = 0;

    for (const char *name; (name = g_dir_read_name(processes)) != NULL;) {
        g_autofree char *path = g_build_filename("/proc", name, "limits", NULL);
        g_autofree char *text = NULL;
        if (!g_ascii_isdigit(name[0]) || !g_file_get_contents(path, &text, NULL, NULL))
            continue;
        const char *line = strstr(text, "Max file locks");
        if (line != NULL && trust_process_lives(atoi(name)) &&
            g_ascii_strtoull(line + strlen("Max file locks"), NULL, 10) >> 22 == number)
            n++;
    }
    return n;
}

/* Runs */

typedef struct Run {
    TrustFixture *fixture;
    Service *service;
    char *invocation_id;
    char *control_group;
    int n_fds; /* before it */
} Run;

static bool run_has_begun(void *service)
{
    return *fixture_property(service, "InvocationId").s != '\0';
}

static Run run_begin(TrustFixture *fixture, const Kind *kind, const char *config)
{
    int n_fds = fd_count_open();
    Service *service = fixture_start(&fixture->process, kind, config);

    fixture_run_until(&fixture->process, run_has_begun, service);
    return (Run){
            .fixture = fixture,
            .service = service,
            .invocation_id = g_strdup(fixture_property(service, "InvocationId").s),
            .control_group = g_strdup(fixture_property(service, "ControlGroup").s),
            .n_fds = n_fds,
    };
}

static bool run_is_reaped(void *data)
{
    const Run *run = data;

    return count_marked(run->invocation_id) == 0 &&
           process_host_n_running(run->fixture->process.host) <= 1;
}

/* Nobody lives now; the dead may take a moment to be reaped. */
static void run_assert_gone(Run *run, const Pids *pids)
{
    ProcessFixture *process = &run->fixture->process;

    g_assert_cmpuint(pids_count_living(pids), ==, 0);
    g_assert_cmpuint(trust_count_processes(run->invocation_id), ==, 0);
    g_assert_cmpuint(count_marked(run->invocation_id), ==, 0);
    g_assert_false(trust_cgroup_exists(run->fixture, run->control_group));
    g_assert_cmpint(fixture_main_pid(run->service), ==, 0);
    for (unsigned i = 0; i < pids->n; i++)
        fixture_wait_gone(process, pids->pids[i]);
    fixture_run_until(process, run_is_reaped, run);
    fixture_settle(process);
    g_assert_cmpint(fd_count_open(), ==, run->n_fds);
}

static void run_end(Run *run)
{
    fixture_drop(&run->fixture->process, run->service);
    g_free(run->invocation_id);
    g_free(run->control_group);
}

/* The table */

typedef enum GoneHow {
    GONE_STOPPED,
    GONE_SUSPENDED, /* all of FILE are stopped by SIGSTOP, then the service is asked to stop */
    GONE_KILLED,    /* the main process, by somebody else */
    GONE_BY_ITSELF,
    GONE_RELOADED, /* the file comes of a reload; then it is stopped */
    GONE_STOPPING, /* the file comes of the stop */
} GoneHow;

typedef struct GoneRow {
    const char *name;
    const char *config; /* its programs write process ids to FILE, which is @DIR/pids */
    unsigned n_pids;
    GoneHow how;
    State state; /* at the end */
    bool is_oneshot;
    bool needs_cgroup;
} GoneRow;

#define NEVER "'restart': {'policy': 'no'}, "
#define SOON "'stop_timeout': '100ms', "
#define PATIENT "'stop_timeout': '60s', " /* longer than any test waits */
#define NOTIFY "'readiness': 'notify', "
#define STAYER(words) "'exec': ['@PROGRAMS/program-stayer', " words ", '@DIR/pids']"
#define DAEMONISER(words) "['@PROGRAMS/program-daemoniser', " words ", '@DIR/pids']"
#define DAEMONS(words) "'exec': " DAEMONISER("'stay', 'many', '3'" words)
#define IDLE "'exec': ['@PROGRAMS/program-stayer'], "

static const GoneRow gone_rows[] = {
        {"children", PATIENT NOTIFY STAYER("'child'"), 1, GONE_STOPPED, STATE_INACTIVE},
        {"children/stubborn", SOON NOTIFY STAYER("'stubborn-child'"), 1, GONE_STOPPED,
         STATE_FAILED},
        {"daemons", PATIENT DAEMONS(""), 3, GONE_STOPPED, STATE_INACTIVE},
        {"daemons/wiped", PATIENT DAEMONS(", 'wipe'"), 3, GONE_STOPPED, STATE_INACTIVE},
        {"daemons/unmarked", PATIENT DAEMONS(", 'unmark'"), 3, GONE_STOPPED, STATE_INACTIVE},
        {"daemons/unknown", PATIENT DAEMONS(", 'wipe', 'unmark'"), 3, GONE_STOPPED, STATE_INACTIVE,
         .needs_cgroup = true},
        {"daemons/stubborn", SOON DAEMONS(", 'stubborn'"), 3, GONE_STOPPED, STATE_FAILED},
        {"daemons/stubborn-wiped", SOON DAEMONS(", 'wipe', 'stubborn'"), 3, GONE_STOPPED,
         STATE_FAILED},
        {"daemons/suspended", PATIENT DAEMONS(""), 3, GONE_SUSPENDED, STATE_INACTIVE},
        {"daemons/suspended-stubborn", SOON DAEMONS(", 'stubborn'"), 3, GONE_SUSPENDED,
         STATE_FAILED},
        {"children/suspended", PATIENT NOTIFY STAYER("'child'"), 1, GONE_SUSPENDED, STATE_INACTIVE},
        {"children/mode-main", PATIENT NOTIFY "'stop_mode': 'main', " STAYER("'child'"), 1,
         GONE_STOPPED, STATE_INACTIVE},
        {"daemons/mode-main", PATIENT "'stop_mode': 'main', " DAEMONS(""), 3, GONE_STOPPED,
         STATE_INACTIVE},
        {"killed", PATIENT DAEMONS(""), 3, GONE_KILLED, STATE_FAILED},
        {"killed/children", PATIENT NOTIFY STAYER("'child'"), 1, GONE_KILLED, STATE_FAILED},
        {"killed/stubborn", SOON DAEMONS(", 'stubborn', 'wipe'"), 3, GONE_KILLED, STATE_FAILED},
        {"ended", PATIENT "'exec': " DAEMONISER("'many', '2'"), 2, GONE_BY_ITSELF, STATE_INACTIVE},
        {"ended/stubborn", SOON "'exec': " DAEMONISER("'many', '2', 'stubborn'"), 2, GONE_BY_ITSELF,
         STATE_INACTIVE},
        {"ended/children",
         SOON "'exec': ['@PROGRAMS/program-stayer', 'stubborn-child', '@DIR/pids', 'exit', '4']", 1,
         GONE_BY_ITSELF, STATE_FAILED},
        {"timeout", SOON NOTIFY "'start_timeout': '500ms', " DAEMONS(", 'stubborn'"), 3,
         GONE_BY_ITSELF, STATE_FAILED},
        {"oneshot", PATIENT "'exec': " DAEMONISER("'many', '2'"), 2, GONE_BY_ITSELF, STATE_INACTIVE,
         .is_oneshot = true},
        {"oneshot/remains",
         PATIENT "'remain_after_exit': true, 'exec': " DAEMONISER("'many', '2', 'wipe'"), 2,
         GONE_BY_ITSELF, STATE_ACTIVE, .is_oneshot = true},
        {"oneshot/timeout", PATIENT "'start_timeout': '500ms', " DAEMONS(""), 3, GONE_BY_ITSELF,
         STATE_FAILED, .is_oneshot = true},
        {"oneshot/stopped", PATIENT DAEMONS(""), 3, GONE_STOPPED, STATE_INACTIVE,
         .is_oneshot = true},
        {"stop-exec", PATIENT NOTIFY IDLE "'stop_exec': " DAEMONISER("'many', '2'"), 2,
         GONE_STOPPING, STATE_INACTIVE},
        {"stop-exec/stubborn",
         "'stop_timeout': '500ms', " NOTIFY IDLE
         "'stop_exec': " DAEMONISER("'many', '2', 'stubborn'"),
         2, GONE_STOPPING, STATE_FAILED},
        {"stop-exec/of-oneshot",
         PATIENT "'remain_after_exit': true, 'exec': ['/bin/true'], 'stop_exec': " DAEMONISER(
                 "'many', '2'"),
         2, GONE_STOPPING, STATE_INACTIVE, .is_oneshot = true},
        {"reload-exec", PATIENT NOTIFY IDLE "'reload_exec': " DAEMONISER("'many', '2'"), 2,
         GONE_RELOADED, STATE_INACTIVE},
        {"reload-exec/wiped",
         PATIENT NOTIFY IDLE "'reload_exec': " DAEMONISER("'many', '2', "
                                                          "'wipe'"),
         2, GONE_RELOADED, STATE_INACTIVE},
};

static bool process_is_suspended(void *pid)
{
    return process_state(*(pid_t *)pid) == 'T';
}

static void suspend(TrustFixture *fixture, Pids *pids)
{
    for (unsigned i = 0; i < pids->n; i++) {
        g_assert_cmpint(kill(pids->pids[i], SIGSTOP), ==, 0);
        fixture_run_until(&fixture->process, process_is_suspended, &pids->pids[i]);
    }
}

static void gone_reload(const Run *run)
{
    g_autoptr(GError) error = NULL;

    (void)service_reload(run->service, &origin_test, &error);
    g_assert_no_error(error);
    trust_wait_created(run->fixture, "pids");
    fixture_wait_settled(&run->fixture->process, run->service);
}

/* Returns when it is under way. */
static void gone_end(const Run *run, GoneHow how, bool is_oneshot)
{
    Service *service = run->service;

    if (how == GONE_BY_ITSELF)
        return;
    if (!is_oneshot || how == GONE_STOPPING)
        fixture_wait_state(&run->fixture->process, service, STATE_ACTIVE);
    if (how == GONE_RELOADED)
        gone_reload(run);
    if (how == GONE_STOPPED || how == GONE_SUSPENDED || how == GONE_KILLED)
        trust_wait_created(run->fixture, "pids");
    if (how == GONE_STOPPED || how == GONE_SUSPENDED || how == GONE_RELOADED) {
        Pids pids = pids_read(run->fixture, "pids");
        g_assert_cmpuint(pids_count_living(&pids), ==, pids.n);
        if (how == GONE_SUSPENDED)
            suspend(run->fixture, &pids);
    }
    if (how == GONE_KILLED)
        g_assert_cmpint(kill(fixture_main_pid(service), SIGKILL), ==, 0);
    else
        fixture_request_stop(service);
}

/* Of what goes into the background and is ended for that people hear; of what was stopped not. */
static void gone_assert_log(const TrustFixture *fixture, const GoneRow *row)
{
    const char *log = fixture->process.log->str;

    if (row->how != GONE_BY_ITSELF)
        g_assert_null(strstr(log, "has ended, and has left "));
    else if (g_str_equal(row->name, "ended"))
        assert_contains(log, "has ended, and has left ");
}

static void test_gone(TrustFixture *fixture, const void *data)
{
    const GoneRow *row = data;
    g_autofree char *config = g_strdup_printf("{" NEVER "%s}", row->config);
    Kind *kind = row->is_oneshot ? fixture->process.oneshot : fixture->process.process;

    if (row->needs_cgroup && !fixture->has_cgroups) {
        g_test_skip("who has changed all that he was given is known only where there are cgroups");
        return;
    }
    Run beside = run_begin(fixture, fixture->process.process,
                           "{'exec': ['@PROGRAMS/program-daemoniser', 'stay', 'many', '2', "
                           "'@DIR/beside']}");
    trust_wait_created(fixture, "beside");
    Pids others = pids_read(fixture, "beside");
    pid_t beside_pid = fixture_main_pid(beside.service);
    fixture_settle(&fixture->process);

    Run run = run_begin(fixture, kind, config);
    gone_end(&run, row->how, row->is_oneshot);
    if (row->how == GONE_BY_ITSELF || row->how == GONE_KILLED)
        fixture_wait_state(&fixture->process, run.service, row->state);
    fixture_wait_settled(&fixture->process, run.service);
    assert_state(run.service, row->state);
    Pids pids = pids_read(fixture, "pids");
    g_assert_cmpuint(pids.n, ==, row->n_pids);
    run_assert_gone(&run, &pids);
    run_end(&run);
    gone_assert_log(fixture, row);

    assert_state(beside.service, STATE_ACTIVE);
    g_assert_cmpint(fixture_main_pid(beside.service), ==, beside_pid);
    g_assert_cmpuint(pids_count_living(&others), ==, 2);
    run_end(&beside);
}

/* Restarts */

typedef struct Successor {
    Service *service;
    char *former; /* the invocation before */
    unsigned n;   /* starts since */
    unsigned n_awaited;
} Successor;

/* When the next one begins nobody of the last is there. */
static void on_start(const Change *change, void *data)
{
    Successor *next = data;

    if (change->type != CHANGE_UPDATE || change->service != next->service ||
        change->new_state->state != STATE_STARTING || change->old_state->state == STATE_STARTING)
        return;
    g_assert_cmpuint(trust_count_processes(next->former), ==, 0);
    g_assert_cmpuint(count_marked(next->former), ==, 0);
    next->n++;
}

static bool successor_is_there(void *data)
{
    const Successor *next = data;

    return next->n >= next->n_awaited && service_state(next->service)->state == STATE_ACTIVE;
}

typedef struct RestartRow {
    const char *name;
    const char *config;
} RestartRow;

#define AT_ONCE "'restart': {'policy': 'always', 'initial_delay': 0}, "
static const RestartRow restart_rows[] = {
        {"children", AT_ONCE SOON NOTIFY STAYER("'stubborn-child'")},
        {"daemons", AT_ONCE SOON DAEMONS(", 'stubborn'")},
        {"daemons/wiped", AT_ONCE SOON DAEMONS(", 'stubborn', 'wipe'")},
        {"daemons/gentle", AT_ONCE PATIENT DAEMONS("")},
};

/* Each time somebody kills the main process, and there are others left. */
static void test_restart(TrustFixture *fixture, const void *data)
{
    const RestartRow *row = data;
    g_autofree char *config = g_strdup_printf("{%s}", row->config);
    Run run = run_begin(fixture, fixture->process.process, config);
    Successor next = {.service = run.service};
    FeedListener *listener = feed_listen(fixture->process.core->feed, on_start, &next);

    for (unsigned i = 1; i <= 2; i++) {
        trust_wait_created(fixture, "pids");
        fixture_wait_settled(&fixture->process, run.service);
        g_assert_cmpint(unlink(fixture_path(&fixture->process, "pids")), ==, 0);
        g_free(next.former);
        next.former = g_strdup(fixture_property(run.service, "InvocationId").s);
        g_assert_cmpuint(trust_count_processes(next.former) + count_marked(next.former), >, 2);
        g_assert_cmpint(kill(fixture_main_pid(run.service), SIGKILL), ==, 0);
        next.n_awaited = i;
        fixture_run_until(&fixture->process, successor_is_there, &next);
        g_assert_cmpuint(next.n, ==, i);
    }
    trust_wait_created(fixture, "pids");
    feed_unlisten(listener);
    g_free(next.former);
    run_end(&run);
}

/* Many */

typedef struct BombWait {
    const BombCounts *counts;
    const Service *service;
    unsigned n;
} BombWait;

static bool bomb_has_grown(void *data)
{
    const BombWait *wait = data;

    return __atomic_load_n(&wait->counts->n_born, __ATOMIC_SEQ_CST) >= wait->n ||
           !service_state(wait->service)->active;
}

static bool bomb_has_file(void *fd)
{
    return lseek(*(int *)fd, 0, SEEK_END) >= (off_t)sizeof(BombCounts);
}

/* While it multiplies; the end of its first process, which each runner is, is a stop as well.
 * Whether the signal reaches all of them in time is a matter of luck. */
static void test_bomb(TrustFixture *fixture, const void *data)
{
    const char *words = data;
    g_autofree char *config = g_strdup_printf("{" NEVER "'stop_timeout': '300ms', 'exec': "
                                              "['@PROGRAMS/program-bomb', '@DIR/counts', %s]}",
                                              words);
    Run run = run_begin(fixture, fixture->process.process, config);
    Pids nobody = {.n = 0};

    trust_wait_created(fixture, "counts");
    autofd int fd = open(fixture_path(&fixture->process, "counts"), O_RDWR | O_CLOEXEC);
    fixture_run_until(&fixture->process, bomb_has_file, &fd);
    BombWait wait = {
            mmap(NULL, sizeof(BombCounts), PROT_READ, MAP_SHARED, fd, 0),
            run.service,
            50,
    };
    g_assert_true(wait.counts != MAP_FAILED);
    fd = fd_close(fd);
    fixture_run_until(&fixture->process, bomb_has_grown, &wait);
    if (service_state(run.service)->state == STATE_ACTIVE)
        fixture_request_stop(run.service);
    fixture_wait_settled(&fixture->process, run.service);
    g_assert_false(service_state(run.service)->active);
    run_assert_gone(&run, &nobody);
    g_assert_cmpint(munmap((void *)wait.counts, sizeof(BombCounts)), ==, 0);
    run_end(&run);
}

#define CROWD 30

static void test_crowd(TrustFixture *fixture, const void *unused)
{
    ProcessFixture *process = &fixture->process;
    Run runs[CROWD];

    for (unsigned i = 0; i < CROWD; i++) {
        g_autofree char *config = g_strdup_printf(
                "{" PATIENT "'exec': ['@PROGRAMS/program-daemoniser', 'stay', 'many', '2', %s"
                "'@DIR/pids-%u']}",
                i % 2 == 0 ? "'wipe', " : "", i);
        runs[i] = run_begin(fixture, process->process, config);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        g_autofree char *name = g_strdup_printf("pids-%u", i);

        trust_wait_created(fixture, name);
        fixture_wait_state(process, runs[i].service, STATE_ACTIVE);
    }
    for (unsigned i = 0; i < CROWD; i++)
        fixture_request_stop(runs[i].service);
    for (unsigned i = 0; i < CROWD; i++)
        fixture_wait_settled(process, runs[i].service);
    for (unsigned i = 0; i < CROWD; i++) {
        g_autofree char *name = g_strdup_printf("pids-%u", i);
        Pids pids = pids_read(fixture, name);

        assert_state(runs[i].service, STATE_INACTIVE);
        g_assert_cmpuint(pids.n, ==, 2);
        g_assert_cmpuint(pids_count_living(&pids), ==, 0);
        g_assert_cmpuint(count_marked(runs[i].invocation_id), ==, 0);
        g_assert_false(trust_cgroup_exists(fixture, runs[i].control_group));
        run_end(&runs[i]);
    }
}

/* What a stop costs */

#define OTHERS 200

static unsigned n_looks;     /* at the limits or the environment of another service's process */
static GHashTable *watchees; /* their process ids; how many others this machine has is not told */

static void count_look(pid_t pid)
{
    n_looks += g_hash_table_contains(watchees, GINT_TO_POINTER(pid));
}

static int counting_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                              struct rlimit64 *ret_limit)
{
    count_look(pid);
    return sys_linux.prlimit64(pid, resource, limit, ret_limit);
}

static int counting_open(const char *path, int flags)
{
    if (g_str_has_prefix(path, "/proc/") && g_str_has_suffix(path, "/environ"))
        count_look(atoi(path + strlen("/proc/")));
    return sys_linux.open(path, flags);
}

static void count_begin(TrustFixture *fixture, Service **others)
{
    watchees = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; i < OTHERS; i++) {
        fixture_wait_state(&fixture->process, others[i], STATE_ACTIVE);
        g_hash_table_add(watchees, GINT_TO_POINTER(fixture_main_pid(others[i])));
    }
    g_assert_cmpuint(g_hash_table_size(watchees), ==, OTHERS);
    fixture->process.sys.prlimit64 = counting_prlimit64;
    fixture->process.sys.open = counting_open;
}

/* For the stop, and for each that dies of it, at most two looks at each child of the daemon; none
 * with cgroups. */
static void test_cost(TrustFixture *fixture, const void *unused)
{
    ProcessFixture *process = &fixture->process;
    Service *others[OTHERS];

    for (unsigned i = 0; i < OTHERS; i++)
        others[i] = trust_start(fixture, "{'exec': ['@PROGRAMS/program-stayer']}");
    count_begin(fixture, others);
    Run run = run_begin(fixture, process->process, "{" PATIENT DAEMONS("") "}");
    trust_wait_created(fixture, "pids");
    Pids pids = pids_read(fixture, "pids");
    fixture_settle(process);
    n_looks = 0;
    fixture_request_stop(run.service);
    fixture_wait_settled(process, run.service);
    assert_state(run.service, STATE_INACTIVE);
    g_test_message("%u looks", n_looks);
    if (fixture->has_cgroups)
        g_assert_cmpuint(n_looks, ==, 0);
    else
        g_assert_cmpuint(n_looks, <=, 2 * (pids.n + 2) * OTHERS);
    g_assert_cmpuint(pids_count_living(&pids), ==, 0);
    run_end(&run);
    for (unsigned i = 0; i < OTHERS; i++)
        assert_state(others[i], STATE_ACTIVE);
    for (unsigned i = 0; i < OTHERS; i++)
        fixture_request_stop(others[i]);
    for (unsigned i = 0; i < OTHERS; i++)
        fixture_drop(process, others[i]);
    g_clear_pointer(&watchees, g_hash_table_unref);
}

/* Who is counted above */

static void test_stat(void)
{
    static const struct {
        const char *begin;
        unsigned flags, memory_bytes;
        bool lives;
    } rows[] = {
            {"7 (web) S", 0x400040, 8192, true},  {"7 (web) Z", 0x40044c, 0, false},
            {"7 (web) R", 0x40044c, 8192, true},  {"7 (web) R", 0x40044c, 0, false},
            {"7 (web) D", 0x40044c, 0, false},    {"7 (web) R", 0x400448, 0, true},
            {"7 (a) Z 1) S", 0x400040, 12, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) text = g_string_new(rows[i].begin);

        g_string_append_printf(text, " 1 2 3 0 -1 %u 284 0 0 0 0 0 0 0 20 0 1 0 46 %u 0",
                               rows[i].flags, rows[i].memory_bytes);
        g_assert_cmpint(trust_stat_lives(text->str), ==, rows[i].lives);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trust/stat", test_stat);
    for (size_t i = 0; i < G_N_ELEMENTS(gone_rows); i++) {
        g_autofree char *path = g_strconcat("/trust/gone/", gone_rows[i].name, NULL);
        trust_add(path, test_gone, &gone_rows[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(restart_rows); i++) {
        g_autofree char *path = g_strconcat("/trust/restart/", restart_rows[i].name, NULL);
        trust_add(path, test_restart, &restart_rows[i]);
    }
    trust_add("/trust/many/bomb", test_bomb, "'150'");
    trust_add("/trust/many/relay", test_bomb, "'300', 'runner'");
    trust_add("/trust/many/crowd", test_crowd, NULL);
    trust_add("/trust/many/cost", test_cost, NULL);
    return g_test_run();
}
