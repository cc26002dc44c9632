/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Systems of services that require each other: how long after the start of those at the top all of
 * it is active, and after the stop of everything nothing is left.
 *
 * The programs (../programs/step.c) say themselves when they begin and when they are ready, which
 * takes each of them a known time. The longest way through the system, added up of their own times,
 * is what no supervisor could do without (with --max-starting N: at least all of it through N). The
 * rest is ours, with the making of the processes in it; the figure is that by service. What the
 * making of one such process takes alone, until it begins, is measured beside it and taken off in
 * the figure less-spawning. The order is checked, too, by what the programs say. */

#include "rig.h"

#include "base/clock.h"
#include "base/fds.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPS_READY_MSEC "1"
#define DEPS_ID_LENGTH 6 /* of bench_id */
#define DEPS_ROUNDS_MAX 9
#define DEPS_PATIENCE_USEC (60 * USEC_PER_SEC)
#define DEPS_JOURNAL_BYTES (1024 * 1024)
#define DEPS_SEED 1
#define DEPS_FLOOR_ROUNDS 20

typedef enum DepsWord {
    DEPS_BEGIN,
    DEPS_READY,
    DEPS_STOP,
    DEPS_END,
    _DEPS_WORD_MAX,
} DepsWord;

static const char *const deps_words[_DEPS_WORD_MAX] = {"begin", "ready", "stop", "end"};

/* Each requires only those before it. */
typedef struct System {
    Bench *bench;
    unsigned n;
    GArray **required;                /* of unsigned, for each */
    bool *is_required;                /* by anybody */
    uint64_t (*said)[_DEPS_WORD_MAX]; /* when, in the last round; 0: not */
    char *journal_path;
    int journal;
    sd_bus *bus;
    const char *destination; /* NULL: the private socket */
} System;

typedef struct Shape {
    const char *name;
    unsigned n;
    unsigned quick_n;
    unsigned rounds;
    unsigned max_starting; /* 0: no limit */
    bool on_bus;           /* as well */
    void (*draw)(System *system);
} Shape;

/* Shapes */

static void system_require(System *system, unsigned who, unsigned whom)
{
    g_assert_cmpuint(whom, <, who);
    g_array_append_val(system->required[who], whom);
    system->is_required[whom] = true;
}

static void draw_chain(System *system)
{
    for (unsigned i = 1; i < system->n; i++)
        system_require(system, i, i - 1);
}

/* All but the first require the first. */
static void draw_required(System *system)
{
    for (unsigned i = 1; i < system->n; i++)
        system_require(system, i, 0);
}

/* The last one requires all others. */
static void draw_requires(System *system)
{
    for (unsigned i = 0; i < system->n - 1; i++)
        system_require(system, system->n - 1, i);
}

static void draw_diamond(System *system)
{
    for (unsigned i = 1; i < system->n - 1; i++) {
        system_require(system, i, 0);
        system_require(system, system->n - 1, i);
    }
}

/* Twenty layers, each service with up to three in the layer below; the same in each run. */
static void draw_layers(System *system)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(DEPS_SEED);
    unsigned width = MAX(system->n / 20, 1);

    for (unsigned i = width; i < system->n; i++) {
        unsigned first = (i / width - 1) * width, step = (unsigned)g_rand_int_range(random, 1, 4);
        unsigned offset = (unsigned)g_rand_int_range(random, 0, (int)width);

        for (unsigned k = 0; k < step && k < width; k++)
            system_require(system, i, first + (offset + k) % width);
    }
}

static const Shape shapes[] = {
        {"chain-10", 10, 3, 9, 0, true, draw_chain},
        {"chain-100", 100, 4, 5, 0, true, draw_chain},
        {"chain-1000", 1000, 5, 2, 0, true, draw_chain},
        {"diamond", 4, 4, 9, 0, false, draw_diamond},
        {"required-by-1000", 1001, 5, 2, 0, false, draw_required},
        {"requires-1000", 1001, 5, 2, 0, true, draw_requires},
        {"requires-1000-by-8", 1001, 12, 2, 8, false, draw_requires},
        {"layers", 1000, 20, 2, 0, true, draw_layers},
};

/* Definitions */

static char *system_definition(const System *system, unsigned number, const char *program)
{
    g_autofree char *id = bench_id(number);
    GString *text = g_string_new(NULL);

    g_string_append_printf(
            text,
            "{\"kind\":\"process\",\"config\":{\"exec\":[\"%s\",\"%s\",\"%s\",\"%s\"],"
            "\"readiness\":\"notify\",\"requires\":[",
            program, system->journal_path, id, DEPS_READY_MSEC);
    for (unsigned i = 0; i < system->required[number]->len; i++) {
        g_autofree char *other = bench_id(g_array_index(system->required[number], unsigned, i));

        g_string_append_printf(text, "%s\"%s\"", i > 0 ? "," : "", other);
    }
    g_string_append(text, "]}}");
    return g_string_free(text, FALSE);
}

