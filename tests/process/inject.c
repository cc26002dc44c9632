/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the child calls may run on a stack that the sanitizers do not know, so nothing here does
 * that it can reach is instrumented. */

#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define INJECT_FUNCTION __attribute__((no_sanitize("address", "undefined")))
#define INJECT_RULES 2

typedef struct InjectRule {
    InjectCall call;
    unsigned nth; /* 0: none */
    int errno_value;
    bool persists;
} InjectRule;

typedef struct InjectState {
    InjectRule rules[INJECT_RULES];
    unsigned n_rules;
    unsigned counts[_INJECT_CALL_MAX];
    bool has_hit;
} InjectState;

static InjectState *inject_state; /* shared with children */
static Sys inject_base;
static WatchHost inject_base_watches;

static const char *const inject_names[] = {
        [INJECT_CLONE_VM] = "clone_vm",
        [INJECT_CLONE_COPY] = "clone_copy",
        [INJECT_FORK] = "fork",
        [INJECT_PIDFD_OPEN] = "pidfd_open",
        [INJECT_PIDFD_CGROUP] = "pidfd_cgroup",
        [INJECT_PIPE2] = "pipe2",
        [INJECT_PIPE2_READY] = "pipe2(readiness)",
        [INJECT_SOCKET] = "socket",
        [INJECT_FCHMOD] = "fchmod",
        [INJECT_RENAME] = "rename",
        [INJECT_LCHOWN] = "lchown",
        [INJECT_SETSOCKOPT] = "setsockopt",
        [INJECT_BIND] = "bind",
        [INJECT_UNLINK] = "unlink",
        [INJECT_MKDIR] = "mkdir",
        [INJECT_SUBREAPER] = "subreaper",
        [INJECT_WATCH_NOTIFY] = "watch(notify)",
        [INJECT_WATCH_EXEC] = "watch(exec)",
        [INJECT_WATCH_MAIN] = "watch(main)",
        [INJECT_WATCH_READY] = "watch(readiness)",
        [INJECT_WATCH_STORED] = "watch(stored)",
        [INJECT_WATCH_CGROUP] = "watch(cgroup)",
        [INJECT_PIDFD_SIGNAL] = "pidfd_send_signal",
        [INJECT_KILL] = "kill",
        [INJECT_KILL_PROBE] = "kill(0)",
        [INJECT_WAIT_MAIN] = "waitid(main)",
        [INJECT_WAIT_CHILD] = "waitid(child)",
        [INJECT_WAIT_GROUP] = "waitid(group)",
        [INJECT_WAIT_ANY] = "waitid(any)",
        [INJECT_GETSID] = "getsid",
        [INJECT_GETPGID] = "getpgid",
        [INJECT_OPEN] = "open",
        [INJECT_READ_EXEC] = "read(exec)",
        [INJECT_READ_READY] = "read(readiness)",
        [INJECT_READ_PROC] = "read(proc)",
        [INJECT_READ_CGROUP] = "read(cgroup)",
        [INJECT_GETDENTS] = "getdents64",
        [INJECT_GETDENTS_CGROUP] = "getdents64(cgroup)",
        [INJECT_OPENAT] = "openat",
        [INJECT_FSTATAT] = "fstatat",
        [INJECT_OPENAT_PROC] = "openat(proc)",
        [INJECT_WRITE] = "write",
        [INJECT_MKDIRAT] = "mkdirat",
        [INJECT_UNLINKAT] = "unlinkat",
        [INJECT_PRLIMIT] = "prlimit64",
        [INJECT_SAME_FILE] = "kcmp",
        [INJECT_RECVMSG] = "recvmsg",
        [INJECT_CLOSE_RANGE] = "child close_range",
        [INJECT_CHILD_SETSID] = "child setsid",
        [INJECT_CHILD_SIGACTION] = "child rt_sigaction",
        [INJECT_CHILD_DUP3] = "child dup3",
        [INJECT_CHILD_UMASK] = "child umask",
        [INJECT_CHILD_MARK] = "child prlimit64(mark)",
        [INJECT_CHILD_PRLIMIT_GET] = "child prlimit64(get)",
        [INJECT_CHILD_PRLIMIT_SET] = "child prlimit64(set)",
        [INJECT_CHILD_SETGROUPS] = "child setgroups",
        [INJECT_CHILD_SETRESGID] = "child setresgid",
        [INJECT_CHILD_SETRESUID] = "child setresuid",
        [INJECT_CHILD_PRCTL] = "child prctl",
        [INJECT_CHILD_CHDIR] = "child chdir",
        [INJECT_CHILD_SIGPROCMASK] = "child rt_sigprocmask",
        [INJECT_CHILD_EXECVE] = "child execve",
        [INJECT_CHILD_FACCESSAT] = "child faccessat",
        [INJECT_CHILD_WRITE] = "child write",
        [INJECT_CHILD_ENTER] = "child write(cgroup)",
        [INJECT_CHILD_CLOSE] = "child close",
        [INJECT_CHILD_FCNTL] = "child fcntl",
};
G_STATIC_ASSERT(G_N_ELEMENTS(inject_names) == _INJECT_CALL_MAX);

