/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each system call of reading output fails once: a start fails with the reason and leaves nothing,
 * what runs goes on, and no line is lost. And how often it is looked at who says little. */

#include "base/errors.h"
#include "base/fds.h"
#include "output-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef enum FaultCall {
    FAULT_PIPE2,
    FAULT_EPOLL_CREATE,
    FAULT_EPOLL_CTL,
    FAULT_EPOLL_WAIT,
    FAULT_READ,
    _FAULT_MAX,
} FaultCall;

static struct {
    FaultCall call;
    unsigned nth; /* from 1 on; 0: none */
    int errno_value;
    unsigned n;
    unsigned n_reads;
    unsigned n_writes;
    size_t n_written;
    int stolen_fd; /* what comes there is read by somebody else; -1: none */
} fault = {.stolen_fd = -1};

static bool fault_hits(FaultCall call)
{
    if (call != fault.call || ++fault.n != fault.nth)
        return false;
    errno = fault.errno_value;
    return true;
}

static int fault_pipe2(int fds[2], int flags)
{
    return fault_hits(FAULT_PIPE2) ? -1 : pipe2(fds, flags);
}

static int fault_epoll_create1(int flags)
{
    return fault_hits(FAULT_EPOLL_CREATE) ? -1 : epoll_create1(flags);
}

static int fault_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return fault_hits(FAULT_EPOLL_CTL) ? -1 : epoll_ctl(epoll_fd, operation, fd, event);
}

static int fault_epoll_wait(int epoll_fd, struct epoll_event *events, int max_events,
                            int timeout_msec)
{
    return fault_hits(FAULT_EPOLL_WAIT) ? -1
                                        : epoll_wait(epoll_fd, events, max_events, timeout_msec);
}

static ssize_t fault_read(int fd, void *buffer, size_t size)
{
    fault.n_reads++;
    if (fd == fault.stolen_fd) {
        errno = EAGAIN;
        return -1;
    }
    return fault_hits(FAULT_READ) ? -1 : read(fd, buffer, size);
}

static ssize_t fault_write(int fd, const void *buffer, size_t size)
{
    fault.n_writes++;
    fault.n_written += size;
    return write(fd, buffer, size);
}

static void fault_init(ProcessFixture *fixture, const void *unused)
{
    output_init(fixture, unused);
    fixture->sys.pipe2 = fault_pipe2;
    fixture->sys.epoll_create1 = fault_epoll_create1;
    fixture->sys.epoll_ctl = fault_epoll_ctl;
    fixture->sys.epoll_wait = fault_epoll_wait;
    fixture->sys.read = fault_read;
    fixture->sys.write = fault_write;
}

static void fault_arm(FaultCall call, unsigned nth, int errno_value)
{
    fault.call = call;
    fault.nth = nth;
    fault.errno_value = errno_value;
    fault.n = fault.n_reads = 0;
    fault.n_writes = 0;
    fault.n_written = 0;
}

#define ECHO "{'exec': ['/bin/sh', '-c', 'echo said; exec sleep 60'], 'restart': {'policy': 'no'}}"

typedef struct StartRow {
    FaultCall call;
    unsigned nth;
    int errno_value;
    const char *expected;
} StartRow;

