/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes along with messages, what is none, and system calls that fail. */

#include "lingering.h"
#include "notify-fixture.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS_MAX 253 /* as many as the kernel lets one message have */
/* Between two children that close what was given, unless much waits. */
#define CLOSER_INTERVAL_USEC (20 * USEC_PER_MSEC)

#define assert_said(fixture, index, text)                                                          \
    g_assert_cmpstr(g_ptr_array_index((fixture)->said, index), ==, text)

/* The other end, and every copy of it, is closed. */
static bool has_hung_up(int fd)
{
    struct pollfd waited = {.fd = fd};

    return poll(&waited, 1, 0) == 1 && (waited.revents & POLLHUP) != 0;
}

/* The reading end stays here, the writing end is given away n times in one message. */
static int give_pipe(NotifyFixture *fixture, const char *bytes, size_t length, size_t n)
{
    int fds[2], given[FDS_MAX];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    for (size_t i = 0; i < n; i++)
        given[i] = fds[1];
    g_assert_true(notify_fixture_send_bytes(fixture, bytes, length, given, n));
    (void)close(fds[1]);
    return fds[0];
}

static void look_counts(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    *(size_t *)fixture->data = fds->n;
    for (size_t i = 0; i < fds->n; i++)
        g_assert_cmpint(fcntl(fds->fds[i], F_GETFD), ==, FD_CLOEXEC);
}

static void test_fds_nobody_takes(NotifyFixture *fixture, const void *n)
{
    size_t n_seen = 0;
    autofd int reading = give_pipe(fixture, "STATUS=x", 8, GPOINTER_TO_SIZE(n));

    int n_before = fd_count_open();
    fixture->look = look_counts;
    fixture->data = &n_seen;
    g_assert_false(has_hung_up(reading));
    g_assert_true(notify_fixture_turn(fixture));
    assert_said(fixture, 0, "x");
    g_assert_cmpuint(n_seen, ==, GPOINTER_TO_SIZE(n));
    g_assert_true(has_hung_up(reading));
    g_assert_cmpint(fd_count_open(), ==, n_before);
}

static void look_takes_second(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    *(int *)fixture->data = fd_steal(&fds->fds[1]);
}

static void test_fds_taken(NotifyFixture *fixture, const void *unused)
{
    int fds[2][2], taken = -1;

    for (int i = 0; i < 2; i++)
        g_assert_cmpint(pipe2(fds[i], O_CLOEXEC), ==, 0);
    notify_fixture_give(fixture, "FDSTORE=1", (const int[]){fds[0][1], fds[1][1]}, 2);
    for (int i = 0; i < 2; i++)
        (void)close(fds[i][1]);
    fixture->look = look_takes_second;
    fixture->data = &taken;
    g_assert_true(notify_fixture_turn(fixture));
    g_assert_true(has_hung_up(fds[0][0]));
    g_assert_false(has_hung_up(fds[1][0]));
    g_assert_cmpint(fcntl(taken, F_GETFD), ==, FD_CLOEXEC);
    (void)close(taken);
    g_assert_true(has_hung_up(fds[1][0]));
    for (int i = 0; i < 2; i++)
        (void)close(fds[i][0]);
}

/* They are closed before anybody is told. */
static void look_finds_none(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    g_assert_null(message);
    g_assert_cmpuint(fds->n, ==, 0);
    g_assert_true(has_hung_up(*(int *)fixture->data));
}

static void test_fds_of_malformed(NotifyFixture *fixture, const void *unused)
{
    g_autofree char *long_text = g_strnfill(NOTIFY_MAX_BYTES + 1, 'x');
    const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
            {"READY=1\0STATUS=x", 16},
            {"\0\0", 2},
            {long_text, NOTIFY_MAX_BYTES + 1},
            {"", 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        autofd int reading = give_pipe(fixture, rows[i].bytes, rows[i].length, 5);
        int n_before = fd_count_open();

        fixture->look = look_finds_none;
        fixture->data = &reading;
        g_assert_true(notify_fixture_turn(fixture));
        assert_said(fixture, i, "malformed");
        g_assert_cmpint(fixture->from.pid, ==, getpid());
        g_assert_cmpint(fd_count_open(), ==, n_before);
    }
}

