/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a service can be: it says into a FIFO who it is and since when it runs, and then
 * either waits for the signal that ends it or fails at once. Static, so that a start costs what the
 * supervisor and the kernel make of it and no dynamic linker is in the figures.
 *
 *     bench-announcer FIFO [exit] */

#include "announcer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    Announcement announcement = {.pid = getpid()};
    struct timespec now;
    int fd = argc > 1 ? open(argv[1], O_WRONLY | O_CLOEXEC) : -1;

    /* A supervisor that is gone must not leave thousands of these behind. */
    if (fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return ANNOUNCER_BROKEN;
    announcement.usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (write(fd, &announcement, sizeof announcement) != (ssize_t)sizeof announcement)
        return ANNOUNCER_BROKEN;
    if (argc > 2)
        return 1;
    for (;;)
        (void)pause(); /* comes back only after a handler, and there is none */
}
