/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is stuck in the kernel (a disk that does not answer, the server of a file) may hold what is
 * needed to read its environment: nobody reads it. Here the kernel is only made to say so. */

#include "base/fds.h"
#include "former-fixture.h"
#include "process/host-internal.h"
#include "process/proc.h"
#include "stragglers-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_GRACE_USEC (2 * FIXTURE_DEADLINE_USEC) /* nobody may need it */
#define SHORT_GRACE_USEC (50 * USEC_PER_MSEC)
#define FOR_EVER UINT_MAX

/* Of the test that runs; the table of system calls has no place for it. */
static struct {
    ProcessFixture *process;
    pid_t pid;
    unsigned n_looks;   /* that find it stuck, from now on */
    unsigned n_read;    /* its environment */
    unsigned n_waited;  /* the same, when it had been found stuck: this would have hung */
    bool is_told;       /* at the last look */
    pid_t session;      /* that its mark names; 0: it has none */
    const char *prefix; /* of the mark */
} stuck;

static void stuck_init(ProcessFixture *process, pid_t pid, unsigned n_looks)
{
    memset(&stuck, 0, sizeof stuck);
    stuck.process = process;
    stuck.pid = pid;
    stuck.n_looks = n_looks;
}

static bool stuck_is(const char *path, const char *name)
{
    g_autofree char *its_path = g_strdup_printf("/proc/%d/%s", (int)stuck.pid, name);

    return g_str_equal(path, its_path);
}

/* Its real state, but that of who is stuck. The dead are let be. */
static int stuck_open_stat(int flags)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)stuck.pid), *text = NULL;
    const char *told = fixture_path(stuck.process, "stat");

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        errno = ENOENT;
        return -1;
    }

    char *state = strrchr(text, ')') + 2;
    stuck.is_told = strchr("ZX", *state) == NULL;
    if (stuck.is_told)
        *state = 'D';
    g_assert_true(g_file_set_contents(told, text, -1, NULL));
    return sys_linux.open(told, flags);
}

static int stuck_open(const char *path, int flags)
{
    if (stuck_is(path, "environ")) {
        stuck.n_read++;
        stuck.n_waited += stuck.is_told;
    }
    if (!stuck_is(path, "stat"))
        return sys_linux.open(path, flags);
    stuck.is_told = false;
    if (stuck.n_looks == 0)
        return sys_linux.open(path, flags);
    stuck.n_looks -= stuck.n_looks != FOR_EVER;
    return stuck_open_stat(flags);
}

static int stuck_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                           struct rlimit64 *ret_limit)
{
    if (pid != stuck.pid || stuck.session == 0)
        return sys_linux.prlimit64(pid, resource, limit, ret_limit);
    *ret_limit = (struct rlimit64){.rlim_cur = UINT64_C(7) << HOST_SESSION_BITS |
                                               (uint64_t)stuck.session,
                                   .rlim_max = process_host_mark(stuck.prefix)};
    return 0;
}

/* What a former run has left */

typedef struct FormerCase {
    const char *name;
    unsigned n_looks;
    enum { MARK_NONE, MARK_OF_ITS_SESSION, MARK_OF_ANOTHER } mark;
    bool is_waited_for; /* in vain */
    unsigned n_found;
    const char *services;
    const char *error; /* NULL: none */
} FormerCase;

static const FormerCase former_cases[] = {
        {"in-its-session", FOR_EVER, MARK_OF_ITS_SESSION, false, 1,
         "(none): 1 process of the former run ended\n", NULL},
        {"for-a-while", 3, MARK_OF_ANOTHER, false, 1, "web: 1 process of the former run ended\n",
         NULL},
        {"for-ever", FOR_EVER, MARK_OF_ANOTHER, true, 0, "",
         "may be of it; it is stuck in the kernel, and cannot be looked at"},
        {"unmarked", FOR_EVER, MARK_NONE, false, 0, "", NULL},
};

static void former_test_init(FormerFixture *fixture, const void *unused)
{
    former_fixture_init(fixture);
}

static void former_test_done(FormerFixture *fixture, const void *unused)
{
    former_fixture_done(fixture);
}

static void test_former(FormerFixture *fixture, const void *data)
{
    const FormerCase *row = data;
    const OrphanSpec spec = {.words = "", .prefix = fixture->prefix, .id = "web"};
    pid_t pid = orphan_spawn(fixture, &spec);
    g_auto(Sweep) sweep;

    stuck_init(&fixture->process, pid, row->n_looks);
    stuck.prefix = fixture->prefix;
    if (row->mark != MARK_NONE)
        stuck.session = row->mark == MARK_OF_ITS_SESSION ? getsid(pid) : pid + 1;
    fixture->process.sys.open = stuck_open;
    fixture->process.sys.prlimit64 = stuck_prlimit64;
    sweep_run(fixture, &sweep, row->is_waited_for ? SHORT_GRACE_USEC : LONG_GRACE_USEC);
    assert_numbers(sweep, row->n_found, 0, 0);
    g_assert_cmpstr(sweep.services->str, ==, row->services);
    g_assert_cmpint(sweep.error != NULL, ==, row->error != NULL);
    if (row->error != NULL)
        assert_contains(sweep.error, row->error);
    g_assert_cmpuint(stuck.n_waited, ==, 0);
    g_assert_cmpint(is_alive(pid), ==, row->n_found == 0);
}

