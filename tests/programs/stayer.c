/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stays until it is killed, after it has said READY=1 where it can. Words, in this order:
 *   stubborn          ignores SIGTERM
 *   clean             exits with 0 on SIGTERM
 *   code              exits with 7 on SIGTERM
 *   child FILE        forks a child that stays; writes its process id to FILE
 *   stubborn-child FILE   forks a child that stays and ignores SIGTERM
 *   zombie FILE       leaves a dead process in its group, whose parent leaves the group and never
 *                     reaps it; writes the parent's process id to FILE
 *   wipe              writes over its environment, as programs do that show a title
 *   exit N            instead of staying
 * It ends when the test does, and whatever happens after a minute. */

#include "notify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void on_term(int signo)
{
    _exit(0);
}

static void on_term_code(int signo)
{
    _exit(7);
}

static void write_pid(const char *path, pid_t pid)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || fprintf(file, "%d\n", (int)pid) < 0 || fclose(file) != 0)
        exit(92);
}

static void fork_child(const char *path, bool is_stubborn)
{
    int fds[2];
    char byte;

    if (pipe(fds) < 0)
        exit(93);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        signal(SIGTERM, is_stubborn ? SIG_IGN : SIG_DFL);
        if (write(fds[1], "x", 1) != 1)
            _exit(94);
        for (;;)
            pause();
    }
    /* Only when the child is as it should be. */
    if (pid < 0 || read(fds[0], &byte, 1) != 1)
        exit(95);
    write_pid(path, pid);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void wipe_environment(void)
{
    for (char **variable = environ; *variable != NULL; variable++)
        memset(*variable, '\0', strlen(*variable));
}

static void leave_zombie(const char *path)
{
    int fds[2];
    char byte;
    siginfo_t info;

    if (pipe(fds) < 0)
        exit(93);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        if (fork() == 0)
            _exit(0);
        if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0 || setsid() < 0 ||
            write(fds[1], "x", 1) != 1)
            _exit(94);
        for (;;)
            pause();
    }
    if (pid < 0 || read(fds[0], &byte, 1) != 1)
        exit(95);
    write_pid(path, pid);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int main(int argc, char **argv)
{
    int code = -1;

    alarm(60);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "stubborn") == 0)
            signal(SIGTERM, SIG_IGN);
        else if (strcmp(argv[i], "clean") == 0)
            signal(SIGTERM, on_term);
        else if (strcmp(argv[i], "code") == 0)
            signal(SIGTERM, on_term_code);
        else if (strcmp(argv[i], "child") == 0 && i + 1 < argc)
            fork_child(argv[++i], false);
        else if (strcmp(argv[i], "stubborn-child") == 0 && i + 1 < argc)
            fork_child(argv[++i], true);
        else if (strcmp(argv[i], "wipe") == 0)
            wipe_environment();
        else if (strcmp(argv[i], "zombie") == 0 && i + 1 < argc)
            leave_zombie(argv[++i]);
        else if (strcmp(argv[i], "exit") == 0 && i + 1 < argc)
            code = atoi(argv[++i]);
        else
            return 99;
    }
    if (getenv("NOTIFY_SOCKET") != NULL)
        notify_send("READY=1");
    while (code < 0)
        pause();
    return code;
}
