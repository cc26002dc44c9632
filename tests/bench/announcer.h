/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What bench-announcer writes into its FIFO, at once and whole: it is smaller than PIPE_BUF. */

#include <stdint.h>

#define ANNOUNCER_BROKEN 9 /* exit status: it could not do even that */

typedef struct Announcement {
    uint64_t usec; /* of CLOCK_MONOTONIC */
    int64_t pid;
} Announcement;