static void look_finds_loss(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    g_assert_true(message->ready);
    g_assert_true(fds->are_lost);
    g_assert_cmpuint(fds->n, ==, 0);
    g_assert_true(has_hung_up(*(int *)fixture->data));
}

/* There is room for some of them only: what the kernel could give is closed, the rest it has
 * thrown away itself. What was said is whole, and counts. */
static void test_fds_truncated(NotifyFixture *fixture, const void *unused)
{
    struct rlimit limit, low;
    autofd int reading = give_pipe(fixture, "READY=1\nSTATUS=x", 16, 20);
    autofd int lowest_free = fcntl(reading, F_DUPFD_CLOEXEC, 0);
    int n_before = fd_count_open();

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    low = limit;
    low.rlim_cur = (rlim_t)lowest_free + 6;
    fixture->look = look_finds_loss;
    fixture->data = &reading;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    bool was_read = notify_fixture_turn(fixture);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_true(was_read);
    assert_said(fixture, 0, "x");
    g_assert_cmpint(fd_count_open(), ==, n_before);
    notify_fixture_say(fixture, "STATUS=and on");
    fixture->look = NULL;
    g_assert_true(notify_fixture_turn(fixture));
    assert_said(fixture, 1, "and on");
}

/* To close one must not take the daemon half a minute. */
static void test_fds_lingering(NotifyFixture *fixture, const void *unused)
{
    int peer, fd = lingering_socket(&peer);
    uint64_t begin = clock_monotonic_usec(clock_system());

    notify_fixture_give(fixture, "READY=1", &fd, 1);
    (void)close(fd); /* does not wait: it is on its way, and so still open */
    g_assert_true(notify_fixture_turn(fixture));
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - begin, <, LINGERING_USEC / 2);
    (void)close(peer);
}

typedef struct Barrier {
    int reading;
    bool was_open;
} Barrier;

static void look_at_barrier(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    Barrier *barrier = fixture->data;

    if (message->barrier)
        barrier->was_open = fds->n == 1 && !has_hung_up(barrier->reading);
    else
        g_assert_false(has_hung_up(barrier->reading));
}

/* Its end is closed when all that was said before has been heard, and not sooner. */
static void test_barrier(NotifyFixture *fixture, const void *unused)
{
    Barrier barrier = {0};

    notify_fixture_say(fixture, "STATUS=one");
    notify_fixture_say(fixture, "STATUS=two");
    barrier.reading = give_pipe(fixture, "BARRIER=1", 9, 1);
    fixture->look = look_at_barrier;
    fixture->data = &barrier;
    (void)notify_fixture_turns(fixture);
    g_assert_cmpuint(fixture->said->len, ==, 3);
    g_assert_true(barrier.was_open);
    g_assert_true(has_hung_up(barrier.reading));
    (void)close(barrier.reading);
}

/* What nobody has read when the socket goes, goes with it. */
static void test_fds_of_unread(NotifyFixture *fixture, const void *unused)
{
    autofd int reading = give_pipe(fixture, "READY=1", 7, 3);

    notify_fixture_close(fixture);
    g_assert_true(has_hung_up(reading));
    g_assert_cmpuint(fixture->said->len, ==, 0);
}

/* Nor when nobody reads them any more. */
static void test_fds_unread_lingering(NotifyFixture *fixture, const void *unused)
{
    int peer, fd = lingering_socket(&peer);
    uint64_t begin = clock_monotonic_usec(clock_system());

    notify_fixture_say(fixture, "READY=1");
    notify_fixture_give(fixture, "READY=1", &fd, 1);
    (void)close(fd);
    notify_fixture_close(fixture);
    g_assert_cmpuint(clock_monotonic_usec(clock_system()) - begin, <, LINGERING_USEC / 2);
    g_assert_cmpuint(fixture->said->len, ==, 0);
    (void)close(peer);
}

static void look_finds_full(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    g_assert_true(message->ready);
    g_assert_true(fds->are_lost);
    g_assert_cmpuint(fds->n, ==, 0);
    *(size_t *)fixture->data += 1;
}