/* What has left its session */

static unsigned count_stuck(StragglersFixture *fixture, const Run *run, unsigned n_looks)
{
    stuck_init(&fixture->process, run->daemons[0], n_looks);
    fixture->process.sys.open = stuck_open;
    unsigned n_found = run_count(run);
    g_assert_cmpuint(stuck.n_waited, ==, 0);
    return n_found;
}

/* Who has the mark needs no other. */
static void test_marked(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser FILE");
    g_assert_cmpuint(count_stuck(fixture, &run, FOR_EVER), ==, 1);
    g_assert_cmpuint(stuck.n_read, ==, 0);
    run_end(&run);
}

/* Who has only its environment is waited for, but not for ever. */
static void test_unmarked(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser unmark FILE");
    g_assert_cmpuint(count_stuck(fixture, &run, 3), ==, 1);
    g_assert_cmpuint(stuck.n_looks, ==, 0);
    g_assert_cmpuint(count_stuck(fixture, &run, FOR_EVER), ==, 0);
    g_assert_cmpuint(count_stuck(fixture, &run, 0), ==, 1);
    run_end(&run);
}

/* Nor when signals are sent, or somebody asks whose a process is. */
static void test_signal(StragglersFixture *fixture, const void *unused)
{
    ProcessHost *host = fixture->process.host;
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser unmark FILE");
    stuck_init(&fixture->process, run.daemons[0], FOR_EVER);
    fixture->process.sys.open = stuck_open;
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, 0), ==, 0);
    g_assert_cmpint(stragglers_find(host, run.id), ==, 0);
    g_assert_false(stragglers_has(host, run.id, stuck.pid));
    g_assert_cmpuint(stuck.n_waited, ==, 0);
    stuck.n_looks = 0;
    g_assert_cmpuint(stragglers_signal(host, run.id, 0, 0), ==, 1);
    g_assert_true(stragglers_has(host, run.id, stuck.pid));
    run_end(&run);
}

/* Any thread of it. */

#define STAT(pid, state, threads)                                                                  \
    pid " (cat) " state " 1 2 3 0 0 0 0 0 0 0 0 0 0 0 0 0 " threads " 0 99\n"

static const struct {
    const char *path, *name, *text;
} threads_files[] = {
        {"/proc/7777771/stat", "1", STAT("7777771", "S", "2")},
        {"/proc/7777772/stat", "2", STAT("7777772", "D", "2")},
        {"/proc/7777773/stat", "3", STAT("7777773", "S", "2")},
};
static const char *threads_task; /* the directory of the second thread */

static int threads_open(const char *path, int flags)
{
    if (g_str_has_suffix(path, "/task"))
        return sys_linux.open(fixture_path(stuck.process, threads_task), flags);
    for (size_t i = 0; i < G_N_ELEMENTS(threads_files); i++) {
        if (g_str_equal(path, threads_files[i].path))
            return sys_linux.open(fixture_path(stuck.process, threads_files[i].name), flags);
    }
    errno = ENOENT;
    return -1;
}

static void test_threads(StragglersFixture *fixture, const void *unused)
{
    Sys *sys = &fixture->process.sys;

    stuck_init(&fixture->process, 0, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads_files); i++)
        g_assert_true(g_file_set_contents(fixture_path(&fixture->process, threads_files[i].name),
                                          threads_files[i].text, -1, NULL));
    g_assert_cmpint(mkdir(fixture_path(&fixture->process, "a"), 0700), ==, 0);
    g_assert_cmpint(mkdir(fixture_path(&fixture->process, "a/7777772"), 0700), ==, 0);
    g_assert_cmpint(mkdir(fixture_path(&fixture->process, "b"), 0700), ==, 0);
    g_assert_cmpint(mkdir(fixture_path(&fixture->process, "b/7777773"), 0700), ==, 0);
    sys->open = threads_open;
    threads_task = "a";
    g_assert_true(proc_is_stuck(sys, 7777771));
    g_assert_true(proc_is_stuck(sys, 7777772)); /* itself */
    threads_task = "b";
    g_assert_false(proc_is_stuck(sys, 7777771));
    threads_task = "none";
    g_assert_false(proc_is_stuck(sys, 7777771));
    g_assert_false(proc_is_stuck(sys, 7777779));
    sys->open = stragglers_open;
    g_assert_false(proc_is_stuck(sys, getpid()));
}

#define STRAGGLERS_TEST(path, function)                                                            \
    g_test_add(path, StragglersFixture, NULL, stragglers_fixture_init, function,                   \
               stragglers_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(former_cases); i++) {
        g_autofree char *path = g_strconcat("/stuck/former/", former_cases[i].name, NULL);

        g_test_add(path, FormerFixture, &former_cases[i], former_test_init, test_former,
                   former_test_done);
    }
    STRAGGLERS_TEST("/stuck/stragglers/marked", test_marked);
    STRAGGLERS_TEST("/stuck/stragglers/unmarked", test_unmarked);
    STRAGGLERS_TEST("/stuck/stragglers/signal", test_signal);
    STRAGGLERS_TEST("/stuck/threads", test_threads);
    return g_test_run();
}
