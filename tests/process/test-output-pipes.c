/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pipes without a program: what is written is written here, also when the run is over, and when
 * another daemon goes on; and where output goes that is not for a file. */

#include "base/fds.h"
#include "base/random.h"
#include "output-fixture.h"
#include "process/output-pipes.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gstdio.h>

static const OutputSpec to_file = {.target = OUTPUT_FILE};

/* The run is given the pipes, of which somebody keeps one. */
static Output *output_with(ProcessFixture *fixture, const char *run, int *ret_writing)
{
    g_autoptr(GError) error = NULL;
    Output *output = output_new(fixture->host, "web", run, &to_file, &error);

    g_assert_no_error(error);
    *ret_writing = fcntl(output_ends(output).stdout_fd, F_DUPFD_CLOEXEC, 3);
    g_assert_cmpint(*ret_writing, >=, 3);
    output_close_writing(output);
    return output;
}

static void write_text(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

static bool has_fds(void *data)
{
    return fd_count_open() == *(const int *)data;
}

/* Another daemon that keeps the same logs. */
static ProcessHost *other_host(ProcessFixture *fixture, const char *runtime_dir)
{
    g_autoptr(GError) error = NULL;
    ProcessHostOptions options = {
            .clock = &fixture->clock.clock,
            .timers = loop_timers(fixture->loop),
            .watches = loop_watches(fixture->loop),
            .random = random_system(),
            .sys = &fixture->sys,
            .runtime_dir = runtime_dir,
    };
    ProcessHost *host = process_host_new(&options, &error);

    g_assert_no_error(error);
    process_host_open_logs(host, fixture_path(fixture, "logs"), 0);
    return host;
}

/* A grandchild goes on when its run is over and the next one has begun. */
static void test_survivor(ProcessFixture *fixture, const void *unused)
{
    int survivor, next;
    Output *output = output_with(fixture, RUN_A, &survivor);

    (void)fd_close(survivor);
    output_release(output);
    int n_fds = fd_count_open();
    output = output_with(fixture, RUN_A, &survivor);
    write_text(survivor, "in ti");
    output_drain(output);
    assert_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "in ti");
    output_release(output);
    output = output_with(fixture, RUN_B, &next);
    write_text(next, "next\n");
    write_text(survivor, "me\nlate\n");
    wait_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "in time\nlate\n");
    wait_said(fixture, "web", OUTPUT_STDOUT, RUN_B, "next\n");
    (void)fd_close(survivor);
    (void)fd_close(next);
    output_release(output);
    fixture_run_until(fixture, has_fds, &n_fds);
}

/* Runs that each leave somebody behind who can write. */
static void test_left(ProcessFixture *fixture, const void *unused)
{
    enum { RUNS = 40, LEFT_MAX = 16 };
    g_autoptr(GString) expected = g_string_new(NULL);
    int writing[RUNS], n_fds = 0;

    for (int i = 0; i < RUNS; i++) {
        g_autofree char *line = g_strdup_printf("run %d\n", i);
        Output *output = output_with(fixture, RUN_A, &writing[i]);

        n_fds = i == 0 ? fd_count_open() : n_fds;
        output_release(output);
        write_text(writing[i], line);
        g_string_append(expected, line);
    }
    g_assert_cmpint(fd_count_open(), <, n_fds + RUNS + LEFT_MAX);
    wait_said(fixture, "web", OUTPUT_STDOUT, RUN_A, expected->str);
    for (int i = 0; i < RUNS; i++) {
        struct pollfd look = {.fd = writing[i], .events = 0};
        bool is_closed = poll(&look, 1, 0) == 1 && (look.revents & POLLERR) != 0;

        g_assert_cmpint(is_closed, ==, i < RUNS - LEFT_MAX);
    }
    g_assert_cmpstr(fixture->log->str, ==,
                    "more than 16 of its former runs have left somebody who can write: what the "
                    "oldest of them say is not read any more\n");
    for (int i = 0; i < RUNS; i++)
        (void)fd_close(writing[i]);
}

static unsigned n_reads;
static int refilled_fd;

