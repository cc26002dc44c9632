/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Real programs under the real kinds, each case twice: where every service has a cgroup of its own
 * (in a directory of this test's in the v2 hierarchy; skipped where there is none that can be
 * written to), and where services are followed by their sessions. */

#include "cgroup-fixture.h"
#include "process-fixture.h"

typedef struct TrustFixture {
    ProcessFixture process;
    CgroupFixture cgroups;
    bool has_cgroups;
} TrustFixture;

typedef void (*TrustFunc)(TrustFixture *fixture, const void *data);
/* As PATH/cgroup and PATH/session. In both ways it is checked at the end that no child, no
 * descriptor, no cgroup and no file of a socket is left. */
void trust_add(const char *path, TrustFunc func, const void *data);

/* A service of the kind process, started with JSON as in fixture_service. The reference is the
 * caller's; see fixture_drop. */
Service *trust_start(TrustFixture *fixture, const char *config);
/* To the main process. */
void trust_signal(Service *service, int signo);
/* Until DIRECTORY/name is there and contains text. */
void trust_wait_file(TrustFixture *fixture, const char *name, const char *text);
/* Until DIRECTORY/name is there. */
void trust_wait_created(TrustFixture *fixture, const char *name);
/* Until the history of all services contains text. */
void trust_wait_history(TrustFixture *fixture, const char *text);
/* Until the daemon's log contains text. */
void trust_wait_log(TrustFixture *fixture, const char *text);
/* Until so many messages more have come from programs, whatever they say. */
void trust_wait_messages(TrustFixture *fixture, unsigned n);
/* Until the program has said so. */
void trust_wait_status(TrustFixture *fixture, Service *service, const char *text);
void trust_wait_errno(TrustFixture *fixture, Service *service, int value);
/* Whether the service has ever gone from one state to the other, for this cause. */
bool trust_has_moved(const Service *service, State from, State to, Cause cause);
/* Whether the directory of the cgroup that the property ControlGroup names is there; false where
 * there are none. */
bool trust_cgroup_exists(const TrustFixture *fixture, const char *control_group);
/* How many processes have INVOCATION_ID=id in their environment, dead ones aside. */
unsigned trust_count_processes(const char *invocation_id);
/* On its way to be a zombie the kernel takes a process out of its cgroup first, and may let others
 * run before it goes on: such a one has neither memory nor descriptors, and will never run anything
 * of its program again. It does not live; stat: the line in /proc/PID/stat. */
bool trust_process_lives(pid_t pid);
bool trust_stat_lives(const char *stat);
