/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that SIGTERM does not end; it says so (READY=1) when that is in force. */

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

int main(void)
{
    if (signal(SIGTERM, SIG_IGN) == SIG_ERR || sd_notify(0, "READY=1") <= 0)
        return 1;
    for (;;)
        (void)pause();
}
