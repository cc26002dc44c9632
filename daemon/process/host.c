/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every child and every orphan comes by here. The daemon looks first who has died, without taking
 * it away: the exit of a main process belongs to its supervisor, all others are only reaped. A
 * storm of orphans is taken in portions, so that the bus has its turns between. */

#include "process/host.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/former-internal.h"
#include "process/output-internal.h"
#include "process/stragglers.h"
#include "process/supervisor-internal.h"
#include "process/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Descriptors of the files of logs that are kept open: one in so many of the daemon's. */
#define HOST_LOGS_PART 8
#define HOST_LOGS_OPEN_MIN 32
#define HOST_LOGS_OPEN_MAX 16384

#define HOST_STACK_BYTES (64 * 1024)
#define HOST_REAPS_PER_TURN 128
#define HOST_NOTIFY_NAME_BYTES 19 /* twice "/" and 8 hexadecimal digits, with the NUL */
#define HOST_DIRECTORY_TRIES 16
#define HOST_RUN_DIGITS 10

/* Of what is reaped, nobody waits for orphans, and to look for them the kernel walks over all
 * children: the sweep comes after what a death is followed by, and takes at most one part of so
 * many of the daemon's time. When one sweep is not enough it takes half of it: they must not pile
 * up, for there are only so many process ids. A sweep may have taken long only because others had
 * the processor, and a service may wait for the next one to be over: so there is a limit. */
#define HOST_REAP_DELAY_USEC (1 * USEC_PER_MSEC)
#define HOST_REAP_SHARE 20
#define HOST_REAP_PAUSE_MAX_USEC (500 * USEC_PER_MSEC)

static void on_process_host_reap(void *data);

void process_host_read_dispositions(ProcessHost *host)
{
    /* The kernel's sigaction begins with the handler. The C library hides two signals of its own.
     */
    unsigned long action[16] = {0};

    host->dispositions = 0;
    for (int signo = 1; signo < _NSIG; signo++) {
        if (syscall(SYS_rt_sigaction, signo, NULL, action, (size_t)(_NSIG / 8)) == 0 &&
            action[0] != (unsigned long)SIG_DFL)
            host->dispositions |= UINT64_C(1) << (signo - 1);
    }
}

/* A stack that runs over must hit a hole, not the daemon's memory. */
static bool process_host_map_stack(ProcessHost *host, GError **error)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE), size = HOST_STACK_BYTES + guard;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
                        -1, 0);

    if (memory == MAP_FAILED)
        return error_set_errno(error, errno, "cannot allocate a stack for child processes");
    host->stack_memory = memory;
    host->stack_memory_size = size;
    host->stack = memory + guard;
    host->stack_size = HOST_STACK_BYTES;
    if (mprotect(memory, guard, PROT_NONE) < 0)
        return error_set_errno(error, errno, "cannot guard the stack for child processes");
    return true;
}

