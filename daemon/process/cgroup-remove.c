/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing a cgroup with all that its programs have made in it. That may be deep, so the way down
 * is a list of names and one descriptor, not a recursion; and it may be much, so that one call
 * removes only so many: who could not remove all of it asks again later. The kernel says whether
 * anybody is in it: then nothing is looked at. */

#include "process/cgroup-internal.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>

/* Each takes some microseconds. */
#define CGROUP_REMOVE_MAX 4096

typedef struct CgroupRemoval {
    const Sys *sys;
    int fd;           /* of the directory that it is in */
    GPtrArray *names; /* the way to there, from the place */
    unsigned n_removed;
    char *inner; /* a directory there that has others in it */
} CgroupRemoval;

static bool cgroup_rmdir(const Sys *sys, int parent_fd, const char *name)
{
    return sys->unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static bool cgroup_removal_go(CgroupRemoval *removal, const char *path)
{
    int fd = cgroup_file_open(removal->sys, removal->fd, path, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return false;
    (void)fd_close(removal->fd);
    removal->fd = fd;
    return true;
}

/* Takes name. */
static bool cgroup_removal_enter(CgroupRemoval *removal, char *name)
{
    g_ptr_array_add(removal->names, name);
    return cgroup_removal_go(removal, name);
}

/* Nothing is in it any more. */
static bool cgroup_removal_leave(CgroupRemoval *removal)
{
    g_autofree char *name = g_ptr_array_steal_index(removal->names, removal->names->len - 1);

    removal->n_removed++;
    return cgroup_removal_go(removal, "..") && cgroup_rmdir(removal->sys, removal->fd, name);
}

/* Most have nothing in them and go at once. */
static bool on_cgroup_removal_child(int directory_fd, const char *name, void *data)
{
    CgroupRemoval *removal = data;

    if (removal->n_removed >= CGROUP_REMOVE_MAX)
        return false;
    if (cgroup_rmdir(removal->sys, directory_fd, name))
        removal->n_removed++;
    else
        removal->inner = g_strdup(name);
    return removal->inner == NULL;
}

/* One look at a directory. False and errno: that was all that can be done now. */
static bool cgroup_removal_step(CgroupRemoval *removal)
{
    if (!cgroup_each_child(removal->sys, removal->fd, on_cgroup_removal_child, removal))
        return false;
    if (removal->inner != NULL)
        return cgroup_removal_enter(removal, g_steal_pointer(&removal->inner));
    if (removal->n_removed < CGROUP_REMOVE_MAX)
        return cgroup_removal_leave(removal);
    errno = EBUSY;
    return false;
}

static bool cgroup_remove_all(const CgroupPlace *place)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    autofd int fd =
            cgroup_file_open(place->sys, place->parent_fd, place->name, O_RDONLY | O_DIRECTORY);
    CgroupRemoval removal = {.sys = place->sys, .fd = fd, .names = names};
    bool ok = fd >= 0;

    g_ptr_array_add(names, g_strdup(place->name));
    while (ok && names->len > 0)
        ok = cgroup_removal_step(&removal);
    fd = removal.fd;
    return ok;
}

bool cgroup_place_remove_bare(const CgroupPlace *place)
{
    return cgroup_rmdir(place->sys, place->parent_fd, place->name);
}

bool cgroup_place_remove(const CgroupPlace *place)
{
    uint64_t populated;

    if (cgroup_place_remove_bare(place))
        return true;
    if (errno != EBUSY)
        return false;
    if (!cgroup_place_stat(place, "cgroup.events", "populated", &populated) || populated == 0)
        return cgroup_remove_all(place);
    errno = EBUSY;
    return false;
}
