/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of /proc: lines as the kernel writes them, and this very process. */

#include "process/proc.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proc/stat/parse", test_parse);
    g_test_add_func("/proc/self", test_self);
    return g_test_run();
}
