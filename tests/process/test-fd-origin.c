/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be kept of what programs give: nothing here is ever mounted, the daemon is only told
 * that it was. */

#include "process/fd-origin.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process-fixture.h"
#include "process/fd-store.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MOUNTINFO_PATH "/proc/self/mountinfo"
#define FDINFO_PREFIX "/proc/self/fdinfo/"
#define STORE_MAX 32
#define UNKNOWN "it is of a file system that is not known here"

/* The texts */

static const char mountinfo[] =
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
        "36 27 98:0 /mnt1 /a\\040-\\040b rw,noatime master:1 propagate_from:2 - nfs4 h:/x rw\n"
        "37 27 0:40 / /remote rw,nosuid - fuse.sshfs me@h:/ - rw,user_id=0\n"
        "236 27 0:41 / /other rw - fuse.a\033b?c-123456789012345678901234567890 x rw\n"
        "41 27 0:42 / /broken rw ext4 x rw\n"
        "42 27 0:43 / /shared rw - 9p x rw\n"
        "-43 27 0:44 / /negative rw - tmpfs x rw\n"
        "99999999999999999999 27 0:45 / /large rw - tmpfs x rw\n"
        "45x 27 0:45 / /no-number rw - tmpfs x rw\n"
        "44 27 0:46 / /cut rw - tmpfs";

