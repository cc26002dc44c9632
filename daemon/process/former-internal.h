/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of a sweep that have files of their own. */

#include "process/host.h"

#include <stdbool.h>
#include <sys/types.h>

/* What a sweep leaves behind, for former_check_left. */
GHashTable *former_left_new(void);
void former_left_add(ProcessHost *host, const char *id, pid_t pid);

/* Who is in the host's cgroups: pid -> name of the cgroup. The list is empty without cgroups; false
 * and errno: it may not be whole. */
GHashTable *former_cgroup_new(void);
bool former_cgroup_list(ProcessHost *host, GHashTable *names);
/* Whether pid is in the list, still in that cgroup, and lives. *ret_id is its service, or NULL. */
bool former_cgroup_has(ProcessHost *host, GHashTable *names, pid_t pid, char **ret_id);
/* Removes the directories. How many are left. */
unsigned former_cgroup_clear(ProcessHost *host);
