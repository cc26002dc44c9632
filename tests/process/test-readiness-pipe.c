/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process/readiness-pipe.h"

#include "base/fds.h"
#include "process-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Readiness {
    ProcessFixture process;
    ReadinessPipe *pipe;
    int writing; /* the program's copy */
    unsigned n_calls;
    bool ready;
    bool frees;
} Readiness;

static void on_ready(bool ready, void *data)
{
    Readiness *readiness = data;

    readiness->n_calls++;
    readiness->ready = ready;
    if (readiness->frees)
        g_clear_pointer(&readiness->pipe, readiness_pipe_free);
}

static void readiness_init(Readiness *readiness, const void *unused)
{
    fixture_init(&readiness->process);
    readiness->pipe = readiness_pipe_new(readiness->process.host, on_ready, readiness, NULL);
    readiness->writing = fcntl(readiness_pipe_fd(readiness->pipe), F_DUPFD_CLOEXEC, 0);
    readiness_pipe_close_writing(readiness->pipe);
}

static void readiness_done(Readiness *readiness, const void *unused)
{
    readiness_pipe_free(readiness->pipe);
    readiness->writing = fd_close(readiness->writing);
    fixture_done(&readiness->process);
}

static void readiness_write(Readiness *readiness, const char *text)
{
    g_assert_cmpint(write(readiness->writing, text, strlen(text)), ==, (ssize_t)strlen(text));
}

static void readiness_close(Readiness *readiness)
{
    readiness->writing = fd_close(readiness->writing);
}

#define assert_said(readiness, is_ready)                                                           \
    do {                                                                                           \
        g_assert_cmpuint((readiness)->n_calls, ==, 1);                                             \
        g_assert_true((readiness)->ready == (is_ready));                                           \
    } while (0)

static void test_newline(Readiness *readiness, const void *unused)
{
    readiness_write(readiness, "\n");
    fixture_settle(&readiness->process);
    assert_said(readiness, true);
    readiness_close(readiness);
    fixture_settle(&readiness->process);
    assert_said(readiness, true);
}

static void test_not_yet(Readiness *readiness, const void *unused)
{
    static const char *const texts[] = {"starting", " up", "\r", "READY=1"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        readiness_write(readiness, texts[i]);
        fixture_settle(&readiness->process);
        g_assert_cmpuint(readiness->n_calls, ==, 0);
    }
    readiness_write(readiness, "done\nand more");
    readiness_close(readiness);
    fixture_settle(&readiness->process);
    assert_said(readiness, true);
}

static void test_closed(Readiness *readiness, const void *unused)
{
    readiness_write(readiness, "almost");
    readiness_close(readiness);
    fixture_settle(&readiness->process);
    assert_said(readiness, false);
}

static void test_newline_then_closed(Readiness *readiness, const void *unused)
{
    readiness_write(readiness, "\n");
    readiness_close(readiness);
    fixture_settle(&readiness->process);
    assert_said(readiness, true);
}

/* As long as one of the program's processes may still say it. */
static void test_last_writer(Readiness *readiness, const void *unused)
{
    autofd int other = fcntl(readiness->writing, F_DUPFD_CLOEXEC, 0);

    readiness_close(readiness);
    fixture_settle(&readiness->process);
    g_assert_cmpuint(readiness->n_calls, ==, 0);
    other = fd_close(other);
    fixture_settle(&readiness->process);
    assert_said(readiness, false);
}

