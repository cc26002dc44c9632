/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What it costs that the daemon keeps what services say: how long others wait for an answer while
 * one says as much as it can; how much of that gets to the disk, beside cat; what the daemon's own
 * time for it is, beside the loggers of runit and s6; and what many services that say a little
 * take.
 *
 * All writers are tests/programs/writer.c, with lines of 100 bytes in pieces of 4 KiB, as the
 * buffer of a C program makes them, or a line at a time where they are slow. */

#include "bench.h"

#include "base/clock.h"
#include "base/fds.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_LINE_BYTES 100
#define OUTPUT_QUIET 100
#define OUTPUT_FEW 10
#define OUTPUT_PATIENCE_USEC (60 * USEC_PER_SEC)
/* Until what was started is told, kept, and moved to where it belongs. */
#define OUTPUT_SETTLE_USEC (4 * USEC_PER_SEC)

typedef struct OutputBench {
    Bench *bench;
    char *writer; /* short: definitions are, too */
    sd_bus *bus;
    Client *client;
    uint64_t n_lines;
    uint64_t round_usec; /* in which answers are measured */
} OutputBench;

/* The daemon */

/* A directory of their own for what is defined now. */
static void output_new_definitions(OutputBench *output, const char *name)
{
    DaemonFixture *fixture = &output->bench->fixture;

    g_free(fixture->services_dir);
    fixture->services_dir = g_build_filename(fixture->root, name, NULL);
    g_assert_cmpint(g_mkdir(fixture->services_dir, 0700), ==, 0);
}

static void output_start(OutputBench *output)
{
    bench_start_daemon(output->bench);
    output->client = client_new_private(output->bench->fixture.socket);
    output->bus = bench_connect_server(output->bench->fixture.socket);
}

static void output_stop(OutputBench *output)
{
    g_clear_pointer(&output->bus, sd_bus_flush_close_unref);
    g_clear_pointer(&output->client, client_free);
    bench_stop_daemon(output->bench);
}

static void output_rest(const OutputBench *output, uint64_t usec)
{
    struct pollfd daemon = {.fd = output->bench->fixture.daemon.pidfd, .events = POLLIN};

    g_assert_cmpint(poll(&daemon, 1, (int)(usec / USEC_PER_MSEC)), ==, 0);
}

/* Others */

/* A writer, and somebody who reads it through a FIFO. */
typedef struct OutputPair {
    Child writer;
    Child reader;
} OutputPair;

static void output_spawn(const OutputBench *output, Child *child, const char *command)
{
    const char *root = output->bench->fixture.root;
    g_autofree char *fifo = g_build_filename(root, "fifo", NULL);
    g_autofree char *to = g_build_filename(root, "to", NULL);
    g_auto(GStrv) environment = g_get_environ();
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    ChildStreams streams = {.output_fd = -1, .error_fd = STDERR_FILENO, .keep_fd = -1};

    environment = g_environ_setenv(environment, "OUTPUT_FIFO", fifo, TRUE);
    environment = g_environ_setenv(environment, "OUTPUT_TO", to, TRUE);
    child_spawn(child, argv, (const char *const *)environment, &streams);
}

/* reader: a command of the shell, for $OUTPUT_TO. n_lines 0: until it is ended. */
static void output_pair_start(const OutputBench *output, OutputPair *pair, uint64_t n_lines,
                              const char *reader)
{
    g_autofree char *read = g_strdup_printf("exec %s <\"$OUTPUT_FIFO\"", reader);
    g_autofree char *write =
            g_strdup_printf("exec '%s' chunk 4096 lines %" G_GUINT64_FORMAT " >\"$OUTPUT_FIFO\"",
                            output->writer, n_lines);

    output_spawn(output, &pair->reader, read);
    output_spawn(output, &pair->writer, write);
}

/* Answers */

static double output_get(const OutputBench *output)
{
    uint64_t began_usec = test_now_usec();
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int r = sd_bus_call_method(output->bus, NULL, "/org/svcmgr1/service/s00000",
                               "org.freedesktop.DBus.Properties", "Get", &error, &reply, "ss",
                               CLIENT_SERVICE, "State");

    if (r < 0)
        g_error("Get: %s", error.message);
    (void)sd_bus_message_unref(reply); /* always NULL */
    return (double)(test_now_usec() - began_usec);
}

/* The 99th percentile, in microseconds. */
static double output_p99(const OutputBench *output)
{
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(double));
    uint64_t until_usec = test_now_usec() + output->round_usec;

    while (test_now_usec() < until_usec) {
        double usec = output_get(output);

        g_array_append_val(times, usec);
    }
    const double *values = (const double *)(void *)times->data;
    double usec = bench_percentile(values, times->len, 99);
    bench_note("%u answers, in microseconds: median %.0f, 95%% within %.0f, 99%% within %.0f",
               times->len, bench_median(values, times->len),
               bench_percentile(values, times->len, 95), usec);
    return usec;
}

static double output_round_idle(void *data)
{
    return output_p99(data);
}