const char *inject_call_name(InjectCall call)
{
    return inject_names[call];
}

/* 0: let it happen; else the errno, or INJECT_SHORT. */
static INJECT_FUNCTION int inject_verdict(InjectCall call)
{
    unsigned n = ++inject_state->counts[call];

    for (unsigned i = 0; i < inject_state->n_rules; i++) {
        const InjectRule *rule = &inject_state->rules[i];

        if (rule->call != call || !(n == rule->nth || (rule->persists && n > rule->nth)))
            continue;
        inject_state->has_hit = true;
        return rule->errno_value;
    }
    return 0;
}

static INJECT_FUNCTION bool inject_fails(InjectCall call)
{
    int verdict = inject_verdict(call);

    if (verdict > 0)
        errno = verdict;
    return verdict > 0;
}

/* In the child */

static const struct {
    long number;
    InjectCall call;
} inject_raw_calls[] = {
        {SYS_setsid, INJECT_CHILD_SETSID},
        {SYS_rt_sigaction, INJECT_CHILD_SIGACTION},
        {SYS_dup3, INJECT_CHILD_DUP3},
        {SYS_umask, INJECT_CHILD_UMASK},
        {SYS_prlimit64, INJECT_CHILD_PRLIMIT_SET},
        {SYS_setgroups, INJECT_CHILD_SETGROUPS},
        {SYS_setresgid, INJECT_CHILD_SETRESGID},
        {SYS_setresuid, INJECT_CHILD_SETRESUID},
        {SYS_prctl, INJECT_CHILD_PRCTL},
        {SYS_chdir, INJECT_CHILD_CHDIR},
        {SYS_rt_sigprocmask, INJECT_CHILD_SIGPROCMASK},
        {SYS_execve, INJECT_CHILD_EXECVE},
        {SYS_faccessat, INJECT_CHILD_FACCESSAT},
        {SYS_write, INJECT_CHILD_WRITE},
        {SYS_close, INJECT_CHILD_CLOSE},
        {SYS_fcntl, INJECT_CHILD_FCNTL},
};

static INJECT_FUNCTION InjectCall inject_raw_call(long number, const long *arguments)
{
    if (number == SYS_prlimit64 && arguments[2] == 0)
        return INJECT_CHILD_PRLIMIT_GET;
    if (number == SYS_prlimit64 && arguments[1] == RLIMIT_LOCKS)
        return INJECT_CHILD_MARK;
    if (number == SYS_write && arguments[2] == 1) /* "0" */
        return INJECT_CHILD_ENTER;
    for (unsigned i = 0; i < G_N_ELEMENTS(inject_raw_calls); i++) {
        if (inject_raw_calls[i].number == number)
            return inject_raw_calls[i].call;
    }
    return _INJECT_CALL_MAX;
}

static INJECT_FUNCTION long inject_raw(long number, ...)
{
    long a[5];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 5; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    InjectCall call = inject_raw_call(number, a);
    if (call != _INJECT_CALL_MAX && inject_fails(call))
        return -1;
    return syscall(number, a[0], a[1], a[2], a[3], a[4]);
}

