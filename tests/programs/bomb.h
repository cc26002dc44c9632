/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a bomb counts, in a file that all of it and the test have mapped. */

typedef struct BombCounts {
    unsigned n_begun; /* forks, the last of which failed or were one too many */
    unsigned n_born;  /* who have begun to live, without the first */
} BombCounts;
