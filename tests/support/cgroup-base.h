/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory of a test's own in this machine's cgroup v2 hierarchy. A guardian, which outlives a
 * test that fails or is killed, ends whoever is in it then and removes it. Nothing outside of it is
 * ever touched. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct CgroupBase {
    char *path; /* NULL: not opened */
    pid_t guardian;
    int guardian_fd;
} CgroupBase;

/* False: there is no hierarchy that can be written to. */
bool cgroup_base_open(CgroupBase *base);
/* Has the guardian clear away whatever is left, and asserts that it could. Accepts one that was not
 * opened. */
void cgroup_base_close(CgroupBase *base);
/* All directories below, as paths from it ("svcmgr-0123456789abcdef/web.svc"), sorted; of strings,
 * the caller's. */
GPtrArray *cgroup_base_list(const CgroupBase *base);
