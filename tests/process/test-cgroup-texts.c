/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's texts of cgroups and mounts, and the names that services' cgroups have. */

#include "process/cgroup-internal.h"

#include <string.h>

typedef struct MountRow {
    const char *line;
    const char *root; /* NULL: no mount of a v2 hierarchy */
    const char *point;
    bool is_read_only;
} MountRow;

static const MountRow mount_rows[] = {
        {"41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw", "/", "/sys/fs/cgroup",
         false},
        {"41 31 0:38 /a /c rw shared:4 master:5 - cgroup2 none rw,nsdelegate", "/a", "/c", false},
        {"41 31 0:38 / /c ro,nosuid shared:4 - cgroup2 none rw", "/", "/c", true},
        {"41 31 0:38 / /c rw - cgroup2 none ro\n", "/", "/c", true},
        {"41 31 0:38 / /c rw,errors=ro - cgroup2 none rw", "/", "/c", false},
        {"41 31 0:38 /a\\040b /c\\134d\\011 rw - cgroup2 none rw", "/a b", "/c\\d\t", false},
        {"41 31 0:38 / /c rw - cgroup cgroup rw,memory", NULL, NULL, false},
        {"41 31 0:38 / /c rw - tmpfs cgroup2 rw", NULL, NULL, false},
        {"41 31 0:38 a /c rw - cgroup2 none rw", NULL, NULL, false},
        {"41 31 0:38 / c rw - cgroup2 none rw", NULL, NULL, false},
        {"41 31 0:38 / /c rw - cgroup2 none", NULL, NULL, false},
        {"41 31 0:38 / /c rw cgroup2 none rw", NULL, NULL, false},
        {"- cgroup2 none rw", NULL, NULL, false},
        {"", NULL, NULL, false},
};

static void test_mounts(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mount_rows); i++) {
        const MountRow *row = &mount_rows[i];
        CgroupMount mount = {NULL, NULL, false};

        g_test_message("%s", row->line);
        g_assert_true(cgroup_mount_parse(row->line, &mount) == (row->root != NULL));
        g_assert_cmpstr(mount.root, ==, row->root);
        g_assert_cmpstr(mount.point, ==, row->point);
        g_assert_true(mount.is_read_only == row->is_read_only);
        cgroup_mount_clear(&mount);
    }
}

/* Both ways. */
static const struct {
    const char *root, *point;
    const char *path, *directory; /* one of them NULL: the other is not shown */
} shown_rows[] = {
        {"/", "/c", "/", "/c"},        {"/", "/c", "/a/b", "/c/a/b"}, {"/a", "/c", "/a", "/c"},
        {"/a", "/c", "/a/b", "/c/b"},  {"/", "/", "/a", "/a"},        {"/", "/", "/", "/"},
        {"/a", "/c", "/ab", NULL},     {"/a", "/c", "/", NULL},       {"/", "/c", "/../a", NULL},
        {"/", "/c", "/a/..", NULL},    {"/", "/c", NULL, "/cd"},      {"/", "/c", NULL, "/d"},
        {"/../a", "/c", NULL, "/c/b"}, {"/..", "/c", NULL, "/c"},
};

static void test_shown(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shown_rows); i++) {
        CgroupMount mount = {g_strdup(shown_rows[i].root), g_strdup(shown_rows[i].point), false};

        g_test_message("row %zu", i);
        if (shown_rows[i].path != NULL) {
            g_autofree char *directory = cgroup_mount_directory(&mount, shown_rows[i].path);
            g_assert_cmpstr(directory, ==, shown_rows[i].directory);
        }
        if (shown_rows[i].directory != NULL) {
            g_autofree char *path = cgroup_mount_path(&mount, shown_rows[i].directory);
            g_assert_cmpstr(path, ==, shown_rows[i].path);
        }
        cgroup_mount_clear(&mount);
    }
}

