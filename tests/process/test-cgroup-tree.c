/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the tree is made and what controllers it gets, on hosts of all kinds; and what is written
 * to and read from the files of controllers. */

#include "cgroup-fake.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Where */

typedef struct PlaceRow {
    const char *name;
    const char *mountinfo;
    const char *cgroup;
    const char *where;
    const char *directory; /* the tree's, below BASE; NULL: none */
    const char *path;      /* of the tree; or why there is none */
} PlaceRow;

#define MOUNT(root, point, options) "9 1 0:9 " root " " point " " options " - cgroup2 none rw\n"
#define ALONE MOUNT("/", "BASE", "rw")
#define HYBRID                                                                                     \
    "1 0 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"                                               \
    "2 1 0:2 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n" ALONE

static const PlaceRow place_rows[] = {
        {"alone", ALONE, "0::/\n", "auto", "BASE/tree", "/tree"},
        {"below", ALONE, "0::/a/b\n", "auto", "BASE/a/b/tree", "/a/b/tree"},
        {"hybrid", HYBRID, "9:name=systemd:/x\n4:memory:/y\n0::/a\n", "auto", "BASE/a/tree",
         "/a/tree"},
        {"part-of-it", MOUNT("/a", "BASE", "rw"), "0::/a/b\n", "auto", "BASE/b/tree", "/a/b/tree"},
        {"the-one-that-shows-it", MOUNT("/x", "/nowhere", "rw") MOUNT("/", "BASE", "rw"), "0::/a\n",
         "auto", "BASE/a/tree", "/a/tree"},
        {"the-one-to-be-written", ALONE MOUNT("/", "/nowhere", "ro"), "0::/a\n", "auto",
         "BASE/a/tree", "/a/tree"},
        {"executed-anew", ALONE, "0::/a/tree/.daemon\n", "auto", "BASE/a/tree", "/a/tree"},
        {"executed-anew-at-the-top", ALONE, "0::/tree/.daemon\n", "auto", "BASE/tree", "/tree"},
        {"none", "1 0 0:1 / / rw - tmpfs tmpfs rw\n", "0::/\n", "auto", NULL,
         "no cgroup v2 hierarchy is mounted"},
        {"version-1", ALONE, "4:memory:/y\n", "auto", NULL,
         "the daemon is in no cgroup of version 2"},
        {"removed", ALONE, "0::/a (deleted)\n", "auto", NULL,
         "the daemon is in no cgroup of version 2"},
        {"outside-of-namespace", ALONE, "0::/../a\n", "auto", NULL,
         "the daemon's cgroup /../a is not in sight of any mount"},
        {"not-shown", MOUNT("/b", "BASE", "rw"), "0::/a\n", "auto", NULL,
         "the daemon's cgroup /a is not in sight of any mount"},
        {"not-shown-but-begins-so", MOUNT("/a", "BASE", "rw"), "0::/ab\n", "auto", NULL,
         "the daemon's cgroup /ab is not in sight of any mount"},
        {"gone", ALONE, "0::/c\n", "auto", NULL, "cannot open BASE/c: No such file or directory"},
        {"given", ALONE, "0::/\n", "BASE/a/b", "BASE/a/b/tree", "/a/b/tree"},
        {"given-at-the-top", ALONE, "0::/a\n", "BASE", "BASE/tree", "/tree"},
        {"given-in-a-part", MOUNT("/x", "BASE", "rw"), "0::/\n", "BASE/a", "BASE/a/tree",
         "/x/a/tree"},
        {"given-outside", MOUNT("/../x", "BASE", "rw"), "0::/\n", "BASE/a", NULL,
         "BASE/a is outside of this cgroup namespace"},
        {"given-missing", ALONE, "0::/\n", "BASE/c", NULL,
         "cannot open BASE/c: No such file or directory"},
        {"given-file", ALONE, "0::/\n", "BASE/cgroup.procs", NULL,
         "cannot open BASE/cgroup.procs: Not a directory"},
        {"given-relative", ALONE, "0::/\n", "a", NULL, "expected an absolute path, got \"a\""},
};