static void test_start(ProcessFixture *fixture, const void *unused)
{
    static const StartRow rows[] = {
            {FAULT_EPOLL_CREATE, 1, EMFILE, "cannot open a pipe for its output: Too many open"},
            {FAULT_PIPE2, 1, EMFILE, "cannot open a pipe for its output: Too many open files"},
            {FAULT_PIPE2, 2, ENFILE, "cannot open a pipe for its output: Too many open files in"},
            {FAULT_EPOLL_CTL, 1, ENOSPC, "cannot open a pipe for its output: No space left"},
            {FAULT_EPOLL_CTL, 2, ENOMEM, "cannot open a pipe for its output: Cannot allocate"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        fault_arm(rows[i].call, rows[i].nth, rows[i].errno_value);
        Service *service = fixture_start(fixture, fixture->process, ECHO);

        fixture_wait_settled(fixture, service);
        g_assert_cmpuint(fault.n, >=, fault.nth);
        assert_failure(service, FAILURE_EXEC, rows[i].expected);
        (void)service_start(service, &(Origin){.cause = CAUSE_METHOD, .method = "Test"}, NULL);
        fixture_wait_state(fixture, service, STATE_ACTIVE);
        wait_said(fixture, service_id(service), OUTPUT_STDOUT, NULL, "said\n");
        fixture_drop(fixture, service);
    }
}

typedef struct ReadRow {
    FaultCall call;
    int errno_value;
    const char *logged; /* NULL: nothing */
} ReadRow;

static void write_text(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

static Output *output_of(ProcessFixture *fixture, int *ret_writing)
{
    static const OutputSpec spec = {.target = OUTPUT_FILE};
    Output *output = output_new(fixture->host, "web", RUN_A, &spec, NULL);

    g_assert_nonnull(output);
    *ret_writing = fcntl(output_ends(output).stdout_fd, F_DUPFD_CLOEXEC, 3);
    return output;
}

static void test_read(ProcessFixture *fixture, const void *unused)
{
    static const ReadRow rows[] = {
            {FAULT_EPOLL_WAIT, EINTR, NULL},
            {FAULT_READ, EAGAIN, NULL}, /* somebody else was faster */
            {FAULT_READ, EINTR, NULL},
            {FAULT_READ, EIO, "cannot read its stdout: Input/output error\n"},
    };
    g_autoptr(GString) expected = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int writing;
        Output *output = output_of(fixture, &writing);

        output_close_writing(output);
        output_drain(output); /* nobody has the other stream */
        g_string_truncate(fixture->log, 0);
        fault_arm(rows[i].call, 1, rows[i].errno_value);
        write_text(writing, "a line\n");
        g_string_append(expected, "a line\n");
        wait_said(fixture, "web", OUTPUT_STDOUT, NULL, expected->str);
        g_assert_cmpuint(fault.n, >=, 1);
        g_assert_cmpstr(fixture->log->str, ==, rows[i].logged != NULL ? rows[i].logged : "");
        (void)fd_close(writing);
        output_release(output);
    }
}

/* In vain: the death is told all the same, and what it could not read comes later. */
static void test_drain(ProcessFixture *fixture, const void *unused)
{
    int writing;
    Output *output = output_of(fixture, &writing);

    output_close_writing(output);
    write_text(writing, "last words\n");
    fault_arm(FAULT_READ, 1, EIO);
    output_release(output);
    g_assert_cmpuint(fault.n, ==, 1);
    wait_said(fixture, "web", OUTPUT_STDOUT, NULL, "last words\n");
    (void)fd_close(writing);
}

/* A line in each turn of the loop, for a fifth of a second. */
static void test_rests(ProcessFixture *fixture, const void *unused)
{
    Clock *clock = clock_system();
    int writing;
    Output *output = output_of(fixture, &writing);
    uint64_t began_usec = clock_monotonic_usec(clock), now_usec;
    unsigned n_lines = 0;

    output_close_writing(output);
    fault_arm(_FAULT_MAX, 0, 0);
    while ((now_usec = clock_monotonic_usec(clock)) < began_usec + USEC_PER_SEC / 5) {
        if (n_lines++ < 2000)
            write_text(writing, ".\n");
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), 0), >=, 0);
    }
    g_assert_cmpuint(fault.n_reads, >, 0);
    g_assert_cmpuint(fault.n_reads, <=, (now_usec - began_usec) / (20 * USEC_PER_MSEC) + 2);
    (void)fd_close(writing);
    output_release(output);
}

static bool has_read(void *data)
{
    int n_there = 0;

    g_assert_cmpint(ioctl(*(const int *)data, FIONREAD, &n_there), ==, 0);
    return n_there == 0;
}

#define FILL_ROUNDS 20

/* Who fills his pipe again and again does not wait for the reader to have rested. */
static void check_no_rest(ProcessFixture *fixture, int writing)
{
    static const char bytes[4096] = "";
    Clock *clock = clock_system();
    unsigned n_slow = 0;

    g_assert_cmpint(fcntl(writing, F_SETFL, O_NONBLOCK), ==, 0);
    for (unsigned i = 0; i < FILL_ROUNDS; i++) {
        uint64_t began_usec = clock_monotonic_usec(clock);

        while (write(writing, bytes, sizeof bytes) > 0)
            continue;
        fixture_run_until(fixture, has_read, &writing);
        n_slow += clock_monotonic_usec(clock) > began_usec + 15 * USEC_PER_MSEC;
    }
    g_assert_cmpuint(n_slow, <=, FILL_ROUNDS / 2); /* the first; and where others are busy */
}

static void fill(int writing)
{
    static const char line[] = "what somebody says who says as much as he can, line after line\n";

    while (write(writing, line, sizeof line - 1) > 0)
        continue;
}

