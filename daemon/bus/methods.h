/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of all methods: what each needs to be allowed, and its functions. */

#include "bus/internal.h"
#include "core/requests.h"

#include <systemd/sd-bus.h>

typedef struct Call Call;

typedef struct Method {
    const char *interface;
    const char *member;
    const char *action; /* what the caller must be allowed to do; NULL: open to everybody */
    bool asks_caller;   /* open, but what it answers depends on who calls: credentials are needed */
    bool changes;       /* refused while the daemon is leaving */
    bool waits;         /* may be answered later: the peer is watched */
    /* Reads and checks the arguments, without an effect; NULL: there are none. What it makes (also
     * when it fails) goes to arguments and is freed with done (NULL: g_free). */
    bool (*read)(Call *call, GError **error);
    void (*done)(void *arguments);
    /* Answers or keeps the call (call.h) and returns true, or sets an error. NULL where the effect
     * has to be kept: then request says what is asked for (strings are borrowed from the call),
     * answer answers, and refused may make an answer of an error (true). See staging.h. */
    bool (*act)(Call *call, GError **error);
    void (*request)(const Call *call, RequestSpec *spec);
    void (*answer)(Call *call, const RequestOutcome *outcome);
    bool (*refused)(Call *call, const GError *error);
} Method;

const Method *method_find(const char *interface, const char *member); /* or NULL */
/* For tests: the whole table, ends with a NULL interface. */
extern const Method method_table[];
