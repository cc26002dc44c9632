/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line on standard error while services are waited for, redrawn each second and gone when
 * anything else is printed. Only on a terminal, not when quiet, not in JSON. It is not shown before
 * half a second. */

#include "client.h"

typedef struct Progress {
    bool is_enabled;
    bool is_shown;
    unsigned n_items;
    uint64_t began_usec; /* monotonic */
    uint64_t next_usec;  /* when to draw */
} Progress;

void progress_begin(Progress *progress, const Client *client, unsigned n_items);
/* How long to wait for anything else; UINT64_MAX: for ever. */
uint64_t progress_wait_usec(const Progress *progress);
/* Draws, if it is time to. */
void progress_draw(Progress *progress, unsigned n_running);
/* Takes the line away, before anything else is printed. */
void progress_clear(Progress *progress);
