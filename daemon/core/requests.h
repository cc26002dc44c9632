/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people ask for and what must be kept: each request is checked, written, done, answered, in
 * this order. Requests that come in one turn of the loop are written as one group, with one sync
 * for all of them (many of them as a few groups, so that nobody else waits for all); only then are
 * they done, so nobody ever sees what is not kept, and a write that fails leaves nothing to undo.
 * Between the check and the doing nothing else runs.
 *
 * Start, stop and restart are kept as well (what was wanted survives a crash), but a disk that
 * refuses does not refuse them: whoever has to stop a program at night with a full disk can. */

#include "core/keeper.h"

typedef enum RequestType {
    REQUEST_CREATE,
    REQUEST_DELETE, /* answered when the delete has begun; see map_delete for its end */
    REQUEST_CONFIGURE,
    REQUEST_SET_ENABLED,
    REQUEST_START,
    REQUEST_STOP,
    REQUEST_RESTART,
    _REQUEST_MAX,
} RequestType;

typedef struct RequestSpec {
    RequestType type;
    const char *id; /* of the service; for CREATE see create */
    Origin origin;
    CreateSpec create;
    const char *config; /* CONFIGURE; need not be NUL-terminated */
    size_t config_length;
    bool enabled; /* SET_ENABLED */
} RequestSpec;

typedef struct RequestOutcome {
    Service *service;      /* borrowed; NULL for a delete that is over already */
    ConfigApplied applied; /* CONFIGURE */
} RequestOutcome;
/* outcome or error. Called exactly once; from inside requests_add if nothing is kept, or with so
 * many waiting that they are a group. */
typedef void (*RequestDone)(const RequestOutcome *outcome, const GError *error, void *data);

typedef struct Requests Requests;

Requests *requests_new(Keeper *keeper, Map *map);
/* None may be pending (asserted). Accepts NULL. */
void requests_free(Requests *requests);

/* spec is copied. Where nothing is kept it is done at once; else at the end of this turn of the
 * loop, or after a few milliseconds of a turn that does not end. */
void requests_add(Requests *requests, const RequestSpec *spec, RequestDone done, void *data);
/* Nobody waits for the answer any more. The request is done all the same. */
void requests_forget(Requests *requests, void *data);
/* Does now what is pending: for whoever must not overtake it. From inside an answer it does
 * nothing, for the same is under way. */
void requests_flush(Requests *requests);
bool requests_are_pending(const Requests *requests);
