/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real system calls, and the one that C cannot express: a clone whose child runs on another
 * stack, in the caller's memory. The child starts inside the inline assembly, with the stack
 * pointer already moved, and leaves it only by calling its function: it never sees the frame of its
 * parent. Function and argument wait in registers that a system call preserves. */

#include "process/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)

static long sys_clone3_call(struct clone_args *args, SysChildFunc child, void *data)
{
    register SysChildFunc function __asm__("r8") = child;
    register void *argument __asm__("r9") = data;
    long result;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(function),
                       "r"(argument)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

#elif defined(__aarch64__)

static long sys_clone3_call(struct clone_args *args, SysChildFunc child, void *data)
{
    register SysChildFunc function __asm__("x9") = child;
    register void *argument __asm__("x10") = data;
    register long number __asm__("x8") = SYS_clone3;
    register long x0 __asm__("x0") = (long)(uintptr_t)args;
    register long x1 __asm__("x1") = sizeof *args;

    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, #0\n\t"
                     "mov x30, #0\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(number), "r"(function), "r"(argument)
                     : "memory", "cc");
    return x0;
}

#else

static long sys_clone3_call(struct clone_args *args, SysChildFunc child, void *data)
{
    return -ENOSYS;
}

#endif

static pid_t sys_linux_clone3(uint64_t flags, SysChildFunc child, void *data, void *stack,
                              size_t stack_size, int cgroup_fd, int *ret_pidfd)
{
    int pidfd = -1;
    struct clone_args args = {
            .flags = flags | CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
            .pidfd = (uint64_t)(uintptr_t)&pidfd,
            .exit_signal = SIGCHLD,
            .stack = (uint64_t)(uintptr_t)stack,
            .stack_size = stack_size,
            .cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
    };
    long result = sys_clone3_call(&args, child, data);

    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    *ret_pidfd = pidfd;
    return (pid_t)result;
}

static pid_t sys_linux_clone_vm(SysChildFunc child, void *data, void *stack, size_t stack_size,
                                int cgroup_fd, int *ret_pidfd)
{
    return sys_linux_clone3(CLONE_VM | CLONE_VFORK, child, data, stack, stack_size, cgroup_fd,
                            ret_pidfd);
}

static pid_t sys_linux_clone_copy(SysChildFunc child, void *data, void *stack, size_t stack_size,
                                  int cgroup_fd, int *ret_pidfd)
{
    return sys_linux_clone3(0, child, data, stack, stack_size, cgroup_fd, ret_pidfd);
}

static pid_t sys_linux_clone_files(SysChildFunc child, void *data, void *stack, size_t stack_size,
                                   int *ret_pidfd)
{
    return sys_linux_clone3(CLONE_FILES, child, data, stack, stack_size, -1, ret_pidfd);
}

static int sys_linux_set_child_subreaper(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int sys_linux_open(const char *path, int flags)
{
    return open(path, flags);
}

static int sys_linux_openat(int directory_fd, const char *path, int flags)
{
    return openat(directory_fd, path, flags);
}

static int sys_linux_renameat(int old_directory_fd, const char *old_path, int directory_fd,
                              const char *path)
{
    int r = renameat2(old_directory_fd, old_path, directory_fd, path, RENAME_NOREPLACE);

    return r < 0 && errno == EINVAL ? renameat(old_directory_fd, old_path, directory_fd, path) : r;
}

static int sys_linux_createat(int directory_fd, const char *path, int flags, mode_t mode)
{
    return openat(directory_fd, path, flags | O_CREAT, mode);
}

static int sys_linux_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                               struct rlimit64 *ret_limit)
{
    return (int)syscall(SYS_prlimit64, pid, resource, limit, ret_limit);
}

static int sys_linux_same_file(int a, int b)
{
    pid_t self = getpid();

    return (int)syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);
}

static int sys_linux_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return bind(fd, address, length);
}

