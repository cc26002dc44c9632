/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The FIFO holds everything that 10,000 programs have to say at once, so none ever waits for us;
 * and since the times come with the words, it does not matter when they are read. */

#include "rig.h"

#include "base/clock.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RIG_PATIENCE_USEC (60 * USEC_PER_SEC)
#define RIG_FIFO_BYTES (1024 * 1024)
#define RIG_BATCH 256

static unsigned rig_n_made; /* names of FIFOs and directories are short: definitions are, too */

char *rig_program(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = g_path_get_dirname(self);

    return g_build_filename(directory, name, NULL);
}

/* Short paths, so that a definition stays below what benches allow. */
static char *rig_announcer(Bench *bench)
{
    g_autofree char *program = rig_program("bench-announcer");
    char *link = g_build_filename(bench->fixture.root, "a", NULL);

    if (!g_file_test(link, G_FILE_TEST_IS_SYMLINK))
        g_assert_cmpint(symlink(program, link), ==, 0);
    return link;
}

static void rig_open_fifo(Rig *rig, unsigned number)
{
    rig->fifo_path = g_strdup_printf("%s/%u", rig->bench->fixture.root, number);
    g_assert_cmpint(mkfifo(rig->fifo_path, 0600), ==, 0);
    rig->fifo = open(rig->fifo_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(rig->fifo, >=, 0);
    g_assert_cmpint(fcntl(rig->fifo, F_SETPIPE_SZ, RIG_FIFO_BYTES), >=, RIG_FIFO_BYTES);
}

/* Without a delay a start limit is implied, which 100 crashes in a row would hit. */
static char *rig_config(const Rig *rig)
{
    g_autofree char *announcer = rig_announcer(rig->bench);

    return g_strdup_printf("{\"exec\":[\"%s\",\"%s\"%s],"
                           "\"restart\":{\"policy\":\"always\",\"initial_delay\":0},"
                           "\"start_limit\":{\"burst\":10000}}",
                           announcer, rig->fifo_path, rig->exits ? ",\"x\"" : "");
}

static void rig_define(Rig *rig, unsigned number)
{
    DaemonFixture *fixture = &rig->bench->fixture;
    char *directory = fixture->services_dir;
    g_autofree char *config = rig_config(rig);

    rig->services_dir = g_strdup_printf("%s/s%u", fixture->root, number);
    rig->state_dir = g_strdup_printf("%s/k%u", fixture->root, number);
    g_assert_cmpint(g_mkdir(rig->services_dir, 0700), ==, 0);
    fixture->services_dir = rig->services_dir;
    bench_define(rig->bench, rig->n, "process", config, true);
    fixture->services_dir = directory;
}

static bool rig_is_floor(const Rig *rig)
{
    return rig->side == RIG_FLOOR || rig->side == RIG_FLOOR_CGROUPS;
}

void rig_init(Rig *rig, Bench *bench, RigSide side, unsigned n, bool exits)
{
    unsigned number = rig_n_made++;

    *rig = (Rig){.bench = bench, .side = side, .n = n, .exits = exits};
    rig_open_fifo(rig, number);
    if (!rig_is_floor(rig))
        rig_define(rig, number);
}

static bool rig_is_running(const Rig *rig)
{
    return rig_is_floor(rig) ? rig->floor.pid > 0 : rig->bench->fixture.daemon.pid > 0;
}

void rig_done(Rig *rig)
{
    if (rig_is_running(rig))
        (void)rig_stop(rig);
    rig->fifo = fd_close(rig->fifo);
    g_clear_pointer(&rig->fifo_path, g_free);
    g_clear_pointer(&rig->services_dir, g_free);
    g_clear_pointer(&rig->state_dir, g_free);
}

bool rig_has_cgroups(Bench *bench)
{
    CgroupBase *cgroups = &bench->fixture.cgroups;

    if (cgroups->path == NULL && !cgroup_base_open(cgroups))
        bench_note("there are no cgroups here");
    return cgroups->path != NULL;
}

/* Beside the daemon's, for as long as the floor runs. */
static void rig_make_floor_cgroups(Rig *rig)
{
    g_assert_true(rig_has_cgroups(rig->bench));
    rig->cgroups = g_build_filename(rig->bench->fixture.cgroups.path, "floor", NULL);
    g_assert_cmpint(g_mkdir(rig->cgroups, 0755), ==, 0);
}

static void rig_remove_floor_cgroups(Rig *rig)
{
    if (rig->cgroups != NULL)
        g_assert_cmpint(g_rmdir(rig->cgroups), ==, 0);
    g_clear_pointer(&rig->cgroups, g_free);
}

static void rig_start_floor(Rig *rig)
{
    if (rig->side == RIG_FLOOR_CGROUPS)
        rig_make_floor_cgroups(rig);

    g_autofree char *program = rig_program("bench-spawn-floor");
    g_autofree char *n = g_strdup_printf("%u", rig->n);
    g_autofree char *announcer = rig_announcer(rig->bench);
    const char *environment[] = {NULL};
    const char *argv[] = {program,
                          n,
                          rig->cgroups != NULL ? rig->cgroups : "-",
                          announcer,
                          rig->fifo_path,
                          rig->exits ? "x" : NULL,
                          NULL};
    ChildStreams streams = {.output_fd = -1, .error_fd = STDERR_FILENO, .keep_fd = -1};

    child_spawn(&rig->floor, argv, environment, &streams);
}

/* With cgroups where there are any: that is how it runs on most machines. */
static void rig_start_daemon(Rig *rig)
{
    DaemonFixture *fixture = &rig->bench->fixture;

    (void)rig_has_cgroups(rig->bench);
    const char *address = rig->side == RIG_ON_BUS
                                  ? daemon_fixture_option(fixture, "address", fixture->bus_address)
                                  : NULL;

    daemon_fixture_start_exactly(
            fixture, daemon_fixture_option(fixture, "socket", fixture->socket),
            daemon_fixture_option(fixture, "runtime-dir", fixture->runtime_dir),
            daemon_fixture_option(fixture, "state-dir", rig->state_dir),
            daemon_fixture_option(fixture, "services-dir", rig->services_dir), address, NULL);
}

uint64_t rig_start_pids(Rig *rig, pid_t *pids)
{
    uint64_t began_usec = test_now_usec(), last_usec = began_usec;

    if (rig_is_floor(rig))
        rig_start_floor(rig);
    else
        rig_start_daemon(rig);
    for (unsigned i = 0; i < rig->n; i++) {
        Announcement announcement = rig_next(rig);

        last_usec = MAX(last_usec, announcement.usec);
        if (pids != NULL)
            pids[i] = (pid_t)announcement.pid;
    }
    return last_usec - began_usec;
}

uint64_t rig_start(Rig *rig)
{
    return rig_start_pids(rig, NULL);
}

pid_t rig_pid(const Rig *rig)
{
    return rig_is_floor(rig) ? rig->floor.pid : rig->bench->fixture.daemon.pid;
}

/* The next daemon may come only when the bus has noticed that this one has gone. */
static void rig_await_name_gone(const Rig *rig)
{
    sd_bus *bus = bench_connect_bus(rig->bench->fixture.bus_address);
    int is_owned = true;

    while (is_owned) {
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", "NameHasOwner", NULL, &reply,
                                           "s", "org.svcmgr1"),
                        >=, 0);
        g_assert_cmpint(sd_bus_message_read(reply, "b", &is_owned), >, 0);
        sd_bus_message_unref(reply);
    }
    sd_bus_flush_close_unref(bus);
}

