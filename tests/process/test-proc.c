/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of /proc: lines as the kernel writes them, and this very process. */

#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBERS " 0 0 -1 0 1 2 3 4 5 6 7 8 20 0 "

typedef struct StatRow {
    const char *text;
    bool ok;
    ProcStat stat;
} StatRow;

static const StatRow rows[] = {
        {"7 (cat) S 5 6" NUMBERS "1 0 99\n", true, {5, 6, false}},
        {"7 (cat) Z 5 6" NUMBERS "1 0 99\n", true, {5, 6, true}},
        {"7 (cat) X 5 6" NUMBERS "0 0 99\n", true, {5, 6, true}},
        /* The first thread has ended, another has not. */
        {"7 (cat) Z 5 6" NUMBERS "2 0 99\n", true, {5, 6, false}},
        {"7 (a) Z 1 2 (b) R 5 6" NUMBERS "3 0 99\n", true, {5, 6, false}},
        {"7 (a\nb)) D 5 6" NUMBERS "3 0 99\n", true, {5, 6, false, true}},
        /* A thread of the kernel. */
        {"7 (k) D 5 6 0 0 -1 2097152 1 2 3 4 5 6 7 8 20 0 1 0 99\n", true, {5, 6, false}},
        {"7 (cat) S 5 6 0 0\n", false, {0}},
        {"7 (cat) S x 6" NUMBERS "1\n", false, {0}},
        {"7 cat S 5 6" NUMBERS "1\n", false, {0}},
        {"", false, {0}},
};

static void test_parse(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        ProcStat stat = {0};

        g_test_message("%s", rows[i].text);
        g_assert_true(proc_stat_parse(rows[i].text, strlen(rows[i].text), &stat) == rows[i].ok);
        g_assert_cmpint(stat.parent, ==, rows[i].stat.parent);
        g_assert_cmpint(stat.group, ==, rows[i].stat.group);
        g_assert_true(stat.is_dead == rows[i].stat.is_dead);
        g_assert_true(stat.is_stuck == rows[i].stat.is_stuck);
        g_assert_cmpuint(stat.start_time, ==, rows[i].ok ? 99 : 0);
        g_assert_cmpuint(stat.cpu_ticks, ==, rows[i].ok ? 5 + 6 + 7 + 8 : 0);
    }
}

static void test_self(void)
{
    ProcStat stat;

    g_assert_true(proc_read_stat(&sys_linux, getpid(), &stat));
    g_assert_cmpint(stat.parent, ==, getppid());
    g_assert_cmpint(stat.group, ==, getpgrp());
    g_assert_false(stat.is_dead);
    g_assert_false(proc_read_stat(&sys_linux, -1, &stat));
    g_assert_false(proc_group_is_dead(&sys_linux, getpgrp()));
    g_assert_false(proc_group_is_dead(&sys_linux, G_MAXINT)); /* has no member */
    /* The walk up ends at this process. */
    g_assert_false(proc_descends_from(&sys_linux, getpid(), getppid()));
    g_assert_false(proc_environ_has(&sys_linux, getpid(), "NO_SUCH_NAME=1"));
}

static const char environment[] = "A=1\0INVOCATION_ID=0123\0BC=\0NONE\0C=a=b\0A=2\0CUT=o";

typedef struct FindRow {
    const char *name;
    const char *value;
} FindRow;

static const FindRow find_rows[] = {
        {"A", "1"},           {"INVOCATION_ID", "0123"},
        {"INVOCATION", NULL}, {"BC", ""},
        {"NONE", NULL},       {"C", "a=b"},
        {"CUT", "o"},         {"", NULL},
        {"A=1", NULL},
};

static void test_environ_find(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(find_rows); i++)
        g_assert_cmpstr(proc_environ_find(environment, sizeof environment - 1, find_rows[i].name),
                        ==, find_rows[i].value);
    g_assert_null(proc_environ_find("", 0, "A"));
}

/* The environment that this process was started with, and the name of its program. */
static void test_environ_of_self(void)
{
    size_t length = 0;
    char comm[PROC_COMM_BYTES];
    g_autofree char *text = proc_read_environ(&sys_linux, getpid(), &length);

    g_assert_nonnull(text);
    g_assert_cmpstr(proc_environ_find(text, length, "PATH"), ==, g_getenv("PATH"));
    g_assert_true(proc_read_comm(&sys_linux, getpid(), comm));
    g_assert_cmpstr(comm, ==, "test-proc");
    g_assert_null(proc_read_environ(&sys_linux, -1, &length));
    g_assert_false(proc_read_comm(&sys_linux, -1, comm));
}

/* By another way of reading the same. */
static void test_resources(void)
{
    struct rlimit64 limit, expected;
    uint64_t bytes = 0;
    ProcStat stat;
    struct rusage usage;

    g_assert_true(proc_read_resident(&sys_linux, getpid(), &bytes));
    g_assert_cmpint(getrusage(RUSAGE_SELF, &usage), ==, 0);
    g_assert_cmpuint(bytes, >, 100 * 1024);
    g_assert_cmpuint(bytes, <=, ((uint64_t)usage.ru_maxrss + 1024) * 1024);
    g_assert_false(proc_read_resident(&sys_linux, -1, &bytes));
    g_assert_true(proc_read_stat(&sys_linux, getpid(), &stat));
    g_assert_cmpuint(stat.n_threads, ==, 1);
    g_assert_cmpint(getrlimit64(RLIMIT_LOCKS, &expected), ==, 0);
    g_assert_true(proc_read_locks_limit(&sys_linux, getpid(), &limit));
    g_assert_true(limit.rlim_cur == expected.rlim_cur && limit.rlim_max == expected.rlim_max);
    g_assert_false(proc_read_locks_limit(&sys_linux, G_MAXINT, &limit));
}

