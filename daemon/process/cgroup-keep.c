/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service that ends and is started again at once needs no new cgroup, and to make one costs the
 * kernel more than most else of a start. But what a run has left in it must not be seen in the
 * next: so only one is kept that is like a new one to its programs, but for the processor time,
 * which is told as a difference. Where controllers are enabled that cannot be: the peak of the
 * memory, what was in the page cache, and limits that a program has set itself would stay. */

#include "process/cgroup-internal.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Nobody is in it, and it is not frozen. */
static bool cgroup_is_idle(const CgroupPlace *place)
{
    g_autofree char *text = cgroup_place_read(place, "cgroup.events");
    uint64_t populated, frozen = 0; /* before Linux 5.2 none can be */

    if (text == NULL || !cgroup_stat_parse(text, "populated", &populated))
        return false;
    (void)cgroup_stat_parse(text, "frozen", &frozen);
    return populated == 0 && frozen == 0;
}

/* A directory in which there is no other has two links. */
static bool cgroup_is_bare(const CgroupPlace *place)
{
    struct stat status;

    return place->sys->fstatat(place->parent_fd, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_nlink == 2;
}

bool cgroup_keep_if_empty(Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);

    cgroup->is_kept = !cgroup->is_removed && cgroup->tree->controllers == 0 &&
                      cgroup_is_idle(&place) && cgroup_is_bare(&place);
    return cgroup->is_kept;
}

bool cgroup_is_kept(const Cgroup *cgroup)
{
    return cgroup->is_kept;
}

/* Somebody else may have done something with it meanwhile. */
bool cgroup_renew(Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);

    cgroup->is_kept = false;
    cgroup->is_thawed = cgroup_is_idle(&place);
    return cgroup->is_thawed && cgroup_is_bare(&place) &&
           cgroup_place_stat(&place, "cpu.stat", "usage_usec", &cgroup->cpu_before_usec);
}

bool cgroup_is_thawed(const Cgroup *cgroup)
{
    return cgroup->is_thawed;
}