uint64_t rig_stop(Rig *rig)
{
    uint64_t began_usec = test_now_usec();

    if (rig_is_floor(rig)) {
        child_kill(&rig->floor, SIGTERM);
        g_assert_cmpint(child_wait_exit(&rig->floor, RIG_PATIENCE_USEC), ==, 0);
        rig_remove_floor_cgroups(rig);
    } else {
        g_assert_cmpint(daemon_fixture_stop(&rig->bench->fixture, SIGTERM), ==, 0);
    }

    uint64_t taken_usec = test_now_usec() - began_usec;
    (void)rig_count(rig, 0);
    if (rig->side == RIG_ON_BUS)
        rig_await_name_gone(rig);
    return taken_usec;
}

/* Up to the time until_usec; false: nothing has come until then. */
static bool rig_wait(const Rig *rig, uint64_t until_usec)
{
    struct pollfd fd = {.fd = rig->fifo, .events = POLLIN};
    int n;

    do {
        uint64_t now = test_now_usec();

        n = poll(&fd, 1, now < until_usec ? (int)((until_usec - now) / 1000) + 1 : 0);
    } while (n == 0 && test_now_usec() < until_usec);
    return n > 0;
}

Announcement rig_next(Rig *rig)
{
    Announcement announcement = {0};

    if (!rig_wait(rig, test_now_usec() + RIG_PATIENCE_USEC))
        g_error("a program has not begun to run in time");
    g_assert_cmpint(read(rig->fifo, &announcement, sizeof(announcement)), ==, sizeof(announcement));
    return announcement;
}

