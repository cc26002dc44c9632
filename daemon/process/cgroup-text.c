/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel writes of cgroups and of where they are mounted, and the names that we give. */

#include "process/cgroup-internal.h"

#include "process/file-name.h"

#include <string.h>

/* Names of cgroups are as long as file names may be. */
#define CGROUP_SUFFIX ".svc"
#define CGROUP_NUMBER_BYTES 2 /* "%1" after that, see cgroup_new */

bool cgroup_stat_parse(const char *text, const char *key, uint64_t *ret_value)
{
    size_t length = strlen(key);

    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');

        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            const char *value = line + length + 1;
            g_autofree char *number =
                    end != NULL ? g_strndup(value, (size_t)(end - value)) : g_strdup(value);

            return g_ascii_string_to_unsigned(number, 10, 0, UINT64_MAX, ret_value, NULL);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return false;
}

/* What has been removed is marked so by the kernel. */
char *cgroup_path_parse(const char *text)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');

        if (strncmp(line, "0::/", 4) == 0 && end != NULL) {
            g_autofree char *path = g_strndup(line + 3, (size_t)(end - line - 3));

            return g_str_has_suffix(path, " (deleted)") ? NULL : g_steal_pointer(&path);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return NULL;
}

static bool cgroup_mount_is_octal(const char *at)
{
    return at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
           at[3] >= '0' && at[3] <= '7';
}

/* Spaces and the like are written as "\040". NULL: it is no path. */
static char *cgroup_mount_unescape(const char *field)
{
    g_autoptr(GString) path = g_string_new(NULL);

    for (const char *at = field; *at != '\0'; at++) {
        if (cgroup_mount_is_octal(at)) {
            g_string_append_c(path, (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + at[3] - '0'));
            at += 3;
        } else {
            g_string_append_c(path, *at);
        }
    }
    return field[0] == '/' ? g_strdup(path->str) : NULL;
}

/* ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS */
bool cgroup_mount_parse(const char *line, CgroupMount *ret_mount)
{
    enum { ROOT = 3, POINT, OPTIONS, TAGS };
    g_auto(GStrv) fields = g_strsplit(line, " ", -1);
    unsigned n = g_strv_length(fields), dash = TAGS;

    while (dash < n && !g_str_equal(fields[dash], "-"))
        dash++;
    if (dash + 3 >= n || !g_str_equal(fields[dash + 1], "cgroup2"))
        return false;

    g_auto(GStrv) options = g_strsplit(fields[OPTIONS], ",", -1);
    g_auto(GStrv) of_all = g_strsplit(g_strchomp(fields[dash + 3]), ",", -1);
    CgroupMount mount = {
            .root = cgroup_mount_unescape(fields[ROOT]),
            .point = cgroup_mount_unescape(fields[POINT]),
            .is_read_only = g_strv_contains((const char *const *)options, "ro") ||
                            g_strv_contains((const char *const *)of_all, "ro"),
    };
    if (mount.root == NULL || mount.point == NULL) {
        cgroup_mount_clear(&mount);
        return false;
    }
    *ret_mount = mount;
    return true;
}

void cgroup_mount_clear(CgroupMount *mount)
{
    g_clear_pointer(&mount->root, g_free);
    g_clear_pointer(&mount->point, g_free);
}

/* What of path is below top: "" or "/..."; NULL: it is not. */
static const char *cgroup_path_below(const char *path, const char *top)
{
    size_t length = g_str_equal(top, "/") ? 0 : strlen(top);

    if (strncmp(path, top, length) != 0 || (path[length] != '\0' && path[length] != '/'))
        return NULL;
    return g_str_equal(path + length, "/") ? "" : path + length;
}

/* Joined so that the root has one slash, and nothing else ends in one. */
static char *cgroup_path_join(const char *top, const char *below)
{
    char *path = g_strconcat(g_str_equal(top, "/") ? "" : top, below, NULL);

    if (path[0] != '\0')
        return path;
    g_free(path);
    return g_strdup("/");
}

/* A path that leads up is outside of our cgroup namespace. */
static bool cgroup_path_leads_up(const char *path)
{
    return strstr(path, "/../") != NULL || g_str_has_suffix(path, "/..");
}

char *cgroup_mount_directory(const CgroupMount *mount, const char *path)
{
    const char *below = cgroup_path_below(path, mount->root);

    if (below == NULL || cgroup_path_leads_up(path))
        return NULL;
    return cgroup_path_join(mount->point, below);
}

char *cgroup_mount_path(const CgroupMount *mount, const char *directory)
{
    const char *below = cgroup_path_below(directory, mount->point);

    if (below == NULL || cgroup_path_leads_up(mount->root))
        return NULL;
    return cgroup_path_join(mount->root, below);
}

char *cgroup_name_from_id(const char *id)
{
    g_autofree char *name =
            file_name_from_id(id, CGROUP_NAME_MAX - CGROUP_NUMBER_BYTES - strlen(CGROUP_SUFFIX));

    return g_strconcat(name, CGROUP_SUFFIX, NULL);
}