/* Eight say as much as they can: a turn of the loop writes little, and not line by line. */
static void test_turns(ProcessFixture *fixture, const void *unused)
{
    enum { MANY = 8, TURNS = 50 };
    Output *outputs[MANY];
    int writing[MANY];
    unsigned n_turns = 0;

    for (unsigned i = 0; i < MANY; i++) {
        outputs[i] = output_of(fixture, &writing[i]);
        output_close_writing(outputs[i]);
        g_assert_cmpint(fcntl(writing[i], F_SETFL, O_NONBLOCK), ==, 0);
    }
    while (n_turns < TURNS) {
        for (unsigned i = 0; i < MANY; i++)
            fill(writing[i]);
        fault_arm(_FAULT_MAX, 0, 0);
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), 1000), >=, 0);
        n_turns += fault.n_reads > 0;
        g_assert_cmpuint(fault.n_writes, <=, 8);
        g_assert_cmpuint(fault.n_written, <=, 256 * 1024);
    }
    for (unsigned i = 0; i < MANY; i++) {
        (void)fd_close(writing[i]);
        output_release(outputs[i]);
    }
}

static void on_call(uint32_t events, void *data)
{
    unsigned *n_calls = data;

    ++*n_calls;
}

/* As long as there are calls to be answered nothing is read. */
static void test_calls_first(ProcessFixture *fixture, const void *unused)
{
    enum { CALLS = 100 };
    unsigned n_calls = 0;
    int writing, calling = eventfd(1, EFD_CLOEXEC);
    Output *output = output_of(fixture, &writing);
    Watch *calls = watch_new(loop_watches(fixture->loop), calling, EPOLLIN, WATCH_PRIORITY_NORMAL,
                             on_call, &n_calls);

    output_close_writing(output);
    g_assert_cmpint(fcntl(writing, F_SETFL, O_NONBLOCK), ==, 0);
    fill(writing);
    fault_arm(_FAULT_MAX, 0, 0);
    for (unsigned i = 0; i < CALLS; i++)
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), 0), >, 0);
    g_assert_cmpuint(n_calls, ==, CALLS);
    g_assert_cmpuint(fault.n_reads, ==, 0);
    watch_free(calls);
    (void)fd_close(calling);
    fixture_run_until(fixture, has_read, &writing);
    (void)fd_close(writing);
    output_release(output);
}

/* A pipe of the least size is full with 4 KiB. */
static void test_small_pipe(ProcessFixture *fixture, const void *unused)
{
    int writing;
    Output *output = output_of(fixture, &writing);

    output_close_writing(output);
    fault_arm(_FAULT_MAX, 0, 0);
    g_assert_cmpint(fcntl(writing, F_SETPIPE_SZ, 4096), >=, 4096);
    check_no_rest(fixture, writing);
    (void)fd_close(writing);
    output_release(output);
}

/* For a tenth of a second nothing can be read. */
static void check_looks(ProcessFixture *fixture)
{
    Clock *clock = clock_system();
    uint64_t began_usec = clock_monotonic_usec(clock), now_usec;
    unsigned n_turns;

    fault.n_reads = 0;
    while ((now_usec = clock_monotonic_usec(clock)) < began_usec + USEC_PER_SEC / 10)
        g_assert_cmpint(sd_event_run(loop_event(fixture->loop), 1000), >=, 0);
    n_turns = (unsigned)((now_usec - began_usec) / (20 * USEC_PER_MSEC)) + 2;
    g_assert_cmpuint(fault.n_reads, <=, 32 * n_turns);
}

/* Somebody has opened his own output for reading, and is always faster; others do not wait for it.
 */
static void test_stolen(ProcessFixture *fixture, const void *unused)
{
    int stolen, writing, fds[2];
    Output *first, *output;

    fault_arm(_FAULT_MAX, 0, 0);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0); /* the next number is that of the reading end */
    (void)fd_close(fds[1]);
    (void)fd_close(fds[0]);
    first = output_of(fixture, &stolen);
    fault.stolen_fd = fds[0];
    output_close_writing(first);
    output = output_of(fixture, &writing);
    output_close_writing(output);
    write_text(stolen, "nobody sees it\n");
    check_no_rest(fixture, writing);
    check_looks(fixture);
    fault.stolen_fd = -1;
    (void)fd_close(stolen);
    (void)fd_close(writing);
    output_release(first);
    output_release(output);
}

#define ADD(name, test)                                                                            \
    g_test_add("/output-faults/" name, ProcessFixture, NULL, fault_init, test, output_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("start", test_start);
    ADD("read", test_read);
    ADD("drain", test_drain);
    ADD("rests", test_rests);
    ADD("turns", test_turns);
    ADD("calls-first", test_calls_first);
    ADD("small-pipe", test_small_pipe);
    ADD("stolen", test_stolen);
    return g_test_run();
}