static double output_round_loud(void *data)
{
    OutputBench *output = data;

    (void)client_operate(output->client, "loud", "Start");
    (void)client_wait_state(output->client, "loud", "active");
    double usec = output_p99(output);
    (void)client_operate(output->client, "loud", "Stop");
    (void)client_wait_state(output->client, "loud", "inactive");
    return usec;
}

/* The same beside the daemon, which has nothing to do with it: what the machine makes of it. */
static double output_round_beside(void *data)
{
    OutputBench *output = data;
    OutputPair pair;

    output_pair_start(output, &pair, 0, "cat >\"$OUTPUT_TO\"");
    double usec = output_p99(output);
    g_assert_true(child_end(&pair.writer, OUTPUT_PATIENCE_USEC));
    g_assert_cmpint(child_wait_exit(&pair.reader, OUTPUT_PATIENCE_USEC), ==, 0);
    return usec;
}

static void output_define_loud(const OutputBench *output)
{
    g_autofree char *text = g_strdup_printf(
            "{\"kind\":\"process\",\"config\":{\"exec\":[\"%s\",\"chunk\",\"4096\"]}}",
            output->writer);

    daemon_fixture_define(&output->bench->fixture, "loud", text);
}

static void output_measure_answers(OutputBench *output)
{
    Bench *bench = output->bench;

    output_new_definitions(output, "answers");
    bench_define(bench, OUTPUT_QUIET, "process", "{\"exec\":[\"sleep\",\"infinity\"]}", true);
    output_define_loud(output);
    output_start(output);
    double ratio = bench_compare("output/answers", bench->quick ? 1 : 5, output_round_idle, output,
                                 output_round_loud, output);
    double beside = bench_compare("output/answers, of a writer and cat beside the daemon",
                                  bench->quick ? 1 : 5, output_round_idle, output,
                                  output_round_beside, output);
    bench_note("output/answers: what the daemon adds to what the machine does: %.2f",
               ratio / beside);
    output_stop(output);
    bench_figure("output/answers", ratio, "ratio", "<= 2");
}

/* Bytes */

static double output_mib(const OutputBench *output)
{
    return (double)(output->n_lines * OUTPUT_LINE_BYTES) / 1024 / 1024;
}

static double output_mib_per_second(const OutputBench *output, uint64_t began_usec)
{
    return output_mib(output) * USEC_PER_SEC / (double)(test_now_usec() - began_usec);
}

static double output_round_cat(void *data)
{
    OutputBench *output = data;
    uint64_t began_usec = test_now_usec();
    OutputPair pair;

    output_pair_start(output, &pair, output->n_lines, "cat >\"$OUTPUT_TO\"");
    g_assert_cmpint(child_wait_exit(&pair.writer, OUTPUT_PATIENCE_USEC), ==, 0);
    g_assert_cmpint(child_wait_exit(&pair.reader, OUTPUT_PATIENCE_USEC), ==, 0);
    return output_mib_per_second(output, began_usec);
}

/* When it is inactive, all that it has said is in the log. */
static double output_round_ours(void *data)
{
    OutputBench *output = data;
    uint64_t began_usec = test_now_usec();

    (void)client_operate(output->client, "much", "Start");
    (void)client_wait_state(output->client, "much", "inactive");
    return output_mib_per_second(output, began_usec);
}

/* Microseconds of the daemon for a MiB. */
static double output_round_our_cpu(void *data)
{
    OutputBench *output = data;
    uint64_t before_usec = bench_cpu_usec(output->bench->fixture.daemon.pid);

    (void)output_round_ours(output);
    return (double)(bench_cpu_usec(output->bench->fixture.daemon.pid) - before_usec) /
           output_mib(output);
}

typedef struct OutputLogger {
    const char *program;
    const char *command;
    const char *figure;
    OutputBench *output;
} OutputLogger;

/* Stamped, and with as many files of the same size as ours. */
static const OutputLogger output_loggers[] = {
        {"svlogd",
         "sh -c 'mkdir -p \"$OUTPUT_TO.d\" && printf \"s10485760\\nn6\\n\" "
         ">\"$OUTPUT_TO.d/config\" && "
         "exec svlogd -tt \"$OUTPUT_TO.d\"'",
         "output/cpu/svlogd", NULL},
        {"s6-log", "s6-log T s10485760 n5 \"$OUTPUT_TO.s6\"", "output/cpu/s6-log", NULL},
};

static double output_round_logger(void *data)
{
    const OutputLogger *logger = data;
    OutputBench *output = logger->output;
    siginfo_t info = {0};
    OutputPair pair;

    output_pair_start(output, &pair, output->n_lines, logger->command);
    g_assert_cmpint(child_wait_exit(&pair.writer, OUTPUT_PATIENCE_USEC), ==, 0);
    /* It has ended, and its time is still there. */
    g_assert_cmpint(waitid(P_PID, (id_t)pair.reader.pid, &info, WEXITED | WNOWAIT), ==, 0);
    double usec = (double)bench_cpu_usec(pair.reader.pid);
    g_assert_cmpint(child_wait_exit(&pair.reader, OUTPUT_PATIENCE_USEC), ==, 0);
    return usec / output_mib(output);
}