static int setsockopt_refused(int fd, int level, int name, const void *value, socklen_t length)
{
    errno = EPERM;
    return -1;
}

static unsigned n_children;
static int first_child; /* its pidfd, which is the closer's */

static pid_t clone_files_counting(SysChildFunc child, void *data, void *stack, size_t stack_size,
                                  int *ret_pidfd)
{
    pid_t pid = sys_linux.clone_files(child, data, stack, stack_size, ret_pidfd);

    if (n_children++ == 0)
        first_child = *ret_pidfd;
    return pid;
}

static void count_children(NotifyFixture *fixture)
{
    n_children = 0;
    fixture->sys.clone_files = clone_files_counting;
}

/* Each until its peer is closed. */
static void hang_children(NotifyFixture *fixture, int *peers, size_t n)
{
    fixture->sys.setsockopt = setsockopt_refused;
    count_children(fixture);
    for (size_t i = 0; i < n; i++) {
        int fd = lingering_socket(&peers[i]);

        notify_fixture_give(fixture, "READY=1", &fd, 1);
        (void)close(fd);
        g_assert_true(notify_fixture_turn(fixture));
        virtual_loop_advance(fixture->loop, CLOSER_INTERVAL_USEC);
        g_assert_cmpuint(n_children, ==, i + 1);
    }
}

/* Numbers of this file. Those of what hangs go as soon as its child gets that far. */
static unsigned count_same(int fd)
{
    struct stat wanted, status;
    unsigned n = 0;

    g_assert_cmpint(fstat(fd, &wanted), ==, 0);
    for (int i = 0; i < getdtablesize(); i++)
        n += fstat(i, &status) == 0 && status.st_dev == wanted.st_dev &&
             status.st_ino == wanted.st_ino;
    return n;
}

/* As many children hang as there may be, and too much waits for them: no more is taken. What is
 * said counts. */
static void test_fds_full(NotifyFixture *fixture, const void *unused)
{
    int peers[8], directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), given[FDS_MAX];
    size_t n_seen = 0;

    hang_children(fixture, peers, G_N_ELEMENTS(peers));
    for (size_t i = 0; i < FDS_MAX; i++)
        given[i] = directory;
    notify_fixture_give(fixture, "STATUS=many", given, FDS_MAX);
    g_assert_true(notify_fixture_turn(fixture));

    g_assert_cmpuint(count_same(directory), >=, FDS_MAX);
    unsigned n_before = count_same(directory);
    notify_fixture_give(fixture, "READY=1\nSTATUS=full", &directory, 1);
    fixture->look = look_finds_full;
    fixture->data = &n_seen;
    g_assert_true(notify_fixture_turn(fixture));
    g_assert_cmpuint(n_seen, ==, 1);
    g_assert_cmpuint(count_same(directory), ==, n_before);
    (void)close(directory);
    for (size_t i = 0; i < G_N_ELEMENTS(peers); i++)
        (void)close(peers[i]);
}

/* What has found no child gets the place of the first that ends. */
static void test_fds_next(NotifyFixture *fixture, const void *unused)
{
    int peers[8], directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    hang_children(fixture, peers, G_N_ELEMENTS(peers));
    notify_fixture_give(fixture, "STATUS=next", &directory, 1);
    g_assert_true(notify_fixture_turn(fixture));
    virtual_loop_advance(fixture->loop, CLOSER_INTERVAL_USEC);
    g_assert_cmpuint(n_children, ==, G_N_ELEMENTS(peers));
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);

    struct pollfd ended = {.fd = first_child, .events = POLLIN};
    (void)close(peers[0]);
    g_assert_cmpint(poll(&ended, 1, LINGERING_USEC / 2 / 1000), ==, 1);
    virtual_loop_fire_watch(fixture->loop, first_child, EPOLLIN);
    virtual_loop_settle(fixture->loop);
    g_assert_cmpuint(n_children, ==, G_N_ELEMENTS(peers) + 1);
    (void)close(directory);
    for (size_t i = 1; i < G_N_ELEMENTS(peers); i++)
        (void)close(peers[i]);
}