static int refused_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                             struct rlimit64 *ret_limit)
{
    errno = EPERM;
    return -1;
}

static const struct rlimit64 limits[] = {
        {RLIM64_INFINITY, RLIM64_INFINITY},
        {1, RLIM64_INFINITY},
        {0, RLIM64_INFINITY - 1},
        {UINT64_C(1) << 62, UINT64_C(1) << 63},
};

/* Of a child, for they cannot be raised again. */
static void test_limits_of_a_child(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        Sys sys = sys_linux;
        struct rlimit64 limit;
        int fds[2];
        char byte;

        g_assert_cmpint(pipe(fds), ==, 0);
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(fds[1]);
            (void)!read(fds[0], &byte, 1); /* until the test is done with it */
            _exit(0);
        }
        g_assert_cmpint(prlimit64(pid, RLIMIT_LOCKS, &limits[i], NULL), ==, 0);
        for (unsigned n = 0; n < 2; n++) {
            g_assert_true(proc_read_locks_limit(&sys, pid, &limit));
            g_assert_cmpuint(limit.rlim_cur, ==, limits[i].rlim_cur);
            g_assert_cmpuint(limit.rlim_max, ==, limits[i].rlim_max);
            sys.prlimit64 = refused_prlimit64;
        }
        (void)close(fds[0]);
        (void)close(fds[1]);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    }
}

#define CHILDREN 1500 /* their numbers need more than one portion */

static bool has_pid(const GArray *pids, pid_t pid)
{
    for (unsigned i = 0; i < pids->len; i++) {
        if (g_array_index(pids, pid_t, i) == pid)
            return true;
    }
    return false;
}

/* Dead, and not reaped. */
static void test_children(void)
{
    g_autoptr(GArray) children = g_array_new(FALSE, FALSE, sizeof(pid_t));
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(pid_t));
    g_autofree pid_t *pids = g_new(pid_t, CHILDREN);

    for (unsigned i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(0);
        g_assert_cmpint(pids[i], >, 0);
    }
    g_assert_true(proc_read_children(&sys_linux, children));
    g_assert_cmpuint(children->len, ==, CHILDREN);
    g_assert_true(proc_read_all(&sys_linux, all));
    for (unsigned i = 0; i < CHILDREN; i++) {
        g_assert_true(has_pid(children, pids[i]));
        g_assert_true(has_pid(all, pids[i]));
        g_assert_cmpint(waitpid(pids[i], NULL, 0), ==, pids[i]);
    }
    g_assert_true(has_pid(all, getpid()));
    g_array_set_size(children, 0);
    g_assert_true(proc_read_children(&sys_linux, children));
    g_assert_cmpuint(children->len, ==, 0);
}

static unsigned n_opened;

static int counting_open(const char *path, int flags)
{
    n_opened++;
    return sys_linux.open(path, flags);
}

/* Of others only the group is asked for, which takes one call. */
static void test_dead_group(void)
{
    Sys sys = sys_linux;
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(setpgid(0, 0) < 0);
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_cmpint(info.si_status, ==, 0);
    sys.open = counting_open;
    n_opened = 0;
    g_assert_true(proc_group_is_dead(&sys, pid));
    g_assert_cmpuint(n_opened, ==, 2); /* the list, and the one */
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void test_ancestors(void)
{
    g_autoptr(GArray) pids = proc_list_ancestors(&sys_linux);

    g_assert_cmpint(g_array_index(pids, pid_t, 0), ==, getpid());
    g_assert_true(getppid() <= 1 || has_pid(pids, getppid()));
    g_assert_false(has_pid(pids, 1));
}

typedef struct Walk {
    unsigned n_self;
    unsigned n_init;
} Walk;

static void on_walk(pid_t pid, void *data)
{
    Walk *walk = data;

    g_assert_cmpint(pid, >, 0);
    walk->n_self += pid == getpid();
    walk->n_init += pid == 1;
}

static void test_walk(void)
{
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Walk walk = {0};
    int r;

    while ((r = proc_walk(&sys_linux, fd, on_walk, &walk)) > 0)
        ;
    g_assert_cmpint(r, ==, 0);
    g_assert_cmpuint(walk.n_self, ==, 1);
    g_assert_cmpuint(walk.n_init, ==, 1);
    (void)close(fd);
    g_assert_cmpint(proc_walk(&sys_linux, fd, on_walk, &walk), ==, -EBADF);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proc/stat/parse", test_parse);
    g_test_add_func("/proc/self", test_self);
    g_test_add_func("/proc/environ/find", test_environ_find);
    g_test_add_func("/proc/environ/of-self", test_environ_of_self);
    g_test_add_func("/proc/resources", test_resources);
    g_test_add_func("/proc/limits-of-a-child", test_limits_of_a_child);
    g_test_add_func("/proc/children", test_children);
    g_test_add_func("/proc/dead-group", test_dead_group);
    g_test_add_func("/proc/ancestors", test_ancestors);
    g_test_add_func("/proc/walk", test_walk);
    return g_test_run();
}
