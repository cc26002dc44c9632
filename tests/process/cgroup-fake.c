/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel makes files with each directory, and removes them with it; so does the fake. */

#include "cgroup-fake.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static CgroupFake *fake_current;

int __wrap_fstatfs64(int fd, struct statfs64 *ret_status);
ssize_t __wrap_fgetxattr(int fd, const char *name, void *ret_value, size_t size);

int __wrap_fstatfs64(int fd, struct statfs64 *ret_status)
{
    *ret_status = (struct statfs64){.f_type = fake_current->is_cgroup ? CGROUP2_SUPER_MAGIC
                                                                      : TMPFS_MAGIC};
    return 0;
}

ssize_t __wrap_fgetxattr(int fd, const char *name, void *ret_value, size_t size)
{
    if (g_strcmp0(name, fake_current->delegated) == 0 && size >= 1) {
        *(char *)ret_value = '1';
        return 1;
    }
    errno = ENODATA;
    return -1;
}

/* The path of a descriptor, below base. */
static char *fake_path_of(int fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    char path[PATH_MAX];
    ssize_t n = readlink(link, path, sizeof path - 1);

    g_assert_cmpint(n, >, 0);
    path[n] = '\0';
    g_assert_true(g_str_has_prefix(path, fake_current->base));
    return g_strdup(path + strlen(fake_current->base) + (path[strlen(fake_current->base)] == '/'));
}

static int fake_open(const char *path, int flags)
{
    if (!g_str_equal(path, "/run/systemd/system"))
        return sys_linux.open(path, flags);
    if (fake_current->is_systemd)
        return sys_linux.open("/", flags);
    errno = ENOENT;
    return -1;
}

static int fake_openat(int directory_fd, const char *path, int flags)
{
    if (!g_str_has_prefix(path, "/proc/self/"))
        return sys_linux.openat(directory_fd, path, flags);
    g_autofree char *place =
            g_build_filename(fake_current->directory, path + strlen("/proc/self/"), NULL);
    return sys_linux.openat(AT_FDCWD, place, flags);
}

static bool fake_refuses(const char *path, const char *text)
{
    const CgroupFake *fake = fake_current;
    g_autofree char *until =
            fake->fail_until != NULL ? g_strconcat(fake->fail_until, "=", NULL) : NULL;

    return fake->fail_path != NULL && g_str_equal(path, fake->fail_path) &&
           g_str_equal(text, fake->fail_text) &&
           (until == NULL || strstr(fake->written->str, until) == NULL);
}

/* All that is written is a word, in one piece. */
static ssize_t fake_write(int fd, const void *buffer, size_t size)
{
    g_autofree char *path = fake_path_of(fd);
    g_autofree char *text = g_strndup(buffer, size);
    bool refuses = fake_refuses(path, text);

    g_string_append_printf(fake_current->written, "%s=%s%s\n", path, text, refuses ? " !" : "");
    if (!refuses)
        return (ssize_t)size;
    errno = fake_current->fail_errno;
    return -1;
}

static int fake_mkdirat(int directory_fd, const char *path, mode_t mode)
{
    g_auto(GStrv) files = g_strsplit(fake_current->files, " ", -1);

    if (sys_linux.mkdirat(directory_fd, path, mode) < 0)
        return -1;
    for (char **file = files; *file != NULL; file++) {
        g_autofree char *place = g_build_filename(path, *file, NULL);
        autofd int fd = openat(directory_fd, place, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        g_assert_cmpint(fd, >=, 0);
    }
    return 0;
}

static void fake_remove_files(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        (void)unlink(path); /* a directory stays */
    }
}

static int fake_unlinkat(int directory_fd, const char *path, int flags)
{
    g_autofree char *parent = fake_path_of(directory_fd);
    g_autofree char *directory = g_build_filename(fake_current->base, parent, path, NULL);

    g_assert_cmpint(flags, ==, AT_REMOVEDIR);
    fake_remove_files(directory);
    if (sys_linux.unlinkat(directory_fd, path, flags) == 0)
        return 0;
    if (errno == ENOTEMPTY)
        errno = EBUSY; /* as a hierarchy says it */
    return -1;
}

/* The fixture */

void cgroup_fake_init(CgroupFake *fake, const void *unused)
{
    fake_current = fake;
    fake->directory = g_dir_make_tmp("svcmgr-cgroup-XXXXXX", NULL);
    fake->base = g_build_filename(fake->directory, "hierarchy", NULL);
    g_assert_cmpint(g_mkdir(fake->base, 0755), ==, 0);
    fake->written = g_string_new(NULL);
    fake->files = "cgroup.procs cgroup.subtree_control memory.max pids.max cpu.weight io.weight";
    fake->is_cgroup = true;
    fake->sys = sys_linux;
    fake->sys.open = fake_open;
    fake->sys.openat = fake_openat;
    fake->sys.write = fake_write;
    fake->sys.mkdirat = fake_mkdirat;
    fake->sys.unlinkat = fake_unlinkat;
    cgroup_fake_write(fake, "mountinfo", "1 0 0:1 / BASE rw shared:4 - cgroup2 cgroup2 rw\n");
    cgroup_fake_write(fake, "cgroup", "0::/\n");
    cgroup_fake_write(fake, "BASE/cgroup.controllers", "cpu io memory pids\n");
    cgroup_fake_write(fake, "BASE/cgroup.subtree_control", "\n");
    cgroup_fake_write(fake, "BASE/cgroup.procs", "");
}

static void fake_remove(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        fake_remove(child);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

void cgroup_fake_done(CgroupFake *fake, const void *unused)
{
    fake_remove(fake->directory);
    g_free(fake->directory);
    g_free(fake->base);
    g_string_free(fake->written, TRUE);
}

static char *fake_place(const CgroupFake *fake, const char *path)
{
    return g_str_has_prefix(path, "BASE") ? g_strconcat(fake->base, path + strlen("BASE"), NULL)
                                          : g_build_filename(fake->directory, path, NULL);
}

void cgroup_fake_write(CgroupFake *fake, const char *path, const char *text)
{
    g_autofree char *place = fake_place(fake, path);
    g_autoptr(GString) content = g_string_new(text);

    g_string_replace(content, "BASE", fake->base, 0);
    g_assert_true(g_file_set_contents(place, content->str, -1, NULL));
}

void cgroup_fake_mkdir(CgroupFake *fake, const char *path)
{
    g_autofree char *place = fake_place(fake, path);

    g_assert_cmpint(g_mkdir_with_parents(place, 0755), ==, 0);
}

bool cgroup_fake_has(CgroupFake *fake, const char *path)
{
    g_autofree char *place = fake_place(fake, path);

    return access(place, F_OK) == 0;
}

CgroupTree *cgroup_fake_tree(CgroupFake *fake, const char *where, GError **error)
{
    g_autofree char *place =
            g_str_has_prefix(where, "BASE") ? fake_place(fake, where) : g_strdup(where);
    CgroupTreeOptions options = {.sys = &fake->sys, .where = place, .name = "tree"};

    return cgroup_tree_new(&options, error);
}

char *cgroup_fake_refusal(CgroupFake *fake, const char *where)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cgroup_fake_tree(fake, where, &error));
    g_assert_nonnull(error);
    g_autoptr(GString) message = g_string_new(error->message);
    g_string_replace(message, fake->base, "BASE", 0);
    g_assert_false(cgroup_fake_has(fake, "BASE/tree"));
    return g_strdup(message->str);
}

char *cgroup_fake_take(CgroupFake *fake)
{
    char *written = g_strdup(fake->written->str);

    g_string_truncate(fake->written, 0);
    return written;
}