/* The daemon's own copy of the program's end keeps it open. */
static void test_own_copy(Readiness *readiness, const void *unused)
{
    readiness_pipe_free(readiness->pipe);
    readiness->pipe = readiness_pipe_new(readiness->process.host, on_ready, readiness, NULL);
    g_assert_cmpint(fcntl(readiness_pipe_fd(readiness->pipe), F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(readiness_pipe_fd(readiness->pipe), F_GETFL) & O_NONBLOCK, ==, 0);
    fixture_settle(&readiness->process);
    g_assert_cmpuint(readiness->n_calls, ==, 0);
    readiness_pipe_close_writing(readiness->pipe);
    g_assert_cmpint(readiness_pipe_fd(readiness->pipe), ==, -1);
    fixture_settle(&readiness->process);
    assert_said(readiness, false);
}

static size_t n_read_max;
static unsigned n_reads;

static ssize_t counting_read(int fd, void *buffer, size_t size)
{
    n_read_max = MAX(n_read_max, size);
    n_reads++;
    return read(fd, buffer, size);
}

static void readiness_count_reads(Readiness *readiness)
{
    n_read_max = n_reads = 0;
    readiness->process.sys.read = counting_read;
}

/* Much before it costs a turn little. */
static void test_long_words(Readiness *readiness, const void *unused)
{
    g_autofree char *text = g_strnfill(10000, 'x');

    readiness_count_reads(readiness);
    readiness_write(readiness, text);
    readiness_write(readiness, "\n");
    g_assert_cmpint(sd_event_run(loop_event(readiness->process.loop), 0), >, 0);
    g_assert_cmpuint(n_reads, ==, 1);
    g_assert_cmpuint(n_read_max, ==, 512);
    g_assert_cmpuint(readiness->n_calls, ==, 0);
    fixture_settle(&readiness->process);
    assert_said(readiness, true);
}

/* A pipe that is full to the brim is read to its end, however large its writer has made it. */
static void test_drain(Readiness *readiness, const void *unused)
{
    g_autofree char *text = g_strnfill(65535, 'x');

    readiness_write(readiness, text);
    readiness_write(readiness, "\n");
    readiness_pipe_drain(readiness->pipe);
    assert_said(readiness, true);
    readiness_write(readiness, "again\n");
    readiness_pipe_drain(readiness->pipe);
    assert_said(readiness, true);
}

static void test_drain_nothing(Readiness *readiness, const void *unused)
{
    readiness_pipe_drain(readiness->pipe);
    g_assert_cmpuint(readiness->n_calls, ==, 0);
    readiness_close(readiness);
    readiness_pipe_drain(readiness->pipe);
    assert_said(readiness, false);
}

static int refilled_fd;

/* Who writes as fast as it is read. */
static ssize_t refilling_read(int fd, void *buffer, size_t size)
{
    ssize_t n = counting_read(fd, buffer, size);

    g_assert_cmpint(n, >, 0);
    g_assert_cmpint(write(refilled_fd, buffer, (size_t)n), ==, n);
    return n;
}

static void test_drain_is_bounded(Readiness *readiness, const void *unused)
{
    readiness_count_reads(readiness);
    readiness_write(readiness, "never");
    refilled_fd = readiness->writing;
    readiness->process.sys.read = refilling_read;
    readiness_pipe_drain(readiness->pipe);
    g_assert_cmpuint(readiness->n_calls, ==, 0);
    g_assert_cmpuint(n_reads, <, 10000);
    readiness->process.sys.read = read;
}

static void test_freed_inside(Readiness *readiness, const void *drains)
{
    readiness->frees = true;
    readiness_write(readiness, "\n");
    if (drains != NULL)
        readiness_pipe_drain(readiness->pipe);
    else
        fixture_settle(&readiness->process);
    assert_said(readiness, true);
    g_assert_null(readiness->pipe);
}

/* Whoever writes on is not ended by SIGPIPE for it. */
static void test_writes_on(Readiness *readiness, const void *unused)
{
    readiness_write(readiness, "\n");
    fixture_settle(&readiness->process);
    readiness_write(readiness, "still here\n");
    fixture_settle(&readiness->process);
    assert_said(readiness, true);
}

static ssize_t read_fails(int fd, void *buffer, size_t size)
{
    n_reads++;
    errno = EIO;
    return -1;
}

static void test_read_fails(Readiness *readiness, const void *unused)
{
    readiness_count_reads(readiness);
    readiness->process.sys.read = read_fails;
    readiness_write(readiness, "\n");
    fixture_settle(&readiness->process);
    assert_said(readiness, false);
    g_assert_cmpuint(n_reads, ==, 1);
    readiness->process.sys.read = read;
}

static int pipe2_fails(int fds[2], int flags)
{
    errno = EMFILE;
    return -1;
}

static Watch *watch_fails(WatchHost *host, int fd, uint32_t events, WatchPriority priority)
{
    errno = ENOMEM;
    return NULL;
}

static void test_open_fails(Readiness *readiness, const void *unused)
{
    WatchHost *watches = loop_watches(readiness->process.loop), good = *watches;
    int n_before = fd_count_open();

    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;

        readiness->process.sys.pipe2 = i == 0 ? pipe2_fails : pipe2;
        watches->create = i == 1 ? watch_fails : good.create;
        g_assert_null(readiness_pipe_new(readiness->process.host, on_ready, readiness, &error));
        assert_contains(error->message, "cannot open the readiness pipe");
        assert_contains(error->message, g_strerror(i == 0 ? EMFILE : ENOMEM));
        g_assert_cmpint(fd_count_open(), ==, n_before);
    }
    *watches = good;
    g_assert_cmpuint(readiness->n_calls, ==, 0);
}

#define ADD(path, func, data)                                                                      \
    g_test_add("/readiness-pipe/" path, Readiness, data, readiness_init, func, readiness_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    readiness_pipe_free(NULL);
    ADD("newline", test_newline, NULL);
    ADD("not-yet", test_not_yet, NULL);
    ADD("closed", test_closed, NULL);
    ADD("newline-then-closed", test_newline_then_closed, NULL);
    ADD("last-writer", test_last_writer, NULL);
    ADD("own-copy", test_own_copy, NULL);
    ADD("long-words", test_long_words, NULL);
    ADD("drain", test_drain, NULL);
    ADD("drain/nothing", test_drain_nothing, NULL);
    ADD("drain/bounded", test_drain_is_bounded, NULL);
    ADD("freed-inside/loop", test_freed_inside, NULL);
    ADD("freed-inside/drain", test_freed_inside, "");
    ADD("writes-on", test_writes_on, NULL);
    ADD("failures/read", test_read_fails, NULL);
    ADD("failures/open", test_open_fails, NULL);
    return g_test_run();
}
