/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a program stays that is to end with its test, however that ends: a test may give it the end
 * of a pipe as standard input. With any other input it stays until it is killed, a minute at most.
 */

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* The minute begins: an alarm is not inherited, so each process has its own. */
static inline void stay_begin(void)
{
    alarm(60);
}

static inline void stay(void)
{
    struct pollfd input = {.fd = STDIN_FILENO}; /* asks for nothing but the hangup */

    for (;;) {
        int n = poll(&input, 1, -1);

        if (n > 0 && (input.revents & POLLHUP) != 0)
            exit(0);
        if (n > 0)
            pause(); /* it is closed */
    }
}
