/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real core on virtual time with a kind that does nothing by itself: the test says when and how
 * each apply, stop and end comes out, and reads what the kind was asked to do. */

#include "base/virtual.h"
#include "core/core.h"
#include "core/map.h"
#include "core/service.h"

/* The fake's own config: {"value": "x", "reload": true, "apply": "ok" | "fail" | "manual"}. */
typedef struct FakeConfig {
    char *value;
    bool reload;
} FakeConfig;

typedef struct FakeInstance {
    Service *service;
    ApplyContext *context; /* the last that was begun, a reference; NULL before */
    bool context_open;     /* not cancelled, not reported */
    bool stop_asked;
    GString *calls; /* "apply(x) cancel stop " */
} FakeInstance;

extern const Kind kind_fake;       /* everything by hand */
extern const Kind kind_fake_other; /* the same under the name "other", but that it runs once */
extern unsigned fake_instances;    /* alive */

typedef struct CoreFixture {
    VirtualLoop *loop;
    RandomSeeded random;
    Core *core;
    GString *log; /* what was logged, one entry a line */
} CoreFixture;

void core_fixture_init(CoreFixture *fixture);
/* Checks that nothing was left. */
void core_fixture_done(CoreFixture *fixture);
void core_fixture_settle(CoreFixture *fixture);
void core_fixture_advance(CoreFixture *fixture, uint64_t usec);

extern const Origin origin_test; /* method Test, no caller */

/* A published service of the fake kind; the caller's reference. */
Service *fixture_service(CoreFixture *fixture, const char *config_or_null);
FakeInstance *fake_of(Service *service);
void fake_apply_ok(Service *service);
void fake_apply_fail(Service *service, const char *message, bool abort);
/* It reloads by itself; false: that was not accepted. */
bool fake_reloading(Service *service);
void fake_ended(Service *service, const char *message_or_null);
void fake_ended_with_code(Service *service, int code);
void fake_ending(Service *service, const char *message_or_null);
/* Like fake_ending and fake_ended with a message, of class watchdog. */
void fake_ending_by_watchdog(Service *service);
void fake_ended_by_watchdog(Service *service);
void fake_stop_done(Service *service, const char *message_or_null);
void fake_unkillable(Service *service, const char *message);
/* Stops it, if it is active, and lets it finish. */
void fake_stop_whatever(CoreFixture *fixture, Service *service);

/* What must hold of every service at every moment. */
void assert_service_invariants(Service *service);
#define assert_state(service, expected)                                                            \
    g_assert_cmpstr(state_to_string(service_state(service)->state), ==, state_to_string(expected))
