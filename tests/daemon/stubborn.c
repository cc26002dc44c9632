/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that SIGTERM does not end; it says so (READY=1) when that is in force. With an argument
 * it is a child of it that SIGTERM does not end, while it itself goes. */

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define STUBBORN_SECONDS 300

int main(int argc, char **argv)
{
    if (signal(SIGTERM, SIG_IGN) == SIG_ERR)
        return 1;
    pid_t child = argc > 1 ? fork() : 0;
    (void)alarm(STUBBORN_SECONDS); /* not inherited, so both */
    if (child > 0)
        (void)signal(SIGTERM, SIG_DFL);
    if ((argc == 1 || child > 0) && sd_notify(0, "READY=1") <= 0)
        return 1;
    for (;;)
        (void)pause();
}
