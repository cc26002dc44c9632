/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forks when it is asked to end: "program-heir FILE [leave]". On SIGTERM a child is left that
 * stays, in the same session or, with "leave", in one of its own. Then the program exits with 0.
 * The child ends by SIGTERM. FILE holds its process id, and before that, from when the program is
 * ready, that of the program. */

#include "note.h"
#include "notify.h"
#include "stay.h"

#include <signal.h>
#include <stdbool.h>

static void live_on(bool leaves, int ready_fd)
{
    sigset_t none;

    stay_begin();
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if ((leaves && setsid() < 0) || write(ready_fd, "x", 1) != 1)
        _exit(92);
    stay();
}

int main(int argc, char **argv)
{
    bool leaves = argc == 3 && strcmp(argv[2], "leave") == 0;
    int fds[2], signo;
    char byte;
    sigset_t term;
    pid_t self = getpid();

    if (argc < 2 || (argc > 2 && !leaves))
        return 99;
    stay_begin();
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &term, NULL) < 0 || pipe(fds) < 0)
        return 93;
    note_pids(argv[1], &self, 1);
    if (getenv("NOTIFY_SOCKET") != NULL)
        notify_send("READY=1");
    if (sigwait(&term, &signo) != 0)
        return 94;
    pid_t pid = fork();
    if (pid == 0)
        live_on(leaves, fds[1]);
    if (pid < 0 || read(fds[0], &byte, 1) != 1)
        return 95;
    note_pids(argv[1], &pid, 1);
    return 0;
}