/* As the first kernel with it has it, see its include/uapi/linux/pidfd.h. */
typedef struct SysPidfdInfo {
    uint64_t mask;
    uint64_t cgroup_id;
    uint32_t others[12];
} SysPidfdInfo;
#define SYS_PIDFD_GET_INFO _IOWR(0xFF, 11, SysPidfdInfo)
#define SYS_PIDFD_INFO_CGROUP (1U << 2)

static int sys_linux_waitid(idtype_t type, id_t id, siginfo_t *info, int options,
                            struct rusage *ret_usage)
{
    return (int)syscall(SYS_waitid, type, id, info, options, ret_usage);
}

static int sys_linux_pidfd_cgroup(int pidfd, uint64_t *ret_id)
{
    SysPidfdInfo info = {.mask = SYS_PIDFD_INFO_CGROUP};

    if (ioctl(pidfd, SYS_PIDFD_GET_INFO, &info) < 0)
        return -1;
    if ((info.mask & SYS_PIDFD_INFO_CGROUP) == 0) {
        errno = ENODATA;
        return -1;
    }
    *ret_id = info.cgroup_id;
    return 0;
}

const Sys sys_linux = {
        .clone_vm = sys_linux_clone_vm,
        .clone_copy = sys_linux_clone_copy,
        .clone_files = sys_linux_clone_files,
        .fork = fork,
        .pidfd_open = pidfd_open,
        .pidfd_cgroup = sys_linux_pidfd_cgroup,
        .pidfd_send_signal = pidfd_send_signal,
        .kill = kill,
        .waitid = sys_linux_waitid,
        .getsid = getsid,
        .getpgid = getpgid,
        .set_child_subreaper = sys_linux_set_child_subreaper,
        .raw = syscall,
        .close_range = close_range,
        .pipe2 = pipe2,
        .open = sys_linux_open,
        .openat = sys_linux_openat,
        .createat = sys_linux_createat,
        .fstatat = fstatat,
        .renameat = sys_linux_renameat,
        .ftruncate = ftruncate,
        .read = read,
        .pread = pread,
        .write = write,
        .getdents64 = getdents64,
        .mkdir = mkdir,
        .mkdirat = mkdirat,
        .unlink = unlink,
        .unlinkat = unlinkat,
        .fchmod = fchmod,
        .rename = rename,
        .lchown = lchown,
        .socket = socket,
        .bind = sys_linux_bind,
        .setsockopt = setsockopt,
        .recvmsg = recvmsg,
        .prlimit64 = sys_linux_prlimit64,
        .epoll_create1 = epoll_create1,
        .epoll_ctl = epoll_ctl,
        .epoll_wait = epoll_wait,
        .same_file = sys_linux_same_file,
};

int sys_open(const Sys *sys, const char *path, int flags)
{
    int fd;

    do
        fd = sys->open(path, flags);
    while (fd < 0 && errno == EINTR);
    return fd;
}

ssize_t sys_read(const Sys *sys, int fd, void *buffer, size_t size)
{
    ssize_t n;

    do
        n = sys->read(fd, buffer, size);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t sys_pread(const Sys *sys, int fd, void *buffer, size_t size, uint64_t offset)
{
    ssize_t n;

    do
        n = sys->pread(fd, buffer, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

int sys_waitid(const Sys *sys, idtype_t type, id_t id, siginfo_t *info, int options)
{
    int r;

    do
        r = sys->waitid(type, id, info, options, NULL);
    while (r < 0 && errno == EINTR);
    return r;
}

int sys_reap(const Sys *sys, int pidfd, struct rusage *ret_usage)
{
    struct rusage usage = {0};
    int r;

    do
        r = sys->waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED | WNOHANG, &usage);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        *ret_usage = usage;
    return r;
}

ssize_t sys_recvmsg(const Sys *sys, int fd, struct msghdr *message, int flags)
{
    ssize_t n;

    do
        n = sys->recvmsg(fd, message, flags);
    while (n < 0 && errno == EINTR);
    return n;
}
