/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the real hierarchy hands down to us, and what it does not. */

#include "cgroup-fixture.h"

#include "base/errors.h"

#include <string.h>
#include <unistd.h>

/* hugetlb is a controller that hardly anybody uses: it stands for the memory controller where the
 * kernel has that one elsewhere. */
static ssize_t read_hugetlb(int fd, void *buffer, size_t size)
{
    ssize_t n = sys_linux.read(fd, buffer, size);
    char *found = n > 0 ? g_strstr_len(buffer, n, "hugetlb") : NULL;

    if (found != NULL)
        memcpy(found, "memory ", strlen("hugetlb"));
    return n;
}

static ssize_t write_hugetlb(int fd, const void *buffer, size_t size)
{
    g_autofree char *text = g_strndup(buffer, size);
    g_autofree char *written = g_strdup_printf("%chugetlb", text[0]);

    if (size < 2 || !g_str_equal(text + 1, "memory"))
        return sys_linux.write(fd, buffer, size);
    return sys_linux.write(fd, written, strlen(written)) < 0 ? -1 : (ssize_t)size;
}

static void assert_self_in(const char *expected)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL));
    g_assert_nonnull(strstr(text, expected));
}

/* The kernel lets no cgroup hand a controller down while this process is in it. */
static void test_leaf(CgroupFixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *controllers = NULL;

    if (fixture->base == NULL)
        return;
    g_autofree char *path = g_build_filename(fixture->base, "cgroup.controllers", NULL);
    g_autofree char *name = g_path_get_basename(fixture->base);
    g_autofree char *in_base = g_strconcat("/", name, "\n", NULL);
    g_autofree char *in_leaf = g_strconcat("/", name, "/tree/.daemon\n", NULL);
    g_assert_true(g_file_get_contents(path, &controllers, NULL, NULL));
    if (strstr(controllers, "memory") == NULL && strstr(controllers, "hugetlb") == NULL) {
        g_test_skip("no controller is handed down to the tests");
        return;
    }
    if (strstr(controllers, "memory") == NULL) {
        fixture->sys.read = read_hugetlb;
        fixture->sys.write = write_hugetlb;
    }
    g_clear_pointer(&fixture->tree, cgroup_tree_free);
    cgroup_fixture_move(fixture->base, getpid());
    assert_self_in(in_base);
    fixture->tree = cgroup_fixture_tree(fixture, &error);
    g_assert_no_error(error);
    g_assert_true(cgroup_tree_has(fixture->tree, CGROUP_MEMORY));
    assert_self_in(in_leaf);
    cgroup_free(cgroup_fixture_new(fixture, "web"));
    g_clear_pointer(&fixture->tree, cgroup_tree_free);
    assert_self_in(in_base);
    cgroup_fixture_leave(fixture);
}

/* Where the kernel lets us have none of the controllers. */
static void test_limits_missing(CgroupFixture *fixture, const void *unused)
{
    CgroupLimits none = {0}, limits = {.memory_max_bytes = 1 << 20};
    g_autoptr(GError) error = NULL;

    if (fixture->base == NULL)
        return;
    Cgroup *cgroup = cgroup_fixture_new(fixture, "web");
    g_assert_true(cgroup_set_limits(cgroup, &none, &error));
    g_assert_no_error(error);
    if (cgroup_tree_has(fixture->tree, CGROUP_MEMORY)) {
        g_test_skip("the memory controller is there");
    } else {
        g_assert_false(cgroup_set_limits(cgroup, &limits, &error));
        g_assert_true(error_is(error, ERROR_NOT_SUPPORTED));
        g_assert_true(g_str_has_prefix(error->message, "cgroup.memory_max: the cgroup "));
        g_assert_nonnull(strstr(error->message, " has no memory controller"));
    }
    cgroup_free(cgroup);
}

#define ADD(path, func)                                                                            \
    g_test_add(path, CgroupFixture, NULL, cgroup_fixture_init, func, cgroup_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/cgroup/leaf", test_leaf);
    ADD("/cgroup/limits/missing", test_limits_missing);
    return g_test_run();
}
