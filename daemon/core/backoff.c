/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The delay grows by a factor and is clamped. All arithmetic is in double and saturates at the
 * maximum, so that no attempt number overflows it. */

#include "core/backoff.h"

#include "base/clock.h"

#include <glib.h>

const Backoff backoff_default = {
        .initial_usec = 500 * USEC_PER_MSEC,
        .factor = 1.5,
        .min_usec = 500 * USEC_PER_MSEC,
        .max_usec = 30 * USEC_PER_SEC,
};

static uint64_t backoff_clamp(const Backoff *backoff, double delay)
{
    if (!(delay < (double)backoff->max_usec))
        return backoff->max_usec;
    if (delay <= (double)backoff->min_usec)
        return backoff->min_usec;
    return (uint64_t)delay;
}

/* By squaring: for pow(3) in this one place, the pages of a library would be in memory. */
static double backoff_power(double factor, unsigned exponent)
{
    double power = 1;

    for (; exponent > 0; exponent >>= 1, factor *= factor) {
        if ((exponent & 1) != 0)
            power *= factor;
    }
    return power;
}

static double backoff_nominal(const Backoff *backoff, unsigned attempt)
{
    g_assert(attempt >= 1);
    if (backoff->initial_usec == 0)
        return 0; /* the power grows to infinity, and 0 times that is no number */
    return (double)backoff->initial_usec * backoff_power(backoff->factor, attempt - 1);
}

void backoff_bounds_usec(const Backoff *backoff, unsigned attempt, uint64_t *ret_least,
                         uint64_t *ret_most)
{
    double nominal = (double)backoff_clamp(backoff, backoff_nominal(backoff, attempt));
    *ret_least = backoff_clamp(backoff, nominal * (1.0 - backoff->jitter));
    *ret_most = backoff_clamp(backoff, nominal * (1.0 + backoff->jitter));
}

uint64_t backoff_delay_usec(const Backoff *backoff, unsigned attempt, Random *random)
{
    uint64_t least, most;
    backoff_bounds_usec(backoff, attempt, &least, &most);
    if (most <= least)
        return least;
    return least + random_next(random) % (most - least + 1);
}

bool backoff_attempt_is_logged(unsigned attempt)
{
    return attempt == 1 || (attempt >= 5 && (attempt - 5) % 20 == 0);
}
