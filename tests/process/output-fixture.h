/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A host that keeps logs, in DIRECTORY/logs, and what stands in them. */

#include "process-fixture.h"
#include "process/output.h"
#include "process/service-log-line.h"

#define RUN_A "0123456789abcdef0123456789abcdef"
#define RUN_B "fedcba9876543210fedcba9876543210"

void output_init(ProcessFixture *fixture, const void *unused);
void output_done(ProcessFixture *fixture, const void *unused);

/* All files of the service's log in their order. */
GString *log_read(ProcessFixture *fixture, const char *id);
typedef void (*LogFunc)(const ServiceLogLine *line, void *data);
/* Each line has its stamp. */
void log_foreach(ProcessFixture *fixture, const char *id, LogFunc func, void *data);

/* What was written to this stream, by one run or by all (invocation NULL), as it was written; what
 * was cut ends in "<cut>". */
GString *said_in(ProcessFixture *fixture, const char *id, OutputStream stream,
                 const char *invocation);
void assert_said(ProcessFixture *fixture, const char *id, OutputStream stream,
                 const char *invocation, const char *expected);
void wait_said(ProcessFixture *fixture, const char *id, OutputStream stream, const char *invocation,
               const char *text);

#define JOURNAL_SOCKET "/run/systemd/journal/stdout"

/* A /run of the calling process's own, without a journal. False: it is not allowed here. */
bool journal_enter(void);
/* The socket of one whose queue is so long; the caller's. */
int journal_listen(int backlog);