static void system_define(const System *system, char *services_dir)
{
    DaemonFixture *fixture = &system->bench->fixture;
    char *directory = fixture->services_dir;
    g_autofree char *program = rig_program("bench-step");

    g_assert_cmpint(g_mkdir(services_dir, 0700), ==, 0);
    fixture->services_dir = services_dir;
    for (unsigned i = 0; i < system->n; i++) {
        g_autofree char *id = bench_id(i);
        g_autofree char *text = system_definition(system, i, program);

        daemon_fixture_define(fixture, id, text);
    }
    fixture->services_dir = directory;
}

/* Life */

static void system_init(System *system, Bench *bench, const Shape *shape)
{
    *system = (System){.bench = bench, .n = bench->quick ? shape->quick_n : shape->n};
    system->required = g_new0(GArray *, system->n);
    system->is_required = g_new0(bool, system->n);
    system->said = g_malloc0_n(system->n, sizeof(*system->said));
    for (unsigned i = 0; i < system->n; i++)
        system->required[i] = g_array_new(false, false, sizeof(unsigned));
    shape->draw(system);
    system->journal_path = g_build_filename(bench->fixture.root, "j", NULL);
    (void)unlink(system->journal_path);
    g_assert_cmpint(mkfifo(system->journal_path, 0600), ==, 0);
    system->journal = open(system->journal_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(fcntl(system->journal, F_SETPIPE_SZ, DEPS_JOURNAL_BYTES), >=,
                    DEPS_JOURNAL_BYTES);
}

static void system_launch(System *system, const Shape *shape, bool on_bus)
{
    static unsigned n_launched;
    DaemonFixture *fixture = &system->bench->fixture;
    unsigned number = n_launched++;
    g_autofree char *services = g_strdup_printf("%s/s%u", fixture->root, number);
    g_autofree char *state = g_strdup_printf("%s/k%u", fixture->root, number);
    g_autofree char *max_starting = g_strdup_printf("%u", shape->max_starting);

    (void)rig_has_cgroups(system->bench);
    system_define(system, services);
    daemon_fixture_start_exactly(
            fixture, daemon_fixture_option(fixture, "socket", fixture->socket),
            daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir),
            daemon_fixture_option(fixture, "state-dir", state),
            daemon_fixture_option(fixture, "services-dir", services),
            daemon_fixture_option(fixture, "max-starting", max_starting),
            on_bus ? daemon_fixture_option(fixture, "address", fixture->bus_address) : NULL, NULL);
    system->destination = on_bus ? "org.svcmgr1" : NULL;
    system->bus = on_bus ? bench_connect_bus(fixture->bus_address)
                         : bench_connect_server(fixture->socket);
}

/* The next daemon may come only when the bus has noticed that this one has gone. */
static void system_await_name_gone(System *system)
{
    int is_owned = true;

    while (is_owned) {
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_call_method(system->bus, "org.freedesktop.DBus",
                                           "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                           "NameHasOwner", NULL, &reply, "s", "org.svcmgr1"),
                        >=, 0);
        g_assert_cmpint(sd_bus_message_read(reply, "b", &is_owned), >, 0);
        sd_bus_message_unref(reply);
    }
}

static void system_done(System *system)
{
    bench_stop_daemon(system->bench);
    if (system->destination != NULL)
        system_await_name_gone(system);
    sd_bus_flush_close_unref(system->bus);
    system->journal = fd_close(system->journal);
    for (unsigned i = 0; i < system->n; i++)
        g_array_unref(system->required[i]);
    g_free(system->required);
    g_free(system->is_required);
    g_free(system->said);
    g_free(system->journal_path);
}

/* What the programs say */

static void system_hear(System *system, const char *line)
{
    char id[DEPS_ID_LENGTH + 1], word[8];
    uint64_t usec;
    unsigned number;

    g_assert_cmpint(sscanf(line, "%6s %7s %" G_GUINT64_FORMAT, id, word, &usec), ==, 3);
    number = (unsigned)strtoul(id + 1, NULL, 10);
    g_assert_cmpuint(number, <, system->n);
    for (DepsWord i = 0; i < _DEPS_WORD_MAX; i++) {
        if (strcmp(deps_words[i], word) == 0)
            system->said[number][i] = usec;
    }
}

/* All of it has been said before the daemon has answered. */
static void system_read(System *system)
{
    g_autofree char *text = g_malloc(DEPS_JOURNAL_BYTES + 1);
    ssize_t length = 0, n;

    memset(system->said, 0, system->n * sizeof(*system->said));
    while ((n = read(system->journal, text + length, (size_t)(DEPS_JOURNAL_BYTES - length))) > 0)
        length += n;
    text[length] = '\0';
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';)
        system_hear(system, line);
}

