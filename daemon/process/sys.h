/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The seam to the kernel: every system call of process/ that can fail in an interesting way goes
 * through this table, so that tests can let it fail. Each member behaves like the call that it is
 * named after: -1 and errno. */

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

/* Runs in the child, on a stack of its own, in the memory of the daemon or a copy of it: never
 * returns, allocates nothing, calls nothing but system calls. */
typedef void (*SysChildFunc)(void *data);

typedef struct Sys {
    /* clone3(2) with CLONE_VM, CLONE_VFORK and CLONE_PIDFD: the caller sleeps until the child has
     * executed a program or exited. cgroup_fd: the directory of the cgroup that the child begins in
     * (CLONE_INTO_CGROUP); -1: the caller's. ENOSYS where there is no stub for the architecture. */
    pid_t (*clone_vm)(SysChildFunc child, void *data, void *stack, size_t stack_size, int cgroup_fd,
                      int *ret_pidfd);
    /* The same without CLONE_VM and CLONE_VFORK: the child runs in a copy of the memory, the caller
     * goes on at once. */
    pid_t (*clone_copy)(SysChildFunc child, void *data, void *stack, size_t stack_size,
                        int cgroup_fd, int *ret_pidfd);
    /* The same, but what the child closes is closed in the caller as well (CLONE_FILES). */
    pid_t (*clone_files)(SysChildFunc child, void *data, void *stack, size_t stack_size,
                         int *ret_pidfd);
    pid_t (*fork)(void);
    int (*pidfd_open)(pid_t pid, unsigned flags);
    int (*pidfd_send_signal)(int pidfd, int signo, siginfo_t *info, unsigned flags);
    int (*kill)(pid_t pid, int signo);
    /* ioctl(2), PIDFD_GET_INFO: its cgroup in the v2 hierarchy, by the number of the directory.
     * Since Linux 6.13; a dead one has it until it is reaped. */
    int (*pidfd_cgroup)(int pidfd, uint64_t *ret_id);
    /* As the kernel has it (waitid(2), C library/kernel differences): also tells what whom it is
     * about has used, with all whom that has reaped. info and ret_usage may be NULL. */
    int (*waitid)(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *ret_usage);
    pid_t (*getsid)(pid_t pid);
    pid_t (*getpgid)(pid_t pid);
    int (*set_child_subreaper)(void); /* prctl(2) */
    /* syscall(2) itself; the two are called in the child. */
    long (*raw)(long number, ...);
    int (*close_range)(unsigned first, unsigned last, int flags);
    int (*pipe2)(int fds[2], int flags);
    int (*open)(const char *path, int flags);
    int (*openat)(int directory_fd, const char *path, int flags);
    /* openat(2) with O_CREAT. */
    int (*createat)(int directory_fd, const char *path, int flags, mode_t mode);
    int (*fstatat)(int directory_fd, const char *path, struct stat *ret_status, int flags);
    /* renameat2(2) with RENAME_NOREPLACE, where the file system can do that. */
    int (*renameat)(int old_directory_fd, const char *old_path, int directory_fd, const char *path);
    int (*ftruncate)(int fd, off_t length);
    ssize_t (*read)(int fd, void *buffer, size_t size);
    ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
    ssize_t (*write)(int fd, const void *buffer, size_t size);
    ssize_t (*getdents64)(int fd, void *buffer, size_t size);
    int (*mkdir)(const char *path, mode_t mode);
    int (*mkdirat)(int directory_fd, const char *path, mode_t mode);
    int (*unlink)(const char *path);
    int (*unlinkat)(int directory_fd, const char *path, int flags);
    int (*fchmod)(int fd, mode_t mode);
    int (*rename)(const char *old_path, const char *path);
    int (*lchown)(const char *path, uid_t uid, gid_t gid);
    int (*socket)(int domain, int type, int protocol);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t length);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t length);
    ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
    int (*prlimit64)(pid_t pid, int resource, const struct rlimit64 *limit,
                     struct rlimit64 *ret_limit);
    int (*epoll_create1)(int flags);
    int (*epoll_ctl)(int epoll_fd, int operation, int fd, struct epoll_event *event);
    int (*epoll_wait)(int epoll_fd, struct epoll_event *events, int max_events, int timeout_msec);
    int (*same_file)(int a, int b); /* kcmp(2), KCMP_FILE: 0: one open file; 1, 2: their order */
} Sys;

/* The same for calls that a signal may interrupt: they are made again then. */
int sys_open(const Sys *sys, const char *path, int flags);
ssize_t sys_read(const Sys *sys, int fd, void *buffer, size_t size);
ssize_t sys_pread(const Sys *sys, int fd, void *buffer, size_t size, uint64_t offset);
int sys_waitid(const Sys *sys, idtype_t type, id_t id, siginfo_t *info, int options);
/* Reaps the child if it is dead; while it lives ret_usage is all zero. */
int sys_reap(const Sys *sys, int pidfd, struct rusage *ret_usage);
ssize_t sys_recvmsg(const Sys *sys, int fd, struct msghdr *message, int flags);

/* The real ones. Tests copy it and replace members. */
extern const Sys sys_linux;
