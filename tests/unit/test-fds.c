/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing descriptors once, and reading files of every unpleasant sort. */

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Fixture {
    char *directory;
    int fd;
} Fixture;

static void fixture_set_up(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;

    fixture->directory = g_dir_make_tmp("svcmgr-fds-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->fd = open(fixture->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(fixture->fd, >=, 0);
}

static void fixture_tear_down(Fixture *fixture, const void *unused)
{
    g_autoptr(GDir) directory = g_dir_open(fixture->directory, 0, NULL);

    for (const char *name; (name = g_dir_read_name(directory)) != NULL;)
        g_assert_cmpint(unlinkat(fixture->fd, name, 0), ==, 0);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    fixture->fd = fd_close(fixture->fd);
    g_free(fixture->directory);
}

static void fixture_write(Fixture *fixture, const char *name, const char *bytes, size_t length)
{
    autofd int fd = openat(fixture->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(write(fd, bytes, length), ==, length);
}

/* The message of the failure; asserts that it fails with code and leaves the results alone. */
static char *fixture_fail(Fixture *fixture, const char *name, size_t max_bytes, ErrorCode code)
{
    g_autoptr(GError) error = NULL;
    char *text = (char *)"untouched";
    size_t length = 77;

    g_assert_false(file_read(fixture->fd, name, max_bytes, &text, &length, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)code);
    g_assert_cmpstr(text, ==, "untouched");
    g_assert_cmpuint(length, ==, 77);
    return g_strdup(error->message);
}

static void test_fds_close(void)
{
    int before = fd_count_open();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(before, >, 0);
    g_assert_cmpint(fd_count_open(), ==, before + 1);
    errno = ENOTTY;
    fd = fd_close(fd);
    g_assert_cmpint(errno, ==, ENOTTY);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(fd_count_open(), ==, before);
    g_assert_cmpint(fd_close(-1), ==, -1);
}

static void test_fds_close_twice(void)
{
    if (g_test_subprocess()) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void)fd_close(fd);
        (void)fd_close(fd);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*EBADF*");
}

static void test_fds_automatic(void)
{
    int before = fd_count_open();
    int kept;

    {
        autofd int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
        autofd int stolen = open("/dev/null", O_RDONLY | O_CLOEXEC);

        g_assert_cmpint(closed, >=, 0);
        kept = fd_steal(&stolen);
        g_assert_cmpint(stolen, ==, -1);
    }
    g_assert_cmpint(fd_count_open(), ==, before + 1);
    (void)fd_close(kept);
    g_assert_cmpint(fd_count_open(), ==, before);
}

static void test_file_read_whole(Fixture *fixture, const void *unused)
{
    static const struct {
        const char *bytes;
        size_t length, max_bytes;
    } cases[] = {{"", 0, 0}, {"", 0, 10}, {"hello", 5, 5}, {"hello", 5, SIZE_MAX}, {"a\0b", 3, 3}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = g_strdup_printf("case-%zu", i);
        g_autofree char *text = NULL;
        size_t length = 77;

        fixture_write(fixture, name, cases[i].bytes, cases[i].length);
        g_assert_true(file_read(fixture->fd, name, cases[i].max_bytes, &text, &length, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(text, length, cases[i].bytes, cases[i].length);
        g_assert_cmpint(text[length], ==, '\0');
    }
}

static void test_file_read_large(Fixture *fixture, const void *unused)
{
    const size_t size = 200000; /* several chunks */
    g_autofree char *bytes = g_malloc(size);
    g_autofree char *text = NULL;
    size_t length;

    memset(bytes, 'x', size);
    fixture_write(fixture, "large", bytes, size);
    g_assert_true(file_read(fixture->fd, "large", size, &text, &length, NULL));
    g_assert_cmpmem(text, length, bytes, size);

    g_autofree char *message = fixture_fail(fixture, "large", size - 1, ERROR_LIMIT_EXCEEDED);
    g_assert_cmpstr(message, ==, "large is larger than 199999 bytes");
}

/* /proc says size 0 of files that have content: the limit must hold for what is read. */
static void test_file_read_without_size(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    g_assert_true(file_read(AT_FDCWD, "/proc/self/status", 65536, &text, NULL, &error));
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "Pid:"));
    g_assert_false(file_read(AT_FDCWD, "/proc/self/status", 10, &text, NULL, &error));
    g_assert_true(error_is(error, ERROR_LIMIT_EXCEEDED));
}

static void test_file_read_refused(Fixture *fixture, const void *unused)
{
    int before = fd_count_open();

    g_autofree char *missing = fixture_fail(fixture, "missing", 10, ERROR_NOT_FOUND);
    g_autofree char *expected = g_strdup_printf("cannot open missing: %s", g_strerror(ENOENT));
    g_assert_cmpstr(missing, ==, expected);

    g_assert_cmpint(mkfifoat(fixture->fd, "fifo", 0600), ==, 0);
    g_autofree char *fifo = fixture_fail(fixture, "fifo", 10, ERROR_FAILED);
    g_assert_cmpstr(fifo, ==, "fifo is not a regular file");

    g_autofree char *folder = fixture_fail(fixture, ".", 10, ERROR_FAILED);
    g_assert_cmpstr(folder, ==, ". is not a regular file");

    g_autofree char *device = fixture_fail(fixture, "/dev/zero", 10, ERROR_FAILED);
    g_assert_cmpstr(device, ==, "/dev/zero is not a regular file");
    g_assert_cmpint(fd_count_open(), ==, before);
}

typedef struct TrustRow {
    mode_t mode;
    uid_t owner;
    uint32_t uid;
    const char *expected; /* of the message, after the path; NULL: trusted */
} TrustRow;

static const TrustRow trust_rows[] = {
        {0644, 0, 0, NULL},
        {0755, 0, 7, NULL},
        {0600, 7, 7, NULL},
        {01755, 0, 0, NULL},
        {0664, 0, 0,
         " can be written by others than its owner (mode 0664): change it with chmod go-w"},
        {0602, 0, 0,
         " can be written by others than its owner (mode 0602): change it with chmod go-w"},
        {01777, 7, 7,
         " can be written by others than its owner (mode 1777): change it with chmod go-w"},
        {0600, 7, 0, " belongs to user 7 and must belong to root: change it with chown"},
        {0600, 7, 8, " belongs to user 7 and must belong to root or user 8: change it with chown"},
};

static void trust_check(int fd, const char *name, const TrustRow *row)
{
    g_autofree char *expected = g_strconcat(name, row->expected, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(fchown(fd, row->owner, (gid_t)-1), ==, 0);
    g_assert_cmpint(fchmod(fd, row->mode), ==, 0);
    g_assert_cmpint(file_check_trusted(fd, name, row->uid, &error), ==, row->expected == NULL);
    if (row->expected == NULL) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_ACCESS_DENIED);
    g_assert_cmpstr(error->message, ==, expected);
}

/* A file and a directory alike. */
static void test_trusted_rows(Fixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root may give files away");
        return;
    }
    fixture_write(fixture, "file", "", 0);
    autofd int fd = openat(fixture->fd, "file", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < G_N_ELEMENTS(trust_rows); i++) {
        trust_check(fd, "file", &trust_rows[i]);
        trust_check(fixture->fd, "folder", &trust_rows[i]);
    }
    trust_check(fixture->fd, "folder", &(TrustRow){.mode = 0700});
}