static uint64_t system_said(const System *system, unsigned number, DepsWord word)
{
    uint64_t usec = system->said[number][word];

    if (usec == 0)
        g_error("service %u has not said '%s'", number, deps_words[word]);
    return usec;
}

/* The longest way through the system: the time from `from` to `to` of each that is on it. Whoever
 * requires another has begun after that was ready, and (is_reverse) has ended before that was told
 * to. */
static uint64_t system_longest(const System *system, DepsWord from, DepsWord to, bool is_reverse)
{
    g_autofree uint64_t *reached = g_new0(uint64_t, system->n);
    uint64_t longest = 0;

    for (unsigned i = 0; i < system->n; i++) {
        uint64_t before = 0;

        for (unsigned k = 0; k < system->required[i]->len; k++) {
            unsigned other = g_array_index(system->required[i], unsigned, k);
            unsigned first = is_reverse ? i : other, second = is_reverse ? other : i;

            g_assert_cmpuint(system_said(system, first, to), <=, system_said(system, second, from));
            before = MAX(before, reached[other]);
        }
        reached[i] = before + system_said(system, i, to) - system_said(system, i, from);
        longest = MAX(longest, reached[i]);
    }
    return longest;
}

static uint64_t system_sum(const System *system, DepsWord from, DepsWord to)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < system->n; i++)
        sum += system_said(system, i, to) - system_said(system, i, from);
    return sum;
}

/* Calls */

/* Those at the top, or all. */
static void system_append(const System *system, sd_bus_message *message, bool only_tops)
{
    g_assert_cmpint(sd_bus_message_open_container(message, 'a', "s"), >=, 0);
    for (unsigned i = 0; i < system->n; i++) {
        g_autofree char *id = bench_id(i);

        if (!only_tops || !system->is_required[i])
            g_assert_cmpint(sd_bus_message_append(message, "s", id), >=, 0);
    }
    g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
    g_assert_cmpint(sd_bus_message_append(message, "a{sv}", 0), >=, 0);
}

/* Microseconds until it is answered, which is when all have settled. */
static uint64_t system_call(System *system, const char *method, bool only_tops)
{
    sd_bus_message *call = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(system->bus, &call, system->destination,
                                                   "/org/svcmgr1", "org.svcmgr1.Manager", method),
                    >=, 0);
    system_append(system, call, only_tops);

    uint64_t began_usec = test_now_usec();
    sd_bus_error error = SD_BUS_ERROR_NULL;
    if (sd_bus_call(system->bus, call, DEPS_PATIENCE_USEC, &error, NULL) < 0)
        g_error("%s: %s", method, error.message);
    uint64_t taken_usec = test_now_usec() - began_usec;
    sd_bus_message_unref(call);
    return taken_usec;
}

/* Rounds */

typedef struct DepsResult {
    double total_msec[DEPS_ROUNDS_MAX];
    double own_msec[DEPS_ROUNDS_MAX]; /* what the programs themselves have to take */
    double link_usec[DEPS_ROUNDS_MAX];
    double cpu_usec[DEPS_ROUNDS_MAX]; /* of the daemon, for each */
} DepsResult;

static void deps_note_round(DepsResult *result, unsigned round, const System *system,
                            uint64_t total_usec, uint64_t own_usec, uint64_t cpu_usec)
{
    double rest_usec = (double)total_usec - (double)own_usec;

    result->total_msec[round] = (double)total_usec / 1000;
    result->own_msec[round] = (double)own_usec / 1000;
    result->link_usec[round] = rest_usec / system->n;
    result->cpu_usec[round] = (double)cpu_usec / system->n;
}

static void deps_start(System *system, const Shape *shape, DepsResult *result, unsigned round)
{
    pid_t pid = system->bench->fixture.daemon.pid;
    uint64_t cpu_usec = bench_cpu_usec(pid);
    uint64_t total_usec = system_call(system, "StartServices", true);

    cpu_usec = bench_cpu_usec(pid) - cpu_usec;
    system_read(system);

    uint64_t own_usec = system_longest(system, DEPS_BEGIN, DEPS_READY, false);
    if (shape->max_starting > 0)
        own_usec = MAX(own_usec, system_sum(system, DEPS_BEGIN, DEPS_READY) / shape->max_starting);
    deps_note_round(result, round, system, total_usec, own_usec, cpu_usec);
}