static INJECT_FUNCTION int inject_close_range(unsigned first, unsigned last, int flags)
{
    return inject_fails(INJECT_CLOSE_RANGE) ? -1
                                            : (int)syscall(SYS_close_range, first, last, flags);
}

/* In the daemon */

static pid_t inject_clone_vm(SysChildFunc child, void *data, void *stack, size_t size,
                             int cgroup_fd, int *ret_pidfd)
{
    return inject_fails(INJECT_CLONE_VM)
                   ? -1
                   : inject_base.clone_vm(child, data, stack, size, cgroup_fd, ret_pidfd);
}

static pid_t inject_clone_copy(SysChildFunc child, void *data, void *stack, size_t size,
                               int cgroup_fd, int *ret_pidfd)
{
    return inject_fails(INJECT_CLONE_COPY)
                   ? -1
                   : inject_base.clone_copy(child, data, stack, size, cgroup_fd, ret_pidfd);
}

/* What it closes is nothing of what is looked at here. */
static pid_t inject_clone_files(SysChildFunc child, void *data, void *stack, size_t stack_size,
                                int *ret_pidfd)
{
    return inject_base.clone_files(child, data, stack, stack_size, ret_pidfd);
}

static pid_t inject_fork(void)
{
    return inject_fails(INJECT_FORK) ? -1 : inject_base.fork();
}

static int inject_pidfd_open(pid_t pid, unsigned flags)
{
    return inject_fails(INJECT_PIDFD_OPEN) ? -1 : inject_base.pidfd_open(pid, flags);
}

static int inject_pidfd_cgroup(int pidfd, uint64_t *ret_id)
{
    return inject_fails(INJECT_PIDFD_CGROUP) ? -1 : inject_base.pidfd_cgroup(pidfd, ret_id);
}

static int inject_pidfd_send_signal(int pidfd, int signo, siginfo_t *info, unsigned flags)
{
    return inject_fails(INJECT_PIDFD_SIGNAL)
                   ? -1
                   : inject_base.pidfd_send_signal(pidfd, signo, info, flags);
}

static int inject_kill(pid_t pid, int signo)
{
    return inject_fails(signo == 0 ? INJECT_KILL_PROBE : INJECT_KILL)
                   ? -1
                   : inject_base.kill(pid, signo);
}

static InjectCall inject_wait_call(idtype_t type)
{
    if (type == P_ALL)
        return INJECT_WAIT_ANY;
    if (type == P_PGID)
        return INJECT_WAIT_GROUP;
    return type == P_PID ? INJECT_WAIT_CHILD : INJECT_WAIT_MAIN;
}

static int inject_waitid(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *usage)
{
    return inject_fails(inject_wait_call(type))
                   ? -1
                   : inject_base.waitid(type, id, info, options, usage);
}

static pid_t inject_getsid(pid_t pid)
{
    return inject_fails(INJECT_GETSID) ? -1 : inject_base.getsid(pid);
}

static pid_t inject_getpgid(pid_t pid)
{
    return inject_fails(INJECT_GETPGID) ? -1 : inject_base.getpgid(pid);
}

static int inject_set_child_subreaper(void)
{
    return inject_fails(INJECT_SUBREAPER) ? -1 : inject_base.set_child_subreaper();
}

/* The reading end of a pipe for readiness is told by its number in the file system; only that of a
 * child's way to the program is not to block from the beginning. */
static ino_t inject_readiness;