/* Nor does the daemon wait for what is still to be closed when it ends. */
static void test_fds_last(NotifyFixture *fixture, const void *unused)
{
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    count_children(fixture);
    notify_fixture_give(fixture, "STATUS=last", &directory, 1);
    g_assert_true(notify_fixture_turn(fixture));
    notify_fixture_close(fixture);
    g_clear_pointer(&fixture->host, process_host_free);
    g_assert_cmpuint(n_children, ==, 1);
    (void)close(directory);
}

/* A child is a copy of the daemon: what comes one by one waits for one of them, a moment after the
 * last, and nothing is left behind. */
static void test_fds_one_by_one(NotifyFixture *fixture, const void *unused)
{
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    count_children(fixture);
    for (unsigned i = 0; i < 3 * 8; i++) {
        notify_fixture_give(fixture, "STATUS=file", &directory, 1);
        g_assert_true(notify_fixture_turn(fixture));
        virtual_loop_advance(fixture->loop, CLOSER_INTERVAL_USEC / 8);
    }
    g_assert_cmpuint(n_children, >=, 3);
    g_assert_cmpuint(n_children, <=, 4);
    virtual_loop_advance(fixture->loop, CLOSER_INTERVAL_USEC);
    g_assert_cmpuint(virtual_loop_n_armed(fixture->loop), ==, 0);
    (void)close(directory);
}

static void look_counts_fds(NotifyFixture *fixture, const NotifyMessage *message, NotifyFds *fds)
{
    g_assert_false(fds->are_lost);
    *(size_t *)fixture->data += fds->n;
}

/* Many at once: the children that they need have room for what comes next. */
static void test_fds_many(NotifyFixture *fixture, const void *unused)
{
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), given[FDS_MAX];
    size_t n_seen = 0;

    count_children(fixture);
    fixture->look = look_counts_fds;
    fixture->data = &n_seen;
    for (size_t i = 0; i < FDS_MAX; i++)
        given[i] = directory;
    for (unsigned i = 0; i < 2; i++)
        notify_fixture_give(fixture, "STATUS=many", given, FDS_MAX);
    g_assert_cmpuint(notify_fixture_turns(fixture), ==, 2);
    g_assert_cmpuint(n_seen, ==, 2 * FDS_MAX);
    g_assert_cmpuint(n_children, <=, 4);
    (void)close(directory);
}

static void test_sender(NotifyFixture *fixture, const void *unused)
{
    notify_fixture_say(fixture, "READY=1");
    g_assert_true(notify_fixture_turn(fixture));
    g_assert_cmpint(fixture->from.pid, ==, getpid());
    g_assert_cmpuint(fixture->from.uid, ==, getuid());
}

static ssize_t recvmsg_without_control(int fd, struct msghdr *message, int flags)
{
    ssize_t n = recvmsg(fd, message, flags);

    message->msg_controllen = 0;
    return n;
}

static void test_no_credentials(NotifyFixture *fixture, const void *unused)
{
    fixture->sys.recvmsg = recvmsg_without_control;
    notify_fixture_say(fixture, "READY=1");
    g_assert_true(notify_fixture_turn(fixture));
    assert_said(fixture, 0, "malformed");
    g_assert_cmpint(fixture->from.pid, ==, 0);
}

/* Failures */

static int n_recvmsg;

static ssize_t recvmsg_fails(int fd, struct msghdr *message, int flags)
{
    n_recvmsg++;
    errno = ENOMEM;
    return -1;
}

/* The socket stays readable: to try again at once would be a loop without end. */
static void test_recvmsg_fails(NotifyFixture *fixture, const void *unused)
{
    n_recvmsg = 0;
    fixture->sys.recvmsg = recvmsg_fails;
    notify_fixture_say(fixture, "STATUS=late");
    g_assert_cmpuint(notify_fixture_turns(fixture), ==, 1);
    g_assert_cmpint(n_recvmsg, ==, 1);
    g_assert_false(notify_fixture_is_watched(fixture));
    notify_socket_drain(fixture->notify); /* ends, too */
    g_assert_cmpint(n_recvmsg, ==, 2);

    fixture->sys.recvmsg = recvmsg;
    virtual_loop_advance(fixture->loop, USEC_PER_SEC);
    g_assert_true(notify_fixture_turn(fixture));
    assert_said(fixture, 0, "late");
}

