/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may send to the notify socket of a service, and what it costs the service when others do. */

#include "base/fds.h"
#include "trust-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRANGER_UID 65534
#define STRANGERS_MAX 64
#define CROWD_THREADS "200" /* in line before the program, each time */

#define ONCE "'restart': {'policy': 'no'}"
#define NOTIFIER "'exec': ['@PROGRAMS/program-notifier', '@write-path', '@DIR/path', "
#define CALM "{" NOTIFIER "'READY=1'], 'readiness': 'notify', " ONCE "}"
#define CALM_OF_USER                                                                               \
    "{" NOTIFIER "'@on', 'HUP', 'STATUS=heard', '@end', 'READY=1'], 'readiness': 'notify', "       \
    "'user': '" G_STRINGIFY(STRANGER_UID) "', " ONCE "}"
#define WATCHED                                                                                    \
    "{" NOTIFIER "'READY=1', '@every', '400', 'WATCHDOG=1'], 'watchdog': '1s', "                   \
    "'readiness': 'notify', " ONCE "}"

static bool strangers_skips(void)
{
    if (geteuid() != 0)
        g_test_skip("only root can be somebody else");
    return geteuid() != 0;
}

/* The socket */

static Service *strangers_start(TrustFixture *fixture, const char *config, char **ret_path)
{
    Service *service = trust_start(fixture, config);

    fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    *ret_path = fixture_read(&fixture->process, "path");
    g_assert_nonnull(*ret_path);
    return service;
}

static void assert_socket(const char *path, uid_t uid, unsigned mode)
{
    struct stat status;

    g_assert_cmpint(lstat(path, &status), ==, 0);
    g_assert_true(S_ISSOCK(status.st_mode));
    g_assert_cmpuint(status.st_uid, ==, uid);
    g_assert_cmpuint(status.st_mode & 07777, ==, mode);
}

static void strangers_send(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(
            sendto(fd, "STATUS=bad", 10, 0, (const struct sockaddr *)&address, sizeof address), ==,
            10);
}

/* As so many processes that are gone before anybody can look at them, or as this one. */
static void strangers_send_many(TrustFixture *fixture, const char *path, unsigned n, bool are_gone)
{
    for (unsigned i = 0; i < n; i++) {
        pid_t pid = are_gone ? fork() : 0;

        if (pid == 0)
            strangers_send(path);
        if (pid == 0 && are_gone)
            _exit(0);
        if (are_gone)
            g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        trust_wait_messages(fixture, 1);
    }
}

/* The program is not this user's yet when it is made, and has to be able to send all the same. */
static void test_user(TrustFixture *fixture, const void *unused)
{
    g_autofree char *path = NULL;

    if (strangers_skips())
        return;
    g_assert_cmpint(chmod(fixture->process.directory, 0777), ==, 0); /* to write the path */
    Service *service = strangers_start(fixture, CALM_OF_USER, &path);
    assert_socket(path, STRANGER_UID, 0600);
    strangers_send_many(fixture, path, STRANGERS_MAX + 1, false);
    assert_socket(path, STRANGER_UID, 0600);
    trust_signal(service, SIGHUP);
    trust_wait_status(fixture, service, "heard");
    g_assert_null(strstr(fixture->process.log->str, "came from strangers"));
    fixture_drop(&fixture->process, service);
}

/* Some may be there by mistake. Who is gone before he was looked at may have been one of the
 * service's own. The next run begins anew. */
static void test_given(TrustFixture *fixture, const void *unused)
{
    g_autofree char *path = NULL;
    g_autofree char *next_path = NULL;
    Service *service = strangers_start(fixture, CALM, &path);

    assert_socket(path, geteuid(), 0666);
    strangers_send_many(fixture, path, STRANGERS_MAX + 1, true);
    strangers_send_many(fixture, path, STRANGERS_MAX, false);
    assert_socket(path, geteuid(), 0666);
    g_assert_null(strstr(fixture->process.log->str, "came from strangers"));
    strangers_send_many(fixture, path, 1, false);
    assert_socket(path, geteuid(), 0600);
    strangers_send_many(fixture, path, 2 * STRANGERS_MAX, false);
    g_autofree char *told = g_strdup_printf("more than 64 readiness messages came from strangers, "
                                            "the last one from process %d, uid %u: only uid %u can",
                                            (int)getpid(), (unsigned)getuid(), (unsigned)geteuid());
    assert_contains(fixture->process.log->str, told);
    g_assert_true(strstr(fixture->process.log->str, "came from strangers") ==
                  g_strrstr(fixture->process.log->str, "came from strangers"));
    fixture_drop(&fixture->process, service);

    service = strangers_start(fixture, CALM, &next_path);
    assert_socket(next_path, geteuid(), 0666);
    fixture_drop(&fixture->process, service);
}

