/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of /proc: lines as the kernel writes them, and this very process. */

#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
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
        {"7 (a\nb)) D 5 6" NUMBERS "3 0 99\n", true, {5, 6, false}},
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
        g_assert_cmpuint(stat.start_time, ==, rows[i].ok ? 99 : 0);
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
    g_test_add_func("/proc/walk", test_walk);
    return g_test_run();
}