static ssize_t refilling_read(int fd, void *buffer, size_t size)
{
    static const char bytes[4096] = "as fast as it is read\n";
    ssize_t n = read(fd, buffer, size);

    g_assert_cmpuint(++n_reads, <, 1000);
    while (write(refilled_fd, bytes, sizeof bytes) > 0)
        ;
    return n;
}

/* Somebody has filled the pipe again before anything can be done about it. */
static void test_drain_ends(ProcessFixture *fixture, const void *unused)
{
    Output *output = output_with(fixture, RUN_A, &refilled_fd);

    write_text(refilled_fd, "first\n");
    g_assert_cmpint(fcntl(refilled_fd, F_SETFL, O_NONBLOCK), ==, 0);
    fixture->sys.read = refilling_read;
    output_drain(output);
    g_assert_cmpuint(n_reads, ==, 1);
    output_drain(output);
    g_assert_cmpuint(n_reads, <=, 1 + 64);
    fixture->sys.read = read;
    (void)fd_close(refilled_fd);
    output_release(output);
}

/* What is still in the pipe when the daemon ends, though somebody could write on. */
static void test_host_ends(ProcessFixture *fixture, const void *unused)
{
    g_autofree char *runtime = g_build_filename(fixture->directory, "other", NULL);
    int writing;

    g_assert_cmpint(g_mkdir(runtime, 0700), ==, 0);
    ProcessHost *host = fixture->host;
    fixture->host = other_host(fixture, runtime);
    Output *output = output_with(fixture, RUN_A, &writing);
    write_text(writing, "first\nsec");
    output_release(output);
    write_text(writing, "ond\nlast");
    process_host_free(fixture->host);
    fixture->host = host;
    (void)fd_close(writing);
    assert_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "first\nsecond\nlast<cut>");
}

typedef struct Given {
    char *name;
    int fd;
    unsigned n;
} Given;

static void on_given(const char *name, int fd, void *data)
{
    Given *given = data;

    if (given->n++ > 0) { /* of standard error, whose writer has gone */
        (void)fd_close(fd);
        return;
    }
    given->name = g_strdup(name);
    given->fd = fd;
}

static bool holds_nothing(void *data)
{
    Given none = {.fd = -1};

    output_pipes_hand_over(data, on_given, &none);
    g_free(none.name);
    (void)fd_close(none.fd);
    return none.n == 0;
}

static void test_hand_over(ProcessFixture *fixture, const void *unused)
{
    g_autofree char *runtime = g_build_filename(fixture->directory, "other", NULL);
    g_autoptr(GError) error = NULL;
    Given given = {.fd = -1};
    int writing;

    g_assert_cmpint(g_mkdir(runtime, 0700), ==, 0);
    ProcessHost *next = other_host(fixture, runtime);
    Output *output = output_with(fixture, RUN_A, &writing);
    write_text(writing, "one\ntw");
    wait_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "one\n");
    output_pipes_hand_over(fixture->host, on_given, &given);
    g_assert_cmpuint(given.n, ==, 1); /* standard error has nobody who writes to it any more */
    g_assert_cmpstr(given.name, ==, "out:" RUN_A ":web");
    output_release(output);
    write_text(writing, "o\nthree\n");
    g_assert_true(output_pipes_adopt(next, given.name, given.fd, &error));
    wait_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "one\ntwo\nthree\n");
    write_text(writing, "four");
    (void)fd_close(writing);
    wait_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "one\ntwo\nthree\nfour<cut>");
    g_assert_true(holds_nothing(next));
    process_host_free(next);
    g_free(given.name);
}

typedef struct NameRow {
    const char *string;
    const char *id; /* NULL: it is none */
    OutputStream stream;
} NameRow;

