/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where in the hierarchy there is room for us. What the kernel mounts and where this process is are
 * both told relative to its cgroup namespace; a mount shows only what is below its own root. Where
 * systemd is in charge of the hierarchy, it marks what it leaves to others with an extended
 * attribute (systemd's "Control Group APIs and Delegation"). */

#include "process/cgroup-internal.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Tens of thousands of mounts. */
#define CGROUP_MOUNTS_BYTES (4 * 1024 * 1024)

static void cgroup_mount_free(void *mount)
{
    cgroup_mount_clear(mount);
    g_free(mount);
}

/* In the order of mounting: of two at one place the last is seen. NULL with an error. */
static GPtrArray *cgroup_base_mounts(const Sys *sys, GError **error)
{
    g_autoptr(GPtrArray) mounts = g_ptr_array_new_with_free_func(cgroup_mount_free);
    g_autofree char *text =
            cgroup_file_read(sys, AT_FDCWD, "/proc/self/mountinfo", CGROUP_MOUNTS_BYTES);
    CgroupMount mount;

    if (text == NULL) {
        error_set_errno(error, errno, "cannot read /proc/self/mountinfo");
        return NULL;
    }
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (cgroup_mount_parse(line, &mount))
            g_ptr_array_add(mounts, g_memdup2(&mount, sizeof mount));
    }
    if (mounts->len == 0) {
        error_set(error, ERROR_NOT_SUPPORTED, "no cgroup v2 hierarchy is mounted");
        return NULL;
    }
    return g_steal_pointer(&mounts);
}

static bool cgroup_base_check(int fd, const char *directory, GError **error)
{
    struct statfs status;

    if (fstatfs(fd, &status) < 0)
        return error_set_errno(error, errno, "%s", directory);
    if (status.f_type != CGROUP2_SUPER_MAGIC)
        return error_set(error, ERROR_NOT_SUPPORTED,
                         "%s is not a directory of a cgroup v2 hierarchy", directory);
    return true;
}

/* A directory that is there, in a hierarchy. */
static int cgroup_base_open_directory(const Sys *sys, const char *directory, GError **error)
{
    autofd int fd = sys_open(sys, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        error_set_errno(error, errno, "cannot open %s", directory);
        return -1;
    }
    return cgroup_base_check(fd, directory, error) ? fd_steal(&fd) : -1;
}

/* Given by its name */

static char *cgroup_base_path_of(const Sys *sys, int fd, const char *directory, GError **error)
{
    g_autoptr(GPtrArray) mounts = cgroup_base_mounts(sys, error);
    char link[64], real[PATH_MAX];
    char *path = NULL;

    if (mounts == NULL)
        return NULL;
    (void)g_snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, real, sizeof real - 1);
    if (n < 0) {
        error_set_errno(error, errno, "cannot read %s", link);
        return NULL;
    }
    real[n] = '\0';
    for (unsigned i = mounts->len; i > 0 && path == NULL; i--)
        path = cgroup_mount_path(mounts->pdata[i - 1], real);
    if (path == NULL)
        error_set(error, ERROR_NOT_SUPPORTED, "%s is outside of this cgroup namespace", directory);
    return path;
}

static int cgroup_base_open_given(const Sys *sys, const char *directory, char **ret_path,
                                  GError **error)
{
    if (!g_path_is_absolute(directory)) {
        error_set(error, ERROR_INVALID_ARGS, "expected an absolute path, got \"%s\"", directory);
        return -1;
    }

    autofd int fd = cgroup_base_open_directory(sys, directory, error);
    char *path = fd < 0 ? NULL : cgroup_base_path_of(sys, fd, directory, error);
    if (path == NULL)
        return -1;
    *ret_path = path;
    return fd_steal(&fd);
}

/* Where we are */

/* A daemon that was executed anew is in the leaf of its own tree. */
static char *cgroup_base_without_leaf(char *path, const char *name)
{
    g_autofree char *leaf = g_strconcat("/", name, "/" CGROUP_LEAF, NULL);

    if (g_str_has_suffix(path, leaf))
        path[strlen(path) - strlen(leaf)] = '\0';
    return path[0] == '\0' ? strcpy(path, "/") : path;
}

static char *cgroup_base_own_path(const Sys *sys, const char *name, GError **error)
{
    g_autofree char *text =
            cgroup_file_read(sys, AT_FDCWD, "/proc/self/cgroup", 4 * CGROUP_TEXT_BYTES);

    if (text == NULL) {
        error_set_errno(error, errno, "cannot read /proc/self/cgroup");
        return NULL;
    }
    char *path = cgroup_path_parse(text);
    if (path == NULL) {
        error_set(error, ERROR_NOT_SUPPORTED, "the daemon is in no cgroup of version 2");
        return NULL;
    }
    return cgroup_base_without_leaf(path, name);
}

/* One that can be written to, if there is such a one. NULL: none shows the cgroup. */
static char *cgroup_base_directory(const GPtrArray *mounts, const char *path)
{
    g_autofree char *found = NULL;

    for (unsigned i = mounts->len; i > 0; i--) {
        const CgroupMount *mount = mounts->pdata[i - 1];
        g_autofree char *directory = cgroup_mount_directory(mount, path);

        if (directory != NULL && !mount->is_read_only)
            return g_steal_pointer(&directory);
        if (found == NULL)
            found = g_steal_pointer(&directory);
    }
    return g_steal_pointer(&found);
}

static bool cgroup_base_is_delegated(int fd)
{
    static const char *const names[] = {"user.delegate", "trusted.delegate"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        char value;

        if (fgetxattr(fd, names[i], &value, sizeof value) == 1 && value == '1')
            return true;
    }
    return false;
}

static bool cgroup_base_is_ours(const Sys *sys, int fd, const char *path, GError **error)
{
    autofd int systemd_fd = sys_open(sys, "/run/systemd/system", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (systemd_fd < 0 || cgroup_base_is_delegated(fd))
        return true;
    return error_set(error, ERROR_NOT_SUPPORTED,
                     "systemd has not delegated the cgroup %s: set Delegate=yes in the daemon's "
                     "unit file",
                     path);
}

static int cgroup_base_open_own(const CgroupTreeOptions *options, char **ret_path, GError **error)
{
    g_autoptr(GPtrArray) mounts = cgroup_base_mounts(options->sys, error);
    g_autofree char *path =
            mounts == NULL ? NULL : cgroup_base_own_path(options->sys, options->name, error);

    if (path == NULL)
        return -1;
    g_autofree char *directory = cgroup_base_directory(mounts, path);
    if (directory == NULL) {
        error_set(error, ERROR_NOT_SUPPORTED, "the daemon's cgroup %s is not in sight of any mount",
                  path);
        return -1;
    }

    autofd int fd = cgroup_base_open_directory(options->sys, directory, error);
    if (fd < 0 || !cgroup_base_is_ours(options->sys, fd, path, error))
        return -1;
    *ret_path = g_steal_pointer(&path);
    return fd_steal(&fd);
}

int cgroup_base_open(const CgroupTreeOptions *options, char **ret_path, GError **error)
{
    return g_str_equal(options->where, "auto")
                   ? cgroup_base_open_own(options, ret_path, error)
                   : cgroup_base_open_given(options->sys, options->where, ret_path, error);
}