unsigned rig_count(Rig *rig, uint64_t until_usec)
{
    Announcement announcements[RIG_BATCH];
    unsigned count = 0;

    while (rig_wait(rig, until_usec)) {
        ssize_t n = read(rig->fifo, announcements, sizeof(announcements));

        g_assert_cmpint(n, >, 0);
        count += (unsigned)((size_t)n / sizeof(announcements[0]));
    }
    return count;
}

void rig_rest(Rig *rig, uint64_t usec)
{
    if (rig_wait(rig, test_now_usec() + usec))
        g_error("a program has begun to run while nothing was to happen");
    g_assert_cmpint(kill(rig_pid(rig), 0), ==, 0);
}

void rig_note(const char *name, double of_bare, double of_cgroups)
{
    bench_note("%s: %.3f of the bare floor, %.3f of the floor with a cgroup each, by which it is "
               "judged",
               name, of_bare, of_cgroups);
}

static double rig_compare_both(const char *name, unsigned rounds, const RigSides *sides)
{
    g_autofree double *bare = g_new(double, rounds);
    g_autofree double *cgroups = g_new(double, rounds);
    g_autofree double *ours = g_new(double, rounds);
    g_autofree double *of_bare = g_new(double, rounds);
    g_autofree double *of_cgroups = g_new(double, rounds);

    for (unsigned i = 0; i <= rounds; i++) {
        unsigned at = i > 0 ? i - 1 : 0; /* the first one warms up */

        bare[at] = sides->round(sides->bare);
        cgroups[at] = sides->round(sides->cgroups);
        ours[at] = sides->round(sides->ours);
        of_bare[at] = ours[at] / bare[at];
        of_cgroups[at] = ours[at] / cgroups[at];
    }
    bench_note("%s: bare floor %.3f ms, floor with cgroups %.3f ms, ours %.3f ms", name,
               bench_median(bare, rounds), bench_median(cgroups, rounds),
               bench_median(ours, rounds));
    rig_note(name, bench_median(of_bare, rounds), bench_median(of_cgroups, rounds));
    return bench_median(of_cgroups, rounds);
}

double rig_compare(const char *name, unsigned rounds, const RigSides *sides)
{
    return sides->cgroups != NULL ? rig_compare_both(name, rounds, sides)
                                  : bench_compare(name, rounds, sides->round, sides->bare,
                                                  sides->round, sides->ours);
}

double rig_compare_alone(Bench *bench, RigSide side, unsigned n, const char *name, unsigned rounds,
                         BenchRound round)
{
    bool has_cgroups = rig_has_cgroups(bench);
    Rig bare, cgroups, ours;
    RigSides sides = {round, &bare, has_cgroups ? &cgroups : NULL, &ours};

    rig_init(&bare, bench, RIG_FLOOR, n, false);
    if (has_cgroups)
        rig_init(&cgroups, bench, RIG_FLOOR_CGROUPS, n, false);
    rig_init(&ours, bench, side, n, false);
    double ratio = rig_compare(name, rounds, &sides);
    rig_done(&ours);
    if (has_cgroups)
        rig_done(&cgroups);
    rig_done(&bare);
    return ratio;
}