static void test_paths(void)
{
    static const char *const rows[][2] = {
            {"0::/\n", "/"},
            {"9:name=systemd:/x\n4:memory:/y\n0::/a:b/0::c\n", "/a:b/0::c"},
            {"0::/a b\n1:x:/\n", "/a b"},
            {"0::/a (deleted)\n", NULL},
            {"10::/a\n", NULL},
            {"4:memory:0::/a\n", NULL},
            {"0::a\n", NULL},
            {"0::/a", NULL}, /* cut off */
            {"", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = cgroup_path_parse(rows[i][0]);

        g_test_message("%s", rows[i][0]);
        g_assert_cmpstr(path, ==, rows[i][1]);
    }
}

static void test_stat(void)
{
    static const struct {
        const char *text, *key;
        bool ok;
        uint64_t value;
    } rows[] = {
            {"populated 0\nfrozen 1\n", "frozen", true, 1},
            {"populated 1\nfrozen 0\n", "populated", true, 1},
            {"oom_kill_x 1\noom_kill 18446744073709551615\n", "oom_kill", true, UINT64_MAX},
            {"oom_kill 18446744073709551616\n", "oom_kill", false, 0},
            {"a 7", "a", true, 7},
            {"xa 7\n", "a", false, 0},
            {"a -7\n", "a", false, 0},
            {"a 7 8\n", "a", false, 0},
            {"a \n", "a", false, 0},
            {"a", "a", false, 0},
            {"", "a", false, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t value = 0;

        g_test_message("%s", rows[i].text);
        g_assert_true(cgroup_stat_parse(rows[i].text, rows[i].key, &value) == rows[i].ok);
        g_assert_cmpuint(value, ==, rows[i].value);
    }
}

static char *repeat(char letter, size_t n)
{
    char *text = g_malloc(n + 1);

    memset(text, letter, n);
    text[n] = '\0';
    return text;
}

static void test_names(void)
{
    static const char *const rows[][2] = {
            {"web", "web.svc"},
            {"web.svc", "web.svc.svc"},
            {"a@b:c-d_e.9", "a@b:c-d_e.9.svc"},
            {".daemon", "%2Edaemon.svc"},
            {"a/b", "a%2Fb.svc"},
            {"a\nb", "a%0Ab.svc"},
            {"a%2Fb", "a%252Fb.svc"},
            {"\xc3\xa4", "%C3%A4.svc"},
    };
    g_autofree char *fits = repeat('a', CGROUP_NAME_MAX - strlen(".svc%1"));
    g_autofree char *whole = g_strconcat(fits, ".svc", NULL);
    g_autofree char *name = cgroup_name_from_id(fits);

    g_assert_cmpstr(name, ==, whole);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *of_row = cgroup_name_from_id(rows[i][0]);

        g_assert_cmpstr(of_row, ==, rows[i][1]);
    }
}

/* As long as ids may be, and different only at the end. */
static void test_long_names(void)
{
    g_autofree char *one = repeat('a', 255);
    g_autofree char *other = repeat('a', 255);
    g_autofree char *shorter = repeat('a', 254);

    other[254] = 'b';
    char *names[] = {cgroup_name_from_id(one), cgroup_name_from_id(other),
                     cgroup_name_from_id(shorter)};
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(strlen(names[i]), ==, CGROUP_NAME_MAX - strlen("%1"));
        g_assert_true(g_str_has_prefix(names[i], "aaaaaaaa"));
        g_assert_true(g_str_has_suffix(names[i], ".svc"));
        g_assert_cmpstr(names[i], !=, names[(i + 1) % 3]);
    }
    /* Nor is it what the name of another id could be. */
    g_autofree char *itself = g_strndup(names[0], strlen(names[0]) - strlen(".svc"));
    g_autofree char *of_itself = cgroup_name_from_id(itself);
    g_assert_cmpstr(of_itself, !=, names[0]);
    for (unsigned i = 0; i < 3; i++)
        g_clear_pointer(&names[i], g_free);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cgroup/texts/mounts", test_mounts);
    g_test_add_func("/cgroup/texts/shown", test_shown);
    g_test_add_func("/cgroup/texts/paths", test_paths);
    g_test_add_func("/cgroup/texts/stat", test_stat);
    g_test_add_func("/cgroup/names/readable", test_names);
    g_test_add_func("/cgroup/names/long", test_long_names);
    return g_test_run();
}
