/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that people write, where reading them does not go as it should: a byte at a time, an
 * error in the middle, a signal, no descriptor left. The linker puts the functions here in the
 * place of those of libc (--wrap), since such files do not go through the table of system calls. */

#include "process/environment.h"
#include "store/definitions.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define WHOLE SIZE_MAX

/* What happens to the calls that file_read makes. */
static struct {
    size_t most_bytes; /* that a read brings */
    unsigned nth;      /* read that fails; 0: none */
    int read_errno;
    int open_errno; /* 0: it succeeds */
    unsigned n_reads;
} disk = {.most_bytes = WHOLE};

ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
int __real_openat64(int directory_fd, const char *path, int flags, ...);
int __wrap_openat64(int directory_fd, const char *path, int flags, ...);

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
    if (++disk.n_reads == disk.nth) {
        errno = disk.read_errno;
        return -1;
    }
    return __real_read(fd, buffer, MIN(size, disk.most_bytes));
}

/* None of the calls here creates a file. */
int __wrap_openat64(int directory_fd, const char *path, int flags, ...)
{
    if (disk.open_errno == 0)
        return __real_openat64(directory_fd, path, flags);
    errno = disk.open_errno;
    return -1;
}

static void disk_mend(void)
{
    disk.most_bytes = WHOLE;
    disk.nth = 0;
    disk.open_errno = 0;
    disk.n_reads = 0;
}

static const int open_errnos[] = {EMFILE, ENFILE, ENOMEM, EACCES, EIO};
static const int read_errnos[] = {EIO, ENOMEM};

typedef struct Folder {
    char *directory;
    char *path; /* of the file in it */
} Folder;

#define ENVIRONMENT_TEXT "ONE=1\n# a comment\nTWO='2 3'\n"
#define DEFINITION_TEXT "{\"kind\": \"process\", \"config\": {\"exec\": [\"/bin/true\"]}}\n"

static void folder_init(Folder *folder, const void *text)
{
    g_autoptr(GError) error = NULL;

    disk_mend();
    folder->directory = g_dir_make_tmp("svcmgr-test-XXXXXX", &error);
    g_assert_no_error(error);
    folder->path = g_build_filename(folder->directory, "file.json", NULL);
    g_assert_true(g_file_set_contents(folder->path, text, -1, &error));
}

static void folder_done(Folder *folder, const void *text)
{
    disk_mend();
    g_assert_cmpint(g_unlink(folder->path), ==, 0);
    g_assert_cmpint(g_rmdir(folder->directory), ==, 0);
    g_free(folder->directory);
    g_free(folder->path);
}

static void assert_names(const GError *error, const char *path, int errno_value)
{
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, g_strerror(errno_value)));
}

/* Environment files */

static void assert_environment(const Folder *folder)
{
    g_autoptr(Environment) environment = environment_new();
    g_autoptr(GError) error = NULL;

    (void)environment_add_file(environment, folder->path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(environment_get(environment, "ONE"), ==, "1");
    g_assert_cmpstr(environment_get(environment, "TWO"), ==, "2 3");
}

static void assert_no_environment(const Folder *folder, int errno_value)
{
    g_autoptr(Environment) environment = environment_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(environment_add_file(environment, folder->path, &error));
    assert_names(error, folder->path, errno_value);
    g_assert_null(environment_get(environment, "ONE"));
}

static void test_environment(Folder *folder, const void *text)
{
    unsigned n_reads;

    disk.most_bytes = 1;
    assert_environment(folder);
    n_reads = disk.n_reads;
    g_assert_cmpuint(n_reads, >, strlen(ENVIRONMENT_TEXT));
    for (disk.nth = 1; disk.nth <= n_reads; disk.nth++) {
        disk.n_reads = 0;
        disk.read_errno = EINTR;
        assert_environment(folder);
        g_assert_cmpuint(disk.n_reads, ==, n_reads + 1);
        for (unsigned i = 0; i < G_N_ELEMENTS(read_errnos); i++) {
            disk.n_reads = 0;
            disk.read_errno = read_errnos[i];
            assert_no_environment(folder, read_errnos[i]);
        }
    }
    disk_mend();
    for (unsigned i = 0; i < G_N_ELEMENTS(open_errnos); i++) {
        disk.open_errno = open_errnos[i];
        assert_no_environment(folder, open_errnos[i]);
    }
    disk_mend();
    assert_environment(folder);
}

/* Definitions: what cannot be read is there, and says why. */

static void assert_definition(const Folder *folder, int errno_value)
{
    const DefinitionDirectory directory = {.path = folder->directory};
    const DefinitionsOptions options = {.directories = &directory, .n_directories = 1};
    g_autoptr(GError) error = NULL;
    g_autoptr(Definitions) definitions = definitions_load(&options, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(definitions->list->len, ==, 1);
    const Definition *definition = definitions->list->pdata[0];
    g_assert_cmpstr(definition->id, ==, "file");
    if (errno_value != 0) {
        assert_names(definition->error, folder->path, errno_value);
        return;
    }
    g_assert_no_error(definition->error);
    g_assert_cmpstr(definition->kind, ==, "process");
    g_assert_nonnull(definition->config);
}

static void test_definition(Folder *folder, const void *text)
{
    unsigned n_reads;

    disk.most_bytes = 1;
    assert_definition(folder, 0);
    n_reads = disk.n_reads;
    g_assert_cmpuint(n_reads, >, strlen(DEFINITION_TEXT));
    for (disk.nth = 1; disk.nth <= n_reads; disk.nth++) {
        disk.n_reads = 0;
        disk.read_errno = EINTR;
        assert_definition(folder, 0);
        disk.n_reads = 0;
        disk.read_errno = EIO;
        assert_definition(folder, EIO);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/inject-files/environment", Folder, ENVIRONMENT_TEXT, folder_init, test_environment,
               folder_done);
    g_test_add("/inject-files/definition", Folder, DEFINITION_TEXT, folder_init, test_definition,
               folder_done);
    return g_test_run();
}