static ino_t inject_inode(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static int inject_pipe2(int fds[2], int flags)
{
    bool is_readiness = (flags & O_NONBLOCK) == 0;

    if (inject_fails(is_readiness ? INJECT_PIPE2_READY : INJECT_PIPE2) ||
        inject_base.pipe2(fds, flags) < 0)
        return -1;
    if (is_readiness)
        inject_readiness = inject_inode(fds[0]);
    return 0;
}

static int inject_open(const char *path, int flags)
{
    return inject_fails(INJECT_OPEN) ? -1 : inject_base.open(path, flags);
}

static bool inject_is(int fd, mode_t type)
{
    struct stat status;

    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == type;
}

static bool inject_is_cgroup(int fd)
{
    struct statfs status;

    return fstatfs(fd, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

static InjectCall inject_read_call(int fd)
{
    if (inject_is(fd, S_IFIFO))
        return inject_inode(fd) == inject_readiness ? INJECT_READ_READY : INJECT_READ_EXEC;
    return inject_is_cgroup(fd) ? INJECT_READ_CGROUP : INJECT_READ_PROC;
}

static ssize_t inject_read(int fd, void *buffer, size_t size)
{
    int verdict = inject_verdict(inject_read_call(fd));

    if (verdict > 0) {
        errno = verdict;
        return -1;
    }
    return inject_base.read(fd, buffer, verdict == INJECT_SHORT ? MIN(size, 1) : size);
}

static ssize_t inject_getdents64(int fd, void *buffer, size_t size)
{
    InjectCall call = inject_is_cgroup(fd) ? INJECT_GETDENTS_CGROUP : INJECT_GETDENTS;

    return inject_fails(call) ? -1 : inject_base.getdents64(fd, buffer, size);
}

static int inject_openat(int directory_fd, const char *path, int flags)
{
    InjectCall call = directory_fd == AT_FDCWD ? INJECT_OPENAT_PROC : INJECT_OPENAT;

    return inject_fails(call) ? -1 : inject_base.openat(directory_fd, path, flags);
}

static int inject_fstatat(int directory_fd, const char *path, struct stat *ret_status, int flags)
{
    return inject_fails(INJECT_FSTATAT)
                   ? -1
                   : inject_base.fstatat(directory_fd, path, ret_status, flags);
}

static ssize_t inject_write(int fd, const void *buffer, size_t size)
{
    return inject_fails(INJECT_WRITE) ? -1 : inject_base.write(fd, buffer, size);
}

static int inject_mkdirat(int directory_fd, const char *path, mode_t mode)
{
    return inject_fails(INJECT_MKDIRAT) ? -1 : inject_base.mkdirat(directory_fd, path, mode);
}

static int inject_unlinkat(int directory_fd, const char *path, int flags)
{
    return inject_fails(INJECT_UNLINKAT) ? -1 : inject_base.unlinkat(directory_fd, path, flags);
}

static int inject_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                            struct rlimit64 *ret_limit)
{
    return inject_fails(INJECT_PRLIMIT) ? -1
                                        : inject_base.prlimit64(pid, resource, limit, ret_limit);
}

static int inject_same_file(int a, int b)
{
    return inject_fails(INJECT_SAME_FILE) ? -1 : inject_base.same_file(a, b);
}

static int inject_mkdir(const char *path, mode_t mode)
{
    return inject_fails(INJECT_MKDIR) ? -1 : inject_base.mkdir(path, mode);
}

static int inject_unlink(const char *path)
{
    return inject_fails(INJECT_UNLINK) ? -1 : inject_base.unlink(path);
}

static int inject_fchmod(int fd, mode_t mode)
{
    return inject_fails(INJECT_FCHMOD) ? -1 : inject_base.fchmod(fd, mode);
}

static int inject_rename(const char *old_path, const char *path)
{
    return inject_fails(INJECT_RENAME) ? -1 : inject_base.rename(old_path, path);
}

static int inject_lchown(const char *path, uid_t uid, gid_t gid)
{
    return inject_fails(INJECT_LCHOWN) ? -1 : inject_base.lchown(path, uid, gid);
}

static int inject_socket(int domain, int type, int protocol)
{
    return inject_fails(INJECT_SOCKET) ? -1 : inject_base.socket(domain, type, protocol);
}

static int inject_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return inject_fails(INJECT_BIND) ? -1 : inject_base.bind(fd, address, length);
}

static int inject_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return inject_fails(INJECT_SETSOCKOPT) ? -1
                                           : inject_base.setsockopt(fd, level, name, value, length);
}

