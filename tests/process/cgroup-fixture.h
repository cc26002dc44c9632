/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory of its own in this machine's v2 hierarchy, for real cgroups. It is removed at the
 * end, with all that is in it, by a process that outlives a test that fails. */

#include "process/cgroup.h"
#include "process/loop.h"

typedef struct CgroupFixture {
    char *base; /* NULL: there is no hierarchy that can be written to, the test is skipped */
    pid_t guardian;
    int guardian_fd; /* written to: it is to clean up */
    int n_fds;
    Sys sys; /* its members may be replaced at any time */
    Loop *loop;
    CgroupTree *tree;
} CgroupFixture;

void cgroup_fixture_init(CgroupFixture *fixture, const void *unused);
/* Checks that the tree has removed what it made, and that no descriptor is left. */
void cgroup_fixture_done(CgroupFixture *fixture, const void *unused);
/* For tests that make and free the tree themselves. */
CgroupTree *cgroup_fixture_tree(CgroupFixture *fixture, GError **error);
/* Never fails. */
Cgroup *cgroup_fixture_new(CgroupFixture *fixture, const char *id);

/* What a member does; it ends only by a signal. */
typedef enum CgroupMember {
    CGROUP_MEMBER_STAYS,
    CGROUP_MEMBER_LEAVES_SESSION, /* starts a process in another session; two stay */
    CGROUP_MEMBER_RELAYS,         /* is another process every moment, of another session each */
} CgroupMember;
/* In the directory; what it is to do is done when this returns. */
pid_t cgroup_fixture_member(CgroupFixture *fixture, int directory_fd, CgroupMember member);
/* Moves a process into the directory. */
void cgroup_fixture_move(const char *directory, pid_t pid);

/* Moves this process back to where it was before the fixture. */
void cgroup_fixture_leave(const CgroupFixture *fixture);

/* Runs the loop until *flag; fails the test when a deadline passes. */
void cgroup_fixture_run_until(CgroupFixture *fixture, const bool *flag);
/* Runs what is ready now. */
void cgroup_fixture_settle(CgroupFixture *fixture);
/* Waits until nothing is in it. */
void cgroup_fixture_wait_empty(CgroupFixture *fixture, Cgroup *cgroup);
/* How many directories are in base. */
unsigned cgroup_fixture_count(const CgroupFixture *fixture);
/* Of a cgroup in the fixture's tree; free with g_free. */
char *cgroup_fixture_directory(const CgroupFixture *fixture, const char *name);
/* The same as cgroup_fixture_member, of a cgroup; no descriptor of its directory is left. */
pid_t cgroup_fixture_add(CgroupFixture *fixture, Cgroup *cgroup, CgroupMember member);
