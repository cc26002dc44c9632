/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing of this run has been started when a sweep is made: whoever is in the cgroup of a service
 * is of a former run, whatever it has done to its limits and its environment. A list says who may
 * be; of each the kernel is asked when it matters. */

#include "base/parse.h"
#include "process/cgroup-internal.h"
#include "process/former-internal.h"
#include "process/host-internal.h"
#include "process/proc.h"

#include <string.h>

static void on_former_cgroup(pid_t pid, const char *name, void *data)
{
    if (pid > 0) /* else it is not in our process id namespace */
        g_hash_table_insert(data, GINT_TO_POINTER(pid), g_strdup(name));
}

GHashTable *former_cgroup_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

bool former_cgroup_list(ProcessHost *host, GHashTable *names)
{
    g_hash_table_remove_all(names);
    return host->cgroups == NULL || cgroup_tree_walk(host->cgroups, on_former_cgroup, names);
}

/* Of a name that had to be cut there is no way back. */
static char *former_cgroup_id(const char *name)
{
    const char *dot = strrchr(name, '.');
    g_autofree char *id = dot != NULL ? g_strndup(name, (size_t)(dot - name)) : g_strdup("");
    g_autofree char *made = parse_id(id, NULL) ? cgroup_name_from_id(id) : NULL;

    size_t length = made != NULL ? strlen(made) : 0;

    return made != NULL && strncmp(made, name, length) == 0 &&
                           (name[length] == '\0' || name[length] == '%')
                   ? g_steal_pointer(&id)
                   : NULL;
}

bool former_cgroup_has(ProcessHost *host, GHashTable *names, pid_t pid, char **ret_id)
{
    const char *name = g_hash_table_lookup(names, GINT_TO_POINTER(pid));
    ProcStat stat;

    if (name == NULL)
        return false;

    g_autofree char *path = g_strconcat(cgroup_tree_path(host->cgroups), "/", name, NULL);
    CgroupPlace place = {.sys = host->sys, .parent_fd = -1, .name = name, .path = path};
    if (!cgroup_place_has(&place, pid) || !proc_read_stat(host->sys, pid, &stat) || stat.is_dead)
        return false;
    *ret_id = former_cgroup_id(name);
    return true;
}

unsigned former_cgroup_clear(ProcessHost *host)
{
    return host->cgroups != NULL ? cgroup_tree_clear_former(host->cgroups) : 0;
}