static unsigned n_interrupted;

static ssize_t recvmsg_is_interrupted(int fd, struct msghdr *message, int flags)
{
    if (n_interrupted++ == 0) {
        errno = EINTR;
        return -1;
    }
    return recvmsg(fd, message, flags);
}

static void test_recvmsg_is_interrupted(NotifyFixture *fixture, const void *unused)
{
    n_interrupted = 0;
    fixture->sys.recvmsg = recvmsg_is_interrupted;
    notify_fixture_say(fixture, "STATUS=x");
    g_assert_true(notify_fixture_turn(fixture));
    assert_said(fixture, 0, "x");
    g_assert_true(notify_fixture_is_watched(fixture));
}

static int fails_fchmod(int fd, mode_t mode)
{
    errno = EIO;
    return -1;
}

static int fails_lchown(const char *path, uid_t uid, gid_t gid)
{
    errno = EIO;
    return -1;
}

static int fails_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    g_assert_cmpint(name, ==, SO_PASSCRED);
    errno = EIO;
    return -1;
}

static int fails_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    errno = EIO;
    return -1;
}

static int fails_socket(int domain, int type, int protocol)
{
    errno = EIO;
    return -1;
}

/* Nothing is left of one that could not be opened (notify_fixture_done looks), and the next can. */
static void test_open_fails(NotifyFixture *fixture, const void *unused)
{
    const Sys good = fixture->sys;
    Sys rows[] = {good, good, good, good, good, good};
    int n_before;

    notify_fixture_close(fixture);
    n_before = fd_count_open();
    rows[0].socket = fails_socket;
    rows[1].fchmod = fails_fchmod;
    rows[2].setsockopt = fails_setsockopt;
    rows[3].bind = fails_bind;
    rows[4].lchown = fails_lchown;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        fixture->sys = rows[i];
        fixture->owner = i == 4 ? geteuid() : NOTIFY_EVERYBODY;
        notify_fixture_fail_watches(i == 5 ? EIO : 0);
        g_assert_null(notify_fixture_open(fixture, &error));
        g_assert_nonnull(strstr(error->message, "cannot open the notify socket"));
        g_assert_nonnull(strstr(error->message, g_strerror(EIO)));
        g_assert_cmpint(fd_count_open(), ==, n_before);
    }
    fixture->sys = good;
    notify_fixture_fail_watches(0);
    g_assert_nonnull(notify_fixture_open(fixture, NULL));
}

#define ADD(path, func, data)                                                                      \
    g_test_add("/notify-socket/" path, NotifyFixture, data, notify_fixture_init, func,             \
               notify_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("fds/nobody-takes", test_fds_nobody_takes, GSIZE_TO_POINTER(3));
    ADD("fds/as-many-as-there-can-be", test_fds_nobody_takes, GSIZE_TO_POINTER(FDS_MAX));
    ADD("fds/taken", test_fds_taken, NULL);
    ADD("fds/malformed", test_fds_of_malformed, NULL);
    ADD("fds/truncated", test_fds_truncated, NULL);
    ADD("fds/unread", test_fds_of_unread, NULL);
    ADD("fds/lingering", test_fds_lingering, NULL);
    ADD("fds/unread-lingering", test_fds_unread_lingering, NULL);
    ADD("fds/full", test_fds_full, NULL);
    ADD("fds/next", test_fds_next, NULL);
    ADD("fds/last", test_fds_last, NULL);
    ADD("fds/one-by-one", test_fds_one_by_one, NULL);
    ADD("fds/many", test_fds_many, NULL);
    ADD("barrier", test_barrier, NULL);
    ADD("sender", test_sender, NULL);
    ADD("no-credentials", test_no_credentials, NULL);
    ADD("failures/recvmsg", test_recvmsg_fails, NULL);
    ADD("failures/interrupted", test_recvmsg_is_interrupted, NULL);
    ADD("failures/open", test_open_fails, NULL);
    return g_test_run();
}