static bool process_host_open_null(ProcessHost *host, GError **error)
{
    autofd int fd = sys_open(host->sys, "/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        host->null_fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (host->null_fd < 0)
        return error_set_errno(error, errno, "cannot open /dev/null");
    return true;
}

/* Whatever the daemon's umask is, and whoever was there first: the directory is ours, is no way to
 * somewhere else, and programs of other users can pass, no more. */
static bool process_host_claim_directory(ProcessHost *host, const char *path, GError **error)
{
    struct stat status;
    autofd int fd =
            sys_open(host->sys, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(error, errno,
                               "expected a directory, and no symbolic link, for notify sockets: %s",
                               path);
    if (status.st_uid != geteuid())
        return error_set(error, ERROR_FAILED,
                         "expected a directory of user %u for notify sockets, it is of user %u: %s",
                         (unsigned)geteuid(), (unsigned)status.st_uid, path);
    if (host->sys->fchmod(fd, 0711) < 0)
        return error_set_errno(error, errno, "cannot set the mode of directory %s", path);
    return true;
}

/* Whoever else uses the same runtime directory has another one. */
static bool process_host_make_own_directory(ProcessHost *host, const char *parent, GError **error)
{
    for (unsigned i = 0; i < HOST_DIRECTORY_TRIES; i++) {
        g_autofree char *path =
                g_strdup_printf("%s/%08x", parent, (unsigned)(random_next(host->random) >> 32));

        if (host->sys->mkdir(path, 0711) == 0) {
            host->notify_directory = g_steal_pointer(&path);
            return process_host_claim_directory(host, host->notify_directory, error);
        }
        if (errno != EEXIST)
            break;
    }
    return error_set_errno(error, errno, "cannot make a directory in %s", parent);
}

static bool process_host_make_directories(ProcessHost *host, const char *runtime_dir,
                                          GError **error)
{
    const struct sockaddr_un address;
    g_autofree char *parent = g_strconcat(runtime_dir, "/notify", NULL);

    if (strlen(parent) + HOST_NOTIFY_NAME_BYTES > sizeof address.sun_path)
        return error_set(error, ERROR_INVALID_ARGS,
                         "runtime directory is too long for the address of a socket: %s",
                         runtime_dir);
    if (host->sys->mkdir(parent, 0711) < 0 && errno != EEXIST)
        return error_set_errno(error, errno, "cannot make directory %s", parent);
    return process_host_claim_directory(host, parent, error) &&
           process_host_make_own_directory(host, parent, error);
}

static bool process_host_set_up(ProcessHost *host, const char *runtime_dir, GError **error)
{
    if (!process_host_make_directories(host, runtime_dir, error) ||
        !process_host_open_null(host, error) || !process_host_map_stack(host, error))
        return false;
    if (getrlimit64(RLIMIT_NOFILE, &host->nofile) < 0)
        return error_set_errno(error, errno, "cannot read the limit of descriptors");
    process_host_read_dispositions(host);
    if (host->sys->set_child_subreaper() < 0)
        return error_set_errno(error, errno, "cannot become a subreaper");
    return true;
}

void process_host_set_invocation_prefix(ProcessHost *host, const char *prefix)
{
    if (prefix == NULL)
        return;
    g_assert(strspn(prefix, "0123456789abcdef") == HOST_INVOCATION_PREFIX_LENGTH &&
             strlen(prefix) == HOST_INVOCATION_PREFIX_LENGTH);
    g_strlcpy(host->invocation_prefix, prefix, sizeof host->invocation_prefix);
}

/* More than any session, and not what the kernel takes for "unlimited". */
uint64_t process_host_mark(const char *invocation_prefix)
{
    uint64_t number = g_ascii_strtoull(invocation_prefix, NULL, 16);

    return MIN(number | UINT64_C(1) << 63, RLIM64_INFINITY - 1);
}

uint64_t process_host_run_number(const char *invocation_id)
{
    return g_ascii_strtoull(invocation_id + strlen(invocation_id) - HOST_RUN_DIGITS, NULL, 16);
}

char *process_host_new_invocation_id(ProcessHost *host)
{
    if (host->invocation_prefix[0] == '\0')
        return random_id128(host->random);
    return g_strdup_printf("%s%016" PRIx64, host->invocation_prefix, random_next(host->random));
}

bool process_host_open_cgroups(ProcessHost *host, const char *where, GError **error)
{
    g_autofree char *name = g_strconcat("svcmgr-", host->invocation_prefix, NULL);
    CgroupTreeOptions options = {
            .sys = host->sys, .watches = host->watches, .where = where, .name = name};
    g_autoptr(GError) reason = NULL;

    g_assert(host->cgroups == NULL && host->invocation_prefix[0] != '\0');
    if (g_str_equal(where, "none"))
        (void)error_set(&reason, ERROR_NOT_SUPPORTED, "turned off by the option 'cgroup'");
    else
        host->cgroups = cgroup_tree_new(&options, &reason);
    if (host->cgroups != NULL)
        return true;
    host->cgroups_why = g_strdup(reason->message);
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

/* A part of what the daemon may have: services need the rest. */
static unsigned host_logs_open_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    return (unsigned)CLAMP(limit.rlim_cur / HOST_LOGS_PART, HOST_LOGS_OPEN_MIN, HOST_LOGS_OPEN_MAX);
}

void process_host_open_logs(ProcessHost *host, const char *directory, uint64_t total_max_bytes)
{
    ServiceLogsOptions options = {.sys = host->sys,
                                  .clock = host->clock,
                                  .timers = host->timers,
                                  .directory = directory,
                                  .total_max_bytes = total_max_bytes,
                                  .open_max = host_logs_open_max()};

    g_assert(host->logs == NULL);
    host->logs = service_logs_new(&options);
    host->output = output_reader_new(host);
    host->log_streams = service_log_streams_new(host->logs, host->watches, host->sys);
}

ServiceLogs *process_host_logs(const ProcessHost *host)
{
    return host->logs;
}

ServiceLogStreams *process_host_log_streams(const ProcessHost *host)
{
    return host->log_streams;
}

void process_host_watch_oom(ProcessHost *host)
{
    if (host->oom == NULL)
        host->oom = oom_log_new(host->sys);
}

void process_host_check_limits(const ProcessHost *host, const CgroupLimits *limits,
                               void (*func)(const char *member, const char *reason, void *data),
                               void *data)
{
    cgroup_limits_check(limits, host->cgroups,
                        host->cgroups_why != NULL ? host->cgroups_why : "there are no cgroups here",
                        func, data);
}

static void on_host_limit_missing(const char *member, const char *reason, void *data)
{
    GError **missing = data;

    if (*missing == NULL)
        error_set(missing, ERROR_NOT_SUPPORTED, "cgroup.%s: %s", member, reason);
}

bool process_host_has_limits(const ProcessHost *host, const CgroupLimits *limits, GError **error)
{
    g_autoptr(GError) missing = NULL;

    process_host_check_limits(host, limits, on_host_limit_missing, &missing);
    if (missing == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&missing));
    return false;
}

char **process_host_features(const ProcessHost *host)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    if (host->cgroups != NULL)
        g_strv_builder_add(builder, "cgroup");
    for (int i = 0; host->cgroups != NULL && i < _CGROUP_CONTROLLER_MAX; i++) {
        g_autofree char *feature =
                g_strconcat("cgroup.", cgroup_controller_name((CgroupController)i), NULL);

        if (cgroup_tree_has(host->cgroups, (CgroupController)i))
            g_strv_builder_add(builder, feature);
    }
    return g_strv_builder_end(builder);
}

