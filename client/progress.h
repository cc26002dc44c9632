/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line on standard error while services are waited for, redrawn each second and gone when
 * anything else is printed: which, what those wait for themselves, and for how long already. Only
 * on a terminal, not when quiet, not in JSON. It is not shown before half a second. */

#include "awaited.h"

/* As many services are named. */
#define PROGRESS_NAMES_MAX 3

typedef struct Progress {
    bool is_enabled;
    bool is_shown;
    unsigned n_items;
    int width;           /* of the terminal; 0: without limit */
    uint64_t began_usec; /* monotonic */
    uint64_t next_usec;  /* when to draw */
    Awaited *awaited;    /* NULL: not enabled */
} Progress;

/* The client must be connected until the end. */
void progress_begin(Progress *progress, Client *client, unsigned n_items);
void progress_end(Progress *progress);
/* How long to wait for anything else; UINT64_MAX: for ever. */
uint64_t progress_wait_usec(Progress *progress);
bool progress_is_due(const Progress *progress);
/* Draws. ids: the first n_ids of those that are waited for, at most PROGRESS_NAMES_MAX. */
void progress_draw(Progress *progress, const char *const *ids, unsigned n_ids, unsigned n_running);
/* Takes the line away, before anything else is printed; drawing it again is due at once. */
void progress_clear(Progress *progress);
