/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations, and what the documentation promises of each, worked out here anew: delays by
 * whole numbers, the start limit by counting. */

#include "history.h"

#include "base/clock.h"

bool profile_prevents(unsigned number)
{
    return number % 2 == 1;
}

char *profile_text(const Profile *profile, unsigned number)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text, "{\"value\": \"%u\", \"restart\": {", number);
    g_string_append_printf(text, "\"policy\": \"%s\", \"factor\": %u, \"max_attempts\": %u",
                           restart_mode_to_string(profile->mode), (unsigned)profile->factor,
                           profile->max_attempts);
    g_string_append_printf(text, ", \"initial_delay\": \"%ums\", \"max_delay\": \"%ums\"",
                           (unsigned)(profile->initial_usec / USEC_PER_MSEC),
                           (unsigned)(profile->max_usec / USEC_PER_MSEC));
    g_string_append_printf(text, ", \"stable_after\": \"%ums\"",
                           (unsigned)(profile->stable_usec / USEC_PER_MSEC));
    if (profile->min_usec != USEC_INFINITY) {
        g_string_append_printf(text, ", \"min_delay\": \"%ums\"",
                               (unsigned)(profile->min_usec / USEC_PER_MSEC));
    }
    if (profile->jitter)
        g_string_append(text, ", \"jitter\": 0.5");
    if (profile_prevents(number)) {
        g_string_append_printf(text, ", \"prevent_exit_status\": [%d], \"force_exit_status\": [%d]",
                               PREVENTED_EXIT, FORCED_EXIT);
    }
    g_string_append(text, "}");
    if (profile->burst > 0)
        g_string_append_printf(text, ", \"start_limit\": {\"burst\": %u}", profile->burst);
    g_string_append_printf(text, ", \"reload\": %s}", profile->reload ? "true" : "false");
    return g_string_free(text, FALSE);
}

static uint64_t profile_clamp(const Profile *profile, uint64_t delay)
{
    uint64_t least = profile->min_usec;
    if (least == USEC_INFINITY)
        least = MIN(500 * USEC_PER_MSEC, MIN(profile->initial_usec, profile->max_usec));
    return CLAMP(delay, least, profile->max_usec);
}

void profile_delay(const Profile *profile, unsigned attempt, uint64_t *ret_least,
                   uint64_t *ret_most)
{
    uint64_t delay = profile->initial_usec;
    for (unsigned i = 1; i < attempt && delay > 0 && delay < profile->max_usec; i++)
        delay *= profile->factor;
    delay = profile_clamp(profile, delay);
    *ret_least = profile_clamp(profile, profile->jitter ? delay / 2 : delay);
    *ret_most = profile_clamp(profile, profile->jitter ? delay + delay / 2 : delay);
}

unsigned profile_burst(const Profile *profile)
{
    uint64_t least, most;
    if (profile->burst > 0)
        return profile->burst;
    profile_delay(profile, 1, &least, &most);
    return profile->mode != RESTART_NO && least == 0 ? 50 : 0;
}

const char *bad_config(uint32_t which)
{
    static const char *const texts[] = {
            "{\"valeu\": 1}",
            "",
            "{\"reload\": 1}",
            "{\"restart\": {\"policy\": \"sometimes\"}}",
            "{\"value\": \"a\", \"value\": \"b\"}",
            "{\"restart\": {\"min_delay\": 2, \"max_delay\": 1}}",
            "[]",
    };
    return texts[which % G_N_ELEMENTS(texts)];
}
