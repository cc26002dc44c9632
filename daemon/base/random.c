/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two sources behind one interface: the kernel's for the daemon, splitmix64 (Steele, Lea, Flood:
 * "Fast splittable pseudorandom number generators", 2014) for whoever must repeat a run. */

#include "base/random.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <sys/random.h>

/* Several are taken at once, for a storm of restarts needs two of them each. */
typedef struct RandomSystem {
    Random random;
    uint64_t values[32];
    unsigned n_left;
} RandomSystem;

static void random_system_fill(RandomSystem *system)
{
    ssize_t n;

    do
        n = getrandom(system->values, sizeof(system->values), 0);
    while (n < 0 && errno == EINTR);
    g_assert(n == sizeof(system->values)); /* up to 256 bytes never come in part: getrandom(2) */
    system->n_left = G_N_ELEMENTS(system->values);
}

static uint64_t random_system_next(Random *random)
{
    RandomSystem *system = (RandomSystem *)random;

    if (system->n_left == 0)
        random_system_fill(system);
    uint64_t value = system->values[--system->n_left];
    system->values[system->n_left] = 0; /* nobody else is to see it */
    return value;
}

Random *random_system(void)
{
    static RandomSystem system = {.random.next = random_system_next};

    return &system.random;
}

static uint64_t random_seeded_next(Random *random)
{
    RandomSeeded *seeded = (RandomSeeded *)random;

    seeded->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seeded->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void random_seeded_init(RandomSeeded *random, uint64_t seed)
{
    random->random.next = random_seeded_next;
    random->state = seed;
}

/* The fixed bits of a version 4 UUID: RFC 4122, section 4.4. */
static void random_version_4(Random *random, uint64_t *ret_high, uint64_t *ret_low)
{
    *ret_high = (random_next(random) & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    *ret_low = (random_next(random) & (UINT64_MAX >> 2)) | (UINT64_C(1) << 63);
}

char *random_id128(Random *random)
{
    uint64_t high, low;

    random_version_4(random, &high, &low);
    return g_strdup_printf("%016" PRIx64 "%016" PRIx64, high, low);
}

char *random_uuid(Random *random)
{
    uint64_t high, low;

    random_version_4(random, &high, &low);
    return g_strdup_printf("%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                           high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48,
                           low & UINT64_C(0xffffffffffff));
}
