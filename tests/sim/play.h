/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Plays a history in a world of its own, in this process: the checks after each step, rest and end
 * included. Returns only if every invariant held. */

#include "history.h"

typedef enum PlayFlags {
    PLAY_THOROUGH = 1 << 0, /* compare everything after each step, not only what was touched */
    PLAY_TELLS = 1 << 1,    /* write the steps and what comes of them on standard output */
} PlayFlags;

void play_history(const History *history, unsigned flags);
