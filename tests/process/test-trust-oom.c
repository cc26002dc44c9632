/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A main process that is killed, and what is known of who has killed it: by a count and a log of
 * the kernel, both of which this test writes. */

#include "base/fds.h"
#include "trust-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define OOM_NONE "low 0\noom_kill 0\n"
#define OOM_ONE "low 0\noom_kill 1\n"

typedef enum OomWhom {
    OOM_NOBODY,
    OOM_OTHER,
    OOM_MAIN,
} OomWhom;

typedef struct OomRow {
    const char *name;
    bool has_log;
    const char *before; /* what the cgroup counts when the service is ready; NULL: nothing */
    const char *after;  /* when it is killed */
    OomWhom logged;
    bool is_oom, is_oom_in_session; /* what is said of it */
} OomRow;

static const OomRow oom_rows[] = {
        {"unknown", false, NULL, NULL, OOM_NOBODY, false, false},
        {"counted", false, OOM_NONE, OOM_ONE, OOM_NOBODY, true, false},
        {"logged/counted-before", true, OOM_ONE, OOM_ONE, OOM_NOBODY, false, false},
        {"logged", true, NULL, NULL, OOM_MAIN, true, true},
        {"logged/counted", true, OOM_NONE, OOM_ONE, OOM_MAIN, true, true},
        {"logged/other", true, OOM_NONE, OOM_ONE, OOM_OTHER, false, false},
        {"logged/nobody", true, OOM_NONE, OOM_ONE, OOM_NOBODY, false, false},
};

static struct {
    const TrustFixture *fixture;
    int log_fd;
    char *record; /* of the log; NULL: no more */
} kernel;

ssize_t __real_readlink(const char *path, char *buffer, size_t size);
ssize_t __wrap_readlink(const char *path, char *buffer, size_t size);

/* As in the first namespace of process ids, whose numbers the log has. */
ssize_t __wrap_readlink(const char *path, char *buffer, size_t size)
{
    static const char first[] = "pid:[4026531836]";

    if (!g_str_equal(path, "/proc/self/ns/pid"))
        return __real_readlink(path, buffer, size);
    g_assert_cmpuint(size, >=, sizeof first);
    memcpy(buffer, first, sizeof first - 1);
    return sizeof first - 1;
}

static int kernel_open(const char *path, int flags)
{
    if (!g_str_equal(path, "/dev/kmsg"))
        return sys_linux.open(path, flags);
    kernel.log_fd = open(fixture_path(&kernel.fixture->process, "."), O_RDONLY | O_CLOEXEC);
    return kernel.log_fd;
}

static int kernel_openat(int directory_fd, const char *path, int flags)
{
    return g_str_has_suffix(path, "/memory.events")
                   ? open(fixture_path(&kernel.fixture->process, "memory.events"), flags)
                   : sys_linux.openat(directory_fd, path, flags);
}

static ssize_t kernel_read(int fd, void *buffer, size_t size)
{
    g_autofree char *record = NULL;

    if (fd != kernel.log_fd)
        return sys_linux.read(fd, buffer, size);
    record = g_steal_pointer(&kernel.record);
    errno = EAGAIN;
    if (record == NULL)
        return -1;
    g_assert_cmpuint(strlen(record), <=, size);
    memcpy(buffer, record, strlen(record));
    return (ssize_t)strlen(record);
}

static void kernel_begin(TrustFixture *fixture, const OomRow *row)
{
    Sys *sys = &fixture->process.sys;

    kernel.fixture = fixture;
    kernel.log_fd = -1;
    sys->open = kernel_open;
    sys->openat = kernel_openat;
    sys->read = kernel_read;
    if (row->has_log)
        process_host_watch_oom(fixture->process.host);
}

static void kernel_count(const TrustFixture *fixture, const char *text)
{
    if (text != NULL)
        g_assert_true(g_file_set_contents(fixture_path(&fixture->process, "memory.events"), text,
                                          -1, NULL));
}

static void kernel_log(const OomRow *row, pid_t main_pid)
{
    if (row->logged != OOM_NOBODY)
        kernel.record = g_strdup_printf(
                "3,1,1,-;Memory cgroup out of memory: Killed process %d (program-stayer) "
                "total-vm:1kB\n",
                (int)(row->logged == OOM_MAIN ? main_pid : main_pid + 1));
}

static void test_oom(TrustFixture *fixture, const void *data)
{
    const OomRow *row = data;

    kernel_begin(fixture, row);
    kernel_count(fixture, row->before);
    Service *service = trust_start(fixture, "{'restart': {'policy': 'no'}, 'readiness': 'notify', "
                                            "'exec': ['@PROGRAMS/program-stayer']}");
    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    kernel_count(fixture, row->after);
    kernel_log(row, fixture_main_pid(service));
    trust_signal(service, SIGKILL);
    fixture_wait_state(&fixture->process, service, STATE_FAILED);
    bool is_said = strstr(service_state(service)->error->message, "(out of memory)") != NULL;
    g_assert_true(is_said == (fixture->has_cgroups ? row->is_oom : row->is_oom_in_session));
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(oom_rows); i++) {
        g_autofree char *path = g_strconcat("/trust/oom/", oom_rows[i].name, NULL);

        trust_add(path, test_oom, &oom_rows[i]);
    }
    return g_test_run();
}
