/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each thing that a definition asks of the kernel is refused once: the start fails, with the step,
 * the member and the reason, and leaves neither a child nor a descriptor; the next start goes well.
 * What is called in the child may run on a stack that the sanitizers do not know. */

#include "base/errors.h"
#include "base/fds.h"
#include "process/rlimits.h"
#include "spawn-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAULT_FUNCTION __attribute__((no_sanitize("address", "undefined")))
#define FAULT_ANY (-1)
#define FAULT_PASS (-2) /* the daemon's number of what is passed */

typedef struct Fault {
    long number;
    unsigned place; /* of the argument that must have the value */
    int value;      /* FAULT_ANY: whatever it is */
    int errno_value;
} Fault;

static Fault fault;

static FAULT_FUNCTION long fault_raw(long number, ...)
{
    long a[6];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    /* Those of the caller that are int have no meaning above. */
    if (number == fault.number &&
        (fault.value == FAULT_ANY || (int)a[fault.place] == fault.value)) {
        errno = fault.errno_value;
        return -1;
    }
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

typedef struct FaultRow {
    Fault fault;
    const char *expected;
} FaultRow;

#define NOT_PERMITTED ": Operation not permitted"

static const FaultRow fault_rows[] = {
        {{SYS_setsid, 0, FAULT_ANY, EPERM}, "cannot start a session" NOT_PERMITTED},
        {{SYS_fcntl, 1, F_DUPFD_CLOEXEC, EMFILE},
         "cannot make room for descriptors to pass: Too many open files"},
        {{SYS_fcntl, 0, FAULT_PASS, EMFILE}, "cannot pass descriptor 33: Too many open files"},
        {{SYS_dup3, 1, 33, EBADF}, "cannot pass descriptor 33: Bad file descriptor"},
        {{SYS_dup3, 1, 0, EIO}, "cannot set standard input: Input/output error"},
        {{SYS_dup3, 1, 1, EIO}, "cannot set standard output: Input/output error"},
        {{SYS_dup3, 1, 2, EBUSY}, "cannot set standard error: Device or resource busy"},
        {{SYS_setpriority, 2, 5, EACCES}, "cannot set nice to 5: Permission denied"},
        {{SYS_openat, 0, AT_FDCWD, ENOENT},
         "cannot set oom_score_adjust to 1000: No such file or directory"},
        {{SYS_write, 2, 4, EACCES}, "cannot set oom_score_adjust to 1000: Permission denied"},
        {{SYS_prlimit64, 1, RLIMIT_NOFILE, EPERM},
         "cannot set the limit of descriptors" NOT_PERMITTED},
        {{SYS_prlimit64, 1, RLIMIT_SIGPENDING, EPERM},
         "cannot set limits.sigpending to 10, at most 20" NOT_PERMITTED},
        {{SYS_prlimit64, 1, RLIMIT_CORE, EPERM}, "cannot set limits.core to 0" NOT_PERMITTED},
        {{SYS_prlimit64, 1, RLIMIT_RTTIME, EINVAL},
         "cannot set limits.rttime to 5000000, at most infinity: Invalid argument"},
        {{SYS_prctl, 0, PR_CAPBSET_READ, EPERM},
         "cannot set capabilities: drop CAP_DAC_OVERRIDE" NOT_PERMITTED},
        {{SYS_prctl, 0, PR_CAPBSET_DROP, EPERM},
         "cannot set capabilities: drop CAP_DAC_OVERRIDE" NOT_PERMITTED},
        {{SYS_prctl, 0, PR_CAP_AMBIENT, EPERM}, "cannot set capabilities" NOT_PERMITTED},
        {{SYS_capget, 0, FAULT_ANY, EPERM}, "cannot set capabilities" NOT_PERMITTED},
        {{SYS_capset, 0, FAULT_ANY, EPERM}, "cannot set capabilities" NOT_PERMITTED},
        {{SYS_chdir, 0, FAULT_ANY, EACCES}, "cannot change to directory '/': Permission denied"},
        {{SYS_prctl, 0, PR_SET_NO_NEW_PRIVS, EINVAL},
         "cannot set no_new_privileges: Invalid argument"},
};

/* A pass whose descriptor stands below its target has to be moved first. */
typedef struct FaultStart {
    int fd;
    int output_fd;
    SpawnPass pass;
    SpawnSpec spec;
    char *argv[2];
} FaultStart;

static void fault_start_init(FaultStart *start)
{
    *start = (FaultStart){
            .fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3),
            .output_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3),
            .argv = {(char *)"/bin/true", NULL},
            .spec = {SPAWN_KEEP_ALL, .working_directory = (char *)"/", .sets_capabilities = true,
                     .capabilities = 1 << CAP_CHOWN, .privileges = SPAWN_PRIVILEGES_NO_NEW},
    };
    start->spec.exec = start->argv;
    start->spec.nice = 5;
    start->spec.oom_score_adjust = 1000;
    limits_set(&start->spec.limits, &(SpawnLimit){RLIMIT_SIGPENDING, 10, 20});
    limits_set(&start->spec.limits, &(SpawnLimit){RLIMIT_CORE, 0, 0});
    limits_set(&start->spec.limits, &(SpawnLimit){RLIMIT_RTTIME, 5000000, LIMIT_INFINITY});
    start->pass = (SpawnPass){start->fd, 33};
}

static void fault_start_done(FaultStart *start)
{
    (void)fd_close(start->fd);
    (void)fd_close(start->output_fd);
    g_array_unref(start->spec.limits);
}

static bool fault_start_run(ProcessFixture *fixture, FaultStart *start, GError **error)
{
    SpawnExtras extras = {
            .passes = &start->pass,
            .n_passes = 1,
            .stdout_fd = start->output_fd,
            .stderr_fd = start->output_fd,
    };
    Spawned spawned;

    if (!spawn_with(fixture, &start->spec, &extras, &spawned, error))
        return false;
    g_assert_cmpint(spawned_wait(&spawned), ==, 0);
    return true;
}

static void test_each_step(ProcessFixture *fixture, const void *mode)
{
    FaultStart start;

    if (spawn_skips_unless_root())
        return;
    fault_start_init(&start);
    fixture->sys.raw = fault_raw;
    for (size_t i = 0; i < G_N_ELEMENTS(fault_rows); i++) {
        g_autoptr(GError) error = NULL;

        fault = fault_rows[i].fault;
        if (fault.value == FAULT_PASS)
            fault.value = start.fd;
        g_assert_false(fault_start_run(fixture, &start, &error));
        g_assert_cmpstr(error->message, ==, fault_rows[i].expected);
        fault = (Fault){.number = -1};
        g_assert_true(fault_start_run(fixture, &start, NULL));
    }
    fault_start_done(&start);
}

static const SpawnTest tests[] = {
        {"each-step", test_each_step},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    spawn_tests_add("spawn-faults", tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
