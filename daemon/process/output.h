/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a program's standard output and error go. For target "file" each is a pipe that is read
 * here, cut into lines, stamped and appended to the service's log. Pipes are read in bounded
 * slices, after everything else that the loop has to do, and only so often that many slow writers
 * cost few wake-ups; a writer that is faster waits, and nothing of it is dropped.
 *
 * The pipes of a run live as long as somebody may write to them, which can be longer than the run:
 * what a surviving grandchild says still goes to its log, under the number of its run. */

#include "base/enum-table.h"
#include "process/host.h"
#include "process/service-log.h"

#include <sys/types.h>

typedef enum OutputTarget {
    OUTPUT_FILE,
    OUTPUT_JOURNAL, /* systemd's; the file where there is none */
    OUTPUT_INHERIT, /* where the daemon's own goes */
    OUTPUT_NULL,
    _OUTPUT_TARGET_MAX,
    _OUTPUT_TARGET_INVALID = -22,
} OutputTarget;
ENUM_TABLE_DECLARE(OutputTarget, output_target); /* "file", "journal", "inherit", "null" */

typedef struct OutputSpec {
    OutputTarget target;
    bool has_no_timestamps; /* lines are kept as they are written */
    ServiceLogRules rules;  /* zero: the defaults */
} OutputSpec;

/* What the program gets as 1 and 2. Not owned. -1: what the daemon has. */
typedef struct OutputEnds {
    int stdout_fd; /* 3 or more */
    int stderr_fd;
} OutputEnds;

typedef struct Output Output;
/* What all runs share (host-internal.h has it). */
typedef struct OutputReader OutputReader;

/* Of one run. A host without logs inherits, whatever the target, and so does what is no service
 * (service_id NULL). NULL: there is no pipe to be had, and the program cannot be started. */
Output *output_new(ProcessHost *host, const char *service_id, const char *invocation_id,
                   const OutputSpec *spec, GError **error);
OutputEnds output_ends(const Output *output);
/* The program will be this user, who may open what is his by its name too (/dev/stdout). */
void output_give_to(const Output *output, uid_t uid, gid_t gid);
/* The program has them: the daemon's own copies are closed. */
void output_close_writing(Output *output);
/* It goes to the service's log here, which for a run may differ from what its target says. */
bool output_is_kept(const Output *output);
/* The same of a run that would begin now. */
bool output_would_be_kept(const ProcessHost *host, OutputTarget target);
/* Rules of the file that are in force from now on. */
void output_set_rules(Output *output, const ServiceLogRules *rules);
/* What has been written until now, and not more, is in the log when this returns; a line without a
 * newline, too, as partial. Before a death is told. */
void output_drain(Output *output);
/* The run is over. What is still open goes on by itself until its last writer is gone, or too many
 * later runs of the service have left such as well. Accepts NULL. */
void output_release(Output *output);