static void output_compare_with_logger(OutputBench *output, const OutputLogger *which)
{
    OutputLogger logger = *which;
    g_autofree char *program = g_find_program_in_path(logger.program);

    if (program == NULL) {
        bench_note("%s is not installed", logger.program);
        return;
    }
    logger.output = output;
    bench_figure(logger.figure,
                 bench_compare(logger.figure, output->bench->quick ? 1 : 7, output_round_logger,
                               &logger, output_round_our_cpu, output),
                 "ratio", "<= 1");
}

static void output_measure_bytes(OutputBench *output)
{
    g_autofree char *text =
            g_strdup_printf("{\"kind\":\"oneshot\",\"config\":{\"exec\":[\"%s\",\"lines\","
                            "\"%" G_GUINT64_FORMAT "\",\"chunk\",\"4096\"]}}",
                            output->writer, output->n_lines);

    output_new_definitions(output, "bytes");
    daemon_fixture_define(&output->bench->fixture, "much", text);
    output_start(output);
    bench_note("bytes of %.0f MiB, in MiB/s; time of the logger alone, in microseconds for a MiB",
               output_mib(output));
    bench_figure("output/bytes",
                 bench_compare("output/bytes", output->bench->quick ? 1 : 7, output_round_cat,
                               output, output_round_ours, output),
                 "ratio", ">= 0.5");
    for (size_t i = 0; i < G_N_ELEMENTS(output_loggers); i++)
        output_compare_with_logger(output, &output_loggers[i]);
    output_stop(output);
}

/* Many */

static uint64_t output_wakeups(pid_t pid)
{
    static const char name[] = "\nvoluntary_ctxt_switches:";
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *line = strstr(text, name);
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen(name), NULL, 10);
}

static void output_start_many(OutputBench *output, const char *name, unsigned n, const char *rate)
{
    g_autofree char *config =
            g_strdup_printf("{\"exec\":[\"%s\",\"rate\",\"%s\"]}", output->writer, rate);

    output_new_definitions(output, name);
    bench_define(output->bench, n, "process", config, true);
    output_start(output);
    output_rest(output, output->bench->quick ? USEC_PER_MSEC : OUTPUT_SETTLE_USEC);
}

static double output_few_kib(OutputBench *output)
{
    output_start_many(output, "few", OUTPUT_FEW, "10");
    double kib = (double)bench_pss_bytes(output->bench->fixture.daemon.pid) / 1024;
    output_stop(output);
    return kib;
}

static void output_measure_many(OutputBench *output)
{
    const Bench *bench = output->bench;
    unsigned n = bench->quick ? 30 : 1000;
    uint64_t rest_usec = bench->quick ? 200 * USEC_PER_MSEC : 10 * USEC_PER_SEC;
    double few_kib = output_few_kib(output);

    output_start_many(output, "many", n, "10");
    pid_t pid = bench->fixture.daemon.pid;
    uint64_t cpu_usec = bench_cpu_usec(pid), wakeups = output_wakeups(pid);
    uint64_t began_usec = test_now_usec();

    output_rest(output, rest_usec);
    double took_usec = (double)(test_now_usec() - began_usec);
    cpu_usec = bench_cpu_usec(pid) - cpu_usec;
    wakeups = output_wakeups(pid) - wakeups;
    double kib = (double)bench_pss_bytes(pid) / 1024;

    output_stop(output);
    bench_note("%u services with 10 lines a second each: %.0f KiB, %u of them %.0f KiB", n, kib,
               OUTPUT_FEW, few_kib);
    bench_figure("output/many/cpu", (double)cpu_usec * 100 / took_usec, "%", "<= 15");
    bench_figure("output/many/wakeups", (double)wakeups * USEC_PER_SEC / took_usec, "/s", "<= 60");
    bench_figure("output/many/memory", (kib - few_kib) / (n - OUTPUT_FEW), "KiB", "<= 2");
}

int main(int argc, char **argv)
{
    OutputBench output = {0};
    Bench bench;

    bench_init(&bench, argc, argv);
    output.bench = &bench;
    output.writer = g_build_filename(bench.fixture.root, "w", NULL);
    g_assert_nonnull(g_getenv("BENCH_WRITER"));
    g_assert_cmpint(symlink(g_getenv("BENCH_WRITER"), output.writer), ==, 0);
    output.n_lines = bench.quick ? 10000 : 700000;
    output.round_usec = bench.quick ? 50 * USEC_PER_MSEC : 2 * USEC_PER_SEC;

    g_autofree char *fifo = g_build_filename(bench.fixture.root, "fifo", NULL);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    output_measure_answers(&output);
    output_measure_bytes(&output);
    output_measure_many(&output);
    g_free(output.writer);
    return bench_done(&bench);
}
