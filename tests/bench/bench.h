/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What all benches share. A bench is a small program that measures ours beside a floor (the least
 * that the same work can cost) in one run, and prints one line for each figure:
 *
 *     NAME <tab> VALUE <tab> UNIT <tab> GOAL
 *
 * and lines that begin with "# " for what it comes from. A figure is called PROGRAM/..., PROGRAM
 * without "bench-", and stands in the table FIGURES of run.py, which runs the benches and judges.
 * With --quick the numbers are tiny: that shows that the bench works, not how fast anything is.
 *
 *     int main(int argc, char **argv)
 *     {
 *         Bench bench;
 *
 *         bench_init(&bench, argc, argv);
 *         bench_define(&bench, bench.quick ? 10 : 1000, "process", "{\"exec\":[\"sleep\",\"1h\"]}",
 *                      true);
 *         bench_start_daemon(&bench);
 *         ...
 *         bench_figure("this/that", value, "ms", "<= 2.0");
 *         return bench_done(&bench);
 *     }
 *
 * All that goes wrong aborts: the fixture's abort ends the daemon and prints its log. */

#include "support/daemon-fixture.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Bench {
    bool quick;
    DaemonFixture fixture; /* bus, directory, daemon; the daemon is fixture.daemon.pid */
} Bench;

/* Reads the options; makes a directory and a dbus-daemon of its own in it. No daemon yet. */
void bench_init(Bench *bench, int argc, char **argv);
/* Ends whatever runs and removes the directory; what main returns. */
int bench_done(Bench *bench);

/* Writes n definitions of at most 240 bytes each, with the ids bench_id(0) to bench_id(n - 1).
 * config NULL: without configuration; else an object with a member. Their output is not kept where
 * the limit of descriptors is too low for so many; that is noted. */
void bench_define(Bench *bench, unsigned n, const char *kind, const char *config, bool enabled);
/* "s00042" */
char *bench_id(unsigned number);
/* The daemon over these definitions, on the bus and on its private socket; returns when it has said
 * READY=1. It may be stopped (bench_stop_daemon) and started again. */
void bench_start_daemon(Bench *bench);
void bench_stop_daemon(Bench *bench);
/* Connections of which no signal is wanted; the caller's. server: the socket of a server that is no
 * bus. */
sd_bus *bench_connect_bus(const char *address);
sd_bus *bench_connect_server(const char *socket_path);

/* The bare sd-bus program (bus-floor.c; named by BENCH_BUS_FLOOR in the environment): on the same
 * bus, and on a socket of its own. */
#define BENCH_BUS_FLOOR_NAME "org.svcmgr1.Floor" /* its interface too */
#define BENCH_BUS_FLOOR_PATH "/org/svcmgr1/floor"

typedef struct BenchBusFloor {
    Child child;
    char *socket;
} BenchBusFloor;

/* Returns when it serves both. */
void bench_bus_floor_start(const Bench *bench, BenchBusFloor *floor);
void bench_bus_floor_stop(BenchBusFloor *floor);

/* Runs a program that is looked up in PATH, with the environment of the bench, until it ends by
 * itself; gives the microseconds from before the fork. Its standard output goes to the file
 * output_path (NULL: nowhere). */
double bench_run_program(const char *const *argv, const char *output_path, int *ret_status);

/* goal: "<= NUMBER" or ">= NUMBER", in the unit of the figure. */
void bench_figure(const char *name, double value, const char *unit, const char *goal);
/* A comment line. */
void bench_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* One round; gives what was measured, such as calls a second or milliseconds. */
typedef double (*BenchRound)(void *data);
/* Runs floor, ours, floor, ours, ... after one round of each that does not count, notes what came
 * out and gives the median of ours / floor, each of two neighbours: where the machine is busy, both
 * are slower. */
double bench_compare(const char *name, unsigned rounds, BenchRound floor, void *floor_data,
                     BenchRound ours, void *ours_data);

/* percent: 0 to 100, of the n values, n > 0; the values are left as they are. */
double bench_percentile(const double *values, unsigned n, double percent);
double bench_median(const double *values, unsigned n);

/* Of a process, from /proc: proportional memory, and the time on the processor so far. */
uint64_t bench_pss_bytes(pid_t pid);
uint64_t bench_cpu_usec(pid_t pid);
