/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The floor: the least that supervising can cost. It keeps N copies of a program running, with
 * vfork and exec, one pidfd each in one epoll, and nothing else: no session, no signals reset, no
 * descriptors closed, no log, no state, no bus, no delay. On SIGTERM it ends them all, reaps them
 * and exits.
 *
 *     bench-spawn-floor N PROGRAM [ARGUMENT...] */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLOOR_EVENTS 64
#define FLOOR_SIGNAL UINT32_MAX /* in the place of the number of a child */

typedef struct FloorChild {
    pid_t pid;
    int pidfd;
} FloorChild;

static FloorChild *floor_children;
static unsigned floor_n_children;
static unsigned floor_n_running;
static int floor_epoll;
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

static void floor_spawn(uint32_t number)
{
    FloorChild *child = &floor_children[number];
    pid_t pid = vfork();

    if (pid == 0) {
        (void)sigprocmask(SIG_SETMASK, &floor_no_signals, NULL); /* cannot fail */
        (void)execv(floor_argv[0], floor_argv);
        _exit(127);
    }
    if (pid < 0)
        floor_die("vfork");
    child->pid = pid;
    child->pidfd = pidfd_open(pid, 0);
    if (child->pidfd < 0)
        floor_die("pidfd_open");
    floor_watch(child->pidfd, number);
    floor_n_running++;
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

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s N PROGRAM [ARGUMENT...]\n", argv[0]);
        return 2;
    }
    floor_n_children = (unsigned)strtoul(argv[1], NULL, 10);
    floor_argv = argv + 2;
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
