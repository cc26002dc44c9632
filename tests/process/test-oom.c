/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel's log says of processes that the OOM killer has chosen. */

#include "process/oom.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct RecordRow {
    const char *record;
    pid_t pid; /* 0: says nothing of that */
    const char *comm;
} RecordRow;

#define AFTER " total-vm:1024kB, anon-rss:512kB, UID:0 pgtables:44kB oom_score_adj:0\n"

static const RecordRow record_rows[] = {
        {"3,700,81,-;Out of memory: Killed process 12 (web)" AFTER, 12, "web"},
        {"3,700,81,-;Memory cgroup out of memory: Killed process 4194303 (a b)" AFTER, 4194303,
         "a b"},
        {"3,700,81,-,caller=T9;Out of memory (oom_kill_allocating_task): Killed process 5 "
         "(x)" AFTER,
         5, "x"},
        {"3,700,81,-;Killed process 6 (y), UID 0, total-vm:1kB", 0, NULL},
        {"3,700,81,-;Killed process 6 (y)" AFTER " SUBSYSTEM=x\n", 6, "y"},
        {"3,700,81,-;Out of memory: Killed process 7 (a) b)" AFTER, 7, "a) b"},
        {"3,700,81,-;Out of memory: Killed process 7 (\\x5cx41\\xc3\\xa4)" AFTER, 7,
         "\\x41\xc3\xa4"},
        {"3,700,81,-;Out of memory: Killed process 7 (\\x4)" AFTER, 7, "\\x4"},
        {"3,700,81,-;Out of memory: Killed process 7 (0123456789abcdefghi)" AFTER, 7,
         "0123456789abcde"},
        {"3,700,81,-;Out of memory: Killed process 8 ()" AFTER, 8, ""},
        /* A user, and a program with an unlucky name. */
        {"11,700,81,-;Out of memory: Killed process 12 (web)" AFTER, 0, NULL},
        {"6,700,81,-;Killed process [12]: segfault at 0", 0, NULL},
        {"6,700,81,-;web: Killed process 12 (web)" AFTER, 0, NULL},
        {"6,700,81,-;oom_reaper: reaped process 12 (web), now anon-rss:0kB", 0, NULL},
        {"3,700,81,-;Out of memory: Killed process -3 (web)" AFTER, 0, NULL},
        {"3,700,81,-;Out of memory: Killed process 99999999999 (web)" AFTER, 0, NULL},
        {"3,700,81,-;Out of memory: Killed process 12 (", 0, NULL},
        {"3,700,81,-;Out of memory: Killed process 12) total-vm:", 0, NULL},
        {"3,700,81,-;", 0, NULL},
        {"", 0, NULL},
};

static void test_records(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(record_rows); i++) {
        const RecordRow *row = &record_rows[i];
        OomKill kill = {.pid = 0};

        g_test_message("%s", row->record);
        g_assert_true(oom_record_parse(row->record, &kill) == (row->pid != 0));
        g_assert_cmpint(kill.pid, ==, row->pid);
        if (row->comm != NULL)
            g_assert_cmpstr(kill.comm, ==, row->comm);
    }
}

/* A log of records, each of which takes one reading. */
static struct {
    char *path;
    const char *namespace;
    char *const *records; /* the next one; NULL: no more; "": overwritten */
    unsigned n_reads;
    int open_errno;
} kernel;

ssize_t __wrap_readlink(const char *path, char *buffer, size_t size);

ssize_t __wrap_readlink(const char *path, char *buffer, size_t size)
{
    size_t length = strlen(kernel.namespace);

    g_assert_cmpstr(path, ==, "/proc/self/ns/pid");
    memcpy(buffer, kernel.namespace, MIN(size, length));
    return (ssize_t)length;
}

static int kernel_open(const char *path, int flags)
{
    g_assert_cmpstr(path, ==, "/dev/kmsg");
    g_assert_true((flags & (O_NONBLOCK | O_CLOEXEC)) == (O_NONBLOCK | O_CLOEXEC));
    errno = kernel.open_errno;
    return kernel.open_errno != 0 ? -1 : open(kernel.path, flags);
}