ProcessHost *process_host_new(const ProcessHostOptions *options, GError **error)
{
    ProcessHost *host = g_new(ProcessHost, 1);

    *host = (ProcessHost){
            .clock = options->clock,
            .timers = options->timers,
            .watches = options->watches,
            .random = options->random,
            .sys = options->sys != NULL ? options->sys : &sys_linux,
            .null_fd = -1,
            .mains = g_hash_table_new(NULL, NULL),
            .left = former_left_new(),
            .reap_timer = timer_new(options->timers, on_process_host_reap, host),
    };
    g_queue_init(&host->watchers);
    process_host_set_invocation_prefix(host, options->invocation_prefix);
    if (process_host_set_up(host, options->runtime_dir, error))
        return host;
    process_host_free(host);
    return NULL;
}

void process_host_free(ProcessHost *host)
{
    if (host == NULL)
        return;
    g_assert(host->n_supervisors == 0);
    output_reader_free(host->output);
    service_log_streams_free(host->log_streams);
    service_logs_free(host->logs);
    timer_free(host->reap_timer);
    stragglers_free(host->stragglers);
    fd_closer_free(host->closer);
    usage_survey_free(host->survey);
    cgroup_tree_free(host->cgroups);
    g_free(host->cgroups_why);
    oom_log_free(host->oom);
    g_hash_table_unref(host->mains);
    g_hash_table_unref(host->left);
    if (host->stack_memory != NULL)
        (void)munmap(host->stack_memory, host->stack_memory_size); /* cannot fail: it is ours */
    host->null_fd = fd_close(host->null_fd);
    if (host->notify_directory != NULL)
        (void)rmdir(host->notify_directory); /* somebody may have put something there */
    g_free(host->notify_directory);
    g_free(host);
}

/* A supervisor that could not take the exit of its main process away has given it up: then it is an
 * orphan, and comes by again. */
static bool process_host_reap_one(ProcessHost *host)
{
    siginfo_t info = {0};

    if (sys_waitid(host->sys, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return false;

    Supervisor *supervisor = g_hash_table_lookup(host->mains, GINT_TO_POINTER(info.si_pid));
    if (supervisor != NULL)
        supervisor_check_main(supervisor);
    else
        (void)sys_waitid(host->sys, P_PID, (id_t)info.si_pid, NULL,
                         WEXITED | WNOHANG); /* a zombie */
    return true;
}

/* A check may end its supervisor, and with it whatever listens; the queue is looked at anew each
 * time. */
static void process_host_check_groups(ProcessHost *host)
{
    for (unsigned n = g_queue_get_length(&host->watchers); n > 0; n--) {
        GList *link = g_queue_pop_head_link(&host->watchers);

        if (link == NULL)
            return;
        g_queue_push_tail_link(&host->watchers, link);
        supervisor_check_rest(link->data);
    }
}

void process_host_sweep(ProcessHost *host)
{
    uint64_t began_usec = clock_monotonic_usec(host->clock);
    unsigned n = 0;

    while (n < HOST_REAPS_PER_TURN && process_host_reap_one(host))
        n++;
    process_host_check_groups(host);
    if (host->cgroups != NULL)
        cgroup_tree_prune(host->cgroups);

    uint64_t ended_usec = clock_monotonic_usec(host->clock);
    bool is_behind = n == HOST_REAPS_PER_TURN;
    uint64_t pause_usec = (ended_usec - began_usec) * (is_behind ? 1 : HOST_REAP_SHARE);
    host->reap_next_usec = usec_add(ended_usec, MIN(pause_usec, HOST_REAP_PAUSE_MAX_USEC));
    if (is_behind)
        timer_arm(host->reap_timer, host->reap_next_usec);
}

static void on_process_host_reap(void *data)
{
    process_host_sweep(data);
}

/* Who waits for the rest of a group waits for nothing else. */
void process_host_on_sigchld(ProcessHost *host)
{
    bool is_awaited = !g_queue_is_empty(&host->watchers);
    uint64_t now_usec = clock_monotonic_usec(host->clock);

    if (is_awaited && now_usec >= host->reap_next_usec)
        process_host_sweep(host);
    else if (is_awaited || !timer_is_armed(host->reap_timer))
        timer_arm(host->reap_timer,
                  MAX(usec_add(now_usec, HOST_REAP_DELAY_USEC), host->reap_next_usec));
}

unsigned process_host_n_running(const ProcessHost *host)
{
    return host->n_running;
}