static void test_names(void)
{
    static const NameRow rows[] = {
            {"out:" RUN_A ":web", "web", OUTPUT_STDOUT},
            {"err:" RUN_A ":a:b/c", "a:b/c", OUTPUT_STDERR},
            {"out:" RUN_A ":", NULL, 0},
            {"out:" RUN_A, NULL, 0},
            {"in:" RUN_A ":web", NULL, 0},
            {"out:0123:web", NULL, 0},
            {"out:" RUN_A "0:web", NULL, 0},
            {"out:0123456789ABCDEF0123456789ABCDEF:web", NULL, 0},
            {"", NULL, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *string = g_strdup(rows[i].string);
        OutputPipeName name;

        g_assert_cmpint(output_pipe_name_parse(string, &name), ==, rows[i].id != NULL);
        if (rows[i].id == NULL)
            continue;
        g_assert_cmpstr(name.service_id, ==, rows[i].id);
        g_assert_cmpstr(name.invocation, ==, RUN_A);
        g_assert_cmpint(name.stream, ==, rows[i].stream);
        g_autofree char *again = output_pipe_name_to_string(&name);
        g_assert_cmpstr(again, ==, rows[i].string);
    }
}

/* Who gives may be mistaken: whatever it is, it is closed. */
static void test_adopt_refused(ProcessFixture *fixture, const void *unused)
{
    int n_fds = fd_count_open(), fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_false(output_pipes_adopt(fixture->host, "out:" RUN_A ":web", null, NULL));
    g_assert_false(output_pipes_adopt(fixture->host, "out:" RUN_A ":web", fds[1], NULL));
    g_assert_false(output_pipes_adopt(fixture->host, "out:web", fds[0], NULL));
    g_assert_cmpint(fd_count_open(), ==, n_fds);
}

/* Targets */

static char *link_of(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return g_file_read_link(path, NULL);
}

static void test_null(ProcessFixture *fixture, const void *unused)
{
    const OutputSpec spec = {.target = OUTPUT_NULL};
    Output *a = output_new(fixture->host, "web", RUN_A, &spec, NULL);
    Output *b = output_new(fixture->host, "web", RUN_B, &spec, NULL);
    OutputEnds ends = output_ends(a);
    g_autofree char *path = link_of(ends.stdout_fd);

    g_assert_cmpstr(path, ==, "/dev/null");
    g_assert_cmpint(ends.stderr_fd, ==, ends.stdout_fd);
    g_assert_cmpint(output_ends(b).stdout_fd, ==, ends.stdout_fd);
    output_close_writing(a);
    write_text(ends.stdout_fd, "nobody hears it"); /* it is still b's */
    output_release(a);
    output_release(b);
    g_assert_false(g_file_test(fixture_path(fixture, "logs/web"), G_FILE_TEST_EXISTS));
}

static void test_inherit(ProcessFixture *fixture, const void *unused)
{
    const OutputSpec spec = {.target = OUTPUT_INHERIT};
    Output *output = output_new(fixture->host, "web", RUN_A, &spec, NULL);

    g_assert_cmpint(output_ends(output).stdout_fd, ==, -1);
    output_release(output);
    output = output_new(fixture->host, NULL, RUN_A, &to_file, NULL); /* it is no service */
    g_assert_cmpint(output_ends(output).stderr_fd, ==, -1);
    output_release(output);
}

static void test_without_timestamps(ProcessFixture *fixture, const void *unused)
{
    const OutputSpec spec = {.target = OUTPUT_FILE, .has_no_timestamps = true};
    Output *output = output_new(fixture->host, "web", RUN_A, &spec, NULL);

    write_text(output_ends(output).stdout_fd, "as it is\n");
    write_text(output_ends(output).stderr_fd, "and the end");
    output_release(output);
    g_autoptr(GString) text = log_read(fixture, "web");
    g_assert_cmpstr(text->str, ==, "as it is\nand the end\n");
}

/* Where there is no journal: one word of the daemon, and the file. */
static void test_no_journal(ProcessFixture *fixture, const void *unused)
{
    const OutputSpec spec = {.target = OUTPUT_JOURNAL};

    if (g_file_test("/run/systemd/journal/stdout", G_FILE_TEST_EXISTS)) {
        g_test_skip("there is a journal here");
        return;
    }
    for (int i = 0; i < 2; i++) {
        Output *output = output_new(fixture->host, "web", RUN_A, &spec, NULL);

        write_text(output_ends(output).stdout_fd, "kept\n");
        output_release(output);
    }
    assert_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "kept\nkept\n");
    g_assert_cmpstr(fixture->log->str, ==,
                    "cannot open a stream of the journal: No such file or directory; what is meant "
                    "for the journal goes to files\n");
}

