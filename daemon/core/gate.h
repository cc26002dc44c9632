/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a service may begin to start, or to stop, as things stand. It only looks.
 *
 * A start waits for what is required until it is active, or has done its work; for what it comes
 * after as long as that is on its way (starting, stopping, or itself waiting for something that
 * comes); and for what it conflicts with until nothing of that runs. It is blocked when it waits
 * for something required that nobody brings: not there, not started, failed, or failing again and
 * again (backoff). A stop waits for what comes after it and is stopping, too; not for a group whose
 * own stop waits for this one, as that of its member or of what stops before its member. */

#include "core/graph.h"
#include "core/state.h"

typedef enum GateVerdict {
    GATE_OPEN,
    GATE_COMING,  /* what it waits for is on its way */
    GATE_BLOCKED, /* it is not */
} GateVerdict;

typedef struct GateView {
    GateVerdict verdict;
    char **waiting_for; /* sorted, at most LINKS_WAITING_FOR_MAX; the caller's. NULL: nobody */
    GError *reason;     /* blocked: why, DependencyFailed or Conflict; the caller's */
} GateView;

void gate_look_start(GraphNode *node, GateView *ret_view);
/* ret_waiting_for as above; may be NULL. */
bool gate_may_stop(GraphNode *node, char ***ret_waiting_for);
/* The other one is what this one requires it to be: active, or done. */
bool gate_is_satisfied_by(const Service *service);
bool gate_is_satisfied(const StateRecord *record); /* the same, of its record */
/* Something of it runs, or may at any moment. */
bool gate_is_running(const Service *service);
/* What keeps it from being up, for people: "has failed: ...", "waits for 'disk', which is not
 * there". The caller's. */
char *gate_describe(const GraphNode *required);