static void deps_stop(System *system, DepsResult *result, unsigned round)
{
    pid_t pid = system->bench->fixture.daemon.pid;
    uint64_t cpu_usec = bench_cpu_usec(pid);
    uint64_t total_usec = system_call(system, "StopServices", false);

    cpu_usec = bench_cpu_usec(pid) - cpu_usec;
    system_read(system);
    deps_note_round(result, round, system, total_usec,
                    system_longest(system, DEPS_STOP, DEPS_END, true), cpu_usec);
}

static void deps_tell(const Shape *shape, const char *how, const char *what, unsigned rounds,
                      const DepsResult *result, double spawn_usec)
{
    g_autofree char *name = g_strdup_printf("deps/%s/%s/%s", how, shape->name, what);
    g_autofree char *less = g_strdup_printf("%s/less-spawning", name);

    bench_note("%s: %.1f ms, of which the programs %.1f ms; the daemon's processor %.0f us a "
               "service",
               name, bench_median(result->total_msec, rounds),
               bench_median(result->own_msec, rounds), bench_median(result->cpu_usec, rounds));
    bench_figure(name, bench_median(result->link_usec, rounds), "us", "<= 1000");
    if (spawn_usec > 0)
        bench_figure(less, bench_median(result->link_usec, rounds) - spawn_usec, "us", "<= 1000");
}

static void deps_measure(Bench *bench, const Shape *shape, bool on_bus, double spawn_usec)
{
    const char *how = on_bus ? "bus" : "alone";
    unsigned rounds = bench->quick ? 1 : shape->rounds;
    DepsResult started, stopped;
    System system;

    system_init(&system, bench, shape);
    system_launch(&system, shape, on_bus);
    for (unsigned i = 0; i < rounds; i++) {
        deps_start(&system, shape, &started, i);
        deps_stop(&system, &stopped, i);
    }
    deps_tell(shape, how, "start", rounds, &started, spawn_usec);
    deps_tell(shape, how, "stop", rounds, &stopped, 0);
    system_done(&system);
}

/* Messages */

static int on_deps_signal(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    unsigned *count = data;

    (*count)++;
    return 0;
}

/* What somebody who follows everything gets of a start and a stop of a chain, a service. */
static void deps_count_messages(Bench *bench)
{
    const Shape *shape = &shapes[1];
    unsigned count = 0;
    System system;

    system_init(&system, bench, shape);
    system_launch(&system, shape, true);
    g_assert_cmpint(sd_bus_add_match(system.bus, NULL, "type='signal',sender='org.svcmgr1'",
                                     on_deps_signal, &count),
                    >=, 0);
    (void)system_call(&system, "StartServices", true);
    (void)system_call(&system, "StopServices", false);
    while (sd_bus_process(system.bus, NULL) > 0)
        continue; /* all of them came before the answer */
    bench_figure("deps/bus/messages", (double)count / system.n, "each", "<= 24");
    system_done(&system);
}

/* The first that the program has said of itself. */
static uint64_t deps_read_begin(const char *journal)
{
    g_autofree char *text = NULL;
    uint64_t usec;

    g_assert_true(g_file_get_contents(journal, &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "s00000 begin %" G_GUINT64_FORMAT, &usec), ==, 1);
    return usec;
}

/* What the kernel and the C library alone take for one of these programs, from its fork until it
 * begins, and to its end. Gives the former. */
static double deps_measure_spawn(Bench *bench)
{
    g_autofree char *program = rig_program("bench-step");
    g_autofree char *journal = g_build_filename(bench->fixture.root, "floor", NULL);
    const char *argv[] = {program, journal, "s00000", "0", "oneshot", NULL};
    double spawn_usec[DEPS_FLOOR_ROUNDS], taken_usec[DEPS_FLOOR_ROUNDS];
    int status;

    for (unsigned i = 0; i < DEPS_FLOOR_ROUNDS; i++) {
        uint64_t forked_usec = test_now_usec();

        taken_usec[i] = bench_run_program(argv, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        spawn_usec[i] = (double)(deps_read_begin(journal) - forked_usec);
        g_assert_cmpint(g_unlink(journal), ==, 0);
    }
    bench_note(
            "one program alone, without a supervisor: begins after %.0f us, has ended after %.0f",
            bench_median(spawn_usec, DEPS_FLOOR_ROUNDS),
            bench_median(taken_usec, DEPS_FLOOR_ROUNDS));
    return bench_median(spawn_usec, DEPS_FLOOR_ROUNDS);
}

int main(int argc, char **argv)
{
    Bench bench;

    bench_init(&bench, argc, argv);
    double spawn_usec = deps_measure_spawn(&bench);
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        deps_measure(&bench, &shapes[i], false, spawn_usec);
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        if (shapes[i].on_bus)
            deps_measure(&bench, &shapes[i], true, spawn_usec);
    }
    deps_count_messages(&bench);
    return bench_done(&bench);
}
