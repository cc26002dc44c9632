/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program makes of its cgroup: as deep as it may, deeper, and more than one call removes.
 * Whatever that is, all in it are reached or known not to be, and the next start is not hindered.
 */

#include "cgroup-fixture.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEEPEST 63 /* that we follow */
#define DEEPER 200
#define MANY 4500

static char *deep_path(const CgroupFixture *fixture, const char *name)
{
    return g_build_filename(fixture->base, "tree", name, NULL);
}

static bool deep_exists(const CgroupFixture *fixture, const char *name)
{
    g_autofree char *path = deep_path(fixture, name);

    return access(path, F_OK) == 0;
}

static void deep_write(const CgroupFixture *fixture, const char *name, const char *text)
{
    g_autofree char *path = deep_path(fixture, name);
    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}

/* So many levels below the service's, or as many as the kernel lets it have; pid moves to the last
 * one. Returns how many. */
static unsigned deep_make(const CgroupFixture *fixture, unsigned n_levels, pid_t pid)
{
    g_autoptr(GString) path = g_string_new(NULL);
    unsigned i = 0;

    g_string_printf(path, "%s/tree/web.svc", fixture->base);
    for (; i < n_levels; i++) {
        g_string_append(path, "/a");
        if (mkdir(path->str, 0755) == 0)
            continue;
        g_assert_cmpint(errno, ==, EAGAIN); /* cgroup.max.depth */
        g_string_truncate(path, path->len - strlen("/a"));
        break;
    }
    cgroup_fixture_move(path->str, pid);
    return i;
}

static pid_t deep_member(CgroupFixture *fixture, Cgroup *cgroup)
{
    pid_t pid = cgroup_fixture_member(fixture, cgroup_directory_fd(cgroup), CGROUP_MEMBER_STAYS);

    cgroup_close(cgroup);
    return pid;
}

static void test_deepest(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = deep_member(fixture, cgroup);

    g_assert_cmpuint(deep_make(fixture, DEEPER, pid), ==, DEEPEST);
    g_assert_cmpint(cgroup_find_member(cgroup, 0), ==, pid);
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
    g_assert_false(deep_exists(fixture, "web.svc"));
}

/* Somebody has taken the limit away. */
static void test_deeper(CgroupFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = deep_member(fixture, cgroup);
    int n_fds = fd_count_open();

    deep_write(fixture, "cgroup.max.depth", "max");
    g_assert_cmpuint(deep_make(fixture, DEEPER, pid), ==, DEEPER);
    g_assert_false(cgroup_is_empty(cgroup));
    errno = 0;
    g_assert_cmpint(cgroup_find_member(cgroup, 0), ==, 0);
    g_assert_cmpint(errno, ==, E2BIG);
    cgroup_free(cgroup);
    g_assert_null(cgroup_new(fixture->tree, "web", &error)); /* somebody is in it */
    g_assert_error(error, SVCMGR_ERROR, ERROR_BUSY);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    cgroup_tree_prune(fixture->tree);
    g_assert_false(deep_exists(fixture, "web.svc"));
    g_assert_cmpint(fd_count_open(), ==, n_fds);
}

static void deep_make_many(const CgroupFixture *fixture)
{
    deep_write(fixture, "web.svc/cgroup.max.descendants", "max");
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];
        g_autofree char *path = NULL;

        (void)g_snprintf(name, sizeof name, "web.svc/%u", i);
        path = deep_path(fixture, name);
        g_assert_cmpint(mkdir(path, 0755), ==, 0);
    }
}

/* More than a call removes: the next one does. */
static void test_many(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    for (unsigned i = 0; i < 2; i++) {
        Cgroup *cgroup = cgroup_fixture_new(fixture, "web");

        deep_make_many(fixture);
        cgroup_free(cgroup);
        g_assert_true(deep_exists(fixture, "web.svc"));
        if (i == 0)
            cgroup_tree_prune(fixture->tree);
        else
            cgroup_free(cgroup_fixture_new(fixture, "web"));
        g_assert_false(deep_exists(fixture, "web.svc"));
    }
}

static int unlinkat_refused(int directory_fd, const char *path, int flags)
{
    if (!g_str_equal(path, "web.svc"))
        return sys_linux.unlinkat(directory_fd, path, flags);
    errno = EBUSY;
    return -1;
}

/* The kernel does not let go of it: the start does without that name. */
static void test_in_the_way(CgroupFixture *fixture, const void *unused)
{
    if (fixture->base == NULL)
        return;
    cgroup_free(cgroup_fixture_new(fixture, "other"));
    fixture->sys.unlinkat = unlinkat_refused;
    cgroup_free(cgroup_fixture_new(fixture, "web"));
    g_assert_true(deep_exists(fixture, "web.svc"));
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    pid_t pid = deep_member(fixture, cgroup);

    g_assert_true(g_str_has_suffix(cgroup_path(cgroup), "/web.svc%1"));
    g_assert_true(cgroup_has(cgroup, pid));
    g_assert_cmpuint(cgroup_signal(cgroup, SIGTERM), ==, 1);
    cgroup_fixture_wait_empty(fixture, cgroup);
    cgroup_free(cgroup);
    g_assert_false(deep_exists(fixture, "web.svc%1"));
    fixture->sys.unlinkat = sys_linux.unlinkat;
    cgroup_tree_prune(fixture->tree);
    g_assert_false(deep_exists(fixture, "web.svc"));
}

#define ADD(path, func)                                                                            \
    g_test_add(path, CgroupFixture, NULL, cgroup_fixture_init, func, cgroup_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/cgroup/deep/deepest", test_deepest);
    ADD("/cgroup/deep/deeper", test_deeper);
    ADD("/cgroup/deep/many", test_many);
    ADD("/cgroup/deep/in-the-way", test_in_the_way);
    return g_test_run();
}
