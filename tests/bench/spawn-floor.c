/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The floor: the least that supervising can cost. It keeps N copies of a program running, with
 * vfork and exec, one pidfd each in one epoll, and nothing else: no session, no signals reset, no
 * descriptors closed, no log, no state, no bus, no delay. On SIGTERM it ends them all, reaps them
 * and exits.
 *
 * With a directory for cgroups each child begins in one of its own, which is made before its first
 * run, is known to be empty before each other one, and removed at the end: the least that can be
 * asked of one who keeps the processes of a service together so. What runs takes no descriptor but
 * its pidfd, for there are not many times as many as services.
 *
 *     bench-spawn-floor N - PROGRAM [ARGUMENT...]
 *     bench-spawn-floor N DIRECTORY PROGRAM [ARGUMENT...] */

#include "process/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLOOR_EVENTS 64
#define FLOOR_STACK_BYTES 65536
#define FLOOR_NAME_BYTES 16
#define FLOOR_EVENTS_BYTES 256
#define FLOOR_SIGNAL UINT32_MAX /* in the place of the number of a child */

typedef struct FloorChild {
    pid_t pid;
    int pidfd;
    bool has_cgroup;
} FloorChild;

static FloorChild *floor_children;
static unsigned floor_n_children;
static unsigned floor_n_running;
static int floor_epoll;
static int floor_cgroups = -1; /* the directory of theirs */
static char **floor_argv;
static sigset_t floor_no_signals;
static int floor_is_stopping;

static void floor_die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void floor_watch(int fd, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};

    if (epoll_ctl(floor_epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        floor_die("epoll_ctl");
}

static void floor_exec(void *unused)
{
    (void)sigprocmask(SIG_SETMASK, &floor_no_signals, NULL); /* cannot fail */
    (void)execv(floor_argv[0], floor_argv);
    _exit(127);
}

static void floor_fork(FloorChild *child)
{
    child->pid = vfork();
    if (child->pid == 0)
        floor_exec(NULL);
    if (child->pid < 0)
        floor_die("vfork");
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0)
        floor_die("pidfd_open");
}

static void floor_name(uint32_t number, char ret_name[FLOOR_NAME_BYTES])
{
    (void)snprintf(ret_name, FLOOR_NAME_BYTES, "%u", number);
}

static void floor_make_cgroup(FloorChild *child, const char *name)
{
    if (mkdirat(floor_cgroups, name, 0755) < 0)
        floor_die("mkdir");
    child->has_cgroup = true;
}

/* The kernel may count a dead one for another moment. */
static void floor_await_empty(const char *name)
{
    char path[2 * FLOOR_NAME_BYTES], text[FLOOR_EVENTS_BYTES];

    (void)snprintf(path, sizeof path, "%s/cgroup.events", name);
    int fd = openat(floor_cgroups, path, O_RDONLY | O_CLOEXEC);
    do {
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        if (n < 0)
            floor_die("cgroup.events");
        text[n] = '\0';
    } while (strstr(text, "populated 0") == NULL);
    (void)close(fd); /* there is nothing to be lost */
}

/* As cheap as vfork, and tells the pidfd as well. */
static void floor_fork_inside(FloorChild *child, uint32_t number)
{
    static char stack[FLOOR_STACK_BYTES] __attribute__((aligned(16)));
    char name[FLOOR_NAME_BYTES];

    floor_name(number, name);
    if (!child->has_cgroup)
        floor_make_cgroup(child, name);
    else
        floor_await_empty(name);

    int fd = openat(floor_cgroups, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        floor_die("open");
    child->pid = sys_linux.clone_vm(floor_exec, NULL, stack, sizeof stack, fd, &child->pidfd);
    if (child->pid < 0)
        floor_die("clone3");
    (void)close(fd); /* there is nothing to be lost */
}

static void floor_spawn(uint32_t number)
{
    FloorChild *child = &floor_children[number];

    if (floor_cgroups < 0)
        floor_fork(child);
    else
        floor_fork_inside(child, number);
    floor_watch(child->pidfd, number);
    floor_n_running++;
}

static void floor_remove_cgroup(uint32_t number)
{
    char name[FLOOR_NAME_BYTES];

    floor_name(number, name);
    if (unlinkat(floor_cgroups, name, AT_REMOVEDIR) < 0)
        floor_die("rmdir");
}

static void floor_on_death(uint32_t number)
{
    FloorChild *child = &floor_children[number];

    if (waitid(P_PIDFD, (id_t)child->pidfd, NULL, WEXITED) < 0)
        floor_die("waitid");
    /* To close it is not enough: a child on its way to the exec may still have a copy. */
    if (epoll_ctl(floor_epoll, EPOLL_CTL_DEL, child->pidfd, NULL) < 0 || close(child->pidfd) < 0)
        floor_die("epoll_ctl");
    floor_n_running--;
    if (!floor_is_stopping)
        floor_spawn(number);
    else if (floor_cgroups >= 0)
        floor_remove_cgroup(number);
}

static void floor_stop(void)
{
    floor_is_stopping = 1;
    for (unsigned i = 0; i < floor_n_children; i++) {
        if (kill(floor_children[i].pid, SIGTERM) < 0)
            floor_die("kill");
    }
}

static void floor_turn(void)
{
    struct epoll_event events[FLOOR_EVENTS];
    int n = epoll_wait(floor_epoll, events, FLOOR_EVENTS, -1);

    if (n < 0 && errno != EINTR)
        floor_die("epoll_wait");
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 != FLOOR_SIGNAL)
            floor_on_death(events[i].data.u32);
        else if (!floor_is_stopping)
            floor_stop();
    }
}

static void floor_set_up(void)
{
    sigset_t signals;
    struct rlimit limit;

    (void)sigemptyset(&floor_no_signals); /* none of these can fail with good arguments */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        floor_die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        floor_die("setrlimit");
    floor_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (floor_epoll < 0)
        floor_die("epoll_create1");

    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        floor_die("signalfd");
    floor_watch(fd, FLOOR_SIGNAL);
}

static void floor_open_cgroups(const char *directory)
{
    if (strcmp(directory, "-") == 0)
        return;
    floor_cgroups = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (floor_cgroups < 0)
        floor_die(directory);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: %s N DIRECTORY|- PROGRAM [ARGUMENT...]\n", argv[0]);
        return 2;
    }
    floor_n_children = (unsigned)strtoul(argv[1], NULL, 10);
    floor_argv = argv + 3;
    floor_open_cgroups(argv[2]);
    floor_children = calloc(floor_n_children, sizeof *floor_children);
    if (floor_children == NULL)
        floor_die("calloc");
    floor_set_up();
    for (unsigned i = 0; i < floor_n_children; i++)
        floor_spawn(i);
    while (!floor_is_stopping || floor_n_running > 0)
        floor_turn();
    return EXIT_SUCCESS;
}