static void test_place(CgroupFake *fake, const void *data)
{
    const PlaceRow *row = data;
    g_autoptr(GError) error = NULL;
    int n_fds = fd_count_open();

    cgroup_fake_write(fake, "mountinfo", row->mountinfo);
    cgroup_fake_write(fake, "cgroup", row->cgroup);
    cgroup_fake_mkdir(fake, "BASE/a/b");
    cgroup_fake_mkdir(fake, "BASE/b");
    if (row->directory != NULL) {
        CgroupTree *tree = cgroup_fake_tree(fake, row->where, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(cgroup_tree_path(tree), ==, row->path);
        g_assert_true(cgroup_fake_has(fake, row->directory));
        cgroup_tree_free(tree);
        g_assert_false(cgroup_fake_has(fake, row->directory));
    } else {
        g_autofree char *reason = cgroup_fake_refusal(fake, row->where);

        g_assert_cmpstr(reason, ==, row->path);
    }
    g_assert_cmpint(fd_count_open(), ==, n_fds);
}

static void test_not_a_hierarchy(CgroupFake *fake, const void *unused)
{
    fake->is_cgroup = false;
    g_autofree char *given = cgroup_fake_refusal(fake, "BASE");
    g_autofree char *found = cgroup_fake_refusal(fake, "auto");

    g_assert_cmpstr(given, ==, "BASE is not a directory of a cgroup v2 hierarchy");
    g_assert_cmpstr(found, ==, given);
}

/* Where systemd is in charge, what it has left to us; a path is its owner's word. */
static void test_systemd(CgroupFake *fake, const void *unused)
{
    static const char *const attributes[] = {"user.delegate", "trusted.delegate"};
    g_autoptr(GError) error = NULL;

    fake->is_systemd = true;
    cgroup_fake_write(fake, "cgroup", "0::/a\n");
    cgroup_fake_mkdir(fake, "BASE/a");
    g_autofree char *reason = cgroup_fake_refusal(fake, "auto");
    g_assert_cmpstr(reason, ==,
                    "systemd has not delegated the cgroup /a: set Delegate=yes in the daemon's "
                    "unit file");
    for (unsigned i = 0; i < G_N_ELEMENTS(attributes); i++) {
        fake->delegated = attributes[i];
        cgroup_tree_free(cgroup_fake_tree(fake, "auto", &error));
        g_assert_no_error(error);
    }
    fake->delegated = NULL;
    cgroup_tree_free(cgroup_fake_tree(fake, "BASE/a", &error));
    g_assert_no_error(error);
}

static int mkdirat_denied(int directory_fd, const char *path, mode_t mode)
{
    errno = EACCES;
    return -1;
}

static void test_denied(CgroupFake *fake, const void *unused)
{
    fake->sys.mkdirat = mkdirat_denied;
    g_autofree char *reason = cgroup_fake_refusal(fake, "auto");

    g_assert_cmpstr(reason, ==, "cannot make the cgroup /tree: Permission denied");
}

/* Controllers */

static CgroupTree *tree_made(CgroupFake *fake)
{
    g_autoptr(GError) error = NULL;
    CgroupTree *tree = cgroup_fake_tree(fake, "auto", &error);

    g_assert_no_error(error);
    return tree;
}

static void assert_written(CgroupFake *fake, const char *expected)
{
    g_autofree char *written = cgroup_fake_take(fake);

    g_assert_cmpstr(written, ==, expected);
}

#define BASE_CONTROL "cgroup.subtree_control="
#define TREE_CONTROL "tree/cgroup.subtree_control="

static void test_controllers(CgroupFake *fake, const void *unused)
{
    CgroupTree *tree = tree_made(fake);

    for (CgroupController i = 0; i < _CGROUP_CONTROLLER_MAX; i++) {
        g_assert_true(cgroup_tree_has(tree, i));
        g_assert_null(cgroup_tree_why_not(tree, i));
    }
    assert_written(fake, BASE_CONTROL "+memory\n" TREE_CONTROL "+memory\n" /* in this order */
                   BASE_CONTROL "+cpu\n" TREE_CONTROL "+cpu\n" BASE_CONTROL "+pids\n" TREE_CONTROL
                                      "+pids\n" BASE_CONTROL "+io\n" TREE_CONTROL "+io\n");
    cgroup_tree_free(tree);
    assert_written(fake, ""); /* nothing stood in the way, nothing has to be undone */
}

static void test_controllers_some(CgroupFake *fake, const void *unused)
{
    cgroup_fake_write(fake, "BASE/cgroup.controllers", "cpuset memory hugetlb\n");
    CgroupTree *tree = tree_made(fake);

    g_assert_true(cgroup_tree_has(tree, CGROUP_MEMORY));
    g_assert_false(cgroup_tree_has(tree, CGROUP_CPU)); /* cpuset is another one */
    g_assert_cmpstr(cgroup_tree_why_not(tree, CGROUP_IO), ==,
                    "the cgroup / has no io controller (see its cgroup.controllers)");
    assert_written(fake, BASE_CONTROL "+memory\n" TREE_CONTROL "+memory\n");
    cgroup_tree_free(tree);
}

static void test_controllers_refused(CgroupFake *fake, const void *unused)
{
    cgroup_fake_write(fake, "BASE/cgroup.controllers", "cpu memory\n");
    fake->fail_path = "cgroup.subtree_control";
    fake->fail_text = "+cpu";
    fake->fail_errno = EINVAL;
    CgroupTree *tree = tree_made(fake);

    g_assert_true(cgroup_tree_has(tree, CGROUP_MEMORY));
    g_assert_false(cgroup_tree_has(tree, CGROUP_CPU));
    g_assert_cmpstr(cgroup_tree_why_not(tree, CGROUP_CPU), ==,
                    "the cpu controller cannot be enabled in the cgroup /: Invalid argument");
    cgroup_tree_free(tree);

    fake->fail_path = "tree/cgroup.subtree_control";
    tree = tree_made(fake);
    g_assert_false(cgroup_tree_has(tree, CGROUP_CPU));
    g_assert_cmpstr(cgroup_tree_why_not(tree, CGROUP_CPU), ==,
                    "the cpu controller cannot be enabled in the cgroup /tree: Invalid argument");
    cgroup_tree_free(tree);
}

/* The daemon stands in its own way: it goes into a leaf, and comes back at the end. */
static void test_leaf(CgroupFake *fake, const void *unused)
{
    cgroup_fake_write(fake, "BASE/cgroup.controllers", "memory pids\n");
    cgroup_fake_write(fake, "BASE/cgroup.subtree_control", "pids\n");
    fake->fail_path = "cgroup.subtree_control";
    fake->fail_text = "+memory";
    fake->fail_errno = EBUSY;
    fake->fail_until = "tree/.daemon/cgroup.procs";
    CgroupTree *tree = tree_made(fake);

    g_assert_true(cgroup_tree_has(tree, CGROUP_MEMORY));
    g_assert_true(cgroup_tree_has(tree, CGROUP_PIDS));
    assert_written(fake, BASE_CONTROL "+memory !\n"
                                      "tree/.daemon/cgroup.procs=0\n" BASE_CONTROL
                                      "+memory\n" TREE_CONTROL "+memory\n" BASE_CONTROL
                                      "+pids\n" TREE_CONTROL "+pids\n");
    cgroup_tree_free(tree);
    /* What was enabled before stays so. */
    assert_written(fake, TREE_CONTROL "-memory\n" BASE_CONTROL "-memory\n" TREE_CONTROL "-pids\n"
                                      "cgroup.procs=0\n");
    g_assert_false(cgroup_fake_has(fake, "BASE/tree"));
}

/* Others are there too. */
static void test_busy(CgroupFake *fake, const void *unused)
{
    cgroup_fake_write(fake, "BASE/cgroup.controllers", "memory\n");
    fake->fail_path = "cgroup.subtree_control";
    fake->fail_text = "+memory";
    fake->fail_errno = EBUSY;
    CgroupTree *tree = tree_made(fake);

    g_assert_false(cgroup_tree_has(tree, CGROUP_MEMORY));
    g_assert_cmpstr(cgroup_tree_why_not(tree, CGROUP_MEMORY), ==,
                    "the memory controller cannot be enabled in the cgroup / while processes other "
                    "than the daemon are in it");
    assert_written(fake, BASE_CONTROL "+memory !\n"
                                      "tree/.daemon/cgroup.procs=0\n" BASE_CONTROL "+memory !\n");
    cgroup_tree_free(tree);
    assert_written(fake, "cgroup.procs=0\n");
    g_assert_false(cgroup_fake_has(fake, "BASE/tree"));
}

/* What a service has left keeps its limits. */
static void test_leaf_stays(CgroupFake *fake, const void *unused)
{
    fake->fail_path = "cgroup.subtree_control";
    fake->fail_text = "+memory";
    fake->fail_errno = EBUSY;
    fake->fail_until = "tree/.daemon/cgroup.procs";
    CgroupTree *tree = tree_made(fake);

    cgroup_fake_mkdir(fake, "BASE/tree/web.svc/below");
    g_free(cgroup_fake_take(fake));
    cgroup_tree_free(tree);
    assert_written(fake, "");
    g_assert_true(cgroup_fake_has(fake, "BASE/tree/web.svc"));
}

/* Limits */

#define WEB "tree/web.svc/"

static void test_limits(CgroupFake *fake, const void *unused)
{
    CgroupLimits limits = {1 << 20, 64, 200, 50}, none = {0};
    CgroupTree *tree = tree_made(fake);
    g_autoptr(GError) error = NULL;
    Cgroup *cgroup = cgroup_new(tree, "web", &error);

    g_assert_no_error(error);
    g_free(cgroup_fake_take(fake));
    g_assert_true(cgroup_set_limits(cgroup, &limits, &error));
    assert_written(fake, WEB "memory.max=1048576\n" WEB "pids.max=64\n" WEB "cpu.weight=200\n" WEB
                             "io.weight=default 50\n");
    g_assert_true(cgroup_set_limits(cgroup, &none, &error));
    assert_written(fake, WEB "memory.max=max\n" WEB "pids.max=max\n" WEB "cpu.weight=100\n" WEB
                             "io.weight=default 100\n");
    g_assert_true(cgroup_limits_are_equal(&limits, &(CgroupLimits){1 << 20, 64, 200, 50}));
    g_assert_false(cgroup_limits_are_equal(&limits, &(CgroupLimits){1 << 20, 64, 200, 51}));
    g_assert_false(cgroup_limits_are_equal(&limits, &none));

    fake->fail_path = WEB "memory.max";
    fake->fail_text = "1048576";
    fake->fail_errno = EINVAL;
    g_assert_false(cgroup_set_limits(cgroup, &limits, &error));
    g_assert_cmpstr(error->message, ==,
                    "cgroup.memory_max: cannot write \"1048576\" to /tree/web.svc/memory.max: "
                    "Invalid argument");
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

/* What was in force is so again. */
static void test_limits_put_back(CgroupFake *fake, const void *unused)
{
    CgroupLimits before = {.memory_max_bytes = 4096, .cpu_weight = 7}, after = {8192, 64, 200, 50};
    CgroupTree *tree = tree_made(fake);
    g_autoptr(GError) error = NULL;
    Cgroup *cgroup = cgroup_new(tree, "web", &error);

    g_assert_true(cgroup_set_limits(cgroup, &before, &error));
    g_free(cgroup_fake_take(fake));
    fake->fail_path = WEB "io.weight";
    fake->fail_text = "default 50";
    fake->fail_errno = EINVAL;
    for (unsigned i = 0; i < 2; i++) { /* once more: it has not been taken for set */
        g_assert_false(cgroup_set_limits(cgroup, &after, &error));
        g_assert_true(g_str_has_prefix(error->message, "cgroup.io_weight: cannot write "));
        g_clear_error(&error);
        assert_written(fake, WEB "memory.max=8192\n" WEB "pids.max=64\n" WEB "cpu.weight=200\n" WEB
                                 "io.weight=default 50 !\n" WEB "memory.max=4096\n" WEB
                                 "pids.max=max\n" WEB "cpu.weight=7\n");
    }
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

static unsigned n_blocking, n_opened;

static int openat_counted(int directory_fd, const char *path, int flags)
{
    if (g_str_has_suffix(path, "memory.max")) {
        n_opened++;
        n_blocking += (flags & O_NONBLOCK) == 0;
    }
    return sys_linux.openat(directory_fd, path, flags);
}

/* The kernel would reclaim what is above the limit before it lets us go on. */
static void test_limits_wait(CgroupFake *fake, const void *unused)
{
    CgroupLimits limits = {.memory_max_bytes = 4096};
    CgroupTree *tree = tree_made(fake);
    g_autoptr(GError) error = NULL;
    Cgroup *cgroup = cgroup_new(tree, "web", &error);

    n_blocking = n_opened = 0;
    fake->sys.openat = openat_counted;
    g_assert_true(cgroup_set_limits(cgroup, &limits, &error));
    g_assert_cmpuint(n_opened, ==, 1);
    g_assert_cmpuint(n_blocking, ==, 0);
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

/* A kernel with the io controller, but without what weighs it. */
static void test_limits_file(CgroupFake *fake, const void *unused)
{
    CgroupLimits limits = {.io_weight = 50}, none = {0};
    g_autoptr(GError) error = NULL;

    fake->files = "cgroup.procs cgroup.subtree_control memory.max pids.max cpu.weight";
    CgroupTree *tree = tree_made(fake);
    Cgroup *cgroup = cgroup_new(tree, "web", &error);
    g_assert_true(cgroup_set_limits(cgroup, &none, &error));
    g_assert_no_error(error);
    g_assert_false(cgroup_set_limits(cgroup, &limits, &error));
    g_assert_cmpstr(error->message, ==,
                    "cgroup.io_weight: cannot write \"default 50\" to /tree/web.svc/io.weight: No "
                    "such file or directory");
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

static void on_missing(const char *member, const char *reason, void *data)
{
    g_string_append_printf(data, "%s: %s\n", member, reason);
}

static void test_limits_missing(CgroupFake *fake, const void *unused)
{
    CgroupLimits limits = {1 << 20, 64, 0, 50};
    g_autoptr(GString) told = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    cgroup_fake_write(fake, "BASE/cgroup.controllers", "memory\n");
    CgroupTree *tree = tree_made(fake);
    Cgroup *cgroup = cgroup_new(tree, "web", &error);
    g_free(cgroup_fake_take(fake));
    cgroup_limits_check(&limits, tree, NULL, on_missing, told);
    g_assert_cmpstr(told->str, ==,
                    "pids_max: the cgroup / has no pids controller (see its cgroup.controllers)\n"
                    "io_weight: the cgroup / has no io controller (see its cgroup.controllers)\n");
    g_assert_false(cgroup_set_limits(cgroup, &limits, &error));
    g_assert_true(error_is(error, ERROR_NOT_SUPPORTED));
    g_assert_cmpstr(error->message, ==,
                    "cgroup.pids_max: the cgroup / has no pids controller (see its "
                    "cgroup.controllers)");
    assert_written(fake, ""); /* nothing is set then, not what could be either */
    g_string_truncate(told, 0);
    cgroup_limits_check(&(CgroupLimits){.cpu_weight = 1}, NULL, "there is none", on_missing, told);
    g_assert_cmpstr(told->str, ==, "cpu_weight: there is none\n");
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

static ssize_t write_half(int fd, const void *buffer, size_t size)
{
    return (ssize_t)size / 2;
}

static void test_limits_cut(CgroupFake *fake, const void *unused)
{
    CgroupLimits limits = {.memory_max_bytes = 1 << 20};
    CgroupTree *tree = tree_made(fake);
    Cgroup *cgroup = cgroup_new(tree, "web", NULL);
    g_autoptr(GError) error = NULL;

    fake->sys.write = write_half;
    g_assert_false(cgroup_set_limits(cgroup, &limits, &error));
    g_assert_true(g_str_has_suffix(error->message, "memory.max: Input/output error"));
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

/* Usage */

static void test_usage(CgroupFake *fake, const void *unused)
{
    CgroupTree *tree = tree_made(fake);
    Cgroup *cgroup = cgroup_new(tree, "web", NULL);
    CgroupUsage usage = {.cpu_usec = 7};

    cgroup_read_usage(cgroup, &usage);
    g_assert_false(usage.has_cpu || usage.has_memory || usage.has_memory_peak);
    g_assert_cmpuint(usage.n_tasks, ==, 0);
    g_assert_cmpuint(usage.cpu_usec, ==, 7);
    g_assert_cmpuint(cgroup_oom_kills(cgroup), ==, 0);
    cgroup_fake_write(fake, "BASE/" WEB "cpu.stat", "user_usec 1\nusage_usec 345\n");
    cgroup_fake_write(fake, "BASE/" WEB "memory.current", "4096\n");
    cgroup_fake_write(fake, "BASE/" WEB "memory.peak", "max\n");
    cgroup_fake_write(fake, "BASE/" WEB "cgroup.threads", "10\n11\n12\n");
    cgroup_fake_write(fake, "BASE/" WEB "memory.events", "oom 9\noom_kill 2\noom_group_kill 1\n");
    cgroup_read_usage(cgroup, &usage);
    g_assert_true(usage.has_cpu && usage.has_memory && usage.has_tasks);
    g_assert_false(usage.has_memory_peak);
    g_assert_cmpuint(usage.cpu_usec, ==, 345);
    g_assert_cmpuint(usage.memory_bytes, ==, 4096);
    g_assert_cmpuint(usage.n_tasks, ==, 3);
    g_assert_cmpuint(cgroup_oom_kills(cgroup), ==, 2);
    cgroup_fake_write(fake, "BASE/" WEB "pids.current", "5\n");
    cgroup_fake_write(fake, "BASE/" WEB "memory.peak", "8192\n");
    cgroup_read_usage(cgroup, &usage);
    g_assert_cmpuint(usage.n_tasks, ==, 5);
    g_assert_true(usage.has_memory_peak);
    g_assert_cmpuint(usage.memory_peak_bytes, ==, 8192);
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

/* Lists */

/* Numbers that stand on both sides of the border between two readings. */
static ssize_t read_little(int fd, void *buffer, size_t size)
{
    return sys_linux.read(fd, buffer, MIN(size, 3));
}

static void test_list_pieces(CgroupFake *fake, const void *unused)
{
    CgroupTree *tree = tree_made(fake);
    Cgroup *cgroup = cgroup_new(tree, "web", NULL);
    pid_t pids[8];

    fake->sys.read = read_little;
    cgroup_fake_write(fake, "BASE/" WEB "cgroup.procs", "1\n0\n99999\n4194303\n22\n");
    g_assert_cmpuint(cgroup_list(cgroup, pids, 8), ==, 4); /* 0: of another pid namespace */
    g_assert_cmpint(pids[0], ==, 1);
    g_assert_cmpint(pids[1], ==, 99999);
    g_assert_cmpint(pids[2], ==, 4194303);
    g_assert_cmpint(pids[3], ==, 22);
    cgroup_free(cgroup);
    cgroup_tree_free(tree);
}

#define ADD(path, data, func)                                                                      \
    g_test_add(path, CgroupFake, data, cgroup_fake_init, func, cgroup_fake_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(place_rows); i++) {
        g_autofree char *path = g_strconcat("/cgroup/place/", place_rows[i].name, NULL);

        ADD(path, &place_rows[i], test_place);
    }
    ADD("/cgroup/place/not-a-hierarchy", NULL, test_not_a_hierarchy);
    ADD("/cgroup/place/systemd", NULL, test_systemd);
    ADD("/cgroup/place/denied", NULL, test_denied);
    ADD("/cgroup/controllers/all", NULL, test_controllers);
    ADD("/cgroup/controllers/some", NULL, test_controllers_some);
    ADD("/cgroup/controllers/refused", NULL, test_controllers_refused);
    ADD("/cgroup/controllers/leaf", NULL, test_leaf);
    ADD("/cgroup/controllers/leaf-stays", NULL, test_leaf_stays);
    ADD("/cgroup/controllers/busy", NULL, test_busy);
    ADD("/cgroup/limits/written", NULL, test_limits);
    ADD("/cgroup/limits/put-back", NULL, test_limits_put_back);
    ADD("/cgroup/limits/wait", NULL, test_limits_wait);
    ADD("/cgroup/limits/cut", NULL, test_limits_cut);
    ADD("/cgroup/limits/file-missing", NULL, test_limits_file);
    ADD("/cgroup/limits/controller-missing", NULL, test_limits_missing);
    ADD("/cgroup/usage/files", NULL, test_usage);
    ADD("/cgroup/list/pieces", NULL, test_list_pieces);
    return g_test_run();
}
