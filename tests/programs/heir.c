/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forks when it is asked to end: "program-heir FILE [leave]". On SIGTERM a child is left that
 * stays, in the same session or, with "leave", in one of its own; its process id is in FILE. Then
 * the program exits with 0. The child ends by SIGTERM, and whatever happens after a minute. */

#include "note.h"
#include "notify.h"

#include <signal.h>
#include <stdbool.h>

static void stay(bool leaves, int ready_fd)
{
    sigset_t none;

    alarm(60);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if ((leaves && setsid() < 0) || write(ready_fd, "x", 1) != 1)
        _exit(92);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    bool leaves = argc == 3 && strcmp(argv[2], "leave") == 0;
    int fds[2], signo;
    char byte;
    sigset_t term;

    if (argc < 2 || (argc > 2 && !leaves))
        return 99;
    alarm(60);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &term, NULL) < 0 || pipe(fds) < 0)
        return 93;
    if (getenv("NOTIFY_SOCKET") != NULL)
        notify_send("READY=1");
    if (sigwait(&term, &signo) != 0)
        return 94;
    pid_t pid = fork();
    if (pid == 0)
        stay(leaves, fds[1]);
    if (pid < 0 || read(fds[0], &byte, 1) != 1)
        return 95;
    note_pids(argv[1], &pid, 1);
    return 0;
}
