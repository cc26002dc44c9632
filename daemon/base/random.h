/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Randomness that is given to whoever needs it, so that tests can repeat it. */

#include <stdint.h>

typedef struct Random Random;
struct Random {
    uint64_t (*next)(Random *random);
};

static inline uint64_t random_next(Random *random)
{
    return random->next(random);
}
/* The kernel's (getrandom(2)). Static. */
Random *random_system(void);

/* A repeatable sequence from a seed (splitmix64); for tests and simulations. */
typedef struct RandomSeeded {
    Random random;
    uint64_t state;
} RandomSeeded;
void random_seeded_init(RandomSeeded *random, uint64_t seed);

/* 128 random bits as 32 lower-case hex digits in a version 4 UUID's layout, without dashes
 * (sd_id128 style). */
char *random_id128(Random *random);
/* The same as "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx". */
char *random_uuid(Random *random);