static ssize_t inject_recvmsg(int fd, struct msghdr *message, int flags)
{
    int verdict = inject_verdict(INJECT_RECVMSG);

    if (verdict > 0) {
        errno = verdict;
        return -1;
    }
    ssize_t n = inject_base.recvmsg(fd, message, flags);
    return verdict == INJECT_SHORT && n > 1 ? 1 : n;
}

static InjectCall inject_watch_call(int fd, uint32_t events)
{
    if (events == 0)
        return INJECT_WATCH_STORED;
    if (events == EPOLLPRI)
        return INJECT_WATCH_CGROUP;
    if (inject_is(fd, S_IFSOCK))
        return INJECT_WATCH_NOTIFY;
    if (inject_is(fd, S_IFIFO))
        return inject_inode(fd) == inject_readiness ? INJECT_WATCH_READY : INJECT_WATCH_EXEC;
    return INJECT_WATCH_MAIN;
}

static Watch *inject_watch(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    return inject_fails(inject_watch_call(fd, events))
                   ? NULL
                   : inject_base_watches.create(host, fd, events, priority);
}

static const Sys inject_sys = {
        .clone_vm = inject_clone_vm,
        .clone_copy = inject_clone_copy,
        .clone_files = inject_clone_files,
        .fork = inject_fork,
        .pidfd_open = inject_pidfd_open,
        .pidfd_cgroup = inject_pidfd_cgroup,
        .pidfd_send_signal = inject_pidfd_send_signal,
        .kill = inject_kill,
        .waitid = inject_waitid,
        .getsid = inject_getsid,
        .getpgid = inject_getpgid,
        .set_child_subreaper = inject_set_child_subreaper,
        .raw = inject_raw,
        .close_range = inject_close_range,
        .pipe2 = inject_pipe2,
        .open = inject_open,
        .read = inject_read,
        .getdents64 = inject_getdents64,
        .prlimit64 = inject_prlimit64,
        .mkdir = inject_mkdir,
        .unlink = inject_unlink,
        .fchmod = inject_fchmod,
        .rename = inject_rename,
        .lchown = inject_lchown,
        .socket = inject_socket,
        .bind = inject_bind,
        .setsockopt = inject_setsockopt,
        .openat = inject_openat,
        .fstatat = inject_fstatat,
        .write = inject_write,
        .mkdirat = inject_mkdirat,
        .unlinkat = inject_unlinkat,
        .same_file = inject_same_file,
        .recvmsg = inject_recvmsg,
};

void inject_install(ProcessFixture *fixture)
{
    WatchHost *watches = loop_watches(fixture->loop);

    if (inject_state == NULL) {
        inject_state = mmap(NULL, sizeof *inject_state, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g_assert_true(inject_state != MAP_FAILED);
    }
    inject_reset();
    inject_base = fixture->sys;
    inject_base_watches = *watches;
    fixture->sys = inject_sys;
    watches->create = inject_watch;
}

void inject_reset(void)
{
    *inject_state = (InjectState){0};
}

void inject_arm(InjectCall call, unsigned nth, int errno_value, bool persists)
{
    g_assert_cmpuint(inject_state->n_rules, <, INJECT_RULES);
    inject_state->rules[inject_state->n_rules++] = (InjectRule){call, nth, errno_value, persists};
}

unsigned inject_count(InjectCall call)
{
    return inject_state->counts[call];
}

bool inject_has_hit(void)
{
    return inject_state->has_hit;
}

void inject_remove_sockets(const ProcessFixture *fixture)
{
    g_autofree char *parent = g_build_filename(fixture->directory, "notify", NULL);
    g_autoptr(GDir) hosts = g_dir_open(parent, 0, NULL);

    for (const char *host; (host = g_dir_read_name(hosts)) != NULL;) {
        g_autofree char *path = g_build_filename(parent, host, NULL);
        g_autoptr(GDir) sockets = g_dir_open(path, 0, NULL);

        for (const char *name; (name = g_dir_read_name(sockets)) != NULL;) {
            g_autofree char *socket = g_build_filename(path, name, NULL);

            g_assert_cmpint(unlink(socket), ==, 0);
        }
    }
}