static void test_mountinfo(void)
{
    static const struct {
        int mount_id;
        const char *type; /* NULL: it is not there */
    } rows[] = {
            {22, "proc"},
            {27, "ext4"},
            {36, "nfs4"},
            {37, "fuse.sshfs"},
            {236, "fuse.a?b?c-12345678901234567890"},
            {41, NULL}, /* whatever the next line says */
            {42, "9p"},
            {2, NULL},
            {43, NULL},
            {44, NULL},
            {45, NULL},
            {0, NULL},
            {-1, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        char type[FD_ORIGIN_TYPE_BYTES] = "untouched";

        g_test_message("%d", rows[i].mount_id);
        g_assert_cmpint(fd_origin_parse_mountinfo(mountinfo, rows[i].mount_id, type), ==,
                        rows[i].type != NULL);
        g_assert_cmpstr(type, ==, rows[i].type != NULL ? rows[i].type : "untouched");
    }
}

static void test_fdinfo(void)
{
    static const struct {
        const char *text;
        int mount_id; /* -1: it says none */
    } rows[] = {
            {"pos:\t0\nflags:\t0100002\nmnt_id:\t27\nino:\t5\n", 27},
            {"mnt_id:\t0\n", 0},
            {"pos:\t0\nmnt_id: 15", 15},
            {"", -1},
            {"pos:\t0\nflags:\t0100002\n", -1},
            {"pos:\t0\nxmnt_id:\t27\n", -1},
            {"mnt_id:\t-2\n", -1},
            {"mnt_id:\tx\nino:\t5\n", -1},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int mount_id = -1;

        g_assert_cmpint(fd_origin_parse_fdinfo(rows[i].text, &mount_id), ==, rows[i].mount_id >= 0);
        g_assert_cmpint(mount_id, ==, rows[i].mount_id);
    }
}

static void test_types(void)
{
    static const char *const local[] = {"ext4", "xfs", "btrfs", "tmpfs", "overlay", "proc"};
    static const char *const served[] = {"fuse", "fuse.x", "fuseblk", "nfs",  "nfs4",   "cifs",
                                         "smb3", "9p",     "ceph",    "afs",  "autofs", "virtiofs",
                                         "gfs2", "",       "ext",     "ext44"};

    for (size_t i = 0; i < G_N_ELEMENTS(local); i++)
        g_assert_true(fd_origin_type_is_local(local[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(served); i++)
        g_assert_false(fd_origin_type_is_local(served[i]));
}

/* Terminals, input, graphics; not the numbers that are given out (CUSE), nor tapes. */
static void test_devices(void)
{
    static const unsigned good[] = {1, 4, 5, 10, 13, 136, 143, 226};
    static const unsigned bad[] = {0, 9, 128, 144, 234, 254, 261, 511};

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(fd_origin_device_is_harmless(good[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(fd_origin_device_is_harmless(bad[i]));
}

/* The store */

typedef struct OriginFixture {
    ProcessFixture process;
    FdStore *store;
} OriginFixture;

static struct {
    const char *path;  /* of the file that is read instead of mountinfo, or NULL */
    const char *fails; /* what cannot be opened begins like this, or NULL */
    unsigned n_mountinfo;
} told;

static int open_told(const char *path, int flags)
{
    bool is_mountinfo = g_str_equal(path, MOUNTINFO_PATH);

    told.n_mountinfo += is_mountinfo;
    if (told.fails != NULL && g_str_has_prefix(path, told.fails)) {
        errno = EMFILE;
        return -1;
    }
    return sys_linux.open(is_mountinfo && told.path != NULL ? told.path : path, flags);
}

static void origin_init(OriginFixture *fixture, const void *unused)
{
    fixture_init(&fixture->process);
    fixture->process.sys.open = open_told;
    fixture->store = fd_store_new(fixture->process.host);
    memset(&told, 0, sizeof told);
}

static int n_open_expected;

static bool open_as_expected(void *unused)
{
    return fd_count_open() == n_open_expected;
}

/* What was not kept is closed, and soon. */
static void origin_done(OriginFixture *fixture, const void *unused)
{
    n_open_expected = fd_count_open() - (int)fd_store_count(fixture->store);
    fd_store_free(fixture->store);
    fixture_run_until(&fixture->process, open_as_expected, NULL);
    fixture_done(&fixture->process);
}

static void origin_keep(OriginFixture *fixture, int fd)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(fd_store_add(fixture->store, &fd, "x", true, STORE_MAX, &error));
    g_assert_no_error(error);
}

/* Files are closed by a child. */
static void origin_drop(OriginFixture *fixture, unsigned n)
{
    n_open_expected = fd_count_open() - (int)n;
    g_assert_cmpuint(fd_store_remove(fixture->store, "x"), ==, n);
    fixture_run_until(&fixture->process, open_as_expected, NULL);
}

static void origin_refuse(OriginFixture *fixture, int fd, const char *expected)
{
    g_autoptr(GError) error = NULL;
    size_t n_before = fd_store_count(fixture->store);

    n_open_expected = fd_count_open() - 1;
    g_assert_cmpint(fd, >=, 0);
    g_assert_false(fd_store_add(fixture->store, &fd, "x", true, STORE_MAX, &error));
    g_assert_true(error_is(error, ERROR_NOT_SUPPORTED));
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpuint(fd_store_count(fixture->store), ==, n_before);
    fixture_run_until(&fixture->process, open_as_expected, NULL);
}

static int open_file(const OriginFixture *fixture)
{
    return open(fixture_path(&fixture->process, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* All that is mounted anywhere is of this type now. */
static void tell_type(OriginFixture *fixture, const char *type)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (int mount_id = 0; mount_id < 2000; mount_id++)
        g_string_append_printf(text, "%d 1 0:1 / / rw - %s x rw\n", mount_id, type);
    told.path = fixture_path(&fixture->process, "mountinfo");
    g_assert_true(g_file_set_contents(told.path, text->str, -1, NULL));
}

/* Whatever is mounted: no list is even read. */
static void test_anonymous(OriginFixture *fixture, const void *unused)
{
    sigset_t signals;
    int pair[2], pipes[2];

    (void)sigemptyset(&signals);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(pipe2(pipes, O_CLOEXEC), ==, 0);
    tell_type(fixture, "nfs");
    origin_keep(fixture, memfd_create("test", MFD_CLOEXEC));
    origin_keep(fixture, eventfd(0, EFD_CLOEXEC));
    origin_keep(fixture, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    origin_keep(fixture, signalfd(-1, &signals, SFD_CLOEXEC));
    origin_keep(fixture, epoll_create1(EPOLL_CLOEXEC));
    origin_keep(fixture, inotify_init1(IN_CLOEXEC));
    origin_keep(fixture, pidfd_open(getpid(), 0));
    origin_keep(fixture, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    origin_keep(fixture, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
    origin_keep(fixture, pair[0]);
    origin_keep(fixture, pair[1]);
    origin_keep(fixture, pipes[0]);
    origin_keep(fixture, pipes[1]);
    origin_keep(fixture, open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    g_assert_cmpuint(told.n_mountinfo, ==, 0);
}

static void test_queue(OriginFixture *fixture, const void *unused)
{
    g_autofree char *name = g_strdup_printf("/svcmgr-test-%d", (int)getpid());
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 1};
    int fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);

    if (fd < 0 && errno != EEXIST) {
        g_test_skip("no message queues here");
        return;
    }
    g_assert_cmpint(mq_unlink(name), ==, 0);
    origin_keep(fixture, fd);
}

/* Of this very host, as it is. */
static void test_local(OriginFixture *fixture, const void *unused)
{
    origin_keep(fixture, open_file(fixture));
    origin_keep(fixture, open(fixture->process.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    origin_keep(fixture, open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    origin_keep(fixture, open("/dev/null", O_RDWR | O_CLOEXEC));
    origin_keep(fixture, posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
}

static void test_served(OriginFixture *fixture, const void *unused)
{
    tell_type(fixture, "ext4");
    origin_keep(fixture, open_file(fixture));
    origin_drop(fixture, 1);
    tell_type(fixture, "fuse.sshfs");
    origin_refuse(fixture, open_file(fixture),
                  "it is of a file system of type fuse.sshfs, which may wait for somebody else");
    origin_refuse(fixture, open(fixture->process.directory, O_PATH | O_CLOEXEC),
                  "it is of a file system of type fuse.sshfs, which may wait for somebody else");
    /* not before it is known that it may be looked at */
    origin_refuse(fixture, open("/dev/null", O_RDWR | O_CLOEXEC),
                  "it is of a file system of type fuse.sshfs, which may wait for somebody else");
    g_assert_cmpuint(fd_store_count(fixture->store), ==, 0);
}

/* Who cannot be known is not kept. */
static void test_unknown(OriginFixture *fixture, const void *unused)
{
    told.path = fixture_path(&fixture->process, "mountinfo");
    g_assert_true(g_file_set_contents(told.path, "", -1, NULL));
    origin_refuse(fixture, open_file(fixture), UNKNOWN);
    told.fails = MOUNTINFO_PATH;
    origin_refuse(fixture, open_file(fixture), UNKNOWN);
    told.fails = FDINFO_PREFIX;
    origin_refuse(fixture, open_file(fixture), "it cannot be seen of what file system it is");
}

/* One mount is looked up once while something of it is held. */
static void test_once(OriginFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 5; i++)
        origin_keep(fixture, open_file(fixture));
    g_assert_cmpuint(told.n_mountinfo, ==, 1);
    tell_type(fixture, "nfs");
    origin_keep(fixture, open_file(fixture));
    origin_drop(fixture, 6);
    origin_refuse(fixture, open_file(fixture),
                  "it is of a file system of type nfs, which may wait for somebody else");
    g_assert_cmpuint(told.n_mountinfo, ==, 2);
}

#define ADD(path, func)                                                                            \
    g_test_add("/fd-origin/" path, OriginFixture, NULL, origin_init, func, origin_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fd-origin/mountinfo", test_mountinfo);
    g_test_add_func("/fd-origin/fdinfo", test_fdinfo);
    g_test_add_func("/fd-origin/types", test_types);
    g_test_add_func("/fd-origin/devices", test_devices);
    ADD("anonymous", test_anonymous);
    ADD("queue", test_queue);
    ADD("local", test_local);
    ADD("served", test_served);
    ADD("unknown", test_unknown);
    ADD("once", test_once);
    return g_test_run();
}
