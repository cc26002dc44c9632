/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says of cgroups and its memory, where programs choose a part: the names of
 * cgroups, of what is mounted where, and their own. And names made from whatever ids. */

#include "fuzz.h"
#include "process/cgroup-internal.h"
#include "process/oom.h"

#include <string.h>

static void cgroup_fuzz_mount(const char *text)
{
    CgroupMount mount = {NULL, NULL, false};

    if (!cgroup_mount_parse(text, &mount)) {
        g_assert_true(mount.root == NULL && mount.point == NULL);
        return;
    }
    g_assert_true(mount.root[0] == '/' && mount.point[0] == '/');
    g_autofree char *path = cgroup_mount_path(&mount, mount.point);
    if (path != NULL) {
        g_autofree char *directory = cgroup_mount_directory(&mount, path);

        g_assert_cmpstr(path, ==, mount.root);
        g_assert_cmpstr(directory, ==, mount.point);
    }
    cgroup_mount_clear(&mount);
}

/* One name, safe in a path, that tells the id apart from one that is like it. */
static void cgroup_fuzz_name(const char *id)
{
    g_autofree char *longer = g_strconcat(id, "a", NULL);
    g_autofree char *name = cgroup_name_from_id(id);
    g_autofree char *other = cgroup_name_from_id(longer);

    g_assert_cmpuint(strlen(name), <=, CGROUP_NAME_MAX);
    g_assert_true(g_str_has_suffix(name, ".svc"));
    g_assert_null(strpbrk(name, "/\n"));
    g_assert_cmpstr(name, !=, other);
}

static void cgroup_fuzz_kill(const char *record)
{
    OomKill kill = {.pid = -7};

    if (!oom_record_parse(record, &kill)) {
        g_assert_cmpint(kill.pid, ==, -7);
        return;
    }
    g_assert_cmpint(kill.pid, >, 0);
    g_assert_nonnull(memchr(kill.comm, '\0', sizeof kill.comm));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_string(data, size);
    g_autofree char *path = cgroup_path_parse(text);
    uint64_t value = 77;

    g_assert_true(path == NULL || path[0] == '/');
    g_assert_true(path == NULL || strchr(path, '\n') == NULL);
    if (!cgroup_stat_parse(text, "populated", &value))
        g_assert_cmpuint(value, ==, 77);
    cgroup_fuzz_mount(text);
    cgroup_fuzz_name(text);
    cgroup_fuzz_kill(text);
    return 0;
}
