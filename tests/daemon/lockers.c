/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lockers.h"

#include "base/fds.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

Lockers *lockers_new(const DaemonFixture *fixture)
{
    Lockers *lockers = g_new0(Lockers, 1);
    g_autofree char *life = NULL;

    lockers->folder = g_build_filename(fixture->root, "locks", NULL);
    lockers->program = g_build_filename(g_getenv("TEST_PROGRAMS"), "program-locker", NULL);
    life = g_build_filename(lockers->folder, "life", NULL);
    g_assert_cmpint(g_mkdir_with_parents(lockers->folder, 0700), ==, 0);
    g_assert_cmpint(mkfifo(life, 0600), ==, 0);
    lockers->life = open(life, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(lockers->life, >=, 0);
    return lockers;
}

void lockers_free(Lockers *lockers)
{
    lockers->life = fd_close(lockers->life);
    g_free(lockers->program);
    g_free(lockers->folder);
    g_free(lockers);
}

char *lockers_config(const Lockers *lockers, const char *words, unsigned tag, const char *members)
{
    return g_strdup_printf("{\"exec\": [\"%s\", \"%s\"%s], \"environment\": {\"TAG\": \"%u\", "
                           "\"FOLDER\": \"%s\"}%s}",
                           lockers->program, lockers->folder, words, tag, lockers->folder, members);
}

char *lockers_read(const Lockers *lockers, const char *id)
{
    g_autofree char *name = g_strconcat(id, ".lock", NULL);
    g_autofree char *path = g_build_filename(lockers->folder, name, NULL);
    autofd int fd = open(path, O_RDWR | O_CLOEXEC);
    char *text = NULL;

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

unsigned lockers_count(const Lockers *lockers)
{
    g_autofree char *variable = g_strconcat("FOLDER=", lockers->folder, NULL);
    GDir *directory = g_dir_open("/proc", 0, NULL);
    unsigned n = 0;

    for (const char *name; (name = g_dir_read_name(directory)) != NULL;) {
        g_autofree char *path = g_build_filename("/proc", name, "environ", NULL), *text = NULL;
        gsize length;

        if (!g_ascii_isdigit(*name) || !g_file_get_contents(path, &text, &length, NULL))
            continue;
        for (const char *at = text; at < text + length; at += strlen(at) + 1)
            n += g_str_equal(at, variable);
    }
    g_dir_close(directory);
    return n;
}

void lockers_check_single(const Lockers *lockers)
{
    g_autofree char *doubled = g_build_filename(lockers->folder, "doubled", NULL);

    g_assert_false(g_file_test(doubled, G_FILE_TEST_EXISTS));
}
