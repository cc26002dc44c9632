/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a service is started again after a failure or an end: a pure function of policy and
 * outcome that also says why, and the start limit that keeps a quick restart from spinning. */

#include "base/clock.h"
#include "core/backoff.h"
#include "core/state.h"

#include <stddef.h>

typedef enum RestartMode {
    RESTART_NO,
    RESTART_ON_FAILURE,
    RESTART_ALWAYS,
    _RESTART_MAX,
    _RESTART_INVALID = -22,
} RestartMode;
ENUM_TABLE_DECLARE(RestartMode, restart_mode); /* "no", "on-failure", "always" */

/* Exit codes and signals. Zero-initialised is empty, as almost all are, and then costs no more than
 * the pointer; else exit_set_clear frees it. */
typedef struct ExitSet {
    struct ExitBits *bits;
} ExitSet;
void exit_set_clear(ExitSet *set);
void exit_set_add_code(ExitSet *set, unsigned code);
void exit_set_add_signal(ExitSet *set, unsigned signo); /* 1..64 */
bool exit_set_has(const ExitSet *set, const ExitStatus *status);

typedef struct RestartPolicy {
    RestartMode mode;
    Backoff backoff;
    uint64_t stable_after_usec;
    ExitSet prevent; /* stays down, whatever the mode */
    ExitSet force;   /* comes back, whatever the mode */
} RestartPolicy;
extern const RestartPolicy restart_policy_default;

typedef struct RestartVerdict {
    bool restart;
    uint64_t delay_usec;
    const char *reason; /* static sentence for the log */
} RestartVerdict;

/* failure: NULL for a clean end. failed_attempts: failures in a row, this one included. */
RestartVerdict restart_decide(const RestartPolicy *policy, const Failure *failure,
                              const ExitStatus *exit, unsigned failed_attempts, Random *random);
/* Whether a failure after failed_attempts others would be followed by an attempt. */
bool restart_would_retry(const RestartPolicy *policy, unsigned failed_attempts);

/* More than burst starts within interval are refused. burst 0: off, unless the policy restarts
 * without delay, which implies 50 in 10 s. */
typedef struct StartLimit {
    uint64_t burst;
    uint64_t interval_usec;
} StartLimit;
#define START_LIMIT_BURST_MAX 10000
StartLimit start_limit_effective(const StartLimit *limit, const RestartPolicy *policy);

/* The starts within the window; grows only as starts happen. Zero-initialised is empty. */
typedef struct StartWindow {
    uint64_t *times;
    uint32_t first;
    uint32_t count;
    uint32_t size;
} StartWindow;
/* Notes a start at now and returns true, or returns false: the limit is hit. */
bool start_window_admit(StartWindow *window, const StartLimit *limit, uint64_t now_usec);
void start_window_reset(StartWindow *window); /* also frees */
