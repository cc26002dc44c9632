/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guardian is forked early, and keeps nothing of its parent open but what tells it that the
 * time has come: a word, or the end of the test. */

#include "support/cgroup-base.h"

#include "base/fds.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP_BASE_PATIENCE_MSEC 20000

/* The guardian */

static int on_cgroup_base_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *where)
{
    if (type == FTW_DP)
        (void)rmdir(path); /* whether the base went tells it */
    return 0;
}

static void cgroup_base_kill(const char *path)
{
    g_autofree char *file = g_build_filename(path, "cgroup.kill", NULL);
    autofd int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "1", 1); /* whether it got empty tells it */
}

static void cgroup_base_await_empty(const char *path)
{
    g_autofree char *file = g_build_filename(path, "cgroup.events", NULL);
    struct pollfd change = {.fd = open(file, O_RDONLY | O_CLOEXEC), .events = POLLPRI};
    char text[256];

    for (ssize_t n; (n = pread(change.fd, text, sizeof(text) - 1, 0)) > 0;) {
        text[n] = '\0';
        if (strstr(text, "populated 0") != NULL || poll(&change, 1, CGROUP_BASE_PATIENCE_MSEC) != 1)
            return;
    }
}

static void cgroup_base_guard(const char *path, int word_fd, int test_fd)
{
    struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = STDOUT_FILENO, .events = POLLIN}};

    (void)setsid(); /* who ends the test by its terminal does not end us */
    if (dup2(word_fd, STDIN_FILENO) < 0 || dup2(test_fd, STDOUT_FILENO) < 0)
        _exit(2);
    (void)syscall(SYS_close_range, 3U, ~0U, 0U); /* nobody shall wait for what we hold */
    (void)poll(ends, G_N_ELEMENTS(ends), -1);
    cgroup_base_kill(path);
    cgroup_base_await_empty(path);
    (void)nftw(path, on_cgroup_base_remove, 16, FTW_DEPTH | FTW_PHYS);
    _exit(access(path, F_OK) < 0 ? 0 : 1);
}

static void cgroup_base_start_guardian(CgroupBase *base)
{
    int test_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int fds[2];

    g_assert_cmpint(test_fd, >=, 0);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    base->guardian = fork();
    g_assert_cmpint(base->guardian, >=, 0);
    if (base->guardian == 0)
        cgroup_base_guard(base->path, fds[0], test_fd);
    (void)fd_close(test_fd); /* -1 */
    (void)fd_close(fds[0]);  /* -1 */
    base->guardian_fd = fds[1];
}

/* The directory */

/* Where this process is in the hierarchy; NULL. */
static char *cgroup_base_find_place(void)
{
    g_autoptr(GRegex) mount = g_regex_new("(?m)^\\S+ \\S+ \\S+ / (\\S+) .* - cgroup2 ", 0, 0, NULL);
    g_autoptr(GRegex) place = g_regex_new("(?m)^0::(/.*)$", 0, 0, NULL);
    g_autoptr(GMatchInfo) mounted = NULL, placed = NULL;
    g_autofree char *mounts = NULL, *own = NULL;

    if (!g_file_get_contents("/proc/self/mountinfo", &mounts, NULL, NULL) ||
        !g_file_get_contents("/proc/self/cgroup", &own, NULL, NULL) ||
        !g_regex_match(mount, mounts, 0, &mounted) || !g_regex_match(place, own, 0, &placed))
        return NULL;

    g_autofree char *point = g_match_info_fetch(mounted, 1);
    g_autofree char *path = g_match_info_fetch(placed, 1);
    return g_build_filename(point, path, NULL);
}

bool cgroup_base_open(CgroupBase *base)
{
    g_autofree char *place = cgroup_base_find_place();

    g_assert_null(base->path);
    if (place == NULL)
        return false;
    base->path = g_strdup_printf("%s/svcmgr-test-%d-%u", place, (int)getpid(), g_random_int());
    if (mkdir(base->path, 0755) < 0) {
        g_clear_pointer(&base->path, g_free);
        return false;
    }
    cgroup_base_start_guardian(base);
    return true;
}

void cgroup_base_close(CgroupBase *base)
{
    int status;

    if (base->path == NULL)
        return;
    g_assert_cmpint(write(base->guardian_fd, "", 1), ==, 1);
    g_assert_cmpint(waitpid(base->guardian, &status, 0), ==, base->guardian);
    g_assert_cmpint(status, ==, 0);
    base->guardian_fd = fd_close(base->guardian_fd);
    base->guardian = 0;
    g_clear_pointer(&base->path, g_free);
}

static void cgroup_base_collect(const CgroupBase *base, const char *below, GPtrArray *paths)
{
    g_autofree char *path = g_build_filename(base->path, below, NULL);
    GDir *directory = g_dir_open(path, 0, NULL);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (!g_file_test(child, G_FILE_TEST_IS_DIR))
            continue;
        g_ptr_array_add(paths, g_strconcat(below, *below != '\0' ? "/" : "", name, NULL));
        cgroup_base_collect(base, paths->pdata[paths->len - 1], paths);
    }
    g_clear_pointer(&directory, g_dir_close);
}

static int on_cgroup_base_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *cgroup_base_list(const CgroupBase *base)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

    cgroup_base_collect(base, "", paths);
    g_ptr_array_sort(paths, on_cgroup_base_order);
    return paths;
}