/* As servers do that bind their ports as root. */
static void test_given_to_its_user(TrustFixture *fixture, const void *unused)
{
    g_autofree char *path = NULL;

    if (strangers_skips())
        return;
    Service *service = strangers_start(
            fixture,
            "{" NOTIFIER "'@user', '" G_STRINGIFY(
                    STRANGER_UID) "', '@on', 'HUP', 'STATUS=heard', "
                                  "'@end', 'READY=1'], 'readiness': 'notify', " ONCE "}",
            &path);
    strangers_send_many(fixture, path, STRANGERS_MAX + 1, false);
    assert_socket(path, STRANGER_UID, 0600);
    trust_signal(service, SIGHUP);
    trust_wait_status(fixture, service, "heard");
    fixture_drop(&fixture->process, service);
}

static int fails_lchown(const char *path, uid_t uid, gid_t gid)
{
    errno = EROFS;
    return -1;
}

static void test_cannot_be_given(TrustFixture *fixture, const void *unused)
{
    g_autofree char *path = NULL;
    Service *service = strangers_start(fixture, CALM, &path);

    fixture->process.sys.lchown = fails_lchown;
    strangers_send_many(fixture, path, STRANGERS_MAX + 1, false);
    fixture->process.sys.lchown = sys_linux.lchown;
    assert_socket(path, geteuid(), 0666);
    assert_contains(fixture->process.log->str, "cannot see to it that only uid ");
    assert_contains(fixture->process.log->str, "for the rest of this run: cannot open the notify ");
    assert_contains(fixture->process.log->str, ": Read-only file system\n");
    fixture_drop(&fixture->process, service);
}

/* A crowd */

typedef struct Crowd {
    pid_t pid;
    int fd; /* it ends when this is closed, also when the test fails */
} Crowd;

static Crowd crowd_begin(const char *path)
{
    const char *program = fixture_program("crowd");
    int in[2], out[2];
    char byte;

    g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)execl(program, program, G_STRINGIFY(STRANGER_UID), CROWD_THREADS, path, "STATUS=bad",
                    NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    g_assert_cmpint(poll(&(struct pollfd){.fd = out[0], .events = POLLIN}, 1, 20000), ==, 1);
    g_assert_cmpint(read(out[0], &byte, 1), ==, 1);
    (void)close(out[0]);
    return (Crowd){pid, in[1]};
}

static void crowd_end(TrustFixture *fixture, Crowd *crowd)
{
    crowd->fd = fd_close(crowd->fd);
    fixture_wait_gone(&fixture->process, crowd->pid);
}

/* As much time as it takes a service to miss a watchdog of three seconds. */
static void pass_time(TrustFixture *fixture)
{
    Service *other = trust_start(fixture, "{'exec': ['@PROGRAMS/program-notifier', 'READY=1'], "
                                          "'watchdog': '3s', 'readiness': 'notify', " ONCE "}");

    fixture_wait_state(&fixture->process, other, STATE_FAILED);
    assert_failure(other, FAILURE_WATCHDOG, "missed its watchdog");
    fixture_drop(&fixture->process, other);
}

/* They have connected themselves while they could, and say as much as they can. */
static void test_crowd(TrustFixture *fixture, const void *unused)
{
    g_autofree char *path = NULL;

    if (strangers_skips())
        return;
    Service *service = strangers_start(fixture, WATCHED, &path);
    Crowd crowd = crowd_begin(path);

    trust_wait_log(fixture, "came from strangers, the last one from process ");
    assert_contains(fixture->process.log->str, ", uid 65534: only uid 0 can send any");
    assert_socket(path, 0, 0600);
    pass_time(fixture);
    assert_state(service, STATE_ACTIVE);
    g_assert_cmpstr(fixture_property(service, "StatusText").s, ==, "");
    crowd_end(fixture, &crowd);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trust_add("/trust/strangers/user", test_user, NULL);
    trust_add("/trust/strangers/given", test_given, NULL);
    trust_add("/trust/strangers/given-to-its-user", test_given_to_its_user, NULL);
    trust_add("/trust/strangers/cannot-be-given", test_cannot_be_given, NULL);
    trust_add("/trust/strangers/crowd", test_crowd, NULL);
    return g_test_run();
}
