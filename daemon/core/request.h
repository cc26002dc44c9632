/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One request on its way: checked, written, done, answered. For requests.c alone. */

#include "core/requests.h"

/* What requests work on. */
typedef struct RequestHost {
    Keeper *keeper;
    Map *map;
} RequestHost;

typedef struct Request Request;
struct Request {
    RequestSpec spec; /* its strings are in owned */
    GPtrArray *owned;
    RequestDone done;
    void *data;
    Service *service; /* CREATE: prepared; else, from the check on, a reference */
    Config *config;   /* CONFIGURE: parsed */
};

typedef struct RequestRow {
    DurableLevel level;
    bool goes_on; /* although the disk refuses */
    /* Whatever can be refused; prepares. */
    bool (*check)(const RequestHost *host, Request *request, GError **error);
    bool (*write)(Durable *durable, Request *request, GError **error);
    /* Cannot be refused, but for what only the doing shows. */
    bool (*finish)(const RequestHost *host, Request *request, RequestOutcome *outcome,
                   GError **error);
} RequestRow;

/* spec is copied. */
Request *request_new(const RequestSpec *spec, RequestDone done, void *data);
const RequestRow *request_row(const Request *request);
/* After the check: what the configuration that it brings names; NULL: nobody, or it brings none. */
const Dependencies *request_dependencies(const Request *request);
/* After the check: as before it. */
void request_put_back(const RequestHost *host, Request *request);
/* After the check: whether it writes at all. */
bool request_is_kept(const Request *request);
/* Whether it is a start, restart or stop, and says so or the opposite that the service is wanted.
 */
bool request_says_wanted(const Request *request);
bool request_wants(const Request *request);
/* Each of these ends and frees it. */
void request_refuse(const RequestHost *host, Request *request, const GError *error);
void request_finish(const RequestHost *host, Request *request);
