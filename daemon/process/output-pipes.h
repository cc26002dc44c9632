/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reading ends of all pipes that programs write to, under names that say whose they are:
 * "out:INVOCATION:ID", "err:INVOCATION:ID". This is the one place that makes them, finds them and
 * gives them away, so that they can be kept by somebody who outlives the daemon, and taken over
 * from him. */

#include "process/host.h"
#include "process/service-log-line.h"

typedef struct OutputPipeName {
    const char *service_id;
    const char *invocation; /* 32 hexadecimal digits */
    OutputStream stream;
} OutputPipeName;
char *output_pipe_name_to_string(const OutputPipeName *name);
/* What is returned borrows from string, which is changed. False: it is no such name. */
bool output_pipe_name_parse(char *string, OutputPipeName *ret_name);

/* Both ends are close-on-exec and 3 or more, the reading one does not block. 0 or negative errno.
 */
int output_pipe_make(const Sys *sys, int *ret_read_fd, int *ret_write_fd);

/* Gives away all reading ends that are open: func gets the descriptor, which is its own, and its
 * name (borrowed), and nothing is read from it here any more. What was read of a line without
 * newline is in the log. */
void output_pipes_hand_over(ProcessHost *host, void (*func)(const char *name, int fd, void *data),
                            void *data);
/* Takes over what was handed over: what comes is appended to the log of the service, whether it is
 * known here or not, until its last writer has gone. Takes fd, also on failure. */
bool output_pipes_adopt(ProcessHost *host, const char *name, int fd, GError **error);