/* What is read is what was checked: the target of a link, whoever made the link. */
static void test_trusted_read(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    fixture_write(fixture, "file", "hello", 5);
    g_assert_cmpint(symlinkat("file", fixture->fd, "link"), ==, 0);
    g_autofree char *link = g_build_filename(fixture->directory, "link", NULL);
    g_assert_true(file_read_trusted(link, 10, geteuid(), &text, NULL, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "hello");

    g_assert_cmpint(fchmodat(fixture->fd, "file", 0620, 0), ==, 0);
    g_clear_pointer(&text, g_free);
    g_assert_false(file_read_trusted(link, 10, geteuid(), &text, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_ACCESS_DENIED);
    g_assert_null(text);
}

static void test_trusted_type(void)
{
    autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(GError) error = NULL;

    g_assert_false(file_check_trusted(fd, "/dev/null", 0, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_ACCESS_DENIED);
    g_assert_cmpstr(error->message, ==, "/dev/null is neither a regular file nor a directory");
}

/* The way */

typedef struct WayRow {
    const char *path; /* below the fixture's directory */
    const char *name; /* below it: what is changed; its owner is uid 7 where mode is 0 */
    mode_t mode;
    const char *expected; /* what is said of name; NULL: trusted */
} WayRow;

#define WAY_OPEN " can be written by others than its owner (mode 0777): change it with chmod go-w"
#define WAY_FOREIGN " belongs to user 7 and must belong to root: change it with chown"

/* a/b/file, a/link -> b, far -> ../NAME/a/link, chain -> far/../link, loop -> loop */
static const WayRow way_rows[] = {
        {"a/b/file", NULL, 0, NULL},
        {"a/b/file", "a", 0777, WAY_OPEN},
        {"a/b/file", "a/b", 0777, WAY_OPEN},
        {"a/b/file", "a", 01777, NULL},
        {"a/b/file", "a", 0, WAY_FOREIGN},
        {"a/b/../../a//./b/file", "a/b", 0777, WAY_OPEN},
        {"a/b/..", "a", 0777, WAY_OPEN},
        {"far/file", NULL, 0, NULL},
        {"far/file", "a", 0777, WAY_OPEN},
        {"far/file", "far", 0, WAY_FOREIGN},
        {"far/file", "a/link", 0, WAY_FOREIGN},
        {"chain/file", "a/b", 0777, WAY_OPEN},
        {"chain/file", "a/link", 0, WAY_FOREIGN},
        {"a/b/file", "a/link", 0, NULL},
};

static void way_change(const Fixture *fixture, const WayRow *row)
{
    if (row->name != NULL && row->mode != 0)
        g_assert_cmpint(fchmodat(fixture->fd, row->name, row->mode, 0), ==, 0);
    else if (row->name != NULL)
        g_assert_cmpint(fchownat(fixture->fd, row->name, 7, 7, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static void way_restore(const Fixture *fixture, const WayRow *row)
{
    if (row->name != NULL)
        g_assert_cmpint(fchownat(fixture->fd, row->name, 0, 0, AT_SYMLINK_NOFOLLOW), ==, 0);
    if (row->mode != 0)
        g_assert_cmpint(fchmodat(fixture->fd, row->name, 0755, 0), ==, 0);
}

static void way_check(const Fixture *fixture, const WayRow *row)
{
    g_autofree char *path = g_build_filename(fixture->directory, row->path, NULL);
    g_autofree char *expected = g_strdup_printf("the way to %s is not to be trusted: %s/%s%s", path,
                                                fixture->directory, row->name, row->expected);
    g_autoptr(GError) error = NULL;

    way_change(fixture, row);
    bool trusted = file_check_way_trusted(path, 0, &error);
    way_restore(fixture, row);
    g_assert_cmpint(trusted, ==, row->expected == NULL);
    if (trusted)
        return;
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_ACCESS_DENIED);
    g_assert_cmpstr(error->message, ==, expected);
}

static void way_build(Fixture *fixture)
{
    g_autofree char *base = g_path_get_basename(fixture->directory);
    g_autofree char *far = g_strdup_printf("../%s/a/link", base);
    g_autofree char *chain = g_build_filename(fixture->directory, "far/../link", NULL);

    g_assert_cmpint(mkdirat(fixture->fd, "a", 0755), ==, 0);
    g_assert_cmpint(mkdirat(fixture->fd, "a/b", 0755), ==, 0);
    fixture_write(fixture, "a/b/file", "hello", 5);
    g_assert_cmpint(symlinkat("b", fixture->fd, "a/link"), ==, 0);
    g_assert_cmpint(symlinkat(far, fixture->fd, "far"), ==, 0);
    g_assert_cmpint(symlinkat(chain, fixture->fd, "chain"), ==, 0);
    g_assert_cmpint(symlinkat("loop", fixture->fd, "loop"), ==, 0);
}

static void way_remove(const Fixture *fixture)
{
    g_assert_cmpint(unlinkat(fixture->fd, "a/b/file", 0), ==, 0);
    g_assert_cmpint(unlinkat(fixture->fd, "a/link", 0), ==, 0);
    g_assert_cmpint(unlinkat(fixture->fd, "a/b", AT_REMOVEDIR), ==, 0);
    g_assert_cmpint(unlinkat(fixture->fd, "a", AT_REMOVEDIR), ==, 0);
}

static void test_trusted_way(Fixture *fixture, const void *unused)
{
    g_autofree char *file = g_build_filename(fixture->directory, "a/b/file", NULL);
    g_autofree char *loop = g_build_filename(fixture->directory, "loop", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (geteuid() != 0) {
        g_test_skip("only root may give files away");
        return;
    }
    way_build(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(way_rows); i++)
        way_check(fixture, &way_rows[i]);
    g_assert_false(file_check_way_trusted(loop, 0, &error));
    g_assert_true(g_str_has_suffix(error->message, g_strerror(ELOOP)));
    g_clear_error(&error);

    g_assert_cmpint(fchmodat(fixture->fd, "a", 0777, 0), ==, 0);
    g_assert_false(file_read_trusted(file, 10, 0, &text, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_ACCESS_DENIED);
    way_remove(fixture);
}

static void file_read_add(const char *path, void (*func)(Fixture *, const void *))
{
    g_test_add(path, Fixture, NULL, fixture_set_up, func, fixture_tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fds/close", test_fds_close);
    g_test_add_func("/fds/close-twice", test_fds_close_twice);
    g_test_add_func("/fds/automatic", test_fds_automatic);
    file_read_add("/file-read/whole", test_file_read_whole);
    file_read_add("/file-read/large", test_file_read_large);
    g_test_add_func("/file-read/without-size", test_file_read_without_size);
    file_read_add("/file-read/refused", test_file_read_refused);
    file_read_add("/trusted/rows", test_trusted_rows);
    file_read_add("/trusted/read", test_trusted_read);
    file_read_add("/trusted/way", test_trusted_way);
    g_test_add_func("/trusted/type", test_trusted_type);
    return g_test_run();
}
