/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of notify sockets: several hosts side by side, and what was there before; how
 * fast orphans are reaped. */

#include "base/random.h"
#include "base/virtual.h"
#include "process-fixture.h"
#include "process/host-internal.h"
#include "process/notify-socket.h"
#include "process/service-log.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

static void host_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void host_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static ProcessHost *host_new(ProcessFixture *fixture, const char *runtime_dir, GError **error)
{
    ProcessHostOptions options = {
            .clock = loop_clock(fixture->loop),
            .timers = loop_timers(fixture->loop),
            .watches = loop_watches(fixture->loop),
            .random = random_system(),
            .runtime_dir = runtime_dir,
    };

    return process_host_new(&options, error);
}

static bool on_message(const NotifyMessage *message, const NotifySender *sender, NotifyFds *fds,
                       void *data)
{
    ++*(int *)data;
    return true;
}

static void host_send(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(sendto(fd, "READY=1", 7, 0, (const struct sockaddr *)&address, sizeof address),
                    ==, 7);
    (void)close(fd);
}

/* Two daemons over the same runtime directory: each message comes to whom it was meant for. */
static void test_two_hosts(ProcessFixture *fixture, const void *unused)
{
    ProcessHost *other = host_new(fixture, fixture->directory, NULL);
    NotifySocket *sockets[2];
    int counts[2] = {0, 0};

    g_assert_nonnull(other);
    sockets[0] = notify_socket_new(fixture->host, NOTIFY_EVERYBODY, on_message, &counts[0], NULL);
    g_autofree char *path = g_strdup(notify_socket_path(sockets[0]));
    sockets[1] = notify_socket_new(other, NOTIFY_EVERYBODY, on_message, &counts[1], NULL);
    g_assert_nonnull(sockets[1]);
    g_assert_cmpstr(path, !=, notify_socket_path(sockets[1]));
    host_send(path);
    fixture_settle(fixture);
    g_assert_cmpint(counts[0], ==, 1);
    g_assert_cmpint(counts[1], ==, 0);
    notify_socket_free(sockets[1]);
    process_host_free(other);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    notify_socket_free(sockets[0]);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* What is at the address of a socket stays there, whoever's it is. */
static void test_address_in_use(ProcessFixture *fixture, const void *unused)
{
    g_autofree char *path = g_strdup_printf("%s/1", fixture->host->notify_directory);
    g_autoptr(GError) error = NULL;
    int count = 0;

    g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
    g_assert_null(notify_socket_new(fixture->host, NOTIFY_EVERYBODY, on_message, &count, &error));
    assert_contains(error->message, "Address already in use");
    g_assert_cmpint(g_unlink(path), ==, 0);
}

static void assert_refused(ProcessFixture *fixture, const char *expected)
{
    const char *runtime_dir = fixture_path(fixture, "run");
    g_autoptr(GError) error = NULL;

    g_assert_null(host_new(fixture, runtime_dir, &error));
    assert_contains(error->message, expected);
    assert_contains(error->message, fixture_path(fixture, "run/notify"));
}

static void test_directory_refused(ProcessFixture *fixture, const void *unused)
{
    const char *elsewhere = fixture_path(fixture, "elsewhere");
    const char *notify = fixture_path(fixture, "run/notify");
    struct stat status;

    g_assert_cmpint(g_mkdir(fixture_path(fixture, "run"), 0755), ==, 0);
    g_assert_cmpint(g_mkdir(elsewhere, 0700), ==, 0);
    g_assert_cmpint(symlink(elsewhere, notify), ==, 0);
    assert_refused(fixture, "expected a directory, and no symbolic link");
    g_assert_cmpint(stat(elsewhere, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0700);
    g_assert_cmpint(g_unlink(notify), ==, 0);

    g_assert_true(g_file_set_contents(notify, "a file", -1, NULL));
    assert_refused(fixture, "expected a directory, and no symbolic link");
    g_assert_cmpint(g_unlink(notify), ==, 0);

    if (geteuid() != 0)
        return; /* only root can give it to somebody else */
    g_assert_cmpint(g_mkdir(notify, 0711), ==, 0);
    g_assert_cmpint(chown(notify, 65534, 65534), ==, 0);
    assert_refused(fixture, "it is of user 65534");
}

static unsigned mode_of(const char *path)
{
    struct stat status;

    g_assert_cmpint(stat(path, &status), ==, 0);
    return status.st_mode & 0777;
}

/* Whatever the umask is, and the mode was. */
static void test_directory_modes(ProcessFixture *fixture, const void *unused)
{
    const char *notify = fixture_path(fixture, "notify");

    g_assert_cmpint(g_chmod(notify, 0777), ==, 0);
    mode_t mask = umask(0077);
    ProcessHost *other = host_new(fixture, fixture->directory, NULL);
    (void)umask(mask);
    g_assert_nonnull(other);
    g_assert_cmpuint(mode_of(notify), ==, 0711);
    g_assert_cmpuint(mode_of(other->notify_directory), ==, 0711);
    g_autofree char *path = g_strdup(other->notify_directory);
    process_host_free(other);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* Orphans that the kernel takes its time to find, as it does among thousands of children. */
#define ORPHANS 1000
#define ORPHANS_FIND_USEC 100

static struct {
    Clock clock;
    Sys sys;
    VirtualLoop *loop;
    uint64_t find_usec;
    uint64_t busy_until_usec;
    unsigned n_left;
} orphans;

static uint64_t orphans_monotonic_usec(Clock *clock)
{
    return MAX(clock_monotonic_usec(virtual_loop_clock(orphans.loop)), orphans.busy_until_usec);
}

static int orphans_waitid(idtype_t type, id_t id, siginfo_t *info, int options,
                          struct rusage *usage)
{
    orphans.busy_until_usec = orphans_monotonic_usec(NULL) + orphans.find_usec;
    if (info != NULL)
        info->si_pid = orphans.n_left > 0 ? INT32_MAX : 0; /* nobody's main process */
    if ((options & WNOWAIT) == 0 && orphans.n_left > 0)
        orphans.n_left--;
    return 0;
}

static ProcessHost *orphans_begin(const ProcessFixture *fixture, uint64_t find_usec)
{
    orphans.sys = sys_linux;
    orphans.sys.waitid = orphans_waitid;
    orphans.clock = (Clock){.monotonic_usec = orphans_monotonic_usec};
    orphans.loop = virtual_loop_new();
    orphans.busy_until_usec = 0;
    orphans.find_usec = find_usec;
    ProcessHostOptions options = {
            .clock = &orphans.clock,
            .timers = virtual_loop_timers(orphans.loop),
            .watches = virtual_loop_watches(orphans.loop),
            .random = random_system(),
            .sys = &orphans.sys,
            .runtime_dir = fixture->directory,
    };
    ProcessHost *host = process_host_new(&options, NULL);

    g_assert_nonnull(host);
    return host;
}

static void orphans_end(ProcessHost *host)
{
    g_assert_cmpuint(virtual_loop_n_armed(orphans.loop), ==, 0);
    process_host_free(host);
    virtual_loop_free(orphans.loop);
}

/* A sweep that leaves some behind pauses no longer than it has worked. */
static void test_orphans_do_not_pile_up(ProcessFixture *fixture, const void *unused)
{
    ProcessHost *host = orphans_begin(fixture, ORPHANS_FIND_USEC);

    orphans.n_left = ORPHANS;
    process_host_on_sigchld(host);
    g_assert_cmpuint(orphans.n_left, ==, ORPHANS); /* what a death is followed by comes first */
    virtual_loop_advance(orphans.loop, 5 * ORPHANS * ORPHANS_FIND_USEC); /* found twice each */
    g_assert_cmpuint(orphans.n_left, ==, 0);
    orphans_end(host);
}

/* A sweep in the middle of which others had the processor for long is no reason to let the next
 * orphan wait for twenty times as long. */
static void test_orphans_after_a_delay(ProcessFixture *fixture, const void *unused)
{
    ProcessHost *host = orphans_begin(fixture, USEC_PER_SEC);

    for (unsigned i = 0; i < 2; i++) {
        orphans.n_left = 1;
        process_host_on_sigchld(host);
        virtual_loop_advance(orphans.loop, USEC_PER_SEC / 2 + USEC_PER_MSEC);
        g_assert_cmpuint(orphans.n_left, ==, 0);
        virtual_loop_advance(orphans.loop, 3 * USEC_PER_SEC); /* it takes three looks */
    }
    orphans_end(host);
}

#define PREFIX "0123456789abcdef"

static void test_invocation_prefix(ProcessFixture *fixture, const void *unused)
{
    ProcessHostOptions options = {
            .clock = loop_clock(fixture->loop),
            .timers = loop_timers(fixture->loop),
            .watches = loop_watches(fixture->loop),
            .random = random_system(),
            .runtime_dir = fixture->directory,
            .invocation_prefix = PREFIX,
    };
    ProcessHost *host = process_host_new(&options, NULL);
    g_autofree char *first = process_host_new_invocation_id(host);
    g_autofree char *second = process_host_new_invocation_id(host);
    g_autofree char *without = process_host_new_invocation_id(fixture->host);

    g_assert_true(g_str_has_prefix(first, PREFIX) && g_str_has_prefix(second, PREFIX));
    g_assert_cmpstr(first, !=, second);
    g_assert_cmpuint(strspn(first, "0123456789abcdef"), ==, 32);
    g_assert_cmpuint(strlen(first), ==, 32);
    g_assert_false(g_str_has_prefix(without, PREFIX));
    g_assert_cmpuint(strlen(without), ==, 32);
    process_host_free(host);
}

static bool host_has_removed(void *data)
{
    return !g_file_test(data, G_FILE_TEST_EXISTS);
}

/* The limit of all logs is kept in the loop that there really is. */
static void test_log_total(ProcessFixture *fixture, const void *unused)
{
    static const ServiceLogRules rules = {.max_size_bytes = 1000, .keep = 1};
    static const char *const ids[] = {"old", "new"};
    g_autofree char *removed = g_build_filename(fixture->directory, "log", "old", "current", NULL);
    g_autofree char *kept = g_build_filename(fixture->directory, "log", "new", "current", NULL);
    g_autofree char *directory = g_build_filename(fixture->directory, "log", NULL);
    g_autofree char *line = g_strnfill(80, 'x');

    line[79] = '\n';
    process_host_open_logs(fixture->host, directory, 100);
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        ServiceLog *log = service_log_open(fixture->host->logs, ids[i], &rules);

        service_log_append(log, line, strlen(line));
        service_log_close(log);
    }
    g_assert_true(g_file_test(removed, G_FILE_TEST_EXISTS));
    fixture_run_until(fixture, host_has_removed, removed);
    g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
}

#define HOST_TEST(path, function)                                                                  \
    g_test_add(path, ProcessFixture, NULL, host_init, function, host_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    HOST_TEST("/host/two", test_two_hosts);
    HOST_TEST("/host/address-in-use", test_address_in_use);
    HOST_TEST("/host/directory/refused", test_directory_refused);
    HOST_TEST("/host/directory/modes", test_directory_modes);
    HOST_TEST("/host/orphans-do-not-pile-up", test_orphans_do_not_pile_up);
    HOST_TEST("/host/orphans-after-a-delay", test_orphans_after_a_delay);
    HOST_TEST("/host/log-total", test_log_total);
    HOST_TEST("/host/invocation-prefix", test_invocation_prefix);
    return g_test_run();
}
