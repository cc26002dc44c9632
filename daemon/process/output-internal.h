/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of output share: output.c (what a run is given), output-reader.c (who reads it),
 * output-pipes.c (its pipes, and their names) and output-journal.c. */

#include "process/host-internal.h"
#include "process/output-lines.h"
#include "process/output.h"
#include "process/service-log-line.h"

/* Runs of a service that are over while somebody still can write to their pipes. A descriptor can
 * be sent anywhere, and a run that leaves one behind may be begun again and again. */
#define OUTPUT_LEFT_MAX 16

/* One for each stream of each program that runs: as small as can be. */
typedef struct OutputPipe {
    int fd;         /* the reading end; -1: there is none (any more) */
    uint8_t stream; /* OutputStream: its place in the output */
    bool has_failed;
    OutputLines lines;
} OutputPipe;

/* Lives until it is released and its last pipe is closed. */
struct Output {
    ProcessHost *host;
    ServiceLog *log; /* NULL: nothing is read here */
    GList link;      /* of the reader's outputs, while a pipe is open */
    OutputPipe pipes[_OUTPUT_STREAM_MAX];
    OutputEnds ends;
    bool owns_ends;
    bool has_no_timestamps;
    bool is_left;       /* the run is over, and pipes are open */
    bool has_told_left; /* that there are too many such */
    uint8_t n_open;     /* pipes */
    uint8_t n_refs;     /* the run's, each open pipe's, and of who is at work with it */
    char invocation[33];
    char service_id[];
};

/* output.c */

/* Nothing is open. The reference is the caller's. service_id NULL: ""; log NULL: none; its use is
 * the output's from now on. */
Output *output_make(ProcessHost *host, const char *service_id, const char *invocation_id,
                    ServiceLog *log);
Output *output_ref(Output *output);
void output_unref(Output *output);

/* output-journal.c */

/* A stream of the journal whose lines come under this identifier: 3 or more, close-on-exec, the
 * caller's. Does not wait. Negative errno: there is no journal, or it takes nobody now. */
int output_journal_open(const Sys *sys, const char *identifier);
/* Whether it would take one now. */
bool output_journal_answers(const Sys *sys);

/* output-reader.c */

OutputReader *output_reader_new(ProcessHost *host);
/* Reads what is there, and closes it. Accepts NULL. */
void output_reader_free(OutputReader *reader);
/* /dev/null for writing, 3 or more, the reader's; negative errno. */
int output_reader_null_fd(OutputReader *reader);
/* True the first time. */
bool output_reader_misses_journal(OutputReader *reader);
/* Reads from fd from now on. Takes fd, also on failure: false and errno. */
bool output_reader_add(Output *output, OutputStream stream, int fd);
/* Reads what is there now, and no more; closed: its last line ends. */
void output_reader_drain(Output *output);
/* The run is over, and somebody can still write: where there are too many such of its service, the
 * oldest is closed. */
void output_reader_leave(Output *output);
/* Each output of which a pipe is open. func may close pipes. */
void output_reader_foreach(OutputReader *reader, void (*func)(Output *output, void *data),
                           void *data);
/* What is held of a line is in the log, as partial; nothing is read any more. The descriptor is the
 * caller's. */
int output_reader_take(Output *output, OutputPipe *pipe);
