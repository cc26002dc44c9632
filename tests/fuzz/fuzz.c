/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the targets share. */

#include "fuzz.h"

#include "base/fds.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *fuzz_root;
static GHashTable *fuzz_files; /* paths */

char *fuzz_string(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t length = end != NULL ? (size_t)(end - data) : size;
    char *string = g_malloc(length + 1);

    if (length > 0)
        memcpy(string, data, length);
    string[length] = '\0';
    return string;
}

static void fuzz_assert_text(const char *text, size_t max_bytes, bool many_lines)
{
    g_assert_nonnull(text);
    g_assert_cmpuint(strlen(text), >, 0);
    g_assert_cmpuint(strlen(text), <=, max_bytes);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        if (!many_lines || *text != '\n')
            g_assert_false(g_unichar_iscntrl(g_utf8_get_char(text)));
    }
}

void fuzz_assert_line(const char *text, size_t max_bytes)
{
    fuzz_assert_text(text, max_bytes, false);
}

void fuzz_assert_lines(const char *text, size_t max_bytes)
{
    fuzz_assert_text(text, max_bytes, true);
}

static void on_fuzz_exit(void)
{
    GHashTableIter iter;
    void *path;

    g_hash_table_iter_init(&iter, fuzz_files);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        (void)g_unlink(path); /* the directory says whether it went */
    (void)g_rmdir(fuzz_root);
    g_hash_table_unref(fuzz_files);
    g_free(fuzz_root);
}

const char *fuzz_directory(void)
{
    if (fuzz_root == NULL) {
        fuzz_root = g_dir_make_tmp("svcmgr-fuzz-XXXXXX", NULL);
        g_assert_nonnull(fuzz_root);
        fuzz_files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_assert_cmpint(atexit(on_fuzz_exit), ==, 0);
    }
    return fuzz_root;
}

const char *fuzz_write_file(const char *name, const void *data, size_t size)
{
    char *path = g_build_filename(fuzz_directory(), name, NULL);
    autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, data, size), ==, size);
    (void)g_hash_table_add(fuzz_files, path); /* the newest key stays */
    return path;
}