static ssize_t kernel_read(int fd, void *buffer, size_t size)
{
    kernel.n_reads++;
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 3); /* from its end on */
    const char *record = *kernel.records;
    errno = EAGAIN;
    if (record == NULL)
        return -1;
    kernel.records++;
    errno = EPIPE;
    if (*record == '\0')
        return -1;
    g_assert_cmpuint(strlen(record), <=, size);
    memcpy(buffer, record, strlen(record));
    return (ssize_t)strlen(record);
}

static Sys kernel_begin(void)
{
    Sys sys = sys_linux;
    int fd = g_file_open_tmp("svcmgr-oom-XXXXXX", &kernel.path, NULL);

    g_assert_cmpint(write(fd, "old", 3), ==, 3);
    (void)close(fd);
    kernel.namespace = "pid:[4026531836]";
    kernel.open_errno = 0;
    kernel.n_reads = 0;
    sys.open = kernel_open;
    sys.read = kernel_read;
    return sys;
}

static void kernel_end(void)
{
    g_assert_cmpint(g_unlink(kernel.path), ==, 0);
    g_free(kernel.path);
}

#define KILLED(pid, comm) "3,1,1,-;Out of memory: Killed process " pid " (" comm ")" AFTER

static void test_log(void)
{
    static char *const records[] = {(char *)"6,1,1,-;hello\n",
                                    (char *)"", /* lost */
                                    (char *)KILLED("12", "web"),
                                    (char *)KILLED("13", "a"),
                                    NULL,
                                    (char *)KILLED("14", "late"),
                                    NULL,
                                    NULL};
    Sys sys = kernel_begin();
    int n_fds = fd_count_open();
    OomLog *log = oom_log_new(&sys);

    kernel.records = records;
    g_assert_cmpuint(kernel.n_reads, ==, 0); /* not before somebody asks */
    g_assert_true(oom_log_has_killed(log, 12, "web"));
    g_assert_true(oom_log_has_killed(log, 12, NULL));
    g_assert_true(oom_log_is_current(log)); /* what was lost is older */
    g_assert_false(oom_log_has_killed(log, 12, "we"));
    g_assert_false(oom_log_has_killed(log, 14, NULL));
    kernel.records++;
    g_assert_true(oom_log_has_killed(log, 14, "late"));
    g_assert_true(oom_log_has_killed(log, 13, "a"));
    oom_log_free(log);
    g_assert_cmpint(fd_count_open(), ==, n_fds);
    oom_log_free(NULL);
    kernel_end();
}

/* It reads no more at a time than it has to, and remembers the last ones. */
static void test_flood(void)
{
    enum { N = 9000 };
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(g_free);
    Sys sys = kernel_begin();
    OomLog *log = oom_log_new(&sys);

    for (unsigned i = 1; i <= N; i++)
        g_ptr_array_add(records, g_strdup_printf("3,1,1,-;Killed process %u (web)%s", i, AFTER));
    g_ptr_array_add(records, NULL);
    kernel.records = (char *const *)records->pdata;
    g_assert_false(oom_log_has_killed(log, N, NULL));
    g_assert_cmpuint(kernel.n_reads, <, N);
    g_assert_false(oom_log_is_current(log));
    g_assert_true(oom_log_has_killed(log, N, NULL));
    g_assert_true(oom_log_has_killed(log, N - 200, NULL));
    g_assert_false(oom_log_has_killed(log, 1, NULL));
    oom_log_free(log);
    kernel_end();
}

/* It cannot be read, or speaks of other processes with the same numbers. */
static void test_unknown(void)
{
    static char *const records[] = {(char *)KILLED("12", "web"), NULL};
    Sys sys = kernel_begin();

    kernel.records = records;
    kernel.open_errno = EPERM;
    OomLog *log = oom_log_new(&sys);
    g_assert_false(oom_log_has_killed(log, 12, NULL));
    g_assert_false(oom_log_is_current(log));
    oom_log_free(log);
    kernel.open_errno = 0;
    kernel.namespace = "pid:[4026532999]";
    log = oom_log_new(&sys);
    g_assert_false(oom_log_has_killed(log, 12, NULL));
    oom_log_free(log);
    g_assert_cmpuint(kernel.n_reads, ==, 0);
    kernel_end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/oom/records", test_records);
    g_test_add_func("/oom/log", test_log);
    g_test_add_func("/oom/flood", test_flood);
    g_test_add_func("/oom/unknown", test_unknown);
    return g_test_run();
}
