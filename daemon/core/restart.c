/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The restart decision as a function, and the sliding window of starts. */

#include "core/restart.h"

#include <glib.h>

static const char *const restart_mode_names[_RESTART_MAX] = {
        [RESTART_NO] = "no",
        [RESTART_ON_FAILURE] = "on-failure",
        [RESTART_ALWAYS] = "always",
};
ENUM_TABLE_DEFINE(RestartMode, restart_mode, restart_mode_names)

const RestartPolicy restart_policy_default = {
        .mode = RESTART_ON_FAILURE,
        .backoff =
                {
                        .initial_usec = 500 * USEC_PER_MSEC,
                        .factor = 1.5,
                        .min_usec = 500 * USEC_PER_MSEC,
                        .max_usec = 30 * USEC_PER_SEC,
                },
        .stable_after_usec = 10 * USEC_PER_SEC,
};

/* A bit each. */
typedef struct ExitBits {
    uint64_t codes[4];
    uint64_t signals;
} ExitBits;

static ExitBits *exit_set_bits(ExitSet *set)
{
    if (set->bits == NULL)
        set->bits = g_new0(ExitBits, 1);
    return set->bits;
}

void exit_set_clear(ExitSet *set)
{
    g_clear_pointer(&set->bits, g_free);
}

void exit_set_add_code(ExitSet *set, unsigned code)
{
    g_assert(code <= 255);
    exit_set_bits(set)->codes[code / 64] |= UINT64_C(1) << (code % 64);
}

void exit_set_add_signal(ExitSet *set, unsigned signo)
{
    g_assert(signo >= 1 && signo <= 64);
    exit_set_bits(set)->signals |= UINT64_C(1) << (signo - 1);
}

bool exit_set_has(const ExitSet *set, const ExitStatus *status)
{
    const ExitBits *bits = set->bits;
    if (bits == NULL || status == NULL || !status->known || status->value < 0)
        return false;
    if (status->signaled) {
        return status->value >= 1 && status->value <= 64 &&
               (bits->signals >> (status->value - 1) & 1) != 0;
    }
    return status->value <= 255 &&
           (bits->codes[status->value / 64] >> (status->value % 64) & 1) != 0;
}

static bool restart_attempts_are_left(const RestartPolicy *policy, unsigned failed_attempts)
{
    return policy->backoff.max_attempts == 0 || failed_attempts < policy->backoff.max_attempts;
}

bool restart_would_retry(const RestartPolicy *policy, unsigned failed_attempts)
{
    return policy->mode != RESTART_NO && restart_attempts_are_left(policy, failed_attempts + 1);
}

RestartVerdict restart_decide(const RestartPolicy *policy, const Failure *failure,
                              const ExitStatus *exit, unsigned failed_attempts, Random *random)
{
    if (failure != NULL && failure->abort)
        return (RestartVerdict){.reason = "an error that no retry can mend"};
    if (exit_set_has(&policy->prevent, exit))
        return (RestartVerdict){.reason = "restart.prevent_exit_status names this exit status"};
    bool wanted = exit_set_has(&policy->force, exit) || policy->mode == RESTART_ALWAYS ||
                  (policy->mode == RESTART_ON_FAILURE && failure != NULL);
    if (!wanted)
        return (RestartVerdict){.reason = "restart.policy does not ask for another attempt"};
    if (failure != NULL && !restart_attempts_are_left(policy, failed_attempts))
        return (RestartVerdict){.reason = "restart.max_attempts is used up"};
    unsigned attempt = failure != NULL ? MAX(failed_attempts, 1) : 1;
    return (RestartVerdict){
            .restart = true,
            .delay_usec = backoff_delay_usec(&policy->backoff, attempt, random),
            .reason = "restart.policy asks for another attempt",
    };
}

StartLimit start_limit_effective(const StartLimit *limit, const RestartPolicy *policy)
{
    uint64_t least, most;
    if (limit->burst > 0)
        return *limit;
    backoff_bounds_usec(&policy->backoff, 1, &least, &most);
    if (policy->mode != RESTART_NO && least == 0)
        return (StartLimit){.burst = 50, .interval_usec = 10 * USEC_PER_SEC};
    return *limit;
}

static void start_window_grow(StartWindow *window, uint64_t most)
{
    uint32_t size = (uint32_t)MIN(MAX(window->size * 2, 2), most);
    uint64_t *times = g_new(uint64_t, size);
    for (uint32_t i = 0; i < window->count; i++)
        times[i] = window->times[(window->first + i) % window->size];
    g_free(window->times);
    window->times = times;
    window->first = 0;
    window->size = size;
}

static void start_window_drop_first(StartWindow *window)
{
    window->first = (window->first + 1) % window->size;
    window->count--;
}

bool start_window_admit(StartWindow *window, const StartLimit *limit, uint64_t now_usec)
{
    if (limit->burst == 0)
        return true;
    while (window->count > 0 && now_usec - window->times[window->first] >= limit->interval_usec)
        start_window_drop_first(window);
    if (window->count >= limit->burst)
        return false;
    if (window->count == window->size)
        start_window_grow(window, limit->burst);
    window->times[(window->first + window->count) % window->size] = now_usec;
    window->count++;
    return true;
}

void start_window_reset(StartWindow *window)
{
    g_free(window->times);
    *window = (StartWindow){0};
}
