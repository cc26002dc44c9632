/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Readiness by a descriptor, as s6 does it: the program writes a newline to a descriptor that it
 * has from us, and may close it then. */

#include "process/host.h"

typedef struct ReadinessPipe ReadinessPipe;

/* ready: a newline has come. Else the last writer has gone without one: it will never come. Called
 * once, from the loop or from readiness_pipe_drain; may free the pipe. */
typedef void (*ReadinessFunc)(bool ready, void *data);

ReadinessPipe *readiness_pipe_new(ProcessHost *host, ReadinessFunc func, void *data,
                                  GError **error);
void readiness_pipe_free(ReadinessPipe *pipe); /* accepts NULL */
/* The program's end; the daemon's own copy is to be closed when the program has one. */
int readiness_pipe_fd(const ReadinessPipe *pipe);
void readiness_pipe_close_writing(ReadinessPipe *pipe);
/* Reads what is there now: before a death is judged. */
void readiness_pipe_drain(ReadinessPipe *pipe);
