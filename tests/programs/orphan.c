/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon has left running. Each process of it writes its id (a pid_t) to standard output
 * when it is as it should be, and lives until standard input ends, a minute at most. Words:
 *   stubborn   ignores SIGTERM
 *   forks N    on SIGTERM forks another one that does the same, N times in all, and exits
 *   herd N     forks N children that are like it
 *   zombie     has a dead child that it does not reap
 *   stop       stops itself, and dies with its parent */

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t is_asked;

static void on_term(int signo)
{
    is_asked = 1;
}

static void announce(void)
{
    pid_t pid = getpid();

    alarm(60);
    if (write(STDOUT_FILENO, &pid, sizeof pid) != sizeof pid)
        _exit(92);
}

static void fork_herd(int n)
{
    for (int i = 0; i < n; i++) {
        pid_t pid = fork();

        if (pid < 0)
            exit(93);
        if (pid == 0) {
            announce();
            return;
        }
    }
}

static void make_zombie(void)
{
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    if (pid < 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
        exit(94);
}

/* Nothing comes: it is readable when it ends. */
static void live(int n_forks)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    sigset_t none;

    sigemptyset(&none);
    for (;;) {
        if (!is_asked && ppoll(&input, 1, NULL, &none) > 0)
            _exit(0);
        if (!is_asked)
            continue;
        if (n_forks-- == 0 || fork() > 0)
            _exit(0);
        is_asked = 0;
        alarm(60);
    }
}

int main(int argc, char **argv)
{
    int n_forks = 0, n_herd = 0, stops = 0;
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    signal(SIGTERM, on_term);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "stubborn") == 0)
            signal(SIGTERM, SIG_IGN);
        else if (strcmp(argv[i], "forks") == 0 && i + 1 < argc)
            n_forks = atoi(argv[++i]);
        else if (strcmp(argv[i], "herd") == 0 && i + 1 < argc)
            n_herd = atoi(argv[++i]);
        else if (strcmp(argv[i], "zombie") == 0)
            make_zombie();
        else if (strcmp(argv[i], "stop") == 0)
            stops = 1;
        else
            return 99;
    }
    announce();
    fork_herd(n_herd);
    if (stops) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        raise(SIGSTOP);
    }
    live(n_forks);
}