/* All that the next connection says. */
static char *journal_hear(int fd)
{
    autofd int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    GString *text = g_string_new(NULL);
    char bytes[256];

    g_assert_cmpint(connection, >=, 0);
    for (ssize_t n; (n = read(connection, bytes, sizeof bytes)) > 0;)
        g_string_append_len(text, bytes, n);
    return g_string_free(text, FALSE);
}

static void journal_check(ProcessFixture *fixture)
{
    const OutputSpec spec = {.target = OUTPUT_JOURNAL};
    autofd int journal = journal_listen(8);
    Output *output = output_new(fixture->host, "web", RUN_A, &spec, NULL);
    OutputEnds ends = output_ends(output);

    g_assert_cmpint(ends.stdout_fd, >=, 3);
    g_assert_cmpint(fcntl(ends.stdout_fd, F_GETFL) & O_NONBLOCK, ==, 0);
    write_text(ends.stdout_fd, "said\n");
    write_text(ends.stderr_fd, "cried\n");
    output_release(output);
    g_autofree char *text = journal_hear(journal);
    g_assert_cmpstr(text, ==, "web\n\n6\n1\n0\n0\n0\nsaid\ncried\n");
    g_assert_cmpstr(fixture->log->str, ==, "");
}

/* Its queue is full, and nobody takes from it: the file, at once. */
static void journal_check_hung(ProcessFixture *fixture)
{
    const OutputSpec spec = {.target = OUTPUT_JOURNAL};
    Output *outputs[4];

    g_assert_cmpint(g_unlink(JOURNAL_SOCKET), ==, 0);
    autofd int journal = journal_listen(0);
    g_assert_cmpint(journal, >=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(outputs); i++)
        outputs[i] = output_new(fixture->host, "web", RUN_A, &spec, NULL);
    write_text(output_ends(outputs[3]).stdout_fd, "kept\n");
    for (size_t i = 0; i < G_N_ELEMENTS(outputs); i++)
        output_release(outputs[i]);
    assert_said(fixture, "web", OUTPUT_STDOUT, RUN_A, "kept\n");
    assert_contains(fixture->log->str, "the journal: Resource temporarily unavailable; what is");
}

static void test_journal(ProcessFixture *fixture, const void *unused)
{
    if (geteuid() != 0) {
        g_test_skip("only root can have a /run of its own");
        return;
    }
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 10 * USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    if (!journal_enter())
        return; /* not allowed here */
    journal_check(fixture);
    journal_check_hung(fixture);
}

/* The daemon may have been started without descriptors of its own. */
static void test_low_numbers(ProcessFixture *fixture, const void *unused)
{
    int own[3];

    output_release(output_new(fixture->host, "web", RUN_A, &to_file, NULL)); /* the reader's own */
    for (int fd = 0; fd < 3; fd++) {
        own[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        (void)fd_close(fd);
    }
    Output *output = output_new(fixture->host, "web", RUN_A, &to_file, NULL);
    OutputEnds ends = output_ends(output);
    bool is_free = fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
    for (int fd = 0; fd < 3; fd++) {
        (void)dup2(own[fd], fd);
        (void)fd_close(own[fd]);
    }
    g_assert_true(is_free);
    g_assert_cmpint(ends.stdout_fd, >=, 3);
    g_assert_cmpint(ends.stderr_fd, >=, 3);
    g_assert_cmpint(fcntl(ends.stdout_fd, F_GETFL) & O_NONBLOCK, ==, 0);
    output_release(output);
}

#define ADD(name, test)                                                                            \
    g_test_add("/output-pipes/" name, ProcessFixture, NULL, output_init, test, output_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("survivor", test_survivor);
    ADD("left", test_left);
    ADD("drain-ends", test_drain_ends);
    ADD("host-ends", test_host_ends);
    ADD("hand-over", test_hand_over);
    ADD("adopt-refused", test_adopt_refused);
    ADD("null", test_null);
    ADD("inherit", test_inherit);
    ADD("without-timestamps", test_without_timestamps);
    ADD("journal", test_journal);
    ADD("no-journal", test_no_journal);
    ADD("low-numbers", test_low_numbers);
    g_test_add_func("/output-pipes/names", test_names);
    return g_test_run();
}
