/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a start or a stop of some services asks of which others, before anything is done: the same
 * for who does it and for who only wants to know. A start takes along what is required or wanted
 * and is not up, and what that requires or wants; it stops what any of these conflicts with. A stop
 * takes along what is part of them. */

#include "core/map.h"

typedef enum PlanAction {
    PLAN_START,
    PLAN_STOP,
    PLAN_NOTHING, /* it is there already; only of those that were asked for */
    PLAN_MISSING, /* required, and not there */
    PLAN_REFUSED, /* required, and being deleted or with a definition that cannot be used */
    _PLAN_ACTION_MAX,
    _PLAN_ACTION_INVALID = -22,
} PlanAction;
ENUM_TABLE_DECLARE(PlanAction, plan_action); /* "start", "stop", "nothing", "missing", "refused" */

typedef struct PlanStep {
    PlanAction action;
    char *id;         /* a GRefString */
    Service *service; /* a reference; NULL: there is none */
    char *because;    /* a GRefString: whose requirement, conflict or part it is; NULL: asked for */
    Relation relation; /* to because */
    char **after;      /* ids of steps that come before it and that it waits for; NULL: none */
} PlanStep;

typedef struct Plan {
    GPtrArray *steps; /* of PlanStep; stops first, each after what it waits for */
} Plan;

/* services: of the map of graph. Error Conflict: two that would have to run at once may not. What
 * is up takes nothing along. */
Plan *plan_start(Graph *graph, Service *const *services, size_t n, GError **error);
/* The same for one that is to start anew, though it be up. */
Plan *plan_restart(Graph *graph, Service *service, GError **error);
Plan *plan_stop(Graph *graph, Service *const *services, size_t n);
void plan_free(Plan *plan); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)
/* For people alone: the same with PlanStep.after, and with what groups start or stop in their
 * turn, each behind its group. */
Plan *plan_foresee_start(Graph *graph, Service *const *services, size_t n, GError **error);
Plan *plan_foresee_stop(Graph *graph, Service *const *services, size_t n);
